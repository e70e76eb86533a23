/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether this host lets the tests make VMs. */
#ifndef CV_TESTS_NEED_KVM_H
#define CV_TESTS_NEED_KVM_H

#include <stdio.h>
#include <unistd.h>

/* Returns from the test where no VM can be made. */
#define NEED_KVM()                                         \
	do {                                               \
		if (access("/dev/kvm", R_OK | W_OK) < 0) { \
			printf("skip /dev/kvm: %m\n");     \
			return;                            \
		}                                          \
	} while (0)

#endif
