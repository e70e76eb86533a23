/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-pci: capabilities, registers, whole lives over MSI-X and INTx, moves and resets. */
#include "support/check_main.h"
#include "virtio/virtio.h"
#include "vpci_bed.h"

static bool line(struct bed *b)
{
	vdev_pump(b->d);
	return cv_event_drain(b->p->irq.trigger);
}

static uint8_t isr(struct bed *b)
{
	return (uint8_t)cv_bus_read(b->p->mmio, b->p->isr, 1);
}

/* Starts like a driver without MSI-X. */
static void start_intx(struct bed *b)
{
	b->d->features =
		b->d->ops->offered(b->d) & ~(CV_VIRTIO_F_RING_PACKED | CV_VIRTIO_F_EVENT_IDX);
	ck_assert_int_eq(vdev_pci_negotiate(b->d), 0);
	for (unsigned int i = 0; i < ECHO_QUEUES; i++) {
		drv_vq_init(&b->d->queues[i], b->d->g, 16, b->d->features);
		b->d->queues[i].index = i;
		b->d->queues[i].ctx = b->d;
		vdev_pci_setup_queue(b->d, i, CV_VIRTIO_NO_VECTOR);
	}
	set(b, VPCI_STATUS, 1, RUNNING);
	b->d->started = true;
}

/* ---- what is there ---- */

START_TEST(identity)
{
	struct bed b;

	bed_init(&b, false);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, 0, 4), 0x10441af4);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, 8, 4), 0x00ff0001);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, 0x2c, 4), 0x10441af4);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, 0x3c, 2), 0x010a);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, b.p->msix + 2, 2), ECHO_QUEUES);
	ck_assert(b.p->device != 0);
	ck_assert_uint_eq(b.p->notify_mult, 4);
	/* every structure on a page of its own */
	ck_assert_uint_eq(
		(b.p->common | b.p->isr | b.p->device | b.p->notify | b.p->table | b.p->pba) &
			0xfff,
		0);
	bed_fini(&b);
}
END_TEST

/* Another class code, and no capability for a configuration that is not there. */
START_TEST(identity_of_a_disk)
{
	struct cv_virtio_ops ops = echo_virtio;
	struct cv_class cls = echo_class;
	struct bed b;

	ops.id = CV_VIRTIO_ID_BLOCK;
	ops.config_len = 0;
	cls.virtio = &ops;
	rig_init(&b.rig, &cls, "", &(struct rig_options){ .ops = &vdev_pci_ops });
	b.d = &b.rig.dev;
	b.p = vdev_pci(b.d);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, 0, 4), 0x10421af4);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, 8, 4), 0x01000001);
	ck_assert_uint_eq(b.p->device, 0);
	start(&b);
	echoes(&b, 0);
	bed_fini(&b);
}
END_TEST

START_TEST(registers_after_reset)
{
	static const struct {
		uint32_t reg;
		unsigned int len;
		uint64_t val;
	} rows[] = {
		{ VPCI_DEVICE_FEATURE_SELECT, 4, 0 },
		{ VPCI_DRIVER_FEATURE, 4, 0 },
		{ VPCI_CONFIG_VECTOR, 2, 0xffff },
		{ VPCI_NUM_QUEUES, 2, ECHO_QUEUES },
		{ VPCI_STATUS, 1, 0 },
		{ VPCI_QUEUE_SELECT, 2, 0 },
		{ VPCI_QUEUE_SIZE, 2, 64 },
		{ VPCI_QUEUE_VECTOR, 2, 0xffff },
		{ VPCI_QUEUE_ENABLE, 2, 0 },
		{ VPCI_QUEUE_NOTIFY_OFF, 2, 0 },
		{ VPCI_QUEUE_DESC, 8, 0 },
		{ VPCI_QUEUE_DRIVER, 8, 0 },
		{ VPCI_QUEUE_DEVICE, 8, 0 },
		{ VPCI_QUEUE_NOTIFY_DATA, 2, 0 },
		{ VPCI_QUEUE_RESET, 2, 0 },
		{ 0x3c, 4, 0 },
		{ 0x100, 8, 0 },
		{ 0xfff, 1, 0 },
	};
	struct bed b;

	bed_init(&b, false);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < CV_LEN(rows); i++)
			ck_assert_msg(get(&b, rows[i].reg, rows[i].len) == rows[i].val,
				      "register %#x reads %#lx", rows[i].reg,
				      get(&b, rows[i].reg, rows[i].len));
		start(&b);
		set(&b, VPCI_QUEUE_SELECT, 2, 0);
		vdev_reset(b.d);
		set(&b, VPCI_QUEUE_SELECT, 2, 0);
		set(&b, VPCI_DEVICE_FEATURE_SELECT, 4, 0);
		set(&b, VPCI_DRIVER_FEATURE_SELECT, 4, 0);
	}
	bed_fini(&b);
}
END_TEST

