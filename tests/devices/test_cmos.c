/* SPDX-License-Identifier: BSD-3-Clause */
/* The real-time clock and CMOS memory. The fake clock starts at 2020-01-02 03:04:05 UTC, a Thursday. */
#include <stdio.h>

#include "support/check_main.h"
#include "support/rdev.h"

#define MS 1000000ull
#define S  (1000 * MS)

static uint8_t get(struct rdev *d, uint8_t reg)
{
	rdev_write(d, 0, 1, reg);
	return (uint8_t)rdev_read(d, 1, 1);
}

static void set(struct rdev *d, uint8_t reg, uint8_t val)
{
	rdev_write(d, 0, 1, reg);
	rdev_write(d, 1, 1, val);
	cv_loop_dispatch(d->loop);
}

static void wait(struct rdev *d, uint64_t ns)
{
	cv_loop_fake_advance(d->loop, ns);
}

/* The time as "CCYY-MM-DD W hh:mm:ss" of the bare register values in hexadecimal. */
static void expect_time(struct rdev *d, const char *want)
{
	static const uint8_t regs[] = { 0x32, 9, 8, 7, 6, 4, 2, 0 };
	uint8_t v[8];
	char text[64];

	for (unsigned int i = 0; i < 8; i++)
		v[i] = get(d, regs[i]);
	snprintf(text, sizeof(text), "%02x%02x-%02x-%02x %x %02x:%02x:%02x", v[0], v[1], v[2], v[3],
		 v[4], v[5], v[6], v[7]);
	ck_assert_str_eq(text, want);
}

START_TEST(tells_the_hosts_time)
{
	struct rdev d;

	rdev_open(&d, "cmos", "");
	expect_time(&d, "2020-01-02 5 03:04:05");
	ck_assert_uint_eq(get(&d, 0x0a), 0x26);
	ck_assert_uint_eq(get(&d, 0x0b), 0x02);
	ck_assert_uint_eq(get(&d, 0x0d), 0x80);
	wait(&d, 55 * S);
	expect_time(&d, "2020-01-02 5 03:05:00");
	wait(&d, 58ull * 86400 * S);
	expect_time(&d, "2020-02-29 7 03:05:00");
	wait(&d, 86400 * S);
	expect_time(&d, "2020-03-01 1 03:05:00");
	rdev_close(&d);
}
END_TEST

START_TEST(binary_and_twelve_hours)
{
	struct rdev d;

	rdev_open(&d, "cmos", "");
	wait(&d, 17 * 3600 * S);
	set(&d, 0x0b, 0x06);
	expect_time(&d, "2014-01-02 5 14:04:05");
	set(&d, 0x0b, 0x00);
	ck_assert_uint_eq(get(&d, 4), 0x88);
	set(&d, 0x0b, 0x04);
	ck_assert_uint_eq(get(&d, 4), 0x88);
	wait(&d, 4 * 3600 * S);
	ck_assert_uint_eq(get(&d, 4), 12); /* midnight is 12 AM */
	wait(&d, 12 * 3600 * S);
	ck_assert_uint_eq(get(&d, 4), 0x8c);
	/* and back: setting 1 PM */
	set(&d, 4, 0x81);
	set(&d, 0x0b, 0x02);
	ck_assert_uint_eq(get(&d, 4), 0x13);
	rdev_close(&d);
}
END_TEST

/* In the order of Linux' mc146818_set_time(). */
static void set_like_linux(struct rdev *d)
{
	uint8_t b = get(d, 0x0b), a = get(d, 0x0a);

	set(d, 0x0b, b | 0x80);
	set(d, 0x0a, a | 0x70);
	set(d, 9, 0x31);
	set(d, 8, 0x12);
	set(d, 7, 0x31);
	set(d, 4, 0x23);
	set(d, 2, 0x59);
	set(d, 0, 0x58);
	set(d, 0x32, 0x19);
	wait(d, 5 * S);
	expect_time(d, "1931-12-31 5 23:59:58");
	set(d, 0x0b, b);
	set(d, 0x0a, a);
}

