/* SPDX-License-Identifier: BSD-3-Clause */
/* The tiny guest that measures: it counts CV_SPEED_ROUNDS down to 0 in memory at
 * CV_SPEED_COUNTER_GPA, then makes an access that leaves the guest. */
#ifndef CV_HYPERVISOR_SPEED_IMPL_H
#define CV_HYPERVISOR_SPEED_IMPL_H

#include "hypervisor/speed.h"

#define CV_SPEED_CODE_GPA    0x1000u
#define CV_SPEED_COUNTER_GPA 0x2000u
#define CV_SPEED_MEMORY_LEN  0x10000u /* a page of any host */
#define CV_SPEED_ROUNDS	     100000u
#define CV_SPEED_PER_ROUND   3u /* instructions */

/* speed_<arch>.c: the guest's code, which returns its length, and how its vCPU starts. */
size_t cv_speed_code(const void **code);
int cv_speed_setup(struct cv_vcpu *vcpu, struct vm_error *e) CV_MUST_CHECK;

#endif
