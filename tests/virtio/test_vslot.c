/* SPDX-License-Identifier: BSD-3-Clause */
/* The slot of a virtio device in this process: life, queues, kicks, faults, operations. */
#include <check.h>
#include <poll.h>

#include "gadget.h"
#include "support/must.h"
#include "support/vdev.h"
#include "virtio/virtio.h"
#include "virtio/vslot_local.h"

static struct gadget *self_of(struct rig *r)
{
	return cv_vslot_local_self(r->device);
}

static void expect_echo(struct vdev *d, const char *text)
{
	uint32_t len = (uint32_t)strlen(text);
	char back[64];

	ck_assert_int_eq(vdev_request(d, 0, text, len, back, sizeof(back)), len);
	ck_assert_mem_eq(back, text, len);
}

/* ---- life ---- */

START_TEST(the_slot_says_what_the_device_is)
{
	struct rig r;

	rig_init(&r, &gadget_class, "", NULL);
	ck_assert_str_eq(r.slot->name, "gadget");
	ck_assert_uint_eq(r.slot->id, GADGET_ID);
	ck_assert_uint_eq(r.slot->n_queues, 3);
	ck_assert_uint_eq(r.slot->config_len, GADGET_CONFIG_LEN);
	ck_assert_uint_eq(r.slot->queue_max[1], 128);
	ck_assert_uint_eq(r.slot->features, GADGET_FEATURES | CV_VIRTIO_F_VERSION_1 |
						    CV_VIRTIO_F_INDIRECT_DESC |
						    CV_VIRTIO_F_EVENT_IDX | CV_VIRTIO_F_RING_RESET |
						    CV_VIRTIO_F_RING_PACKED);
	rig_fini(&r);
	rig_init(&r, &gadget_class, "queues=1", NULL);
	ck_assert_uint_eq(r.slot->n_queues, 1);
	ck_assert_uint_eq(r.slot->features & 7, 1);
	rig_fini(&r);
}
END_TEST

START_TEST(init_fails_with_its_sentence)
{
	struct vm_error e = { 0 };
	struct rig r;

	ck_assert_int_eq(rig_try_init(&r, &gadget_class, "fail-init", NULL, &e), -ENODEV);
	ck_assert_str_eq(e.text, "gadget: told to fail");
}
END_TEST

START_TEST(start_stop_reset_and_again)
{
	struct rig r;
	struct gadget *d;

	rig_init(&r, &gadget_class, "", NULL);
	d = self_of(&r);
	for (unsigned int i = 1; i <= 3; i++) {
		ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .packed = i & 1 }), 0);
		ck_assert(d->running && d->n_starts == i);
		ck_assert_uint_eq(d->features & CV_VIRTIO_F_RING_PACKED,
				  i & 1 ? CV_VIRTIO_F_RING_PACKED : 0);
		expect_echo(&r.dev, "hello");
		vdev_reset(&r.dev);
		ck_assert(!d->running && d->n_stops == i && d->n_resets == i);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(destroyed_while_running)
{
	struct rig r;
	bool gone = false;

	rig_init(&r, &gadget_class, "", &(struct rig_options){ .threaded = _i });
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	self_of(&r)->gone = &gone;
	r.dev.ops->detach(&r.dev); /* without a reset */
	r.dev.ops = NULL;
	ck_assert_uint_eq(self_of(&r)->n_stops, 0);
	cv_vslot_destroy(r.slot);
	r.slot = NULL;
	ck_assert(gone);
	for (unsigned int i = 0; i < r.dev.n_queues; i++)
		drv_vq_fini(&r.dev.queues[i]);
	rig_fini(&r);
}
END_TEST

START_TEST(a_device_that_does_not_start)
{
	struct rig r;
	struct gadget *d;

	rig_init(&r, &gadget_class, "fail-starts=2", NULL);
	d = self_of(&r);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(vdev_start(&r.dev, NULL), -EIO);
		ck_assert(!d->running && d->n_stops == 0);
		vdev_reset(&r.dev);
	}
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	expect_echo(&r.dev, "at last");
	rig_fini(&r);
}
END_TEST

