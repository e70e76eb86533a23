/* SPDX-License-Identifier: BSD-3-Clause */
/* Arm's real-time clocks. The fake clock starts at 2020-01-02 03:04:05 UTC. */
#include "support/check_main.h"
#include "support/rdev.h"

#define S     1000000000ull
#define START 1577934245u

/* One register map for both: where PL030 has none, NONE. */
enum { DR, MR, LR, IMSC, CLEAR, STATUS, N_REGS };
static const struct {
	const char *name;
	uint64_t regs[N_REGS];
} kinds[] = {
	{ "pl031", { 0x00, 0x04, 0x08, 0x10, 0x1c, 0x18 } },
	{ "pl030", { 0x00, 0x04, 0x0c, 0x10, 0x08, 0x08 } },
};

static uint32_t get(struct rdev *d, unsigned int kind, unsigned int reg)
{
	return (uint32_t)rdev_read(d, kinds[kind].regs[reg], 4);
}

static void set(struct rdev *d, unsigned int kind, unsigned int reg, uint32_t val)
{
	rdev_write(d, kinds[kind].regs[reg], 4, val);
	cv_loop_dispatch(d->loop);
}

START_TEST(identification)
{
	/* by words as Linux reads it, by bytes as EDK II does */
	static const uint8_t want[] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (unsigned int kind = 0; kind < 2; kind++) {
		struct rdev d;

		rdev_open(&d, kinds[kind].name, "");
		for (unsigned int i = 0; i < 8; i++) {
			uint8_t byte = i == 0 && kind == 1 ? 0x30 : want[i];

			ck_assert_uint_eq(rdev_read(&d, 0xfe0 + 4 * i, 4), byte);
			ck_assert_uint_eq(rdev_read(&d, 0xfe0 + 4 * i, 1), byte);
			ck_assert_uint_eq(rdev_read(&d, 0xfe1 + 4 * i, 1), 0);
		}
		rdev_close(&d);
	}
}
END_TEST

START_TEST(pl031_registers)
{
	static const struct rdev_row rows[] = {
		{ RD, 0x00, 4, START },
		{ RD, 0x04, 4, 0 },
		{ RD, 0x08, 4, 0 },
		{ RD, 0x0c, 4, 1 },
		{ RD, 0x10, 4, 0 },
		{ RD, 0x14, 4, 0 },
		{ RD, 0x18, 4, 0 },
		{ RD, 0x1c, 4, 0 },
		{ RD, 0x20, 4, 0 },
		{ RD, 0xfdc, 4, 0 },
		{ WR, 0x0c, 4, 0 }, /* it cannot be stopped */
		{ RD, 0x0c, 4, 1 },
		{ WAIT, 0, 0, S },
		{ RD, 0x00, 4, START + 1 },
		{ WR, 0x00, 4, 7 }, /* is read-only */
		{ RD, 0x00, 4, START + 1 },
		{ WR, 0x10, 4, 0xffffffff },
		{ RD, 0x10, 4, 1 },
		/* narrow reads give the bytes, narrow writes the whole register */
		{ RD, 0x00, 2, (START + 1) & 0xffff },
		{ RD, 0x03, 1, (START + 1) >> 24 },
		{ WR, 0x04, 4, 0x12345678 },
		{ WR, 0x05, 1, 0xff },
		{ RD, 0x04, 4, 0x12345678 },
		{ WR, 0x04, 1, 0xff },
		{ RD, 0x04, 4, 0xff },
		{ RD, 0x00, 8, 0xffull << 32 | (START + 1) },
	};
	struct rdev d;

	rdev_open(&d, "pl031", "");
	REPLAY(&d, rows);
	rdev_close(&d);
}
END_TEST

START_TEST(is_set_and_goes_on)
{
	for (unsigned int kind = 0; kind < 2; kind++) {
		struct rdev d;

		rdev_open(&d, kinds[kind].name, "");
		ck_assert_uint_eq(get(&d, kind, DR), START);
		set(&d, kind, LR, 0xfffffffe);
		ck_assert_uint_eq(get(&d, kind, DR), 0xfffffffe);
		ck_assert_uint_eq(get(&d, kind, LR), 0xfffffffe);
		rdev_advance(&d, 3 * S);
		ck_assert_uint_eq(get(&d, kind, DR), 1);
		/* the battery */
		rdev_reset(&d);
		ck_assert_uint_eq(get(&d, kind, DR), 1);
		rdev_close(&d);
	}
}
END_TEST

/* As Linux' drivers set an alarm: match, clear, enable. */
START_TEST(alarm)
{
	for (unsigned int kind = 0; kind < 2; kind++) {
		struct rdev d;

		rdev_open(&d, kinds[kind].name, "");
		rdev_advance(&d, S / 4);
		set(&d, kind, MR, START + 10);
		set(&d, kind, CLEAR, 1);
		set(&d, kind, IMSC, 1);
		rdev_advance(&d, 10 * S - S / 4 - 1);
		ck_assert_uint_eq(rdev_irqs(&d), 0);
		ck_assert_uint_eq(get(&d, kind, STATUS), 0);
		rdev_advance(&d, 1);
		ck_assert_uint_eq(rdev_irqs(&d), 1);
		ck_assert_uint_eq(get(&d, kind, STATUS), 1);
		ck_assert(d.irq.asserted);
		/* a level, until it is cleared; then nothing for 136 years */
		rdev_advance(&d, 100 * S);
		ck_assert(d.irq.asserted);
		set(&d, kind, CLEAR, 1);
		ck_assert(!d.irq.asserted);
		rdev_advance(&d, 1000000 * S);
		ck_assert_uint_eq(rdev_irqs(&d), 0);
		ck_assert_uint_eq(get(&d, kind, STATUS), 0);
		rdev_close(&d);
	}
}
END_TEST

