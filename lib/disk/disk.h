/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk: a number of bytes behind asynchronous requests. Knows nothing of
 * guests. Raw images and block devices are raw.c; formats come as further
 * tables of operations behind the same calls.
 *
 * The submitter owns the request, embeds it, and keeps it and its iovecs alive
 * until the completion, which happens exactly once. All calls from the thread
 * of the loop; completions run there, under the lock given at the opening.
 */
#ifndef CV_DISK_DISK_H
#define CV_DISK_DISK_H

#include <pthread.h>

#include "base/base.h"
#include "base/err.h"
#include "sys/io.h"

struct cv_disk;
struct cv_disk_req;

enum cv_disk_op {
	CV_DISK_READ,	 /* iov, off */
	CV_DISK_WRITE,	 /* iov, off */
	CV_DISK_FLUSH,	 /* all that was written and completed before is on stable storage */
	CV_DISK_DISCARD, /* off, len: no longer needed; a disk that cannot discard succeeds */
	CV_DISK_ZERO,	 /* off, len: reads give zeroes afterwards */
};

struct cv_disk_req {
	enum cv_disk_op op;
	struct iovec *iov; /* changed by the disk */
	unsigned int n_iov;
	bool may_unmap;	   /* ZERO: deallocating is welcome */
	uint64_t off, len; /* bytes, inside the disk, multiples of its block size; READ and WRITE:
			    * len is the sum of the iovecs */
	void (*done)(struct cv_disk_req *req, int err); /* err: 0 or -errno */
	/* from here on: the disk's */
	struct cv_disk *disk;
	struct cv_list node;
	uint64_t pos;
	struct cv_io_req io;
};

struct cv_disk_ops {
	void (*submit)(struct cv_disk *disk, struct cv_disk_req *req);
	void (*start)(struct cv_disk *disk);
	void (*drain)(struct cv_disk *disk);
	void (*cancel)(struct cv_disk *disk, unsigned int ms);
	int (*resize)(struct cv_disk *disk, uint64_t size, struct vm_error *e);
	void (*destroy)(struct cv_disk *disk);
};

struct cv_disk {
	const struct cv_disk_ops *ops;
	uint64_t size; /* bytes, a multiple of the block size */
	bool read_only;
	uint32_t block_size;	    /* the unit of all requests: 512 or a larger power of two */
	uint32_t physical_size;	    /* what is written without reading first */
	uint32_t discard_alignment; /* smaller or unaligned discards may free nothing */
};

struct cv_disk_config {
	const char *name; /* of the image, for messages; used during the opening only */
	int fd;		  /* borrowed: duplicated */
	bool read_only;
	bool direct; /* past the page cache: sets O_DIRECT on the open file */
	enum cv_io_engine engine;
	struct cv_loop *loop;
	pthread_mutex_t *lock;
	unsigned int depth;	     /* requests in flight at most */
	void (*on_batch)(void *ctx); /* see cv_io_on_batch(); may be NULL */
	void *ctx;
};

/* Opens a raw image or a block device. 0, or -errno with a sentence that names the image. */
int cv_disk_raw_open(struct cv_disk **disk, const struct cv_disk_config *config,
		     struct vm_error *e) CV_MUST_CHECK;

/* What cv_disk_raw_open() finds out before it makes an I/O engine, for which loop, lock, depth and
 * the rest are. */
int cv_disk_raw_check(const struct cv_disk_config *config, struct vm_error *e) CV_MUST_CHECK;

/* Nothing is in flight; NULL is fine. */
static inline void cv_disk_destroy(struct cv_disk *disk)
{
	if (disk)
		disk->ops->destroy(disk);
}

/* Queues one request; see cv_io_submit(). */
static inline void cv_disk_submit(struct cv_disk *disk, struct cv_disk_req *req)
{
	disk->ops->submit(disk, req);
}

/* Starts all that is queued. */
static inline void cv_disk_start(struct cv_disk *disk)
{
	disk->ops->start(disk);
}

/* Starts all that is queued and waits until nothing is in flight. */
static inline void cv_disk_drain(struct cv_disk *disk)
{
	disk->ops->drain(disk);
}

/* Waits until nothing is in flight, but not long: what is not finished soon after @ms milliseconds
 * completes with -ECANCELED, a part of it done perhaps. */
static inline void cv_disk_cancel(struct cv_disk *disk, unsigned int ms)
{
	disk->ops->cancel(disk, ms);
}

/*
 * Changes the size to @size bytes, or to what the file has by now if @size is 0.
 * Nothing is in flight. 0, or -errno with a sentence; the size is then unchanged.
 */
static inline int CV_MUST_CHECK cv_disk_resize(struct cv_disk *disk, uint64_t size,
					       struct vm_error *e)
{
	return disk->ops->resize(disk, size, e);
}

#endif
