/* SPDX-License-Identifier: BSD-3-Clause */
/* The entropy device over slot and transport. */
#include <string.h>

#include "support/child.h"
#include "support/vdev.h"

static const struct cv_class *rng(void)
{
	return cv_class_find("rng");
}

static bool is_random(const uint8_t *buf, size_t len)
{
	unsigned int seen[256] = { 0 }, n = 0;

	for (size_t i = 0; i < len; i++)
		n += seen[buf[i]]++ == 0;
	return n > (len >= 4096 ? 250 : cv_min(len / 2, (size_t)128));
}

static void fills(struct rig *r)
{
	static uint8_t a[65536], b[65536];

	ck_assert_int_eq(vdev_request(&r->dev, 0, NULL, 0, a, 64), 64);
	ck_assert_int_eq(vdev_request(&r->dev, 0, NULL, 0, b, 64), 64);
	ck_assert(is_random(a, 64));
	ck_assert_int_ne(memcmp(a, b, 64), 0);
	ck_assert_int_eq(vdev_request(&r->dev, 0, NULL, 0, a, 65536), 65536);
	ck_assert(is_random(a, 4096) && is_random(a + 61440, 4096));
	ck_assert_int_eq(vdev_request(&r->dev, 0, NULL, 0, a, 1), 1);
	/* readable parts are of no use, and no harm */
	ck_assert_int_eq(vdev_request(&r->dev, 0, "seed", 4, a, 16), 16);
	ck_assert_int_eq(vdev_request(&r->dev, 0, "seed", 4, NULL, 0), 0);
	ck_assert(!r->dev.ops->broken(&r->dev));
}

START_TEST(fills_buffers)
{
	rig_each(rng(), "", fills);
}
END_TEST

static void fills_all_segments(struct rig *r)
{
	struct drv_vq *q = &r->dev.queues[0];
	uint64_t gpa = guest_alloc(&r->guest, 3 * 4096, 4096);
	struct drv_buf bufs[] = { { gpa, 100, true },
				  { gpa + 4096, 3000, true },
				  { gpa + 8192, 500, true } };
	uint8_t mem[3 * 4096];
	uint32_t len;

	ck_assert_int_ge(drv_add(q, bufs, 3), 0);
	drv_kick(q);
	ck_assert_int_ge(vdev_wait(&r->dev, 0, &len), 0);
	ck_assert_uint_eq(len, 3600);
	guest_get(&r->guest, gpa, mem, sizeof(mem));
	ck_assert(is_random(mem, 100) && is_random(mem + 8192, 500));
	for (unsigned int i = 100; i < 4096; i++)
		ck_assert_uint_eq(mem[i], 0);
	ck_assert_uint_eq(mem[4096 + 3000] | mem[8192 + 500], 0);
}

START_TEST(fills_segments)
{
	struct rig r;

	rig_init(&r, rng(), "", NULL);
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .no_indirect = true }), 0);
	fills_all_segments(&r);
	rig_fini(&r);
}
END_TEST

/* A huge chain gets a bounded number of bytes; a full ring is served in several turns. */
START_TEST(greedy_guest)
{
	struct drv_buf buf = { .len = 1 << 20, .write = true };
	struct drv_vq *q;
	unsigned int n = 0;
	struct rig r;
	uint32_t len;

	rig_init(&r, rng(), "", NULL);
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .queue_size = 256 }), 0);
	q = &r.dev.queues[0];
	buf.gpa = guest_alloc(&r.guest, buf.len, 4096);
	while (drv_add(q, &buf, 1) >= 0)
		n++;
	ck_assert_uint_eq(n, 256);
	drv_kick(q);
	while (n > 0) {
		ck_assert_int_ge(vdev_wait(&r.dev, 0, &len), 0);
		ck_assert_uint_eq(len, 65536);
		n--;
	}
	rig_fini(&r);
}
END_TEST

static void is_bounded(struct rig *r)
{
	struct drv_vq *q = &r->dev.queues[0];
	uint64_t gpa = guest_alloc(&r->guest, 4096, 16);

	/* a buffer outside memory breaks the device, and a reset mends it */
	drv_raw_desc(q, q->packed ? q->avail & 0x7fff : 0, GUEST_HOLE, 16,
		     (uint16_t)(DRV_F_WRITE | (q->packed ? drv_raw_avail_bits(q) : 0)), 0);
	drv_raw_offer(q, 0);
	drv_notify(q);
	ck_assert(vdev_wait_broken(&r->dev));
	ck_assert(!drv_has_used(q));
	vdev_reset(&r->dev);
	ck_assert_int_eq(vdev_start(&r->dev, NULL), 0);
	q = &r->dev.queues[0];
	ck_assert_int_ge(drv_add(q, &(struct drv_buf){ gpa, 16, true }, 1), 0);
	drv_kick(q);
	ck_assert_int_ge(vdev_wait(&r->dev, 0, NULL), 0);
}

START_TEST(bad_descriptor)
{
	rig_each(rng(), "", is_bounded);
}
END_TEST

START_TEST(stops_between_turns)
{
	struct drv_buf buf = { .len = 65536, .write = true };
	struct rig r;

	rig_init(&r, rng(), "", NULL);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t mark = guest_mark(&r.guest);

		ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
		buf.gpa = guest_alloc(&r.guest, buf.len, 4096);
		while (drv_add(&r.dev.queues[0], &buf, 1) >= 0)
			;
		drv_kick(&r.dev.queues[0]);
		vdev_reset(&r.dev);
		guest_rewind(&r.guest, mark);
	}
	rig_fini(&r);
}
END_TEST

/* A reset of the queue between turns, and the new queue is served without a restart. */
START_TEST(its_queue_is_reset)
{
	struct drv_buf buf = { .len = 65536, .write = true };
	struct cv_vq_config c;
	struct drv_vq *q;
	struct rig r;

	rig_init(&r, rng(), "", NULL);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	q = &r.dev.queues[0];
	buf.gpa = guest_alloc(&r.guest, buf.len, 4096);
	for (unsigned int i = 0; i < 3; i++) {
		while (drv_add(q, &buf, 1) >= 0)
			;
		drv_kick(q);
		r.slot->ops->queue_stop(r.slot, 0, NULL);
		vdev_pump(&r.dev);
		drv_vq_fini(q);
		drv_vq_init(q, &r.guest, 32, r.dev.features);
		drv_vq_config(q, &c);
		ck_assert_int_eq(r.slot->ops->queue_start(r.slot, 0, &c), 0);
		drv_add(q, &buf, 1);
		drv_kick(q);
		ck_assert_int_ge(vdev_wait(&r.dev, 0, NULL), 0);
		ck_assert(!r.dev.ops->broken(&r.dev));
	}
	rig_fini(&r);
}
END_TEST

CHECK_MAIN_CHILD("virtio_rng",
		 ANYWHERE(fills_buffers, fills_segments, greedy_guest, bad_descriptor,
			  stops_between_turns, its_queue_is_reset),
		 ONLY_HERE())
