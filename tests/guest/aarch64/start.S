/* SPDX-License-Identifier: BSD-3-Clause */
/* An arm64 Image (Documentation/arch/arm64/booting.rst) that runs as it is entered: at EL1, without
 * the MMU, interrupts masked. */
	.section .head, "ax"
	.globl _start
_start:
	b	1f
	.long	0
	.quad	0		/* text offset */
	.quad	_end - _start	/* with what is not in the file */
	.quad	0xa		/* little-endian, 4 KiB pages, anywhere */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0
1:	adrp	x1, stack_end
	add	x1, x1, :lo12:stack_end
	mov	sp, x1
	bl	rt_begin
2:	wfi
	b	2b

	.bss
	.balign	16
	.skip	0x4000
stack_end:
