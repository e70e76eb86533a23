/* SPDX-License-Identifier: BSD-3-Clause */
/* Recognising the format of a kernel for x86-64. */
#include <errno.h>

#include "base/math.h"
#include "boot/image.h"

/* The fields of both protocols have 32 bits, and at the entry only so much is mapped. */
static int check_space(const struct cv_boot_space *space, struct vm_error *e)
{
	if (!cv_in_range(space->gpa, space->len, 4 * CV_GIB))
		return cv_err(e, -EINVAL,
			      "guest memory: %#llx bytes at %#llx do not end below 4 GiB, x86-64 "
			      "kernels cannot be loaded there; give the part below",
			      (unsigned long long)space->len, (unsigned long long)space->gpa);
	return cv_boot_space_check(space, e);
}

int cv_boot_load_kernel(const struct cv_boot_space *space, const struct cv_boot_file *file,
			enum cv_boot_protocol want, struct cv_boot_kernel *kernel,
			struct vm_error *e)
{
	struct cv_boot_image img;
	uint8_t head[CV_BOOT_HEAD];
	size_t len;
	int err = check_space(space, e) ?: cv_boot_image_init(&img, file, "kernel", e);

	if (err)
		return err;
	len = (size_t)cv_min(img.len, (uint64_t)sizeof(head));
	err = cv_boot_image_read(&img, 0, head, len, "its header", e);
	if (err)
		return err;
	*kernel = (struct cv_boot_kernel){ 0 };
	if (cv_boot_magic(head, len, 0, "\177ELF", 4))
		return cv_boot_load_elf(space, &img, want, kernel, e);
	if (cv_boot_magic(head, len, 0x202, "HdrS", 4))
		return cv_boot_load_bzimage(space, &img, want, kernel, e);
	return cv_boot_refuse(&img, CV_BOOT_X86, head, len, e);
}
