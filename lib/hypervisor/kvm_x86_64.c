/* SPDX-License-Identifier: BSD-3-Clause */
/* KVM on x86_64: interrupt controllers, CPUID, and how a processor starts. */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hypervisor/cpuid_x86_64.h"
#include "hypervisor/kvm.h"
#include "hypervisor/x86_64.h"

/* Four pages that Intel processors without real mode need: page tables and a TSS, below the largest
 * firmware, of 16 MiB. The machine's memory map reserves them. */
#define IDENTITY_ADDR 0xfeffc000u
#define TSS_ADDR      0xfeffd000u

#define N_PIC_PINS    16u
#define N_IOAPIC_PINS 24u

#define CR0_PE	 (1u << 0)
#define CR0_ET	 (1u << 4)
#define CR0_PG	 (1u << 31)
#define CR4_PAE	 (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)

#define MSR_MISC_ENABLE	  0x1a0u
#define MISC_FAST_STRINGS (1u << 0)
#define MISC_NO_BTS	  (1u << 11)
#define MISC_NO_PEBS	  (1u << 12)
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MTRR_ENABLED	  (1u << 11)
#define MTRR_WRITE_BACK	  6u

#define APIC_LVT_LINT0	 0x350u
#define APIC_LVT_LINT1	 0x360u
#define APIC_MODE_NMI	 (4u << 8)
#define APIC_MODE_EXTINT (7u << 8)

#define FCW_DEFAULT   0x37fu
#define MXCSR_DEFAULT 0x1f80u

#define LEAF_FEATURES	 1u
#define ECX_TSC_DEADLINE (1u << 24)
#define LEAF_BRAND	 0x80000002u
#define LEAF_BRAND_LAST	 0x80000004u
#define CPUID_ADDED_MAX	 8u /* entries that a policy may add */

const struct cv_kvm_cap cv_kvm_arch_caps[] = {
	CV_KVM_CAP(KVM_CAP_SET_TSS_ADDR, "kvm_set_tss_addr", "2.6.24"),
	CV_KVM_CAP(KVM_CAP_SET_IDENTITY_MAP_ADDR, "kvm_set_identity_map_addr", "2.6.32"),
	CV_KVM_CAP(KVM_CAP_PIT2, "kvm_pit2", "2.6.31"),
	CV_KVM_CAP(KVM_CAP_EXT_CPUID, "kvm_ext_cpuid", "2.6.26"),
	{ .name = NULL },
};

unsigned long cv_kvm_arch_vm_type(struct cv_kvm *kvm CV_UNUSED)
{
	return 0;
}

int cv_kvm_arch_init(struct cv_kvm *kvm, struct vm_error *e)
{
	uint64_t identity = IDENTITY_ADDR;
	int err = cv_kvm_ioctl(cv_fd_get(&kvm->vm), KVM_SET_IDENTITY_MAP_ADDR, &identity);

	if (err)
		return cv_err(e, err, "KVM_SET_IDENTITY_MAP_ADDR failed: %s", strerror(-err));
	err = cv_kvm_ioctl_value(cv_fd_get(&kvm->vm), KVM_SET_TSS_ADDR, TSS_ADDR);
	return err ? cv_err(e, err, "KVM_SET_TSS_ADDR failed: %s", strerror(-err)) : 0;
}

int cv_kvm_arch_irqchip(struct cv_kvm *kvm, struct vm_error *e)
{
	/* the speaker's port 0x61 goes with the timer: kernels calibrate against it */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int err = cv_kvm_ioctl_value(cv_fd_get(&kvm->vm), KVM_CREATE_IRQCHIP, 0);

	if (err)
		return cv_err(e, err, "KVM cannot make the interrupt controllers: %s",
			      strerror(-err));
	err = cv_kvm_ioctl(cv_fd_get(&kvm->vm), KVM_CREATE_PIT2, &pit);
	return err ? cv_err(e, err, "KVM cannot make the interval timer: %s", strerror(-err)) : 0;
}

static struct kvm_irq_routing_entry pin_route(unsigned int gsi, unsigned int chip, unsigned int pin)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* What KVM starts with: GSI n is pin n of the IOAPIC, and the first 16 those of the PICs too. */
unsigned int cv_kvm_arch_routes(struct kvm_irq_routing_entry *entries)
{
	for (unsigned int i = 0; i < N_PIC_PINS && entries; i++)
		*entries++ =
			pin_route(i, i < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, i % 8);
	for (unsigned int i = 0; i < N_IOAPIC_PINS && entries; i++)
		*entries++ = pin_route(i, KVM_IRQCHIP_IOAPIC, i);
	return N_PIC_PINS + N_IOAPIC_PINS;
}

unsigned int cv_kvm_arch_first_msi(void)
{
	return N_IOAPIC_PINS;
}

