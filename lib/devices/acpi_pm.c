/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fixed hardware of ACPI (specification 6.5, section 4.8.3): PM1 event and
 * control registers, and the power management timer. ACPI mode is always on
 * (there is no SMI_CMD), so SCI_EN reads 1.
 *
 *	0 PM1_STS   2 PM1_EN   4 PM1_CNT   8 PM_TMR (32 bits)
 */
#include "core/dev.h"
#include "core/irq.h"
#include "sys/loop.h"

enum { R_STS = 0, R_EN = 2, R_CNT = 4, R_TMR = 8, SPAN = 12 };

enum { TMR = 1 << 0, GBL = 1 << 5, PWRBTN = 1 << 8, SLPBTN = 1 << 9, RTC = 1 << 10 };
#define EN_MASK (TMR | GBL | PWRBTN | SLPBTN | RTC)

enum { CNT_SCI_EN = 1 << 0, CNT_BM_RLD = 1 << 1, CNT_SLP_TYP = 7 << 10, CNT_SLP_EN = 1 << 13 };
#define SLP_TYP_S5 (5u << 10)

#define PM_TIMER_HZ 3579545u
#define TMR_CARRY   31 /* TMR_STS: this bit of the timer has changed */
#define NS_PER_S    1000000000ull

struct acpi_pm {
	const struct cv_env *env;
	uint16_t status, enable, control;
	uint32_t carries; /* the timer's bits above TMR_CARRY - 1 when they were looked at last */
	struct cv_timer timer; /* runs to the next carry while TMR_EN is set */
	struct cv_task task;   /* arms it, from vCPU threads */
};

static uint64_t ticks(const struct acpi_pm *p)
{
	uint64_t ns = cv_loop_now(p->env->loop);

	return ns / NS_PER_S * PM_TIMER_HZ + ns % NS_PER_S * PM_TIMER_HZ / NS_PER_S;
}

static void update_sci(struct acpi_pm *p)
{
	if (p->env->irq)
		cv_irq_set(p->env->irq, p->status & p->enable);
}

/* Notes whether the timer has carried since the last look. */
static void look_at_timer(struct acpi_pm *p)
{
	uint32_t carries = (uint32_t)(ticks(p) >> TMR_CARRY);

	if (carries != p->carries)
		p->status |= TMR;
	p->carries = carries;
}

static void on_timer(struct cv_timer *t)
{
	struct acpi_pm *p = cv_container_of(t, struct acpi_pm, timer);

	look_at_timer(p);
	update_sci(p);
}

static void on_task(struct cv_task *t)
{
	struct acpi_pm *p = cv_container_of(t, struct acpi_pm, task);
	uint64_t left;

	cv_timer_cancel(&p->timer);
	look_at_timer(p);
	update_sci(p);
	if (!(p->enable & TMR) || (p->status & TMR))
		return;
	left = (1ull << TMR_CARRY) - (ticks(p) & ((1ull << TMR_CARRY) - 1));
	cv_timer_set(p->env->loop, &p->timer,
		     cv_loop_now(p->env->loop) + left * NS_PER_S / PM_TIMER_HZ + 1);
}

static void write_control(struct acpi_pm *p, uint16_t val)
{
	p->control = (uint16_t)((val & (CNT_BM_RLD | CNT_SLP_TYP)) | CNT_SCI_EN);
	if ((val & CNT_SLP_EN) && (val & CNT_SLP_TYP) == SLP_TYP_S5)
		p->env->request(p->env, CV_REQUEST_POWER_OFF);
}

/* One 16-bit register of which the bytes in @mask are written. */
static void write_reg(struct acpi_pm *p, unsigned int reg, uint16_t val, uint16_t mask)
{
	uint16_t old_enable = p->enable;

	switch (reg) {
	case R_STS: /* a 1 clears */
		p->status &= (uint16_t) ~(val & mask);
		break;
	case R_EN:
		p->enable = (uint16_t)(((p->enable & ~mask) | (val & mask)) & EN_MASK);
		break;
	default:
		write_control(p, (uint16_t)((p->control & ~mask) | (val & mask)));
		break;
	}
	if (reg != R_CNT && ((p->enable | old_enable) & TMR))
		cv_loop_post(p->env->loop, &p->task);
}

