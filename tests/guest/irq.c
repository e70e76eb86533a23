/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of the first disk: MSI-X with masking, or the line of virtio-mmio. */
#include "blk_rt.h"

#define LAPIC_TPR  0x80
#define IOAPIC	   0xfec00000ull
#define VECTOR	   0x41
#define PIC_MASK_1 0x21
#define PIC_MASK_2 0xa1
#define PATIENCE   2000000u /* a busy host may stop a device between its answer and its interrupt */

static struct rt_blk disk;
static uint8_t *buf;

static void read_one(void)
{
	struct rt_seg seg = { buf, 512 };

	if (rt_blk_do(&disk, BLK_T_IN, 0, &seg, 1) != BLK_OK)
		rt_fail("read failed");
}

static bool arrives(uint64_t before)
{
	for (unsigned int i = 0; i < PATIENCE; i++) {
		if (rt_irqs[VECTOR] != before)
			return true;
		(void)rt_lapic_read(LAPIC_TPR);
	}
	return false;
}

/* Masked: the interrupt must wait in the pending bit, and come when unmasked. */
static void masked(uint64_t entry, uint64_t pba)
{
	uint64_t before;

	rt_w32(entry + 12, 1);
	before = rt_irqs[VECTOR];
	read_one();
	for (unsigned int i = 0; i < PATIENCE && !(rt_r32(pba) & 1); i++)
		rt_pause();
	if (!(rt_r32(pba) & 1))
		rt_fail("no pending bit for a masked vector");
	if (rt_irqs[VECTOR] != before)
		rt_fail("a masked vector was delivered");
	rt_w32(entry + 12, 0);
	if (!arrives(before))
		rt_fail("unmasking did not deliver the pending interrupt");
	if (rt_r32(pba) & 1)
		rt_fail("the pending bit outlived its delivery");
}

static void msix(void)
{
	uint64_t entry, pba, before;

	rt_pci_msix(&disk.v.pci, VECTOR, &entry, &pba);
	rt_blk_open(&disk, 0, 1, VIRTIO_F_EVENT_IDX, 0);
	rt_irq_on();
	before = rt_irqs[VECTOR];
	read_one();
	if (!arrives(before))
		rt_fail("no MSI-X interrupt");
	masked(entry, pba);
	rt_puts("msix ok masked=1 pending=1\n");
}

static void line(void)
{
	uint64_t before;
	uint32_t isr;

	/* the line is the PIC's too, whose vectors after reset are the processor's exceptions */
	rt_outb(PIC_MASK_1, 0xff);
	rt_outb(PIC_MASK_2, 0xff);
	rt_blk_open(&disk, 0, 1, VIRTIO_F_EVENT_IDX, 0);
	rt_w32(IOAPIC, 0x10 + 2 * disk.v.irq + 1);
	rt_w32(IOAPIC + 0x10, 0);
	rt_w32(IOAPIC, 0x10 + 2 * disk.v.irq);
	rt_w32(IOAPIC + 0x10, VECTOR);
	rt_irq_on();
	for (unsigned int i = 0; i < 2; i++) {
		before = rt_irqs[VECTOR];
		read_one();
		if (!arrives(before))
			rt_fail("no interrupt %u on line %u", i, disk.v.irq);
		isr = rt_r32(disk.v.isr);
		if (!(isr & 1))
			rt_fail("interrupt status %x", isr);
		rt_w32(disk.v.common + VM_ACK, isr);
		if (rt_r32(disk.v.isr) & 1)
			rt_fail("interrupt status outlived its acknowledgement");
	}
	rt_puts("line ok\n");
}

void guest_main(void)
{
	buf = rt_alloc(RT_PAGE, RT_PAGE);
	rt_lapic_on();
	if (!rt_virtio_find(VIRTIO_BLK, 0, &disk.v))
		rt_fail("no virtio-blk device");
	if (disk.v.is_pci)
		msix();
	else
		line();
}
