/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The x86_64 machine: a PC without the ballast. KVM has the interrupt
 * controllers and the timer; here is where everything else goes.
 */
#include "machine/x86_64.h"

#include <stdio.h>
#include <string.h>

#include "devices/fw_cfg.h"

static const struct cv_machine_row rows[] = {
	{ .name = "i8042", .fixed = true, .base = CV_X86_PORT_I8042, .irq = CV_X86_IRQ_KEYBOARD },
	{ .name = "cmos", .fixed = true, .base = CV_X86_PORT_CMOS, .irq = CV_X86_IRQ_RTC },
	{ .name = "acpi-pm",
	  .fixed = true,
	  .base = CV_X86_PORT_PM,
	  .irq = CV_X86_IRQ_SCI,
	  .level = true },
	{ .name = "pvpanic", .fixed = true, .base = CV_X86_PORT_PVPANIC },
	{ .name = "reset", .fixed = true },
	{ .name = "fw-cfg",
	  .fixed = true,
	  .firmware = true,
	  .base = CV_X86_PORT_FW_CFG,
	  .span = CV_FW_CFG_PORTS_SPAN },
	{ .name = "debugcon", .by = "port" },
	{ .name = "serial", .by = "num" },
};

const struct cv_machine_map cv_arch_map = {
	.name = "x86_64",
	.kernels = "a vmlinux or a bzImage",
	.windows = { .io_base = CV_X86_PCI_IO,
		     .io_len = CV_X86_PCI_IO_LEN,
		     .mem32_base = CV_X86_PCI32_GPA,
		     .mem32_len = CV_X86_PCI32_LEN },
	/* a 440FX, as crosvm has it */
	.bridge = { .vendor = 0x8086, .device = 0x1237, .class_code = 0x06 },
	.max_pci = CV_PCI_SLOTS - 1,
	.ecam_gpa = CV_X86_ECAM_GPA,
	.mmio_gpa = CV_X86_MMIO_GPA,
	.mmio_step = CV_X86_MMIO_STEP,
	.max_mmio = CV_X86_MAX_MMIO,
	.block_irqs = { .first = 3, .last = 15 },
	.rows = rows,
	.n_rows = CV_LEN(rows),
};

unsigned int cv_arch_ranges(uint64_t size, struct cv_mem_range *ranges)
{
	uint64_t low = cv_min(size, (uint64_t)CV_X86_RAM32_END);

	ranges[0] = (struct cv_mem_range){ .gpa = 0, .len = low };
	ranges[1] = (struct cv_mem_range){ .gpa = CV_X86_RAM64_GPA, .len = size - low };
	return size > low ? 2 : 1;
}

uint64_t cv_arch_serial_base(unsigned int num)
{
	static const uint16_t ports[CV_MACHINE_SERIALS] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };

	return ports[num - 1];
}

uint32_t cv_arch_serial_irq(unsigned int num)
{
	return num % 2 == 1 ? CV_X86_IRQ_COM13 : CV_X86_IRQ_COM24;
}

uint32_t cv_arch_mmio_gsi(unsigned int index)
{
	static const uint8_t irqs[CV_X86_MAX_MMIO] = { 5, 6, 7, 10, 11, 15 };

	return irqs[index];
}

uint32_t cv_arch_pci_gsi(unsigned int slot, unsigned int pin)
{
	return CV_X86_GSI_PCI + (slot + pin) % CV_X86_N_GSI_PCI;
}

static void set_pci64(const struct cv_mem *mem, struct cv_pci_windows *w)
{
	const struct cv_mem_region *last = &mem->regions[mem->n_regions - 1];
	uint64_t end = cv_max(last->gpa + last->len, CV_X86_RAM64_GPA);
	uint64_t base = cv_align_up(end, 8 * CV_GIB);

	/* 36 address bits are what every 64-bit processor has; more RAM than that, more bits */
	w->mem64_base = base;
	w->mem64_len = base < 1ull << 36 ? cv_min(CV_X86_PCI64_LEN, (1ull << 36) - base)
					 : CV_X86_PCI64_LEN;
}

/* Firmware assumes the whole hole below 4 GiB: EDK2 fills it from RAM on, SeaBIOS from the end. */
void cv_arch_pci_windows(const struct cv_machine *m, struct cv_pci_windows *w)
{
	const struct cv_mem *mem = m->config.mem;

	set_pci64(mem, w);
	if (!m->config.rom)
		return;
	w->mem32_base = cv_align_up(mem->regions[0].len, CV_MIB);
	w->mem32_len = CV_X86_ECAM_GPA - w->mem32_base;
	w->more32_base = CV_X86_MORE32_GPA;
	w->more32_len = CV_X86_MORE32_LEN;
}

int cv_arch_create(struct cv_machine *m, struct vm_error *e)
{
	int err = cv_bus_create(&m->pio, "pio", e);

	m->regs = m->pio;
	return err;
}

int cv_arch_pci_created(struct cv_machine *m, struct vm_error *e)
{
	return cv_bus_add(m->pio, CV_X86_PORT_PCI, 8, cv_pci_root_ports(m->pci), 0, e);
}

void cv_arch_fixed_options(const struct cv_machine *m, const char *name, char *text, size_t size)
{
	uint64_t memory = cv_mem_size(m->config.mem);
	uint64_t low = cv_min(memory, (uint64_t)CV_X86_RAM32_END);

	if (strcmp(name, "cmos") == 0)
		snprintf(text, size, "mem_below_4g=%llu,mem_above_4g=%llu,cpus=%u",
			 (unsigned long long)low, (unsigned long long)(memory - low),
			 m->config.n_vcpus);
}

int cv_arch_fixed_added(struct cv_machine *m, const char *name, struct cv_rslot_local *slot,
			struct vm_error *e CV_UNUSED)
{
	if (strcmp(name, "acpi-pm") == 0)
		m->button = slot;
	if (strcmp(name, "reset") == 0)
		cv_pci_root_set_cf9(m->pci, cv_rslot_local_slot(slot));
	return 0;
}
