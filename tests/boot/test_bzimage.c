/* SPDX-License-Identifier: BSD-3-Clause */
/* bzImage kernels made by hand: placing, the zero page that follows, and everything wrong. */
#include "boot_test.h"

#define SETUP_SECTS 2
#define CODE_OFF    ((SETUP_SECTS + 1) * 512)
#define CODE_LEN    0x1800
#define PREF	    0x1000000ull
#define INIT_SIZE   0x800000ull

static struct cv_mem mem;
static struct cv_boot_kernel kernel;
static struct vm_error e;
static struct bytes file;

static void make_bzimage(void)
{
	memset(&file, 0, sizeof(file));
	put_bytes(&file, 0, "MZ", 2);
	put_le(&file, 0x1f1, SETUP_SECTS, 1);
	put_le(&file, 0x1f4, CODE_LEN / 16, 4);
	put_le(&file, 0x1fe, 0xaa55, 2);
	put_le(&file, 0x200, 0x6aeb, 2); /* the header ends at 0x26c */
	put_bytes(&file, 0x202, "HdrS", 4);
	put_le(&file, 0x206, 0x20f, 2);
	put_le(&file, 0x211, 1, 1);	     /* LOADED_HIGH */
	put_le(&file, 0x22c, 0x7fffffff, 4); /* initrd_addr_max */
	put_le(&file, 0x230, 0x200000, 4);   /* kernel_alignment */
	put_le(&file, 0x234, 1, 1);	     /* relocatable_kernel */
	put_le(&file, 0x236, 0x3f, 2);	     /* xloadflags */
	put_le(&file, 0x238, 2047, 4);	     /* cmdline_size */
	put_le(&file, 0x248, 0x300, 4);	     /* payload_offset */
	put_le(&file, 0x24c, 0x1000, 4);     /* payload_length */
	put_le(&file, 0x250, 0x1234, 8);     /* setup_data: never passed on */
	put_le(&file, 0x258, PREF, 8);
	put_le(&file, 0x260, INIT_SIZE, 4);
	put_le(&file, 0x264, 0x190, 4);
	for (size_t i = 0; i < CODE_LEN; i++)
		put_le(&file, CODE_OFF + i, i * 5 + 3, 1);
}

static void setup(void)
{
	make_mem(&mem, TEST_RAM);
	memset(&e, 0, sizeof(e));
	make_bzimage();
}

static void teardown(void)
{
	cv_mem_fini(&mem);
}

static int load(enum cv_boot_protocol want)
{
	return load_bytes(&mem, &file, file.len, want, &kernel, &e);
}

static void check_code_at(uint64_t gpa, size_t len)
{
	uint8_t buf[CODE_LEN];

	ck_assert_int_eq(cv_mem_read(&mem, gpa, buf, len), 0);
	ck_assert_mem_eq(buf, file.b + CODE_OFF, len);
}

START_TEST(loads)
{
	ck_assert_int_eq(cv_mem_fill(&mem, PREF, 0xaa, CODE_LEN + 16), 0);
	ck_assert_msg(load(_i ? CV_BOOT_LINUX : CV_BOOT_AUTO) == 0, "%s", e.text);
	check_code_at(PREF, CODE_LEN);
	ck_assert_uint_eq(mem_le(&mem, PREF + CODE_LEN, 1), 0xaa);
	ck_assert_int_eq(kernel.protocol, CV_BOOT_LINUX);
	ck_assert(kernel.entry_64);
	ck_assert_uint_eq(kernel.entry, PREF + 0x200);
	ck_assert_uint_eq(kernel.start, PREF);
	ck_assert_uint_eq(kernel.end, PREF + INIT_SIZE);
	ck_assert_uint_eq(kernel.initrd_addr_max, 0x7fffffff);
	ck_assert_uint_eq(kernel.cmdline_max, 2047);
	ck_assert_uint_eq(kernel.header_len, 0x26c - 0x1f1);
	ck_assert_mem_eq(kernel.header, file.b + 0x1f1, kernel.header_len);
}
END_TEST

