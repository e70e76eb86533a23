/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueues whose driver obeys: chains, order, wrap-around, suppression, resuming. */
#include <errno.h>
#include <string.h>

#include "pair.h"

/* ---- chains ---- */

START_TEST(chain_has_both_parts_in_order)
{
	struct pair p;
	struct cv_chain *c;
	int name;
	uint32_t len;

	pair_init(&p, _i, 8);
	name = pair_add(&p,
			(struct drv_buf[]){ out(&p, 0, 16), out(&p, 100, 7), in(&p, 200, 512),
					    in(&p, 5000, 1) },
			4);
	ck_assert_ptr_null(cv_vq_pop(&p.vq));
	drv_publish(&p.drv);
	c = cv_vq_pop(&p.vq);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->n_read, 2);
	ck_assert_uint_eq(c->n_write, 2);
	ck_assert_uint_eq(c->read_len, 23);
	ck_assert_uint_eq(c->write_len, 513);
	ck_assert_uint_eq(c->segs[1].gpa, p.data + 100);
	ck_assert_uint_eq(c->segs[3].gpa, p.data + 5000);
	ck_assert_ptr_null(cv_vq_pop(&p.vq));
	ck_assert_int_eq(drv_used(&p.drv, NULL), -1);
	cv_vq_push(&p.vq, c, 300);
	ck_assert_int_eq(drv_used(&p.drv, &len), name);
	ck_assert_uint_eq(len, 300);
	ck_assert_int_eq(drv_used(&p.drv, NULL), -1);
	ck_assert_uint_eq(p.n_broken, 0);
	pair_fini(&p);
}
END_TEST

START_TEST(chain_of_one_part_only)
{
	struct pair p;
	struct cv_chain *c;
	uint32_t len = 9;

	pair_init(&p, _i, 2);
	pair_add(&p, (struct drv_buf[]){ out(&p, 0, 65536) }, 1);
	drv_publish(&p.drv);
	c = cv_vq_pop(&p.vq);
	ck_assert_uint_eq(c->write_len, 0);
	ck_assert_uint_eq(cv_chain_write(&p.vq, c, 0, "x", 1), 0);
	cv_vq_push(&p.vq, c, 0);
	ck_assert_int_ge(drv_used(&p.drv, &len), 0);
	ck_assert_uint_eq(len, 0);
	pair_add(&p, (struct drv_buf[]){ in(&p, 0, 3) }, 1);
	drv_publish(&p.drv);
	c = cv_vq_pop(&p.vq);
	ck_assert_uint_eq(c->read_len, 0);
	ck_assert_uint_eq(cv_chain_read(&p.vq, c, 0, &len, 1), 0);
	cv_vq_push(&p.vq, c, 1000); /* more than there is room for */
	ck_assert_int_ge(drv_used(&p.drv, &len), 0);
	ck_assert_uint_eq(len, 3);
	pair_fini(&p);
}
END_TEST

START_TEST(copies_at_any_offset)
{
	static const uint32_t lens[] = { 1, 16, 3, 4096, 8 };
	struct drv_buf bufs[10];
	uint8_t pattern[4124], back[4124];
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, _i, 16);
	for (unsigned int i = 0; i < 10; i++)
		bufs[i] = (struct drv_buf){ p.data + 6000 * i, lens[i % 5], i >= 5 };
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t i = 0, at = 0; i < 5; at += lens[i++])
		guest_put(&p.g, bufs[i].gpa, pattern + at, lens[i]);
	pair_add(&p, bufs, 10);
	drv_publish(&p.drv);
	c = cv_vq_pop(&p.vq);
	ck_assert_uint_eq(c->read_len, sizeof(pattern));
	for (size_t off = 0; off <= sizeof(pattern) + 1; off += off < 40 ? 1 : 811) {
		size_t want = off < sizeof(pattern) ? sizeof(pattern) - off : 0;

		memset(back, 0xee, sizeof(back));
		ck_assert_uint_eq(cv_chain_read(&p.vq, c, off, back, sizeof(back)), want);
		ck_assert_mem_eq(back, pattern + off, want);
		ck_assert_uint_eq(cv_chain_write(&p.vq, c, off, pattern + off, want + 5), want);
	}
	ck_assert_uint_eq(cv_chain_write(&p.vq, c, 0, pattern, 25), 25);
	for (size_t i = 0, at = 0; i < 5; at += lens[i++]) {
		guest_get(&p.g, bufs[5 + i].gpa, back, lens[i]);
		ck_assert_mem_eq(back, pattern + at, lens[i]);
	}
	ck_assert_uint_eq(cv_chain_read(&p.vq, c, UINT64_MAX, back, 1), 0);
	cv_vq_push(&p.vq, c, 0);
	pair_fini(&p);
}
END_TEST

