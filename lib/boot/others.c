/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that people take for a kernel: what they are and what to do instead. */
#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "boot/image.h"

static const struct {
	const char *use, *unknown;
} machines[] = {
	[CV_BOOT_X86] = { "a bzImage or vmlinux for x86-64",
			  "is neither an ELF kernel (vmlinux) nor a bzImage (vmlinuz)" },
	[CV_BOOT_ARM64] = { "an Image for arm64",
			    "is no kernel for arm64 (Image, plain or packed with gzip, lz4 or "
			    "zstd)" },
};

/* The first row that matches is told; without a remedy, to use the machine's own kernel. */
static const struct {
	uint16_t off, len;
	const char *magic, *is, *remedy;
} others[] = {
	{ 0, 2, "\x1f\x8b", "is compressed with gzip", "unpack it with gunzip" },
	{ 0, 3, "BZh", "is compressed with bzip2", "unpack it with bunzip2" },
	{ 0, 5, "\xfd\x37zXZ", "is compressed with xz", "unpack it with unxz" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "is compressed with zstd", "unpack it with unzstd" },
	{ 0, 4, "\x02\x21\x4c\x18", "is compressed with lz4", "unpack it with unlz4" },
	{ 0, 4, "\x04\x22\x4d\x18", "is compressed with lz4", "unpack it with unlz4" },
	{ 0, 3, "\x5d\0\0", "is compressed with lzma", "unpack it with unlzma" },
	{ 0, 4, "\x89LZO", "is compressed with lzop", "unpack it with lzop -d" },
	{ 0, 4, "QFI\xfb", "is a qcow2 disk image", "name a kernel file" },
	{ 0, 6, "070701", "is an initrd (cpio archive)", "name a kernel file" },
	{ 0, 7, "!<arch>", "is an archive (.a or .deb)", "name the kernel file in it" },
	{ 0, 8, "ANDROID!", "is an Android boot image", "name the kernel file in it" },
	{ 0, 4, "\x27\x05\x19\x56", "is a U-Boot image (uImage)", "name the kernel file in it" },
	{ 0, 4, "\xd0\x0d\xfe\xed", "is a device tree or FIT image", "name a kernel file" },
	{ 0, 4, "\177ELF", "is an ELF file, not a kernel", NULL },
	{ 0x202, 4, "HdrS", "is a kernel for x86 (bzImage)", NULL },
	{ 4, 4, "zimg", "is a kernel for another machine (EFI zboot)", NULL },
	{ 0x24, 4, "\x18\x28\x6f\x01", "is a kernel for 32-bit arm", NULL },
	{ 0x38, 4, "ARM\x64", "is a kernel for arm64", NULL },
	{ 0x30, 5, "RISCV", "is a kernel for RISC-V", NULL },
	{ 0, 2, "MZ", "is an EFI program, not a kernel", NULL },
	{ 0, 2, "#!", "is a script, not a kernel", NULL },
	{ 0x1fe, 2, "\x55\xaa", "is a disk image or a very old kernel", NULL },
};

bool cv_boot_magic(const uint8_t *head, size_t head_len, size_t off, const char *magic, size_t len)
{
	return cv_in_range(off, len, head_len) && memcmp(head + off, magic, len) == 0;
}

int cv_boot_refuse_as(const struct cv_boot_image *img, enum cv_boot_machine machine, const char *is,
		      struct vm_error *e)
{
	return cv_boot_image_bad(img, -EINVAL, e, "%s; use %s", is, machines[machine].use);
}

int cv_boot_refuse(const struct cv_boot_image *img, enum cv_boot_machine machine,
		   const uint8_t *head, size_t len, struct vm_error *e)
{
	for (size_t i = 0; i < CV_LEN(others); i++) {
		if (!cv_boot_magic(head, len, others[i].off, others[i].magic, others[i].len))
			continue;
		if (!others[i].remedy)
			return cv_boot_refuse_as(img, machine, others[i].is, e);
		return cv_boot_image_bad(img, -EINVAL, e, "%s; %s", others[i].is, others[i].remedy);
	}
	return cv_boot_image_bad(img, -EINVAL, e, "%s; check the file", machines[machine].unknown);
}
