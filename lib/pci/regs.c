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

/* Like the bus, splits what crosses the device's end into bytes. */
static uint64_t bar_read(struct cv_rslot *bar, uint64_t off, unsigned int len)
{
	struct cv_rslot *slot = cv_container_of(bar, struct regs_function, bar)->slot;
	uint64_t val = cv_ones(len);

	if (cv_in_range(off, len, slot->span))
		return slot->ops->read(slot, off, len);
	for (unsigned int i = 0; i < len && off + i < slot->span; i++) {
		val &= ~(0xffull << (8 * i));
		val |= (slot->ops->read(slot, off + i, 1) & 0xff) << (8 * i);
	}
	return val;
}

static void bar_write(struct cv_rslot *bar, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_rslot *slot = cv_container_of(bar, struct regs_function, bar)->slot;

	if (cv_in_range(off, len, slot->span)) {
		slot->ops->write(slot, off, len, val);
		return;
	}
	for (unsigned int i = 0; i < len && off + i < slot->span; i++)
		slot->ops->write(slot, off + i, 1, val >> (8 * i) & 0xff);
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
	f->bar.ops = &bar_ops;
	f->bar.span = cv_pow2_ceil(cv_max(slot->span, (uint64_t)CV_PAGE_SIZE));
	cv_pci_dev_init(&f->dev, "register device", &ops, ids);
	err = cv_pci_dev_add_bar(&f->dev, 0, CV_PCI_BAR_MEM32, false, f->bar.span, &f->bar);
	if (err)
		return cv_err(e, err, "pci: a device of 0x%llx bytes does not fit into a BAR",
			      (unsigned long long)slot->span);
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
