/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As much of ACPI as finding the ECAM window, counting processors, power-off and
 * reset take (ACPI 6.4, 4.8 and 5.2), with the usual fallbacks without tables.
 */
#include "rt.h"

#define PM1A_FALLBACK	   0x604
#define S5_FALLBACK	   5
#define SLP_EN		   (1u << 13)
#define PVPANIC		   0x505
#define FADT_PM1A_CNT	   64
#define FADT_FLAGS	   112
#define FADT_RESET_REG	   116
#define FADT_RESET_VALUE   128
#define FADT_DSDT	   40
#define FADT_X_DSDT	   140
#define FADT_SLEEP_CONTROL 244
#define FADT_HAS_RESET	   (1u << 10)
#define FADT_HW_REDUCED	   (1u << 20)
#define SPACE_IO	   1

static bool sum_ok(uint64_t p, uint32_t len)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + rt_r8(p + i));
	return sum == 0;
}

static uint64_t scan_rsdp(void)
{
	for (uint64_t p = 0xe0000; p < 0x100000; p += 16) {
		if (memcmp((const void *)p, "RSD PTR ", 8) == 0 && sum_ok(p, 20))
			return p;
	}
	return 0;
}

uint64_t rt_acpi_find(const char sig[4])
{
	uint64_t xsdt = rt.rsdp && rt_r8(rt.rsdp + 15) >= 2 ? rt_r64(rt.rsdp + 24) : 0;
	unsigned int width = xsdt ? 8 : 4;
	uint64_t root = rt.rsdp && !xsdt ? rt_r32(rt.rsdp + 16) : xsdt;

	if (!root)
		return 0;
	for (uint64_t p = root + 36; p < root + rt_r32(root + 4); p += width) {
		uint64_t table = width == 8 ? rt_r64(p) : rt_r32(p);

		if (memcmp((const void *)table, sig, 4) != 0)
			continue;
		if (!sum_ok(table, rt_r32(table + 4)))
			rt_fail("ACPI table %c%c%c%c: bad checksum", sig[0], sig[1], sig[2],
				sig[3]);
		return table;
	}
	return 0;
}

/* Name (_S5_, Package () { SLP_TYPa, ... }): the only AML read here. */
static void parse_s5(uint64_t dsdt)
{
	uint64_t end = dsdt + rt_r32(dsdt + 4);

	for (uint64_t p = dsdt + 36; p + 12 < end; p++) {
		if (memcmp((const void *)p, "_S5_\x12", 5) != 0)
			continue;
		p += 7; /* name, package op, one length byte, count */
		rt.s5_typ = rt_r8(p) == 0x0a ? rt_r8(p + 1) : rt_r8(p);
		return;
	}
}

static void parse_fadt(uint64_t fadt)
{
	uint32_t len = rt_r32(fadt + 4);
	uint32_t flags = rt_r32(fadt + FADT_FLAGS);
	uint64_t dsdt = len >= FADT_X_DSDT + 8 ? rt_r64(fadt + FADT_X_DSDT) : 0;

	if (!dsdt)
		dsdt = rt_r32(fadt + FADT_DSDT);
	if (dsdt)
		parse_s5(dsdt);
	rt.pm1a_cnt = (uint16_t)rt_r32(fadt + FADT_PM1A_CNT);
	if (flags & FADT_HAS_RESET) {
		rt.reset_is_io = rt_r8(fadt + FADT_RESET_REG) == SPACE_IO;
		rt.reset_reg = rt_r64(fadt + FADT_RESET_REG + 4);
		rt.reset_value = rt_r8(fadt + FADT_RESET_VALUE);
	}
	if ((flags & FADT_HW_REDUCED) && len >= FADT_SLEEP_CONTROL + 12) {
		rt.sleep_is_io = rt_r8(fadt + FADT_SLEEP_CONTROL) == SPACE_IO;
		rt.sleep_reg = rt_r64(fadt + FADT_SLEEP_CONTROL + 4);
		rt.pm1a_cnt = 0;
	}
}

static void parse_madt(uint64_t madt)
{
	uint64_t end = madt + rt_r32(madt + 4);

	for (uint64_t p = madt + 44; p + 2 <= end && rt_r8(p + 1) >= 2; p += rt_r8(p + 1)) {
		if (rt_r8(p) == 0 && (rt_r32(p + 4) & 1))
			rt.n_cpus++;
		if (rt_r8(p) == 9 && (rt_r32(p + 8) & 1))
			rt.n_cpus++;
	}
}

void rt_acpi_parse(void)
{
	uint64_t fadt, madt, mcfg;

	rt.pm1a_cnt = PM1A_FALLBACK;
	rt.s5_typ = S5_FALLBACK;
	if (!rt.rsdp)
		rt.rsdp = scan_rsdp();
	fadt = rt_acpi_find("FACP");
	madt = rt_acpi_find("APIC");
	mcfg = rt_acpi_find("MCFG");
	if (fadt)
		parse_fadt(fadt);
	if (madt)
		parse_madt(madt);
	if (mcfg && rt_r32(mcfg + 4) >= 60)
		rt.ecam = rt_r64(mcfg + 44);
}

/* Some monitors stop the processor a little after the register is written. */
static void wait(void)
{
	for (unsigned int i = 0; i < 2000; i++)
		(void)rt_inb(0x80);
}

void rt_triple_fault(void)
{
	rt_load_empty_idt();
	for (;;)
		__asm__ volatile("ud2");
}

void rt_reset(void)
{
	if (rt.reset_reg && rt.reset_is_io)
		rt_outb((uint16_t)rt.reset_reg, rt.reset_value);
	else if (rt.reset_reg)
		rt_w8(rt.reset_reg, rt.reset_value);
	else
		rt_outb(0xcf9, 6);
	wait();
	rt_outb(0x64, 0xfe);
	wait();
	rt_triple_fault();
}

void rt_panic(void)
{
	uint64_t port = rt_arg("debug_exit", 0);

	if (port)
		rt_outb((uint16_t)port, 1);
	rt_outb(PVPANIC, 1);
	wait();
	rt_reset();
}

void rt_poweroff(void)
{
	uint64_t port = rt_arg("debug_exit", 0);
	uint8_t sleep = (uint8_t)(rt.s5_typ << 2 | 1u << 5);

	if (port)
		rt_outb((uint16_t)port, 0);
	if (rt.sleep_reg && rt.sleep_is_io)
		rt_outb((uint16_t)rt.sleep_reg, sleep);
	else if (rt.sleep_reg)
		rt_w8(rt.sleep_reg, sleep);
	else
		rt_outw(rt.pm1a_cnt, (uint16_t)(SLP_EN | (uint32_t)rt.s5_typ << 10));
	wait();
	rt_puts("FAIL: power-off had no effect\n");
	rt_reset();
}
