/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space of one function, header type 0 (PCI 3.0 chapter 6):
 * what may be written, the command and status registers, capabilities.
 */
#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "pci/root.h"

#define COMMAND_WRITABLE                                                          \
	(CV_PCI_CMD_IO | CV_PCI_CMD_MEM | CV_PCI_CMD_MASTER | CV_PCI_CMD_PARITY | \
	 CV_PCI_CMD_SERR | CV_PCI_CMD_NO_INTX)

/* Status bits 8 and 11 to 15 report errors and are cleared by writing 1. */
#define STATUS_W1C_HIGH 0xf9

/* Conventional capabilities live in the first 256 bytes. */
#define CAPS_END 256u

uint16_t cv_pci_config_get16(const struct cv_pci_dev *d, uint32_t off)
{
	struct le16 v;

	memcpy(&v, d->cfg + off, sizeof(v));
	return le16_get(v);
}

uint32_t cv_pci_config_get32(const struct cv_pci_dev *d, uint32_t off)
{
	struct le32 v;

	memcpy(&v, d->cfg + off, sizeof(v));
	return le32_get(v);
}

void cv_pci_config_put16(struct cv_pci_dev *d, uint32_t off, uint16_t val)
{
	struct le16 v = le16(val);

	memcpy(d->cfg + off, &v, sizeof(v));
}

void cv_pci_config_put32(struct cv_pci_dev *d, uint32_t off, uint32_t val)
{
	struct le32 v = le32(val);

	memcpy(d->cfg + off, &v, sizeof(v));
}

/* ---- accesses ---- */

static void gate_intx(struct cv_pci_dev *d)
{
	bool off = cv_pci_config_get16(d, CV_PCI_COMMAND) & CV_PCI_CMD_NO_INTX;

	if (d->intx)
		cv_irq_disable(d->intx, off || d->msix_on);
}

void cv_pci_config_set_msix(struct cv_pci_dev *d, bool on)
{
	d->msix_on = on;
	gate_intx(d);
}

void cv_pci_config_apply_command(struct cv_pci_dev *d)
{
	bool master = cv_pci_config_get16(d, CV_PCI_COMMAND) & CV_PCI_CMD_MASTER;

	if (atomic_exchange(&d->bus_master, master) != master && d->ops->master_changed)
		d->ops->master_changed(d, master);
	gate_intx(d);
	cv_pci_bars_update(d);
}

/* The interrupt status bit follows the line; it is not affected by the disable bit (6.2.3). */
static void refresh_status(struct cv_pci_dev *d)
{
	bool on = d->intx && !d->msix_on && atomic_load(&d->intx->asserted);

	d->cfg[CV_PCI_STATUS] &= (uint8_t)~CV_PCI_STATUS_INTX;
	if (on)
		d->cfg[CV_PCI_STATUS] |= CV_PCI_STATUS_INTX;
}

uint32_t cv_pci_config_read(struct cv_pci_dev *d, uint32_t off, unsigned int len)
{
	uint32_t val = 0, trapped = 0;

	if (d->ops->cfg_read && d->ops->cfg_read(d, off, len, &trapped))
		return trapped & (uint32_t)cv_ones(len);
	if ((off & ~3u) == CV_PCI_COMMAND)
		refresh_status(d);
	for (unsigned int i = 0; i < len; i++)
		val |= (uint32_t)d->cfg[off + i] << (8 * i);
	return val;
}

static void write_byte(struct cv_pci_dev *d, uint32_t off, uint8_t val)
{
	uint8_t old = d->cfg[off] & (uint8_t) ~(d->w1c[off] & val);

	d->cfg[off] = (uint8_t)((old & ~d->writable[off]) | (val & d->writable[off]));
}

void cv_pci_config_write(struct cv_pci_dev *d, uint32_t off, unsigned int len, uint32_t val)
{
	uint32_t bars_end = CV_PCI_BAR0 + 4 * CV_PCI_BARS;

	if (d->ops->cfg_write && d->ops->cfg_write(d, off, len, val))
		return;
	for (unsigned int i = 0; i < len; i++)
		write_byte(d, off + i, (uint8_t)(val >> (8 * i)));
	if (off < CV_PCI_STATUS && off + len > CV_PCI_COMMAND)
		cv_pci_config_apply_command(d);
	else if (off < bars_end && off + len > CV_PCI_BAR0)
		cv_pci_bars_update(d);
	if (d->ops->cfg_written)
		d->ops->cfg_written(d, off, len);
}

/* ---- construction ---- */