START_TEST(iovecs_cover_what_was_asked_for)
{
	struct iovec iov[8];
	struct pair p;
	struct cv_chain *c;
	uint8_t byte = 0;

	pair_init(&p, _i, 8);
	/* the second buffer straddles two regions: two iovecs */
	pair_add(&p,
		 (struct drv_buf[]){
			 out(&p, 0, 100), { p.g.border - 10, 30, false }, in(&p, 4096, 64) },
		 3);
	drv_publish(&p.drv);
	c = cv_vq_pop(&p.vq);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(cv_chain_iov_read(&p.vq, c, 0, 130, iov, 8), 3);
	ck_assert_uint_eq(iov[0].iov_len, 100);
	ck_assert_uint_eq(iov[1].iov_len, 10);
	ck_assert_uint_eq(iov[2].iov_len, 20);
	ck_assert_int_eq(cv_chain_iov_read(&p.vq, c, 99, 2, iov, 8), 2);
	ck_assert_uint_eq(iov[0].iov_len, 1);
	ck_assert_uint_eq(iov[1].iov_len, 1);
	ck_assert_int_eq(cv_chain_iov_read(&p.vq, c, 0, 130, iov, 2), -ENOBUFS);
	ck_assert_int_eq(cv_chain_iov_read(&p.vq, c, 1, 130, iov, 8), -EINVAL);
	ck_assert_int_eq(cv_chain_iov_read(&p.vq, c, 2, UINT64_MAX, iov, 8), -EINVAL);
	ck_assert_int_eq(cv_chain_iov_read(&p.vq, c, 130, 0, iov, 8), 0);
	ck_assert_int_eq(cv_chain_iov_write(&p.vq, c, 0, 65, iov, 8), -EINVAL);
	ck_assert_int_eq(cv_chain_iov_write(&p.vq, c, 60, 4, iov, 1), 1);
	memset(iov[0].iov_base, 0x5a, iov[0].iov_len);
	guest_get(&p.g, p.data + 4096 + 60, &byte, 1);
	ck_assert_uint_eq(byte, 0x5a);
	cv_vq_push(&p.vq, c, 0);
	pair_fini(&p);
}
END_TEST

START_TEST(long_indirect_chains_are_walked)
{
	static struct drv_buf bufs[CV_CHAIN_MAX_SEGS];
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, _i | PAIR_INDIRECT, 4);
	for (unsigned int n = 1; n <= CV_CHAIN_MAX_SEGS; n += n < 20 ? 1 : 251) {
		for (unsigned int i = 0; i < n; i++)
			bufs[i] = i < n / 2 ? out(&p, i, i + 1) : in(&p, 4096 + i, i + 1);
		ck_assert_int_ge(drv_add_indirect(&p.drv, bufs, n), 0);
		drv_publish(&p.drv);
		c = cv_vq_pop(&p.vq);
		ck_assert_ptr_nonnull(c);
		ck_assert_uint_eq(c->n_read, n / 2);
		ck_assert_uint_eq(c->n_write, n - n / 2);
		for (unsigned int i = 0; i < n; i++) {
			ck_assert_uint_eq(c->segs[i].gpa, bufs[i].gpa);
			ck_assert_uint_eq(c->segs[i].len, bufs[i].len);
		}
		cv_vq_push(&p.vq, c, 0);
		ck_assert_int_ge(drv_used(&p.drv, NULL), 0);
	}
	pair_fini(&p);
}
END_TEST

