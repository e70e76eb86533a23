/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of an x86_64 machine, shared by the files that build it. */
#ifndef CV_MACHINE_X86_64_H
#define CV_MACHINE_X86_64_H

#include "hypervisor/x86_64.h"
#include "machine/layout_x86_64.h"
#include "machine/machine_impl.h"

#define CV_X86_MAX_MMIO 6 /* virtio-mmio blocks: as many ISA interrupts are free */

/* Writes ACPI, SMBIOS and MP tables; *rsdp is 0 without ACPI. */
int cv_x86_write_tables(struct cv_machine *m, uint64_t *rsdp, struct vm_error *e) CV_MUST_CHECK;

/* The same and SMBIOS as files for firmware. */
int cv_x86_pack_tables(struct cv_machine *m, struct cv_fw_files *files,
		       struct vm_error *e) CV_MUST_CHECK;

/* What firmware needs instead of a kernel: its shadow and its files. */
int cv_x86_prepare_firmware(struct cv_machine *m, struct vm_error *e) CV_MUST_CHECK;

#endif
