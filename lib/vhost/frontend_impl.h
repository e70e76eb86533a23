/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the front end share: user_frontend.c has the slot and its life,
 * frontend_link.c the conversation, frontend_state.c the transfer of state. */
#ifndef CV_VHOST_FRONTEND_IMPL_H
#define CV_VHOST_FRONTEND_IMPL_H

#include <pthread.h>

#include "sys/fd.h"
#include "vhost/user_frontend.h"
#include "vhost/user_message.h"

struct cv_vhost_frontend {
	struct cv_vslot slot;
	struct cv_vhost_frontend_config config;
	uint16_t queue_max[CV_VIRTIO_MAX_QUEUES];
	pthread_mutex_t lock; /* around everything below and around each conversation */
	struct cv_fd sock;
	bool connected; /* and not yet found dead */
	bool lost;	/* the owner has been told */
	bool given_up;
	bool made;	    /* creation is over: another peer must fit */
	bool quiet;	    /* a loss is told by the caller's error instead */
	uint64_t deadline;  /* of all conversation under this hold of the lock */
	bool mem_sent;	    /* on this connection */
	uint64_t pf;	    /* protocol features negotiated on this connection */
	bool has_pf;	    /* PROTOCOL_FEATURES itself */
	uint64_t available; /* features of this connection's peer */
	char why[160];	    /* the connection is dead */
	/* what the driver has set up, to be repeated on another connection */
	bool started;
	uint64_t features;
	struct cv_vq_config queues[CV_VIRTIO_MAX_QUEUES];
	struct cv_fd inflight; /* never mapped here */
	struct cv_vhost_inflight inflight_at;
	uint8_t space[CV_VHOST_MAX_CONFIG]; /* the configuration space as last seen */
	/* the peer's requests */
	struct cv_fd channel;
	struct cv_vhost_msg channel_msg;
	size_t channel_got;
	struct cv_fd err; /* an eventfd: the device is broken … */
	bool complained;  /* … and the transport knows, until a reset */
	/* the loop's */
	struct cv_watch sock_watch, channel_watch, err_watch;
	struct cv_timer err_timer, watch_timer; /* the lock was taken */
	struct cv_task lost_task, watch_task;
};

/* Takes the lock for a conversation, which may take the time of two answers in all: a peer that
 * takes long for each of many answers holds nobody for longer. */
static inline void cv_vhost_enter(struct cv_vhost_frontend *f)
{
	pthread_mutex_lock(&f->lock);
	f->deadline = cv_msg_deadline(2 * f->config.timeout_ms);
}

/* ---- frontend_link.c; under the lock ---- */

/* The peer is given up: says why, once. Returns -EPIPE. */
int cv_vhost_lose(struct cv_vhost_frontend *f, const char *fmt, ...) CV_PRINTF(2, 3);

/*
 * Sends m->h.request with m->h.size bytes of m->p and waits for its answer: the
 * request's own, replacing *m (whose descriptors are then the caller's), or that
 * of REPLY_ACK if @ack. 0; -EREMOTEIO when the peer refuses; -ENOTCONN or -EPIPE
 * when it is lost.
 */
int cv_vhost_ask(struct cv_vhost_frontend *f, struct cv_vhost_msg *m, const int *fds,
		 unsigned int n_fds, bool ack) CV_MUST_CHECK;

/* Negotiates on a new connection. */
int cv_vhost_handshake(struct cv_vhost_frontend *f, struct vm_error *e) CV_MUST_CHECK;

/* Sends features, memory, log and queues of f. */
int cv_vhost_send_start(struct cv_vhost_frontend *f) CV_MUST_CHECK;
int cv_vhost_send_queue(struct cv_vhost_frontend *f, unsigned int index) CV_MUST_CHECK;
int cv_vhost_send_call(struct cv_vhost_frontend *f, unsigned int index, int fd) CV_MUST_CHECK;

/* Forgets which chains of a queue were in flight: they belong to a ring that is no more. */
void cv_vhost_forget_queue(struct cv_vhost_frontend *f, unsigned int index);

/* Stops a queue and notes its position. */
int cv_vhost_send_stop(struct cv_vhost_frontend *f, unsigned int index) CV_MUST_CHECK;

/* To the state after creation. */
int cv_vhost_send_reset(struct cv_vhost_frontend *f) CV_MUST_CHECK;

/* Reads the peer's configuration space into f->space. */
int cv_vhost_read_space(struct cv_vhost_frontend *f) CV_MUST_CHECK;
int cv_vhost_write_space(struct cv_vhost_frontend *f, uint32_t off, const uint8_t *buf,
			 uint32_t len) CV_MUST_CHECK;

static inline struct cv_vhost_frontend *cv_vhost_frontend_of(struct cv_vslot *slot)
{
	return cv_container_of(slot, struct cv_vhost_frontend, slot);
}

#endif
