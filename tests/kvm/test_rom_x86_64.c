/* SPDX-License-Identifier: BSD-3-Clause */
/* Read-only memory: a guest begins at the reset vector in it, reads it, and cannot write to it. */
#include <errno.h>

#include "bare.h"

#define ROM_LEN 0x10000u
#define ROM_GPA (0x100000000ull - ROM_LEN)

/* At offset 0 of the last 64 KiB: writes to itself, tells the byte that is there, halts. */
CODE(firmware, ".code16",
     "mov $0x55, %al\n"
     "mov %al, %cs:0x100\n"
     "mov %cs:0x100, %al\n"
     "out %al, $0x80\n"
     "1: hlt\n"
     "jmp 1b\n");

/* At the reset vector, 16 bytes below the end. */
/* A jump to where the segment begins, in bytes: assemblers differ in what they take for it. */
CODE(reset_vector, ".code16", ".byte 0xe9, 0x0d, 0x00\n");

static void fill(struct cv_rom *rom)
{
	ck_assert_int_eq(cv_rom_init(rom, ROM_GPA, ROM_LEN, NULL), 0);
	memcpy(rom->host, firmware, (size_t)(firmware_end - firmware));
	memcpy(rom->host + 0xfff0, reset_vector, (size_t)(reset_vector_end - reset_vector));
	rom->host[0x100] = 0xa7;
	cv_rom_seal(rom);
}

static void start(struct bare *b, const struct cv_rom *rom)
{
	const struct cv_hv_config config = { .irqchip = true, .n_vcpus = 1 };
	const struct cv_mem_range range = { .gpa = 0, .len = BARE_MEMORY };
	const struct cv_x86_vcpu_state state = { .mode = CV_X86_RESET_VECTOR };
	struct vm_error e = { 0 };

	memset(b, 0, sizeof(*b));
	ck_assert_int_eq(cv_mem_init(&b->mem, &range, 1, NULL), 0);
	ck_assert_msg(cv_hv_kvm_create(&b->hv, &config, NULL, &e) == 0, "%s", e.text);
	ck_assert_msg(b->hv->ops->set_memory(b->hv, &b->mem, rom, &e) == 0, "%s", e.text);
	ck_assert_msg(b->hv->ops->vcpu_create(b->hv, 0, &b->vcpus[0], &e) == 0, "%s", e.text);
	b->n_vcpus = 1;
	ck_assert_int_eq(b->vcpus[0]->ops->vcpu_enter(b->vcpus[0], &e), 0);
	ck_assert_int_eq(b->hv->ops->x86_setup(b->vcpus[0], &state, &e), 0);
}

START_TEST(reset_vector_and_writes)
{
	struct cv_rom rom;
	struct bare b;
	sigset_t all;

	NEED_KVM();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	fill(&rom);
	start(&b, &rom);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_MMIO);
	ck_assert(b.exit.write);
	ck_assert_uint_eq(b.exit.addr, ROM_GPA + 0x100);
	ck_assert_uint_eq(b.exit.len, 1);
	ck_assert_uint_eq(b.exit.data[0], 0x55);
	bare_expect_out(&b, 0x80, 1, 0xa7);
	ck_assert_uint_eq(rom.host[0x100], 0xa7);
	bare_fini(&b);
	cv_rom_fini(&rom);
}
END_TEST

CHECK_MAIN("rom", reset_vector_and_writes)
