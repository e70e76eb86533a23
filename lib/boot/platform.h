/* SPDX-License-Identifier: BSD-3-Clause */
/* Processors and interrupts of an x86-64 machine, as both ACPI and the MP table describe them. */
#ifndef CV_BOOT_PLATFORM_H
#define CV_BOOT_PLATFORM_H

#include "base/base.h"
#include "base/err.h"

#define CV_PLATFORM_MAX_CPUS 254 /* APIC identifiers below 255: no x2APIC entries */
#define CV_ISA_IRQS	     16
#define CV_PCI_SLOTS	     32
#define CV_PCI_PINS	     4

/* An ISA interrupt that is not edge triggered, active high and at the GSI of its number. */
struct cv_irq_override {
	uint8_t irq, gsi;
	bool level, active_low;
};

/* Where one interrupt pin of a PCI slot on bus 0 arrives; level triggered, active low. */
struct cv_pci_route {
	uint8_t slot, pin; /* pin 0 is INTA */
	uint8_t gsi;
};

struct cv_platform {
	unsigned int n_cpus;
	const uint8_t *apic_ids; /* one per CPU; NULL: 0, 1, 2, ... */
	uint32_t lapic_gpa;
	uint32_t ioapic_gpa;
	uint8_t ioapic_id;
	uint8_t ioapic_pins; /* GSIs from 0 */
	const struct cv_irq_override *overrides;
	unsigned int n_overrides;
	const struct cv_pci_route *routes;
	unsigned int n_routes;
};

/* 0, or -EINVAL with a sentence: nothing out of range, nothing given twice. */
int cv_platform_check(const struct cv_platform *p, struct vm_error *e) CV_MUST_CHECK;

/* The APIC identifier of a CPU. */
uint8_t cv_platform_apic_id(const struct cv_platform *p, unsigned int cpu);

/* The override of an ISA interrupt, NULL when it has none. */
const struct cv_irq_override *cv_platform_override(const struct cv_platform *p, unsigned int irq);

#endif
