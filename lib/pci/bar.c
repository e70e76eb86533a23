/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Base address registers: where they are placed first, and how the bus follows
 * what the guest writes (PCI 3.0 section 6.2.5). A BAR is decoded only inside
 * the windows, as behind a host bridge, so no address of a guest's choice
 * covers memory or an interrupt controller.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/endian.h"
#include "base/math.h"
#include "pci/root.h"

static bool is_io(const struct cv_pci_bar *b)
{
	return b->kind == CV_PCI_BAR_IO;
}

static struct cv_bus *bus_of(const struct cv_pci_root *root, const struct cv_pci_bar *b)
{
	return is_io(b) ? root->pio : root->mmio;
}

static bool in_window(uint64_t addr, uint64_t size, uint64_t base, uint64_t len)
{
	return addr >= base && cv_in_range(addr - base, size, len);
}

static bool in_windows(const struct cv_pci_root *root, const struct cv_pci_bar *b, uint64_t addr)
{
	const struct cv_pci_windows *w = &root->windows;

	if (is_io(b))
		return root->pio && in_window(addr, b->size, w->io_base, w->io_len);
	return in_window(addr, b->size, w->mem32_base, w->mem32_len) ||
	       in_window(addr, b->size, w->more32_base, w->more32_len) ||
	       (b->kind == CV_PCI_BAR_MEM64 &&
		in_window(addr, b->size, w->mem64_base, w->mem64_len));
}

/* ---- decoding ---- */

static uint64_t register_value(const struct cv_pci_dev *d, unsigned int bar)
{
	uint32_t reg = CV_PCI_BAR0 + 4 * bar;
	uint64_t val = cv_pci_config_get32(d, reg) & (is_io(&d->bars[bar]) ? ~3u : ~15u);

	if (d->bars[bar].kind == CV_PCI_BAR_MEM64)
		val |= (uint64_t)cv_pci_config_get32(d, reg + 4) << 32;
	return val;
}

/* Where the registers want a BAR to be. */
static uint64_t wanted(const struct cv_pci_dev *d, unsigned int bar)
{
	const struct cv_pci_bar *b = &d->bars[bar];
	uint16_t enable = is_io(b) ? CV_PCI_CMD_IO : CV_PCI_CMD_MEM;
	uint64_t addr = register_value(d, bar);

	if (b->kind == CV_PCI_BAR_NONE || !(cv_pci_config_get16(d, CV_PCI_COMMAND) & enable) ||
	    !in_windows(d->root, b, addr))
		return CV_PCI_NOWHERE;
	return addr;
}

/* The bus itself does not know of BARs that are memory slots. */
static bool overlaps_mapped(const struct cv_pci_root *root, const struct cv_pci_bar *b,
			    uint64_t addr)
{
	for (unsigned int i = 0; i < CV_PCI_SLOTS; i++) {
		for (unsigned int j = 0; root->devs[i] && j < CV_PCI_BARS; j++) {
			const struct cv_pci_bar *o = &root->devs[i]->bars[j];

			if (o != b && o->base != CV_PCI_NOWHERE && is_io(o) == is_io(b) &&
			    cv_ranges_overlap(o->base, o->size, addr, b->size))
				return true;
		}
	}
	return false;
}

static int map(struct cv_pci_dev *d, unsigned int bar, uint64_t addr, struct vm_error *e)
{
	struct cv_pci_bar *b = &d->bars[bar];
	int err;

	if (overlaps_mapped(d->root, b, addr))
		return cv_err(e, -EEXIST, "another BAR is at %#" PRIx64, addr);
	if (b->slot) {
		err = cv_bus_add(bus_of(d->root, b), addr, b->size, b->slot, 0, e);
		if (err)
			return err;
	}
	b->base = addr;
	if (d->ops->bar_moved)
		d->ops->bar_moved(d, bar, addr);
	return 0;
}

static void unmap(struct cv_pci_dev *d, unsigned int bar)
{
	struct cv_pci_bar *b = &d->bars[bar];

	if (b->slot)
		cv_bus_remove(bus_of(d->root, b), b->base);
	b->base = CV_PCI_NOWHERE;
	if (d->ops->bar_moved)
		d->ops->bar_moved(d, bar, CV_PCI_NOWHERE);
}

static void set_blocked(struct cv_pci_dev *d, unsigned int bar, bool blocked)
{
	struct cv_pci_bar *b = &d->bars[bar];

	if (b->blocked == blocked)
		return;
	b->blocked = blocked;
	d->root->n_blocked += blocked ? 1u : -1u;
	if (blocked)
		cv_log_guest(d->root->log,
			     "pci: %s: the guest moved BAR %u to %#" PRIx64
			     ", which is taken; it stays unmapped until that is free",
			     d->name, bar, wanted(d, bar));
}

