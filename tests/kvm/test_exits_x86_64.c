/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest on KVM does, and how it arrives: every way to start, every kind of exit. */
#include <errno.h>

#include "hypervisor/cpuid_x86_64.h"
#include "kvm/bare.h"

/* clang-format off */
CODE(io32, ".code32",
     "movb $0x5a, %al\n outb %al, $0x80\n"
     "movl $0x12345678, %eax\n movw $0x3f8, %dx\n outw %ax, %dx\n outl %eax, %dx\n"
     "inb $0x60, %al\n movb %al, 0x40000\n"
     "movw $0xcf8, %dx\n inl %dx, %eax\n movl %eax, 0x40004\n"
     "movl $0x40010, %esi\n movl $5, %ecx\n movw $0xe9, %dx\n cld\n rep outsb\n"
     "movl $0x40020, %edi\n movl $3, %ecx\n rep insw\n"
     "hlt\n");

CODE(mmio64, ".code64",
     "movl $0xd0000000, %ebx\n"
     "movb $0x11, (%rbx)\n"
     "movw $0x2222, 2(%rbx)\n"
     "movl $0x33333333, 4(%rbx)\n"
     "movabsq $0x4444444455555555, %rax\n movq %rax, 8(%rbx)\n"
     "movl 0x10(%rbx), %eax\n movl %eax, 0x40000\n"
     "movq 0x18(%rbx), %rax\n movq %rax, 0x40008\n"
     "hlt\n");

CODE(state64, ".code64",
     "movl %esi, %eax\n outl %eax, $0x80\n"
     "movl %esp, %eax\n outl %eax, $0x80\n"
     "movl %cs, %eax\n outl %eax, $0x80\n"
     "movl %ss, %eax\n outl %eax, $0x80\n"
     "movq %cr0, %rax\n outl %eax, $0x80\n"
     "pushfq\n popq %rax\n outl %eax, $0x80\n"
     "stmxcsr 0x40000\n hlt\n");

CODE(state32, ".code32",
     "movl %ebx, %eax\n outl %eax, $0x80\n"
     "movl %cr0, %eax\n outl %eax, $0x80\n"
     "movl %cs, %eax\n outl %eax, $0x80\n"
     "movl $0x2ff, %ecx\n rdmsr\n outl %eax, $0x80\n"
     "hlt\n");

CODE(reset16, ".code16", "movb $0x16, %al\n outb %al, $0x80\n hlt\n");

CODE(fault32, ".code32", "lidt 0x41000\n ud2\n"); /* an empty table: a triple fault */

CODE(lost32, ".code32", "movl $0x80000000, %eax\n jmp *%eax\n");

CODE(halt32, ".code32", "hlt\n outb %al, $0x80\n");

CODE(cpuid64, ".code64",
     "movl $0x40000, %edi\n"
     "movl $1, %eax\n cpuid\n movl %ebx, (%rdi)\n movl %ecx, 4(%rdi)\n movl %edx, 8(%rdi)\n"
     "movl $0xb, %eax\n movl $1, %ecx\n cpuid\n"
     "movl %eax, 12(%rdi)\n movl %ebx, 16(%rdi)\n movl %ecx, 20(%rdi)\n movl %edx, 24(%rdi)\n"
     "movl $0x40000000, %eax\n cpuid\n movl %ebx, 28(%rdi)\n"
     "hlt\n");
/* clang-format on */

START_TEST(ports)
{
	struct bare b;
	const uint16_t words[] = { 0x1111, 0x2222, 0x3333 };

	NEED_KVM();
	bare_init(&b, 1, false);
	bare_put(&b, BARE_DATA + 0x10, "hello", 5);
	bare_start(&b, CV_X86_PROTECTED, io32, io32_end);
	bare_expect_out(&b, 0x80, 1, 0x5a);
	bare_expect_out(&b, 0x3f8, 2, 0x5678);
	bare_expect_out(&b, 0x3f8, 4, 0x12345678);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_IO);
	ck_assert(!b.exit.write && b.exit.addr == 0x60 && b.exit.len == 1 && b.exit.count == 1);
	b.exit.data[0] = 0xab;
	ck_assert_int_eq(bare_run(&b), CV_EXIT_IO);
	ck_assert(!b.exit.write && b.exit.addr == 0xcf8 && b.exit.len == 4);
	memcpy(b.exit.data, "\x01\x02\x03\x04", 4);
	/* strings: in as many exits as KVM likes */
	for (char text[6] = "", *at = text; at < text + 5; at += b.exit.count) {
		ck_assert_int_eq(bare_run(&b), CV_EXIT_IO);
		ck_assert(b.exit.write && b.exit.addr == 0xe9 && b.exit.len == 1);
		ck_assert_uint_le(b.exit.count, (unsigned int)(text + 5 - at));
		memcpy(at, b.exit.data, b.exit.count);
		ck_assert(memcmp(text, "hello", (size_t)(at - text) + b.exit.count) == 0);
	}
	for (uint32_t n = 0; n < 3; n += b.exit.count) {
		ck_assert_int_eq(bare_run(&b), CV_EXIT_IO);
		ck_assert(!b.exit.write && b.exit.addr == 0xe9 && b.exit.len == 2);
		ck_assert_uint_le(n + b.exit.count, 3);
		memcpy(b.exit.data, words + n, b.exit.count * sizeof(*words));
	}
	ck_assert_int_eq(bare_run(&b), CV_EXIT_HALTED);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA) & 0xff, 0xab);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 4), 0x04030201);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 0x20), 0x22221111);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 0x24), 0x3333);
	bare_fini(&b);
}
END_TEST