START_TEST(what_does_not_fit_does_not_start)
{
	struct cv_vq_config c[3];
	struct drv_vq q;
	struct rig r;

	rig_init(&r, &gadget_class, "", NULL);
	drv_vq_init(&q, &r.guest, 64, CV_VIRTIO_F_VERSION_1);
	for (unsigned int i = 0; i < 3; i++)
		drv_vq_config(&q, &c[i]);
	ck_assert_int_eq(r.slot->ops->start(r.slot, 2, c), -EINVAL); /* not offered */
	c[0].size = 128;					     /* more than the device has */
	ck_assert_int_eq(r.slot->ops->start(r.slot, CV_VIRTIO_F_VERSION_1, c), -EINVAL);
	c[0].size = 64;
	c[2].desc = GUEST_HOLE;
	ck_assert_int_eq(r.slot->ops->start(r.slot, CV_VIRTIO_F_VERSION_1, c), -EINVAL);
	ck_assert_uint_eq(self_of(&r)->n_starts, 0);
	c[2].ready = false;
	for (unsigned int i = 0; i < 2; i++)
		c[i].kick_fd = i ? r.dev.queues[1].kick_fd : q.kick_fd;
	c[1].ready = false;
	ck_assert_int_eq(r.slot->ops->start(r.slot, CV_VIRTIO_F_VERSION_1, c), 0);
	ck_assert_int_eq(r.slot->ops->start(r.slot, CV_VIRTIO_F_VERSION_1, c), -EBUSY);
	r.slot->ops->stop(r.slot, NULL);
	r.slot->ops->stop(r.slot, NULL); /* nothing happens */
	ck_assert_uint_eq(self_of(&r)->n_stops, 1);
	drv_vq_fini(&q);
	rig_fini(&r);
}
END_TEST

/* ---- requests ---- */

static void echo_body(struct rig *r)
{
	char text[40];

	for (unsigned int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "request %u", i);
		expect_echo(&r->dev, text);
	}
	ck_assert(!r->dev.ops->broken(&r->dev));
}

START_TEST(echo_everywhere)
{
	rig_each(&gadget_class, "", echo_body);
}
END_TEST

static void emit_body(struct rig *r)
{
	uint64_t gpa = guest_alloc(&r->guest, 16, 16);
	struct vm_error e = { 0 };
	char reply[32], back[5];
	uint32_t len;

	ck_assert_int_eq(r->device->ops->control(r->device, "emit", "text=x", reply, 32, &e),
			 -ENOBUFS);
	ck_assert_str_eq(e.text, "gadget: no buffer");
	drv_add(&r->dev.queues[1], (struct drv_buf[]){ { gpa, 16, true } }, 1);
	drv_kick(&r->dev.queues[1]);
	ck_assert_int_eq(r->device->ops->control(r->device, "emit", "text=abcde", reply, 32, &e),
			 0);
	ck_assert_str_eq(reply, "written=5");
	ck_assert_int_ge(vdev_wait(&r->dev, 1, &len), 0);
	ck_assert_uint_eq(len, 5);
	guest_get(&r->guest, gpa, back, 5);
	ck_assert_mem_eq(back, "abcde", 5);
}

START_TEST(a_device_that_waits_for_its_backend)
{
	rig_each(&gadget_class, "", emit_body);
}
END_TEST

static void late_body(struct rig *r)
{
	uint64_t gpa = guest_alloc(&r->guest, 64, 16);

	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 20; i++)
			drv_add(&r->dev.queues[2], (struct drv_buf[]){ { gpa, 16, i & 1 } }, 1);
		drv_kick(&r->dev.queues[2]);
		for (unsigned int i = 0; i < 20; i++)
			ck_assert_int_ge(vdev_wait(&r->dev, 2, NULL), 0);
	}
}

