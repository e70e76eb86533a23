/* SPDX-License-Identifier: BSD-3-Clause */
/* The host bridge: IDs in slot 0 that tell the guest there is a bus, and nothing else. */
#include <errno.h>

#include "pci/root.h"

int cv_pci_bridge_create(struct cv_pci_dev **out, struct cv_pci_root *root,
			 const struct cv_pci_ids *ids, struct vm_error *e)
{
	static const struct cv_pci_dev_ops ops;
	CV_AUTO_FREE struct cv_pci_dev *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return cv_err(e, -ENOMEM, "pci: out of memory");
	cv_pci_dev_init(d, "host bridge", &ops, ids);
	err = cv_pci_root_add(root, d, 0, e);
	if (err)
		return err;
	*out = cv_steal(d);
	return 0;
}

void cv_pci_bridge_destroy(struct cv_pci_dev *d)
{
	if (!d)
		return;
	cv_pci_root_remove(d->root, d);
	free(d);
}
