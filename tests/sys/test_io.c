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
#include "sys/fd.h"
#include "sys/io_impl.h"

#define FILE_SIZE (1u << 20)
#define DEPTH	  64
#define BUF_SIZE  65536u

/* How the file is reached: at once, by the threads because it counts as slow, or O_DIRECT. */
enum way { QUICK, SLOW, DIRECT, N_WAYS };

struct fixture {
	struct cv_loop *loop;
	struct cv_io *io;
	struct cv_io_file file;
	pthread_mutex_t lock;
	int fd;
};

struct op {
	struct cv_io_req req;
	struct fixture *f;
	struct iovec iov[3];
	unsigned int n_done;
	int result;
};

static int disk_file(bool direct)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) /* not every file system has nameless files */
		fd = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, FILE_SIZE), 0);
	if (direct && fcntl(fd, F_SETFL, O_DIRECT) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int memory_file(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, FILE_SIZE), 0);
	return fd;
}

static void setup(struct fixture *f, enum cv_io_engine engine, int fd)
{
	*f = (struct fixture){ .fd = fd };
	pthread_mutex_init(&f->lock, NULL);
	ck_assert_int_eq(cv_loop_create(&f->loop, NULL), 0);
	ck_assert_int_eq(cv_io_file_init(&f->file, fd), 0);
	ck_assert_int_eq(cv_io_create(&f->io, engine, f->loop, &f->lock, DEPTH, NULL), 0);
}

static void teardown(struct fixture *f)
{
	cv_io_destroy(f->io);
	cv_loop_destroy(f->loop);
	pthread_mutex_destroy(&f->lock);
	close(f->fd);
}

static void op_done(struct cv_io_req *req, int err)
{
	struct op *o = cv_container_of(req, struct op, req);

	ck_assert_int_eq(pthread_mutex_trylock(&o->f->lock), EBUSY);
	o->n_done++;
	o->result = err;
}

static void submit(struct fixture *f, struct op *o)
{
	o->f = f;
	o->n_done = 0;
	o->req.file = &f->file;
	o->req.done = op_done;
	pthread_mutex_lock(&f->lock);
	cv_io_submit(f->io, &o->req);
	ck_assert_uint_eq(o->n_done, 0);
	pthread_mutex_unlock(&f->lock);
}

static void flush(struct fixture *f)
{
	pthread_mutex_lock(&f->lock);
	cv_io_flush(f->io);
	pthread_mutex_unlock(&f->lock);
}

static int finish(struct fixture *f, struct op *o)
{
	while (o->n_done == 0)
		if (cv_loop_dispatch(f->loop) == 0)
			usleep(50);
	ck_assert_uint_eq(o->n_done, 1);
	return o->result;
}

static int transfer(struct fixture *f, enum cv_io_op op, void *buf, size_t len, uint64_t off)
{
	struct op o = { .req = { .op = op, .off = off, .n_iov = 1 } };

	o.iov[0] = (struct iovec){ buf, len };
	o.req.iov = o.iov;
	submit(f, &o);
	flush(f);
	return finish(f, &o);
}

static int range(struct fixture *f, enum cv_io_op op, uint64_t off, uint64_t len, bool unmap)
{
	struct op o = { .req = { .op = op, .off = off, .len = len, .may_unmap = unmap } };

	submit(f, &o);
	flush(f);
	return finish(f, &o);
}

/* Whether this build and host have io_uring; tests run on the pool alone otherwise. */
static bool have_uring(void)
{
	struct cv_loop *loop;
	struct cv_io *io = NULL;
	int err;

	ck_assert_int_eq(cv_loop_create(&loop, NULL), 0);
	err = cv_io_create(&io, CV_IO_URING, loop, NULL, 8, NULL);
	cv_io_destroy(io);
	cv_loop_destroy(loop);
	return !err;
}

static void each_engine(void (*body)(struct fixture *f), int (*open_file)(void))
{
	struct fixture f;

	for (int engine = have_uring() ? CV_IO_URING : CV_IO_POOL; engine <= CV_IO_POOL; engine++) {
		setup(&f, (enum cv_io_engine)engine, open_file());
		body(&f);
		teardown(&f);
	}
}

static int cached_file(void)
{
	return disk_file(false);
}

