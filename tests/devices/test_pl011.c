/* SPDX-License-Identifier: BSD-3-Clause */
/* Arm's PL011 as the drivers of Linux and EDK II use it: here, across the process boundary, and in
 * a process. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/rdev.h"

enum {
	DR = 0x00,
	RSR = 0x04,
	FR = 0x18,
	ILPR = 0x20,
	IBRD = 0x24,
	FBRD = 0x28,
	LCR = 0x2c,
	CR = 0x30,
	IFLS = 0x34,
	IMSC = 0x38,
	RIS = 0x3c,
	MIS = 0x40,
	ICR = 0x44,
	DMACR = 0x48,
};

#define R(reg, v)             \
	{                     \
		RD, reg, 4, v \
	}
#define W(reg, v)             \
	{                     \
		WR, reg, 4, v \
	}
#define EDGES(n)             \
	{                    \
		IRQ, 0, 0, n \
	}
#define LEVEL(n)              \
	{                     \
		LINE, 0, 0, n \
	}

struct port {
	struct rdev d;
	int in, out; /* the other ends */
};

static void open_port(struct port *p, int where)
{
	int in[2], out[2];
	char text[128];

	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(pipe2(out, O_NONBLOCK), 0);
	snprintf(text, sizeof(text), "in=/proc/self/fd/%d,out=/proc/self/fd/%d", in[0], out[1]);
	rdev_open_at(&p->d, "pl011", text, (enum rdev_where)where);
	close(in[0]);
	close(out[1]);
	p->in = in[1];
	p->out = out[0];
}

static void close_port(struct port *p)
{
	rdev_close(&p->d);
	close(p->in);
	close(p->out);
}

static void feed(struct port *p, const char *text)
{
	ck_assert_int_eq(write(p->in, text, strlen(text)), (ssize_t)strlen(text));
	rdev_dispatch(&p->d);
}

static void expect_out(struct port *p, const char *text)
{
	char buf[256] = "";

	rdev_dispatch(&p->d);
	ck_assert_int_eq(read(p->out, buf, sizeof(buf) - 1), (ssize_t)strlen(text));
	ck_assert_str_eq(buf, text);
}

static const struct rdev_row after_reset[] = {
	R(DR, 0),  R(RSR, 0),	 R(FR, 0x97),	R(ILPR, 0), R(IBRD, 0), R(FBRD, 0),
	R(LCR, 0), R(CR, 0x300), R(IFLS, 0x12), R(IMSC, 0), R(RIS, 0),	R(MIS, 0),
	R(ICR, 0), R(DMACR, 0),	 R(0x08, 0),	R(0x1c, 0), R(0x4c, 0), EDGES(0),
};

START_TEST(registers_after_reset)
{
	struct port p;

	open_port(&p, _i);
	REPLAY(&p.d, after_reset);
	rdev_garbage(&p.d, 4711, 3000);
	rdev_reset(&p.d);
	rdev_irqs(&p.d);
	REPLAY(&p.d, after_reset);
	close_port(&p);
}
END_TEST

