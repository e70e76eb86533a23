/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device in this process. The configuration space is read and written
 * in the caller's thread; everything else happens in the device's loop, because
 * queues, watches and timers belong to the loop's thread.
 */
#include "virtio/vslot_local.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "sys/fd.h"
#include "sys/loop.h"

struct local;

struct local_queue {
	struct cv_watch watch; /* of the kick eventfd */
	struct local *l;
	unsigned int index;
};

struct local {
	struct cv_vslot slot;
	const struct cv_class *cls;
	struct cv_env env;
	pthread_mutex_t lock; /* the device lock */
	void *self;
	struct cv_vq *vqs; /* n_queues of each */
	struct local_queue *queues;
	uint64_t features; /* negotiated */
	struct cv_poller poller;
	bool poll, running;
	bool broken; /* until stop */
};

static struct local *from_slot(struct cv_vslot *slot)
{
	return cv_container_of(slot, struct local, slot);
}

static void tell_transport(struct local *l, enum cv_vslot_event what)
{
	void (*event)(struct cv_vslot *, enum cv_vslot_event) =
		__atomic_load_n(&l->slot.event, __ATOMIC_ACQUIRE);

	if (event)
		event(&l->slot, what);
}

static void config_changed(const struct cv_env *env)
{
	/* the device holds a const pointer to what is ours */
	struct local *l = (struct local *)((uintptr_t)env - offsetof(struct local, env));

	tell_transport(l, CV_VSLOT_CONFIG_CHANGED);
}

/* DEVICE_NEEDS_RESET is about the whole device: no queue gives anything any more. */
static void queue_broken(struct cv_vq *vq)
{
	struct local *l = vq->ctx;

	for (unsigned int i = 0; i < l->slot.n_queues; i++)
		l->vqs[i].broken = true;
	if (!l->broken)
		tell_transport(l, CV_VSLOT_BROKEN);
	l->broken = true;
}

/* ---- kicks ---- */

/* Lets the device look at a queue; whether it took something. A guest that keeps the queue full
 * gets as much as the queue holds, then it is the turn of others in the loop. */
static bool kick(struct local *l, unsigned int index)
{
	struct cv_vq *vq = &l->vqs[index];
	uint16_t before = vq->avail;

	cv_ignore(cv_vq_set_budget(vq, vq->size)); /* there was no limit */
	l->cls->virtio->kick(l->self, vq, index);
	if (cv_vq_set_budget(vq, UINT32_MAX))
		cv_event_signal(vq->kick_fd);
	return vq->avail != before;
}

static void kicked(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct local_queue *q = cv_container_of(w, struct local_queue, watch);

	/* the edge counts, not the level: nothing to read, a system call less for each kick */
	if (q->l->broken)
		cv_watch_remove(w);
	else
		kick(q->l, q->index);
}

static bool poll_queues(struct cv_poller *p)
{
	struct local *l = cv_container_of(p, struct local, poller);
	bool worked = false;

	for (unsigned int i = 0; i < l->slot.n_queues && !l->broken; i++) {
		cv_ignore(cv_vq_hold_kicks(&l->vqs[i], true)); /* holding never finds work */
		if (l->vqs[i].kicks && cv_vq_has_work(&l->vqs[i]))
			worked |= kick(l, i);
	}
	return worked;
}

static bool poll_idle(struct cv_poller *p)
{
	struct local *l = cv_container_of(p, struct local, poller);
	bool worked = false;

	for (unsigned int i = 0; i < l->slot.n_queues && !l->broken; i++)
		if (cv_vq_hold_kicks(&l->vqs[i], false))
			worked |= kick(l, i);
	return worked;
}

static int watch_queue(struct local *l, unsigned int index)
{
	struct cv_vq *vq = &l->vqs[index];
	int err;

	if (!vq->ready)
		return 0;
	err = cv_watch_add(l->env.loop, &l->queues[index].watch, vq->kick_fd, EPOLLIN | EPOLLET);
	/* what the driver has added before is not kicked for again */
	if (!err && cv_vq_has_work(vq))
		cv_event_signal(vq->kick_fd);
	return err;
}

/* ---- in the loop, under the lock ---- */

struct call {
	struct local *l;
	void (*fn)(struct call *c);
	unsigned int index;
	int fd, err;
	uint64_t features;
	const struct cv_vq_config *configs;
	struct cv_vq_config *positions;
	const void *config;
	const struct cv_control *control;
	const void *args;
	char *reply;
	size_t size;
	struct vm_error *e;
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
	cv_loop_call(c->l->env.loop, call_in_loop, c);
	return c->err;
}

static void unwatch_queues(struct local *l)
{
	cv_poller_remove(&l->poller);
	for (unsigned int i = 0; i < l->slot.n_queues; i++)
		cv_watch_remove(&l->queues[i].watch);
}

