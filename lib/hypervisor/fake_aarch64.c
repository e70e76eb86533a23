/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake hypervisor as an aarch64 one: as strict about the order of things as KVM. */
#include <errno.h>
#include <stdlib.h>

#include "hypervisor/aarch64.h"
#include "hypervisor/fake_impl.h"

#define PHYS_BITS 40u

struct arm_vcpu {
	bool off, pmu;
	uint64_t pvtime;
};

static int gic_version(struct cv_hv *hv, struct vm_error *e)
{
	int err = cv_fake_told(cv_fake_of(hv), "arm_gic_version", e);

	return err ? err : cv_fake_of(hv)->gic_version;
}

static int arm_init(struct cv_vcpu *vcpu, bool off, struct vm_error *e)
{
	const struct arm_vcpu v = { .off = off };
	struct cv_fake *f = cv_fake_of_vcpu(vcpu);

	return cv_fake_told(f, "arm_init", e) ?: cv_fake_keep(&f->cpus[vcpu->index], &v, sizeof(v));
}

static int make_gic(struct cv_hv *hv, const struct cv_arm_gic *gic, struct vm_error *e)
{
	struct cv_fake *f = cv_fake_of(hv);

	if ((int)gic->version != f->gic_version)
		return cv_err(e, -ENODEV, "fake: this host has no GICv%u", gic->version);
	return cv_fake_told(f, "arm_make_gic", e) ?: cv_fake_keep(&f->machine, gic, sizeof(*gic));
}

static int arm_describe(struct cv_vcpu *vcpu, struct cv_arm_cpu *cpu, struct vm_error *e)
{
	unsigned int i = vcpu->index;

	*cpu = (struct cv_arm_cpu){ .mpidr = (i & 15) | (uint64_t)(i >> 4) << 8,
				    .page_4k = true,
				    .page_64k = true,
				    .pmu = true,
				    .pvtime = true };
	return cv_fake_told(cv_fake_of_vcpu(vcpu), "arm_describe", e);
}

static int arm_set_pmu(struct cv_vcpu *vcpu, unsigned int ppi, struct vm_error *e)
{
	struct cv_fake *f = cv_fake_of_vcpu(vcpu);
	struct arm_vcpu *v = f->cpus[vcpu->index];

	if (!f->machine || !v || ppi >= 16)
		return cv_err(e, -ENODEV, "fake: a performance monitor needs the GIC");
	v->pmu = true;
	return cv_fake_told(f, "arm_set_pmu", e);
}

static int arm_set_pvtime(struct cv_vcpu *vcpu, uint64_t gpa, struct vm_error *e)
{
	struct cv_fake *f = cv_fake_of_vcpu(vcpu);
	struct arm_vcpu *v = f->cpus[vcpu->index];

	if (!v || gpa % 64 != 0 || !cv_mem_valid(f->mem, gpa, 64))
		return cv_err(e, -EINVAL, "fake: stolen time needs 64 aligned bytes of memory");
	v->pvtime = gpa;
	return cv_fake_told(f, "arm_set_pvtime", e);
}

static int arm_setup(struct cv_vcpu *vcpu, const struct cv_arm_vcpu_state *state,
		     struct vm_error *e)
{
	struct cv_fake *f = cv_fake_of_vcpu(vcpu);

	return cv_fake_told(f, "arm_setup", e)
		       ?: cv_fake_keep(&f->states[vcpu->index], state, sizeof(*state));
}

void cv_fake_arch_init(struct cv_fake *f)
{
	f->gic_version = 3;
	f->hv.phys_bits = PHYS_BITS;
	f->ops.arm_gic_version = gic_version;
	f->ops.arm_init = arm_init;
	f->ops.arm_make_gic = make_gic;
	f->ops.arm_describe = arm_describe;
	f->ops.arm_set_pmu = arm_set_pmu;
	f->ops.arm_set_pvtime = arm_set_pvtime;
	f->ops.arm_setup = arm_setup;
}

/* ---- the test's view ---- */

const struct cv_arm_vcpu_state *cv_fake_arm_state(struct cv_hv *hv, unsigned int index)
{
	return index < CV_FAKE_MAX_VCPUS ? cv_fake_of(hv)->states[index] : NULL;
}

bool cv_fake_arm_off(struct cv_hv *hv, unsigned int index)
{
	const struct arm_vcpu *v = index < CV_FAKE_MAX_VCPUS ? cv_fake_of(hv)->cpus[index] : NULL;

	return v && v->off;
}

const struct cv_arm_gic *cv_fake_arm_gic(struct cv_hv *hv)
{
	return cv_fake_of(hv)->machine;
}

void cv_fake_arm_set_version(struct cv_hv *hv, int version)
{
	cv_fake_of(hv)->gic_version = version;
}
