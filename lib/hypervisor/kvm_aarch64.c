/* SPDX-License-Identifier: BSD-3-Clause */
/* KVM on aarch64: the GIC, what a processor has, and how it starts. See
 * Documentation/virt/kvm/api.rst and devices/{arm-vgic,arm-vgic-v3,arm-vgic-its,vcpu}.rst. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hypervisor/aarch64.h"
#include "hypervisor/kvm.h"

/* Pins of the interrupt controller that irqfds may name; more than any machine here uses. */
#define N_PINS 96u

#define CORE_REG(reg)                                          \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 (offsetof(struct kvm_regs, regs.reg) / sizeof(uint32_t)))
#define MPIDR_EL1	 ARM64_SYS_REG(3, 0, 0, 0, 5)
#define ID_AA64MMFR0_EL1 ARM64_SYS_REG(3, 0, 0, 7, 0)

#define MPIDR_AFFINITY 0xff00ffffffull

/* Arm ARM D19.2.64: fields of ID_AA64MMFR0_EL1, 4 bits each. */
#define MMFR0_BIG_END 8u
#define MMFR0_TGRAN16 20u
#define MMFR0_TGRAN64 24u
#define MMFR0_TGRAN4  28u
#define TGRAN_NONE    15u

/* SPSR: EL1 with its own stack pointer, debug exceptions and all interrupts masked. */
#define PSTATE_EL1 0x3c5u

const struct cv_kvm_cap cv_kvm_arch_caps[] = {
	CV_KVM_CAP(KVM_CAP_DEVICE_CTRL, "kvm_device_ctrl", "3.10"),
	CV_KVM_CAP(KVM_CAP_ONE_REG, "kvm_one_reg", "3.6"),
	CV_KVM_CAP(KVM_CAP_ARM_PSCI_0_2, "kvm_arm_psci_0_2", "3.16"),
	{ .name = NULL },
};

/* Not the 40 bits that every guest had once: some hosts have fewer. */
unsigned long cv_kvm_arch_vm_type(struct cv_kvm *kvm)
{
	int bits = cv_kvm_extension(cv_fd_get(&kvm->kvm), KVM_CAP_ARM_VM_IPA_SIZE);

	kvm->hv.phys_bits = bits > 0 ? cv_min((unsigned int)bits, 48u) : 40u;
	return bits > 0 ? kvm->hv.phys_bits : 0;
}

int cv_kvm_arch_init(struct cv_kvm *kvm, struct vm_error *e CV_UNUSED)
{
	struct kvm_enable_cap nisv = { .cap = KVM_CAP_ARM_NISV_TO_USER };

	/* where it is missing, such a guest ends with an error instead of an exception */
	cv_ignore(cv_kvm_ioctl(cv_fd_get(&kvm->vm), KVM_ENABLE_CAP, &nisv));
	return 0;
}

/* It is made when the vCPUs exist. */
int cv_kvm_arch_irqchip(struct cv_kvm *kvm CV_UNUSED, struct vm_error *e CV_UNUSED)
{
	return 0;
}

unsigned int cv_kvm_arch_routes(struct kvm_irq_routing_entry *entries)
{
	for (unsigned int i = 0; i < N_PINS && entries; i++)
		entries[i] = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = 0, .pin = i },
		};
	return N_PINS;
}

unsigned int cv_kvm_arch_first_msi(void)
{
	return N_PINS;
}

static int get_reg(const struct cv_kvm_vcpu *v, uint64_t id, uint64_t *val)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)val };

	return cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_GET_ONE_REG, &reg);
}

static int set_reg(const struct cv_kvm_vcpu *v, uint64_t id, uint64_t val)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&val };

	return cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_ONE_REG, &reg);
}

void cv_kvm_arch_where(struct cv_kvm_vcpu *v, char *buf, size_t size)
{
	uint64_t pc;

	if (get_reg(v, CORE_REG(pc), &pc) == 0)
		snprintf(buf, size, " at pc 0x%llx", (unsigned long long)pc);
}

/*
 * An access to no memory by an instruction that the processor does not describe
 * (of two registers, or with write-back) cannot be emulated: the guest gets the
 * exception that it would get from a bus without anybody there.
 */
bool cv_kvm_arch_exit(struct cv_kvm_vcpu *v)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };

	if (v->run->exit_reason != KVM_EXIT_ARM_NISV)
		return false;
	cv_log_guest(v->kvm->log,
		     "vCPU %u: a load or store at 0x%llx that no device can answer (of a pair, or "
		     "with write-back) ends in an exception",
		     v->vcpu.index, (unsigned long long)v->run->arm_nisv.fault_ipa);
	return cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_VCPU_EVENTS, &events) == 0;
}

/* ---- device attributes ---- */

static int set_attr(int fd, uint32_t group, uint64_t attr, const void *val)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)val };

	return cv_kvm_ioctl(fd, KVM_SET_DEVICE_ATTR, &a);
}

