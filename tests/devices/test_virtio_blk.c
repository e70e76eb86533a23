/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk from its driver's side: every request, every layout, and what must be refused. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "support/check_main.h"
#include "support/must.h"
#include "support/vdev.h"
#include "sys/fd.h"
#include "virtio/virtio.h"
#include "virtio/vslot_local.h"

extern const struct cv_class cv_class_block;

#define DISK_SIZE (1u << 20)
#define SECTORS	  (DISK_SIZE / 512)

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2, NO_STATUS = 0xee, NOT_USED = 0xff };

#define F_RO	       (1ull << 5)
#define F_FLUSH	       (1ull << 9)
#define F_CONFIG_WCE   (1ull << 11)
#define F_MQ	       (1ull << 12)
#define F_DISCARD      (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)

enum {
	C_CAPACITY = 0,
	C_SEG_MAX = 12,
	C_BLK_SIZE = 20,
	C_PHYS_EXP = 24,
	C_WRITEBACK = 32,
	C_NUM_QUEUES = 34,
	C_MAX_DISCARD_SEG = 40,
	C_MAX_ZEROES = 48,
	C_LEN = 60
};

struct request {
	uint32_t type;
	uint64_t sector;
	const void *out;
	uint32_t out_len;
	void *in;
	uint32_t in_len;
	uint32_t piece; /* bytes of each descriptor; 0: one readable, one writable */
	unsigned int queue;
	bool indirect;
	uint32_t used; /* what the device says it has written */
};

static uint32_t add_pieces(struct drv_buf *bufs, uint64_t gpa, uint32_t len, uint32_t piece,
			   bool write)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < len; at += piece)
		bufs[n++] = (struct drv_buf){ gpa + at, cv_min(piece, len - at), write };
	return n;
}

/* Does one request with header, data and status cut into pieces, whatever falls together. */
static unsigned int run(struct rig *r, struct request *q)
{
	struct {
		struct le32 type, reserved;
		struct le64 sector;
	} h = { le32(q->type), le32(0), le64(q->sector) };
	uint64_t mark = guest_mark(&r->guest), out, in;
	uint32_t out_len = (uint32_t)sizeof(h) + q->out_len, in_len = q->in_len + 1, n;
	struct drv_buf bufs[256];
	uint8_t status = NO_STATUS;
	int name;

	out = guest_alloc(&r->guest, out_len, 8);
	in = guest_alloc(&r->guest, in_len, 8);
	guest_put(&r->guest, out, &h, sizeof(h));
	if (q->out_len > 0)
		guest_put(&r->guest, out + sizeof(h), q->out, q->out_len);
	guest_put(&r->guest, in + q->in_len, &status, 1);
	n = add_pieces(bufs, out, out_len, q->piece ?: out_len, false);
	n += add_pieces(bufs + n, in, in_len, q->piece ?: in_len, true);
	name = q->indirect ? drv_add_indirect(&r->dev.queues[q->queue], bufs, n)
			   : drv_add(&r->dev.queues[q->queue], bufs, n);
	must(name >= 0);
	drv_kick(&r->dev.queues[q->queue]);
	if (vdev_wait(&r->dev, q->queue, &q->used) != name)
		return NOT_USED;
	guest_get(&r->guest, in + q->in_len, &status, 1);
	if (q->in_len > 0)
		guest_get(&r->guest, in, q->in, q->in_len);
	guest_rewind(&r->guest, mark);
	return status;
}

static unsigned int do_read(struct rig *r, uint64_t sector, void *buf, uint32_t len)
{
	struct request q = { .type = IN, .sector = sector, .in = buf, .in_len = len };
	unsigned int status = run(r, &q);

	ck_assert_uint_eq(q.used, status == OK ? len + 1 : 1);
	return status;
}

static unsigned int do_write(struct rig *r, uint64_t sector, const void *buf, uint32_t len)
{
	struct request q = { .type = OUT, .sector = sector, .out = buf, .out_len = len };
	unsigned int status = run(r, &q);

	ck_assert_uint_eq(q.used, 1);
	return status;
}

static unsigned int do_plain(struct rig *r, uint32_t type)
{
	struct request q = { .type = type };

	return run(r, &q);
}

struct range {
	struct le64 sector;
	struct le32 n, flags;
};

static unsigned int do_ranges(struct rig *r, uint32_t type, const struct range *ranges, size_t n)
{
	struct request q = { .type = type,
			     .out = ranges,
			     .out_len = (uint32_t)(n * sizeof(*ranges)) };
	unsigned int status = run(r, &q);

	ck_assert_uint_eq(q.used, 1);
	return status;
}

