/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the real-time clock. */
#include "regs_fuzz.h"

FUZZ_REGS("cmos", "mem_below_4g=1G,mem_above_4g=1G")
