/* SPDX-License-Identifier: BSD-3-Clause */
/* What vq.c, vq_split.c and vq_packed.c share: the two layouts behind one queue. */
#ifndef CV_VIRTIO_VQ_RING_H
#define CV_VIRTIO_VQ_RING_H

#include <endian.h>

#include "virtio/vq.h"

/* Descriptor flags, virtio 1.2 sections 2.7.5 and 2.8.1. */
#define CV_DESC_F_NEXT	   1u
#define CV_DESC_F_WRITE	   2u
#define CV_DESC_F_INDIRECT 4u
#define CV_DESC_F_AVAIL	   (1u << 7)
#define CV_DESC_F_USED	   (1u << 15)

#define CV_DESC_SIZE 16u

/* The wrap counter in a packed ring's positions. */
#define CV_VQ_WRAP 0x8000u

/* Chains of up to this many segments keep them beside the chain, where the cache has them. */
#define CV_VQ_SMALL 8

struct cv_vq_slot {
	struct cv_chain chain;
	struct cv_seg small[CV_VQ_SMALL];
};

/* A descriptor's copy. @a and @b are flags and next (split) or id and flags (packed). */
struct cv_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t a, b;
};

/* ---- one access to the guest's memory each ---- */

static inline uint16_t cv_ring_load16(uint8_t *p)
{
	return le16toh(__atomic_load_n((uint16_t *)(void *)p, __ATOMIC_ACQUIRE));
}

static inline uint32_t cv_ring_load32(uint8_t *p)
{
	return le32toh(__atomic_load_n((uint32_t *)(void *)p, __ATOMIC_ACQUIRE));
}

static inline uint16_t cv_ring_read16(uint8_t *p)
{
	return le16toh(__atomic_load_n((uint16_t *)(void *)p, __ATOMIC_RELAXED));
}

static inline void cv_ring_store16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)(void *)p, htole16(v), __ATOMIC_RELEASE);
}

static inline void cv_ring_store32(uint8_t *p, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)p, htole32(v), __ATOMIC_RELEASE);
}

static inline void cv_ring_write16(uint8_t *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)(void *)p, htole16(v), __ATOMIC_RELAXED);
}

static inline void cv_ring_write32(uint8_t *p, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)p, htole32(v), __ATOMIC_RELAXED);
}

static inline struct cv_desc cv_desc_of_words(uint64_t addr, uint64_t rest)
{
	return (struct cv_desc){ .addr = addr,
				 .len = (uint32_t)rest,
				 .a = (uint16_t)(rest >> 32),
				 .b = (uint16_t)(rest >> 48) };
}

/* Reads entry @i of the ring's descriptor table, each word once; the caller knows that it exists. */
static inline struct cv_desc cv_ring_desc(const struct cv_vq *vq, unsigned int i)
{
	uint64_t *d = (void *)(vq->desc + (size_t)i * CV_DESC_SIZE);

	return cv_desc_of_words(le64toh(__atomic_load_n(d, __ATOMIC_RELAXED)),
				le64toh(__atomic_load_n(d + 1, __ATOMIC_RELAXED)));
}

/* Between writing for the other side and looking at what it wrote. */
static inline void cv_ring_fence(void)
{
#if !defined(__SANITIZE_THREAD__) || defined(__clang__) /* gcc's TSan knows no fences */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Whether the step from @old to @pos passes @event, section 2.7.10.1. */
static inline bool cv_ring_need_event(uint16_t event, uint16_t pos, uint16_t old)
{
	return (uint16_t)(pos - event - 1) < (uint16_t)(pos - old);
}

/* ---- the walk's shared steps; what is wrong, or NULL ---- */

/* Appends one buffer to the chain. */
const char *cv_vq_add_seg(struct cv_vq *vq, struct cv_chain *c, const struct cv_desc *d,
			  bool write);
/* An indirect table for the time of one walk. */
struct cv_table {
	uint64_t gpa;
	const uint8_t *host; /* NULL: not in one piece */
	unsigned int n;	     /* entries */
};

/* Finds the table that @d refers to. */
const char *cv_vq_open_table(const struct cv_vq *vq, const struct cv_desc *d, struct cv_table *t);
/* Copies entry @i, which exists. */
struct cv_desc cv_vq_read_table(const struct cv_vq *vq, const struct cv_table *t, unsigned int i);

/* ---- the two layouts ---- */

/* Whether a chain is available; may break the queue. */
bool cv_vq_split_peek(struct cv_vq *vq);
bool cv_vq_packed_peek(const struct cv_vq *vq);
/* Fills @c with the chain that peek has seen and goes on to the next. What is wrong, or NULL. */
const char *cv_vq_split_take(struct cv_vq *vq, struct cv_chain *c);
const char *cv_vq_packed_take(struct cv_vq *vq, struct cv_chain *c);
/* Steps that chains given again share with new ones; what is wrong, or NULL. */
const char *cv_vq_split_walk(struct cv_vq *vq, struct cv_chain *c, unsigned int head);
const char *cv_vq_packed_add(struct cv_vq *vq, struct cv_chain *c, const struct cv_desc *d);
/* @n descriptors after position @p, wrap counter included. */
uint16_t cv_vq_packed_advance(const struct cv_vq *vq, uint16_t p, unsigned int n);
/* Goes back by one chain. */
void cv_vq_split_untake(struct cv_vq *vq);
void cv_vq_packed_untake(struct cv_vq *vq, const struct cv_chain *c);
/* Writes the used entry and publishes it. */
void cv_vq_split_use(struct cv_vq *vq, const struct cv_chain *c, uint32_t written);
void cv_vq_packed_use(struct cv_vq *vq, const struct cv_chain *c, uint32_t written);
/* Whether the driver wants an interrupt for the last vq->n_used; after a fence. */
bool cv_vq_split_wants_call(const struct cv_vq *vq);
bool cv_vq_packed_wants_call(const struct cv_vq *vq);
/* Tells the driver whether to kick, with event_idx from vq->avail on. */
void cv_vq_split_arm(struct cv_vq *vq, bool on);
void cv_vq_packed_arm(struct cv_vq *vq, bool on);

#endif
