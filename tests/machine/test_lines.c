/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine's interrupt lines: who triggers a level line again. */
#include "machine/lines.h"
#include "support/check_main.h"

static unsigned int n_attached;

static int irqfd(struct cv_hw *hw, bool add, uint32_t gsi, int fd, int resample)
{
	(void)hw;
	(void)gsi;
	(void)fd;
	(void)resample;
	n_attached += add ? 1u : -1u;
	return 0;
}

static const struct cv_hw_ops ops = { .irqfd = irqfd };

/* EOI: whether the line was triggered again. */
static bool resampled(struct cv_loop *loop, struct cv_irq *irq)
{
	cv_event_signal(irq->resample);
	cv_loop_dispatch(loop);
	return cv_event_drain(irq->trigger);
}

START_TEST(level_lines)
{
	struct cv_hw hw = { .ops = &ops };
	struct cv_lines lines;
	struct cv_loop *loop;
	struct cv_irq *here, *away;

	ck_assert_int_eq(cv_loop_create_fake(&loop, NULL), 0);
	cv_lines_init(&lines, &hw, loop);
	ck_assert_int_eq(cv_lines_add(&lines, 9, true, &here, NULL), 0);
	ck_assert_int_eq(cv_lines_add(&lines, 9, true, &away, NULL), 0);
	ck_assert_uint_eq(n_attached, 2);
	cv_lines_hand_over(away);
	cv_irq_set(here, true);
	cv_irq_set(away, true);
	ck_assert(cv_event_drain(here->trigger));
	ck_assert(cv_event_drain(away->trigger));
	ck_assert(resampled(loop, here));
	ck_assert(!resampled(loop, away));
	ck_assert(cv_event_drain(away->resample)); /* left for the other one */
	cv_irq_set(here, false);
	ck_assert(!resampled(loop, here));
	cv_lines_fini(&lines);
	ck_assert_uint_eq(n_attached, 0);
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(edge_lines)
{
	struct cv_hw hw = { .ops = &ops };
	struct cv_lines lines;
	struct cv_loop *loop;
	struct cv_irq *irq;

	ck_assert_int_eq(cv_loop_create_fake(&loop, NULL), 0);
	cv_lines_init(&lines, &hw, loop);
	ck_assert_int_eq(cv_lines_add(&lines, 4, false, &irq, NULL), 0);
	ck_assert_int_eq(irq->resample, -1);
	cv_lines_hand_over(irq); /* nothing to hand over */
	cv_irq_set(irq, true);
	ck_assert(cv_event_drain(irq->trigger));
	cv_lines_fini(&lines);
	cv_loop_destroy(loop);
}
END_TEST

CHECK_MAIN("lines", level_lines, edge_lines)
