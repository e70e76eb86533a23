/* SPDX-License-Identifier: BSD-3-Clause */
/* What Arm's PrimeCells have in common: a page of 32-bit registers that ends with their names. */
#ifndef CV_CORE_PRIMECELL_H
#define CV_CORE_PRIMECELL_H

#include <stdint.h>

#define CV_PRIMECELL_SPAN 0x1000u
#define CV_PRIMECELL_IDS  0xfe0u

/* PeriphID0 to 3, then PCellID0 to 3, a byte each; @id is the former as one number. */
static inline uint32_t cv_primecell_id(uint32_t id, uint64_t off)
{
	static const uint32_t cell = 0xb105f00d;
	unsigned int i = (unsigned int)(off - CV_PRIMECELL_IDS) / 4;

	return (i < 4 ? id >> (8 * i) : cell >> (8 * (i - 4))) & 0xff;
}

#endif
