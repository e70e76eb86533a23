/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-mmio's registers and the state machine behind all transports, also for hostile guests. */
#include <check.h>
#include <unistd.h>

#include "gadget.h"
#include "support/must.h"
#include "support/vdev.h"
#include "sys/fd.h"
#include "virtio/mmio.h"
#include "virtio/virtio.h"
#include "virtio/vslot_local.h"

#define GPA 0xfeb00000ull

/* ---- a transport without a driver ---- */

struct hw {
	struct cv_hw hw;
	struct cv_ioevent events[8];
	unsigned int n;
	int fail;
};

static int hw_ioevent(struct cv_hw *hw, bool add, const struct cv_ioevent *ev)
{
	struct hw *h = cv_container_of(hw, struct hw, hw);
	unsigned int i = 0;

	if (add && h->fail)
		return h->fail;
	must(ev->addr == GPA + 0x50 && ev->len == 4 && ev->match && !ev->pio);
	while (i < h->n && h->events[i].value != ev->value)
		i++;
	must((i == h->n) == add);
	if (add)
		h->events[h->n++] = *ev;
	else
		h->events[i] = h->events[--h->n];
	return 0;
}

static const struct cv_hw_ops hw_ops = { .ioevent = hw_ioevent };

struct bench {
	struct rig r; /* its own driver does nothing here */
	struct hw hw;
	struct cv_irq irq;
	struct cv_virtio_mmio *mmio;
	struct cv_rslot *regs;
	struct drv_vq q;
};

static void bench_init(struct bench *b, const struct cv_class *cls, bool level)
{
	*b = (struct bench){ .hw = { .hw = { .ops = &hw_ops } } };
	rig_init(&b->r, cls, "", NULL);
	b->irq.trigger = cv_event_create();
	b->irq.resample = -1;
	b->irq.level = level;
	ck_assert_int_eq(cv_virtio_mmio_create(&b->mmio, b->r.slot, &b->hw.hw, GPA, &b->irq,
					       b->r.loop, NULL, NULL),
			 0);
	b->regs = cv_virtio_mmio_slot(b->mmio);
	ck_assert_uint_eq(b->regs->span, 0x200);
}

static void bench_fini(struct bench *b)
{
	cv_virtio_mmio_destroy(b->mmio);
	ck_assert_uint_eq(b->hw.n, 0);
	drv_vq_fini(&b->q);
	close(b->irq.trigger);
	rig_fini(&b->r);
}

static uint32_t get(struct bench *b, uint64_t off)
{
	return (uint32_t)b->regs->ops->read(b->regs, off, 4);
}

static void put(struct bench *b, uint64_t off, uint32_t val)
{
	b->regs->ops->write(b->regs, off, 4, val);
}

static bool interrupted(struct bench *b)
{
	cv_loop_dispatch(b->r.loop);
	return cv_event_drain(b->irq.trigger);
}

static void negotiate(struct bench *b, uint64_t features)
{
	put(b, 0x70, 1);
	put(b, 0x70, 3);
	put(b, 0x24, 0);
	put(b, 0x20, (uint32_t)features);
	put(b, 0x24, 1);
	put(b, 0x20, (uint32_t)(features >> 32));
	put(b, 0x70, 11);
}

static void queue(struct bench *b, unsigned int index, uint16_t size, uint64_t features)
{
	drv_vq_fini(&b->q);
	drv_vq_init(&b->q, &b->r.guest, size, features);
	put(b, 0x30, index);
	put(b, 0x38, size);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t gpa = i == 0 ? b->q.desc : i == 1 ? b->q.driver : b->q.device;

		put(b, 0x80 + 0x10 * i, (uint32_t)gpa);
		put(b, 0x84 + 0x10 * i, (uint32_t)(gpa >> 32));
	}
	put(b, 0x44, 1);
}

static void run(struct bench *b, uint64_t features)
{
	negotiate(b, features);
	queue(b, 0, 16, features);
	put(b, 0x70, 15);
	ck_assert_uint_eq(get(b, 0x70), 15);
}

#define V1 CV_VIRTIO_F_VERSION_1

