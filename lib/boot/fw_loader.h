/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The script by which firmware puts tables into memory (QEMU's "etc/table-loader",
 * which SeaBIOS and EDK2 follow): it allocates room for files, adds the addresses
 * that they got to the pointers between them, and makes the checksums right.
 */
#ifndef CV_BOOT_FW_LOADER_H
#define CV_BOOT_FW_LOADER_H

#include "base/buf.h"
#include "boot/table.h"
#include "core/fw_files.h"

enum cv_fw_zone {
	CV_FW_ZONE_HIGH = 1, /* anywhere below 4 GiB */
	CV_FW_ZONE_FSEG,     /* where old-style searches look: 0xf0000 to 0xfffff */
};

/* A zeroed struct is an empty script. */
struct cv_fw_loader {
	struct cv_buf script;
};

/* Room for a file, before anything else about it. @align is a power of two. */
void cv_fw_loader_allocate(struct cv_fw_loader *l, const char *file, uint32_t align,
			   enum cv_fw_zone zone);

/* Adds the address of @target to the @size bytes at @off of @file. */
void cv_fw_loader_pointer(struct cv_fw_loader *l, const char *file, uint32_t off, uint8_t size,
			  const char *target);

/* Makes the byte at @off of @file, so far zero, the checksum of [start, start + len). */
void cv_fw_loader_checksum(struct cv_fw_loader *l, const char *file, uint32_t off, uint32_t start,
			   uint32_t len);

/* Adds the script to the files as "etc/table-loader" and empties it. 0 or as cv_fw_add_file(). */
int cv_fw_loader_finish(struct cv_fw_loader *l, struct cv_fw_files *files,
			struct vm_error *e) CV_MUST_CHECK;

#endif
