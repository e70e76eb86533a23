/* SPDX-License-Identifier: BSD-3-Clause */
/* Garbage on ports, configuration space, BARs and unclaimed addresses. */
#include "chaos.h"

#define PVPANIC	      0x505
#define MSIX_HARMLESS 0xf8f8f8f8f8f8f8f8ull /* no delivery mode but "fixed" */

static const struct {
	uint16_t base;
	uint16_t len;
} ends[] = {
	{ 0x3f8, 1 },		      /* our own console */
	{ 0x92, 1 },		      /* fast reset */
	{ 0xcf9, 1 },		      /* reset control */
	{ PVPANIC, 1 }, { 0x501, 1 }, /* isa-debug-exit */
	{ 0xb2, 2 },		      /* SMI */
};

static bool overlaps(uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Would this write end the machine, and rightly so? */
static bool ends_vm(uint32_t port, uint32_t len, uint64_t v)
{
	uint32_t exit_port = (uint32_t)rt_arg("debug_exit", 0x501);

	if (overlaps(port, len, 0x64, 1))
		return len > 1 || (v & 0xff) >= 0xf0 || (v & 0xff) == 0xd1;
	if (port == 0xcf8 && len == 4)
		return false;
	for (unsigned int i = 0; i < RT_ARRAY(ends); i++) {
		if (overlaps(port, len, ends[i].base, ends[i].len))
			return true;
	}
	if (rt.reset_is_io && overlaps(port, len, (uint32_t)rt.reset_reg, 1))
		return true;
	if (rt.sleep_is_io && overlaps(port, len, (uint32_t)rt.sleep_reg, 1))
		return true;
	return overlaps(port, len, rt.pm1a_cnt, 2) || overlaps(port, len, exit_port, 4);
}

static uint16_t pick_port(struct chaos *c)
{
	static const uint16_t known[] = { 0x00,	 0x20,	0xa0,  0x40,   0x60,  0x70,  0x80,  0xe0,
					  0x2e8, 0x2f8, 0x3e8, 0x3f8,  0x400, 0x4d0, 0x500, 0x510,
					  0x600, 0x608, 0x620, 0xaf00, 0xcf8, 0xcf8, 0xcfc, 0xcfc };

	if (chaos_below(c, 4) == 0)
		return (uint16_t)rt_rand(&c->rand);
	return (uint16_t)(known[chaos_below(c, RT_ARRAY(known))] + chaos_below(c, 8));
}

static void string_port(struct chaos *c, uint16_t port, unsigned int width, bool write)
{
	uint64_t p = (uint64_t)c->arena, n = 1 + chaos_below(c, 64);

	if (write && width == 1)
		__asm__ volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(port) : "memory");
	else if (write && width == 2)
		__asm__ volatile("rep outsw" : "+S"(p), "+c"(n) : "d"(port) : "memory");
	else if (write)
		__asm__ volatile("rep outsl" : "+S"(p), "+c"(n) : "d"(port) : "memory");
	else if (width == 1)
		__asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(port) : "memory");
	else if (width == 2)
		__asm__ volatile("rep insw" : "+D"(p), "+c"(n) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insl" : "+D"(p), "+c"(n) : "d"(port) : "memory");
}

void chaos_port(struct chaos *c)
{
	unsigned int width = 1u << chaos_below(c, 3);
	bool write = chaos_below(c, 2), string = chaos_below(c, 16) == 0;
	uint16_t port = pick_port(c);
	uint64_t v = chaos_value(c);

	if (port > 0x10000 - width)
		return;
	if (string && !(write && (ends_vm(port, width, ~0ull) || overlaps(port, width, 0xcf8, 8))))
		string_port(c, port, width, write);
	else if (write && ends_vm(port, width, v))
		return;
	else if (write && width == 1)
		rt_outb(port, (uint8_t)v);
	else if (write && width == 2)
		rt_outw(port, (uint16_t)v);
	else if (write)
		rt_outl(port, (uint32_t)v);
	else if (width == 1)
		(void)rt_inb(port);
	else if (width == 2)
		(void)rt_inw(port);
	else
		(void)rt_inl(port);
}

static void config_ports(struct chaos *c, uint8_t devfn, uint16_t off, unsigned int width,
			 uint32_t v, bool write)
{
	uint16_t data = (uint16_t)(0xcfc + chaos_below(c, 4));

	rt_outl(0xcf8, 0x80000000u | (uint32_t)devfn << 8 | (off & 0xfcu));
	if (write && width == 1)
		rt_outb(data, (uint8_t)v);
	else if (write && width == 2)
		rt_outw(data, (uint16_t)v);
	else if (write)
		rt_outl(data, v);
	else if (width == 1)
		(void)rt_inb(data);
	else if (width == 2)
		(void)rt_inw(data);
	else
		(void)rt_inl(data);
}

void chaos_config(struct chaos *c)
{
	uint16_t off = (uint16_t)chaos_below(c, chaos_below(c, 4) ? 0x100 : 0x1000);
	unsigned int width = 1u << chaos_below(c, 3);
	bool write = chaos_below(c, 2);
	uint32_t v = (uint32_t)chaos_value(c);
	uint8_t devfn = (uint8_t)rt_rand(&c->rand);

	if (c->n_fns && chaos_below(c, 8))
		devfn = c->fns[chaos_below(c, c->n_fns)].pci.devfn;
	if (rt.ecam && chaos_below(c, 2))
		chaos_access(c,
			     rt.ecam + ((uint64_t)devfn << 12) + (off & 0xff8u) +
				     chaos_below(c, 9 - width),
			     width, v, write);
	else if (off < 0x100)
		config_ports(c, devfn, off, width, v, write);
}