/* Adds an echo request and rings queue 0's doorbell by the register. */
static void request(struct bench *b)
{
	drv_add(&b->q, (struct drv_buf[]){ { GUEST_LOW, 8, false }, { GUEST_LOW + 4096, 8, true } },
		2);
	drv_publish(&b->q);
	put(b, 0x50, 0);
}

/* ---- registers ---- */

struct step {
	char op; /* r, w: 4 bytes; b, h, q: reads of 1, 2, 8; B, H, Q: writes */
	uint64_t off, val;
};

static void play(struct bench *b, const struct step *steps, size_t n)
{
	static const char ops[] = "brhq BwHQ";

	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		unsigned int len = strchr("bB", s->op)	 ? 1
				   : strchr("hH", s->op) ? 2
				   : strchr("qQ", s->op) ? 8
							 : 4;

		must(strchr(ops, s->op));
		if (strchr("bhrq", s->op))
			ck_assert_msg(b->regs->ops->read(b->regs, s->off, len) == s->val,
				      "step %zu: %#llx reads %#llx", i, (unsigned long long)s->off,
				      (unsigned long long)b->regs->ops->read(b->regs, s->off, len));
		else
			b->regs->ops->write(b->regs, s->off, len, s->val);
	}
}

START_TEST(registers)
{
	static const struct step steps[] = {
		{ 'r', 0x000, 0x74726976 },
		{ 'r', 0x004, 2 },
		{ 'r', 0x008, GADGET_ID },
		{ 'r', 0x00c, 0x4d565243 },
		/* features, in windows */
		{ 'r', 0x010, 0x30000005 },
		{ 'w', 0x014, 1 },
		{ 'r', 0x010, 0x105 },
		{ 'w', 0x014, 2 },
		{ 'r', 0x010, 0 },
		{ 'w', 0x014, 0xffffffff },
		{ 'r', 0x010, 0 },
		/* queues */
		{ 'r', 0x034, 64 },
		{ 'w', 0x030, 1 },
		{ 'r', 0x034, 128 },
		{ 'r', 0x044, 0 },
		{ 'w', 0x030, 3 },
		{ 'r', 0x034, 0 },
		{ 'r', 0x044, 0 },
		{ 'w', 0x044, 1 },
		{ 'r', 0x044, 0 },
		{ 'w', 0x030, 0x10000 }, /* not queue 0 */
		{ 'r', 0x034, 0 },
		/* no interrupt, no status */
		{ 'r', 0x060, 0 },
		{ 'w', 0x064, 0xff },
		{ 'r', 0x070, 0 },
		/* no shared memory */
		{ 'w', 0x0ac, 0 },
		{ 'r', 0x0b0, 0xffffffff },
		{ 'r', 0x0b4, 0xffffffff },
		{ 'r', 0x0b8, 0xffffffff },
		{ 'r', 0x0bc, 0xffffffff },
		{ 'r', 0x0c0, 0 },
		{ 'r', 0x0fc, 0 },
		/* write-only and unknown ones */
		{ 'r', 0x014, 0 },
		{ 'r', 0x020, 0 },
		{ 'r', 0x030, 0 },
		{ 'r', 0x038, 0 },
		{ 'r', 0x050, 0 },
		{ 'r', 0x080, 0 },
		{ 'r', 0x018, 0 },
		{ 'w', 0x018, 1 },
		{ 'w', 0x000, 1 },
		{ 'r', 0x000, 0x74726976 },
		/* other widths and places */
		{ 'b', 0x000, 0 },
		{ 'h', 0x000, 0 },
		{ 'q', 0x000, 0 },
		{ 'r', 0x002, 0 },
		{ 'B', 0x070, 1 },
		{ 'Q', 0x070, 1 },
		{ 'w', 0x071, 1 },
		{ 'r', 0x070, 0 },
		/* the configuration space, in any width, and behind its end */
		{ 'b', 0x100, 0xa0 },
		{ 'h', 0x101, 0xa2a1 },
		{ 'r', 0x102, 0xa5a4a3a2 },
		{ 'q', 0x104, 0xabaaa9a8a7a6a5a4 },
		{ 'q', 0x108, 0xabaaa9a8 },
		{ 'r', 0x10a, 0xabaa },
		{ 'r', 0x10c, 0 },
		{ 'r', 0x1fc, 0 },
		{ 'H', 0x102, 0x1234 },
		{ 'r', 0x100, 0x1234a1a0 },
		{ 'Q', 0x108, 0x1122334455667788 },
		{ 'q', 0x108, 0x55667788 },
		{ 'w', 0x1f0, 1 },
		{ 'B', 0x10c, 1 },
		{ 'r', 0x0fc, 2 }, /* two writes have reached the device */
	};
	struct bench b;

	bench_init(&b, &gadget_class, false);
	play(&b, steps, CV_LEN(steps));
	ck_assert(!interrupted(&b)); /* nothing is said before DRIVER_OK */
	bench_fini(&b);
}
END_TEST

