/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus: lookup, splitting, holes, and removal while vCPUs are inside. */
#include "core/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "support/check_main.h"

/* A slot that remembers its last access; reads give the offset plus a tag. */
struct probe {
	struct cv_rslot slot;
	uint64_t tag, off, val;
	unsigned int len, n_reads, n_writes;
	atomic_bool enter, leave; /* a read waits between the two, if told to */
	bool hold;
};

static struct probe *probe_of(struct cv_rslot *slot)
{
	return cv_container_of(slot, struct probe, slot);
}

static uint64_t probe_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	struct probe *p = probe_of(slot);

	p->off = off;
	p->len = len;
	p->n_reads++;
	if (p->hold) {
		p->enter = true;
		while (!p->leave)
			usleep(100);
	}
	return p->tag + off;
}

static void probe_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	struct probe *p = probe_of(slot);

	p->off = off;
	p->len = len;
	p->val = val;
	p->n_writes++;
}

static const struct cv_rslot_ops probe_ops = { .read = probe_read, .write = probe_write };

static struct probe make_probe(uint64_t span, uint64_t tag)
{
	return (struct probe){ .slot = { .ops = &probe_ops, .span = span }, .tag = tag };
}

static struct cv_bus *new_bus(void)
{
	struct cv_bus *bus;

	ck_assert_int_eq(cv_bus_create(&bus, "test", NULL), 0);
	return bus;
}

START_TEST(unclaimed_reads_ones)
{
	struct cv_bus *bus = new_bus();

	ck_assert_uint_eq(cv_bus_read(bus, 0x80, 1), 0xff);
	ck_assert_uint_eq(cv_bus_read(bus, 0x80, 2), 0xffff);
	ck_assert_uint_eq(cv_bus_read(bus, 0x80, 4), 0xffffffff);
	ck_assert_uint_eq(cv_bus_read(bus, UINT64_MAX, 8), UINT64_MAX);
	cv_bus_write(bus, UINT64_MAX, 8, 1);
	ck_assert_uint_eq(cv_bus_read(bus, 0, 3), 0xffffff);
	cv_bus_destroy(bus);
}
END_TEST

START_TEST(reaches_the_right_slot)
{
	struct cv_bus *bus = new_bus();
	struct probe p[40];

	/* added from both ends towards the middle, so that insertion sorts */
	for (unsigned int i = 0; i < 40; i++) {
		unsigned int at = i % 2 ? 39 - i / 2 : i / 2;

		p[at] = make_probe(8, 0x10 * at);
		ck_assert_int_eq(cv_bus_add(bus, 0x1000 + 16 * at, 8, &p[at].slot, 0, NULL), 0);
	}
	for (unsigned int i = 0; i < 40; i++) {
		ck_assert_uint_eq(cv_bus_read(bus, 0x1000 + 16 * i + 4, 4), 0x10 * i + 4);
		ck_assert_uint_eq(p[i].n_reads, 1);
		ck_assert_uint_eq(cv_bus_read(bus, 0x1000 + 16 * i + 8, 4), 0xffffffff);
	}
	cv_bus_write(bus, 0x1000 + 16 * 7 + 2, 2, 0x12345678);
	ck_assert_uint_eq(p[7].off, 2);
	ck_assert_uint_eq(p[7].len, 2);
	ck_assert_uint_eq(p[7].val, 0x5678);
	cv_bus_destroy(bus);
}
END_TEST

START_TEST(slot_offset)
{
	struct cv_bus *bus = new_bus();
	struct probe p = make_probe(0x100, 0);

	ck_assert_int_eq(cv_bus_add(bus, 0x60, 1, &p.slot, 0x10, NULL), 0);
	ck_assert_int_eq(cv_bus_add(bus, 0x64, 1, &p.slot, 0xff, NULL), 0);
	ck_assert_uint_eq(cv_bus_read(bus, 0x60, 1), 0x10);
	ck_assert_uint_eq(cv_bus_read(bus, 0x64, 1), 0xff);
	ck_assert_uint_eq(cv_bus_read(bus, 0x61, 1), 0xff);
	ck_assert_uint_eq(p.n_reads, 2);
	cv_bus_destroy(bus);
}
END_TEST

START_TEST(crossing_accesses_are_split)
{
	struct cv_bus *bus = new_bus();
	struct probe a = make_probe(4, 0xa0), b = make_probe(4, 0xb0);

	ck_assert_int_eq(cv_bus_add(bus, 0x10, 4, &a.slot, 0, NULL), 0);
	ck_assert_int_eq(cv_bus_add(bus, 0x14, 4, &b.slot, 0, NULL), 0);
	ck_assert_uint_eq(cv_bus_read(bus, 0x12, 4), 0xb1b0a3a2);
	ck_assert_uint_eq(a.n_reads, 2);
	/* from a hole into an entry, and out at its end */
	ck_assert_uint_eq(cv_bus_read(bus, 0x0e, 4), 0xa1a0ffff);
	ck_assert_uint_eq(cv_bus_read(bus, 0x16, 4), 0xffffb3b2);
	cv_bus_write(bus, 0x13, 2, 0x2211);
	ck_assert_uint_eq(a.val, 0x11);
	ck_assert_uint_eq(b.val, 0x22);
	ck_assert_uint_eq(b.len, 1);
	/* lengths that no slot takes are bytes too */
	ck_assert_uint_eq(cv_bus_read(bus, 0x10, 3), 0xa2a1a0);
	ck_assert_uint_eq(a.len, 1);
	cv_bus_destroy(bus);
}
END_TEST