void cv_pci_dev_init(struct cv_pci_dev *d, const char *name, const struct cv_pci_dev_ops *ops,
		     const struct cv_pci_ids *ids)
{
	d->name = name;
	d->ops = ops;
	d->cap_end = CV_PCI_HEADER_END;
	cv_pci_config_put16(d, CV_PCI_VENDOR, ids->vendor);
	cv_pci_config_put16(d, CV_PCI_DEVICE, ids->device);
	d->cfg[CV_PCI_REVISION] = ids->revision;
	d->cfg[CV_PCI_REVISION + 1] = ids->prog_if;
	d->cfg[CV_PCI_REVISION + 2] = ids->subclass;
	d->cfg[CV_PCI_REVISION + 3] = ids->class_code;
	cv_pci_config_put16(d, CV_PCI_SUBSYS_VENDOR, ids->subsys_vendor);
	cv_pci_config_put16(d, CV_PCI_SUBSYS, ids->subsys);
	d->writable[CV_PCI_COMMAND] = COMMAND_WRITABLE & 0xff;
	d->writable[CV_PCI_COMMAND + 1] = COMMAND_WRITABLE >> 8;
	d->w1c[CV_PCI_STATUS + 1] = STATUS_W1C_HIGH;
	d->writable[CV_PCI_CACHE_LINE] = 0xff;
	d->writable[CV_PCI_INT_LINE] = 0xff;
	for (unsigned int i = 0; i < CV_PCI_BARS; i++)
		d->bars[i].base = CV_PCI_NOWHERE;
}

static bool bar_taken(const struct cv_pci_dev *d, unsigned int bar)
{
	return d->bars[bar].kind != CV_PCI_BAR_NONE ||
	       (bar > 0 && d->bars[bar - 1].kind == CV_PCI_BAR_MEM64);
}

static bool bar_size_ok(enum cv_pci_bar_kind kind, uint64_t size)
{
	bool io = kind == CV_PCI_BAR_IO;
	uint64_t max = io ? 0x8000 : kind == CV_PCI_BAR_MEM32 ? 2 * CV_GIB : 1ull << 62;

	return cv_is_pow2(size) && size >= (io ? 4 : 16) && size <= max;
}

int cv_pci_dev_add_bar(struct cv_pci_dev *d, unsigned int bar, enum cv_pci_bar_kind kind,
		       bool prefetch, uint64_t size, struct cv_rslot *slot)
{
	bool wide = kind == CV_PCI_BAR_MEM64;
	uint32_t reg = CV_PCI_BAR0 + 4 * bar;
	struct le64 mask;

	if (kind == CV_PCI_BAR_NONE || bar + wide >= CV_PCI_BARS || bar_taken(d, bar) ||
	    bar_taken(d, bar + wide) || !bar_size_ok(kind, size) || (slot && slot->span < size))
		return -EINVAL;
	d->bars[bar] = (struct cv_pci_bar){
		.kind = kind,
		.prefetch = prefetch,
		.size = size,
		.slot = slot,
		.base = CV_PCI_NOWHERE,
	};
	mask = le64(~(size - 1));
	memcpy(d->writable + reg, &mask, wide ? 8 : 4);
	d->cfg[reg] = kind == CV_PCI_BAR_IO ? 1 : (uint8_t)((wide ? 4 : 0) | (prefetch ? 8 : 0));
	return 0;
}

int cv_pci_dev_add_cap(struct cv_pci_dev *d, uint8_t id, const void *body, uint8_t len,
		       const void *writable)
{
	uint16_t at = d->cap_end;

	if (len < 2 || !cv_in_range(at, len, CAPS_END))
		return -ENOSPC;
	memcpy(d->cfg + at, body, len);
	if (writable)
		memcpy(d->writable + at, writable, len);
	d->cfg[at] = id;
	d->cfg[at + 1] = 0;
	d->writable[at] = 0;
	d->writable[at + 1] = 0;
	d->cfg[d->cap_last ? d->cap_last + 1 : CV_PCI_CAP_HEAD] = (uint8_t)at;
	d->cfg[CV_PCI_STATUS] |= CV_PCI_STATUS_CAPS;
	d->cap_last = at;
	d->cap_end = (uint16_t)cv_align_up(at + len, 4);
	return at;
}

void cv_pci_dev_set_intx(struct cv_pci_dev *d, struct cv_irq *irq, uint8_t pin, uint8_t line)
{
	d->intx = irq;
	d->cfg[CV_PCI_INT_PIN] = pin;
	d->cfg[CV_PCI_INT_LINE] = line;
}

void cv_pci_dev_intx(struct cv_pci_dev *d, bool on)
{
	if (d->intx)
		cv_irq_set(d->intx, on);
}

bool cv_pci_dev_bus_master(const struct cv_pci_dev *d)
{
	return atomic_load(&d->bus_master);
}