static bool has_attr(int fd, uint32_t group, uint64_t attr)
{
	struct kvm_device_attr a = { .group = group, .attr = attr };

	return cv_kvm_ioctl(fd, KVM_HAS_DEVICE_ATTR, &a) == 0;
}

/* ---- the interrupt controller ---- */

/* A device of KVM's, or only the question whether there is such a one. */
static int create_device(struct cv_kvm *kvm, uint32_t type, bool test, struct cv_fd *out)
{
	struct kvm_create_device d = { .type = type, .flags = test ? KVM_CREATE_DEVICE_TEST : 0u };
	int err = cv_kvm_ioctl(cv_fd_get(&kvm->vm), KVM_CREATE_DEVICE, &d);

	if (!err && !test)
		cv_fd_set(out, (int)d.fd);
	return err;
}

static int gic_version(struct cv_hv *hv, struct vm_error *e)
{
	struct cv_kvm *kvm = cv_kvm_of(hv);

	if (create_device(kvm, KVM_DEV_TYPE_ARM_VGIC_V3, true, NULL) == 0 &&
	    create_device(kvm, KVM_DEV_TYPE_ARM_VGIC_ITS, true, NULL) == 0)
		return 3;
	if (create_device(kvm, KVM_DEV_TYPE_ARM_VGIC_V2, true, NULL) == 0)
		return 2;
	return cv_err(e, -ENOTSUP,
		      "KVM on this host offers neither a GICv3 with an ITS nor a GICv2; use a host "
		      "with an interrupt controller that KVM supports (dmesg shows it as vgic)");
}

static int place_gic(int fd, const struct cv_arm_gic *gic)
{
	uint32_t n_irqs = CV_ARM_FIRST_SPI + gic->n_spis;
	bool v3 = gic->version == 3;

	return set_attr(fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &n_irqs) ?:
	       set_attr(fd, KVM_DEV_ARM_VGIC_GRP_ADDR,
			v3 ? KVM_VGIC_V3_ADDR_TYPE_DIST : KVM_VGIC_V2_ADDR_TYPE_DIST,
			&gic->dist_gpa) ?:
	       set_attr(fd, KVM_DEV_ARM_VGIC_GRP_ADDR,
			v3 ? KVM_VGIC_V3_ADDR_TYPE_REDIST : KVM_VGIC_V2_ADDR_TYPE_CPU,
			v3 ? &gic->redist_gpa : &gic->cpu_gpa) ?:
	       set_attr(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
}

/* After the GIC, since it initialises itself with it. */
static int make_its(struct cv_kvm *kvm, const struct cv_arm_gic *gic)
{
	int err = create_device(kvm, KVM_DEV_TYPE_ARM_VGIC_ITS, false, &kvm->arm_its);

	if (err)
		return err;
	kvm->msi_devid = true;
	return set_attr(cv_fd_get(&kvm->arm_its), KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE,
			&gic->its_gpa)
		       ?: set_attr(cv_fd_get(&kvm->arm_its), KVM_DEV_ARM_VGIC_GRP_CTRL,
				   KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
}

static int make_gic(struct cv_hv *hv, const struct cv_arm_gic *gic, struct vm_error *e)
{
	struct cv_kvm *kvm = cv_kvm_of(hv);
	uint32_t type = gic->version == 3 ? KVM_DEV_TYPE_ARM_VGIC_V3 : KVM_DEV_TYPE_ARM_VGIC_V2;
	int err = create_device(kvm, type, false, &kvm->arm_gic)
			  ?: place_gic(cv_fd_get(&kvm->arm_gic), gic);

	if (!err && gic->version == 3)
		err = make_its(kvm, gic);
	return err ? cv_err_os(e, err, "KVM cannot make a GICv%u", gic->version) : 0;
}

/* ---- processors ---- */

static void set_feature(struct kvm_vcpu_init *init, unsigned int bit)
{
	init->features[bit / 32] |= 1u << (bit % 32);
}

static bool has_cap(const struct cv_kvm *kvm, long cap)
{
	return cv_kvm_extension(cv_fd_get(&kvm->vm), cap) > 0;
}

/* All that the host has, as on any of its own processors. */
static int arm_init(struct cv_vcpu *vcpu, bool off, struct vm_error *e)
{
	struct cv_kvm_vcpu *v = cv_kvm_vcpu_of(vcpu);
	const struct cv_kvm *kvm = v->kvm;
	bool sve = has_cap(kvm, KVM_CAP_ARM_SVE);
	int what = KVM_ARM_VCPU_SVE;
	struct kvm_vcpu_init init;
	int err = cv_kvm_ioctl(cv_fd_get(&kvm->vm), KVM_ARM_PREFERRED_TARGET, &init);

	if (err)
		return cv_err_os(e, err, "vCPU %u: KVM_ARM_PREFERRED_TARGET failed", vcpu->index);
	v->pmu = kvm->irqchip && has_cap(kvm, KVM_CAP_ARM_PMU_V3);
	set_feature(&init, KVM_ARM_VCPU_PSCI_0_2);
	if (off)
		set_feature(&init, KVM_ARM_VCPU_POWER_OFF);
	if (v->pmu)
		set_feature(&init, KVM_ARM_VCPU_PMU_V3);
	if (sve)
		set_feature(&init, KVM_ARM_VCPU_SVE);
	if (has_cap(kvm, KVM_CAP_ARM_PTRAUTH_ADDRESS) &&
	    has_cap(kvm, KVM_CAP_ARM_PTRAUTH_GENERIC)) {
		set_feature(&init, KVM_ARM_VCPU_PTRAUTH_ADDRESS);
		set_feature(&init, KVM_ARM_VCPU_PTRAUTH_GENERIC);
	}
	err = cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_ARM_VCPU_INIT, &init);
	if (!err && sve)
		err = cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_ARM_VCPU_FINALIZE, &what);
	return err ? cv_err_os(e, err, "vCPU %u: KVM_ARM_VCPU_INIT failed", vcpu->index) : 0;
}

