/* SPDX-License-Identifier: BSD-3-Clause */
/* The console's ports: their protocol, single resets, state, and drivers that lie. */
#include <sys/socket.h>

#include "base/endian.h"
#include "console_rig.h"
#include "support/child.h"
#include "virtio/vslot_local.h"

enum {
	DEVICE_READY,
	PORT_ADD,
	PORT_REMOVE,
	PORT_READY,
	CONSOLE_PORT,
	RESIZE,
	PORT_OPEN,
	PORT_NAME
};

struct control {
	struct le32 id;
	struct le16 event, value;
};

static void send_control(struct rig *r, uint32_t id, uint16_t event, uint16_t value)
{
	const struct control m = { le32(id), le16(event), le16(value) };

	ck_assert_int_eq(vdev_request(&r->dev, CTL_TX, &m, sizeof(m), NULL, 0), 0);
}

/* Gives the device one buffer and expects this message in it. */
static void expect_control(struct rig *r, uint32_t id, uint16_t event, uint16_t value,
			   const void *rest, uint32_t rest_len)
{
	uint8_t buf[128] = { 0 };
	struct control m;
	int64_t n = vdev_request(&r->dev, CTL_RX, NULL, 0, buf, sizeof(buf));

	ck_assert_int_eq(n, (int64_t)sizeof(m) + rest_len);
	memcpy(&m, buf, sizeof(m));
	ck_assert_uint_eq(le32_get(m.id), id);
	ck_assert_uint_eq(le16_get(m.event), event);
	ck_assert_uint_eq(le16_get(m.value), value);
	if (rest_len > 0)
		ck_assert_mem_eq(buf + sizeof(m), rest, rest_len);
}

static const uint8_t size_80_25[] = { 80, 0, 25, 0 };

static void shake_hands(struct rig *r)
{
	send_control(r, 0, DEVICE_READY, 1);
	expect_control(r, 0, PORT_ADD, 1, NULL, 0);
	expect_control(r, 1, PORT_ADD, 1, NULL, 0);
	send_control(r, 0, PORT_READY, 1);
	send_control(r, 1, PORT_READY, 1);
	expect_control(r, 0, CONSOLE_PORT, 1, NULL, 0);
	expect_control(r, 0, RESIZE, 1, size_80_25, 4);
	expect_control(r, 0, PORT_OPEN, 1, NULL, 0);
	expect_control(r, 1, PORT_OPEN, 1, NULL, 0);
	expect_control(r, 1, PORT_NAME, 1, "org.test", 8);
}

#define TWO_PORTS "name1=org.test,cols=80,rows=25"

static void use_ports(struct con *c)
{
	struct rig *r = &c->r;
	uint64_t a, b;

	shake_hands(r);
	send_text(r, TX0, "zero");
	send_text(r, TX1, "one");
	expect_bytes(r, c->ends[0].out, "zero", 4);
	expect_bytes(r, c->ends[1].out, "one", 3);
	send_control(r, 0, PORT_OPEN, 1);
	send_control(r, 1, PORT_OPEN, 1);
	a = add_rx(r, RX0, 16);
	b = add_rx(r, RX1, 16);
	feed(r, c->ends[1].in, "uno");
	expect_rx(r, RX1, b, "uno");
	feed(r, c->ends[0].in, "nil");
	expect_rx(r, RX0, a, "nil");
}

START_TEST(has_ports)
{
	struct con c;

	for (unsigned int i = 0; i < 16; i++) {
		open_con(&c, 2, TWO_PORTS,
			 &(struct rig_options){ .ops = i & 8 ? &vdev_mmio_ops : &vdev_slot_ops,
						.threaded = i & 4 });
		start_con(&c, &(struct vdev_options){ .packed = i & 1, .no_event_idx = i & 2 });
		use_ports(&c);
		/* a reset forgets who was ready and open */
		vdev_reset(&c.r.dev);
		start_con(&c, &(struct vdev_options){ .packed = i & 1, .no_event_idx = i & 2 });
		use_ports(&c);
		close_con(&c, 2);
	}
}
END_TEST

