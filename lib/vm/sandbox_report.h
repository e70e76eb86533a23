/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of vm_sandbox_report(): reading one process, judging it, putting them together. */
#ifndef CV_VM_SANDBOX_REPORT_H
#define CV_VM_SANDBOX_REPORT_H

#include <crosvm/sandbox.h>

#include "base/base.h"

/* What the memory of a guest is called. */
#define CV_GUEST_MEMFD "crosvm_guest"

#define CV_MAX_WEAKNESSES 40u

/* One process of the report. Zeroed is a valid empty one. */
struct cv_seen_process {
	struct vm_sandbox_process pub;
	struct vm_sandbox_fd *fds;
	size_t n_fds;
	struct vm_sandbox_range *ranges;
	size_t n_ranges;
	char weak[CV_MAX_WEAKNESSES][96];
};

/* Reads all of the process whose /proc directory is @dir; what is closed is noted. 0 or -ENOMEM. */
int cv_seen_read(struct cv_seen_process *s, int dir, unsigned int flags) CV_MUST_CHECK;

/* The descriptors alone. 0 or -ENOMEM. */
int cv_seen_read_fds(struct cv_seen_process *s, int dir) CV_MUST_CHECK;

/* Compares the namespaces with those of the VM's main process, which may be @s itself. */
void cv_seen_compare(struct cv_seen_process *s, const struct cv_seen_process *main);

/* Notes what is weaker than the default jail. */
void cv_seen_judge(struct cv_seen_process *s);

bool cv_seen_maps_guest(const struct cv_seen_process *s);

void cv_seen_fini(struct cv_seen_process *s);

#endif
