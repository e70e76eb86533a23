/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arm's PL061, eight lines of general purpose I/O (DDI 0190, chapter 3), which
 * are not connected, but for line 3: the power button, which guests know by
 * gpio-keys or an ACPI GPIO event. It stays pressed long enough for a driver that
 * waits for it to be steady.
 */
#include "core/dev.h"
#include "core/irq.h"
#include "core/primecell.h"
#include "sys/loop.h"

/* The data register takes the first KiB: address bits 9 to 2 say which lines an access means. */
enum {
	R_DATA_END = 0x400,
	R_DIR = 0x400,
	R_IS = 0x404,
	R_IBE = 0x408,
	R_IEV = 0x40c,
	R_IE = 0x410,
	R_RIS = 0x414,
	R_MIS = 0x418,
	R_IC = 0x41c,
	R_AFSEL = 0x420,
};

#define ID	   0x00041061u
#define POWER	   (1u << 3)
#define PRESSED_NS 100000000ull

struct pl061 {
	const struct cv_env *env;
	uint8_t out, dir;	 /* what is driven; 1: an output */
	uint8_t in;		 /* what comes from outside */
	uint8_t level, both, up; /* how lines interrupt: GPIOIS, GPIOIBE, GPIOIEV */
	uint8_t enable;
	uint8_t edges; /* seen and not cleared */
	uint8_t mode;  /* GPIOAFSEL, without effect */
	struct cv_timer release;
	struct cv_task task; /* sets it after a load */
};

static uint8_t lines(const struct pl061 *p)
{
	return (uint8_t)((p->out & p->dir) | (p->in & ~p->dir));
}

static uint8_t raw_status(const struct pl061 *p)
{
	uint8_t active = (uint8_t) ~(lines(p) ^ p->up);

	return (uint8_t)((p->edges & ~p->level) | (active & p->level));
}

static void update_irq(struct pl061 *p)
{
	if (p->env->irq)
		cv_irq_set(p->env->irq, raw_status(p) & p->enable);
}

/* The lines were @before. */
static void note_edges(struct pl061 *p, uint8_t before)
{
	uint8_t now = lines(p), wanted = (uint8_t)(p->both | ~(now ^ p->up));

	p->edges |= (uint8_t)((before ^ now) & ~p->level & wanted);
	update_irq(p);
}

/* ---- the button ---- */

static void set_power(struct pl061 *p, bool on)
{
	uint8_t before = lines(p);

	p->in = on ? POWER : 0;
	note_edges(p, before);
}

static void release_later(struct pl061 *p)
{
	cv_timer_set(p->env->loop, &p->release, cv_loop_now(p->env->loop) + PRESSED_NS);
}

static void on_release(struct cv_timer *t)
{
	set_power(cv_container_of(t, struct pl061, release), false);
}

static void on_task(struct cv_task *t)
{
	struct pl061 *p = cv_container_of(t, struct pl061, task);

	if (p->in)
		release_later(p);
	else
		cv_timer_cancel(&p->release);
}

static int press_power_button(void *self, const void *args, char *reply, size_t size,
			      struct vm_error *e)
{
	struct pl061 *p = self;

	(void)args;
	(void)reply;
	(void)size;
	(void)e;
	set_power(p, true);
	release_later(p);
	return 0;
}

/* ---- registers ---- */

static uint32_t read_reg(const struct pl061 *p, uint64_t reg)
{
	if (reg < R_DATA_END)
		return lines(p) & (uint32_t)(reg >> 2);
	switch (reg) {
	case R_DIR:
		return p->dir;
	case R_IS:
		return p->level;
	case R_IBE:
		return p->both;
	case R_IEV:
		return p->up;
	case R_IE:
		return p->enable;
	case R_RIS:
		return raw_status(p);
	case R_MIS:
		return raw_status(p) & p->enable;
	case R_AFSEL:
		return p->mode;
	default:
		return cv_primecell_id(ID, reg);
	}
}

static uint64_t pl061_read(void *self, uint64_t off, unsigned int len)
{
	(void)len;
	return cv_primecell_lanes(read_reg(self, cv_primecell_reg(off)), off);
}

/* Only of outputs: Linux' driver writes again what it wrote before it made a line one. */
static void write_data(struct pl061 *p, uint8_t mask, uint8_t val)
{
	mask &= p->dir;
	p->out = (uint8_t)((p->out & ~mask) | (val & mask));
}

static void write_reg(struct pl061 *p, uint64_t reg, uint8_t val)
{
	switch (reg) {
	case R_DIR:
		p->dir = val;
		break;
	case R_IS:
		p->level = val;
		break;
	case R_IBE:
		p->both = val;
		break;
	case R_IEV:
		p->up = val;
		break;
	case R_IE:
		p->enable = val;
		break;
	case R_IC:
		p->edges &= (uint8_t)~val;
		break;
	case R_AFSEL:
		p->mode = val;
		break;
	}
}

static void pl061_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct pl061 *p = self;
	uint8_t before = lines(p);

	(void)len;
	if (!cv_primecell_writes(off))
		return;
	if (off < R_DATA_END)
		write_data(p, (uint8_t)(off >> 2), (uint8_t)val);
	else
		write_reg(p, off, (uint8_t)val);
	note_edges(p, before);
}

/* ---- life ---- */

static void pl061_reset(void *self)
{
	struct pl061 *p = self;

	p->out = p->dir = p->in = 0;
	p->level = p->both = p->up = 0;
	p->enable = p->edges = p->mode = 0;
	cv_timer_cancel(&p->release);
	update_irq(p);
}

static int pl061_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct pl061 *p = self;

	(void)config;
	(void)e;
	p->env = env;
	p->release = (struct cv_timer){ .fn = on_release, .lock = env->lock };
	p->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	return 0;
}

static void pl061_fini(void *self)
{
	struct pl061 *p = self;

	cv_task_cancel(&p->task);
	cv_timer_cancel(&p->release);
}

static int pl061_loaded(void *self, uint16_t version)
{
	struct pl061 *p = self;

	(void)version;
	p->in &= POWER;
	cv_loop_post(p->env->loop, &p->task);
	update_irq(p);
	return 0;
}

static const struct cv_control pl061_controls[] = {
	{ .name = "power-button",
	  .help = "presses the power button, which asks the guest to shut down",
	  .run = press_power_button },
	CV_CONTROL_END
};

static const struct cv_field pl061_state[] = {
	{ CV_FIELD(struct pl061, out) },    { CV_FIELD(struct pl061, dir) },
	{ CV_FIELD(struct pl061, in) },	    { CV_FIELD(struct pl061, level) },
	{ CV_FIELD(struct pl061, both) },   { CV_FIELD(struct pl061, up) },
	{ CV_FIELD(struct pl061, enable) }, { CV_FIELD(struct pl061, edges) },
	{ CV_FIELD(struct pl061, mode) },   CV_FIELD_LAST
};

static const struct cv_regs_ops pl061_regs = {
	.span = CV_PRIMECELL_SPAN,
	.min_len = 1,
	.max_len = 4,
	.read = pl061_read,
	.write = pl061_write,
};

const struct cv_class cv_class_pl061 = {
	.name = "pl061",
	.help = "Arm's general purpose I/O, with the power button",
	.policy = "pl061",
	.size = sizeof(struct pl061),
	.state = pl061_state,
	.state_version = 1,
	.controls = pl061_controls,
	.init = pl061_init,
	.fini = pl061_fini,
	.reset = pl061_reset,
	.loaded = pl061_loaded,
	.regs = &pl061_regs,
};
