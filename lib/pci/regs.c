/* SPDX-License-Identifier: BSD-3-Clause */
/* A PCI function that is nothing but a register device behind BAR 0. */
#include <errno.h>

#include "base/math.h"
#include "core/mem.h"
#include "core/slot.h"
#include "pci/root.h"

struct regs_function {
	struct cv_pci_dev dev;
	struct cv_rslot bar;
	struct cv_rslot *slot; /* borrowed */
};

static uint64_t bar_read(struct cv_rslot *bar, uint64_t off, unsigned int len)
{
	struct cv_rslot *slot = cv_container_of(bar, struct regs_function, bar)->slot;

	return cv_in_range(off, len, slot->span) ? slot->ops->read(slot, off, len) : UINT64_MAX;
}

static void bar_write(struct cv_rslot *bar, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_rslot *slot = cv_container_of(bar, struct regs_function, bar)->slot;

	if (cv_in_range(off, len, slot->span))
		slot->ops->write(slot, off, len, val);
}

static const struct cv_rslot_ops bar_ops = { .read = bar_read, .write = bar_write };

int cv_pci_regs_create(struct cv_pci_dev **out, struct cv_pci_root *root,
		       const struct cv_pci_ids *ids, struct cv_rslot *slot, int pci_slot,
		       struct vm_error *e)
{
	static const struct cv_pci_dev_ops ops;
	CV_AUTO_FREE struct regs_function *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return cv_err(e, -ENOMEM, "pci: out of memory");
	f->slot = slot;
	/* a page at least, which the guest can map for itself */
	f->bar = (struct cv_rslot){
		.ops = &bar_ops, .span = cv_max(cv_pow2_ceil(slot->span), (uint64_t)CV_PAGE_SIZE)
	};
	cv_pci_dev_init(&f->dev, "register device", &ops, ids);
	err = cv_pci_dev_add_bar(&f->dev, 0, CV_PCI_BAR_MEM32, false, f->bar.span, &f->bar);
	if (err)
		return cv_err(e, err, "pci: a register device does not fit into a BAR");
	err = cv_pci_root_add(root, &f->dev, pci_slot, e);
	if (err)
		return err;
	*out = &cv_steal(f)->dev;
	return 0;
}

void cv_pci_regs_destroy(struct cv_pci_dev *d)
{
	if (!d)
		return;
	cv_pci_root_remove(d->root, d);
	free(cv_container_of(d, struct regs_function, dev));
}
