/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * State tables: which members of a device's struct are its saved state. One
 * table serves saving, loading and dumping. The kind of a row comes from the
 * member's C type; a pointer, an enum or a plain int does not compile.
 *
 * Wire form, little-endian: a section is { u32 magic "CVST", u16 version, u16
 * n_records, u32 n_bytes of records }, a record { u8 name_len, u8 kind, u16 count,
 * name without terminator, count values of the kind's width }.
 */
#ifndef CV_BASE_STATE_H
#define CV_BASE_STATE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

enum cv_field_kind {
	CV_FIELD_END = 0,
	CV_FIELD_U8,
	CV_FIELD_U16,
	CV_FIELD_U32,
	CV_FIELD_U64,
	CV_FIELD_BOOL, /* one byte, 0 or 1 */
};

struct cv_field {
	const char *name;
	uint32_t off;
	uint16_t kind;	/* enum cv_field_kind */
	uint16_t count; /* array elements, 1 for a scalar */
	uint16_t since; /* the state version that introduced it; older sections lack it */
};

#define CV_FIELD_KIND(m)                  \
	_Generic(m, uint8_t               \
		 : CV_FIELD_U8, uint16_t  \
		 : CV_FIELD_U16, uint32_t \
		 : CV_FIELD_U32, uint64_t \
		 : CV_FIELD_U64, bool     \
		 : CV_FIELD_BOOL)
#define CV_MEMBER(type, member) (((type *)0)->member)

/* A row for a scalar member; since version 1. */
#define CV_FIELD(type, member)                                    \
	.name = #member, .off = (uint32_t)offsetof(type, member), \
	.kind = CV_FIELD_KIND(CV_MEMBER(type, member)), .count = 1, .since = 1

/* A row for an array member; since version 1. */
#define CV_FIELD_ARRAY(type, member)                              \
	.name = #member, .off = (uint32_t)offsetof(type, member), \
	.kind = CV_FIELD_KIND(CV_MEMBER(type, member)[0]),        \
	.count = (uint16_t)CV_LEN(CV_MEMBER(type, member)), .since = 1

#define CV_FIELD_LAST                \
	{                            \
		.kind = CV_FIELD_END \
	}

/* Appends one section to @out. Failure is noted in the buffer. @fields NULL: an empty section. */
void cv_state_save(const struct cv_field *fields, uint16_t version, const void *self,
		   struct cv_buf *out);

/*
 * Reads one section at the front of [data, data + len) into @self; *used is its
 * length, *version what it was saved as. Trusts nothing: -EINVAL with a sentence
 * for a wrong magic, an unknown, repeated, missing or mis-sized record, a bool
 * that is neither 0 nor 1, a truncation, or a version newer than @version.
 * @self may then be partly overwritten: reset it.
 */
int cv_state_load(const struct cv_field *fields, uint16_t version, void *self, const uint8_t *data,
		  size_t len, size_t *used, uint16_t *saved_version,
		  struct vm_error *e) CV_MUST_CHECK;

#endif
