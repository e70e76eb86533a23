/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where everything is in an x86_64 machine: guest-physical addresses, ports,
 * interrupts. Nothing else writes these numbers.
 *
 *	0          RAM: boot structures below, the kernel from 1 MiB
 *	0x9fc00    reserved (EBDA) up to the legacy hole at 0xa0000
 *	0xe0000    ACPI tables, SMBIOS and MP table, up to 1 MiB
 *	1 MiB      RAM, up to 3.25 GiB at most
 *	3.25 GiB   32-bit PCI window, ECAM, virtio-mmio, IOAPIC, LAPIC, KVM's pages
 *	4 GiB      the rest of RAM, then the 64-bit PCI window
 *
 * With firmware: its image ends at 4 GiB and its last 128 KiB also at 1 MiB, in RAM; it
 * writes the tables where it likes, and it moves PCI's BARs, for which all is decoded
 * between RAM and the IOAPIC that belongs to nothing else.
 */
#ifndef CV_MACHINE_LAYOUT_X86_64_H
#define CV_MACHINE_LAYOUT_X86_64_H

#include "base/math.h"

/* Structures of the boot, all in the first 640 KiB. */
#define CV_X86_GDT_GPA	   0x500u
#define CV_X86_IDT_GPA	   0x520u
#define CV_X86_PARAMS_GPA  0x7000u /* zero page or PVH start info, 4 KiB */
#define CV_X86_STACK_GPA   0x8ff0u
#define CV_X86_PAGES_GPA   0x9000u /* PML4, PDPT, four page directories */
#define CV_X86_CMDLINE_GPA 0x20000u
#define CV_X86_CMDLINE_LEN 0x10000u

#define CV_X86_EBDA_GPA	  0x9fc00u
#define CV_X86_LOW_END	  0xa0000u
#define CV_X86_ACPI_GPA	  0xe0000u
#define CV_X86_ACPI_LEN	  0x10000u
#define CV_X86_SMBIOS_GPA 0xf0000u
#define CV_X86_SMBIOS_LEN 0x1000u
#define CV_X86_MP_GPA	  0xf1000u
#define CV_X86_MP_LEN	  0x4000u
#define CV_X86_HIGH_GPA	  0x100000u

/* RAM below 4 GiB ends here at the latest; what does not fit goes above 4 GiB. */
#define CV_X86_RAM32_END 0xd0000000u
#define CV_X86_RAM64_GPA (4 * CV_GIB)

#define CV_X86_PCI32_GPA  0xd0000000u
#define CV_X86_PCI32_LEN  0x10000000u
#define CV_X86_ECAM_GPA	  0xe0000000u /* bus 0 only: 1 MiB */
#define CV_X86_PCI64_LEN  (64 * CV_GIB)
#define CV_X86_MMIO_GPA	  0xf0000000u /* virtio-mmio blocks, a page each */
#define CV_X86_MMIO_STEP  0x1000u
#define CV_X86_PCI_IO	  0xc000u
#define CV_X86_PCI_IO_LEN 0x3000u

/* Where SeaBIOS puts BARs, from the end on downwards. */
#define CV_X86_MORE32_GPA 0xf1000000u
#define CV_X86_MORE32_LEN (CV_X86_IOAPIC_GPA - CV_X86_MORE32_GPA)

/* Firmware; and four pages of KVM's below the largest. */
#define CV_X86_ROM_MAX	  0x1000000u
#define CV_X86_SHADOW_LEN 0x20000u
#define CV_X86_KVM_GPA	  0xfeffc000u
#define CV_X86_KVM_LEN	  0x4000u

#define CV_X86_IOAPIC_GPA  0xfec00000u
#define CV_X86_IOAPIC_PINS 24u
#define CV_X86_LAPIC_GPA   0xfee00000u

/* Ports. */
#define CV_X86_PORT_I8042   0x60u
#define CV_X86_PORT_CMOS    0x70u
#define CV_X86_PORT_PVPANIC 0x505u
#define CV_X86_PORT_FW_CFG  0x510u
#define CV_X86_PORT_PM	    0x600u
#define CV_X86_PORT_PCI	    0xcf8u
#define CV_X86_PORT_RESET   0xcf9u

/* ISA interrupts; PCI's INTx lines arrive at 16 to 23. */
#define CV_X86_IRQ_COM13    4u
#define CV_X86_IRQ_COM24    3u
#define CV_X86_IRQ_KEYBOARD 1u
#define CV_X86_IRQ_RTC	    8u
#define CV_X86_IRQ_SCI	    9u
#define CV_X86_GSI_PCI	    16u
#define CV_X86_N_GSI_PCI    8u

#endif