/* Section 2.7.5.3.2: "zero or more normal chained descriptors followed by a single" indirect one. */
START_TEST(split_mixes_direct_and_indirect)
{
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, PAIR_INDIRECT, 8);
	drv_add_mixed(
		&p.drv,
		(struct drv_buf[]){ out(&p, 0, 1), out(&p, 1, 2), out(&p, 3, 3), in(&p, 9, 4) }, 4,
		2);
	drv_publish(&p.drv);
	c = cv_vq_pop(&p.vq);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->n_read, 3);
	ck_assert_uint_eq(c->write_len, 4);
	cv_vq_push(&p.vq, c, 4);
	ck_assert_int_ge(drv_used(&p.drv, NULL), 0);
	pair_fini(&p);
}
END_TEST

/* The write flag of a descriptor that refers to a table is ignored, as are unknown flags. */
START_TEST(reserved_flags_are_ignored)
{
	struct pair p;
	struct cv_chain *c;
	uint64_t table;

	pair_init(&p, _i | PAIR_INDIRECT, 8);
	table = guest_alloc(&p.g, 16, 16);
	drv_raw_table(&p.drv, table, 0, p.data, 10, 0x7a78 & ~(DRV_F_AVAIL | DRV_F_USED), 0);
	drv_raw_desc(&p.drv, 0, table, 16, DRV_F_INDIRECT | DRV_F_WRITE | 0x3a00, 0);
	drv_raw_offer(&p.drv, 0);
	c = cv_vq_pop(&p.vq);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(c->read_len, 10);
	cv_vq_push(&p.vq, c, 0);
	pair_fini(&p);
}
END_TEST

/* A table that straddles two regions, in every way. */
START_TEST(indirect_table_across_regions)
{
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, _i | PAIR_INDIRECT, 8);
	for (unsigned int before = 4; before < 64; before += 12) {
		uint64_t table = p.g.border - before;
		uint16_t at = p.drv.packed ? p.drv.avail & 7 : 0;

		for (unsigned int i = 0; i < 4; i++)
			drv_raw_table(&p.drv, table, i, p.data + i, i + 1,
				      p.drv.packed || i == 3 ? 0 : DRV_F_NEXT, (uint16_t)(i + 1));
		drv_raw_desc(&p.drv, at, table, 64, DRV_F_INDIRECT, 0);
		drv_raw_offer(&p.drv, at);
		c = cv_vq_pop(&p.vq);
		ck_assert_ptr_nonnull(c);
		for (unsigned int i = 0; i < 4; i++)
			ck_assert_uint_eq(c->segs[i].gpa, p.data + i);
		ck_assert_uint_eq(c->read_len, 10);
		cv_vq_push(&p.vq, c, 0);
	}
	pair_fini(&p);
}
END_TEST

/* ---- the ring ---- */

START_TEST(used_in_any_order)
{
	struct pair p;
	struct cv_chain *c[8];
	int names[8];
	uint32_t len;

	pair_init(&p, _i, 16);
	for (unsigned int i = 0; i < 8; i++)
		names[i] = pair_add(&p, (struct drv_buf[]){ out(&p, 0, 1), in(&p, 64 * i, 64) }, 2);
	drv_publish(&p.drv);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_ptr_nonnull(c[i] = cv_vq_pop(&p.vq));
	for (unsigned int i = 0; i < 8; i++)
		cv_vq_push(&p.vq, c[i * 5 % 8], i * 5 % 8);
	for (unsigned int i = 0; i < 8; i++) {
		ck_assert_int_eq(drv_used(&p.drv, &len), names[i * 5 % 8]);
		ck_assert_uint_eq(len, i * 5 % 8);
	}
	pair_fini(&p);
}
END_TEST