/* Drivers throw away what comes for a port that nobody has opened. */
START_TEST(input_waits_for_an_open_port)
{
	struct con c;
	uint64_t gpa;

	open_con(&c, 2, TWO_PORTS, NULL);
	start_con(&c, NULL);
	shake_hands(&c.r);
	gpa = add_rx(&c.r, RX1, 16);
	feed(&c.r, c.ends[1].in, "early");
	ck_assert_int_eq(unread(c.ends[1].in), 5);
	send_control(&c.r, 1, PORT_OPEN, 1);
	expect_rx(&c.r, RX1, gpa, "early");
	send_control(&c.r, 1, PORT_OPEN, 0);
	gpa = add_rx(&c.r, RX1, 16);
	feed(&c.r, c.ends[1].in, "late");
	ck_assert_int_eq(unread(c.ends[1].in), 4);
	send_control(&c.r, 1, PORT_OPEN, 1);
	expect_rx(&c.r, RX1, gpa, "late");
	close_con(&c, 2);
}
END_TEST

START_TEST(resizes_by_message)
{
	static const uint8_t size[] = { 132, 0, 50, 0 };
	struct con c;

	open_con(&c, 2, TWO_PORTS, NULL);
	start_con(&c, NULL);
	shake_hands(&c.r);
	ck_assert_int_eq(resize(&c.r, "cols=1,rows=1"), 0);
	ck_assert_int_eq(resize(&c.r, "cols=132,rows=50"), 0);
	/* the last one is what counts */
	expect_control(&c.r, 0, RESIZE, 1, size, 4);
	add_rx(&c.r, CTL_RX, 64);
	ck_assert(!drv_has_used(&c.r.dev.queues[CTL_RX]));
	close_con(&c, 2);
}
END_TEST

/* A driver without MULTIPORT has port 0 and needs no messages. */
START_TEST(works_without_multiport)
{
	struct con c;

	open_con(&c, 2, TWO_PORTS, NULL);
	start_con(&c, &(struct vdev_options){ .refuse = F_MULTIPORT, .queues = 3 });
	talk(&c);
	close_con(&c, 2);
}
END_TEST

/* A port whose other side has gone is closed, so that its reader in the guest sees the end. */
START_TEST(closes_a_port_that_the_host_left)
{
	char text[128];
	struct rig r;
	uint64_t gpa;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	snprintf(text, sizeof(text), "in1=/proc/self/fd/%d,out1=/proc/self/fd/%d," TWO_PORTS,
		 fds[0], fds[0]);
	rig_init(&r, &cv_class_console, text, NULL);
	close(fds[0]);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	shake_hands(&r);
	send_control(&r, 1, PORT_OPEN, 1);
	gpa = add_rx(&r, RX1, 16);
	add_rx(&r, RX1, 16);
	feed(&r, fds[1], "bye");
	expect_rx(&r, RX1, gpa, "bye");
	close(fds[1]);
	expect_control(&r, 1, PORT_OPEN, 0, NULL, 0);
	send_text(&r, TX1, "lost");
	rig_fini(&r);
}
END_TEST

/* One that is only written to has no input to end. */
START_TEST(keeps_a_port_that_is_only_written)
{
	char text[128];
	struct rig r;
	int fds[2];

	pipe_pair(fds, 4096);
	snprintf(text, sizeof(text), "out1=/proc/self/fd/%d," TWO_PORTS, fds[1]);
	rig_init(&r, &cv_class_console, text, NULL);
	close(fds[1]);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	shake_hands(&r);
	send_text(&r, TX1, "one");
	expect_bytes(&r, fds[0], "one", 3);
	close(fds[0]);
	send_text(&r, TX1, "lost");
	expect_control(&r, 1, PORT_OPEN, 0, NULL, 0);
	rig_fini(&r);
}
END_TEST

