/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A register device on a hand-driven clock, replayed from tables of accesses;
 * here; across the process boundary: at the other end of a socket, in a thread;
 * or in a jailed process (child.h), which has a clock and a line of its own: time
 * only passes there, and what LINE says of the line's level is not looked at. Those
 * that ask the VM for something, or have no policy, are never there: acpi-pm, cfi-flash,
 * cmos, i8042, pl030, pl031, pl061, pvpanic, reset.
 */
#ifndef CV_TESTS_RDEV_H
#define CV_TESTS_RDEV_H

#include <stdatomic.h>

#include "child.h"
#include "core/irq.h"
#include "core/slot.h"
#include "sys/loop.h"

enum rdev_where { RDEV_HERE, RDEV_ACROSS, RDEV_CHILD, N_RDEV_WHERE };

struct rdev_across;

struct rdev {
	const struct cv_class *cls;
	struct cv_loop *loop; /* fake, but not with a child */
	struct cv_log log;
	struct cv_irq irq;
	struct cv_rslot_local *slot; /* here, else NULL */
	struct rdev_across *across;  /* across, else NULL */
	struct cv_rslot *child;	     /* in a process, else NULL */
	void *config;
	atomic_uint requests[8]; /* how often each enum cv_vm_request came */
};

/* What a row does. */
enum rdev_op {
	RD = 1, /* reads and compares */
	WR,	/* writes */
	IRQ,	/* the line has risen @val times since the last look */
	LINE,	/* the line's level is @val */
	WAIT,	/* sets the clock forward by @val ns */
};

struct rdev_row {
	enum rdev_op op;
	uint64_t off;
	unsigned int len;
	uint64_t val;
};

/* The class of that name with those options. Aborts on failure. */
void rdev_open(struct rdev *d, const char *name, const char *options);
void rdev_open_at(struct rdev *d, const char *name, const char *options, enum rdev_where where);
void rdev_close(struct rdev *d);

uint64_t rdev_read(struct rdev *d, uint64_t off, unsigned int len);
void rdev_write(struct rdev *d, uint64_t off, unsigned int len, uint64_t val);
void rdev_reset(struct rdev *d);
void *rdev_self(struct rdev *d); /* here only */

/* All that was written has arrived, and the device's loop has nothing more to do. */
void rdev_dispatch(struct rdev *d);
/* The same after @ns. */
void rdev_advance(struct rdev *d, uint64_t ns);

/* How often the interrupt was triggered since the last call. */
uint64_t rdev_irqs(struct rdev *d);

/* CHECK_MAIN_TIMES with _i for each enum rdev_where. */
#define CHECK_MAIN_RDEV(name, ...) CHECK_MAIN_AFTER(child_host(), N_RDEV_WHERE, name, __VA_ARGS__)

/* Aborts, naming the row, where one does not hold. */
void rdev_replay(struct rdev *d, const struct rdev_row *rows, size_t n_rows);
#define REPLAY(d, rows) rdev_replay(d, rows, sizeof(rows) / sizeof((rows)[0]))

/* @n accesses of random offsets, sizes and values, with time passing; the same for one @seed. */
void rdev_garbage(struct rdev *d, uint32_t seed, unsigned int n);

#endif