START_TEST(a_full_ring)
{
	struct pair p;
	struct cv_chain *c[64];
	uint64_t slots = 0;

	pair_init(&p, _i, 64);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 64; i++)
			ck_assert_int_ge(pair_add(&p, (struct drv_buf[]){ in(&p, i, 1) }, 1), 0);
		ck_assert_int_eq(pair_add(&p, (struct drv_buf[]){ in(&p, 0, 1) }, 1), -1);
		drv_publish(&p.drv);
		slots = 0;
		for (unsigned int i = 0; i < 64; i++) {
			ck_assert_ptr_nonnull(c[i] = cv_vq_pop(&p.vq));
			slots |= 1ull << c[i]->slot;
		}
		ck_assert_uint_eq(slots, UINT64_MAX);
		ck_assert_ptr_null(cv_vq_pop(&p.vq));
		for (unsigned int i = 0; i < 64; i++)
			cv_vq_push(&p.vq, c[i], 1);
		for (unsigned int i = 0; i < 64; i++)
			ck_assert_int_ge(drv_used(&p.drv, NULL), 0);
	}
	ck_assert_uint_eq(p.n_broken, 0);
	pair_fini(&p);
}
END_TEST

/*
 * More than 65536 chains, up to five deep, with one to three descriptors; odd
 * sizes if packed. Check's own assertions are too slow for so many.
 */
START_TEST(indices_wrap_around)
{
	struct pair p;
	struct cv_chain *c[5];
	uint32_t len, value, back;
	unsigned int n;

	pair_init(&p, _i, _i & PAIR_PACKED ? 15 : 16);
	for (uint32_t total = 0; total < 70000; total += n) {
		n = 1 + total % 5;
		for (unsigned int i = 0; i < n; i++) {
			value = total + i;
			guest_put32(&p.g, p.data + 8 * i, value);
			must(pair_add(&p,
				      (struct drv_buf[]){ out(&p, 8 * i, 4),
							  in(&p, 1024 + 8 * i, 4),
							  in(&p, 2048, 1) },
				      2 + total % 2) >= 0);
		}
		drv_kick(&p.drv);
		for (unsigned int i = 0; i < n; i++) {
			must((c[i] = cv_vq_pop(&p.vq)));
			must(cv_chain_read(&p.vq, c[i], 0, &value, 4) == 4);
			must(value == total + i);
			cv_chain_write(&p.vq, c[i], 0, &value, 4);
		}
		must(!cv_vq_pop(&p.vq));
		for (unsigned int i = n; i-- > 0;)
			cv_vq_push(&p.vq, c[i], 4);
		cv_vq_notify(&p.vq);
		for (unsigned int i = n; i-- > 0;) {
			must(drv_used(&p.drv, &len) >= 0);
			must(len == 4);
			back = guest_get32(&p.g, p.data + 1024 + 8 * i);
			must(back == total + i);
		}
		must(drv_called(&p.drv));
	}
	must(p.n_broken == 0);
	pair_fini(&p);
}
END_TEST

START_TEST(unpop_gives_the_same_chain_again)
{
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, _i, _i & PAIR_PACKED ? 5 : 4);
	for (unsigned int i = 0; i < 50; i++) {
		pair_add(&p, (struct drv_buf[]){ out(&p, i, 3), in(&p, 0, 1) }, 2);
		pair_add(&p, (struct drv_buf[]){ out(&p, 100 + i, 4), in(&p, 0, 1) }, 2);
		drv_publish(&p.drv);
		c = cv_vq_pop(&p.vq);
		ck_assert_uint_eq(c->segs[0].gpa, p.data + i);
		cv_vq_unpop(&p.vq, c);
		ck_assert(cv_vq_has_work(&p.vq));
		c = cv_vq_pop(&p.vq);
		ck_assert_uint_eq(c->segs[0].gpa, p.data + i);
		cv_vq_push(&p.vq, c, 0);
		c = cv_vq_pop(&p.vq);
		ck_assert_uint_eq(c->segs[0].gpa, p.data + 100 + i);
		cv_vq_unpop(&p.vq, c);
		c = cv_vq_pop(&p.vq);
		ck_assert_uint_eq(c->segs[0].gpa, p.data + 100 + i);
		cv_vq_push(&p.vq, c, 0);
		ck_assert(!cv_vq_has_work(&p.vq));
		ck_assert_int_ge(drv_used(&p.drv, NULL), 0);
		ck_assert_int_ge(drv_used(&p.drv, NULL), 0);
	}
	pair_fini(&p);
}
END_TEST

