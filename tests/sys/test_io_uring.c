/* SPDX-License-Identifier: BSD-3-Clause */
/* What a ring of the block I/O engine refuses: it passes by the seccomp filter of its process. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/check_main.h"
#include "sys/io_impl.h"

#if CROSVM_HAVE_URING
#include <liburing.h>

#define DEPTH 8

struct fixture {
	struct cv_loop *loop;
	struct cv_io_ring *ring;
	struct io_uring raw; /* the same ring, without the engine's manners */
};

/* False where the kernel has none. */
static bool setup(struct fixture *f)
{
	struct io_uring_params p = { .flags = IORING_SETUP_COOP_TASKRUN };
	struct io_uring twin;

	*f = (struct fixture){ 0 };
	ck_assert_int_eq(cv_loop_create(&f->loop, NULL), 0);
	if (cv_io_ring_create(&f->ring, NULL, f->loop, NULL, DEPTH, NULL) < 0)
		return false;
	/* the layout of the memory is the same for every ring of this size */
	if (io_uring_queue_init_params(DEPTH, &twin, &p) < 0) {
		p = (struct io_uring_params){ 0 };
		ck_assert_int_eq(io_uring_queue_init_params(DEPTH, &twin, &p), 0);
	}
	ck_assert_int_eq(io_uring_queue_mmap(cv_io_ring_fd(f->ring), &p, &f->raw), 0);
	io_uring_queue_exit(&twin);
	return true;
}

static void teardown(struct fixture *f)
{
	if (f->ring) {
		f->raw.ring_fd = dup(f->raw.ring_fd); /* to be closed, and the other too */
		io_uring_queue_exit(&f->raw);
	}
	cv_io_ring_destroy(f->ring);
	cv_loop_destroy(f->loop);
}

/* The result of the one operation that @sqe describes. */
static int run(struct fixture *f, const struct io_uring_sqe *wanted)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&f->raw);
	struct io_uring_cqe *cqe;
	int res;

	ck_assert_ptr_nonnull(sqe);
	*sqe = *wanted;
	ck_assert_int_eq(io_uring_submit_and_wait(&f->raw, 1), 1);
	ck_assert_int_eq(io_uring_peek_cqe(&f->raw, &cqe), 0);
	res = cqe->res;
	io_uring_cqe_seen(&f->raw, cqe);
	return res;
}

START_TEST(only_reads_and_writes)
{
	struct fixture f;
	struct io_uring_sqe sqe = { 0 };
	char buf[4];
	struct iovec iov = { buf, sizeof(buf) };
	int fd = memfd_create("disk", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	if (setup(&f)) {
		ck_assert_int_eq(pwrite(fd, "data", 4, 0), 4);
		io_uring_prep_readv(&sqe, fd, &iov, 1, 0);
		ck_assert_int_eq(run(&f, &sqe), 4);
		io_uring_prep_read(&sqe, fd, buf, sizeof(buf), 0);
		ck_assert_int_eq(run(&f, &sqe), 4);
		io_uring_prep_writev(&sqe, fd, &iov, 1, 0);
		ck_assert_int_eq(run(&f, &sqe), 4);
		io_uring_prep_openat(&sqe, AT_FDCWD, "/", O_RDONLY, 0);
		ck_assert_int_eq(run(&f, &sqe), -EACCES);
		for (unsigned int op = 0; op < 64; op++) {
			if (op == IORING_OP_READ || op == IORING_OP_READV || op == IORING_OP_WRITEV)
				continue;
			sqe = (struct io_uring_sqe){ .opcode = (uint8_t)op, .fd = fd };
			ck_assert_int_lt(run(&f, &sqe), 0);
		}
		/* not later, not by a kernel thread, not with a buffer or a file of the ring */
		io_uring_prep_readv(&sqe, fd, &iov, 1, 0);
		for (unsigned int bit = 0; bit < 8; bit++) {
			sqe.flags = (uint8_t)(1u << bit);
			ck_assert_int_lt(run(&f, &sqe), 0);
		}
	}
	teardown(&f);
	close(fd);
}
END_TEST

START_TEST(no_registrations)
{
	struct fixture f;
	int fd = memfd_create("disk", MFD_CLOEXEC);

	if (setup(&f)) {
		ck_assert_int_eq(io_uring_register_files(&f.raw, &fd, 1), -EACCES);
		ck_assert_int_eq(io_uring_register_personality(&f.raw), -EACCES);
		for (unsigned int op = 0; op < 64; op++)
			ck_assert_int_lt(syscall(SYS_io_uring_register, f.raw.ring_fd, op, NULL, 0),
					 0);
	}
	teardown(&f);
	close(fd);
}
END_TEST

CHECK_MAIN("io_uring", only_reads_and_writes, no_registrations)
#else
START_TEST(not_built)
{
	struct vm_error e = { 0 };
	struct cv_io_ring *ring = NULL;

	ck_assert_int_eq(cv_io_ring_create(&ring, NULL, NULL, NULL, 8, &e), -ENOSYS);
}
END_TEST

CHECK_MAIN("io_uring", not_built)
#endif
