/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A register device in a jailed process of its own, behind the slot interface:
 * the process (process.h) and the client of regs_client.h on a socket to it.
 *
 * A process that dies is not replaced: the guest's driver has set the device up
 * with values that only the dead one knew, and would wait for interrupts of a
 * device that is fresh. The slot reads all-ones from then on.
 */
#ifndef CV_PROCESS_RSLOT_CHILD_H
#define CV_PROCESS_RSLOT_CHILD_H

#include "core/irq.h"
#include "core/slot.h"
#include "process/process.h"

struct cv_rslot_child;

struct cv_rslot_child_config {
	struct cv_process_host *host; /* outlives the slot */
	const struct cv_class *cls;
	const void *config; /* of the class; outlives the slot */
	uint64_t memory;    /* bytes that the guest has */
	struct cv_loop *loop;
	struct cv_log *log;
	unsigned int timeout_ms; /* for one register access; 0: 2000 */
	/* the process has died, @why says how; in the loop */
	void (*died)(void *ctx, const char *why);
	void *ctx;
};

/* Starts the process without waiting for it. The thread that runs the loop, as all calls here. */
int cv_rslot_child_create(struct cv_rslot_child **child, const struct cv_rslot_child_config *config,
			  struct vm_error *e) CV_MUST_CHECK;

/*
 * Waits until the device is there; then the slot is, until its own destroy
 * operation, which frees the rest too. On failure all is freed.
 *
 * @irq: the line, whose resample eventfd nobody here may watch; NULL: none
 */
int cv_rslot_child_finish(struct cv_rslot_child *child, const struct cv_irq *irq,
			  struct cv_rslot **slot, struct vm_error *e) CV_MUST_CHECK;

/* Gives up a child that was not finished; NULL is fine. */
void cv_rslot_child_destroy(struct cv_rslot_child *child);

/* The process that serves @slot; 0: none any more. The loop's thread. */
pid_t cv_rslot_child_pid(struct cv_rslot *slot);

#endif