/* Stopped and started at every position of a round, and from the other side of a wrap. */
START_TEST(resumes_where_it_stopped)
{
	struct cv_vq_config config;
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, _i, 8);
	drv_vq_config(&p.drv, &config);
	for (unsigned int i = 0; i < 40; i++) {
		pair_add(&p, (struct drv_buf[]){ out(&p, i, 1), in(&p, 0, 4) }, 2);
		pair_add(&p, (struct drv_buf[]){ out(&p, 1000 + i, 1) }, 1);
		drv_publish(&p.drv);
		c = cv_vq_pop(&p.vq);
		ck_assert_uint_eq(c->segs[0].gpa, p.data + i);
		cv_vq_push(&p.vq, c, 1);
		cv_vq_stop(&p.vq, &config);
		ck_assert(!cv_vq_has_work(&p.vq));
		ck_assert_ptr_null(cv_vq_pop(&p.vq));
		ck_assert_int_eq(cv_vq_start(&p.vq, &p.g.mem, &config, p.features), 0);
		ck_assert(cv_vq_has_work(&p.vq));
		c = cv_vq_pop(&p.vq);
		ck_assert_uint_eq(c->segs[0].gpa, p.data + 1000 + i);
		cv_vq_push(&p.vq, c, 0);
		drv_called(&p.drv);
		drv_enable_calls(&p.drv, false);
		cv_vq_notify(&p.vq); /* nobody knows what the driver was told before */
		ck_assert(drv_called(&p.drv) == p.drv.event_idx);
		drv_enable_calls(&p.drv, true);
		ck_assert_int_ge(drv_used(&p.drv, NULL), 0);
		ck_assert_int_ge(drv_used(&p.drv, NULL), 0);
	}
	ck_assert_uint_eq(p.n_broken, 0);
	pair_fini(&p);
}
END_TEST

/* ---- notifications ---- */

static void serve(struct pair *p, unsigned int n)
{
	for (; n > 0; n--) {
		struct cv_chain *c = cv_vq_pop(&p->vq);

		ck_assert_ptr_nonnull(c);
		cv_vq_push(&p->vq, c, 0);
	}
}

static void add_some(struct pair *p, unsigned int n)
{
	for (; n > 0; n--)
		ck_assert_int_ge(pair_add(p, (struct drv_buf[]){ out(p, 0, 1), in(p, 0, 1) }, 2),
				 0);
}

static void take_back(struct pair *p, unsigned int n)
{
	for (; n > 0; n--)
		ck_assert_int_ge(drv_used(&p->drv, NULL), 0);
}

/* The first interrupt comes in any case with EVENT_IDX; this takes it. */
static void settle(struct pair *p)
{
	add_some(p, 1);
	drv_kick(&p->drv);
	serve(p, 1);
	ck_assert_ptr_null(cv_vq_pop(&p->vq));
	cv_vq_notify(&p->vq);
	ck_assert(drv_called(&p->drv));
	take_back(p, 1);
}

START_TEST(one_interrupt_for_a_batch)
{
	struct pair p;

	pair_init(&p, _i, 16);
	for (unsigned int i = 0; i < 20; i++) {
		add_some(&p, 4);
		drv_publish(&p.drv);
		cv_vq_notify(&p.vq);
		ck_assert(!drv_called(&p.drv)); /* nothing used */
		serve(&p, 4);
		ck_assert(!drv_called(&p.drv));
		cv_vq_notify(&p.vq);
		ck_assert(drv_called(&p.drv));
		cv_vq_notify(&p.vq);
		ck_assert(!drv_called(&p.drv));
		take_back(&p, 4);
	}
	pair_fini(&p);
}
END_TEST

