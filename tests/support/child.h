/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices of the library in jailed processes of their own: crosvm-device of this
 * build, with all the mechanisms that this build and this host allow. The tests
 * of devices run their bodies twice, with the device here and with it there.
 */
#ifndef CV_TESTS_CHILD_H
#define CV_TESTS_CHILD_H

#include <check.h>
#include <sys/types.h>

#include "process/process.h"

/* Made once; that some mechanism cannot be had here is said then. */
struct cv_process_host *child_host(void);

/* Waits until each thread of a process sleeps: it has taken all that it could see, as descriptors
 * wake whoever waits for them at once. One that does not come to rest within a second is left. */
void child_settle(pid_t pid);

/* Whether every rig has its device in a process from now on, if it says nothing else. */
extern bool child_wanted;

/*
 * CHECK_MAIN_CHILD("name", ANYWHERE(test_one, test_two), ONLY_HERE(test_three)):
 * runs all of them with the device in this process, then the first ones with
 * child_wanted. Those that are only here look inside the device.
 */
int child_main(const char *name, const TTest *const *anywhere, const TTest *const *only_here);

#define ANYWHERE(...)  ((const TTest *const[]){ __VA_ARGS__, NULL })
#define ONLY_HERE(...) ((const TTest *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

#define CHECK_MAIN_CHILD(name, anywhere, only_here)           \
	int main(void)                                        \
	{                                                     \
		return child_main(name, anywhere, only_here); \
	}

#endif
