/* SPDX-License-Identifier: BSD-3-Clause */
/* Register accesses as messages: the side that answers. */
#include "process/regs_server.h"

#include <errno.h>
#include <string.h>

#include "process/regs_message.h"
#include "sys/msg.h"

#define ANSWER_MS 2000u
/* Requests that are answered before the loop looks at its other watches. */
#define BATCH 32u
/* When closing: so many batches may have been under way. A socket holds fewer. */
#define LAST_BATCHES 256u

struct cv_regs_server {
	struct cv_regs_server_config config;
	struct cv_rslot_local *local;
	struct cv_fd sock, trigger, resample;
	struct cv_irq irq;
	struct cv_watch watch, resample_watch;
	bool begun; /* the first request has come */
	bool asked_in_vain;
	/* the request being received */
	struct cv_regs_request request;
	size_t got; /* bytes of it */
	struct cv_msg_fds fds;
};

/* A reset or a power-off would be a question upwards. */
static void on_request(const struct cv_env *env, unsigned int what)
{
	struct cv_regs_server *s = env->ctx;

	if (!s->asked_in_vain)
		cv_log_warn(env->log, "%s: it asks the VM for %u, which it may not from here",
			    s->config.cls->name, what);
	s->asked_in_vain = true;
}

/* ---- the line ---- */

static void on_resample(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_regs_server *s = cv_container_of(w, struct cv_regs_server, resample_watch);

	cv_event_drain(cv_fd_get(&s->resample));
	cv_irq_resampled(&s->irq);
}

static int take_line(struct cv_regs_server *s)
{
	int err = 0;

	if (s->begun || s->fds.n < 1 || s->fds.n > 2)
		return -EBADMSG;
	cv_fd_set(&s->trigger, cv_msg_fds_take(&s->fds, 0));
	s->irq.trigger = cv_fd_get(&s->trigger);
	if (s->fds.n == 2) {
		cv_fd_set(&s->resample, cv_msg_fds_take(&s->fds, 1));
		s->irq.resample = cv_fd_get(&s->resample);
		s->irq.level = true;
		s->resample_watch.fn = on_resample;
		err = cv_watch_add(s->config.loop, &s->resample_watch, s->irq.resample, EPOLLIN);
	}
	/* what the device has said since it was made */
	cv_irq_resampled(&s->irq);
	return err;
}

/* ---- requests ---- */

static int reply(struct cv_regs_server *s, const struct cv_regs_request *q, uint64_t val)
{
	struct cv_regs_reply r = { .tag = q->tag, .val = le64(val) };
	struct iovec iov = { .iov_base = &r, .iov_len = sizeof(r) };

	return cv_msg_send(cv_fd_get(&s->sock), &iov, 1, NULL, 0, cv_msg_deadline(ANSWER_MS));
}

/* The slot checks offset and length. */
static int answer(struct cv_regs_server *s, const struct cv_regs_request *q)
{
	struct cv_rslot *slot = cv_regs_server_slot(s);
	uint64_t off = le64_get(q->off);

	if (le16_get(q->zero) != 0 || (s->fds.n > 0 && q->op != CV_REGS_LINE))
		return -EBADMSG;
	switch (q->op) {
	case CV_REGS_LINE:
		return take_line(s);
	case CV_REGS_READ:
		return reply(s, q, slot->ops->read(slot, off, q->len));
	case CV_REGS_WRITE:
		slot->ops->write(slot, off, q->len, le64_get(q->val));
		return 0;
	case CV_REGS_RESET:
		slot->ops->reset(slot);
		return reply(s, q, 0);
	case CV_REGS_SYNC:
		return reply(s, q, 0);
	default:
		return -EBADMSG;
	}
}

/* Answers what is there: 1 when there may be more, 0 when there is not, or -errno. */
static int answer_some(struct cv_regs_server *s)
{
	for (unsigned int i = 0; i < BATCH; i++) {
		/* descriptors may come with the first request alone */
		int r = cv_msg_recv_some(cv_fd_get(&s->sock), &s->request, sizeof(s->request),
					 &s->got, s->begun ? NULL : &s->fds);

		if (r != 1)
			return r;
		s->got = 0;
		r = answer(s, &s->request);
		s->begun = true;
		cv_msg_fds_close(&s->fds);
		if (r)
			return r;
	}
	return 1;
}

static void drop_connection(struct cv_regs_server *s)
{
	cv_watch_remove(&s->watch);
	cv_watch_remove(&s->resample_watch);
	cv_fd_close(&s->sock);
	cv_msg_fds_close(&s->fds);
	s->got = 0;
}

static void on_sock(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_regs_server *s = cv_container_of(w, struct cv_regs_server, watch);
	int r = answer_some(s);
	const char *why;

	if (r >= 0)
		return;
	why = r == -ENODATA || r == -ECONNRESET ? NULL : strerror(-r);
	if (why)
		cv_log_warn(s->config.log, "%s: its registers are asked for as they may not: %s",
			    s->config.cls->name, why);
	drop_connection(s);
	if (s->config.closed)
		s->config.closed(s->config.ctx, why);
}

/* ---- life ---- */

int cv_regs_server_create(struct cv_regs_server **server,
			  const struct cv_regs_server_config *config, struct vm_error *e)
{
	struct cv_regs_server *s = calloc(1, sizeof(*s));
	struct cv_env env = { .memory = config->memory,
			      .loop = config->loop,
			      .log = config->log,
			      .request = on_request,
			      .ctx = s };
	int err;

	if (!s)
		return cv_err(e, -ENOMEM, "%s: out of memory", config->cls->name);
	s->config = *config;
	s->irq.trigger = -1;
	s->irq.resample = -1;
	env.irq = &s->irq;
	err = cv_rslot_local_create(&s->local, config->cls, &env, config->config, e);
	if (err) {
		free(s);
		return err;
	}
	*server = s;
	return 0;
}

int cv_regs_server_serve(struct cv_regs_server *s, int sock, struct vm_error *e)
{
	int err;

	cv_fd_set(&s->sock, sock);
	s->watch.fn = on_sock;
	err = cv_watch_add(s->config.loop, &s->watch, sock, EPOLLIN);
	if (!err)
		return 0;
	cv_fd_close(&s->sock);
	return cv_err(e, err, "%s: its socket cannot be listened to: %s", s->config.cls->name,
		      strerror(-err));
}

void cv_regs_server_close(struct cv_regs_server *s)
{
	for (unsigned int i = 0; i < LAST_BATCHES && s->watch.loop && answer_some(s) > 0; i++)
		;
	drop_connection(s);
}

void cv_regs_server_destroy(struct cv_regs_server *s)
{
	if (!s)
		return;
	drop_connection(s);
	cv_rslot_local_destroy(s->local);
	cv_fd_close(&s->trigger);
	cv_fd_close(&s->resample);
	free(s);
}

struct cv_rslot *cv_regs_server_slot(struct cv_regs_server *s)
{
	return cv_rslot_local_slot(s->local);
}

const struct cv_irq *cv_regs_server_irq(const struct cv_regs_server *s)
{
	return &s->irq;
}
