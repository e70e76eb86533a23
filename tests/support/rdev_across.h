/* SPDX-License-Identifier: BSD-3-Clause */
/* The two ends of a register device's process boundary in one process, the lower in a thread. */
#ifndef CV_TESTS_RDEV_ACROSS_H
#define CV_TESTS_RDEV_ACROSS_H

#include <pthread.h>

#include "process/regs_client.h"
#include "process/regs_server.h"
#include "rdev.h"

struct rdev_across {
	struct cv_loop *loop;
	struct cv_regs_client *client;
	struct cv_regs_server *server;
	pthread_t thread;
	int sock, wake;
	atomic_bool quit;
	atomic_uint wanted, done; /* turns of the loop */
	_Atomic uint64_t advance;
};

int rdev_across_create(struct rdev_across **across, struct rdev *d, struct vm_error *e);
void rdev_across_destroy(struct rdev_across *a); /* NULL is fine */

/* What was written has arrived, @ns have passed and the loop is idle. */
void rdev_across_settle(struct rdev_across *a, uint64_t ns);

#endif
