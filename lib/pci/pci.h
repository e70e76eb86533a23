/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI: functions on bus 0, configuration space, BARs that follow the command
 * register, MSI-X. (PCI Local Bus 3.0, PCI Express 4.0 for ECAM.)
 *
 * A function embeds struct cv_pci_dev. Configuration accesses come from vCPU
 * threads through ECAM or ports CF8/CFC, serialised by the root's lock; BAR
 * accesses come through the bus, not under that lock. Lock order: root, then
 * function, then device. Adding and removing take the root's lock:
 * while vCPUs run, not from the thread of a loop that a device runs in.
 */
#ifndef CV_PCI_PCI_H
#define CV_PCI_PCI_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "base/log.h"
#include "core/bus.h"
#include "core/hw.h"
#include "core/irq.h"

#define CV_PCI_SLOTS	 32
#define CV_PCI_CFG_SIZE	 4096u
#define CV_PCI_BARS	 6
#define CV_PCI_ECAM_SPAN (256u << 20) /* all buses; bus 0 takes the first MiB */
#define CV_PCI_ECAM_BUS	 (1u << 20)

struct cv_pci_dev;
struct cv_pci_root;

/* All hooks are called under the root's lock. */
struct cv_pci_dev_ops {
	/* optional hooks of a device that traps its configuration space (VFIO): return true when
	 * the access has been handled. off is below 4096, len 1, 2 or 4, within one dword */
	bool (*cfg_read)(struct cv_pci_dev *d, uint32_t off, unsigned int len, uint32_t *val);
	bool (*cfg_write)(struct cv_pci_dev *d, uint32_t off, unsigned int len, uint32_t val);
	/* optional: told after an ordinary write has changed the space */
	void (*cfg_written)(struct cv_pci_dev *d, uint32_t off, unsigned int len);
	/* optional: the function may access memory and send MSIs, or not any more; off at first */
	void (*master_changed)(struct cv_pci_dev *d, bool on);
	/* optional: plugged in; the root and the interrupt line are known, no BAR is mapped yet */
	void (*added)(struct cv_pci_dev *d);
	/* optional: a BAR has been mapped at @base or unmapped (@base UINT64_MAX) */
	void (*bar_moved)(struct cv_pci_dev *d, unsigned int bar, uint64_t base);
};

enum cv_pci_bar_kind { CV_PCI_BAR_NONE, CV_PCI_BAR_IO, CV_PCI_BAR_MEM32, CV_PCI_BAR_MEM64 };

struct cv_pci_bar {
	enum cv_pci_bar_kind kind;
	bool prefetch;
	uint64_t size;	       /* power of two; at least 16 (memory) or 4 (I/O) */
	struct cv_rslot *slot; /* what answers; NULL: mapped by other means (memory slots) */
	uint64_t base;	       /* where it is mapped now; UINT64_MAX: nowhere */
	bool blocked;	       /* enabled, but the address is taken: tried again later */
};

struct cv_pci_dev {
	const struct cv_pci_dev_ops *ops;
	const char *name;
	struct cv_pci_root *root; /* set by cv_pci_root_add */
	unsigned int slot;	  /* device number 0 to 31 */
	uint8_t cfg[CV_PCI_CFG_SIZE];
	uint8_t writable[CV_PCI_CFG_SIZE]; /* bits the guest may write */
	uint8_t w1c[CV_PCI_CFG_SIZE];	   /* bits that writing 1 clears */
	struct cv_pci_bar bars[CV_PCI_BARS];
	uint16_t cap_end, cap_last; /* where the next capability goes; the last one, 0: none */
	struct cv_irq *intx;	    /* NULL: no interrupt pin */
	bool msix_on;		    /* MSI-X is in use, which silences INTx */
	atomic_bool bus_master;	    /* the command register's bit */
};

struct cv_pci_ids {
	uint16_t vendor, device, subsys_vendor, subsys;
	uint8_t class_code, subclass, prog_if, revision;
};

/* Fills header type 0. The struct is zeroed before; name is borrowed. */
void cv_pci_dev_init(struct cv_pci_dev *d, const char *name, const struct cv_pci_dev_ops *ops,
		     const struct cv_pci_ids *ids);