/* 0 setup sectors mean 4, a signature may follow the code, and so may fewer than 16 bytes lack. */
START_TEST(odd_lengths)
{
	put_le(&file, 0x1f1, 0, 1);
	memmove(file.b + 5 * 512, file.b + CODE_OFF, CODE_LEN);
	file.len = 5 * 512 + CODE_LEN + 700;
	ck_assert_msg(load(CV_BOOT_AUTO) == 0, "%s", e.text);
	ck_assert_uint_eq(mem_le(&mem, PREF, 4), 0x120d0803);
	ck_assert_uint_eq(mem_le(&mem, PREF + CODE_LEN, 8), 0);
	make_bzimage();
	file.len -= 15;
	ck_assert_msg(load(CV_BOOT_AUTO) == 0, "%s", e.text);
	check_code_at(PREF, CODE_LEN - 15);
	file.len--;
	check_sentence(load(CV_BOOT_AUTO), -ENODATA, &e, "kernel: ", "middle of the kernel");
}
END_TEST

START_TEST(moves_out_of_reserved_memory)
{
	put_le(&file, 0x258, 0x80000, 8);
	ck_assert_msg(load(CV_BOOT_AUTO) == 0, "%s", e.text);
	ck_assert_uint_eq(kernel.start, 0x200000);
	check_code_at(0x200000, CODE_LEN);
	put_le(&file, 0x234, 0, 1);
	check_sentence(load(CV_BOOT_AUTO), -EINVAL, &e, "kernel: ", "use a relocatable");
	put_le(&file, 0x258, 0x100000, 8); /* exactly where it wants to be */
	ck_assert_msg(load(CV_BOOT_AUTO) == 0, "%s", e.text);
	ck_assert_uint_eq(kernel.start, 0x100000);
}
END_TEST

START_TEST(needs_room_to_unpack)
{
	put_le(&file, 0x260, TEST_RAM - PREF, 4);
	ck_assert_msg(load(CV_BOOT_AUTO) == 0, "%s", e.text);
	put_le(&file, 0x260, TEST_RAM - PREF + 1, 4);
	check_sentence(
		load(CV_BOOT_AUTO), -ENOSPC, &e, "kernel: ",
		"needs memory up to 65 MiB to unpack itself, there are 64; give the VM more");
}
END_TEST

START_TEST(pvh_refused)
{
	check_sentence(load(CV_BOOT_PVH), -EINVAL, &e, "kernel: ", "use the vmlinux in it");
}
END_TEST

static const struct {
	size_t off, len;
	uint64_t val;
	int code;
	const char *words;
} wrong[] = {
	{ 0x1f1, 1, 255, -ENODATA, "middle of the real-mode code" },
	{ 0x1f4, 4, 0, -EINVAL, "gives no code" },
	{ 0x1f4, 4, 0x20, -EINVAL, "gives no code" },
	{ 0x1f4, 4, CODE_LEN / 16 + 1, -ENODATA, "middle of the kernel" },
	{ 0x1f4, 4, 0xffffffff, -ENODATA, "middle of the kernel" },
	{ 0x1fe, 2, 0, -EINVAL, "boot flag is missing" },
	{ 0x202, 1, 'h', -EINVAL, "EFI program" },
	{ 0x206, 2, 0x205, -EINVAL, "boot protocol 2.05, older than 2.06" },
	{ 0x206, 2, 0x20b, -EINVAL, "no 64-bit entry (boot protocol 2.11)" },
	{ 0x211, 1, 0, -EINVAL, "is a zImage" },
	{ 0x236, 2, 0x3e, -EINVAL, "no 64-bit entry" },
	{ 0x230, 4, 0, -EINVAL, "setup header is corrupt" },
	{ 0x230, 4, 0x300000, -EINVAL, "setup header is corrupt" },
	{ 0x230, 4, 0x80000000, -EINVAL, "setup header is corrupt" },
	{ 0x230, 4, 0x40000000, -ENOSPC, "give the VM more memory" },
	{ 0x248, 4, 0xffffffff, -EINVAL, "lies outside the file" },
	{ 0x24c, 4, 0x1501, -EINVAL, "lies outside the file" },
	{ 0x258, 8, UINT64_MAX, -EINVAL, "setup header is corrupt" },
	{ 0x258, 8, PREF + 8, -EINVAL, "setup header is corrupt" },
	{ 0x258, 8, 0xfff00000, -ENOSPC, "give the VM more memory" },
	{ 0x260, 4, CODE_LEN - 1, -EINVAL, "setup header is corrupt" },
	{ 0x260, 4, 0xffffffff, -ENOSPC, "give the VM more memory" },
};

