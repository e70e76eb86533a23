/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a transport asks of the hypervisor: interrupts by eventfd and doorbells
 * by eventfd. Implemented on the hypervisor floor; transports hold only this.
 * All calls from any thread.
 */
#ifndef CV_CORE_HW_H
#define CV_CORE_HW_H

#include "base/base.h"

struct cv_hw;

/* A guest write that signals an eventfd instead of leaving the guest. */
struct cv_ioevent {
	bool pio; /* I/O port instead of memory */
	uint64_t addr;
	uint32_t len; /* 1, 2, 4, 8; 0: any length */
	bool match;   /* only writes of @value count */
	uint64_t value;
	int fd; /* borrowed until removed */
};

/* A message-signalled interrupt. */
struct cv_msi {
	uint64_t addr;
	uint32_t data;
	uint32_t devid; /* who writes it: a PCI function's requester ID (GICv3 translates by it) */
};

struct cv_hw_ops {
	/* 0 or -errno */
	int (*ioevent)(struct cv_hw *hw, bool add, const struct cv_ioevent *ev);
	/* attaches (or detaches) eventfd @fd to the interrupt @gsi; an eventfd already signalled is
	 * delivered at once. @resample: -1, or signalled on EOI of a level line. 0 or -errno */
	int (*irqfd)(struct cv_hw *hw, bool add, uint32_t gsi, int fd, int resample);
	/* points an MSI route at @msi; *gsi 0 allocates a new one. 0 or -errno */
	int (*msi_route)(struct cv_hw *hw, uint32_t *gsi, const struct cv_msi *msi);
	void (*msi_free)(struct cv_hw *hw, uint32_t gsi);
};

struct cv_hw {
	const struct cv_hw_ops *ops;
};

#endif