START_TEST(is_set_and_goes_on)
{
	struct rdev d;

	rdev_open(&d, "cmos", "");
	wait(&d, 300 * MS);
	set_like_linux(&d);
	expect_time(&d, "1931-12-31 5 23:59:58");
	wait(&d, 499 * MS);
	expect_time(&d, "1931-12-31 5 23:59:58");
	wait(&d, 2 * MS); /* half a second after the divider's start */
	expect_time(&d, "1931-12-31 5 23:59:59");
	wait(&d, 1 * S);
	expect_time(&d, "1932-01-01 6 00:00:00");
	cv_rslot_local_reset(d.slot);
	expect_time(&d, "1932-01-01 6 00:00:00");
	/* one register of a running clock */
	set(&d, 7, 0x15);
	wait(&d, 1 * S);
	expect_time(&d, "1932-01-15 6 00:00:01");
	rdev_close(&d);
}
END_TEST

START_TEST(update_in_progress)
{
	struct rdev d;

	rdev_open(&d, "cmos", "");
	wait(&d, 999 * MS);
	ck_assert_uint_eq(get(&d, 0x0a), 0x26);
	wait(&d, 800000);
	ck_assert_uint_eq(get(&d, 0x0a), 0xa6);
	wait(&d, 200000);
	ck_assert_uint_eq(get(&d, 0x0a), 0x26);
	set(&d, 0x0b, 0x82);
	wait(&d, 999900000);
	ck_assert_uint_eq(get(&d, 0x0a), 0x26);
	rdev_close(&d);
}
END_TEST

START_TEST(flags_without_interrupts)
{
	struct rdev d;

	rdev_open(&d, "cmos", "");
	wait(&d, 1 * MS);
	get(&d, 0x0c);
	ck_assert_uint_eq(get(&d, 0x0c), 0);
	wait(&d, 1 * MS);
	ck_assert_uint_eq(get(&d, 0x0c), 0x40);
	wait(&d, 1 * S);
	ck_assert_uint_eq(get(&d, 0x0c), 0x50);
	ck_assert_uint_eq(get(&d, 0x0c), 0);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	rdev_close(&d);
}
END_TEST

START_TEST(update_interrupt)
{
	struct rdev d;

	rdev_open(&d, "cmos", "");
	wait(&d, 100 * MS);
	get(&d, 0x0c);
	set(&d, 0x0b, 0x12);
	wait(&d, 899 * MS);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	wait(&d, 2 * MS);
	ck_assert_uint_eq(rdev_irqs(&d), 1);
	/* not again before it is acknowledged, and nothing runs meanwhile */
	wait(&d, 10 * S);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	ck_assert_uint_eq(get(&d, 0x0c), 0xd0);
	cv_loop_dispatch(d.loop);
	wait(&d, 1 * S);
	ck_assert_uint_eq(rdev_irqs(&d), 1);
	ck_assert_uint_eq(get(&d, 0x0c) & 0x90, 0x90);
	set(&d, 0x0b, 0x92); /* setting the clock ends it */
	ck_assert_uint_eq(get(&d, 0x0b), 0x82);
	set(&d, 0x0b, 0x02);
	wait(&d, 5 * S);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	rdev_close(&d);
}
END_TEST

START_TEST(periodic_interrupt)
{
	unsigned int n = 0;
	struct rdev d;

	rdev_open(&d, "cmos", "");
	set(&d, 0x0a, 0x2a); /* 64 Hz */
	set(&d, 0x0b, 0x42);
	for (unsigned int i = 0; i <= 4000; i++) {
		wait(&d, 250000);
		if (rdev_irqs(&d)) {
			n++;
			ck_assert_uint_eq(get(&d, 0x0c) & 0xc0, 0xc0);
			cv_loop_dispatch(d.loop);
		}
	}
	ck_assert_uint_eq(n, 64);
	set(&d, 0x0a, 0x20); /* off */
	get(&d, 0x0c);
	wait(&d, 10 * S);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	rdev_close(&d);
}
END_TEST

static void expect_alarm(struct rdev *d, uint8_t h, uint8_t m, uint8_t s, uint64_t after_s)
{
	get(d, 0x0c);
	set(d, 5, h);
	set(d, 3, m);
	set(d, 1, s);
	set(d, 0x0b, 0x22);
	rdev_irqs(d);
	wait(d, after_s * S - 1);
	ck_assert_uint_eq(rdev_irqs(d), 0);
	wait(d, 1);
	ck_assert_uint_eq(rdev_irqs(d), 1);
	ck_assert_uint_eq(get(d, 0x0c) & 0xa0, 0xa0);
	set(d, 0x0b, 0x02);
}

