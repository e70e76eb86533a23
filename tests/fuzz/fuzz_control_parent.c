/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the parent's side of a device process's control socket: the input is
 * what such a process sends after its start. Its first byte says what the parent
 * does meanwhile: bit 0: asks, bit 1: turns its loop, bit 2: the process closes,
 * bit 3: two descriptors come along, bit 4: one does, the listener of a filter;
 * bit 5: wants a sign of life, bit 6: the listener seems to have something.
 *
 * No process is there: the structure is made by hand, hence the file itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/protocol.h"
#include "support/must.h"

#include "process/process.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int n_died, n_alive;

static void died(void *ctx CV_UNUSED, const char *why)
{
	must(!strpbrk(why, "\n\x1b"));
	n_died++;
}

static void alive(void *ctx CV_UNUSED)
{
	n_alive++;
}

static void sink(void *user CV_UNUSED, enum vm_log_level level CV_UNUSED, const char *text)
{
	must(!strpbrk(text, "\n\r\x1b"));
}

static void say(int sock, const uint8_t *data, size_t size, unsigned int how)
{
	const unsigned int n = how & 16 ? 1 : how & 8 ? 2 : 0;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	int event = cv_event_create(), fds[] = { event, event };

	if (how & 64)
		cv_event_signal(event);
	if (size > 0)
		cv_ignore(cv_msg_send(sock, &iov, 1, fds, n, cv_msg_deadline(0)));
	close(event);
}

/* Whether it has answered well, or the sentence of why not. */
static void check(int err, const struct vm_error *e)
{
	must(err >= 0 || (e->code == -err && e->text[0] && !strpbrk(e->text, "\n\x1b")));
}

static void talk(struct cv_process *c, int peer, unsigned int how)
{
	char reply[32] = "";
	struct vm_error e = { 0 };
	int err;

	if (how & 4) {
		shutdown(peer, SHUT_WR);
		cv_event_signal(cv_fd_get(&c->child.pidfd)); /* it has ended */
	}
	err = cv_process_ready(c, &e);
	check(err, &e);
	must(n_alive == 0);
	if (how & 32 && !err)
		cv_process_check(c);
	if (how & 2)
		cv_loop_dispatch(c->config.loop);
	if (n_died > 0)
		return;
	e = (struct vm_error){ 0 };
	if (how & 1)
		check(cv_process_control(c, "op", "a=b", reply, sizeof(reply), &e), &e);
	must(!strpbrk(reply, "\n\x1b"));
	if (how & 2)
		cv_loop_dispatch(c->config.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cv_class cls = { .name = "fuzz" };
	static struct cv_process_host host = { .program = "fuzz", .timeout_ms = 2 };
	static struct cv_log log = { .sink = sink, .level = VM_LOG_DEBUG };
	static struct cv_loop *loop;
	struct cv_process *c = calloc(1, sizeof(*c));
	unsigned int how = size > 0 ? data[0] : 0;
	int pair[2];

	n_died = n_alive = 0;
	if (!loop)
		must(cv_loop_create(&loop, NULL) == 0);
	must(c && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	c->config = (struct cv_process_config){
		.host = &host, .cls = &cls, .loop = loop, .log = &log, .died = died, .alive = alive
	};
	c->frame = malloc(CV_PROCESS_FRAME_MAX);
	must(c->frame);
	cv_fd_set(&c->control, pair[0]);
	/* something that never ends: no process is there */
	cv_fd_set(&c->child.pidfd, cv_event_create());
	if (size > 1)
		say(pair[1], data + 1, size - 1, how);
	talk(c, pair[1], how);
	cv_process_destroy(c);
	close(pair[1]);
	must(n_died <= 1 && n_alive <= (how & 32 ? 1 : 0));
	return 0;
}
