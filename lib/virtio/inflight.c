/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains in flight: vhost-user.rst, "Inflight I/O tracking". A process dies between
 * any two stores; their order is what makes the notes hold then, so each store
 * that must not move is a release.
 *
 * Split rings note a head in flight, and the order it came in. Packed rings also
 * keep copies of the descriptors, because used descriptors overwrite those of
 * chains that are still in flight; the copies are entries of a list of their own.
 */
#include "virtio/inflight.h"

#include <stdlib.h>
#include <string.h>

#include "virtio/vq_ring.h"

#define VERSION 1u
#define NONE	UINT16_MAX

struct split_desc {
	uint8_t inflight, padding[5];
	uint16_t next;
	uint64_t counter;
};
_Static_assert(sizeof(struct split_desc) == 16, "DescStateSplit");

struct split_notes {
	uint64_t features;
	uint16_t version, desc_num, last_batch_head, used_idx;
	struct split_desc desc[];
};
_Static_assert(sizeof(struct split_notes) == 16, "QueueRegionSplit");

struct packed_desc {
	uint8_t inflight, padding;
	uint16_t next, last, num;
	uint64_t counter;
	uint16_t id, flags;
	uint32_t len;
	uint64_t addr;
};
_Static_assert(sizeof(struct packed_desc) == 32, "DescStatePacked");

struct packed_notes {
	uint64_t features;
	uint16_t version, desc_num, free_head, old_free_head, used_idx, old_used_idx;
	uint8_t used_wrap, old_used_wrap, padding[7];
	struct packed_desc desc[];
};
_Static_assert(sizeof(struct packed_notes) == 32, "QueueRegionPacked");

#define STORE(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)
/* What another process may change meanwhile is read once. */
#define LOAD(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)

size_t cv_inflight_len(uint16_t size, bool packed)
{
	size_t len = packed ? sizeof(struct packed_notes) + size * sizeof(struct packed_desc)
			    : sizeof(struct split_notes) + size * sizeof(struct split_desc);

	return (len + 63) & ~(size_t)63;
}

/* The version is at the same place in both. */
void cv_inflight_clear(void *inflight)
{
	struct split_notes *n = inflight;

	STORE(n->version, 0);
}

bool cv_inflight_settle(void *inflight, uint16_t size, bool packed)
{
	const struct split_notes *s = inflight;
	const struct packed_notes *p = inflight;

	for (unsigned int i = 0; LOAD(s->version) != 0 && i < size; i++)
		if (packed ? LOAD(p->desc[i].inflight) : LOAD(s->desc[i].inflight))
			return true;
	cv_inflight_clear(inflight);
	return false;
}

/* ---- chains to be given again ---- */

/* In place by Shell's method: the C library's qsort() allocates and asks for the size of memory
 * (sysinfo), which a device process may not. */
static void sort_again(struct cv_vq *vq)
{
	struct cv_vq_again *list = vq->again;

	for (unsigned int gap = vq->n_again / 2u; gap > 0; gap /= 2)
		for (unsigned int i = gap; i < vq->n_again; i++) {
			struct cv_vq_again one = list[i];
			unsigned int at = i;

			for (; at >= gap && list[at - gap].counter > one.counter; at -= gap)
				list[at] = list[at - gap];
			list[at] = one;
		}
	vq->counter = vq->n_again > 0 ? list[vq->n_again - 1].counter + 1 : 0;
}

/* ---- split ---- */

/* The predecessor died after it had told the driver of these, and before it noted that. */
static void forget_last_batch(struct split_notes *n, uint16_t size, uint16_t used)
{
	unsigned int count = (uint16_t)(used - LOAD(n->used_idx));
	unsigned int at = LOAD(n->last_batch_head);

	for (; count > 0 && count <= size && at < size; count--) {
		STORE(n->desc[at].inflight, 0);
		at = LOAD(n->desc[at].next);
	}
}

