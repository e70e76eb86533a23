/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kick eventfds stand in an epoll of their own, which the loop watches until
 * one is found readable; then it looks no more until the interval is over, so that
 * a busy device is left alone.
 */
#include "process/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#define INTERVAL_NS 1000000000ull

void cv_watchdog_rest(struct cv_watchdog *w)
{
	if (!w->watch.loop)
		return;
	cv_watch_remove(&w->watch);
	cv_timer_set(w->loop, &w->timer, cv_loop_now(w->loop) + INTERVAL_NS);
}

static void on_kick(struct cv_watch *watch, uint32_t events CV_UNUSED)
{
	cv_watchdog_rest(cv_container_of(watch, struct cv_watchdog, watch));
}

static void on_timer(struct cv_timer *t)
{
	struct cv_watchdog *w = cv_container_of(t, struct cv_watchdog, timer);
	struct pollfd p = { .fd = cv_fd_get(&w->kicks), .events = POLLIN };

	if (poll(&p, 1, 0) > 0)
		w->bark(w);
	else
		cv_watchdog_arm(w);
}

int cv_watchdog_init(struct cv_watchdog *w)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	w->watch.fn = on_kick;
	w->timer.fn = on_timer;
	for (size_t i = 0; i < CV_LEN(w->queues); i++)
		w->queues[i] = -1;
	if (fd < 0)
		return -errno;
	cv_fd_set(&w->kicks, fd);
	return 0;
}

void cv_watchdog_fini(struct cv_watchdog *w)
{
	cv_watchdog_disarm(w);
	cv_fd_close(&w->kicks);
}

/* Failing would need a lack of memory: then this queue is not looked at. */
void cv_watchdog_set(struct cv_watchdog *w, unsigned int index, int kick_fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int *queue = &w->queues[index];

	if (*queue >= 0)
		epoll_ctl(cv_fd_get(&w->kicks), EPOLL_CTL_DEL, *queue, NULL);
	*queue = kick_fd;
	if (kick_fd >= 0)
		epoll_ctl(cv_fd_get(&w->kicks), EPOLL_CTL_ADD, kick_fd, &event);
}

void cv_watchdog_arm(struct cv_watchdog *w)
{
	cv_watchdog_disarm(w);
	/* without it the device is not looked after, as good as it may be otherwise */
	cv_ignore(cv_watch_add(w->loop, &w->watch, cv_fd_get(&w->kicks), EPOLLIN));
}

void cv_watchdog_disarm(struct cv_watchdog *w)
{
	cv_watch_remove(&w->watch);
	cv_timer_cancel(&w->timer);
}
