/* SPDX-License-Identifier: BSD-3-Clause */
/* Register accesses as messages: the side that asks. */
#include "process/regs_client.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/math.h"
#include "process/regs_message.h"
#include "sys/msg.h"

#define DEFAULT_TIMEOUT_MS 2000u

struct cv_regs_client {
	struct cv_regs_client_config config;
	pthread_mutex_t lock; /* one question at a time */
	struct cv_fd sock;
	uint32_t tag; /* of the last request */
	atomic_bool lost;
};

static const char *reason(int err)
{
	switch (err) {
	case -ETIMEDOUT:
		return "it does not answer in time";
	case -EBADMSG:
		return "it answers nonsense";
	default:
		return "it has closed its socket";
	}
}

static void lose(struct cv_regs_client *c, int err)
{
	if (!atomic_exchange(&c->lost, true))
		c->config.lost(c->config.ctx, reason(err));
}

static uint64_t deadline_of(const struct cv_regs_client *c)
{
	return cv_msg_deadline(c->config.timeout_ms ?: DEFAULT_TIMEOUT_MS);
}

static int send_request(struct cv_regs_client *c, struct cv_regs_request *q, const int *fds,
			unsigned int n_fds, uint64_t deadline)
{
	struct iovec iov = { .iov_base = q, .iov_len = sizeof(*q) };

	q->tag = le32(++c->tag);
	return cv_msg_send(cv_fd_get(&c->sock), &iov, 1, fds, n_fds, deadline);
}

static int recv_reply(struct cv_regs_client *c, uint64_t *val, uint64_t deadline)
{
	struct cv_regs_reply r;
	int err = cv_msg_recv(cv_fd_get(&c->sock), &r, sizeof(r), NULL, deadline);

	if (err)
		return err;
	if (le32_get(r.tag) != c->tag || le32_get(r.zero) != 0)
		return -EBADMSG;
	*val = le64_get(r.val);
	return 0;
}

/* @val is left alone where there is no answer; NULL: none is asked for. */
static void ask(struct cv_regs_client *c, struct cv_regs_request q, uint64_t *val)
{
	uint64_t deadline = deadline_of(c);
	int err = -EPIPE;

	pthread_mutex_lock(&c->lock);
	if (!atomic_load(&c->lost)) {
		err = send_request(c, &q, NULL, 0, deadline);
		if (!err && val)
			err = recv_reply(c, val, deadline);
		if (err)
			lose(c, err);
	}
	pthread_mutex_unlock(&c->lock);
}

static bool accepts(const struct cv_regs_client *c, uint64_t off, unsigned int len)
{
	return cv_is_pow2(len) && len <= 8 && cv_in_range(off, len, c->config.span);
}

uint64_t cv_regs_client_read(struct cv_regs_client *c, uint64_t off, unsigned int len)
{
	uint64_t val = UINT64_MAX;

	if (accepts(c, off, len))
		ask(c,
		    (struct cv_regs_request){
			    .op = CV_REGS_READ, .len = (uint8_t)len, .off = le64(off) },
		    &val);
	return val & cv_ones(len);
}

void cv_regs_client_write(struct cv_regs_client *c, uint64_t off, unsigned int len, uint64_t val)
{
	if (accepts(c, off, len))
		ask(c,
		    (struct cv_regs_request){ .op = CV_REGS_WRITE,
					      .len = (uint8_t)len,
					      .off = le64(off),
					      .val = le64(val) },
		    NULL);
}

void cv_regs_client_reset(struct cv_regs_client *c)
{
	uint64_t nothing;

	ask(c, (struct cv_regs_request){ .op = CV_REGS_RESET }, &nothing);
}

void cv_regs_client_sync(struct cv_regs_client *c)
{
	uint64_t nothing;

	ask(c, (struct cv_regs_request){ .op = CV_REGS_SYNC }, &nothing);
}

int cv_regs_client_line(struct cv_regs_client *c, const struct cv_irq *irq)
{
	const int fds[] = { irq->trigger, irq->resample };
	struct cv_regs_request q = { .op = CV_REGS_LINE };
	int err;

	pthread_mutex_lock(&c->lock);
	err = send_request(c, &q, fds, irq->level ? 2 : 1, deadline_of(c));
	pthread_mutex_unlock(&c->lock);
	return err;
}

/* Not under the lock: who holds it may be waiting for this peer. */
void cv_regs_client_give_up(struct cv_regs_client *c)
{
	atomic_store(&c->lost, true);
	shutdown(cv_fd_get(&c->sock), SHUT_RDWR);
}

bool cv_regs_client_connected(const struct cv_regs_client *c)
{
	return !atomic_load(&c->lost);
}

int cv_regs_client_create(struct cv_regs_client **client,
			  const struct cv_regs_client_config *config, int sock, struct vm_error *e)
{
	struct cv_regs_client *c = calloc(1, sizeof(*c));

	if (!c) {
		cv_close_fd_ptr(&sock);
		return cv_err(e, -ENOMEM, "registers: out of memory");
	}
	c->config = *config;
	cv_fd_set(&c->sock, sock);
	pthread_mutex_init(&c->lock, NULL);
	*client = c;
	return 0;
}

void cv_regs_client_destroy(struct cv_regs_client *c)
{
	if (!c)
		return;
	cv_fd_close(&c->sock);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