START_TEST(alarms)
{
	struct rdev d;

	rdev_open(&d, "cmos", "");
	expect_alarm(&d, 0x03, 0x04, 0x06, 1);	   /* 03:04:06 */
	expect_alarm(&d, 0x03, 0x04, 0x06, 86400); /* the same time tomorrow */
	expect_alarm(&d, 0xff, 0x05, 0x00, 54);	   /* 03:05:00 */
	expect_alarm(&d, 0xc0, 0xff, 0xff, 1);	   /* 03:05:01: any second */
	expect_alarm(&d, 0xff, 0xff, 0x01, 60);	   /* 03:06:01 */
	expect_alarm(&d, 0x02, 0x00, 0x00, 22 * 3600 + 53 * 60 + 59);
	/* a flag of the past is not lost while the interrupt is off */
	wait(&d, 86400 * S);
	ck_assert_uint_eq(get(&d, 0x0c) & 0xa0, 0x20);
	rdev_close(&d);
}
END_TEST

START_TEST(impossible_alarm)
{
	struct rdev d;

	rdev_open(&d, "cmos", "");
	set(&d, 5, 0xff);
	set(&d, 3, 0xff);
	set(&d, 1, 0x7f);
	set(&d, 0x0b, 0x22);
	wait(&d, 3 * 86400 * S);
	ck_assert_uint_eq(rdev_irqs(&d), 0);
	ck_assert_uint_eq(get(&d, 0x0c) & 0x20, 0);
	rdev_close(&d);
}
END_TEST

START_TEST(memory)
{
	struct rdev d;

	rdev_open(&d, "cmos", "mem_below_4g=3328M,mem_above_4g=5G,cpus=64");
	ck_assert_uint_eq(get(&d, 0x5f), 63);
	ck_assert_uint_eq(get(&d, 0x15) | get(&d, 0x16) << 8, 640);
	ck_assert_uint_eq(get(&d, 0x17) | get(&d, 0x18) << 8, 0xffff);
	ck_assert_uint_eq(get(&d, 0x30) | get(&d, 0x31) << 8, 0xffff);
	ck_assert_uint_eq(get(&d, 0x34) | get(&d, 0x35) << 8, 0xcf00);
	ck_assert_uint_eq(get(&d, 0x5b) | get(&d, 0x5c) << 8 | get(&d, 0x5d) << 16, 5 << 14);
	rdev_close(&d);
	rdev_open(&d, "cmos", "mem_below_4g=17M");
	ck_assert_uint_eq(get(&d, 0x5f), 0);
	ck_assert_uint_eq(get(&d, 0x17) | get(&d, 0x18) << 8, 16 << 10);
	ck_assert_uint_eq(get(&d, 0x34) | get(&d, 0x35) << 8, 16);
	ck_assert_uint_eq(get(&d, 0x5b), 0);
	/* the rest is memory, also under the NMI bit, and outlives a reset */
	set(&d, 0x8f, 0x5a);
	ck_assert_uint_eq(get(&d, 0x0f), 0x5a);
	set(&d, 0x7f, 0xa5);
	cv_rslot_local_reset(d.slot);
	ck_assert_uint_eq(get(&d, 0xff), 0xa5);
	ck_assert_uint_eq(rdev_read(&d, 0, 1), 0xff);
	rdev_close(&d);
}
END_TEST

START_TEST(garbage)
{
	struct rdev d;

	rdev_open(&d, "cmos", "mem_below_4g=1G");
	for (uint32_t seed = 1; seed < 30; seed++) {
		rdev_garbage(&d, seed, 3000);
		/* the whole time and control registers at random, too */
		for (unsigned int i = 0; i < 300; i++) {
			set(&d, (uint8_t)((seed * 7 + i * 5) % 15), (uint8_t)(seed * i * 37 + i));
			if (i % 16 == 0)
				set(&d, 0x32, (uint8_t)(seed * i));
			if (i % 32 == 0)
				wait(&d, (uint64_t)seed * i * 7777777);
			get(&d, (uint8_t)(i % 15));
		}
	}
	rdev_close(&d);
}
END_TEST

CHECK_MAIN("cmos", tells_the_hosts_time, binary_and_twelve_hours, is_set_and_goes_on,
	   update_in_progress, flags_without_interrupts, update_interrupt, periodic_interrupt,
	   alarms, impossible_alarm, memory, garbage)
