/* SPDX-License-Identifier: BSD-3-Clause */
/* Both halves of one virtqueue, face to face, for the tests of the rings. */
#ifndef CV_TESTS_PAIR_H
#define CV_TESTS_PAIR_H

#include <check.h>

#include "support/driver.h"
#include "support/must.h"
#include "virtio/virtio.h"
#include "virtio/vq.h"

/* The eight kinds of queue that loop tests run over. */
enum { PAIR_PACKED = 1, PAIR_EVENT_IDX = 2, PAIR_INDIRECT = 4, PAIR_KINDS = 8 };

struct pair {
	struct guest g;
	struct drv_vq drv;
	struct cv_vq vq;
	uint64_t features;
	uint64_t data; /* 64 KiB of guest memory for buffers */
	unsigned int n_broken;
};

static void pair_broken(struct cv_vq *vq)
{
	struct pair *p = vq->ctx;

	p->n_broken++;
}

static uint64_t pair_features(int kind)
{
	return CV_VIRTIO_F_VERSION_1 | (kind & PAIR_PACKED ? CV_VIRTIO_F_RING_PACKED : 0) |
	       (kind & PAIR_EVENT_IDX ? CV_VIRTIO_F_EVENT_IDX : 0) |
	       (kind & PAIR_INDIRECT ? CV_VIRTIO_F_INDIRECT_DESC : 0);
}

static void pair_init(struct pair *p, int kind, uint16_t size)
{
	struct cv_vq_config config;

	*p = (struct pair){ .features = pair_features(kind) };
	guest_init(&p->g, 4 << 20);
	p->data = guest_alloc(&p->g, 65536, 4096);
	drv_vq_init(&p->drv, &p->g, size, p->features);
	p->vq = (struct cv_vq){ .name = "test", .on_broken = pair_broken, .ctx = p };
	drv_vq_config(&p->drv, &config);
	must(cv_vq_start(&p->vq, &p->g.mem, &config, p->features) == 0);
}

static void pair_fini(struct pair *p)
{
	cv_vq_stop(&p->vq, NULL);
	drv_vq_fini(&p->drv);
	guest_fini(&p->g);
}

/* A buffer of @len bytes at @off of the data area. */
static CV_UNUSED struct drv_buf in(const struct pair *p, uint32_t off, uint32_t len)
{
	return (struct drv_buf){ p->data + off, len, true };
}

static CV_UNUSED struct drv_buf out(const struct pair *p, uint32_t off, uint32_t len)
{
	return (struct drv_buf){ p->data + off, len, false };
}

/* Adds directly or indirectly, as the queue's kind says. */
static CV_UNUSED int pair_add(struct pair *p, const struct drv_buf *bufs, unsigned int n)
{
	return p->drv.indirect ? drv_add_indirect(&p->drv, bufs, n) : drv_add(&p->drv, bufs, n);
}

#endif
