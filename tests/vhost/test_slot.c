/* SPDX-License-Identifier: BSD-3-Clause */
/* What a slot does beyond requests, through vhost-user: pauses, single queues, calls, state. */
#include "peer.h"
#include "support/overfill.h"
#include "support/vdev.h"
#include "support/vdev_pci.h"
#include "vhost/user_frontend.h"
#include "virtio/virtio.h"
#include "virtio/vslot_local.h"

static const struct rig_options vhost = { .vhost = true };

static void expect_random(struct rig *r)
{
	uint8_t buf[64];

	ck_assert_int_eq(vdev_request(&r->dev, 0, NULL, 0, buf, sizeof(buf)), sizeof(buf));
}

/* Stopped with positions and started there, as a snapshot does it; across the ring's end. */
START_TEST(pause_and_go_on)
{
	struct cv_vq_config at = { 0 };
	struct rig r;

	rig_init(&r, cv_class_find("rng"), "", &vhost);
	ck_assert_int_eq(
		vdev_start(&r.dev, &(struct vdev_options){ .packed = _i & 1, .queue_size = 8 }), 0);
	for (unsigned int i = 0; i < 30; i++) {
		for (unsigned int n = 0; n < i % 5; n++)
			expect_random(&r);
		drv_vq_config(&r.dev.queues[0], &at);
		r.slot->ops->stop(r.slot, &at);
		ck_assert_uint_eq(at.avail, at.used);
		ck_assert_uint_eq(at.avail, r.dev.queues[0].used);
		ck_assert_int_eq(r.slot->ops->start(r.slot, r.dev.features, &at), 0);
	}
	expect_random(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(one_queue)
{
	struct cv_vq_config at;
	struct rig r;

	rig_init(&r, cv_class_find("rng"), "", &vhost);
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .packed = _i & 1 }), 0);
	expect_random(&r);
	for (unsigned int i = 0; i < 5; i++) {
		r.slot->ops->queue_stop(r.slot, 0, &at);
		ck_assert_uint_eq(at.avail, r.dev.queues[0].used);
		r.slot->ops->queue_stop(r.slot, 0, NULL); /* nothing happens */
		r.slot->ops->queue_stop(r.slot, 9, NULL);
		drv_vq_fini(&r.dev.queues[0]);
		drv_vq_init(&r.dev.queues[0], &r.guest, 16, r.dev.features);
		drv_vq_config(&r.dev.queues[0], &at);
		ck_assert_int_eq(r.slot->ops->queue_start(r.slot, 0, &at), 0);
		expect_random(&r);
	}
	/* a bad one is the guest's fault: refused, and the connection is as it was */
	r.slot->ops->queue_stop(r.slot, 0, NULL);
	at.desc = GUEST_HOLE;
	ck_assert_int_lt(r.slot->ops->queue_start(r.slot, 0, &at), 0);
	ck_assert(cv_vhost_frontend_connected(r.slot));
	rig_fini(&r);
}
END_TEST

START_TEST(calls)
{
	struct rig r;
	int other = cv_event_create();

	rig_init(&r, cv_class_find("rng"), "", &vhost);
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .no_event_idx = true }), 0);
	expect_random(&r);
	ck_assert(drv_wait_call(&r.dev.queues[0], 2000));
	r.slot->ops->set_call(r.slot, 0, other);
	expect_random(&r);
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = other, .events = POLLIN }, 1, 2000), 1);
	ck_assert(!drv_called(&r.dev.queues[0]));
	r.slot->ops->set_call(r.slot, 0, -1);
	cv_event_drain(other);
	expect_random(&r);
	ck_assert(!cv_event_drain(other));
	close(other);
	rig_fini(&r);
}
END_TEST

/* A bad configuration at the start: NEEDS_RESET, and the next start is a good one. */
START_TEST(guests_fault)
{
	struct cv_vq_config bad;
	struct rig r;

	rig_init(&r, cv_class_find("rng"), "", &vhost);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	drv_vq_config(&r.dev.queues[0], &bad);
	vdev_reset(&r.dev);
	bad.kick_fd = cv_event_create();
	bad.call_fd = -1;
	bad.device = GUEST_HOLE;
	ck_assert_int_lt(r.slot->ops->start(r.slot, CV_VIRTIO_F_VERSION_1, &bad), 0);
	ck_assert(cv_vhost_frontend_connected(r.slot));
	/* nothing of it is heard of after the reset */
	vdev_reset(&r.dev);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	expect_random(&r);
	close(bad.kick_fd);
	rig_fini(&r);
}
END_TEST

/* ---- state ---- */

static char stored[100000];
static size_t stored_len;

static int save(void *ctx CV_UNUSED, struct cv_buf *out)
{
	cv_buf_put(out, stored, stored_len);
	return 0;
}

