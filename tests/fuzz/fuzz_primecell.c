/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes Arm's small PrimeCells: clocks and general purpose I/O. The first byte says which. */
#include "regs_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "pl031", "pl030", "pl061" };

	if (size == 0)
		return 0;
	return fuzz_regs(names[data[0] % CV_LEN(names)], "", data + 1, size - 1);
}
