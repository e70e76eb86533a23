/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and names of system calls, from libseccomp's tables. */
#include "sandbox/syscalls.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>

static uint32_t token(enum cv_arch arch)
{
	return arch == CV_ARCH_X86_64 ? SCMP_ARCH_X86_64 : SCMP_ARCH_AARCH64;
}

int cv_syscall_number(enum cv_arch arch, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(token(arch), name);

	if (nr == __NR_SCMP_ERROR)
		return -ENOENT;
	return nr < 0 ? -EOPNOTSUPP : nr;
}

void cv_syscall_name(enum cv_arch arch, int nr, char *buf, size_t size)
{
	CV_AUTO_FREE char *name = seccomp_syscall_resolve_num_arch(token(arch), nr);

	if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "%d", nr);
}