START_TEST(wrong_fields)
{
	put_le(&file, wrong[_i].off, wrong[_i].val, wrong[_i].len);
	check_sentence(load(CV_BOOT_AUTO), wrong[_i].code, &e, "kernel: ", wrong[_i].words);
	ck_assert(mem_all(&mem, PREF, CODE_LEN, 0));
}
END_TEST

START_TEST(truncated)
{
	for (size_t len = 1; len < file.len - 15; len += len < 0x300 ? 1 : 37) {
		memset(&e, 0, sizeof(e));
		ck_assert_int_lt(load_bytes(&mem, &file, len, CV_BOOT_AUTO, &kernel, &e), 0);
		ck_assert_msg(strncmp(e.text, "kernel: ", 8) == 0, "%zu: %s", len, e.text);
		if (len >= 0x206)
			ck_assert_msg(strstr(e.text, "ends in the middle"), "%zu: %s", len, e.text);
	}
	ck_assert(mem_all(&mem, PREF, CODE_LEN, 0));
}
END_TEST

START_TEST(flipped_bytes)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };

	for (size_t off = 0x1f0; off < 0x270; off++) {
		make_bzimage();
		file.b[off] ^= flips[_i];
		memset(&e, 0, sizeof(e));
		if (load(CV_BOOT_AUTO) < 0)
			ck_assert_msg(strchr(e.text, ':'), "%zu: no sentence", off);
		else
			ck_assert(kernel.entry >= kernel.start && kernel.end <= TEST_RAM);
	}
	ck_assert(mem_all(&mem, 0, TEST_FLOOR, 0));
}
END_TEST

/* The kernel's own header comes back in the zero page, with the loader's fields changed. */
START_TEST(zero_page)
{
	const struct cv_boot_range ranges[] = {
		{ 0, 0x9fc00, CV_BOOT_RAM }, { TEST_FLOOR, TEST_RAM - TEST_FLOOR, CV_BOOT_RAM }
	};
	struct cv_boot_params p = { .kernel = &kernel,
				    .area = { 0x7000, 0x1000 },
				    .cmdline_area = { 0x20000, 0x1000 },
				    .cmdline = "console=ttyS0",
				    .initrd = { 0x3000000, 0x1234 },
				    .ranges = ranges,
				    .n_ranges = 2,
				    .rsdp = 0xe0000 };

	ck_assert_int_eq(load(CV_BOOT_AUTO), 0);
	ck_assert_int_eq(cv_mem_fill(&mem, 0x7000, 0xff, 0x1000), 0);
	ck_assert_msg(cv_boot_write_linux(&mem, &p, &e) == 0, "%s", e.text);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x202, 4), 0x53726448);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x206, 2), 0x20f);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x210, 1), 0xff);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x214, 4), PREF);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x218, 4), 0x3000000);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x21c, 4), 0x1234);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x228, 4), 0x20000);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x250, 8), 0);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x258, 8), PREF);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x260, 4), INIT_SIZE);
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x070, 8), 0xe0000);
	ck_assert(mem_all(&mem, 0x7000 + 0x26c, 0x2d0 - 0x26c, 0));
	ck_assert_uint_eq(mem_le(&mem, 0x7000 + 0x1ef, 1), 0); /* sentinel */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/bzimage");
	TCase *t = tcase_create("bzimage");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, loads, 0, 2);
	tcase_add_test(t, odd_lengths);
	tcase_add_test(t, moves_out_of_reserved_memory);
	tcase_add_test(t, needs_room_to_unpack);
	tcase_add_test(t, pvh_refused);
	tcase_add_loop_test(t, wrong_fields, 0, (int)CV_LEN(wrong));
	tcase_add_test(t, truncated);
	tcase_add_loop_test(t, flipped_bytes, 0, 3);
	tcase_add_test(t, zero_page);
	suite_add_tcase(s, t);
	return run_suite(s);
}
