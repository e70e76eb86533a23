/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake hypervisor: vCPUs replay scripts; everything set is there to be looked at. */
#ifndef CV_HYPERVISOR_FAKE_H
#define CV_HYPERVISOR_FAKE_H

#include "hypervisor/hypervisor.h"
#include "hypervisor/x86_64.h"

/* One step of a vCPU's script. */
struct cv_fake_step {
	enum cv_exit_kind
		kind; /* IO and MMIO use the rest; KICKED: sleep until kicked; HALTED: sleep
				 * until kicked, and again, for ever */
	bool write;
	uint8_t len;
	uint64_t addr;
	uint64_t value; /* written, or expected of a read when @check */
	bool check;
	/* instead of an exit: called in the vCPU's thread (a guest program in C: it may use
	 * cv_fake_read and cv_fake_write) and the vCPU goes on with the next step */
	void (*call)(struct cv_vcpu *vcpu, void *arg);
	void *arg;
};

/* A VM whose vCPU @i runs scripts[i] (n_steps[i] steps, then halts for ever). */
struct cv_fake_script {
	const struct cv_fake_step *steps;
	unsigned int n_steps;
};

int cv_hv_fake_create(struct cv_hv **hv, const struct cv_hv_config *config,
		      const struct cv_fake_script *scripts, unsigned int n_scripts,
		      struct vm_error *e) CV_MUST_CHECK;

/* Steps whose check failed so far; the first one's index in *first if not NULL. */
unsigned int cv_fake_failures(struct cv_hv *hv, unsigned int *first);

/* How often interrupt @gsi was delivered through its irqfd so far (polls its eventfds). */
unsigned int cv_fake_interrupts(struct cv_hv *hv, uint32_t gsi);

/* Signals EOI for @gsi: writes the resample eventfds. */
void cv_fake_eoi(struct cv_hv *hv, uint32_t gsi);

/* Makes the next call of the operation fail with @err (negative); names as in struct cv_hv_ops,
 * "ioevent", "irqfd" and "msi_route". For error-path tests. */
void cv_fake_fail(struct cv_hv *hv, const char *op, int err);

/* What cv_x86_setup and memory set-up were given. */
const struct cv_x86_vcpu_state *cv_fake_x86_state(struct cv_hv *hv, unsigned int index);

#endif
