/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside lib/boot: firmware tables, put together in host memory and written in one go. */
#ifndef CV_BOOT_TABLE_H
#define CV_BOOT_TABLE_H

#include "core/mem.h"

/* What does not fit sets @full, after which nothing is added. */
struct cv_table {
	uint8_t *buf;
	size_t cap, len;
	uint64_t gpa; /* where it will be */
	bool full;
};

/*
 * Prepares for filling @area, which is aligned to @align, at most 1 MiB long and
 * below 4 GiB. @what names the table in messages. 0, -EINVAL or -ENOMEM.
 */
int cv_table_init(struct cv_table *t, const struct cv_mem_range *area, uint64_t align,
		  const char *what, struct vm_error *e) CV_MUST_CHECK;

void cv_table_fini(struct cv_table *t);

void cv_table_put(struct cv_table *t, const void *bytes, size_t n);

/* Zeroes up to a multiple of @to, a power of two up to 64. */
void cv_table_align(struct cv_table *t, size_t to);

/* The byte that makes the sum of @n bytes zero. */
uint8_t cv_table_checksum(const void *bytes, size_t n);

/* Copies what was filled into guest memory. 0, -ENOSPC when it was too much, -EFAULT. */
int cv_table_write(const struct cv_table *t, const struct cv_mem *mem, const char *what,
		   struct vm_error *e) CV_MUST_CHECK;

#endif
