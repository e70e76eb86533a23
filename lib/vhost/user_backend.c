/* SPDX-License-Identifier: BSD-3-Clause */
/* The back end of vhost-user: the connection. Messages come whole or not at all and never block
 * the loop; who gets them is in backend_device.c. */
#include "vhost/user_backend.h"

#include <errno.h>
#include <string.h>

#include "vhost/backend_impl.h"

#define TIMEOUT_MS 2000u
#define MAX_BATCH  64 /* messages until others in the loop have their turn */

static uint64_t deadline(const struct cv_vhost_backend *b)
{
	return cv_msg_deadline(b->config.timeout_ms ?: TIMEOUT_MS);
}

void cv_vhost_backend_close(struct cv_vhost_backend *b)
{
	cv_watch_remove(&b->watch);
	cv_vhost_backend_stop(b);
	cv_vhost_backend_forget(b);
	cv_msg_fds_close(&b->msg.fds);
	cv_fd_close(&b->channel);
	cv_fd_close(&b->sock);
	b->got = 0;
}

/* @why NULL: the front end has gone in order. */
static void end(struct cv_vhost_backend *b, const char *request, const char *why)
{
	if (why)
		cv_log_warn(b->config.log, "%s: the front end's %s %s; the connection is closed",
			    b->config.name, request, why);
	cv_vhost_backend_close(b);
	if (b->config.closed)
		b->config.closed(b->config.ctx, why);
}

/* ---- answers ---- */

static int answer(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int fd)
{
	m->h.flags = CV_VHOST_VERSION | CV_VHOST_REPLY;
	return cv_vhost_send(cv_fd_get(&b->sock), m, &fd, fd >= 0, deadline(b));
}

static int acknowledge(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int result)
{
	m->h.size = sizeof(m->p.u64);
	m->p.u64 = result ? 1 : 0;
	return answer(b, m, -1);
}

/* Runs one request; what ends the connection, or NULL. */
static const char *serve(struct cv_vhost_backend *b, struct cv_vhost_msg *m)
{
	bool asked = (b->pf & CV_VHOST_PF_REPLY_ACK) && (m->h.flags & CV_VHOST_NEED_REPLY);
	bool answered = cv_vhost_request_answered(m->h.request);
	cv_vhost_handler *handler = cv_vhost_handler_of(m->h.request);
	const char *fault = cv_vhost_request_fault(m);
	CV_AUTO_FD int fd = -1;
	int err, sent = 0;

	if (fault)
		return fault;
	err = handler ? handler(b, m, &fd) : -EOPNOTSUPP;
	if (answered && !err)
		sent = answer(b, m, fd);
	else if (asked && !answered)
		sent = acknowledge(b, m, err);
	else if (err)
		return handler ? "cannot be done" : "is not one of this back end's";
	return sent ? "gets an answer that nobody takes" : NULL;
}

static const char *recv_fault(int err)
{
	switch (err) {
	case -EMSGSIZE:
		return "is too long";
	case -EBADMSG:
		return "is cut or has descriptors where none belong";
	default:
		return "cannot be received";
	}
}

/* Whether there may be another message. */
static bool serve_next(struct cv_vhost_backend *b)
{
	struct cv_vhost_msg *m = &b->msg;
	int err = cv_vhost_recv_some(cv_fd_get(&b->sock), m, &b->got);
	const char *name, *why;

	if (err == 0)
		return false;
	if (err == -ENODATA || err == -ECONNRESET) {
		end(b, "", NULL);
		return false;
	}
	if (err < 0) {
		end(b, "message", recv_fault(err));
		return false;
	}
	b->got = 0;
	name = cv_vhost_request_name(m->h.request);
	why = serve(b, m);
	cv_msg_fds_close(&m->fds);
	if (why)
		end(b, name, why);
	return !why;
}

static void readable(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_vhost_backend *b = cv_container_of(w, struct cv_vhost_backend, watch);

	for (unsigned int i = 0; i < MAX_BATCH && serve_next(b); i++)
		;
}

/* ---- the slot's events ---- */

static void tell_changed(struct cv_vhost_backend *b)
{
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_BACKEND_CONFIG_CHANGE,
					 .flags = CV_VHOST_VERSION } };
	int fd = cv_fd_get(&b->channel);

	/* a front end that does not read its channel hears nothing more from it */
	if (fd >= 0 && cv_vhost_send(fd, &m, NULL, 0, 0))
		cv_fd_close(&b->channel);
}

static void tell_broken(struct cv_vhost_backend *b)
{
	for (unsigned int i = 0; i < b->slot->n_queues; i++)
		if (cv_fd_get(&b->queues[i].err) >= 0)
			cv_event_signal(cv_fd_get(&b->queues[i].err));
}

static void tell(struct cv_task *t)
{
	struct cv_vhost_backend *b = cv_container_of(t, struct cv_vhost_backend, task);

	if (atomic_exchange(&b->changed, false))
		tell_changed(b);
	if (atomic_load(&b->broken))
		tell_broken(b);
}

static void on_event(struct cv_vslot *slot, enum cv_vslot_event what)
{
	struct cv_vhost_backend *b = slot->transport;

	atomic_store(what == CV_VSLOT_BROKEN ? &b->broken : &b->changed, true);
	cv_loop_post(b->config.loop, &b->task);
}

/* ---- life ---- */

int cv_vhost_backend_create(struct cv_vhost_backend **b,
			    const struct cv_vhost_backend_config *config, struct vm_error *e)
{
	struct cv_vhost_backend *made = calloc(1, sizeof(*made));

	if (!made)
		return cv_err(e, -ENOMEM, "%s: out of memory", config->name);
	made->config = *config;
	made->watch.fn = readable;
	made->task.fn = tell;
	*b = made;
	return 0;
}

static void detach(void *arg)
{
	struct cv_vhost_backend *b = arg;

	if (b->slot)
		__atomic_store_n(&b->slot->event, NULL, __ATOMIC_RELEASE);
	cv_vhost_backend_close(b);
	cv_task_cancel(&b->task);
	cv_fd_close(&b->reserved);
}

void cv_vhost_backend_destroy(struct cv_vhost_backend *b)
{
	if (!b)
		return;
	cv_loop_call(b->config.loop, detach, b);
	free(b);
}

const struct cv_mem *cv_vhost_backend_mem(const struct cv_vhost_backend *b)
{
	return &b->mem;
}

void cv_vhost_backend_set_slot(struct cv_vhost_backend *b, struct cv_vslot *slot)
{
	if (b->slot)
		__atomic_store_n(&b->slot->event, NULL, __ATOMIC_RELEASE);
	b->slot = slot;
	if (!slot)
		return;
	slot->transport = b;
	__atomic_store_n(&slot->event, on_event, __ATOMIC_RELEASE);
}

int cv_vhost_backend_serve(struct cv_vhost_backend *b, int fd, struct vm_error *e)
{
	CV_AUTO_FD int sock = fd;
	int err;

	if (cv_fd_get(&b->sock) >= 0)
		return cv_err(e, -EBUSY, "%s: a front end is connected already", b->config.name);
	b->got = 0;
	err = cv_watch_add(b->config.loop, &b->watch, sock, EPOLLIN);
	if (err)
		return cv_err(e, err, "%s: the socket cannot be watched: %s", b->config.name,
			      strerror(-err));
	cv_fd_set(&b->sock, sock);
	sock = -1;
	return 0;
}
