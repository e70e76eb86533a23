/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the virtio transports have in common: virtio 1.2 sections 2.1 to 2.6 as
 * seen through registers. A guest may write them in any order; what makes no
 * sense is dropped, and what would make the device run on nonsense asks for a
 * reset instead.
 */
#include "virtio/transport.h"

#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "virtio/vq.h"

/* What a driver may set; NEEDS_RESET is the device's. */
#define DRIVER_BITS                                                                               \
	(CV_VIRTIO_ACKNOWLEDGE | CV_VIRTIO_DRIVER | CV_VIRTIO_DRIVER_OK | CV_VIRTIO_FEATURES_OK | \
	 CV_VIRTIO_FAILED)

/* ---- interrupts; any thread ---- */

static void raise_line(struct cv_transport *t, unsigned int isr)
{
	atomic_fetch_or(&t->isr, isr);
	if (t->irq->level)
		cv_irq_set(t->irq, true);
	else
		cv_irq_pulse(t->irq);
}

static void lower_line(struct cv_transport *t)
{
	if (!t->irq->level || atomic_load(&t->isr) != 0)
		return;
	cv_irq_set(t->irq, false);
	/* whoever has set a bit since the look above found the line still up */
	if (atomic_load(&t->isr) != 0)
		cv_irq_set(t->irq, true);
}

/* Section 2.3: only after DRIVER_OK. */
static void tell_config(struct cv_transport *t)
{
	int fd = atomic_load(&t->config_call_fd);

	if (!(atomic_load(&t->status) & CV_VIRTIO_DRIVER_OK))
		return;
	if (fd >= 0)
		cv_event_signal_shared(fd);
	else
		raise_line(t, CV_VIRTIO_ISR_CONFIG);
}

static void need_reset(struct cv_transport *t)
{
	if (!(atomic_fetch_or(&t->status, CV_VIRTIO_NEEDS_RESET) & CV_VIRTIO_NEEDS_RESET))
		tell_config(t);
}

static void on_event(struct cv_vslot *slot, enum cv_vslot_event what)
{
	struct cv_transport *t = slot->transport;

	switch (what) {
	case CV_VSLOT_CONFIG_CHANGED:
		atomic_fetch_add(&t->generation, 1);
		tell_config(t);
		break;
	case CV_VSLOT_BROKEN:
		need_reset(t);
		break;
	}
}

static void on_call(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_transport_queue *q = cv_container_of(w, struct cv_transport_queue, watch);

	if (cv_event_drain_shared(w->fd))
		raise_line(q->t, CV_VIRTIO_ISR_QUEUE);
}

/* ---- creation ---- */

/* What a queue's registers read after a reset; the eventfds stay. */
static void clear_queue(struct cv_transport *t, unsigned int index)
{
	struct cv_vq_config *c = &t->queues[index].config;

	*c = (struct cv_vq_config){ .size = t->vslot->queue_max[index],
				    .kick_fd = c->kick_fd,
				    .call_fd = c->call_fd };
}

static int init_queue(struct cv_transport *t, unsigned int index)
{
	struct cv_transport_queue *q = &t->queues[index];
	int kick = cv_event_create(), call = cv_event_create();

	cv_fd_set(&q->kick, cv_max(kick, -1));
	cv_fd_set(&q->call, cv_max(call, -1));
	q->vector = CV_VIRTIO_NO_VECTOR;
	q->watch.fn = on_call;
	q->t = t;
	q->config.kick_fd = kick;
	q->config.call_fd = call;
	clear_queue(t, index);
	return kick < 0 ? kick : cv_min(call, 0);
}

struct call {
	struct cv_transport *t;
	int err;
};

static void watch_calls(void *arg)
{
	struct call *c = arg;

	for (unsigned int i = 0; i < c->t->vslot->n_queues && !c->err; i++)
		c->err = cv_watch_add(c->t->loop, &c->t->queues[i].watch,
				      cv_fd_get(&c->t->queues[i].call), EPOLLIN);
}

static void unwatch_calls(void *arg)
{
	struct call *c = arg;

	for (unsigned int i = 0; i < c->t->vslot->n_queues; i++)
		cv_watch_remove(&c->t->queues[i].watch);
}

int cv_transport_init(struct cv_transport *t, struct cv_vslot *vslot, struct cv_irq *irq,
		      struct cv_loop *loop, struct cv_log *log, struct vm_error *e)
{
	struct call c = { .t = t };

