/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a guest processor says of itself: Intel SDM volume 2, CPUID, and AMD APM
 * volume 3, appendix E. The hypervisor reports what the host could do; topology
 * is ours to state, since the host's would be wrong for every guest.
 */
#include "hypervisor/cpuid_x86_64.h"

#include <assert.h>

#include "base/math.h"

#define LEAF_FEATURES	 0x1u
#define LEAF_CACHE	 0x4u
#define LEAF_POWER	 0x6u
#define LEAF_STRUCTURED	 0x7u
#define LEAF_TOPOLOGY	 0xbu
#define LEAF_SGX	 0x12u
#define LEAF_TOPOLOGY_V2 0x1fu
#define LEAF_EXT	 0x80000001u
#define LEAF_EXT_SIZES	 0x80000008u
#define LEAF_AMD_CACHE	 0x8000001du
#define LEAF_AMD_UNIT	 0x8000001eu
#define LEAF_AMD_TOPO_V2 0x80000026u

#define FEATURE_ECX_HYPERVISOR (1u << 31)
#define FEATURE_EDX_HTT	       (1u << 28)
#define POWER_ECX_EPB	       (1u << 3)
#define STRUCT_EBX_SGX	       (1u << 2)
#define STRUCT_ECX_SGX_LC      (1u << 30)
#define EXT_ECX_CMP_LEGACY     (1u << 1)

#define LEVEL_SMT  1u
#define LEVEL_CORE 2u

struct topology {
	uint32_t apic_id, n;
	uint32_t bits; /* of the APIC ID that number the cores */
};

struct cv_x86_cpuid_entry *cv_x86_cpuid_find(struct cv_x86_cpuid *list, uint32_t leaf,
					     uint32_t index)
{
	for (uint32_t i = 0; i < list->n; i++) {
		struct cv_x86_cpuid_entry *e = &list->entries[i];

		if (e->leaf == leaf && (!e->indexed || e->index == index))
			return e;
	}
	return NULL;
}

static uint32_t set_bits(uint32_t reg, uint32_t mask, bool on)
{
	return on ? reg | mask : reg & ~mask;
}

/* How many logical processors share a cache: a field "count - 1" of 12 bits at bit 14. The last
 * level (3 and above) is the package's, the others belong to a core. */
static uint32_t cache_sharing(uint32_t eax, const struct topology *t)
{
	uint32_t level = (eax >> 5) & 7, type = eax & 0x1f;

	if (type == 0)
		return eax;
	eax &= ~(0xfffu << 14);
	return level >= 3 ? eax | ((1u << t->bits) - 1) << 14 : eax;
}

static void patch_features(struct cv_x86_cpuid_entry *e, const struct topology *t)
{
	e->ebx = (e->ebx & 0xffff) | t->n << 16 | t->apic_id << 24;
	e->ecx |= FEATURE_ECX_HYPERVISOR;
	e->edx = set_bits(e->edx, FEATURE_EDX_HTT, t->n > 1);
}

/* Intel: also the number of core IDs in the package. */
static void patch_cache(struct cv_x86_cpuid_entry *e, const struct topology *t)
{
	if ((e->eax & 0x1f) == 0)
		return;
	e->eax = cache_sharing(e->eax, t);
	e->eax = (e->eax & 0x03ffffff) | cv_min((1u << t->bits) - 1, 63u) << 26;
}

static void patch_sizes(struct cv_x86_cpuid_entry *e, const struct topology *t, bool amd)
{
	if (amd)
		e->ecx = (e->ecx & ~0xf0ffu) | (t->n - 1) | t->bits << 12;
}

static void patch_entry(struct cv_x86_cpuid_entry *e, const struct topology *t, bool amd)
{
	switch (e->leaf) {
	case LEAF_FEATURES:
		patch_features(e, t);
		break;
	case LEAF_CACHE:
		patch_cache(e, t);
		break;
	case LEAF_POWER: /* the energy bias MSR is not there */
		e->ecx &= ~POWER_ECX_EPB;
		break;
	case LEAF_STRUCTURED: /* no enclave memory is given to the guest */
		if (e->index == 0) {
			e->ebx &= ~STRUCT_EBX_SGX;
			e->ecx &= ~STRUCT_ECX_SGX_LC;
		}
		break;
	case LEAF_SGX:
	case LEAF_AMD_TOPO_V2: /* the host's own topology */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case LEAF_EXT:
		e->ecx = set_bits(e->ecx, EXT_ECX_CMP_LEGACY, amd && t->n > 1);
		break;
	case LEAF_EXT_SIZES:
		patch_sizes(e, t, amd);
		break;
	case LEAF_AMD_CACHE:
		e->eax = cache_sharing(e->eax, t);
		break;
	case LEAF_AMD_UNIT: /* one thread a core, one node */
		e->eax = t->apic_id;
		e->ebx = t->apic_id & 0xff;
		e->ecx = 0;
		break;
	default:
		break;
	}
}

/* Leaf 0xB or 0x1F: threads of a core, cores of the package, the end. */
static void add_levels(struct cv_x86_cpuid *out, uint32_t leaf, const struct topology *t)
{
	const struct cv_x86_cpuid_entry levels[] = {
		{ .eax = 0, .ebx = 1, .ecx = LEVEL_SMT << 8 },
		{ .eax = t->bits, .ebx = t->n, .ecx = LEVEL_CORE << 8 },
		{ .eax = 0, .ebx = 0, .ecx = 0 },
	};

	for (uint32_t i = 0; i < CV_LEN(levels); i++) {
		struct cv_x86_cpuid_entry *e = &out->entries[out->n++];

		assert(out->n <= CV_X86_CPUID_MAX);
		*e = levels[i];
		e->leaf = leaf;
		e->index = i;
		e->indexed = true;
		e->ecx |= i;
		e->edx = t->apic_id;
	}
}

/* "AuthenticAMD" or "HygonGenuine": their leaves and bits mean the same. */
static bool is_amd(const struct cv_x86_cpuid_entry *vendor)
{
	return vendor && (vendor->ebx == 0x68747541 || vendor->ebx == 0x6f677948);
}

static bool is_topology(uint32_t leaf)
{
	return leaf == LEAF_TOPOLOGY || leaf == LEAF_TOPOLOGY_V2;
}

void cv_x86_cpuid_build(const struct cv_x86_cpuid *supported, unsigned int index,
			unsigned int n_vcpus, struct cv_x86_cpuid *out)
{
	const struct topology t = {
		.apic_id = index,
		.n = n_vcpus,
		.bits = (uint32_t)__builtin_ctzll(cv_pow2_ceil(n_vcpus)),
	};
	struct cv_x86_cpuid_entry *vendor;
	bool amd, v2;

	out->n = 0;
	for (uint32_t i = 0; i < supported->n; i++)
		if (!is_topology(supported->entries[i].leaf))
			out->entries[out->n++] = supported->entries[i];
	vendor = cv_x86_cpuid_find(out, 0, 0);
	amd = is_amd(vendor);
	v2 = vendor && vendor->eax >= LEAF_TOPOLOGY_V2;
	if (vendor)
		vendor->eax = cv_max(vendor->eax, LEAF_TOPOLOGY);
	for (uint32_t i = 0; i < out->n; i++)
		patch_entry(&out->entries[i], &t, amd);
	add_levels(out, LEAF_TOPOLOGY, &t);
	if (v2)
		add_levels(out, LEAF_TOPOLOGY_V2, &t);
}
