/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this directory share: the root, register names, and calls under its lock. */
#ifndef CV_PCI_ROOT_H
#define CV_PCI_ROOT_H

#include "pci/pci.h"

#define CV_PCI_NOWHERE UINT64_MAX

/* Header type 0, PCI 3.0 section 6.1. */
enum {
	CV_PCI_VENDOR = 0x00,
	CV_PCI_DEVICE = 0x02,
	CV_PCI_COMMAND = 0x04,
	CV_PCI_STATUS = 0x06,
	CV_PCI_REVISION = 0x08,
	CV_PCI_CACHE_LINE = 0x0c,
	CV_PCI_BAR0 = 0x10,
	CV_PCI_SUBSYS_VENDOR = 0x2c,
	CV_PCI_SUBSYS = 0x2e,
	CV_PCI_CAP_HEAD = 0x34,
	CV_PCI_INT_LINE = 0x3c,
	CV_PCI_INT_PIN = 0x3d,
	CV_PCI_HEADER_END = 0x40,
};

enum {
	CV_PCI_CMD_IO = 1,
	CV_PCI_CMD_MEM = 2,
	CV_PCI_CMD_MASTER = 4,
	CV_PCI_CMD_PARITY = 0x40,
	CV_PCI_CMD_SERR = 0x100,
	CV_PCI_CMD_NO_INTX = 0x400,
};

enum {
	CV_PCI_STATUS_INTX = 8,
	CV_PCI_STATUS_CAPS = 0x10,
};

enum { CV_PCI_CAP_VENDOR = 0x09, CV_PCI_CAP_MSIX = 0x11 };

struct cv_pci_root {
	pthread_mutex_t lock; /* over all that follows and every function's space */
	struct cv_bus *mmio, *pio;
	struct cv_pci_windows windows;
	struct cv_log *log;
	struct cv_pci_dev *devs[CV_PCI_SLOTS];
	struct cv_rslot ecam, ports;
	struct cv_rslot *cf9;
	uint32_t address; /* CF8 */
	unsigned int n_blocked;
};

/* ---- config.c: within one dword; the root's lock is held ---- */

uint32_t cv_pci_config_read(struct cv_pci_dev *d, uint32_t off, unsigned int len);
void cv_pci_config_write(struct cv_pci_dev *d, uint32_t off, unsigned int len, uint32_t val);

/* The command register has changed by other means than a write: applies it. */
void cv_pci_config_apply_command(struct cv_pci_dev *d);

uint16_t cv_pci_config_get16(const struct cv_pci_dev *d, uint32_t off);
uint32_t cv_pci_config_get32(const struct cv_pci_dev *d, uint32_t off);
void cv_pci_config_put16(struct cv_pci_dev *d, uint32_t off, uint16_t val);
void cv_pci_config_put32(struct cv_pci_dev *d, uint32_t off, uint32_t val);

/* MSI-X has been turned on or off. */
void cv_pci_config_set_msix(struct cv_pci_dev *d, bool on);

/* ---- bar.c: the root's lock is held ---- */

/* Chooses addresses for all BARs of @d and writes them into its space. */
int cv_pci_bars_place(struct cv_pci_dev *d, struct vm_error *e) CV_MUST_CHECK;

/* Makes the bus agree with the command register and the BARs. */
void cv_pci_bars_update(struct cv_pci_dev *d);

void cv_pci_bars_unmap(struct cv_pci_dev *d);

/* ---- root.c, ports.c ---- */

void cv_pci_ports_init(struct cv_pci_root *root);

#endif
