/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPUID policy: topology for every number of processors, and what is hidden. */
#include <string.h>

#include "hypervisor/cpuid_x86_64.h"
#include "support/check_main.h"

#define INTEL 0x756e6547u, 0x6c65746eu, 0x49656e69u
#define AMD   0x68747541u, 0x444d4163u, 0x69746e65u

static const struct cv_x86_cpuid intel = {
	.n = 14,
	.entries = {
		{ 0x0, 0, false, 0x1f, INTEL },
		{ 0x1, 0, false, 0x000a0671, 0x77330805, 0x01202000, 0x1f8bfbff },
		{ 0x4, 0, true, 0xfc01c121, 0x02c0003f, 0x3f, 0 },
		{ 0x4, 2, true, 0xfc01c143, 0x03c0003f, 0x7ff, 0 },
		{ 0x4, 3, true, 0xfc1fc163, 0x03c0003f, 0x7ffff, 4 },
		{ 0x4, 4, true, 0, 0, 0, 0 },
		{ 0x6, 0, false, 0x4, 0, 0x9, 0 },
		{ 0x7, 0, true, 0x2, 0x01802856, 0x5a010104, 0x20010000 },
		{ 0x7, 1, true, 0x1c00, 4, 0x40000000, 0 },
		{ 0xb, 0, true, 7, 8, 9, 10 },
		{ 0xb, 1, true, 7, 8, 9, 10 },
		{ 0x12, 0, true, 1, 2, 3, 4 },
		{ 0x80000001, 0, false, 0, 0, 0x101, 0x20100800 },
		{ 0x80000008, 0, false, 0x3028, 0, 0, 0 },
	},
};

static const struct cv_x86_cpuid amd = {
	.n = 8,
	.entries = {
		{ 0x0, 0, false, 0xd, AMD },
		{ 0x1, 0, false, 0x00830f10, 0x01100800, 0x01202000, 0x178bfbff },
		{ 0x4, 0, true, 0, 0, 0, 0 },
		{ 0x80000001, 0, false, 0, 0, 0x00400101, 0x20100800 },
		{ 0x80000008, 0, false, 0x3030, 0x1007, 0x703f, 0x10007 },
		{ 0x8000001d, 3, true, 0x3c163, 0x03c0003f, 0x3fff, 1 },
		{ 0x8000001e, 0, false, 0x55, 0x1ff, 0x101, 0 },
		{ 0x80000026, 0, true, 1, 2, 3, 4 },
	},
};

/* One row per number of processors: what follows from it. */
static const struct {
	unsigned int n, bits;
} counts[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 6, 3 }, { 33, 6 }, { 64, 6 }, { 255, 8 } };

static const struct cv_x86_cpuid_entry *get(struct cv_x86_cpuid *list, uint32_t leaf,
					    uint32_t index)
{
	const struct cv_x86_cpuid_entry *e = cv_x86_cpuid_find(list, leaf, index);

	ck_assert_msg(e != NULL, "leaf 0x%x.%u is missing", leaf, index);
	return e;
}

static uint32_t field(uint32_t reg, unsigned int low, unsigned int width)
{
	return (reg >> low) & ((1u << width) - 1);
}

static void check_levels(struct cv_x86_cpuid *list, uint32_t leaf, unsigned int row, uint32_t id)
{
	const struct cv_x86_cpuid_entry *smt = get(list, leaf, 0), *core = get(list, leaf, 1),
					*end = get(list, leaf, 2);

	ck_assert_uint_eq(smt->eax, 0);
	ck_assert_uint_eq(smt->ebx, 1);
	ck_assert_uint_eq(smt->ecx, 0x100);
	ck_assert_uint_eq(core->eax, counts[row].bits);
	ck_assert_uint_eq(core->ebx, counts[row].n);
	ck_assert_uint_eq(core->ecx, 0x201);
	ck_assert_uint_eq(end->eax | end->ebx, 0);
	ck_assert_uint_eq(end->ecx, 2);
	ck_assert_uint_eq(smt->edx, id);
	ck_assert_uint_eq(core->edx, id);
	ck_assert_uint_eq(end->edx, id);
}

static void check_leaf1(struct cv_x86_cpuid *list, unsigned int n, uint32_t id)
{
	const struct cv_x86_cpuid_entry *e = get(list, 1, 0);

	ck_assert_uint_eq(field(e->ebx, 24, 8), id);
	ck_assert_uint_eq(field(e->ebx, 16, 8), n);
	ck_assert_uint_eq(field(e->ebx, 8, 8), 8); /* CLFLUSH line, kept */
	ck_assert_uint_eq(field(e->edx, 28, 1), n > 1);
	ck_assert_uint_eq(field(e->ecx, 31, 1), 1);
	ck_assert_uint_eq(field(e->ecx, 24, 1), 1); /* TSC deadline, kept */
	ck_assert_uint_eq(field(e->ecx, 21, 1), 1); /* x2APIC, kept */
}

