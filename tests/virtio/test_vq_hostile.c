/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueues whose driver does not obey: broken once, nothing used, nothing touched. */
#include "pair.h"

#define SIZE 16

struct hostile {
	const char *name;
	void (*offer)(struct pair *p); /* at the pair's current position */
	int only;		       /* kind bits that must be set … */
	int never;		       /* … and must not */
};

static uint16_t at(const struct pair *p)
{
	return p->drv.packed ? p->drv.avail & 0x7fff : 5;
}

/* The entry after @i in the ring. */
static uint16_t after(const struct pair *p, unsigned int i)
{
	return (uint16_t)((at(p) + i) % SIZE);
}

static void offer_one(struct pair *p, uint64_t gpa, uint32_t len, unsigned int flags)
{
	drv_raw_desc(&p->drv, at(p), gpa, len, (uint16_t)flags, 3);
	drv_raw_offer(&p->drv, at(p));
}

/* Two descriptors in a row. */
static void offer_two(struct pair *p, const struct drv_buf *bufs, unsigned int second_flags)
{
	unsigned int bits = p->drv.packed ? drv_raw_avail_bits(&p->drv) : 0;

	drv_raw_desc(&p->drv, after(p, 1), bufs[1].gpa, bufs[1].len,
		     (uint16_t)(second_flags | bits | (bufs[1].write ? DRV_F_WRITE : 0)), 3);
	drv_raw_desc(&p->drv, at(p), bufs[0].gpa, bufs[0].len,
		     DRV_F_NEXT | (bufs[0].write ? DRV_F_WRITE : 0), after(p, 1));
	drv_raw_offer(&p->drv, at(p));
}

/* An indirect table of @n entries, each of the pair's data with @flags and next as given. */
static uint64_t table(struct pair *p, unsigned int n, unsigned int flags, int next_step)
{
	uint64_t t = guest_alloc(&p->g, 16ull * n, 16);

	for (unsigned int i = 0; i < n; i++)
		drv_raw_table(&p->drv, t, i, p->data, 8, (uint16_t)flags,
			      (uint16_t)((int)i + next_step));
	return t;
}

static void outside(struct pair *p)
{
	offer_one(p, GUEST_HOLE, 1, 0);
}

static void null_address(struct pair *p)
{
	offer_one(p, 0, 4096, DRV_F_WRITE);
}

static void end_outside(struct pair *p)
{
	offer_one(p, GUEST_HIGH + CV_PAGE_SIZE - 8, 9, DRV_F_WRITE);
}

static void wraps(struct pair *p)
{
	offer_one(p, UINT64_MAX - 10, 100, DRV_F_WRITE);
}

static void wraps_into_memory(struct pair *p)
{
	offer_one(p, UINT64_MAX - 0xfff, UINT32_MAX, 0);
}

static void zero_length(struct pair *p)
{
	offer_one(p, p->data, 0, 0);
}

static void zero_length_second(struct pair *p)
{
	offer_two(p, (struct drv_buf[]){ out(p, 0, 8), in(p, 8, 0) }, 0);
}

static void huge(struct pair *p)
{
	offer_one(p, GUEST_LOW, UINT32_MAX, 0);
}

static void readable_after_writable(struct pair *p)
{
	offer_two(p, (struct drv_buf[]){ in(p, 0, 8), out(p, 8, 8) }, 0);
}

static void head_out_of_range(struct pair *p)
{
	drv_raw_avail(&p->drv, p->drv.avail, SIZE);
	drv_raw_avail_idx(&p->drv, ++p->drv.avail);
}

static void head_far_out(struct pair *p)
{
	drv_raw_avail(&p->drv, p->drv.avail, 0xffff);
	drv_raw_avail_idx(&p->drv, ++p->drv.avail);
}

static void next_out_of_range(struct pair *p)
{
	drv_raw_desc(&p->drv, at(p), p->data, 8, DRV_F_NEXT, SIZE);
	drv_raw_offer(&p->drv, at(p));
}

