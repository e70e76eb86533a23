/* SPDX-License-Identifier: BSD-3-Clause */
/* Processors and interrupts of an x86-64 machine: checks and look-ups. */
#include "boot/platform.h"

#include <errno.h>

uint8_t cv_platform_apic_id(const struct cv_platform *p, unsigned int cpu)
{
	return p->apic_ids ? p->apic_ids[cpu] : (uint8_t)cpu;
}

const struct cv_irq_override *cv_platform_override(const struct cv_platform *p, unsigned int irq)
{
	for (unsigned int i = 0; i < p->n_overrides; i++)
		if (p->overrides[i].irq == irq)
			return &p->overrides[i];
	return NULL;
}

static int check_cpus(const struct cv_platform *p, struct vm_error *e)
{
	bool seen[256] = { false };

	if (p->n_cpus == 0 || p->n_cpus > CV_PLATFORM_MAX_CPUS)
		return cv_err(e, -EINVAL, "machine: %u CPUs asked for, 1 to %d are possible",
			      p->n_cpus, CV_PLATFORM_MAX_CPUS);
	seen[255] = true; /* broadcast */
	for (unsigned int i = 0; i < p->n_cpus; i++) {
		uint8_t id = cv_platform_apic_id(p, i);

		if (seen[id])
			return cv_err(e, -EINVAL,
				      "machine: APIC identifier %u of CPU %u is taken; use another",
				      id, i);
		seen[id] = true;
	}
	return 0;
}

static int check_overrides(const struct cv_platform *p, struct vm_error *e)
{
	bool seen[CV_ISA_IRQS] = { false };

	for (unsigned int i = 0; i < p->n_overrides; i++) {
		const struct cv_irq_override *o = &p->overrides[i];

		if (o->irq >= CV_ISA_IRQS || o->gsi >= p->ioapic_pins || seen[o->irq])
			return cv_err(
				e, -EINVAL,
				"machine: interrupt override %u (%u to %u) is out of range or "
				"given twice",
				i, o->irq, o->gsi);
		seen[o->irq] = true;
	}
	return 0;
}

static int check_routes(const struct cv_platform *p, struct vm_error *e)
{
	bool seen[CV_PCI_SLOTS][CV_PCI_PINS] = { { false } };

	for (unsigned int i = 0; i < p->n_routes; i++) {
		const struct cv_pci_route *r = &p->routes[i];

		if (r->slot >= CV_PCI_SLOTS || r->pin >= CV_PCI_PINS || r->gsi >= p->ioapic_pins ||
		    seen[r->slot][r->pin])
			return cv_err(
				e, -EINVAL,
				"machine: PCI interrupt route %u (slot %u pin %u to %u) is out "
				"of range or given twice",
				i, r->slot, r->pin, r->gsi);
		seen[r->slot][r->pin] = true;
	}
	return 0;
}

int cv_platform_check(const struct cv_platform *p, struct vm_error *e)
{
	return check_cpus(p, e) ?: check_overrides(p, e) ?: check_routes(p, e);
}
