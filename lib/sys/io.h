/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block I/O engine: asynchronous reads, writes, flushes and hole punching
 * on files, completed in the loop's thread. Two engines behind one face:
 * io_uring, and a pool of threads where io_uring is forbidden.
 *
 *   submit ... flush --> at once, in the loop's thread    page cache, no waiting
 *                    --> io_uring                         disk reads, many small reads, O_DIRECT
 *                    --> threads, started when needed     whatever may block
 *
 * What the page cache can serve is done in the loop's thread: a cached 4 KiB
 * read costs 0.6 µs there, a handover to a thread and back 10 to 50. Many small
 * reads at once go through the ring, which does the same with one system call for
 * all (5 to 20 % less time each, the more so behind a seccomp filter). Buffered
 * writes are the hard case: ext4 cannot do them without the risk of waiting
 * (RWF_NOWAIT is refused), and io_uring hands every one to its kernel threads
 * (measured on 6.18: 54 µs alone, 7 µs of CPU in batches of 32, against 3.2 µs
 * for the plain system call). So they too are done at once, under a guard that
 * measures: a file that has made the loop wait once is served by the threads
 * for a while, twice as long each time. io_uring itself is given only what it
 * does without its kernel threads, one of which would stay for good.
 *
 * The submitter owns the request, embeds it, and keeps it and its iovecs alive
 * until the completion, which happens exactly once. All calls from the thread
 * of the loop.
 */
#ifndef CV_SYS_IO_H
#define CV_SYS_IO_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/base.h"
#include "base/err.h"
#include "base/list.h"

struct cv_loop;
struct cv_io;

enum cv_io_op {
	CV_IO_READ,    /* iov, off; what lies past the end of the file is zero-filled */
	CV_IO_WRITE,   /* iov, off */
	CV_IO_FSYNC,   /* fdatasync */
	CV_IO_DISCARD, /* off, len: give the space back; reads give zeroes or old data afterwards */
	CV_IO_ZERO,    /* off, len: reads give zeroes afterwards, space may stay allocated */
};

enum cv_io_engine { CV_IO_AUTO, CV_IO_URING, CV_IO_POOL };

/* A regular file or a block device, and what is known of its manners. */
struct cv_io_file {
	int fd;	     /* borrowed */
	bool direct; /* O_DIRECT: transfers never wait for the page cache, but always for the disk */
	bool block;  /* a block device */
	bool quick;  /* on a local file system, whose page cache takes a write in microseconds */
	/* learned as it goes: RWF_NOWAIT is understood for reads, for writes */
	bool nowait_read, nowait_write;
	bool nowait_known;	      /* the former has been tried */
	uint64_t slow_until, penalty; /* the guard's: ns of the monotonic clock; ns */
};

struct cv_io_req {
	enum cv_io_op op;
	struct cv_io_file *file;
	struct iovec *iov; /* changed by the engine */
	unsigned int n_iov;
	bool may_unmap; /* ZERO: deallocating is welcome */
	uint64_t off, len;
	void (*done)(struct cv_io_req *req, int err); /* err: 0 or -errno */
	struct cv_list node;			      /* the engine's, as are those below */
	uint64_t left;
	const atomic_bool *cancel;
	int err;
};

/* Looks at the open @fd, which must stay open as long as the file is used. 0 or -errno;
 * -EINVAL for what is neither a regular file nor a block device. */
int cv_io_file_init(struct cv_io_file *file, int fd) CV_MUST_CHECK;

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

/* @fn runs under the lock after every batch of completions that the loop has delivered by itself
 * (not those inside cv_io_flush() and cv_io_drain()). */
void cv_io_on_batch(struct cv_io *io, void (*fn)(void *ctx), void *ctx);

/* Nothing is in flight; NULL is fine. */
void cv_io_destroy(struct cv_io *io);

/* Which engine AUTO has chosen. */
enum cv_io_engine cv_io_engine(const struct cv_io *io);

/* Queues one request; it starts at the next cv_io_flush(). Never fails: errors arrive at the
 * completion, which may run before cv_io_flush() returns but never inside this call. */
void cv_io_submit(struct cv_io *io, struct cv_io_req *req);

/* Starts all that is queued, also what its completions queue. */
void cv_io_flush(struct cv_io *io);

/* Flushes and waits until nothing is in flight, running completions (which hold the lock if the
 * caller does). */
void cv_io_drain(struct cv_io *io);

/* Like cv_io_drain() for @ms milliseconds, and then soon: what has not begun and what goes on after
 * its present piece of 1 MiB completes with -ECANCELED. A part of it may have been done. */
void cv_io_cancel(struct cv_io *io, unsigned int ms);

#endif