/* ---- negotiation and status ---- */

START_TEST(features_are_checked)
{
	static const struct {
		uint64_t features;
		bool fine;
	} rows[] = {
		{ V1, true },
		{ V1 | 5, true },
		{ V1 | CV_VIRTIO_F_RING_PACKED | CV_VIRTIO_F_RING_RESET, true },
		{ 0, false },
		{ 5, false },
		{ V1 | 2, false },
		{ V1 | CV_VIRTIO_F_ACCESS_PLATFORM, false },
		{ UINT64_MAX, false },
	};
	struct bench b;

	bench_init(&b, &gadget_class, false);
	for (size_t i = 0; i < CV_LEN(rows); i++) {
		negotiate(&b, rows[i].features);
		ck_assert_uint_eq(get(&b, 0x70), rows[i].fine ? 11 : 3);
		if (!rows[i].fine) { /* a second, better try */
			negotiate(&b, V1);
			ck_assert_uint_eq(get(&b, 0x70), 11);
		}
		/* now they are what they are */
		put(&b, 0x24, 0);
		put(&b, 0x20, 0xffffffff);
		put(&b, 0x70, 15);
		ck_assert_uint_eq(get(&b, 0x70), 15);
		put(&b, 0x70, 0);
		ck_assert_uint_eq(get(&b, 0x70), 0);
	}
	bench_fini(&b);
}
END_TEST

START_TEST(status_bits_only_grow)
{
	struct bench b;
	struct gadget *d;

	bench_init(&b, &gadget_class, false);
	d = cv_vslot_local_self(b.r.slot);
	run(&b, V1);
	ck_assert_uint_eq(d->n_starts, 1);
	put(&b, 0x70, 15); /* DRIVER_OK twice */
	put(&b, 0x70, 1);  /* bits cannot be taken back */
	put(&b, 0x70, 4);
	ck_assert_uint_eq(get(&b, 0x70), 15);
	put(&b, 0x70, 0x70); /* NEEDS_RESET is not the driver's */
	ck_assert_uint_eq(get(&b, 0x70), 15);
	put(&b, 0x70, 0x80);
	ck_assert_uint_eq(get(&b, 0x70), 0x8f);
	ck_assert_uint_eq(d->n_starts, 1);
	put(&b, 0x70, 0);
	ck_assert_uint_eq(get(&b, 0x70), 0);
	ck_assert(d->n_stops == 1 && d->n_resets == 1);
	put(&b, 0x70, 0);
	ck_assert(d->n_stops == 1 && d->n_resets == 2);
	bench_fini(&b);
}
END_TEST

START_TEST(driver_ok_without_features_ok)
{
	struct bench b;

	bench_init(&b, &gadget_class, false);
	put(&b, 0x70, 7);
	ck_assert_uint_eq(get(&b, 0x70), 0x47);
	ck_assert(interrupted(&b));
	ck_assert_uint_eq(get(&b, 0x60), 2);
	put(&b, 0x70, 15); /* too late */
	ck_assert_uint_eq(get(&b, 0x70), 0x47);
	bench_fini(&b);
}
END_TEST

