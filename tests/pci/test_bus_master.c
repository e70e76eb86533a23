/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-pci and the command register's bus master bit (PCI 3.0 section 6.2.2). */
#include "support/check_main.h"
#include "virtio/virtio.h"
#include "vpci_bed.h"

/* A request of 16 bytes in and out, offered and kicked for. */
static void offer(struct bed *b, unsigned int qi)
{
	const struct drv_buf bufs[] = { { guest_alloc(b->d->g, 16, 16), 16, false },
					{ guest_alloc(b->d->g, 16, 16), 16, true } };

	ck_assert_int_ge(drv_add(&b->d->queues[qi], bufs, 2), 0);
	drv_publish(&b->d->queues[qi]);
	drv_notify(&b->d->queues[qi]);
	vdev_pump(b->d);
}

static void set_master(struct bed *b, bool on)
{
	vdev_pci_cfg_write(b->p, 4, 2, on ? VPCI_COMMAND : VPCI_COMMAND & ~4u);
}

/* Without bus mastering nothing is read, written or sent; all of it is made good afterwards. */
START_TEST(bus_master_off_stops_the_queues)
{
	for (unsigned int i = 0; i < 4; i++) {
		const struct vdev_options o = { .packed = i & 1, .no_event_idx = i & 2 };
		struct bed b;

		bed_init(&b, false);
		ck_assert_int_eq(vdev_start(b.d, &o), 0);
		echoes(&b, 0);
		echoes(&b, 2);
		set_master(&b, false);
		ck_assert_uint_eq(b.p->hw.n_irqfds, 0);
		offer(&b, 0);
		offer(&b, 2);
		cv_bus_write(b.p->mmio, b.p->device, 1, 9);
		for (uint32_t v = 0; v <= ECHO_QUEUES; v++)
			ck_assert(!message(&b, v));
		ck_assert(!drv_has_used(&b.d->queues[0]));
		ck_assert(!drv_has_used(&b.d->queues[2]));
		set_master(&b, false); /* once more changes nothing */
		set_master(&b, true);
		ck_assert_uint_eq(b.p->hw.n_irqfds, ECHO_QUEUES + 1);
		ck_assert_int_ge(vdev_wait(b.d, 0, NULL), 0);
		ck_assert_int_ge(vdev_wait(b.d, 2, NULL), 0);
		ck_assert_uint_ge(atomic_load(&b.d->n_config), 1);
		for (unsigned int q = 0; q < ECHO_QUEUES; q++)
			echoes(&b, q);
		ck_assert_uint_eq(b.echo->n_resets, 0);
		bed_fini(&b);
	}
}
END_TEST

/* What a driver does to a device that may not master the bus yet counts once it may. */
START_TEST(started_before_bus_master)
{
	struct bed b;

	bed_init(&b, false);
	start(&b);
	set_master(&b, false);
	vdev_pci_set(b.p, VPCI_STATUS, 1, 0);
	ck_assert_int_eq(vdev_pci_negotiate(b.d), 0);
	for (unsigned int i = 0; i < ECHO_QUEUES; i++) {
		drv_vq_fini(&b.d->queues[i]);
		drv_vq_init(&b.d->queues[i], b.d->g, 16, b.d->features);
		b.d->queues[i].index = i;
		b.d->queues[i].ctx = b.d;
		if (i != 1)
			vdev_pci_setup_queue(b.d, i, CV_VIRTIO_NO_VECTOR);
	}
	set(&b, VPCI_STATUS, 1, RUNNING);
	ck_assert_uint_eq(get(&b, VPCI_STATUS, 1), RUNNING);
	ck_assert_uint_eq(b.echo->n_starts, 1);
	offer(&b, 0);
	/* one queue comes, another goes */
	vdev_pci_setup_queue(b.d, 1, CV_VIRTIO_NO_VECTOR);
	offer(&b, 1);
	set(&b, VPCI_QUEUE_SELECT, 2, 2);
	set(&b, VPCI_QUEUE_RESET, 2, 1);
	ck_assert(!drv_has_used(&b.d->queues[0]));
	set_master(&b, true);
	ck_assert_uint_eq(b.echo->n_starts, 2);
	ck_assert_int_ge(vdev_wait(b.d, 0, NULL), 0);
	ck_assert_int_ge(vdev_wait(b.d, 1, NULL), 0);
	ck_assert_uint_eq(b.p->hw.n_events, 2);
	bed_fini(&b);
}
END_TEST

/* A device that has broken, or was reset, does not come to life by the command register. */
START_TEST(bus_master_starts_nothing)
{
	struct bed b;

	bed_init(&b, false);
	start(&b);
	drv_raw_offer(&b.d->queues[0], 63);
	drv_raw_desc(&b.d->queues[0], 63, GUEST_HOLE, 16, DRV_F_WRITE, 0);
	drv_notify(&b.d->queues[0]);
	ck_assert(vdev_wait_broken(b.d));
	set_master(&b, false);
	set_master(&b, true);
	ck_assert_uint_eq(b.echo->n_starts, 1);
	set_master(&b, false);
	vdev_reset(b.d);
	set_master(&b, true);
	ck_assert_uint_eq(b.echo->n_starts, 1);
	ck_assert_uint_eq(get(&b, VPCI_STATUS, 1), 0);
	start(&b);
	echoes(&b, 0);
	bed_fini(&b);
}
END_TEST

static void *toggle_master(void *arg)
{
	struct bed *b = arg;

	for (int i = 0; i < 300; i++)
		set_master(b, i & 1);
	return NULL;
}

/* Another vCPU turns it off and on while requests are under way. */
START_TEST(bus_master_comes_and_goes)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct vdev_options o = { .packed = i & 1 };
		pthread_t toggler;
		struct bed b;

		bed_init(&b, true);
		ck_assert_int_eq(vdev_start(b.d, &o), 0);
		ck_assert_int_eq(pthread_create(&toggler, NULL, toggle_master, &b), 0);
		for (unsigned int n = 0; n < 300; n++)
			echoes(&b, n % ECHO_QUEUES);
		pthread_join(toggler, NULL);
		for (unsigned int q = 0; q < ECHO_QUEUES; q++)
			echoes(&b, q);
		bed_fini(&b);
	}
}
END_TEST

CHECK_MAIN("bus master", bus_master_off_stops_the_queues, started_before_bus_master,
	   bus_master_starts_nothing, bus_master_comes_and_goes)
