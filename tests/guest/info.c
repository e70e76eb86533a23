/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints what the machine tells about itself. */
#include "pci.h"
#include "rt.h"
#include "virtio.h"

static void show_pci(void)
{
	struct rt_pci d;

	for (unsigned int slot = 0; slot < 32; slot++) {
		if (!rt_pci_probe(&d, (uint8_t)(slot << 3)))
			continue;
		rt_printf("pci %u %x:%x class %x", slot, rt_pci_r16(&d, 0), rt_pci_r16(&d, 2),
			  rt_pci_r32(&d, 8) >> 8);
		for (unsigned int i = 0; i < 6; i++)
			rt_printf(" %x", rt_pci_r32(&d, (uint16_t)(0x10 + 4 * i)));
		rt_putc('\n');
	}
}

static void show_mmio(void)
{
	struct rt_virtio_mmio m;

	for (unsigned int i = 0; rt_virtio_mmio_word(i, &m); i++)
		rt_printf("virtio-mmio %lx version %x id %x irq %u\n", m.base, rt_r32(m.base + 4),
			  rt_r32(m.base + 8), m.irq);
}

void guest_main(void)
{
	rt_printf("protocol %s\ncmdline %s\n", rt.protocol, rt.cmdline);
	for (unsigned int i = 0; i < rt.n_map; i++)
		rt_printf("map %lx %lx %u\n", rt.map[i].base, rt.map[i].len, rt.map[i].type);
	rt_printf("rsdp %lx ecam %lx cpus %u tsc_khz %lu\n", rt.rsdp, rt.ecam, rt.n_cpus,
		  rt_tsc_khz());
	rt_printf("pm1a %x s5 %u sleep %lx reset %lx value %x\n", rt.pm1a_cnt, rt.s5_typ,
		  rt.sleep_reg, rt.reset_reg, rt.reset_value);
	show_pci();
	show_mmio();
}
