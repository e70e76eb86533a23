/* SPDX-License-Identifier: BSD-3-Clause */
/* Types back what is typed on COM1: by interrupts up to a comma, then by polling up to a full stop. */
#include "virtio.h"

enum { DATA = 0x3f8, IER, FCR, LCR, MCR, LSR };

#define LAPIC_TPR      0x80
#define IOAPIC	       0xfec00000ull
#define IRQ	       4
#define VECTOR	       0x41
#define PIC_MASK_1     0x21
#define PIC_MASK_2     0xa1
#define FCR_ENABLE     1
#define IER_RECEIVED   1
#define MCR_DTR_OUT2   9
#define LSR_DATA_READY 1
#define LSR_THR_EMPTY  0x20

static void attach_line(void)
{
	rt_lapic_on();
	/* the line is the PIC's too, whose vectors after reset are the processor's exceptions */
	rt_outb(PIC_MASK_1, 0xff);
	rt_outb(PIC_MASK_2, 0xff);
	rt_w32(IOAPIC, 0x10 + 2 * IRQ + 1);
	rt_w32(IOAPIC + 0x10, 0);
	rt_w32(IOAPIC, 0x10 + 2 * IRQ);
	rt_w32(IOAPIC + 0x10, VECTOR);
	rt_irq_on();
}

static bool has_input(void)
{
	return rt_inb(LSR) & LSR_DATA_READY;
}

static uint8_t echo_one(void)
{
	uint8_t byte = rt_inb(DATA);

	while (!(rt_inb(LSR) & LSR_THR_EMPTY))
		;
	rt_outb(DATA, byte);
	return byte;
}

static void by_interrupts(void)
{
	uint64_t seen = rt_irqs[VECTOR], n = 0;
	uint8_t byte = 0;

	attach_line();
	rt_outb(MCR, MCR_DTR_OUT2);
	rt_outb(IER, IER_RECEIVED);
	rt_puts("ready\n");
	while (byte != ',') {
		while (rt_irqs[VECTOR] == seen)
			(void)rt_lapic_read(LAPIC_TPR);
		seen = rt_irqs[VECTOR];
		n++;
		(void)rt_inb(FCR); /* why: there is but one reason */
		while (byte != ',' && has_input())
			byte = echo_one();
	}
	rt_outb(IER, 0);
	rt_irq_off();
	rt_printf("\ninterrupts ok n=%lu\n", n);
}

void guest_main(void)
{
	rt_outb(FCR, FCR_ENABLE);
	by_interrupts();
	do
		while (!has_input())
			;
	while (echo_one() != '.');
	rt_puts("\npolling ok\n");
}