static void self_linked(struct pair *p)
{
	drv_raw_desc(&p->drv, at(p), p->data, 8, DRV_F_NEXT, at(p));
	drv_raw_offer(&p->drv, at(p));
}

static void loop_of_two(struct pair *p)
{
	drv_raw_desc(&p->drv, after(p, 1), p->data, 8, DRV_F_NEXT, at(p));
	drv_raw_desc(&p->drv, at(p), p->data, 8, DRV_F_NEXT, after(p, 1));
	drv_raw_offer(&p->drv, at(p));
}

/* Packed: every entry says that another follows. */
static void list_without_end(struct pair *p)
{
	for (unsigned int i = 1; i < SIZE; i++)
		drv_raw_desc(&p->drv, after(p, i), p->data, 8,
			     (uint16_t)(DRV_F_NEXT | drv_raw_avail_bits(&p->drv)), 1);
	offer_one(p, p->data, 8, DRV_F_NEXT);
}

static void index_jumps(struct pair *p)
{
	drv_raw_avail_idx(&p->drv, (uint16_t)(p->drv.avail + SIZE + 1));
}

static void index_goes_back(struct pair *p)
{
	drv_raw_avail_idx(&p->drv, (uint16_t)(p->drv.avail - 1));
}

static void index_far_away(struct pair *p)
{
	drv_raw_avail_idx(&p->drv, (uint16_t)(p->drv.avail + 0x8000));
}

static void indirect_not_negotiated(struct pair *p)
{
	offer_one(p, table(p, 1, 0, 1), 16, DRV_F_INDIRECT);
}

static void indirect_and_next(struct pair *p)
{
	offer_one(p, table(p, 1, 0, 1), 16, DRV_F_INDIRECT | DRV_F_NEXT);
}

/* Packed lists have descriptors of one type only. */
static void indirect_in_a_list(struct pair *p)
{
	offer_two(p, (struct drv_buf[]){ out(p, 0, 8), { table(p, 1, 0, 1), 16, false } },
		  DRV_F_INDIRECT);
}

static void indirect_in_indirect(struct pair *p)
{
	offer_one(p, table(p, 1, DRV_F_INDIRECT, 1), 16, DRV_F_INDIRECT);
}

static void indirect_empty(struct pair *p)
{
	offer_one(p, table(p, 1, 0, 1), 0, DRV_F_INDIRECT);
}

static void indirect_odd_length(struct pair *p)
{
	offer_one(p, table(p, 2, 0, 1), 24, DRV_F_INDIRECT);
}

static void indirect_too_long(struct pair *p)
{
	offer_one(p, table(p, CV_CHAIN_MAX_SEGS + 1, DRV_F_NEXT, 1), 16 * (CV_CHAIN_MAX_SEGS + 1),
		  DRV_F_INDIRECT);
}

static void indirect_longest_length(struct pair *p)
{
	offer_one(p, table(p, 1, 0, 1), 0xfffffff0, DRV_F_INDIRECT);
}

static void indirect_outside(struct pair *p)
{
	offer_one(p, GUEST_HOLE, 16, DRV_F_INDIRECT);
}

static void indirect_wraps(struct pair *p)
{
	offer_one(p, UINT64_MAX - 15, 160, DRV_F_INDIRECT);
}

static void indirect_end_outside(struct pair *p)
{
	uint64_t t = GUEST_HIGH + CV_PAGE_SIZE - 16;

	drv_raw_table(&p->drv, t, 0, p->data, 8, p->drv.packed ? 0 : DRV_F_NEXT, 1);
	offer_one(p, t, 32, DRV_F_INDIRECT);
}

static void indirect_next_out_of_range(struct pair *p)
{
	offer_one(p, table(p, 4, DRV_F_NEXT, 100), 64, DRV_F_INDIRECT);
}

static void indirect_next_just_out_of_range(struct pair *p)
{
	offer_one(p, table(p, 4, DRV_F_NEXT, 1), 64, DRV_F_INDIRECT);
}

static void indirect_loops(struct pair *p)
{
	offer_one(p, table(p, 4, DRV_F_NEXT, 0), 64, DRV_F_INDIRECT);
}

static void indirect_bad_buffer(struct pair *p)
{
	uint64_t t = table(p, 3, DRV_F_NEXT, 1);

	drv_raw_table(&p->drv, t, 2, GUEST_HOLE, 8, 0, 0);
	offer_one(p, t, 48, DRV_F_INDIRECT);
}

static void indirect_readable_after_writable(struct pair *p)
{
	uint64_t t = table(p, 3, DRV_F_NEXT | DRV_F_WRITE, 1);

	drv_raw_table(&p->drv, t, 2, p->data, 8, 0, 0);
	offer_one(p, t, 48, DRV_F_INDIRECT);
}

static void mixed_too_long(struct pair *p)
{
	uint64_t t = table(p, CV_CHAIN_MAX_SEGS, DRV_F_NEXT, 1);

	drv_raw_table(&p->drv, t, CV_CHAIN_MAX_SEGS - 1, p->data, 8, 0, 0);
	offer_two(p, (struct drv_buf[]){ out(p, 0, 8), { t, 16 * CV_CHAIN_MAX_SEGS, false } },
		  DRV_F_INDIRECT);
}

static const struct hostile cases[] = {
	{ "outside", outside, 0, 0 },
	{ "null address", null_address, 0, 0 },
	{ "end outside", end_outside, 0, 0 },
	{ "wraps", wraps, 0, 0 },
	{ "wraps into memory", wraps_into_memory, 0, 0 },
	{ "zero length", zero_length, 0, 0 },
	{ "zero length second", zero_length_second, 0, 0 },
	{ "huge", huge, 0, 0 },
	{ "readable after writable", readable_after_writable, 0, 0 },
	{ "head out of range", head_out_of_range, 0, PAIR_PACKED },
	{ "head far out", head_far_out, 0, PAIR_PACKED },
	{ "next out of range", next_out_of_range, 0, PAIR_PACKED },
	{ "self-linked", self_linked, 0, PAIR_PACKED },
	{ "loop of two", loop_of_two, 0, PAIR_PACKED },
	{ "list without end", list_without_end, PAIR_PACKED, 0 },
	{ "index jumps", index_jumps, 0, PAIR_PACKED },
	{ "index goes back", index_goes_back, 0, PAIR_PACKED },
	{ "index far away", index_far_away, 0, PAIR_PACKED },
	{ "indirect not negotiated", indirect_not_negotiated, 0, PAIR_INDIRECT },
	{ "indirect and next", indirect_and_next, PAIR_INDIRECT, 0 },
	{ "indirect in a list", indirect_in_a_list, PAIR_INDIRECT | PAIR_PACKED, 0 },
	{ "indirect in indirect", indirect_in_indirect, PAIR_INDIRECT, 0 },
	{ "indirect empty", indirect_empty, PAIR_INDIRECT, 0 },
	{ "indirect odd length", indirect_odd_length, PAIR_INDIRECT, 0 },
	{ "indirect too long", indirect_too_long, PAIR_INDIRECT, 0 },
	{ "indirect longest length", indirect_longest_length, PAIR_INDIRECT, 0 },
	{ "indirect outside", indirect_outside, PAIR_INDIRECT, 0 },
	{ "indirect wraps", indirect_wraps, PAIR_INDIRECT, 0 },
	{ "indirect end outside", indirect_end_outside, PAIR_INDIRECT, 0 },
	{ "indirect next out of range", indirect_next_out_of_range, PAIR_INDIRECT, PAIR_PACKED },
	{ "indirect next just out of range", indirect_next_just_out_of_range, PAIR_INDIRECT,
	  PAIR_PACKED },
	{ "indirect loops", indirect_loops, PAIR_INDIRECT, PAIR_PACKED },
	{ "indirect bad buffer", indirect_bad_buffer, PAIR_INDIRECT, 0 },
	{ "indirect readable after writable", indirect_readable_after_writable, PAIR_INDIRECT, 0 },
	{ "mixed too long", mixed_too_long, PAIR_INDIRECT, PAIR_PACKED },
};