/* Section 2.6.1: one queue's reset leaves the other ports alone. */
START_TEST(resets_one_queue)
{
	static uint8_t text[BIG];
	struct con c;
	uint64_t gpa;

	open_con(&c, 2, TWO_PORTS, NULL);
	start_con(&c, NULL);
	shake_hands(&c.r);
	send_control(&c.r, 1, PORT_OPEN, 1);
	gpa = add_rx(&c.r, RX1, 16);
	ck_assert_int_ge(drv_add(&c.r.dev.queues[TX1],
				 &(struct drv_buf){ make_text(&c.r, text, BIG), BIG, false }, 1),
			 0);
	drv_kick(&c.r.dev.queues[TX1]);
	vdev_pump(&c.r.dev);
	c.r.slot->ops->queue_stop(c.r.slot, RX0, NULL);
	c.r.slot->ops->queue_stop(c.r.slot, TX0, NULL);
	feed(&c.r, c.ends[1].in, "still here");
	expect_rx(&c.r, RX1, gpa, "still here");
	expect_bytes(&c.r, c.ends[1].out, text, BIG);
	ck_assert_int_ge(vdev_wait(&c.r.dev, TX1, NULL), 0);
	close_con(&c, 2);
}
END_TEST

/* What was under way in a queue that is reset is gone; the next chain starts at its beginning. */
START_TEST(resets_a_busy_queue)
{
	static uint8_t text[BIG];
	struct cv_vq_config config = { 0 };
	struct drv_vq *q;
	struct con c;
	int n;

	open_con(&c, 1, "", NULL);
	start_con(&c, NULL);
	q = &c.r.dev.queues[TX0];
	ck_assert_int_ge(drv_add(q, &(struct drv_buf){ make_text(&c.r, text, BIG), BIG, false }, 1),
			 0);
	drv_kick(q);
	vdev_pump(&c.r.dev);
	c.r.slot->ops->queue_stop(c.r.slot, TX0, NULL);
	drv_vq_fini(q);
	drv_vq_init(q, &c.r.guest, 64, c.r.dev.features);
	drv_vq_config(q, &config);
	ck_assert_int_eq(c.r.slot->ops->queue_start(c.r.slot, TX0, &config), 0);
	/* the pipe's page and the tty's buffer had been taken */
	n = 4096 + 4096;
	expect_bytes(&c.r, c.ends[0].out, text, (size_t)n);
	expect_nothing(&c.r, c.ends[0].out);
	send_text(&c.r, TX0, "afresh");
	expect_bytes(&c.r, c.ends[0].out, "afresh", 6);
	close_con(&c, 1);
}
END_TEST

START_TEST(has_eight_ports)
{
	struct rig r;

	rig_init(&r, &cv_class_console, "ports=8", NULL);
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .queue_size = 8 }), 0);
	ck_assert_uint_eq(r.dev.n_queues, 18);
	ck_assert_uint_eq(vdev_config(&r.dev, C_PORTS, 4), 8);
	send_control(&r, 0, DEVICE_READY, 1);
	for (unsigned int i = 0; i < 8; i++)
		expect_control(&r, i, PORT_ADD, 1, NULL, 0);
	for (unsigned int i = 1; i < 8; i++)
		send_text(&r, 2 * i + 3, "void");
	rig_fini(&r);
}
END_TEST

START_TEST(refuses_bad_options)
{
	static const char *const bad[] = {
		"ports=0",
		"ports=9",
		"cols=65536",
		"in=/nonexistent",
		"in9=/dev/null",
		"name1=a-name-that-is-longer-than-anybody-would-want-to-have-it-in-a-file-name",
	};
	struct vm_error e;
	struct rig r;

	for (size_t i = 0; i < CV_LEN(bad); i++) {
		ck_assert_int_lt(rig_try_init(&r, &cv_class_console, bad[i], NULL, &e), 0);
		ck_assert_ptr_eq(strstr(e.text, "console: "), e.text);
	}
}
END_TEST

