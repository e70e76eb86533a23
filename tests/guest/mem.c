/* SPDX-License-Identifier: BSD-3-Clause */
/* Is all memory that the map promises there, once, and not twice? */
#include "rt.h"

static bool mine(uint64_t a)
{
	return a < RT_PAGE || (a + 8 > (uint64_t)rt_image_start && a < (uint64_t)rt_image_end);
}

static uint64_t pass(const struct rt_region *r, uint64_t step, bool write)
{
	uint64_t last = r->base + r->len - 8;

	for (uint64_t a = r->base; a <= last; a += step) {
		/* The last word of a region is always one of them. */
		if (a + step > last)
			a = last;
		if (mine(a))
			continue;
		if (write)
			rt_w64(a, a ^ 0xa5a5a5a5a5a5a5a5ull);
		else if (rt_r64(a) != (a ^ 0xa5a5a5a5a5a5a5a5ull))
			rt_fail("memory at %lx reads %lx", a, rt_r64(a));
	}
	return r->len;
}

void guest_main(void)
{
	uint64_t step = rt_arg("step", 65536), bytes = 0, highest = 0;

	for (unsigned int i = 0; i < rt.n_map; i++) {
		if (rt.map[i].type != 1 || rt.map[i].len < 8)
			continue;
		rt_map(rt.map[i].base, rt.map[i].len);
		bytes += pass(&rt.map[i], step, true);
		if (rt.map[i].base + rt.map[i].len > highest)
			highest = rt.map[i].base + rt.map[i].len;
	}
	for (unsigned int i = 0; i < rt.n_map; i++) {
		if (rt.map[i].type == 1 && rt.map[i].len >= 8)
			pass(&rt.map[i], step, false);
	}
	rt_printf("mem ok bytes=%lu highest=%lx\n", bytes, highest);
}
