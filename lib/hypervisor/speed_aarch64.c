/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest of the speed test on aarch64: EL1 without the MMU. */
#include "hypervisor/aarch64.h"
#include "hypervisor/speed_impl.h"

/* Arm ARM C6.2: move wide; the constants above have at most 17 bits. */
#define MOVZ(reg, imm)	    (0xd2800000u | ((imm)&0xffffu) << 5 | (reg))
#define MOVK_HIGH(reg, imm) (0xf2a00000u | ((imm) >> 16) << 5 | (reg))

static const uint32_t code[] = {
	MOVZ(1, CV_SPEED_ROUNDS),
	MOVK_HIGH(1, CV_SPEED_ROUNDS),
	MOVZ(2, CV_SPEED_COUNTER_GPA),
	MOVZ(3, CV_SPEED_MEMORY_LEN),
	MOVK_HIGH(3, CV_SPEED_MEMORY_LEN),
	0xb9000041u, /* 1: str w1, [x2] */
	0xd1000421u, /* sub x1, x1, #1 */
	0xb5ffffc1u, /* cbnz x1, 1b */
	0xb9000061u, /* str w1, [x3]: nothing is there */
};

size_t cv_speed_code(const void **out)
{
	*out = code;
	return sizeof(code);
}

int cv_speed_setup(struct cv_vcpu *vcpu, struct vm_error *e)
{
	const struct cv_arm_vcpu_state state = { .pc = CV_SPEED_CODE_GPA };

	return vcpu->ops->arm_init(vcpu, false, e) ?: vcpu->ops->arm_setup(vcpu, &state, e);
}
