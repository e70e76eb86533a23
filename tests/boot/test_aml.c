/* SPDX-License-Identifier: BSD-3-Clause */
/* The AML writer, byte for byte against the specification, and its bounds. */
#include "boot_test.h"

#include "boot/aml.h"

static struct cv_aml a;
static uint8_t buf[8192];

static void setup(void)
{
	memset(buf, 0xee, sizeof(buf));
	cv_aml_init(&a, buf, sizeof(buf));
}

#define check_bytes(...)                                       \
	do {                                                   \
		static const uint8_t want[] = { __VA_ARGS__ }; \
		ck_assert(!a.full);                            \
		ck_assert_uint_eq(a.len, sizeof(want));        \
		ck_assert_mem_eq(buf, want, sizeof(want));     \
		setup();                                       \
	} while (0)

START_TEST(integers)
{
	cv_aml_integer(&a, 0);
	cv_aml_integer(&a, 1);
	cv_aml_integer(&a, 2);
	cv_aml_integer(&a, 0xff);
	check_bytes(0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff);
	cv_aml_integer(&a, 0x100);
	cv_aml_integer(&a, 0x10000);
	check_bytes(0x0b, 0x00, 0x01, 0x0c, 0x00, 0x00, 0x01, 0x00);
	cv_aml_integer(&a, 0x123456789abcdef0);
	check_bytes(0x0e, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12);
}
END_TEST

START_TEST(names)
{
	cv_aml_path(&a, "\\_SB_");
	cv_aml_path(&a, "PCI0");
	check_bytes('\\', '_', 'S', 'B', '_', 'P', 'C', 'I', '0');
	cv_aml_path(&a, "\\_SB_PCI0");
	check_bytes('\\', 0x2e, '_', 'S', 'B', '_', 'P', 'C', 'I', '0');
	cv_aml_name_string(&a, "_HID", "AB");
	check_bytes(0x08, '_', 'H', 'I', 'D', 0x0d, 'A', 'B', 0);
	cv_aml_name_eisa_id(&a, "_HID", "PNP0A08"); /* 0x080AD041 */
	check_bytes(0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x08);
	cv_aml_eisa_id(&a, "PNP0C0F");
	check_bytes(0x0c, 0x41, 0xd0, 0x0c, 0x0f);
}
END_TEST

START_TEST(blocks)
{
	struct cv_aml_block b = cv_aml_package(&a, 2);

	cv_aml_integer(&a, 5);
	cv_aml_integer(&a, 0);
	cv_aml_close(&a, b);
	check_bytes(0x12, 0x05, 0x02, 0x0a, 0x05, 0x00);
	b = cv_aml_device(&a, "DEV0");
	cv_aml_close(&a, b);
	check_bytes(0x5b, 0x82, 0x05, 'D', 'E', 'V', '0');
	b = cv_aml_method(&a, "_STA", 1);
	cv_aml_op(&a, CV_AML_RETURN);
	cv_aml_op(&a, CV_AML_ARG0);
	cv_aml_close(&a, b);
	check_bytes(0x14, 0x08, '_', 'S', 'T', 'A', 0x09, 0xa4, 0x68);
}
END_TEST

/* PkgLength counts itself, and grows at 63, 4095 and 1048575 bytes. */
START_TEST(lengths)
{
	static const struct {
		size_t content;
		uint8_t n, bytes[3];
	} rows[] = {
		{ 62, 1, { 0x3f } },
		{ 63, 2, { 0x41, 0x04 } },
		{ 0xffd, 2, { 0x4f, 0xff } },
		{ 0xffe, 3, { 0x81, 0x00, 0x01 } },
	};

	for (size_t i = 0; i < CV_LEN(rows); i++) {
		struct cv_aml_block b;

		setup();
		b = cv_aml_else(&a);
		for (size_t k = 0; k < rows[i].content; k++)
			cv_aml_op(&a, CV_AML_LOCAL0);
		cv_aml_close(&a, b);
		ck_assert_uint_eq(a.len, 1 + rows[i].n + rows[i].content);
		ck_assert_mem_eq(buf + 1, rows[i].bytes, rows[i].n);
		ck_assert_uint_eq(buf[1 + rows[i].n], CV_AML_LOCAL0);
		ck_assert_uint_eq(buf[a.len - 1], CV_AML_LOCAL0);
	}
}
END_TEST

