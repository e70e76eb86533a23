/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues whose process dies, at any moment, with any chains in flight: the next one
 * gives them all again, in order, and the driver gets each back exactly once.
 */
#include <string.h>

#include "pair.h"
#include "support/check_main.h"
#include "virtio/inflight.h"
#include "virtio/vq_ring.h"

#define SIZE 16

struct crash {
	struct pair p;
	uint8_t *notes;
	struct cv_vq_config config; /* as the front end knows it: positions of the beginning */
	struct cv_chain *out[SIZE];
	unsigned int n_out;
	uint64_t seed;
	unsigned int n_added, n_back;
};

static unsigned int dice(struct crash *c, unsigned int n)
{
	c->seed = c->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(c->seed >> 33) % n;
}

static void start(struct crash *c)
{
	c->p.vq = (struct cv_vq){ .name = "test", .on_broken = pair_broken, .ctx = &c->p };
	ck_assert_int_eq(cv_vq_start(&c->p.vq, &c->p.g.mem, &c->config, c->p.features), 0);
}

static void crash_init(struct crash *c, int kind, uint64_t seed)
{
	*c = (struct crash){ .seed = seed };
	pair_init(&c->p, kind, SIZE);
	cv_vq_stop(&c->p.vq, NULL);
	c->notes = calloc(1, cv_inflight_len(SIZE, kind & PAIR_PACKED));
	drv_vq_config(&c->p.drv, &c->config);
	c->config.inflight = c->notes;
	start(c);
}

/* What the kernel does when a process dies: its memory goes, the shared one stays. */
static void die(struct crash *c)
{
	c->p.vq.n_out = 0;
	cv_vq_stop(&c->p.vq, NULL);
	c->n_out = 0;
}

static void crash_fini(struct crash *c)
{
	die(c);
	free(c->notes);
	pair_fini(&c->p);
}

static void pop_one(struct crash *c)
{
	struct cv_chain *chain = cv_vq_pop(&c->p.vq);

	ck_assert(!c->p.vq.broken);
	if (chain)
		c->out[c->n_out++] = chain;
}

static struct cv_chain *pick(struct crash *c)
{
	unsigned int i = dice(c, c->n_out);
	struct cv_chain *chain = c->out[i];

	c->out[i] = c->out[--c->n_out];
	return chain;
}

/* Dies in the middle of a push: before the driver can see it, or after. */
static void die_pushing(struct crash *c, bool seen)
{
	struct cv_chain *chain = pick(c);
	struct cv_vq *vq = &c->p.vq;

	cv_inflight_using(vq, chain);
	if (seen && vq->packed)
		cv_vq_packed_use(vq, chain, 1);
	else if (seen)
		cv_vq_split_use(vq, chain, 1);
	die(c);
	start(c);
}

static void take_back(struct crash *c)
{
	while (drv_used(&c->p.drv, NULL) >= 0)
		c->n_back++;
}

static void add(struct crash *c)
{
	struct drv_buf bufs[3];
	unsigned int n = 1 + dice(c, 3);

	for (unsigned int i = 0; i < n; i++)
		bufs[i] = in(&c->p, i * 64, 64);
	if (pair_add(&c->p, bufs, n) >= 0)
		c->n_added++;
	drv_publish(&c->p.drv);
}

/* Dies in the middle of noting that a push is done (packed: of its two parts, the wrap counter is in
 * place), and the driver makes use of the place at once. */
static void die_noting(struct crash *c)
{
	enum { USED_WRAP = 20, OLD_USED_WRAP = 21 }; /* in QueueRegionPacked */
	uint8_t *notes = c->notes;
	struct cv_chain *chain = pick(c);

	cv_inflight_using(&c->p.vq, chain);
	if (c->p.vq.packed)
		cv_vq_packed_use(&c->p.vq, chain, 1);
	else
		cv_vq_split_use(&c->p.vq, chain, 1);
	if (c->p.vq.packed)
		notes[OLD_USED_WRAP] = notes[USED_WRAP];
	die(c);
	take_back(c);
	add(c);
	start(c);
}

static void step(struct crash *c)
{
	unsigned int what = dice(c, 21);

	if (what < 6)
		add(c);
	else if (what < 11)
		pop_one(c);
	else if (what < 16 && c->n_out > 0)
		cv_vq_push(&c->p.vq, pick(c), 1);
	else if (what == 16)
		take_back(c);
	else if (what == 17 && c->n_out > 0)
		die_pushing(c, true);
	else if (what == 18 && c->n_out > 0)
		die_pushing(c, false);
	else if (what == 19) {
		die(c);
		start(c);
	} else if (c->n_out > 0) {
		die_noting(c);
	}
}

START_TEST(nothing_is_lost)
{
	struct crash c;

	crash_init(&c, _i % PAIR_KINDS, (uint64_t)_i * 7919 + 1);
	for (unsigned int i = 0; i < 20000; i++)
		step(&c);
	for (unsigned int i = 0; i < 4 * SIZE; i++) {
		pop_one(&c);
		if (c.n_out > 0)
			cv_vq_push(&c.p.vq, pick(&c), 1);
	}
	take_back(&c);
	ck_assert_uint_gt(c.n_added, 1000);
	ck_assert_uint_eq(c.n_back, c.n_added);
	ck_assert_uint_eq(c.p.drv.n_outstanding, 0);
	crash_fini(&c);
}
END_TEST

