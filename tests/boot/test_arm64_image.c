/* SPDX-License-Identifier: BSD-3-Clause */
/* arm64 Images made by hand, plain and packed: placing, the initrd beside them, and everything wrong. */
#include "pack.h"

#include <elf.h>

#include "boot/arm64.h"

#define RAM_GPA	    0x80000000ull
#define RAM_LEN	    (32 * CV_MIB)
#define TEXT_OFFSET 0x10000
#define IMAGE_SIZE  0x300000ull
#define LEN	    20000
#define START	    (RAM_GPA + TEXT_OFFSET)

static const struct cv_boot_arm64_host any = { true, true, true, true };
static const struct cv_boot_arm64_host only_4k = { .page_4k = true };
static struct cv_mem mem;
static struct cv_boot_kernel kernel;
static struct vm_error e;
static struct bytes file;

static void make_image(void)
{
	memset(&file, 0, sizeof(file));
	fill_content(file.b, LEN);
	memset(file.b, 0, 64);
	file.len = LEN;
	put_bytes(&file, 0, "MZ", 2);
	put_le(&file, 8, TEXT_OFFSET, 8);
	put_le(&file, 16, IMAGE_SIZE, 8);
	put_le(&file, 24, 0xa, 8); /* 4 KiB pages, anywhere */
	put_bytes(&file, 0x38, "ARM\x64", 4);
}

static void setup(void)
{
	const struct cv_mem_range range = { RAM_GPA, RAM_LEN };

	ck_assert_msg(cv_mem_init(&mem, &range, 1, &e) == 0, "%s", e.text);
	memset(&e, 0, sizeof(e));
	make_image();
}

static void teardown(void)
{
	cv_mem_fini(&mem);
}

static int load_in(const struct cv_boot_space *space, const struct cv_boot_arm64_host *host,
		   const uint8_t *bytes, size_t len)
{
	struct cv_boot_file f = { .fd = file_of(bytes, len), .name = "Image" };
	int err;

	memset(&e, 0, sizeof(e));
	err = cv_boot_load_arm64(space, &f, host, &kernel, &e);
	close(f.fd);
	return err;
}

static int load_bytes_as(const struct cv_boot_arm64_host *host, const uint8_t *bytes, size_t len)
{
	const struct cv_boot_space space = { &mem, RAM_GPA, RAM_LEN };

	return load_in(&space, host, bytes, len);
}

static int load(void)
{
	return load_bytes_as(&only_4k, file.b, file.len);
}

static void check_content(uint64_t gpa)
{
	uint8_t buf[LEN];

	ck_assert_int_eq(cv_mem_read(&mem, gpa, buf, LEN), 0);
	ck_assert_mem_eq(buf, file.b, LEN);
}

static void check_kernel(void)
{
	check_content(START);
	ck_assert_int_eq(kernel.protocol, CV_BOOT_LINUX);
	ck_assert(kernel.entry_64);
	ck_assert_uint_eq(kernel.entry, START);
	ck_assert_uint_eq(kernel.start, START);
	ck_assert_uint_eq(kernel.end, START + IMAGE_SIZE);
	ck_assert_uint_eq(kernel.initrd_addr_max, RAM_GPA + 32 * CV_GIB - 1);
	ck_assert_uint_eq(kernel.initrd_addr_min, 0);
	ck_assert_uint_eq(kernel.cmdline_max, 2047);
	ck_assert_uint_eq(kernel.header_len, 0);
}

START_TEST(loads)
{
	ck_assert_int_eq(cv_mem_fill(&mem, RAM_GPA, 0xaa, CV_MIB), 0);
	ck_assert_msg(load() == 0, "%s", e.text);
	check_kernel();
	ck_assert(mem_all(&mem, RAM_GPA, TEXT_OFFSET, 0xaa));
	ck_assert(mem_all(&mem, START + LEN, CV_MIB - TEXT_OFFSET - LEN, 0xaa));
}
END_TEST