static unsigned int do_range(struct rig *r, uint32_t type, uint64_t sector, uint32_t n,
			     uint32_t flags)
{
	struct range range = { le64(sector), le32(n), le32(flags) };

	return do_ranges(r, type, &range, 1);
}

static void fill(uint8_t *buf, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		buf[i] = (uint8_t)(seed >> 24);
	}
}

/* ---- images ---- */

static int disk_image(uint64_t size)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) /* not every file system has nameless files */
		fd = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static const char *with_fd(int fd, const char *more)
{
	static char text[256];

	snprintf(text, sizeof(text), "fd=%d%s", fd, more);
	return text;
}

/* A started device on a fresh image; returns the image. */
static int open_rig(struct rig *r, const char *more, const struct vdev_options *o)
{
	int fd = disk_image(DISK_SIZE);

	rig_init(r, &cv_class_block, with_fd(fd, more), NULL);
	ck_assert_int_eq(vdev_start(&r->dev, o), 0);
	return fd;
}

static void close_rig(struct rig *r, int fd)
{
	rig_fini(r);
	close(fd);
}

/* ---- what works ---- */

static void round_trip(struct rig *r)
{
	uint8_t out[16384], in[16384];

	fill(out, sizeof(out), 1);
	ck_assert_uint_eq(do_write(r, 8, out, sizeof(out)), OK);
	ck_assert_uint_eq(do_plain(r, FLUSH), OK);
	ck_assert_uint_eq(do_read(r, 8, in, sizeof(in)), OK);
	ck_assert_mem_eq(out, in, sizeof(in));
	ck_assert_uint_eq(do_write(r, SECTORS - 1, out, 512), OK);
	ck_assert_uint_eq(do_read(r, SECTORS - 1, in, 512), OK);
	ck_assert_mem_eq(out, in, 512);
	ck_assert_uint_eq(do_read(r, 3, in, 0), OK);
	ck_assert_uint_eq(do_range(r, DISCARD, 8, 8, 0), OK);
	ck_assert_uint_eq(do_range(r, WRITE_ZEROES, 8, 8, 1), OK);
	ck_assert_uint_eq(do_read(r, 8, in, 8192), OK);
	for (size_t i = 0; i < 4096; i++)
		ck_assert_uint_eq(in[i], 0);
	ck_assert_mem_eq(out + 4096, in + 4096, 4096);
}

/* Each engine, cached and direct, over slots and transports, both rings, loop here or there. */
static void everywhere(const char *more)
{
	int fd = disk_image(DISK_SIZE);

	rig_each(&cv_class_block, with_fd(fd, more), round_trip);
	close(fd);
}

START_TEST(round_trip_everywhere)
{
	everywhere(",engine=auto");
	everywhere(",engine=pool");
	everywhere(",queues=4");
}
END_TEST

START_TEST(round_trip_direct)
{
	struct vm_error e = { 0 };
	int fd = disk_image(DISK_SIZE);
	struct rig r;
	int err = rig_try_init(&r, &cv_class_block, with_fd(fd, ",direct"), NULL, &e);

	/* not every file system has O_DIRECT; the refusal says so */
	if (err) {
		ck_assert_ptr_nonnull(strstr(e.text, "O_DIRECT"));
	} else {
		rig_fini(&r);
		rig_each(&cv_class_block, with_fd(fd, ",direct"), round_trip);
		rig_each(&cv_class_block, with_fd(fd, ",direct,engine=pool"), round_trip);
	}
	close(fd);
}
END_TEST

/* The layout of descriptors has no meaning: header, data and status may be cut anywhere. */
static void any_layout(struct rig *r)
{
	static const uint32_t pieces[] = { 0, 4096, 513, 100, 24, 17 };
	uint8_t out[1024], in[1024];

	for (size_t i = 0; i < CV_LEN(pieces); i++) {
		struct request w = { .type = OUT,
				     .sector = i * 4,
				     .out = out,
				     .out_len = sizeof(out),
				     .piece = pieces[i] };
		struct request q = { .type = IN,
				     .sector = i * 4,
				     .in = in,
				     .in_len = sizeof(in),
				     .piece = pieces[i] };

		/* 17 gives more pieces than the queue has entries */
		w.indirect = q.indirect = i % 2 == 1;
		fill(out, sizeof(out), (uint32_t)i);
		ck_assert_uint_eq(run(r, &w), OK);
		ck_assert_uint_eq(w.used, 1);
		ck_assert_uint_eq(run(r, &q), OK);
		ck_assert_uint_eq(q.used, 1025);
		ck_assert_mem_eq(out, in, sizeof(in));
	}
}

START_TEST(layouts)
{
	int fd = disk_image(DISK_SIZE);

	rig_each(&cv_class_block, with_fd(fd, ""), any_layout);
	close(fd);
}
END_TEST

