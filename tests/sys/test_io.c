/* SPDX-License-Identifier: BSD-3-Clause */
/* The block I/O engine: both engines on cached, unwilling and direct files, and every error. */
#include "sys/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/io_rig.h"
#include "sys/fd.h"
#include "sys/io_impl.h"

#define BUF_SIZE 65536u

/* How the file is reached: at once, by the threads because it counts as slow, or O_DIRECT. */
enum way { QUICK, SLOW, DIRECT, N_WAYS };

static uint32_t next_random(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* ---- the engines against a model ---- */

struct model {
	uint8_t shadow[IO_FILE_SIZE];
	uint8_t *bufs; /* IO_DEPTH of them, aligned */
	struct io_op ops[IO_DEPTH];
	uint32_t seed;
};

static void plan(struct model *m, unsigned int i)
{
	/* each request has its own part of the file, so that their order does not matter */
	static const enum cv_io_op kinds[] = { CV_IO_READ, CV_IO_WRITE, CV_IO_WRITE,
					       CV_IO_ZERO, CV_IO_READ,	CV_IO_FSYNC };
	uint64_t slice = IO_FILE_SIZE / IO_DEPTH;
	uint64_t off = i * slice + next_random(&m->seed) % 8 * 512;
	uint64_t len = (1 + next_random(&m->seed) % 16) * 512;
	struct io_op *o = &m->ops[i];
	uint8_t *buf = m->bufs + i * slice;

	*o = (struct io_op){ .req = { .op = kinds[next_random(&m->seed) % CV_LEN(kinds)],
				      .off = off,
				      .len = len,
				      .n_iov = 3,
				      .may_unmap = next_random(&m->seed) % 2 } };
	o->iov[0] = (struct iovec){ buf, 512 };
	o->iov[1] = (struct iovec){ buf + 512, 0 };
	o->iov[2] = (struct iovec){ buf + 512, len - 512 };
	o->req.iov = o->iov;
	for (uint64_t k = 0; o->req.op == CV_IO_WRITE && k < len; k++)
		buf[k] = (uint8_t)next_random(&m->seed);
	if (o->req.op == CV_IO_WRITE)
		memcpy(m->shadow + off, buf, len);
	if (o->req.op == CV_IO_ZERO)
		memset(m->shadow + off, 0, len);
}

static void check_round(struct io_rig *f, struct model *m)
{
	uint64_t start[IO_DEPTH];

	for (unsigned int i = 0; i < IO_DEPTH; i++) {
		plan(m, i);
		start[i] = m->ops[i].req.off;
		io_submit(f, &m->ops[i]);
		if (i % 7 == 0)
			io_flush(f);
	}
	io_flush(f);
	for (unsigned int i = 0; i < IO_DEPTH; i++) {
		struct io_op *o = &m->ops[i];

		ck_assert_int_eq(io_finish(f, o), 0);
		if (o->req.op == CV_IO_READ)
			ck_assert_mem_eq(m->bufs + i * (IO_FILE_SIZE / IO_DEPTH),
					 m->shadow + start[i], o->req.len);
	}
}

static void model_test(enum cv_io_engine engine, enum way way)
{
	struct model *m = calloc(1, sizeof(*m));
	struct io_rig f;
	int fd = way == DIRECT ? io_disk_file(true) : io_disk_file(false);

	m->seed = 1;
	m->bufs = aligned_alloc(4096, IO_FILE_SIZE);
	if (fd < 0) /* this file system has no O_DIRECT */
		goto out;
	io_rig_init(&f, engine, fd);
	ck_assert_int_eq(f.file.direct, way == DIRECT);
	if (way == SLOW)
		f.file.slow_until = UINT64_MAX;
	for (int i = 0; i < 20; i++)
		check_round(&f, m);
	ck_assert_int_eq(cv_pread_full(fd, m->bufs, IO_FILE_SIZE, 0), 0);
	ck_assert_mem_eq(m->bufs, m->shadow, IO_FILE_SIZE);
	io_rig_fini(&f);
out:
	free(m->bufs);
	free(m);
}

START_TEST(engines_do_the_same)
{
	for (int way = 0; way < N_WAYS; way++) {
		model_test(CV_IO_POOL, (enum way)way);
		if (io_have_uring())
			model_test(CV_IO_URING, (enum way)way);
	}
}
END_TEST

/* ---- the edges ---- */

static void short_read(struct io_rig *f)
{
	uint8_t buf[4096];

	ck_assert_int_eq(cv_pwrite_full(f->fd, "end", 3, IO_FILE_SIZE - 3), 0);
	memset(buf, 0xff, sizeof(buf));
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, buf, sizeof(buf), IO_FILE_SIZE - 3), 0);
	ck_assert_mem_eq(buf, "end\0", 4);
	for (size_t i = 3; i < sizeof(buf); i++)
		ck_assert_uint_eq(buf[i], 0);
	memset(buf, 0xff, sizeof(buf));
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, buf, sizeof(buf), 5ull * IO_FILE_SIZE), 0);
	ck_assert_uint_eq(buf[0] | buf[4095], 0);
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, buf, 0, 0), 0);
}

