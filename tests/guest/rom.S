/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest firmware, 64 KiB: begins at the reset vector, tries to write to
 * itself, goes on in its shadow below 1 MiB, where that works, asks fw_cfg who it
 * is, and says on COM1 how that went. Then the power goes off, or with RESET the
 * guest resets.
 */
#define COM1	0x3f8
#define FW_CFG	0x510
#define PM_CNT	0x604
#define PM_OFF	0x3400 /* S5 */
#define RST_CNT 0xcf9

#define FRESH 0xa7
#define USED  0x55

	.code16
	.text
	.globl _start
_start:
below:
	cmpb	$FRESH, %cs:mark
	jne	stale
	movb	$USED, %cs:mark
	cmpb	$USED, %cs:mark
	jne	stale
	movw	$told, %si
	call	say
	movw	$FW_CFG, %dx
	xorw	%ax, %ax
	outw	%ax, %dx
	movw	$4, %cx
1:	movw	$FW_CFG + 1, %dx
	inb	%dx, %al
	movw	$COM1, %dx
	outb	%al, %dx
	loop	1b
	movb	$'\n', %al
	outb	%al, %dx
	jmp	end

written:
	movw	$written_told, %si
	jmp	complain
stale:
	movw	$stale_told, %si
complain:
	call	say
end:
#ifdef RESET
	movw	$RST_CNT, %dx
	movb	$6, %al
	outb	%al, %dx
#else
	movw	$PM_CNT, %dx
	movw	$PM_OFF, %ax
	outw	%ax, %dx
#endif
2:	hlt
	jmp	2b

/* Says the text at CS:SI; needs the stack. */
say:
	movw	$COM1, %dx
3:	movb	%cs:(%si), %al
	incw	%si
	testb	%al, %al
	jz	4f
	outb	%al, %dx
	jmp	3b
4:	ret

told:
	.asciz	"firmware: "
written_told:
	.asciz	"firmware: it can be written to\n"
stale_told:
	.asciz	"firmware: its shadow is not fresh RAM\n"
mark:
	.byte	FRESH

/* CS is where no real mode reaches, until the first far jump. Close to the reset vector, since not
 * every assembler jumps around the end of a segment. */
	.org	0xff80
above:
	xorw	%ax, %ax
	movw	%ax, %ss
	movw	$0x7000, %sp
	movb	$USED, %cs:mark
	cmpb	$FRESH, %cs:mark
	jne	5f
	ljmp	$0xf000, $below
5:	ljmp	$0xf000, $written

	.org	0xfff0
	jmp	above
	.org	0x10000