START_TEST(a_device_that_answers_later)
{
	rig_each(&gadget_class, "", late_body);
}
END_TEST

START_TEST(stop_leaves_nothing_in_flight)
{
	struct cv_vq_config c[3];
	struct drv_vq *q;
	struct rig r;

	rig_init(&r, &gadget_class, "", &(struct rig_options){ .fake_clock = true });
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .packed = _i }), 0);
	q = &r.dev.queues[2];
	for (unsigned int i = 0; i < 10; i++)
		drv_add(q, (struct drv_buf[]){ { GUEST_LOW, 16, true } }, 1);
	drv_kick(q);
	vdev_pump(&r.dev);
	ck_assert_uint_eq(self_of(&r)->n_late, 10);
	ck_assert(!drv_has_used(q));
	for (unsigned int i = 0; i < 3; i++)
		drv_vq_config(&r.dev.queues[i], &c[i]);
	r.slot->ops->stop(r.slot, c);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_ge(drv_used(q, NULL), 0);
	ck_assert(drv_called(q));
	ck_assert_uint_eq(c[2].avail & 0x7fff, 10);
	ck_assert_uint_eq(c[2].used, c[2].avail);
	/* what the driver adds meanwhile is found after the start, without a kick */
	drv_add(q, (struct drv_buf[]){ { GUEST_LOW, 16, true } }, 1);
	drv_publish(q);
	drv_add(&r.dev.queues[0], (struct drv_buf[]){ { GUEST_LOW, 16, true } }, 1);
	drv_publish(&r.dev.queues[0]);
	ck_assert_int_eq(r.slot->ops->start(r.slot, r.dev.features, c), 0);
	vdev_pump(&r.dev);
	ck_assert_int_ge(drv_used(&r.dev.queues[0], NULL), 0);
	cv_loop_fake_advance(r.loop, 1000000);
	ck_assert_int_ge(drv_used(q, NULL), 0);
	rig_fini(&r);
}
END_TEST

/* ---- faults ---- */

static void offer_bad(struct vdev *d, unsigned int qi)
{
	drv_add(&d->queues[qi], (struct drv_buf[]){ { GUEST_HOLE, 16, true } }, 1);
	drv_publish(&d->queues[qi]);
	drv_notify(&d->queues[qi]);
}

static void broken_body(struct rig *r)
{
	const struct vdev_options o = { .packed = r->dev.features & CV_VIRTIO_F_RING_PACKED };
	struct vdev *d = &r->dev;

	expect_echo(d, "still fine");
	offer_bad(d, 0);
	ck_assert(vdev_wait_broken(d));
	/* the whole device has stopped */
	drv_add(&d->queues[2], (struct drv_buf[]){ { GUEST_LOW, 16, true } }, 1);
	drv_kick(&d->queues[2]);
	drv_notify(&d->queues[0]);
	ck_assert_int_eq(vdev_wait(d, 2, NULL), -1);
	ck_assert(!drv_has_used(&d->queues[0]));
	ck_assert_uint_le(atomic_load(&d->n_broken), 1);
	vdev_reset(d);
	ck_assert(!d->ops->broken(d));
	ck_assert_int_eq(vdev_start(d, &o), 0);
	expect_echo(d, "fine again");
}

START_TEST(a_fault_stops_the_device_until_reset)
{
	rig_each(&gadget_class, "", broken_body);
}
END_TEST

START_TEST(a_fault_in_a_quiet_queue)
{
	struct rig r;
	struct vm_error e;

	rig_init(&r, &gadget_class, "", NULL);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	offer_bad(&r.dev, 1);
	vdev_pump(&r.dev);
	ck_assert(!r.dev.ops->broken(&r.dev)); /* nobody has looked yet */
	ck_assert_int_eq(r.slot->ops->control(r.slot, "emit", "text=x", NULL, 0, &e), -ENOBUFS);
	ck_assert(r.dev.ops->broken(&r.dev));
	ck_assert_uint_eq(atomic_load(&r.dev.n_broken), 1);
	ck_assert_int_eq(vdev_request(&r.dev, 0, "x", 1, NULL, 0), -1);
	rig_fini(&r);
}
END_TEST

