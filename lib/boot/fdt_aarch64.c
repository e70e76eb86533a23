/* SPDX-License-Identifier: BSD-3-Clause */
/* libfdt's sequential writing with an error that sticks, and lists of cells. */
#include "boot/fdt.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"

static void keep(struct cv_fdt *f, int err)
{
	if (!f->err)
		f->err = err;
}

void cv_fdt_begin(struct cv_fdt *f, void *buf, size_t size)
{
	*f = (struct cv_fdt){ .buf = buf };
	keep(f, fdt_create(buf, (int)cv_min(size, (size_t)INT32_MAX)));
	if (!f->err)
		keep(f, fdt_finish_reservemap(buf));
	cv_fdt_node(f, "");
}

int cv_fdt_finish(struct cv_fdt *f, struct vm_error *e)
{
	cv_fdt_end(f);
	if (!f->err)
		keep(f, fdt_finish(f->buf));
	if (!f->err)
		return 0;
	return cv_err(e, f->err == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL,
		      "the device tree: it cannot be written: %s; use fewer vCPUs or devices",
		      fdt_strerror(f->err));
}

void cv_fdt_node(struct cv_fdt *f, const char *name)
{
	if (!f->err)
		keep(f, fdt_begin_node(f->buf, name));
}

void cv_fdt_node_at(struct cv_fdt *f, const char *name, uint64_t addr)
{
	char text[64];

	snprintf(text, sizeof(text), "%s@%" PRIx64, name, addr);
	cv_fdt_node(f, text);
}

void cv_fdt_end(struct cv_fdt *f)
{
	if (!f->err)
		keep(f, fdt_end_node(f->buf));
}

void cv_fdt_bytes(struct cv_fdt *f, const char *name, const void *val, size_t len)
{
	if (!f->err)
		keep(f, fdt_property(f->buf, name, val, (int)len));
}

void cv_fdt_empty(struct cv_fdt *f, const char *name)
{
	cv_fdt_bytes(f, name, NULL, 0);
}

void cv_fdt_u32(struct cv_fdt *f, const char *name, uint32_t val)
{
	cv_fdt_cells(f, name, &val, 1);
}

void cv_fdt_u64(struct cv_fdt *f, const char *name, uint64_t val)
{
	const uint32_t cells[] = { (uint32_t)(val >> 32), (uint32_t)val };

	cv_fdt_cells(f, name, cells, 2);
}

void cv_fdt_string(struct cv_fdt *f, const char *name, const char *val)
{
	cv_fdt_bytes(f, name, val, strlen(val) + 1);
}

void cv_fdt_cells(struct cv_fdt *f, const char *name, const uint32_t *cells, size_t n)
{
	struct be32 raw[CV_FDT_MAX_CELLS];

	if (n > CV_LEN(raw)) {
		keep(f, -FDT_ERR_NOSPACE);
		return;
	}
	for (size_t i = 0; i < n; i++)
		raw[i] = be32(cells[i]);
	cv_fdt_bytes(f, name, raw, n * sizeof(raw[0]));
}

void cv_fdt_add(struct cv_fdt_cells *c, uint32_t cell)
{
	if (c->n < CV_LEN(c->cells))
		c->cells[c->n] = cell;
	c->n++;
}

void cv_fdt_add64(struct cv_fdt_cells *c, uint64_t val)
{
	cv_fdt_add(c, (uint32_t)(val >> 32));
	cv_fdt_add(c, (uint32_t)val);
}

void cv_fdt_list(struct cv_fdt *f, const char *name, const struct cv_fdt_cells *c)
{
	cv_fdt_cells(f, name, c->cells, c->n);
}
