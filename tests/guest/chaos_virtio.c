/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Garbage for virtio devices: registers in any order, and rings that are nearly
 * right, so that a device gets far enough to trip over what is wrong in them.
 */
#include "chaos.h"

#define QSIZE 64u

/* Where each part of queue q lies: 64 KiB of the arena per queue. */
static uint64_t ring(const struct chaos *c, unsigned int q, unsigned int part)
{
	return (uint64_t)c->arena + (q % 32) * 0x10000ull + part * 0x2000ull;
}

static unsigned int any_queue(struct chaos *c)
{
	return (unsigned int)chaos_below(c, chaos_below(c, 8) ? 4 : 0x10000);
}

static void reg(struct chaos *c, const struct rt_virtio *v, uint32_t pci, uint32_t mmio,
		uint64_t val, unsigned int width)
{
	if (v->is_pci)
		chaos_access(c, v->common + pci, width, val, true);
	else
		chaos_access(c, v->common + mmio, 4, val, true);
}

static void status(struct chaos *c, const struct rt_virtio *v)
{
	static const uint8_t usual[] = { 0, 1, 3, 11, 15, 15, 128, 4 };
	uint8_t s = usual[chaos_below(c, RT_ARRAY(usual))];

	reg(c, v, VC_STATUS, VM_STATUS, chaos_below(c, 8) ? s : chaos_value(c), 1);
}

static void features(struct chaos *c, const struct rt_virtio *v)
{
	reg(c, v, VC_GFSELECT, VM_GFSELECT, chaos_below(c, 3), 4);
	reg(c, v, VC_GF, VM_GF, chaos_value(c), 4);
}

static void address(struct chaos *c, const struct rt_virtio *v, uint32_t pci, uint32_t mmio,
		    uint64_t a)
{
	reg(c, v, pci, mmio, (uint32_t)a, 4);
	reg(c, v, pci + 4, mmio + 4, a >> 32, 4);
}

static void queue(struct chaos *c, const struct rt_virtio *v, unsigned int q, bool sane)
{
	reg(c, v, VC_Q_SELECT, VM_Q_SELECT, q, 2);
	reg(c, v, VC_Q_SIZE, VM_Q_SIZE, sane ? QSIZE : chaos_value(c), 2);
	address(c, v, VC_Q_DESC, VM_Q_DESC, sane ? ring(c, q, 0) : chaos_address(c));
	address(c, v, VC_Q_DRIVER, VM_Q_DRIVER, sane ? ring(c, q, 1) : chaos_address(c));
	address(c, v, VC_Q_DEVICE, VM_Q_DEVICE, sane ? ring(c, q, 2) : chaos_address(c));
	reg(c, v, VC_Q_MSIX, VM_ACK, sane ? VIRTIO_NO_VECTOR : chaos_below(c, 8), 2);
	reg(c, v, VC_Q_ENABLE, VM_Q_READY, sane ? 1 : chaos_below(c, 3), 2);
}

/* A correct start with every feature offered, so that what follows is processed. */
static void bring_up(struct chaos *c, const struct rt_virtio *v)
{
	reg(c, v, VC_STATUS, VM_STATUS, 0, 1);
	reg(c, v, VC_STATUS, VM_STATUS, VS_ACK | VS_DRIVER, 1);
	for (uint32_t half = 0; half < 2; half++) {
		uint32_t bits;

		reg(c, v, VC_DFSELECT, VM_DFSELECT, half, 4);
		bits = rt_r32(v->common + (v->is_pci ? VC_DF : VM_DF));
		if (half == 1 && chaos_below(c, 2))
			bits &= ~(1u << 2); /* RING_PACKED: let split rings have a turn */
		reg(c, v, VC_GFSELECT, VM_GFSELECT, half, 4);
		reg(c, v, VC_GF, VM_GF, bits, 4);
	}
	reg(c, v, VC_STATUS, VM_STATUS, VS_ACK | VS_DRIVER | VS_FEATURES_OK, 1);
	for (unsigned int q = 0; q < 4; q++) {
		memset((void *)ring(c, q, 1), 0, 0x4000);
		queue(c, v, q, true);
	}
	reg(c, v, VC_STATUS, VM_STATUS, VS_ACK | VS_DRIVER | VS_FEATURES_OK | VS_DRIVER_OK, 1);
}

static uint32_t length(struct chaos *c)
{
	static const uint32_t usual[] = { 0, 1, 16, 512, 4096, 0x10000, 0xfffff000, ~0u };

	return usual[chaos_below(c, RT_ARRAY(usual))] + (uint32_t)chaos_below(c, 3);
}

static void descriptor(struct chaos *c, struct rt_desc *d)
{
	d->addr = chaos_below(c, 4) ? (uint64_t)c->arena + 0x200000 + chaos_below(c, 0x100000)
				    : chaos_address(c);
	d->len = chaos_below(c, 4) ? 16 + (uint32_t)chaos_below(c, 2048) : length(c);
	d->flags = (uint16_t)(chaos_below(c, 8) ? chaos_below(c, 4) : rt_rand(&c->rand));
	if (chaos_below(c, 8) == 0)
		d->flags |= VQ_INDIRECT;
	d->next = (uint16_t)(chaos_below(c, 8) ? chaos_below(c, QSIZE) : rt_rand(&c->rand));
}

