/* SPDX-License-Identifier: BSD-3-Clause */
/* A block I/O engine with a loop, a lock and a file, for the tests of the engines. */
#ifndef CV_TESTS_IO_RIG_H
#define CV_TESTS_IO_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "sys/io.h"

#define IO_FILE_SIZE (1u << 20) /* bytes of each file that is opened here */
#define IO_DEPTH     64

struct io_rig {
	struct cv_loop *loop;
	struct cv_io *io;
	struct cv_io_file file;
	pthread_mutex_t lock;
	int fd;
};

/* One request, which has to complete once and under the lock. */
struct io_op {
	struct cv_io_req req;
	struct io_rig *f;
	struct iovec iov[3];
	unsigned int n_done;
	int result;
};

/* Nameless files: on a disk if this directory's file system can (-1 if it can't be @direct), in
 * the page cache, or in memory. */
int io_disk_file(bool direct);
int io_cached_file(void);
int io_memory_file(void);

/* Takes @fd. */
void io_rig_init(struct io_rig *f, enum cv_io_engine engine, int fd);
void io_rig_fini(struct io_rig *f);

/* Whether this build and host have io_uring; tests run on the pool alone otherwise. */
bool io_have_uring(void);

/* Runs @body with each engine that there is, on a file of its own. */
void io_each_engine(void (*body)(struct io_rig *f), int (*open_file)(void));

void io_op_done(struct cv_io_req *req, int err);
void io_submit(struct io_rig *f, struct io_op *o);
void io_flush(struct io_rig *f);

/* Waits for @o; returns its result. */
int io_finish(struct io_rig *f, struct io_op *o);

/* Requests from beginning to end. */
int io_transfer(struct io_rig *f, enum cv_io_op op, void *buf, size_t len, uint64_t off);
int io_range(struct io_rig *f, enum cv_io_op op, uint64_t off, uint64_t len, bool unmap);

#endif
