/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of whole VMs must know of the machine that this build makes. */
#ifndef CV_TESTS_ARCH_H
#define CV_TESTS_ARCH_H

#if defined(__x86_64__)
#include "arch_x86_64.h"
#elif defined(__aarch64__)
#include "arch_aarch64.h"
#endif

#endif