/* ---- hostile drivers ---- */

START_TEST(ignores_wild_messages)
{
	struct con c;
	uint8_t junk[64];
	uint32_t seed = 4711;

	open_con(&c, 2, TWO_PORTS, NULL);
	start_con(&c, NULL);
	ck_assert_int_eq(vdev_request(&c.r.dev, CTL_TX, junk, 7, NULL, 0), 0);
	ck_assert_int_eq(vdev_request(&c.r.dev, CTL_TX, NULL, 0, junk, 64), 0);
	for (unsigned int i = 0; i < 3000; i++) {
		uint32_t id = i % 3 == 0 ? i : i % 3 == 1 ? UINT32_MAX - i : i % 4;

		seed = seed * 1664525 + 1013904223;
		send_control(&c.r, id, (uint16_t)(seed >> 16 & (i & 64 ? 7 : 0xffff)),
			     (uint16_t)(seed >> 30));
	}
	ck_assert(!c.r.dev.ops->broken(&c.r.dev));
	vdev_reset(&c.r.dev);
	start_con(&c, NULL);
	use_ports(&c);
	close_con(&c, 2);
}
END_TEST

/* Nothing piles up when nobody takes the answers. */
START_TEST(does_not_queue_answers)
{
	struct con c;

	open_con(&c, 2, TWO_PORTS, NULL);
	start_con(&c, NULL);
	for (unsigned int i = 0; i < 1000; i++)
		send_control(&c.r, 0, DEVICE_READY, 1);
	expect_control(&c.r, 0, PORT_ADD, 1, NULL, 0);
	expect_control(&c.r, 1, PORT_ADD, 1, NULL, 0);
	add_rx(&c.r, CTL_RX, 64);
	ck_assert(!drv_has_used(&c.r.dev.queues[CTL_RX]));
	close_con(&c, 2);
}
END_TEST

/* Buffers that are too small get what fits; readable ones get nothing. */
START_TEST(survives_small_answers)
{
	uint8_t in[4];
	struct con c;
	uint64_t gpa;

	open_con(&c, 2, TWO_PORTS, NULL);
	start_con(&c, NULL);
	send_control(&c.r, 0, DEVICE_READY, 1);
	ck_assert_int_eq(vdev_request(&c.r.dev, CTL_RX, NULL, 0, in, 4), 4);
	ck_assert_int_eq(vdev_request(&c.r.dev, CTL_RX, "out", 3, NULL, 0), 0);
	send_control(&c.r, 0, PORT_OPEN, 1);
	feed(&c.r, c.ends[0].in, "text");
	ck_assert_int_eq(vdev_request(&c.r.dev, RX0, "out", 3, NULL, 0), 0);
	gpa = add_rx(&c.r, RX0, 16);
	expect_rx(&c.r, RX0, gpa, "text");
	ck_assert_int_eq(vdev_request(&c.r.dev, TX0, NULL, 0, in, 4), 0);
	expect_nothing(&c.r, c.ends[0].out);
	close_con(&c, 2);
}
END_TEST

/* A chain of gigabytes does not hold up anybody: it is written in turns, and the device stops. */
START_TEST(stops_during_a_long_chain)
{
	struct drv_buf bufs[1024];
	char text[] = "out=/dev/null";
	struct rig r;
	uint64_t gpa;

	rig_init(&r, &cv_class_console, text, &(struct rig_options){ .threaded = true });
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	gpa = guest_alloc(&r.guest, 1 << 20, 4096);
	for (unsigned int i = 0; i < CV_LEN(bufs); i++)
		bufs[i] = (struct drv_buf){ gpa, 1 << 20, false };
	ck_assert_int_ge(drv_add_indirect(&r.dev.queues[TX0], bufs, CV_LEN(bufs)), 0);
	drv_kick(&r.dev.queues[TX0]);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq(resize(&r, "cols=1,rows=1"), 0);
	vdev_reset(&r.dev);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	send_text(&r, TX0, "short");
	rig_fini(&r);
}
END_TEST

