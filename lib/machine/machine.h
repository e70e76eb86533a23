/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine: memory map, buses, platform devices, firmware tables and the boot
 * of one architecture, put together on a hypervisor's VM. Built anew for each
 * start of the guest; guest memory and the devices' configurations outlive it.
 *
 * Everything here but cv_machine_access() is called while no vCPU runs, from
 * the loop's thread or while no thread runs the loop.
 */
#ifndef CV_MACHINE_MACHINE_H
#define CV_MACHINE_MACHINE_H

#include "boot/boot.h"
#include "core/slot.h"
#include "hypervisor/hypervisor.h"
#include "sys/loop.h"

#define CV_MACHINE_MAX_VCPUS  64
#define CV_MACHINE_MIN_MEMORY (16ull << 20)

struct cv_machine;

/* Makes the hypervisor's VM: KVM's, or a test's fake. */
struct cv_hv_factory {
	int (*create)(void *arg, struct cv_hv **hv, const struct cv_hv_config *config,
		      struct cv_log *log, struct vm_error *e);
	void *arg;
};

struct cv_machine_config {
	const struct cv_mem *mem; /* made by cv_machine_memory() */
	unsigned int n_vcpus;	  /* 1 to CV_MACHINE_MAX_VCPUS */
	const struct cv_rom
		*rom; /* firmware, made by cv_machine_firmware(); NULL: a kernel boots */
	struct cv_boot_file kernel, initrd; /* initrd.fd -1: none */
	const char *cmdline;
	enum cv_boot_protocol protocol;
	bool acpi;
	struct cv_hv_factory hv;
	struct cv_loop *loop; /* the VM's main loop, which is the devices' too */
	struct cv_log *log;
	void (*request)(void *ctx, enum cv_vm_request what); /* any thread */
	void *ctx;
};

enum cv_transport_kind { CV_TRANSPORT_PCI, CV_TRANSPORT_MMIO };

/* Guest memory of @size bytes in this architecture's ranges. */
int cv_machine_memory(uint64_t size, struct cv_mem *mem, struct vm_error *e) CV_MUST_CHECK;

/* Reads the firmware @file to where this architecture has it. 0; -EINVAL for a wrong size and others
 * with a sentence. */
int cv_machine_firmware(const struct cv_boot_file *file, struct cv_rom *rom,
			struct vm_error *e) CV_MUST_CHECK;

/* The VM, its memory, buses, interrupts and the devices that are always there. */
int cv_machine_create(struct cv_machine **m, const struct cv_machine_config *config,
		      struct vm_error *e) CV_MUST_CHECK;
void cv_machine_destroy(struct cv_machine *m); /* NULL is fine */

/* Whether a register class may be added by the user at all, which those may not that the machine has
 * always or never: 0, or -EINVAL. */
int cv_machine_takes(const struct cv_class *cls, struct vm_error *e) CV_MUST_CHECK;

/* Whether the machine has a place for each of two configurations of such a class: 0, or -EEXIST with
 * a sentence when both want the same. */
int cv_machine_both_fit(const struct cv_class *cls, const void *config, const void *other,
			struct vm_error *e) CV_MUST_CHECK;

/* Whether a virtio device called @name fits beside @n_others behind the same transport: 0, or -ENOSPC
 * with a sentence. */
int cv_machine_virtio_fits(enum cv_transport_kind transport, unsigned int n_others,
			   const char *name, struct vm_error *e) CV_MUST_CHECK;

/* Where a register device of the user's goes. */
struct cv_machine_place {
	uint64_t base;	    /* port */
	struct cv_irq *irq; /* the machine's; NULL: it has no line */
};

/* Takes the place that a class has in this machine for one configuration of it, and makes its line. */
int cv_machine_place_class(struct cv_machine *m, const struct cv_class *cls, const void *config,
			   struct cv_machine_place *place, struct vm_error *e) CV_MUST_CHECK;

/* Puts the device that was made for a place there. The slot is the machine's if this succeeds, until
 * it is quiesced. */
int cv_machine_add_regs(struct cv_machine *m, const struct cv_machine_place *place,
			struct cv_rslot *slot, struct vm_error *e) CV_MUST_CHECK;

/* Adds a virtio device behind a transport; @vslot is borrowed and outlives the machine. */
int cv_machine_add_virtio(struct cv_machine *m, struct cv_vslot *vslot,
			  enum cv_transport_kind transport, struct vm_error *e) CV_MUST_CHECK;

/* What this machine boots, for messages: "a vmlinux or a bzImage". */
const char *cv_machine_kernels(void);

/* Whether a foreign register block called @name may raise interrupt @irq (0: none): 0, or -EINVAL. */
int cv_machine_irq_fits(uint32_t irq, const char *name, struct vm_error *e) CV_MUST_CHECK;

/* Maps a foreign register block; with @gsi, *irq is the line (edge), owned by the machine. */
int cv_machine_add_block(struct cv_machine *m, bool pio, uint64_t base, uint64_t len,
			 struct cv_rslot *slot, uint32_t gsi, struct cv_irq **irq,
			 struct vm_error *e) CV_MUST_CHECK;

/* What a device of this machine is given; the lock is the slot's. */
struct cv_env cv_machine_env(struct cv_machine *m);

/* Makes the vCPUs, loads the kernel, writes the tables: ready to run. */
int cv_machine_boot(struct cv_machine *m, struct vm_error *e) CV_MUST_CHECK;

struct cv_vcpu *cv_machine_vcpu(struct cv_machine *m, unsigned int index);

/* Stops all virtio devices and ends the register devices of the user's; nothing of the guest is in
 * flight afterwards. */
void cv_machine_quiesce(struct cv_machine *m);

/* Answers an IO or MMIO exit. vCPU threads. */
void cv_machine_access(struct cv_machine *m, struct cv_exit *exit);

/* Presses the power button; the loop's thread. */
int cv_machine_power_button(struct cv_machine *m, struct vm_error *e) CV_MUST_CHECK;

#endif
