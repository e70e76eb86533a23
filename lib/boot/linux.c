/* SPDX-License-Identifier: BSD-3-Clause */
/* The zero page (struct boot_params) of Linux's 64-bit boot protocol, and the command line. */
#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "boot/image.h"
#include "boot/linux_params.h"

#define ELF_ALIGNMENT 0x1000000u
#define ELF_VERSION   0x20f /* the newest that leaves nothing to the loader */

_Static_assert(CV_BOOT_RANGES_MAX == CV_LINUX_E820_MAX, "both lists hold the same");
_Static_assert(CV_BOOT_SETUP_HEADER_MAX == CV_LINUX_HEADER_LIMIT - CV_LINUX_HEADER_OFF,
	       "the header fits between its neighbours");

static int check_ranges(const struct cv_boot_params *p, struct vm_error *e)
{
	uint64_t end = 0;

	if (p->n_ranges == 0 || p->n_ranges > CV_BOOT_RANGES_MAX)
		return cv_err(e, -EINVAL, "memory map: %u ranges given, 1 to %d are possible",
			      p->n_ranges, CV_BOOT_RANGES_MAX);
	for (unsigned int i = 0; i < p->n_ranges; i++) {
		const struct cv_boot_range *r = &p->ranges[i];

		if (r->len == 0 || r->gpa < end || r->len > UINT64_MAX - r->gpa)
			return cv_err(e, -EINVAL,
				      "memory map: range %u is empty, wraps, or is not behind the "
				      "one before it",
				      i);
		end = r->gpa + r->len;
	}
	return 0;
}

int cv_boot_write_common(const struct cv_mem *mem, const struct cv_boot_params *p,
			 struct vm_error *e)
{
	size_t len = strlen(p->cmdline);
	int err = check_ranges(p, e);

	if (err)
		return err;
	if (len > p->kernel->cmdline_max)
		return cv_err(e, -ENOSPC,
			      "kernel command line: %zu characters are too long, the kernel takes "
			      "%u; shorten the parameters",
			      len, p->kernel->cmdline_max);
	if (len >= p->cmdline_area.len)
		return cv_err(e, -ENOSPC,
			      "kernel command line: %zu characters are too long, %llu have room; "
			      "shorten the parameters",
			      len, (unsigned long long)p->cmdline_area.len);
	if (cv_mem_write(mem, p->cmdline_area.gpa, p->cmdline, len + 1))
		return cv_err(e, -EFAULT, "kernel command line: there is no memory at %#llx",
			      (unsigned long long)p->cmdline_area.gpa);
	return 0;
}

/* bzImage: the kernel's own header; ELF: the little that its code looks at. */
static void fill_header(struct cv_linux_zero_page *zp, const struct cv_boot_kernel *kernel)
{
	struct cv_linux_header *h = &zp->hdr;

	if (kernel->header_len > 0) {
		memcpy((uint8_t *)zp + CV_LINUX_HEADER_OFF, kernel->header, kernel->header_len);
		h->code32_start = le32((uint32_t)kernel->start);
		return;
	}
	h->boot_flag = le16(CV_LINUX_BOOT_FLAG);
	h->magic = le32(CV_LINUX_MAGIC);
	h->version = le16(ELF_VERSION);
	h->loadflags = CV_LINUX_LOADED_HIGH;
	h->kernel_alignment = le32(ELF_ALIGNMENT);
	h->cmdline_size = le32(kernel->cmdline_max);
}

static void fill_zero_page(struct cv_linux_zero_page *zp, const struct cv_boot_params *p)
{
	struct cv_linux_header *h = &zp->hdr;

	fill_header(zp, p->kernel);
	h->type_of_loader = CV_LINUX_LOADER_OTHER;
	h->setup_data = le64(0);
	h->cmd_line_ptr = le32((uint32_t)p->cmdline_area.gpa);
	zp->ext_cmd_line_ptr = le32((uint32_t)(p->cmdline_area.gpa >> 32));
	if (p->initrd.len > 0) {
		h->ramdisk_image = le32((uint32_t)p->initrd.gpa);
		h->ramdisk_size = le32((uint32_t)p->initrd.len);
		zp->ext_ramdisk_image = le32((uint32_t)(p->initrd.gpa >> 32));
		zp->ext_ramdisk_size = le32((uint32_t)(p->initrd.len >> 32));
	}
	zp->acpi_rsdp_addr = le64(p->rsdp);
	zp->e820_entries = (uint8_t)p->n_ranges;
	for (unsigned int i = 0; i < p->n_ranges; i++)
		zp->e820_table[i] = (struct cv_linux_e820){ .addr = le64(p->ranges[i].gpa),
							    .size = le64(p->ranges[i].len),
							    .type = le32(p->ranges[i].type) };
}

int cv_boot_write_linux(const struct cv_mem *mem, const struct cv_boot_params *p,
			struct vm_error *e)
{
	struct cv_linux_zero_page zp;
	int err = cv_boot_write_common(mem, p, e);

	if (err)
		return err;
	if (p->area.len < sizeof(zp))
		return cv_err(e, -ENOSPC, "zero page: %llu bytes are given, it takes 4096",
			      (unsigned long long)p->area.len);
	memset(&zp, 0, sizeof(zp));
	fill_zero_page(&zp, p);
	if (cv_mem_write(mem, p->area.gpa, &zp, sizeof(zp)))
		return cv_err(e, -EFAULT, "zero page: there is no memory at %#llx",
			      (unsigned long long)p->area.gpa);
	return 0;
}
