/* SPDX-License-Identifier: BSD-3-Clause */
/* The two faces of a sandbox report. */
#ifndef CROSVM_CLI_REPORT_H
#define CROSVM_CLI_REPORT_H

#include <crosvm/crosvm.h>

#include "args.h"

void report_print_text(const struct vm_sandbox_report *report);
void report_print_json(const struct vm_sandbox_report *report);

#endif
