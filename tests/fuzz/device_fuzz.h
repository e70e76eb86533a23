/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes a virtio device by a script of what its driver and its host do: chains
 * in any queue, writes to the configuration space, pauses, resets, queue resets,
 * and steps of the target's own. The rings themselves are well-formed here.
 */
#ifndef CV_TESTS_DEVICE_FUZZ_H
#define CV_TESTS_DEVICE_FUZZ_H

#include "base/endian.h"
#include "base/math.h"
#include "support/must.h"
#include "support/vdev.h"

#define FUZZ_STEPS   64
#define FUZZ_SCRATCH (96u << 10) /* 16 pages and the longest buffer */

struct script {
	const uint8_t *data;
	size_t left;
};

struct device_fuzz {
	struct rig rig;
	uint64_t scratch; /* pages that belong to nobody */
	struct cv_vq_config configs[CV_VIRTIO_MAX_QUEUES];
	/* the bytes of a buffer that the device reads */
	void (*fill)(struct device_fuzz *f, struct script *s, uint64_t gpa, uint32_t len);
	void (*host_step)(struct device_fuzz *f, struct script *s);
};

static inline uint32_t take(struct script *s, unsigned int len)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < len && s->left > 0; i++, s->left--)
		v |= (uint32_t)*s->data++ << (8 * i);
	return v;
}

/* Takes back all that is used, so that the rings do not fill. */
static inline void collect(struct device_fuzz *f)
{
	vdev_pump(&f->rig.dev);
	for (unsigned int i = 0; i < f->rig.dev.n_queues; i++)
		while (f->rig.dev.queues[i].g && drv_used(&f->rig.dev.queues[i], NULL) >= 0)
			;
}

/* Queue, shape (bits: indirect, kick; number of readable and of writable buffers), sizes. */
static inline void chain_step(struct device_fuzz *f, struct script *s)
{
	struct drv_vq *q = &f->rig.dev.queues[take(s, 1) % f->rig.dev.n_queues];
	uint32_t shape = take(s, 1), n_out = shape >> 2 & 7, n = n_out + (shape >> 5);
	struct drv_buf bufs[16];

	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = take(s, 1) * (i < n_out ? 1 : 64) + 1;
		uint64_t gpa = f->scratch + take(s, 1) % 16 * 4096 + len % 3;

		if (i < n_out) {
			gpa = guest_alloc(&f->rig.guest, len, 8);
			f->fill(f, s, gpa, len);
		}
		bufs[i] = (struct drv_buf){ gpa, len, i >= n_out };
	}
	if (n > 0 && q->g &&
	    (shape & 1 && q->indirect ? drv_add_indirect : drv_add)(q, bufs, n) >= 0)
		drv_publish(q);
	if (q->g && shape & 2)
		drv_notify(q);
}

static inline void config_step(struct device_fuzz *f, struct script *s)
{
	uint32_t len = f->rig.slot->config_len, at = take(s, 1), v = take(s, 4), off;

	if (len == 0)
		return;
	off = at % len;
	f->rig.dev.ops->config_write(&f->rig.dev, off, &v, cv_min(len - off, 4u));
}

static inline void pause_step(struct device_fuzz *f)
{
	struct cv_vslot *slot = f->rig.slot;

	slot->ops->stop(slot, f->configs);
	vdev_pump(&f->rig.dev);
	must(slot->ops->start(slot, f->rig.dev.features, f->configs) == 0);
}

/* The queue is not used again: its chains are the driver's. */
static inline void queue_reset_step(struct device_fuzz *f, struct script *s)
{
	unsigned int i = take(s, 1) % f->rig.dev.n_queues;

	f->rig.slot->ops->queue_stop(f->rig.slot, i, NULL);
	drv_vq_fini(&f->rig.dev.queues[i]);
	f->rig.dev.queues[i] = (struct drv_vq){ 0 };
	f->configs[i] = (struct cv_vq_config){ .kick_fd = -1, .call_fd = -1 };
}

static inline void start_device(struct device_fuzz *f, uint32_t how)
{
	const struct vdev_options o = { .packed = how & 1,
					.no_event_idx = how & 2,
					.no_indirect = how & 4,
					.refuse = how >> 3 };

	guest_rewind(&f->rig.guest, GUEST_LOW);
	f->scratch = guest_alloc(&f->rig.guest, FUZZ_SCRATCH, 4096);
	must(vdev_start(&f->rig.dev, &o) == 0);
	for (unsigned int i = 0; i < f->rig.dev.n_queues; i++)
		drv_vq_config(&f->rig.dev.queues[i], &f->configs[i]);
}

/* The first byte chooses ring and features. Returns with a device that is started afresh. */
static inline void run_script(struct device_fuzz *f, struct script *s)
{
	uint32_t how = take(s, 1);

	start_device(f, how);
	for (unsigned int i = 0; i < FUZZ_STEPS && s->left > 0; i++) {
		uint32_t step = take(s, 1) % 16;

		if (step < 9)
			chain_step(f, s);
		else if (step < 11)
			config_step(f, s);
		else if (step < 14)
			f->host_step(f, s);
		else if (step == 14)
			pause_step(f);
		else
			queue_reset_step(f, s);
		collect(f);
		must(!f->rig.dev.ops->broken(&f->rig.dev));
	}
	vdev_reset(&f->rig.dev);
	start_device(f, 0);
}

#endif
