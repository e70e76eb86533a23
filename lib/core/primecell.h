/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What Arm's PrimeCells have in common: a page of 32-bit registers that ends
 * with their identification (for one: DDI 0224, sections 3.3.9 to 3.3.16). Drivers
 * read and write narrow registers by bytes or halfwords too.
 */
#ifndef CV_CORE_PRIMECELL_H
#define CV_CORE_PRIMECELL_H

#include <stdbool.h>
#include <stdint.h>

#define CV_PRIMECELL_SPAN 0x1000u
#define CV_PRIMECELL_IDS  0xfe0u

/* Where the register starts that an access at @off belongs to. */
static inline uint64_t cv_primecell_reg(uint64_t off)
{
	return off & ~3ull;
}

/* What an access at @off sees of its register's value. */
static inline uint64_t cv_primecell_lanes(uint32_t val, uint64_t off)
{
	return val >> (8 * (off & 3));
}

/* Whether a write reaches a register: at its beginning. The bits it lacks are zero. */
static inline bool cv_primecell_writes(uint64_t off)
{
	return (off & 3) == 0;
}

/* The register @reg from CV_PRIMECELL_IDS on: PeriphID0 to 3, then PCellID0 to 3, a byte each; @id
 * is the former as one number. 0 below. */
static inline uint32_t cv_primecell_id(uint32_t id, uint64_t reg)
{
	static const uint32_t cell = 0xb105f00d;
	unsigned int i;

	if (reg < CV_PRIMECELL_IDS)
		return 0;
	i = (unsigned int)(reg - CV_PRIMECELL_IDS) / 4;
	return (i < 4 ? id >> (8 * i) : cell >> (8 * (i & 3))) & 0xff;
}

#endif
