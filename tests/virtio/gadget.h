/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device for tests of slots and transports.
 *
 *   queue 0  writes back what it reads, at once
 *   queue 1  keeps its buffers until the operation "emit" fills one
 *   queue 2  answers a millisecond later; stop answers what is in flight
 *
 * Its class has queue_stop; gadget_plain_class is the same without.
 */
#ifndef CV_TESTS_GADGET_H
#define CV_TESTS_GADGET_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/dev.h"
#include "sys/loop.h"
#include "virtio/vq.h"

#define GADGET_QUEUES	  3
#define GADGET_CONFIG_LEN 12
#define GADGET_FEATURES	  5ull
#define GADGET_ID	  42

struct gadget_config {
	bool fail_init;
	uint32_t fail_starts; /* how many */
	uint32_t queues;
};

struct gadget {
	const struct cv_env *env;
	const struct gadget_config *config;
	uint8_t space[GADGET_CONFIG_LEN];
	struct cv_vq *vqs;
	uint64_t features;
	struct cv_timer timer;
	struct cv_chain *late[64];
	unsigned int n_late;
	bool running;
	unsigned int n_starts, n_stops, n_resets, n_queue_stops, n_failed;
	unsigned int n_kicks[GADGET_QUEUES];
	bool *gone; /* told by fini */
};

static const struct cv_opt gadget_opts[] = {
	{ .name = "fail-init",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct gadget_config, fail_init),
	  .help = "do not start up" },
	{ .name = "fail-starts",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct gadget_config, fail_starts),
	  .help = "refuse to start that often" },
	{ .name = "queues",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct gadget_config, queues),
	  .dflt = GADGET_QUEUES,
	  .min = 1,
	  .max = GADGET_QUEUES,
	  .help = "how many queues" },
	CV_OPT_END,
};

static void gadget_answer_late(struct gadget *d)
{
	struct cv_vq *vq = &d->vqs[2];

	while (d->n_late > 0)
		cv_vq_push(vq, d->late[--d->n_late], 0);
	cv_vq_notify(vq);
}

static void gadget_timer(struct cv_timer *t)
{
	gadget_answer_late(cv_container_of(t, struct gadget, timer));
}

static int gadget_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct gadget *d = self;

	d->env = env;
	d->config = config;
	d->timer.fn = gadget_timer;
	d->timer.lock = env->lock;
	for (unsigned int i = 0; i < GADGET_CONFIG_LEN; i++)
		d->space[i] = (uint8_t)(0xa0 + i);
	return d->config->fail_init ? cv_err(e, -ENODEV, "gadget: told to fail") : 0;
}

static void gadget_fini(void *self)
{
	struct gadget *d = self;

	cv_timer_cancel(&d->timer);
	if (d->gone)
		*d->gone = true;
}

static void gadget_reset(void *self)
{
	((struct gadget *)self)->n_resets++;
}

static void gadget_shape(void *self, uint16_t *n_queues, uint64_t *features)
{
	struct gadget *d = self;

	*n_queues = (uint16_t)d->config->queues;
	if (d->config->queues < GADGET_QUEUES)
		*features &= ~4ull;
}

static void gadget_config_read(void *self, uint32_t off, uint8_t *buf, uint32_t len)
{
	memcpy(buf, ((struct gadget *)self)->space + off, len);
}

/* The driver's writes are news to itself, so that tests can cause configuration interrupts. */
static void gadget_config_write(void *self, uint32_t off, const uint8_t *buf, uint32_t len)
{
	struct gadget *d = self;

	memcpy(d->space + off, buf, len);
	d->env->config_changed(d->env);
}

static int gadget_start(void *self, uint64_t features, struct cv_vq *vqs)
{
	struct gadget *d = self;

	if (d->n_failed < d->config->fail_starts) {
		d->n_failed++;
		return -EIO;
	}
	d->features = features;
	d->vqs = vqs;
	d->running = true;
	d->n_starts++;
	return 0;
}

static void gadget_echo(struct cv_vq *vq)
{
	struct cv_chain *c;

	while ((c = cv_vq_pop(vq))) {
		uint8_t buf[256];
		size_t n = cv_chain_read(vq, c, 0, buf, sizeof(buf));

		cv_vq_push(vq, c, (uint32_t)cv_chain_write(vq, c, 0, buf, n));
	}
	cv_vq_notify(vq);
}