/* The virtio_pci_cfg capability of the specification reaches BARs from here, too. */
void chaos_bar(struct chaos *c)
{
	const struct chaos_fn *f;
	const struct chaos_bar *b;
	unsigned int width = 1u << chaos_below(c, 4);
	uint64_t v = chaos_value(c), off;

	if (c->n_fns == 0)
		return;
	f = &c->fns[chaos_below(c, c->n_fns)];
	if (f->n_bars == 0)
		return;
	b = &f->bars[chaos_below(c, f->n_bars)];
	off = chaos_below(c, b->len - 8);
	if (chaos_below(c, 4))
		off &= ~(uint64_t)(width - 1);
	if (chaos_below(c, 4) == 0)
		off = chaos_below(c, b->len < 0x100 ? b->len - 8 : 0x100 - 8);
	if (b->addr + off + 8 > f->msix && b->addr + off < f->msix + f->msix_len)
		v &= MSIX_HARMLESS;
	chaos_access(c, b->addr + off, width, v, chaos_below(c, 2));
}

static bool forbidden(uint64_t a)
{
	uint64_t sleep = rt.sleep_is_io ? 0 : rt.sleep_reg;
	uint64_t reset = rt.reset_is_io ? 0 : rt.reset_reg;

	/* The interrupt controllers belong to KVM and could stop this processor. */
	if (a >= 0xfec00000 - 8 && a < 0xfec01000)
		return true;
	if (a >= 0xfee00000 - 8 && a < 0xfef00000)
		return true;
	return (sleep && a + 8 > sleep && a < sleep + 8) ||
	       (reset && a + 8 > reset && a < reset + 8);
}

void chaos_memory(struct chaos *c)
{
	uint64_t a = chaos_address(c);
	unsigned int width = 1u << chaos_below(c, 4);

	switch (chaos_below(c, 4)) {
	case 0:
		a = 0xc0000000ull + chaos_below(c, 1 << 30);
		break;
	case 1:
		a = c->ram_end - chaos_below(c, 9);
		break;
	case 2:
		a = c->ram_end + chaos_below(c, 1ull << 38);
		break;
	default:
		break;
	}
	for (unsigned int i = 0; i < c->n_fns; i++) {
		const struct chaos_fn *f = &c->fns[i];

		if (f->msix && a + 8 > f->msix && a < f->msix + f->msix_len)
			return;
	}
	if (!forbidden(a))
		chaos_access(c, a, width, chaos_value(c), chaos_below(c, 2));
}

void chaos_restore(struct chaos *c)
{
	for (unsigned int i = 0; i < c->n_fns; i++) {
		const struct chaos_fn *f = &c->fns[i];

		rt_pci_w16(&f->pci, PCI_COMMAND, 0);
		for (unsigned int k = 4; k < 10; k++)
			rt_pci_w32(&f->pci, (uint16_t)(4 * k), f->saved[k]);
		rt_pci_w16(&f->pci, PCI_COMMAND,
			   (uint16_t)f->saved[1] | PCI_CMD_MEM | PCI_CMD_MASTER);
	}
}

static void find_msix(struct chaos_fn *f)
{
	uint16_t cap = rt_pci_cap(&f->pci, PCI_CAP_MSIX, 0);
	uint32_t table;
	uint64_t addr, len;
	bool io;

	if (!cap)
		return;
	table = rt_pci_r32(&f->pci, (uint16_t)(cap + 4));
	if (!rt_pci_bar(&f->pci, table & 7, &addr, &len, &io) || io)
		return;
	f->msix = addr + (table & ~7u);
	f->msix_len = 16ull * ((rt_pci_r16(&f->pci, (uint16_t)(cap + 2)) & 0x7ffu) + 1);
}

static void find_bars(struct chaos_fn *f)
{
	for (unsigned int i = 0; i < 6; i++) {
		struct chaos_bar *b = &f->bars[f->n_bars];
		bool io, wide = (rt_pci_r32(&f->pci, (uint16_t)(PCI_BAR0 + 4 * i)) & 7) == 4;

		if (rt_pci_bar(&f->pci, i, &b->addr, &b->len, &io) && !io && b->len >= 16)
			f->n_bars++;
		i += wide;
	}
}

void chaos_find(struct chaos *c)
{
	for (unsigned int slot = 0; slot < 32 && c->n_fns < CHAOS_MAX_DEVS; slot++) {
		struct chaos_fn *f = &c->fns[c->n_fns];

		if (!rt_pci_probe(&f->pci, (uint8_t)(slot << 3)))
			continue;
		find_bars(f);
		find_msix(f);
		for (unsigned int k = 0; k < CHAOS_CONFIG_REGS; k++)
			f->saved[k] = rt_pci_r32(&f->pci, (uint16_t)(4 * k));
		c->n_fns++;
	}
	while (c->n_devs < CHAOS_MAX_VIRTIO && rt_virtio_find(0, c->n_devs, &c->devs[c->n_devs]))
		c->n_devs++;
	chaos_restore(c);
}
