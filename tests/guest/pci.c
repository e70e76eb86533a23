/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI 3.0 configuration accesses and BARs. See pci.h. */
#include "pci.h"
#include "rt.h"

#define ADDRESS	   0xcf8
#define DATA	   0xcfc
#define WINDOW	   0xd0000000ull /* for BARs nobody placed */
#define WINDOW_END 0xe0000000ull
#define MAX_CAPS   48

#define MSIX_ENABLE    0x8000u
#define MSIX_FUNC_MASK 0x4000u

static uint64_t window = WINDOW;

static uint16_t select(const struct rt_pci *d, uint16_t off)
{
	rt_outl(ADDRESS, 0x80000000u | (uint32_t)d->devfn << 8 | (off & 0xfcu));
	return (uint16_t)(DATA + (off & 3));
}

uint8_t rt_pci_r8(const struct rt_pci *d, uint16_t off)
{
	return d->ecam ? rt_r8(d->ecam + off) : rt_inb(select(d, off));
}

uint16_t rt_pci_r16(const struct rt_pci *d, uint16_t off)
{
	return d->ecam ? rt_r16(d->ecam + off) : rt_inw(select(d, off));
}

uint32_t rt_pci_r32(const struct rt_pci *d, uint16_t off)
{
	return d->ecam ? rt_r32(d->ecam + off) : rt_inl(select(d, off));
}

void rt_pci_w8(const struct rt_pci *d, uint16_t off, uint8_t v)
{
	if (d->ecam)
		rt_w8(d->ecam + off, v);
	else
		rt_outb(select(d, off), v);
}

void rt_pci_w16(const struct rt_pci *d, uint16_t off, uint16_t v)
{
	if (d->ecam)
		rt_w16(d->ecam + off, v);
	else
		rt_outw(select(d, off), v);
}

void rt_pci_w32(const struct rt_pci *d, uint16_t off, uint32_t v)
{
	if (d->ecam)
		rt_w32(d->ecam + off, v);
	else
		rt_outl(select(d, off), v);
}

bool rt_pci_probe(struct rt_pci *d, uint8_t devfn)
{
	bool wanted = rt_word("ecam") || rt_arg_str("ecam");
	uint64_t base = rt_arg("ecam", rt.ecam);

	d->devfn = devfn;
	d->ecam = wanted && base ? base + ((uint64_t)devfn << 12) : 0;
	return rt_pci_r16(d, 0) != 0xffff;
}

uint8_t rt_pci_cap(const struct rt_pci *d, uint8_t id, uint8_t from)
{
	uint8_t at;

	if (!(rt_pci_r16(d, PCI_STATUS) & 0x10))
		return 0;
	at = rt_pci_r8(d, from ? (uint16_t)(from + 1) : PCI_CAP_HEAD);
	for (unsigned int n = 0; at && n < MAX_CAPS; n++) {
		if (rt_pci_r8(d, at) == id)
			return at;
		at = rt_pci_r8(d, (uint16_t)(at + 1));
	}
	return 0;
}

static uint64_t bar_size(const struct rt_pci *d, uint16_t reg, uint32_t low, bool wide)
{
	uint32_t type = (low & 1) ? 3 : 15;
	uint64_t mask;

	rt_pci_w32(d, reg, ~0u);
	mask = rt_pci_r32(d, reg) & ~type;
	rt_pci_w32(d, reg, low);
	if (wide) {
		uint32_t high = rt_pci_r32(d, (uint16_t)(reg + 4));

		rt_pci_w32(d, (uint16_t)(reg + 4), ~0u);
		mask |= (uint64_t)rt_pci_r32(d, (uint16_t)(reg + 4)) << 32;
		rt_pci_w32(d, (uint16_t)(reg + 4), high);
	} else if (mask) {
		mask |= 0xffffffff00000000ull | ((low & 1) ? 0xffff0000u : 0);
	}
	return mask ? ~mask + 1 : 0;
}

static uint64_t place(const struct rt_pci *d, uint16_t reg, uint64_t len)
{
	uint64_t addr = (window + len - 1) & ~(len - 1);

	if (addr + len > WINDOW_END || rt_is_ram(addr, len))
		rt_fail("no room for a BAR of %lx bytes", len);
	window = addr + len;
	rt_pci_w32(d, reg, (uint32_t)addr);
	return addr;
}

bool rt_pci_bar(const struct rt_pci *d, unsigned int bar, uint64_t *addr, uint64_t *len, bool *io)
{
	uint16_t reg = (uint16_t)(PCI_BAR0 + 4 * bar);
	uint16_t cmd = rt_pci_r16(d, PCI_COMMAND);
	uint32_t low = rt_pci_r32(d, reg);
	bool wide = (low & 7) == 4;

	rt_pci_w16(d, PCI_COMMAND, cmd & ~(PCI_CMD_IO | PCI_CMD_MEM));
	*io = low & 1;
	*len = bar_size(d, reg, low, wide);
	*addr = low & ((low & 1) ? ~3u : ~15u);
	if (wide)
		*addr |= (uint64_t)rt_pci_r32(d, (uint16_t)(reg + 4)) << 32;
	if (*len && !*io && *addr == 0)
		*addr = place(d, reg, *len);
	if (!*io)
		rt_map(*addr, *len);
	rt_pci_w16(d, PCI_COMMAND, cmd);
	return *len != 0;
}

static uint64_t msix_region(const struct rt_pci *d, uint16_t reg)
{
	uint32_t where = rt_pci_r32(d, reg);
	uint64_t addr, len;
	bool io;

	if (!rt_pci_bar(d, where & 7, &addr, &len, &io) || io || (where & ~7u) >= len)
		rt_fail("MSI-X register %x names no memory BAR", reg);
	return addr + (where & ~7u);
}

void rt_pci_msix(const struct rt_pci *d, uint8_t vector, uint64_t *entry, uint64_t *pba)
{
	uint16_t cap = rt_pci_cap(d, PCI_CAP_MSIX, 0);

	if (!cap)
		rt_fail("no MSI-X capability");
	*entry = msix_region(d, (uint16_t)(cap + 4));
	*pba = msix_region(d, (uint16_t)(cap + 8));
	rt_pci_w16(d, (uint16_t)(cap + 2), MSIX_ENABLE | MSIX_FUNC_MASK);
	rt_w32(*entry, RT_LAPIC);
	rt_w32(*entry + 4, 0);
	rt_w32(*entry + 8, vector);
	rt_w32(*entry + 12, 0);
	rt_pci_w16(d, (uint16_t)(cap + 2), MSIX_ENABLE);
}
