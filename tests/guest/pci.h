/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI configuration space, bus 0, by CF8/CFC or the ECAM window. */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_COMMAND    0x04
#define PCI_STATUS     0x06
#define PCI_BAR0       0x10
#define PCI_CAP_HEAD   0x34
#define PCI_CMD_IO     1u
#define PCI_CMD_MEM    2u
#define PCI_CMD_MASTER 4u
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX   0x11

struct rt_pci {
	uint8_t devfn;
	uint64_t ecam; /* of this function; 0: ports */
};

/* With "ecam" or "ecam=ADDRESS" on the command line by that window, else by ports. */
bool rt_pci_probe(struct rt_pci *d, uint8_t devfn);

uint8_t rt_pci_r8(const struct rt_pci *d, uint16_t off);
uint16_t rt_pci_r16(const struct rt_pci *d, uint16_t off);
uint32_t rt_pci_r32(const struct rt_pci *d, uint16_t off);
void rt_pci_w8(const struct rt_pci *d, uint16_t off, uint8_t v);
void rt_pci_w16(const struct rt_pci *d, uint16_t off, uint16_t v);
void rt_pci_w32(const struct rt_pci *d, uint16_t off, uint32_t v);

/* The next capability of an identity after `from` (0: first), or 0. */
uint8_t rt_pci_cap(const struct rt_pci *d, uint8_t id, uint8_t from);

/*
 * Address and size of a BAR; false if it has none. A memory BAR the firmware
 * left without address gets one here.
 */
bool rt_pci_bar(const struct rt_pci *d, unsigned int bar, uint64_t *addr, uint64_t *len, bool *io);

/* MSI-X on, its first entry sending this vector to the first processor: where that entry is, and
 * the pending bits. */
void rt_pci_msix(const struct rt_pci *d, uint8_t vector, uint64_t *entry, uint64_t *pba);

#endif
