/* SPDX-License-Identifier: BSD-3-Clause */
/* The library's threads: named, small, and deaf to signals, which belong to the embedder. */
#ifndef CV_SYS_THREAD_H
#define CV_SYS_THREAD_H

#include <pthread.h>

#include "base/base.h"

/*
 * Starts fn(arg) in a joinable thread with every signal but faults blocked and a
 * stack of 256 KiB.
 *
 * @name: at most 15 characters
 *
 * 0 or -errno.
 */
int cv_thread_create(pthread_t *thread, const char *name, void *(*fn)(void *arg),
		     void *arg) CV_MUST_CHECK;

/* What ps and top call the calling thread (and its process, if it is the first one): 15 characters. */
void cv_thread_set_name(const char *name);

#endif