START_TEST(most_segments)
{
	uint8_t out[254 * 512], in[254 * 512];
	struct vdev_options o = { .queue_size = 256 };
	struct rig r;
	int fd = open_rig(&r, "", &o);
	struct drv_buf bufs[256];
	uint64_t h, data, status;

	fill(out, sizeof(out), 3);
	ck_assert_int_eq(cv_pwrite_full(fd, out, sizeof(out), 0), 0);
	h = guest_alloc(&r.guest, 16, 16);
	data = guest_alloc(&r.guest, sizeof(in), 4096);
	status = guest_alloc(&r.guest, 1, 1);
	bufs[0] = (struct drv_buf){ h, 16, false };
	for (unsigned int i = 0; i < 254; i++)
		bufs[1 + i] = (struct drv_buf){ data + i * 512, 512, true };
	bufs[255] = (struct drv_buf){ status, 1, true };
	ck_assert_int_ge(drv_add(&r.dev.queues[0], bufs, 256), 0);
	drv_kick(&r.dev.queues[0]);
	ck_assert_int_ge(vdev_wait(&r.dev, 0, NULL), 0);
	guest_get(&r.guest, data, in, sizeof(in));
	ck_assert_mem_eq(out, in, sizeof(in));
	close_rig(&r, fd);
}
END_TEST

