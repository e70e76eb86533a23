/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other half of the virtqueue: a virtio driver's rings, split and packed,
 * in a guest memory. drv_add*() puts chains into the ring, drv_publish() makes
 * them visible, drv_kick() publishes and tells the device, drv_used() takes
 * back what the device has used. The drv_raw_*() calls write anything anywhere,
 * for hostile tests.
 *
 * Obeys the specification (barriers included), so that the device may run in
 * another thread. One queue belongs to one thread. Errors of the test abort.
 */
#ifndef CV_TESTS_DRIVER_H
#define CV_TESTS_DRIVER_H

#include "core/slot.h"
#include "guest.h"

/* Descriptor flags, virtio 1.2 sections 2.7.5 and 2.8.1. */
#define DRV_F_NEXT     1u
#define DRV_F_WRITE    2u
#define DRV_F_INDIRECT 4u
#define DRV_F_AVAIL    (1u << 7)
#define DRV_F_USED     (1u << 15)

#define DRV_MAX_BUFS 2048 /* buffers in one chain */

/* One buffer of a chain. */
struct drv_buf {
	uint64_t gpa;
	uint32_t len;
	bool write; /* the device writes it */
};

struct drv_vq {
	struct guest *g;
	bool packed, event_idx, indirect; /* as negotiated */
	uint16_t size;
	uint64_t desc, driver, device; /* the three areas */
	int kick_fd, call_fd;	       /* eventfds; owned */
	unsigned int index;	       /* for @notify */
	/* how the device is told instead of signalling kick_fd; NULL: kick_fd */
	void (*notify)(struct drv_vq *q);
	void *ctx;

	/* the driver's positions: next to make available, next used to look at; for packed the wrap
	 * counter is in bit 15 */
	uint16_t avail, used;
	uint16_t n_added;    /* descriptors (packed) or chains (split) since the last kick */
	uint16_t held_flags; /* packed: the first unpublished chain's flags … */
	uint16_t held_at;    /* … and where they belong */
	bool held;	     /* packed: a chain waits for drv_publish() */
	bool calls_off;	     /* drv_enable_calls(q, false) */
	uint16_t n_free;     /* descriptors */
	uint16_t free_head;  /* split: list through next[]; packed: list of ids */
	uint16_t *next;	     /* size */
	uint16_t *n_desc;    /* by head or id: how many descriptors it takes; 0: not outstanding */
	uint64_t *tables;    /* by head or id: its indirect table, made when needed … */
	uint16_t *table_len; /* … and that one's entries */
	unsigned int n_outstanding;
};

/* Lays out empty rings of @size entries in freshly allocated guest memory; @features decides on
 * packed, indirect and event_idx. */
void drv_vq_init(struct drv_vq *q, struct guest *g, uint16_t size, uint64_t features);
void drv_vq_fini(struct drv_vq *q); /* zeroed is fine */

/* The queue as a slot's start wants it. Positions: fresh. */
void drv_vq_config(const struct drv_vq *q, struct cv_vq_config *config);

/*
 * Puts a chain into the ring, or into an indirect table of its own. Returns its
 * name (head or id), which drv_used() gives back, or -1 when the ring is full.
 */
int drv_add(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n);
int drv_add_indirect(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n);
/* Split: @n_direct buffers in the ring, the others in a table at the chain's end. */
int drv_add_mixed(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n,
		  unsigned int n_direct);

/* Makes all that was added visible to the device, without telling it. */
void drv_publish(struct drv_vq *q);

/* Publishes, and tells the device if it wants to be told; whether it did. */
bool drv_kick(struct drv_vq *q);

/* Tells the device regardless. */
void drv_notify(struct drv_vq *q);

/* The name of the next used chain and how many bytes were written (@len may be NULL); -1: none.
 * Aborts when the device returns a chain that is not outstanding. */
int drv_used(struct drv_vq *q, uint32_t *len);
/* Whether drv_used() would find one. */
bool drv_has_used(struct drv_vq *q);

/*
 * Asks for interrupts or not. With EVENT_IDX, on means: after the next used
 * chain. Returns whether something was used meanwhile. Fresh queues ask for them.
 */
bool drv_enable_calls(struct drv_vq *q, bool on);
/* With EVENT_IDX: after @n more used chains (split) or descriptors (packed); 1 is the next one. */
bool drv_enable_calls_after(struct drv_vq *q, uint16_t n);

/* Whether the call eventfd was signalled; waits up to @ms, and clears it. */
bool drv_wait_call(struct drv_vq *q, int ms);
/* The same without waiting. */
bool drv_called(struct drv_vq *q);

/* ---- raw access; does not touch the driver's own positions ---- */

/* Entry @i of the descriptor table (split: flags and next; packed: id in @next_or_id). */
void drv_raw_desc(struct drv_vq *q, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
		  uint16_t next_or_id);
/* The same for a table anywhere. */
void drv_raw_table(struct drv_vq *q, uint64_t table, unsigned int i, uint64_t gpa, uint32_t len,
		   uint16_t flags, uint16_t next_or_id);
/* Split: ring entry @pos (modulo the size) and the index of the available ring. */
void drv_raw_avail(struct drv_vq *q, uint16_t pos, uint16_t head);
void drv_raw_avail_idx(struct drv_vq *q, uint16_t idx);
uint16_t drv_raw_used_idx(struct drv_vq *q);
/* Offers descriptor @head as the next chain, whatever is in it: split through the available ring;
 * packed by setting the AVAIL and USED bits of entry @head, which should be the next position. */
void drv_raw_offer(struct drv_vq *q, uint16_t head);
/* The AVAIL and USED bits that make a packed descriptor available in the current round. */
uint16_t drv_raw_avail_bits(const struct drv_vq *q);

#endif
