/* SPDX-License-Identifier: BSD-3-Clause */
#include "rt.h"

#include <stddef.h>

#define SERIAL	 0x09100000ul
#define LISTENER 0x0c000000ul /* with the word "listener": what else hears the console */
#define LSR	 5
#define LSR_THRE 0x20
#define ECAM	 0x3f000000ul
#define PVPANIC	 (ECAM + (31ul << 15))

/* PSCI (DEN0022), section 5. */
#define PSCI_SYSTEM_OFF	  0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u

/* Devicetree Specification 0.4, section 5.4.1. */
enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4 };

static const char *cmdline = "";
static bool listened;

static void write8(uint64_t addr, uint8_t val)
{
	__asm__ volatile("strb %w0, [%1]" : : "r"(val), "r"(addr) : "memory");
}

static uint8_t read8(uint64_t addr)
{
	uint8_t val;

	__asm__ volatile("ldrb %w0, [%1]" : "=r"(val) : "r"(addr) : "memory");
	return val;
}

static void write32(uint64_t addr, uint32_t val)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(val), "r"(addr) : "memory");
}

static uint32_t read32(uint64_t addr)
{
	uint32_t val;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(val) : "r"(addr) : "memory");
	return val;
}

static void psci(uint32_t function)
{
	register uint64_t x0 __asm__("x0") = function;

	__asm__ volatile("hvc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
}

void rt_halt(void)
{
	__asm__ volatile("wfi");
}

_Noreturn void rt_power_off(void)
{
	for (;;)
		psci(PSCI_SYSTEM_OFF);
}

_Noreturn void rt_reset(void)
{
	for (;;)
		psci(PSCI_SYSTEM_RESET);
}

_Noreturn void rt_panic(void)
{
	write32(PVPANIC + 4, 2); /* memory space */
	write8(read32(PVPANIC + 0x10) & ~15u, 1);
	rt_reset();
}

void rt_puts(const char *text)
{
	for (; *text; text++) {
		while (!(read8(SERIAL + LSR) & LSR_THRE))
			;
		write8(SERIAL, (uint8_t)*text);
		if (listened)
			write8(LISTENER, (uint8_t)*text);
	}
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static bool same(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

bool rt_arg(const char *word)
{
	size_t n = length(word);

	for (const char *p = cmdline; *p; p++)
		if ((p == cmdline || p[-1] == ' ') && same(p, word, n) &&
		    (p[n] == '\0' || p[n] == ' '))
			return true;
	return false;
}

static uint32_t be32(const uint32_t *p)
{
	return __builtin_bswap32(*p);
}

/* The property "bootargs", wherever it is. */
static void find_cmdline(const uint32_t *fdt)
{
	const uint32_t *p = fdt + be32(fdt + 2) / 4;
	const char *strings = (const char *)fdt + be32(fdt + 3);

	for (;;) {
		uint32_t token = be32(p++);

		if (token == FDT_BEGIN_NODE) {
			p += length((const char *)p) / 4 + 1;
		} else if (token == FDT_PROP) {
			if (same(strings + be32(p + 1), "bootargs", 9))
				cmdline = (const char *)(p + 2);
			p += 2 + (be32(p) + 3) / 4;
		} else if (token != FDT_END_NODE && token != FDT_NOP) {
			return;
		}
	}
}

void rt_begin(const uint32_t *fdt);

void rt_begin(const uint32_t *fdt)
{
	find_cmdline(fdt);
	listened = rt_arg("listener");
	guest_main();
	rt_power_off();
}
