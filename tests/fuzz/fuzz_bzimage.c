/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel loader on bzImages: the magic is given, the rest is the input. */
#include <string.h>

#include "boot_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[65536];

	if (size < 0x206 || size > sizeof(buf))
		return 0;
	memcpy(buf, data, size);
	memcpy(buf, "MZ", 2);
	memcpy(buf + 0x202, "HdrS", 4);
	return fuzz_kernel(buf, size);
}
