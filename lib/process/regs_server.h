/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lower end of a register device's process boundary: the device, and the
 * socket on which its registers are asked for (regs_message.h). Whoever asks is
 * not trusted: what breaks the rules ends the connection.
 *
 * Everything happens in the loop's thread. The device raises its interrupt and
 * watches for the end of it by itself; of the VM it may ask nothing.
 */
#ifndef CV_PROCESS_REGS_SERVER_H
#define CV_PROCESS_REGS_SERVER_H

#include "core/irq.h"
#include "core/slot.h"
#include "sys/loop.h"

struct cv_regs_server;

struct cv_regs_server_config {
	const struct cv_class *cls;
	const void *config; /* of the class; outlives the server */
	uint64_t memory;    /* bytes that the guest has */
	struct cv_loop *loop;
	struct cv_log *log;
	/* the connection has ended; @why is NULL when the other side closed it. In the loop; may not
	 * destroy the server */
	void (*closed)(void *ctx, const char *why);
	void *ctx;
};

/* Makes the device. 0, or -errno with the class's sentence. */
int cv_regs_server_create(struct cv_regs_server **server,
			  const struct cv_regs_server_config *config,
			  struct vm_error *e) CV_MUST_CHECK;
void cv_regs_server_destroy(struct cv_regs_server *s); /* NULL is fine */

/* Serves the connected socket @sock, which it owns from now on, also on failure. 0 or -errno. */
int cv_regs_server_serve(struct cv_regs_server *s, int sock, struct vm_error *e) CV_MUST_CHECK;

/* Does all that has been asked until now and ends the connection, without calling closed. */
void cv_regs_server_close(struct cv_regs_server *s);

struct cv_rslot *cv_regs_server_slot(struct cv_regs_server *s);

/* The line as the device sees it, for tests. */
const struct cv_irq *cv_regs_server_irq(const struct cv_regs_server *s);

#endif