bool cv_kvm_arch_exit(struct cv_kvm_vcpu *v CV_UNUSED)
{
	return false;
}

void cv_kvm_arch_where(struct cv_kvm_vcpu *v, char *buf, size_t size)
{
	struct kvm_regs regs;

	if (cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_GET_REGS, &regs) == 0)
		snprintf(buf, size, " at rip 0x%llx", regs.rip);
}

/* ---- CPUID ---- */

static struct kvm_cpuid2 *alloc_cpuid(void)
{
	return calloc(1, sizeof(struct kvm_cpuid2) +
				 CV_X86_CPUID_MAX * sizeof(struct kvm_cpuid_entry2));
}

/* KVM leaves the brand string to us: the host's, since the guest runs on that processor. */
static void fill_brand(struct cv_x86_cpuid *list)
{
	for (uint32_t leaf = LEAF_BRAND; leaf <= LEAF_BRAND_LAST; leaf++) {
		struct cv_x86_cpuid_entry *e = cv_x86_cpuid_find(list, leaf, 0);

		if (e && (e->eax | e->ebx | e->ecx | e->edx) == 0)
			__cpuid(leaf, e->eax, e->ebx, e->ecx, e->edx);
	}
}

static int get_cpuid(struct cv_hv *hv, struct cv_x86_cpuid *list, struct vm_error *e)
{
	struct cv_kvm *kvm = cv_kvm_of(hv);
	CV_AUTO_FREE struct kvm_cpuid2 *c = alloc_cpuid();
	struct cv_x86_cpuid_entry *features;
	int err;

	if (!c)
		return cv_err(e, -ENOMEM, "CPUID: out of memory");
	c->nent = CV_X86_CPUID_MAX - CPUID_ADDED_MAX;
	err = cv_kvm_ioctl(cv_fd_get(&kvm->kvm), KVM_GET_SUPPORTED_CPUID, c);
	if (err)
		return cv_err(e, err, "KVM_GET_SUPPORTED_CPUID failed: %s", strerror(-err));
	list->n = c->nent;
	for (uint32_t i = 0; i < c->nent; i++)
		list->entries[i] = (struct cv_x86_cpuid_entry){
			.leaf = c->entries[i].function,
			.index = c->entries[i].index,
			.indexed = c->entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = c->entries[i].eax,
			.ebx = c->entries[i].ebx,
			.ecx = c->entries[i].ecx,
			.edx = c->entries[i].edx,
		};
	fill_brand(list);
	features = cv_x86_cpuid_find(list, LEAF_FEATURES, 0);
	/* a capability instead of a bit, because it needs the in-kernel APIC */
	if (features && kvm->irqchip &&
	    cv_kvm_extension(cv_fd_get(&kvm->vm), KVM_CAP_TSC_DEADLINE_TIMER))
		features->ecx |= ECX_TSC_DEADLINE;
	return 0;
}

static int set_cpuid(struct cv_vcpu *vcpu, const struct cv_x86_cpuid *list, struct vm_error *e)
{
	struct cv_kvm_vcpu *v = cv_kvm_vcpu_of(vcpu);
	CV_AUTO_FREE struct kvm_cpuid2 *c = alloc_cpuid();
	int err;

	if (!c)
		return cv_err(e, -ENOMEM, "CPUID: out of memory");
	c->nent = cv_min(list->n, (uint32_t)CV_X86_CPUID_MAX);
	for (uint32_t i = 0; i < c->nent; i++)
		c->entries[i] = (struct kvm_cpuid_entry2){
			.function = list->entries[i].leaf,
			.index = list->entries[i].index,
			.flags = list->entries[i].indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
			.eax = list->entries[i].eax,
			.ebx = list->entries[i].ebx,
			.ecx = list->entries[i].ecx,
			.edx = list->entries[i].edx,
		};
	err = cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_CPUID2, c);
	return err ? cv_err(e, err, "vCPU %u: KVM_SET_CPUID2 failed: %s", vcpu->index,
			    strerror(-err))
		   : 0;
}

/* ---- registers ---- */

static struct kvm_segment segment(unsigned int selector, unsigned int type, bool long_code)
{
	bool code = type == 0xb;

	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = (uint16_t)selector,
		.type = (uint8_t)type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = code && long_code,
		.db = !(code && long_code),
	};
}

