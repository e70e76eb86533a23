/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw images: what is refused at the opening, and every operation, cached and O_DIRECT. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "disk/disk.h"
#include "support/check_main.h"
#include "sys/fd.h"
#include "sys/loop.h"

#define SIZE (1u << 20)

struct fixture {
	struct cv_loop *loop;
	struct cv_disk *disk;
	unsigned int n_batches;
	int fd;
};

struct op {
	struct cv_disk_req req;
	struct iovec iov[8];
	unsigned int n_done;
	int result;
};

static int image(uint64_t size)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) /* not every file system has nameless files */
		fd = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void on_batch(void *ctx)
{
	struct fixture *f = ctx;

	f->n_batches++;
}

static int try_open(struct fixture *f, int fd, bool direct, bool ro, struct vm_error *e)
{
	struct cv_disk_config c = { .name = "test.img",
				    .fd = fd,
				    .read_only = ro,
				    .direct = direct,
				    .loop = f->loop,
				    .depth = 16,
				    .on_batch = on_batch,
				    .ctx = f };

	return cv_disk_raw_open(&f->disk, &c, e);
}

static bool setup(struct fixture *f, bool direct)
{
	*f = (struct fixture){ .fd = image(SIZE) };
	ck_assert_int_eq(cv_loop_create(&f->loop, NULL), 0);
	if (try_open(f, f->fd, direct, false, NULL) == 0)
		return true;
	ck_assert(direct); /* not every file system has it */
	cv_loop_destroy(f->loop);
	close(f->fd);
	return false;
}

static void teardown(struct fixture *f)
{
	cv_disk_destroy(f->disk);
	cv_loop_destroy(f->loop);
	close(f->fd);
}

static void op_done(struct cv_disk_req *req, int err)
{
	struct op *o = cv_container_of(req, struct op, req);

	o->n_done++;
	o->result = err;
}

static void submit(struct fixture *f, struct op *o)
{
	o->req.done = op_done;
	for (unsigned int i = 0; i < o->req.n_iov; i++)
		o->req.len += o->iov[i].iov_len;
	o->req.iov = o->iov;
	cv_disk_submit(f->disk, &o->req);
	ck_assert_uint_eq(o->n_done, 0);
}

static int finish(struct fixture *f, struct op *o)
{
	cv_disk_start(f->disk);
	while (o->n_done == 0)
		if (cv_loop_dispatch(f->loop) == 0)
			usleep(50);
	ck_assert_uint_eq(o->n_done, 1);
	return o->result;
}

static int transfer(struct fixture *f, enum cv_disk_op op, void *buf, size_t len, uint64_t off)
{
	struct op o = { .req = { .op = op, .off = off, .n_iov = 1 }, .iov = { { buf, len } } };

	submit(f, &o);
	return finish(f, &o);
}

static int range(struct fixture *f, enum cv_disk_op op, uint64_t off, uint64_t len)
{
	struct op o = { .req = { .op = op, .off = off, .len = len, .may_unmap = true } };

	submit(f, &o);
	return finish(f, &o);
}

/* ---- the opening ---- */

static void refused(struct fixture *f, int fd, bool ro, const char *text)
{
	struct vm_error e = { 0 };
	int before = dup(0);

	close(before);
	ck_assert_int_lt(try_open(f, fd, false, ro, &e), 0);
	ck_assert_msg(strstr(e.text, text), "'%s' lacks '%s'", e.text, text);
	ck_assert_ptr_nonnull(strstr(e.text, "test.img"));
	/* nothing is left open */
	ck_assert_int_eq(dup(0), before);
	close(before);
	if (fd >= 0)
		close(fd);
}

START_TEST(bad_images)
{
	struct fixture f = { 0 };
	int p[2];

	ck_assert_int_eq(cv_loop_create(&f.loop, NULL), 0);
	refused(&f, image(1000), false, "1000 bytes, not a multiple of 512");
	refused(&f, image(1000), false, "truncate -s 1024");
	refused(&f, image(0), false, "empty");
	refused(&f, -1, false, "cannot be duplicated");
	refused(&f, open(".", O_RDONLY | O_CLOEXEC), true, "neither a regular file");
	refused(&f, open("/dev/null", O_RDWR | O_CLOEXEC), false, "neither a regular file");
	ck_assert_int_eq(pipe(p), 0);
	refused(&f, p[0], true, "neither a regular file");
	close(p[1]);
	refused(&f, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), false, "read-only");
	cv_disk_destroy(NULL);
	cv_loop_destroy(f.loop);
}
END_TEST

/* O_DIRECT works, or is refused with a sentence; never ignored. */
START_TEST(direct_or_not)
{
	struct vm_error e = { 0 };
	struct fixture f = { .fd = image(SIZE) };

	ck_assert_int_eq(cv_loop_create(&f.loop, NULL), 0);
	if (try_open(&f, f.fd, true, false, &e) == 0)
		ck_assert(fcntl(f.fd, F_GETFL) & O_DIRECT);
	else
		ck_assert_ptr_nonnull(strstr(e.text, "O_DIRECT"));
	teardown(&f);
}
END_TEST

