/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linux's x86 boot protocol: the setup header of a bzImage and the zero page
 * (Documentation/arch/x86/boot.rst and zero-page.rst). Packed, because the
 * header begins at an odd address and the specification aligns nothing in it.
 */
#ifndef CV_BOOT_LINUX_PARAMS_H
#define CV_BOOT_LINUX_PARAMS_H

#include "base/base.h"
#include "base/endian.h"

#define CV_LINUX_HEADER_OFF    0x1f1
#define CV_LINUX_HEADER_LIMIT  0x290	  /* the zero page goes on with other things */
#define CV_LINUX_MAGIC	       0x53726448 /* "HdrS" */
#define CV_LINUX_BOOT_FLAG     0xaa55
#define CV_LINUX_E820_MAX      128
#define CV_LINUX_LOADER_OTHER  0xff /* type_of_loader without a number of its own */
#define CV_LINUX_LOADED_HIGH   0x01 /* loadflags */
#define CV_LINUX_XLF_KERNEL_64 0x01 /* xloadflags */

struct cv_linux_header {
	uint8_t setup_sects; /* 0x1f1 */
	struct le16 root_flags;
	struct le32 syssize; /* in 16 bytes */
	struct le16 ram_size;
	struct le16 vid_mode;
	struct le16 root_dev;
	struct le16 boot_flag;
	uint8_t jump;
	uint8_t jump_len; /* 0x201: the header ends this far behind 0x202 */
	struct le32 magic;
	struct le16 version;
	struct le32 realmode_swtch;
	struct le16 start_sys_seg;
	struct le16 kernel_version;
	uint8_t type_of_loader; /* 0x210 */
	uint8_t loadflags;
	struct le16 setup_move_size;
	struct le32 code32_start;
	struct le32 ramdisk_image;
	struct le32 ramdisk_size;
	struct le32 bootsect_kludge;
	struct le16 heap_end_ptr;
	uint8_t ext_loader_ver;
	uint8_t ext_loader_type;
	struct le32 cmd_line_ptr;
	struct le32 initrd_addr_max;  /* 2.03 */
	struct le32 kernel_alignment; /* 0x230, 2.05 */
	uint8_t relocatable_kernel;
	uint8_t min_alignment;	  /* 2.10, as a power of two */
	struct le16 xloadflags;	  /* 2.12 */
	struct le32 cmdline_size; /* 2.06, without the NUL */
	struct le32 hardware_subarch;
	struct le64 hardware_subarch_data; /* 0x240 */
	struct le32 payload_offset;	   /* 2.08 */
	struct le32 payload_length;
	struct le64 setup_data;
	struct le64 pref_address; /* 2.10 */
	struct le32 init_size;	  /* 0x260 */
	struct le32 handover_offset;
	struct le32 kernel_info_offset;
} __attribute__((packed));
_Static_assert(offsetof(struct cv_linux_header, magic) == 0x202 - CV_LINUX_HEADER_OFF, "magic");
_Static_assert(offsetof(struct cv_linux_header, cmd_line_ptr) == 0x228 - CV_LINUX_HEADER_OFF,
	       "cmd_line_ptr");
_Static_assert(offsetof(struct cv_linux_header, init_size) == 0x260 - CV_LINUX_HEADER_OFF,
	       "init_size");
_Static_assert(sizeof(struct cv_linux_header) == 0x26c - CV_LINUX_HEADER_OFF, "setup_header");

struct cv_linux_e820 {
	struct le64 addr, size;
	struct le32 type;
} __attribute__((packed));
_Static_assert(sizeof(struct cv_linux_e820) == 20, "boot_e820_entry");

struct cv_linux_zero_page {
	uint8_t screen_info[0x70]; /* with APM and IST: all zero, there is no such firmware */
	struct le64 acpi_rsdp_addr;
	uint8_t disks_to_olpc[0x0c0 - 0x078];
	struct le32 ext_ramdisk_image; /* high halves of the header's fields */
	struct le32 ext_ramdisk_size;
	struct le32 ext_cmd_line_ptr;
	uint8_t edid_to_alt_mem[0x1e8 - 0x0cc];
	uint8_t e820_entries;
	uint8_t eddbuf_to_sentinel[0x1f1 - 0x1e9];
	struct cv_linux_header hdr;
	uint8_t pad[0x2d0 - 0x26c];
	struct cv_linux_e820 e820_table[CV_LINUX_E820_MAX];
	uint8_t tail[0x1000 - 0xcd0];
} __attribute__((packed));
_Static_assert(offsetof(struct cv_linux_zero_page, acpi_rsdp_addr) == 0x070, "acpi_rsdp_addr");
_Static_assert(offsetof(struct cv_linux_zero_page, ext_cmd_line_ptr) == 0x0c8, "ext_cmd_line_ptr");
_Static_assert(offsetof(struct cv_linux_zero_page, e820_entries) == 0x1e8, "e820_entries");
_Static_assert(offsetof(struct cv_linux_zero_page, hdr) == CV_LINUX_HEADER_OFF, "hdr");
_Static_assert(offsetof(struct cv_linux_zero_page, e820_table) == 0x2d0, "e820_table");
_Static_assert(sizeof(struct cv_linux_zero_page) == 0x1000, "boot_params");

#endif