static void stop_queues(struct local *l, struct cv_vq_config *positions)
{
	unwatch_queues(l);
	for (unsigned int i = 0; i < l->slot.n_queues; i++)
		cv_vq_stop(&l->vqs[i], positions ? &positions[i] : NULL);
	l->running = false;
	l->broken = false;
}

static void do_stop(struct call *c)
{
	if (!c->l->running)
		return;
	unwatch_queues(c->l);
	for (unsigned int i = 0; i < c->l->slot.n_queues; i++)
		c->l->vqs[i].pauses = c->positions;
	c->l->cls->virtio->stop(c->l->self);
	stop_queues(c->l, c->positions);
}

static int start_queue(struct local *l, unsigned int index, const struct cv_vq_config *config)
{
	if (config->ready && config->size > l->slot.queue_max[index]) {
		cv_log_guest(l->env.log, "%s: queue %u: its size is out of range", l->slot.name,
			     index);
		return -EINVAL;
	}
	return cv_vq_start(&l->vqs[index], l->env.mem, config, l->features);
}

static int watch_queues(struct local *l)
{
	int err = 0;

	for (unsigned int i = 0; i < l->slot.n_queues && !err; i++)
		err = watch_queue(l, i);
	if (!err && l->poll)
		cv_poller_add(l->env.loop, &l->poller);
	return err;
}

static void do_start(struct call *c)
{
	struct local *l = c->l;

	c->err = l->running ? -EBUSY : 0;
	if (c->err)
		return;
	l->features = c->features;
	for (unsigned int i = 0; i < l->slot.n_queues && !c->err; i++)
		c->err = start_queue(l, i, &c->configs[i]);
	c->err = c->err ?: l->cls->virtio->start(l->self, l->features, l->vqs);
	if (c->err) {
		stop_queues(l, NULL);
		return;
	}
	l->running = true;
	c->err = watch_queues(l);
	if (c->err)
		do_stop(c);
}

static void do_queue_stop(struct call *c)
{
	struct local *l = c->l;
	struct cv_vq *vq = &l->vqs[c->index];

	if (!l->running || !vq->ready)
		return;
	if (!l->cls->virtio->queue_stop) {
		cv_vq_break(vq, "the device cannot stop a single queue");
		return;
	}
	cv_watch_remove(&l->queues[c->index].watch);
	vq->pauses = c->positions;
	l->cls->virtio->queue_stop(l->self, vq, c->index);
	cv_vq_stop(vq, c->positions);
}

static void do_queue_start(struct call *c)
{
	struct local *l = c->l;

	c->err = !l->running || l->broken ? -EIO : 0;
	if (c->err || l->vqs[c->index].ready)
		return;
	c->err = l->cls->virtio->queue_stop ? start_queue(l, c->index, c->configs) : -EOPNOTSUPP;
	c->err = c->err ?: watch_queue(l, c->index);
}

static void do_set_call(struct call *c)
{
	c->l->vqs[c->index].call_fd = c->fd;
}

static void do_init(struct call *c)
{
	c->err = c->l->cls->init(c->l->self, &c->l->env, c->config, c->e);
}

