/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the KVM implementation share, and what a host check asks of it. */
#ifndef CV_HYPERVISOR_KVM_H
#define CV_HYPERVISOR_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "hypervisor/hypervisor.h"
#include "sys/fd.h"

/* A capability without which no VM is made. */
struct cv_kvm_cap {
	long number;
	const char *name;  /* of the host check's row */
	const char *macro; /* its name in the KVM API */
	const char *since; /* the first Linux that has it */
};

#define CV_KVM_CAP(cap, row_name, linux_version)                                        \
	{                                                                               \
		.number = cap, .name = row_name, .macro = #cap, .since = linux_version, \
	}

/* The @index-th needed capability, NULL after the last: those of every architecture, then this
 * one's. */
const struct cv_kvm_cap *cv_kvm_cap(unsigned int index);

/* What is wrong and what to do about it, one clause each. */
struct cv_kvm_fault {
	char reason[160];
	const char *remedy;
};

/* Opens /dev/kvm and checks the API's version. The fd, or -errno with *fault. */
int cv_kvm_open(struct cv_kvm_fault *fault) CV_MUST_CHECK;

/* KVM_CHECK_EXTENSION: 0 when missing, else 1 or a number. */
int cv_kvm_extension(int fd, long cap);

/*
 * The signal that kicks a vCPU: blocked in every thread of ours and opened by
 * KVM_SET_SIGNAL_MASK while in the guest only, so it needs no handler. Sent to
 * threads of ours, never to the process.
 */
#define CV_KVM_KICK_SIGNAL (SIGRTMIN + 7)

struct cv_kvm {
	struct cv_hv hv;
	struct cv_log *log;
	struct cv_fd kvm, vm;
	struct cv_fd arm_gic, arm_its; /* KVM's devices */
	bool irqchip;
	size_t run_len; /* of a vCPU's shared page(s) */
	pthread_mutex_t route_lock;
	struct kvm_irq_routing *routes; /* fixed entries, then MSI ones in order of GSI */
	bool *msi_used;			/* per MSI entry */
	unsigned int max_msi;
	bool msi_devid; /* MSI routes name their device */
};

struct cv_kvm_vcpu {
	struct cv_vcpu vcpu;
	struct cv_kvm *kvm;
	struct cv_fd fd;
	struct kvm_run *run;
	bool pmu; /* aarch64: it has one */
	pthread_t thread;
	atomic_bool kicked; /* a signal is on its way or pending */
};

static inline struct cv_kvm *cv_kvm_of(struct cv_hv *hv)
{
	return cv_container_of(hv, struct cv_kvm, hv);
}

static inline struct cv_kvm_vcpu *cv_kvm_vcpu_of(struct cv_vcpu *vcpu)
{
	return cv_container_of(vcpu, struct cv_kvm_vcpu, vcpu);
}

/* ioctl() with the result as 0, a count or -errno. */
int cv_kvm_ioctl(int fd, unsigned long request, void *arg);
int cv_kvm_ioctl_value(int fd, unsigned long request, unsigned long arg);

/* kvm.c */
void cv_kvm_destroy(struct cv_hv *hv);
int cv_kvm_set_memory(struct cv_hv *hv, const struct cv_mem *mem, const struct cv_rom *rom,
		      struct vm_error *e);

/* kvm_vcpu.c */
int cv_kvm_vcpu_create(struct cv_hv *hv, unsigned int index, struct cv_vcpu **vcpu,
		       struct vm_error *e);
void cv_kvm_vcpu_destroy(struct cv_vcpu *vcpu);
int cv_kvm_vcpu_enter(struct cv_vcpu *vcpu, struct vm_error *e);
void cv_kvm_vcpu_run(struct cv_vcpu *vcpu, struct cv_exit *exit);
void cv_kvm_vcpu_kick(struct cv_vcpu *vcpu);

/* kvm_irq.c */
int cv_kvm_irq_init(struct cv_kvm *kvm, struct vm_error *e) CV_MUST_CHECK;
void cv_kvm_irq_fini(struct cv_kvm *kvm);

/* kvm_<arch>.c */
extern const struct cv_hv_ops cv_kvm_ops;
extern const struct cv_kvm_cap cv_kvm_arch_caps[]; /* ends with a row without a name */
/* The argument of KVM_CREATE_VM; notes the width of addresses. */
unsigned long cv_kvm_arch_vm_type(struct cv_kvm *kvm);
/* What must be set before memory, and the interrupt controllers after it. */
int cv_kvm_arch_init(struct cv_kvm *kvm, struct vm_error *e) CV_MUST_CHECK;
int cv_kvm_arch_irqchip(struct cv_kvm *kvm, struct vm_error *e) CV_MUST_CHECK;
/* The routes that exist without MSI; returns their number, @entries may be NULL to ask for it. */
unsigned int cv_kvm_arch_routes(struct kvm_irq_routing_entry *entries);
/* The first GSI that no interrupt controller pin has. */
unsigned int cv_kvm_arch_first_msi(void);
/* An exit that only this architecture has: true when it is dealt with and the vCPU may run on. */
bool cv_kvm_arch_exit(struct cv_kvm_vcpu *v);
/* " at rip 0x..." for the text of a failure; empty if unknown. */
void cv_kvm_arch_where(struct cv_kvm_vcpu *v, char *buf, size_t size);

#endif
