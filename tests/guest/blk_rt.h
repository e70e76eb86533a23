/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk requests by slots: each slot is one request that may be in flight. */
#ifndef GUEST_BLK_RT_H
#define GUEST_BLK_RT_H

#include "virtio.h"

#define BLK_T_IN	   0u
#define BLK_T_OUT	   1u
#define BLK_T_FLUSH	   4u
#define BLK_T_GET_ID	   8u
#define BLK_T_DISCARD	   11u
#define BLK_T_WRITE_ZEROES 13u

#define BLK_F_RO	   (1ull << 5)
#define BLK_F_FLUSH	   (1ull << 9)
#define BLK_F_DISCARD	   (1ull << 13)
#define BLK_F_WRITE_ZEROES (1ull << 14)

#define BLK_OK	    0
#define BLK_IOERR   1
#define BLK_UNSUPP  2
#define BLK_PENDING 0xff

#define BLK_MAX_SEGS 8u

struct rt_blk_slot {
	struct {
		uint32_t type;
		uint32_t reserved;
		uint64_t sector;
	} header;
	volatile uint8_t status;
	struct rt_desc table[BLK_MAX_SEGS + 2] __attribute__((aligned(16)));
};

struct rt_seg {
	void *p;
	uint32_t len;
};

struct rt_blk {
	struct rt_virtio v;
	struct rt_vq q;
	uint64_t sectors; /* of 512 bytes */
	unsigned int n_slots;
	bool indirect;
	struct rt_blk_slot *slots;
};

/* Find the nth disk and start its first queue; fails the guest if there is none. */
void rt_blk_open(struct rt_blk *b, unsigned int nth, unsigned int n_slots, uint64_t features,
		 uint16_t vector);

/* Lay out a slot's descriptors. */
void rt_blk_prepare(struct rt_blk *b, unsigned int slot, uint32_t type, const struct rt_seg *segs,
		    unsigned int n_segs);

/* Make a prepared slot available for a sector; rt_vq_kick() starts it. */
static inline void rt_blk_add(struct rt_blk *b, unsigned int slot, uint64_t sector)
{
	b->slots[slot].header.sector = sector;
	b->slots[slot].status = BLK_PENDING;
	rt_barrier();
	rt_vq_add(&b->q, (uint16_t)(b->indirect ? slot : slot * (BLK_MAX_SEGS + 2)));
}

/* The slot of the next finished request, or -1. */
static inline int rt_blk_poll(struct rt_blk *b)
{
	struct rt_used_elem e;

	if (!rt_vq_pop(&b->q, &e))
		return -1;
	return (int)(b->indirect ? e.id : e.id / (BLK_MAX_SEGS + 2));
}

/* One request, start to end, in slot 0: its status. */
uint8_t rt_blk_do(struct rt_blk *b, uint32_t type, uint64_t sector, const struct rt_seg *segs,
		  unsigned int n_segs);

#endif
