/* SPDX-License-Identifier: BSD-3-Clause */
/* The block I/O engines in time: who waits for whom, and who does the work. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/io_rig.h"
#include "sys/io_impl.h"

struct chain {
	struct io_op op; /* first */
	unsigned int left;
	uint8_t byte;
};

static void again(struct cv_io_req *req, int err)
{
	struct io_op *o = cv_container_of(req, struct io_op, req);
	struct chain *c = cv_container_of(o, struct chain, op);

	ck_assert_int_eq(err, 0);
	if (c->left-- == 0) {
		o->n_done++;
		return;
	}
	o->iov[0] = (struct iovec){ &c->byte, 1 };
	req->iov = o->iov;
	req->n_iov = 1;
	req->off = c->left;
	cv_io_submit(o->f->io, req);
	cv_io_flush(o->f->io);
}

static void resubmission(struct io_rig *f)
{
	for (int slow = 0; slow < 2; slow++) {
		struct chain c = { .op = { .req = { .op = CV_IO_WRITE }, .f = f }, .left = 200 };

		f->file.slow_until = slow ? UINT64_MAX : 0;
		c.op.req.file = &f->file;
		c.op.req.done = again;
		pthread_mutex_lock(&f->lock);
		cv_io_submit(f->io, &c.op.req);
		cv_io_flush(f->io);
		pthread_mutex_unlock(&f->lock);
		io_finish(f, &c.op);
	}
}

START_TEST(completions_submit_more)
{
	io_each_engine(resubmission, io_cached_file);
}
END_TEST

static void drained(struct io_rig *f)
{
	uint8_t buf[512] = { 0 };
	struct io_op o[8];

	f->file.slow_until = UINT64_MAX;
	for (int i = 0; i < 8; i++) {
		o[i] = (struct io_op){ .req = { .op = i % 2 ? CV_IO_FSYNC : CV_IO_WRITE,
						.n_iov = 1,
						.off = (uint64_t)i * 512 } };
		o[i].iov[0] = (struct iovec){ buf, sizeof(buf) };
		o[i].req.iov = o[i].iov;
		io_submit(f, &o[i]);
	}
	pthread_mutex_lock(&f->lock);
	cv_io_drain(f->io);
	pthread_mutex_unlock(&f->lock);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(o[i].n_done, 1);
}

START_TEST(drain_waits_for_all)
{
	io_each_engine(drained, io_cached_file);
}
END_TEST

enum { LONG_MAPS = 255, N_LONG = 24 };

/* Reads without end into the same memory again and again, as a guest can ask for. */
static struct io_op *long_reads(struct io_rig *f, uint8_t *buf, size_t len)
{
	struct io_op *o = calloc(N_LONG, sizeof(*o));