static void check_intel(unsigned int row, uint32_t id)
{
	unsigned int n = counts[row].n, ids = 1u << counts[row].bits;
	struct cv_x86_cpuid list;

	cv_x86_cpuid_build(&intel, id, n, &list);
	ck_assert_uint_eq(list.n, intel.n - 2 + 6);
	check_leaf1(&list, n, id);
	check_levels(&list, 0xb, row, id);
	check_levels(&list, 0x1f, row, id);
	ck_assert_uint_eq(field(get(&list, 4, 0)->eax, 14, 12), 0);
	ck_assert_uint_eq(field(get(&list, 4, 2)->eax, 14, 12), 0);
	ck_assert_uint_eq(field(get(&list, 4, 3)->eax, 14, 12), ids - 1);
	ck_assert_uint_eq(field(get(&list, 4, 3)->eax, 26, 6), ids > 64 ? 63 : ids - 1);
	ck_assert_uint_eq(get(&list, 4, 3)->eax & 0x3fff, 0x0163);
	ck_assert_uint_eq(get(&list, 4, 4)->eax, 0);
	ck_assert_uint_eq(get(&list, 0x80000008, 0)->ecx, 0);
	ck_assert_uint_eq(get(&list, 0x80000001, 0)->ecx, 0x101);
}

START_TEST(topology_of_intel)
{
	for (unsigned int row = 0; row < sizeof(counts) / sizeof(*counts); row++)
		for (uint32_t id = 0; id < counts[row].n; id++)
			check_intel(row, id);
}
END_TEST

static void check_amd(unsigned int row, uint32_t id)
{
	unsigned int n = counts[row].n, bits = counts[row].bits;
	struct cv_x86_cpuid list;

	cv_x86_cpuid_build(&amd, id, n, &list);
	ck_assert_uint_eq(list.n, amd.n + 3);
	check_leaf1(&list, n, id);
	check_levels(&list, 0xb, row, id);
	ck_assert_ptr_null(cv_x86_cpuid_find(&list, 0x1f, 0));
	ck_assert_uint_eq(get(&list, 0, 0)->eax, 0xd);
	ck_assert_uint_eq(get(&list, 4, 0)->eax, 0);
	ck_assert_uint_eq(field(get(&list, 0x80000001, 0)->ecx, 1, 1), n > 1);
	ck_assert_uint_eq(get(&list, 0x80000008, 0)->ecx, (n - 1) | bits << 12);
	ck_assert_uint_eq(get(&list, 0x80000008, 0)->ebx, 0x1007);
	ck_assert_uint_eq(field(get(&list, 0x8000001d, 3)->eax, 14, 12), (1u << bits) - 1);
	ck_assert_uint_eq(get(&list, 0x8000001e, 0)->eax, id);
	ck_assert_uint_eq(get(&list, 0x8000001e, 0)->ebx, id);
	ck_assert_uint_eq(get(&list, 0x8000001e, 0)->ecx, 0);
	ck_assert_uint_eq(get(&list, 0x80000026, 0)->ebx, 0);
}

START_TEST(topology_of_amd)
{
	for (unsigned int row = 0; row < sizeof(counts) / sizeof(*counts); row++)
		for (uint32_t id = 0; id < counts[row].n; id++)
			check_amd(row, id);
}
END_TEST

START_TEST(hides_what_cannot_work)
{
	struct cv_x86_cpuid list;

	cv_x86_cpuid_build(&intel, 0, 1, &list);
	ck_assert_uint_eq(get(&list, 6, 0)->ecx, 1); /* no energy bias */
	ck_assert_uint_eq(get(&list, 6, 0)->eax, 4); /* the APIC timer always runs */
	ck_assert_uint_eq(get(&list, 7, 0)->ebx, 0x01802852);
	ck_assert_uint_eq(get(&list, 7, 0)->ecx, 0x1a010104);
	ck_assert_uint_eq(get(&list, 7, 0)->edx, 0x20010000);
	ck_assert_uint_eq(get(&list, 7, 1)->ebx, 4); /* other bits: another sub-leaf */
	ck_assert_uint_eq(get(&list, 7, 1)->ecx, 0x40000000);
	ck_assert_uint_eq(get(&list, 0x12, 0)->eax, 0);
}
END_TEST

/* A processor without leaf 0xB gets it, and leaf 0 says so. */
START_TEST(old_processor)
{
	const struct cv_x86_cpuid old = { .n = 1, .entries = { { 0, 0, false, 4, INTEL } } };
	struct cv_x86_cpuid list;

	cv_x86_cpuid_build(&old, 2, 4, &list);
	ck_assert_uint_eq(get(&list, 0, 0)->eax, 0xb);
	ck_assert_uint_eq(get(&list, 0xb, 1)->edx, 2);
	ck_assert_ptr_null(cv_x86_cpuid_find(&list, 0x1f, 0));
}
END_TEST

/* As many entries as a hypervisor may report, and none at all. */
START_TEST(fullest_and_emptiest)
{
	static struct cv_x86_cpuid full, list;
	const struct cv_x86_cpuid empty = { 0 };

	full.n = CV_X86_CPUID_MAX - 8;
	for (uint32_t i = 1; i < full.n; i++)
		full.entries[i].leaf = 0x50000000 + i;
	full.entries[0] = intel.entries[0];
	cv_x86_cpuid_build(&full, 0, 2, &list);
	ck_assert_uint_eq(list.n, full.n + 6);
	cv_x86_cpuid_build(&empty, 0, 2, &list);
	ck_assert_uint_eq(list.n, 3);
}
END_TEST

CHECK_MAIN("cpuid", topology_of_intel, topology_of_amd, hides_what_cannot_work, old_processor,
	   fullest_and_emptiest)
