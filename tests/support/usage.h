/* SPDX-License-Identifier: BSD-3-Clause */
/* What this process holds: the same before and after a VM. */
#ifndef CV_TESTS_USAGE_H
#define CV_TESTS_USAGE_H

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "must.h"

/* Flags of include/linux/sched.h; proc(5), field 9 of stat. */
#define USAGE_PF_EXITING   0x4u
#define USAGE_PF_IO_WORKER 0x10u /* io_uring's, which come and go as the kernel likes */

struct usage {
	unsigned int fds, threads;
};

/*
 * Whether the thread in that entry of a process's directory runs: one that was
 * joined stays in /proc until the kernel is done with it. Its @name (NULL: any)
 * must be that.
 */
static inline bool usage_runs(const char *dir, const char *tid, const char *name)
{
	char path[300], stat[512] = "", *comm, *end;
	unsigned int flags;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/stat", dir, tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	/* fails with ESRCH where the thread went just now */
	if (!fgets(stat, sizeof(stat), f))
		stat[0] = '\0';
	fclose(f);
	comm = strchr(stat, '(');
	end = strrchr(stat, ')');
	if (!comm || !end || sscanf(end, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
		return false;
	*end = '\0';
	return !(flags & (USAGE_PF_EXITING | USAGE_PF_IO_WORKER)) &&
	       (!name || strcmp(comm + 1, name) == 0);
}

static inline unsigned int usage_threads_in(const char *dir, const char *name)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	unsigned int n = 0;

	must(d);
	while ((entry = readdir(d)))
		n += entry->d_name[0] != '.' && usage_runs(dir, entry->d_name, name);
	closedir(d);
	return n;
}

static inline unsigned int usage_threads(const char *name)
{
	return usage_threads_in("/proc/self/task", name);
}

/* Those of another process. */
static inline unsigned int usage_threads_of(pid_t pid, const char *name)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "/proc/%d/task", (int)pid);
	return usage_threads_in(dir, name);
}

static inline unsigned int usage_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned int n = 0;

	must(d);
	while ((entry = readdir(d)))
		n += entry->d_name[0] != '.';
	closedir(d);
	return n - 1; /* its own */
}

static inline void *usage_nothing(void *arg)
{
	return arg;
}

static inline struct usage usage_now(void)
{
	pthread_t thread;

	/* with the first thread of a process come those of its sanitizer */
	must(pthread_create(&thread, NULL, usage_nothing, NULL) == 0);
	pthread_join(thread, NULL);
	return (struct usage){ usage_fds(), usage_threads(NULL) };
}

#endif
