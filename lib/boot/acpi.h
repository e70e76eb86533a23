/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ACPI tables of an x86-64 machine (ACPI 6.3): RSDP, XSDT, FADT, FACS, DSDT,
 * MADT and MCFG. Every address and number comes from the configuration; what is
 * zero there does not exist in the tables.
 */
#ifndef CV_BOOT_ACPI_H
#define CV_BOOT_ACPI_H

#include "boot/platform.h"
#include "core/fw_files.h"
#include "core/mem.h"

#define CV_ACPI_MAX_SERIALS 4

struct cv_acpi_io {
	uint16_t port, len;
};

struct cv_acpi_serial {
	uint16_t port; /* 8 ports from here */
	uint8_t irq;
};

/* A virtio-mmio device (LNRO0005). */
struct cv_acpi_virtio_mmio {
	uint32_t gpa, len;
	uint32_t gsi; /* active high */
	bool level;   /* else edge triggered */
};

/* The fixed hardware of ACPI: no SMI, ACPI mode always on. */
struct cv_acpi_pm {
	uint16_t pm1_event_port;   /* 4 ports: status, enable */
	uint16_t pm1_control_port; /* 2 ports */
	uint16_t timer_port;	   /* 4 ports; 0: none */
	bool timer_32bit;	   /* else 24 bits */
	uint8_t sci_irq;	   /* an ISA number; see the platform's overrides */
	bool power_button;	   /* the fixed one of PM1 */
	uint8_t s5_type;	   /* SLP_TYP that powers off */
	uint16_t reset_port;	   /* 0: none */
	uint8_t reset_value;
};

struct cv_acpi_pci {
	uint8_t bus_first, bus_last;
	uint64_t ecam_gpa;		    /* of bus 0; 0: none */
	uint16_t config_port;		    /* 8 ports: CONFIG_ADDRESS, CONFIG_DATA; 0: none */
	struct cv_acpi_io io[2];	    /* port windows handed down; len 0: none */
	struct cv_mem_range mmio32, mmio64; /* MMIO windows handed down; len 0: none */
	struct cv_mem_range more32;	    /* a second one below 4 GiB */
	uint32_t osc_grant; /* bits of _OSC's control word that the guest may have */
};

struct cv_acpi_config {
	const struct cv_platform *platform;
	struct cv_acpi_pm pm;
	bool pci_present;
	struct cv_acpi_pci pci;
	const struct cv_acpi_serial *serials;
	unsigned int n_serials;			      /* up to CV_ACPI_MAX_SERIALS */
	uint16_t i8042_data_port, i8042_command_port; /* 0: none, also not elsewhere */
	uint8_t keyboard_irq, mouse_irq;	      /* mouse 0: none */
	uint16_t rtc_port;			      /* 2 ports; 0: no CMOS RTC */
	uint8_t rtc_irq;
	uint8_t rtc_century;   /* index of the century's byte; 0: none */
	uint16_t pvpanic_port; /* 0: none */
	const struct cv_acpi_virtio_mmio *virtio_mmio;
	unsigned int n_virtio_mmio; /* up to 256 */
};

/*
 * Writes the tables into @area, which begins at a multiple of 64 below 4 GiB,
 * the RSDP first: *rsdp is then area->gpa. Firmware-style discovery needs it
 * between 0xe0000 and 0xfffff; the boot protocols pass its address. 16 KiB suffice for 64
 * CPUs. 0, -EINVAL for a bad configuration, -ENOSPC when @area is too small,
 * -EFAULT when it is not memory, or -ENOMEM.
 */
int cv_acpi_write(const struct cv_mem *mem, const struct cv_acpi_config *config,
		  const struct cv_mem_range *area, uint64_t *rsdp,
		  struct vm_error *e) CV_MUST_CHECK;

/*
 * The same tables as files that firmware reads: "etc/acpi/rsdp", "etc/acpi/tables" of
 * less than @max bytes, and "etc/table-loader", the script that puts them into
 * memory. 0, -EINVAL, -ENOSPC when @max is too small, -ENOMEM.
 */
int cv_acpi_pack(const struct cv_acpi_config *config, size_t max, struct cv_fw_files *files,
		 struct vm_error *e) CV_MUST_CHECK;

#endif
