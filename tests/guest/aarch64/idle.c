/* SPDX-License-Identifier: BSD-3-Clause */
/* Does nothing, for ever: what remains is the monitor's own cost. */
#include "rt.h"

void guest_main(void)
{
	rt_puts("ready\n");
	for (;;)
		rt_halt();
}