	for (unsigned int i = 0; i < N_LONG; i++) {
		o[i].req.op = CV_IO_READ;
		o[i].req.n_iov = LONG_MAPS;
		o[i].req.iov = calloc(LONG_MAPS, sizeof(struct iovec));
		for (unsigned int k = 0; k < LONG_MAPS; k++)
			o[i].req.iov[k] = (struct iovec){ buf, len };
		io_submit(f, &o[i]);
	}
	return o;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void canceled(struct io_rig *f)
{
	size_t len = 64u << 20;
	uint8_t *buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	double begin = seconds();
	struct iovec *iov[N_LONG];
	uint8_t byte[512] = { 0 };
	struct io_op *o;

	ck_assert_ptr_ne(buf, MAP_FAILED);
	ck_assert_int_eq(ftruncate(f->fd, (off_t)len * LONG_MAPS), 0);
	o = long_reads(f, buf, len);
	for (unsigned int i = 0; i < N_LONG; i++)
		iov[i] = o[i].req.iov;
	io_flush(f);
	usleep(1000);
	pthread_mutex_lock(&f->lock);
	cv_io_cancel(f->io, 0);
	pthread_mutex_unlock(&f->lock);
	/* 384 GiB, whose copies would take minutes */
	ck_assert(seconds() - begin < 5);
	for (unsigned int i = 0; i < N_LONG; i++) {
		ck_assert_uint_eq(o[i].n_done, 1);
		ck_assert_int_eq(o[i].result, -ECANCELED);
		free(iov[i]);
	}
	/* and the engine goes on */
	ck_assert_int_eq(io_transfer(f, CV_IO_WRITE, byte, sizeof(byte), 0), 0);
	ck_assert_int_eq(io_range(f, CV_IO_FSYNC, 0, 0, false), 0);
	free(o);
	munmap(buf, len);
}

START_TEST(cancel_does_not_wait_for_all)
{
	io_each_engine(canceled, io_memory_file);
}
END_TEST

static void idle(struct io_rig *f)
{
	ck_assert_uint_eq(cv_io_pool_threads(cv_io_get_pool(f->io)), 0);
	ck_assert_int_eq(io_range(f, CV_IO_FSYNC, 0, 0, false), 0);
	ck_assert_uint_ge(cv_io_pool_threads(cv_io_get_pool(f->io)), 1);
	for (int i = 0; i < 100 && cv_io_pool_threads(cv_io_get_pool(f->io)) > 0; i++)
		usleep(100000);
	ck_assert_uint_eq(cv_io_pool_threads(cv_io_get_pool(f->io)), 0);
	ck_assert_int_eq(io_range(f, CV_IO_FSYNC, 0, 0, false), 0);
}

START_TEST(threads_come_and_go)
{
	io_each_engine(idle, io_memory_file);
}
END_TEST

/* Hands over what blocks, and at once what does not: whether the second waits for the first. */
static bool waits(struct io_rig *f)
{
	char c;
	int p[2];
	struct cv_io_file pipe_file = { 0 };
	struct io_op o = { .req = { .op = CV_IO_READ, .file = &pipe_file, .n_iov = 1 }, .f = f };
	struct io_op sync = { .req = { .op = CV_IO_FSYNC } };
	bool late;

	ck_assert_int_eq(pipe(p), 0);
	pipe_file.fd = p[0];
	o.iov[0] = (struct iovec){ &c, 1 };
	o.req.iov = o.iov;
	o.req.off = UINT64_MAX; /* wherever it is */
	o.req.done = io_op_done;
	sync.req.file = &f->file;
	sync.req.done = io_op_done;
	sync.f = f;
	pthread_mutex_lock(&f->lock);
	cv_io_submit(f->io, &o.req);
	cv_io_flush(f->io);
	cv_io_submit(f->io, &sync.req);
	cv_io_flush(f->io);
	pthread_mutex_unlock(&f->lock);
	for (int i = 0; i < 5000 && sync.n_done == 0; i++)
		if (cv_loop_dispatch(f->loop) == 0)
			usleep(1000);
	late = sync.n_done == 0;
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	ck_assert_int_eq(io_finish(f, &o) | io_finish(f, &sync), 0);
	close(p[0]);
	close(p[1]);
	return late;
}

static void side_by_side(struct io_rig *f)
{
	ck_assert_int_eq(io_range(f, CV_IO_FSYNC, 0, 0, false), 0);
	usleep(10000); /* one thread is idle now */
	ck_assert_uint_eq(cv_io_pool_threads(cv_io_get_pool(f->io)), 1);
	ck_assert(!waits(f));
}

START_TEST(nothing_waits_behind_what_blocks)
{
	for (int i = 0; i < 20; i++)
		io_each_engine(side_by_side, io_memory_file);
}
END_TEST

/* AddressSanitizer itself dies without memory. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAN_STARVE 0
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define CAN_STARVE 0
#endif
#ifndef CAN_STARVE
#define CAN_STARVE 1
#endif

/* No thread can be started: the work is done all the same. */
static void threadless(struct io_rig *f)
{
	struct rlimit saved, none;
	uint8_t buf[16] = "0123456789";

	ck_assert_int_eq(getrlimit(RLIMIT_AS, &saved), 0);
	none = saved;
	none.rlim_cur = 1;
	f->file.slow_until = UINT64_MAX;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	ck_assert_int_eq(io_transfer(f, CV_IO_WRITE, buf, sizeof(buf), 0), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &saved), 0);
	ck_assert_uint_eq(cv_io_pool_threads(cv_io_get_pool(f->io)), 0);
}

START_TEST(no_threads_to_be_had)
{
	if (CAN_STARVE)
		io_each_engine(threadless, io_cached_file);
}
END_TEST

CHECK_MAIN("io_order", completions_submit_more, drain_waits_for_all, cancel_does_not_wait_for_all,
	   threads_come_and_go, nothing_waits_behind_what_blocks, no_threads_to_be_had)
