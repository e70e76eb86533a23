/* SPDX-License-Identifier: BSD-3-Clause */
/* SMBIOS walked as a guest walks it: every structure, its strings, and the end. */
#include "boot_test.h"

#include "boot/smbios.h"

#define AREA 0xf0000ull

static struct cv_mem mem;
static struct vm_error e;
static struct cv_mem_range area;
static struct cv_smbios_config config;

static const uint8_t uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
				  0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
static struct cv_mem_range ram[2];

static void setup(void)
{
	make_mem(&mem, 2 * CV_MIB);
	memset(&e, 0, sizeof(e));
	ram[0] = (struct cv_mem_range){ 0, 0xd0000000 };
	ram[1] = (struct cv_mem_range){ 1ull << 32, 5ull << 42 };
	config = (struct cv_smbios_config){ .manufacturer = "Maker",
					    .product = "crosvm",
					    .serial = "S 1",
					    .uuid = uuid,
					    .n_cpus = 300,
					    .ram = ram,
					    .n_ram = 2 };
	area = (struct cv_mem_range){ AREA, 0x800 };
}

static void teardown(void)
{
	cv_mem_fini(&mem);
}

static int write_smbios(void)
{
	return cv_smbios_write(&mem, &config, &area, &e);
}

/* A string of a structure, by its number. */
static const char *string_of(uint64_t at, unsigned int number)
{
	static char text[128];

	at += mem_le(&mem, at + 1, 1);
	ck_assert_uint_ne(number, 0);
	while (--number > 0)
		while (mem_le(&mem, at++, 1) != 0)
			;
	ck_assert_int_eq(cv_mem_read(&mem, at, text, sizeof(text) - 1), 0);
	return text;
}

/* The structure behind the one at @at. */
static uint64_t next(uint64_t at)
{
	at += mem_le(&mem, at + 1, 1);
	while (mem_le(&mem, at, 2) != 0)
		at++;
	return at + 2;
}

/* The @n-th structure of a type; the whole table is walked to its end. */
static uint64_t find(unsigned int type, unsigned int n)
{
	uint64_t at = mem_le(&mem, AREA + 16, 8), end = at + mem_le(&mem, AREA + 12, 4), found = 0;

	for (; at < end; at = next(at)) {
		if (mem_le(&mem, at, 1) == type && n-- == 0)
			found = at;
		if (mem_le(&mem, at, 1) == 127)
			ck_assert_uint_eq(next(at), end);
	}
	ck_assert_uint_eq(at, end);
	return found;
}

START_TEST(entry_point)
{
	char anchor[5];

	ck_assert_msg(write_smbios() == 0, "%s", e.text);
	ck_assert_int_eq(cv_mem_read(&mem, AREA, anchor, 5), 0);
	ck_assert_mem_eq(anchor, "_SM3_", 5);
	ck_assert_uint_eq(mem_le(&mem, AREA + 6, 1), 24);
	ck_assert_uint_eq(mem_le(&mem, AREA + 7, 2), 0x0203);
	ck_assert_uint_eq(mem_le(&mem, AREA + 10, 1), 1);
	ck_assert_uint_eq(mem_le(&mem, AREA + 16, 8), AREA + 32);
	ck_assert(mem_sums_to_zero(&mem, AREA, 24));
	ck_assert_uint_ne(find(127, 0), 0);
	ck_assert_uint_eq(find(127, 1), 0);
}
END_TEST

START_TEST(identity)
{
	uint64_t bios, sys;

	ck_assert_int_eq(write_smbios(), 0);
	bios = find(0, 0);
	ck_assert_str_eq(string_of(bios, (unsigned int)mem_le(&mem, bios + 4, 1)), "crosvm");
	ck_assert_uint_eq(mem_le(&mem, bios + 10, 8), 1 << 7);
	ck_assert_uint_eq(mem_le(&mem, bios + 19, 1), 1 << 4);
	sys = find(1, 0);
	ck_assert_str_eq(string_of(sys, (unsigned int)mem_le(&mem, sys + 4, 1)), "Maker");
	ck_assert_str_eq(string_of(sys, (unsigned int)mem_le(&mem, sys + 5, 1)), "crosvm");
	ck_assert_uint_eq(mem_le(&mem, sys + 6, 1), 0); /* no version */
	ck_assert_str_eq(string_of(sys, (unsigned int)mem_le(&mem, sys + 7, 1)), "S 1");
	ck_assert_uint_eq(mem_le(&mem, sys + 8, 8), 0x6677445500112233);
	ck_assert_uint_eq(mem_le(&mem, sys + 16, 8), 0xffeeddccbbaa9988);
}
END_TEST