static int setup_sregs(struct cv_kvm_vcpu *v, const struct cv_x86_vcpu_state *state)
{
	bool long_mode = state->mode == CV_X86_LONG;
	struct kvm_sregs s;
	int err = cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_GET_SREGS, &s);

	if (err)
		return err;
	s.cs = segment(CV_X86_SEL_CODE, 0xb, long_mode);
	s.ds = s.es = s.fs = s.gs = s.ss = segment(CV_X86_SEL_DATA, 0x3, long_mode);
	s.tr = (struct kvm_segment){
		.selector = CV_X86_SEL_TSS, .limit = 0x67, .type = 0xb, .present = 1
	};
	s.gdt = (struct kvm_dtable){ .base = state->gdt_base, .limit = state->gdt_limit };
	s.idt = (struct kvm_dtable){ .base = state->idt_base, .limit = state->idt_limit };
	s.cr0 = CR0_PE | CR0_ET; /* and caches on */
	if (long_mode) {
		s.cr0 |= CR0_PG;
		s.cr3 = state->cr3;
		s.cr4 |= CR4_PAE;
		s.efer |= EFER_LME | EFER_LMA;
	}
	return cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_SREGS, &s);
}

static int setup_regs(struct cv_kvm_vcpu *v, const struct cv_x86_vcpu_state *state)
{
	struct kvm_regs regs = {
		.rip = state->rip,
		.rsp = state->rsp,
		.rsi = state->rsi,
		.rbx = state->rbx,
		.rflags = 2, /* interrupts off */
	};

	return cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_REGS, &regs);
}

static int setup_fpu(struct cv_kvm_vcpu *v)
{
	struct kvm_fpu fpu = { .fcw = FCW_DEFAULT, .mxcsr = MXCSR_DEFAULT };

	return cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_FPU, &fpu);
}

/* As firmware leaves them. A KVM that lacks one is no reason to stop: both only save time. */
static int setup_msrs(struct cv_kvm_vcpu *v)
{
	const struct kvm_msr_entry wanted[] = {
		{ .index = MSR_MISC_ENABLE,
		  .data = MISC_FAST_STRINGS | MISC_NO_BTS | MISC_NO_PEBS },
		{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED | MTRR_WRITE_BACK },
	};
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(wanted)];
	} msrs = { .head.nmsrs = CV_LEN(wanted) };
	int n;

	memcpy(msrs.head.entries, wanted, sizeof(wanted));
	n = cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_MSRS, &msrs);
	if (n == 0) { /* the first was refused, and KVM stops there */
		msrs.head.nmsrs = 1;
		msrs.head.entries[0] = wanted[1];
		n = cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_MSRS, &msrs);
	}
	return cv_min(n, 0);
}

static void store32(char *regs, uint32_t off, uint32_t val)
{
	memcpy(regs + off, &val, sizeof(val));
}

/* The boot processor's only: the others lose theirs at INIT. */
static int setup_lints(struct cv_kvm_vcpu *v)
{
	struct kvm_lapic_state lapic;
	int err = cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_GET_LAPIC, &lapic);

	if (err)
		return err;
	store32(lapic.regs, APIC_LVT_LINT0, APIC_MODE_EXTINT);
	store32(lapic.regs, APIC_LVT_LINT1, APIC_MODE_NMI);
	return cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_LAPIC, &lapic);
}

static int x86_setup(struct cv_vcpu *vcpu, const struct cv_x86_vcpu_state *state,
		     struct vm_error *e)
{
	struct cv_kvm_vcpu *v = cv_kvm_vcpu_of(vcpu);
	int err;

	if (state->mode == CV_X86_RESET_VECTOR)
		return 0; /* as KVM makes it; the rest is the firmware's */
	err = setup_msrs(v) ?: setup_fpu(v);
	if (state->mode != CV_X86_WAIT_FOR_SIPI)
		err = err ?: setup_sregs(v, state) ?: setup_regs(v, state);
	if (state->mode != CV_X86_WAIT_FOR_SIPI && v->kvm->irqchip)
		err = err ?: setup_lints(v);
	return err ? cv_err(e, err, "vCPU %u: KVM refuses its first state: %s", vcpu->index,
			    strerror(-err))
		   : 0;
}

static uint32_t x86_tsc_khz(struct cv_vcpu *vcpu)
{
	return (uint32_t)cv_max(
		cv_kvm_ioctl_value(cv_fd_get(&cv_kvm_vcpu_of(vcpu)->fd), KVM_GET_TSC_KHZ, 0), 0);
}

const struct cv_hv_ops cv_kvm_ops = {
	.destroy = cv_kvm_destroy,
	.set_memory = cv_kvm_set_memory,
	.vcpu_create = cv_kvm_vcpu_create,
	.vcpu_destroy = cv_kvm_vcpu_destroy,
	.vcpu_enter = cv_kvm_vcpu_enter,
	.vcpu_run = cv_kvm_vcpu_run,
	.vcpu_kick = cv_kvm_vcpu_kick,
	.x86_cpuid = get_cpuid,
	.x86_set_cpuid = set_cpuid,
	.x86_setup = x86_setup,
	.x86_tsc_khz = x86_tsc_khz,
};
