/* SPDX-License-Identifier: BSD-3-Clause */
/* An empty root directory for a while, where no device file exists; needs root. */
#ifndef CV_TESTS_KVM_EMPTY_ROOT_H
#define CV_TESTS_KVM_EMPTY_ROOT_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check_main.h"

/* Returns what leave_empty_root() wants. */
static inline int enter_empty_root(void)
{
	char dir[] = "/tmp/crosvm-test-XXXXXX";
	int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(old, 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(rmdir(dir), 0); /* it lives on as the root of this process */
	ck_assert_int_eq(chroot("."), 0);
	return old;
}

static inline void leave_empty_root(int old)
{
	ck_assert_int_eq(fchdir(old), 0);
	ck_assert_int_eq(chroot("."), 0);
	close(old);
}

#endif
