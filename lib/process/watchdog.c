/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kick eventfds stand in an epoll of their own, which the loop watches until
 * there is a kick; then it looks no more until the device has been asked. Nobody
 * empties these eventfds (the device's loop is triggered by edges too), so a kick is seen however
 * quick the device is, and once: taking the events makes the epoll unreadable.
 */
#include "process/watchdog.h"

#include <errno.h>
#include <sys/epoll.h>

#define INTERVAL_NS 1000000000ull

static void on_kick(struct cv_watch *watch, uint32_t events CV_UNUSED)
{
	struct cv_watchdog *w = cv_container_of(watch, struct cv_watchdog, watch);

	cv_watch_remove(watch);
	cv_timer_set(w->loop, &w->timer, cv_loop_now(w->loop) + INTERVAL_NS);
}

static void take_kicks(struct cv_watchdog *w)
{
	struct epoll_event events[CV_VIRTIO_MAX_QUEUES];
	const struct timespec now = { 0 };

	/* the call that loops make, and their policy allows */
	cv_ignore(epoll_pwait2(cv_fd_get(&w->kicks), events, CV_LEN(events), &now, NULL));
}

static void on_timer(struct cv_timer *t)
{
	struct cv_watchdog *w = cv_container_of(t, struct cv_watchdog, timer);

	/* those that come from now on are for the next question */
	take_kicks(w);
	w->bark(w);
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
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
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
