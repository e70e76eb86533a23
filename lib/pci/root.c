/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI root: bus 0 with 32 single-function devices, and the ECAM window
 * (PCI Express 4.0 section 7.2.2). No bridges, no other buses.
 */
#include <errno.h>

#include "base/math.h"
#include "pci/root.h"

/* ---- accesses ---- */

static struct cv_pci_dev *function_at(const struct cv_pci_root *root, unsigned int devfn)
{
	return (devfn & 7) == 0 && devfn < CV_PCI_SLOTS * 8 ? root->devs[devfn >> 3] : NULL;
}

static uint32_t read_dword_part(struct cv_pci_root *root, unsigned int devfn, uint32_t off,
				unsigned int len)
{
	uint32_t val = (uint32_t)cv_ones(len);
	struct cv_pci_dev *d;

	pthread_mutex_lock(&root->lock);
	d = function_at(root, devfn);
	if (d && off < CV_PCI_CFG_SIZE)
		val = cv_pci_config_read(d, off, len);
	pthread_mutex_unlock(&root->lock);
	return val;
}

static void write_dword_part(struct cv_pci_root *root, unsigned int devfn, uint32_t off,
			     unsigned int len, uint32_t val)
{
	struct cv_pci_dev *d;

	pthread_mutex_lock(&root->lock);
	d = function_at(root, devfn);
	if (d && off < CV_PCI_CFG_SIZE)
		cv_pci_config_write(d, off, len, val);
	pthread_mutex_unlock(&root->lock);
}

uint32_t cv_pci_cfg_read(struct cv_pci_root *root, unsigned int devfn, uint32_t off,
			 unsigned int len)
{
	uint32_t val = 0;

	if ((off & 3) + len <= 4)
		return read_dword_part(root, devfn, off, len);
	for (unsigned int i = 0; i < len; i++)
		val |= read_dword_part(root, devfn, off + i, 1) << (8 * i);
	return val;
}

void cv_pci_cfg_write(struct cv_pci_root *root, unsigned int devfn, uint32_t off, unsigned int len,
		      uint32_t val)
{
	if ((off & 3) + len <= 4) {
		write_dword_part(root, devfn, off, len, val);
		return;
	}
	for (unsigned int i = 0; i < len; i++)
		write_dword_part(root, devfn, off + i, 1, (uint8_t)(val >> (8 * i)));
}

/* ---- ECAM ---- */

/* How many of the @len bytes at @off one access may take: those of one dword, or a single byte. */
static unsigned int ecam_step(uint64_t off, unsigned int len)
{
	if ((off & 3) + len <= 4)
		return len;
	return cv_is_aligned(off, 4) ? 4 : 1;
}

static uint64_t ecam_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	struct cv_pci_root *root = cv_container_of(slot, struct cv_pci_root, ecam);
	unsigned int step = ecam_step(off, len);
	uint64_t val = 0;

	for (unsigned int i = 0; i < len; i += step) {
		uint64_t at = off + i;

		val |= (uint64_t)cv_pci_cfg_read(root, (unsigned int)(at >> 12), at & 0xfff, step)
		       << (8 * i);
	}
	return val;
}

static void ecam_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_pci_root *root = cv_container_of(slot, struct cv_pci_root, ecam);
	unsigned int step = ecam_step(off, len);

	for (unsigned int i = 0; i < len; i += step) {
		uint64_t at = off + i;

		cv_pci_cfg_write(root, (unsigned int)(at >> 12), at & 0xfff, step,
				 (uint32_t)(val >> (8 * i)));
	}
}

static const struct cv_rslot_ops ecam_ops = {
	.read = ecam_read,
	.write = ecam_write,
};

/* ---- membership ---- */

static int choose_slot(const struct cv_pci_root *root, int slot, struct vm_error *e)
{
	if (slot >= (int)CV_PCI_SLOTS)
		return cv_err(e, -EINVAL, "there is no PCI slot %d; slots are 0 to %d", slot,
			      CV_PCI_SLOTS - 1);
	if (slot >= 0)
		return root->devs[slot]
			       ? cv_err(e, -EEXIST, "PCI slot %d is taken by %s; choose another",
					slot, root->devs[slot]->name)
			       : slot;
	for (int i = 1; i < CV_PCI_SLOTS; i++) {
		if (!root->devs[i])
			return i;
	}
	return cv_err(e, -ENOSPC, "the PCI bus is full: at most 31 devices; remove one");
}

static uint16_t decode_bits(const struct cv_pci_dev *d)
{
	uint16_t bits = 0;

	for (unsigned int i = 0; i < CV_PCI_BARS; i++) {
		if (d->bars[i].kind != CV_PCI_BAR_NONE)
			bits |= d->bars[i].kind == CV_PCI_BAR_IO ? CV_PCI_CMD_IO : CV_PCI_CMD_MEM;
	}
	return bits;
}

static int plug_in(struct cv_pci_root *root, struct cv_pci_dev *d, unsigned int slot,
		   struct vm_error *e)
{
	int err;

	d->root = root;
	d->slot = slot;
	root->devs[slot] = d;
	if (d->ops->added)
		d->ops->added(d);
	err = cv_pci_bars_place(d, e);
	if (err) {
		cv_pci_bars_unmap(d);
		root->devs[slot] = NULL;
		return cv_err_prefix(e, err, "pci: %s", d->name);
	}
	cv_pci_config_put16(d, CV_PCI_COMMAND, decode_bits(d));
	cv_pci_config_apply_command(d);
	return 0;
}

int cv_pci_root_add(struct cv_pci_root *root, struct cv_pci_dev *d, int slot, struct vm_error *e)
{
	int err;

	pthread_mutex_lock(&root->lock);
	err = choose_slot(root, slot, e);
	if (err >= 0)
		err = plug_in(root, d, (unsigned int)err, e);
	pthread_mutex_unlock(&root->lock);
	return err;
}

void cv_pci_root_remove(struct cv_pci_root *root, struct cv_pci_dev *d)
{
	pthread_mutex_lock(&root->lock);
	cv_pci_config_put16(d, CV_PCI_COMMAND, 0);
	cv_pci_config_apply_command(d);
	cv_pci_bars_unmap(d);
	root->devs[d->slot] = NULL;
	pthread_mutex_unlock(&root->lock);
	for (unsigned int i = 0; i < CV_PCI_BARS; i++) {
		if (d->bars[i].slot)
			cv_bus_drain(d->bars[i].kind == CV_PCI_BAR_IO ? root->pio : root->mmio,
				     d->bars[i].slot);
	}
}

/* ---- life ---- */

int cv_pci_root_create(struct cv_pci_root **out, struct cv_bus *mmio, struct cv_bus *pio,
		       const struct cv_pci_windows *windows, struct cv_log *log, struct vm_error *e)
{
	struct cv_pci_root *root = calloc(1, sizeof(*root));

	if (!root)
		return cv_err(e, -ENOMEM, "pci: out of memory");
	pthread_mutex_init(&root->lock, NULL);
	root->mmio = mmio;
	root->pio = pio;
	root->windows = *windows;
	root->log = log;
	root->ecam.ops = &ecam_ops;
	root->ecam.span = CV_PCI_ECAM_BUS;
	cv_pci_ports_init(root);
	*out = root;
	return 0;
}

void cv_pci_root_destroy(struct cv_pci_root *root)
{
	if (!root)
		return;
	pthread_mutex_destroy(&root->lock);
	free(root);
}

struct cv_rslot *cv_pci_root_ecam(struct cv_pci_root *root)
{
	return &root->ecam;
}
