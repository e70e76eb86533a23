/* SPDX-License-Identifier: BSD-3-Clause */
/* How fast a hypervisor runs guest kernel mode. */
#ifndef CV_HYPERVISOR_SPEED_H
#define CV_HYPERVISOR_SPEED_H

#include "hypervisor/hypervisor.h"

struct cv_speed {
	bool native;	     /* the processor's own speed, not that of an interpreter */
	uint64_t per_second; /* instructions, roughly */
};

/*
 * Runs a counted loop of a tiny guest in kernel mode on the fresh, empty VM @hv
 * (irqchip off, 1 vCPU), for 8 ms at most, twice if need be, and destroys the VM.
 * 0, or -errno when the guest could not be run at all.
 */
int cv_speed_measure(struct cv_hv *hv, struct cv_speed *speed, struct vm_error *e) CV_MUST_CHECK;

#endif