START_TEST(interrupts_can_be_switched_off)
{
	struct pair p;

	pair_init(&p, _i, 16);
	settle(&p);
	ck_assert(!drv_enable_calls(&p.drv, false));
	for (unsigned int i = 0; i < 20; i++) {
		add_some(&p, 3);
		drv_publish(&p.drv);
		serve(&p, 3);
		cv_vq_notify(&p.vq);
		ck_assert(!drv_called(&p.drv));
		take_back(&p, 3);
	}
	ck_assert(!drv_enable_calls(&p.drv, true));
	add_some(&p, 1);
	drv_publish(&p.drv);
	serve(&p, 1);
	cv_vq_notify(&p.vq);
	ck_assert(drv_called(&p.drv));
	pair_fini(&p);
}
END_TEST

/* With EVENT_IDX the driver names the chain (split) or the descriptor (packed) to hear of. */
START_TEST(interrupt_after_the_event)
{
	struct pair p;
	unsigned int each = (_i & PAIR_PACKED) && !(_i & PAIR_INDIRECT) ? 2 : 1;

	pair_init(&p, _i | PAIR_EVENT_IDX, 16);
	settle(&p);
	for (unsigned int i = 0; i < 30; i++) {
		add_some(&p, 6);
		drv_publish(&p.drv);
		ck_assert(!drv_enable_calls_after(&p.drv, (uint16_t)(4 * each)));
		for (unsigned int k = 1; k <= 6; k++) {
			serve(&p, 1);
			cv_vq_notify(&p.vq);
			ck_assert_msg(drv_called(&p.drv) == (k == 4), "round %u, chain %u", i, k);
		}
		take_back(&p, 6);
	}
	pair_fini(&p);
}
END_TEST

/* The driver kicks when the device has run out of work, and not while it is working. */
START_TEST(kicks_only_when_idle)
{
	struct pair p;
	bool event_idx = _i & PAIR_EVENT_IDX;

	pair_init(&p, _i, 16);
	for (unsigned int i = 0; i < 40; i++) {
		add_some(&p, 1);
		ck_assert(drv_kick(&p.drv));
		add_some(&p, 1);
		ck_assert(drv_kick(&p.drv) == !event_idx);
		serve(&p, 1);
		add_some(&p, 1);
		ck_assert(drv_kick(&p.drv) == !event_idx);
		serve(&p, 2);
		/* not yet looked again: the device would find it by itself */
		add_some(&p, 1);
		ck_assert(drv_kick(&p.drv) == !event_idx);
		serve(&p, 1);
		ck_assert_ptr_null(cv_vq_pop(&p.vq));
		take_back(&p, 4);
	}
	pair_fini(&p);
}
END_TEST

START_TEST(has_work_asks_for_kicks_too)
{
	struct pair p;

	pair_init(&p, _i, 16);
	for (unsigned int i = 0; i < 20; i++) {
		add_some(&p, 2);
		ck_assert(drv_kick(&p.drv));
		while (cv_vq_has_work(&p.vq))
			serve(&p, 1);
		take_back(&p, 2);
	}
	pair_fini(&p);
}
END_TEST

START_TEST(kicks_can_be_switched_off)
{
	struct pair p;

	pair_init(&p, _i, 16);
	add_some(&p, 1);
	ck_assert(drv_kick(&p.drv));
	serve(&p, 1);
	ck_assert(!cv_vq_enable_kicks(&p.vq, false));
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert_ptr_null(cv_vq_pop(&p.vq));
		add_some(&p, 1);
		ck_assert(!drv_kick(&p.drv));
		serve(&p, 1);
		take_back(&p, 1);
	}
	add_some(&p, 1);
	drv_kick(&p.drv);
	ck_assert(cv_vq_enable_kicks(&p.vq, true)); /* came in between */
	serve(&p, 1);
	ck_assert(!cv_vq_has_work(&p.vq));
	add_some(&p, 1);
	ck_assert(drv_kick(&p.drv));
	pair_fini(&p);
}
END_TEST

