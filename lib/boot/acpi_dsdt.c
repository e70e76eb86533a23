/* SPDX-License-Identifier: BSD-3-Clause */
/* The body of the DSDT: processors, the PCI root, what is soldered on, and power-off. */
#include "boot/acpi_dsdt.h"

#include <stdio.h>

#include "base/math.h"

#define ECAM_PER_BUS (1u << 20)

/* Begins a device below \_SB with its identifier and number. */
static struct cv_aml_block open_device(struct cv_aml *a, const char *name, const char *eisa_id,
				       unsigned int uid)
{
	struct cv_aml_block b = cv_aml_device(a, name);

	cv_aml_name_eisa_id(a, "_HID", eisa_id);
	cv_aml_name_integer(a, "_UID", uid);
	return b;
}

static void put_processors(struct cv_aml *a, const struct cv_platform *p)
{
	for (unsigned int i = 0; i < p->n_cpus; i++) {
		struct cv_aml_block b;
		char name[8];

		snprintf(name, sizeof(name), "C%03X", i & 0xfff);
		b = cv_aml_device(a, name);
		cv_aml_name_string(a, "_HID", "ACPI0007");
		cv_aml_name_integer(a, "_UID", i);
		cv_aml_close(a, b);
	}
}

static void put_pci_resources(struct cv_aml *a, const struct cv_acpi_pci *pci)
{
	struct cv_aml_block b = cv_aml_resources(a, "_CRS");

	cv_aml_bus_window(a, pci->bus_first, pci->bus_last);
	if (pci->config_port)
		cv_aml_io(a, pci->config_port, 8);
	for (size_t i = 0; i < CV_LEN(pci->io); i++)
		if (pci->io[i].len)
			cv_aml_io_window(a, pci->io[i].port, pci->io[i].len);
	if (pci->mmio32.len)
		cv_aml_memory_window(a, pci->mmio32.gpa, pci->mmio32.len);
	if (pci->more32.len)
		cv_aml_memory_window(a, pci->more32.gpa, pci->more32.len);
	if (pci->mmio64.len)
		cv_aml_memory_window(a, pci->mmio64.gpa, pci->mmio64.len);
	cv_aml_close_resources(a, b);
}

/* _PRT: { slot << 16 | any function, pin, no link device, GSI }. */
static void put_pci_routes(struct cv_aml *a, const struct cv_platform *p)
{
	struct cv_aml_block table, row;

	cv_aml_name(a, "_PRT");
	table = cv_aml_package(a, p->n_routes);
	for (unsigned int i = 0; i < p->n_routes; i++) {
		row = cv_aml_package(a, 4);
		cv_aml_integer(a, (uint32_t)p->routes[i].slot << 16 | 0xffff);
		cv_aml_integer(a, p->routes[i].pin);
		cv_aml_integer(a, 0);
		cv_aml_integer(a, p->routes[i].gsi);
		cv_aml_close(a, row);
	}
	cv_aml_close(a, table);
}

static void put_dword_field(struct cv_aml *a, unsigned int off, const char *name)
{
	cv_aml_op(a, CV_AML_CREATE_DWORD_FIELD);
	cv_aml_op(a, CV_AML_ARG3);
	cv_aml_integer(a, off);
	cv_aml_path(a, name);
}

/* name |= bits */
static void put_or(struct cv_aml *a, const char *name, uint64_t bits)
{
	cv_aml_op(a, CV_AML_OR);
	cv_aml_path(a, name);
	cv_aml_integer(a, bits);
	cv_aml_path(a, name);
}

