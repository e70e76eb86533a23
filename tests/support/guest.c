/* SPDX-License-Identifier: BSD-3-Clause */
/* A small guest memory for tests. */
#include "guest.h"

#include "base/endian.h"
#include "base/math.h"
#include "must.h"

void guest_init(struct guest *g, uint64_t len)
{
	const struct cv_mem_range ranges[] = {
		{ GUEST_LOW, len },
		{ GUEST_LOW + len, GUEST_ABOVE },
		{ GUEST_HIGH, CV_PAGE_SIZE },
	};

	*g = (struct guest){ .next = GUEST_LOW, .border = GUEST_LOW + len };
	must(GUEST_LOW + len + GUEST_ABOVE <= GUEST_HOLE);
	must(cv_mem_init(&g->mem, ranges, CV_LEN(ranges), NULL) == 0);
}

void guest_fini(struct guest *g)
{
	cv_mem_fini(&g->mem);
}

uint64_t guest_alloc(struct guest *g, uint64_t len, uint64_t align)
{
	uint64_t gpa = cv_align_up(g->next, align);

	must(cv_is_pow2(align));
	must(cv_in_range(gpa, len, g->border));
	g->next = gpa + len;
	must(cv_mem_fill(&g->mem, gpa, 0, len) == 0);
	return gpa;
}

uint64_t guest_mark(const struct guest *g)
{
	return g->next;
}

void guest_rewind(struct guest *g, uint64_t mark)
{
	must(mark >= GUEST_LOW && mark <= g->next);
	g->next = mark;
}

void guest_put(struct guest *g, uint64_t gpa, const void *buf, size_t len)
{
	must(cv_mem_write(&g->mem, gpa, buf, len) == 0);
}

void guest_get(struct guest *g, uint64_t gpa, void *buf, size_t len)
{
	must(cv_mem_read(&g->mem, gpa, buf, len) == 0);
}

uint64_t guest_dup(struct guest *g, const void *buf, size_t len)
{
	uint64_t gpa = guest_alloc(g, len, 16);

	guest_put(g, gpa, buf, len);
	return gpa;
}

void guest_put16(struct guest *g, uint64_t gpa, uint16_t v)
{
	must(cv_mem_store16(&g->mem, gpa, v) == 0);
}

void guest_put32(struct guest *g, uint64_t gpa, uint32_t v)
{
	must(cv_mem_store32(&g->mem, gpa, v) == 0);
}

void guest_put64(struct guest *g, uint64_t gpa, uint64_t v)
{
	struct le64 raw = le64(v);

	guest_put(g, gpa, &raw, sizeof(raw));
}

uint16_t guest_get16(struct guest *g, uint64_t gpa)
{
	uint16_t v = 0;

	must(cv_mem_load16(&g->mem, gpa, &v) == 0);
	return v;
}

uint32_t guest_get32(struct guest *g, uint64_t gpa)
{
	uint32_t v = 0;

	must(cv_mem_load32(&g->mem, gpa, &v) == 0);
	return v;
}

uint64_t guest_get64(struct guest *g, uint64_t gpa)
{
	struct le64 raw;

	guest_get(g, gpa, &raw, sizeof(raw));
	return le64_get(raw);
}
