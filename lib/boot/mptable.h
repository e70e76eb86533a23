/* SPDX-License-Identifier: BSD-3-Clause */
/* The MultiProcessor Specification 1.4's tables, for guests without ACPI. */
#ifndef CV_BOOT_MPTABLE_H
#define CV_BOOT_MPTABLE_H

#include "boot/platform.h"
#include "core/mem.h"

/* What the tables for @p take. */
size_t cv_mptable_len(const struct cv_platform *p);

/*
 * Writes the floating pointer and the table behind it into @area. A guest finds
 * the pointer in the last KiB below 640 KiB or between 0xf0000 and 0xfffff, at a
 * multiple of 16. 0, -EINVAL, -ENOSPC when @area is too small, -EFAULT or -ENOMEM.
 */
int cv_mptable_write(const struct cv_mem *mem, const struct cv_platform *p,
		     const struct cv_mem_range *area, struct vm_error *e) CV_MUST_CHECK;

#endif
