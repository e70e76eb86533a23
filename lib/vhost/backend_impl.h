/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the back end share: user_backend.c has the connection, backend_device.c what
 * the messages do to queues, memory and device. */
#ifndef CV_VHOST_BACKEND_IMPL_H
#define CV_VHOST_BACKEND_IMPL_H

#include <stdatomic.h>

#include "sys/fd.h"
#include "vhost/user_backend.h"
#include "vhost/user_message.h"

/* A queue as the front end describes it. */
struct cv_vhost_queue {
	struct cv_fd kick, call, err;
	bool sized, placed, enabled;
	bool running;
	uint16_t size;
	struct cv_vhost_vring_addr addr;
	uint16_t avail, used; /* positions in cv_vq_config's format */
	bool told;	      /* GET_VRING_BASE has answered … */
	uint32_t base;	      /* … this */
};

struct cv_vhost_backend {
	struct cv_vhost_backend_config config;
	struct cv_vslot *slot;
	struct cv_mem mem;
	struct cv_vhost_region regions[CV_MEM_MAX_REGIONS]; /* mem's, as the front end names them */
	unsigned int n_regions;
	struct cv_vhost_queue queues[CV_VIRTIO_MAX_QUEUES];
	uint64_t features, pf; /* negotiated; features without PROTOCOL_FEATURES */
	bool owned_features;   /* SET_FEATURES has come */
	bool protocol;	       /* PROTOCOL_FEATURES was acknowledged: queues begin disabled */
	bool running;	       /* the slot is started */
	uint8_t status;
	/* the log of chains in flight */
	uint8_t *inflight;
	size_t inflight_len;
	uint16_t inflight_queues, inflight_size;
	struct cv_fd reserved; /* a file for it, see cv_vhost_backend_reserve() */
	uint64_t reserved_len;
	/* the connection */
	struct cv_fd sock, channel;
	struct cv_watch watch;
	struct cv_vhost_msg msg;
	size_t got;
	/* the slot's events, from any thread */
	atomic_bool changed, broken;
	struct cv_task task;
	/* a state transfer: the file it goes through */
	struct cv_fd state;
	bool state_loads;
};

/* Handlers of requests: *m is the request and becomes the answer, *fd (-1 before) the descriptor
 * that goes with it. 0, or -errno: refused. */
typedef int cv_vhost_handler(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd);

/* The handler of a request that this back end knows, or NULL. */
cv_vhost_handler *cv_vhost_handler_of(uint32_t request);

/* What may be negotiated. */
uint64_t cv_vhost_backend_features(const struct cv_vhost_backend *b);
uint64_t cv_vhost_backend_pf(const struct cv_vhost_backend *b);

/* Makes the running queues those that are fully described and enabled. */
int cv_vhost_backend_sync(struct cv_vhost_backend *b);
/* Stops the device; keeps the positions. */
void cv_vhost_backend_stop(struct cv_vhost_backend *b);
/* Forgets what the front end has described: queues, memory, log, features. */
void cv_vhost_backend_forget(struct cv_vhost_backend *b);

/* The requests about memory and the log. */
cv_vhost_handler cv_vhost_set_mem_table, cv_vhost_add_mem_reg, cv_vhost_rem_mem_reg;
cv_vhost_handler cv_vhost_get_inflight, cv_vhost_set_inflight;
/* Unmaps the log. */
void cv_vhost_drop_inflight(struct cv_vhost_backend *b);
/* The guest address of @len bytes at the front end's address @user. 0 or -EFAULT. */
int cv_vhost_translate(const struct cv_vhost_backend *b, uint64_t user, uint64_t len,
		       uint64_t *gpa) CV_MUST_CHECK;
/* Where queue @index notes its chains in flight, or NULL. */
void *cv_vhost_queue_inflight(const struct cv_vhost_backend *b, unsigned int index);

/* The requests about the device's state. */
cv_vhost_handler cv_vhost_set_state_fd, cv_vhost_check_state;

#endif
