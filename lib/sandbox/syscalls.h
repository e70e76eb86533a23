/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and names of system calls, also of the architecture that this is not. By libseccomp. */
#ifndef CV_SANDBOX_SYSCALLS_H
#define CV_SANDBOX_SYSCALLS_H

#include "sandbox/policy.h"

/* The number; -ENOENT: nobody knows that call; -EOPNOTSUPP: this architecture does not have it;
 * -ENOSYS: this build knows no names. */
int cv_syscall_number(enum cv_arch arch, const char *name) CV_MUST_CHECK;

/* The name in @buf, or the number where it has none. */
void cv_syscall_name(enum cv_arch arch, int nr, char *buf, size_t size);

#endif