static void expect_mmio(struct bare *b, bool write, uint64_t addr, unsigned int len)
{
	ck_assert_int_eq(bare_run(b), CV_EXIT_MMIO);
	ck_assert_int_eq(b->exit.write, write);
	ck_assert_uint_eq(b->exit.addr, addr);
	ck_assert_uint_eq(b->exit.len, len);
	ck_assert_uint_eq(b->exit.count, 1);
}

START_TEST(memory_accesses)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, false);
	bare_start(&b, CV_X86_LONG, mmio64, mmio64_end);
	expect_mmio(&b, true, 0xd0000000, 1);
	ck_assert_uint_eq(b.exit.data[0], 0x11);
	expect_mmio(&b, true, 0xd0000002, 2);
	expect_mmio(&b, true, 0xd0000004, 4);
	ck_assert(memcmp(b.exit.data, "\x33\x33\x33\x33", 4) == 0);
	expect_mmio(&b, true, 0xd0000008, 8);
	ck_assert(memcmp(b.exit.data, "\x55\x55\x55\x55\x44\x44\x44\x44", 8) == 0);
	expect_mmio(&b, false, 0xd0000010, 4);
	memcpy(b.exit.data, "\x78\x56\x34\x12", 4);
	expect_mmio(&b, false, 0xd0000018, 8);
	memcpy(b.exit.data, "\1\2\3\4\5\6\7\x8", 8);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_HALTED);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA), 0x12345678);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 8), 0x04030201);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 12), 0x08070605);
	bare_fini(&b);
}
END_TEST

START_TEST(starts_in_long_mode)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_LONG, state64, state64_end);
	bare_expect_out(&b, 0x80, 4, 0x51);
	bare_expect_out(&b, 0x80, 4, BARE_STACK);
	bare_expect_out(&b, 0x80, 4, CV_X86_SEL_CODE);
	bare_expect_out(&b, 0x80, 4, CV_X86_SEL_DATA);
	bare_expect_out(&b, 0x80, 4, 0x80000011); /* paging, caches on */
	bare_expect_out(&b, 0x80, 4, 2);	  /* interrupts off */
	ck_assert(b.vcpus[0]->ops->x86_tsc_khz(b.vcpus[0]) > 1000);
	bare_fini(&b);
}
END_TEST

START_TEST(starts_in_protected_mode)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_PROTECTED, state32, state32_end);
	bare_expect_out(&b, 0x80, 4, 0xb);
	bare_expect_out(&b, 0x80, 4, 0x11);
	bare_expect_out(&b, 0x80, 4, CV_X86_SEL_CODE);
	bare_expect_out(&b, 0x80, 4, 0x806); /* write-back memory, as firmware sets it */
	bare_fini(&b);
}
END_TEST

START_TEST(starts_at_the_reset_vector)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_RESET_VECTOR, reset16, reset16_end);
	bare_put(&b, 0xfffffff0, reset16, (size_t)(reset16_end - reset16));
	bare_expect_out(&b, 0x80, 1, 0x16);
	bare_fini(&b);
}
END_TEST

/* Without an interrupt controller HLT is an exit, and the guest goes on after it. */
START_TEST(halts)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, false);
	bare_start(&b, CV_X86_PROTECTED, halt32, halt32_end);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_HALTED);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_IO);
	bare_fini(&b);
}
END_TEST

START_TEST(triple_fault_shuts_down)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_PROTECTED, fault32, fault32_end);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_SHUTDOWN);
	bare_fini(&b);
}
END_TEST

/* A jump out of memory: KVM gives up, and says where. */
START_TEST(failure_tells_where)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_PROTECTED, lost32, lost32_end);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_FAILED);
	ck_assert_msg(strstr(b.exit.text, "rip 0x80000000"), "%s", b.exit.text);
	bare_fini(&b);
}
END_TEST

/* The policy's leaves as the guest itself sees them. */
START_TEST(guest_sees_its_cpuid)
{
	static struct cv_x86_cpuid supported, list;
	struct bare b;

	NEED_KVM();
	bare_init(&b, 3, false);
	ck_assert_int_eq(b.hv->ops->x86_cpuid(b.hv, &supported, NULL), 0);
	ck_assert_uint_le(supported.n, CV_X86_CPUID_MAX - 8);
	cv_x86_cpuid_build(&supported, 0, 3, &list);
	ck_assert_int_eq(b.hv->ops->x86_set_cpuid(b.vcpus[0], &list, NULL), 0);
	bare_start(&b, CV_X86_LONG, cpuid64, cpuid64_end);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_HALTED);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA) >> 16, 3);
	ck_assert(bare_get32(&b, BARE_DATA + 4) & 1u << 31);
	ck_assert(bare_get32(&b, BARE_DATA + 8) & 1u << 28);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 12), 2);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 16), 3);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 20), 0x201);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 24), 0);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA + 28), 0x4b4d564b); /* "KVMK" */
	bare_fini(&b);
}
END_TEST

CHECK_MAIN("exits", ports, memory_accesses, starts_in_long_mode, starts_in_protected_mode,
	   starts_at_the_reset_vector, halts, triple_fault_shuts_down, failure_tells_where,
	   guest_sees_its_cpuid)
