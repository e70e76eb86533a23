/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI root on two buses for tests, with functions to plug in and accesses by
 * both ways into the configuration space.
 */
#ifndef CV_TESTS_PCI_RIG_H
#define CV_TESTS_PCI_RIG_H

#include <string.h>

#include "pci/pci.h"
#include "support/must.h"

#define RIG_ECAM      0xd0000000ull
#define RIG_IO	      0xc000ull
#define RIG_IO_LEN    0x1000ull
#define RIG_MEM32     0xe0000000ull
#define RIG_MEM32_LEN 0x400000ull
#define RIG_MORE      0xf1000000ull
#define RIG_MORE_LEN  0x100000ull
#define RIG_MEM64     0x8000000000ull
#define RIG_MEM64_LEN 0x40000000ull

struct pci_rig {
	struct cv_bus *mmio, *pio;
	struct cv_pci_root *root;
};

static inline void pci_rig_init(struct pci_rig *r)
{
	static const struct cv_pci_windows windows = {
		.io_base = RIG_IO,
		.io_len = RIG_IO_LEN,
		.mem32_base = RIG_MEM32,
		.mem32_len = RIG_MEM32_LEN,
		.mem64_base = RIG_MEM64,
		.mem64_len = RIG_MEM64_LEN,
		.more32_base = RIG_MORE,
		.more32_len = RIG_MORE_LEN,
	};

	must(cv_bus_create(&r->mmio, "mmio", NULL) == 0);
	must(cv_bus_create(&r->pio, "port", NULL) == 0);
	must(cv_pci_root_create(&r->root, r->mmio, r->pio, &windows, NULL, NULL) == 0);
	must(cv_bus_add(r->mmio, RIG_ECAM, CV_PCI_ECAM_BUS, cv_pci_root_ecam(r->root), 0, NULL) ==
	     0);
	must(cv_bus_add(r->pio, 0xcf8, 8, cv_pci_root_ports(r->root), 0, NULL) == 0);
}

static inline void pci_rig_fini(struct pci_rig *r)
{
	cv_pci_root_destroy(r->root);
	cv_bus_destroy(r->pio);
	cv_bus_destroy(r->mmio);
}

/* ---- configuration accesses of slot @slot by ECAM and by ports ---- */

static inline uint64_t ecam_at(unsigned int slot, uint32_t off)
{
	return RIG_ECAM + ((uint64_t)slot << 15) + off;
}

static inline uint32_t ecam_r(struct pci_rig *r, unsigned int slot, uint32_t off, unsigned int len)
{
	return (uint32_t)cv_bus_read(r->mmio, ecam_at(slot, off), len);
}

static inline void ecam_w(struct pci_rig *r, unsigned int slot, uint32_t off, unsigned int len,
			  uint32_t val)
{
	cv_bus_write(r->mmio, ecam_at(slot, off), len, val);
}

static inline void port_select(struct pci_rig *r, unsigned int slot, uint32_t off)
{
	cv_bus_write(r->pio, 0xcf8, 4, 0x80000000u | slot << 11 | (off & 0xfc));
}

static inline uint32_t port_r(struct pci_rig *r, unsigned int slot, uint32_t off, unsigned int len)
{
	port_select(r, slot, off);
	return (uint32_t)cv_bus_read(r->pio, 0xcfc + (off & 3), len);
}

static inline void port_w(struct pci_rig *r, unsigned int slot, uint32_t off, unsigned int len,
			  uint32_t val)
{
	port_select(r, slot, off);
	cv_bus_write(r->pio, 0xcfc + (off & 3), len, val);
}

/* ---- a function with memory behind its BARs ---- */

struct toy {
	struct cv_pci_dev dev;
	struct cv_rslot slot;
	uint8_t bytes[64];
	unsigned int n_moved, n_written;
	uint64_t last_base;
};

static inline uint64_t toy_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	struct toy *t = cv_container_of(slot, struct toy, slot);
	uint64_t val = 0;

	memcpy(&val, t->bytes + off % 56, len);
	return val;
}

static inline void toy_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	struct toy *t = cv_container_of(slot, struct toy, slot);

	memcpy(t->bytes + off % 56, &val, len);
}

static inline void toy_moved(struct cv_pci_dev *d, unsigned int bar, uint64_t base)
{
	struct toy *t = cv_container_of(d, struct toy, dev);

	must(bar < CV_PCI_BARS);
	t->n_moved++;
	t->last_base = base;
}

static inline void toy_written(struct cv_pci_dev *d, uint32_t off, unsigned int len)
{
	must(off + len <= CV_PCI_CFG_SIZE);
	cv_container_of(d, struct toy, dev)->n_written++;
}

static inline void toy_init(struct toy *t)
{
	static const struct cv_rslot_ops slot_ops = { .read = toy_read, .write = toy_write };
	static const struct cv_pci_dev_ops ops = { .bar_moved = toy_moved,
						   .cfg_written = toy_written };
	static const struct cv_pci_ids ids = { .vendor = 0x1234,
					       .device = 0x5678,
					       .subsys_vendor = 0x9abc,
					       .subsys = 0xdef0,
					       .class_code = 0x0c,
					       .subclass = 0x03,
					       .prog_if = 0x30,
					       .revision = 7 };

	*t = (struct toy){ .slot = { .ops = &slot_ops, .span = 1ull << 32 } };
	cv_pci_dev_init(&t->dev, "toy", &ops, &ids);
}

/* A toy with one 4 KiB BAR, plugged in. */
static inline void toy_plug(struct pci_rig *r, struct toy *t, int slot)
{
	toy_init(t);
	must(cv_pci_dev_add_bar(&t->dev, 0, CV_PCI_BAR_MEM32, false, 4096, &t->slot) == 0);
	must(cv_pci_root_add(r->root, &t->dev, slot, NULL) == 0);
}

#endif