START_TEST(held_kicks_come_back)
{
	struct pair p;

	pair_init(&p, _i, 16);
	ck_assert(!cv_vq_hold_kicks(&p.vq, true));
	for (unsigned int i = 0; i < 5; i++) {
		add_some(&p, 2);
		ck_assert(!drv_kick(&p.drv));
		serve(&p, 2);
		ck_assert(!cv_vq_has_work(&p.vq));
		take_back(&p, 2);
	}
	add_some(&p, 1);
	ck_assert(!drv_kick(&p.drv));
	ck_assert(cv_vq_hold_kicks(&p.vq, false));
	serve(&p, 1);
	ck_assert(!cv_vq_has_work(&p.vq));
	ck_assert(!cv_vq_enable_kicks(&p.vq, false));
	ck_assert(!cv_vq_hold_kicks(&p.vq, true));
	ck_assert(!cv_vq_hold_kicks(&p.vq, false)); /* the device does not want them */
	add_some(&p, 1);
	ck_assert(!drv_kick(&p.drv));
	pair_fini(&p);
}
END_TEST

START_TEST(a_budget_ends)
{
	struct pair p;

	pair_init(&p, _i, 16);
	add_some(&p, 5);
	drv_publish(&p.drv);
	ck_assert(!cv_vq_set_budget(&p.vq, 3));
	serve(&p, 3);
	ck_assert(!cv_vq_enable_kicks(&p.vq, true)); /* or who looks again would do so for ever */
	ck_assert(cv_vq_set_budget(&p.vq, 0));
	ck_assert(!cv_vq_has_work(&p.vq));
	ck_assert_ptr_null(cv_vq_pop(&p.vq));
	ck_assert(cv_vq_set_budget(&p.vq, 2));
	serve(&p, 2);
	ck_assert_ptr_null(cv_vq_pop(&p.vq));
	ck_assert(!cv_vq_set_budget(&p.vq, UINT32_MAX)); /* there was nothing to keep back */
	pair_fini(&p);
}
END_TEST

START_TEST(no_interrupt_without_a_call_fd)
{
	struct cv_vq_config config;
	struct pair p;

	pair_init(&p, _i, 16);
	drv_vq_config(&p.drv, &config);
	cv_vq_stop(&p.vq, NULL);
	config.call_fd = -1;
	ck_assert_int_eq(cv_vq_start(&p.vq, &p.g.mem, &config, p.features), 0);
	add_some(&p, 1);
	drv_publish(&p.drv);
	serve(&p, 1);
	cv_vq_notify(&p.vq);
	ck_assert(!drv_called(&p.drv));
	take_back(&p, 1);
	pair_fini(&p);
}
END_TEST

/* ---- start ---- */

static int try_start(struct pair *p, const struct cv_vq_config *config)
{
	int err = cv_vq_start(&p->vq, &p->g.mem, config, p->features);

	if (err)
		ck_assert(!p->vq.ready && !cv_vq_pop(&p->vq));
	cv_vq_stop(&p->vq, NULL);
	return err;
}

