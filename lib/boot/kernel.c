/* SPDX-License-Identifier: BSD-3-Clause */
/* Recognising the kernel's format, and placing the initrd. */
#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "boot/image.h"

#define SNIFF_LEN 0x240

/* Files that people take for a kernel. The first row that matches is told. */
static const struct {
	uint16_t off, len;
	const char *magic, *told;
} others[] = {
	{ 0, 2, "\x1f\x8b", "is compressed with gzip; unpack it with gunzip" },
	{ 0, 3, "BZh", "is compressed with bzip2; unpack it with bunzip2" },
	{ 0, 5, "\xfd\x37zXZ", "is compressed with xz; unpack it with unxz" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it with unzstd" },
	{ 0, 4, "\x02\x21\x4c\x18", "is compressed with lz4; unpack it with unlz4" },
	{ 0, 4, "\x04\x22\x4d\x18", "is compressed with lz4; unpack it with unlz4" },
	{ 0, 3, "\x5d\0\0", "is compressed with lzma; unpack it with unlzma" },
	{ 0, 4, "QFI\xfb", "is a qcow2 disk image; name a kernel file" },
	{ 0, 6, "070701", "is an initrd (cpio archive); name a kernel file" },
	{ 0, 7, "!<arch>", "is an archive (.a or .deb); name the kernel file in it" },
	{ 4, 4, "zimg", "is a kernel for another machine (EFI zboot); use one for x86-64" },
	{ 0x24, 4, "\x18\x28\x6f\x01", "is a kernel for 32-bit arm; use one for x86-64" },
	{ 0x38, 4, "ARM\x64", "is a kernel for arm64; use one for x86-64" },
	{ 0x30, 5, "RISCV", "is a kernel for RISC-V; use one for x86-64" },
	{ 0, 2, "MZ", "is an EFI program, not a kernel; use a bzImage or vmlinux for x86-64" },
	{ 0, 2, "#!", "is a script, not a kernel; use a bzImage or vmlinux for x86-64" },
	{ 0x1fe, 2, "\x55\xaa", "is a disk image or a very old kernel; use a bzImage or vmlinux" },
};

static int check_space(const struct cv_boot_space *space, struct vm_error *e)
{
	if (space->gpa == 0 || !cv_in_range(space->gpa, space->len, 4 * CV_GIB) ||
	    !cv_mem_valid(space->mem, space->gpa, space->len))
		return cv_err(e, -EINVAL,
			      "guest memory: %#llx bytes at %#llx are not all memory below 4 GiB, "
			      "kernels cannot be loaded there",
			      (unsigned long long)space->len, (unsigned long long)space->gpa);
	return 0;
}

static bool has(const uint8_t *head, size_t head_len, size_t off, const char *magic, size_t len)
{
	return cv_in_range(off, len, head_len) && memcmp(head + off, magic, len) == 0;
}

static int refuse(const struct cv_boot_image *img, const uint8_t *head, size_t len,
		  struct vm_error *e)
{
	for (size_t i = 0; i < CV_LEN(others); i++)
		if (has(head, len, others[i].off, others[i].magic, others[i].len))
			return cv_boot_image_bad(img, -EINVAL, e, "%s", others[i].told);
	return cv_boot_image_bad(img, -EINVAL, e,
				 "is neither an ELF kernel (vmlinux) nor a bzImage (vmlinuz); "
				 "check the file");
}

int cv_boot_load_kernel(const struct cv_boot_space *space, const struct cv_boot_file *file,
			enum cv_boot_protocol want, struct cv_boot_kernel *kernel,
			struct vm_error *e)
{
	struct cv_boot_image img;
	uint8_t head[SNIFF_LEN];
	size_t len;
	int err = check_space(space, e) ?: cv_boot_image_init(&img, file, "kernel", e);

	if (err)
		return err;
	len = (size_t)cv_min(img.len, (uint64_t)sizeof(head));
	err = cv_boot_image_read(&img, 0, head, len, "its header", e);
	if (err)
		return err;
	*kernel = (struct cv_boot_kernel){ 0 };
	if (has(head, len, 0, "\177ELF", 4))
		return cv_boot_load_elf(space, &img, want, kernel, e);
	if (has(head, len, 0x202, "HdrS", 4))
		return cv_boot_load_bzimage(space, &img, want, kernel, e);
	return refuse(&img, head, len, e);
}

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
	uint64_t end = cv_min(space->gpa + space->len, kernel->initrd_addr_max + 1);
	uint64_t at = highest(cv_max(kernel->end, space->gpa), end, len);

	return at ? at : highest(space->gpa, cv_min(kernel->start, end), len);
}

int cv_boot_load_initrd(const struct cv_boot_space *space, const struct cv_boot_file *file,
			const struct cv_boot_kernel *kernel, struct cv_mem_range *initrd,
			struct vm_error *e)
{
	struct cv_boot_image img;
	uint64_t gpa;
	int err = check_space(space, e) ?: cv_boot_image_init(&img, file, "initrd", e);

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
