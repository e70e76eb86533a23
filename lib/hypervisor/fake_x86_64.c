/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake hypervisor as an x86_64 one: a CPUID to build on, and what vCPUs were given. */
#include <string.h>

#include "hypervisor/fake_impl.h"
#include "hypervisor/x86_64.h"

/* A small Intel processor. */
static int x86_cpuid(struct cv_hv *hv, struct cv_x86_cpuid *list, struct vm_error *e)
{
	static const struct cv_x86_cpuid_entry entries[] = {
		{ 0x0, 0, false, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69 },
		{ 0x1, 0, false, 0x000a0671, 0x00000800, 0x01202000, 0x0f8bfbff },
		{ 0x4, 0, true, 0x04000121, 0x02c0003f, 0x3f, 0 },
		{ 0x4, 1, true, 0x04000122, 0x03c0003f, 0x3f, 0 },
		{ 0x4, 2, true, 0x04000143, 0x03c0003f, 0x7ff, 0 },
		{ 0x4, 3, true, 0x04004163, 0x03c0003f, 0x7ffff, 0 },
		{ 0x6, 0, false, 0x4, 0, 0x8, 0 },
		{ 0x7, 0, true, 0, 0x4, 0x40000000, 0 },
		{ 0xb, 0, true, 0, 0, 0, 0 },
		{ 0x40000000, 0, false, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d },
		{ 0x40000001, 0, false, 0x01007efb, 0, 0, 0 },
		{ 0x80000000, 0, false, 0x80000008, 0, 0, 0 },
		{ 0x80000001, 0, false, 0, 0, 0x101, 0x20100800 },
		{ 0x80000008, 0, false, 0x3028, 0, 0, 0 },
	};
	int err = cv_fake_told(cv_fake_of(hv), "x86_cpuid", e);

	if (err)
		return err;
	list->n = CV_LEN(entries);
	memcpy(list->entries, entries, sizeof(entries));
	return 0;
}

static int x86_set_cpuid(struct cv_vcpu *vcpu, const struct cv_x86_cpuid *list, struct vm_error *e)
{
	struct cv_fake *f = cv_fake_of_vcpu(vcpu);

	return cv_fake_told(f, "x86_set_cpuid", e)
		       ?: cv_fake_keep(&f->cpus[vcpu->index], list, sizeof(*list));
}

static int x86_setup(struct cv_vcpu *vcpu, const struct cv_x86_vcpu_state *state,
		     struct vm_error *e)
{
	struct cv_fake *f = cv_fake_of_vcpu(vcpu);

	return cv_fake_told(f, "x86_setup", e)
		       ?: cv_fake_keep(&f->states[vcpu->index], state, sizeof(*state));
}

static uint32_t x86_tsc_khz(struct cv_vcpu *vcpu)
{
	(void)vcpu;
	return 2000000;
}

void cv_fake_arch_init(struct cv_fake *f)
{
	f->ops.x86_cpuid = x86_cpuid;
	f->ops.x86_set_cpuid = x86_set_cpuid;
	f->ops.x86_setup = x86_setup;
	f->ops.x86_tsc_khz = x86_tsc_khz;
}

/* ---- the test's view ---- */

const struct cv_x86_vcpu_state *cv_fake_x86_state(struct cv_hv *hv, unsigned int index)
{
	return index < CV_FAKE_MAX_VCPUS ? cv_fake_of(hv)->states[index] : NULL;
}

const struct cv_x86_cpuid *cv_fake_x86_cpuid(struct cv_hv *hv, unsigned int index)
{
	return index < CV_FAKE_MAX_VCPUS ? cv_fake_of(hv)->cpus[index] : NULL;
}
