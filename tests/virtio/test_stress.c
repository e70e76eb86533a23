/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver thread against the device's loop thread: every request comes back
 * once, with the right bytes, and no wake-up is lost in either direction. The
 * driver sleeps on its interrupt alone.
 */
#include <check.h>
#include <pthread.h>

#include "gadget.h"
#include "support/must.h"
#include "support/vdev.h"
#include "virtio/virtio.h"

#define REQUESTS 20000
#define DEPTH	 16

struct run {
	struct rig r;
	struct drv_vq *q;
	uint64_t out, in; /* DEPTH cells of 8 bytes each */
	uint64_t sent[DEPTH];
	uint16_t cell_of[64]; /* by the chain's name */
	uint64_t free_cells;
	unsigned int n_sent, n_done;
	uint64_t seed;
	atomic_bool done;
};

static uint32_t next(struct run *t)
{
	t->seed = t->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(t->seed >> 33);
}

static void send_one(struct run *t)
{
	unsigned int cell = (unsigned int)__builtin_ctzll(t->free_cells);
	const struct drv_buf bufs[] = {
		{ t->out + 8 * cell, 3, false },
		{ t->out + 8 * cell + 3, 5, false },
		{ t->in + 8 * cell, 8, true },
	};
	int name;

	t->sent[cell] = (uint64_t)next(t) << 32 | t->n_sent++;
	guest_put64(&t->r.guest, bufs[0].gpa, t->sent[cell]);
	guest_put64(&t->r.guest, bufs[2].gpa, 0);
	name = t->q->indirect && (next(t) & 1) ? drv_add_indirect(t->q, bufs, 3)
					       : drv_add(t->q, bufs, 3);
	must(name >= 0);
	t->cell_of[name] = (uint16_t)cell;
	t->free_cells &= ~(1ull << cell);
}

static bool reap(struct run *t)
{
	uint32_t len;
	int name = drv_used(t->q, &len);
	unsigned int cell;

	if (name < 0)
		return false;
	cell = t->cell_of[name];
	must(len == 8);
	must(guest_get64(&t->r.guest, t->in + 8 * cell) == t->sent[cell]);
	t->free_cells |= 1ull << cell;
	t->n_done++;
	return true;
}

static void drive(struct run *t)
{
	while (t->n_done < REQUESTS) {
		for (unsigned int n = next(t) % 6; n > 0; n--)
			if (t->free_cells && t->n_sent < REQUESTS)
				send_one(t);
		drv_kick(t->q);
		if (next(t) % 4 == 0)
			drv_enable_calls(t->q, false);
		while (reap(t))
			;
		if (t->free_cells && t->n_sent < REQUESTS && next(t) % 8)
			continue;
		if (t->n_sent == t->n_done || drv_enable_calls(t->q, true))
			continue;
		ck_assert_msg(drv_wait_call(t->q, 10000), "asleep for good after %u of %u",
			      t->n_done, t->n_sent);
	}
}

static void init(struct run *t, int kind)
{
	const struct vdev_options o = { .packed = kind & 1,
					.no_event_idx = kind & 2,
					.queue_size = kind & 1 ? 60 : 64 };

	*t = (struct run){ .seed = (uint64_t)kind + 1, .free_cells = (1ull << DEPTH) - 1 };
	rig_init(&t->r, &gadget_class, "",
		 &(struct rig_options){ .threaded = true, .poll = kind & 4 });
	if (kind & 4)
		cv_loop_set_poll_time(t->r.loop, 50000);
	ck_assert_int_eq(vdev_start(&t->r.dev, &o), 0);
	t->q = &t->r.dev.queues[0];
	t->out = guest_alloc(&t->r.guest, 8 * DEPTH, 4096);
	t->in = guest_alloc(&t->r.guest, 8 * DEPTH, 4096);
}

START_TEST(driver_against_device)
{
	struct run t;

	init(&t, _i);
	drive(&t);
	ck_assert(!t.r.dev.ops->broken(&t.r.dev));
	rig_fini(&t.r);
}
END_TEST

/* Stops and starts the device all the while, as a snapshot does, and reads its configuration. */
static void *disturb(void *arg)
{
	struct run *t = arg;
	struct vdev *d = &t->r.dev;
	struct cv_vq_config c[CV_VIRTIO_MAX_QUEUES];

	for (unsigned int i = 0; i < d->n_queues; i++)
		drv_vq_config(&d->queues[i], &c[i]);
	while (!atomic_load(&t->done)) {
		uint8_t byte;

		d->slot->ops->stop(d->slot, c);
		must(d->slot->ops->start(d->slot, d->features, c) == 0);
		d->slot->ops->config_read(d->slot, 0, &byte, 1);
		must(byte == 0xa0);
		sched_yield();
	}
	return NULL;
}

START_TEST(stopped_and_started_meanwhile)
{
	pthread_t thread;
	struct run t;

	init(&t, _i);
	ck_assert_int_eq(pthread_create(&thread, NULL, disturb, &t), 0);
	drive(&t);
	atomic_store(&t.done, true);
	pthread_join(thread, NULL);
	ck_assert(!t.r.dev.ops->broken(&t.r.dev));
	rig_fini(&t.r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("stress");
	TCase *t = tcase_create("threads");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, driver_against_device, 0, 8);
	tcase_add_loop_test(t, stopped_and_started_meanwhile, 0, 4);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
