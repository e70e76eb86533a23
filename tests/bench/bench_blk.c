/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-blk through the whole device model, driven by the in-process driver,
 * next to the same I/O issued by plain io_uring. One line per load:
 *
 *   uring    plain io_uring, one thread
 *   model    driver and device take turns in one thread: what a request costs
 *   polled   the device in its loop's thread, which polls; the driver spins in another
 *   pool     as model, but with engine=pool
 *
 * each as thousand requests a second (MiB/s for long ones) and CPU µs for one
 * request; the driver's own is left out of "polled".
 *
 *   bench_blk [SECONDS [FILE]]     default: 1 second each, a file of 64 MiB in the current directory
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "support/must.h"
#include "support/vdev.h"
#include "sys/fd.h"
#include "virtio/virtio.h"

#if CROSVM_HAVE_URING
#include <liburing.h>
#endif

extern const struct cv_class cv_class_block;

#define FILE_SIZE  (64ull << 20)
#define MAX_DEPTH  128
#define QUEUE_SIZE 256
#define POLL_NS	   50000

struct load {
	const char *name;
	bool write, sequential;
	uint32_t bs;
	unsigned int depth;
};

static const struct load loads[] = {
	{ "4 KiB reads, QD 1", false, false, 4096, 1 },
	{ "4 KiB reads, QD 32", false, false, 4096, 32 },
	{ "4 KiB reads, QD 128", false, false, 4096, 128 },
	{ "4 KiB writes, QD 1", true, false, 4096, 1 },
	{ "4 KiB writes, QD 32", true, false, 4096, 32 },
	{ "4 KiB writes, QD 128", true, false, 4096, 128 },
	{ "128 KiB reads, QD 16", false, true, 131072, 16 },
	{ "128 KiB writes, QD 16", true, true, 131072, 16 },
};

struct result {
	uint64_t n, ns, cpu_ns;
};

struct bench {
	const struct load *l;
	int fd;
	uint64_t blocks, next, run_ns;
	uint32_t seed;
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static uint64_t next_offset(struct bench *b)
{
	uint64_t block;

	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 17;
	b->seed ^= b->seed << 5;
	block = b->l->sequential ? b->next++ % b->blocks : b->seed % b->blocks;
	return block * b->l->bs;
}

/* ---- plain io_uring ---- */

#if CROSVM_HAVE_URING
static void add_sqe(struct bench *b, struct io_uring *ring, uint8_t *buf, uint64_t slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	void *at = buf + slot * b->l->bs;

	must(sqe);
	if (b->l->write)
		io_uring_prep_write(sqe, b->fd, at, b->l->bs, next_offset(b));
	else
		io_uring_prep_read(sqe, b->fd, at, b->l->bs, next_offset(b));
	io_uring_sqe_set_data64(sqe, slot);
}

static struct result run_uring(struct bench *b)
{
	uint8_t *buf = aligned_alloc(4096, (size_t)b->l->bs * b->l->depth);
	uint64_t begin = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct result r = { 0 };
	struct io_uring ring;
	unsigned int flying = b->l->depth;
	bool on = true;