START_TEST(loads_packed)
{
	uint8_t packed[2 * LEN];
	size_t len = pack((enum packing)_i, packed, sizeof(packed), file.b, LEN);
	struct le32 size = le32(LEN);

	if (!pack_have(_i)) {
		check_sentence(load_bytes_as(&any, packed, len), -ENOSYS, &e,
			       "Image: ", packings[_i].option);
		return;
	}
	ck_assert_msg(load_bytes_as(&only_4k, packed, len) == 0, "%s", e.text);
	check_kernel();
	memcpy(packed + len, &size, sizeof(size));
	ck_assert_msg(load_bytes_as(&only_4k, packed, len + 4) == 0, "%s", e.text);
	check_kernel();
}
END_TEST

/* The lowest multiple of 2 MiB, wherever the space begins. */
START_TEST(place)
{
	static const struct {
		uint64_t skip, offset, start;
	} rows[] = {
		{ 0, 0, RAM_GPA },
		{ 0x1000, 0, RAM_GPA + 0x200000 },
		{ 0x200000, 0, RAM_GPA + 0x200000 },
		{ 0x200001, 0x80000, RAM_GPA + 0x480000 },
		{ 0, 0x1234000, RAM_GPA + 0x1234000 },
	};

	for (size_t i = 0; i < CV_LEN(rows); i++) {
		const struct cv_boot_space space = { &mem, RAM_GPA + rows[i].skip,
						     RAM_LEN - rows[i].skip };

		put_le(&file, 8, rows[i].offset, 8);
		ck_assert_msg(load_in(&space, &any, file.b, LEN) == 0, "%s", e.text);
		ck_assert_uint_eq(kernel.entry, rows[i].start);
		check_content(rows[i].start);
	}
}
END_TEST

/* Before Linux 3.17: no image_size, and text_offset perhaps in the other byte order. */
START_TEST(old)
{
	uint8_t packed[2 * LEN];
	size_t len;

	put_le(&file, 8, 0x0000080000000000, 8);
	put_le(&file, 16, 0, 8);
	put_le(&file, 24, 0, 8);
	ck_assert_msg(load() == 0, "%s", e.text);
	ck_assert_uint_eq(kernel.entry, RAM_GPA + 0x80000);
	ck_assert_uint_eq(kernel.end, RAM_GPA + 0x80000 + LEN + 4 * CV_MIB);
	check_content(kernel.entry);
	if (!pack_have(PACK_GZIP))
		return;
	len = pack(PACK_GZIP, packed, sizeof(packed), file.b, LEN);
	ck_assert_msg(load_bytes_as(&only_4k, packed, len) == 0, "%s", e.text);
	ck_assert_uint_eq(kernel.end, RAM_GPA + 0x80000 + LEN + 4 * CV_MIB);
	check_content(kernel.entry);
}
END_TEST

START_TEST(far_memory)
{
	const struct cv_mem_range range = { 1ull << 40, RAM_LEN };
	const struct cv_boot_space space = { &mem, 1ull << 40, RAM_LEN };

	cv_mem_fini(&mem);
	ck_assert_int_eq(cv_mem_init(&mem, &range, 1, &e), 0);
	ck_assert_msg(load_in(&space, &any, file.b, LEN) == 0, "%s", e.text);
	ck_assert_uint_eq(kernel.entry, (1ull << 40) + TEXT_OFFSET);
	ck_assert_uint_eq(kernel.initrd_addr_max, (1ull << 40) + 32 * CV_GIB - 1);
	ck_assert_uint_eq(kernel.initrd_addr_min, (1ull << 40) + CV_GIB - 32 * CV_GIB);
}
END_TEST

START_TEST(too_far_memory)
{
	const struct cv_mem_range range = { (1ull << 48) - CV_MIB * 2, RAM_LEN };
	const struct cv_boot_space space = { &mem, range.gpa, RAM_LEN };

	cv_mem_fini(&mem);
	ck_assert_int_eq(cv_mem_init(&mem, &range, 1, &e), 0);
	check_sentence(load_in(&space, &any, file.b, LEN), -EINVAL, &e,
		       "Image: ", "past the 48 bits that kernels can address");
	put_le(&file, 16, 2 * CV_MIB - TEXT_OFFSET, 8);
	ck_assert_msg(load_in(&space, &any, file.b, LEN) == 0, "%s", e.text);
}
END_TEST

