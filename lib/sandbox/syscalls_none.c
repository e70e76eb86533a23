/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of syscalls.c in a build without libseccomp. */
#include <errno.h>
#include <stdio.h>

#include "sandbox/syscalls.h"

int cv_syscall_number(enum cv_arch arch, const char *name)
{
	(void)arch;
	(void)name;
	return -ENOSYS;
}

void cv_syscall_name(enum cv_arch arch, int nr, char *buf, size_t size)
{
	(void)arch;
	snprintf(buf, size, "%d", nr);
}
