/* SPDX-License-Identifier: BSD-3-Clause */
/* The console alone: bytes both ways with nobody waiting. */
#include "console_rig.h"
#include "support/child.h"

START_TEST(talks)
{
	struct con c;

	for (unsigned int i = 0; i < 16; i++) {
		open_con(&c, 1, "",
			 &(struct rig_options){ .ops = i & 8 ? &vdev_mmio_ops : &vdev_slot_ops,
						.threaded = i & 4 });
		start_con(&c, &(struct vdev_options){ .packed = i & 1, .no_event_idx = i & 2 });
		talk(&c);
		vdev_reset(&c.r.dev);
		start_con(&c, &(struct vdev_options){ .packed = i & 1, .no_event_idx = i & 2 });
		talk(&c);
		close_con(&c, 1);
	}
}
END_TEST

START_TEST(is_a_single_port)
{
	struct con c;

	open_con(&c, 1, "cols=80,rows=25", NULL);
	start_con(&c, NULL);
	ck_assert_uint_eq(c.r.dev.features & 0xffffff, F_SIZE | F_EMERG);
	ck_assert_uint_eq(c.r.dev.n_queues, 2);
	ck_assert_uint_eq(vdev_config(&c.r.dev, C_COLS, 2), 80);
	ck_assert_uint_eq(vdev_config(&c.r.dev, C_ROWS, 2), 25);
	ck_assert_uint_eq(vdev_config(&c.r.dev, C_PORTS, 4), 1);
	close_con(&c, 1);
}
END_TEST

/* What the guest has no buffers for stays with the host. */
START_TEST(input_waits_for_buffers)
{
	struct con c;
	uint64_t gpa;

	open_con(&c, 1, "", NULL);
	feed(&c.r, c.ends[0].in, "early");
	start_con(&c, NULL);
	vdev_pump(&c.r.dev);
	ck_assert_int_eq(unread(c.ends[0].in), 5);
	gpa = add_rx(&c.r, RX0, 3);
	expect_rx(&c.r, RX0, gpa, "ear");
	feed(&c.r, c.ends[0].in, "!");
	ck_assert_int_eq(unread(c.ends[0].in), 3);
	gpa = add_rx(&c.r, RX0, 10);
	expect_rx(&c.r, RX0, gpa, "ly!");
	close_con(&c, 1);
}
END_TEST

/* What the host does not take stays in the ring; nothing is lost, doubled or out of order. */
START_TEST(output_waits_for_the_host)
{
	static uint8_t text[BIG];
	struct drv_buf bufs[2];
	struct con c;

	for (unsigned int i = 0; i < 4; i++) {
		open_con(&c, 1, "", &(struct rig_options){ .threaded = i & 2 });
		start_con(&c, &(struct vdev_options){ .packed = i & 1 });
		bufs[0] = (struct drv_buf){ make_text(&c.r, text, BIG), 70000, false };
		bufs[1] = (struct drv_buf){ bufs[0].gpa + 70000, BIG - 70000, false };
		ck_assert_int_ge(drv_add(&c.r.dev.queues[TX0], bufs, 2), 0);
		ck_assert_int_ge(drv_add(&c.r.dev.queues[TX0], &bufs[0], 1), 0);
		drv_kick(&c.r.dev.queues[TX0]);
		vdev_pump(&c.r.dev);
		ck_assert(!drv_has_used(&c.r.dev.queues[TX0]));
		expect_bytes(&c.r, c.ends[0].out, text, BIG);
		expect_bytes(&c.r, c.ends[0].out, text, 70000);
		ck_assert_int_ge(vdev_wait(&c.r.dev, TX0, NULL), 0);
		ck_assert_int_ge(vdev_wait(&c.r.dev, TX0, NULL), 0);
		close_con(&c, 1);
	}
}
END_TEST

START_TEST(goes_on_after_a_stop)
{
	static uint8_t text[BIG];
	struct cv_vq_config configs[CV_VIRTIO_MAX_QUEUES] = { 0 };
	struct cv_vslot *slot;
	struct con c;

	for (unsigned int packed = 0; packed < 2; packed++) {
		open_con(&c, 1, "", NULL);
		slot = c.r.slot;
		start_con(&c, &(struct vdev_options){ .packed = packed });
		for (unsigned int i = 0; i < 2; i++)
			drv_vq_config(&c.r.dev.queues[i], &configs[i]);
		ck_assert_int_ge(
			drv_add(&c.r.dev.queues[TX0],
				&(struct drv_buf){ make_text(&c.r, text, BIG), BIG, false }, 1),
			0);
		drv_kick(&c.r.dev.queues[TX0]);
		for (unsigned int i = 0; i < 5; i++) {
			expect_bytes(&c.r, c.ends[0].out, text + i * 10000, 10000);
			slot->ops->stop(slot, configs);
			vdev_pump(&c.r.dev);
			ck_assert_int_eq(slot->ops->start(slot, c.r.dev.features, configs), 0);
		}
		expect_bytes(&c.r, c.ends[0].out, text + 50000, BIG - 50000);
		ck_assert_int_ge(vdev_wait(&c.r.dev, TX0, NULL), 0);
		close_con(&c, 1);
	}
}
END_TEST

