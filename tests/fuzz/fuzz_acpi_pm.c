/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes ACPI's fixed hardware. */
#include "regs_fuzz.h"

FUZZ_REGS("acpi-pm", "")
