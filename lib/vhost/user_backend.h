/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The back end of vhost-user: a virtio slot served to a front end, which is
 * another VMM or this library in another process. The front end sends the memory
 * of its guest, the queues and their eventfds over a socket and is not trusted:
 * what it sends is checked before it is used, and a message that cannot be
 * answered ends the connection.
 *
 *	cv_vhost_backend_create(&b, &config, e);
 *	env.mem = cv_vhost_backend_mem(b);            empty until a front end fills it
 *	cv_vslot_local_create(&slot, cls, &env, ...);
 *	cv_vhost_backend_set_slot(b, slot);
 *	cv_vhost_backend_serve(b, socket, e);
 *
 * Everything happens in the loop's thread, which is the slot's too. Memory
 * changes only while the device is stopped.
 */
#ifndef CV_VHOST_USER_BACKEND_H
#define CV_VHOST_USER_BACKEND_H

#include "base/buf.h"
#include "core/mem.h"
#include "core/slot.h"
#include "sys/loop.h"

struct cv_vhost_backend;

struct cv_vhost_backend_config {
	const char *name; /* for messages; borrowed */
	struct cv_loop *loop;
	struct cv_log *log;
	/* refuse memory that the front end could take away by shrinking its file, which would end
	 * this process with SIGBUS. QEMU's memory-backend-memfd is sealed, its files are not */
	bool sealed;
	unsigned int timeout_ms; /* how long the front end may let an answer wait; 0: 2000 */
	/* the connection has ended and another may be served; @why is NULL when the front end closed
	 * it. In the loop; may not destroy the back end */
	void (*closed)(void *ctx, const char *why);
	/* the device's own state, while it is stopped; both or none */
	int (*save)(void *ctx, struct cv_buf *out);
	int (*load)(void *ctx, const uint8_t *data, size_t len);
	void *ctx;
};

int cv_vhost_backend_create(struct cv_vhost_backend **b,
			    const struct cv_vhost_backend_config *config,
			    struct vm_error *e) CV_MUST_CHECK;

/* Stopped, with its connection closed; NULL is fine. The slot is the caller's to destroy: after this,
 * or before it once the connection is closed and the slot taken back (set_slot of NULL). */
void cv_vhost_backend_destroy(struct cv_vhost_backend *b);

/* The front end's memory, as long as the back end lives. */
const struct cv_mem *cv_vhost_backend_mem(const struct cv_vhost_backend *b);

/* What is served; borrowed. While no connection is open. NULL: nothing any more. */
void cv_vhost_backend_set_slot(struct cv_vhost_backend *b, struct cv_vslot *slot);

/* Makes the file for a log of chains in flight now, of which front ends of others ask the back end,
 * for a process that is not allowed to make files later. With its slot, before serving. */
int cv_vhost_backend_reserve(struct cv_vhost_backend *b, struct vm_error *e) CV_MUST_CHECK;

/* Serves the front end on the connected socket @fd, which it owns from now on (also on failure). 0,
 * -EBUSY while another connection is open, or -errno. */
int cv_vhost_backend_serve(struct cv_vhost_backend *b, int fd, struct vm_error *e) CV_MUST_CHECK;

/* Ends the connection: stops the device, gives back the memory, without calling closed. */
void cv_vhost_backend_close(struct cv_vhost_backend *b);

#endif