	must(buf && io_uring_queue_init(MAX_DEPTH, &ring, 0) == 0);
	memset(buf, 1, (size_t)b->l->bs * b->l->depth);
	for (unsigned int i = 0; i < b->l->depth; i++)
		add_sqe(b, &ring, buf, i);
	while (flying > 0) {
		struct io_uring_cqe *cqe;

		must(io_uring_submit_and_wait(&ring, 1) >= 0);
		on = on && clock_ns(CLOCK_MONOTONIC) - begin < b->run_ns;
		while (io_uring_peek_cqe(&ring, &cqe) == 0) {
			must(cqe->res == (int)b->l->bs);
			if (on)
				add_sqe(b, &ring, buf, cqe->user_data);
			else
				flying--;
			io_uring_cqe_seen(&ring, cqe);
			r.n++;
		}
	}
	r.ns = clock_ns(CLOCK_MONOTONIC) - begin;
	r.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	io_uring_queue_exit(&ring);
	free(buf);
	return r;
}
#else
static struct result run_uring(struct bench *b)
{
	(void)b;
	return (struct result){ 0 };
}
#endif

/* ---- the device model ---- */

struct slot {
	uint64_t header;
	struct drv_buf bufs[3];
};

struct device {
	struct bench *b;
	struct rig rig;
	struct slot slots[MAX_DEPTH];
	unsigned int by_name[QUEUE_SIZE]; /* which slot a chain's name belongs to */
};

static void add_request(struct device *d, unsigned int i)
{
	struct slot *s = &d->slots[i];
	int name;

	guest_put64(&d->rig.guest, s->header + 8, next_offset(d->b) / 512);
	/* as drivers do: in the ring itself while there is room */
	name = d->b->l->depth * 3 <= QUEUE_SIZE
		       ? drv_add(&d->rig.dev.queues[0], s->bufs, 3)
		       : drv_add_indirect(&d->rig.dev.queues[0], s->bufs, 3);
	must(name >= 0);
	d->by_name[name] = i;
}

static void prepare_slots(struct device *d)
{
	struct guest *g = &d->rig.guest;

	for (unsigned int i = 0; i < d->b->l->depth; i++) {
		struct slot *s = &d->slots[i];
		uint64_t data = guest_alloc(g, d->b->l->bs, 4096);
		uint64_t status = guest_alloc(g, 1, 1);

		must(cv_mem_fill(&g->mem, data, 1, d->b->l->bs) == 0);
		s->header = guest_alloc(g, 16, 16);
		guest_put32(g, s->header, d->b->l->write);
		s->bufs[0] = (struct drv_buf){ s->header, 16, false };
		s->bufs[1] = (struct drv_buf){ data, d->b->l->bs, !d->b->l->write };
		s->bufs[2] = (struct drv_buf){ status, 1, true };
	}
}

static void drive(struct device *d, struct result *r)
{
	struct drv_vq *q = &d->rig.dev.queues[0];
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	unsigned int flying = d->b->l->depth;
	bool on = true;

	for (unsigned int i = 0; i < d->b->l->depth; i++)
		add_request(d, i);
	while (flying > 0) {
		int name;

		drv_kick(q);
		vdev_pump(&d->rig.dev);
		on = on && clock_ns(CLOCK_MONOTONIC) - begin < d->b->run_ns;
		for (name = drv_used(q, NULL); name >= 0; name = drv_used(q, NULL)) {
			if (on)
				add_request(d, d->by_name[name]);
			else
				flying--;
			r->n++;
		}
	}
	r->ns = clock_ns(CLOCK_MONOTONIC) - begin;
}

static void set_poll_time(void *arg)
{
	cv_loop_set_poll_time(arg, POLL_NS);
}

static struct result run_device(struct bench *b, bool polled, const char *more)
{
	struct rig_options ro = { .threaded = polled, .poll = polled, .mem = 64 * CV_MIB };
	struct vdev_options vo = { .queue_size = QUEUE_SIZE };
	struct device *d = calloc(1, sizeof(*d));
	struct result r = { 0 };
	clockid_t cpu = CLOCK_PROCESS_CPUTIME_ID;
	char options[64];
	uint64_t before;

	must(d);
	d->b = b;
	snprintf(options, sizeof(options), "fd=%d%s", b->fd, more);
	rig_init(&d->rig, &cv_class_block, options, &ro);
	if (polled) {
		cv_loop_call(d->rig.loop, set_poll_time, d->rig.loop);
		must(pthread_getcpuclockid(d->rig.thread, &cpu) == 0);
	}
	must(vdev_start(&d->rig.dev, &vo) == 0);
	drv_enable_calls(&d->rig.dev.queues[0], false);
	prepare_slots(d);
	before = clock_ns(cpu);
	drive(d, &r);
	r.cpu_ns = clock_ns(cpu) - before;
	rig_fini(&d->rig);
	free(d);
	return r;
}

/* ---- the table ---- */

static void print(const struct load *l, struct result r)
{
	double seconds = (double)r.ns / 1e9;
	double rate = l->sequential ? (double)r.n * l->bs / 1048576 : (double)r.n / 1000;

	if (r.n == 0)
		printf("         -      -");
	else
		printf("  %8.0f %6.2f", rate / seconds, (double)r.cpu_ns / 1e3 / (double)r.n);
	fflush(stdout);
}

static int open_file(const char *path)
{
	int fd = path ? open(path, O_RDWR | O_CLOEXEC)
		      : open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint8_t *data = calloc(1, CV_MIB);

	must(fd >= 0 && data);
	if (!path)
		for (uint64_t at = 0; at < FILE_SIZE; at += CV_MIB)
			must(cv_pwrite_full(fd, data, CV_MIB, at) == 0);
	free(data);
	must(fdatasync(fd) == 0);
	return fd;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
	int fd = open_file(argc > 2 ? argv[2] : NULL);
	uint64_t size = 0;

	must(seconds > 0 && cv_fd_size(fd, &size) == 0);
	printf("%-22s  %15s  %15s  %15s  %15s\n", "k/s or MiB/s, CPU us", "uring", "model",
	       "polled", "pool");
	for (size_t i = 0; i < CV_LEN(loads); i++) {
		struct bench b = { .l = &loads[i],
				   .fd = fd,
				   .seed = 1,
				   .blocks = size / loads[i].bs,
				   .run_ns = (uint64_t)(seconds * 1e9) };

		printf("%-22s", b.l->name);
		print(b.l, run_uring(&b));
		print(b.l, run_device(&b, false, ""));
		print(b.l, run_device(&b, true, ""));
		print(b.l, run_device(&b, false, ",engine=pool"));
		printf("\n");
	}
	close(fd);
	return 0;
}