START_TEST(queue_registers)
{
	static const uint16_t max[] = { 64, 128, 256 };
	struct bed b;

	bed_init(&b, false);
	for (unsigned int i = 0; i < ECHO_QUEUES; i++) {
		set(&b, VPCI_QUEUE_SELECT, 2, i);
		ck_assert_uint_eq(get(&b, VPCI_QUEUE_SIZE, 2), max[i]);
		ck_assert_uint_eq(get(&b, VPCI_QUEUE_NOTIFY_OFF, 2), i);
		set(&b, VPCI_QUEUE_SIZE, 2, max[i] + 1u);
		set(&b, VPCI_QUEUE_SIZE, 2, 0);
		ck_assert_uint_eq(get(&b, VPCI_QUEUE_SIZE, 2), max[i]);
		set(&b, VPCI_QUEUE_SIZE, 2, 8u << i);
		set(&b, VPCI_QUEUE_VECTOR, 2, i + 1);
		set(&b, VPCI_QUEUE_DESC, 8, 0x1122334455667700 + i);
		set(&b, VPCI_QUEUE_DRIVER, 4, 0x8000 + i);
		set(&b, VPCI_QUEUE_DEVICE + 4, 4, 0x9000 + i);
	}
	for (unsigned int i = 0; i < ECHO_QUEUES; i++) {
		set(&b, VPCI_QUEUE_SELECT, 2, i);
		ck_assert_uint_eq(get(&b, VPCI_QUEUE_SIZE, 2), 8u << i);
		ck_assert_uint_eq(get(&b, VPCI_QUEUE_VECTOR, 2), i + 1);
		ck_assert_uint_eq(get(&b, VPCI_QUEUE_DESC, 8), 0x1122334455667700 + i);
		ck_assert_uint_eq(get(&b, VPCI_QUEUE_DRIVER, 8), 0x8000 + i);
		ck_assert_uint_eq(get(&b, VPCI_QUEUE_DEVICE, 8), (0x9000ull + i) << 32);
	}
	set(&b, VPCI_QUEUE_VECTOR, 2, ECHO_QUEUES + 1);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_VECTOR, 2), 0xffff);
	set(&b, VPCI_CONFIG_VECTOR, 2, 3);
	ck_assert_uint_eq(get(&b, VPCI_CONFIG_VECTOR, 2), 3);
	set(&b, VPCI_CONFIG_VECTOR, 2, 0xfffe);
	ck_assert_uint_eq(get(&b, VPCI_CONFIG_VECTOR, 2), 0xffff);
	/* a queue that is not there */
	set(&b, VPCI_QUEUE_SELECT, 2, ECHO_QUEUES);
	for (uint32_t reg = VPCI_QUEUE_SIZE; reg < 0x3c; reg += 2) {
		set(&b, reg, 2, 1);
		ck_assert_uint_eq(get(&b, reg, 2), reg == VPCI_QUEUE_VECTOR ? 0xffff : 0);
	}
	bed_fini(&b);
}
END_TEST