/* Request headers, tables inside tables: whatever a descriptor may point at. */
static void payload(struct chaos *c)
{
	uint64_t *w = (uint64_t *)(c->arena + 0x200000 + (chaos_below(c, 0x100000) & ~15ull));

	if (chaos_below(c, 2)) {
		descriptor(c, (struct rt_desc *)w);
		return;
	}
	w[0] = chaos_below(c, 16);
	w[1] = chaos_below(c, 2) ? chaos_below(c, 1 << 20) : chaos_value(c);
}

/*
 * A chain as a driver would lay it out (header, data, status), or with one thing
 * in it changed: its head.
 */
static uint16_t chain(struct chaos *c, struct rt_desc *d)
{
	unsigned int head = (unsigned int)chaos_below(c, QSIZE - 4);
	unsigned int n_in = 1 + (unsigned int)chaos_below(c, 3), n = 1 + n_in;
	uint64_t *header = (uint64_t *)(c->arena + 0x180000 + head * 16);

	header[0] = chaos_below(c, 14);
	header[1] = chaos_below(c, 1 << 16);
	for (unsigned int i = 0; i < n; i++) {
		bool data_out = i == 1 && n > 2 && (header[0] & 1);
		struct rt_desc *e = &d[head + i];

		e->addr = (uint64_t)c->arena + 0x200000 + (chaos_below(c, 0x100000) & ~511ull);
		e->len = i == n - 1 ? 1 : 512 * (1 + (uint32_t)chaos_below(c, 8));
		e->flags = (i < n - 1 ? VQ_NEXT : 0) | (i > 0 && !data_out ? VQ_WRITE : 0);
		e->next = (uint16_t)(head + i + 1);
	}
	d[head].addr = (uint64_t)header;
	d[head].len = 16;
	if (chaos_below(c, 4) == 0)
		descriptor(c, &d[head + chaos_below(c, n)]);
	return (uint16_t)head;
}

static void ring_doorbell(struct chaos *c, const struct rt_virtio *v, unsigned int q)
{
	if (v->is_pci)
		chaos_access(c, v->notify + (uint64_t)q * v->notify_mult, 2, q, true);
	else
		chaos_access(c, v->notify, 4, q, true);
}

static void add_chains(struct chaos *c, const struct rt_virtio *v)
{
	unsigned int q = (unsigned int)chaos_below(c, 2);
	volatile uint16_t *avail = (volatile uint16_t *)ring(c, q, 1);
	uint16_t n = (uint16_t)(1 + chaos_below(c, 4));

	for (unsigned int i = 0; i < n; i++)
		avail[2 + ((avail[1] + i) & (QSIZE - 1))] =
			chain(c, (struct rt_desc *)ring(c, q, 0));
	rt_barrier();
	avail[1] = (uint16_t)(avail[1] + n);
	rt_fence();
	ring_doorbell(c, v, q);
}

static void scramble(struct chaos *c, const struct rt_virtio *v)
{
	unsigned int q = (unsigned int)chaos_below(c, 4);
	struct rt_desc *d = (struct rt_desc *)ring(c, q, 0);
	volatile uint16_t *avail = (volatile uint16_t *)ring(c, q, 1);

	for (unsigned int i = 0; i < 8; i++) {
		descriptor(c, &d[chaos_below(c, QSIZE)]);
		payload(c);
		avail[2 + chaos_below(c, QSIZE)] =
			(uint16_t)(chaos_below(c, 16) ? chaos_below(c, QSIZE) : rt_rand(&c->rand));
	}
	avail[0] = (uint16_t)chaos_below(c, 3);
	avail[2 + QSIZE] = (uint16_t)rt_rand(&c->rand);
	rt_barrier();
	avail[1] =
		(uint16_t)(chaos_below(c, 16) ? avail[1] + chaos_below(c, 8) : rt_rand(&c->rand));
	rt_fence();
	ring_doorbell(c, v, q);
}

static void notify(struct chaos *c, const struct rt_virtio *v)
{
	unsigned int q = any_queue(c);

	if (v->is_pci)
		chaos_access(c, v->notify + chaos_below(c, 0x1000 - 8), 1u << chaos_below(c, 4), q,
			     true);
	else
		chaos_access(c, v->notify, 4, q, true);
}

/* Any register at any width, and the device's configuration. */
static void any_register(struct chaos *c, const struct rt_virtio *v)
{
	uint64_t base = chaos_below(c, 2) && v->config ? v->config : v->common;
	uint64_t off = chaos_below(c, 0x100 - 8);

	chaos_access(c, base + off, 1u << chaos_below(c, 4), chaos_value(c), chaos_below(c, 2));
}

void chaos_virtio(struct chaos *c)
{
	const struct rt_virtio *v;

	if (c->n_devs == 0)
		return;
	v = &c->devs[chaos_below(c, c->n_devs)];
	switch (chaos_below(c, 16)) {
	case 0:
		status(c, v);
		break;
	case 1:
		features(c, v);
		break;
	case 2:
		queue(c, v, any_queue(c), false);
		break;
	case 3:
	case 4:
		bring_up(c, v);
		break;
	case 5:
		notify(c, v);
		break;
	case 6:
	case 7:
		any_register(c, v);
		break;
	case 8:
	case 9:
		scramble(c, v);
		break;
	default:
		add_chains(c, v);
		break;
	}
}
