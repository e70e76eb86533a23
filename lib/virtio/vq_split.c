/* SPDX-License-Identifier: BSD-3-Clause */
/* Split virtqueues: virtio 1.2 section 2.7. */
#include "virtio/inflight.h"
#include "virtio/vq_ring.h"

#define NO_INTERRUPT 1u /* avail.flags */
#define NO_NOTIFY    1u /* used.flags */
#define NOTIFY	     0u

/* Offsets in the driver's and in the device's area. */
#define RING_FLAGS   0u
#define RING_IDX     2u
#define RING_ENTRIES 4u

static size_t used_event_at(const struct cv_vq *vq)
{
	return RING_ENTRIES + 2ul * vq->size;
}

static size_t avail_event_at(const struct cv_vq *vq)
{
	return RING_ENTRIES + 8ul * vq->size;
}

bool cv_vq_split_peek(struct cv_vq *vq)
{
	uint16_t idx;

	if (vq->avail_seen != vq->avail)
		return true;
	idx = cv_ring_load16(vq->driver + RING_IDX);
	if ((uint16_t)(idx - vq->avail) > vq->size) {
		cv_vq_break(vq, "the available index jumps");
		return false;
	}
	vq->avail_seen = idx;
	return idx != vq->avail;
}

static const char *walk_table(struct cv_vq *vq, struct cv_chain *c, const struct cv_desc *d)
{
	struct cv_table t;
	unsigned int i = 0;
	const char *why = d->a & CV_DESC_F_NEXT ? "an indirect descriptor has a next one"
						: cv_vq_open_table(vq, d, &t);

	for (unsigned int steps = 0; !why; steps++) {
		struct cv_desc entry;

		if (steps == t.n)
			return "a chain in an indirect table loops";
		if (i >= t.n)
			return "a descriptor index is outside its indirect table";
		entry = cv_vq_read_table(vq, &t, i);
		if (entry.a & CV_DESC_F_INDIRECT)
			return "an indirect table is in an indirect table";
		why = cv_vq_add_seg(vq, c, &entry, entry.a & CV_DESC_F_WRITE);
		if (!(entry.a & CV_DESC_F_NEXT))
			break;
		i = entry.b;
	}
	return why;
}

const char *cv_vq_split_walk(struct cv_vq *vq, struct cv_chain *c, unsigned int head)
{
	unsigned int i = head;
	const char *why;

	for (unsigned int steps = 0; steps < vq->size; steps++) {
		struct cv_desc d;

		if (i >= vq->size)
			return "a descriptor index is outside the table";
		d = cv_ring_desc(vq, i);
		if (d.a & CV_DESC_F_INDIRECT)
			return walk_table(vq, c, &d);
		why = cv_vq_add_seg(vq, c, &d, d.a & CV_DESC_F_WRITE);
		if (why || !(d.a & CV_DESC_F_NEXT))
			return why;
		i = d.b;
	}
	return "a chain loops";
}

const char *cv_vq_split_take(struct cv_vq *vq, struct cv_chain *c)
{
	unsigned int at = vq->avail & (vq->size - 1u);
	const char *why;

	c->id = cv_ring_read16(vq->driver + RING_ENTRIES + 2ul * at);
	c->n_desc = 1;
	vq->avail++;
	why = cv_vq_split_walk(vq, c, c->id);
	if (vq->inflight && !why)
		cv_inflight_take(vq, c);
	return why;
}

void cv_vq_split_untake(struct cv_vq *vq)
{
	vq->avail--;
}

void cv_vq_split_use(struct cv_vq *vq, const struct cv_chain *c, uint32_t written)
{
	uint8_t *elem = vq->device + RING_ENTRIES + 8ul * (vq->used & (vq->size - 1u));

	cv_ring_write32(elem, c->id);
	cv_ring_write32(elem + 4, written);
	vq->used++;
	cv_ring_store16(vq->device + RING_IDX, vq->used);
}

bool cv_vq_split_wants_call(const struct cv_vq *vq)
{
	if (!vq->event_idx)
		return !(cv_ring_load16(vq->driver + RING_FLAGS) & NO_INTERRUPT);
	return cv_ring_need_event(cv_ring_load16(vq->driver + used_event_at(vq)), vq->used,
				  (uint16_t)(vq->used - vq->n_used));
}

void cv_vq_split_arm(struct cv_vq *vq, bool on)
{
	/* an event that has just passed means no kicks for the next 65535 chains */
	if (vq->event_idx)
		cv_ring_store16(vq->device + avail_event_at(vq), (uint16_t)(vq->avail - !on));
	else
		cv_ring_store16(vq->device + RING_FLAGS, (uint16_t)(on ? NOTIFY : NO_NOTIFY));
}
