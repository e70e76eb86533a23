/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start every other processor (Intel SDM 3, 8.4.4). They only count themselves,
 * in real mode: more would be slow where kernel mode is interpreted.
 */
#include "rt.h"

#define TRAMPOLINE	 0x8000u
#define LAPIC_ID	 0x20
#define LAPIC_SVR	 0xf0
#define LAPIC_ICR	 0x300
#define ICR_INIT_OTHERS	 0x000c4500u
#define ICR_START_OTHERS 0x000c4600u
#define ICR_PENDING	 (1u << 12)

static void spend(unsigned int reads)
{
	for (unsigned int i = 0; i < reads; i++)
		(void)rt_inb(0x80);
}

static void send(uint32_t icr)
{
	rt_lapic_write(LAPIC_ICR, icr);
	for (unsigned int i = 0; i < 1000 && (rt_lapic_read(LAPIC_ICR) & ICR_PENDING); i++)
		rt_pause();
}

static unsigned int seen(const volatile uint8_t *table)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < 256; i++)
		n += table[i] != 0;
	return n;
}

void guest_main(void)
{
	unsigned int expect = (unsigned int)rt_arg("expect", 0);
	volatile uint8_t *table = (uint8_t *)(uint64_t)TRAMPOLINE + (rt_ap_seen - rt_ap_start);
	unsigned int self = rt_lapic_read(LAPIC_ID) >> 24;

	memcpy((void *)(uint64_t)TRAMPOLINE, rt_ap_start, (size_t)(rt_ap_end - rt_ap_start));
	table[self] = 1;
	rt_lapic_write(LAPIC_SVR, 0x1ff);
	send(ICR_INIT_OTHERS);
	spend(300);
	send(ICR_START_OTHERS | TRAMPOLINE >> 12);
	spend(30);
	send(ICR_START_OTHERS | TRAMPOLINE >> 12);
	for (unsigned int i = 0; i < 1000 && (expect == 0 || seen(table) < expect); i++)
		spend(30);
	rt_printf("cpus=%u ids=", seen(table));
	for (unsigned int i = 0; i < 256; i++) {
		if (table[i] > 0)
			rt_printf("%u ", i);
		if (table[i] > 1)
			rt_fail("processor %u started %u times", i, table[i]);
	}
	rt_putc('\n');
	if (expect && seen(table) != expect)
		rt_fail("%u of %u processors", seen(table), expect);
}
