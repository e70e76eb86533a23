/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the virtio-pci transport share. */
#ifndef CV_PCI_VIRTIO_PCI_IMPL_H
#define CV_PCI_VIRTIO_PCI_IMPL_H

#include "pci/msix.h"
#include "pci/virtio_pci.h"
#include "virtio/transport.h"

/*
 * BAR 0, memory, 32 bits: each structure on a page of its own, so that a guest
 * may hand single ones to its user space.
 *
 *  0x0000 common | 0x1000 ISR | 0x2000 device | 0x3000 notify | 0x4000 MSI-X table | 0x5000 PBA
 */
#define CV_VPCI_BAR	   0u
#define CV_VPCI_BAR_SIZE   0x8000u
#define CV_VPCI_COMMON	   0x0000u
#define CV_VPCI_ISR	   0x1000u
#define CV_VPCI_DEVICE	   0x2000u
#define CV_VPCI_NOTIFY	   0x3000u
#define CV_VPCI_MSIX_TABLE 0x4000u
#define CV_VPCI_MSIX_PBA   0x5000u
#define CV_VPCI_PAGE	   0x1000u

#define CV_VPCI_COMMON_LEN    0x3cu
#define CV_VPCI_NOTIFY_STRIDE 4u

/*
 * Locks: the root's (configuration space) before this function's, before MSI-X's
 * own. Nothing under the function's lock calls the root or a bus.
 */
struct cv_virtio_pci {
	struct cv_pci_dev dev;
	struct cv_rslot bar;
	struct cv_hw *hw;
	struct cv_log *log;
	struct cv_msix msix;
	uint16_t window; /* offset of the PCI_CFG capability */
	struct cv_fd sink;
	struct cv_irq no_line; /* for functions without an interrupt pin */
	pthread_mutex_t lock;  /* over all that follows */
	struct cv_transport transport;
	bool msix_on;
	uint16_t config_vector;
	uint64_t base;		/* of BAR 0; UINT64_MAX: not mapped */
	uint64_t doorbell_base; /* what the doorbells below were made with */
	uint64_t doorbells;	/* a bit for each queue whose doorbell is an ioeventfd */
};

/* ---- virtio_pci_bar.c ---- */

extern const struct cv_rslot_ops cv_vpci_bar_ops;

/* ---- virtio_pci_common.c: the function's lock is held ---- */

uint64_t cv_vpci_common_read(struct cv_virtio_pci *t, uint64_t off, unsigned int len);
void cv_vpci_common_write(struct cv_virtio_pci *t, uint64_t off, unsigned int len, uint64_t val);

/* ---- virtio_pci_irq.c: the function's lock is held ---- */

/* Points one queue's, the configuration's or all interrupts at what the vectors say. */
void cv_vpci_route_queue(struct cv_virtio_pci *t, unsigned int index);
void cv_vpci_route_config(struct cv_virtio_pci *t);
void cv_vpci_route_all(struct cv_virtio_pci *t);

/* MSI-X has been turned on or off: no interrupt is lost on the way. */
void cv_vpci_switch_msix(struct cv_virtio_pci *t, bool on);

/* All vectors to "none", as after a reset. */
void cv_vpci_forget_vectors(struct cv_virtio_pci *t);

/* Makes doorbells ioeventfds for the queues that run, where the BAR is now. */
void cv_vpci_update_doorbells(struct cv_virtio_pci *t);

#endif