START_TEST(past_the_end_reads_zeroes)
{
	io_each_engine(short_read, io_cached_file);
	io_each_engine(short_read, io_memory_file);
}
END_TEST

static void uncached_read(struct io_rig *f)
{
	uint8_t buf[BUF_SIZE], want[BUF_SIZE];

	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)(i * 7);
	ck_assert_int_eq(cv_pwrite_full(f->fd, want, sizeof(want), 4096), 0);
	ck_assert_int_eq(fsync(f->fd), 0);
	/* every other page is dropped, so that a read is half at once and half later */
	for (unsigned int i = 0; i < BUF_SIZE / 4096; i += 2)
		posix_fadvise(f->fd, 4096 * (i + 1), 4096, POSIX_FADV_DONTNEED);
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, buf, sizeof(buf), 4096), 0);
	ck_assert_mem_eq(buf, want, sizeof(buf));
}

START_TEST(partly_cached_reads)
{
	io_each_engine(uncached_read, io_cached_file);
}
END_TEST

enum { SLICE = IO_FILE_SIZE / IO_DEPTH, PAST = 100 };

/* Small and larger reads at once, each of its place of @buf; the last one goes past the end. */
static void read_all(struct io_rig *f, uint8_t *buf, int result)
{
	struct io_op o[IO_DEPTH];

	for (size_t i = 0; i < IO_DEPTH; i++) {
		o[i] = (struct io_op){ .req = { .op = CV_IO_READ, .off = i * SLICE, .n_iov = 1 } };
		o[i].iov[0] = (struct iovec){ buf + i * SLICE, i == IO_DEPTH - 1 ? SLICE + PAST
							       : i % 5 == 0	 ? 3 * SLICE
										 : SLICE };
		o[i].req.iov = o[i].iov;
		io_submit(f, &o[i]);
	}
	io_flush(f);
	for (size_t i = 0; i < IO_DEPTH; i++)
		ck_assert_int_eq(io_finish(f, &o[i]), result);
}

static void many_reads(struct io_rig *f)
{
	uint8_t *want = calloc(1, IO_FILE_SIZE + PAST), *buf = malloc(IO_FILE_SIZE + PAST);

	for (size_t i = 0; i < IO_FILE_SIZE; i++)
		want[i] = (uint8_t)(i * 7 + i / 4096);
	ck_assert_int_eq(cv_pwrite_full(f->fd, want, IO_FILE_SIZE, 0), 0);
	for (int round = 0; round < 3; round++) {
		memset(buf, 0xff, IO_FILE_SIZE + PAST);
		if (round == 2 && fsync(f->fd) == 0)
			posix_fadvise(f->fd, 0, IO_FILE_SIZE / 2, POSIX_FADV_DONTNEED);
		read_all(f, buf, 0);
		ck_assert_mem_eq(buf, want, IO_FILE_SIZE + PAST);
	}
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, buf, SLICE, 0), 0);
	f->file.fd = -1;
	read_all(f, buf, -EBADF);
	free(buf);
	free(want);
}

START_TEST(many_reads_at_once)
{
	io_each_engine(many_reads, io_cached_file);
	io_each_engine(many_reads, io_memory_file);
}
END_TEST

static void many_iovecs(struct io_rig *f)
{
	enum { N = 3000 };
	struct iovec *iov = calloc(N, sizeof(*iov));
	struct io_op o = { .req = { .op = CV_IO_WRITE, .iov = iov, .n_iov = N } };
	uint8_t buf[N], back[N];

	for (int i = 0; i < N; i++) {
		buf[i] = (uint8_t)(i % 251);
		iov[i] = (struct iovec){ &buf[i], 1 };
	}
	io_submit(f, &o);
	io_flush(f);
	ck_assert_int_eq(io_finish(f, &o), 0);
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, back, N, 0), 0);
	ck_assert_mem_eq(buf, back, N);
	free(iov);
}

