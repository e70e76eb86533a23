/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hypervisor floor: a VM, its memory slots, interrupts and vCPUs behind one
 * table of operations, implemented by KVM and by a fake that replays scripted
 * exits, so that whole life cycles are tested where there is no /dev/kvm.
 *
 * What is specific to an architecture is in <arch>.h beside this file.
 */
#ifndef CV_HYPERVISOR_HYPERVISOR_H
#define CV_HYPERVISOR_HYPERVISOR_H

#include "base/err.h"
#include "base/log.h"
#include "core/hw.h"
#include "core/mem.h"

struct cv_hv;
struct cv_vcpu;
struct cv_x86_vcpu_state;
struct cv_x86_cpuid;
struct cv_arm_cpu;
struct cv_arm_gic;
struct cv_arm_vcpu_state;

enum cv_exit_kind {
	CV_EXIT_IO,	  /* port access: answer through data, then run again */
	CV_EXIT_MMIO,	  /* memory access: likewise */
	CV_EXIT_KICKED,	  /* cv_vcpu_kick() or a signal */
	CV_EXIT_HALTED,	  /* halted for good (no in-kernel interrupt controller) */
	CV_EXIT_SHUTDOWN, /* triple fault */
	CV_EXIT_RESET,	  /* the hypervisor reports a guest reset */
	CV_EXIT_POWER_OFF,
	CV_EXIT_CRASHED, /* the hypervisor reports a guest crash */
	CV_EXIT_FAILED,	 /* the vCPU cannot go on; see text */
};

struct cv_exit {
	enum cv_exit_kind kind;
	bool write; /* IO, MMIO: the guest writes */
	uint8_t len; /* bytes of one access, 1 to 8; where a memory access crosses a page, odd ones */
	uint32_t count; /* IO: accesses in @data, one after another (string instructions) */
	uint64_t addr;	/* port or gpa */
	uint8_t *data;	/* len * count bytes; valid until the next run */
	char text[160]; /* FAILED: why */
};

/*
 * A VM lives once: create, set_memory, vCPUs, run, destroy. A guest that resets
 * gets a new one, because a VM's interrupt controllers, timers and vCPUs cannot be
 * put back into every detail of their first state.
 */
struct cv_hv_config {
	bool irqchip; /* in-kernel interrupt controllers and timer */
	unsigned int n_vcpus;
};

struct cv_hv_ops {
	void (*destroy)(struct cv_hv *hv);
	/* maps all regions of @mem as slots, and @rom (NULL or empty: none) as one that the guest
	 * can only read, its writes being MMIO exits; makes the interrupt controllers. Once, before
	 * anything else. The memory outlives the VM. 0 or -errno; -ENOTSUP: no read-only memory */
	int (*set_memory)(struct cv_hv *hv, const struct cv_mem *mem, const struct cv_rom *rom,
			  struct vm_error *e);
	int (*vcpu_create)(struct cv_hv *hv, unsigned int index, struct cv_vcpu **vcpu,
			   struct vm_error *e);
	void (*vcpu_destroy)(struct cv_vcpu *vcpu);
	/* the thread that will run the vCPU calls this once first; it has all signals blocked */
	int (*vcpu_enter)(struct cv_vcpu *vcpu, struct vm_error *e);
	/* runs until an exit; never fails otherwise: errors are CV_EXIT_FAILED */
	void (*vcpu_run)(struct cv_vcpu *vcpu, struct cv_exit *exit);
	/* makes a running or halted vcpu_run return with KICKED soon; the next one if none runs.
	 * Any thread; the vCPU's thread has entered and not ended */
	void (*vcpu_kick)(struct cv_vcpu *vcpu);
	/* ---- x86_64 ---- */
	/* what a guest may be told at most; see cpuid_x86_64.h */
	int (*x86_cpuid)(struct cv_hv *hv, struct cv_x86_cpuid *list, struct vm_error *e);
	int (*x86_set_cpuid)(struct cv_vcpu *vcpu, const struct cv_x86_cpuid *list,
			     struct vm_error *e);
	int (*x86_setup)(struct cv_vcpu *vcpu, const struct cv_x86_vcpu_state *state,
			 struct vm_error *e);
	/* the host's TSC frequency as the guest sees it, kHz, 0 if unknown */
	uint32_t (*x86_tsc_khz)(struct cv_vcpu *vcpu);
	/* ---- aarch64, in this order ---- */
	/* the newest GIC that this host can give a guest, or -ENOTSUP with a sentence */
	int (*arm_gic_version)(struct cv_hv *hv, struct vm_error *e);
	/* switches a new vCPU on (@off: it waits for PSCI's CPU_ON) with all that the host has */
	int (*arm_init)(struct cv_vcpu *vcpu, bool off, struct vm_error *e);
	/* all vCPUs exist; interrupts are attached afterwards */
	int (*arm_make_gic)(struct cv_hv *hv, const struct cv_arm_gic *gic, struct vm_error *e);
	int (*arm_describe)(struct cv_vcpu *vcpu, struct cv_arm_cpu *cpu, struct vm_error *e);
	/* makes the performance monitor interrupt with a PPI; keeps stolen time in 64 bytes of
	 * guest memory. Only where arm_describe() tells of them */
	int (*arm_set_pmu)(struct cv_vcpu *vcpu, unsigned int ppi, struct vm_error *e);
	int (*arm_set_pvtime)(struct cv_vcpu *vcpu, uint64_t gpa, struct vm_error *e);
	int (*arm_setup)(struct cv_vcpu *vcpu, const struct cv_arm_vcpu_state *state,
			 struct vm_error *e);
};

struct cv_hv {
	const struct cv_hv_ops *ops;
	struct cv_hw hw;	/* interrupts and doorbells for the transports */
	unsigned int phys_bits; /* of guest-physical addresses; 0: see CPUID (x86_64) */
};

struct cv_vcpu {
	const struct cv_hv_ops *ops;
	unsigned int index;
};

/* Opens /dev/kvm and makes a VM. -errno with what is missing and what to do about it. */
int cv_hv_kvm_create(struct cv_hv **hv, const struct cv_hv_config *config, struct cv_log *log,
		     struct vm_error *e) CV_MUST_CHECK;

static inline void cv_hv_destroy(struct cv_hv *hv)
{
	if (hv)
		hv->ops->destroy(hv);
}

#endif
