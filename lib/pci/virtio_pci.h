/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio-pci transport, modern only (virtio 1.2 section 4.1), with MSI-X and INTx. */
#ifndef CV_PCI_VIRTIO_PCI_H
#define CV_PCI_VIRTIO_PCI_H

#include "pci/pci.h"

struct cv_virtio_pci;

/*
 * Makes a PCI function for a virtio slot; plug it in with cv_pci_root_add().
 *
 * @vslot, @hw: borrowed, outlive the function
 * @loop: the VM's main loop, watches the queues' call events while INTx is in use
 */
int cv_virtio_pci_create(struct cv_virtio_pci **t, struct cv_vslot *vslot, struct cv_hw *hw,
			 struct cv_loop *loop, struct cv_log *log,
			 struct vm_error *e) CV_MUST_CHECK;
/* Removed from its root before; stops and resets the device; NULL is fine. */
void cv_virtio_pci_destroy(struct cv_virtio_pci *t);
struct cv_pci_dev *cv_virtio_pci_dev(struct cv_virtio_pci *t);

#endif
