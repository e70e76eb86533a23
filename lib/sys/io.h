/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block I/O engine: asynchronous reads, writes, flushes and hole punching
 * on fds, completed in the loop's thread. Two engines behind one face:
 * io_uring, and a pool of threads where io_uring is forbidden.
 *
 * The submitter owns the request, embeds it, and keeps it and its iovecs alive
 * until the completion, which happens exactly once. All calls from the thread
 * of the loop.
 */
#ifndef CV_SYS_IO_H
#define CV_SYS_IO_H

#include <pthread.h>
#include <sys/uio.h>

#include "base/base.h"
#include "base/err.h"
#include "base/list.h"

struct cv_loop;
struct cv_io;

enum cv_io_op {
	CV_IO_READ,    /* iov, off; a short read at the end of the file is zero-filled */
	CV_IO_WRITE,   /* iov, off */
	CV_IO_FSYNC,   /* fdatasync */
	CV_IO_DISCARD, /* off, len: punch a hole; reads give zeroes or old data afterwards */
	CV_IO_ZERO,    /* off, len: reads give zeroes afterwards, space may stay allocated */
};

enum cv_io_engine { CV_IO_AUTO, CV_IO_URING, CV_IO_POOL };

struct cv_io_req {
	enum cv_io_op op;
	int fd;
	struct iovec *iov; /* changed by the engine on short transfers */
	int n_iov;
	bool may_unmap; /* ZERO: deallocating is welcome */
	uint64_t off, len;
	void (*done)(struct cv_io_req *req, int err); /* err: 0 or -errno */
	struct cv_list node;			      /* the engine's, as are those below */
	uint64_t left;
	int err;
};

/*
 * Creates an engine whose completions run in @loop under @lock (may be NULL).
 *
 * @depth: how many requests may be in flight, 1 to 4096
 *
 * AUTO takes io_uring and falls back to the pool; URING alone fails with a
 * sentence where the kernel or its policy forbids it.
 */
int cv_io_create(struct cv_io **io, enum cv_io_engine engine, struct cv_loop *loop,
		 pthread_mutex_t *lock, unsigned int depth, struct vm_error *e) CV_MUST_CHECK;

/* Nothing is in flight; NULL is fine. */
void cv_io_destroy(struct cv_io *io);

/* Which engine AUTO has chosen. */
enum cv_io_engine cv_io_engine(const struct cv_io *io);

/* Queues one request; it starts at the next cv_io_flush() at the latest. Never fails: errors
 * arrive at the completion, which may run before cv_io_flush() returns but never inside this call. */
void cv_io_submit(struct cv_io *io, struct cv_io_req *req);

/* Starts all that is queued and completes what is done already. */
void cv_io_flush(struct cv_io *io);

/* Flushes and waits until nothing is in flight, running completions. */
void cv_io_drain(struct cv_io *io);

#endif
