/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the keyboard controller. */
#include "regs_fuzz.h"

FUZZ_REGS("i8042", "")
