/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk, virtio 1.2, 5.2. See blk_rt.h. */
#include "blk_rt.h"

void rt_blk_open(struct rt_blk *b, unsigned int nth, unsigned int n_slots, uint64_t features,
		 uint16_t vector)
{
	unsigned int need = 1;

	if (!rt_virtio_find(VIRTIO_BLK, nth, &b->v))
		rt_fail("no virtio-blk device %u", nth);
	if (rt_word("noindirect"))
		features &= ~VIRTIO_F_INDIRECT;
	if (rt_word("noevent"))
		features &= ~VIRTIO_F_EVENT_IDX;
	rt_virtio_begin(&b->v, features);
	b->indirect = b->v.features & VIRTIO_F_INDIRECT;
	b->sectors = rt_r32(b->v.config) | (uint64_t)rt_r32(b->v.config + 4) << 32;
	b->n_slots = n_slots;
	while (need < (b->indirect ? n_slots : n_slots * (BLK_MAX_SEGS + 2)))
		need *= 2;
	rt_vq_setup(&b->v, &b->q, 0, (uint16_t)need, vector);
	if (b->q.size < need)
		rt_fail("queue of %u is too small for %u requests", b->q.size, n_slots);
	/* the others are ready too, as a driver with several processors has them */
	for (uint16_t i = 1; i < rt_arg("queues", 1); i++)
		rt_vq_setup(&b->v, &(struct rt_vq){ 0 }, i, 256, vector);
	b->slots = rt_alloc(n_slots * sizeof(*b->slots), 64);
	rt_virtio_ready(&b->v);
}

static uint16_t data_flags(uint32_t type)
{
	return type == BLK_T_IN || type == BLK_T_GET_ID ? VQ_WRITE : 0;
}

void rt_blk_prepare(struct rt_blk *b, unsigned int slot, uint32_t type, const struct rt_seg *segs,
		    unsigned int n_segs)
{
	struct rt_blk_slot *s = &b->slots[slot];
	uint16_t first = (uint16_t)(b->indirect ? 0 : slot * (BLK_MAX_SEGS + 2));
	struct rt_desc *d = b->indirect ? s->table : b->q.desc + first;

	s->header.type = type;
	s->header.reserved = 0;
	d[0] = (struct rt_desc){ (uint64_t)&s->header, 16, VQ_NEXT, (uint16_t)(first + 1) };
	for (unsigned int i = 0; i < n_segs; i++)
		d[1 + i] = (struct rt_desc){
			(uint64_t)segs[i].p,
			segs[i].len,
			(uint16_t)(data_flags(type) | VQ_NEXT),
			(uint16_t)(first + i + 2),
		};
	d[1 + n_segs] = (struct rt_desc){ (uint64_t)&s->status, 1, VQ_WRITE, 0 };
	if (b->indirect)
		b->q.desc[slot] = (struct rt_desc){
			(uint64_t)s->table,
			(uint32_t)((n_segs + 2) * sizeof(struct rt_desc)),
			VQ_INDIRECT,
			0,
		};
}

uint8_t rt_blk_do(struct rt_blk *b, uint32_t type, uint64_t sector, const struct rt_seg *segs,
		  unsigned int n_segs)
{
	int slot;

	rt_blk_prepare(b, 0, type, segs, n_segs);
	rt_blk_add(b, 0, sector);
	rt_vq_kick(&b->q);
	do {
		slot = rt_blk_poll(b);
		if (rt_virtio_status(&b->v) & VS_NEEDS_RESET)
			rt_fail("disk needs reset");
	} while (slot < 0);
	if (slot != 0)
		rt_fail("disk used slot %u", (unsigned int)slot);
	return b->slots[0].status;
}
