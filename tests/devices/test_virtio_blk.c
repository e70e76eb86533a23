/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk does what it is asked: every request, every layout, configuration, state. */
#include <errno.h>
#include <sys/stat.h>

#include "blk.h"
#include "support/usage.h"
#include "virtio/vslot_local.h"

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
	struct header h[20];
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
	ck_assert_uint_eq(vdev_config(&r.dev, C_PHYSICAL_EXP, 1), 3);
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

/* What the host has reserved stays reserved, whatever the guest says about its zeroes. */
START_TEST(discard_off_keeps_space)
{
	static uint8_t data[DISK_SIZE / 2];
	struct rig r;
	int fd = open_rig(&r, ",discard=off", NULL);
	uint64_t before;
	uint8_t byte = 1;

	memset(data, 1, sizeof(data));
	ck_assert_uint_eq(do_write(&r, 0, data, sizeof(data)), OK);
	ck_assert_uint_eq(do_plain(&r, FLUSH), OK);
	before = allocated(fd);
	ck_assert_uint_eq(do_range(&r, WRITE_ZEROES, 0, SECTORS / 4, 1), OK);
	ck_assert_uint_eq(do_plain(&r, FLUSH), OK);
	ck_assert_uint_ge(allocated(fd), before);
	ck_assert_int_eq(cv_pread_full(fd, &byte, 1, 4096), 0);
	ck_assert_uint_eq(byte, 0);
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
static unsigned int n_io_threads(struct rig *r)
{
	return usage_threads_of(rig_pid(r), "crosvm-block-io");
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
	ck_assert_uint_eq(vdev_config(&r.dev, C_WRITEBACK, 1),
			  (r.dev.features & F_FLUSH) > 0 || refuse & F_CONFIG_WCE);
	if (off_by_config)
		r.dev.ops->config_write(&r.dev, C_WRITEBACK, &byte, 1);
	ck_assert_uint_eq(n_io_threads(&r), 0);
	ck_assert_uint_eq(do_write(&r, 0, buf, sizeof(buf)), OK);
	synced = n_io_threads(&r) > 0;
	ck_assert_uint_eq(do_range(&r, WRITE_ZEROES, 0, 1, 0), OK);
	ck_assert_uint_eq(do_plain(&r, FLUSH), OK);
	ck_assert_uint_gt(n_io_threads(&r), 0);
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
	ck_assert(syncs(F_FLUSH, false)); /* the mode starts as writethrough */
	ck_assert(syncs(0, true));
}
END_TEST

static void control(struct rig *r, const char *args, int want, const char *text)
{
	char reply[64];
	struct vm_error e = { 0 };

	ck_assert_int_eq(rig_control(r, "resize", args, reply, sizeof(reply), &e), want);
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
			struct header h = { le32(FLUSH), le32(0), le64(0) };
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
	printf("16 queues: %lu KiB\n", (unsigned long)(after - before));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which keep their own books */
	ck_assert_uint_lt(after - before, 1024);
#endif
	close_rig(&r, fd);
}
END_TEST

/* Those that look into the device, and at the memory of this process. */
CHECK_MAIN_CHILD("virtio_blk",
		 ANYWHERE(round_trip_everywhere, round_trip_direct, layouts, most_segments, get_id,
			  several_ranges, discard_frees_space, queues_side_by_side,
			  one_kick_for_all, config_space, discard_off, discard_off_keeps_space,
			  write_cache_mode, writethrough_syncs, resize, read_only,
			  stop_in_the_middle),
		 ONLY_HERE(writethrough_syncs, state, memory))