/* Obeys for @n chains, so that the fault comes at any position. */
static void obey(struct pair *p, unsigned int n)
{
	for (; n > 0; n--) {
		struct cv_chain *c;

		pair_add(p, (struct drv_buf[]){ out(p, 0, 8), in(p, 8, 8) }, 2);
		drv_publish(&p->drv);
		c = cv_vq_pop(&p->vq);
		ck_assert_ptr_nonnull(c);
		cv_vq_push(&p->vq, c, 8);
		cv_vq_notify(&p->vq);
		ck_assert(drv_called(&p->drv));
		ck_assert_int_ge(drv_used(&p->drv, NULL), 0);
	}
}

static void expect_broken(struct pair *p, const char *what)
{
	ck_assert_msg(!cv_vq_pop(&p->vq), "%s: popped", what);
	ck_assert_msg(p->vq.broken && p->n_broken == 1, "%s: not broken once", what);
	ck_assert_ptr_null(cv_vq_pop(&p->vq));
	ck_assert(!cv_vq_has_work(&p->vq));
	ck_assert(!cv_vq_enable_kicks(&p->vq, true));
	cv_vq_notify(&p->vq);
	ck_assert_msg(!drv_called(&p->drv), "%s: interrupt", what);
	ck_assert_msg(!drv_has_used(&p->drv), "%s: used", what);
	ck_assert_uint_eq(p->n_broken, 1);
}

START_TEST(every_fault_breaks_the_queue_once)
{
	for (size_t i = 0; i < CV_LEN(cases); i++) {
		const struct hostile *h = &cases[i];

		if ((_i & h->only) != h->only || (_i & h->never))
			continue;
		for (unsigned int before = 0; before < 20; before += 9) {
			struct pair p;

			pair_init(&p, _i, SIZE);
			obey(&p, before);
			h->offer(&p);
			expect_broken(&p, h->name);
			pair_fini(&p);
		}
	}
}
END_TEST

/* What was popped before the fault goes nowhere. */
START_TEST(nothing_is_used_after_a_fault)
{
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, _i, SIZE);
	pair_add(&p, (struct drv_buf[]){ out(&p, 0, 8) }, 1);
	drv_publish(&p.drv);
	c = cv_vq_pop(&p.vq);
	ck_assert_ptr_nonnull(c);
	zero_length(&p);
	ck_assert_ptr_null(cv_vq_pop(&p.vq));
	cv_vq_push(&p.vq, c, 0);
	expect_broken(&p, "a chain popped before");
	pair_fini(&p);
}
END_TEST

START_TEST(a_device_may_break_its_queue)
{
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, _i, SIZE);
	pair_add(&p, (struct drv_buf[]){ out(&p, 0, 8) }, 1);
	drv_publish(&p.drv);
	c = cv_vq_pop(&p.vq);
	cv_vq_break(&p.vq, "a request has no room for a status");
	cv_vq_break(&p.vq, "again");
	cv_vq_push(&p.vq, c, 0);
	expect_broken(&p, "by the device");
	pair_fini(&p);
}
END_TEST