START_TEST(needs_its_whole_size)
{
	put_le(&file, 16, RAM_LEN - TEXT_OFFSET, 8);
	ck_assert_msg(load() == 0, "%s", e.text);
	put_le(&file, 16, RAM_LEN - TEXT_OFFSET + 1, 8);
	check_sentence(load(), -ENOSPC, &e, "Image: ", "give the VM more memory");
	put_le(&file, 16, LEN, 8);
	ck_assert_msg(load() == 0, "%s", e.text);
	ck_assert_int_eq(cv_mem_fill(&mem, START, 0, LEN), 0);
	put_le(&file, 16, LEN - 1, 8);
	check_sentence(load(), -EINVAL, &e, "Image: ", "is longer than the 19999 bytes");
	ck_assert(mem_all(&mem, RAM_GPA, CV_MIB, 0));
}
END_TEST

/* A few bytes that become many end where the header says so, or the memory. */
START_TEST(more_than_told)
{
	size_t len = 40 * CV_MIB, cap = pack_cap(len);
	uint8_t *bomb = calloc(1, len), *packed = malloc(cap);

	ck_assert(bomb && packed);
	memcpy(bomb, file.b, LEN);
	len = pack((enum packing)_i, packed, cap, bomb, len);
	if (pack_have(_i)) {
		check_sentence(load_bytes_as(&any, packed, len), -EINVAL, &e,
			       "Image: ", "is longer than the 3145728 bytes");
		ck_assert(mem_all(&mem, START + IMAGE_SIZE, RAM_GPA + RAM_LEN - START - IMAGE_SIZE,
				  0));
		memset(bomb + 16, 0, 8);
		len = pack((enum packing)_i, packed, cap, bomb, 40 * CV_MIB);
		check_sentence(load_bytes_as(&any, packed, len), -ENOSPC, &e,
			       "Image: ", "give the VM more memory");
	}
	free(bomb);
	free(packed);
}
END_TEST

static const struct {
	size_t off, len;
	uint64_t val;
	int code;
	const char *words;
} wrong[] = {
	{ 8, 8, 0x10800, -EINVAL, "header is corrupt (size 0x300000, offset 0x10800)" },
	{ 8, 8, UINT64_MAX - 0xfff, -ENOSPC, "give the VM more memory" },
	{ 8, 8, UINT64_MAX - RAM_GPA - 0xfff, -ENOSPC, "give the VM more memory" },
	{ 8, 8, RAM_LEN, -ENOSPC, "give the VM more memory" },
	{ 16, 8, 63, -EINVAL, "header is corrupt" },
	{ 16, 8, UINT64_MAX, -ENOSPC, "give the VM more memory" },
	{ 24, 8, 0xb, -EINVAL, "big-endian kernel" },
	{ 24, 8, 0xc, -EINVAL,
	  "pages of 16 KiB, which the host's processors do not have; use a "
	  "kernel with pages of 4 KiB" },
	{ 24, 8, 0xe, -EINVAL, "pages of 64 KiB" },
	{ 0x38, 4, 0, -EINVAL, "is an EFI program, not a kernel; use an Image for arm64" },
	{ 0x30, 5, 0, 0, "" },
	{ 0x202, 4, 0x53726448, 0, "" }, /* only the Image's magic counts */
};

START_TEST(wrong_fields)
{
	int err;

	put_le(&file, wrong[_i].off, wrong[_i].val, wrong[_i].len);
	err = load();
	if (wrong[_i].code == 0) {
		ck_assert_msg(err == 0, "%s", e.text);
		return;
	}
	check_sentence(err, wrong[_i].code, &e, "Image: ", wrong[_i].words);
	ck_assert(mem_all(&mem, RAM_GPA, RAM_LEN, 0));
}
END_TEST

START_TEST(host_can)
{
	static const uint64_t flags[] = { 0, 2, 4, 6, 8, 9, 0xb, 0xd, 0xf };
	const struct cv_boot_arm64_host only_64k = { .page_64k = true };

	for (size_t i = 0; i < CV_LEN(flags); i++) {
		put_le(&file, 24, flags[i], 8);
		ck_assert_msg(load_bytes_as(&any, file.b, LEN) == 0, "%#llx: %s",
			      (unsigned long long)flags[i], e.text);
	}
	put_le(&file, 24, 2, 8);
	check_sentence(load_bytes_as(&only_64k, file.b, LEN), -EINVAL, &e, "Image: ",
		       "pages of 4 KiB, which the host's processors do not have; use a kernel with "
		       "pages of 64 KiB");
}
END_TEST

