/* SPDX-License-Identifier: BSD-3-Clause */
/* The keyboard controller, as Linux probes it. */
#include "support/check_main.h"
#include "support/rdev.h"

enum { DATA = 0, COMMAND = 4 };

#define STATUS(v)                 \
	{                         \
		RD, COMMAND, 1, v \
	}
#define CMD(v)                    \
	{                         \
		WR, COMMAND, 1, v \
	}
#define ARG(v)                 \
	{                      \
		WR, DATA, 1, v \
	}
#define ANSWER(v)              \
	{                      \
		RD, DATA, 1, v \
	}
#define EDGES(n)             \
	{                    \
		IRQ, 0, 0, n \
	}

START_TEST(linux_probe)
{
	static const struct rdev_row rows[] = {
		STATUS(0x14), /* nothing to flush */
		CMD(0x20),
		STATUS(0x1d),
		ANSWER(0x34),
		STATUS(0x1c), /* the command byte */
		CMD(0xaa),
		STATUS(0x1d),
		ANSWER(0x55), /* self test */
		CMD(0x60),
		ARG(0x34),
		CMD(0x20),
		ANSWER(0x34),
		/* no auxiliary port: the loop comes back as the keyboard's, the test fails */
		CMD(0xd3),
		ARG(0x5a),
		STATUS(0x15),
		CMD(0xa9),
		ANSWER(0x01),
		CMD(0xab),
		ANSWER(0x00),
		/* the keyboard port with its interrupt; nobody answers, and at once */
		CMD(0xae),
		CMD(0x60),
		ARG(0x25),
		EDGES(0),
		ARG(0xf2),
		STATUS(0x55),
		EDGES(1),
		ANSWER(0xfe),
		STATUS(0x14),
		ARG(0xed),
		EDGES(1),
		ANSWER(0xfe),
		CMD(0xad),
		CMD(0x20),
		EDGES(1),
		ANSWER(0x35),
		CMD(0xae),
	};
	struct rdev d;

	rdev_open(&d, "i8042", "");
	REPLAY(&d, rows);
	rdev_close(&d);
}
END_TEST

START_TEST(the_rest)
{
	static const struct rdev_row rows[] = {
		CMD(0xc0),
		ANSWER(0x80),
		CMD(0xd0),
		ANSWER(0xcf),
		CMD(0xd2),
		ARG(0x1e),
		ANSWER(0x1e),
		CMD(0xd4),
		ARG(0xf4),
		STATUS(0x55),
		ANSWER(0xfe),
		CMD(0x63),
		ARG(0x77),
		CMD(0x23),
		ANSWER(0x77),
		CMD(0x7f),
		ARG(0x66),
		CMD(0x3f),
		ANSWER(0x66),
		CMD(0xd1),
		ARG(0xdf),
		CMD(0xff),
		CMD(0xf1),
		CMD(0x00),
		STATUS(0x1c),
		{ RD, 1, 1, 0xff },
		{ RD, 2, 2, 0xffff },
		/* a command throws an argument's wait and an unread answer away */
		CMD(0x60),
		CMD(0xaa),
		STATUS(0x1d),
		CMD(0x00),
		STATUS(0x1c),
	};
	struct rdev d;

	rdev_open(&d, "i8042", "");
	REPLAY(&d, rows);
	ck_assert_uint_eq(d.requests[CV_REQUEST_RESET], 0);
	rdev_close(&d);
}
END_TEST

START_TEST(resets)
{
	struct rdev d;

	rdev_open(&d, "i8042", "");
	rdev_write(&d, COMMAND, 1, 0xfe);
	ck_assert_uint_eq(d.requests[CV_REQUEST_RESET], 1);
	rdev_write(&d, COMMAND, 1, 0xf0);
	ck_assert_uint_eq(d.requests[CV_REQUEST_RESET], 2);
	rdev_write(&d, COMMAND, 1, 0xd1);
	rdev_write(&d, DATA, 1, 0xfe);
	ck_assert_uint_eq(d.requests[CV_REQUEST_RESET], 3);
	rdev_write(&d, DATA, 1, 0xfe);
	ck_assert_uint_eq(d.requests[CV_REQUEST_RESET], 3);
	rdev_close(&d);
}
END_TEST

START_TEST(garbage)
{
	struct rdev d;

	rdev_open(&d, "i8042", "");
	for (uint32_t seed = 1; seed < 30; seed++)
		rdev_garbage(&d, seed, 5000);
	cv_rslot_local_reset(d.slot);
	ck_assert_uint_eq(rdev_read(&d, COMMAND, 1), 0x14);
	rdev_close(&d);
}
END_TEST

CHECK_MAIN("i8042", linux_probe, the_rest, resets, garbage)