	*t = (struct cv_transport){ .vslot = vslot, .log = log, .loop = loop, .irq = irq };
	atomic_init(&t->config_call_fd, -1);
	t->queues = calloc(vslot->n_queues + 1u, sizeof(*t->queues));
	if (!t->queues) {
		t->vslot = NULL;
		return cv_err(e, -ENOMEM, "%s: out of memory", vslot->name);
	}
	for (unsigned int i = 0; i < vslot->n_queues && !c.err; i++)
		c.err = init_queue(t, i);
	if (!c.err)
		cv_loop_call(loop, watch_calls, &c);
	if (c.err) {
		cv_transport_fini(t);
		return cv_err_os(e, c.err, "%s: its queues' eventfds cannot be made", vslot->name);
	}
	vslot->transport = t;
	__atomic_store_n(&vslot->event, on_event, __ATOMIC_RELEASE);
	return 0;
}

static void reset(struct cv_transport *t)
{
	if (t->running)
		t->vslot->ops->stop(t->vslot, NULL);
	t->running = false;
	t->started = false;
	t->vslot->ops->reset(t->vslot);
	t->driver_features = 0;
	t->device_feature_select = 0;
	t->driver_feature_select = 0;
	t->queue_select = 0;
	for (unsigned int i = 0; i < t->vslot->n_queues; i++)
		clear_queue(t, i);
	atomic_store(&t->status, 0);
	atomic_store(&t->isr, 0);
	lower_line(t);
}

void cv_transport_fini(struct cv_transport *t)
{
	struct call c = { .t = t };

	if (!t || !t->vslot)
		return;
	/* the reset runs in the device's loop: no event is under way when it has returned */
	__atomic_store_n(&t->vslot->event, NULL, __ATOMIC_RELEASE);
	reset(t);
	cv_loop_call(t->loop, unwatch_calls, &c);
	for (unsigned int i = 0; i < t->vslot->n_queues; i++) {
		cv_fd_close(&t->queues[i].kick);
		cv_fd_close(&t->queues[i].call);
	}
	free(t->queues);
	t->queues = NULL;
	t->vslot = NULL;
}

/* ---- status ---- */

static bool features_fit(const struct cv_transport *t)
{
	return (t->driver_features & ~t->vslot->features) == 0 &&
	       (t->driver_features & CV_VIRTIO_F_VERSION_1);
}

/* A ready queue from its beginning, if it is one that can run. */
static bool prepare_queue(struct cv_transport *t, unsigned int index)
{
	bool packed = t->driver_features & CV_VIRTIO_F_RING_PACKED;
	struct cv_vq_config *c = &t->queues[index].config;
	const char *fault;

	if (!c->ready)
		return true;
	cv_vq_config_fresh(c, packed);
	fault = cv_vq_config_fault(c, t->vslot->queue_max[index], packed);
	if (fault)
		cv_log_guest(t->log, "%s: queue %u: %s", t->vslot->name, index, fault);
	return !fault;
}

static int prepare(struct cv_transport *t)
{
	unsigned int status = atomic_load(&t->status);

	if (!(status & CV_VIRTIO_FEATURES_OK) || (status & CV_VIRTIO_NEEDS_RESET))
		return -EPROTO;
	for (unsigned int i = 0; i < t->vslot->n_queues; i++)
		if (!prepare_queue(t, i))
			return -EINVAL;
	return 0;
}

/* Starts the slot with the queues where they stand. */
static int run(struct cv_transport *t)
{
	struct cv_vq_config configs[CV_VIRTIO_MAX_QUEUES];
	int err;

	for (unsigned int i = 0; i < t->vslot->n_queues; i++)
		configs[i] = t->queues[i].config;
	err = t->vslot->ops->start(t->vslot, t->driver_features, configs);
	t->running = !err;
	return err;
}

static void fail_start(struct cv_transport *t, int err)
{
	t->started = false;
	cv_log_guest(t->log, "%s: the device does not start: %s", t->vslot->name, strerror(-err));
	need_reset(t);
}

static void start(struct cv_transport *t)
{
	int err = prepare(t);

	t->started = !err;
	if (!err && !t->held)
		err = run(t);
	if (err)
		fail_start(t, err);
}

static void pause_slot(struct cv_transport *t)
{
	struct cv_vq_config positions[CV_VIRTIO_MAX_QUEUES];

	for (unsigned int i = 0; i < t->vslot->n_queues; i++)
		positions[i] = t->queues[i].config;
	t->vslot->ops->stop(t->vslot, positions);
	t->running = false;
	for (unsigned int i = 0; i < t->vslot->n_queues; i++) {
		t->queues[i].config.avail = positions[i].avail;
		t->queues[i].config.used = positions[i].used;
	}
}

void cv_transport_hold(struct cv_transport *t, bool on)
{
	bool broken = atomic_load(&t->status) & CV_VIRTIO_NEEDS_RESET;
	int err = 0;

	t->held = on;
	if (on && t->running)
		pause_slot(t);
	else if (!on && t->started && !t->running && !broken)
		err = run(t);
	if (err)
		fail_start(t, err);
}

