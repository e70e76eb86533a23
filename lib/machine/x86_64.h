/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of an x86_64 machine, shared by the files that build it. */
#ifndef CV_MACHINE_X86_64_H
#define CV_MACHINE_X86_64_H

#include "core/bus.h"
#include "hypervisor/x86_64.h"
#include "machine/layout_x86_64.h"
#include "machine/lines.h"
#include "machine/machine.h"
#include "pci/pci.h"

#define CV_X86_N_SERIALS  4
#define CV_X86_MAX_MMIO	  6 /* virtio-mmio blocks: as many ISA interrupts are free */
#define CV_X86_MAX_FIXED  8
#define CV_X86_MAX_ADDED  16
#define CV_X86_MAX_VIRTIO (CV_PCI_SLOTS + CV_X86_MAX_MMIO)

struct cv_virtio_pci;
struct cv_virtio_mmio;

/* A register device that this machine has always. */
struct cv_x86_regs {
	const struct cv_class *cls;
	void *config; /* of a fixed device; owned */
	struct cv_rslot_local *slot;
};

/* A register device of the user's; owned. */
struct cv_x86_added {
	struct cv_rslot *slot;
	uint64_t base;
};

struct cv_x86_virtio {
	struct cv_vslot *vslot; /* borrowed */
	struct cv_virtio_pci *pci;
	struct cv_virtio_mmio *mmio; /* one of the two */
};

struct cv_machine {
	struct cv_machine_config config; /* pointers in it are the owner's */
	struct cv_hv *hv;
	struct cv_bus *pio, *mmio;
	struct cv_lines lines;
	struct cv_pci_root *pci;
	struct cv_pci_dev *bridge;
	struct cv_x86_regs fixed[CV_X86_MAX_FIXED];
	unsigned int n_fixed;
	struct cv_x86_added added[CV_X86_MAX_ADDED];
	unsigned int n_added;
	bool serials[CV_X86_N_SERIALS]; /* which COM ports exist */
	struct cv_rslot_local *pm;	/* the ACPI PM block among the fixed ones */
	struct cv_x86_virtio virtio[CV_X86_MAX_VIRTIO];
	unsigned int n_virtio;
	unsigned int n_pci_functions; /* slots 1 to this are taken */
	unsigned int n_mmio;
	struct cv_vcpu *vcpus[CV_MACHINE_MAX_VCPUS];
};

/* The port and the interrupt of COM @num (1 to 4). */
uint16_t cv_x86_serial_port(unsigned int num);
uint8_t cv_x86_serial_irq(unsigned int num);

/* The ISA interrupt of virtio-mmio block @index. */
uint8_t cv_x86_mmio_irq(unsigned int index);

/* The 64-bit PCI window: above RAM, within what the processor can address. */
void cv_x86_pci64_window(const struct cv_machine *m, uint64_t *base, uint64_t *len);

/* The GSI of INTA of a PCI slot. */
uint8_t cv_x86_pci_gsi(unsigned int slot, unsigned int pin);

/* Writes ACPI, SMBIOS and MP tables; *rsdp is 0 without ACPI. */
int cv_x86_write_tables(struct cv_machine *m, uint64_t *rsdp, struct vm_error *e) CV_MUST_CHECK;

#endif
