/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads the input as a kernel by every protocol and tells it its parameters. */
#ifndef CV_TESTS_BOOT_FUZZ_H
#define CV_TESTS_BOOT_FUZZ_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/math.h"
#include "boot/boot.h"

#define FUZZ_RAM   (32 * CV_MIB)
#define FUZZ_FLOOR CV_MIB

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool ok)
{
	if (!ok)
		abort();
}

static inline void fuzz_params(const struct cv_mem *mem, const struct cv_boot_kernel *kernel)
{
	const struct cv_boot_range range = { 0, FUZZ_RAM, CV_BOOT_RAM };
	struct cv_boot_params p = { .kernel = kernel,
				    .area = { 0x7000, 0x1000 },
				    .cmdline_area = { 0x20000, 0x1000 },
				    .cmdline = "",
				    .ranges = &range,
				    .n_ranges = 1 };

	must(kernel->entry >= kernel->start && kernel->entry < kernel->end);
	must(kernel->start >= FUZZ_FLOOR && kernel->end <= FUZZ_RAM);
	if (kernel->protocol == CV_BOOT_PVH)
		must(cv_boot_write_pvh(mem, &p, NULL) == 0);
	else
		must(cv_boot_write_linux(mem, &p, NULL) == 0);
}

/* The initrd is the input again; where it goes, no kernel is. */
static inline void fuzz_initrd(const struct cv_boot_space *space, const struct cv_boot_file *file,
			       const struct cv_boot_kernel *kernel)
{
	struct cv_mem_range at;

	if (cv_boot_load_initrd(space, file, kernel, &at, NULL))
		return;
	must(at.gpa >= FUZZ_FLOOR && cv_in_range(at.gpa, at.len, FUZZ_RAM));
	must(!cv_ranges_overlap(at.gpa, at.len, kernel->start, kernel->end - kernel->start));
}

static inline int fuzz_kernel(const uint8_t *data, size_t size)
{
	static struct cv_mem mem;
	static struct cv_boot_file file = { .name = "fuzz" };
	const struct cv_mem_range ram = { 0, FUZZ_RAM };
	struct cv_boot_space space = { &mem, FUZZ_FLOOR, FUZZ_RAM - FUZZ_FLOOR };

	if (mem.n_regions == 0) {
		file.fd = memfd_create("fuzz", MFD_CLOEXEC);
		must(file.fd >= 0 && cv_mem_init(&mem, &ram, 1, NULL) == 0);
	}
	must(ftruncate(file.fd, 0) == 0 && pwrite(file.fd, data, size, 0) == (ssize_t)size);
	for (int want = CV_BOOT_AUTO; want <= CV_BOOT_PVH; want++) {
		struct vm_error e = { 0 };
		struct cv_boot_kernel kernel;
		int err = cv_boot_load_kernel(&space, &file, (enum cv_boot_protocol)want, &kernel,
					      &e);

		must(err == 0 || (err == -e.code && e.text[0] != '\0'));
		if (err)
			continue;
		fuzz_params(&mem, &kernel);
		fuzz_initrd(&space, &file, &kernel);
	}
	return 0;
}

#endif
