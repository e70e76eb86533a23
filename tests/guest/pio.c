/* SPDX-License-Identifier: BSD-3-Clause */
/* What one exit costs: register reads and writes, and a doorbell nobody waits for. */
#include "blk_rt.h"

static void pio_read(void *arg)
{
	(void)arg;
	(void)rt_inb(0x3fd);
}

static void pio_write(void *arg)
{
	(void)arg;
	rt_outb(0x3ff, 0);
}

static void mmio_read(void *arg)
{
	const struct rt_blk *b = arg;

	(void)rt_r32(b->v.common + (b->v.is_pci ? VC_DF : VM_MAGIC));
}

static void doorbell(void *arg)
{
	const struct rt_blk *b = arg;

	rt_vq_ring(&b->q);
}

static void measure(const char *name, void (*f)(void *), void *arg)
{
	uint64_t n = rt_arg("n", 10000), start;

	for (uint64_t i = 0; i < n / 10; i++)
		f(arg);
	rt_printf("begin %s\n", name);
	start = rt_rdtsc();
	for (uint64_t i = 0; i < n; i++)
		f(arg);
	rt_printf("end %s n=%lu cycles=%lu\n", name, n, rt_rdtsc() - start);
}

void guest_main(void)
{
	static struct rt_blk b;

	measure("pio-read", pio_read, NULL);
	measure("pio-write", pio_write, NULL);
	rt_blk_open(&b, 0, 1, 0, VIRTIO_NO_VECTOR);
	measure("mmio-read", mmio_read, &b);
	measure("doorbell", doorbell, &b);
}
