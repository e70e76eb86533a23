/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A register device in this process: the class's instance behind its lock.
 * Register accesses run in the vCPU's thread; everything else in the device's
 * loop, because watches and timers belong to the loop's thread.
 */
#include "core/slot.h"

#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "sys/loop.h"

struct cv_rslot_local {
	struct cv_rslot slot;
	const struct cv_class *cls;
	struct cv_env env;
	pthread_mutex_t lock; /* the device lock */
	void *self;
};

static struct cv_rslot_local *from_slot(struct cv_rslot *slot)
{
	return cv_container_of(slot, struct cv_rslot_local, slot);
}

static bool accepts(const struct cv_rslot_local *l, uint64_t off, unsigned int len)
{
	return len >= l->cls->regs->min_len && cv_is_pow2(len) && len <= 8 &&
	       cv_in_range(off, len, l->slot.span);
}

/* An access wider than the device is several narrow ones, as on an ISA bus. */
static uint64_t local_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	struct cv_rslot_local *l = from_slot(slot);
	const struct cv_regs_ops *regs = l->cls->regs;
	unsigned int step = cv_min(len, (unsigned int)regs->max_len);
	uint64_t val = 0;

	if (!accepts(l, off, len))
		return cv_ones(len);
	pthread_mutex_lock(&l->lock);
	for (unsigned int i = 0; i < len; i += step)
		val |= (regs->read(l->self, off + i, step) & cv_ones(step)) << (8 * i);
	pthread_mutex_unlock(&l->lock);
	return val;
}

static void local_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_rslot_local *l = from_slot(slot);
	const struct cv_regs_ops *regs = l->cls->regs;
	unsigned int step = cv_min(len, (unsigned int)regs->max_len);

	if (!accepts(l, off, len))
		return;
	pthread_mutex_lock(&l->lock);
	for (unsigned int i = 0; i < len; i += step)
		regs->write(l->self, off + i, step, val >> (8 * i) & cv_ones(step));
	pthread_mutex_unlock(&l->lock);
}

/* One call into the device from outside its registers. */
struct call {
	struct cv_rslot_local *l;
	void (*fn)(struct call *c);
	const void *config;
	const struct cv_control *control;
	const void *args;
	char *reply;
	size_t size;
	struct vm_error *e;
	int err;
};

static void call_in_loop(void *arg)
{
	struct call *c = arg;

	pthread_mutex_lock(&c->l->lock);
	c->fn(c);
	pthread_mutex_unlock(&c->l->lock);
}

static int call(struct call *c)
{
	if (c->l->env.loop)
		cv_loop_call(c->l->env.loop, call_in_loop, c);
	else
		call_in_loop(c);
	return c->err;
}

static void do_init(struct call *c)
{
	c->err = c->l->cls->init(c->l->self, &c->l->env, c->config, c->e);
}

static void do_fini(struct call *c)
{
	if (c->l->cls->fini)
		c->l->cls->fini(c->l->self);
}

static void do_reset(struct call *c)
{
	if (c->l->cls->reset)
		c->l->cls->reset(c->l->self);
}

static void do_control(struct call *c)
{
	c->err = c->control->run(c->l->self, c->args, c->reply, c->size, c->e);
}

void cv_rslot_local_destroy(struct cv_rslot_local *slot)
{
	if (!slot)
		return;
	call(&(struct call){ .l = slot, .fn = do_fini });
	pthread_mutex_destroy(&slot->lock);
	free(slot->self);
	free(slot);
}

struct cv_rslot *cv_rslot_local_slot(struct cv_rslot_local *slot)
{
	return &slot->slot;
}

void *cv_rslot_local_self(struct cv_rslot_local *slot)
{
	return slot->self;
}

void cv_rslot_local_reset(struct cv_rslot_local *slot)
{
	call(&(struct call){ .l = slot, .fn = do_reset });
}

int cv_rslot_local_control(struct cv_rslot_local *slot, const char *op, const char *args,
			   char *reply, size_t size, struct vm_error *e)
{
	struct call run = { .l = slot, .fn = do_control, .reply = reply, .size = size, .e = e };
	void *parsed = NULL;
	int err = cv_class_control_parse(slot->cls, op, args, &run.control, &parsed, e);

	if (err)
		return err;
	if (size > 0)
		reply[0] = '\0';
	run.args = parsed;
	err = call(&run);
	cv_control_args_destroy(run.control, parsed);
	return err;
}

/* ---- the slot's other operations ---- */

static int local_control(struct cv_rslot *slot, const char *op, const char *args, char *reply,
			 size_t size, struct vm_error *e)
{
	return cv_rslot_local_control(from_slot(slot), op, args, reply, size, e);
}

static void local_reset(struct cv_rslot *slot)
{
	cv_rslot_local_reset(from_slot(slot));
}

static void local_destroy(struct cv_rslot *slot)
{
	cv_rslot_local_destroy(from_slot(slot));
}

static const struct cv_rslot_ops local_ops = {
	.read = local_read,
	.write = local_write,
	.control = local_control,
	.reset = local_reset,
	.destroy = local_destroy,
};

int cv_rslot_local_create(struct cv_rslot_local **slot, const struct cv_class *cls,
			  const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct cv_rslot_local *l = calloc(1, sizeof(*l));
	struct call init = { .l = l, .fn = do_init, .config = config, .e = e };
	int err;

	if (l)
		l->self = calloc(1, cls->size);
	if (!l || !l->self) {
		free(l);
		return cv_err(e, -ENOMEM, "%s: out of memory", cls->name);
	}
	pthread_mutex_init(&l->lock, NULL);
	l->slot = (struct cv_rslot){ .ops = &local_ops, .span = cls->regs->span };
	l->cls = cls;
	l->env = *env;
	l->env.lock = &l->lock;
	err = call(&init);
	if (err) {
		cv_rslot_local_destroy(l);
		return err;
	}
	*slot = l;
	return 0;
}