/* ---- single queues ---- */

START_TEST(a_queue_is_reset)
{
	struct cv_vq_config c;
	struct drv_vq *q;
	struct rig r;

	rig_init(&r, &gadget_class, "", &(struct rig_options){ .threaded = _i });
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	q = &r.dev.queues[2];
	for (unsigned int i = 0; i < 20; i++) {
		drv_add(q, (struct drv_buf[]){ { GUEST_LOW, 1, true } }, 1);
		drv_kick(q);
		r.slot->ops->queue_stop(r.slot, 2, NULL);
		r.slot->ops->queue_stop(r.slot, 2, NULL); /* nothing happens */
		expect_echo(&r.dev, "the others go on");
		drv_vq_fini(q);
		drv_vq_init(q, &r.guest, 32, r.dev.features);
		drv_add(q, (struct drv_buf[]){ { GUEST_LOW, 1, true } }, 1);
		drv_publish(q);
		drv_vq_config(q, &c);
		ck_assert_int_eq(r.slot->ops->queue_start(r.slot, 2, &c), 0);
		ck_assert_int_eq(r.slot->ops->queue_start(r.slot, 2, &c), 0); /* runs already */
		ck_assert_int_ge(vdev_wait(&r.dev, 2, NULL), 0);
	}
	r.slot->ops->queue_stop(r.slot, 2, NULL);
	c.size = 1024;
	ck_assert_int_eq(r.slot->ops->queue_start(r.slot, 2, &c), -EINVAL);
	ck_assert_int_eq(r.slot->ops->queue_start(r.slot, 99, &c), -EINVAL);
	r.slot->ops->queue_stop(r.slot, 99, NULL);
	ck_assert(!r.dev.ops->broken(&r.dev));
	rig_fini(&r);
}
END_TEST

/* What the other queues have in flight would be lost if the device were stopped around one. */
START_TEST(not_every_device_stops_single_queues)
{
	struct cv_vq_config c;
	struct rig r;

	rig_init(&r, &gadget_plain_class, "", NULL);
	ck_assert(!(r.slot->features & CV_VIRTIO_F_RING_RESET));
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .queues = 5 }), 0);
	drv_vq_init(&r.dev.queues[1], &r.guest, 32, r.dev.features);
	drv_vq_config(&r.dev.queues[1], &c);
	ck_assert_int_eq(r.slot->ops->queue_start(r.slot, 1, &c), -EOPNOTSUPP);
	ck_assert(!r.dev.ops->broken(&r.dev));
	drv_add(&r.dev.queues[2], (struct drv_buf[]){ { GUEST_LOW, 1, true } }, 1);
	drv_kick(&r.dev.queues[2]);
	r.slot->ops->queue_stop(r.slot, 0, NULL);
	ck_assert(r.dev.ops->broken(&r.dev));
	ck_assert_uint_eq(self_of(&r)->n_stops, 0);
	vdev_reset(&r.dev);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	expect_echo(&r.dev, "and again");
	rig_fini(&r);
}
END_TEST

START_TEST(an_interrupt_is_pointed_elsewhere)
{
	struct rig r;
	struct drv_vq *q;

	rig_init(&r, &gadget_class, "", NULL);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	q = &r.dev.queues[0];
	r.slot->ops->set_call(r.slot, 0, r.dev.queues[1].call_fd);
	expect_echo(&r.dev, "x");
	ck_assert(!drv_called(q) && drv_called(&r.dev.queues[1]));
	r.slot->ops->set_call(r.slot, 0, -1);
	expect_echo(&r.dev, "x");
	ck_assert(!drv_called(q) && !drv_called(&r.dev.queues[1]));
	r.slot->ops->set_call(r.slot, 0, q->call_fd);
	r.slot->ops->set_call(r.slot, 77, q->call_fd);
	expect_echo(&r.dev, "x");
	ck_assert(drv_called(q));
	rig_fini(&r);
}
END_TEST

