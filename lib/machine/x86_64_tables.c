/* SPDX-License-Identifier: BSD-3-Clause */
/* What an x86_64 machine tells its guest: ACPI, SMBIOS and MP tables from one description. */
#include "boot/acpi.h"
#include "boot/mptable.h"
#include "boot/smbios.h"
#include "machine/x86_64.h"

#define MAX_ROUTES ((CV_PCI_SLOTS - 1) * CV_PCI_PINS)

/* The devices present, INTA only: nothing here has more pins. */
static unsigned int fill_routes(const struct cv_machine *m, struct cv_pci_route *routes)
{
	unsigned int n = 0;

	for (unsigned int slot = 1; slot <= m->n_pci_functions; slot++)
		routes[n++] = (struct cv_pci_route){ .slot = (uint8_t)slot,
						     .pin = 0,
						     .gsi = (uint8_t)cv_arch_pci_gsi(slot, 0) };
	return n;
}

static struct cv_platform platform(const struct cv_machine *m, const struct cv_pci_route *routes,
				   unsigned int n_routes)
{
	static const struct cv_irq_override overrides[] = {
		{ .irq = 0, .gsi = 2 },
		{ .irq = CV_X86_IRQ_SCI, .gsi = CV_X86_IRQ_SCI, .level = true },
	};

	return (struct cv_platform){ .n_cpus = m->config.n_vcpus,
				     .lapic_gpa = CV_X86_LAPIC_GPA,
				     .ioapic_gpa = CV_X86_IOAPIC_GPA,
				     .ioapic_id = (uint8_t)m->config.n_vcpus,
				     .ioapic_pins = CV_X86_IOAPIC_PINS,
				     .overrides = overrides,
				     .n_overrides = CV_LEN(overrides),
				     .routes = routes,
				     .n_routes = n_routes };
}

static struct cv_acpi_pm acpi_pm(void)
{
	return (struct cv_acpi_pm){ .pm1_event_port = CV_X86_PORT_PM,
				    .pm1_control_port = CV_X86_PORT_PM + 4,
				    .timer_port = CV_X86_PORT_PM + 8,
				    .timer_32bit = true,
				    .sci_irq = CV_X86_IRQ_SCI,
				    .power_button = true,
				    .s5_type = 5,
				    .reset_port = CV_X86_PORT_RESET,
				    .reset_value = 6 };
}

static struct cv_acpi_pci acpi_pci(const struct cv_machine *m)
{
	struct cv_pci_windows w = cv_arch_map.windows;

	cv_arch_pci_windows(m, &w);
	return (struct cv_acpi_pci){
		.ecam_gpa = CV_X86_ECAM_GPA,
		.config_port = CV_X86_PORT_PCI,
		.io = { { .port = (uint16_t)w.io_base, .len = (uint16_t)w.io_len } },
		.mmio32 = { .gpa = w.mem32_base, .len = w.mem32_len },
		.more32 = { .gpa = w.more32_base, .len = w.more32_len },
		.mmio64 = { .gpa = w.mem64_base, .len = w.mem64_len },
	};
}

static unsigned int fill_serials(const struct cv_machine *m, struct cv_acpi_serial *serials)
{
	unsigned int n = 0;

	for (unsigned int num = 1; num <= CV_MACHINE_SERIALS; num++)
		if (m->serials[num - 1])
			serials[n++] =
				(struct cv_acpi_serial){ .port = (uint16_t)cv_arch_serial_base(num),
							 .irq = (uint8_t)cv_arch_serial_irq(num) };
	return n;
}

static unsigned int fill_mmio(const struct cv_machine *m, struct cv_acpi_virtio_mmio *mmio)
{
	for (unsigned int i = 0; i < m->n_mmio; i++)
		mmio[i] = (struct cv_acpi_virtio_mmio){
			.gpa = CV_X86_MMIO_GPA + i * CV_X86_MMIO_STEP,
			.len = CV_X86_MMIO_STEP,
			.gsi = cv_arch_mmio_gsi(i),
			.level = true,
		};
	return m->n_mmio;
}

/* A configuration and what it points to. */
struct acpi {
	struct cv_acpi_config config;
	struct cv_acpi_serial serials[CV_MACHINE_SERIALS];
	struct cv_acpi_virtio_mmio mmio[CV_X86_MAX_MMIO];
};

static void fill_acpi(const struct cv_machine *m, const struct cv_platform *p, struct acpi *a)
{
	a->config = (struct cv_acpi_config){
		.platform = p,
		.pm = acpi_pm(),
		.pci_present = true,
		.pci = acpi_pci(m),
		.serials = a->serials,
		.i8042_data_port = CV_X86_PORT_I8042,
		.i8042_command_port = CV_X86_PORT_I8042 + 4,
		.keyboard_irq = CV_X86_IRQ_KEYBOARD,
		.rtc_port = CV_X86_PORT_CMOS,
		.rtc_irq = CV_X86_IRQ_RTC,
		.rtc_century = 0x32,
		.pvpanic_port = CV_X86_PORT_PVPANIC,
		.virtio_mmio = a->mmio,
	};
	a->config.n_serials = fill_serials(m, a->serials);
	a->config.n_virtio_mmio = fill_mmio(m, a->mmio);
}

struct smbios {
	struct cv_smbios_config config;
	struct cv_mem_range ram[CV_MEM_MAX_REGIONS];
};

static void fill_smbios(const struct cv_machine *m, struct smbios *s)
{
	const struct cv_mem *mem = m->config.mem;

	s->config = (struct cv_smbios_config){ .manufacturer = "crosvm",
					       .product = "libcrosvm",
					       .n_cpus = m->config.n_vcpus,
					       .ram = s->ram,
					       .n_ram = mem->n_regions };
	for (unsigned int i = 0; i < mem->n_regions; i++)
		s->ram[i] = (struct cv_mem_range){ .gpa = mem->regions[i].gpa,
						   .len = mem->regions[i].len };
}

int cv_x86_write_tables(struct cv_machine *m, uint64_t *rsdp, struct vm_error *e)
{
	const struct cv_mem_range mp_area = { .gpa = CV_X86_MP_GPA, .len = CV_X86_MP_LEN };
	const struct cv_mem_range smbios_area = { CV_X86_SMBIOS_GPA, CV_X86_SMBIOS_LEN };
	const struct cv_mem_range acpi_area = { CV_X86_ACPI_GPA, CV_X86_ACPI_LEN };
	struct cv_pci_route routes[MAX_ROUTES];
	struct cv_platform p = platform(m, routes, fill_routes(m, routes));
	struct smbios smbios;
	struct acpi acpi;
	int err;

	fill_smbios(m, &smbios);
	fill_acpi(m, &p, &acpi);
	err = cv_smbios_write(m->config.mem, &smbios.config, &smbios_area, e);
	err = err ?: cv_mptable_write(m->config.mem, &p, &mp_area, e);
	*rsdp = 0;
	if (!err && m->config.acpi)
		err = cv_acpi_write(m->config.mem, &acpi.config, &acpi_area, rsdp, e);
	return err;
}

int cv_x86_pack_tables(struct cv_machine *m, struct cv_fw_files *files, struct vm_error *e)
{
	struct cv_pci_route routes[MAX_ROUTES];
	struct cv_platform p = platform(m, routes, fill_routes(m, routes));
	struct smbios smbios;
	struct acpi acpi;

	fill_smbios(m, &smbios);
	fill_acpi(m, &p, &acpi);
	return cv_smbios_pack(&smbios.config, files, e)
		       ?: cv_acpi_pack(&acpi.config, CV_X86_ACPI_LEN, files, e);
}