static const char *split_start(struct cv_vq *vq, struct split_notes *n)
{
	uint16_t used = cv_ring_load16(vq->device + 2);
	bool fresh = LOAD(n->version) == 0;

	if (!fresh && (LOAD(n->version) != VERSION || LOAD(n->desc_num) < vq->size))
		return "its log of chains in flight is another queue's";
	if (!fresh)
		forget_last_batch(n, vq->size, used);
	for (unsigned int i = 0; i < vq->size; i++) {
		if (fresh)
			n->desc[i].inflight = 0;
		else if (LOAD(n->desc[i].inflight))
			vq->again[vq->n_again++] =
				(struct cv_vq_again){ .counter = LOAD(n->desc[i].counter),
						      .at = (uint16_t)i };
	}
	sort_again(vq);
	n->features = 0;
	if (fresh)
		n->desc_num = vq->size;
	n->used_idx = used;
	STORE(n->version, VERSION);
	vq->used = used;
	vq->avail = (uint16_t)(used + vq->n_again);
	return NULL;
}

static void split_take(struct cv_vq *vq, const struct cv_chain *c)
{
	struct split_notes *n = vq->inflight;

	if (c->id >= vq->size) /* the walk has found the same */
		return;
	n->desc[c->id].counter = vq->counter++;
	STORE(n->desc[c->id].inflight, 1);
}

static void split_using(struct cv_vq *vq, const struct cv_chain *c)
{
	struct split_notes *n = vq->inflight;

	n->desc[c->id].next = n->last_batch_head;
	STORE(n->last_batch_head, c->id);
}

static void split_used(struct cv_vq *vq, const struct cv_chain *c)
{
	struct split_notes *n = vq->inflight;

	STORE(n->desc[c->id].inflight, 0);
	STORE(n->used_idx, vq->used);
}

/* ---- packed ---- */

static uint16_t position(uint16_t idx, uint8_t wrap)
{
	return (uint16_t)(idx | (wrap ? CV_VQ_WRAP : 0));
}

static void packed_init(struct cv_vq *vq, struct packed_notes *n)
{
	uint16_t idx = vq->used & (CV_VQ_WRAP - 1);
	uint8_t wrap = vq->used & CV_VQ_WRAP ? 1 : 0;

	for (uint16_t i = 0; i < vq->size; i++) {
		n->desc[i].inflight = 0;
		n->desc[i].next = (uint16_t)(i + 1);
		vq->next_note[i] = (uint16_t)(i + 1);
	}
	vq->free_note = 0;
	n->features = 0;
	n->desc_num = vq->size;
	n->free_head = n->old_free_head = 0;
	n->used_idx = n->old_used_idx = idx;
	n->used_wrap = n->old_used_wrap = wrap;
	STORE(n->version, VERSION);
}

/* Whether the driver knows of the step that was under way when the predecessor died. */
static bool packed_is_known(const struct cv_vq *vq, const struct packed_notes *n)
{
	uint16_t at = LOAD(n->old_used_idx), flags;
	bool wrap = LOAD(n->old_used_wrap);

	if (at >= vq->size || (at == LOAD(n->used_idx) && wrap == LOAD(n->used_wrap)))
		return false;
	/* backwards without another wrap: it died while it noted the step as done */
	if (at > LOAD(n->used_idx) && wrap == LOAD(n->used_wrap))
		return true;
	flags = cv_ring_load16(vq->desc + (size_t)at * CV_DESC_SIZE + 14);
	return !!(flags & CV_DESC_F_AVAIL) != wrap || !!(flags & CV_DESC_F_USED) == wrap;
}

/* The step that was under way is done if the driver knows of it, or else has not begun. */
static void packed_finish(struct cv_vq *vq, struct packed_notes *n)
{
	if (packed_is_known(vq, n)) {
		n->old_free_head = LOAD(n->free_head);
		n->old_used_idx = LOAD(n->used_idx);
		n->old_used_wrap = LOAD(n->used_wrap);
	}
	n->free_head = LOAD(n->old_free_head);
	n->used_idx = LOAD(n->old_used_idx);
	n->used_wrap = LOAD(n->old_used_wrap);
}

