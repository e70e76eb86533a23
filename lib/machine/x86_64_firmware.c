/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Booting an x86_64 machine by firmware: where it is and what it is told. SeaBIOS
 * and EDK2 know this machine by its host bridge as a 440FX, and the rest by fw_cfg.
 */
#include <errno.h>

#include "base/endian.h"
#include "boot/firmware.h"
#include "machine/x86_64.h"

/* Items that have had numbers since before there were names. */
enum { KEY_RAM_SIZE = 0x03, KEY_CPUS = 0x05, KEY_BOOT_MENU = 0x0e, KEY_MAX_CPUS = 0x0f };

int cv_machine_firmware(const struct cv_boot_file *file, struct cv_rom *rom, struct vm_error *e)
{
	int err = cv_boot_load_firmware(file, CV_X86_ROM_MAX, rom, e);

	rom->gpa = err ? 0 : 4 * CV_GIB - rom->len;
	return err;
}

/* Its end is below 1 MiB too, where real mode goes on; in RAM, which it makes use of itself. */
static int write_shadow(const struct cv_machine *m, struct vm_error *e)
{
	const struct cv_rom *rom = m->config.rom;
	uint64_t len = cv_min(rom->len, (uint64_t)CV_X86_SHADOW_LEN);

	if (cv_mem_write(m->config.mem, CV_X86_HIGH_GPA - len, rom->host + rom->len - len, len))
		return cv_err(e, -EFAULT, "the machine: its firmware does not fit in RAM");
	return 0;
}

/* All RAM and what nobody may be put over; firmware takes its own parts out. */
static unsigned int memory_map(const struct cv_mem *mem, struct cv_boot_range *r)
{
	unsigned int n = 0;

	r[n++] = (struct cv_boot_range){ mem->regions[0].gpa, mem->regions[0].len, CV_BOOT_RAM };
	r[n++] = (struct cv_boot_range){ CV_X86_ECAM_GPA, CV_PCI_ECAM_BUS, CV_BOOT_RESERVED };
	r[n++] = (struct cv_boot_range){ CV_X86_KVM_GPA, CV_X86_KVM_LEN, CV_BOOT_RESERVED };
	for (unsigned int i = 1; i < mem->n_regions; i++)
		r[n++] = (struct cv_boot_range){ mem->regions[i].gpa, mem->regions[i].len,
						 CV_BOOT_RAM };
	return n;
}

static int add_numbers(struct cv_machine *m, struct vm_error *e)
{
	const struct le16 cpus = le16((uint16_t)m->config.n_vcpus), no_menu = le16(0);
	const struct le64 ram = le64(cv_mem_size(m->config.mem));
	struct cv_fw_files *f = &m->fw;
	int err = cv_fw_add_item(f, KEY_RAM_SIZE, &ram, sizeof(ram), e);

	err = err ?: cv_fw_add_item(f, KEY_CPUS, &cpus, sizeof(cpus), e);
	err = err ?: cv_fw_add_item(f, KEY_MAX_CPUS, &cpus, sizeof(cpus), e);
	return err ?: cv_fw_add_item(f, KEY_BOOT_MENU, &no_menu, sizeof(no_menu), e);
}

/* Nobody is asked for a key; without anything to boot it waits instead of trying for ever; what
 * it would show on a screen appears on the first serial port. */
static int add_choices(struct cv_machine *m, struct vm_error *e)
{
	const struct le16 no_wait = le16(0);
	const struct le32 for_ever = le32(UINT32_MAX);
	struct cv_fw_files *f = &m->fw;
	int err = cv_fw_add_file(f, "etc/boot-menu-wait", &no_wait, sizeof(no_wait), e);

	err = err ?: cv_fw_add_file(f, "etc/boot-fail-wait", &for_ever, sizeof(for_ever), e);
	for (unsigned int num = 1; num <= CV_MACHINE_SERIALS && !err; num++) {
		const struct le16 port = le16((uint16_t)cv_arch_serial_base(num));

		if (m->serials[num - 1])
			return cv_fw_add_file(f, "etc/sercon-port", &port, sizeof(port), e);
	}
	return err;
}

int cv_x86_prepare_firmware(struct cv_machine *m, struct vm_error *e)
{
	struct cv_boot_range ranges[CV_MEM_MAX_REGIONS + 2];
	unsigned int n = memory_map(m->config.mem, ranges);
	int err = write_shadow(m, e) ?: add_numbers(m, e) ?: add_choices(m, e);

	err = err ?: cv_boot_pack_e820(ranges, n, &m->fw, e);
	return err ?: cv_x86_pack_tables(m, &m->fw, e);
}
