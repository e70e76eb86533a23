/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PTRACE_SEIZE and PTRACE_INTERRUPT send no signal. What the tracee waits in is
 * begun again, or returns EINTR as after any stop. A thread of its own traces:
 * when it ends the kernel lets go whatever it still holds, one that could not be
 * stopped in time or has just died included.
 */
#include "sandbox/tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/bpf.h"
#include "sys/thread.h"

/* Not in every C library's header. */
#define GET_FILTER ((__typeof__(PTRACE_TRACEME))0x420c)

#define STOP_TRIES   2000u /* of 50 us: one in a sleep that nothing ends is left alone */
#define STOP_WAIT_NS 50000

static int explain(int err, char *why, size_t size)
{
	const char *text = strerror(-err);

	if (err == -EPERM || err == -EACCES)
		text = "permission denied; run as root outside of containers and filters";
	else if (err == -EIO || err == -EINVAL)
		text = "this kernel does not tell; it needs CONFIG_CHECKPOINT_RESTORE";
	else if (err == -ETIMEDOUT)
		text = "the process could not be stopped";
	snprintf(why, size, "%s", text);
	return err;
}

/* Only for a stop: its end is its parent's to take, who may be this very process. */
static int wait_stop(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = STOP_WAIT_NS };

	for (unsigned int i = 0; i < STOP_TRIES; i++) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | __WALL) < 0)
			return -errno;
		if (info.si_pid == pid)
			return 0;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

static int fetch(pid_t pid, struct cv_seccomp *s)
{
	long n = ptrace(GET_FILTER, pid, NULL, NULL);

	if (n < 0)
		return -errno;
	if (n > (long)CV_BPF_MAX_INSNS)
		return -E2BIG;
	s->insns = calloc((size_t)n + 1, sizeof(*s->insns));
	if (!s->insns)
		return -ENOMEM;
	s->n = (uint16_t)n;
	/* it is stopped, and a filter cannot be replaced */
	return ptrace(GET_FILTER, pid, NULL, s->insns) < 0 ? -errno : 0;
}

struct job {
	pid_t pid;
	int dir, err;
	struct cv_seccomp *s;
};

static int stop_and_fetch(const struct job *j)
{
	int err;

	if (faccessat(j->dir, "stat", R_OK, 0) < 0)
		return -ESRCH;
	if (ptrace(PTRACE_INTERRUPT, j->pid, NULL, NULL) < 0)
		return -errno;
	err = wait_stop(j->pid);
	return err ?: fetch(j->pid, j->s);
}

static void *trace(void *arg)
{
	struct job *j = arg;

	if (ptrace(PTRACE_SEIZE, j->pid, NULL, NULL) < 0) {
		j->err = -errno;
		return NULL;
	}
	j->err = stop_and_fetch(j);
	ptrace(PTRACE_DETACH, j->pid, NULL, NULL);
	return NULL;
}

int cv_tracee_filter(pid_t pid, int dir, struct cv_seccomp *s, char *why, size_t size)
{
	struct job j = { .pid = pid, .dir = dir, .s = s };
	pthread_t thread;
	int err = cv_thread_create(&thread, "vm-trace", trace, &j);

	if (err)
		return explain(err, why, size);
	pthread_join(thread, NULL);
	return j.err ? explain(j.err, why, size) : 0;
}
