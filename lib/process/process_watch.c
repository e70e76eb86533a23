/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of a device process is seen here: its end, what it says unasked,
 * what its filter holds back, the sign of life that it owes. Whoever misbehaves
 * is killed, with a reason, and its end is told once.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "process/process_impl.h"
#include "sandbox/seccomp.h"

/* How long after a sign of its end, or after it was killed, its end is waited for: what the kernel
 * says of it is better than what was suspected, but a process may hang in the kernel. */
#define GRACE_NS  100000000ull
#define NS_PER_MS 1000000ull
/* Frames that may be waiting in the socket. */
#define MAX_WAITING 64u

/* ---- the end ---- */

void cv_process_unwatch(struct cv_process *c)
{
	cv_watch_remove(&c->exit_watch);
	cv_watch_remove(&c->control_watch);
	cv_watch_remove(&c->listener_watch);
	cv_timer_cancel(&c->life);
	cv_timer_cancel(&c->grace);
}

void cv_process_describe_end(const struct cv_child_end *end, char *text, size_t size)
{
	if (end->signal == SIGSYS)
		snprintf(text, size,
			 "its seccomp policy killed it for a system call that it does not allow");
	else if (end->signal)
		snprintf(text, size, "it was killed by signal %d (%s)", end->signal,
			 strsignal(end->signal));
	else if (end->status >= 0)
		snprintf(text, size, "it exited with status %d", end->status);
	else
		snprintf(text, size, "it ended, and somebody else has taken its status");
}

static void tell_death(struct cv_process *c, const char *why)
{
	cv_process_unwatch(c);
	c->config.died(c->config.ctx, why);
}

/* Why it ended, perhaps. */
static void pass_last_words(struct cv_process *c)
{
	struct cv_frame f;

	for (unsigned int i = 0; i < MAX_WAITING; i++)
		if (cv_process_next(c, &f) < 0)
			return;
}

static void on_exit_event(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_process *c = cv_container_of(w, struct cv_process, exit_watch);
	struct cv_child_end end;
	char why[sizeof(c->why)];

	if (!cv_child_ended(&c->child, false, &end))
		return;
	pass_last_words(c);
	if (c->condemned)
		snprintf(why, sizeof(why), "%s", c->why);
	else
		cv_process_describe_end(&end, why, sizeof(why));
	tell_death(c, c->config.foreign && !c->condemned && end.status == 0 ? NULL : why);
}

bool cv_process_ended(struct cv_process *c, int ms)
{
	struct pollfd p[] = { { .fd = cv_fd_get(&c->child.pidfd), .events = POLLIN },
			      { .fd = cv_fd_get(&c->listener), .events = POLLIN } };

	if (c->condemned || c->child.pid <= 0)
		return true;
	cv_ignore(poll(p, CV_LEN(p), ms));
	if (p[1].revents & POLLIN)
		return cv_process_forbidden(c);
	/* nobody is behind its filter any more: it is about to end */
	if (p[1].revents && !p[0].revents)
		cv_ignore(poll(p, 1, ms));
	return p[0].revents & POLLIN;
}

static void on_grace(struct cv_timer *t)
{
	struct cv_process *c = cv_container_of(t, struct cv_process, grace);
	char why[sizeof(c->why)];

	/* what has come while the loop was busy says more than a suspicion; the rest is its watch's */
	if (!c->condemned && cv_process_ended(c, 0))
		return;
	cv_process_kill(c);
	snprintf(why, sizeof(why), "%s", c->why);
	tell_death(c, why);
}

static void expect_end(struct cv_process *c)
{
	cv_timer_set(c->config.loop, &c->grace, cv_loop_now(c->config.loop) + GRACE_NS);
}

void cv_process_suspect(struct cv_process *c, const char *why)
{
	if (!c->ready || c->child.pid <= 0 || c->condemned)
		return;
	snprintf(c->why, sizeof(c->why), "%s", why);
	expect_end(c);
}

/* Before it is ready whoever waits for that tells its end. */
void cv_process_condemn(struct cv_process *c, const char *fmt, ...)
{
	va_list args;

	if (c->condemned)
		return;
	va_start(args, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, args);
	va_end(args);
	c->condemned = true;
	cv_child_kill(&c->child);
	if (c->ready)
		expect_end(c);
}

/* ---- what it says ---- */

static void on_control_event(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_process *c = cv_container_of(w, struct cv_process, control_watch);
	struct cv_frame f;
	int r = cv_process_next(c, &f);

	if (r == 0)
		return;
	cv_watch_remove(w);
	if (r != -ENODATA) /* else it is about to end: the other watch tells */
		cv_process_condemn(c, "it said what it may not, and was ended");
}

/* ---- what it may not call ---- */

bool cv_process_forbidden(struct cv_process *c)
{
	char call[40];

	if (!cv_seccomp_told(cv_fd_get(&c->listener), call, sizeof(call)))
		return false;
	cv_process_condemn(
		c, "its seccomp policy does not allow the system call '%s', and ended it", call);
	return true;
}

static void on_listener_event(struct cv_watch *w, uint32_t events)
{
	struct cv_process *c = cv_container_of(w, struct cv_process, listener_watch);

	if (!(events & EPOLLIN) || cv_process_forbidden(c))
		cv_watch_remove(w);
}

/* ---- signs of life ---- */

bool cv_process_alive(struct cv_process *c)
{
	if (!c->asked)
		return false;
	c->asked = false;
	cv_timer_cancel(&c->life);
	if (c->config.alive)
		c->config.alive(c->config.ctx);
	return true;
}

/* What has come while the loop was busy comes first. */
static void on_life(struct cv_timer *t)
{
	struct cv_process *c = cv_container_of(t, struct cv_process, life);

	for (unsigned int i = 0; i < MAX_WAITING && c->asked && !c->condemned; i++)
		on_control_event(&c->control_watch, EPOLLIN);
	if (c->asked && !c->condemned)
		cv_process_condemn(c, "it has hung for %u ms, and was ended",
				   cv_process_timeout(c));
}

void cv_process_check(struct cv_process *c)
{
	unsigned int limit = cv_process_timeout(c);
	struct cv_buf b = { 0 };

	if (c->asked || c->condemned)
		return;
	c->asked = true;
	cv_frame_begin(&b, CV_PROCESS_PING);
	/* a socket that is full is none that anybody reads */
	cv_ignore(cv_process_send(c, &b, NULL, 0, 0));
	cv_timer_set(c->config.loop, &c->life, cv_loop_now(c->config.loop) + limit * NS_PER_MS);
}

int cv_process_watch(struct cv_process *c)
{
	struct cv_loop *loop = c->config.loop;
	int err;

	c->exit_watch.fn = on_exit_event;
	c->control_watch.fn = on_control_event;
	c->listener_watch.fn = on_listener_event;
	c->life.fn = on_life;
	c->grace.fn = on_grace;
	err = cv_watch_add(loop, &c->exit_watch, cv_fd_get(&c->child.pidfd), EPOLLIN);
	err = err ?: cv_watch_add(loop, &c->control_watch, cv_fd_get(&c->control), EPOLLIN);
	if (cv_fd_get(&c->listener) >= 0)
		err = err
			      ?: cv_watch_add(loop, &c->listener_watch, cv_fd_get(&c->listener),
					      EPOLLIN);
	return err;
}