/* ---- configuration space, operations, requests ---- */

static void config_body(struct rig *r)
{
	struct vdev *d = &r->dev;

	ck_assert_uint_eq(vdev_config(d, 0, 4), 0xa3a2a1a0);
	ck_assert_uint_eq(vdev_config(d, 11, 1), 0xab);
	d->ops->config_write(d, 4, "\x01\x02", 2);
	ck_assert_uint_eq(vdev_config(d, 3, 4), 0xa60201a3);
	for (unsigned int i = 0; i < 5000 && atomic_load(&d->n_config) == 0; i++) {
		vdev_pump(d);
		poll(NULL, 0, i > 0);
	}
	ck_assert_uint_ge(atomic_load(&d->n_config), 1);
}

START_TEST(configuration_space)
{
	rig_each(&gadget_class, "", config_body);
}
END_TEST

START_TEST(configuration_space_ends)
{
	struct rig r;
	uint8_t buf[8];

	rig_init(&r, &gadget_class, "", NULL);
	memset(buf, 0xee, 8);
	r.slot->ops->config_read(r.slot, 8, buf, 8);
	ck_assert_mem_eq(buf, "\0\0\0\0\0\0\0\0", 8);
	r.slot->ops->config_read(r.slot, UINT32_MAX, buf, 2);
	r.slot->ops->config_write(r.slot, 8, buf, 8);
	ck_assert_uint_eq(atomic_load(&r.dev.n_config), 0);
	r.slot->ops->config_read(r.slot, 8, buf, 4);
	ck_assert_mem_eq(buf, "\xa8\xa9\xaa\xab", 4);
	rig_fini(&r);
}
END_TEST

START_TEST(operations)
{
	struct vm_error e = { 0 };
	char reply[8] = "unset";
	struct rig r;

	rig_init(&r, &gadget_class, "", &(struct rig_options){ .threaded = _i });
	ck_assert_int_eq(r.slot->ops->control(r.slot, "dance", "", reply, 8, &e), -ENOENT);
	ck_assert_str_eq(e.text, "gadget: there is no operation 'dance'");
	ck_assert_int_eq(r.slot->ops->control(r.slot, "emit", "", reply, 8, &e), -EINVAL);
	ck_assert_int_eq(r.slot->ops->control(r.slot, "emit", "text=x", reply, 8, &e), -EAGAIN);
	ck_assert_str_eq(e.text, "gadget: not running");
	ck_assert_int_eq(r.slot->ops->control(r.slot, "ask", "", reply, 8, &e), 0);
	ck_assert_str_eq(reply, "");
	ck_assert_uint_eq(atomic_load(&r.requests), 1u << CV_REQUEST_RESET);
	ck_assert_int_eq(r.slot->ops->control(r.slot, "ask", "what=1", reply, 8, &e), -EINVAL);
	rig_fini(&r);
}
END_TEST

/* ---- fairness and polling ---- */

struct feeder {
	struct cv_class cls;
	struct cv_virtio_ops ops;
	struct rig *r;
	unsigned int n_fed, at_other;
};

static struct feeder *feeder; /* the class's functions have no other way to it */

/* A guest that refills the queue while the device works on it. */
static void feeder_kick(void *self, struct cv_vq *vq, unsigned int index)
{
	struct drv_vq *q = &feeder->r->dev.queues[0];
	struct cv_chain *c;

	if (index == 1) {
		if (feeder->at_other == 0)
			feeder->at_other = feeder->n_fed;
		return;
	}
	((struct gadget *)self)->n_kicks[0]++;
	while ((c = cv_vq_pop(vq))) {
		cv_vq_push(vq, c, 0);
		must(drv_used(q, NULL) >= 0);
		if (feeder->n_fed++ < 100000) {
			must(drv_add(q, (struct drv_buf[]){ { GUEST_LOW, 1, true } }, 1) >= 0);
			drv_publish(q);
		}
	}
}

