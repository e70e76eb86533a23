/* SPDX-License-Identifier: BSD-3-Clause */
/* Arm's general purpose I/O and the power button at its line 3. */
#include "support/check_main.h"
#include "support/rdev.h"

#define MS 1000000ull

enum { ALL = 0x3fc, LINE3 = 0x20, DIR = 0x400, IS = 0x404, IBE = 0x408, IEV = 0x40c, IE = 0x410 };
enum { RIS = 0x414, MIS = 0x418, IC = 0x41c, AFSEL = 0x420 };

static void press(struct rdev *d)
{
	char reply[8];

	ck_assert_int_eq(
		cv_rslot_local_control(d->slot, "power-button", NULL, reply, sizeof(reply), NULL),
		0);
}

START_TEST(registers)
{
	static const struct rdev_row rows[] = {
		{ RD, ALL, 4, 0 },
		{ WR, ALL, 4, 0xff }, /* all are inputs */
		{ RD, ALL, 4, 0 },
		{ WR, DIR, 4, 0x1f0 },
		{ RD, DIR, 4, 0xf0 },
		{ RD, ALL, 4, 0 },
		{ WR, ALL, 4, 0xff },
		{ RD, ALL, 4, 0xf0 },
		/* the address chooses lines */
		{ RD, 0, 4, 0 },
		{ RD, 0x30 << 2, 4, 0x30 },
		{ WR, 0x21 << 2, 4, 0x00 },
		{ RD, ALL, 4, 0xd0 },
		{ WR, 0x2f << 2, 4, 0xffff },
		{ RD, ALL, 4, 0xf0 },
		{ WR, 0, 4, 0 },
		{ RD, ALL, 4, 0xf0 },
		/* an output that was an input still drives what it drove */
		{ WR, DIR, 4, 0 },
		{ RD, ALL, 4, 0 },
		{ WR, DIR, 4, 0xc0 },
		{ RD, ALL, 4, 0xc0 },
		{ WR, IS, 4, 0xa5 },
		{ RD, IS, 4, 0xa5 },
		{ WR, IBE, 4, 0x5a },
		{ RD, IBE, 4, 0x5a },
		{ WR, IEV, 4, 0x3c },
		{ RD, IEV, 4, 0x3c },
		{ WR, IE, 4, 0x81 },
		{ RD, IE, 4, 0x81 },
		{ WR, AFSEL, 4, 0x42 },
		{ RD, AFSEL, 4, 0x42 },
		{ RD, IC, 4, 0 },
		{ RD, 0x424, 4, 0 },
		/* by bytes, as Linux does */
		{ WR, DIR, 1, 0x80 },
		{ RD, DIR, 1, 0x80 },
		{ WR, 0x80 << 2, 1, 0 },
		{ RD, 0x80 << 2, 1, 0 },
		{ WR, (0x80 << 2) + 1, 1, 0xff },
		{ RD, 0x80 << 2, 1, 0 },
		{ WR, 0x80 << 2, 1, 0x80 },
		{ RD, 0x80 << 2, 1, 0x80 },
		{ RD, (0x80 << 2) + 1, 1, 0 },
	};
	static const uint8_t ids[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
	struct rdev d;

	rdev_open(&d, "pl061", "");
	REPLAY(&d, rows);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_uint_eq(rdev_read(&d, 0xfe0 + 4 * i, 4), ids[i]);
	rdev_reset(&d);
	for (uint64_t reg = ALL; reg <= AFSEL; reg += 4)
		ck_assert_uint_eq(rdev_read(&d, reg, 4), 0);
	rdev_close(&d);
}
END_TEST

/* As gpio-keys has it: both edges. */
START_TEST(power_button)
{
	static const struct rdev_row pressed[] = {
		{ IRQ, 0, 0, 1 },    { LINE, 0, 0, 1 },	  { RD, RIS, 4, 8 }, { RD, MIS, 4, 8 },
		{ RD, LINE3, 1, 8 }, { WR, IC, 1, 0xf7 }, { RD, RIS, 4, 8 }, { WR, IC, 1, 8 },
		{ RD, RIS, 4, 0 },   { LINE, 0, 0, 0 },
	};
	static const struct rdev_row released[] = {
		{ WAIT, 0, 0, 100 * MS - 1 },
		{ IRQ, 0, 0, 0 },
		{ RD, LINE3, 4, 8 },
		{ WAIT, 0, 0, 1 },
		{ IRQ, 0, 0, 1 },
		{ RD, LINE3, 4, 0 },
		{ RD, MIS, 4, 8 },
		{ WR, IC, 4, 0xff },
		{ LINE, 0, 0, 0 },
		{ WAIT, 0, 0, 1000 * MS },
		{ IRQ, 0, 0, 0 },
	};
	struct rdev d;

	rdev_open(&d, "pl061", "");
	rdev_write(&d, IBE, 1, 8);
	rdev_write(&d, IE, 1, 8);
	for (unsigned int i = 0; i < 2; i++) {
		press(&d);
		REPLAY(&d, pressed);
		REPLAY(&d, released);
	}
	/* held on while it is pressed again */
	press(&d);
	rdev_advance(&d, 60 * MS);
	press(&d);
	ck_assert_uint_eq(rdev_irqs(&d), 1);
	rdev_advance(&d, 99 * MS);
	ck_assert_uint_eq(rdev_read(&d, LINE3, 4), 8);
	rdev_advance(&d, 1 * MS);
	ck_assert_uint_eq(rdev_read(&d, LINE3, 4), 0);
	/* nothing is left of it after a reset */
	press(&d);
	rdev_reset(&d);
	ck_assert(!d.irq.asserted);
	rdev_write(&d, IBE, 1, 8);
	rdev_write(&d, IE, 1, 8);
	rdev_irqs(&d);
	rdev_advance(&d, 1000 * MS);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	rdev_close(&d);
}
END_TEST

static void expect_status(struct rdev *d, uint8_t before, uint8_t during, uint8_t after)
{
	rdev_write(d, IC, 4, 0xff);
	ck_assert_uint_eq(rdev_read(d, RIS, 4) & 8, before);
	press(d);
	ck_assert_uint_eq(rdev_read(d, RIS, 4) & 8, during);
	rdev_write(d, IC, 4, 8);
	rdev_advance(d, 100 * MS);
	ck_assert_uint_eq(rdev_read(d, RIS, 4) & 8, after);
}

START_TEST(edges_and_levels)
{
	static const struct {
		uint8_t level, both, up, before, during, after;
	} ways[] = {
		{ 0, 0, 8, 0, 8, 0 },	       /* rising */
		{ 0, 0, 0, 0, 0, 8 },	       /* falling */
		{ 0, 8, 8, 0, 8, 8 },	       /* both */
		{ 0, 8, 0, 0, 8, 8 },	       /* the same */
		{ 8, 0, 8, 0, 8, 0 },	       /* high */
		{ 8, 0, 0, 8, 0, 8 },	       /* low: cannot be cleared */
		{ 8, 8, 8, 0, 8, 0 },	       /* a level has no edges */
		{ 0xf7, 0xf7, 0xf7, 0, 0, 8 }, /* other lines' */
	};
	struct rdev d;

	for (size_t i = 0; i < CV_LEN(ways); i++) {
		rdev_open(&d, "pl061", "");
		rdev_write(&d, IS, 4, ways[i].level);
		rdev_write(&d, IBE, 4, ways[i].both);
		rdev_write(&d, IEV, 4, ways[i].up);
		expect_status(&d, ways[i].before, ways[i].during, ways[i].after);
		ck_assert_uint_eq(rdev_irqs(&d), 0);
		/* an enabled one is the interrupt's level */
		rdev_write(&d, IE, 4, 8);
		press(&d);
		ck_assert_int_eq(d.irq.asserted, rdev_read(&d, MIS, 4) != 0);
		rdev_close(&d);
	}
}
END_TEST

/* An edge before the driver comes is not lost, and an output hears nothing of the button. */
START_TEST(early_and_elsewhere)
{
	struct rdev d;

	rdev_open(&d, "pl061", "");
	rdev_write(&d, IBE, 4, 8);
	press(&d);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	rdev_write(&d, IE, 4, 8);
	ck_assert_uint_eq(rdev_irqs(&d), 1);
	rdev_advance(&d, 100 * MS);
	rdev_write(&d, IC, 4, 8);
	rdev_write(&d, DIR, 4, 8);
	press(&d);
	ck_assert_uint_eq(rdev_read(&d, RIS, 4), 0);
	ck_assert_uint_eq(rdev_read(&d, LINE3, 4), 0);
	rdev_write(&d, DIR, 4, 0);
	ck_assert_uint_eq(rdev_read(&d, LINE3, 4), 8);
	rdev_close(&d);
}
END_TEST

/* A button that was pressed when the state was saved is let go. */
START_TEST(saved_while_pressed)
{
	struct cv_buf buf = { 0 };
	struct rdev from, to;
	uint16_t version;
	size_t used;

	rdev_open(&from, "pl061", "");
	rdev_write(&from, IBE, 4, 8);
	rdev_write(&from, IE, 4, 8);
	press(&from);
	cv_state_save(from.cls->state, from.cls->state_version, rdev_self(&from), &buf);
	rdev_open(&to, "pl061", "");
	ck_assert_int_eq(cv_state_load(to.cls->state, to.cls->state_version, rdev_self(&to),
				       buf.data, buf.len, &used, &version, NULL),
			 0);
	ck_assert_int_eq(to.cls->loaded(rdev_self(&to), version), 0);
	rdev_dispatch(&to);
	ck_assert_uint_eq(rdev_irqs(&to), 1);
	ck_assert_uint_eq(rdev_read(&to, LINE3, 4), 8);
	rdev_write(&to, IC, 4, 8);
	rdev_advance(&to, 100 * MS);
	ck_assert_uint_eq(rdev_read(&to, LINE3, 4), 0);
	ck_assert_uint_eq(rdev_irqs(&to), 1);
	cv_buf_fini(&buf);
	rdev_close(&from);
	rdev_close(&to);
}
END_TEST

START_TEST(garbage)
{
	struct rdev d;

	rdev_open(&d, "pl061", "");
	for (uint32_t seed = 1; seed < 30; seed++) {
		rdev_garbage(&d, seed, 1000);
		for (uint32_t i = 0; i < 300; i++) {
			uint32_t val = (seed * 2654435761u + i) * 40503u;

			rdev_write(&d, DIR + val % 0x28, 1, val >> 8);
			ck_assert_uint_le(rdev_read(&d, ALL, 4), 0xff);
			ck_assert_int_eq(d.irq.asserted, rdev_read(&d, MIS, 4) != 0);
			if (i % 16 == 0)
				press(&d);
			if (i % 16 == 9)
				rdev_advance(&d, val % (200 * MS));
		}
	}
	rdev_close(&d);
}
END_TEST

CHECK_MAIN("pl061", registers, power_button, edges_and_levels, early_and_elsewhere,
	   saved_while_pressed, garbage)
