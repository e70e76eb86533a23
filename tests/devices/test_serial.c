/* SPDX-License-Identifier: BSD-3-Clause */
/* The serial port as the drivers of Linux and simple guests use it: here, across the process
 * boundary, and in a process. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/rdev.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };
#define FCR IIR

#define R(reg, v)             \
	{                     \
		RD, reg, 1, v \
	}
#define W(reg, v)             \
	{                     \
		WR, reg, 1, v \
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
	rdev_open_at(&p->d, "serial", text, (enum rdev_where)where);
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
	R(DATA, 0),   R(IER, 0),    R(IIR, 0x01), R(LCR, 0x03), R(MCR, 0x08),
	R(LSR, 0x60), R(MSR, 0xb0), R(SCR, 0),	  W(LCR, 0x80), R(DATA, 12),
	R(IER, 0),    W(LCR, 0x03), EDGES(0),
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
		W(SCR, 0x5a),
		R(SCR, 0x5a),
		W(IER, 0xf0),
		R(IER, 0x00),
		W(LCR, 0x9f),
		R(LCR, 0x9f),
		W(DATA, 0x34),
		W(IER, 0x12),
		R(DATA, 0x34),
		R(IER, 0x12),
		W(LCR, 0x13),
		R(IER, 0x00),
		W(LSR, 0xff),
		R(LSR, 0x60),
		W(MSR, 0xff),
		R(MSR, 0xb0),
		W(MCR, 0xff),
		R(MCR, 0x1f),
		/* a word access is two byte accesses: LCR and MCR */
		{ WR, LCR, 2, 0x0103 },
		{ RD, LCR, 2, 0x0103 },
		R(LCR, 0x03),
		R(MCR, 0x01),
	};
	struct port p;

	open_port(&p, _i);
	REPLAY(&p.d, rows);
	close_port(&p);
}
END_TEST

/* What Linux' autoconfig() finds out. */
START_TEST(is_a_16550a)
{
	static const struct rdev_row rows[] = {
		W(IER, 0x00), R(IER, 0x00), W(IER, 0x0f), R(IER, 0x0f), W(IER, 0),    EDGES(1),
		W(MCR, 0x1a), R(MSR, 0x92), R(MSR, 0x90), W(MCR, 0x08), W(FCR, 0x01), R(IIR, 0xc1),
		W(LCR, 0x80), R(IIR, 0xc1), W(LCR, 0xbf), R(IIR, 0xc1), W(LCR, 0x00), W(FCR, 0x21),
		R(IIR, 0xc1), W(FCR, 0x00), R(IIR, 0x01),
	};
	struct port p;

	open_port(&p, _i);
	REPLAY(&p.d, rows);
	close_port(&p);
}
END_TEST

START_TEST(transmits)
{
	static const struct rdev_row rows[] = {
		W(DATA, 'a'),
		EDGES(0),
		R(LSR, 0x60),
		/* enabling tells at once that the register is empty; reading IIR takes it back */
		W(IER, 2),
		EDGES(1),
		LEVEL(1),
		R(IIR, 0x02),
		LEVEL(0),
		R(IIR, 0x01),
		/* each byte gives a new edge */
		W(DATA, 'b'),
		EDGES(1),
		W(DATA, 'c'),
		EDGES(1),
		R(IIR, 0x02),
		R(IIR, 0x01),
		/* off and on again, as Linux tests for a bug */
		W(IER, 0),
		W(IER, 2),
		EDGES(1),
		R(IIR, 0x02),
		W(IER, 2),
		EDGES(0),
		W(IER, 0),
	};
	struct port p;

	open_port(&p, _i);
	REPLAY(&p.d, rows);
	expect_out(&p, "abc");
	close_port(&p);
}
END_TEST

