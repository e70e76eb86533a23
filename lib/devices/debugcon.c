/* SPDX-License-Identifier: BSD-3-Clause */
/* The debug console of Bochs (port 0xe9) and QEMU: bytes written to a port go to the host. */
#include "core/dev.h"
#include "tty/tty.h"

#define SIGNATURE 0xe9 /* what a read gives, so that guests can tell that it is there */

struct debugcon_config {
	struct cv_opt_file out;
	uint32_t port; /* the machine's business */
};

struct debugcon {
	struct cv_tty tty;
};

static uint64_t debugcon_read(void *self, uint64_t off, unsigned int len)
{
	(void)self;
	(void)off;
	(void)len;
	return SIGNATURE;
}

/* There is no flow control: what the host does not take in time is lost. */
static void debugcon_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct debugcon *d = self;
	uint8_t byte = (uint8_t)val;

	(void)off;
	(void)len;
	cv_tty_write(&d->tty, &byte, 1);
}

static int debugcon_init(void *self, const struct cv_env *env, const void *config,
			 struct vm_error *e)
{
	const struct debugcon_config *c = config;
	struct debugcon *d = self;

	(void)e;
	cv_tty_init(&d->tty, &(struct cv_tty_config){ .loop = env->loop,
						      .lock = env->lock,
						      .log = env->log,
						      .name = "debugcon",
						      .in_fd = -1,
						      .out_fd = c->out.fd_plus1 - 1 });
	return 0;
}

static void debugcon_fini(void *self)
{
	struct debugcon *d = self;

	cv_tty_fini(&d->tty);
}

static const struct cv_opt debugcon_opts[] = { { .name = "port",
						 .kind = CV_OPT_U32,
						 .off = offsetof(struct debugcon_config, port),
						 .dflt = 0xe9,
						 .min = 1,
						 .max = 0xffff,
						 .help = "the port; firmware writes to 0x402" },
					       { .name = "out",
						 .kind = CV_OPT_FILE,
						 .off = offsetof(struct debugcon_config, out),
						 .access = CV_OPT_CREATE_APPEND,
						 .help = "where output goes; dropped if missing" },
					       CV_OPT_END };

static const struct cv_regs_ops debugcon_regs = {
	.span = 1,
	.min_len = 1,
	.max_len = 1,
	.read = debugcon_read,
	.write = debugcon_write,
};

const struct cv_class cv_class_debugcon = {
	.name = "debugcon",
	.help = "a write-only console at a port",
	.policy = "serial",
	.size = sizeof(struct debugcon),
	.config_size = sizeof(struct debugcon_config),
	.opts = debugcon_opts,
	.state_version = 1,
	.init = debugcon_init,
	.fini = debugcon_fini,
	.regs = &debugcon_regs,
};
