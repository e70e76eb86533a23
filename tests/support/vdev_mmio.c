/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device as its driver sees it, through virtio-mmio's registers. */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "must.h"
#include "sys/fd.h"
#include "vdev.h"
#include "virtio/mmio.h"

#define GPA 0xd0000000ull

struct port {
	struct cv_virtio_mmio *mmio;
	struct cv_rslot *regs;
	struct cv_irq irq;
};

static uint32_t get(struct vdev *d, uint64_t off)
{
	struct cv_rslot *regs = ((struct port *)d->port)->regs;

	return (uint32_t)regs->ops->read(regs, off, 4);
}

static void put(struct vdev *d, uint64_t off, uint32_t val)
{
	struct cv_rslot *regs = ((struct port *)d->port)->regs;

	regs->ops->write(regs, off, 4, val);
}

static void put64(struct vdev *d, uint64_t off, uint64_t val)
{
	put(d, off, (uint32_t)val);
	put(d, off + 4, (uint32_t)(val >> 32));
}

static void mmio_attach(struct vdev *d)
{
	struct port *p = calloc(1, sizeof(*p));

	must(p);
	p->irq.trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->irq.resample = -1;
	must(p->irq.trigger >= 0);
	must(cv_virtio_mmio_create(&p->mmio, d->slot, NULL, GPA, &p->irq, d->any_loop, NULL,
				   NULL) == 0);
	p->regs = cv_virtio_mmio_slot(p->mmio);
	d->port = p;
	must(get(d, 0) == 0x74726976 && get(d, 4) == 2);
}

static void mmio_detach(struct vdev *d)
{
	struct port *p = d->port;

	cv_virtio_mmio_destroy(p->mmio);
	close(p->irq.trigger);
	free(p);
}

static uint64_t mmio_offered(struct vdev *d)
{
	uint64_t low;

	put(d, 0x14, 0);
	low = get(d, 0x10);
	put(d, 0x14, 1);
	return low | (uint64_t)get(d, 0x10) << 32;
}

static void mmio_config_read(struct vdev *d, uint32_t off, void *buf, uint32_t len)
{
	struct cv_rslot *regs = ((struct port *)d->port)->regs;
	uint8_t *to = buf;

	for (uint32_t i = 0; i < len; i++)
		to[i] = (uint8_t)regs->ops->read(regs, 0x100 + off + i, 1);
}

static void mmio_config_write(struct vdev *d, uint32_t off, const void *buf, uint32_t len)
{
	struct cv_rslot *regs = ((struct port *)d->port)->regs;
	const uint8_t *from = buf;

	for (uint32_t i = 0; i < len; i++)
		regs->ops->write(regs, 0x100 + off + i, 1, from[i]);
}

static void mmio_notify(struct drv_vq *q)
{
	put(q->ctx, 0x50, q->index);
}

static void setup_queue(struct vdev *d, struct drv_vq *q)
{
	put(d, 0x30, q->index);
	must(get(d, 0x44) == 0 && get(d, 0x34) >= q->size);
	put(d, 0x38, q->size);
	put64(d, 0x80, q->desc);
	put64(d, 0x90, q->driver);
	put64(d, 0xa0, q->device);
	put(d, 0x44, 1);
	q->notify = mmio_notify;
}

static int mmio_start(struct vdev *d)
{
	put(d, 0x70, 1);
	put(d, 0x70, 3);
	put(d, 0x24, 0);
	put(d, 0x20, (uint32_t)d->features);
	put(d, 0x24, 1);
	put(d, 0x20, (uint32_t)(d->features >> 32));
	put(d, 0x70, 11);
	if (!(get(d, 0x70) & 8))
		return -ENOTSUP;
	for (unsigned int i = 0; i < d->n_queues; i++) {
		if (d->queues[i].g)
			setup_queue(d, &d->queues[i]);
	}
	put(d, 0x70, 15);
	return get(d, 0x70) & 64 ? -EIO : 0;
}

static void mmio_reset(struct vdev *d)
{
	put(d, 0x70, 0);
	must(get(d, 0x70) == 0);
}

static bool mmio_broken(struct vdev *d)
{
	return get(d, 0x70) & 64;
}

static void mmio_interrupts(struct vdev *d)
{
	uint32_t isr;

	if (!cv_event_drain_shared(((struct port *)d->port)->irq.trigger))
		return;
	isr = get(d, 0x60);
	put(d, 0x64, isr);
	atomic_fetch_add(&d->n_calls, isr & 1);
	atomic_fetch_add(&d->n_config, isr >> 1 & 1);
}

const struct vdev_ops vdev_mmio_ops = {
	.name = "mmio",
	.attach = mmio_attach,
	.detach = mmio_detach,
	.offered = mmio_offered,
	.config_read = mmio_config_read,
	.config_write = mmio_config_write,
	.start = mmio_start,
	.reset = mmio_reset,
	.broken = mmio_broken,
	.interrupts = mmio_interrupts,
};