void cv_transport_write_status(struct cv_transport *t, uint8_t status)
{
	unsigned int bits = status & DRIVER_BITS & ~atomic_load(&t->status);

	if (status == 0) {
		reset(t);
		return;
	}
	if ((bits & CV_VIRTIO_FEATURES_OK) && !features_fit(t))
		bits &= ~(unsigned int)CV_VIRTIO_FEATURES_OK;
	/* a driver clears bits by a reset only */
	atomic_fetch_or(&t->status, bits);
	if (bits & CV_VIRTIO_DRIVER_OK)
		start(t);
}

uint8_t cv_transport_status(const struct cv_transport *t)
{
	return (uint8_t)atomic_load(&t->status);
}

/* ---- features ---- */

static uint32_t window(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

uint32_t cv_transport_device_features(const struct cv_transport *t)
{
	return window(t->vslot->features, t->device_feature_select);
}

uint32_t cv_transport_driver_features(const struct cv_transport *t)
{
	return window(t->driver_features, t->driver_feature_select);
}

void cv_transport_write_driver_features(struct cv_transport *t, uint32_t bits)
{
	unsigned int shift = 32 * (t->driver_feature_select & 1);

	if (t->driver_feature_select > 1 || (atomic_load(&t->status) & CV_VIRTIO_FEATURES_OK))
		return;
	t->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	t->driver_features |= (uint64_t)bits << shift;
}

/* ---- queues ---- */

struct cv_transport_queue *cv_transport_selected(struct cv_transport *t)
{
	return t->queue_select < t->vslot->n_queues ? &t->queues[t->queue_select] : NULL;
}

static void start_queue(struct cv_transport *t)
{
	const struct cv_vslot_ops *ops = t->vslot->ops;
	unsigned int i = t->queue_select;

	if (!prepare_queue(t, i) ||
	    (t->running && ops->queue_start(t->vslot, i, &t->queues[i].config)))
		need_reset(t);
}

void cv_transport_enable_queue(struct cv_transport *t, bool on, bool may_disable)
{
	struct cv_transport_queue *q = cv_transport_selected(t);

	if (!q || q->config.ready == on || (!on && !may_disable))
		return;
	q->config.ready = on;
	if (t->started && on)
		start_queue(t);
	else if (t->running)
		t->vslot->ops->queue_stop(t->vslot, t->queue_select, NULL);
}

void cv_transport_reset_queue(struct cv_transport *t)
{
	struct cv_transport_queue *q = cv_transport_selected(t);

	if (!q || !(t->driver_features & CV_VIRTIO_F_RING_RESET))
		return;
	if (t->running && q->config.ready)
		t->vslot->ops->queue_stop(t->vslot, t->queue_select, NULL);
	clear_queue(t, t->queue_select);
}

void cv_transport_set_call(struct cv_transport *t, unsigned int index, int vector_fd)
{
	struct cv_transport_queue *q = &t->queues[index];
	int fd = vector_fd >= 0 ? vector_fd : cv_fd_get(&q->call);

	if (fd == q->config.call_fd)
		return;
	q->config.call_fd = fd;
	if (t->running && q->config.ready)
		t->vslot->ops->set_call(t->vslot, index, fd);
}

void cv_transport_kick(struct cv_transport *t, unsigned int index)
{
	if (t->started && index < t->vslot->n_queues)
		cv_event_signal_shared(cv_fd_get(&t->queues[index].kick));
}

/* ---- configuration space and ISR ---- */

void cv_transport_config_read(struct cv_transport *t, uint64_t off, void *buf, unsigned int len)
{
	uint32_t size = t->vslot->config_len;

	memset(buf, 0, len);
	if (off < size)
		t->vslot->ops->config_read(t->vslot, (uint32_t)off, buf,
					   cv_min(len, size - (uint32_t)off));
}

void cv_transport_config_write(struct cv_transport *t, uint64_t off, const void *buf,
			       unsigned int len)
{
	uint32_t size = t->vslot->config_len;

	if (off < size)
		t->vslot->ops->config_write(t->vslot, (uint32_t)off, buf,
					    cv_min(len, size - (uint32_t)off));
}

uint8_t cv_transport_isr(struct cv_transport *t, bool clear)
{
	unsigned int isr = clear ? atomic_exchange(&t->isr, 0) : atomic_load(&t->isr);

	if (clear)
		lower_line(t);
	return (uint8_t)isr;
}

void cv_transport_ack_isr(struct cv_transport *t, uint8_t bits)
{
	atomic_fetch_and(&t->isr, ~(unsigned int)bits);
	lower_line(t);
}
