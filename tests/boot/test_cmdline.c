/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel command line: what is added, what is refused, and that refusing changes nothing. */
#include "boot_test.h"

#include "boot/cmdline.h"

static struct vm_error e;
static struct cv_cmdline c;
static char buf[32];

static void setup(void)
{
	memset(&e, 0, sizeof(e));
	cv_cmdline_init(&c, buf, sizeof(buf));
}

START_TEST(builds)
{
	ck_assert_str_eq(c.buf, "");
	ck_assert_int_eq(cv_cmdline_append(&c, "", &e), 0);
	ck_assert_int_eq(cv_cmdline_insert(&c, "console", "ttyS0", &e), 0);
	ck_assert_str_eq(c.buf, "console=ttyS0");
	ck_assert_int_eq(cv_cmdline_insert(&c, "quiet", NULL, &e), 0);
	ck_assert_int_eq(cv_cmdline_append(&c, "a=\"b c\" d", &e), 0);
	ck_assert_int_eq(cv_cmdline_append(&c, "", &e), 0);
	ck_assert_str_eq(c.buf, "console=ttyS0 quiet a=\"b c\" d");
	ck_assert_uint_eq(c.len, strlen(c.buf));
}
END_TEST

START_TEST(equals_in_value)
{
	ck_assert_int_eq(cv_cmdline_insert(&c, "root", "UUID=1-2", &e), 0);
	ck_assert_str_eq(c.buf, "root=UUID=1-2");
}
END_TEST

START_TEST(fills_exactly)
{
	ck_assert_int_eq(cv_cmdline_insert(&c, "0123456789", "abcdefghij", &e), 0);
	ck_assert_int_eq(cv_cmdline_append(&c, "123456789", &e), 0);
	ck_assert_uint_eq(c.len, 31);
	check_sentence(cv_cmdline_append(&c, "x", &e), -ENOSPC, &e,
		       "kernel command line: ", "33 characters are too long, 31 have room");
	check_sentence(cv_cmdline_insert(&c, "x", "y", &e), -ENOSPC, &e,
		       "kernel command line: ", "too long");
	ck_assert_str_eq(c.buf, "0123456789=abcdefghij 123456789");
}
END_TEST

START_TEST(refuses)
{
	static const struct {
		const char *key, *value, *words;
	} bad[] = {
		{ "", "v", "not a key" },      { "a=b", "v", "not a key" },
		{ "a b", "v", "blank" },       { "k", "a b", "blank" },
		{ "k\n", "v", "character 2" }, { "k", "v\t", "character 2 (0x9)" },
		{ "\x7f", "v", "(0x7f)" },     { "k", "\xc3\xa4", "(0xc3)" },
	};

	for (size_t i = 0; i < CV_LEN(bad); i++)
		check_sentence(cv_cmdline_insert(&c, bad[i].key, bad[i].value, &e), -EINVAL, &e,
			       "kernel command line: ", bad[i].words);
	check_sentence(cv_cmdline_append(&c, "a b\x1b", &e), -EINVAL, &e,
		       "kernel command line: ", "character 4 (0x1b) is not printable");
	check_sentence(cv_cmdline_append(&c, "\n", &e), -EINVAL, &e,
		       "kernel command line: ", "not printable");
	ck_assert_str_eq(c.buf, "");
}
END_TEST

START_TEST(no_room_at_all)
{
	cv_cmdline_init(&c, buf, 1);
	ck_assert_int_eq(cv_cmdline_append(&c, "", NULL), 0);
	ck_assert_int_eq(cv_cmdline_append(&c, "x", NULL), -ENOSPC);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/cmdline");
	TCase *t = tcase_create("cmdline");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, builds);
	tcase_add_test(t, equals_in_value);
	tcase_add_test(t, fills_exactly);
	tcase_add_test(t, refuses);
	tcase_add_test(t, no_room_at_all);
	suite_add_tcase(s, t);
	return run_suite(s);
}
