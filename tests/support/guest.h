/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small guest memory for tests:
 *
 *   GUEST_LOW            GUEST_LOW + len           + GUEST_ABOVE
 *      | guest_alloc() ...    |    adjacent region     |   hole ...   GUEST_HIGH | one page |
 *
 * Nothing is at address 0, so that a forgotten address is a bad one. The border
 * between the first two regions is one that a buffer may straddle.
 */
#ifndef CV_TESTS_GUEST_H
#define CV_TESTS_GUEST_H

#include "core/mem.h"

#define GUEST_LOW   0x100000ull
#define GUEST_ABOVE 0x10000ull	   /* length of the second region */
#define GUEST_HIGH  0x100000000ull /* a third region, one page */
#define GUEST_HOLE  0x80000000ull  /* an address that is never memory */

struct guest {
	struct cv_mem mem;
	uint64_t next;	 /* where the next allocation is looked for */
	uint64_t border; /* the end of the first region */
};

/* Memory with @len bytes (a multiple of 4096) to allocate from. Aborts on failure. */
void guest_init(struct guest *g, uint64_t len);
void guest_fini(struct guest *g);

/* @len zeroed bytes; never freed but by guest_fini() or guest_rewind(). Aborts when full. */
uint64_t guest_alloc(struct guest *g, uint64_t len, uint64_t align);

/* Frees everything that was allocated after guest_mark() gave @mark. */
uint64_t guest_mark(const struct guest *g);
void guest_rewind(struct guest *g, uint64_t mark);

/* Copies; abort when outside memory. */
void guest_put(struct guest *g, uint64_t gpa, const void *buf, size_t len);
void guest_get(struct guest *g, uint64_t gpa, void *buf, size_t len);

/* A copy of @buf in freshly allocated guest memory. */
uint64_t guest_dup(struct guest *g, const void *buf, size_t len);

/* Little-endian values; 16 and 32 bits as one access, release and acquire. */
void guest_put16(struct guest *g, uint64_t gpa, uint16_t v);
void guest_put32(struct guest *g, uint64_t gpa, uint32_t v);
void guest_put64(struct guest *g, uint64_t gpa, uint64_t v);
uint16_t guest_get16(struct guest *g, uint64_t gpa);
uint32_t guest_get32(struct guest *g, uint64_t gpa);
uint64_t guest_get64(struct guest *g, uint64_t gpa);

#endif