/* Describes BAR @bar (and @bar + 1 for 64 bits). -EINVAL: taken, bad size or number. */
int cv_pci_dev_add_bar(struct cv_pci_dev *d, unsigned int bar, enum cv_pci_bar_kind kind,
		       bool prefetch, uint64_t size, struct cv_rslot *slot) CV_MUST_CHECK;

/* Appends a capability of @len bytes: @body as it is to stand in the space, of which the two header
 * bytes are filled here; its offset, or -ENOSPC. @writable: @len bytes of masks, NULL: all
 * read-only. */
int cv_pci_dev_add_cap(struct cv_pci_dev *d, uint8_t id, const void *body, uint8_t len,
		       const void *writable) CV_MUST_CHECK;

/* Interrupt pin 1-4 (INTA-INTD) and the value firmware would put in the line register. @irq: a
 * level line of this function alone (functions may share the interrupt, not the struct); before
 * the function is added. */
void cv_pci_dev_set_intx(struct cv_pci_dev *d, struct cv_irq *irq, uint8_t pin, uint8_t line);

/* Raises or lowers INTx; the command register's disable bit and MSI-X hold it back, the status
 * register shows it. Any thread. */
void cv_pci_dev_intx(struct cv_pci_dev *d, bool on);

/* Bus master enable; any thread. */
bool cv_pci_dev_bus_master(const struct cv_pci_dev *d);

/* Where BARs are placed and decoded. Each window is (base, len). */
struct cv_pci_windows {
	uint64_t io_base, io_len, mem32_base, mem32_len, mem64_base, mem64_len;
	uint64_t more32_base, more32_len; /* only decoded: where firmware moves them; len 0: none */
};

int cv_pci_root_create(struct cv_pci_root **root, struct cv_bus *mmio, struct cv_bus *pio,
		       const struct cv_pci_windows *windows, struct cv_log *log,
		       struct vm_error *e) CV_MUST_CHECK;
void cv_pci_root_destroy(struct cv_pci_root *root); /* functions removed before; NULL is fine */

/* The ECAM block (CV_PCI_ECAM_BUS bytes: bus 0) and the CF8-CFF block (8 bytes, x86). */
struct cv_rslot *cv_pci_root_ecam(struct cv_pci_root *root);
struct cv_rslot *cv_pci_root_ports(struct cv_pci_root *root);

/* Who answers byte accesses at port CF9 (the reset register), which lies inside the ports' block;
 * its first byte is used. Before vCPUs run. */
void cv_pci_root_set_cf9(struct cv_pci_root *root, struct cv_rslot *slot);

/* Plugs a function in at @slot (or the lowest free number from 1 if negative). -EEXIST, -ENOSPC
 * with "at most 31 devices". BARs get addresses from the windows and are decoded at once, as
 * firmware would leave them (the guest may move them later). -EBUSY: an address in a window
 * belongs to something else on the bus. */
int cv_pci_root_add(struct cv_pci_root *root, struct cv_pci_dev *d, int slot,
		    struct vm_error *e) CV_MUST_CHECK;
void cv_pci_root_remove(struct cv_pci_root *root, struct cv_pci_dev *d);

/* One configuration access to bus 0; all-ones and dropped where nothing is. For tests and hooks. */
uint32_t cv_pci_cfg_read(struct cv_pci_root *root, unsigned int devfn, uint32_t off,
			 unsigned int len);
void cv_pci_cfg_write(struct cv_pci_root *root, unsigned int devfn, uint32_t off, unsigned int len,
		      uint32_t val);

/* The host bridge at slot 0 (a function with IDs and nothing else). */
int cv_pci_bridge_create(struct cv_pci_dev **d, struct cv_pci_root *root,
			 const struct cv_pci_ids *ids, struct vm_error *e) CV_MUST_CHECK;
void cv_pci_bridge_destroy(struct cv_pci_dev *d);

/* A function in slot @pci_slot (negative: the lowest free one from 1) whose BAR 0 (32 bits, a page at
 * least) holds a register device; the rest of the BAR reads all-ones. @slot is borrowed and outlives
 * the function. */
int cv_pci_regs_create(struct cv_pci_dev **d, struct cv_pci_root *root,
		       const struct cv_pci_ids *ids, struct cv_rslot *slot, int pci_slot,
		       struct vm_error *e) CV_MUST_CHECK;
void cv_pci_regs_destroy(struct cv_pci_dev *d); /* NULL is fine */

#endif