START_TEST(reset_clears_everything)
{
	struct bench b;

	bench_init(&b, &gadget_class, true);
	run(&b, V1);
	request(&b);
	ck_assert(interrupted(&b));
	put(&b, 0x14, 1);
	put(&b, 0x70, 0);
	ck_assert_uint_eq(get(&b, 0x60), 0);
	ck_assert(!atomic_load(&b.irq.asserted));
	ck_assert_uint_eq(get(&b, 0x10), 0x30000005);
	put(&b, 0x30, 0);
	ck_assert_uint_eq(get(&b, 0x44), 0);
	ck_assert_uint_eq(b.hw.n, 0);
	put(&b, 0x50, 0); /* a doorbell into the void */
	ck_assert(!interrupted(&b));
	put(&b, 0x70, 11); /* the old features are forgotten */
	ck_assert_uint_eq(get(&b, 0x70), 3);
	put(&b, 0x70, 0);
	for (unsigned int i = 0; i < 3; i++) {
		run(&b, V1);
		request(&b);
		ck_assert(interrupted(&b));
		ck_assert_int_ge(drv_used(&b.q, NULL), 0);
		put(&b, 0x70, 0);
	}
	bench_fini(&b);
}
END_TEST

/* ---- queues ---- */

START_TEST(queues_are_checked_at_start)
{
	static const struct {
		uint64_t off;
		uint32_t val;
	} rows[] = {
		{ 0x38, 0 },	 { 0x38, 15 },	  { 0x38, 65 }, { 0x38, 128 },	 { 0x38, 0x10010 },
		{ 0x38, ~0u },	 { 0x80, 0x101 }, { 0x84, 1 },	{ 0x90, 0x101 }, { 0x94, 0x8000 },
		{ 0xa0, 0x102 }, { 0xa4, ~0u },	  { 0x80, 0 },
	};
	struct bench b;
	struct gadget *d;

	bench_init(&b, &gadget_class, false);
	d = cv_vslot_local_self(b.r.slot);
	for (size_t i = 0; i < CV_LEN(rows); i++) {
		negotiate(&b, V1);
		queue(&b, 0, 16, V1);
		put(&b, 0x44, 0);
		ck_assert_uint_eq(get(&b, 0x44), 0);
		put(&b, rows[i].off, rows[i].val);
		put(&b, 0x44, 1);
		put(&b, 0x70, 15);
		ck_assert_msg(get(&b, 0x70) == 0x4f, "row %zu", i);
		ck_assert(interrupted(&b));
		ck_assert_uint_eq(get(&b, 0x60), 2);
		ck_assert_uint_eq(d->n_starts, 0);
		ck_assert_uint_eq(b.hw.n, 0);
		put(&b, 0x50, 0);
		put(&b, 0x70, 0);
	}
	run(&b, V1);
	bench_fini(&b);
}
END_TEST

START_TEST(packed_queues_have_any_size)
{
	struct bench b;

	bench_init(&b, &gadget_class, false);
	negotiate(&b, V1 | CV_VIRTIO_F_RING_PACKED);
	queue(&b, 0, 13, V1 | CV_VIRTIO_F_RING_PACKED);
	put(&b, 0x70, 15);
	ck_assert_uint_eq(get(&b, 0x70), 15);
	for (unsigned int i = 0; i < 40; i++) {
		request(&b);
		ck_assert(interrupted(&b));
		ck_assert_int_ge(drv_used(&b.q, NULL), 0);
	}
	bench_fini(&b);
}
END_TEST

START_TEST(a_ready_queue_keeps_its_layout)
{
	struct bench b;

	bench_init(&b, &gadget_class, false);
	run(&b, V1);
	put(&b, 0x38, 0);
	put(&b, 0x80, 0xdead0000);
	put(&b, 0xa4, 0xffffffff);
	put(&b, 0x44, 1);
	request(&b);
	ck_assert(interrupted(&b));
	ck_assert_int_ge(drv_used(&b.q, NULL), 0);
	put(&b, 0x70, 0);
	/* before the start too */
	negotiate(&b, V1);
	queue(&b, 0, 16, V1);
	put(&b, 0x80, 0xdead0000);
	put(&b, 0x70, 15);
	request(&b);
	ck_assert(interrupted(&b));
	bench_fini(&b);
}
END_TEST

