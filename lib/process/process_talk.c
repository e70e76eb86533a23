/* SPDX-License-Identifier: BSD-3-Clause */
/* The parent's side of the control socket. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "process/process_impl.h"

/* Messages of a process that are passed on in a second. */
#define MAX_LOGS 16u
#define NS_PER_S 1000000000ull

int cv_process_send(struct cv_process *c, struct cv_buf *b, const int *fds, unsigned int n_fds,
		    uint64_t deadline)
{
	int err = b->failed ? -ENOMEM : 0;

	if (!err && b->len > CV_PROCESS_FRAME_MAX)
		err = -EMSGSIZE;
	err = err
		      ?: cv_msg_send_frame(cv_fd_get(&c->control), b->data, (uint32_t)b->len, fds,
					   n_fds, deadline);
	cv_buf_fini(b);
	return err;
}

void cv_process_print(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
	for (; *to; to++)
		if ((unsigned char)*to < ' ' || *to == 0x7f)
			*to = '?';
}

/* What the process has to say goes to the VM's log, but no flood of it. */
static void pass_log(struct cv_process *c, struct cv_frame *f)
{
	unsigned int level = cv_frame_u8(f);
	const char *text = cv_frame_get_text(f);
	uint64_t second = cv_loop_now(c->config.loop) / NS_PER_S;
	char clean[900];

	if (!cv_frame_ended(f) || level < VM_LOG_ERROR || level > VM_LOG_DEBUG)
		return;
	if (second != c->log_second) {
		c->log_second = second;
		c->n_logs = 0;
	}
	if (c->n_logs++ >= MAX_LOGS)
		return;
	cv_process_print(clean, sizeof(clean), text);
	cv_log(c->config.log, (enum vm_log_level)level, "%s", clean);
}

/* The listener of its filter comes once, before anything of the guest's has reached the process. */
static int take_listener(struct cv_process *c, struct cv_frame *f)
{
	bool due = !c->ready && cv_fd_get(&c->listener) < 0;

	if (!due || !cv_frame_ended(f) || c->fds.n != 1)
		return -EBADMSG;
	cv_fd_set(&c->listener, cv_msg_fds_take(&c->fds, 0));
	c->fds.n = 0;
	return 0;
}

/* 1 with a whole frame, 0 when more is to come, or -errno. */
static int recv_frame(struct cv_process *c, struct cv_frame *f)
{
	int sock = cv_fd_get(&c->control), r = 1;
	uint32_t len;

	if (c->got < sizeof(c->prefix))
		r = cv_msg_recv_some(sock, &c->prefix, sizeof(c->prefix), &c->got,
				     c->ready ? NULL : &c->fds);
	if (r != 1)
		return r;
	len = le32_get(c->prefix);
	if (len == 0 || len > CV_PROCESS_FRAME_MAX)
		return -EBADMSG;
	r = cv_msg_recv_some(sock, c->frame, len, &c->got_body, NULL);
	if (r != 1)
		return r;
	c->got = c->got_body = 0;
	*f = (struct cv_frame){ .data = c->frame, .len = len };
	return 1;
}

int cv_process_next(struct cv_process *c, struct cv_frame *f)
{
	int r = recv_frame(c, f);
	uint8_t type;

	if (r != 1)
		return r;
	type = cv_frame_u8(f);
	if (c->fds.n > 0 && type != CV_PROCESS_SEALED)
		return -EBADMSG;
	switch (type) {
	case CV_PROCESS_LOG:
		pass_log(c, f);
		return 0;
	case CV_PROCESS_SEALED:
		return take_listener(c, f);
	case CV_PROCESS_ALIVE:
		return cv_frame_ended(f) && cv_process_alive(c) ? 0 : -EBADMSG;
	default:
		return type ?: -EBADMSG;
	}
}

/* False at the deadline, also when input never ends. */
static bool wait_input(struct cv_process *c, uint64_t deadline)
{
	struct pollfd p[] = { { .fd = cv_fd_get(&c->control), .events = POLLIN },
			      { .fd = cv_fd_get(&c->listener), .events = POLLIN } };
	uint64_t now = cv_msg_deadline(0);

	if (now >= deadline)
		return false;
	poll(p, CV_LEN(p), (int)cv_min((deadline - now) / 1000000 + 1, (uint64_t)INT32_MAX));
	if (p[1].revents & POLLIN)
		cv_process_forbidden(c);
	return true;
}

int cv_process_answer(struct cv_process *c, enum cv_process_frame good, enum cv_process_frame bad,
		      struct cv_frame *f, uint64_t deadline)
{
	for (;;) {
		int r = cv_process_next(c, f);

		if (r < 0)
			return r;
		if (r > 0)
			return r == (int)good ? 0 : r == (int)bad ? 1 : -EBADMSG;
		if (!wait_input(c, deadline))
			return -ETIMEDOUT;
	}
}
