/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest processor says of itself. */
#ifndef CV_HYPERVISOR_CPUID_X86_64_H
#define CV_HYPERVISOR_CPUID_X86_64_H

#include "hypervisor/x86_64.h"

/*
 * The CPUID leaves of vCPU @index of @n_vcpus (1 to 255): what is @supported,
 * with the topology of one package of @n_vcpus cores of one thread each, APIC
 * ID = @index, and without what a guest cannot use here. Leaves of a vendor the
 * list is not of are left alone.
 */
void cv_x86_cpuid_build(const struct cv_x86_cpuid *supported, unsigned int index,
			unsigned int n_vcpus, struct cv_x86_cpuid *out);

/* The entry of @leaf (and @index, where it matters), or NULL. */
struct cv_x86_cpuid_entry *cv_x86_cpuid_find(struct cv_x86_cpuid *list, uint32_t leaf,
					     uint32_t index);

#endif
