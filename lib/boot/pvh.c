/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PVH: struct hvm_start_info version 1 with the memory map, and the initrd as
 * its only module (Xen's public/arch-x86/hvm/start_info.h).
 */
#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "boot/image.h"

#define PVH_MAGIC 0x336ec578

struct start_info {
	struct le32 magic, version, flags, n_modules;
	struct le64 modules, cmdline, rsdp;
	struct le64 memmap; /* from here on version 1 */
	struct le32 n_memmap, reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info");

struct module {
	struct le64 gpa, len, cmdline, reserved;
};
_Static_assert(sizeof(struct module) == 32, "hvm_modlist_entry");

struct memmap {
	struct le64 gpa, len;
	struct le32 type, reserved;
};
_Static_assert(sizeof(struct memmap) == 24, "hvm_memmap_table_entry");

/* All of it, one after the other, at the start of the area. */
struct info_page {
	struct start_info start;
	struct module module;
	struct memmap memmap[CV_BOOT_RANGES_MAX];
};

static void fill(struct info_page *page, const struct cv_boot_params *p)
{
	uint64_t gpa = p->area.gpa;

	page->start = (struct start_info){
		.magic = le32(PVH_MAGIC),
		.version = le32(1),
		.n_modules = le32(p->initrd.len > 0),
		.modules = le64(p->initrd.len ? gpa + offsetof(struct info_page, module) : 0),
		.cmdline = le64(p->cmdline_area.gpa),
		.rsdp = le64(p->rsdp),
		.memmap = le64(gpa + offsetof(struct info_page, memmap)),
		.n_memmap = le32(p->n_ranges),
	};
	page->module = (struct module){ .gpa = le64(p->initrd.gpa), .len = le64(p->initrd.len) };
	for (unsigned int i = 0; i < p->n_ranges; i++)
		page->memmap[i] = (struct memmap){ .gpa = le64(p->ranges[i].gpa),
						   .len = le64(p->ranges[i].len),
						   .type = le32(p->ranges[i].type) };
}

int cv_boot_write_pvh(const struct cv_mem *mem, const struct cv_boot_params *p, struct vm_error *e)
{
	struct info_page page;
	size_t len = offsetof(struct info_page, memmap);
	int err = cv_boot_write_common(mem, p, e);

	if (err)
		return err;
	len += p->n_ranges * sizeof(page.memmap[0]);
	if (p->area.len < len)
		return cv_err(e, -ENOSPC, "PVH start info: %llu bytes are given, it takes %zu",
			      (unsigned long long)p->area.len, len);
	memset(&page, 0, sizeof(page));
	fill(&page, p);
	if (cv_mem_write(mem, p->area.gpa, &page, len))
		return cv_err(e, -EFAULT, "PVH start info: there is no memory at %#llx",
			      (unsigned long long)p->area.gpa);
	return 0;
}
