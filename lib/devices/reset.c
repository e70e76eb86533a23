/* SPDX-License-Identifier: BSD-3-Clause */
/* The reset control register of PCI chipsets at port 0xcf9 (Intel ICH data sheets, RST_CNT). */
#include "core/dev.h"

enum { RST_HARD = 0x02, RST_NOW = 0x04, RST_FULL = 0x08 };

struct reset {
	const struct cv_env *env;
	uint8_t control;
};

static uint64_t reset_read(void *self, uint64_t off, unsigned int len)
{
	const struct reset *r = self;

	(void)off;
	(void)len;
	return r->control;
}

/* RST_NOW starts the reset on its rising edge; it is over before anybody reads it. */
static void reset_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct reset *r = self;

	(void)off;
	(void)len;
	r->control = (uint8_t)(val & (RST_HARD | RST_FULL));
	if (val & RST_NOW)
		r->env->request(r->env, CV_REQUEST_RESET);
}

static int reset_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct reset *r = self;

	(void)config;
	(void)e;
	r->env = env;
	return 0;
}

static void reset_reset(void *self)
{
	struct reset *r = self;

	r->control = 0;
}

static const struct cv_field reset_state[] = { { CV_FIELD(struct reset, control) }, CV_FIELD_LAST };

static const struct cv_regs_ops reset_regs = {
	.span = 1,
	.min_len = 1,
	.max_len = 1,
	.read = reset_read,
	.write = reset_write,
};

const struct cv_class cv_class_reset = {
	.name = "reset",
	.help = "the reset register at port 0xcf9",
	.policy = "reset",
	.size = sizeof(struct reset),
	.state = reset_state,
	.state_version = 1,
	.init = reset_init,
	.reset = reset_reset,
	.regs = &reset_regs,
};
