/* SPDX-License-Identifier: BSD-3-Clause */
/* Checked arithmetic on numbers that come from outside. Ranges are (offset, length). */
#ifndef CV_BASE_MATH_H
#define CV_BASE_MATH_H

#include <stdbool.h>
#include <stdint.h>

#define CV_KIB (1ull << 10)
#define CV_MIB (1ull << 20)
#define CV_GIB (1ull << 30)

/* Whether [off, off + len) lies within [0, size); no overflow for any values. */
static inline bool cv_in_range(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/* Whether [a, a + a_len) and [b, b + b_len) share a byte; neither may wrap. */
static inline bool cv_ranges_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a_len > 0 && b_len > 0 && (a < b ? b - a < a_len : a - b < b_len);
}

static inline bool cv_is_pow2(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* @align is a power of two; the caller knows that @v + @align does not wrap. */
static inline uint64_t cv_align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline uint64_t cv_align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline bool cv_is_aligned(uint64_t v, uint64_t align)
{
	return (v & (align - 1)) == 0;
}

/* The smallest power of two that is at least @v; @v is at most 2^63. */
static inline uint64_t cv_pow2_ceil(uint64_t v)
{
	return v <= 1 ? 1 : 1ull << (64 - __builtin_clzll(v - 1));
}

/* All ones in the low @len bytes (1 to 8): what a read that nobody answers gives. */
static inline uint64_t cv_ones(unsigned int len)
{
	return len >= 8 ? UINT64_MAX : (1ull << (8 * len)) - 1;
}

#endif
