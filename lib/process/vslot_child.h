/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device in a jailed process of its own, behind the slot interface:
 * the process (process.h) and the front end of vhost-user on a socket to it. A
 * process that dies is replaced by a new one, if that is wanted, which takes up
 * the requests of the old one; else the slot is broken.
 */
#ifndef CV_PROCESS_VSLOT_CHILD_H
#define CV_PROCESS_VSLOT_CHILD_H

#include "core/mem.h"
#include "core/slot.h"
#include "process/process.h"

struct cv_vslot_child;

struct cv_vslot_child_config {
	struct cv_process_host *host; /* outlives the slot */
	const struct cv_class *cls;
	const void *config; /* of the class; outlives the slot */
	bool packed, poll;
	bool restart; /* a process that dies is replaced */
	const struct cv_mem *mem;
	struct cv_loop *loop;
	struct cv_log *log;
	/* the process has died, @why says how, and whether another one goes on in its place; in the
	 * loop */
	void (*died)(void *ctx, const char *why, bool restarted);
	void *ctx;
};

/* Starts the process without waiting for it. The thread that runs the loop, as all calls here. */
int cv_vslot_child_create(struct cv_vslot_child **child, const struct cv_vslot_child_config *config,
			  struct vm_error *e) CV_MUST_CHECK;

/* Waits until the device is there; then the slot is, until its own destroy operation, which frees the
 * rest too. On failure all is freed. */
int cv_vslot_child_finish(struct cv_vslot_child *child, struct cv_vslot **slot,
			  struct vm_error *e) CV_MUST_CHECK;

/* Gives up a child that was not finished; NULL is fine. */
void cv_vslot_child_destroy(struct cv_vslot_child *child);

/* The process that serves @slot at the moment; 0: none. The loop's thread. */
pid_t cv_vslot_child_pid(struct cv_vslot *slot);

#endif
