/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entry points, page tables, descriptor tables and trap stubs of the bare
 * guests. Two ways in (PVH in 32-bit protected mode, the Linux 64-bit boot
 * protocol in long mode), one way out: iretq to rt_start() at CPL 3. Kernel
 * mode is left at once because some KVMs interpret it; for the same reason all
 * tables that can be are built by the assembler.
 *
 * RT_FIRST_BYTE: a byte written to the serial port by the very first
 * instructions, to time the monitor rather than the guest.
 */
	.set	SEL_CODE0, 0x08
	.set	SEL_DATA0, 0x10
	.set	SEL_DATA3, 0x1b
	.set	SEL_CODE3, 0x23
	.set	SEL_TSS, 0x28
	.set	BOOT_LINUX, 0
	.set	BOOT_PVH, 1
	.set	IOMAP_LEN, 8192

	.macro	first_byte
#ifdef RT_FIRST_BYTE
	movw	$0x3f8, %dx
	movb	$RT_FIRST_BYTE, %al
	outb	%al, %dx
#endif
	.endm

#ifndef RT_NO_PVH
	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 8, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	rt_entry_pvh
#endif

	.section .text.entry, "ax"
	.code32
	.globl	rt_entry_pvh
rt_entry_pvh:
	first_byte
	movl	%ebx, %esi
	movl	$rt_pml4, %eax
	movl	%eax, %cr3
	movl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx	/* EFER.LME */
	xorl	%edx, %edx
	movl	$0x100, %eax
	wrmsr
	movl	$0x80000011, %eax	/* PG, ET, PE */
	movl	%eax, %cr0
	lgdt	rt_gdt_ptr
	movl	$BOOT_PVH, %edi
	ljmp	$SEL_CODE0, $enter_user

	.code64
	.globl	rt_entry_linux
rt_entry_linux:
	first_byte
	cli
	movl	$rt_pml4, %eax
	movq	%rax, %cr3
	lgdt	rt_gdt_ptr
	movl	$BOOT_LINUX, %edi

	/* edi: boot protocol, rsi: its information block */
enter_user:
	movl	$rt_stack0_top, %esp
	movl	$SEL_DATA3, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	$rt_tss, %eax
	movw	%ax, rt_gdt + SEL_TSS + 2
	shrl	$16, %eax
	movb	%al, rt_gdt + SEL_TSS + 4
	movb	%ah, rt_gdt + SEL_TSS + 7
	movl	$SEL_TSS, %eax
	ltr	%ax
	lidt	rt_idt_ptr
	movl	$0x80000001, %eax
	cpuid				/* rdi and rsi stay */
	movl	%edx, rt_features
	pushq	$SEL_DATA3
	pushq	$rt_stack3_top - 8	/* as after a call */
	pushq	$2
	pushq	$SEL_CODE3
	pushq	$rt_start
	iretq

	/* Trap stubs of 16 bytes each: push an error code if the CPU did not. */
	.balign	16
	.globl	rt_stubs
rt_stubs:
	.set	vec, 0
	.rept	256
	.balign	16
	.if	!(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21)
	pushq	$0
	.endif
	pushq	$vec
	jmp	trap_common
	.set	vec, vec + 1
	.endr

	.balign	16
trap_common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rbx
	pushq	%rbp
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	cld
	call	rt_trap
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rbp
	popq	%rbx
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$16, %rsp
	iretq

	/*
	 * What another processor runs after its start-up interrupt, copied to
	 * a page below 1 MiB: count itself in the byte of its APIC ID, stop.
	 */
	.code16
	.globl	rt_ap_start, rt_ap_end, rt_ap_seen
	.balign	16
rt_ap_start:
	movw	%cs, %ax
	movw	%ax, %ds
	movl	$1, %eax
	cpuid
	shrl	$24, %ebx
	lock incb rt_ap_seen - rt_ap_start(%bx)
1:	hlt
	jmp	1b
	.balign	16
rt_ap_seen:
	.skip	256
rt_ap_end:
	.code64

	.section .data
	.balign	8
rt_gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* code, CPL 0 */
	.quad	0x00cf93000000ffff	/* data, CPL 0 */
	.quad	0x00cff3000000ffff	/* data, CPL 3 */
	.quad	0x00affb000000ffff	/* code, CPL 3 */
	.quad	0x0000890000000000 | (104 + IOMAP_LEN), 0
rt_gdt_end:
rt_gdt_ptr:
	.word	rt_gdt_end - rt_gdt - 1
	.quad	rt_gdt
	.balign	8
rt_idt_ptr:
	.word	256 * 16 - 1
	.quad	rt_idt

	/* Task state: only the CPL 0 stack and an I/O bitmap that allows all. */
	.balign	128
rt_tss:
	.long	0
	.quad	rt_stack0_top
	.skip	102 - 12
	.word	104
	.skip	IOMAP_LEN
	.byte	0xff

	/* Identity map, user accessible: 4 GiB by 2 MiB, the rest to 512 GiB by 1 GiB. */
	.balign	4096
	.globl	rt_pml4
rt_pml4:
	.quad	rt_pdpt + 0x67
	.skip	4096 - 8
rt_pdpt:
	.quad	rt_pd + 0x67, rt_pd + 0x1067, rt_pd + 0x2067, rt_pd + 0x3067
	.set	gib, 4
	.rept	508
	.quad	(gib << 30) + 0xe7
	.set	gib, gib + 1
	.endr
rt_pd:
	.set	mib2, 0
	.rept	2048
	.quad	(mib2 << 21) + 0xe7
	.set	mib2, mib2 + 1
	.endr

	.section .bss
	.balign	4096
	.globl	rt_idt
rt_idt:
	.skip	4096
	.globl	rt_features
rt_features:
	.skip	4
	.balign	4096
	.skip	16384
rt_stack0_top:
	.skip	65536
rt_stack3_top:

	.section .note.GNU-stack, "", @progbits