static uint32_t next_random(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* ---- the engines against a model ---- */

struct model {
	uint8_t shadow[FILE_SIZE];
	uint8_t *bufs; /* DEPTH of them, aligned */
	struct op ops[DEPTH];
	uint32_t seed;
};

static void plan(struct model *m, unsigned int i)
{
	/* each request has its own part of the file, so that their order does not matter */
	static const enum cv_io_op kinds[] = { CV_IO_READ, CV_IO_WRITE, CV_IO_WRITE,
					       CV_IO_ZERO, CV_IO_READ,	CV_IO_FSYNC };
	uint64_t slice = FILE_SIZE / DEPTH;
	uint64_t off = i * slice + next_random(&m->seed) % 8 * 512;
	uint64_t len = (1 + next_random(&m->seed) % 16) * 512;
	struct op *o = &m->ops[i];
	uint8_t *buf = m->bufs + i * slice;

	*o = (struct op){ .req = { .op = kinds[next_random(&m->seed) % CV_LEN(kinds)],
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

static void check_round(struct fixture *f, struct model *m)
{
	uint64_t start[DEPTH];

	for (unsigned int i = 0; i < DEPTH; i++) {
		plan(m, i);
		start[i] = m->ops[i].req.off;
		submit(f, &m->ops[i]);
		if (i % 7 == 0)
			flush(f);
	}
	flush(f);
	for (unsigned int i = 0; i < DEPTH; i++) {
		struct op *o = &m->ops[i];

		ck_assert_int_eq(finish(f, o), 0);
		if (o->req.op == CV_IO_READ)
			ck_assert_mem_eq(m->bufs + i * (FILE_SIZE / DEPTH), m->shadow + start[i],
					 o->req.len);
	}
}

static void model_test(enum cv_io_engine engine, enum way way)
{
	struct model *m = calloc(1, sizeof(*m));
	struct fixture f;
	int fd = way == DIRECT ? disk_file(true) : disk_file(false);

	m->seed = 1;
	m->bufs = aligned_alloc(4096, FILE_SIZE);
	if (fd < 0) /* this file system has no O_DIRECT */
		goto out;
	setup(&f, engine, fd);
	ck_assert_int_eq(f.file.direct, way == DIRECT);
	if (way == SLOW)
		f.file.slow_until = UINT64_MAX;
	for (int i = 0; i < 20; i++)
		check_round(&f, m);
	ck_assert_int_eq(cv_pread_full(fd, m->bufs, FILE_SIZE, 0), 0);
	ck_assert_mem_eq(m->bufs, m->shadow, FILE_SIZE);
	teardown(&f);
out:
	free(m->bufs);
	free(m);
}

START_TEST(engines_do_the_same)
{
	for (int way = 0; way < N_WAYS; way++) {
		model_test(CV_IO_POOL, (enum way)way);
		if (have_uring())
			model_test(CV_IO_URING, (enum way)way);
	}
}
END_TEST

/* ---- the edges ---- */

static void short_read(struct fixture *f)
{
	uint8_t buf[4096];

	ck_assert_int_eq(cv_pwrite_full(f->fd, "end", 3, FILE_SIZE - 3), 0);
	memset(buf, 0xff, sizeof(buf));
	ck_assert_int_eq(transfer(f, CV_IO_READ, buf, sizeof(buf), FILE_SIZE - 3), 0);
	ck_assert_mem_eq(buf, "end\0", 4);
	for (size_t i = 3; i < sizeof(buf); i++)
		ck_assert_uint_eq(buf[i], 0);
	memset(buf, 0xff, sizeof(buf));
	ck_assert_int_eq(transfer(f, CV_IO_READ, buf, sizeof(buf), 5ull * FILE_SIZE), 0);
	ck_assert_uint_eq(buf[0] | buf[4095], 0);
	ck_assert_int_eq(transfer(f, CV_IO_READ, buf, 0, 0), 0);
}

START_TEST(past_the_end_reads_zeroes)
{
	each_engine(short_read, cached_file);
	each_engine(short_read, memory_file);
}
END_TEST

static void uncached_read(struct fixture *f)
{
	uint8_t buf[BUF_SIZE], want[BUF_SIZE];

	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)(i * 7);
	ck_assert_int_eq(cv_pwrite_full(f->fd, want, sizeof(want), 4096), 0);
	ck_assert_int_eq(fsync(f->fd), 0);
	/* every other page is dropped, so that a read is half at once and half later */
	for (unsigned int i = 0; i < BUF_SIZE / 4096; i += 2)
		posix_fadvise(f->fd, 4096 * (i + 1), 4096, POSIX_FADV_DONTNEED);
	ck_assert_int_eq(transfer(f, CV_IO_READ, buf, sizeof(buf), 4096), 0);
	ck_assert_mem_eq(buf, want, sizeof(buf));
}

START_TEST(partly_cached_reads)
{
	each_engine(uncached_read, cached_file);
}
END_TEST

enum { SLICE = FILE_SIZE / DEPTH, PAST = 100 };

/* Small and larger reads at once, each of its place of @buf; the last one goes past the end. */
static void read_all(struct fixture *f, uint8_t *buf, int result)
{
	struct op o[DEPTH];

	for (size_t i = 0; i < DEPTH; i++) {
		o[i] = (struct op){ .req = { .op = CV_IO_READ, .off = i * SLICE, .n_iov = 1 } };
		o[i].iov[0] = (struct iovec){ buf + i * SLICE, i == DEPTH - 1 ? SLICE + PAST
							       : i % 5 == 0   ? 3 * SLICE
									      : SLICE };
		o[i].req.iov = o[i].iov;
		submit(f, &o[i]);
	}
	flush(f);
	for (size_t i = 0; i < DEPTH; i++)
		ck_assert_int_eq(finish(f, &o[i]), result);
}

static void many_reads(struct fixture *f)
{
	uint8_t *want = calloc(1, FILE_SIZE + PAST), *buf = malloc(FILE_SIZE + PAST);

	for (size_t i = 0; i < FILE_SIZE; i++)
		want[i] = (uint8_t)(i * 7 + i / 4096);
	ck_assert_int_eq(cv_pwrite_full(f->fd, want, FILE_SIZE, 0), 0);
	for (int round = 0; round < 3; round++) {
		memset(buf, 0xff, FILE_SIZE + PAST);
		if (round == 2 && fsync(f->fd) == 0)
			posix_fadvise(f->fd, 0, FILE_SIZE / 2, POSIX_FADV_DONTNEED);
		read_all(f, buf, 0);
		ck_assert_mem_eq(buf, want, FILE_SIZE + PAST);
	}
	ck_assert_int_eq(transfer(f, CV_IO_READ, buf, SLICE, 0), 0);
	f->file.fd = -1;
	read_all(f, buf, -EBADF);
	free(buf);
	free(want);
}

START_TEST(many_reads_at_once)
{
	each_engine(many_reads, cached_file);
	each_engine(many_reads, memory_file);
}
END_TEST

static void many_iovecs(struct fixture *f)
{
	enum { N = 3000 };
	struct iovec *iov = calloc(N, sizeof(*iov));
	struct op o = { .req = { .op = CV_IO_WRITE, .iov = iov, .n_iov = N } };
	uint8_t buf[N], back[N];

	for (int i = 0; i < N; i++) {
		buf[i] = (uint8_t)(i % 251);
		iov[i] = (struct iovec){ &buf[i], 1 };
	}
	submit(f, &o);
	flush(f);
	ck_assert_int_eq(finish(f, &o), 0);
	ck_assert_int_eq(transfer(f, CV_IO_READ, back, N, 0), 0);
	ck_assert_mem_eq(buf, back, N);
	free(iov);
}

START_TEST(more_iovecs_than_a_call_takes)
{
	each_engine(many_iovecs, cached_file);
}
END_TEST

static uint64_t allocated(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void discards(struct fixture *f)
{
	uint8_t *data = malloc(FILE_SIZE), c = 0;
	uint64_t before;

	memset(data, 0xaa, FILE_SIZE);
	ck_assert_int_eq(transfer(f, CV_IO_WRITE, data, FILE_SIZE, 0), 0);
	before = allocated(f->fd);
	ck_assert_int_eq(range(f, CV_IO_DISCARD, 65536, 131072, false), 0);
	ck_assert_uint_le(allocated(f->fd) + 131072, before);
	ck_assert_int_eq(range(f, CV_IO_ZERO, 262144, 131072, true), 0);
	ck_assert_uint_le(allocated(f->fd) + 262144, before);
	ck_assert_int_eq(range(f, CV_IO_ZERO, 524288 + 1, 131072, false), 0);
	ck_assert_uint_le(allocated(f->fd) + 262144, before);
	ck_assert_int_eq(range(f, CV_IO_ZERO, 0, 0, false), 0);
	ck_assert_int_eq(range(f, CV_IO_DISCARD, 0, 0, false), 0);
	ck_assert_int_eq(transfer(f, CV_IO_READ, &c, 1, 524288), 0);
	ck_assert_uint_eq(c, 0xaa);
	ck_assert_int_eq(transfer(f, CV_IO_READ, &c, 1, 524289), 0);
	ck_assert_uint_eq(c, 0);
	ck_assert_int_eq(transfer(f, CV_IO_READ, &c, 1, 524289 + 131072), 0);
	ck_assert_uint_eq(c, 0xaa);
	ck_assert_uint_eq(lseek(f->fd, 0, SEEK_END), FILE_SIZE);
	free(data);
}

START_TEST(discard_and_zero)
{
	each_engine(discards, cached_file);
	each_engine(discards, memory_file);
}
END_TEST

/* ---- errors ---- */

static int failing(struct fixture *f, enum cv_io_op op, const char *path, int flags)
{
	uint8_t buf[512] = { 0 };
	int fd = path ? open(path, flags | O_CLOEXEC) : -1;
	int err;

	f->file = (struct cv_io_file){
		.fd = fd, .nowait_read = true, .nowait_write = true, .quick = true
	};
	err = op == CV_IO_READ || op == CV_IO_WRITE ? transfer(f, op, buf, sizeof(buf), 0)
						    : range(f, op, 0, 4096, false);
	if (fd >= 0)
		close(fd);
	return err;
}

static void errors(struct fixture *f)
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
	each_engine(errors, memory_file);
}
END_TEST

static void sealed(struct fixture *f)
{
	uint8_t buf[512] = { 0 };

	ck_assert_int_eq(fcntl(f->fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_int_eq(transfer(f, CV_IO_WRITE, buf, sizeof(buf), 0), -EPERM);
	ck_assert_int_eq(range(f, CV_IO_DISCARD, 0, 4096, false), -EPERM);
	ck_assert_int_eq(range(f, CV_IO_ZERO, 0, 4096, true), -EPERM);
	ck_assert_int_eq(transfer(f, CV_IO_READ, buf, sizeof(buf), 0), 0);
}

START_TEST(sealed_file)
{
	each_engine(sealed, memory_file);
}
END_TEST

static void limited(struct fixture *f)
{
	struct rlimit limit = { 8192, RLIM_INFINITY };
	uint8_t buf[8192] = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	/* the first half fits, the rest fails: the whole request does */
	ck_assert_int_eq(transfer(f, CV_IO_WRITE, buf, sizeof(buf), 4096), -EFBIG);
	ck_assert_int_eq(transfer(f, CV_IO_WRITE, buf, 4096, 4096), 0);
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(file_size_limit)
{
	each_engine(limited, cached_file);
	each_engine(limited, memory_file);
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
	ck_assert_int_eq(cv_io_engine(io), have_uring() ? CV_IO_URING : CV_IO_POOL);
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

/* ---- order and time ---- */

struct chain {
	struct op op; /* first */
	unsigned int left;
	uint8_t byte;
};

static void again(struct cv_io_req *req, int err)
{
	struct op *o = cv_container_of(req, struct op, req);
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

static void resubmission(struct fixture *f)
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
		finish(f, &c.op);
	}
}

START_TEST(completions_submit_more)
{
	each_engine(resubmission, cached_file);
}
END_TEST

static void drained(struct fixture *f)
{
	uint8_t buf[512] = { 0 };
	struct op o[8];

	f->file.slow_until = UINT64_MAX;
	for (int i = 0; i < 8; i++) {
		o[i] = (struct op){ .req = { .op = i % 2 ? CV_IO_FSYNC : CV_IO_WRITE,
					     .n_iov = 1,
					     .off = (uint64_t)i * 512 } };
		o[i].iov[0] = (struct iovec){ buf, sizeof(buf) };
		o[i].req.iov = o[i].iov;
		submit(f, &o[i]);
	}
	pthread_mutex_lock(&f->lock);
	cv_io_drain(f->io);
	pthread_mutex_unlock(&f->lock);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(o[i].n_done, 1);
}

START_TEST(drain_waits_for_all)
{
	each_engine(drained, cached_file);
}
END_TEST

enum { LONG_MAPS = 255, N_LONG = 24 };

/* Reads without end into the same memory again and again, as a guest can ask for. */
static struct op *long_reads(struct fixture *f, uint8_t *buf, size_t len)
{
	struct op *o = calloc(N_LONG, sizeof(*o));

	for (unsigned int i = 0; i < N_LONG; i++) {
		o[i].req.op = CV_IO_READ;
		o[i].req.n_iov = LONG_MAPS;
		o[i].req.iov = calloc(LONG_MAPS, sizeof(struct iovec));
		for (unsigned int k = 0; k < LONG_MAPS; k++)
			o[i].req.iov[k] = (struct iovec){ buf, len };
		submit(f, &o[i]);
	}
	return o;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void canceled(struct fixture *f)
{
	size_t len = 64u << 20;
	uint8_t *buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	double begin = seconds();
	struct iovec *iov[N_LONG];
	uint8_t byte[512] = { 0 };
	struct op *o;

	ck_assert_ptr_ne(buf, MAP_FAILED);
	ck_assert_int_eq(ftruncate(f->fd, (off_t)len * LONG_MAPS), 0);
	o = long_reads(f, buf, len);
	for (unsigned int i = 0; i < N_LONG; i++)
		iov[i] = o[i].req.iov;
	flush(f);
	usleep(1000);
	pthread_mutex_lock(&f->lock);
	cv_io_cancel(f->io);
	pthread_mutex_unlock(&f->lock);
	/* 384 GiB, whose copies would take minutes */
	ck_assert(seconds() - begin < 5);
	for (unsigned int i = 0; i < N_LONG; i++) {
		ck_assert_uint_eq(o[i].n_done, 1);
		ck_assert_int_eq(o[i].result, -ECANCELED);
		free(iov[i]);
	}
	/* and the engine goes on */
	ck_assert_int_eq(transfer(f, CV_IO_WRITE, byte, sizeof(byte), 0), 0);
	ck_assert_int_eq(range(f, CV_IO_FSYNC, 0, 0, false), 0);
	free(o);
	munmap(buf, len);
}

START_TEST(cancel_does_not_wait_for_all)
{
	each_engine(canceled, memory_file);
}
END_TEST

static void idle(struct fixture *f)
{
	ck_assert_uint_eq(cv_io_pool_threads(cv_io_get_pool(f->io)), 0);
	ck_assert_int_eq(range(f, CV_IO_FSYNC, 0, 0, false), 0);
	ck_assert_uint_ge(cv_io_pool_threads(cv_io_get_pool(f->io)), 1);
	for (int i = 0; i < 100 && cv_io_pool_threads(cv_io_get_pool(f->io)) > 0; i++)
		usleep(100000);
	ck_assert_uint_eq(cv_io_pool_threads(cv_io_get_pool(f->io)), 0);
	ck_assert_int_eq(range(f, CV_IO_FSYNC, 0, 0, false), 0);
}

START_TEST(threads_come_and_go)
{
	each_engine(idle, memory_file);
}
END_TEST

/* Hands over what blocks, and at once what does not: whether the second waits for the first. */
static bool waits(struct fixture *f)
{
	char c;
	int p[2];
	struct cv_io_file pipe_file = { 0 };
	struct op o = { .req = { .op = CV_IO_READ, .file = &pipe_file, .n_iov = 1 }, .f = f };
	struct op sync = { .req = { .op = CV_IO_FSYNC } };
	bool late;

	ck_assert_int_eq(pipe(p), 0);
	pipe_file.fd = p[0];
	o.iov[0] = (struct iovec){ &c, 1 };
	o.req.iov = o.iov;
	o.req.off = UINT64_MAX; /* wherever it is */
	o.req.done = op_done;
	sync.req.file = &f->file;
	sync.req.done = op_done;
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
	ck_assert_int_eq(finish(f, &o) | finish(f, &sync), 0);
	close(p[0]);
	close(p[1]);
	return late;
}

static void side_by_side(struct fixture *f)
{
	ck_assert_int_eq(range(f, CV_IO_FSYNC, 0, 0, false), 0);
	usleep(10000); /* one thread is idle now */
	ck_assert_uint_eq(cv_io_pool_threads(cv_io_get_pool(f->io)), 1);
	ck_assert(!waits(f));
}

START_TEST(nothing_waits_behind_what_blocks)
{
	for (int i = 0; i < 20; i++)
		each_engine(side_by_side, memory_file);
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
static void threadless(struct fixture *f)
{
	struct rlimit saved, none;
	uint8_t buf[16] = "0123456789";

	ck_assert_int_eq(getrlimit(RLIMIT_AS, &saved), 0);
	none = saved;
	none.rlim_cur = 1;
	f->file.slow_until = UINT64_MAX;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	ck_assert_int_eq(transfer(f, CV_IO_WRITE, buf, sizeof(buf), 0), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &saved), 0);
	ck_assert_uint_eq(cv_io_pool_threads(cv_io_get_pool(f->io)), 0);
}

START_TEST(no_threads_to_be_had)
{
	if (CAN_STARVE)
		each_engine(threadless, cached_file);
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
	   auto_always_works, no_descriptors, completions_submit_more, drain_waits_for_all,
	   cancel_does_not_wait_for_all, threads_come_and_go, nothing_waits_behind_what_blocks,
	   no_threads_to_be_had, guard)