static unsigned int field(uint64_t reg, unsigned int shift)
{
	return reg >> shift & 15;
}

static int arm_describe(struct cv_vcpu *vcpu, struct cv_arm_cpu *cpu, struct vm_error *e)
{
	const struct cv_kvm_vcpu *v = cv_kvm_vcpu_of(vcpu);
	uint64_t mmfr0 = 0;
	int err = get_reg(v, MPIDR_EL1, &cpu->mpidr) ?: get_reg(v, ID_AA64MMFR0_EL1, &mmfr0);

	if (err)
		return cv_err_os(e, err, "vCPU %u: its registers cannot be read", vcpu->index);
	cpu->mpidr &= MPIDR_AFFINITY;
	cpu->page_4k = field(mmfr0, MMFR0_TGRAN4) != TGRAN_NONE;
	cpu->page_16k = field(mmfr0, MMFR0_TGRAN16) != 0;
	cpu->page_64k = field(mmfr0, MMFR0_TGRAN64) != TGRAN_NONE;
	cpu->big_endian = field(mmfr0, MMFR0_BIG_END) != 0;
	cpu->pmu = v->pmu;
	cpu->pvtime =
		has_attr(cv_fd_get(&v->fd), KVM_ARM_VCPU_PVTIME_CTRL, KVM_ARM_VCPU_PVTIME_IPA);
	return 0;
}

static int arm_set_pmu(struct cv_vcpu *vcpu, unsigned int ppi, struct vm_error *e)
{
	int fd = cv_fd_get(&cv_kvm_vcpu_of(vcpu)->fd), irq = (int)(CV_ARM_FIRST_PPI + ppi);
	int err = set_attr(fd, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_IRQ, &irq)
			  ?: set_attr(fd, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_INIT, NULL);

	return err ? cv_err_os(e, err, "vCPU %u: its performance monitor cannot be set up",
			       vcpu->index)
		   : 0;
}

static int arm_set_pvtime(struct cv_vcpu *vcpu, uint64_t gpa, struct vm_error *e)
{
	int err = set_attr(cv_fd_get(&cv_kvm_vcpu_of(vcpu)->fd), KVM_ARM_VCPU_PVTIME_CTRL,
			   KVM_ARM_VCPU_PVTIME_IPA, &gpa);

	return err ? cv_err_os(e, err, "vCPU %u: its stolen time cannot be kept", vcpu->index) : 0;
}

static int arm_setup(struct cv_vcpu *vcpu, const struct cv_arm_vcpu_state *state,
		     struct vm_error *e)
{
	const struct cv_kvm_vcpu *v = cv_kvm_vcpu_of(vcpu);
	int err = set_reg(v, CORE_REG(pstate), PSTATE_EL1) ?:
		  set_reg(v, CORE_REG(pc), state->pc) ?:
		  set_reg(v, CORE_REG(regs[0]), state->x0);

	return err ? cv_err_os(e, err, "vCPU %u: KVM refuses its first state", vcpu->index) : 0;
}

const struct cv_hv_ops cv_kvm_ops = {
	.destroy = cv_kvm_destroy,
	.set_memory = cv_kvm_set_memory,
	.vcpu_create = cv_kvm_vcpu_create,
	.vcpu_destroy = cv_kvm_vcpu_destroy,
	.vcpu_enter = cv_kvm_vcpu_enter,
	.vcpu_run = cv_kvm_vcpu_run,
	.vcpu_kick = cv_kvm_vcpu_kick,
	.arm_gic_version = gic_version,
	.arm_init = arm_init,
	.arm_make_gic = make_gic,
	.arm_describe = arm_describe,
	.arm_set_pmu = arm_set_pmu,
	.arm_set_pvtime = arm_set_pvtime,
	.arm_setup = arm_setup,
};
