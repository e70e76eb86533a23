/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two halves of the fake hypervisor share: the VM (fake.c) and its vCPUs. */
#ifndef CV_HYPERVISOR_FAKE_IMPL_H
#define CV_HYPERVISOR_FAKE_IMPL_H

#include <pthread.h>

#include "base/list.h"
#include "hypervisor/fake.h"

#define FAKE_FIRST_MSI 24u
#define FAKE_MAX_GSI   1024u

struct cv_fake_route {
	bool used;
	struct cv_msi msi;
};

struct cv_fake {
	struct cv_hv hv;
	const struct cv_fake_script *scripts;
	unsigned int n_scripts;
	pthread_mutex_t lock; /* of all below; taken inside a vCPU's lock */
	const struct cv_mem *mem;
	struct cv_rom rom;
	struct cv_list ioevents, irqfds;
	struct cv_fake_route routes[FAKE_MAX_GSI];
	unsigned int interrupts[FAKE_MAX_GSI];
	unsigned int n_failures, first_failure;
	const char *fail_op;
	int fail_err;
	struct cv_hv_ops ops;
	void *states[CV_FAKE_MAX_VCPUS], *cpus[CV_FAKE_MAX_VCPUS]; /* fake_<arch>.c's; owned */
	void *machine;						   /* the same, of the VM */
	int gic_version;
};

/* Keeps a copy of @what in *slot. */
int cv_fake_keep(void **slot, const void *what, size_t len);

/* fake_<arch>.c: adds the operations of the architecture. */
void cv_fake_arch_init(struct cv_fake *f);

static inline struct cv_fake *cv_fake_of(struct cv_hv *hv)
{
	return cv_container_of(hv, struct cv_fake, hv);
}

static inline struct cv_fake *cv_fake_of_vcpu(struct cv_vcpu *vcpu)
{
	return cv_fake_of(cv_fake_hv(vcpu));
}

/* What cv_fake_fail() has set for @op, 0 otherwise; the second says so. */
int cv_fake_injected(struct cv_fake *f, const char *op);
int cv_fake_told(struct cv_fake *f, const char *op, struct vm_error *e) CV_MUST_CHECK;

/* Signals the doorbells that this write rings; whether there was one. */
bool cv_fake_ring(struct cv_fake *f, bool pio, uint64_t addr, uint32_t len, uint64_t val);

void cv_fake_note_failure(struct cv_fake *f, unsigned int step);

/* fake_vcpu.c */
int cv_fake_vcpu_create(struct cv_hv *hv, unsigned int index, struct cv_vcpu **vcpu,
			struct vm_error *e);
void cv_fake_vcpu_destroy(struct cv_vcpu *vcpu);
int cv_fake_vcpu_enter(struct cv_vcpu *vcpu, struct vm_error *e);
void cv_fake_vcpu_run(struct cv_vcpu *vcpu, struct cv_exit *exit);
void cv_fake_vcpu_kick(struct cv_vcpu *vcpu);

#endif