START_TEST(facts)
{
	struct fixture f;

	setup(&f, false);
	ck_assert_uint_eq(f.disk->size, SIZE);
	ck_assert_uint_eq(f.disk->block_size, 512);
	ck_assert_uint_eq(f.disk->physical_size, 4096);
	ck_assert(!f.disk->read_only);
	teardown(&f);
}
END_TEST

/* ---- operations ---- */

static void fill(uint8_t *buf, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		buf[i] = (uint8_t)(seed >> 24);
	}
}

/* Buffers at odd addresses and in odd pieces, longer than the bounce buffer too. */
static void odd_buffers(struct fixture *f, size_t len)
{
	uint8_t *out = malloc(len + 8), *in = malloc(len + 8);
	struct op w = { .req = { .op = CV_DISK_WRITE, .off = 4096, .n_iov = 3 } };
	struct op r = { .req = { .op = CV_DISK_READ, .off = 4096, .n_iov = 2 } };

	fill(out, len + 8, (uint32_t)len);
	w.iov[0] = (struct iovec){ out + 1, 3 };
	w.iov[1] = (struct iovec){ out + 4, 0 };
	w.iov[2] = (struct iovec){ out + 4, len - 3 };
	submit(f, &w);
	ck_assert_int_eq(finish(f, &w), 0);
	r.iov[0] = (struct iovec){ in + 3, len - 7 };
	r.iov[1] = (struct iovec){ in + 3 + len - 7, 7 };
	submit(f, &r);
	ck_assert_int_eq(finish(f, &r), 0);
	ck_assert_mem_eq(out + 1, in + 3, len);
	free(out);
	free(in);
}

START_TEST(any_buffer_will_do)
{
	struct fixture f;

	for (int direct = 0; direct < 2; direct++) {
		if (!setup(&f, direct))
			continue;
		odd_buffers(&f, 4096);
		odd_buffers(&f, 3 * 262144);
		odd_buffers(&f, 262144 + 4096);
		teardown(&f);
	}
}
END_TEST

/* Several unaligned requests wait for one bounce buffer, aligned ones do not. */
START_TEST(bounced_side_by_side)
{
	uint8_t *buf = aligned_alloc(4096, 16 * 8192), *in = aligned_alloc(4096, 65536);
	struct fixture f;
	struct op o[8];

	if (setup(&f, true)) {
		fill(buf, 16 * 8192, 5);
		for (int i = 0; i < 8; i++) {
			o[i] = (struct op){ .req = { .op = CV_DISK_WRITE,
						     .off = (uint64_t)i * 4096,
						     .n_iov = 1 } };
			o[i].iov[0] = (struct iovec){ buf + i * 8192 + (i % 4 ? 1 : 0), 4096 };
			submit(&f, &o[i]);
		}
		cv_disk_drain(f.disk);
		for (int i = 0; i < 8; i++)
			ck_assert_uint_eq(o[i].n_done, 1);
		ck_assert_int_eq(transfer(&f, CV_DISK_READ, in, 8 * 4096, 0), 0);
		for (int i = 0; i < 8; i++)
			ck_assert_mem_eq(in + i * 4096, buf + i * 8192 + (i % 4 ? 1 : 0), 4096);
		teardown(&f);
	}
	free(buf);
	free(in);
}
END_TEST

START_TEST(flush_discard_zero)
{
	uint8_t *buf = aligned_alloc(4096, 65536);
	struct fixture f;

	for (int direct = 0; direct < 2; direct++) {
		if (!setup(&f, direct))
			continue;
		memset(buf, 0xee, 65536);
		ck_assert_int_eq(transfer(&f, CV_DISK_WRITE, buf, 65536, 0), 0);
		ck_assert_int_eq(range(&f, CV_DISK_FLUSH, 0, 0), 0);
		ck_assert_int_eq(range(&f, CV_DISK_DISCARD, 0, 8192), 0);
		ck_assert_int_eq(range(&f, CV_DISK_ZERO, 8192, 8192), 0);
		ck_assert_int_eq(transfer(&f, CV_DISK_READ, buf, 65536, 0), 0);
		for (size_t i = 8192; i < 65536; i++)
			ck_assert_uint_eq(buf[i], i < 16384 ? 0 : 0xee);
		ck_assert_uint_ge(f.n_batches, 1);
		teardown(&f);
	}
	free(buf);
}
END_TEST