START_TEST(more_iovecs_than_a_call_takes)
{
	io_each_engine(many_iovecs, io_cached_file);
}
END_TEST

static uint64_t allocated(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void discards(struct io_rig *f)
{
	uint8_t *data = malloc(IO_FILE_SIZE), c = 0;
	uint64_t before;

	memset(data, 0xaa, IO_FILE_SIZE);
	ck_assert_int_eq(io_transfer(f, CV_IO_WRITE, data, IO_FILE_SIZE, 0), 0);
	before = allocated(f->fd);
	ck_assert_int_eq(io_range(f, CV_IO_DISCARD, 65536, 131072, false), 0);
	ck_assert_uint_le(allocated(f->fd) + 131072, before);
	ck_assert_int_eq(io_range(f, CV_IO_ZERO, 262144, 131072, true), 0);
	ck_assert_uint_le(allocated(f->fd) + 262144, before);
	ck_assert_int_eq(io_range(f, CV_IO_ZERO, 524288 + 1, 131072, false), 0);
	ck_assert_uint_le(allocated(f->fd) + 262144, before);
	ck_assert_int_eq(io_range(f, CV_IO_ZERO, 0, 0, false), 0);
	ck_assert_int_eq(io_range(f, CV_IO_DISCARD, 0, 0, false), 0);
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, &c, 1, 524288), 0);
	ck_assert_uint_eq(c, 0xaa);
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, &c, 1, 524289), 0);
	ck_assert_uint_eq(c, 0);
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, &c, 1, 524289 + 131072), 0);
	ck_assert_uint_eq(c, 0xaa);
	ck_assert_uint_eq(lseek(f->fd, 0, SEEK_END), IO_FILE_SIZE);
	free(data);
}

START_TEST(discard_and_zero)
{
	io_each_engine(discards, io_cached_file);
	io_each_engine(discards, io_memory_file);
}
END_TEST

/* ---- errors ---- */

static int failing(struct io_rig *f, enum cv_io_op op, const char *path, int flags)
{
	uint8_t buf[512] = { 0 };
	int fd = path ? open(path, flags | O_CLOEXEC) : -1;
	int err;

	f->file = (struct cv_io_file){
		.fd = fd, .nowait_read = true, .nowait_write = true, .quick = true
	};
	err = op == CV_IO_READ || op == CV_IO_WRITE ? io_transfer(f, op, buf, sizeof(buf), 0)
						    : io_range(f, op, 0, 4096, false);
	if (fd >= 0)
		close(fd);
	return err;
}

static void errors(struct io_rig *f)
{
	ck_assert_int_eq(failing(f, CV_IO_WRITE, "/dev/full", O_RDWR), -ENOSPC);
	for (int op = CV_IO_READ; op <= CV_IO_ZERO; op++)
		ck_assert_int_eq(failing(f, (enum cv_io_op)op, NULL, 0), -EBADF);
	ck_assert_int_eq(failing(f, CV_IO_READ, "/dev/null", O_WRONLY), -EBADF);
	ck_assert_int_eq(failing(f, CV_IO_WRITE, "/dev/zero", O_RDONLY), -EBADF);
	ck_assert_int_lt(failing(f, CV_IO_DISCARD, "/dev/zero", O_RDWR), 0);
}

START_TEST(errors_reach_the_completion)
{
	io_each_engine(errors, io_memory_file);
}
END_TEST

