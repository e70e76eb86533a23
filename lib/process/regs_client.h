/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The upper end of a register device's process boundary: a slot whose accesses
 * are messages on a socket (regs_message.h). The peer is not trusted: one that
 * goes away, says what it may not, or is silent past the time limit is lost for
 * good. Reads then give all-ones and writes are dropped.
 */
#ifndef CV_PROCESS_REGS_CLIENT_H
#define CV_PROCESS_REGS_CLIENT_H

#include "core/irq.h"
#include "core/slot.h"

struct cv_regs_client;

struct cv_regs_client_config {
	uint64_t span;		 /* of the class */
	unsigned int timeout_ms; /* for one answer; 0: 2000 */
	/* the peer is lost, @why is one of a few sentences; once, in whichever thread found out,
	 * under the slot's lock */
	void (*lost)(void *ctx, const char *why);
	void *ctx;
};

/* On the connected socket @sock, which is the client's from now on, also on failure. 0 or -ENOMEM. */
int cv_regs_client_create(struct cv_regs_client **client,
			  const struct cv_regs_client_config *config, int sock,
			  struct vm_error *e) CV_MUST_CHECK;
void cv_regs_client_destroy(struct cv_regs_client *c); /* nobody is inside; NULL is fine */

/* Gives the peer the device's line, before anything else is asked. 0 or -errno; lost is not called. */
int cv_regs_client_line(struct cv_regs_client *c, const struct cv_irq *irq) CV_MUST_CHECK;

/* As cv_rslot_ops. Any thread. */
uint64_t cv_regs_client_read(struct cv_regs_client *c, uint64_t off, unsigned int len);
void cv_regs_client_write(struct cv_regs_client *c, uint64_t off, unsigned int len, uint64_t val);
void cv_regs_client_reset(struct cv_regs_client *c);

/* Returns when the device has got all that was written. */
void cv_regs_client_sync(struct cv_regs_client *c);

/* The peer is of no use any more; who waits for it is let go at once. Any thread. */
void cv_regs_client_give_up(struct cv_regs_client *c);

/* Whether it answers, as far as known. Any thread. */
bool cv_regs_client_connected(const struct cv_regs_client *c);

#endif
