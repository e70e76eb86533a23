/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop: watches on fds, timers, posted tasks, pollers. One thread
 * runs a loop. The clock belongs to the loop too, so that a test can drive it
 * by hand (cv_loop_create_fake).
 *
 * Watches, timers, pollers and tasks are embedded in their owner and zeroed
 * before their first use. Each may name a lock that the loop holds around the
 * callback (the device lock).
 *
 * Threads: cv_loop_post(), cv_loop_call(), cv_loop_stop() and the clock may be
 * used from any thread; everything else only from the thread that runs the
 * loop, or by anybody while no thread runs it. After a remove has returned,
 * the callback will not run.
 */
#ifndef CV_SYS_LOOP_H
#define CV_SYS_LOOP_H

#include <pthread.h>
#include <sys/epoll.h>

#include "base/base.h"
#include "base/err.h"
#include "base/list.h"

struct cv_loop;

struct cv_watch {
	void (*fn)(struct cv_watch *w, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR */
	pthread_mutex_t *lock;				 /* may be NULL */
	struct cv_loop *loop; /* from here on: the loop's; NULL: not added */
	int fd;
	uint32_t events;
};

struct cv_timer {
	void (*fn)(struct cv_timer *t);
	pthread_mutex_t *lock;
	struct cv_loop *loop; /* from here on: the loop's */
	struct cv_list node;
	uint64_t due; /* ns on the loop's clock */
};

/* Work for the loop's thread; one struct is queued at most once at a time. */
struct cv_task {
	void (*fn)(struct cv_task *t);
	pthread_mutex_t *lock;
	struct cv_loop *loop; /* from here on: the loop's */
	struct cv_list node;
	bool queued;
};

/*
 * Something that may be looked at instead of sleeping. The loop spins over its
 * pollers for at most its poll time after the last work, and only while that
 * pays: a watch that fires soon after the loop fell asleep starts the spinning,
 * one that fires late ends it.
 */
struct cv_poller {
	bool (*fn)(struct cv_poller *p); /* whether it found and did work */
	/* optional: the spinning ends and the loop is about to sleep, so switch the notifications
	 * on; whether work has arrived meanwhile (the loop then does not sleep) */
	bool (*idle)(struct cv_poller *p);
	pthread_mutex_t *lock;
	struct cv_loop *loop; /* from here on: the loop's */
	struct cv_list node;
};

/* A loop that nobody runs yet. 0 or -errno. */
int cv_loop_create(struct cv_loop **loop, struct vm_error *e) CV_MUST_CHECK;

/* The same with a clock that stands still until cv_loop_fake_advance(). */
int cv_loop_create_fake(struct cv_loop **loop, struct vm_error *e) CV_MUST_CHECK;

/* No thread runs it any more and nothing is added; NULL is fine. */
void cv_loop_destroy(struct cv_loop *loop);

/* Runs until cv_loop_stop(). 0 or -errno of the system. */
int cv_loop_run(struct cv_loop *loop) CV_MUST_CHECK;

/* Makes cv_loop_run() return soon, or at once when it starts. Any thread. */
void cv_loop_stop(struct cv_loop *loop);

/* Handles what is ready and due without waiting, until nothing more is; how many callbacks ran.
 * For tests and for loops that another loop drives; not while cv_loop_run() runs. */
unsigned int cv_loop_dispatch(struct cv_loop *loop);

/* How long the loop may spin over its pollers before it sleeps, ns; 0 (the default): not at all. */
void cv_loop_set_poll_time(struct cv_loop *loop, uint64_t ns);

/* 0 or -errno. The fd is borrowed and must stay open until the removal. */
int cv_watch_add(struct cv_loop *loop, struct cv_watch *w, int fd, uint32_t events) CV_MUST_CHECK;
/* Changes the events waited for (0: none, errors are reported still). */
void cv_watch_modify(struct cv_watch *w, uint32_t events);
void cv_watch_remove(struct cv_watch *w); /* nothing if not added */

/* Arms or re-arms for the absolute time @due (ns of cv_loop_now()); fires once. */
void cv_timer_set(struct cv_loop *loop, struct cv_timer *t, uint64_t due);
void cv_timer_cancel(struct cv_timer *t); /* nothing if not armed */

/* Queues @t to run once in the loop's thread; nothing if it is queued already. Any thread. */
void cv_loop_post(struct cv_loop *loop, struct cv_task *t);
/* Takes a task back; loop thread, or while no thread runs the loop. */
void cv_task_cancel(struct cv_task *t);

/*
 * Runs fn(arg) in the loop's thread and returns when it is done; directly when
 * called from that thread or when no thread runs the loop. The caller holds no
 * lock that a callback of this loop may want.
 */
void cv_loop_call(struct cv_loop *loop, void (*fn)(void *arg), void *arg);

void cv_poller_add(struct cv_loop *loop, struct cv_poller *p);
void cv_poller_remove(struct cv_poller *p); /* nothing if not added */

/* Monotonic time, ns. Any thread. */
uint64_t cv_loop_now(const struct cv_loop *loop);
/* Wall-clock time since 1970-01-01 00:00 UTC, ns. Any thread. */
uint64_t cv_loop_wall(const struct cv_loop *loop);

/* Fake loops: sets both clocks forward, then dispatches. Wall time starts at 2020-01-02 03:04:05 UTC. */
void cv_loop_fake_advance(struct cv_loop *loop, uint64_t ns);

#endif