START_TEST(processor_and_memory)
{
	uint64_t at;

	ck_assert_int_eq(write_smbios(), 0);
	at = find(4, 0);
	ck_assert_uint_eq(mem_le(&mem, at + 35, 1), 255);
	ck_assert_uint_eq(mem_le(&mem, at + 42, 2), 300);
	at = find(16, 0);
	ck_assert_uint_eq(mem_le(&mem, at + 7, 4), 0x80000000);
	ck_assert_uint_eq(mem_le(&mem, at + 15, 8), 0xd0000000 + (5ull << 42));
	at = find(17, 0);
	ck_assert_uint_eq(mem_le(&mem, at + 12, 2), 0x7fff);
	ck_assert_uint_eq(mem_le(&mem, at + 28, 4), 0xd00 + (5 << 22));
	at = find(19, 0);
	ck_assert_uint_eq(mem_le(&mem, at + 4, 8), 0x33fffful << 32);
	at = find(19, 1);
	ck_assert_uint_eq(mem_le(&mem, at + 4, 8), UINT64_MAX);
	ck_assert_uint_eq(mem_le(&mem, at + 15, 8), 1ull << 32);
	ck_assert_uint_eq(mem_le(&mem, at + 23, 8), (1ull << 32) + (5ull << 42) - 1);
}
END_TEST

START_TEST(small_machine)
{
	uint64_t at;

	ram[0].len = 256 * CV_MIB;
	config = (struct cv_smbios_config){ .n_cpus = 1, .ram = ram, .n_ram = 1 };
	ck_assert_int_eq(write_smbios(), 0);
	at = find(1, 0);
	ck_assert_uint_eq(mem_le(&mem, at + 4, 4), 0);
	ck_assert(mem_all(&mem, at + 8, 16, 0));
	at = find(17, 0);
	ck_assert_uint_eq(mem_le(&mem, at + 12, 2), 256);
	ck_assert_uint_eq(mem_le(&mem, find(16, 0) + 7, 4), 256 * 1024);
	ck_assert_uint_ne(find(32, 0), 0);
}
END_TEST

START_TEST(refused)
{
	char long_name[66];

	memset(long_name, 'x', 65);
	long_name[65] = '\0';
	config.product = long_name;
	check_sentence(write_smbios(), -EINVAL, &e, "SMBIOS: ", "the product has 65 characters");
	config.product = long_name + 1;
	ck_assert_int_eq(write_smbios(), 0);
	config.product = "a\xc3";
	check_sentence(write_smbios(), -EINVAL, &e, "SMBIOS: ", "character 2 of the product");
	config.product = NULL;
	config.n_cpus = 0;
	check_sentence(write_smbios(), -EINVAL, &e, "SMBIOS: ", "0 CPUs");
	config.n_cpus = 1;
	config.n_ram = 17;
	check_sentence(write_smbios(), -EINVAL, &e, "SMBIOS: ", "17 ranges");
	config.n_ram = 1;
	area.gpa++;
	check_sentence(write_smbios(), -EINVAL, &e, "SMBIOS: ", "multiple of 16");
}
END_TEST

START_TEST(every_area_length)
{
	for (area.len = 1; area.len < 300; area.len += 3)
		check_sentence(write_smbios(), -ENOSPC, &e, "SMBIOS: ", "too few");
	ck_assert(mem_all(&mem, AREA, 0x1000, 0));
}
END_TEST

START_TEST(packed_for_firmware)
{
	struct cv_fw_files files = { 0 };
	const uint8_t *anchor, *tables;
	uint8_t direct[0x800];
	size_t len;

	ck_assert_int_eq(write_smbios(), 0);
	ck_assert_int_eq(cv_mem_read(&mem, AREA, direct, sizeof(direct)), 0);
	ck_assert_msg(cv_smbios_pack(&config, &files, &e) == 0, "%s", e.text);
	anchor = cv_fw_find_file(&files, "etc/smbios/smbios-anchor", &len);
	ck_assert_uint_eq(len, 24);
	ck_assert_mem_eq(anchor, "_SM3_", 5);
	ck_assert_mem_eq(anchor + 6, direct + 6, 10);
	ck_assert_mem_eq(anchor + 16, "\0\0\0\0\0\0\0\0", 8); /* the address */
	tables = cv_fw_find_file(&files, "etc/smbios/smbios-tables", &len);
	ck_assert_uint_eq(len, mem_le(&mem, AREA + 12, 4));
	ck_assert_mem_eq(tables, direct + 32, len);
	cv_fw_files_fini(&files);
	config.n_cpus = 0;
	check_sentence(cv_smbios_pack(&config, &files, &e), -EINVAL, &e, "SMBIOS: ", "0 CPUs");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/smbios");
	TCase *t = tcase_create("smbios");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, entry_point);
	tcase_add_test(t, identity);
	tcase_add_test(t, processor_and_memory);
	tcase_add_test(t, small_machine);
	tcase_add_test(t, refused);
	tcase_add_test(t, every_area_length);
	tcase_add_test(t, packed_for_firmware);
	suite_add_tcase(s, t);
	return run_suite(s);
}