static void check_other(const char *magic, size_t off, size_t len, const char *words)
{
	memset(&file, 0, sizeof(file));
	file.len = 4096;
	put_bytes(&file, off, magic, len);
	check_sentence(load(), -EINVAL, &e, "Image: ", words);
}

static void check_elf(uint16_t machine, const char *words)
{
	memset(&file, 0, sizeof(file));
	put_bytes(&file, 0, "\177ELF", 4);
	put_le(&file, 18, machine, 2);
	check_sentence(load(), -EINVAL, &e, "Image: ", words);
}

START_TEST(others)
{
	check_other("HdrS", 0x202, 4, "is a kernel for x86 (bzImage); use an Image for arm64");
	check_other("RISCV", 0x30, 5, "is a kernel for RISC-V; use an Image for arm64");
	check_other("\x18\x28\x6f\x01", 0x24, 4, "is a kernel for 32-bit arm; use an Image");
	check_other("BZh", 0, 3, "unpack it with bunzip2");
	check_other("\xfd\x37zXZ", 0, 6, "unpack it with unxz");
	check_other("\x27\x05\x19\x56", 0, 4, "U-Boot image");
	check_other("QFI\xfb", 0, 4, "qcow2");
	check_other("hello", 0, 5, "is no kernel for arm64 (Image, plain or packed");
	check_elf(EM_X86_64, "is an ELF file for x86; use an Image for arm64");
	check_elf(EM_386, "is an ELF file for x86; use an Image for arm64");
	check_elf(EM_RISCV, "is an ELF file for another machine; use an Image for arm64");
	check_elf(EM_AARCH64, "use the Image that is made from it");
	file.len = 10;
	check_sentence(load(), -EINVAL, &e,
		       "Image: ", "is an ELF file, not a kernel; use an Image");
}
END_TEST

/* What is in a packed file is named as what lies there plainly. */
START_TEST(others_packed)
{
	uint8_t packed[2 * LEN];
	size_t len;

	memset(file.b, 0, 64);
	put_bytes(&file, 0x30, "RISCV", 5);
	len = pack((enum packing)_i, packed, sizeof(packed), file.b, LEN);
	if (pack_have(_i))
		check_sentence(load_bytes_as(&any, packed, len), -EINVAL, &e,
			       "Image: ", "is a kernel for RISC-V; use an Image for arm64");
	ck_assert(mem_all(&mem, RAM_GPA, RAM_LEN, 0));
}
END_TEST

START_TEST(truncated)
{
	uint8_t packed[2 * LEN];
	size_t n;

	for (size_t len = 1; len < 64; len++) {
		ck_assert_int_lt(load_bytes_as(&any, file.b, len), 0);
		ck_assert_msg(strncmp(e.text, "Image: ", 7) == 0, "%s", e.text);
	}
	check_sentence(load_bytes_as(&any, file.b, 63), -ENODATA, &e, "Image: ", "Image header");
	n = pack((enum packing)_i, packed, sizeof(packed), file.b, LEN);
	for (size_t len = 60; len < n && pack_have(_i); len += 491)
		check_sentence(load_bytes_as(&any, packed, len), -ENODATA, &e,
			       "Image: ", "ends in the middle of the packed kernel");
}
END_TEST

/* The EFI stub's headers tell how long the file is, all but the last padding. */
static void put_pe(uint32_t file_off, uint32_t file_len)
{
	put_le(&file, 0x3c, 0x40, 4);
	put_bytes(&file, 0x40, "PE\0\0\x64\xaa", 6);
	put_le(&file, 0x46, 2, 2);
	put_le(&file, 0x54, 0xa0, 2);
	put_le(&file, 0xf8 + 16, 0x1000, 4);
	put_le(&file, 0xf8 + 20, 0x1000, 4);
	put_le(&file, 0x120 + 16, file_len, 4);
	put_le(&file, 0x120 + 20, file_off, 4);
}

