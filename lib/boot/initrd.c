/* SPDX-License-Identifier: BSD-3-Clause */
/* Placing the initrd beside a kernel. */
#include <errno.h>

#include "base/math.h"
#include "boot/image.h"

/* The highest page in [gpa, end) from which @len bytes fit; 0 when they do not. */
static uint64_t highest(uint64_t gpa, uint64_t end, uint64_t len)
{
	uint64_t at;

	if (end < gpa || len > end - gpa)
		return 0;
	at = cv_align_down(end - len, CV_PAGE_SIZE);
	return at >= gpa ? at : 0;
}

/* Above the kernel if possible, else below. */
static uint64_t place_initrd(const struct cv_boot_space *space, const struct cv_boot_kernel *kernel,
			     uint64_t len)
{
	uint64_t floor = cv_max(space->gpa, kernel->initrd_addr_min);
	uint64_t end = cv_min(space->gpa + space->len, kernel->initrd_addr_max + 1);
	uint64_t at = highest(cv_max(kernel->end, floor), end, len);

	return at ? at : highest(floor, cv_min(kernel->start, end), len);
}

int cv_boot_load_initrd(const struct cv_boot_space *space, const struct cv_boot_file *file,
			const struct cv_boot_kernel *kernel, struct cv_mem_range *initrd,
			struct vm_error *e)
{
	struct cv_boot_image img;
	uint64_t gpa;
	int err = cv_boot_space_check(space, e) ?: cv_boot_image_init(&img, file, "initrd", e);

	if (err)
		return err;
	gpa = place_initrd(space, kernel, img.len);
	if (gpa == 0)
		return cv_boot_image_bad(
			&img, -ENOSPC, e,
			"%llu KiB of initrd do not fit beside the kernel below %#llx; "
			"give the VM more memory or use a smaller initrd",
			(unsigned long long)(img.len / 1024 + 1),
			(unsigned long long)cv_min(space->gpa + space->len,
						   kernel->initrd_addr_max + 1));
	err = cv_mem_read_file(space->mem, gpa, img.fd, 0, img.len);
	if (err)
		return cv_boot_image_error(&img, err, "the initrd", e);
	*initrd = (struct cv_mem_range){ .gpa = gpa, .len = img.len };
	return 0;
}