static uint64_t acpi_pm_read(void *self, uint64_t off, unsigned int len)
{
	struct acpi_pm *p = self;
	uint64_t low;

	(void)len;
	if (off >= R_TMR)
		return (ticks(p) & UINT32_MAX) >> (8 * (off - R_TMR));
	look_at_timer(p);
	low = (uint64_t)p->status | (uint64_t)p->enable << 16 | (uint64_t)p->control << 32;
	return low >> (8 * off);
}

static void acpi_pm_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct acpi_pm *p = self;
	uint64_t mask = len == 4 ? UINT32_MAX : (1ull << (8 * len)) - 1;

	if (off >= R_TMR)
		return;
	look_at_timer(p);
	val <<= 8 * off;
	mask <<= 8 * off;
	for (unsigned int reg = R_STS; reg <= R_CNT; reg += 2)
		if (mask >> (8 * reg) & 0xffff)
			write_reg(p, reg, (uint16_t)(val >> (8 * reg)),
				  (uint16_t)(mask >> (8 * reg)));
	update_sci(p);
}

static void acpi_pm_reset(void *self)
{
	struct acpi_pm *p = self;

	p->status = 0;
	p->enable = 0;
	p->control = CNT_SCI_EN;
	p->carries = (uint32_t)(ticks(p) >> TMR_CARRY);
	cv_timer_cancel(&p->timer);
	update_sci(p);
}

static int acpi_pm_init(void *self, const struct cv_env *env, const void *config,
			struct vm_error *e)
{
	struct acpi_pm *p = self;

	(void)config;
	(void)e;
	p->env = env;
	p->timer = (struct cv_timer){ .fn = on_timer, .lock = env->lock };
	p->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	acpi_pm_reset(p);
	return 0;
}

static void acpi_pm_fini(void *self)
{
	struct acpi_pm *p = self;

	cv_task_cancel(&p->task);
	cv_timer_cancel(&p->timer);
}

static int acpi_pm_loaded(void *self, uint16_t version)
{
	struct acpi_pm *p = self;

	(void)version;
	p->enable &= EN_MASK;
	p->control = (uint16_t)((p->control & (CNT_BM_RLD | CNT_SLP_TYP)) | CNT_SCI_EN);
	p->carries = (uint32_t)(ticks(p) >> TMR_CARRY); /* the host's clock is another one */
	cv_loop_post(p->env->loop, &p->task);
	update_sci(p);
	return 0;
}

static int press_power_button(void *self, const void *args, char *reply, size_t size,
			      struct vm_error *e)
{
	struct acpi_pm *p = self;

	(void)args;
	(void)reply;
	(void)size;
	(void)e;
	p->status |= PWRBTN;
	update_sci(p);
	return 0;
}

static const struct cv_control acpi_pm_controls[] = {
	{ .name = "power-button",
	  .help = "presses the power button, which asks the guest to shut down",
	  .run = press_power_button },
	CV_CONTROL_END
};

static const struct cv_field acpi_pm_state[] = { { CV_FIELD(struct acpi_pm, status) },
						 { CV_FIELD(struct acpi_pm, enable) },
						 { CV_FIELD(struct acpi_pm, control) },
						 CV_FIELD_LAST };

static const struct cv_regs_ops acpi_pm_regs = {
	.span = SPAN,
	.min_len = 1,
	.max_len = 4,
	.read = acpi_pm_read,
	.write = acpi_pm_write,
};

const struct cv_class cv_class_acpi_pm = {
	.name = "acpi-pm",
	.help = "ACPI's power button, power-off and timer",
	.policy = "acpi_pm",
	.size = sizeof(struct acpi_pm),
	.state = acpi_pm_state,
	.state_version = 1,
	.controls = acpi_pm_controls,
	.init = acpi_pm_init,
	.fini = acpi_pm_fini,
	.reset = acpi_pm_reset,
	.loaded = acpi_pm_loaded,
	.regs = &acpi_pm_regs,
};
