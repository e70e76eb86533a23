/* SPDX-License-Identifier: BSD-3-Clause */
/* What a kernel is told: zero page, PVH start info, command line, memory map, initrd. */
#include "boot_test.h"

#define AREA	0x7000ull
#define CMDLINE 0x20000ull

static struct cv_mem mem;
static struct vm_error e;
static struct cv_boot_kernel kernel;
static struct cv_boot_params params;

static const struct cv_boot_range map[] = {
	{ 0, 0x9fc00, CV_BOOT_RAM },
	{ 0xe0000, 0x20000, CV_BOOT_RESERVED },
	{ TEST_FLOOR, TEST_RAM - TEST_FLOOR, CV_BOOT_RAM },
	{ 1ull << 32, 1ull << 40, CV_BOOT_ACPI },
};

static void setup(void)
{
	make_mem(&mem, TEST_RAM);
	memset(&e, 0, sizeof(e));
	kernel = (struct cv_boot_kernel){ .protocol = CV_BOOT_LINUX,
					  .entry_64 = true,
					  .start = 0x1000000,
					  .end = 0x1800000,
					  .initrd_addr_max = 0x7fffffff,
					  .cmdline_max = 31 };
	params = (struct cv_boot_params){ .kernel = &kernel,
					  .area = { AREA, 0x1000 },
					  .cmdline_area = { CMDLINE, 0x1000 },
					  .cmdline = "console=ttyS0 panic=-1",
					  .ranges = map,
					  .n_ranges = CV_LEN(map),
					  .rsdp = 0xe0040 };
}

static void teardown(void)
{
	cv_mem_fini(&mem);
}

static int write_params(void)
{
	return kernel.protocol == CV_BOOT_PVH ? cv_boot_write_pvh(&mem, &params, &e)
					      : cv_boot_write_linux(&mem, &params, &e);
}

static void check_cmdline(void)
{
	char buf[64];

	ck_assert_int_eq(cv_mem_read(&mem, CMDLINE, buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, params.cmdline);
}

START_TEST(linux_elf)
{
	ck_assert_int_eq(cv_mem_fill(&mem, AREA, 0xff, 0x1000), 0);
	ck_assert_msg(write_params() == 0, "%s", e.text);
	check_cmdline();
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x1e8, 1), CV_LEN(map));
	for (size_t i = 0; i < CV_LEN(map); i++) {
		ck_assert_uint_eq(mem_le(&mem, AREA + 0x2d0 + i * 20, 8), map[i].gpa);
		ck_assert_uint_eq(mem_le(&mem, AREA + 0x2d8 + i * 20, 8), map[i].len);
		ck_assert_uint_eq(mem_le(&mem, AREA + 0x2e0 + i * 20, 4), map[i].type);
	}
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x1fe, 2), 0xaa55);
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x202, 4), 0x53726448);
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x210, 1), 0xff);
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x218, 8), 0); /* no initrd */
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x228, 4), CMDLINE);
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x230, 4), 0x1000000);
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x238, 4), 31);
	ck_assert_uint_eq(mem_le(&mem, AREA + 0x070, 8), 0xe0040);
	ck_assert(mem_all(&mem, AREA, 0x70, 0));
	ck_assert(mem_all(&mem, AREA + 0x2d0 + 20 * CV_LEN(map), 0x1000 - 0x2d0 - 80, 0));
}
END_TEST

START_TEST(pvh)
{
	kernel.protocol = CV_BOOT_PVH;
	params.initrd = (struct cv_mem_range){ 0x2000000, 0x1234 };
	ck_assert_msg(write_params() == 0, "%s", e.text);
	check_cmdline();
	ck_assert_uint_eq(mem_le(&mem, AREA, 4), 0x336ec578);
	ck_assert_uint_eq(mem_le(&mem, AREA + 4, 4), 1);
	ck_assert_uint_eq(mem_le(&mem, AREA + 12, 4), 1);
	ck_assert_uint_eq(mem_le(&mem, AREA + 16, 8), AREA + 56);
	ck_assert_uint_eq(mem_le(&mem, AREA + 24, 8), CMDLINE);
	ck_assert_uint_eq(mem_le(&mem, AREA + 32, 8), 0xe0040);
	ck_assert_uint_eq(mem_le(&mem, AREA + 40, 8), AREA + 88);
	ck_assert_uint_eq(mem_le(&mem, AREA + 48, 4), CV_LEN(map));
	ck_assert_uint_eq(mem_le(&mem, AREA + 56, 8), 0x2000000);
	ck_assert_uint_eq(mem_le(&mem, AREA + 64, 8), 0x1234);
	for (size_t i = 0; i < CV_LEN(map); i++) {
		ck_assert_uint_eq(mem_le(&mem, AREA + 88 + i * 24, 8), map[i].gpa);
		ck_assert_uint_eq(mem_le(&mem, AREA + 96 + i * 24, 8), map[i].len);
		ck_assert_uint_eq(mem_le(&mem, AREA + 104 + i * 24, 4), map[i].type);
	}
}
END_TEST

START_TEST(pvh_without_initrd)
{
	kernel.protocol = CV_BOOT_PVH;
	ck_assert_int_eq(write_params(), 0);
	ck_assert_uint_eq(mem_le(&mem, AREA + 12, 4), 0);
	ck_assert_uint_eq(mem_le(&mem, AREA + 16, 8), 0);
}
END_TEST

