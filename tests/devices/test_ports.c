/* SPDX-License-Identifier: BSD-3-Clause */
/* The one-port devices: reset register, pvpanic, debug console. The first two ask the VM for something,
 * which they may only in its process. */
#include <stdio.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/rdev.h"

START_TEST(reset_register)
{
	static const struct rdev_row rows[] = {
		{ RD, 0, 1, 0 },    { WR, 0, 1, 0x02 }, { RD, 0, 1, 0x02 },
		{ WR, 0, 1, 0xfb }, { RD, 0, 1, 0x0a },
	};
	struct rdev d;

	rdev_open(&d, "reset", "");
	REPLAY(&d, rows);
	ck_assert_uint_eq(d.requests[CV_REQUEST_RESET], 0);
	rdev_write(&d, 0, 1, 0x06);
	ck_assert_uint_eq(d.requests[CV_REQUEST_RESET], 1);
	ck_assert_uint_eq(rdev_read(&d, 0, 1), 0x02);
	rdev_write(&d, 0, 1, 0x0e);
	ck_assert_uint_eq(d.requests[CV_REQUEST_RESET], 2);
	cv_rslot_local_reset(d.slot);
	ck_assert_uint_eq(rdev_read(&d, 0, 1), 0);
	rdev_close(&d);
}
END_TEST

START_TEST(pvpanic)
{
	struct rdev d;

	rdev_open(&d, "pvpanic", "");
	ck_assert_uint_eq(rdev_read(&d, 0, 1), 3);
	rdev_write(&d, 0, 1, 0xfc);
	rdev_write(&d, 0, 1, 2);
	ck_assert_uint_eq(d.requests[CV_REQUEST_CRASH_LOADED], 1);
	ck_assert_uint_eq(d.requests[CV_REQUEST_PANICKED], 0);
	rdev_write(&d, 0, 1, 1);
	ck_assert_uint_eq(d.requests[CV_REQUEST_PANICKED], 1);
	rdev_garbage(&d, 1, 1000);
	rdev_close(&d);
}
END_TEST

START_TEST(debugcon)
{
	char text[64], buf[8] = "";
	struct rdev d;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	snprintf(text, sizeof(text), "out=/proc/self/fd/%d", fds[1]);
	rdev_open_at(&d, "debugcon", text, (enum rdev_where)_i);
	ck_assert_uint_eq(rdev_read(&d, 0, 1), 0xe9);
	for (const char *c = "hello"; *c; c++)
		rdev_write(&d, 0, 1, (uint8_t)*c);
	rdev_dispatch(&d);
	ck_assert_int_eq(read(fds[0], buf, sizeof(buf)), 5);
	ck_assert_str_eq(buf, "hello");
	/* nobody reads: what a pipe does not hold is dropped */
	for (unsigned int i = 0; i < (_i == RDEV_CHILD ? 70000u : 200000u); i++)
		rdev_write(&d, 0, 1, i);
	close(fds[0]);
	rdev_close(&d);
	rdev_open_at(&d, "debugcon", "", (enum rdev_where)_i);
	rdev_write(&d, 0, 1, 'x');
	rdev_close(&d);
	close(fds[1]);
}
END_TEST

CHECK_MAIN_RDEV("ports", reset_register, pvpanic, debugcon)
