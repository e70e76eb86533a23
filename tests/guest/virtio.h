/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A polling virtio 1.x driver: PCI and MMIO transports, split virtqueues with
 * EVENT_IDX and INDIRECT_DESC. One user per queue, no interrupts unless asked.
 */
#ifndef GUEST_VIRTIO_H
#define GUEST_VIRTIO_H

#include "pci.h"
#include "rt.h"

#define VIRTIO_BLK	   2
#define VIRTIO_F_INDIRECT  (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)
#define VIRTIO_NO_VECTOR   0xffff

#define VQ_NEXT	    1u
#define VQ_WRITE    2u
#define VQ_INDIRECT 4u

/* common configuration structure, virtio 1.2, 4.1.4.3 */
#define VC_DFSELECT   0x00
#define VC_DF	      0x04
#define VC_GFSELECT   0x08
#define VC_GF	      0x0c
#define VC_MSIX	      0x10
#define VC_N_QUEUES   0x12
#define VC_STATUS     0x14
#define VC_GENERATION 0x15
#define VC_Q_SELECT   0x16
#define VC_Q_SIZE     0x18
#define VC_Q_MSIX     0x1a
#define VC_Q_ENABLE   0x1c
#define VC_Q_NOFF     0x1e
#define VC_Q_DESC     0x20
#define VC_Q_DRIVER   0x28
#define VC_Q_DEVICE   0x30

/* MMIO registers, virtio 1.2, 4.2.2 */
#define VM_MAGIC      0x000
#define VM_VERSION    0x004
#define VM_DEVICE_ID  0x008
#define VM_DF	      0x010
#define VM_DFSELECT   0x014
#define VM_GF	      0x020
#define VM_GFSELECT   0x024
#define VM_Q_SELECT   0x030
#define VM_Q_MAX      0x034
#define VM_Q_SIZE     0x038
#define VM_Q_READY    0x044
#define VM_NOTIFY     0x050
#define VM_ISR	      0x060
#define VM_ACK	      0x064
#define VM_STATUS     0x070
#define VM_Q_DESC     0x080
#define VM_Q_DRIVER   0x090
#define VM_Q_DEVICE   0x0a0
#define VM_GENERATION 0x0fc
#define VM_CONFIG     0x100

#define VS_ACK	       1u
#define VS_DRIVER      2u
#define VS_DRIVER_OK   4u
#define VS_FEATURES_OK 8u
#define VS_NEEDS_RESET 64u

struct rt_virtio_mmio {
	uint64_t base;
	unsigned int irq;
};

struct rt_virtio {
	bool is_pci;
	struct rt_pci pci;
	unsigned int irq; /* line, MMIO only */
	uint64_t common;  /* VC_ or VM_ registers */
	uint64_t notify;
	uint32_t notify_mult;
	uint64_t isr;
	uint64_t config;
	uint64_t features; /* negotiated */
};

struct rt_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct rt_used_elem {
	uint32_t id;
	uint32_t len;
};

struct rt_vq {
	uint16_t size;
	uint16_t index;
	uint16_t avail_idx; /* written to the ring, perhaps not yet published */
	uint16_t kicked;    /* avail_idx at the last look at the event index */
	uint16_t used_idx;
	bool event_idx;
	bool interrupts;
	bool mmio;
	uint64_t doorbell;
	struct rt_desc *desc;
	volatile uint16_t *avail; /* flags, idx, ring[size], used_event */
	volatile uint16_t *used;  /* flags, idx, elements, avail_event */
};

/* The index-th "virtio_mmio.device=SIZE@ADDR:IRQ" of the command line. */
bool rt_virtio_mmio_word(unsigned int index, struct rt_virtio_mmio *m);

/* The nth device of a type (0: any type), PCI ones first; not touched beyond PCI set-up. */
bool rt_virtio_find(uint32_t type, unsigned int nth, struct rt_virtio *v);

/* Reset, negotiate VERSION_1 and what both sides have of `want`; FEATURES_OK. */
void rt_virtio_begin(struct rt_virtio *v, uint64_t want);
/* A queue of at most `size` entries. Call between begin and ready. */
void rt_vq_setup(struct rt_virtio *v, struct rt_vq *q, uint16_t index, uint16_t size,
		 uint16_t vector);
void rt_virtio_ready(struct rt_virtio *v);
uint8_t rt_virtio_status(const struct rt_virtio *v);
void rt_virtio_reset(struct rt_virtio *v);

static inline struct rt_used_elem *rt_vq_used(const struct rt_vq *q, uint16_t i)
{
	return (struct rt_used_elem *)(uint64_t)(q->used + 2) + (i & (q->size - 1));
}

/* Make the chain at `head` available; seen by the device after rt_vq_kick(). */
static inline void rt_vq_add(struct rt_vq *q, uint16_t head)
{
	q->avail[2 + (q->avail_idx++ & (q->size - 1))] = head;
}

void rt_vq_kick(struct rt_vq *q);
/* The doorbell write alone. */
void rt_vq_ring(const struct rt_vq *q);

/* Take one used element if there is one. */
static inline bool rt_vq_pop(struct rt_vq *q, struct rt_used_elem *e)
{
	if (q->used[1] == q->used_idx)
		return false;
	rt_barrier();
	*e = *rt_vq_used(q, q->used_idx++);
	return true;
}

#endif
