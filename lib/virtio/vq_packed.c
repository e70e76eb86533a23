/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed virtqueues: virtio 1.2 section 2.8. */
#include "virtio/inflight.h"
#include "virtio/vq_ring.h"

/* Event suppression, section 2.8.14: the position in the low half, the flags in the high one. */
#define EVENT_ENABLE  0u
#define EVENT_DISABLE 1u
#define EVENT_DESC    2u

#define FLAGS_AT 14u /* in a descriptor */

static unsigned int pos_of(uint16_t p)
{
	return p & (CV_VQ_WRAP - 1);
}

static inline uint16_t advance(const struct cv_vq *vq, uint16_t p, unsigned int n)
{
	unsigned int pos = pos_of(p) + n;

	if (pos < vq->size)
		return (uint16_t)(pos | (p & CV_VQ_WRAP));
	return (uint16_t)((pos - vq->size) | (~p & CV_VQ_WRAP));
}

uint16_t cv_vq_packed_advance(const struct cv_vq *vq, uint16_t p, unsigned int n)
{
	return advance(vq, p, n);
}

bool cv_vq_packed_peek(const struct cv_vq *vq)
{
	size_t at = (size_t)pos_of(vq->avail) * CV_DESC_SIZE + FLAGS_AT;
	uint16_t flags = cv_ring_load16(vq->desc + at);
	bool wrap = vq->avail & CV_VQ_WRAP;

	return !!(flags & CV_DESC_F_AVAIL) == wrap && !!(flags & CV_DESC_F_USED) != wrap;
}

/* An indirect table is an array here: all of it, and only the write flag counts. */
static const char *walk_table(struct cv_vq *vq, struct cv_chain *c, const struct cv_desc *d)
{
	struct cv_table t;
	const char *why = cv_vq_open_table(vq, d, &t);

	for (unsigned int i = 0; !why && i < t.n; i++) {
		struct cv_desc entry = cv_vq_read_table(vq, &t, i);

		if (entry.b & CV_DESC_F_INDIRECT)
			return "an indirect table is in an indirect table";
		why = cv_vq_add_seg(vq, c, &entry, entry.b & CV_DESC_F_WRITE);
	}
	return why;
}

static inline const char *add(struct cv_vq *vq, struct cv_chain *c, const struct cv_desc *d)
{
	if (d->b & CV_DESC_F_INDIRECT)
		return walk_table(vq, c, d);
	return cv_vq_add_seg(vq, c, d, d->b & CV_DESC_F_WRITE);
}

const char *cv_vq_packed_add(struct cv_vq *vq, struct cv_chain *c, const struct cv_desc *d)
{
	return add(vq, c, d);
}

static const char *walk(struct cv_vq *vq, struct cv_chain *c)
{
	unsigned int pos = pos_of(vq->avail);
	const char *why;

	for (c->n_desc = 1; c->n_desc <= vq->size; c->n_desc++) {
		struct cv_desc d = cv_ring_desc(vq, pos);

		c->id = d.a; /* the last one's counts */
		if ((d.b & CV_DESC_F_INDIRECT) && (c->n_desc > 1 || (d.b & CV_DESC_F_NEXT)))
			return "an indirect descriptor is in a list";
		why = add(vq, c, &d);
		if (why || !(d.b & CV_DESC_F_NEXT))
			return why;
		pos = pos + 1 < vq->size ? pos + 1 : 0;
	}
	return "a list is longer than the ring";
}

/* Descriptors taken and not yet used. */
static unsigned int n_taken(const struct cv_vq *vq)
{
	unsigned int avail = pos_of(vq->avail), used = pos_of(vq->used);

	return (vq->avail ^ vq->used) & CV_VQ_WRAP ? avail + vq->size - used : avail - used;
}

const char *cv_vq_packed_take(struct cv_vq *vq, struct cv_chain *c)
{
	const char *why = walk(vq, c);

	/* a driver that makes descriptors available which it has not got back */
	if (!why && n_taken(vq) + c->n_desc > vq->size)
		why = "more descriptors are available than the ring has";
	if (!why && vq->inflight)
		cv_inflight_take(vq, c);
	if (!why)
		vq->avail = advance(vq, vq->avail, c->n_desc);
	return why;
}

void cv_vq_packed_untake(struct cv_vq *vq, const struct cv_chain *c)
{
	unsigned int pos = pos_of(vq->avail);

	if (pos >= c->n_desc)
		vq->avail = (uint16_t)(vq->avail - c->n_desc);
	else
		vq->avail = (uint16_t)((pos + vq->size - c->n_desc) | (~vq->avail & CV_VQ_WRAP));
}

void cv_vq_packed_use(struct cv_vq *vq, const struct cv_chain *c, uint32_t written)
{
	uint8_t *d = vq->desc + (size_t)pos_of(vq->used) * CV_DESC_SIZE;
	unsigned int flags = vq->used & CV_VQ_WRAP ? CV_DESC_F_AVAIL | CV_DESC_F_USED : 0;

	cv_ring_write32(d + 8, written);
	cv_ring_write16(d + 12, c->id);
	cv_ring_store16(d + FLAGS_AT, (uint16_t)(flags | (written > 0 ? CV_DESC_F_WRITE : 0)));
	vq->used = advance(vq, vq->used, c->n_desc);
}

bool cv_vq_packed_wants_call(const struct cv_vq *vq)
{
	uint32_t event = cv_ring_load32(vq->driver);
	unsigned int off = pos_of((uint16_t)event), flags = event >> 16 & 3;

	if (flags != EVENT_DESC || !vq->event_idx)
		return flags != EVENT_DISABLE;
	if ((event ^ vq->used) & CV_VQ_WRAP) /* of the round before */
		off -= vq->size;
	return cv_ring_need_event((uint16_t)off, (uint16_t)pos_of(vq->used),
				  (uint16_t)(pos_of(vq->used) - vq->n_used));
}

void cv_vq_packed_arm(struct cv_vq *vq, bool on)
{
	if (!on)
		cv_ring_store32(vq->device, EVENT_DISABLE << 16);
	else if (vq->event_idx)
		cv_ring_store32(vq->device, EVENT_DESC << 16 | vq->avail);
	else
		cv_ring_store32(vq->device, EVENT_ENABLE << 16);
}
