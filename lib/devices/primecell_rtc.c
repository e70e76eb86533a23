/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arm's real-time clocks: PL031 (DDI 0224, chapter 3) and the older PL030 (DDI
 * 0140, chapter 3). Both count seconds, those since 1970 until the guest loads
 * another number, and interrupt when the count comes to the match register. They
 * differ in where their registers are.
 *
 * The count is the host's clock (UTC) plus an offset; there is no tick. Whether it
 * has come by the match is worked out when somebody looks, and a timer runs only
 * for an interrupt that is enabled and has not come yet.
 */
#include "core/dev.h"
#include "core/irq.h"
#include "core/primecell.h"
#include "sys/loop.h"

enum {
	R31_DR = 0x00,
	R31_MR = 0x04,
	R31_LR = 0x08,
	R31_CR = 0x0c,
	R31_IMSC = 0x10,
	R31_RIS = 0x14,
	R31_MIS = 0x18,
	R31_ICR = 0x1c,
};
enum { R30_DR = 0x00, R30_MR = 0x04, R30_STAT_EOI = 0x08, R30_LR = 0x0c, R30_CR = 0x10 };

#define ID31	 0x00041031u
#define ID30	 0x00041030u
#define NS_PER_S 1000000000ull

struct rtc {
	const struct cv_env *env;
	uint32_t offset; /* of the count from the host's seconds, modulo 2^32 */
	uint32_t load, match;
	uint32_t seen; /* the count when it was compared with the match last */
	bool raised, enabled;
	struct cv_timer timer; /* to the match */
	struct cv_task task;   /* sets it, from vCPU threads */
};

static uint32_t host_s(const struct rtc *r)
{
	return (uint32_t)(cv_loop_wall(r->env->loop) / NS_PER_S);
}

static uint32_t count(const struct rtc *r)
{
	return host_s(r) + r->offset;
}

/* Catches up with the time since the last look; a clock that has been set back passes nothing. */
static void look(struct rtc *r)
{
	uint32_t now = count(r), passed = now - r->seen;

	if (passed <= INT32_MAX && r->match - r->seen - 1 < passed)
		r->raised = true;
	r->seen = now;
	if (r->env->irq)
		cv_irq_set(r->env->irq, r->raised && r->enabled);
}

/* Nanoseconds to the second that begins with the match: a whole turn if this one did. */
static uint64_t until_match(const struct rtc *r)
{
	uint64_t wall = cv_loop_wall(r->env->loop);
	uint32_t left = r->match - ((uint32_t)(wall / NS_PER_S) + r->offset);

	return (left ? left : 1ull << 32) * NS_PER_S - wall % NS_PER_S;
}

static void rearm(struct rtc *r)
{
	look(r);
	if (r->enabled && !r->raised)
		cv_timer_set(r->env->loop, &r->timer, cv_loop_now(r->env->loop) + until_match(r));
	else
		cv_timer_cancel(&r->timer);
}

static void on_timer(struct cv_timer *t)
{
	rearm(cv_container_of(t, struct rtc, timer));
}

static void on_task(struct cv_task *t)
{
	rearm(cv_container_of(t, struct rtc, task));
}

/* A count or a match has been written: they may be the same now. */
static void compare(struct rtc *r)
{
	r->seen = count(r);
	if (r->seen == r->match)
		r->raised = true;
}

static void set_count(struct rtc *r, uint32_t val)
{
	r->load = val;
	r->offset = val - host_s(r);
	compare(r);
}

static void set_match(struct rtc *r, uint32_t val)
{
	r->match = val;
	compare(r);
}

/* ---- registers ---- */

static uint32_t pl031_reg(const struct rtc *r, uint64_t reg)
{
	switch (reg) {
	case R31_DR:
		return count(r);
	case R31_MR:
		return r->match;
	case R31_LR:
		return r->load;
	case R31_CR: /* it cannot be stopped */
		return 1;
	case R31_IMSC:
		return r->enabled;
	case R31_RIS:
		return r->raised;
	case R31_MIS:
		return r->raised && r->enabled;
	default:
		return cv_primecell_id(ID31, reg);
	}
}

static uint64_t pl031_read(void *self, uint64_t off, unsigned int len)
{
	(void)len;
	look(self);
	return cv_primecell_lanes(pl031_reg(self, cv_primecell_reg(off)), off);
}

static void pl031_write_reg(struct rtc *r, uint64_t reg, uint32_t val)
{
	switch (reg) {
	case R31_MR:
		set_match(r, val);
		break;
	case R31_LR:
		set_count(r, val);
		break;
	case R31_IMSC:
		r->enabled = val & 1;
		break;
	case R31_ICR:
		r->raised = r->raised && !(val & 1);
		break;
	}
}

static uint32_t pl030_reg(const struct rtc *r, uint64_t reg)
{
	switch (reg) {
	case R30_DR:
		return count(r);
	case R30_MR:
		return r->match;
	case R30_STAT_EOI:
		return r->raised && r->enabled;
	case R30_LR:
		return r->load;
	case R30_CR:
		return r->enabled;
	default:
		return cv_primecell_id(ID30, reg);
	}
}

static uint64_t pl030_read(void *self, uint64_t off, unsigned int len)
{
	(void)len;
	look(self);
	return cv_primecell_lanes(pl030_reg(self, cv_primecell_reg(off)), off);
}

static void pl030_write_reg(struct rtc *r, uint64_t reg, uint32_t val)
{
	switch (reg) {
	case R30_MR:
		set_match(r, val);
		break;
	case R30_STAT_EOI: /* whatever is written */
		r->raised = false;
		break;
	case R30_LR:
		set_count(r, val);
		break;
	case R30_CR:
		r->enabled = val & 1;
		break;
	}
}

static void write_reg(struct rtc *r, uint64_t off, uint32_t val,
		      void (*fn)(struct rtc *r, uint64_t reg, uint32_t val))
{
	if (!cv_primecell_writes(off))
		return;
	look(r);
	fn(r, off, val);
	look(r);
	cv_loop_post(r->env->loop, &r->task);
}

static void pl031_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	(void)len;
	write_reg(self, off, (uint32_t)val, pl031_write_reg);
}

static void pl030_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	(void)len;
	write_reg(self, off, (uint32_t)val, pl030_write_reg);
}

/* ---- life ---- */

/* The count goes on: it has a battery. */
static void rtc_reset(void *self)
{
	struct rtc *r = self;

	r->load = 0;
	r->match = 0;
	r->seen = count(r);
	r->raised = false;
	r->enabled = false;
	cv_timer_cancel(&r->timer);
	look(r);
}

static int rtc_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct rtc *r = self;

	(void)config;
	(void)e;
	r->env = env;
	r->timer = (struct cv_timer){ .fn = on_timer, .lock = env->lock };
	r->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	rtc_reset(r);
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
	cv_loop_post(r->env->loop, &r->task);
	return 0;
}

static const struct cv_field rtc_state[] = { { CV_FIELD(struct rtc, offset) },
					     { CV_FIELD(struct rtc, load) },
					     { CV_FIELD(struct rtc, match) },
					     { CV_FIELD(struct rtc, seen) },
					     { CV_FIELD(struct rtc, raised) },
					     { CV_FIELD(struct rtc, enabled) },
					     CV_FIELD_LAST };

static const struct cv_regs_ops pl031_regs = {
	.span = CV_PRIMECELL_SPAN,
	.min_len = 1,
	.max_len = 4,
	.read = pl031_read,
	.write = pl031_write,
};

static const struct cv_regs_ops pl030_regs = {
	.span = CV_PRIMECELL_SPAN,
	.min_len = 1,
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
