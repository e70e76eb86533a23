/* SPDX-License-Identifier: BSD-3-Clause */
/* The rooms behind the block I/O engine's face; for io*.c and their tests. */
#ifndef CV_SYS_IO_IMPL_H
#define CV_SYS_IO_IMPL_H

#include "sys/io.h"
#include "sys/loop.h"

/* ---- io_exec.c: one request, here and now ---- */

/* Takes @n transferred bytes off the front of the request. */
void cv_io_advance(struct cv_io_req *req, size_t n);

/* Zero-fills what is left of a read. */
void cv_io_zero_fill(struct cv_io_req *req);

/* Does the rest of the request and waits as long as it takes. 0 or -errno. */
int cv_io_execute(struct cv_io_req *req);

/*
 * Transfers what needs no waiting at all (RWF_NOWAIT). 1: finished, with
 * req->err; 0: a part is left that needs waiting; -EOPNOTSUPP: this file cannot
 * say, nothing was done.
 */
int cv_io_try_nowait(struct cv_io_req *req);

/* An operation that took this long and slept meanwhile has kept the loop waiting, ns. */
#define CV_IO_SLOW 5000000ull

/* The guard over files that are trusted to be quick: whether @file is at @now, and that an
 * operation was slow. */
bool cv_io_guard_allows(const struct cv_io_file *file, uint64_t now);
void cv_io_guard_note(struct cv_io_file *file, uint64_t begin, uint64_t end);

/* ---- io_pool.c: threads ---- */

struct cv_io_pool;

int cv_io_pool_create(struct cv_io_pool **pool, struct cv_io *io, struct cv_loop *loop,
		      pthread_mutex_t *lock, struct vm_error *e) CV_MUST_CHECK;
void cv_io_pool_destroy(struct cv_io_pool *pool);
/* Hands all of @jobs over in one go, emptying the list. @parallel: how many of them run well side
 * by side; 0: they only wait for each other. */
void cv_io_pool_give(struct cv_io_pool *pool, struct cv_list *jobs, unsigned int parallel);
/* Takes back what is finished: each goes to cv_io_pool_done(). */
void cv_io_pool_reap(struct cv_io_pool *pool);
/* Becomes readable when there is something to reap. */
int cv_io_pool_fd(const struct cv_io_pool *pool);
/* How many threads there are now. */
unsigned int cv_io_pool_threads(struct cv_io_pool *pool);

/* ---- io_uring.c, or io_uring_none.c in a build without liburing ---- */

struct cv_io_ring;

int cv_io_ring_create(struct cv_io_ring **ring, struct cv_io *io, struct cv_loop *loop,
		      pthread_mutex_t *lock, unsigned int depth, struct vm_error *e) CV_MUST_CHECK;
void cv_io_ring_destroy(struct cv_io_ring *ring);
/* Prepares the rest of a read or write; false: no room at the moment. */
bool cv_io_ring_add(struct cv_io_ring *ring, struct cv_io_req *req);
/* Gives the kernel what was added. */
void cv_io_ring_submit(struct cv_io_ring *ring);
/* Takes back what is finished: each goes to cv_io_ring_done(). */
void cv_io_ring_reap(struct cv_io_ring *ring);
int cv_io_ring_fd(const struct cv_io_ring *ring);

/* ---- io.c: called by the rooms ---- */

/* The loop has delivered a batch: starts what the completions have submitted. */
void cv_io_batch_done(struct cv_io *io);
void cv_io_pool_done(struct cv_io *io, struct cv_io_req *req);
void cv_io_ring_done(struct cv_io *io, struct cv_io_req *req, int res);

/* The pool, for tests. */
struct cv_io_pool *cv_io_get_pool(struct cv_io *io);

#endif
