/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of an aarch64 machine, shared by the files that build it. */
#ifndef CV_MACHINE_AARCH64_H
#define CV_MACHINE_AARCH64_H

#include "hypervisor/aarch64.h"
#include "machine/layout_aarch64.h"
#include "machine/machine_impl.h"

#define CV_ARM_PVPANIC_SLOT (CV_PCI_SLOTS - 1)

/* What is known of the VM once its vCPUs and its GIC exist. */
struct cv_arm_machine {
	struct cv_arm_gic gic;
	struct cv_arm_cpu cpus[CV_MACHINE_MAX_VCPUS];
};

/* What a boot tells the guest. */
struct cv_arm_boot {
	const char *cmdline;
	struct cv_mem_range initrd; /* len 0: none */
	uint64_t ram_len;	    /* from CV_ARM_RAM_GPA on, all of it */
	struct cv_mem_range pvtime; /* its end, which the guest must not use; len 0: none */
	uint64_t kaslr_seed;
	uint8_t rng_seed[64];
};

/* The device tree, flattened into @size bytes at @buf. 0 or -errno. */
int cv_arm_write_fdt(const struct cv_machine *m, const struct cv_arm_boot *boot, void *buf,
		     size_t size, struct vm_error *e) CV_MUST_CHECK;

/* vCPUs, GIC, performance monitors: before any interrupt is attached. */
int cv_arm_make_cpus(struct cv_machine *m, struct vm_error *e) CV_MUST_CHECK;

#endif
