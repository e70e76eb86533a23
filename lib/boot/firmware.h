/* SPDX-License-Identifier: BSD-3-Clause */
/* Firmware: the image, and the memory map that it asks for. */
#ifndef CV_BOOT_FIRMWARE_H
#define CV_BOOT_FIRMWARE_H

#include "boot/boot.h"
#include "core/fw_files.h"

/*
 * Reads a raw image of up to @max bytes into read-only memory, which the caller
 * places by setting its gpa. 0; -EINVAL for a wrong size, -ENODATA for a file that
 * shrinks, -EISDIR, -ENOMEM or what reading gave.
 */
int cv_boot_load_firmware(const struct cv_boot_file *file, uint64_t max, struct cv_rom *rom,
			  struct vm_error *e) CV_MUST_CHECK;

/* Adds "etc/e820": ascending ranges of memory, of which firmware only believes RAM and RESERVED. */
int cv_boot_pack_e820(const struct cv_boot_range *ranges, unsigned int n, struct cv_fw_files *files,
		      struct vm_error *e) CV_MUST_CHECK;

#endif
