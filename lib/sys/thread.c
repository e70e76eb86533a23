/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's threads. */
#include "sys/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/str.h"

/* The sanitizers' frames are several times larger than ours: the default stack for them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SIZE 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STACK_SIZE 0
#endif
#endif
#ifndef STACK_SIZE
#define STACK_SIZE (256u * 1024)
#endif

struct start {
	void *(*fn)(void *arg);
	void *arg;
	char name[16];
};

/* Only one's own: to name another thread takes a file of /proc, which no jail has. */
void cv_thread_set_name(const char *name)
{
	prctl(PR_SET_NAME, name);
}

static void *begin(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	cv_thread_set_name(s.name);
	return s.fn(s.arg);
}

/* Nearly all: faults must find the embedder's handler, the kernel kills past one that is blocked. */
static void set_blocked(sigset_t *set)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };

	sigfillset(set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(set, faults[i]);
}

static int create(pthread_t *thread, struct start *start)
{
	sigset_t blocked, saved;
	pthread_attr_t attr;
	int err = -pthread_attr_init(&attr);

	if (err)
		return err;
	if (STACK_SIZE > 0)
		err = -pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (!err) {
		/* a new thread inherits the mask, so no signal finds it unprepared */
		set_blocked(&blocked);
		pthread_sigmask(SIG_SETMASK, &blocked, &saved);
		err = -pthread_create(thread, &attr, begin, start);
		pthread_sigmask(SIG_SETMASK, &saved, NULL);
	}
	pthread_attr_destroy(&attr);
	return err;
}

int cv_thread_create(pthread_t *thread, const char *name, void *(*fn)(void *arg), void *arg)
{
	struct start *start = calloc(1, sizeof(*start));
	int err;

	if (!start)
		return -ENOMEM;
	start->fn = fn;
	start->arg = arg;
	err = cv_str_copy(start->name, sizeof(start->name), name);
	err = err ?: create(thread, start);
	if (err)
		free(start);
	return err;
}
