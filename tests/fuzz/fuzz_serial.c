/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the serial port. */
#include "regs_fuzz.h"

FUZZ_REGS("serial", "in=/proc/self/fd/%d")
