/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's threads. */
#include "sys/thread.h"

#include <signal.h>

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

/* Nearly all: faults must find the embedder's handler, the kernel kills past one that is blocked. */
static void set_blocked(sigset_t *set)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };

	sigfillset(set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(set, faults[i]);
}

int cv_thread_create(pthread_t *thread, const char *name, void *(*fn)(void *arg), void *arg)
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
		err = -pthread_create(thread, &attr, fn, arg);
		pthread_sigmask(SIG_SETMASK, &saved, NULL);
	}
	pthread_attr_destroy(&attr);
	if (!err)
		cv_ignore(pthread_setname_np(*thread, name)); /* only seen in ps */
	return err;
}