START_TEST(alarm_now_and_then)
{
	for (unsigned int kind = 0; kind < 2; kind++) {
		struct rdev d;

		rdev_open(&d, kinds[kind].name, "");
		set(&d, kind, IMSC, 1);
		set(&d, kind, MR, START - 1); /* is over */
		ck_assert(!d.irq.asserted);
		set(&d, kind, MR, START);
		ck_assert(d.irq.asserted);
		set(&d, kind, CLEAR, 1);
		ck_assert(!d.irq.asserted);
		set(&d, kind, LR, START); /* the count comes to the match by itself */
		ck_assert(d.irq.asserted);
		set(&d, kind, CLEAR, 1);
		/* a match that is set earlier, and one that the count is set away from */
		set(&d, kind, MR, START + 1000);
		set(&d, kind, MR, START + 5);
		rdev_advance(&d, 5 * S);
		ck_assert(d.irq.asserted);
		set(&d, kind, CLEAR, 1);
		set(&d, kind, MR, START + 8);
		set(&d, kind, LR, START + 100);
		rdev_advance(&d, 1000 * S);
		ck_assert(!d.irq.asserted);
		rdev_close(&d);
	}
}
END_TEST

START_TEST(masked)
{
	static const struct rdev_row rows[] = {
		{ WR, 0x04, 4, START + 3 },  { WAIT, 0, 0, 5 * S }, { IRQ, 0, 0, 0 },
		{ RD, 0x14, 4, 1 }, /* noted nevertheless */
		{ RD, 0x18, 4, 0 },	     { WR, 0x10, 4, 1 },    { IRQ, 0, 0, 1 },
		{ RD, 0x18, 4, 1 },	     { WR, 0x10, 4, 0 },    { LINE, 0, 0, 0 },
		{ WR, 0x1c, 4, 0xfffffffe }, { RD, 0x14, 4, 1 },    { WR, 0x1c, 4, 1 },
		{ RD, 0x14, 4, 0 },
	};
	struct rdev d;

	rdev_open(&d, "pl031", "");
	REPLAY(&d, rows);
	/* reset ends an alarm */
	rdev_write(&d, 0x04, 4, START + 20);
	rdev_write(&d, 0x10, 4, 1);
	rdev_dispatch(&d);
	rdev_reset(&d);
	rdev_advance(&d, 100 * S);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	ck_assert_uint_eq(rdev_read(&d, 0x14, 4), 0);
	rdev_close(&d);
}
END_TEST

/* The loop is late: the match is over when it gets to setting the timer. */
START_TEST(late_loop)
{
	struct rdev d;

	rdev_open(&d, "pl031", "");
	rdev_write(&d, 0x10, 4, 1);
	rdev_write(&d, 0x04, 4, START + 1);
	rdev_advance(&d, 10 * S); /* the clock first, then the loop */
	ck_assert_uint_eq(rdev_irqs(&d), 1);
	rdev_close(&d);
}
END_TEST

/* An alarm that comes while the state lies on a disk. */
START_TEST(saved_past_its_alarm)
{
	struct cv_buf buf = { 0 };
	struct rdev from, to;
	uint16_t version;
	size_t used;

	rdev_open(&from, "pl031", "");
	rdev_write(&from, 0x10, 4, 1);
	rdev_write(&from, 0x04, 4, START + 5);
	cv_state_save(from.cls->state, from.cls->state_version, rdev_self(&from), &buf);
	rdev_open(&to, "pl031", "");
	rdev_advance(&to, 60 * S);
	ck_assert_int_eq(cv_state_load(to.cls->state, to.cls->state_version, rdev_self(&to),
				       buf.data, buf.len, &used, &version, NULL),
			 0);
	ck_assert_int_eq(to.cls->loaded(rdev_self(&to), version), 0);
	rdev_dispatch(&to);
	ck_assert_uint_eq(rdev_irqs(&to), 1);
	cv_buf_fini(&buf);
	rdev_close(&from);
	rdev_close(&to);
}
END_TEST

START_TEST(garbage)
{
	for (unsigned int kind = 0; kind < 2; kind++) {
		struct rdev d;

		rdev_open(&d, kinds[kind].name, "");
		for (uint32_t seed = 1; seed < 30; seed++) {
			rdev_garbage(&d, seed, 1000);
			for (uint32_t i = 0; i < 300; i++) {
				uint32_t val = (seed * 2654435761u + i) * 40503u;

				rdev_write(&d, val % 0x20, 4, i % 3 ? val : i);
				if (i % 16 == 0)
					rdev_advance(&d, val % (3 * S));
			}
		}
		rdev_close(&d);
	}
}
END_TEST

CHECK_MAIN("primecell_rtc", identification, pl031_registers, is_set_and_goes_on, alarm,
	   alarm_now_and_then, masked, late_loop, saved_past_its_alarm, garbage)
