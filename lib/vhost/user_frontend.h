/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front end of vhost-user: a virtio slot whose device is in another process,
 * ours or anybody's, at the other end of a socket.
 *
 * The peer is not trusted. Every wait is bounded; a peer that hangs, closes, or
 * answers nonsense is logged in one sentence and given up, and the slot is lost
 * until its owner connects it to a new peer, or broken if it has no such owner.
 * While it is lost the guest's calls return at once (during a reconnection, when
 * that has ended): the configuration space reads as it was last seen, writes to it
 * are dropped, and starts, stops and kicks are made up for when a new peer comes.
 * The reset of one queue drops what a foreign back end has noted of all of them.
 */
#ifndef CV_VHOST_USER_FRONTEND_H
#define CV_VHOST_USER_FRONTEND_H

#include "base/buf.h"
#include "core/mem.h"
#include "core/slot.h"
#include "sys/loop.h"

struct cv_vhost_frontend_config {
	const char *name;    /* for messages; borrowed */
	uint16_t id;	     /* virtio device ID */
	uint32_t config_len; /* at most 256 */
	/* the configuration space when the back end has none of its own (no CONFIG): config_len
	 * bytes, copied; NULL: then creation fails */
	const void *config_space;
	/* as many as the back end has (MQ), but between these; equal: exactly that many */
	uint16_t min_queues, max_queues;
	const uint16_t *queue_max; /* entries of each of max_queues, powers of two; NULL: 256 */
	uint64_t refuse;	   /* features not to offer */
	const struct cv_mem *mem;  /* of cv_mem_init(): what the back end gets to see */
	struct cv_loop *loop;
	struct cv_log *log;
	unsigned int timeout_ms; /* for one answer; 0: 2000 */
	/* the log of chains in flight is made here: for a back end of this library's that is not
	 * allowed to make files */
	bool own_inflight;
	/* the peer is lost: connect another one (here or later), or give up. In the loop. NULL: a
	 * lost slot is broken */
	void (*lost)(void *ctx, struct cv_vslot *slot, const char *why);
	void *ctx;
};

/*
 * Negotiates with the back end on the connected socket @fd, which it owns from
 * now on (also on failure), and makes its slot. 0; -ETIMEDOUT, -EPROTO and others
 * with a sentence. Any thread; the slot's calls may come from any thread but the
 * loop's, unless the peer is in another one.
 */
int cv_vhost_frontend_create(struct cv_vslot **slot, const struct cv_vhost_frontend_config *config,
			     int fd, struct vm_error *e) CV_MUST_CHECK;

/*
 * Connects a lost slot to a new back end on @fd (owned) and brings it to where the
 * lost one was: features, memory, queues. Requests that were in flight are
 * repeated from the log of chains in flight; without one (no INFLIGHT_SHMFD) a
 * split queue goes on behind the last used chain, which is right for back ends
 * that complete in order, and a packed queue cannot go on. 0, or an error after
 * which another one may be tried. Any thread.
 */
int cv_vhost_frontend_reconnect(struct cv_vslot *slot, int fd, struct vm_error *e) CV_MUST_CHECK;

/* The owner knows that the back end has gone: the slot is lost from now on, and nobody is told. The
 * loop's thread. */
void cv_vhost_frontend_drop(struct cv_vslot *slot);

/* There will be no other back end: the slot is broken from now on. Any thread. */
void cv_vhost_frontend_give_up(struct cv_vslot *slot);

/* Whether the slot has a peer. Any thread. */
bool cv_vhost_frontend_connected(struct cv_vslot *slot);

/* The back end's own state, of a stopped slot, without knowing what is in it. 0; -EOPNOTSUPP when
 * it has none to give (no DEVICE_STATE); or an error. */
int cv_vhost_frontend_save(struct cv_vslot *slot, struct cv_buf *out,
			   struct vm_error *e) CV_MUST_CHECK;
int cv_vhost_frontend_load(struct cv_vslot *slot, const void *data, size_t len,
			   struct vm_error *e) CV_MUST_CHECK;

#endif
