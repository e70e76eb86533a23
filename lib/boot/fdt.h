/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing a flattened device tree (Devicetree Specification 0.4) from its first
 * node to its last, by libfdt. An error sticks: what follows does nothing and
 * cv_fdt_finish() returns it.
 */
#ifndef CV_BOOT_FDT_H
#define CV_BOOT_FDT_H

#include "base/base.h"
#include "base/err.h"

struct cv_fdt {
	void *buf;
	int err; /* libfdt's */
};

/* Begins a tree with its root node in @size bytes at @buf, which stays the caller's. */
void cv_fdt_begin(struct cv_fdt *f, void *buf, size_t size);

/* Ends the root node and the tree. 0, -ENOSPC if the tree does not fit, -EINVAL. */
int cv_fdt_finish(struct cv_fdt *f, struct vm_error *e) CV_MUST_CHECK;

/* A node "NAME", or "NAME@ADDR"; what follows is in it until its end. */
void cv_fdt_node(struct cv_fdt *f, const char *name);
void cv_fdt_node_at(struct cv_fdt *f, const char *name, uint64_t addr);
void cv_fdt_end(struct cv_fdt *f);

void cv_fdt_empty(struct cv_fdt *f, const char *name);
void cv_fdt_u32(struct cv_fdt *f, const char *name, uint32_t val);
void cv_fdt_u64(struct cv_fdt *f, const char *name, uint64_t val);
void cv_fdt_string(struct cv_fdt *f, const char *name, const char *val);
void cv_fdt_bytes(struct cv_fdt *f, const char *name, const void *val, size_t len);

/* Strings one after the other, each with its NUL: "a\0b". */
#define cv_fdt_strings(f, name, list) cv_fdt_bytes(f, name, list, sizeof(list))

/* 32-bit cells; at most CV_FDT_MAX_CELLS. */
#define CV_FDT_MAX_CELLS 512
void cv_fdt_cells(struct cv_fdt *f, const char *name, const uint32_t *cells, size_t n);

/* A list of cells that is written at once. */
struct cv_fdt_cells {
	uint32_t cells[CV_FDT_MAX_CELLS];
	size_t n; /* above the limit: what did not fit is missing */
};

void cv_fdt_add(struct cv_fdt_cells *c, uint32_t cell);
void cv_fdt_add64(struct cv_fdt_cells *c, uint64_t val);
void cv_fdt_list(struct cv_fdt *f, const char *name, const struct cv_fdt_cells *c);

#endif