/* Local0 = CDW3 & grant; if that is not all, say so; CDW3 = Local0. */
static void put_osc_grant(struct cv_aml *a, uint32_t grant)
{
	struct cv_aml_block b;

	cv_aml_op(a, CV_AML_AND);
	cv_aml_path(a, "CDW3");
	cv_aml_integer(a, grant);
	cv_aml_op(a, CV_AML_LOCAL0);
	b = cv_aml_if(a);
	cv_aml_op(a, CV_AML_NOT);
	cv_aml_op(a, CV_AML_EQUAL);
	cv_aml_op(a, CV_AML_LOCAL0);
	cv_aml_path(a, "CDW3");
	put_or(a, "CDW1", 0x10); /* capabilities masked */
	cv_aml_close(a, b);
	cv_aml_op(a, CV_AML_STORE);
	cv_aml_op(a, CV_AML_LOCAL0);
	cv_aml_path(a, "CDW3");
}

static void put_osc_known(struct cv_aml *a, uint32_t grant)
{
	struct cv_aml_block b;

	put_dword_field(a, 8, "CDW3");
	b = cv_aml_if(a);
	cv_aml_op(a, CV_AML_NOT);
	cv_aml_op(a, CV_AML_EQUAL);
	cv_aml_op(a, CV_AML_ARG1);
	cv_aml_integer(a, 1);
	put_or(a, "CDW1", 0x08); /* unknown revision */
	cv_aml_close(a, b);
	put_osc_grant(a, grant);
}

/* PCI Firmware Specification 3.2, section 4.5. */
static void put_osc(struct cv_aml *a, uint32_t grant)
{
	static const uint8_t pci_uuid[16] = { 0x33, 0xdb, 0x4d, 0x5b, 0x1f, 0xf7, 0x40, 0x1c,
					      0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66 };
	struct cv_aml_block method = cv_aml_method(a, "_OSC", 4), b;

	put_dword_field(a, 0, "CDW1");
	b = cv_aml_if(a);
	cv_aml_op(a, CV_AML_EQUAL);
	cv_aml_op(a, CV_AML_ARG0);
	cv_aml_uuid(a, pci_uuid);
	put_osc_known(a, grant);
	cv_aml_close(a, b);
	b = cv_aml_else(a);
	put_or(a, "CDW1", 0x04); /* unknown UUID */
	cv_aml_close(a, b);
	cv_aml_op(a, CV_AML_RETURN);
	cv_aml_op(a, CV_AML_ARG3);
	cv_aml_close(a, method);
}

static void put_pci(struct cv_aml *a, const struct cv_acpi_config *c)
{
	struct cv_aml_block b;

	if (!c->pci_present)
		return;
	b = open_device(a, "PCI0", "PNP0A08", 0);
	cv_aml_name_eisa_id(a, "_CID", "PNP0A03");
	cv_aml_name_integer(a, "_SEG", 0);
	cv_aml_name_integer(a, "_BBN", c->pci.bus_first);
	put_pci_resources(a, &c->pci);
	put_pci_routes(a, c->platform);
	put_osc(a, c->pci.osc_grant);
	cv_aml_close(a, b);
}

/* What nothing else may be put over: ECAM and the ports of power management. */
static void put_motherboard(struct cv_aml *a, const struct cv_acpi_config *c)
{
	const struct cv_acpi_pci *pci = &c->pci;
	struct cv_aml_block b = open_device(a, "MBRD", "PNP0C02", 0);
	struct cv_aml_block res = cv_aml_resources(a, "_CRS");

	cv_aml_io(a, c->pm.pm1_event_port, 4);
	cv_aml_io(a, c->pm.pm1_control_port, 2);
	if (c->pm.timer_port)
		cv_aml_io(a, c->pm.timer_port, 4);
	if (c->pci_present && pci->ecam_gpa)
		cv_aml_memory32(a, (uint32_t)(pci->ecam_gpa + pci->bus_first * ECAM_PER_BUS),
				(pci->bus_last - pci->bus_first + 1u) * ECAM_PER_BUS);
	cv_aml_close_resources(a, res);
	cv_aml_close(a, b);
}

