/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to ask a device whether it lives: a while after the guest has kicked one of
 * its queues. An idle guest costs nothing, a busy one a question in each interval.
 */
#ifndef CV_PROCESS_WATCHDOG_H
#define CV_PROCESS_WATCHDOG_H

#include "core/dev.h"
#include "sys/fd.h"
#include "sys/loop.h"

struct cv_watchdog {
	/* the device is to be asked whether it lives, and cv_watchdog_arm() called if so; in the loop */
	void (*bark)(struct cv_watchdog *w);
	struct cv_loop *loop;
	/* from here on its own */
	struct cv_fd kicks;		  /* an epoll of the kick eventfds */
	int queues[CV_VIRTIO_MAX_QUEUES]; /* which ones; -1: none */
	struct cv_watch watch;
	struct cv_timer timer;
};

/* .bark and .loop are set, the rest is zeroed. 0 or -errno. */
int cv_watchdog_init(struct cv_watchdog *w) CV_MUST_CHECK;
void cv_watchdog_fini(struct cv_watchdog *w); /* also one that was never made */

/* Looks at the kicks of a queue from now on; -1: no more. One thread at a time, any. */
void cv_watchdog_set(struct cv_watchdog *w, unsigned int index, int kick_fd);

/* Waits for the next kick. The loop's thread, as the other one. */
void cv_watchdog_arm(struct cv_watchdog *w);
void cv_watchdog_disarm(struct cv_watchdog *w);

#endif
