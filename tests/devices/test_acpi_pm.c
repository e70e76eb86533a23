/* SPDX-License-Identifier: BSD-3-Clause */
/* ACPI's fixed hardware. */
#include <errno.h>

#include "support/check_main.h"
#include "support/rdev.h"

#define S 1000000000ull

enum { STS = 0, EN = 2, CNT = 4, TMR = 8 };

static void press(struct rdev *d)
{
	char reply[8];

	ck_assert_int_eq(
		cv_rslot_local_control(d->slot, "power-button", NULL, reply, sizeof(reply), NULL),
		0);
}

START_TEST(power_button)
{
	static const struct rdev_row rows[] = {
		{ RD, STS, 2, 0x100 },	    { IRQ, 0, 0, 0 },	   { WR, EN, 2, 0x100 },
		{ IRQ, 0, 0, 1 },	    { LINE, 0, 0, 1 },	   { WR, STS, 2, 0 },
		{ LINE, 0, 0, 1 },	    { WR, STS, 2, 0x100 }, { LINE, 0, 0, 0 },
		{ RD, STS, 4, 0x01000000 },
	};
	struct rdev d;

	rdev_open(&d, "acpi-pm", "");
	press(&d);
	REPLAY(&d, rows);
	press(&d);
	ck_assert_uint_eq(rdev_irqs(&d), 1);
	cv_rslot_local_reset(d.slot);
	ck_assert(!d.irq.asserted);
	rdev_close(&d);
}
END_TEST

START_TEST(registers)
{
	static const struct rdev_row rows[] = {
		{ RD, CNT, 2, 1 },
		{ RD, STS, 4, 0 },
		{ WR, EN, 2, 0xffff },
		{ RD, EN, 2, 0x721 },
		{ WR, CNT, 2, 0x1c02 },
		{ RD, CNT, 2, 0x1c03 },
		{ RD, CNT, 4, 0x1c03 },
		{ RD, CNT + 1, 1, 0x1c },
		{ WR, CNT, 1, 0 },
		{ RD, CNT, 2, 0x1c01 },
		{ WR, EN + 1, 1, 0 },
		{ RD, EN, 2, 0x21 },
		{ WR, STS, 4, 0x05200000 },
		{ RD, EN, 2, 0x520 },
		{ WR, EN, 4, 0x00000001 },
		{ RD, EN, 4, 0x00010001 },
		{ RD, STS + 1, 4, 0x01000100 },
		{ RD, 6, 4, 0 },
		{ RD, 7, 1, 0 },
	};
	struct rdev d;

	rdev_open(&d, "acpi-pm", "");
	REPLAY(&d, rows);
	ck_assert_uint_eq(d.requests[CV_REQUEST_POWER_OFF], 0);
	rdev_close(&d);
}
END_TEST

START_TEST(powers_off)
{
	struct rdev d;

	rdev_open(&d, "acpi-pm", "");
	rdev_write(&d, CNT, 2, 0x2000 | 0x0400); /* S1 */
	rdev_write(&d, CNT, 2, 0x1400);
	ck_assert_uint_eq(d.requests[CV_REQUEST_POWER_OFF], 0);
	rdev_write(&d, CNT + 1, 1, 0x34); /* by bytes, as FreeDOS does */
	ck_assert_uint_eq(d.requests[CV_REQUEST_POWER_OFF], 1);
	ck_assert_uint_eq(rdev_read(&d, CNT, 2), 0x1401); /* SLP_EN reads 0 */
	rdev_write(&d, CNT, 2, 0x3400);
	ck_assert_uint_eq(d.requests[CV_REQUEST_POWER_OFF], 2);
	rdev_close(&d);
}
END_TEST

START_TEST(timer)
{
	static const struct rdev_row rows[] = {
		{ RD, TMR, 4, 0 },
		{ WAIT, 0, 0, S },
		{ RD, TMR, 4, 3579545 },
		{ WR, TMR, 4, 0 },
		{ RD, TMR, 4, 3579545 },
		{ RD, TMR + 1, 2, 3579545 >> 8 },
		{ WAIT, 0, 0, 599 * S },
		{ RD, TMR, 4, 2147727000 },
		/* bit 31 has changed; with the interrupt enabled that is told in time */
		{ RD, STS, 2, 1 },
		{ IRQ, 0, 0, 0 },
		{ WR, EN, 2, 1 },
		{ IRQ, 0, 0, 1 },
		{ WR, STS, 2, 1 },
		{ LINE, 0, 0, 0 },
		{ WAIT, 0, 0, 599 * S },
		{ LINE, 0, 0, 0 },
		{ WAIT, 0, 0, S },
		{ IRQ, 0, 0, 1 },
		{ RD, STS, 2, 1 },
		{ WR, EN, 2, 0 },
		{ WR, STS, 2, 1 },
		{ WAIT, 0, 0, 700 * S },
		{ IRQ, 0, 0, 0 },
		{ RD, STS, 2, 1 },
	};
	struct rdev d;

	rdev_open(&d, "acpi-pm", "");
	REPLAY(&d, rows);
	rdev_close(&d);
}
END_TEST

START_TEST(garbage)
{
	struct rdev d;

	rdev_open(&d, "acpi-pm", "");
	for (uint32_t seed = 1; seed < 30; seed++)
		rdev_garbage(&d, seed, 3000);
	ck_assert_uint_gt(d.requests[CV_REQUEST_POWER_OFF], 0);
	rdev_close(&d);
}
END_TEST

CHECK_MAIN("acpi_pm", power_button, registers, powers_off, timer, garbage)