static void sealed(struct io_rig *f)
{
	uint8_t buf[512] = { 0 };

	ck_assert_int_eq(fcntl(f->fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_int_eq(io_transfer(f, CV_IO_WRITE, buf, sizeof(buf), 0), -EPERM);
	ck_assert_int_eq(io_range(f, CV_IO_DISCARD, 0, 4096, false), -EPERM);
	ck_assert_int_eq(io_range(f, CV_IO_ZERO, 0, 4096, true), -EPERM);
	ck_assert_int_eq(io_transfer(f, CV_IO_READ, buf, sizeof(buf), 0), 0);
}

START_TEST(sealed_file)
{
	io_each_engine(sealed, io_memory_file);
}
END_TEST

static void limited(struct io_rig *f)
{
	struct rlimit limit = { 8192, RLIM_INFINITY };
	uint8_t buf[8192] = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	/* the first half fits, the rest fails: the whole request does */
	ck_assert_int_eq(io_transfer(f, CV_IO_WRITE, buf, sizeof(buf), 4096), -EFBIG);
	ck_assert_int_eq(io_transfer(f, CV_IO_WRITE, buf, 4096, 4096), 0);
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(file_size_limit)
{
	io_each_engine(limited, io_cached_file);
	io_each_engine(limited, io_memory_file);
}
END_TEST

START_TEST(not_a_disk)
{
	struct cv_io_file file;
	int p[2], dir = open(".", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(cv_io_file_init(&file, p[0]), -EINVAL);
	ck_assert_int_eq(cv_io_file_init(&file, dir), -EINVAL);
	close(p[0]);
	close(p[1]);
	close(dir);
	ck_assert_int_eq(cv_io_file_init(&file, dir), -EBADF);
}
END_TEST

START_TEST(bad_depth)
{
	struct vm_error e = { 0 };
	struct cv_io *io;

	ck_assert_int_eq(cv_io_create(&io, CV_IO_AUTO, NULL, NULL, 0, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "depth 0"));
	ck_assert_int_eq(cv_io_create(&io, CV_IO_AUTO, NULL, NULL, 4097, &e), -EINVAL);
	cv_io_destroy(NULL);
}
END_TEST

START_TEST(auto_always_works)
{
	struct cv_loop *loop;
	struct cv_io *io;

	ck_assert_int_eq(cv_loop_create(&loop, NULL), 0);
	ck_assert_int_eq(cv_io_create(&io, CV_IO_AUTO, loop, NULL, 1, NULL), 0);
	ck_assert_int_eq(cv_io_engine(io), io_have_uring() ? CV_IO_URING : CV_IO_POOL);
	cv_io_destroy(io);
	cv_loop_destroy(loop);
}
END_TEST

/* Without descriptors to spare both engines say so and leave nothing behind. */
START_TEST(no_descriptors)
{
	struct rlimit saved, none;
	struct vm_error e = { 0 };
	struct cv_loop *loop;
	struct cv_io *io;
	int next;

	ck_assert_int_eq(cv_loop_create(&loop, NULL), 0);
	next = dup(0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &saved), 0);
	for (int room = 0; room < 2; room++) {
		none = saved;
		none.rlim_cur = (rlim_t)(next + room);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
		ck_assert_int_lt(cv_io_create(&io, CV_IO_URING, loop, NULL, 8, &e), 0);
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &saved), 0);
		ck_assert_ptr_nonnull(strstr(e.text, "block I/O: "));
	}
	ck_assert_int_eq(dup(0), next);
	cv_loop_destroy(loop);
}
END_TEST

#define MS 1000000ull

START_TEST(guard)
{
	struct cv_io_file file = { .quick = true };

	ck_assert(cv_io_guard_allows(&file, 0));
	cv_io_guard_note(&file, 1004 * MS, 1010 * MS);
	ck_assert(!cv_io_guard_allows(&file, 1109 * MS));
	ck_assert(cv_io_guard_allows(&file, 1110 * MS));
	/* a relapse costs twice as much, and so on, but not without limit */
	cv_io_guard_note(&file, 1200 * MS, 1210 * MS);
	ck_assert(!cv_io_guard_allows(&file, 1409 * MS));
	ck_assert(cv_io_guard_allows(&file, 1410 * MS));
	for (int i = 0; i < 20; i++)
		cv_io_guard_note(&file, file.slow_until, file.slow_until + 10 * MS);
	ck_assert_uint_eq(file.penalty, 10000 * MS);
	/* after a good second it starts small again */
	cv_io_guard_note(&file, file.slow_until + 1000 * MS, file.slow_until + 1010 * MS);
	ck_assert_uint_eq(file.penalty, 100 * MS);
	file.quick = false;
	ck_assert(!cv_io_guard_allows(&file, UINT64_MAX));
}
END_TEST

CHECK_MAIN("io", engines_do_the_same, past_the_end_reads_zeroes, partly_cached_reads,
	   many_reads_at_once, more_iovecs_than_a_call_takes, discard_and_zero,
	   errors_reach_the_completion, sealed_file, file_size_limit, not_a_disk, bad_depth,
	   auto_always_works, no_descriptors, guard)