START_TEST(bad_ranges)
{
	struct cv_bus *bus = new_bus();
	struct probe p = make_probe(16, 0);
	struct vm_error e = { 0 };

	ck_assert_int_eq(cv_bus_add(bus, 0x100, 16, &p.slot, 0, NULL), 0);
	ck_assert_int_eq(cv_bus_add(bus, 0x10f, 1, &p.slot, 0, &e), -EEXIST);
	ck_assert_ptr_nonnull(strstr(e.text, "test bus"));
	ck_assert_int_eq(cv_bus_add(bus, 0xf8, 9, &p.slot, 0, NULL), -EEXIST);
	ck_assert_int_eq(cv_bus_add(bus, 0x104, 2, &p.slot, 0, NULL), -EEXIST);
	ck_assert_int_eq(cv_bus_add(bus, 0x200, 0, &p.slot, 0, NULL), -EINVAL);
	ck_assert_int_eq(cv_bus_add(bus, 0x200, 17, &p.slot, 0, NULL), -EINVAL);
	ck_assert_int_eq(cv_bus_add(bus, 0x200, 1, &p.slot, 16, NULL), -EINVAL);
	ck_assert_int_eq(cv_bus_add(bus, 0x200, 2, &p.slot, UINT64_MAX, NULL), -EINVAL);
	ck_assert_int_eq(cv_bus_add(bus, UINT64_MAX - 3, 5, &p.slot, 0, NULL), -EINVAL);
	ck_assert_int_eq(cv_bus_add(bus, UINT64_MAX - 3, 4, &p.slot, 0, NULL), 0);
	ck_assert_uint_eq(cv_bus_read(bus, UINT64_MAX, 1), 3);
	ck_assert_int_eq(cv_bus_add(bus, 0xff, 1, &p.slot, 0, NULL), 0);
	ck_assert_int_eq(cv_bus_add(bus, 0x110, 1, &p.slot, 0, NULL), 0);
	cv_bus_destroy(bus);
}
END_TEST

START_TEST(removal)
{
	struct cv_bus *bus = new_bus();
	struct probe p = make_probe(16, 0);

	ck_assert_int_eq(cv_bus_add(bus, 0x100, 16, &p.slot, 0, NULL), 0);
	cv_bus_remove(bus, 0x101);
	ck_assert_uint_eq(cv_bus_read(bus, 0x101, 1), 1);
	cv_bus_remove(bus, 0x100);
	cv_bus_remove(bus, 0x100);
	ck_assert_uint_eq(cv_bus_read(bus, 0x101, 1), 0xff);
	cv_bus_drain(bus, &p.slot);
	ck_assert_int_eq(cv_bus_add(bus, 0x108, 8, &p.slot, 8, NULL), 0);
	ck_assert_uint_eq(cv_bus_read(bus, 0x109, 1), 9);
	cv_bus_destroy(bus);
	cv_bus_destroy(NULL);
}
END_TEST

struct visitor {
	struct cv_bus *bus;
	atomic_bool stop, drained;
	struct probe *p;
};

static void *visit_once(void *arg)
{
	struct visitor *v = arg;

	ck_assert_uint_eq(cv_bus_read(v->bus, 0x100, 1), 0);
	return NULL;
}

static void *drain(void *arg)
{
	struct visitor *v = arg;

	cv_bus_drain(v->bus, &v->p->slot);
	v->drained = true;
	return NULL;
}

START_TEST(drain_waits_for_the_visitor)
{
	struct probe p = make_probe(1, 0);
	struct visitor v = { .bus = new_bus(), .p = &p };
	pthread_t inside, waiting;

	p.hold = true;
	ck_assert_int_eq(cv_bus_add(v.bus, 0x100, 1, &p.slot, 0, NULL), 0);
	pthread_create(&inside, NULL, visit_once, &v);
	while (!p.enter)
		usleep(100);
	cv_bus_remove(v.bus, 0x100); /* returns with the visitor inside */
	ck_assert_uint_eq(cv_bus_read(v.bus, 0x100, 1), 0xff);
	pthread_create(&waiting, NULL, drain, &v);
	usleep(20000);
	ck_assert(!v.drained);
	p.leave = true;
	pthread_join(inside, NULL);
	pthread_join(waiting, NULL);
	ck_assert(v.drained);
	cv_bus_destroy(v.bus);
}
END_TEST

/* Two vCPUs are inside at a time: no counters. */
static uint64_t plain_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	return slot->span + off + len;
}

static void plain_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	ck_assert_uint_le(off + len + val, slot->span + 2);
}

static const struct cv_rslot_ops plain_ops = { .read = plain_read, .write = plain_write };

static void *visit(void *arg)
{
	struct visitor *v = arg;

	while (!v->stop) {
		cv_bus_read(v->bus, 0x100, 4);
		cv_bus_write(v->bus, 0x102, 4, 1);
	}
	return NULL;
}

/* For the thread sanitizer: entries come and go under two busy vCPUs; each slot is freed after
 * its drain. */
START_TEST(removal_under_load)
{
	struct visitor v = { .bus = new_bus() };
	pthread_t t[2];

	for (size_t i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, visit, &v);
	for (unsigned int i = 0; i < 300; i++) {
		struct cv_rslot *slot = malloc(sizeof(*slot));

		*slot = (struct cv_rslot){ .ops = &plain_ops, .span = 4 };
		ck_assert_int_eq(cv_bus_add(v.bus, 0x100, 4, slot, 0, NULL), 0);
		if (i % 8 == 0)
			usleep(200);
		cv_bus_remove(v.bus, 0x100);
		cv_bus_drain(v.bus, slot);
		free(slot);
	}
	v.stop = true;
	for (size_t i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	cv_bus_destroy(v.bus);
}
END_TEST

CHECK_MAIN("bus", unclaimed_reads_ones, reaches_the_right_slot, slot_offset,
	   crossing_accesses_are_split, bad_ranges, removal, drain_waits_for_the_visitor,
	   removal_under_load)