START_TEST(enabled_queues_are_locked)
{
	struct bed b;

	bed_init(&b, false);
	start(&b);
	set(&b, VPCI_QUEUE_SELECT, 2, 1);
	for (uint32_t reg = VPCI_QUEUE_DESC; reg < VPCI_QUEUE_NOTIFY_DATA; reg += 8) {
		uint64_t before = get(&b, reg, 8);

		set(&b, reg, 8, before + 0x1000);
		ck_assert_uint_eq(get(&b, reg, 8), before);
	}
	set(&b, VPCI_QUEUE_SIZE, 2, 8);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_SIZE, 2), 64);
	set(&b, VPCI_QUEUE_ENABLE, 2, 0);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_ENABLE, 2), 1);
	echoes(&b, 1);
	bed_fini(&b);
}
END_TEST

START_TEST(other_widths)
{
	struct bed b;

	bed_init(&b, false);
	ck_assert_uint_eq(get(&b, VPCI_CONFIG_VECTOR, 4), 0xffffu | ECHO_QUEUES << 16);
	ck_assert_uint_eq(get(&b, VPCI_NUM_QUEUES, 1), ECHO_QUEUES);
	ck_assert_uint_eq(get(&b, VPCI_STATUS, 8), 64ull << 32 | 0xffffull << 48);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_SIZE + 1, 1), 0);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_SIZE + 1, 2), 0xff00);
	for (unsigned int i = 0; i < 8; i++)
		set(&b, VPCI_QUEUE_DESC + i, 1, 0xa0 + i);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_DESC, 8), 0xa7a6a5a4a3a2a1a0);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_DESC + 2, 4), 0xa5a4a3a2);
	set(&b, VPCI_QUEUE_DESC + 6, 4, 0x44332211); /* over the border of two registers */
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_DESC, 8), 0x2211a5a4a3a2a1a0);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_DRIVER, 8), 0x4433);
	set(&b, VPCI_QUEUE_SELECT, 4, 0x00200001); /* and the size with the selector */
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_SIZE, 2), 32);
	bed_fini(&b);
}
END_TEST

START_TEST(device_configuration)
{
	struct bed b;
	uint8_t gen;

	bed_init(&b, false);
	start(&b);
	ck_assert_uint_eq(cv_bus_read(b.p->mmio, b.p->device, 8), 0x1716151413121110);
	ck_assert_uint_eq(cv_bus_read(b.p->mmio, b.p->device + 5, 2), 0x1615);
	ck_assert_uint_eq(cv_bus_read(b.p->mmio, b.p->device + 0x800, 8), 0);
	gen = (uint8_t)get(&b, VPCI_GENERATION, 1);
	cv_bus_write(b.p->mmio, b.p->device + 2, 4, 0xddccbbaa);
	ck_assert_uint_ne(get(&b, VPCI_GENERATION, 1), gen);
	ck_assert_uint_eq(cv_bus_read(b.p->mmio, b.p->device, 8), 0x1716ddccbbaa1110);
	vdev_pump(b.d);
	ck_assert_uint_eq(atomic_load(&b.d->n_config), 1);
	ck_assert(!line(&b));
	bed_fini(&b);
}
END_TEST

START_TEST(unoffered_features_are_refused)
{
	struct bed b;

	bed_init(&b, false);
	b.d->features = b.d->ops->offered(b.d) | 1ull << 50;
	ck_assert_int_eq(vdev_pci_negotiate(b.d), -EINVAL);
	set(&b, VPCI_STATUS, 1, 0);
	b.d->features = 0; /* VERSION_1 is required */
	ck_assert_int_eq(vdev_pci_negotiate(b.d), -EINVAL);
	bed_fini(&b);
}
END_TEST

/* ---- lives ---- */