START_TEST(a_queue_is_stopped_and_reset_while_running)
{
	uint64_t features =
		V1 | (_i & 1 ? CV_VIRTIO_F_RING_PACKED : 0) | (_i & 2 ? CV_VIRTIO_F_RING_RESET : 0);
	struct bench b;

	bench_init(&b, &gadget_class, false);
	run(&b, features);
	for (unsigned int i = 0; i < 5; i++) {
		ck_assert_uint_eq(b.hw.n, 1);
		put(&b, 0x30, 0);
		if (features & CV_VIRTIO_F_RING_RESET)
			put(&b, 0xc0, 1);
		else
			put(&b, 0x44, 0);
		ck_assert_uint_eq(get(&b, 0xc0), 0);
		ck_assert_uint_eq(get(&b, 0x44), 0);
		ck_assert_uint_eq(b.hw.n, 0);
		request(&b);
		ck_assert(!interrupted(&b));
		queue(&b, 0, (uint16_t)(8 << (i % 3)), features);
		request(&b);
		ck_assert(interrupted(&b));
		ck_assert_int_ge(drv_used(&b.q, NULL), 0);
	}
	/* a bad layout now */
	put(&b, 0x44, 0);
	put(&b, 0x80, 4);
	put(&b, 0x44, 1);
	ck_assert_uint_eq(get(&b, 0x70), 0x4f);
	bench_fini(&b);
}
END_TEST

START_TEST(queue_reset_must_be_negotiated)
{
	struct bench b;

	bench_init(&b, &gadget_class, false);
	run(&b, V1);
	put(&b, 0x30, 0);
	put(&b, 0xc0, 1);
	ck_assert_uint_eq(get(&b, 0x44), 1);
	request(&b);
	ck_assert(interrupted(&b));
	put(&b, 0x30, 77);
	put(&b, 0xc0, 1);
	bench_fini(&b);
}
END_TEST

/* ---- doorbells and interrupts ---- */

START_TEST(doorbells_come_and_go)
{
	struct bench b;

	bench_init(&b, &gadget_class, false);
	negotiate(&b, V1);
	queue(&b, 1, 16, V1);
	queue(&b, 0, 16, V1);
	ck_assert_uint_eq(b.hw.n, 0);
	put(&b, 0x70, 15);
	ck_assert_uint_eq(b.hw.n, 2); /* queue 2 is not ready */
	drv_add(&b.q, (struct drv_buf[]){ { GUEST_LOW, 8, true } }, 1);
	drv_publish(&b.q);
	cv_event_signal(b.hw.events[b.hw.events[0].value == 0 ? 0 : 1].fd);
	ck_assert(interrupted(&b));
	ck_assert_int_ge(drv_used(&b.q, NULL), 0);
	put(&b, 0x70, 0);
	ck_assert_uint_eq(b.hw.n, 0);
	b.hw.fail = -ENOSPC; /* then by exits */
	run(&b, V1);
	ck_assert_uint_eq(b.hw.n, 0);
	request(&b);
	ck_assert(interrupted(&b));
	put(&b, 0x50, 3); /* no such queue */
	put(&b, 0x50, 0xffffffff);
	bench_fini(&b);
}
END_TEST

START_TEST(a_level_line_stays_up_until_acknowledged)
{
	struct bench b;

	bench_init(&b, &gadget_class, true);
	run(&b, V1);
	request(&b);
	ck_assert(interrupted(&b));
	ck_assert_uint_eq(get(&b, 0x60), 1);
	b.regs->ops->write(b.regs, 0x100, 1, 1); /* a configuration change */
	ck_assert(!interrupted(&b));		 /* it is up already */
	ck_assert_uint_eq(get(&b, 0x60), 3);
	put(&b, 0x64, 1);
	ck_assert(atomic_load(&b.irq.asserted));
	cv_irq_resampled(&b.irq);
	ck_assert(interrupted(&b));
	put(&b, 0x64, 2);
	ck_assert(!atomic_load(&b.irq.asserted));
	ck_assert_uint_eq(get(&b, 0x60), 0);
	cv_irq_resampled(&b.irq);
	ck_assert(!interrupted(&b));
	request(&b);
	ck_assert(interrupted(&b));
	bench_fini(&b);
}
END_TEST

START_TEST(an_edge_line_pulses_each_time)
{
	struct bench b;

	bench_init(&b, &gadget_class, false);
	run(&b, V1);
	for (unsigned int i = 0; i < 3; i++) { /* never acknowledged */
		request(&b);
		ck_assert(interrupted(&b));
		ck_assert_uint_eq(get(&b, 0x60), 1);
	}
	bench_fini(&b);
}
END_TEST

