/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest of the speed test on x86_64: 32-bit protected mode without paging. */
#include "hypervisor/speed_impl.h"
#include "hypervisor/x86_64.h"

static const uint8_t code[] = {
	0xb9,
	CV_SPEED_ROUNDS & 0xff,
	CV_SPEED_ROUNDS >> 8 & 0xff,
	CV_SPEED_ROUNDS >> 16,
	0, /* mov $ROUNDS, %ecx */
	0x89,
	0x0d,
	0x00,
	CV_SPEED_COUNTER_GPA >> 8,
	0x00,
	0x00, /* 1: mov %ecx, COUNTER_GPA */
	0x49, /* dec %ecx */
	0x75,
	0xf7, /* jnz 1b */
	0xe6,
	0x80, /* out %al, $0x80 */
};

size_t cv_speed_code(const void **out)
{
	*out = code;
	return sizeof(code);
}

int cv_speed_setup(struct cv_vcpu *vcpu, struct vm_error *e)
{
	const struct cv_x86_vcpu_state state = { .mode = CV_X86_PROTECTED,
						 .rip = CV_SPEED_CODE_GPA,
						 .rsp = CV_SPEED_MEMORY_LEN };

	return vcpu->ops->x86_setup(vcpu, &state, e);
}
