/* SPDX-License-Identifier: BSD-3-Clause */
/* An aarch64 machine: its kernel is a tiny Image, its devices are in memory. */
#ifndef CV_TESTS_ARCH_AARCH64_H
#define CV_TESTS_ARCH_AARCH64_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/endian.h"
#include "hypervisor/fake.h"
#include "machine/layout_aarch64.h"
#include "support/must.h"

#define T_RAM	    ((uint64_t)CV_ARM_RAM_GPA)
#define T_PIO	    false
#define T_ECAM	    CV_ARM_ECAM_GPA
#define T_MMIO_FREE 0x0c000000ull
#define T_MSI	    0x08090040u /* GITS_TRANSLATER */
#define T_MAX_PCI   30
#define T_MAX_MMIO  32
#define T_SERIAL    CV_ARM_SERIAL_GPA
#define T_SERIAL2   (CV_ARM_SERIAL_GPA + CV_ARM_SERIAL_STEP)
#define T_BLOCK_IRQ CV_ARM_SPI_FREE
#define T_NO_IRQ    CV_ARM_N_SPIS

/* PL061: the power button is line 3. */
enum {
	T_GPIO_IE = CV_ARM_GPIO_GPA + 0x410,
	T_GPIO_IS = CV_ARM_GPIO_GPA + 0x404,
	T_GPIO_IBE = CV_ARM_GPIO_GPA + 0x408,
	T_GPIO_MIS = CV_ARM_GPIO_GPA + 0x418,
	T_GPIO_IC = CV_ARM_GPIO_GPA + 0x41c,
};
#define T_BUTTON 8u

#define T_NEEDED                                                                      \
	"arm_gic_version", "arm_init", "arm_make_gic", "arm_describe", "arm_set_pmu", \
		"arm_set_pvtime", "arm_setup"
#define T_SINGLE       "pl030"
#define T_SINGLE_TAKEN "pl030: there is one already"
#define T_FOREIGN      "debugcon"

/* Documentation/arch/arm64/booting.rst: a header and a page of nothing. */
static inline int arch_kernel(void)
{
	struct {
		struct le32 code[2];
		struct le64 text_offset, image_size, flags, reserved[3];
		char magic[4];
		struct le32 pe;
		uint8_t body[4032];
	} f = { .image_size = le64(sizeof(f)), .flags = le64(0xa) };
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	_Static_assert(sizeof(f) == 4096, "the header is as specified");
	memcpy(f.magic, "ARM\x64", 4);
	must(fd >= 0 && write(fd, &f, sizeof(f)) == sizeof(f));
	return fd;
}

/* PSCI is the hypervisor's business. */
static inline void arch_power_off(struct cv_vcpu *vcpu)
{
	cv_fake_exit(vcpu, CV_EXIT_POWER_OFF);
}

static inline void arch_reset(struct cv_vcpu *vcpu)
{
	cv_fake_exit(vcpu, CV_EXIT_RESET);
}

/* The PCI function in the last slot, whose BAR is mapped. */
static inline uint64_t arch_panic_bar(struct cv_vcpu *vcpu)
{
	uint64_t cfg = T_ECAM + (31u << 15);

	cv_fake_write(vcpu, false, cfg + 4, 2, 2);
	return cv_fake_read(vcpu, false, cfg + 0x10, 4) & ~15ull;
}

static inline uint8_t arch_panic_read(struct cv_vcpu *vcpu)
{
	return (uint8_t)cv_fake_read(vcpu, false, arch_panic_bar(vcpu), 1);
}

static inline void arch_panic_write(struct cv_vcpu *vcpu, uint8_t val)
{
	cv_fake_write(vcpu, false, arch_panic_bar(vcpu), 1, val);
}

static inline void arch_button_check_off(struct cv_vcpu *vcpu)
{
	cv_fake_check(vcpu, cv_fake_read(vcpu, false, T_GPIO_IE, 4) == 0);
}

static inline void arch_button_arm(struct cv_vcpu *vcpu)
{
	cv_fake_write(vcpu, false, T_GPIO_IS, 4, 0);
	cv_fake_write(vcpu, false, T_GPIO_IBE, 4, T_BUTTON);
	cv_fake_write(vcpu, false, T_GPIO_IC, 4, 0xff);
	cv_fake_write(vcpu, false, T_GPIO_IE, 4, T_BUTTON);
}

static inline void arch_button_wait(struct cv_vcpu *vcpu)
{
	cv_fake_wait(vcpu, CV_ARM_SPI_GPIO, 1);
	cv_fake_check(vcpu, cv_fake_read(vcpu, false, T_GPIO_MIS, 4) & T_BUTTON);
}

#define T_ENDINGS

#define T_TAKEN                                                          \
	{ VM_REGS_MMIO, CV_ARM_RTC_GPA, 1, "mine", -EEXIST },            \
		{ VM_REGS_MMIO, CV_ARM_SERIAL_GPA, 1, "mine", -EEXIST }, \
		{ VM_REGS_MMIO, CV_ARM_ECAM_GPA, 16, "mine", -EEXIST },  \
		{ VM_REGS_PIO, 0x3f8, 1, "no I/O ports", -EINVAL },

#endif