START_TEST(truncated_efi)
{
	uint8_t packed[2 * LEN];
	size_t len;

	put_pe(0x2000, LEN - 0x2000);
	ck_assert_msg(load() == 0, "%s", e.text);
	ck_assert_int_eq(cv_mem_fill(&mem, START, 0, LEN), 0);
	check_sentence(load_bytes_as(&any, file.b, LEN - 512), -ENODATA, &e,
		       "Image: ", "ends in the middle of the kernel; copy it again");
	put_pe(UINT32_MAX, UINT32_MAX);
	check_sentence(load(), -ENODATA, &e, "Image: ", "ends in the middle of the kernel");
	ck_assert(mem_all(&mem, RAM_GPA, RAM_LEN, 0));
	len = pack(PACK_LEGACY, packed, sizeof(packed), file.b, LEN);
	if (pack_have(PACK_LEGACY))
		check_sentence(load_bytes_as(&any, packed, len), -ENODATA, &e,
			       "Image: ", "ends in the middle of the kernel");
	put_le(&file, 0x46, UINT16_MAX, 2); /* more than the head has: not looked at */
	ck_assert_msg(load() == 0, "%s", e.text);
	put_le(&file, 0x3c, 0x240 - 10, 4);
	ck_assert_msg(load() == 0, "%s", e.text);
}
END_TEST

/* The packed kernel somewhere in an EFI program. */
static size_t make_zboot(struct bytes *z, enum packing how)
{
	size_t len = pack(how, z->b + 4096, sizeof(z->b) - 4096, file.b, LEN);

	z->len = 4096 + len + 100;
	memset(z->b, 0, 4096);
	memset(z->b + 4096 + len, 0, 100);
	put_bytes(z, 0, "MZ", 2);
	put_bytes(z, 4, "zimg", 4);
	put_le(z, 8, 4096, 4);
	put_le(z, 12, len, 4);
	put_bytes(z, 24, packings[how].name, strlen(packings[how].name));
	put_le(z, 0x38, 0x818223cd, 4);
	return len;
}

START_TEST(zboot)
{
	static struct bytes z;
	size_t len = make_zboot(&z, (enum packing)_i);

	if (!pack_have(_i))
		return;
	ck_assert_msg(load_bytes_as(&only_4k, z.b, z.len) == 0, "%s", e.text);
	check_kernel();
	put_le(&z, 12, len + 100, 4);
	if (_i == PACK_LEGACY) /* which has no end of its own: 0 is a wrong length */
		check_sentence(load_bytes_as(&any, z.b, z.len), -EBADMSG, &e, "Image: ", "corrupt");
	else
		check_sentence(load_bytes_as(&any, z.b, z.len), -EINVAL, &e,
			       "Image: ", "has 100 bytes behind the end of its ");
	put_le(&z, 12, len + 101, 4);
	check_sentence(load_bytes_as(&any, z.b, z.len), -ENODATA, &e,
		       "Image: ", "ends in the middle of the packed kernel");
	put_le(&z, 12, UINT32_MAX, 4);
	check_sentence(load_bytes_as(&any, z.b, z.len), -ENODATA, &e, "Image: ", "ends in the");
	put_le(&z, 12, 0, 4);
	check_sentence(load_bytes_as(&any, z.b, z.len), -EINVAL, &e,
		       "Image: ", "zboot header is corrupt");
	put_le(&z, 12, len, 4);
	put_le(&z, 8, 0, 4);
	check_sentence(load_bytes_as(&any, z.b, z.len), -EINVAL, &e,
		       "Image: ", "zboot header is corrupt");
	put_le(&z, 8, 4096, 4);
	put_bytes(&z, 4096, "\xfd\x37zXZ", 6);
	check_sentence(load_bytes_as(&any, z.b, z.len), -EINVAL, &e,
		       "Image: ", "packed neither with gzip, lz4 nor zstd");
}
END_TEST

static int load_initrd(const struct cv_boot_space *space, struct cv_mem_range *at)
{
	struct cv_boot_file f = { .fd = file_of("initrd!", 7), .name = "initrd" };
	int err = ftruncate(f.fd, 5000);

	err = err ?: cv_boot_load_initrd(space, &f, &kernel, at, &e);
	close(f.fd);
	return err;
}