static void do_fini(struct call *c)
{
	do_stop(c);
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

/* ---- the slot ---- */

static void local_config_read(struct cv_vslot *slot, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct local *l = from_slot(slot);

	memset(buf, 0, len);
	if (!l->cls->virtio->config_read || !cv_in_range(off, len, slot->config_len))
		return;
	pthread_mutex_lock(&l->lock);
	l->cls->virtio->config_read(l->self, off, buf, len);
	pthread_mutex_unlock(&l->lock);
}

static void local_config_write(struct cv_vslot *slot, uint32_t off, const uint8_t *buf,
			       uint32_t len)
{
	struct local *l = from_slot(slot);

	if (!l->cls->virtio->config_write || !cv_in_range(off, len, slot->config_len))
		return;
	pthread_mutex_lock(&l->lock);
	l->cls->virtio->config_write(l->self, off, buf, len);
	pthread_mutex_unlock(&l->lock);
}

static int local_start(struct cv_vslot *slot, uint64_t features, const struct cv_vq_config *queues)
{
	struct call c = {
		.l = from_slot(slot), .fn = do_start, .features = features, .configs = queues
	};

	if (features & ~slot->features)
		return -EINVAL;
	return call(&c);
}

static void local_stop(struct cv_vslot *slot, struct cv_vq_config *queues)
{
	call(&(struct call){ .l = from_slot(slot), .fn = do_stop, .positions = queues });
}

static void local_reset(struct cv_vslot *slot)
{
	call(&(struct call){ .l = from_slot(slot), .fn = do_reset });
}

static void local_set_call(struct cv_vslot *slot, unsigned int index, int call_fd)
{
	if (index < slot->n_queues)
		call(&(struct call){
			.l = from_slot(slot), .fn = do_set_call, .index = index, .fd = call_fd });
}

static void local_queue_stop(struct cv_vslot *slot, unsigned int index, struct cv_vq_config *q)
{
	struct call c = {
		.l = from_slot(slot), .fn = do_queue_stop, .index = index, .positions = q
	};

	if (index < slot->n_queues)
		call(&c);
}

static int local_queue_start(struct cv_vslot *slot, unsigned int index,
			     const struct cv_vq_config *q)
{
	struct call c = {
		.l = from_slot(slot), .fn = do_queue_start, .index = index, .configs = q
	};

	return index < slot->n_queues ? call(&c) : -EINVAL;
}

static int local_control(struct cv_vslot *slot, const char *op, const char *args, char *reply,
			 size_t size, struct vm_error *e)
{
	struct call c = {
		.l = from_slot(slot), .fn = do_control, .reply = reply, .size = size, .e = e
	};
	void *parsed = NULL;
	int err = cv_class_control_parse(c.l->cls, op, args, &c.control, &parsed, e);

	if (err)
		return err;
	if (size > 0)
		reply[0] = '\0';
	c.args = parsed;
	err = call(&c);
	cv_control_args_destroy(c.control, parsed);
	return err;
}

static void release(struct local *l)
{
	pthread_mutex_destroy(&l->lock);
	free(l->vqs);
	free(l->queues);
	free(l->self);
	free(l);
}

static void local_destroy(struct cv_vslot *slot)
{
	struct local *l = from_slot(slot);

	call(&(struct call){ .l = l, .fn = do_fini });
	release(l);
}

static const struct cv_vslot_ops local_ops = {
	.config_read = local_config_read,
	.config_write = local_config_write,
	.start = local_start,
	.stop = local_stop,
	.reset = local_reset,
	.set_call = local_set_call,
	.queue_stop = local_queue_stop,
	.queue_start = local_queue_start,
	.control = local_control,
	.destroy = local_destroy,
};

/* ---- creation ---- */

static void fill_slot(struct local *l, bool packed)
{
	const struct cv_virtio_ops *ops = l->cls->virtio;

	l->slot.n_queues = ops->n_queues;
	l->slot.features = ops->features;
	if (ops->shape)
		ops->shape(l->self, &l->slot.n_queues, &l->slot.features);
	assert(l->slot.n_queues <= ops->n_queues && l->slot.n_queues <= CV_VIRTIO_MAX_QUEUES);
	l->slot.features |=
		CV_VIRTIO_F_VERSION_1 | CV_VIRTIO_F_INDIRECT_DESC | CV_VIRTIO_F_EVENT_IDX;
	if (ops->queue_stop)
		l->slot.features |= CV_VIRTIO_F_RING_RESET;
	if (packed)
		l->slot.features |= CV_VIRTIO_F_RING_PACKED;
	l->slot.id = ops->id;
	l->slot.config_len = ops->config_len;
	l->slot.queue_max = ops->queue_max;
}

static void init_queues(struct local *l)
{
	for (unsigned int i = 0; i < l->cls->virtio->n_queues; i++) {
		l->vqs[i] = (struct cv_vq){ .index = i,
					    .log = l->env.log,
					    .name = l->cls->name,
					    .on_broken = queue_broken,
					    .ctx = l };
		l->queues[i].watch.fn = kicked;
		l->queues[i].watch.lock = &l->lock;
		l->queues[i].l = l;
		l->queues[i].index = i;
	}
	l->poller.fn = poll_queues;
	l->poller.idle = poll_idle;
	l->poller.lock = &l->lock;
}

int cv_vslot_local_create(struct cv_vslot **slot, const struct cv_class *cls,
			  const struct cv_env *env, const void *config,
			  const struct cv_vslot_local_config *local, struct vm_error *e)
{
	struct local *l = calloc(1, sizeof(*l));
	struct call init = { .l = l, .fn = do_init, .config = config, .e = e };
	int err;

	if (!l)
		return cv_err(e, -ENOMEM, "%s: out of memory", cls->name);
	pthread_mutex_init(&l->lock, NULL);
	l->slot = (struct cv_vslot){ .ops = &local_ops, .name = cls->name };
	l->cls = cls;
	l->env = *env;
	l->env.lock = &l->lock;
	l->env.config_changed = config_changed;
	l->poll = local->poll;
	l->self = calloc(1, cls->size);
	l->vqs = calloc(cls->virtio->n_queues, sizeof(*l->vqs));
	l->queues = calloc(cls->virtio->n_queues, sizeof(*l->queues));
	if (!l->self || !l->vqs || !l->queues) {
		release(l);
		return cv_err(e, -ENOMEM, "%s: out of memory", cls->name);
	}
	err = call(&init);
	if (err) {
		local_destroy(&l->slot);
		return err;
	}
	fill_slot(l, local->packed);
	init_queues(l);
	*slot = &l->slot;
	return 0;
}

void *cv_vslot_local_self(struct cv_vslot *slot)
{
	return from_slot(slot)->self;
}
