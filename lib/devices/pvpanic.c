/* SPDX-License-Identifier: BSD-3-Clause */
/* The port through which a guest reports its own crash (QEMU's docs/specs/pvpanic.txt). */
#include "core/dev.h"

enum { PANICKED = 1, CRASH_LOADED = 2 };

struct pvpanic {
	const struct cv_env *env;
};

static uint64_t pvpanic_read(void *self, uint64_t off, unsigned int len)
{
	(void)self;
	(void)off;
	(void)len;
	return PANICKED | CRASH_LOADED;
}

static void pvpanic_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	const struct pvpanic *p = self;

	(void)off;
	(void)len;
	if (val & PANICKED)
		p->env->request(p->env, CV_REQUEST_PANICKED);
	else if (val & CRASH_LOADED)
		p->env->request(p->env, CV_REQUEST_CRASH_LOADED);
}

static int pvpanic_init(void *self, const struct cv_env *env, const void *config,
			struct vm_error *e)
{
	struct pvpanic *p = self;

	(void)config;
	(void)e;
	p->env = env;
	return 0;
}

static const struct cv_regs_ops pvpanic_regs = {
	.span = 1,
	.min_len = 1,
	.max_len = 1,
	.read = pvpanic_read,
	.write = pvpanic_write,
};

const struct cv_class cv_class_pvpanic = {
	.name = "pvpanic",
	.help = "tells the host of a guest's crash",
	.policy = "pvpanic",
	.size = sizeof(struct pvpanic),
	.state_version = 1,
	.init = pvpanic_init,
	.regs = &pvpanic_regs,
};