/* Takes over one chain's entries; how many, or 0 when they make no sense. */
static unsigned int take_over(struct cv_vq *vq, const struct packed_notes *n, uint16_t head)
{
	unsigned int num = LOAD(n->desc[head].num), last = LOAD(n->desc[head].last);
	uint16_t at = head;

	if (num == 0 || num > vq->size || last >= vq->size)
		return 0;
	for (unsigned int i = 1; i < num; i++) {
		uint16_t next = LOAD(n->desc[at].next);

		if (next >= vq->size || vq->next_note[at] != NONE)
			return 0;
		vq->next_note[at] = next;
		at = next;
	}
	if (at != last || vq->next_note[at] != NONE)
		return 0;
	vq->next_note[at] = vq->size;
	return num;
}

/* The free list: what is left. Its order is nobody's business, so it is made anew. */
static void free_rest(struct cv_vq *vq, struct packed_notes *n)
{
	uint16_t *link = &vq->free_note;

	for (uint16_t i = 0; i < vq->size; i++) {
		if (vq->next_note[i] != NONE)
			continue;
		*link = i;
		link = &vq->next_note[i];
		n->desc[i].inflight = 0;
	}
	*link = vq->size;
	for (uint16_t i = vq->free_note; i < vq->size; i = vq->next_note[i])
		n->desc[i].next = vq->next_note[i];
	n->free_head = vq->free_note;
	STORE(n->old_free_head, vq->free_note);
}

/* Entries in the list of free ones are not in flight, whatever they say. */
static void mark_free(struct cv_vq *vq, struct packed_notes *n)
{
	uint16_t at = LOAD(n->free_head);

	for (unsigned int i = 0; i < vq->size && at < vq->size; i++) {
		STORE(n->desc[at].inflight, 0);
		at = LOAD(n->desc[at].next);
	}
}

static const char *packed_recover(struct cv_vq *vq, struct packed_notes *n)
{
	unsigned int total = 0;

	if (LOAD(n->version) != VERSION || LOAD(n->desc_num) != vq->size)
		return "its log of chains in flight is another queue's";
	packed_finish(vq, n);
	if (LOAD(n->used_idx) >= vq->size)
		return "its log of chains in flight is damaged";
	mark_free(vq, n);
	memset(vq->next_note, 0xff, vq->size * sizeof(*vq->next_note));
	for (uint16_t i = 0; i < vq->size; i++) {
		unsigned int num = LOAD(n->desc[i].inflight) ? take_over(vq, n, i) : 0;

		if (!LOAD(n->desc[i].inflight))
			continue;
		total += num;
		if (num == 0 || total > vq->size)
			return "its log of chains in flight is damaged";
		vq->again[vq->n_again++] =
			(struct cv_vq_again){ .counter = LOAD(n->desc[i].counter), .at = i };
	}
	free_rest(vq, n);
	sort_again(vq);
	vq->used = position(LOAD(n->used_idx), LOAD(n->used_wrap));
	vq->avail = cv_vq_packed_advance(vq, vq->used, total);
	return NULL;
}

static const char *packed_start(struct cv_vq *vq, struct packed_notes *n)
{
	if (LOAD(n->version) != 0)
		return packed_recover(vq, n);
	packed_init(vq, n);
	return NULL;
}

/* Copies of the chain's descriptors; they were counted and walked already, and a guest that has
 * changed them since gets what it has written. */
static void packed_take(struct cv_vq *vq, struct cv_chain *c)
{
	struct packed_notes *n = vq->inflight;
	uint16_t head = vq->free_note, at = head, last = head;
	unsigned int pos = vq->avail & (CV_VQ_WRAP - 1);

	for (unsigned int i = 0; i < c->n_desc && at < vq->size; i++) {
		struct cv_desc d = cv_ring_desc(vq, (pos + i) % vq->size);

		n->desc[at].addr = d.addr;
		n->desc[at].len = d.len;
		n->desc[at].id = i + 1u < c->n_desc ? d.a : c->id;
		n->desc[at].flags = d.b;
		last = at;
		at = vq->next_note[at];
	}
	n->desc[head].num = c->n_desc;
	n->desc[head].last = last;
	n->desc[head].counter = vq->counter++;
	STORE(n->desc[head].inflight, 1);
	STORE(n->free_head, at);
	STORE(n->old_free_head, at);
	c->note = head;
	c->last_note = last;
	vq->free_note = at;
}

