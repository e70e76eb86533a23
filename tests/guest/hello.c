/* SPDX-License-Identifier: BSD-3-Clause */
/* The shortest useful guest; its entry has written the H already. */
#include "rt.h"

void guest_main(void)
{
	rt_puts("ello\n");
	if (rt_arg_is("end", "reset"))
		rt_reset();
	if (rt_arg_is("end", "i8042"))
		rt_outb(0x64, 0xfe);
	if (rt_arg_is("end", "triple"))
		rt_triple_fault();
	if (rt_arg_is("end", "panic"))
		rt_panic();
	while (rt_arg_is("end", "halt"))
		rt_halt();
}
