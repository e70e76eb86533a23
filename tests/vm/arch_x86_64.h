/* SPDX-License-Identifier: BSD-3-Clause */
/* An x86_64 machine: its kernel is a tiny ELF file, its devices are at ports. */
#ifndef CV_TESTS_ARCH_X86_64_H
#define CV_TESTS_ARCH_X86_64_H

#include <elf.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/fake.h"
#include "machine/layout_x86_64.h"
#include "support/must.h"

#define T_RAM	    0ull /* where memory begins */
#define T_PIO	    true /* register devices are there */
#define T_ECAM	    CV_X86_ECAM_GPA
#define T_MMIO_FREE 0xd8000000ull /* no device of the machine's is there */
#define T_MSI	    0xfee00000u
#define T_MAX_PCI   31
#define T_MAX_MMIO  6
#define T_SERIAL    0x3f8u
#define T_SERIAL2   0x2f8u
#define T_BLOCK_IRQ 5u /* for a block of the embedder's */
#define T_NO_IRQ    16u

/* Ports of the machine. */
enum {
	T_PM_STS = 0x600,
	T_PM_EN = 0x602,
	T_PM_CNT = 0x604,
	T_RESET = 0xcf9,
	T_I8042 = 0x64,
	T_PANIC = 0x505,
};
#define T_POWER_OFF 0x3400u
#define T_PWRBTN    0x100u

/* Operations of the hypervisor that a start needs besides those of every machine. */
#define T_NEEDED "x86_cpuid", "x86_set_cpuid", "x86_setup"

/* A class of this machine's that only one device can be of. */
#define T_SINGLE       "debugcon"
#define T_SINGLE_TAKEN "debugcon: option port: port 233 is taken"
#define T_FOREIGN      "pl030" /* and one that it has no place for */

/* An ELF file whose only segment is a page at 1 MiB. */
static inline int arch_kernel(void)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p;
		uint8_t code[4096];
	} f = { .h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_entry = 0x100000,
		       .e_phoff = sizeof(f.h),
		       .e_ehsize = sizeof(f.h),
		       .e_phentsize = sizeof(f.p),
		       .e_phnum = 1 },
		.p = { .p_type = PT_LOAD,
		       .p_offset = offsetof(__typeof__(f), code),
		       .p_vaddr = 0x100000,
		       .p_paddr = 0x100000,
		       .p_filesz = sizeof(f.code),
		       .p_memsz = sizeof(f.code) } };
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, &f, sizeof(f)) == sizeof(f));
	return fd;
}

static inline void arch_power_off(struct cv_vcpu *vcpu)
{
	cv_fake_write(vcpu, true, T_PM_CNT, 2, T_POWER_OFF);
}

static inline void arch_reset(struct cv_vcpu *vcpu)
{
	cv_fake_write(vcpu, true, T_RESET, 1, 6);
}

static inline uint8_t arch_panic_read(struct cv_vcpu *vcpu)
{
	return (uint8_t)cv_fake_read(vcpu, true, T_PANIC, 1);
}

static inline void arch_panic_write(struct cv_vcpu *vcpu, uint8_t val)
{
	cv_fake_write(vcpu, true, T_PANIC, 1, val);
}

/* The power button is as after a reset; makes it interrupt; waits until it has done so. */
static inline void arch_button_check_off(struct cv_vcpu *vcpu)
{
	cv_fake_check(vcpu, cv_fake_read(vcpu, true, T_PM_EN, 2) == 0);
}

static inline void arch_button_arm(struct cv_vcpu *vcpu)
{
	cv_fake_write(vcpu, true, T_PM_EN, 2, T_PWRBTN);
}

static inline void arch_button_wait(struct cv_vcpu *vcpu)
{
	cv_fake_wait(vcpu, CV_X86_IRQ_SCI, 1);
	cv_fake_check(vcpu, cv_fake_read(vcpu, true, T_PM_STS, 2) & T_PWRBTN);
}

/* Steps that end this machine by its own registers. */
#define T_WRITE_STEP(port, val)                                                             \
	{                                                                                   \
		.kind = CV_EXIT_IO, .write = true, .len = 1, .addr = (port), .value = (val) \
	}
#define T_ENDINGS                                                                             \
	{ T_WRITE_STEP(T_RESET, 6), VM_EXIT_RESET, -1, "the guest reset itself" },            \
		{ T_WRITE_STEP(T_I8042, 0xfe), VM_EXIT_RESET, -1, "the guest reset itself" }, \
		{ T_WRITE_STEP(T_PANIC, 1), VM_EXIT_CRASHED, -1, "the guest reported a panic" },

/* Places that a block of the embedder's cannot have: space, base, length, words, error. */
#define T_TAKEN                                                                                \
	{ VM_REGS_PIO, 0x3f8, 1, "mine", -EEXIST }, { VM_REGS_PIO, 0x60, 1, "mine", -EEXIST }, \
		{ VM_REGS_PIO, 0xffff, 2, "mine: ports 0xffff", -EINVAL },                     \
		{ VM_REGS_MMIO, 0xe0000000, 16, "mine", -EEXIST },

#endif