START_TEST(lives_over_msix)
{
	for (unsigned int i = 0; i < 8; i++) {
		const struct vdev_options o = { .packed = i & 1, .no_event_idx = i & 2 };
		/* with an event index, a driver that sees the result first is not called any more */
		bool always = !(i & 4) || o.no_event_idx;
		struct bed b;

		bed_init(&b, i & 4);
		for (unsigned int life = 1; life <= 3; life++) {
			ck_assert_int_eq(vdev_start(b.d, &o), 0);
			ck_assert_uint_eq(b.p->hw.n_events, ECHO_QUEUES);
			for (unsigned int q = 0; q < ECHO_QUEUES; q++) {
				echoes(&b, q);
				ck_assert(!always || drv_wait_call(&b.d->queues[q], 2000));
			}
			vdev_reset(b.d);
			ck_assert_uint_eq(b.p->hw.n_events, 0);
			ck_assert_uint_eq(b.echo->n_starts, life);
			ck_assert_uint_eq(b.echo->n_stops, life);
		}
		ck_assert(!line(&b));
		bed_fini(&b);
	}
}
END_TEST

START_TEST(life_over_intx)
{
	struct bed b;

	bed_init(&b, false);
	start_intx(&b);
	ck_assert(!line(&b));
	echoes(&b, 0);
	ck_assert(line(&b));
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, 6, 1) & 8, 8);
	cv_irq_resampled(&b.p->irq); /* EOI before the driver has looked */
	ck_assert(line(&b));
	echoes(&b, 2);
	ck_assert(!line(&b)); /* level: it is high already */
	ck_assert_uint_eq(isr(&b), CV_VIRTIO_ISR_QUEUE);
	ck_assert_uint_eq(isr(&b), 0);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, 6, 1) & 8, 0);
	cv_irq_resampled(&b.p->irq);
	ck_assert(!line(&b));
	cv_bus_write(b.p->mmio, b.p->device, 1, 9);
	ck_assert(line(&b));
	ck_assert_uint_eq(cv_bus_read(b.p->mmio, b.p->isr, 4), CV_VIRTIO_ISR_CONFIG);
	/* disabled in the command register */
	vdev_pci_cfg_write(b.p, 4, 2, 0x406);
	echoes(&b, 1);
	ck_assert(!line(&b));
	vdev_pci_cfg_write(b.p, 4, 2, 6);
	ck_assert(line(&b));
	/* a reset takes it back */
	vdev_reset(b.d);
	cv_irq_resampled(&b.p->irq);
	ck_assert(!line(&b));
	ck_assert_uint_eq(isr(&b), 0);
	bed_fini(&b);
}
END_TEST

START_TEST(msix_comes_and_goes)
{
	struct bed b;

	bed_init(&b, false);
	start_intx(&b);
	echoes(&b, 0);
	ck_assert(line(&b));
	isr(&b);
	/* on: no vector means silence, not the line */
	vdev_pci_enable_msix(b.p, true);
	echoes(&b, 0);
	ck_assert(!line(&b));
	for (uint16_t i = 0; i < ECHO_QUEUES; i++) {
		set(&b, VPCI_QUEUE_SELECT, 2, i);
		set(&b, VPCI_QUEUE_VECTOR, 2, 3u - i);
	}
	set(&b, VPCI_CONFIG_VECTOR, 2, 0);
	echoes(&b, 0);
	ck_assert(message(&b, 3));
	ck_assert(!message(&b, 1));
	cv_bus_write(b.p->mmio, b.p->device, 1, 9);
	ck_assert(message(&b, 0));
	ck_assert(!line(&b));
	/* masked: pending, delivered later */
	cv_bus_write(b.p->mmio, b.p->table + 16 + 12, 4, 1);
	echoes(&b, 2);
	ck_assert(!message(&b, 1));
	ck_assert_uint_eq(cv_bus_read(b.p->mmio, b.p->pba, 8), 2);
	cv_bus_write(b.p->mmio, b.p->table + 16 + 12, 4, 0);
	ck_assert(message(&b, 1));
	/* off: the line again; what may have been lost on the way is made good */
	vdev_pci_enable_msix(b.p, false);
	ck_assert(line(&b));
	isr(&b);
	echoes(&b, 1);
	ck_assert(line(&b));
	ck_assert_uint_eq(isr(&b), CV_VIRTIO_ISR_QUEUE);
	/* and on again */
	vdev_pci_enable_msix(b.p, true);
	ck_assert(message(&b, 2));
	echoes(&b, 1);
	ck_assert(message(&b, 2));
	bed_fini(&b);
}
END_TEST

