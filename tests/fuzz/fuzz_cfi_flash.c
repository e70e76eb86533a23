/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the flash; its file keeps its size whatever is written. */
#include <sys/mman.h>
#include <sys/stat.h>

#include "regs_fuzz.h"

#define SIZE (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	char options[64];
	struct stat st;

	if (fd < 0)
		fd = memfd_create("flash", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, 0) == 0 && ftruncate(fd, SIZE) == 0);
	snprintf(options, sizeof(options), "path=/proc/self/fd/%d", fd);
	fuzz_regs("cfi-flash", options, data, size);
	must(fstat(fd, &st) == 0 && st.st_size == SIZE);
	return 0;
}
