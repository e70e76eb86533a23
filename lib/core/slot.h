/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots: what buses and transports hold instead of devices. Behind one sits a
 * device in this process, a sandboxed child, a vhost-user peer or kernel vhost;
 * the holder cannot tell which. Requests flow downwards only.
 */
#ifndef CV_CORE_SLOT_H
#define CV_CORE_SLOT_H

#include "core/dev.h"

/* ---- register slots ---- */

struct cv_rslot;

struct cv_rslot_ops {
	/* len is 1, 2, 4 or 8 and off + len <= span; vCPU threads, several at a time */
	uint64_t (*read)(struct cv_rslot *slot, uint64_t off, unsigned int len);
	void (*write)(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val);
	/* devices of a class; NULL for other blocks. Not from within the slot's own callbacks */
	/* a control row of the class; -ENOENT: no such row */
	int (*control)(struct cv_rslot *slot, const char *op, const char *args, char *reply,
		       size_t size, struct vm_error *e);
	void (*reset)(struct cv_rslot *slot); /* to the state after creation */
	void (*destroy)(struct cv_rslot *slot);
};

struct cv_rslot {
	const struct cv_rslot_ops *ops;
	uint64_t span; /* bytes */
};

static inline void cv_rslot_destroy(struct cv_rslot *slot)
{
	if (slot)
		slot->ops->destroy(slot);
}

/*
 * A register device in this process: the class's instance behind a lock.
 * @env: copied; its lock is replaced by the slot's.
 */
struct cv_rslot_local;
int cv_rslot_local_create(struct cv_rslot_local **slot, const struct cv_class *cls,
			  const struct cv_env *env, const void *config,
			  struct vm_error *e) CV_MUST_CHECK;
void cv_rslot_local_destroy(struct cv_rslot_local *slot); /* NULL is fine */
struct cv_rslot *cv_rslot_local_slot(struct cv_rslot_local *slot);
/* The instance, for tests and for state; hold nothing of it. */
void *cv_rslot_local_self(struct cv_rslot_local *slot);
void cv_rslot_local_reset(struct cv_rslot_local *slot);
/* Runs a control row of the class in the device's loop. -ENOENT: no such row. */
int cv_rslot_local_control(struct cv_rslot_local *slot, const char *op, const char *args,
			   char *reply, size_t size, struct vm_error *e) CV_MUST_CHECK;

/* ---- virtio slots ---- */

struct cv_vslot;

/* One queue as the driver configured it, and where it stands. */
struct cv_vq_config {
	bool ready;
	uint16_t size;		       /* entries */
	uint64_t desc, driver, device; /* gpa of the three areas */
	/* split: next available index and next used index; packed: the same with the wrap
	 * counter in bit 15 (VHOST_SET_VRING_BASE's format). Fresh: see cv_vq_config_fresh() */
	uint16_t avail, used;
	int kick_fd; /* borrowed eventfds of the transport */
	int call_fd; /* -1: no interrupt wanted */
	/* where chains in flight are noted, for a process that may die: see virtio/inflight.h; NULL:
	 * nowhere. Borrowed, cv_inflight_len() bytes */
	void *inflight;
	bool suspends; /* a pause need not wait for what can stay in these notes */
};

/* The ring positions of a queue that nobody has used. */
static inline void cv_vq_config_fresh(struct cv_vq_config *q, bool packed)
{
	q->avail = packed ? 0x8000 : 0;
	q->used = packed ? 0x8000 : 0;
}

enum cv_vslot_event {
	CV_VSLOT_CONFIG_CHANGED = 1,
	CV_VSLOT_BROKEN = 2, /* set DEVICE_NEEDS_RESET */
};

struct cv_vslot_ops {
	/* off + len <= config_len; vCPU threads */
	void (*config_read)(struct cv_vslot *slot, uint32_t off, uint8_t *buf, uint32_t len);
	void (*config_write)(struct cv_vslot *slot, uint32_t off, const uint8_t *buf, uint32_t len);
	/* the driver has set DRIVER_OK; @queues has n_queues entries. 0 or -errno */
	int (*start)(struct cv_vslot *slot, uint64_t features, const struct cv_vq_config *queues);
	/* returns with nothing in flight. With @queues they are to go on later: requests are finished
	 * or stay in the notes of chains in flight, none fails for this, and the positions are
	 * written back. NULL: the driver has given them up */
	void (*stop)(struct cv_vslot *slot, struct cv_vq_config *queues);
	/* to the state after creation; stopped already */
	void (*reset)(struct cv_vslot *slot);
	/* re-points one queue's interrupt while running */
	void (*set_call)(struct cv_vslot *slot, unsigned int index, int call_fd);
	/* VIRTIO_F_RING_RESET: stops one queue, and starts it with a new configuration; @q as for
	 * stop() */
	void (*queue_stop)(struct cv_vslot *slot, unsigned int index, struct cv_vq_config *q);
	int (*queue_start)(struct cv_vslot *slot, unsigned int index, const struct cv_vq_config *q);
	/* a control row of the class; -ENOENT: no such row */
	int (*control)(struct cv_vslot *slot, const char *op, const char *args, char *reply,
		       size_t size, struct vm_error *e);
	void (*destroy)(struct cv_vslot *slot);
};

struct cv_vslot {
	const struct cv_vslot_ops *ops;
	const char *name; /* the class's, for messages */
	uint16_t id, n_queues;
	uint32_t config_len;
	const uint16_t *queue_max;
	uint64_t features; /* all that may be offered */
	/* set by the transport before start: takes no lock and never blocks; any thread */
	void (*event)(struct cv_vslot *slot, enum cv_vslot_event what);
	void *transport;
};

static inline void cv_vslot_destroy(struct cv_vslot *slot)
{
	if (slot)
		slot->ops->destroy(slot);
}

#endif