START_TEST(plain_registers)
{
	static const struct rdev_row rows[] = {
		W(ILPR, 0x1ff),
		R(ILPR, 0xff),
		W(IBRD, 0x1abcd),
		R(IBRD, 0xabcd),
		W(FBRD, 0xff),
		R(FBRD, 0x3f),
		W(LCR, 0x170),
		R(LCR, 0x70),
		W(CR, 0xffff),
		R(CR, 0xff87),
		W(CR, 0x301),
		R(CR, 0x301),
		W(IFLS, 0xff),
		R(IFLS, 0x3f),
		W(IMSC, 0xffff),
		R(IMSC, 0x7ff),
		W(IMSC, 0),
		W(DMACR, 0xff),
		R(DMACR, 0x07),
		/* read-only */
		W(FR, 0),
		R(FR, 0x97),
		W(RIS, 0x7ff),
		W(MIS, 0x7ff),
		/* by halfwords, as Linux does, and by bytes; into the middle of one nothing goes */
		{ WR, LCR, 2, 0x60 },
		{ RD, LCR, 2, 0x60 },
		{ WR, IBRD, 2, 0x1234 },
		{ RD, IBRD, 1, 0x34 },
		{ RD, IBRD + 1, 1, 0x12 },
		{ WR, IBRD + 1, 1, 0xff },
		{ RD, IBRD, 4, 0x1234 },
		{ RD, IBRD, 8, 0x1234 | 0x3full << 32 },
	};
	static const uint8_t ids[] = { 0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
	struct port p;

	open_port(&p, _i);
	REPLAY(&p.d, rows);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_uint_eq(rdev_read(&p.d, 0xfe0 + 4 * i, 4), ids[i]);
	close_port(&p);
}
END_TEST

/* The port need not be enabled. The transmitter's interrupt is that the FIFO has drained. */
START_TEST(transmits)
{
	static const struct rdev_row rows[] = {
		{ WR, DR, 1, 'a' }, EDGES(0),	  R(FR, 0x97),	R(RIS, 0x20), W(IMSC, 0x20),
		EDGES(1),	    LEVEL(1),	  R(MIS, 0x20), W(ICR, 0x20), LEVEL(0),
		{ WR, DR, 2, 'b' }, LEVEL(1),	  W(DR, 'c'),	LEVEL(1),     W(IMSC, 0),
		LEVEL(0),	    R(RIS, 0x20), R(MIS, 0),
	};
	struct port p;

	open_port(&p, _i);
	REPLAY(&p.d, rows);
	expect_out(&p, "abc");
	close_port(&p);
}
END_TEST

/* Linux' pl011_startup(): clears, empties the FIFO, enables. */
START_TEST(receives_with_fifo)
{
	static const struct rdev_row before[] = {
		W(LCR, 0x70), W(IFLS, 0x12), W(ICR, 0x7f0), W(CR, 0xb01),
		W(ICR, 0x50), R(FR, 0x97),   W(IMSC, 0x50),
	};
	static const struct rdev_row few[] = {
		EDGES(1),   R(MIS, 0x40), R(FR, 0x87), R(DR, 'h'), R(MIS, 0x40),
		R(DR, 'i'), R(FR, 0x97),  R(RIS, 0),   LEVEL(0),   R(DR, 0),
	};
	static const struct rdev_row many[] = { EDGES(1), R(MIS, 0x50), R(FR, 0xc7) };
	struct port p;

	open_port(&p, _i);
	feed(&p, "hi"); /* kept until the driver is there, even across its emptying the FIFO */
	REPLAY(&p.d, before);
	rdev_dispatch(&p.d);
	REPLAY(&p.d, few);
	feed(&p, "0123456789abcdefghijklmnopqrstuvwxyz");
	REPLAY(&p.d, many);
	for (unsigned int i = 0; i < 32; i++) {
		/* the level's interrupt ends below half of the FIFO */
		ck_assert_uint_eq(rdev_read(&p.d, MIS, 4), 32 - i >= 16 ? 0x50 : 0x40);
		ck_assert_uint_eq(rdev_read(&p.d, DR, 4),
				  (uint8_t) "0123456789abcdefghijklmnopqrstuv"[i]);
	}
	rdev_dispatch(&p.d);
	for (const char *c = "wxyz"; *c; c++) {
		ck_assert_uint_eq(rdev_read(&p.d, MIS, 4), 0x40);
		ck_assert_uint_eq(rdev_read(&p.d, DR, 1), (uint8_t)*c);
	}
	ck_assert_uint_eq(rdev_read(&p.d, FR, 4), 0x97);
	ck_assert_uint_eq(rdev_read(&p.d, RSR, 4), 0); /* no overrun */
	close_port(&p);
}
END_TEST

START_TEST(trigger_levels)
{
	static const uint8_t levels[] = { 4, 8, 16, 24, 28, 28, 28, 28 };
	struct port p;

	open_port(&p, _i);
	rdev_write(&p.d, CR, 4, 0x381); /* loopback */
	for (unsigned int i = 0; i < CV_LEN(levels); i++) {
		rdev_write(&p.d, LCR, 4, 0x00);
		rdev_write(&p.d, LCR, 4, 0x70); /* switching them empties the FIFOs */
		rdev_write(&p.d, IFLS, 4, i << 3);
		for (unsigned int n = 1; n <= 32; n++) {
			rdev_write(&p.d, DR, 4, n);
			ck_assert_uint_eq(rdev_read(&p.d, RIS, 4) & 0x50,
					  n >= levels[i] ? 0x50 : 0x40);
		}
		/* a cleared one comes with the next character, not by itself */
		rdev_write(&p.d, ICR, 4, 0x50);
		ck_assert_uint_eq(rdev_read(&p.d, RIS, 4) & 0x50, 0);
		rdev_read(&p.d, DR, 4);
		ck_assert_uint_eq(rdev_read(&p.d, RIS, 4) & 0x50, 0);
		rdev_write(&p.d, DR, 4, 1);
		ck_assert_uint_eq(rdev_read(&p.d, RIS, 4) & 0x50, 0x50);
	}
	close_port(&p);
}
END_TEST

/* A BSA driver that knows no line control: one character at a time. */
START_TEST(receives_without_fifo)
{
	struct port p;

	open_port(&p, _i);
	rdev_write(&p.d, IMSC, 4, 0x50);
	feed(&p, "xyz");
	for (const char *c = "xyz"; *c; c++) {
		rdev_dispatch(&p.d);
		ck_assert_uint_eq(rdev_irqs(&p.d), 1);
		ck_assert_uint_eq(rdev_read(&p.d, MIS, 4), 0x50);
		ck_assert_uint_eq(rdev_read(&p.d, FR, 4), 0xc7);
		ck_assert_uint_eq(rdev_read(&p.d, DR, 4), (uint8_t)*c);
		/* across, its loop may have fetched the next one already */
		if (_i == RDEV_HERE)
			ck_assert_uint_eq(rdev_read(&p.d, MIS, 4), 0);
	}
	close_port(&p);
}
END_TEST

/* Firmware that knows no interrupts; and a console that only writes loses no input. */
START_TEST(receives_by_polling)
{
	unsigned int polls = 0;
	struct port p;

	open_port(&p, _i);
	feed(&p, "q");
	for (unsigned int i = 0; i < 100; i++) {
		ck_assert_uint_eq(rdev_read(&p.d, FR, 4), 0x97);
		rdev_write(&p.d, DR, 1, '.');
		rdev_dispatch(&p.d);
	}
	while (rdev_read(&p.d, FR, 4) == 0x97 && polls++ < 100)
		rdev_dispatch(&p.d);
	ck_assert_uint_le(polls, 10);
	ck_assert_uint_eq(rdev_read(&p.d, DR, 1), 'q');
	close_port(&p);
}
END_TEST

START_TEST(loopback)
{
	static const struct rdev_row lines[] = {
		W(CR, 0x380),  R(FR, 0x90),    R(RIS, 0x00e), W(ICR, 0x00f), R(RIS, 0),
		W(IMSC, 0x0f), W(CR, 0x0b80),  EDGES(1),      R(FR, 0x91),   R(MIS, 0x002),
		W(ICR, 0x002), W(CR, 0x0f80),  R(FR, 0x93),   R(MIS, 0x008), W(ICR, 0x008),
		W(CR, 0x1f80), R(FR, 0x97),    R(MIS, 0x004), W(ICR, 0x004), W(CR, 0x3f80),
		R(FR, 0x197),  R(MIS, 0x001),  W(ICR, 0x001), LEVEL(0),	     W(CR, 0x3380),
		R(MIS, 0x00a), W(CR, 0x3380),  R(MIS, 0x00a), W(ICR, 0x7ff), LEVEL(0),
		EDGES(4),      W(IMSC, 0x450),
	};
	static const struct rdev_row data[] = {
		W(DR, 1),  R(FR, 0x1c4),  R(DR, 1),	 LEVEL(0),     W(DR, 2),
		W(DR, 3),  R(MIS, 0x450), R(RSR, 8),	 R(DR, 2),     R(RSR, 8),
		W(RSR, 0), R(RSR, 0),	  W(DR, 4),	 R(DR, 0x804), W(DR, 5),
		R(DR, 5),  R(MIS, 0x400), W(ICR, 0x400), LEVEL(0),
	};
	struct port p;
	char byte;

	open_port(&p, _i);
	REPLAY(&p.d, lines);
	REPLAY(&p.d, data);
	/* the FIFO keeps what it has */
	rdev_write(&p.d, LCR, 4, 0x10);
	for (unsigned int i = 0; i < 40; i++)
		rdev_write(&p.d, DR, 4, i);
	for (unsigned int i = 0; i < 32; i++)
		ck_assert_uint_eq(rdev_read(&p.d, DR, 4), i);
	ck_assert_uint_eq(rdev_read(&p.d, DR, 4), 0);
	ck_assert_uint_eq(rdev_read(&p.d, RIS, 4) & 0x450, 0x400);
	ck_assert_int_eq(read(p.out, &byte, 1), -1);
	close_port(&p);
}
END_TEST

/* The host does not read: the FIFO is full, a driver that heeds it loses nothing, and goes on later. */
START_TEST(slow_output)
{
	size_t sent = 0, seen = 0;
	uint8_t buf[4096], next = 0;
	struct port p;
	ssize_t n;

	open_port(&p, _i);
	rdev_write(&p.d, LCR, 4, 0x70);
	rdev_write(&p.d, IMSC, 4, 0x20);
	while (!(rdev_read(&p.d, FR, 4) & 0x20))
		for (unsigned int i = 0; i < 16; i++)
			rdev_write(&p.d, DR, 1, (uint8_t)sent++);
	ck_assert_uint_gt(sent, 4096);
	rdev_dispatch(&p.d);
	rdev_irqs(&p.d);
	ck_assert_uint_eq(rdev_read(&p.d, FR, 4), 0x3f);
	ck_assert_uint_eq(rdev_read(&p.d, MIS, 4), 0);
	while (seen < sent) {
		n = read(p.out, buf, sizeof(buf));
		for (ssize_t i = 0; i < n; i++)
			ck_assert_uint_eq(buf[i], next++);
		seen += n > 0 ? (size_t)n : 0;
		rdev_dispatch(&p.d);
	}
	ck_assert_uint_eq(rdev_irqs(&p.d), 1);
	ck_assert_uint_eq(rdev_read(&p.d, MIS, 4), 0x20);
	ck_assert_uint_eq(rdev_read(&p.d, FR, 4), 0x97);
	close_port(&p);
}
END_TEST

START_TEST(sink)
{
	struct rdev d;

	rdev_open_at(&d, "pl011", "", (enum rdev_where)_i);
	for (unsigned int i = 0; i < (_i == RDEV_CHILD ? 20000u : 100000u); i++)
		rdev_write(&d, DR, 1, i);
	ck_assert_uint_eq(rdev_read(&d, FR, 4), 0x97);
	rdev_close(&d);
}
END_TEST

START_TEST(garbage)
{
	struct port p;
	char buf[4096];

	memset(buf, 'g', sizeof(buf));
	open_port(&p, _i);
	for (uint32_t seed = 1; seed < 20; seed++) {
		ck_assert_int_gt(write(p.in, buf, 100), 0);
		rdev_garbage(&p.d, seed, 500);
		for (uint32_t i = 0; i < 500; i++) {
			uint32_t val = (seed * 2654435761u + i) * 40503u;

			rdev_write(&p.d, val % 0x50, 1u << i % 3, val >> 8);
			rdev_read(&p.d, (val >> 16) % 0x50, 4);
			if (i % 64 == 0)
				rdev_dispatch(&p.d);
		}
		while (read(p.out, buf, sizeof(buf)) > 0)
			;
	}
	close_port(&p);
}
END_TEST

CHECK_MAIN_RDEV("pl011", registers_after_reset, plain_registers, transmits, receives_with_fifo,
		trigger_levels, receives_without_fifo, receives_by_polling, loopback, slow_output,
		sink, garbage)