START_TEST(bar_moves_while_running)
{
	struct bed b;
	uint64_t old;

	bed_init(&b, false);
	start(&b);
	old = b.p->notify;
	vdev_pci_cfg_write(b.p, 0x10, 4, VPCI_WINDOW + 0x80000);
	vdev_pci_locate(b.p);
	ck_assert_uint_ne(b.p->notify, old);
	ck_assert(!mock_ring(&b.p->hw, old));
	ck_assert_uint_eq(b.p->hw.n_events, ECHO_QUEUES);
	echoes(&b, 0);
	/* not decoded: no doorbells, no registers */
	vdev_pci_cfg_write(b.p, 4, 2, 0);
	ck_assert_uint_eq(b.p->hw.n_events, 0);
	ck_assert_uint_eq(get(&b, VPCI_STATUS, 1), 0xff);
	vdev_pci_cfg_write(b.p, 4, 2, 6);
	ck_assert_uint_eq(b.p->hw.n_events, ECHO_QUEUES);
	echoes(&b, 2);
	bed_fini(&b);
}
END_TEST

START_TEST(doorbells_by_exit)
{
	struct bed b;

	bed_init(&b, false);
	b.p->hw.fail_ioevent = -ENOSPC;
	start(&b);
	ck_assert_uint_eq(b.p->hw.n_events, 0);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		echoes(&b, q);
	/* doorbells of nobody */
	cv_bus_write(b.p->mmio, b.p->notify + 2, 2, 0);
	cv_bus_write(b.p->mmio, b.p->notify + 4 * ECHO_QUEUES, 2, 0);
	cv_bus_write(b.p->mmio, b.p->notify + 0xffc, 4, 0);
	ck_assert_uint_eq(cv_bus_read(b.p->mmio, b.p->notify, 2), 0);
	b.p->hw.fail_ioevent = 0;
	bed_fini(&b);
}
END_TEST

START_TEST(one_queue_is_reset)
{
	struct drv_vq *q;
	struct bed b;

	bed_init(&b, false);
	start(&b);
	ck_assert(b.d->features & CV_VIRTIO_F_RING_RESET);
	echoes(&b, 1);
	q = &b.d->queues[1];
	set(&b, VPCI_QUEUE_SELECT, 2, 1);
	set(&b, VPCI_QUEUE_RESET, 2, 1);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_RESET, 2), 0);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_ENABLE, 2), 0);
	ck_assert_uint_eq(b.p->hw.n_events, ECHO_QUEUES - 1);
	echoes(&b, 0);
	echoes(&b, 2);
	drv_vq_fini(q);
	drv_vq_init(q, b.d->g, 32, b.d->features);
	q->index = 1;
	q->ctx = b.d;
	vdev_pci_setup_queue(b.d, 1, 2);
	ck_assert_uint_eq(get(&b, VPCI_QUEUE_ENABLE, 2), 1);
	ck_assert_uint_eq(b.p->hw.n_events, ECHO_QUEUES);
	echoes(&b, 1);
	ck_assert(message(&b, 2));
	bed_fini(&b);
}
END_TEST

START_TEST(broken_rings_ask_for_a_reset)
{
	struct bed b;

	bed_init(&b, false);
	start(&b);
	drv_raw_offer(&b.d->queues[0], 63); /* beyond nothing, but its descriptor is empty */
	drv_raw_desc(&b.d->queues[0], 63, GUEST_HOLE, 16, DRV_F_WRITE, 0);
	drv_notify(&b.d->queues[0]);
	ck_assert(vdev_wait_broken(b.d));
	vdev_pump(b.d);
	ck_assert_uint_ge(atomic_load(&b.d->n_config), 1);
	vdev_reset(b.d);
	ck_assert_uint_eq(get(&b, VPCI_STATUS, 1), 0);
	start(&b);
	echoes(&b, 0);
	bed_fini(&b);
}
END_TEST

/* ---- the window in the configuration space ---- */