/* Both protocols refuse the same, each in a run of its own. */
START_TEST(refused)
{
	static struct cv_boot_range ranges[CV_BOOT_RANGES_MAX + 1];

	kernel.protocol = _i ? CV_BOOT_PVH : CV_BOOT_LINUX;
	params.cmdline = "0123456789abcdef0123456789abcdef";
	check_sentence(write_params(), -ENOSPC, &e, "kernel command line: ", "the kernel takes 31");
	params.cmdline = "0123456789abcdef0123456789abcde";
	ck_assert_int_eq(write_params(), 0);
	params.cmdline_area.len = 31;
	check_sentence(write_params(), -ENOSPC, &e, "kernel command line: ", "31 have room");
	params.cmdline_area = (struct cv_mem_range){ TEST_RAM, 100 };
	check_sentence(write_params(), -EFAULT, &e, "kernel command line: ", "no memory at");
	params.cmdline_area = (struct cv_mem_range){ CMDLINE, 0x1000 };
	params.area.gpa = TEST_RAM - 8;
	check_sentence(write_params(), -EFAULT, &e,
		       _i ? "PVH start info: " : "zero page: ", "no memory at");
	params.area = (struct cv_mem_range){ AREA, 100 };
	check_sentence(write_params(), -ENOSPC, &e, _i ? "PVH start info: " : "zero page: ", "100");
	params.area.len = 0x1000;
	for (unsigned int i = 0; i < CV_LEN(ranges); i++)
		ranges[i] = (struct cv_boot_range){ i * 0x1000, 0x1000, CV_BOOT_RAM };
	params.ranges = ranges;
	params.n_ranges = CV_BOOT_RANGES_MAX;
	ck_assert_int_eq(write_params(), 0);
	params.n_ranges++;
	check_sentence(write_params(), -EINVAL, &e, "memory map: ", "129 ranges");
	params.n_ranges = 0;
	check_sentence(write_params(), -EINVAL, &e, "memory map: ", "0 ranges");
	params.n_ranges = 2;
	ranges[1].gpa = 0xfff;
	check_sentence(write_params(), -EINVAL, &e, "memory map: ", "range 1");
	ranges[1] = (struct cv_boot_range){ 0x2000, UINT64_MAX, CV_BOOT_RAM };
	check_sentence(write_params(), -EINVAL, &e, "memory map: ", "range 1");
}
END_TEST

static int load_initrd(uint64_t len, struct cv_mem_range *at)
{
	struct cv_boot_space space = space_of(&mem);
	struct cv_boot_file f = { .fd = file_of("initrd!", 7), .name = "initrd" };
	int err;

	ck_assert_int_eq(ftruncate(f.fd, (off_t)len), 0);
	err = cv_boot_load_initrd(&space, &f, &kernel, at, &e);
	close(f.fd);
	return err;
}

START_TEST(initrd_high)
{
	struct cv_mem_range at;
	char buf[7];

	ck_assert_msg(load_initrd(5000, &at) == 0, "%s", e.text);
	ck_assert_uint_eq(at.gpa, TEST_RAM - 8192);
	ck_assert_uint_eq(at.len, 5000);
	ck_assert_int_eq(cv_mem_read(&mem, at.gpa, buf, sizeof(buf)), 0);
	ck_assert_mem_eq(buf, "initrd!", sizeof(buf));
	kernel.initrd_addr_max = 0x2ffffff;
	ck_assert_int_eq(load_initrd(4096, &at), 0);
	ck_assert_uint_eq(at.gpa, 0x2fff000);
	kernel.initrd_addr_max = 0x2fffffe;
	ck_assert_int_eq(load_initrd(4096, &at), 0);
	ck_assert_uint_eq(at.gpa, 0x2ffe000);
}
END_TEST

/* Up to the kernel's very end, then below it, then not at all. */
START_TEST(initrd_tight)
{
	struct cv_mem_range at;

	ck_assert_msg(load_initrd(TEST_RAM - kernel.end, &at) == 0, "%s", e.text);
	ck_assert_uint_eq(at.gpa, kernel.end);
	check_sentence(load_initrd(TEST_RAM - kernel.end + 1, &at), -ENOSPC, &e,
		       "initrd: ", "do not fit beside the kernel below 0x4000000");
	kernel.end = TEST_RAM - 1;
	ck_assert_int_eq(load_initrd(4096, &at), 0);
	ck_assert_uint_eq(at.gpa, kernel.start - 4096);
	ck_assert_int_eq(load_initrd(kernel.start - TEST_FLOOR, &at), 0);
	ck_assert_uint_eq(at.gpa, TEST_FLOOR);
	check_sentence(load_initrd(kernel.start - TEST_FLOOR + 1, &at), -ENOSPC, &e,
		       "initrd: ", "give the VM more memory");
	check_sentence(load_initrd(1ull << 40, &at), -ENOSPC, &e, "initrd: ", "do not fit");
	kernel.initrd_addr_max = 0xfffff;
	check_sentence(load_initrd(1, &at), -ENOSPC, &e, "initrd: ", "below 0x100000");
}
END_TEST

START_TEST(initrd_bad_files)
{
	struct cv_boot_space space = space_of(&mem);
	struct cv_boot_file f = { .fd = -1, .name = "initrd.img" };
	struct cv_mem_range at;

	check_sentence(load_initrd(0, &at), -ENODATA, &e, "initrd: ", "the initrd is empty");
	check_sentence(cv_boot_load_initrd(&space, &f, &kernel, &at, &e), -EBADF, &e,
		       "initrd.img: ", "the initrd cannot be examined");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/params");
	TCase *t = tcase_create("params");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, linux_elf);
	tcase_add_test(t, pvh);
	tcase_add_test(t, pvh_without_initrd);
	tcase_add_loop_test(t, refused, 0, 2);
	tcase_add_test(t, initrd_high);
	tcase_add_test(t, initrd_tight);
	tcase_add_test(t, initrd_bad_files);
	suite_add_tcase(s, t);
	return run_suite(s);
}
