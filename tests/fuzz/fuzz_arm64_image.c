/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arm64 kernel loader: the first byte tells what the host can run, where memory
 * begins, and whether the Image's magic is given; the rest is the file, plain or packed.
 */
#include <string.h>

#include "boot/arm64.h"
#include "boot_fuzz.h"

#define RAM_GPA	     0x80000000ull
#define GIVE_MAGIC   0x10
#define UNALIGNED    0x20
#define MAX_FILE_LEN 65536

static void check_kernel(const struct cv_boot_space *space, const struct cv_boot_kernel *kernel)
{
	uint64_t len = kernel->end - kernel->start;

	must(kernel->protocol == CV_BOOT_LINUX && kernel->entry_64);
	must(kernel->entry == kernel->start && len > 0);
	must(kernel->start >= space->gpa &&
	     cv_in_range(kernel->start - space->gpa, len, space->len));
}

static void try_initrd(const struct cv_boot_space *space, const struct cv_boot_file *file,
		       const struct cv_boot_kernel *kernel)
{
	struct cv_mem_range at;

	if (cv_boot_load_initrd(space, file, kernel, &at, NULL))
		return;
	must(at.gpa >= space->gpa && cv_in_range(at.gpa - space->gpa, at.len, space->len));
	must(!cv_ranges_overlap(at.gpa, at.len, kernel->start, kernel->end - kernel->start));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cv_mem mem;
	static struct cv_boot_file file = { .name = "fuzz" };
	static uint8_t buf[MAX_FILE_LEN];
	const struct cv_mem_range ram = { RAM_GPA, FUZZ_RAM };
	struct cv_boot_space space = { &mem, RAM_GPA, FUZZ_RAM };
	struct cv_boot_arm64_host host;
	struct cv_boot_kernel kernel;
	struct vm_error e = { 0 };
	int err;

	if (size < 2 || size > sizeof(buf))
		return 0;
	if (mem.n_regions == 0) {
		file.fd = memfd_create("fuzz", MFD_CLOEXEC);
		must(file.fd >= 0 && cv_mem_init(&mem, &ram, 1, NULL) == 0);
	}
	host = (struct cv_boot_arm64_host){ data[0] & 1, data[0] & 2, data[0] & 4, data[0] & 8 };
	space.gpa += data[0] & UNALIGNED ? 4096 : 0;
	space.len -= data[0] & UNALIGNED ? 8192 : 0;
	memcpy(buf, data + 1, size - 1);
	if (data[0] & GIVE_MAGIC && size > 64)
		memcpy(buf + 0x38, "ARM\x64", 4);
	must(ftruncate(file.fd, 0) == 0 &&
	     pwrite(file.fd, buf, size - 1, 0) == (ssize_t)(size - 1));
	err = cv_boot_load_arm64(&space, &file, &host, &kernel, &e);
	must(err == 0 || (err == -e.code && e.text[0] != '\0'));
	if (err == 0) {
		check_kernel(&space, &kernel);
		try_initrd(&space, &file, &kernel);
	}
	return 0;
}
