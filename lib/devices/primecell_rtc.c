/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arm's real-time clocks: PL031 (DDI 0224, chapter 3) and the older PL030 (DDI
 * 0140, chapter 3). Both count seconds from what was loaded last, at first those
 * since 1970, and interrupt when the count reaches a number. They differ in
 * where their registers are.
 */
#include "core/dev.h"
#include "core/irq.h"
#include "core/primecell.h"
#include "sys/loop.h"

enum { R31_DR = 0, R31_MR = 4, R31_LR = 8, R31_CR = 0xc, R31_IMSC = 0x10, R31_RIS = 0x14 };
enum { R31_MIS = 0x18, R31_ICR = 0x1c };
enum { R30_DR = 0, R30_MR = 4, R30_STAT_EOI = 8, R30_LR = 0xc, R30_CR = 0x10 };

#define ID31	 0x00041031u
#define ID30	 0x00041030u
#define NS_PER_S 1000000000ull

struct rtc {
	const struct cv_env *env;
	uint32_t offset; /* of the count from the host's seconds, modulo 2^32 */
	uint32_t load, match;
	uint32_t raised, enabled; /* the interrupt: 0 or 1 */
	struct cv_timer timer;	  /* runs to the match */
	struct cv_task task;	  /* arms it, from vCPU threads */
};

static uint32_t host_s(const struct rtc *r)
{
	return (uint32_t)(cv_loop_wall(r->env->loop) / NS_PER_S);
}

static uint32_t count(const struct rtc *r)
{
	return host_s(r) + r->offset;
}

static void update_irq(struct rtc *r)
{
	if (r->env->irq)
		cv_irq_set(r->env->irq, r->raised && r->enabled);
}

/* Seconds until the count is the match: none if it is so now. */
static uint32_t left(const struct rtc *r)
{
	return r->match - count(r);
}

static void arm(struct rtc *r)
{
	uint64_t rest = cv_loop_wall(r->env->loop) % NS_PER_S;

	cv_timer_set(r->env->loop, &r->timer,
		     cv_loop_now(r->env->loop) + left(r) * NS_PER_S - rest);
}

/* The host's clock may have been set meanwhile: then on to the match, or it has just been. */
static void on_timer(struct cv_timer *t)
{
	struct rtc *r = cv_container_of(t, struct rtc, timer);

	if (left(r) > 0 && left(r) <= INT32_MAX) {
		arm(r);
		return;
	}
	r->raised = 1;
	update_irq(r);
}

static void on_task(struct cv_task *t)
{
	struct rtc *r = cv_container_of(t, struct rtc, task);

	cv_timer_cancel(&r->timer);
	if (left(r) > 0)
		arm(r);
}

/* A count or a match has been written. */
static void rematch(struct rtc *r)
{
	if (left(r) == 0)
		r->raised = 1;
	cv_loop_post(r->env->loop, &r->task);
}

static void set_count(struct rtc *r, uint32_t val)
{
	r->load = val;
	r->offset = val - host_s(r);
	rematch(r);
}

static void set_match(struct rtc *r, uint32_t val)
{
	r->match = val;
	rematch(r);
}

static uint64_t pl031_read(void *self, uint64_t off, unsigned int len)
{
	const struct rtc *r = self;

	(void)len;
	switch (off) {
	case R31_DR:
		return count(r);
	case R31_MR:
		return r->match;
	case R31_LR:
		return r->load;
	case R31_CR:
		return 1; /* it cannot be stopped */
	case R31_IMSC:
		return r->enabled;
	case R31_RIS:
		return r->raised;
	case R31_MIS:
		return r->raised & r->enabled;
	}
	return off >= CV_PRIMECELL_IDS ? cv_primecell_id(ID31, off) : 0;
}

static void pl031_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct rtc *r = self;

	(void)len;
	switch (off) {
	case R31_MR:
		set_match(r, (uint32_t)val);
		break;
	case R31_LR:
		set_count(r, (uint32_t)val);
		break;
	case R31_IMSC:
		r->enabled = val & 1;
		break;
	case R31_ICR:
		r->raised &= ~(uint32_t)val;
		break;
	}
	update_irq(r);
}

static uint64_t pl030_read(void *self, uint64_t off, unsigned int len)
{
	const struct rtc *r = self;

	(void)len;
	switch (off) {
	case R30_DR:
		return count(r);
	case R30_MR:
		return r->match;
	case R30_STAT_EOI:
		return r->raised & r->enabled;
	case R30_LR:
		return r->load;
	case R30_CR:
		return r->enabled;
	}
	return off >= CV_PRIMECELL_IDS ? cv_primecell_id(ID30, off) : 0;
}

static void pl030_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct rtc *r = self;

	(void)len;
	switch (off) {
	case R30_MR:
		set_match(r, (uint32_t)val);
		break;
	case R30_STAT_EOI: /* whatever is written */
		r->raised = 0;
		break;
	case R30_LR:
		set_count(r, (uint32_t)val);
		break;
	case R30_CR:
		r->enabled = val & 1;
		break;
	}
	update_irq(r);
}

/* The count goes on: it has a battery. */
static void rtc_reset(void *self)
{
	struct rtc *r = self;

	r->match = 0;
	r->raised = 0;
	r->enabled = 0;
	cv_timer_cancel(&r->timer);
	update_irq(r);
}

static int rtc_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct rtc *r = self;

	(void)config;
	(void)e;
	r->env = env;
	r->timer = (struct cv_timer){ .fn = on_timer, .lock = env->lock };
	r->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	return 0;
}

static void rtc_fini(void *self)
{
	struct rtc *r = self;

	cv_task_cancel(&r->task);
	cv_timer_cancel(&r->timer);
}

static int rtc_loaded(void *self, uint16_t version)
{
	struct rtc *r = self;

	(void)version;
	r->raised &= 1;
	r->enabled &= 1;
	cv_loop_post(r->env->loop, &r->task);
	update_irq(r);
	return 0;
}

static const struct cv_field rtc_state[] = {
	{ CV_FIELD(struct rtc, offset) },  { CV_FIELD(struct rtc, load) },
	{ CV_FIELD(struct rtc, match) },   { CV_FIELD(struct rtc, raised) },
	{ CV_FIELD(struct rtc, enabled) }, CV_FIELD_LAST
};

static const struct cv_regs_ops pl031_regs = {
	.span = CV_PRIMECELL_SPAN,
	.min_len = 4,
	.max_len = 4,
	.read = pl031_read,
	.write = pl031_write,
};

static const struct cv_regs_ops pl030_regs = {
	.span = CV_PRIMECELL_SPAN,
	.min_len = 4,
	.max_len = 4,
	.read = pl030_read,
	.write = pl030_write,
};

const struct cv_class cv_class_pl031 = {
	.name = "pl031",
	.help = "Arm's real-time clock",
	.policy = "pl031",
	.size = sizeof(struct rtc),
	.state = rtc_state,
	.state_version = 1,
	.init = rtc_init,
	.fini = rtc_fini,
	.reset = rtc_reset,
	.loaded = rtc_loaded,
	.regs = &pl031_regs,
};

const struct cv_class cv_class_pl030 = {
	.name = "pl030",
	.help = "Arm's older real-time clock, for guests without a driver for PL031",
	.policy = "pl030",
	.size = sizeof(struct rtc),
	.state = rtc_state,
	.state_version = 1,
	.init = rtc_init,
	.fini = rtc_fini,
	.reset = rtc_reset,
	.loaded = rtc_loaded,
	.regs = &pl030_regs,
};
