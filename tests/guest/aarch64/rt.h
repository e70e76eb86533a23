/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runtime of the bare guests on aarch64: a first serial port, the command line
 * out of the device tree, PSCI and the pvpanic function. Words as in ../rt.h.
 */
#ifndef GUEST_AARCH64_RT_H
#define GUEST_AARCH64_RT_H

#include <stdbool.h>
#include <stdint.h>

void guest_main(void); /* the guest; the machine powers off when it returns */

void rt_puts(const char *text);
bool rt_arg(const char *word); /* "key" or "key=value" is on the command line */

_Noreturn void rt_power_off(void);
_Noreturn void rt_reset(void);
_Noreturn void rt_panic(void); /* tells the host, then resets */
void rt_halt(void);

#endif
