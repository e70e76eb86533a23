/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device for tests of transports: it writes back what it reads. */
#ifndef CV_TESTS_ECHO_H
#define CV_TESTS_ECHO_H

#include <string.h>

#include "core/dev.h"
#include "virtio/vq.h"

#define ECHO_QUEUES	3
#define ECHO_CONFIG_LEN 24

struct echo {
	const struct cv_env *env;
	uint8_t config[ECHO_CONFIG_LEN];
	unsigned int n_starts, n_stops, n_resets;
};

static inline int echo_init(void *self, const struct cv_env *env, const void *config CV_UNUSED,
			    struct vm_error *e CV_UNUSED)
{
	struct echo *d = self;

	d->env = env;
	for (unsigned int i = 0; i < ECHO_CONFIG_LEN; i++)
		d->config[i] = (uint8_t)(0x10 + i);
	return 0;
}

static inline void echo_reset(void *self)
{
	((struct echo *)self)->n_resets++;
}

static inline void echo_config_read(void *self, uint32_t off, uint8_t *buf, uint32_t len)
{
	memcpy(buf, ((struct echo *)self)->config + off, len);
}

/* The driver's writes are news to itself, so that tests can cause configuration interrupts. */
static inline void echo_config_write(void *self, uint32_t off, const uint8_t *buf, uint32_t len)
{
	struct echo *d = self;

	memcpy(d->config + off, buf, len);
	d->env->config_changed(d->env);
}

static inline int echo_start(void *self, uint64_t features CV_UNUSED, struct cv_vq *vqs CV_UNUSED)
{
	((struct echo *)self)->n_starts++;
	return 0;
}

static inline void echo_kick(void *self CV_UNUSED, struct cv_vq *vq, unsigned int index CV_UNUSED)
{
	struct cv_chain *c;

	while ((c = cv_vq_pop(vq))) {
		uint8_t buf[256];
		size_t n = cv_chain_read(vq, c, 0, buf, sizeof(buf));

		cv_vq_push(vq, c, (uint32_t)cv_chain_write(vq, c, 0, buf, n));
	}
	cv_vq_notify(vq);
}

/* Nothing is ever in flight. */
static inline void echo_queue_stop(void *self, struct cv_vq *vq, unsigned int index)
{
	(void)self;
	(void)vq;
	(void)index;
}

static inline void echo_stop(void *self)
{
	((struct echo *)self)->n_stops++;
}

static const uint16_t echo_queue_max[ECHO_QUEUES] = { 64, 128, 256 };

static const struct cv_virtio_ops echo_virtio = {
	.id = 4,
	.config_len = ECHO_CONFIG_LEN,
	.n_queues = ECHO_QUEUES,
	.queue_max = echo_queue_max,
	.config_read = echo_config_read,
	.config_write = echo_config_write,
	.start = echo_start,
	.kick = echo_kick,
	.stop = echo_stop,
	.queue_stop = echo_queue_stop,
};

static const struct cv_class echo_class = {
	.name = "echo",
	.help = "writes back what it reads",
	.size = sizeof(struct echo),
	.state_version = 1,
	.init = echo_init,
	.reset = echo_reset,
	.virtio = &echo_virtio,
};

#endif
