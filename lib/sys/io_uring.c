/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Block I/O through io_uring: reads and writes that the kernel completes without
 * a thread. What a ring does passes by the seccomp filter of a device process, so
 * every ring is restricted to the three operations that this file uses before it
 * is enabled; without restrictions (before Linux 5.10) there is no ring.
 */
#include <errno.h>
#include <liburing.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/math.h"
#include "sys/io_impl.h"

/* When the kernel cannot take requests at the moment: how long until the next attempt. */
#define RETRY_NS 1000000ull

struct cv_io_ring {
	struct cv_io *io;
	struct cv_loop *loop;
	struct io_uring ring;
	bool open;
	struct cv_watch watch;
	struct cv_timer retry;
};

bool cv_io_ring_add(struct cv_io_ring *r, struct cv_io_req *req)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	unsigned int n_iov = cv_min(req->n_iov, (unsigned int)IOV_MAX);

	if (!sqe)
		return false;
	if (req->op == CV_IO_READ && n_iov == 1 && req->iov->iov_len <= INT_MAX)
		io_uring_prep_read(sqe, req->file->fd, req->iov->iov_base,
				   (unsigned int)req->iov->iov_len, req->off);
	else if (req->op == CV_IO_READ)
		io_uring_prep_readv(sqe, req->file->fd, req->iov, n_iov, req->off);
	else
		io_uring_prep_writev(sqe, req->file->fd, req->iov, n_iov, req->off);
	io_uring_sqe_set_data(sqe, req);
	return true;
}

void cv_io_ring_submit(struct cv_io_ring *r)
{
	int n;

	if (io_uring_sq_ready(&r->ring) == 0)
		return;
	do {
		n = io_uring_submit(&r->ring);
	} while (n == -EINTR);
	/* out of memory or of completion slots: they stay in the ring and go with the next ones */
	if (io_uring_sq_ready(&r->ring) > 0)
		cv_timer_set(r->loop, &r->retry, cv_loop_now(r->loop) + RETRY_NS);
}

void cv_io_ring_reap(struct cv_io_ring *r)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&r->ring, &cqe) == 0) {
		struct cv_io_req *req = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&r->ring, cqe);
		cv_io_ring_done(r->io, req, res);
	}
}

int cv_io_ring_fd(const struct cv_io_ring *r)
{
	return r->ring.ring_fd;
}

static void on_completion(struct cv_watch *w, uint32_t events)
{
	struct cv_io_ring *r = cv_container_of(w, struct cv_io_ring, watch);

	(void)events;
	cv_io_ring_reap(r);
	cv_io_batch_done(r->io);
}

static void on_retry(struct cv_timer *t)
{
	struct cv_io_ring *r = cv_container_of(t, struct cv_io_ring, retry);

	cv_io_ring_submit(r);
	cv_io_ring_reap(r);
	cv_io_batch_done(r->io);
}

/* liburing 2.3 does not export what it declares for this. */
static int ring_register(const struct io_uring *ring, unsigned int op, void *arg, unsigned int n)
{
	return syscall(SYS_io_uring_register, ring->ring_fd, op, arg, n) < 0 ? -errno : 0;
}

/* Nothing but plain READ, READV and WRITEV from here on; no registrations, no flags. */
static int restrict_ring(const struct io_uring *ring)
{
	struct io_uring_restriction allowed[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
	};

	return ring_register(ring, IORING_REGISTER_RESTRICTIONS, allowed, CV_LEN(allowed));
}

static int open_ring(struct io_uring *ring, unsigned int depth)
{
	unsigned int entries = (unsigned int)cv_pow2_ceil(depth);
	/* completions need not interrupt the loop's thread, which looks at them by itself */
	int err = io_uring_queue_init(entries, ring,
				      IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN);

	if (err == -EINVAL)
		err = io_uring_queue_init(entries, ring, IORING_SETUP_R_DISABLED);
	if (err)
		return err;
	err = restrict_ring(ring);
	err = err ?: ring_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (err)
		io_uring_queue_exit(ring);
	return err;
}

int cv_io_ring_create(struct cv_io_ring **ring, struct cv_io *io, struct cv_loop *loop,
		      pthread_mutex_t *lock, unsigned int depth, struct vm_error *e)
{
	struct cv_io_ring *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return cv_err(e, -ENOMEM, "block I/O: out of memory");
	r->io = io;
	r->loop = loop;
	r->watch.fn = on_completion;
	r->watch.lock = lock;
	r->retry.fn = on_retry;
	r->retry.lock = lock;
	err = open_ring(&r->ring, depth);
	r->open = !err;
	if (!err)
		err = cv_watch_add(loop, &r->watch, r->ring.ring_fd, EPOLLIN);
	if (err) {
		cv_io_ring_destroy(r);
		return cv_err(e, err,
			      "block I/O: io_uring is not available: %s; use the thread pool, or "
			      "allow it (sysctl kernel.io_uring_disabled=0)",
			      strerror(-err));
	}
	*ring = r;
	return 0;
}

void cv_io_ring_destroy(struct cv_io_ring *r)
{
	if (!r)
		return;
	cv_timer_cancel(&r->retry);
	cv_watch_remove(&r->watch);
	if (r->open)
		io_uring_queue_exit(&r->ring);
	free(r);
}
