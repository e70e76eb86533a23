/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the public API have in common; they see the shared library only. */
#ifndef CV_TESTS_API_TEST_H
#define CV_TESTS_API_TEST_H

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <crosvm/crosvm.h>

#include "../support/check_main.h"
#include "../support/need_jail.h"
#include "../support/need_kvm.h"
#include "../support/usage.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* What tests/guest has built is beside the directory of this program. */
static inline const char *built(char path[PATH_MAX], const char *name, const char *kind)
{
	char self[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(n, 0);
	*strrchr(self, '/') = '\0';
	snprintf(path, PATH_MAX, "%.3000s/guest/%s.%s", self, name, kind);
	return path;
}

#if defined(__x86_64__)
#define GUEST_SUFFIX "elf"
#else
#define GUEST_SUFFIX "img"
#endif

/* Returns from the test where there is no such guest for this architecture. */
#define NEED_GUEST(name)                                                              \
	do {                                                                          \
		if (access(guest(name), R_OK) < 0) {                                  \
			printf("skip there is no guest %s for this machine\n", name); \
			return;                                                       \
		}                                                                     \
	} while (0)

/* A bare guest of this build, and firmware. */
static inline const char *guest(const char *name)
{
	static _Thread_local char path[PATH_MAX];

	return built(path, name, GUEST_SUFFIX);
}

static inline const char *firmware_image(const char *name)
{
	static _Thread_local char path[PATH_MAX];

	return built(path, name, "bin");
}

#endif
