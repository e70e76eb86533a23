/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue from the device's side, split (virtio 1.2 section 2.7) and packed
 * (2.8) behind the same calls. A device pops chains, reads and writes them
 * through the chain's own calls, and pushes them back in any order.
 *
 * Everything in the rings is the guest's: each field is read once, each index
 * checked, each walk bounded. The first violation marks the queue broken: pop
 * returns NULL from then on, nothing more is used, and the device asks for a
 * reset. All memory is taken when the queue starts.
 *
 * One queue belongs to one thread (the device's loop) under the device lock.
 */
#ifndef CV_VIRTIO_VQ_H
#define CV_VIRTIO_VQ_H

#include <sys/uio.h>

#include "core/mem.h"
#include "core/slot.h"

/* The longest chain that is walked; a longer one breaks the queue. */
#define CV_CHAIN_MAX_SEGS 1024

struct cv_seg {
	uint64_t gpa;
	uint32_t len;
};

/*
 * A descriptor chain: first the device-readable part, then the device-writable
 * one. Owned by the queue between pop and push.
 */
struct cv_chain {
	uint16_t slot;		  /* 0 to queue size - 1, unique among those outstanding */
	uint16_t n_read, n_write; /* segments of each part; the writable ones follow the readable */
	uint64_t read_len, write_len; /* bytes */
	const struct cv_seg *segs;    /* already checked to lie in guest memory */
	uint16_t id, n_desc;	      /* the ring's: buffer id, descriptors taken (packed) */
	bool out;		      /* popped and not yet pushed */
	bool again;		      /* was in flight when a predecessor died */
	uint16_t note, last_note;     /* packed: its entries in the notes of inflight.h */
};

/* A chain in flight when a predecessor died. */
struct cv_vq_again {
	uint64_t counter; /* the order they were taken in */
	uint16_t at;	  /* its head, or its first entry in the notes */
};

struct cv_vq {
	bool ready;  /* the driver has enabled this queue */
	bool broken; /* a violation was seen */
	bool pauses; /* being stopped, to go on later: the driver waits for all that is in flight */
	uint16_t size;
	unsigned int index; /* which queue of the device */
	/* below: the framework's alone; see vq.c */
	const struct cv_mem *mem;
	struct cv_log *log;
	const char *name;
	bool packed, event_idx, indirect;
	bool pending;	  /* used entries since the last notification decision … */
	uint32_t n_used;  /* … and how many: used indices (split) or descriptors (packed) */
	bool force_call;  /* the next decision is yes */
	bool kicks;	  /* the device wants kicks … */
	bool kicks_held;  /* … but somebody is looking already: see cv_vq_hold_kicks() */
	bool armed;	  /* with event_idx: the driver was asked to kick from @armed_at on */
	bool exhausted;	  /* pop has refused to go on for lack of @budget */
	uint16_t n_again; /* chains of a predecessor to be popped first, from i_again on */
	uint32_t budget;  /* how many more chains pop may give before it says that there are none */
	uint16_t avail, used; /* positions in cv_vq_config's format, wraps in bit 15 if packed */
	uint16_t avail_seen;  /* split: the driver's index as last read */
	uint16_t armed_at;
	int kick_fd, call_fd;
	uint16_t n_out;			       /* chains outstanding */
	uint16_t seg_max, n_free, *free_slots; /* the last one freed is used first: it is warm */
	/* the areas in this process, checked when the queue started; nobody else's business */
	uint8_t *desc, *driver, *device;
	struct cv_vq_slot *slots; /* size entries */
	struct cv_seg *segs;	  /* size * seg_max entries for long chains, touched as needed */
	size_t bytes;		  /* of the mapping that slots and all the arrays share */
	/* chains in flight are noted here if not NULL, see inflight.h */
	void *inflight;
	bool suspends; /* see struct cv_vq_config */
	uint64_t counter;
	struct cv_vq_again *again;
	uint16_t i_again, free_note, *next_note;
	void (*on_broken)(struct cv_vq *vq);
	void *ctx;
};

/* ---- the device's calls ---- */

/*
 * The next available chain, or NULL when there is none or the queue is broken or
 * not ready. The driver kicks again only after pop has given NULL or has_work
 * false: look until there is nothing, or come back without being kicked.
 */
struct cv_chain *cv_vq_pop(struct cv_vq *vq);

/* Gives the last popped chain back to the available ring (no other pop or push in between). */
void cv_vq_unpop(struct cv_vq *vq, struct cv_chain *c);

/*
 * Returns a chain with @written bytes of its writable part filled, counted from
 * its beginning. The driver sees it at once; it is told by cv_vq_notify().
 */
void cv_vq_push(struct cv_vq *vq, struct cv_chain *c, uint32_t written);

/* Leaves a chain as it is, in the notes of chains in flight, when the queue pauses: it is popped again
 * when the queue goes on. False where there are no notes, or it does not pause. */
bool cv_vq_leave(struct cv_vq *vq, struct cv_chain *c);

/* Whether what is in flight should be finished now: the queue pauses, and who made it pause does not
 * expect that chains are left. */
bool cv_vq_wants_finish(const struct cv_vq *vq);

/* Interrupts the driver if it wants to hear of what was pushed since the last call. */
void cv_vq_notify(struct cv_vq *vq);

/* Whether pop would find something (or the queue is broken: false). */
bool cv_vq_has_work(struct cv_vq *vq);

/*
 * Tells the driver not to kick (false) or to kick again (true). After enabling,
 * returns whether work has arrived in between: then look again.
 */
bool cv_vq_enable_kicks(struct cv_vq *vq, bool on);

/* For a device that finds a request it cannot even answer (too short for a status byte, say):
 * marks the queue broken, which sets NEEDS_RESET. */
void cv_vq_break(struct cv_vq *vq, const char *why);

/* ---- a chain's bytes ---- */

/* Copies from the readable part at @off; the number of bytes copied (short at its end). */
size_t cv_chain_read(const struct cv_vq *vq, const struct cv_chain *c, uint64_t off, void *buf,
		     size_t len);
/* Copies into the writable part at @off; the number of bytes copied. */
size_t cv_chain_write(const struct cv_vq *vq, const struct cv_chain *c, uint64_t off,
		      const void *buf, size_t len);
/* Iovecs of [off, off + len) of the readable part, for a system call. Their number, or
 * -EINVAL past the end, -ENOBUFS when @max do not suffice. */
int cv_chain_iov_read(const struct cv_vq *vq, const struct cv_chain *c, uint64_t off, uint64_t len,
		      struct iovec *iov, int max) CV_MUST_CHECK;
int cv_chain_iov_write(const struct cv_vq *vq, const struct cv_chain *c, uint64_t off, uint64_t len,
		       struct iovec *iov, int max) CV_MUST_CHECK;

/* ---- the framework's calls ---- */

/*
 * Starts a queue as configured: checks size, alignment and that the three areas
 * lie in guest memory, and allocates. @vq is zeroed but for name, log, index,
 * on_broken and ctx. A queue that is not ready succeeds and stays empty. 0,
 * -EINVAL for a bad configuration (the guest's fault) or -ENOMEM.
 */
int cv_vq_start(struct cv_vq *vq, const struct cv_mem *mem, const struct cv_vq_config *config,
		uint64_t features) CV_MUST_CHECK;

/* Nothing is outstanding; writes the ring positions into @config unless NULL, frees. The queue is
 * as before its start; nothing if it was not started. */
void cv_vq_stop(struct cv_vq *vq, struct cv_vq_config *config);

/* What is wrong with a configuration (its addresses apart), or NULL. @max: the largest size. */
const char *cv_vq_config_fault(const struct cv_vq_config *config, uint16_t max, bool packed);

/* Somebody looks at the queue all the time: kicks are suppressed (true), or back to what the
 * device wants (false; then whether work has arrived meanwhile). */
bool cv_vq_hold_kicks(struct cv_vq *vq, bool hold);

/* Pop, has_work and enable_kicks find nothing after @n more chains; UINT32_MAX: no limit. Whether
 * the limit before this call has kept something back. */
bool cv_vq_set_budget(struct cv_vq *vq, uint32_t n);

#endif