START_TEST(configuration_changes)
{
	struct bench b;
	uint32_t generation;

	bench_init(&b, &gadget_class, false);
	run(&b, V1);
	generation = get(&b, 0xfc);
	ck_assert_uint_eq(get(&b, 0xfc), generation);
	b.regs->ops->write(b.regs, 0x100, 4, 7);
	ck_assert_uint_ne(get(&b, 0xfc), generation);
	ck_assert(interrupted(&b));
	ck_assert_uint_eq(get(&b, 0x60), 2);
	bench_fini(&b);
}
END_TEST

START_TEST(a_broken_queue_needs_a_reset)
{
	struct bench b;

	bench_init(&b, &gadget_class, false);
	run(&b, V1);
	drv_add(&b.q, (struct drv_buf[]){ { GUEST_HOLE, 8, true } }, 1);
	drv_publish(&b.q);
	put(&b, 0x50, 0);
	ck_assert(interrupted(&b));
	ck_assert_uint_eq(get(&b, 0x70), 0x4f);
	ck_assert_uint_eq(get(&b, 0x60), 2);
	ck_assert(!drv_has_used(&b.q));
	put(&b, 0x50, 0);
	ck_assert(!interrupted(&b));
	put(&b, 0x44, 0);
	put(&b, 0x44, 1); /* does not help */
	ck_assert_uint_eq(get(&b, 0x70), 0x4f);
	put(&b, 0x70, 0);
	run(&b, V1);
	request(&b);
	ck_assert(interrupted(&b));
	bench_fini(&b);
}
END_TEST

/* ---- a guest that writes anything anywhere ---- */

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 32);
}

START_TEST(random_writes)
{
	static const uint16_t offs[] = { 0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64,  0x70,
					 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac, 0x100, 0xc0 };
	static const uint32_t vals[] = { 0, 1, 2, 3, 11, 15, 16, 64, 0x100000, 0x101000, ~0u };
	uint64_t seed = 42 + (uint64_t)_i;
	struct bench b;

	bench_init(&b, _i & 1 ? &gadget_class : &gadget_plain_class, _i & 2);
	for (unsigned int i = 0; i < 20000; i++) {
		uint32_t r = next(&seed);
		uint64_t off = r & 0x100 ? offs[(r >> 16) % CV_LEN(offs)] : (r >> 16) & 0x1f8;
		uint32_t val = r & 0x200 ? vals[r % CV_LEN(vals)] : next(&seed);

		if (r & 0x400)
			b.regs->ops->read(b.regs, off, 1u << (r & 3));
		else
			b.regs->ops->write(b.regs, off, r & 0x800 ? 4 : 1u << (r & 3), val);
		if ((r & 0xf000) == 0) {
			put(&b, 0x70, 0);
			run(&b, V1 | (r & 1 ? CV_VIRTIO_F_RING_PACKED : 0) |
					((r & 2) && (_i & 1) ? CV_VIRTIO_F_RING_RESET : 0));
		}
		cv_loop_dispatch(b.r.loop);
	}
	put(&b, 0x70, 0);
	run(&b, V1);
	request(&b);
	interrupted(&b);
	ck_assert_int_ge(drv_used(&b.q, NULL), 0);
	bench_fini(&b);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_set_timeout(t, 120);
	tcase_add_test(t, registers);
	tcase_add_test(t, features_are_checked);
	tcase_add_test(t, status_bits_only_grow);
	tcase_add_test(t, driver_ok_without_features_ok);
	tcase_add_test(t, reset_clears_everything);
	tcase_add_test(t, queues_are_checked_at_start);
	tcase_add_test(t, packed_queues_have_any_size);
	tcase_add_test(t, a_ready_queue_keeps_its_layout);
	tcase_add_loop_test(t, a_queue_is_stopped_and_reset_while_running, 0, 4);
	tcase_add_test(t, queue_reset_must_be_negotiated);
	tcase_add_test(t, doorbells_come_and_go);
	tcase_add_test(t, a_level_line_stays_up_until_acknowledged);
	tcase_add_test(t, an_edge_line_pulses_each_time);
	tcase_add_test(t, configuration_changes);
	tcase_add_test(t, a_broken_queue_needs_a_reset);
	tcase_add_loop_test(t, random_writes, 0, 4);
}

int main(void)
{
	Suite *s = suite_create("mmio");
	TCase *t = tcase_create("transport");
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
