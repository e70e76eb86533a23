/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fake hypervisor: vCPUs replay scripts; everything set is there to be
 * looked at. Doorbells and interrupts act as KVM's do: a write that matches an
 * ioevent signals its eventfd instead of leaving the guest, and signalled irqfds
 * count as interrupts.
 *
 * A step of a script is one exit, or a whole guest program in C (@call). Such a
 * program runs beside the vCPU's thread, but only while that is inside
 * vcpu_run(), and reaches the machine through the functions below: each access
 * becomes an exit that the monitor answers like any other. So a test may run a
 * driver as the guest. A loop in it that waits for something calls
 * cv_fake_relax(), because only there (and in accesses) a kick gets through.
 */
#ifndef CV_HYPERVISOR_FAKE_H
#define CV_HYPERVISOR_FAKE_H

#include "hypervisor/hypervisor.h"

#define CV_FAKE_MAX_VCPUS 64
#define CV_FAKE_MAX_COUNT 16 /* accesses of one string instruction */

/* One step of a vCPU's script. */
struct cv_fake_step {
	/* IO and MMIO use the rest; KICKED: sleeps until kicked; HALTED: sleeps until kicked, and
	 * again, for ever; the others end the vCPU's run */
	enum cv_exit_kind kind;
	bool write;
	uint8_t len;
	uint32_t count; /* IO: of a string instruction, 0: 1; each access has @value */
	uint64_t addr;
	uint64_t value; /* written, or expected of a read when @check */
	bool check;
	/* instead of an exit: a guest program; the script goes on when it returns */
	void (*call)(struct cv_vcpu *vcpu, void *arg);
	void *arg;
};

/* A VM whose vCPU @i runs scripts[i] (n_steps[i] steps, then halts for ever). Borrowed. */
struct cv_fake_script {
	const struct cv_fake_step *steps;
	unsigned int n_steps;
};

int cv_hv_fake_create(struct cv_hv **hv, const struct cv_hv_config *config,
		      const struct cv_fake_script *scripts, unsigned int n_scripts,
		      struct vm_error *e) CV_MUST_CHECK;

/* ---- for guest programs: called by a step's @call with its vCPU ---- */

uint64_t cv_fake_read(struct cv_vcpu *vcpu, bool pio, uint64_t addr, unsigned int len);
void cv_fake_write(struct cv_vcpu *vcpu, bool pio, uint64_t addr, unsigned int len, uint64_t val);

/* Once around a waiting loop: sleeps a little, lets a kick through. */
void cv_fake_relax(struct cv_vcpu *vcpu);

/* Waits until interrupt @gsi has been delivered @count times in all. */
void cv_fake_wait(struct cv_vcpu *vcpu, uint32_t gsi, unsigned int count);

/* Leaves the guest with an exit that has no data (KICKED, SHUTDOWN, RESET, …); returns if the
 * vCPU is run again. */
void cv_fake_exit(struct cv_vcpu *vcpu, enum cv_exit_kind kind);

/* Counts a failure unless @ok. Returns @ok. */
bool cv_fake_check(struct cv_vcpu *vcpu, bool ok);

/* What set_memory() was given. */
const struct cv_mem *cv_fake_mem(struct cv_vcpu *vcpu);

/* The read-only memory that it was given; empty: none. */
const struct cv_rom *cv_fake_rom(struct cv_hv *hv);

/* The VM of a vCPU. */
struct cv_hv *cv_fake_hv(struct cv_vcpu *vcpu);

/* ---- for the test around it: any thread ---- */

/* Steps whose check failed so far; the first one's index in *first if not NULL. */
unsigned int cv_fake_failures(struct cv_hv *hv, unsigned int *first);

/* How often interrupt @gsi was delivered through its irqfds so far (polls the eventfds). */
unsigned int cv_fake_interrupts(struct cv_hv *hv, uint32_t gsi);

/* The interrupt whose MSI route carries @data, 0 if none. */
uint32_t cv_fake_msi(struct cv_hv *hv, uint32_t data);

/* Signals EOI for @gsi: writes the resample eventfds. */
void cv_fake_eoi(struct cv_hv *hv, uint32_t gsi);

/* Makes the next call of the operation fail with @err (negative); names as in struct cv_hv_ops,
 * "ioevent", "irqfd" and "msi_route". For error-path tests. */
void cv_fake_fail(struct cv_hv *hv, const char *op, int err);

/* How many doorbells, attached interrupts and MSI routes exist: 0 when everything was undone. */
unsigned int cv_fake_attached(struct cv_hv *hv);

/* x86_64: what x86_setup and x86_set_cpuid were given for a vCPU, NULL if not called. */
const struct cv_x86_vcpu_state *cv_fake_x86_state(struct cv_hv *hv, unsigned int index);
const struct cv_x86_cpuid *cv_fake_x86_cpuid(struct cv_hv *hv, unsigned int index);

/* aarch64: what arm_setup was given for a vCPU, NULL if not called; whether arm_init left it off. */
const struct cv_arm_vcpu_state *cv_fake_arm_state(struct cv_hv *hv, unsigned int index);
bool cv_fake_arm_off(struct cv_hv *hv, unsigned int index);

/* aarch64: what arm_make_gic was given, NULL if not called; and which version the host has (3). */
const struct cv_arm_gic *cv_fake_arm_gic(struct cv_hv *hv);
void cv_fake_arm_set_version(struct cv_hv *hv, int version);

#endif