START_TEST(receives_with_fifo)
{
	static const struct rdev_row before[] = { W(FCR, 0x87), W(IER, 1) };
	static const struct rdev_row few[] = {
		EDGES(1),     R(IIR, 0xcc), R(LSR, 0x61), R(DATA, 'h'), R(DATA, 'i'),
		R(LSR, 0x60), R(IIR, 0xc1), LEVEL(0),	  R(DATA, 0),
	};
	static const struct rdev_row many[] = { EDGES(1), R(IIR, 0xc4), R(DATA, '0'),
						R(DATA, '1') };
	struct port p;

	open_port(&p, _i);
	feed(&p, "hi"); /* kept until the driver is there, even across a clear of the FIFO */
	REPLAY(&p.d, before);
	rdev_dispatch(&p.d);
	REPLAY(&p.d, few);
	feed(&p, "0123456789abcdefghijklmn");
	REPLAY(&p.d, many);
	for (const char *c = "23456789abcdefghijklmn"; *c; c++) {
		rdev_dispatch(&p.d);
		ck_assert_uint_eq(rdev_read(&p.d, LSR, 1), 0x61);
		ck_assert_uint_eq(rdev_read(&p.d, DATA, 1), (uint8_t)*c);
	}
	ck_assert_uint_eq(rdev_read(&p.d, LSR, 1), 0x60); /* no overrun */
	close_port(&p);
}
END_TEST

START_TEST(receives_without_fifo)
{
	struct port p;

	open_port(&p, _i);
	rdev_write(&p.d, IER, 1, 1);
	feed(&p, "xyz");
	for (const char *c = "xyz"; *c; c++) {
		rdev_dispatch(&p.d);
		ck_assert_uint_eq(rdev_irqs(&p.d), 1);
		ck_assert_uint_eq(rdev_read(&p.d, IIR, 1), 0x04);
		ck_assert_uint_eq(rdev_read(&p.d, DATA, 1), (uint8_t)*c);
		/* across, its loop may have fetched the next one already */
		if (_i == RDEV_HERE)
			ck_assert_uint_eq(rdev_read(&p.d, IIR, 1), 0x01);
	}
	close_port(&p);
}
END_TEST

/* A boot loader that knows no interrupts; and a console that only writes loses no input. */
START_TEST(receives_by_polling)
{
	unsigned int polls = 0;
	struct port p;

	open_port(&p, _i);
	feed(&p, "q");
	for (unsigned int i = 0; i < 100; i++) {
		ck_assert_uint_eq(rdev_read(&p.d, LSR, 1), 0x60);
		rdev_write(&p.d, DATA, 1, '.');
		rdev_dispatch(&p.d);
	}
	while (rdev_read(&p.d, LSR, 1) == 0x60 && polls++ < 100)
		rdev_dispatch(&p.d);
	ck_assert_uint_le(polls, 10);
	ck_assert_uint_eq(rdev_read(&p.d, DATA, 1), 'q');
	close_port(&p);
}
END_TEST

START_TEST(loopback)
{
	static const struct rdev_row rows[] = {
		W(MCR, 0x10), R(MSR, 0x0b), R(MSR, 0x00), W(IER, 0x08), EDGES(0),     W(MCR, 0x14),
		R(IIR, 0x01), R(MSR, 0x40), /* ring rises: no delta */
		W(MCR, 0x10), EDGES(1),	    R(IIR, 0x00), R(MSR, 0x04), R(MSR, 0x00), LEVEL(0),
		W(MCR, 0x1f), EDGES(1),	    R(MSR, 0xfb), W(IER, 0x04), W(FCR, 0x01), W(DATA, 1),
		W(DATA, 2),   R(LSR, 0x61), R(DATA, 1),	  R(DATA, 2),	R(LSR, 0x60), EDGES(0),
	};
	static const struct rdev_row overrun[] = {
		EDGES(1),     R(IIR, 0xc6), R(LSR, 0x63), R(IIR, 0xc1),
		R(LSR, 0x61), W(FCR, 0x03), R(LSR, 0x60),
	};
	struct port p;
	char byte;

	open_port(&p, _i);
	REPLAY(&p.d, rows);
	for (uint8_t i = 0; i < 17; i++)
		rdev_write(&p.d, DATA, 1, i);
	REPLAY(&p.d, overrun);
	ck_assert_int_eq(read(p.out, &byte, 1), -1);
	close_port(&p);
}
END_TEST

START_TEST(priorities)
{
	static const struct rdev_row rows[] = {
		W(MCR, 0x10), W(IER, 0x0f), W(DATA, 7), W(DATA, 8),   R(IIR, 0x06),
		R(LSR, 0x63), R(IIR, 0x04), R(DATA, 7), R(IIR, 0x02), R(IIR, 0x00),
		R(MSR, 0x0b), R(IIR, 0x01), LEVEL(0),
	};
	struct port p;

	open_port(&p, _i);
	REPLAY(&p.d, rows);
	close_port(&p);
}
END_TEST

