/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading an arm64 kernel into guest memory: an Image (Documentation/arch/arm64/
 * booting.rst), plain, packed with gzip, lz4 or zstd, or in the EFI wrapper that
 * Linux calls zboot. What the kernel is told is the device tree's business.
 *
 *	space = (struct cv_boot_space){ .mem = mem, .gpa = start of RAM, .len = its length };
 *	err = cv_boot_load_arm64(&space, &kernel_file, &host, &kernel, e);
 *	err = err ?: cv_boot_load_initrd(&space, &initrd_file, &kernel, &initrd, e);
 *
 * and the boot vCPU starts at kernel.entry with the MMU off, interrupts masked and
 * X0 = the device tree's address, which is neither in the kernel nor in the initrd.
 */
#ifndef CV_BOOT_ARM64_H
#define CV_BOOT_ARM64_H

#include "boot/boot.h"

/* What the guest's processors can run. */
struct cv_boot_arm64_host {
	bool page_4k, page_16k, page_64k;
	bool big_endian;
};

/*
 * Loads an Image as low as @space allows, where older kernels want it. All of @kernel
 * is filled in. What the file and the header in it tell is checked before guest memory
 * is touched; only a file that fails to be read or unpacked leaves a part of it there.
 *
 * 0; -EINVAL for a format or kernel that does not fit, -ENODATA for a truncated file,
 * -EBADMSG for corrupt packed data, -ENOSPC when @space is too small, -ENOSYS when
 * this build cannot unpack it, -E2BIG, -ENOMEM, -EISDIR, or what reading gave.
 */
int cv_boot_load_arm64(const struct cv_boot_space *space, const struct cv_boot_file *file,
		       const struct cv_boot_arm64_host *host, struct cv_boot_kernel *kernel,
		       struct vm_error *e) CV_MUST_CHECK;

#endif
