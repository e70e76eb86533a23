/* SPDX-License-Identifier: BSD-3-Clause */
/* The shortest useful guest. */
#include "rt.h"

void guest_main(void)
{
	rt_puts("Hello\n");
	if (rt_arg("end=reset"))
		rt_reset();
	if (rt_arg("end=panic"))
		rt_panic();
	while (rt_arg("end=halt"))
		rt_halt();
}
