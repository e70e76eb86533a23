/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading an x86-64 kernel into guest memory and writing what it is told at its
 * entry: Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst) for
 * ELF and bzImage, and PVH (xen/arch-x86/hvm/start_info.h) for ELF; boot/arm64.h
 * loads kernels for arm64, with the same types. Where things go is the machine's
 * decision; vCPU registers and page tables are its business too. Files are opened
 * by others; a name comes along for the messages.
 *
 *	space = (struct cv_boot_space){ .mem = mem, .gpa = 1 MiB, .len = end of low RAM - 1 MiB };
 *	err = cv_boot_load_kernel(&space, &kernel_file, CV_BOOT_AUTO, &kernel, e);
 *	err = err ?: cv_boot_load_initrd(&space, &initrd_file, &kernel, &initrd, e);
 *	err = err ?: cv_acpi_write(mem, &acpi_config, &acpi_area, &params.rsdp, e);
 *	params.kernel = &kernel, params.initrd = initrd, params.cmdline = cmdline.buf, ...
 *	if (kernel.protocol == CV_BOOT_PVH)
 *		err = err ?: cv_boot_write_pvh(mem, &params, e);
 *	else
 *		err = err ?: cv_boot_write_linux(mem, &params, e);
 *
 * and the boot vCPU starts at kernel.entry: for CV_BOOT_LINUX in long mode with
 * the low 4 GiB identity mapped, flat 64-bit code and data segments, interrupts
 * off and RSI = params.area.gpa; for CV_BOOT_PVH in 32-bit protected mode without
 * paging, flat segments and EBX = params.area.gpa. On a reset of the guest
 * do all of it again: everything that the kernel relies on is rewritten.
 */
#ifndef CV_BOOT_BOOT_H
#define CV_BOOT_BOOT_H

#include "core/mem.h"

enum cv_boot_protocol {
	CV_BOOT_AUTO, /* Linux for bzImage and 64-bit ELF, PVH for 32-bit ELF */
	CV_BOOT_LINUX,
	CV_BOOT_PVH,
};

/* The fd is borrowed and read with pread() only. */
struct cv_boot_file {
	int fd;
	const char *name; /* for messages */
};

/* Where kernel and initrd may be put; all of it is guest memory, for x86-64 below 4 GiB. */
struct cv_boot_space {
	const struct cv_mem *mem;
	uint64_t gpa, len;
};

#define CV_BOOT_SETUP_HEADER_MAX 159 /* from 0x1f1 to 0x290 of the zero page */

struct cv_boot_kernel {
	enum cv_boot_protocol protocol; /* the one to use: never AUTO */
	bool entry_64;			/* long mode at the entry, else 32-bit protected mode */
	uint64_t entry;			/* gpa of the first instruction */
	uint64_t start, end;		/* what the kernel occupies, working space included */
	uint64_t initrd_addr_min;	/* the lowest address of the initrd's first byte */
	uint64_t initrd_addr_max;	/* the highest address of the initrd's last byte */
	uint32_t cmdline_max;		/* the longest command line, without its NUL */
	uint16_t header_len;		/* of bzImage's setup header; 0 for others */
	uint8_t header[CV_BOOT_SETUP_HEADER_MAX];
};

/*
 * Loads an ELF or bzImage kernel. Everything is checked before guest memory is
 * touched; only a file that fails to be read leaves a part of it there.
 * Returns 0; -EINVAL for a format, protocol or machine that does not fit,
 * -ENODATA for a truncated file, -ENOSPC when @space is too small, -EISDIR,
 * or what reading gave.
 */
int cv_boot_load_kernel(const struct cv_boot_space *space, const struct cv_boot_file *file,
			enum cv_boot_protocol want, struct cv_boot_kernel *kernel,
			struct vm_error *e) CV_MUST_CHECK;

/*
 * Loads an initrd as high as possible in @space and where @kernel wants it, page
 * aligned, clear of the kernel. Results as above.
 */
int cv_boot_load_initrd(const struct cv_boot_space *space, const struct cv_boot_file *file,
			const struct cv_boot_kernel *kernel, struct cv_mem_range *initrd,
			struct vm_error *e) CV_MUST_CHECK;

/* E820 numbers; PVH uses the same. */
enum cv_boot_range_type {
	CV_BOOT_RAM = 1,
	CV_BOOT_RESERVED = 2,
	CV_BOOT_ACPI = 3,
	CV_BOOT_NVS = 4,
};

struct cv_boot_range {
	uint64_t gpa, len;
	enum cv_boot_range_type type;
};

#define CV_BOOT_RANGES_MAX 128

/* What the kernel is told. */
struct cv_boot_params {
	const struct cv_boot_kernel *kernel;
	struct cv_mem_range area;	  /* for the zero page or the PVH start info: 4 KiB */
	struct cv_mem_range cmdline_area; /* for the command line with its NUL */
	const char *cmdline;
	struct cv_mem_range initrd;	    /* len 0: none */
	const struct cv_boot_range *ranges; /* the memory map: ascending, disjoint */
	unsigned int n_ranges;		    /* 1 to CV_BOOT_RANGES_MAX */
	uint64_t rsdp;			    /* 0: no ACPI */
};

/* Writes the zero page and the command line. 0, -EINVAL, -ENOSPC or -EFAULT. */
int cv_boot_write_linux(const struct cv_mem *mem, const struct cv_boot_params *params,
			struct vm_error *e) CV_MUST_CHECK;

/* Writes hvm_start_info version 1, its lists and the command line. Results as above. */
int cv_boot_write_pvh(const struct cv_mem *mem, const struct cv_boot_params *params,
		      struct vm_error *e) CV_MUST_CHECK;

#endif
