/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration mechanism #1: the address port CF8 and the data ports CFC to
 * CFF (PCI 3.0 section 3.2.2.3.2). Only a dword access reaches the address
 * register; narrower ones at CF8 to CFB are ordinary I/O, of which chipsets
 * have the reset register at CF9.
 */
#include "base/math.h"
#include "pci/root.h"

#define PORTS_SPAN   8u
#define CF9	     1u /* offsets from CF8 */
#define DATA	     4u
#define ADDRESS_BITS 0x80fffffcu
#define ENABLE	     0x80000000u

static uint32_t get_address(struct cv_pci_root *root)
{
	uint32_t address;

	pthread_mutex_lock(&root->lock);
	address = root->address;
	pthread_mutex_unlock(&root->lock);
	return address;
}

static void set_address(struct cv_pci_root *root, uint32_t val)
{
	pthread_mutex_lock(&root->lock);
	root->address = val & ADDRESS_BITS;
	pthread_mutex_unlock(&root->lock);
}

/* Whether the address register selects bus 0. */
static bool selected(uint32_t address)
{
	return (address & ENABLE) && ((address >> 16) & 0xff) == 0;
}

/* An access that lies in one of the two dwords. */
static uint32_t read_part(struct cv_pci_root *root, uint32_t off, unsigned int len)
{
	uint32_t address;

	if (off >= DATA) {
		address = get_address(root);
		if (!selected(address))
			return (uint32_t)cv_ones(len);
		return cv_pci_cfg_read(root, (address >> 8) & 0xff, (address & 0xfc) + (off - DATA),
				       len);
	}
	if (off == 0 && len == 4)
		return get_address(root);
	if (off == CF9 && len == 1 && root->cf9)
		return (uint8_t)root->cf9->ops->read(root->cf9, 0, 1);
	return (uint32_t)cv_ones(len);
}

static void write_part(struct cv_pci_root *root, uint32_t off, unsigned int len, uint32_t val)
{
	uint32_t address;

	if (off >= DATA) {
		address = get_address(root);
		if (selected(address))
			cv_pci_cfg_write(root, (address >> 8) & 0xff,
					 (address & 0xfc) + (off - DATA), len, val);
	} else if (off == 0 && len == 4) {
		set_address(root, val);
	} else if (off == CF9 && len == 1 && root->cf9) {
		root->cf9->ops->write(root->cf9, 0, 1, (uint8_t)val);
	}
}

static bool crosses(uint64_t off, unsigned int len)
{
	return (off & 3) + len > 4;
}

static uint64_t ports_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	struct cv_pci_root *root = cv_container_of(slot, struct cv_pci_root, ports);
	unsigned int step = crosses(off, len) ? 1 : len;
	uint64_t val = 0;

	for (unsigned int i = 0; i < len; i += step)
		val |= (uint64_t)read_part(root, (uint32_t)off + i, step) << (8 * i);
	return val;
}

static void ports_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_pci_root *root = cv_container_of(slot, struct cv_pci_root, ports);
	unsigned int step = crosses(off, len) ? 1 : len;

	for (unsigned int i = 0; i < len; i += step)
		write_part(root, (uint32_t)off + i, step,
			   (uint32_t)(val >> (8 * i)) & (uint32_t)cv_ones(step));
}

static const struct cv_rslot_ops ports_ops = {
	.read = ports_read,
	.write = ports_write,
};

void cv_pci_ports_init(struct cv_pci_root *root)
{
	root->ports.ops = &ports_ops;
	root->ports.span = PORTS_SPAN;
}

struct cv_rslot *cv_pci_root_ports(struct cv_pci_root *root)
{
	return &root->ports;
}

void cv_pci_root_set_cf9(struct cv_pci_root *root, struct cv_rslot *slot)
{
	root->cf9 = slot;
}
