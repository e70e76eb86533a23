/* SPDX-License-Identifier: BSD-3-Clause */
/* SMBIOS 3.2: what dmidecode shows in the guest. */
#ifndef CV_BOOT_SMBIOS_H
#define CV_BOOT_SMBIOS_H

#include "core/fw_files.h"
#include "core/mem.h"

/* Strings: up to 64 characters of printable ASCII; NULL or empty: not told. */
struct cv_smbios_config {
	const char *manufacturer, *product, *version, *serial;
	const uint8_t *uuid; /* 16 bytes in the order they are written; NULL: not told */
	unsigned int n_cpus;
	const struct cv_mem_range *ram; /* ascending */
	unsigned int n_ram;		/* 1 to CV_MEM_MAX_REGIONS */
};

/*
 * Writes the 64-bit entry point and the structures behind it into @area. A guest
 * finds it between 0xf0000 and 0xfffff at a multiple of 16; 2 KiB suffice. 0,
 * -EINVAL, -ENOSPC when @area is too small, -EFAULT or -ENOMEM.
 */
int cv_smbios_write(const struct cv_mem *mem, const struct cv_smbios_config *config,
		    const struct cv_mem_range *area, struct vm_error *e) CV_MUST_CHECK;

/*
 * The same as files that firmware reads: "etc/smbios/smbios-anchor", the entry point,
 * and "etc/smbios/smbios-tables". 0, -EINVAL, -ENOMEM.
 */
int cv_smbios_pack(const struct cv_smbios_config *config, struct cv_fw_files *files,
		   struct vm_error *e) CV_MUST_CHECK;

#endif
