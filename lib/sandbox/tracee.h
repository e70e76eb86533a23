/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the seccomp program of another process, which is stopped for that. */
#ifndef CV_SANDBOX_TRACEE_H
#define CV_SANDBOX_TRACEE_H

#include <sys/types.h>

#include "sandbox/seccomp.h"

/*
 * Fetches the newest seccomp program of the thread @pid into @s, which is
 * zeroed. @dir: its directory of /proc, opened before, so that another process
 * that has taken the number is let go. 0; -errno, with one clause in @why.
 */
int cv_tracee_filter(pid_t pid, int dir, struct cv_seccomp *s, char *why,
		     size_t size) CV_MUST_CHECK;

#endif