static void aim(struct bed *b, uint32_t off, uint32_t len)
{
	vdev_pci_cfg_write(b->p, b->p->window + 8, 4, off);
	vdev_pci_cfg_write(b->p, b->p->window + 12, 4, len);
}

static uint32_t window_read(struct bed *b, uint32_t off, uint32_t len)
{
	aim(b, off, len);
	return vdev_pci_cfg_read(b->p, b->p->window + 16, len);
}

static void window_write(struct bed *b, uint32_t off, uint32_t len, uint32_t val)
{
	aim(b, off, len);
	vdev_pci_cfg_write(b->p, b->p->window + 16, len, val);
}

START_TEST(window)
{
	uint32_t common, device;
	struct bed b;

	bed_init(&b, false);
	common = 0;
	device = (uint32_t)(b.p->device - b.p->common);
	vdev_pci_cfg_write(b.p, 4, 2, 0); /* it works without memory decoding */
	ck_assert_uint_eq(window_read(&b, common + VPCI_NUM_QUEUES, 2), ECHO_QUEUES);
	ck_assert_uint_eq(window_read(&b, device, 1), 0x10);
	ck_assert_uint_eq(window_read(&b, device, 2), 0x1110);
	ck_assert_uint_eq(window_read(&b, device + 4, 4), 0x17161514);
	window_write(&b, common + VPCI_QUEUE_SELECT, 2, 2);
	ck_assert_uint_eq(window_read(&b, common + VPCI_QUEUE_SIZE, 2), 256);
	window_write(&b, common + VPCI_STATUS, 1, 1);
	ck_assert_uint_eq(window_read(&b, common + VPCI_STATUS, 1), 1);
	/* a read of part of the data */
	aim(&b, device, 4);
	ck_assert_uint_eq(vdev_pci_cfg_read(b.p, b.p->window + 17, 1), 0x11);
	/* nothing happens for bad requests */
	window_write(&b, common + VPCI_STATUS, 3, 0);
	window_write(&b, common + VPCI_STATUS + 1, 4, 0);
	window_write(&b, 0x8000, 4, 0);
	window_write(&b, 0xfffffffc, 4, 0);
	vdev_pci_cfg_write(b.p, b.p->window + 4, 1, 1); /* another BAR */
	window_write(&b, common + VPCI_STATUS, 1, 0);
	vdev_pci_cfg_write(b.p, b.p->window + 4, 1, 0);
	ck_assert_uint_eq(window_read(&b, common + VPCI_STATUS, 1), 1);
	vdev_pci_cfg_write(b.p, 4, 2, 6);
	bed_fini(&b);
}
END_TEST

/* A whole life through the window alone: firmware does that. */
START_TEST(window_starts_a_device)
{
	struct bed b;

	bed_init(&b, false);
	start(&b);
	window_write(&b, (uint32_t)(b.p->notify - b.p->common), 2, 0);
	echoes(&b, 0);
	window_write(&b, VPCI_STATUS, 1, 0);
	ck_assert_uint_eq(get(&b, VPCI_STATUS, 1), 0);
	ck_assert_uint_eq(b.echo->n_stops, 1);
	bed_fini(&b);
}
END_TEST

/* ---- hostile ---- */

struct vcpu {
	struct bed *b;
	uint64_t seed;
	unsigned int n;
};