static void gadget_kick(void *self, struct cv_vq *vq, unsigned int index)
{
	struct gadget *d = self;
	struct cv_chain *c;

	d->n_kicks[index]++;
	if (index == 0)
		gadget_echo(vq);
	if (index != 2)
		return;
	while (d->n_late < CV_LEN(d->late) && (c = cv_vq_pop(vq)))
		d->late[d->n_late++] = c;
	if (d->n_late > 0)
		cv_timer_set(d->env->loop, &d->timer, cv_loop_now(d->env->loop) + 1000000);
}

static void gadget_stop(void *self)
{
	struct gadget *d = self;

	cv_timer_cancel(&d->timer);
	if (d->n_late > 0)
		gadget_answer_late(d);
	d->running = false;
	d->n_stops++;
}

static void gadget_queue_stop(void *self, struct cv_vq *vq, unsigned int index)
{
	struct gadget *d = self;

	d->n_queue_stops++;
	if (index == 2 && vq == &d->vqs[2]) {
		cv_timer_cancel(&d->timer);
		gadget_answer_late(d);
	}
}

struct gadget_emit {
	char *text;
};

static const struct cv_opt gadget_emit_args[] = {
	{ .name = "text",
	  .kind = CV_OPT_STR,
	  .off = offsetof(struct gadget_emit, text),
	  .required = true,
	  .help = "what to write" },
	CV_OPT_END,
};

static int gadget_emit(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	const char *text = ((const struct gadget_emit *)args)->text;
	struct gadget *d = self;
	struct cv_chain *c;
	size_t n;

	if (!d->running)
		return cv_err(e, -EAGAIN, "gadget: not running");
	c = cv_vq_pop(&d->vqs[1]);
	if (!c)
		return cv_err(e, -ENOBUFS, "gadget: no buffer");
	n = cv_chain_write(&d->vqs[1], c, 0, text, strlen(text));
	cv_vq_push(&d->vqs[1], c, (uint32_t)n);
	cv_vq_notify(&d->vqs[1]);
	if (size > 0)
		snprintf(reply, size, "written=%zu", n);
	return 0;
}

static int gadget_ask(void *self, const void *args CV_UNUSED, char *reply CV_UNUSED,
		      size_t size CV_UNUSED, struct vm_error *e CV_UNUSED)
{
	struct gadget *d = self;

	d->env->request(d->env, CV_REQUEST_RESET);
	return 0;
}

static const struct cv_control gadget_controls[] = {
	{ .name = "emit",
	  .help = "fills a buffer",
	  .args = gadget_emit_args,
	  .args_size = sizeof(struct gadget_emit),
	  .run = gadget_emit },
	{ .name = "ask", .help = "asks for a reset", .run = gadget_ask },
	CV_CONTROL_END,
};

static const uint16_t gadget_queue_max[GADGET_QUEUES] = { 64, 128, 64 };

#define GADGET_OPS                                                                         \
	.id = GADGET_ID, .config_len = GADGET_CONFIG_LEN, .n_queues = GADGET_QUEUES,       \
	.queue_max = gadget_queue_max, .features = GADGET_FEATURES, .shape = gadget_shape, \
	.config_read = gadget_config_read, .config_write = gadget_config_write,            \
	.start = gadget_start, .kick = gadget_kick, .stop = gadget_stop

static const struct cv_virtio_ops gadget_virtio = { GADGET_OPS, .queue_stop = gadget_queue_stop };
static const struct cv_virtio_ops gadget_plain_virtio = { GADGET_OPS };

#define GADGET_CLASS                                                                          \
	.name = "gadget", .help = "a device for tests", .size = sizeof(struct gadget),        \
	.config_size = sizeof(struct gadget_config), .opts = gadget_opts, .state_version = 1, \
	.controls = gadget_controls, .init = gadget_init, .fini = gadget_fini,                \
	.reset = gadget_reset

static CV_UNUSED const struct cv_class gadget_class = { GADGET_CLASS, .virtio = &gadget_virtio };
static CV_UNUSED const struct cv_class gadget_plain_class = { GADGET_CLASS,
							      .virtio = &gadget_plain_virtio };

#endif