START_TEST(get_id)
{
	struct rig r;
	int fd = open_rig(&r, ",id=SN-0123", NULL);
	uint8_t id[24];
	struct request q = { .type = GET_ID, .in = id, .in_len = 20 };

	memset(id, 0xff, sizeof(id));
	ck_assert_uint_eq(run(&r, &q), OK);
	ck_assert_uint_eq(q.used, 21);
	ck_assert_mem_eq(id, "SN-0123\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	q.in_len = 3;
	ck_assert_uint_eq(run(&r, &q), OK);
	ck_assert_uint_eq(q.used, 4);
	q.in_len = 24;
	ck_assert_uint_eq(run(&r, &q), OK);
	ck_assert_uint_eq(q.used, 21);
	close_rig(&r, fd);
}
END_TEST

START_TEST(several_ranges)
{
	struct range ranges[17];
	uint8_t out[65536], in[65536];
	struct rig r;
	int fd = open_rig(&r, "", NULL);

	memset(out, 0xcc, sizeof(out));
	ck_assert_uint_eq(do_write(&r, 0, out, sizeof(out)), OK);
	for (unsigned int i = 0; i < 17; i++)
		ranges[i] = (struct range){ le64(i * 4), le32(2), le32(i % 2) };
	ck_assert_uint_eq(do_ranges(&r, WRITE_ZEROES, ranges, 16), OK);
	ck_assert_uint_eq(do_read(&r, 0, in, sizeof(in)), OK);
	for (size_t i = 0; i < sizeof(in); i++)
		ck_assert_uint_eq(in[i], i / 512 < 64 && i / 512 % 4 < 2 ? 0 : 0xcc);
	ck_assert_uint_eq(do_ranges(&r, WRITE_ZEROES, ranges, 17), IOERR);
	close_rig(&r, fd);
}
END_TEST

static uint64_t allocated(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

START_TEST(discard_frees_space)
{
	static uint8_t data[DISK_SIZE / 2];
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	uint64_t before;

	memset(data, 1, sizeof(data));
	ck_assert_uint_eq(do_write(&r, 0, data, sizeof(data)), OK);
	before = allocated(fd);
	ck_assert_uint_eq(do_range(&r, DISCARD, 0, SECTORS / 4, 0), OK);
	ck_assert_uint_le(allocated(fd) + DISK_SIZE / 4, before);
	close_rig(&r, fd);
}
END_TEST

START_TEST(queues_side_by_side)
{
	struct rig r;
	int fd = open_rig(&r, ",queues=16", NULL);
	uint8_t out[512], in[512];

	ck_assert(r.dev.features & F_MQ);
	ck_assert_uint_eq(vdev_config(&r.dev, C_NUM_QUEUES, 2), 16);
	for (unsigned int i = 0; i < 16; i++) {
		struct request w = {
			.type = OUT, .sector = i, .out = out, .out_len = 512, .queue = i
		};
		struct request q = {
			.type = IN, .sector = i, .in = in, .in_len = 512, .queue = 15 - i
		};

		fill(out, sizeof(out), i);
		ck_assert_uint_eq(run(&r, &w), OK);
		ck_assert_uint_eq(run(&r, &q), OK);
		ck_assert_mem_eq(out, in, sizeof(in));
	}
	close_rig(&r, fd);
}
END_TEST

/* A whole queue of requests with one kick; reads of different lengths end in any order. */
static void full_queue(struct rig *r)
{
	struct drv_vq *q = &r->dev.queues[0];
	struct {
		struct le32 type, reserved;
		struct le64 sector;
	} h[20];
	uint64_t mark = guest_mark(&r->guest), in[20], status[20];
	uint32_t len[20], used;
	int names[20];

	for (unsigned int i = 0; i < 20; i++) {
		struct drv_buf bufs[3];

		h[i].type = le32(IN);
		h[i].reserved = le32(0);
		h[i].sector = le64(i * 8);
		len[i] = (1 + i % 5) * 512;
		in[i] = guest_alloc(&r->guest, len[i], 512);
		status[i] = guest_alloc(&r->guest, 1, 1);
		bufs[0] = (struct drv_buf){ guest_dup(&r->guest, &h[i], 16), 16, false };
		bufs[1] = (struct drv_buf){ in[i], len[i], true };
		bufs[2] = (struct drv_buf){ status[i], 1, true };
		names[i] = drv_add(q, bufs, 3);
		ck_assert_int_ge(names[i], 0);
	}
	drv_kick(q);
	for (unsigned int k = 0; k < 20; k++) {
		int name = vdev_wait(&r->dev, 0, &used);
		unsigned int i = 0;

		while (i < 20 && names[i] != name)
			i++;
		ck_assert_uint_lt(i, 20);
		ck_assert_uint_eq(used, len[i] + 1);
		ck_assert_uint_eq(guest_get16(&r->guest, in[i]), i * 8);
	}
	guest_rewind(&r->guest, mark);
}

START_TEST(one_kick_for_all)
{
	int fd = disk_image(DISK_SIZE);

	for (uint16_t i = 0; i < SECTORS; i++)
		ck_assert_int_eq(cv_pwrite_full(fd, &i, 2, i * 512u), 0);
	rig_each(&cv_class_block, with_fd(fd, ""), full_queue);
	rig_each(&cv_class_block, with_fd(fd, ",engine=pool"), full_queue);
	close(fd);
}
END_TEST

/* ---- configuration ---- */

START_TEST(config_space)
{
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	uint8_t all[C_LEN];

	ck_assert_uint_eq(vdev_config(&r.dev, C_CAPACITY, 8), SECTORS);
	ck_assert_uint_eq(vdev_config(&r.dev, C_SEG_MAX, 4), 254);
	ck_assert_uint_eq(vdev_config(&r.dev, C_BLK_SIZE, 4), 512);
	ck_assert_uint_eq(vdev_config(&r.dev, C_PHYS_EXP, 1), 3);
	ck_assert_uint_eq(vdev_config(&r.dev, C_NUM_QUEUES, 2), 1);
	ck_assert_uint_eq(vdev_config(&r.dev, C_MAX_DISCARD_SEG, 4), 16);
	ck_assert(!(r.dev.features & (F_MQ | F_RO)));
	r.dev.ops->config_read(&r.dev, 0, all, sizeof(all));
	for (uint32_t i = 0; i < C_LEN; i++)
		ck_assert_uint_eq(vdev_config(&r.dev, i, 1), all[i]);
	close_rig(&r, fd);
}
END_TEST

START_TEST(discard_off)
{
	struct rig r;
	int fd = open_rig(&r, ",discard=off", NULL);

	ck_assert(!(r.dev.features & F_DISCARD));
	ck_assert_uint_eq(do_range(&r, DISCARD, 0, 8, 0), UNSUPP);
	ck_assert_uint_eq(do_range(&r, WRITE_ZEROES, 0, 8, 0), OK);
	close_rig(&r, fd);
}
END_TEST

/* Which bytes the driver writes matters, not how: the mode is one bit of one byte. */
START_TEST(write_cache_mode)
{
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	uint8_t byte = 0, all[C_LEN];

	ck_assert(r.dev.features & F_CONFIG_WCE);
	ck_assert_uint_eq(vdev_config(&r.dev, C_WRITEBACK, 1), 1);
	r.dev.ops->config_write(&r.dev, C_WRITEBACK, &byte, 1);
	ck_assert_uint_eq(vdev_config(&r.dev, C_WRITEBACK, 1), 0);
	memset(all, 0xff, sizeof(all));
	r.dev.ops->config_write(&r.dev, 0, all, sizeof(all));
	ck_assert_uint_eq(vdev_config(&r.dev, C_WRITEBACK, 1), 1);
	ck_assert_uint_eq(vdev_config(&r.dev, C_CAPACITY, 8), SECTORS);
	r.dev.ops->config_write(&r.dev, C_WRITEBACK, &byte, 1);
	vdev_reset(&r.dev);
	ck_assert_uint_eq(vdev_config(&r.dev, C_WRITEBACK, 1), 1);
	close_rig(&r, fd);
}
END_TEST

/* Threads that do what may block: a write to memory does not, a flush does. */
static unsigned int n_io_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned int n = 0;

	must(dir);
	while ((entry = readdir(dir))) {
		char path[300], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (f && fgets(name, sizeof(name), f))
			n += strcmp(name, "crosvm-io\n") == 0;
		if (f)
			fclose(f);
	}
	closedir(dir);
	return n;
}

/* Whether a write is made stable before it is answered, seen by the thread that does it. */
static bool syncs(uint64_t refuse, bool off_by_config)
{
	struct vdev_options o = { .refuse = refuse };
	int fd = memfd_create("disk", MFD_CLOEXEC);
	uint8_t byte = 0, buf[512] = { 1 };
	struct rig r;
	bool synced;

	ck_assert_int_eq(ftruncate(fd, DISK_SIZE), 0);
	rig_init(&r, &cv_class_block, with_fd(fd, ""), NULL);
	ck_assert_int_eq(vdev_start(&r.dev, &o), 0);
	if (off_by_config)
		r.dev.ops->config_write(&r.dev, C_WRITEBACK, &byte, 1);
	ck_assert_uint_eq(n_io_threads(), 0);
	ck_assert_uint_eq(do_write(&r, 0, buf, sizeof(buf)), OK);
	synced = n_io_threads() > 0;
	ck_assert_uint_eq(do_range(&r, WRITE_ZEROES, 0, 1, 0), OK);
	ck_assert_uint_eq(do_plain(&r, FLUSH), OK);
	ck_assert_uint_gt(n_io_threads(), 0);
	close_rig(&r, fd);
	return synced;
}

/* Whoever cannot flush is owed stability with each write. */
START_TEST(writethrough_syncs)
{
	ck_assert(!syncs(0, false));
	ck_assert(!syncs(F_CONFIG_WCE, false));
	ck_assert(!syncs(F_CONFIG_WCE, true)); /* not negotiated, so it says nothing */
	ck_assert(syncs(F_FLUSH | F_CONFIG_WCE, false));
	ck_assert(syncs(0, true));
}
END_TEST

static void control(struct rig *r, const char *args, int want, const char *text)
{
	char reply[64];
	struct vm_error e = { 0 };

	ck_assert_int_eq(r->slot->ops->control(r->slot, "resize", args, reply, sizeof(reply), &e),
			 want);
	ck_assert_msg(strstr(want ? e.text : reply, text), "'%s' / '%s' lacks '%s'", e.text, reply,
		      text);
}

START_TEST(resize)
{
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	uint8_t buf[512] = { 7 };

	ck_assert_uint_eq(do_write(&r, SECTORS, buf, 512), IOERR);
	control(&r, "size=2M", 0, "size=2097152");
	ck_assert_uint_eq(atomic_load(&r.dev.n_config), 1);
	ck_assert_uint_eq(vdev_config(&r.dev, C_CAPACITY, 8), 2 * SECTORS);
	ck_assert_uint_eq(do_write(&r, SECTORS, buf, 512), OK);
	control(&r, "size=1000", -EINVAL, "multiple of 512");
	ck_assert_int_eq(ftruncate(fd, 3 * DISK_SIZE), 0);
	control(&r, "", 0, "size=3145728");
	control(&r, "size=1M", 0, "size=1048576");
	ck_assert_uint_eq(do_read(&r, SECTORS, buf, 512), IOERR);
	close_rig(&r, fd);
}
END_TEST

START_TEST(read_only)
{
	struct rig r;
	int fd = open_rig(&r, ",ro", NULL);
	uint8_t buf[512] = { 0 };

	ck_assert(r.dev.features & F_RO);
	ck_assert(r.dev.features & F_FLUSH);
	ck_assert(!(r.dev.features & (F_DISCARD | F_WRITE_ZEROES)));
	ck_assert_uint_eq(do_read(&r, 0, buf, 512), OK);
	ck_assert_uint_eq(do_plain(&r, FLUSH), OK);
	ck_assert_uint_eq(do_write(&r, 0, buf, 512), IOERR);
	ck_assert_uint_eq(do_range(&r, DISCARD, 0, 8, 0), UNSUPP);
	ck_assert_uint_eq(do_range(&r, WRITE_ZEROES, 0, 8, 0), UNSUPP);
	control(&r, "size=2M", -EROFS, "read-only");
	close_rig(&r, fd);
}
END_TEST

static void refused(const char *options, const char *text)
{
	struct vm_error e = { 0 };
	struct rig r;

	ck_assert_int_lt(rig_try_init(&r, &cv_class_block, options, NULL, &e), 0);
	ck_assert_msg(strstr(e.text, text), "'%s' lacks '%s'", e.text, text);
	ck_assert_msg(strncmp(e.text, "block: ", 7) == 0, "'%s' does not name the device", e.text);
}

START_TEST(bad_configurations)
{
	int odd = disk_image(1000), empty = disk_image(0), good = disk_image(DISK_SIZE);

	refused("", "path");
	refused("path=/nonexistent/root.img", "/nonexistent/root.img");
	refused("path=/", "directory");
	refused("path=/dev/null", "disk");
	refused(with_fd(odd, ""), "1000 bytes, not a multiple of 512; extend it with truncate -s");
	refused(with_fd(empty, ""), "empty");
	refused(with_fd(good, ",id=0123456789012345678901"), "longer than 20");
	refused(with_fd(good, ",queues=0"), "queues");
	refused(with_fd(good, ",queues=17"), "queues");
	refused(with_fd(good, ",engine=fast"), "engine");
	refused(with_fd(good, ",ro,ro"), "ro");
	close(odd);
	close(empty);
	close(good);
}
END_TEST

/* ---- what fails ---- */

START_TEST(out_of_range)
{
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	uint8_t buf[1536] = { 0 };

	ck_assert_uint_eq(do_read(&r, SECTORS, buf, 512), IOERR);
	ck_assert_uint_eq(do_read(&r, SECTORS - 1, buf, 1024), IOERR);
	ck_assert_uint_eq(do_read(&r, UINT64_MAX, buf, 512), IOERR);
	/* the sector times 512 wraps to 0 */
	ck_assert_uint_eq(do_write(&r, 1ull << 55, buf, 512), IOERR);
	ck_assert_uint_eq(do_read(&r, 0, buf, 511), IOERR);
	ck_assert_uint_eq(do_write(&r, 0, buf, 513), IOERR);
	for (uint32_t type = DISCARD; type <= WRITE_ZEROES; type += 2) {
		ck_assert_uint_eq(do_range(&r, type, SECTORS, 1, 0), IOERR);
		ck_assert_uint_eq(do_range(&r, type, 1ull << 55, 1, 0), IOERR);
		ck_assert_uint_eq(do_range(&r, type, 1, UINT32_MAX, 0), IOERR);
		ck_assert_uint_eq(do_range(&r, type, 0, 8, 2), UNSUPP);
	}
	ck_assert_uint_eq(do_range(&r, DISCARD, 0, 8, 1), UNSUPP);
	ck_assert_uint_eq(do_plain(&r, DISCARD), IOERR);
	ck_assert(!r.dev.ops->broken(&r.dev));
	close_rig(&r, fd);
}
END_TEST

/* One bad range among good ones: none of them is carried out. */
START_TEST(all_or_nothing)
{
	struct range ranges[3] = { { le64(0), le32(8), le32(0) },
				   { le64(8), le32(8), le32(0) },
				   { le64(SECTORS), le32(8), le32(0) } };
	struct request odd = { .type = WRITE_ZEROES, .out = ranges, .out_len = 17 };
	uint8_t out[512], in[512];
	struct rig r;
	int fd = open_rig(&r, "", NULL);

	memset(out, 9, sizeof(out));
	ck_assert_uint_eq(do_write(&r, 0, out, 512), OK);
	ck_assert_uint_eq(do_ranges(&r, WRITE_ZEROES, ranges, 3), IOERR);
	ck_assert_uint_eq(run(&r, &odd), IOERR);
	ck_assert_uint_eq(do_read(&r, 0, in, 512), OK);
	ck_assert_mem_eq(in, out, 512);
	close_rig(&r, fd);
}
END_TEST

START_TEST(unknown_requests)
{
	static const uint32_t types[] = { 2, 3, 5, 7, 9, 10, 12, 14, 15, 0x100, UINT32_MAX };
	struct rig r;
	int fd = open_rig(&r, "", NULL);

	for (size_t i = 0; i < CV_LEN(types); i++)
		ck_assert_uint_eq(do_plain(&r, types[i]), UNSUPP);
	close_rig(&r, fd);
}
END_TEST

/* A host that refuses: the guest is told, and the VM goes on. */
START_TEST(failing_disk)
{
	uint8_t buf[512] = { 0 };
	struct rig r;
	int fd = memfd_create("failing", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(fd, DISK_SIZE), 0);
	rig_init(&r, &cv_class_block, with_fd(fd, ""), NULL);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	ck_assert_uint_eq(do_write(&r, 0, buf, 512), OK);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_uint_eq(do_write(&r, 0, buf, 512), IOERR);
	ck_assert_uint_eq(do_range(&r, DISCARD, 0, 8, 0), IOERR);
	ck_assert_uint_eq(do_range(&r, WRITE_ZEROES, 0, 8, 0), IOERR);
	ck_assert_uint_eq(do_read(&r, 0, buf, 512), OK);
	ck_assert(!r.dev.ops->broken(&r.dev));
	close_rig(&r, fd);
}
END_TEST

/* Without a status byte, or with half a header, there is nothing to answer. */
static void breaks(uint32_t out_len, uint32_t in_len)
{
	uint8_t zeroes[16] = { 0 }, in[4];
	struct rig r;
	int fd = open_rig(&r, "", NULL);

	ck_assert_int_eq(vdev_request(&r.dev, 0, zeroes, out_len, in, in_len), -1);
	ck_assert(vdev_wait_broken(&r.dev));
	vdev_reset(&r.dev);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	ck_assert_uint_eq(do_plain(&r, FLUSH), OK);
	close_rig(&r, fd);
}

START_TEST(malformed_requests)
{
	breaks(16, 0);
	breaks(15, 1);
	breaks(0, 1);
	breaks(1, 0);
}
END_TEST

/* More data segments than fit, as an indirect table allows: an error, not more. */
START_TEST(too_many_segments)
{
	struct {
		struct le32 type, reserved;
		struct le64 sector;
	} h = { le32(IN), le32(0), le64(0) };
	static struct drv_buf bufs[1002];
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	uint64_t data = guest_alloc(&r.guest, 512 * 1000, 512), status;

	status = guest_dup(&r.guest, &(uint8_t){ NO_STATUS }, 1);
	bufs[0] = (struct drv_buf){ guest_dup(&r.guest, &h, 16), 16, false };
	for (unsigned int i = 0; i < 1000; i++)
		bufs[1 + i] = (struct drv_buf){ data + i * 512, 512, true };
	bufs[1001] = (struct drv_buf){ status, 1, true };
	ck_assert_int_ge(drv_add_indirect(&r.dev.queues[0], bufs, 1002), 0);
	drv_kick(&r.dev.queues[0]);
	ck_assert_int_ge(vdev_wait(&r.dev, 0, NULL), 0);
	ck_assert_uint_eq(guest_get16(&r.guest, status) & 0xff, IOERR);
	close_rig(&r, fd);
}
END_TEST

/* A chain may name the same memory again and again: the data is long, the memory is not. */
START_TEST(overlapping_buffers)
{
	struct {
		struct le32 type, reserved;
		struct le64 sector;
	} h = { le32(IN), le32(0), le64(0) };
	struct drv_buf bufs[34];
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	uint64_t data = guest_alloc(&r.guest, 32768, 4096), status;

	status = guest_dup(&r.guest, &(uint8_t){ NO_STATUS }, 1);
	bufs[0] = (struct drv_buf){ guest_dup(&r.guest, &h, 16), 16, false };
	for (unsigned int i = 0; i < 32; i++)
		bufs[1 + i] = (struct drv_buf){ data, 32768, true };
	bufs[33] = (struct drv_buf){ status, 1, true };
	ck_assert_int_ge(drv_add(&r.dev.queues[0], bufs, 34), 0);
	drv_kick(&r.dev.queues[0]);
	ck_assert_int_ge(vdev_wait(&r.dev, 0, NULL), 0);
	ck_assert_uint_eq(guest_get16(&r.guest, status) & 0xff, OK);
	close_rig(&r, fd);
}
END_TEST

/* The guest's own ring as the target of a read: its index jumps, the device survives. */
START_TEST(read_into_the_ring)
{
	struct {
		struct le32 type, reserved;
		struct le64 sector;
	} h = { le32(IN), le32(0), le64(0) };
	uint8_t noise[4096];
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	struct drv_buf bufs[3];

	fill(noise, sizeof(noise), 77);
	ck_assert_int_eq(cv_pwrite_full(fd, noise, sizeof(noise), 0), 0);
	bufs[0] = (struct drv_buf){ guest_dup(&r.guest, &h, 16), 16, false };
	bufs[1] = (struct drv_buf){ r.dev.queues[0].desc & ~511ull, 4096, true };
	bufs[2] = (struct drv_buf){ guest_alloc(&r.guest, 1, 1), 1, true };
	ck_assert_int_ge(drv_add(&r.dev.queues[0], bufs, 3), 0);
	drv_kick(&r.dev.queues[0]);
	for (int i = 0; i < 50; i++) {
		drv_notify(&r.dev.queues[0]);
		vdev_pump(&r.dev);
	}
	vdev_reset(&r.dev);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	ck_assert_uint_eq(do_plain(&r, FLUSH), OK);
	close_rig(&r, fd);
}
END_TEST

static uint32_t next_random(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* Random headers, lengths and layouts: each request is answered or breaks the queue. */
START_TEST(garbage)
{
	static uint8_t out[8192], in[8192];
	uint32_t seed = 42;
	struct rig r;
	int fd = open_rig(&r, "", NULL);

	for (int i = 0; i < 3000; i++) {
		uint32_t kind = next_random(&seed);
		struct request q = { .type = kind % 16,
				     .sector = kind & 0x100 ? next_random(&seed) % (SECTORS + 2)
							    : next_random(&seed) * 7919ull,
				     .out = out,
				     .out_len = next_random(&seed) % (kind & 0x200 ? 64 : 8192),
				     .in = in,
				     .in_len = next_random(&seed) % (kind & 0x400 ? 64 : 8192),
				     .piece = 300 + next_random(&seed) % 5000 };

		fill(out, sizeof(out), kind);
		ck_assert_uint_le(run(&r, &q), UNSUPP);
		ck_assert_uint_le(q.used, q.in_len + 1);
	}
	close_rig(&r, fd);
}
END_TEST

/* ---- state and life ---- */

START_TEST(state)
{
	struct cv_buf saved = { 0 };
	struct rig r;
	int fd = open_rig(&r, "", NULL);
	uint8_t byte = 0;
	uint16_t version = 0;
	size_t used = 0;

	r.dev.ops->config_write(&r.dev, C_WRITEBACK, &byte, 1);
	cv_state_save(cv_class_block.state, cv_class_block.state_version,
		      cv_vslot_local_self(r.slot), &saved);
	vdev_reset(&r.dev);
	ck_assert_uint_eq(vdev_config(&r.dev, C_WRITEBACK, 1), 1);
	ck_assert_int_eq(cv_state_load(cv_class_block.state, cv_class_block.state_version,
				       cv_vslot_local_self(r.slot), saved.data, saved.len, &used,
				       &version, NULL),
			 0);
	ck_assert_uint_eq(vdev_config(&r.dev, C_WRITEBACK, 1), 0);
	cv_buf_fini(&saved);
	close_rig(&r, fd);
}
END_TEST

/* Stopping with requests under way: all are answered before it returns. */
START_TEST(stop_in_the_middle)
{
	struct rig_options o = { .threaded = true };
	uint8_t buf[512] = { 0 };
	int fd = disk_image(DISK_SIZE);

	for (int i = 0; i < 50; i++) {
		struct rig r;

		rig_init(&r, &cv_class_block, with_fd(fd, ",engine=pool"), &o);
		ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
		for (int k = 0; k < 10; k++) {
			uint64_t in = guest_alloc(&r.guest, 1, 1);
			struct {
				struct le32 type, reserved;
				struct le64 sector;
			} h = { le32(FLUSH), le32(0), le64(0) };
			struct drv_buf bufs[2] = { { guest_dup(&r.guest, &h, 16), 16, false },
						   { in, 1, true } };

			ck_assert_int_ge(drv_add(&r.dev.queues[0], bufs, 2), 0);
			drv_kick(&r.dev.queues[0]);
		}
		if (i % 2)
			usleep(100);
		vdev_reset(&r.dev);
		ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
		ck_assert_uint_eq(do_write(&r, 0, buf, 512), OK);
		rig_fini(&r);
	}
	close(fd);
}
END_TEST

static uint64_t private_memory(void)
{
	char line[256];
	uint64_t sum = 0, kb;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	must(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Private_Dirty: %lu", &kb) == 1)
			sum += kb;
	fclose(f);
	return sum;
}

/* What a device costs that has not much to do. */
START_TEST(memory)
{
	int fd = disk_image(DISK_SIZE);
	uint64_t before = private_memory(), after;
	uint8_t buf[512];
	struct rig r;

	rig_init(&r, &cv_class_block, with_fd(fd, ",queues=16"), NULL);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	ck_assert_uint_eq(do_read(&r, 0, buf, 512), OK);
	after = private_memory();
	if (!getenv("ASAN_OPTIONS")) /* the sanitizers count otherwise */
		ck_assert_uint_lt(after - before, 1024);
	close_rig(&r, fd);
}
END_TEST

CHECK_MAIN("virtio_blk", round_trip_everywhere, round_trip_direct, layouts, most_segments, get_id,
	   several_ranges, discard_frees_space, queues_side_by_side, one_kick_for_all, config_space,
	   discard_off, write_cache_mode, writethrough_syncs, resize, read_only, bad_configurations,
	   out_of_range, all_or_nothing, unknown_requests, failing_disk, malformed_requests,
	   too_many_segments, overlapping_buffers, read_into_the_ring, garbage, state,
	   stop_in_the_middle, memory)