static void packed_untake(struct cv_vq *vq, const struct cv_chain *c)
{
	struct packed_notes *n = vq->inflight;

	/* nothing happened since: the entries are still linked to those free after them */
	vq->free_note = c->note;
	STORE(n->desc[c->note].inflight, 0);
	STORE(n->free_head, c->note);
	STORE(n->old_free_head, c->note);
}

static void packed_using(struct cv_vq *vq, const struct cv_chain *c)
{
	struct packed_notes *n = vq->inflight;
	uint16_t used = cv_vq_packed_advance(vq, vq->used, c->n_desc);

	vq->next_note[c->last_note] = vq->free_note;
	vq->free_note = c->note;
	n->desc[c->last_note].next = vq->next_note[c->last_note];
	STORE(n->free_head, c->note);
	STORE(n->used_wrap, used & CV_VQ_WRAP ? 1 : 0);
	STORE(n->used_idx, (uint16_t)(used & (CV_VQ_WRAP - 1)));
}

static void packed_used(struct cv_vq *vq, const struct cv_chain *c)
{
	struct packed_notes *n = vq->inflight;

	STORE(n->desc[c->note].inflight, 0);
	STORE(n->old_free_head, c->note);
	STORE(n->old_used_wrap, vq->used & CV_VQ_WRAP ? 1 : 0);
	STORE(n->old_used_idx, (uint16_t)(vq->used & (CV_VQ_WRAP - 1)));
}

/* ---- both ---- */

/* What a packed chain looked like when it was taken. */
static const char *packed_again(struct cv_vq *vq, struct cv_chain *c, uint16_t head)
{
	const struct packed_notes *n = vq->inflight;
	const char *why = NULL;

	c->note = head;
	for (uint16_t at = head; at < vq->size && !why; at = vq->next_note[at]) {
		const struct cv_desc d = { .addr = LOAD(n->desc[at].addr),
					   .len = LOAD(n->desc[at].len),
					   .a = LOAD(n->desc[at].id),
					   .b = LOAD(n->desc[at].flags) };

		c->id = d.a;
		c->n_desc++;
		c->last_note = at;
		why = cv_vq_packed_add(vq, c, &d);
	}
	return why;
}

const char *cv_inflight_again(struct cv_vq *vq, struct cv_chain *c)
{
	uint16_t at = vq->again[vq->i_again++].at;

	vq->n_again--;
	c->again = true;
	if (vq->packed)
		return packed_again(vq, c, at);
	c->id = at;
	c->n_desc = 1;
	return cv_vq_split_walk(vq, c, at);
}

const char *cv_inflight_start(struct cv_vq *vq, void *inflight)
{
	vq->inflight = inflight;
	vq->counter = 0;
	return vq->packed ? packed_start(vq, inflight) : split_start(vq, inflight);
}

void cv_inflight_take(struct cv_vq *vq, struct cv_chain *c)
{
	if (vq->packed)
		packed_take(vq, c);
	else
		split_take(vq, c);
}

void cv_inflight_untake(struct cv_vq *vq, const struct cv_chain *c)
{
	struct split_notes *n = vq->inflight;

	if (c->again) {
		vq->i_again--;
		vq->n_again++;
		return;
	}
	if (vq->packed)
		packed_untake(vq, c);
	else
		STORE(n->desc[c->id].inflight, 0);
}

void cv_inflight_using(struct cv_vq *vq, const struct cv_chain *c)
{
	if (vq->packed)
		packed_using(vq, c);
	else
		split_using(vq, c);
}

void cv_inflight_used(struct cv_vq *vq, const struct cv_chain *c)
{
	if (vq->packed)
		packed_used(vq, c);
	else
		split_used(vq, c);
}
