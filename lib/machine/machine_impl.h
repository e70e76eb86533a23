/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of a machine: machine.c puts together what machines have in
 * common, <arch>*.c say where everything is, which devices are always there,
 * and how the guest starts. Which architecture it is is decided by the build.
 */
#ifndef CV_MACHINE_MACHINE_IMPL_H
#define CV_MACHINE_MACHINE_IMPL_H

#include "core/bus.h"
#include "core/fw_files.h"
#include "machine/lines.h"
#include "machine/machine.h"
#include "pci/pci.h"

#define CV_MACHINE_SERIALS  4
#define CV_MACHINE_MAX_MMIO 32 /* virtio-mmio blocks; an architecture may have room for fewer */
#define CV_MACHINE_FIXED    8
#define CV_MACHINE_ADDED    16
#define CV_MACHINE_VIRTIO   (CV_PCI_SLOTS + CV_MACHINE_MAX_MMIO)

struct cv_virtio_pci;
struct cv_virtio_mmio;

/* A register device that this machine has always. */
struct cv_machine_regs {
	const struct cv_class *cls;
	void *config; /* owned */
	struct cv_rslot_local *slot;
};

/* A register device of the user's; owned. */
struct cv_machine_added {
	struct cv_rslot *slot;
	uint64_t base;
};

struct cv_machine_virtio {
	struct cv_vslot *vslot; /* borrowed */
	struct cv_virtio_pci *pci;
	struct cv_virtio_mmio *mmio; /* one of the two */
};

struct cv_machine {
	struct cv_machine_config config; /* pointers in it are the owner's */
	struct cv_hv *hv;
	struct cv_bus *pio, *mmio;
	struct cv_bus *regs; /* the one of them that register devices are on */
	struct cv_lines lines;
	struct cv_fw_files fw; /* filled at the boot, if there is firmware */
	struct cv_pci_root *pci;
	struct cv_pci_dev *bridge;
	struct cv_pci_dev *pvpanic; /* where it is a PCI function */
	void *arch;		    /* <arch>.c's own, freed with the machine */
	struct cv_machine_regs fixed[CV_MACHINE_FIXED];
	unsigned int n_fixed;
	struct cv_machine_added added[CV_MACHINE_ADDED];
	unsigned int n_added;
	bool serials[CV_MACHINE_SERIALS]; /* which ports exist, from port 1 */
	struct cv_rslot_local *button;	  /* the fixed device with the power button */
	struct cv_machine_virtio virtio[CV_MACHINE_VIRTIO];
	unsigned int n_virtio;
	unsigned int n_pci_functions; /* slots 1 to this are taken */
	unsigned int n_mmio;
	struct cv_vcpu *vcpus[CV_MACHINE_MAX_VCPUS];
};

/* Where a register class goes. A row without a base is placed by an option, or is on no bus. */
struct cv_machine_row {
	const char *name;
	bool fixed;	/* the machine has it always; else the user may add one */
	bool firmware;	/* but only for firmware */
	const char *by; /* the option that says which serial port, or at which port; NULL: none */
	uint64_t base, span; /* span 0: the class's */
	uint32_t irq;	     /* 0: none */
	bool level;
};

/* Where everything else goes. */
struct cv_machine_map {
	const char *name;	       /* "x86_64" */
	const char *kernels;	       /* what can be booted: "a ..." */
	struct cv_pci_windows windows; /* of a machine without firmware, but the 64-bit one */
	struct cv_pci_ids bridge;
	unsigned int max_pci; /* slots 1 to this are the user's */
	uint64_t ecam_gpa;
	uint64_t mmio_gpa, mmio_step; /* virtio-mmio blocks */
	unsigned int max_mmio;
	struct {
		uint32_t first, last;
	} block_irqs; /* for register blocks of the embedder's */
	const struct cv_machine_row *rows;
	unsigned int n_rows;
};

extern const struct cv_machine_map cv_arch_map;

/* ---- <arch>.c ---- */

/* The ranges of @size bytes of RAM; returns their number, at most 2. */
unsigned int cv_arch_ranges(uint64_t size, struct cv_mem_range *ranges);

/* After the VM, its memory and buses, before anything is attached to an interrupt. */
int cv_arch_create(struct cv_machine *m, struct vm_error *e) CV_MUST_CHECK;

/* After the PCI root. */
int cv_arch_pci_created(struct cv_machine *m, struct vm_error *e) CV_MUST_CHECK;

/* The options of a device that this machine has always; @text is empty at first. */
void cv_arch_fixed_options(const struct cv_machine *m, const char *name, char *text, size_t size);

/* What remains to be done about such a device once it is on its bus. */
int cv_arch_fixed_added(struct cv_machine *m, const char *name, struct cv_rslot_local *slot,
			struct vm_error *e) CV_MUST_CHECK;

/* Serial port @num (1 to CV_MACHINE_SERIALS). */
uint64_t cv_arch_serial_base(unsigned int num);
uint32_t cv_arch_serial_irq(unsigned int num);

/* The interrupts of virtio-mmio block @index and of a pin (INTA: 0) of a PCI slot; level triggered. */
uint32_t cv_arch_mmio_gsi(unsigned int index);
uint32_t cv_arch_pci_gsi(unsigned int slot, unsigned int pin);

/* Changes the map's PCI windows to those of this machine: the 64-bit one is above RAM, within what
 * the processor can address, and with firmware there is more below 4 GiB. */
void cv_arch_pci_windows(const struct cv_machine *m, struct cv_pci_windows *w);

#endif
