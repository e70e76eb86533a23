/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing and copying of text with every fault noticed. */
#ifndef CV_BASE_STR_H
#define CV_BASE_STR_H

#include "base/base.h"

/* Copies with termination; -ENAMETOOLONG (and an empty @dst) when @src does not fit. */
int cv_str_copy(char *dst, size_t size, const char *src) CV_MUST_CHECK;

/* A whole decimal or 0x-prefixed number. 0, -EINVAL for junk, -ERANGE for overflow. */
int cv_str_u64(const char *s, uint64_t *val) CV_MUST_CHECK;

/* A number of bytes with an optional suffix K, M, G or T (powers of 1024, either case; an
 * "iB" or "B" may follow); without a suffix it counts @unit bytes. Errors as above. */
int cv_str_size(const char *s, uint64_t unit, uint64_t *val) CV_MUST_CHECK;

/* true/false, on/off, yes/no, 1/0. 0 or -EINVAL. */
int cv_str_bool(const char *s, bool *val) CV_MUST_CHECK;

/* printf into a new string; NULL when out of memory. */
char *cv_str_printf(const char *fmt, ...) CV_PRINTF(1, 2);

#endif
