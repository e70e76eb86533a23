/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MSI-X: a table of vectors, each an eventfd that is an irqfd with a route
 * while it is enabled and unmasked. A masked vector keeps its eventfd readable:
 * that is the pending bit, delivered when it is unmasked. (PCI 3.0 section 6.8.2.)
 */
#ifndef CV_PCI_MSIX_H
#define CV_PCI_MSIX_H

#include "pci/pci.h"
#include "sys/fd.h"

struct cv_msix_vector {
	struct cv_fd event;
	uint64_t addr;
	uint32_t data;
	bool masked;
	bool attached;	      /* irqfd assigned */
	uint32_t gsi;	      /* route, 0: none */
	uint64_t routed_addr; /* what the route points at */
	uint32_t routed_data;
};

struct cv_msix {
	struct cv_pci_dev *dev;
	struct cv_hw *hw;
	struct cv_log *log;
	uint16_t n_vectors;
	struct cv_msix_vector *vectors;
	bool enabled, all_masked;
	uint16_t cap; /* offset of the capability */
	pthread_mutex_t lock;
};

/* Adds the capability; table and PBA live in BAR @bar at the given offsets. */
int cv_msix_init(struct cv_msix *x, struct cv_pci_dev *dev, struct cv_hw *hw, uint16_t n_vectors,
		 unsigned int bar, uint32_t table_off, uint32_t pba_off, struct cv_log *log,
		 struct vm_error *e) CV_MUST_CHECK;
void cv_msix_fini(struct cv_msix *x); /* zeroed is fine */

/* The capability's control word may have been written; call from cfg_written.
 * Returns whether "enabled" has changed. */
bool cv_msix_control_written(struct cv_msix *x);

/* The function's bus master bit has changed: without it messages wait. */
void cv_msix_master_changed(struct cv_msix *x);

/* Accesses to the table and the PBA, offsets from their starts; 4 or 8 bytes, aligned. Others, and
 * those beyond the end, read 0 and are dropped. */
uint64_t cv_msix_table_read(struct cv_msix *x, uint64_t off, unsigned int len);
void cv_msix_table_write(struct cv_msix *x, uint64_t off, unsigned int len, uint64_t val);
uint64_t cv_msix_pba_read(struct cv_msix *x, uint64_t off, unsigned int len);

/* The eventfd of a vector, or -1 for an invalid number or while MSI-X is off. */
int cv_msix_fd(struct cv_msix *x, uint16_t vector);

#endif