START_TEST(a_busy_queue_lets_others_have_their_turn)
{
	struct feeder f = { .cls = gadget_class, .ops = gadget_virtio };
	struct rig r;

	f.ops.kick = feeder_kick;
	f.cls.virtio = &f.ops;
	f.r = &r;
	feeder = &f;
	rig_init(&r, &f.cls, "", NULL);
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .packed = _i }), 0);
	for (unsigned int i = 0; i < 64; i++)
		drv_add(&r.dev.queues[0], (struct drv_buf[]){ { GUEST_LOW, 1, true } }, 1);
	drv_kick(&r.dev.queues[0]);
	drv_notify(&r.dev.queues[1]);
	vdev_pump(&r.dev);
	ck_assert_uint_eq(f.n_fed, 100064);
	ck_assert_uint_le(f.at_other, 128);
	ck_assert_uint_ge(self_of(&r)->n_kicks[0], 100000 / 64);
	rig_fini(&r);
}
END_TEST

START_TEST(polling)
{
	struct rig r;

	rig_init(&r, &gadget_class, "", &(struct rig_options){ .poll = true });
	cv_loop_set_poll_time(r.loop, 20000);
	for (unsigned int kind = 0; kind < 4; kind++) {
		const struct vdev_options o = { .packed = kind & 1, .no_event_idx = kind & 2 };

		ck_assert_int_eq(vdev_start(&r.dev, &o), 0);
		for (unsigned int i = 0; i < 100; i++) {
			expect_echo(&r.dev, "polled");
			/* buffers that the device does not want yet are not work */
			drv_add(&r.dev.queues[1], (struct drv_buf[]){ { GUEST_LOW, 1, true } }, 1);
			drv_kick(&r.dev.queues[1]);
		}
		offer_bad(&r.dev, 0);
		vdev_pump(&r.dev);
		ck_assert(r.dev.ops->broken(&r.dev));
		vdev_reset(&r.dev);
	}
	rig_fini(&r);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_set_timeout(t, 120);
	tcase_add_test(t, the_slot_says_what_the_device_is);
	tcase_add_test(t, init_fails_with_its_sentence);
	tcase_add_test(t, start_stop_reset_and_again);
	tcase_add_loop_test(t, destroyed_while_running, 0, 2);
	tcase_add_test(t, a_device_that_does_not_start);
	tcase_add_test(t, what_does_not_fit_does_not_start);
	tcase_add_test(t, echo_everywhere);
	tcase_add_test(t, a_device_that_waits_for_its_backend);
	tcase_add_test(t, a_device_that_answers_later);
	tcase_add_loop_test(t, stop_leaves_nothing_in_flight, 0, 2);
	tcase_add_test(t, a_fault_stops_the_device_until_reset);
	tcase_add_test(t, a_fault_in_a_quiet_queue);
	tcase_add_loop_test(t, a_queue_is_reset, 0, 2);
	tcase_add_test(t, not_every_device_stops_single_queues);
	tcase_add_test(t, an_interrupt_is_pointed_elsewhere);
	tcase_add_test(t, configuration_space);
	tcase_add_test(t, configuration_space_ends);
	tcase_add_loop_test(t, operations, 0, 2);
	tcase_add_loop_test(t, a_busy_queue_lets_others_have_their_turn, 0, 2);
	tcase_add_test(t, polling);
}

int main(void)
{
	Suite *s = suite_create("vslot");
	TCase *t = tcase_create("local");
	SRunner *r;
	int failed;

	add_tests(t);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