/* A stopped device neither reads nor writes. */
START_TEST(is_quiet_when_stopped)
{
	struct con c;
	uint64_t gpa;

	open_con(&c, 1, "", NULL);
	start_con(&c, NULL);
	add_rx(&c.r, RX0, 64);
	vdev_reset(&c.r.dev);
	feed(&c.r, c.ends[0].in, "later");
	ck_assert_int_eq(unread(c.ends[0].in), 5);
	start_con(&c, NULL);
	gpa = add_rx(&c.r, RX0, 64);
	expect_rx(&c.r, RX0, gpa, "later");
	close_con(&c, 1);
}
END_TEST

START_TEST(survives_the_end_of_the_host)
{
	struct con c;

	open_con(&c, 1, "", NULL);
	start_con(&c, NULL);
	add_rx(&c.r, RX0, 64);
	close(c.ends[0].in);
	c.ends[0].in = -1;
	vdev_pump(&c.r.dev);
	send_text(&c.r, TX0, "still here");
	expect_bytes(&c.r, c.ends[0].out, "still here", 10);
	close(c.ends[0].out);
	c.ends[0].out = -1;
	send_text(&c.r, TX0, "into the void");
	send_text(&c.r, TX0, "and again");
	close_con(&c, 1);
}
END_TEST

START_TEST(needs_no_files)
{
	struct rig r;

	rig_init(&r, &cv_class_console, "", NULL);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	add_rx(&r, RX0, 64);
	send_text(&r, TX0, "nobody listens");
	ck_assert(!drv_has_used(&r.dev.queues[RX0]));
	rig_fini(&r);
}
END_TEST

START_TEST(respects_suppression)
{
	struct con c;
	struct drv_vq *q;

	open_con(&c, 1, "", NULL);
	start_con(&c, &(struct vdev_options){ .no_event_idx = true });
	q = &c.r.dev.queues[TX0];
	drv_enable_calls(q, false);
	send_text(&c.r, TX0, "a");
	ck_assert(!drv_called(q));
	drv_enable_calls(q, true);
	send_text(&c.r, TX0, "b");
	ck_assert(drv_called(q));
	close_con(&c, 1);
}
END_TEST

START_TEST(tells_its_size)
{
	struct con c;

	open_con(&c, 1, "", NULL);
	start_con(&c, NULL);
	ck_assert_int_eq(resize(&c.r, "cols=132,rows=50"), 0);
	ck_assert_uint_eq(atomic_load(&c.r.dev.n_config), 1);
	ck_assert_uint_eq(vdev_config(&c.r.dev, C_COLS, 4), 50 << 16 | 132);
	ck_assert_int_eq(resize(&c.r, "cols=65536,rows=50"), -EINVAL);
	ck_assert_int_eq(resize(&c.r, "cols=1"), -EINVAL);
	ck_assert_uint_eq(vdev_config(&c.r.dev, C_COLS, 2), 132);
	close_con(&c, 1);
}
END_TEST

/* At any time, even before the driver has found its queues; a full host loses it. */
START_TEST(takes_emergency_writes)
{
	const uint8_t text[] = { 'p', 'a', 0, 0 };
	struct con c;

	open_con(&c, 1, "", NULL);
	c.r.dev.ops->config_write(&c.r.dev, C_EMERG, text, 4);
	c.r.dev.ops->config_write(&c.r.dev, C_EMERG, text + 1, 1);
	c.r.dev.ops->config_write(&c.r.dev, C_EMERG + 1, text, 3);
	c.r.dev.ops->config_write(&c.r.dev, C_COLS, text, 4);
	expect_bytes(&c.r, c.ends[0].out, "pa", 2);
	expect_nothing(&c.r, c.ends[0].out);
	for (unsigned int i = 0; i < 20000; i++)
		c.r.dev.ops->config_write(&c.r.dev, C_EMERG, text, 1);
	ck_assert_uint_eq(vdev_config(&c.r.dev, C_COLS, 4), 0);
	ck_assert_int_eq(unread(c.ends[0].out), 4096);
	close_con(&c, 1);
}
END_TEST

CHECK_MAIN_CHILD("virtio_console",
		 ANYWHERE(talks, is_a_single_port, input_waits_for_buffers,
			  output_waits_for_the_host, goes_on_after_a_stop, is_quiet_when_stopped,
			  survives_the_end_of_the_host, needs_no_files, respects_suppression,
			  tells_its_size, takes_emergency_writes),
		 ONLY_HERE())
