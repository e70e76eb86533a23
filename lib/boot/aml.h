/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A writer of AML (ACPI 6.3, chapters 20 and 6.4) into a bounded buffer. What
 * does not fit sets @full, after which nothing is written: look at it once, at
 * the end. Names have exactly four characters ("_SB_"); a path may begin
 * with a backslash.
 */
#ifndef CV_BOOT_AML_H
#define CV_BOOT_AML_H

#include "base/base.h"

struct cv_aml {
	uint8_t *buf;
	size_t cap, len;
	bool full;
};

/* An open package, scope, ...: to be closed in reverse order. */
struct cv_aml_block {
	size_t start;
	bool sized; /* a buffer, whose size stands in front of its bytes */
};

/* Operators, locals and arguments, written as they are. */
enum cv_aml_op {
	CV_AML_ZERO = 0x00, /* also: no target */
	CV_AML_LOCAL0 = 0x60,
	CV_AML_ARG0 = 0x68,
	CV_AML_ARG1 = 0x69,
	CV_AML_ARG3 = 0x6b,
	CV_AML_STORE = 0x70,
	CV_AML_AND = 0x7b,
	CV_AML_OR = 0x7d,
	CV_AML_CREATE_DWORD_FIELD = 0x8a,
	CV_AML_NOT = 0x92,
	CV_AML_EQUAL = 0x93,
	CV_AML_RETURN = 0xa4,
};

void cv_aml_init(struct cv_aml *a, uint8_t *buf, size_t cap);

void cv_aml_op(struct cv_aml *a, enum cv_aml_op op);
void cv_aml_integer(struct cv_aml *a, uint64_t val);
void cv_aml_string(struct cv_aml *a, const char *s);
void cv_aml_path(struct cv_aml *a, const char *path);
/* "PNP0A08" as an integer. */
void cv_aml_eisa_id(struct cv_aml *a, const char *id);
/* @uuid is in the order of ToUUID(). */
void cv_aml_uuid(struct cv_aml *a, const uint8_t uuid[16]);

/* Name (path, ...): an object follows, or comes with it. */
void cv_aml_name(struct cv_aml *a, const char *path);
void cv_aml_name_integer(struct cv_aml *a, const char *path, uint64_t val);
void cv_aml_name_string(struct cv_aml *a, const char *path, const char *s);
void cv_aml_name_eisa_id(struct cv_aml *a, const char *path, const char *id);

struct cv_aml_block cv_aml_scope(struct cv_aml *a, const char *path);
struct cv_aml_block cv_aml_device(struct cv_aml *a, const char *path);
struct cv_aml_block cv_aml_method(struct cv_aml *a, const char *path, unsigned int n_args);
struct cv_aml_block cv_aml_package(struct cv_aml *a, unsigned int n_elements); /* up to 255 */
struct cv_aml_block cv_aml_if(struct cv_aml *a); /* a predicate follows */
struct cv_aml_block cv_aml_else(struct cv_aml *a);
void cv_aml_close(struct cv_aml *a, struct cv_aml_block block);

/* Name (path, ResourceTemplate () { ... }): the calls below, then close_resources. */
struct cv_aml_block cv_aml_resources(struct cv_aml *a, const char *path);
void cv_aml_close_resources(struct cv_aml *a, struct cv_aml_block block);

void cv_aml_io(struct cv_aml *a, uint16_t port, uint8_t len);
void cv_aml_irq(struct cv_aml *a, unsigned int irq); /* 0 to 15: edge, active high */
void cv_aml_interrupt(struct cv_aml *a, uint32_t gsi, bool level, bool active_low);
void cv_aml_memory32(struct cv_aml *a, uint32_t gpa, uint32_t len);
/* What a bridge hands down; @len is at least 1 and nothing wraps. */
void cv_aml_bus_window(struct cv_aml *a, uint8_t first, uint8_t last);
void cv_aml_io_window(struct cv_aml *a, uint16_t port, uint16_t len);
void cv_aml_memory_window(struct cv_aml *a, uint64_t gpa, uint64_t len);

#endif
