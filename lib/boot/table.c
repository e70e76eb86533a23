/* SPDX-License-Identifier: BSD-3-Clause */
/* Firmware tables, put together in host memory and written in one go. */
#include "boot/table.h"

#include <errno.h>
#include <string.h>

#include "base/math.h"

int cv_table_init(struct cv_table *t, const struct cv_mem_range *area, uint64_t align,
		  const char *what, struct vm_error *e)
{
	*t = (struct cv_table){ .cap = area->len, .gpa = area->gpa };
	if (!cv_is_aligned(area->gpa, align) || area->len == 0 || area->len > CV_MIB ||
	    !cv_in_range(area->gpa, area->len, 4 * CV_GIB))
		return cv_err(e, -EINVAL,
			      "%s: the area of %#llx bytes at %#llx is unusable; give up to 1 MiB "
			      "at a multiple of %u below 4 GiB",
			      what, (unsigned long long)area->len, (unsigned long long)area->gpa,
			      (unsigned int)align);
	t->buf = calloc(1, area->len);
	if (!t->buf)
		return cv_err(e, -ENOMEM, "%s: no memory to put it together; free some", what);
	return 0;
}

int cv_table_init_movable(struct cv_table *t, size_t cap, size_t skip, const char *what,
			  struct vm_error *e)
{
	*t = (struct cv_table){ .cap = cap, .gpa = 0 - (uint64_t)skip };
	t->buf = calloc(1, cap);
	if (!t->buf)
		return cv_err(e, -ENOMEM, "%s: no memory to put it together; free some", what);
	return 0;
}

void cv_table_fini(struct cv_table *t)
{
	free(t->buf);
	*t = (struct cv_table){ 0 };
}

void cv_table_put(struct cv_table *t, const void *bytes, size_t n)
{
	if (t->full || n > t->cap - t->len) {
		t->full = true;
		return;
	}
	memcpy(t->buf + t->len, bytes, n);
	t->len += n;
}

void cv_table_align(struct cv_table *t, size_t to)
{
	static const uint8_t zeroes[64];

	cv_table_put(t, zeroes, cv_align_up(t->len, to) - t->len);
}

static void note(struct cv_table *t, struct cv_table_fixup fixup)
{
	if (t->n_fixups < CV_TABLE_MAX_FIXUPS)
		t->fixups[t->n_fixups++] = fixup;
	else
		t->full = true;
}

void cv_table_note_pointer(struct cv_table *t, size_t off, size_t size)
{
	note(t, (struct cv_table_fixup){ .off = (uint32_t)off, .size = (uint32_t)size });
}

void cv_table_note_checksum(struct cv_table *t, size_t off, size_t start, size_t len)
{
	note(t, (struct cv_table_fixup){
			.off = (uint32_t)off, .start = (uint32_t)start, .len = (uint32_t)len });
}

uint8_t cv_table_checksum(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
	return (uint8_t)-sum;
}

int cv_table_write(const struct cv_table *t, const struct cv_mem *mem, const char *what,
		   struct vm_error *e)
{
	if (t->full)
		return cv_err(e, -ENOSPC, "%s: %zu bytes are too few for it; give it more", what,
			      t->cap);
	if (cv_mem_write(mem, t->gpa, t->buf, t->len))
		return cv_err(e, -EFAULT, "%s: there is no memory at %#llx", what,
			      (unsigned long long)t->gpa);
	return 0;
}
