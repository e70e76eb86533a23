/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside lib/boot: a file that is being loaded, and the loaders of the formats. */
#ifndef CV_BOOT_IMAGE_H
#define CV_BOOT_IMAGE_H

#include "boot/boot.h"

struct cv_boot_image {
	int fd;
	const char *name;
	uint64_t len;
};

/*
 * Looks at the file behind @file: 0 for a regular file with at least one byte,
 * else an error that calls it a @what ("kernel", "initrd").
 */
int cv_boot_image_init(struct cv_boot_image *img, const struct cv_boot_file *file, const char *what,
		       struct vm_error *e) CV_MUST_CHECK;

/* Reads exactly @len bytes of @part, whose name goes into the message. */
int cv_boot_image_read(const struct cv_boot_image *img, uint64_t off, void *buf, size_t len,
		       const char *part, struct vm_error *e) CV_MUST_CHECK;

/* The sentence for reading @part having failed with @err; returns @err. */
int cv_boot_image_error(const struct cv_boot_image *img, int err, const char *part,
			struct vm_error *e);

/* The sentence "NAME: FMT"; returns @code. */
int cv_boot_image_bad(const struct cv_boot_image *img, int code, struct vm_error *e,
		      const char *fmt, ...) CV_PRINTF(4, 5);

/* Whether all of @space is guest memory: 0 or -EINVAL. */
int cv_boot_space_check(const struct cv_boot_space *space, struct vm_error *e) CV_MUST_CHECK;

/* Whether [gpa, gpa + len) lies in @space. */
bool cv_boot_space_has(const struct cv_boot_space *space, uint64_t gpa, uint64_t len);

#define CV_BOOT_HEAD 0x240 /* the first bytes, which tell every format */

/* Whether a file that starts with @head has the @len bytes of @magic at @off. */
bool cv_boot_magic(const uint8_t *head, size_t head_len, size_t off, const char *magic, size_t len);

enum cv_boot_machine { CV_BOOT_X86, CV_BOOT_ARM64 };

/*
 * The sentence for a file that starts with @head and is no kernel for @machine: what
 * it is and what to do about it; returns -EINVAL. The second is for what a loader
 * has found out by itself: "NAME: @is; use a kernel for @machine".
 */
int cv_boot_refuse(const struct cv_boot_image *img, enum cv_boot_machine machine,
		   const uint8_t *head, size_t len, struct vm_error *e);
int cv_boot_refuse_as(const struct cv_boot_image *img, enum cv_boot_machine machine, const char *is,
		      struct vm_error *e);

/* The loaders for x86-64: the file starts with "\177ELF", or has "HdrS" at 0x202. */
int cv_boot_load_elf(const struct cv_boot_space *space, const struct cv_boot_image *img,
		     enum cv_boot_protocol want, struct cv_boot_kernel *kernel,
		     struct vm_error *e) CV_MUST_CHECK;
int cv_boot_load_bzimage(const struct cv_boot_space *space, const struct cv_boot_image *img,
			 enum cv_boot_protocol want, struct cv_boot_kernel *kernel,
			 struct vm_error *e) CV_MUST_CHECK;

/* Checks what both protocols have in common and writes the command line. */
int cv_boot_write_common(const struct cv_mem *mem, const struct cv_boot_params *params,
			 struct vm_error *e) CV_MUST_CHECK;

#endif