/* Above 4 GiB too, but within 32 GiB of a multiple of 1 GiB that hold kernel and initrd. */
START_TEST(initrd_window)
{
	const struct cv_mem_range range = { RAM_GPA, 64 * CV_GIB };
	const struct cv_boot_space space = { &mem, RAM_GPA, 64 * CV_GIB };
	struct cv_mem_range at;

	cv_mem_fini(&mem);
	ck_assert_msg(cv_mem_init(&mem, &range, 1, &e) == 0, "%s", e.text);
	ck_assert_msg(load_in(&space, &any, file.b, LEN) == 0, "%s", e.text);
	ck_assert_msg(load_initrd(&space, &at) == 0, "%s", e.text);
	ck_assert_uint_eq(at.gpa, RAM_GPA + 32 * CV_GIB - 8192);
	put_le(&file, 8, 40 * CV_GIB, 8);
	put_le(&file, 16, 24 * CV_GIB, 8); /* up to the end: the initrd goes below */
	ck_assert_msg(load_in(&space, &any, file.b, LEN) == 0, "%s", e.text);
	ck_assert_uint_eq(kernel.initrd_addr_min, RAM_GPA + 32 * CV_GIB);
	ck_assert_msg(load_initrd(&space, &at) == 0, "%s", e.text);
	ck_assert_uint_eq(at.gpa, kernel.start - 8192);
	put_le(&file, 8, 16 * CV_GIB, 8);
	put_le(&file, 16, 48 * CV_GIB, 8); /* longer than a window */
	ck_assert_msg(load_in(&space, &any, file.b, LEN) == 0, "%s", e.text);
	check_sentence(load_initrd(&space, &at), -ENOSPC, &e, "initrd: ", "do not fit beside");
}
END_TEST

START_TEST(bad_space)
{
	struct cv_boot_space space = { &mem, RAM_GPA, RAM_LEN + 1 };

	check_sentence(load_in(&space, &any, file.b, LEN), -EINVAL, &e,
		       "guest memory: ", "not all memory");
	space = (struct cv_boot_space){ &mem, RAM_GPA - 4096, 8192 };
	check_sentence(load_in(&space, &any, file.b, LEN), -EINVAL, &e,
		       "guest memory: ", "not all memory");
	space = (struct cv_boot_space){ &mem, RAM_GPA + 8192, 8192 };
	check_sentence(load_in(&space, &any, file.b, LEN), -ENOSPC, &e, "Image: ", "give the VM");
}
END_TEST

START_TEST(bad_file)
{
	const struct cv_boot_space space = { &mem, RAM_GPA, RAM_LEN };
	const struct cv_boot_file f = { .fd = -1, .name = "Image" };

	check_sentence(cv_boot_load_arm64(&space, &f, &any, &kernel, &e), -EBADF, &e,
		       "Image: ", "the kernel cannot be examined");
	check_sentence(load_bytes_as(&any, file.b, 0), -ENODATA, &e, "Image: ", "is empty");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/arm64_image");
	TCase *t = tcase_create("arm64_image");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, loads);
	tcase_add_loop_test(t, loads_packed, 0, PACKINGS);
	tcase_add_test(t, place);
	tcase_add_test(t, old);
	tcase_add_test(t, far_memory);
	tcase_add_test(t, too_far_memory);
	tcase_add_test(t, needs_its_whole_size);
	tcase_add_loop_test(t, more_than_told, 0, PACKINGS);
	tcase_add_loop_test(t, wrong_fields, 0, (int)CV_LEN(wrong));
	tcase_add_test(t, host_can);
	tcase_add_test(t, others);
	tcase_add_loop_test(t, others_packed, 0, PACKINGS);
	tcase_add_loop_test(t, truncated, 0, PACKINGS);
	tcase_add_test(t, truncated_efi);
	tcase_add_loop_test(t, zboot, 0, PACKINGS);
	tcase_add_test(t, initrd_window);
	tcase_add_test(t, bad_space);
	tcase_add_test(t, bad_file);
	suite_add_tcase(s, t);
	return run_suite(s);
}
