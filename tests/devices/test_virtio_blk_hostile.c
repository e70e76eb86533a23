/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk refuses what it must: bad options, bad requests, failing disks, garbage. */
#include <time.h>

#include "blk.h"

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
	struct header h = { le32(IN), le32(0), le64(0) };
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
	struct header h = { le32(IN), le32(0), le64(0) };
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
	struct header h = { le32(IN), le32(0), le64(0) };
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

#define BIG_IMAGE (1ull << 30)
#define SEGMENT	  (4u << 20)
#define N_READS	  60u

/* Reads that go into the same memory again and again, 254 segments each. Where the status bytes
 * are, 16 bytes apart by name. */
static uint64_t add_reads(struct rig *r, uint64_t data, uint32_t segment)
{
	struct header h = { le32(IN), le32(0), le64(0) };
	unsigned int size = r->dev.queues[0].size;
	uint64_t status = guest_alloc(&r->guest, 16ull * size, 16);
	struct drv_buf bufs[256];

	bufs[0] = (struct drv_buf){ guest_dup(&r->guest, &h, 16), 16, false };
	for (unsigned int i = 0; i < 254; i++)
		bufs[1 + i] = (struct drv_buf){ data, segment, true };
	for (unsigned int i = 0; i < N_READS; i++) {
		/* a chain takes one descriptor: the names count up */
		bufs[255] = (struct drv_buf){ status + 16 * i, 1, true };
		guest_put(&r->guest, status + 16 * i, &(uint8_t){ NO_STATUS }, 1);
		ck_assert_int_eq(drv_add_indirect(&r->dev.queues[0], bufs, 256), i);
	}
	drv_kick(&r->dev.queues[0]);
	return status;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void open_big(struct rig *r, int *fd)
{
	*fd = memfd_create("big", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(*fd, BIG_IMAGE), 0);
	rig_init(r, &cv_class_block, with_fd(*fd, ",queues=2"),
		 &(struct rig_options){ .threaded = true });
	ck_assert_int_eq(vdev_start(&r->dev, NULL), 0);
}

/* How much the guest has asked for is no measure of how long a reset takes. */
START_TEST(reset_in_endless_reads)
{
	struct rig r;
	double begin;
	int fd;

	open_big(&r, &fd);
	add_reads(&r, guest_alloc(&r.guest, SEGMENT, 4096), SEGMENT);
	usleep(20000);
	begin = seconds();
	vdev_reset(&r.dev);
	ck_assert(seconds() - begin < 1);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	ck_assert_uint_eq(do_plain(&r, FLUSH), OK);
	close_rig(&r, fd);
}
END_TEST

/* Nor a queue's; the requests of the other queue are carried out all the same. */
START_TEST(queue_reset_in_endless_reads)
{
	struct rig r;
	double begin;
	uint64_t status;
	int fd, name;

	open_big(&r, &fd);
	status = add_reads(&r, guest_alloc(&r.guest, SEGMENT, 4096), SEGMENT);
	usleep(20000);
	begin = seconds();
	r.slot->ops->queue_stop(r.slot, 1, NULL);
	ck_assert(seconds() - begin < 1);
	while ((name = vdev_wait(&r.dev, 0, NULL)) < 0)
		;
	ck_assert_uint_eq(guest_get16(&r.guest, status + 16 * (unsigned int)name) & 0xff, OK);
	begin = seconds();
	r.slot->ops->queue_stop(r.slot, 0, NULL);
	ck_assert(seconds() - begin < 1);
	close_rig(&r, fd);
}
END_TEST

/* A pause fails nothing: what is in flight is finished, or done again afterwards. */
START_TEST(pause_in_reads)
{
	struct cv_vq_config configs[CV_VIRTIO_MAX_QUEUES] = { 0 };
	struct rig r;
	uint64_t status;
	int fd, name;

	open_big(&r, &fd);
	status = add_reads(&r, guest_alloc(&r.guest, 65536, 4096), 65536);
	usleep(20000);
	for (unsigned int i = 0; i < r.dev.n_queues; i++)
		drv_vq_config(&r.dev.queues[i], &configs[i]);
	r.slot->ops->stop(r.slot, configs);
	ck_assert_int_eq(r.slot->ops->start(r.slot, r.dev.features, configs), 0);
	for (unsigned int i = 0; i < N_READS; i++) {
		while ((name = vdev_wait(&r.dev, 0, NULL)) < 0)
			ck_assert(!r.dev.ops->broken(&r.dev));
		ck_assert_uint_eq(guest_get16(&r.guest, status + 16 * (unsigned int)name) & 0xff,
				  OK);
	}
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

/* What is refused before there is a device. */
CHECK_MAIN_CHILD("virtio_blk_hostile",
		 ANYWHERE(out_of_range, all_or_nothing, unknown_requests, failing_disk,
			  malformed_requests, too_many_segments, overlapping_buffers,
			  read_into_the_ring, reset_in_endless_reads, queue_reset_in_endless_reads,
			  pause_in_reads, garbage),
		 ONLY_HERE(bad_configurations))