START_TEST(read_only)
{
	struct fixture f = { .fd = image(SIZE) };
	struct vm_error e = { 0 };
	uint8_t buf[512];

	ck_assert_int_eq(cv_pwrite_full(f.fd, "content", 7, 0), 0);
	ck_assert_int_eq(cv_loop_create(&f.loop, NULL), 0);
	ck_assert_int_eq(try_open(&f, f.fd, false, true, &e), 0);
	ck_assert(f.disk->read_only);
	ck_assert_int_eq(range(&f, CV_DISK_FLUSH, 0, 0), 0);
	ck_assert_int_eq(transfer(&f, CV_DISK_READ, buf, sizeof(buf), 0), 0);
	ck_assert_mem_eq(buf, "content", 7);
	ck_assert_int_eq(cv_disk_resize(f.disk, 2 * SIZE, &e), -EROFS);
	ck_assert_int_eq(cv_disk_resize(f.disk, 0, &e), 0);
	teardown(&f);
}
END_TEST

/* The file is shorter than it was: the disk is not, and a write makes it whole again. */
START_TEST(truncated_behind_our_back)
{
	struct fixture f;
	uint8_t buf[1024];

	setup(&f, false);
	ck_assert_int_eq(ftruncate(f.fd, 512), 0);
	memset(buf, 1, sizeof(buf));
	ck_assert_int_eq(transfer(&f, CV_DISK_READ, buf, sizeof(buf), SIZE - 1024), 0);
	ck_assert_uint_eq(buf[0] | buf[1023], 0);
	teardown(&f);
}
END_TEST

static void allow_files_of(uint64_t len)
{
	const struct rlimit limit = { len, len };

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(resize)
{
	struct vm_error e = { 0 };
	struct fixture f;
	uint64_t size = 0;

	setup(&f, false);
	ck_assert_int_eq(cv_disk_resize(f.disk, 2 * SIZE, &e), 0);
	ck_assert_uint_eq(f.disk->size, 2 * SIZE);
	ck_assert_int_eq(cv_fd_size(f.fd, &size), 0);
	ck_assert_uint_eq(size, 2 * SIZE);
	ck_assert_int_eq(ftruncate(f.fd, 3 * SIZE), 0);
	ck_assert_int_eq(cv_disk_resize(f.disk, 0, &e), 0);
	ck_assert_uint_eq(f.disk->size, 3 * SIZE);
	ck_assert_int_eq(cv_disk_resize(f.disk, 1000, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "multiple of 512"));
	ck_assert_int_eq(cv_disk_resize(f.disk, UINT64_MAX - 511, &e), -EINVAL);
	allow_files_of(4 * SIZE); /* else some file systems take any size */
	ck_assert_int_lt(cv_disk_resize(f.disk, (1ull << 62), &e), 0);
	ck_assert_uint_eq(f.disk->size, 3 * SIZE);
	ck_assert_int_eq(cv_disk_resize(f.disk, 512, &e), 0);
	ck_assert_uint_eq(f.disk->size, 512);
	teardown(&f);
}
END_TEST

/* A loop device with blocks of 4096 bytes over @fd, gone when it is closed; -1: none to be had. */
static int block_device(int fd)
{
	struct loop_config c = { .fd = (uint32_t)fd,
				 .block_size = 4096,
				 .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
	int dev, n, ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	char path[32];

	if (ctl < 0)
		return -1;
	n = ioctl(ctl, LOOP_CTL_GET_FREE);
	close(ctl);
	snprintf(path, sizeof(path), "/dev/loop%d", n);
	dev = n < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (dev >= 0 && ioctl(dev, LOOP_CONFIGURE, &c) < 0) {
		close(dev);
		return -1;
	}
	return dev;
}

START_TEST(large_device_blocks)
{
	struct fixture f = { .fd = image(SIZE) };
	int dev = block_device(f.fd);
	uint8_t buf[4096] = { 1 };

	if (dev < 0) { /* no loop devices, or not for us */
		close(f.fd);
		return;
	}
	ck_assert_int_eq(cv_loop_create(&f.loop, NULL), 0);
	ck_assert_int_eq(try_open(&f, dev, false, false, NULL), 0);
	close(dev);
	ck_assert_uint_eq(f.disk->block_size, 4096);
	ck_assert_uint_ge(f.disk->physical_size, 4096);
	ck_assert_uint_eq(f.disk->discard_alignment, f.disk->physical_size);
	ck_assert_int_eq(transfer(&f, CV_DISK_WRITE, buf, sizeof(buf), 4096), 0);
	/* smaller than the device can: nothing happens, and that is no failure */
	ck_assert_int_eq(range(&f, CV_DISK_DISCARD, 512, 512), 0);
	ck_assert_int_eq(transfer(&f, CV_DISK_READ, buf, sizeof(buf), 4096), 0);
	ck_assert_uint_eq(buf[0], 1);
	teardown(&f);
}
END_TEST

CHECK_MAIN("raw", bad_images, direct_or_not, facts, any_buffer_will_do, bounced_side_by_side,
	   flush_discard_zero, read_only, truncated_behind_our_back, resize, large_device_blocks)