/* Maps what is wanted and not mapped yet. */
static void map_wanted(struct cv_pci_dev *d)
{
	for (unsigned int i = 0; i < CV_PCI_BARS; i++) {
		uint64_t addr = wanted(d, i);

		if (d->bars[i].base == CV_PCI_NOWHERE)
			set_blocked(d, i, addr != CV_PCI_NOWHERE && map(d, i, addr, NULL));
	}
}

/* Space has become free: those that did not fit before may do so now. */
static void retry_blocked(struct cv_pci_root *root)
{
	for (unsigned int i = 0; i < CV_PCI_SLOTS && root->n_blocked > 0; i++) {
		if (root->devs[i])
			map_wanted(root->devs[i]);
	}
}

void cv_pci_bars_update(struct cv_pci_dev *d)
{
	bool freed = false;

	for (unsigned int i = 0; i < CV_PCI_BARS; i++) {
		uint64_t base = d->bars[i].base;

		if (base != CV_PCI_NOWHERE && base != wanted(d, i)) {
			unmap(d, i);
			freed = true;
		}
	}
	map_wanted(d);
	if (freed)
		retry_blocked(d->root);
}

void cv_pci_bars_unmap(struct cv_pci_dev *d)
{
	for (unsigned int i = 0; i < CV_PCI_BARS; i++) {
		if (d->bars[i].base != CV_PCI_NOWHERE)
			unmap(d, i);
		set_blocked(d, i, false);
	}
}

/* ---- placing ---- */

static void write_register(struct cv_pci_dev *d, unsigned int bar, uint64_t addr)
{
	uint32_t reg = CV_PCI_BAR0 + 4 * bar;
	uint32_t flags = d->cfg[reg] & (is_io(&d->bars[bar]) ? 3u : 15u);

	cv_pci_config_put32(d, reg, (uint32_t)addr | flags);
	if (d->bars[bar].kind == CV_PCI_BAR_MEM64)
		cv_pci_config_put32(d, reg + 4, (uint32_t)(addr >> 32));
}

/* Skips a range that @addr must not touch; whether it had to. */
static bool step_over(uint64_t *addr, uint64_t size, uint64_t base, uint64_t len)
{
	if (base == CV_PCI_NOWHERE || !cv_ranges_overlap(*addr, size, base, len))
		return false;
	*addr = cv_align_up(base + len, size);
	return true;
}

/* Moves @addr past one BAR that has some of it; whether one has. */
static bool step_over_any(const struct cv_pci_root *root, const struct cv_pci_bar *b,
			  uint64_t *addr)
{
	for (unsigned int i = 0; i < CV_PCI_SLOTS; i++) {
		for (unsigned int j = 0; root->devs[i] && j < CV_PCI_BARS; j++) {
			const struct cv_pci_bar *o = &root->devs[i]->bars[j];

			if (o->kind == CV_PCI_BAR_NONE || is_io(o) != is_io(b))
				continue;
			if (step_over(addr, b->size, o->base, o->size))
				return true;
		}
	}
	return false;
}

/* First fit. Each turn moves on by at least one BAR, so the search ends. */
static bool find_room(const struct cv_pci_root *root, const struct cv_pci_bar *b, uint64_t base,
		      uint64_t len, uint64_t *addr)
{
	if (base > UINT64_MAX - b->size)
		return false;
	/* address 0 means "not placed" to guests */
	*addr = cv_align_up(cv_max(base, (uint64_t)1), b->size);
	do {
		if (!in_window(*addr, b->size, base, len))
			return false;
	} while (step_over_any(root, b, addr));
	return true;
}

static bool find_place(const struct cv_pci_root *root, const struct cv_pci_bar *b, uint64_t *addr)
{
	const struct cv_pci_windows *w = &root->windows;
	bool wide = b->kind == CV_PCI_BAR_MEM64;

	if (is_io(b))
		return root->pio && find_room(root, b, w->io_base, w->io_len, addr);
	return (wide && b->prefetch && find_room(root, b, w->mem64_base, w->mem64_len, addr)) ||
	       find_room(root, b, w->mem32_base, w->mem32_len, addr) ||
	       (wide && find_room(root, b, w->mem64_base, w->mem64_len, addr));
}

int cv_pci_bars_place(struct cv_pci_dev *d, struct vm_error *e)
{
	for (unsigned int i = 0; i < CV_PCI_BARS; i++) {
		struct cv_pci_bar *b = &d->bars[i];
		uint64_t addr;
		int err;

		if (b->kind == CV_PCI_BAR_NONE)
			continue;
		if (!find_place(d->root, b, &addr))
			return cv_err(e, -ENOSPC,
				      "no room for BAR %u (%#" PRIx64
				      " bytes) in the PCI windows; use fewer or smaller devices",
				      i, b->size);
		write_register(d, i, addr);
		err = map(d, i, addr, e);
		if (err == -EEXIST)
			return cv_err_prefix(e, -EBUSY, "BAR %u", i);
		if (err)
			return err;
	}
	return 0;
}