START_TEST(bad_configurations_do_not_start)
{
	struct cv_vq_config good, c;
	struct pair p;

	pair_init(&p, _i, 16);
	drv_vq_config(&p.drv, &good);
	cv_vq_stop(&p.vq, NULL);
#define EXPECT(want, ...)                                    \
	do {                                                 \
		c = good;                                    \
		__VA_ARGS__;                                 \
		ck_assert_int_eq(try_start(&p, &c), (want)); \
	} while (0)
	EXPECT(0, );
	EXPECT(-EINVAL, c.size = 0);
	EXPECT(-EINVAL, c.size = 32769);
	EXPECT(-EINVAL, c.size = 65535);
	EXPECT(_i & PAIR_PACKED ? 0 : -EINVAL, c.size = 15);
	EXPECT(-EINVAL, c.desc += 8);
	EXPECT(-EINVAL, c.driver += 1);
	EXPECT(_i & PAIR_PACKED ? -EINVAL : 0, c.driver += 2);
	EXPECT(-EINVAL, c.device += 2);
	EXPECT(-EINVAL, c.desc = 0);
	EXPECT(-EINVAL, c.desc = GUEST_HOLE);
	EXPECT(-EINVAL, c.driver = GUEST_HOLE);
	EXPECT(-EINVAL, c.device = GUEST_HOLE);
	EXPECT(-EINVAL, c.desc = UINT64_MAX - 15);
	EXPECT(-EINVAL, c.desc = GUEST_HIGH + CV_PAGE_SIZE - 16); /* its end is outside */
	EXPECT(-EINVAL, c.desc = p.g.border - 16);		  /* not in one piece */
	EXPECT(0, c.desc = GUEST_HIGH + CV_PAGE_SIZE - 256);
	EXPECT(_i & PAIR_PACKED ? -EINVAL : 0, c.avail = 16);
	EXPECT(_i & PAIR_PACKED ? -EINVAL : 0, c.used = 0x8010);
#undef EXPECT
	pair_fini(&p);
}
END_TEST

START_TEST(a_queue_that_is_not_ready_stays_empty)
{
	struct cv_vq_config config = { .desc = GUEST_HOLE };
	struct pair p;

	pair_init(&p, _i, 16);
	cv_vq_stop(&p.vq, NULL);
	ck_assert_int_eq(cv_vq_start(&p.vq, &p.g.mem, &config, p.features), 0);
	ck_assert(!p.vq.ready);
	ck_assert(!cv_vq_has_work(&p.vq));
	ck_assert_ptr_null(cv_vq_pop(&p.vq));
	ck_assert(!cv_vq_enable_kicks(&p.vq, true));
	ck_assert(!cv_vq_hold_kicks(&p.vq, true));
	cv_vq_notify(&p.vq);
	cv_vq_stop(&p.vq, &config);
	pair_fini(&p);
}
END_TEST

START_TEST(the_largest_queue)
{
	struct pair p;
	struct cv_chain *c;

	pair_init(&p, _i, 32768);
	for (unsigned int i = 0; i < 70000; i++) {
		pair_add(&p, (struct drv_buf[]){ in(&p, 0, 1) }, 1);
		drv_publish(&p.drv);
		c = cv_vq_pop(&p.vq);
		must(c);
		must(c->slot == 0); /* the last one freed: little memory is touched */
		cv_vq_push(&p.vq, c, 1);
		must(drv_used(&p.drv, NULL) >= 0);
	}
	pair_fini(&p);
}
END_TEST

static void add_all(TCase *t)
{
	const TTest *const tests[] = {
		chain_has_both_parts_in_order,
		chain_of_one_part_only,
		copies_at_any_offset,
		iovecs_cover_what_was_asked_for,
		long_indirect_chains_are_walked,
		reserved_flags_are_ignored,
		used_in_any_order,
		a_full_ring,
		indices_wrap_around,
		unpop_gives_the_same_chain_again,
		resumes_where_it_stopped,
		one_interrupt_for_a_batch,
		interrupts_can_be_switched_off,
		interrupt_after_the_event,
		kicks_only_when_idle,
		has_work_asks_for_kicks_too,
		kicks_can_be_switched_off,
		held_kicks_come_back,
		a_budget_ends,
		no_interrupt_without_a_call_fd,
		bad_configurations_do_not_start,
		a_queue_that_is_not_ready_stays_empty,
	};

	for (size_t i = 0; i < CV_LEN(tests); i++)
		tcase_add_loop_test(t, tests[i], 0, PAIR_KINDS);
	tcase_add_loop_test(t, indirect_table_across_regions, 0, 2);
	tcase_add_loop_test(t, the_largest_queue, 0, 2);
	tcase_add_test(t, split_mixes_direct_and_indirect);
}

int main(void)
{
	Suite *s = suite_create("vq");
	TCase *t = tcase_create("obeying");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	add_all(t);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
