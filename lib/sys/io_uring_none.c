/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of io_uring.c in a build without liburing. */
#include <errno.h>

#include "sys/io_impl.h"

int cv_io_ring_create(struct cv_io_ring **ring, struct cv_io *io, struct cv_loop *loop,
		      pthread_mutex_t *lock, unsigned int depth, struct vm_error *e)
{
	(void)ring;
	(void)io;
	(void)loop;
	(void)lock;
	(void)depth;
	return cv_err(e, -ENOSYS,
		      "block I/O: this build has no io_uring; use the thread pool, or build with "
		      "liburing-dev installed");
}

void cv_io_ring_destroy(struct cv_io_ring *ring)
{
	(void)ring;
}

bool cv_io_ring_add(struct cv_io_ring *ring, struct cv_io_req *req)
{
	(void)ring;
	(void)req;
	return false;
}

void cv_io_ring_submit(struct cv_io_ring *ring)
{
	(void)ring;
}

void cv_io_ring_reap(struct cv_io_ring *ring)
{
	(void)ring;
}

int cv_io_ring_fd(const struct cv_io_ring *ring)
{
	(void)ring;
	return -1;
}
