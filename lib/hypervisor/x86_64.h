/* SPDX-License-Identifier: BSD-3-Clause */
/* What the hypervisor floor needs to know of an x86_64 vCPU. */
#ifndef CV_HYPERVISOR_X86_64_H
#define CV_HYPERVISOR_X86_64_H

#include "base/base.h"

#define CV_X86_CPUID_MAX 256

/* Selectors of the flat segments in LONG and PROTECTED mode, as the Linux boot protocol has them;
 * the machine's GDT describes the same segments. */
#define CV_X86_SEL_CODE 0x10u
#define CV_X86_SEL_DATA 0x18u
#define CV_X86_SEL_TSS	0x20u

struct cv_x86_cpuid_entry {
	uint32_t leaf, index;
	bool indexed; /* the index matters */
	uint32_t eax, ebx, ecx, edx;
};

/* What the hypervisor supports fills at most CV_X86_CPUID_MAX - 8 entries: a policy may add some. */
struct cv_x86_cpuid {
	uint32_t n;
	struct cv_x86_cpuid_entry entries[CV_X86_CPUID_MAX];
};

/* How a processor starts. */
enum cv_x86_mode {
	CV_X86_WAIT_FOR_SIPI, /* an application processor; nothing else below is used */
	CV_X86_LONG,	      /* 64-bit, paging on, the flat segments of the Linux boot protocol */
	CV_X86_PROTECTED,     /* 32-bit, paging off, flat segments (PVH) */
	CV_X86_RESET_VECTOR,  /* as after power-on (firmware) */
};

struct cv_x86_vcpu_state {
	enum cv_x86_mode mode;
	uint64_t rip, rsp, rsi, rbx;
	uint64_t cr3;		     /* LONG: the page tables, made by the machine */
	uint64_t gdt_base, idt_base; /* LONG, PROTECTED: the tables, made by the machine */
	uint16_t gdt_limit, idt_limit;
};

#endif