/* The host does not read: THRE goes, a driver that heeds it loses nothing, and goes on later. */
START_TEST(slow_output)
{
	size_t sent = 0, seen = 0;
	uint8_t buf[4096], next = 0;
	struct port p;
	ssize_t n;

	open_port(&p, _i);
	rdev_write(&p.d, FCR, 1, 0x81);
	rdev_write(&p.d, IER, 1, 2);
	while (rdev_read(&p.d, LSR, 1) & 0x20)
		for (unsigned int i = 0; i < 16; i++)
			rdev_write(&p.d, DATA, 1, (uint8_t)sent++);
	ck_assert_uint_gt(sent, 4096);
	rdev_dispatch(&p.d);
	rdev_irqs(&p.d);
	ck_assert_uint_eq(rdev_read(&p.d, LSR, 1), 0);
	ck_assert_uint_eq(rdev_read(&p.d, IIR, 1), 0xc1);
	while (seen < sent) {
		n = read(p.out, buf, sizeof(buf));
		for (ssize_t i = 0; i < n; i++)
			ck_assert_uint_eq(buf[i], next++);
		seen += n > 0 ? (size_t)n : 0;
		rdev_dispatch(&p.d);
	}
	ck_assert_uint_eq(rdev_irqs(&p.d), 1);
	ck_assert_uint_eq(rdev_read(&p.d, IIR, 1), 0xc2);
	ck_assert_uint_eq(rdev_read(&p.d, LSR, 1), 0x60);
	close_port(&p);
}
END_TEST

static const struct {
	unsigned int reg;
	uint8_t val;
} constants[] = { { LCR, 0x03 }, { MCR, 0x08 }, { LSR, 0x60 }, { MSR, 0xb0 } };

struct reader {
	struct port *p;
	pthread_t thread;
	size_t i; /* of constants */
	unsigned int n_wrong;
};

static void *read_constant(void *arg)
{
	struct reader *r = arg;

	for (unsigned int n = 0; n < 500; n++) {
		rdev_write(&r->p->d, SCR, 1, n);
		r->n_wrong += rdev_read(&r->p->d, constants[r->i].reg, 1) != constants[r->i].val;
	}
	return NULL;
}

/* Everyone gets the answer to his own question. */
START_TEST(many_vcpus)
{
	struct reader readers[CV_LEN(constants)];
	struct port p;

	open_port(&p, _i);
	for (size_t i = 0; i < CV_LEN(readers); i++) {
		readers[i] = (struct reader){ .p = &p, .i = i };
		ck_assert_int_eq(
			pthread_create(&readers[i].thread, NULL, read_constant, &readers[i]), 0);
	}
	for (size_t i = 0; i < CV_LEN(readers); i++) {
		ck_assert_int_eq(pthread_join(readers[i].thread, NULL), 0);
		ck_assert_uint_eq(readers[i].n_wrong, 0);
	}
	ck_assert_uint_eq(rdev_read(&p.d, SCR, 1), 499 & 0xff);
	close_port(&p);
}
END_TEST

START_TEST(sink)
{
	struct rdev d;

	rdev_open_at(&d, "serial", "num=4", (enum rdev_where)_i);
	for (unsigned int i = 0; i < (_i == RDEV_CHILD ? 20000u : 100000u); i++)
		rdev_write(&d, DATA, 1, i);
	ck_assert_uint_eq(rdev_read(&d, LSR, 1), 0x60);
	rdev_close(&d);
}
END_TEST

START_TEST(garbage)
{
	struct port p;
	char buf[4096];

	open_port(&p, _i);
	for (uint32_t seed = 1; seed < 20; seed++) {
		ck_assert_int_gt(write(p.in, buf, 100), 0);
		rdev_garbage(&p.d, seed, 2000);
		while (read(p.out, buf, sizeof(buf)) > 0)
			;
	}
	close_port(&p);
}
END_TEST

CHECK_MAIN_RDEV("serial", registers_after_reset, plain_registers, is_a_16550a, transmits,
		receives_with_fifo, receives_without_fifo, receives_by_polling, loopback,
		priorities, slow_output, many_vcpus, sink, garbage)