static uint64_t random64(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Mostly plausible values, which get further than noise. */
static uint64_t random_value(uint64_t *s)
{
	uint64_t r = random64(s);

	switch (r % 6) {
	case 0:
		return r >> 8;
	case 1:
		return RUNNING;
	case 2:
		return r >> 61;
	case 3:
		return GUEST_LOW + ((r >> 8) & 0xfff0);
	case 4:
		return 1ull << (r >> 58);
	}
	return 0;
}

static void garbage(struct bed *b, uint64_t *s)
{
	static const uint32_t pages[] = {
		0, 0, 0, 0, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000
	};
	uint64_t r = random64(s);
	unsigned int len = 1u << (r & 3);
	uint64_t val = random_value(s);
	uint64_t at;

	r >>= 2;
	if ((r & 15) == 0) { /* configuration space */
		uint32_t off = (r >> 8) & 0xff;

		if (off == 0x10 || off == 0x12)
			val = VPCI_WINDOW + ((r >> 16) & 0xff000);
		if (off == 4)
			val |= 2;
		cv_bus_write(b->p->mmio, VPCI_ECAM + (VPCI_SLOT << 15) + off, len, val);
		return;
	}
	at = VPCI_WINDOW + pages[(r >> 4) % CV_LEN(pages)] +
	     ((r >> 16) & (r & 0x80 ? 0xfff : 0x3f));
	if (r & 0x100)
		cv_bus_read(b->p->mmio, at, len);
	else
		cv_bus_write(b->p->mmio, at, len, val);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;

	for (unsigned int i = 0; i < v->n; i++) {
		garbage(v->b, &v->seed);
		if (i % 64 == 0) { /* back to where the accesses go */
			cv_bus_write(v->b->p->mmio, VPCI_ECAM + (VPCI_SLOT << 15) + 0x10, 4,
				     VPCI_WINDOW);
			cv_bus_write(v->b->p->mmio, VPCI_ECAM + (VPCI_SLOT << 15) + 4, 2, 6);
		}
		vdev_pump(v->b->d);
	}
	return NULL;
}

/* Whatever has happened, a driver that begins anew gets it to work. */
static void still_works(struct bed *b)
{
	vdev_pci_recover(b->p);
	vdev_reset(b->d);
	start(b);
	for (unsigned int q = 0; q < ECHO_QUEUES; q++)
		echoes(b, q);
}

/* Many short lives: most of them end early, by a reset or a broken ring. */
START_TEST(garbage_from_one_vcpu)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct vcpu v = { .seed = seed * 0x9e3779b97f4a7c15, .n = 1500 };
		struct bed b;

		bed_init(&b, false);
		start(&b);
		v.b = &b;
		vcpu_main(&v);
		still_works(&b);
		bed_fini(&b);
	}
}
END_TEST

START_TEST(garbage_from_two_vcpus)
{
	struct bed b;

	bed_init(&b, true);
	start(&b);
	for (uint64_t round = 1; round <= 10; round++) {
		struct vcpu v[2];
		pthread_t threads[2];

		for (size_t i = 0; i < 2; i++) {
			v[i] = (struct vcpu){ .b = &b, .seed = 2 * round + i, .n = 1000 };
			ck_assert_int_eq(pthread_create(&threads[i], NULL, vcpu_main, &v[i]), 0);
		}
		for (size_t i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		still_works(&b);
	}
	bed_fini(&b);
}
END_TEST

/* ---- errors of the host ---- */

START_TEST(impossible_slots)
{
	static const uint16_t max[CV_VIRTIO_MAX_QUEUES + 1];
	struct cv_vslot slot = { .name = "odd",
				 .n_queues = CV_VIRTIO_MAX_QUEUES + 1,
				 .queue_max = max };
	struct cv_virtio_pci *t;
	struct vm_error e = { 0 };

	ck_assert_int_eq(cv_virtio_pci_create(&t, &slot, NULL, NULL, NULL, &e), -EINVAL);
	slot.n_queues = 1;
	slot.config_len = 4097;
	ck_assert_int_eq(cv_virtio_pci_create(&t, &slot, NULL, NULL, NULL, &e), -EINVAL);
	cv_virtio_pci_destroy(NULL);
}
END_TEST

CHECK_MAIN("virtio-pci", identity, identity_of_a_disk, registers_after_reset, queue_registers,
	   enabled_queues_are_locked, other_widths, device_configuration,
	   unoffered_features_are_refused, lives_over_msix, life_over_intx, msix_comes_and_goes,
	   bar_moves_while_running, doorbells_by_exit, one_queue_is_reset,
	   broken_rings_ask_for_a_reset, window, window_starts_a_device, garbage_from_one_vcpu,
	   garbage_from_two_vcpus, impossible_slots)
