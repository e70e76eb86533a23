/* SPDX-License-Identifier: BSD-3-Clause */
/* What the hypervisor floor needs to know of an aarch64 vCPU and its interrupt controller. */
#ifndef CV_HYPERVISOR_AARCH64_H
#define CV_HYPERVISOR_AARCH64_H

#include "base/base.h"

/* Interrupt numbers of a GIC: SPI n of the devices is GSI n here and interrupt 32 + n there. */
#define CV_ARM_FIRST_SPI 32u
#define CV_ARM_FIRST_PPI 16u

/* One virtual GIC. With version 3 there is a redistributor for each vCPU, and an ITS that turns
 * messages into interrupts; with version 2 at most 8 vCPUs and no messages. */
struct cv_arm_gic {
	unsigned int version; /* 2 or 3 */
	unsigned int n_spis;  /* a multiple of 32 */
	uint64_t dist_gpa;
	uint64_t redist_gpa; /* 3: CV_ARM_REDIST_LEN for each vCPU */
	uint64_t its_gpa;    /* 3 */
	uint64_t cpu_gpa;    /* 2: the CPU interface */
};

#define CV_ARM_DIST_LEN	   0x10000u
#define CV_ARM_REDIST_LEN  0x20000u
#define CV_ARM_ITS_LEN	   0x20000u
#define CV_ARM_CPU_LEN	   0x2000u
#define CV_ARM_V2_MAX_CPUS 8u

/* What one vCPU is like. */
struct cv_arm_cpu {
	uint64_t mpidr;			  /* affinity fields only */
	bool page_4k, page_16k, page_64k; /* translation granules */
	bool big_endian;		  /* can run so */
	bool pmu;
	bool pvtime; /* tells the guest how much time was stolen */
};

/* Where it starts: EL1, MMU off, all interrupts masked. */
struct cv_arm_vcpu_state {
	uint64_t pc, x0;
};

#endif