static int load(void *ctx CV_UNUSED, const uint8_t *data, size_t len)
{
	if (len > sizeof(stored) || (len > 0 && data[0] == 0xff))
		return -EINVAL;
	memcpy(stored, data, len);
	stored_len = len;
	return 0;
}

struct attach {
	struct cv_vhost_backend *b;
	int fd;
};

static void attach(void *arg)
{
	struct attach *t = arg;

	must(cv_vhost_backend_serve(t->b, t->fd, NULL) == 0);
}

START_TEST(state)
{
	struct cv_vhost_backend *b;
	struct cv_buf out = { 0 };
	struct cv_vslot *front;
	struct attach t;
	int pair[2];
	struct rig r;

	rig_init(&r, cv_class_find("rng"), "", &(struct rig_options){ .threaded = true });
	vdev_detach(&r.dev);
	must(cv_vhost_backend_create(&b,
				     &(struct cv_vhost_backend_config){ .name = "saved",
									.loop = r.loop,
									.log = &r.log,
									.save = save,
									.load = load },
				     NULL) == 0);
	cv_vhost_backend_set_slot(b, r.slot);
	socket_pair(pair);
	t = (struct attach){ b, pair[1] };
	cv_loop_call(r.loop, attach, &t);
	{
		struct cv_loop *loop;

		must(cv_loop_create(&loop, NULL) == 0);
		must(cv_vhost_frontend_create(
			     &front,
			     &(struct cv_vhost_frontend_config){ .name = "front",
								 .min_queues = 1,
								 .max_queues = 1,
								 .mem = &r.guest.mem,
								 .loop = loop },
			     pair[0], NULL) == 0);
		stored_len = sizeof(stored);
		memset(stored, 's', stored_len);
		ck_assert_int_eq(cv_vhost_frontend_save(front, &out, NULL), 0);
		ck_assert_uint_eq(out.len, sizeof(stored));
		ck_assert_mem_eq(out.data, stored, out.len);
		memset(stored, 0, sizeof(stored));
		ck_assert_int_eq(cv_vhost_frontend_load(front, out.data, out.len, NULL), 0);
		ck_assert_uint_eq(stored_len, sizeof(stored));
		ck_assert_mem_eq(stored, out.data, out.len);
		ck_assert_int_lt(cv_vhost_frontend_load(front, "\xff", 1, NULL), 0);
		ck_assert_int_eq(cv_vhost_frontend_load(front, "", 0, NULL), 0);
		ck_assert(cv_vhost_frontend_connected(front));
		cv_buf_fini(&out);
		cv_vslot_destroy(front);
		cv_loop_destroy(loop);
	}
	cv_vhost_backend_destroy(b);
	rig_fini(&r);
}
END_TEST

/* Of an eventfd, as proc(5) numbers them; -1 for what is none. */
static int event_id(int fd)
{
	char path[64], line[128];
	int id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && id < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "eventfd-id: %d", &id) == 1)
			break;
	if (f)
		fclose(f);
	return id;
}

/* What a back end can do with the eventfds that it was given: they block, in each process, and
 * are as full as they get. Both sides have their descriptors here: those that are twice. */
static void make_blocking(bool filled)
{
	enum { N = 256 };
	int ids[N];

	for (int fd = 0; fd < N; fd++)
		ids[fd] = event_id(fd);
	for (int fd = 0; fd < N; fd++) {
		unsigned int seen = 0;

		for (int other = 0; other < N; other++)
			seen += ids[other] == ids[fd];
		if (ids[fd] < 0 || seen < 2)
			continue;
		ck_assert_int_eq(cv_fd_set_nonblock(fd, true), 0);
		if (filled) {
			overfill_write(fd);
			overfill_signal(fd);
		}
		ck_assert_int_eq(cv_fd_set_nonblock(fd, false), 0);
	}
}

static const struct vdev_ops *const transports[] = { &vdev_slot_ops, &vdev_mmio_ops,
						     &vdev_pci_ops };

/* The driver uses, resets and starts the device as ever, over all transports. */
START_TEST(descriptors_that_block)
{
	const struct rig_options o = { .vhost = true, .ops = transports[_i] };
	struct rig r;
	int call;

	rig_init(&r, cv_class_find("rng"), "", &o);
	alarm(20);
	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
		expect_random(&r);
		make_blocking(false);
		expect_random(&r);
		make_blocking(true);
		call = dup(r.dev.queues[0].call_fd);
		vdev_reset(&r.dev);
		/* KVM empties an irqfd; and this back end would wait for itself */
		cv_ignore(cv_event_drain_shared(call));
		close(call);
	}
	rig_fini(&r);
	alarm(0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("slot");
	TCase *tc = tcase_create("slot");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, pause_and_go_on, 0, 2);
	tcase_add_loop_test(tc, one_queue, 0, 2);
	tcase_add_test(tc, calls);
	tcase_add_test(tc, guests_fault);
	tcase_add_test(tc, state);
	tcase_add_loop_test(tc, descriptors_that_block, 0, CV_LEN(transports));
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
