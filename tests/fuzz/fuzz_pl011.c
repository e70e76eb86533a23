/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes Arm's serial port. */
#include "regs_fuzz.h"

FUZZ_REGS("pl011", "in=/proc/self/fd/%d")