static void put_serials(struct cv_aml *a, const struct cv_acpi_config *c)
{
	for (unsigned int i = 0; i < c->n_serials; i++) {
		struct cv_aml_block b, res;
		char name[8];

		snprintf(name, sizeof(name), "COM%u", (i + 1) % 10);
		b = open_device(a, name, "PNP0501", i + 1);
		res = cv_aml_resources(a, "_CRS");
		cv_aml_io(a, c->serials[i].port, 8);
		cv_aml_irq(a, c->serials[i].irq);
		cv_aml_close_resources(a, res);
		cv_aml_close(a, b);
	}
}

static void put_i8042(struct cv_aml *a, const struct cv_acpi_config *c)
{
	struct cv_aml_block b, res;

	if (!c->i8042_data_port)
		return;
	b = open_device(a, "KBD_", "PNP0303", 0);
	res = cv_aml_resources(a, "_CRS");
	cv_aml_io(a, c->i8042_data_port, 1);
	cv_aml_io(a, c->i8042_command_port, 1);
	cv_aml_irq(a, c->keyboard_irq);
	cv_aml_close_resources(a, res);
	cv_aml_close(a, b);
	if (!c->mouse_irq)
		return;
	b = open_device(a, "MOU_", "PNP0F13", 0);
	res = cv_aml_resources(a, "_CRS");
	cv_aml_irq(a, c->mouse_irq);
	cv_aml_close_resources(a, res);
	cv_aml_close(a, b);
}

static void put_rtc(struct cv_aml *a, const struct cv_acpi_config *c)
{
	struct cv_aml_block b, res;

	if (!c->rtc_port)
		return;
	b = open_device(a, "RTC_", "PNP0B00", 0);
	res = cv_aml_resources(a, "_CRS");
	cv_aml_io(a, c->rtc_port, 2);
	cv_aml_irq(a, c->rtc_irq);
	cv_aml_close_resources(a, res);
	cv_aml_close(a, b);
}

static void put_pvpanic(struct cv_aml *a, uint16_t port)
{
	struct cv_aml_block b, res;

	if (!port)
		return;
	b = cv_aml_device(a, "PEVT");
	cv_aml_name_string(a, "_HID", "QEMU0001");
	res = cv_aml_resources(a, "_CRS");
	cv_aml_io(a, port, 1);
	cv_aml_close_resources(a, res);
	cv_aml_close(a, b);
}

static void put_virtio_mmio(struct cv_aml *a, const struct cv_acpi_config *c)
{
	for (unsigned int i = 0; i < c->n_virtio_mmio; i++) {
		const struct cv_acpi_virtio_mmio *v = &c->virtio_mmio[i];
		struct cv_aml_block b, res;
		char name[8];

		snprintf(name, sizeof(name), "VR%02X", i & 0xff);
		b = cv_aml_device(a, name);
		cv_aml_name_string(a, "_HID", "LNRO0005");
		cv_aml_name_integer(a, "_UID", i);
		res = cv_aml_resources(a, "_CRS");
		cv_aml_memory32(a, v->gpa, v->len);
		cv_aml_interrupt(a, v->gsi, v->level, false);
		cv_aml_close_resources(a, res);
		cv_aml_close(a, b);
	}
}

static void put_s5(struct cv_aml *a, uint8_t type)
{
	struct cv_aml_block b;

	cv_aml_name(a, "\\_S5_");
	b = cv_aml_package(a, 4);
	cv_aml_integer(a, type);
	cv_aml_integer(a, type);
	cv_aml_integer(a, 0);
	cv_aml_integer(a, 0);
	cv_aml_close(a, b);
}

void cv_acpi_put_dsdt(struct cv_aml *a, const struct cv_acpi_config *config)
{
	struct cv_aml_block sb = cv_aml_scope(a, "\\_SB_");

	put_processors(a, config->platform);
	put_pci(a, config);
	put_motherboard(a, config);
	put_serials(a, config);
	put_i8042(a, config);
	put_rtc(a, config);
	put_pvpanic(a, config->pvpanic_port);
	put_virtio_mmio(a, config);
	cv_aml_close(a, sb);
	put_s5(a, config->pm.s5_type);
}