static void add_marked(struct crash *c, uint8_t mark)
{
	struct drv_buf b = out(&c->p, mark * 16u, 16);

	guest_put(&c->p.g, b.gpa, &mark, 1);
	ck_assert_int_ge(pair_add(&c->p, &b, 1), 0);
	drv_publish(&c->p.drv);
}

static uint8_t mark_of(struct crash *c, const struct cv_chain *chain)
{
	uint8_t mark = 0xff;

	ck_assert_uint_eq(cv_chain_read(&c->p.vq, chain, 0, &mark, 1), 1);
	return mark;
}

/* In the order they were taken in, before anything new, and unpop gives them back. */
START_TEST(in_order)
{
	struct cv_chain *chain;
	struct crash c;

	crash_init(&c, _i, 1);
	for (uint8_t i = 0; i < 6; i++)
		add_marked(&c, i);
	for (unsigned int i = 0; i < 5; i++)
		pop_one(&c);
	cv_vq_push(&c.p.vq, c.out[3], 0);
	cv_vq_push(&c.p.vq, c.out[0], 0);
	die(&c);
	start(&c);
	add_marked(&c, 6);
	ck_assert(cv_vq_has_work(&c.p.vq));
	chain = cv_vq_pop(&c.p.vq);
	ck_assert_uint_eq(mark_of(&c, chain), 1);
	cv_vq_unpop(&c.p.vq, chain);
	for (const char *m = "\1\2\4\5\6"; *m; m++) {
		chain = cv_vq_pop(&c.p.vq);
		ck_assert_ptr_nonnull(chain);
		ck_assert_uint_eq(mark_of(&c, chain), (uint8_t)*m);
		cv_vq_push(&c.p.vq, chain, 0);
	}
	ck_assert_ptr_null(cv_vq_pop(&c.p.vq));
	take_back(&c);
	ck_assert_uint_eq(c.n_back, 7);
	crash_fini(&c);
}
END_TEST

/* A chain that was given back is not in flight. */
START_TEST(given_back)
{
	struct crash c;

	crash_init(&c, _i, 1);
	add_marked(&c, 1);
	add_marked(&c, 2);
	pop_one(&c);
	cv_vq_unpop(&c.p.vq, c.out[0]);
	die(&c);
	start(&c);
	pop_one(&c);
	pop_one(&c);
	ck_assert_uint_eq(mark_of(&c, c.out[0]), 1);
	ck_assert_uint_eq(mark_of(&c, c.out[1]), 2);
	ck_assert(cv_inflight_settle(c.notes, SIZE, c.p.vq.packed));
	crash_fini(&c);
}
END_TEST

/* A stop in order hands over positions; the notes then follow them. */
START_TEST(settled)
{
	struct cv_vq_config at;
	struct crash c;

	crash_init(&c, _i, 1);
	at = c.config;
	for (unsigned int round = 0; round < 40; round++) {
		add_marked(&c, 1);
		pop_one(&c);
		cv_vq_push(&c.p.vq, c.out[--c.n_out], 0);
		cv_vq_stop(&c.p.vq, &at);
		ck_assert(
			!cv_inflight_settle(c.notes, SIZE, c.p.features & CV_VIRTIO_F_RING_PACKED));
		c.config = at;
		start(&c);
		take_back(&c);
	}
	ck_assert_uint_eq(c.n_back, 40);
	crash_fini(&c);
}
END_TEST

/* Notes of any content neither crash nor hang; the queue starts or does not. */
START_TEST(nonsense)
{
	struct crash c;
	size_t len;

	crash_init(&c, _i % PAIR_KINDS, (uint64_t)_i + 77);
	len = cv_inflight_len(SIZE, c.p.vq.packed);
	for (unsigned int round = 0; round < 2000; round++) {
		for (unsigned int i = 0; i < 4; i++)
			add_marked(&c, 1), pop_one(&c);
		die(&c);
		for (unsigned int i = 0; i < 1 + dice(&c, 12); i++)
			c.notes[dice(&c, (unsigned int)len)] = (uint8_t)dice(&c, 256);
		c.p.vq = (struct cv_vq){ .name = "test", .on_broken = pair_broken, .ctx = &c.p };
		if (cv_vq_start(&c.p.vq, &c.p.g.mem, &c.config, c.p.features) == 0) {
			struct cv_chain *chain;

			while ((chain = cv_vq_pop(&c.p.vq)))
				cv_vq_push(&c.p.vq, chain, 0);
			die(&c);
		}
		memset(c.notes, 0, len);
		drv_vq_fini(&c.p.drv);
		guest_rewind(&c.p.g, c.p.data + 65536);
		drv_vq_init(&c.p.drv, &c.p.g, SIZE, c.p.features);
		drv_vq_config(&c.p.drv, &c.config);
		c.config.inflight = c.notes;
		start(&c);
	}
	crash_fini(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("inflight");
	TCase *tc = tcase_create("inflight");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, nothing_is_lost, 0, 5 * PAIR_KINDS);
	tcase_add_loop_test(tc, in_order, 0, PAIR_KINDS);
	tcase_add_loop_test(tc, given_back, 0, PAIR_KINDS);
	tcase_add_loop_test(tc, settled, 0, PAIR_KINDS);
	tcase_add_loop_test(tc, nonsense, 0, PAIR_KINDS);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
