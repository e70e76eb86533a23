/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device as its driver sees it; over a bare slot. */
#include "vdev.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/endian.h"
#include "child.h"
#include "must.h"
#include "virtio/virtio.h"
#include "virtio/vslot_local.h"

#define WAIT_MS 5000

/* ---- over a bare slot ---- */

static void slot_event(struct cv_vslot *slot, enum cv_vslot_event what)
{
	struct vdev *d = slot->transport;

	atomic_fetch_add(what == CV_VSLOT_BROKEN ? &d->n_broken : &d->n_config, 1);
}

static void slot_attach(struct vdev *d)
{
	d->slot->transport = d;
	__atomic_store_n(&d->slot->event, slot_event, __ATOMIC_RELEASE);
}

static void slot_detach(struct vdev *d)
{
	__atomic_store_n(&d->slot->event, NULL, __ATOMIC_RELEASE);
}

static uint64_t slot_offered(struct vdev *d)
{
	return d->slot->features;
}

static void slot_config_read(struct vdev *d, uint32_t off, void *buf, uint32_t len)
{
	d->slot->ops->config_read(d->slot, off, buf, len);
}

static void slot_config_write(struct vdev *d, uint32_t off, const void *buf, uint32_t len)
{
	d->slot->ops->config_write(d->slot, off, buf, len);
}

static int slot_start(struct vdev *d)
{
	struct cv_vq_config configs[CV_VIRTIO_MAX_QUEUES] = { 0 };

	for (unsigned int i = 0; i < d->n_queues; i++) {
		if (d->queues[i].g)
			drv_vq_config(&d->queues[i], &configs[i]);
	}
	return d->slot->ops->start(d->slot, d->features, configs);
}

static void slot_reset(struct vdev *d)
{
	if (d->started)
		d->slot->ops->stop(d->slot, NULL);
	d->slot->ops->reset(d->slot);
	atomic_store(&d->n_broken, 0);
}

static bool slot_broken(struct vdev *d)
{
	return atomic_load(&d->n_broken) > 0;
}

const struct vdev_ops vdev_slot_ops = {
	.name = "slot",
	.attach = slot_attach,
	.detach = slot_detach,
	.offered = slot_offered,
	.config_read = slot_config_read,
	.config_write = slot_config_write,
	.start = slot_start,
	.reset = slot_reset,
	.broken = slot_broken,
};

/* ---- over any ---- */

void vdev_attach(struct vdev *d, const struct vdev_ops *ops, struct cv_vslot *slot, struct guest *g,
		 struct cv_loop *loop, bool threaded)
{
	*d = (struct vdev){ .ops = ops,
			    .slot = slot,
			    .g = g,
			    .loop = threaded ? NULL : loop,
			    .any_loop = loop,
			    .n_queues = slot->n_queues };
	ops->attach(d);
}

static void nothing(void *arg)
{
	(void)arg;
}

void vdev_detach(struct vdev *d)
{
	if (!d->ops)
		return;
	vdev_reset(d);
	d->ops->detach(d);
	/* an event may be under way in the loop's thread */
	if (d->any_loop)
		cv_loop_call(d->any_loop, nothing, NULL);
	*d = (struct vdev){ 0 };
}

static uint64_t accepted(struct vdev *d, const struct vdev_options *o)
{
	uint64_t refuse = o->refuse;

	if (!o->packed)
		refuse |= CV_VIRTIO_F_RING_PACKED;
	if (o->no_indirect)
		refuse |= CV_VIRTIO_F_INDIRECT_DESC;
	if (o->no_event_idx)
		refuse |= CV_VIRTIO_F_EVENT_IDX;
	return d->ops->offered(d) & ~refuse;
}

int vdev_start(struct vdev *d, const struct vdev_options *o)
{
	static const struct vdev_options defaults;
	int err;

	o = o ?: &defaults;
	must(!d->started);
	d->features = accepted(d, o);
	must(!o->packed || (d->features & CV_VIRTIO_F_RING_PACKED));
	for (unsigned int i = 0; i < d->n_queues; i++) {
		uint16_t max = d->slot->queue_max[i];

		if (o->queues != 0 && !(o->queues >> i & 1))
			continue;
		drv_vq_init(&d->queues[i], d->g, o->queue_size ?: cv_min(max, (uint16_t)64),
			    d->features);
		d->queues[i].index = i;
		d->queues[i].ctx = d;
	}
	err = d->ops->start(d);
	d->started = !err;
	return err;
}

void vdev_reset(struct vdev *d)
{
	d->ops->reset(d);
	d->started = false;
	for (unsigned int i = 0; i < d->n_queues; i++)
		drv_vq_fini(&d->queues[i]);
}

void vdev_pump(struct vdev *d)
{
	if (d->loop)
		cv_loop_dispatch(d->loop);
	if (d->loop && d->pid) {
		child_settle(d->pid);
		cv_loop_dispatch(d->loop);
	}
	if (d->ops->interrupts)
		d->ops->interrupts(d);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A moment in which other threads make progress. */
static void pause_a_bit(struct vdev *d)
{
	vdev_pump(d);
	cv_ignore(poll(NULL, 0, 1)); /* only the time matters */
}

int vdev_wait(struct vdev *d, unsigned int qi, uint32_t *len)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct drv_vq *q = &d->queues[qi];
	int name;

	for (unsigned int i = 0; now_ms() < end; i++) {
		vdev_pump(d);
		name = drv_used(q, len);
		if (name >= 0 || d->ops->broken(d))
			return name;
		if (i > 1000)
			pause_a_bit(d);
	}
	return -1;
}

bool vdev_wait_broken(struct vdev *d)
{
	uint64_t end = now_ms() + WAIT_MS;

	vdev_pump(d);
	while (!d->ops->broken(d) && now_ms() < end)
		pause_a_bit(d);
	return d->ops->broken(d);
}

int64_t vdev_request(struct vdev *d, unsigned int qi, const void *out, uint32_t out_len, void *in,
		     uint32_t in_len)
{
	uint64_t mark = guest_mark(d->g);
	struct drv_buf bufs[2];
	unsigned int n = 0;
	uint32_t written = 0;
	int name;

	if (out_len > 0)
		bufs[n++] = (struct drv_buf){ guest_dup(d->g, out, out_len), out_len, false };
	if (in_len > 0)
		bufs[n++] = (struct drv_buf){ guest_alloc(d->g, in_len, 16), in_len, true };
	name = drv_add(&d->queues[qi], bufs, n);
	must(name >= 0);
	drv_kick(&d->queues[qi]);
	if (vdev_wait(d, qi, &written) != name)
		return -1;
	must(written <= in_len);
	if (in_len > 0)
		guest_get(d->g, bufs[n - 1].gpa, in, in_len);
	guest_rewind(d->g, mark);
	return written;
}

uint64_t vdev_config(struct vdev *d, uint32_t off, unsigned int len)
{
	struct le64 v = le64(0);

	must(len <= sizeof(v));
	d->ops->config_read(d, off, &v, len);
	return le64_get(v);
}
