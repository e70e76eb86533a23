/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest guests: a few instructions in memory, one KVM VM, run in the
 * test's own thread. Code is assembled with the test:
 *
 *	CODE(name, ".code32", "in $0x60, %al\n hlt\n");
 *
 * and every test that needs a VM starts with NEED_KVM(), which prints why and
 * passes where there is none.
 */
#ifndef CV_TESTS_KVM_BARE_H
#define CV_TESTS_KVM_BARE_H

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/x86_64.h"
#include "support/check_main.h"
#include "support/need_kvm.h"

#define BARE_MEMORY (4u << 20)
#define BARE_PAGES  0x10000u /* LONG: page tables, identity map of 4 GiB */
#define BARE_IDT    0x20000u
#define BARE_GDT    0x21000u
#define BARE_STACK  0x30000u
#define BARE_DATA   0x40000u /* for the guests */
#define BARE_CODE   0x50000u

/* Code that is linked into the test and copied into a guest; position independent. */
#define CODE(name, bits, text)                                                           \
	extern const uint8_t name[], name##_end[];                                       \
	__asm__(".pushsection .rodata\n" bits "\n" #name ":\n" text "\n" #name "_end:\n" \
		".code64\n.popsection\n")

struct bare {
	struct cv_mem mem;
	struct cv_hv *hv;
	struct cv_vcpu *vcpus[64];
	unsigned int n_vcpus;
	struct cv_exit exit;
};

static inline void bare_init(struct bare *b, unsigned int n_vcpus, bool irqchip)
{
	const struct cv_hv_config config = { .irqchip = irqchip, .n_vcpus = n_vcpus };
	const struct cv_mem_range ranges[] = { { .gpa = 0, .len = BARE_MEMORY },
					       { .gpa = 0xffff0000, .len = 0x10000 } };
	struct vm_error e = { 0 };
	sigset_t all;

	memset(b, 0, sizeof(*b));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL); /* as a vCPU's thread has it */
	ck_assert_int_eq(cv_mem_init(&b->mem, ranges, 2, NULL), 0);
	ck_assert_msg(cv_hv_kvm_create(&b->hv, &config, NULL, &e) == 0, "%s", e.text);
	ck_assert_msg(b->hv->ops->set_memory(b->hv, &b->mem, NULL, &e) == 0, "%s", e.text);
	for (; b->n_vcpus < n_vcpus; b->n_vcpus++)
		ck_assert_msg(
			b->hv->ops->vcpu_create(b->hv, b->n_vcpus, &b->vcpus[b->n_vcpus], &e) == 0,
			"%s", e.text);
	ck_assert_int_eq(b->vcpus[0]->ops->vcpu_enter(b->vcpus[0], &e), 0);
}

static inline void bare_fini(struct bare *b)
{
	while (b->n_vcpus > 0)
		b->hv->ops->vcpu_destroy(b->vcpus[--b->n_vcpus]);
	cv_hv_destroy(b->hv);
	cv_mem_fini(&b->mem);
}

static inline void bare_put(struct bare *b, uint64_t gpa, const void *buf, size_t len)
{
	ck_assert_int_eq(cv_mem_write(&b->mem, gpa, buf, len), 0);
}

static inline void bare_put64(struct bare *b, uint64_t gpa, uint64_t val)
{
	bare_put(b, gpa, &val, sizeof(val));
}

static inline uint32_t bare_get32(struct bare *b, uint64_t gpa)
{
	uint32_t val = 0;

	ck_assert_int_eq(cv_mem_load32(&b->mem, gpa, &val), 0);
	return val;
}

/* Flat segments at the boot protocol's selectors, and page tables for LONG. */
static inline void bare_tables(struct bare *b, bool long_mode)
{
	bare_put64(b, BARE_GDT + CV_X86_SEL_CODE,
		   long_mode ? 0x00af9b000000ffff : 0x00cf9b000000ffff);
	bare_put64(b, BARE_GDT + CV_X86_SEL_DATA, 0x00cf93000000ffff);
	bare_put64(b, BARE_PAGES, (BARE_PAGES + 0x1000) | 3);
	for (uint64_t d = 0; d < 4; d++) {
		bare_put64(b, BARE_PAGES + 0x1000 + d * 8, (BARE_PAGES + 0x2000 + d * 0x1000) | 3);
		for (uint64_t i = 0; i < 512; i++)
			bare_put64(b, BARE_PAGES + 0x2000 + (d * 512 + i) * 8,
				   (d << 30) | (i << 21) | 0x83);
	}
}

/* Puts the code at BARE_CODE and the boot vCPU at its first byte. */
static inline void bare_start(struct bare *b, enum cv_x86_mode mode, const uint8_t *code,
			      const uint8_t *end)
{
	const struct cv_x86_vcpu_state state = {
		.mode = mode,
		.rip = BARE_CODE,
		.rsp = BARE_STACK,
		.rsi = 0x51,
		.rbx = 0xb,
		.cr3 = BARE_PAGES,
		.gdt_base = BARE_GDT,
		.gdt_limit = 0x27,
		.idt_base = BARE_IDT,
		.idt_limit = 0x7ff,
	};
	struct vm_error e = { 0 };

	bare_put(b, BARE_CODE, code, (size_t)(end - code));
	bare_tables(b, mode == CV_X86_LONG);
	ck_assert_msg(b->hv->ops->x86_setup(b->vcpus[0], &state, &e) == 0, "%s", e.text);
}

static inline enum cv_exit_kind bare_run(struct bare *b)
{
	b->vcpus[0]->ops->vcpu_run(b->vcpus[0], &b->exit);
	if (b->exit.kind == CV_EXIT_FAILED)
		printf("the guest failed: %s\n", b->exit.text);
	return b->exit.kind;
}

/* Expects a write of @val to port @addr in one access of @len bytes. */
static inline void bare_expect_out(struct bare *b, uint64_t addr, unsigned int len, uint32_t val)
{
	ck_assert_int_eq(bare_run(b), CV_EXIT_IO);
	ck_assert(b->exit.write);
	ck_assert_uint_eq(b->exit.addr, addr);
	ck_assert_uint_eq(b->exit.len, len);
	ck_assert_uint_eq(b->exit.count, 1);
	ck_assert(memcmp(b->exit.data, &val, len) == 0);
}

#endif
