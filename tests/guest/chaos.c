/* SPDX-License-Identifier: BSD-3-Clause */
/* The hostile guest: choice of operations, and addresses and values. See chaos.h. */
#include "chaos.h"
#include "blk_rt.h"

#define COM1 0x3f8

static const struct {
	char letter;
	void (*op)(struct chaos *c);
} areas[] = {
	{ 'p', chaos_port },   { 'c', chaos_config }, { 'b', chaos_bar },
	{ 'v', chaos_virtio }, { 'm', chaos_memory },
};

uint64_t chaos_address(struct chaos *c)
{
	uint64_t arena = (uint64_t)c->arena;

	switch (chaos_below(c, 8)) {
	case 0:
		return c->ram_end - chaos_below(c, 64);
	case 1:
		return c->ram_end + (chaos_below(c, 1 << 20) << 12);
	case 2:
		return ~0ull - chaos_below(c, 4096);
	case 3:
		return rt_rand(&c->rand) | 1ull << (40 + chaos_below(c, 24));
	case 4:
		return arena + chaos_below(c, CHAOS_ARENA);
	default:
		return arena + (chaos_below(c, CHAOS_ARENA / 16) << 4);
	}
}

/* As an address, a bare 32-bit value must not name memory below the arena. */
static uint64_t harmless(const struct chaos *c, uint64_t v)
{
	return v >= RT_PAGE && v < (uint64_t)c->arena ? v | 0x80000000u : v;
}

uint64_t chaos_value(struct chaos *c)
{
	switch (chaos_below(c, 6)) {
	case 0:
		return chaos_below(c, 64);
	case 1:
		return harmless(c, 1ull << chaos_below(c, 64));
	case 2:
		return ~0ull;
	case 3:
		return harmless(c, rt_rand(&c->rand) >> 32);
	case 4:
		return chaos_address(c);
	default:
		return rt_rand(&c->rand) | 1ull << 63;
	}
}

void chaos_access(struct chaos *c, uint64_t addr, unsigned int len, uint64_t value, bool write)
{
	/* A page fault of ours is not the point: stay inside the mapped half. */
	if (addr >= (c->high ? 1ull << 39 : 1ull << 32) - 8)
		return;
	if (len == 8 && write)
		rt_w64(addr, value);
	else if (len == 8)
		(void)rt_r64(addr);
	else if (len == 4 && write)
		rt_w32(addr, (uint32_t)harmless(c, (uint32_t)value));
	else if (len == 4)
		(void)rt_r32(addr);
	else if (len == 2 && write)
		rt_w16(addr, (uint16_t)value);
	else if (len == 2)
		(void)rt_r16(addr);
	else if (write)
		rt_w8(addr, (uint8_t)value);
	else
		(void)rt_r8(addr);
}

static void serial_restore(void)
{
	rt_outb(COM1 + 3, 3);
	rt_outb(COM1 + 1, 0);
	rt_outb(COM1 + 2, 0);
	rt_outb(COM1 + 4, 3);
}

/* After all that, a reset must give back a disk that answers. */
static const char *disk_state(void)
{
	static struct rt_blk disk;
	struct rt_seg seg = { rt_alloc(RT_PAGE, RT_PAGE), 512 };

	if (!rt_virtio_find(VIRTIO_BLK, 0, &disk.v))
		return "none";
	rt_blk_open(&disk, 0, 1, VIRTIO_F_EVENT_IDX, VIRTIO_NO_VECTOR);
	return rt_blk_do(&disk, BLK_T_IN, 0, &seg, 1) == BLK_OK ? "ok" : "error";
}

static unsigned int chosen(unsigned int *list)
{
	const char *s = rt_arg_str("areas");
	unsigned int n = 0;

	for (unsigned int i = 0; i < RT_ARRAY(areas); i++) {
		bool on = !s;

		for (const char *p = s; p && *p && *p != ' '; p++)
			on |= *p == areas[i].letter;
		if (on)
			list[n++] = i;
	}
	if (n == 0)
		rt_fail("areas= names none of p, c, b, v, m");
	return n;
}

void guest_main(void)
{
	static struct chaos c;
	uint64_t n = rt_arg("n", 5000), seed = rt_arg("seed", 1);
	unsigned int list[RT_ARRAY(areas)], n_areas = chosen(list);

	c.rand.s = (seed + 1) * 0x9e3779b97f4a7c15ull;
	c.arena = rt_alloc(CHAOS_ARENA, CHAOS_ARENA);
	c.ram_end = rt_ram_end();
	c.high = rt_features >> 26 & 1; /* rt.S maps them with 1 GiB pages */
	chaos_find(&c);
	for (uint64_t i = 0; i < n;) {
		unsigned int area = list[chaos_below(&c, n_areas)];
		uint64_t burst = 1 + chaos_below(&c, 64);

		for (; burst > 0 && i < n; burst--, i++)
			areas[area].op(&c);
		if (areas[area].op == chaos_config)
			chaos_restore(&c);
	}
	chaos_restore(&c);
	serial_restore();
	rt_printf("\nsurvived seed=%lu ops=%lu functions=%u virtio=%u disk=%s\n", seed, n, c.n_fns,
		  c.n_devs, disk_state());
}