START_TEST(resources)
{
	struct cv_aml_block b = cv_aml_resources(&a, "_CRS");

	cv_aml_io(&a, 0x3f8, 8);
	cv_aml_irq(&a, 4);
	cv_aml_close_resources(&a, b);
	check_bytes(0x08, '_', 'C', 'R', 'S', 0x11, 0x10, 0x0a, 0x0d, 0x47, 0x01, 0xf8, 0x03, 0xf8,
		    0x03, 0x01, 0x08, 0x22, 0x10, 0x00, 0x79, 0x00);
	cv_aml_interrupt(&a, 9, true, true);
	check_bytes(0x89, 0x06, 0x00, 0x05, 0x01, 0x09, 0, 0, 0);
	cv_aml_interrupt(&a, 0x11, false, false);
	check_bytes(0x89, 0x06, 0x00, 0x03, 0x01, 0x11, 0, 0, 0);
	cv_aml_memory32(&a, 0xd0000000, 0x1000);
	check_bytes(0x86, 0x09, 0x00, 0x01, 0, 0, 0, 0xd0, 0, 0x10, 0, 0);
	cv_aml_bus_window(&a, 0, 255);
	check_bytes(0x88, 0x0d, 0x00, 0x02, 0x0c, 0x00, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 1);
	cv_aml_io_window(&a, 0xd00, 0xf300);
	check_bytes(0x88, 0x0d, 0x00, 0x01, 0x0c, 0x03, 0, 0, 0, 0x0d, 0xff, 0xff, 0, 0, 0, 0xf3);
}
END_TEST

/* The 32-bit form as long as the last byte is below 4 GiB. */
START_TEST(memory_windows)
{
	cv_aml_memory_window(&a, 0xf0000000, 0x10000000);
	check_bytes(0x87, 0x17, 0x00, 0x00, 0x0c, 0x03, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff,
		    0xff, 0, 0, 0, 0, 0, 0, 0, 0x10);
	cv_aml_memory_window(&a, 0x100000000, 0x8000000000);
	check_bytes(0x8a, 0x2b, 0x00, 0x00, 0x0c, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,
		    0, 0xff, 0xff, 0xff, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		    0x80, 0, 0, 0);
}
END_TEST

/* With every capacity: never past it, and full exactly when something was lost. */
START_TEST(bounds)
{
	for (size_t cap = 0; cap < 48; cap++) {
		struct cv_aml_block dev, res;

		memset(buf, 0xee, sizeof(buf));
		cv_aml_init(&a, buf, cap);
		dev = cv_aml_device(&a, "DEV0");
		cv_aml_name_eisa_id(&a, "_HID", "PNP0501");
		res = cv_aml_resources(&a, "_CRS");
		cv_aml_io(&a, 0x3f8, 8);
		cv_aml_close_resources(&a, res);
		cv_aml_close(&a, dev);
		ck_assert_int_eq(a.full, cap < 36);
		ck_assert_uint_le(a.len, cap);
		ck_assert_uint_eq(buf[cap], 0xee);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/aml");
	TCase *t = tcase_create("aml");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, integers);
	tcase_add_test(t, names);
	tcase_add_test(t, blocks);
	tcase_add_test(t, lengths);
	tcase_add_test(t, resources);
	tcase_add_test(t, memory_windows);
	tcase_add_test(t, bounds);
	suite_add_tcase(s, t);
	return run_suite(s);
}
