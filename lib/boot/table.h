/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside lib/boot: firmware tables, put together in host memory and written in one go. */
#ifndef CV_BOOT_TABLE_H
#define CV_BOOT_TABLE_H

#include "core/mem.h"

/* What changes when a table is put elsewhere. */
struct cv_table_fixup {
	uint32_t off;	     /* of a pointer into the same bytes, or of a checksum */
	uint32_t size;	     /* of the pointer; 0: a checksum */
	uint32_t start, len; /* what the checksum is over */
};

#define CV_TABLE_MAX_FIXUPS 24

/* What does not fit sets @full, after which nothing is added. */
struct cv_table {
	uint8_t *buf;
	size_t cap, len;
	uint64_t gpa; /* where it will be */
	bool full;
	struct cv_table_fixup fixups[CV_TABLE_MAX_FIXUPS];
	unsigned int n_fixups;
};

/*
 * Prepares for filling @area, which is aligned to @align, at most 1 MiB long and
 * below 4 GiB. @what names the table in messages. 0, -EINVAL or -ENOMEM.
 */
int cv_table_init(struct cv_table *t, const struct cv_mem_range *area, uint64_t align,
		  const char *what, struct vm_error *e) CV_MUST_CHECK;

/*
 * Prepares for filling @cap bytes, up to 1 MiB, whose place only firmware decides: what
 * stands @skip bytes after the start is taken as address 0. 0 or -ENOMEM.
 */
int cv_table_init_movable(struct cv_table *t, size_t cap, size_t skip, const char *what,
			  struct vm_error *e) CV_MUST_CHECK;

void cv_table_fini(struct cv_table *t);

void cv_table_put(struct cv_table *t, const void *bytes, size_t n);

/* Zeroes up to a multiple of @to, a power of two up to 64. */
void cv_table_align(struct cv_table *t, size_t to);

/* Notes that a pointer of @size bytes stands at @off. */
void cv_table_note_pointer(struct cv_table *t, size_t off, size_t size);

/* Notes that the byte at @off is the checksum of [start, start + len). */
void cv_table_note_checksum(struct cv_table *t, size_t off, size_t start, size_t len);

/* The byte that makes the sum of @n bytes zero. */
uint8_t cv_table_checksum(const void *bytes, size_t n);

/* Copies what was filled into guest memory. 0, -ENOSPC when it was too much, -EFAULT. */
int cv_table_write(const struct cv_table *t, const struct cv_mem *mem, const char *what,
		   struct vm_error *e) CV_MUST_CHECK;

#endif
