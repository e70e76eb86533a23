/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the loader hands over: hvm_start_info of the PVH boot ABI (Xen, public
 * arch-x86/hvm/start_info.h) or Linux boot_params (Documentation/x86/zero-page).
 * Copied first, since the guests use low memory for themselves.
 */
#include "rt.h"

#define PVH_MAGIC      0x336ec578u
#define CMDLINE_MAX    4096
#define BP_RSDP	       0x070
#define BP_E820_COUNT  0x1e8
#define BP_CMDLINE_PTR 0x228
#define BP_E820	       0x2d0
#define E820_MAX       128

struct start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

static char cmdline[CMDLINE_MAX];

static void copy_cmdline(uint64_t gpa)
{
	const char *s = (const char *)gpa;

	for (size_t i = 0; gpa && s[i] && i < CMDLINE_MAX - 1; i++)
		cmdline[i] = s[i];
	rt.cmdline = cmdline;
}

static void add_region(uint64_t base, uint64_t len, uint32_t type)
{
	if (rt.n_map == RT_ARRAY(rt.map))
		return;
	rt.map[rt.n_map++] = (struct rt_region){ .base = base, .len = len, .type = type };
}

static void parse_pvh(const struct start_info *si)
{
	rt.protocol = "pvh";
	copy_cmdline(si->cmdline);
	if (si->magic != PVH_MAGIC)
		rt_fail("start_info magic %x", si->magic);
	rt.rsdp = si->rsdp;
	for (uint32_t i = 0; si->version >= 1 && i < si->memmap_entries; i++) {
		uint64_t e = si->memmap + i * 24ull;

		add_region(rt_r64(e), rt_r64(e + 8), rt_r32(e + 16));
	}
}

static void parse_linux(uint64_t bp)
{
	unsigned int n = rt_r8(bp + BP_E820_COUNT);

	rt.protocol = "linux";
	copy_cmdline(rt_r32(bp + BP_CMDLINE_PTR));
	rt.rsdp = rt_r64(bp + BP_RSDP);
	for (unsigned int i = 0; i < n && i < E820_MAX; i++) {
		uint64_t e = bp + BP_E820 + i * 20ull;

		add_region(rt_r64(e), rt_r64(e + 8), rt_r32(e + 16));
	}
}

void rt_boot_parse(unsigned int protocol, uint64_t info)
{
	rt.cmdline = cmdline;
	if (protocol == 1)
		parse_pvh((const struct start_info *)info);
	else
		parse_linux(info);
}
