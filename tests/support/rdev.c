/* SPDX-License-Identifier: BSD-3-Clause */
/* A register device on a hand-driven clock. */
#include "rdev.h"

#include <inttypes.h>
#include <unistd.h>

#include "must.h"
#include "process/rslot_child.h"
#include "rdev_across.h"
#include "sys/fd.h"

static void on_request(const struct cv_env *env, unsigned int what)
{
	struct rdev *d = env->ctx;

	must(what < CV_LEN(d->requests));
	d->requests[what]++;
}

static void on_died(void *ctx, const char *why)
{
	struct rdev *d = ctx;

	fprintf(stderr, "the process of %s has died: %s\n", d->cls->name, why);
	abort();
}

static int make_child(struct rdev *d, struct vm_error *e)
{
	const struct cv_rslot_child_config config = { .host = child_host(),
						      .cls = d->cls,
						      .config = d->config,
						      .memory = 1 << 20,
						      .loop = d->loop,
						      .log = &d->log,
						      .timeout_ms = 30000,
						      .died = on_died,
						      .ctx = d };
	struct cv_rslot_child *child;
	int err = cv_rslot_child_create(&child, &config, e);

	return err ?: cv_rslot_child_finish(child, &d->irq, &d->child, e);
}

static int make(struct rdev *d, const struct cv_env *env, enum rdev_where where, struct vm_error *e)
{
	if (where == RDEV_ACROSS)
		return rdev_across_create(&d->across, d, e);
	if (where == RDEV_CHILD)
		return make_child(d, e);
	return cv_rslot_local_create(&d->slot, d->cls, env, d->config, e);
}

void rdev_open(struct rdev *d, const char *name, const char *options)
{
	rdev_open_at(d, name, options, RDEV_HERE);
}

void rdev_open_at(struct rdev *d, const char *name, const char *options, enum rdev_where where)
{
	struct vm_error e = { 0 };
	struct cv_env env = { .irq = &d->irq, .request = on_request, .ctx = d };

	*d = (struct rdev){ .cls = cv_class_find(name) };
	must(d->cls && d->cls->regs);
	must((where == RDEV_CHILD ? cv_loop_create : cv_loop_create_fake)(&d->loop, NULL) == 0);
	d->irq.trigger = cv_event_create();
	d->irq.resample = -1;
	env.loop = d->loop;
	env.log = &d->log;
	if (cv_class_configure(d->cls, options, &d->config, &e) || make(d, &env, where, &e)) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
}

void rdev_close(struct rdev *d)
{
	rdev_across_destroy(d->across);
	if (d->child)
		d->child->ops->destroy(d->child);
	cv_rslot_local_destroy(d->slot);
	cv_class_config_destroy(d->cls, d->config);
	cv_loop_destroy(d->loop);
	close(d->irq.trigger);
}

/* Where accesses go but across. */
static struct cv_rslot *slot_of(struct rdev *d)
{
	return d->child ?: cv_rslot_local_slot(d->slot);
}

uint64_t rdev_read(struct rdev *d, uint64_t off, unsigned int len)
{
	struct cv_rslot *slot;

	if (d->across)
		return cv_regs_client_read(d->across->client, off, len);
	slot = slot_of(d);
	return slot->ops->read(slot, off, len);
}

void rdev_write(struct rdev *d, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_rslot *slot;

	if (d->across) {
		cv_regs_client_write(d->across->client, off, len, val);
		return;
	}
	slot = slot_of(d);
	slot->ops->write(slot, off, len, val);
}

void rdev_reset(struct rdev *d)
{
	if (d->across)
		cv_regs_client_reset(d->across->client);
	else if (d->child)
		d->child->ops->reset(d->child);
	else
		cv_rslot_local_reset(d->slot);
}

void *rdev_self(struct rdev *d)
{
	return cv_rslot_local_self(d->slot);
}

/* All that was written is in the socket, and the process sleeps only when it has taken it. */
static void settle_child(struct rdev *d)
{
	child_settle(cv_rslot_child_pid(d->child));
	cv_loop_dispatch(d->loop);
}

void rdev_advance(struct rdev *d, uint64_t ns)
{
	if (d->across)
		rdev_across_settle(d->across, ns);
	else if (d->child)
		settle_child(d);
	else
		cv_loop_fake_advance(d->loop, ns);
}

void rdev_dispatch(struct rdev *d)
{
	if (d->across)
		rdev_across_settle(d->across, 0);
	else if (d->child)
		settle_child(d);
	else
		cv_loop_dispatch(d->loop);
}

static void arrive(struct rdev *d)
{
	if (d->across)
		cv_regs_client_sync(d->across->client);
	else if (d->child)
		settle_child(d);
}

uint64_t rdev_irqs(struct rdev *d)
{
	uint64_t n = 0;

	arrive(d);
	return read(d->irq.trigger, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static bool line(struct rdev *d)
{
	arrive(d);
	return d->across ? cv_regs_server_irq(d->across->server)->asserted : d->irq.asserted;
}

static uint64_t run_row(struct rdev *d, const struct rdev_row *row)
{
	switch (row->op) {
	case RD:
		return rdev_read(d, row->off, row->len);
	case WR:
		rdev_write(d, row->off, row->len, row->val);
		return row->val;
	case IRQ:
		return rdev_irqs(d);
	case LINE:
		return d->child ? row->val : line(d);
	case WAIT:
		rdev_advance(d, row->val);
		return row->val;
	}
	return 0;
}

void rdev_replay(struct rdev *d, const struct rdev_row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		uint64_t got;

		rdev_dispatch(d);
		got = run_row(d, &rows[i]);
		if (got == rows[i].val)
			continue;
		fprintf(stderr,
			"%s: row %zu (op %d, offset %#" PRIx64 ", length %u): %#" PRIx64
			" instead of %#" PRIx64 "\n",
			d->cls->name, i, rows[i].op, rows[i].off, rows[i].len, got, rows[i].val);
		abort();
	}
}

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

void rdev_garbage(struct rdev *d, uint32_t seed, unsigned int n)
{
	uint32_t x = seed | 1;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t what = next_random(&x);
		uint64_t off = what % (d->cls->regs->span + 1);
		unsigned int len = 1u << (what >> 8) % 4;
		uint64_t val = (uint64_t)next_random(&x) << 32 | next_random(&x);

		if (what >> 16 & 1)
			rdev_write(d, off, len, val);
		else
			must(len == 8 || rdev_read(d, off, len) >> (8 * len) == 0);
		if ((what >> 17) % 64 == 0)
			rdev_advance(d, val % 3000000000u);
		if ((what >> 17) % 64 == 1)
			rdev_reset(d);
	}
}