START_TEST(breaks_on_a_bad_descriptor)
{
	struct con c;

	for (unsigned int queue = 0; queue < 6; queue++) {
		open_con(&c, 2, TWO_PORTS, NULL);
		start_con(&c, NULL);
		shake_hands(&c.r);
		send_control(&c.r, 0, PORT_OPEN, 1);
		send_control(&c.r, 1, PORT_OPEN, 1);
		vdev_reset(&c.r.dev);
		start_con(&c, NULL);
		send_control(&c.r, 0, PORT_OPEN, 1);
		send_control(&c.r, 1, PORT_OPEN, 1);
		send_control(&c.r, 1, PORT_READY, 1);
		feed(&c.r, c.ends[0].in, "a");
		feed(&c.r, c.ends[1].in, "b");
		drv_raw_desc(&c.r.dev.queues[queue], 0, GUEST_HOLE, 8, DRV_F_WRITE * !(queue & 1),
			     0);
		drv_raw_avail(&c.r.dev.queues[queue], queue == CTL_TX ? 3 : 0, 0);
		drv_raw_avail_idx(&c.r.dev.queues[queue], queue == CTL_TX ? 4 : 1);
		drv_notify(&c.r.dev.queues[queue]);
		ck_assert(vdev_wait_broken(&c.r.dev));
		vdev_reset(&c.r.dev);
		start_con(&c, NULL);
		shake_hands(&c.r);
		close_con(&c, 2);
	}
}
END_TEST

/* ---- state ---- */

START_TEST(saves_its_state)
{
	struct cv_buf buf = { 0 };
	struct con a, b;
	uint16_t version;
	uint64_t gpa;
	size_t used;

	open_con(&a, 2, TWO_PORTS, NULL);
	start_con(&a, NULL);
	shake_hands(&a.r);
	send_control(&a.r, 1, PORT_OPEN, 1);
	ck_assert_int_eq(resize(&a.r, "cols=40,rows=12"), 0);
	cv_state_save(cv_class_console.state, 1, cv_vslot_local_self(a.r.slot), &buf);
	open_con(&b, 2, TWO_PORTS, NULL);
	ck_assert_int_eq(cv_state_load(cv_class_console.state, 1, cv_vslot_local_self(b.r.slot),
				       buf.data, buf.len, &used, &version, NULL),
			 0);
	ck_assert_int_eq(cv_class_console.loaded(cv_vslot_local_self(b.r.slot), version), 0);
	start_con(&b, NULL);
	ck_assert_uint_eq(vdev_config(&b.r.dev, C_COLS, 4), 12 << 16 | 40);
	/* the port is open, and the message on its way */
	gpa = add_rx(&b.r, RX1, 16);
	feed(&b.r, b.ends[1].in, "go on");
	expect_rx(&b.r, RX1, gpa, "go on");
	expect_control(&b.r, 0, RESIZE, 1, (const uint8_t[]){ 40, 0, 12, 0 }, 4);
	cv_buf_fini(&buf);
	close_con(&a, 2);
	close_con(&b, 2);
}
END_TEST

/* One that looks into the device. */
CHECK_MAIN_CHILD("virtio_console_ports",
		 ANYWHERE(has_ports, input_waits_for_an_open_port, resizes_by_message,
			  works_without_multiport, closes_a_port_that_the_host_left,
			  keeps_a_port_that_is_only_written, resets_one_queue, resets_a_busy_queue,
			  has_eight_ports, refuses_bad_options, ignores_wild_messages,
			  does_not_queue_answers, survives_small_answers, stops_during_a_long_chain,
			  breaks_on_a_bad_descriptor),
		 ONLY_HERE(saves_its_state))
