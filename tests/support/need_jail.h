/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether this host lets the tests make jails: many a container and every chroot does not. */
#ifndef CV_TESTS_NEED_JAIL_H
#define CV_TESTS_NEED_JAIL_H

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "must.h"

#define NO_JAIL "user namespaces cannot be made here (a chroot, a container, or sysctl), nor jails"

static inline bool can_jail(void)
{
	/* no fork(): a sanitizer has a thread of its own in the child then, and unshare() fails */
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		syscall(SYS_exit_group, 0);
	if (pid < 0)
		return false;
	must(waitpid(pid, NULL, 0) == pid);
	return true;
}

/* Returns from the test where no jail can be made. */
#define NEED_JAIL()                            \
	do {                                   \
		if (!can_jail()) {             \
			puts("skip " NO_JAIL); \
			return;                \
		}                              \
	} while (0)

/* For tests of processes, not of their jails: the default jail, or none where there can be none. */
static inline const char *possible_jail(void)
{
	return can_jail() ? NULL : "none";
}

#endif