/* The same buffers made available again and again, while the device returns nothing. */
START_TEST(more_chains_than_entries)
{
	struct cv_chain *c[SIZE];
	struct pair p;
	unsigned int n = 0;

	pair_init(&p, _i, SIZE);
	for (unsigned int i = 0; i <= SIZE; i++) {
		if (p.drv.packed)
			offer_one(&p, p.data, 8, 0);
		else
			drv_raw_desc(&p.drv, 0, p.data, 8, 0, 0), drv_raw_offer(&p.drv, 0);
		if (n < SIZE) {
			ck_assert_ptr_nonnull(c[n] = cv_vq_pop(&p.vq));
			n++;
		}
	}
	ck_assert_ptr_null(cv_vq_pop(&p.vq));
	ck_assert(p.vq.broken);
	ck_assert_uint_eq(p.n_broken, 1);
	while (n > 0)
		cv_vq_push(&p.vq, c[--n], 0);
	ck_assert(!drv_has_used(&p.drv));
	pair_fini(&p);
}
END_TEST

/* The longest chain there may be is 4 GiB: with 4 MiB of memory by naming it again and again. */
START_TEST(total_length_is_limited)
{
	const unsigned int n = CV_CHAIN_MAX_SEGS;
	const uint32_t each = 4 << 20; /* exactly 4 GiB in all */
	struct cv_chain *c;
	struct pair p;
	uint64_t t;

	pair_init(&p, _i | PAIR_INDIRECT, SIZE);
	t = guest_alloc(&p.g, 16ull * n, 16);
	for (unsigned int i = 0; i < n; i++)
		drv_raw_table(&p.drv, t, i, GUEST_LOW, each, i + 1 < n ? DRV_F_NEXT : 0,
			      (uint16_t)(i + 1));
	offer_one(&p, t, 16 * n, DRV_F_INDIRECT);
	c = cv_vq_pop(&p.vq);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->read_len, 1ull << 32);
	cv_vq_push(&p.vq, c, 0);
	drv_raw_table(&p.drv, t, 0, GUEST_LOW, each + 1, DRV_F_NEXT, 1);
	if (p.drv.packed)
		drv_raw_desc(&p.drv, at(&p), t, 16 * n, DRV_F_INDIRECT, 0);
	drv_raw_offer(&p.drv, at(&p));
	ck_assert_ptr_null(cv_vq_pop(&p.vq));
	ck_assert(p.vq.broken);
	pair_fini(&p);
}
END_TEST

/* Suppression structures are read only; any content is only about interrupts. */
START_TEST(garbage_in_the_event_areas)
{
	struct pair p;

	pair_init(&p, _i, SIZE);
	for (unsigned int i = 0; i < 2000; i++) {
		uint32_t r = i * 2654435761u;
		struct cv_chain *c;

		pair_add(&p, (struct drv_buf[]){ in(&p, 0, 8) }, 1);
		drv_publish(&p.drv);
		c = cv_vq_pop(&p.vq);
		ck_assert_ptr_nonnull(c);
		cv_vq_push(&p.vq, c, 8);
		if (p.drv.packed)
			guest_put32(&p.g, p.drv.driver, r);
		else
			guest_put16(&p.g, p.drv.driver, (uint16_t)r);
		if (!p.drv.packed && p.drv.event_idx)
			guest_put16(&p.g, p.drv.driver + 4 + 2 * SIZE, (uint16_t)(r >> 16));
		cv_vq_notify(&p.vq);
		ck_assert_int_ge(drv_used(&p.drv, NULL), 0);
	}
	ck_assert_uint_eq(p.n_broken, 0);
	pair_fini(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vq_hostile");
	TCase *t = tcase_create("hostile");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, every_fault_breaks_the_queue_once, 0, PAIR_KINDS);
	tcase_add_loop_test(t, nothing_is_used_after_a_fault, 0, PAIR_KINDS);
	tcase_add_loop_test(t, a_device_may_break_its_queue, 0, PAIR_KINDS);
	tcase_add_loop_test(t, more_chains_than_entries, 0, PAIR_KINDS);
	tcase_add_loop_test(t, total_length_is_limited, 0, 2);
	tcase_add_loop_test(t, garbage_in_the_event_areas, 0, PAIR_KINDS);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
