/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, sizes and truths from text: all that is taken, and all that is not. */
#include "base/str.h"

#include <errno.h>
#include <string.h>

#include "support/check_main.h"

START_TEST(numbers)
{
	static const struct {
		const char *text;
		int err;
		uint64_t val;
	} rows[] = {
		{ "0", 0, 0 },
		{ "42", 0, 42 },
		{ "007", 0, 7 },
		{ "0x10", 0, 16 },
		{ "0XfF", 0, 255 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "0xffffffffffffffff", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "0x10000000000000000", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "x1", -EINVAL, 0 },
		{ "1k", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "0x1g", -EINVAL, 0 },
		{ "\t1", -EINVAL, 0 },
		{ "99999999999999999999z", -EINVAL, 0 },
	};

	for (size_t i = 0; i < CV_LEN(rows); i++) {
		uint64_t val = 0;
		int err = cv_str_u64(rows[i].text, &val);

		ck_assert_msg(err == rows[i].err && (err || val == rows[i].val), "'%s'",
			      rows[i].text);
	}
}
END_TEST

START_TEST(sizes)
{
	static const struct {
		const char *text;
		uint64_t unit;
		int err;
		uint64_t val;
	} rows[] = {
		{ "5", 1, 0, 5 },
		{ "5", 1 << 20, 0, 5 << 20 },
		{ "5B", 1 << 20, 0, 5 },
		{ "2k", 1, 0, 2048 },
		{ "2K", 1 << 20, 0, 2048 },
		{ "3M", 1, 0, 3 << 20 },
		{ "1G", 1, 0, 1 << 30 },
		{ "1t", 1, 0, 1ull << 40 },
		{ "1MiB", 1, 0, 1 << 20 },
		{ "1Mib", 1, 0, 1 << 20 },
		{ "1MB", 1, 0, 1 << 20 },
		{ "0x10k", 1, 0, 16384 },
		{ "0", 1, 0, 0 },
		{ "16777216T", 1, -ERANGE, 0 },
		{ "16777215T", 1, 0, ~0ull << 40 },
		{ "99999999999999999999", 1, -ERANGE, 0 },
		{ "99999999999999999999K", 1, -ERANGE, 0 },
		{ "", 1, -EINVAL, 0 },
		{ "K", 1, -EINVAL, 0 },
		{ "1KK", 1, -EINVAL, 0 },
		{ "1Ki", 1, -EINVAL, 0 },
		{ "1KBB", 1, -EINVAL, 0 },
		{ "1iB", 1, -EINVAL, 0 },
		{ "1P", 1, -EINVAL, 0 },
		{ "1.5G", 1, -EINVAL, 0 },
		{ "-1M", 1, -EINVAL, 0 },
		{ "1 M", 1, -EINVAL, 0 },
	};

	for (size_t i = 0; i < CV_LEN(rows); i++) {
		uint64_t val = 0;
		int err = cv_str_size(rows[i].text, rows[i].unit, &val);

		ck_assert_msg(err == rows[i].err && (err || val == rows[i].val),
			      "'%s' gives %d, %llu", rows[i].text, err, (unsigned long long)val);
	}
}
END_TEST

START_TEST(truths)
{
	static const char *const yes[] = { "true", "on", "yes", "1", "TRUE", "On" };
	static const char *const no[] = { "false", "off", "no", "0", "False" };
	static const char *const neither[] = { "", "2", "tru", "true ", "y", "ja" };
	bool val;

	for (size_t i = 0; i < CV_LEN(yes); i++) {
		val = false;
		ck_assert(cv_str_bool(yes[i], &val) == 0 && val);
	}
	for (size_t i = 0; i < CV_LEN(no); i++) {
		val = true;
		ck_assert(cv_str_bool(no[i], &val) == 0 && !val);
	}
	for (size_t i = 0; i < CV_LEN(neither); i++)
		ck_assert_int_eq(cv_str_bool(neither[i], &val), -EINVAL);
}
END_TEST

START_TEST(copies)
{
	CV_AUTO_FREE char *s = cv_str_printf("%s-%d", "vm", 7);
	char buf[4] = "zzz";

	ck_assert_str_eq(s, "vm-7");
	ck_assert_int_eq(cv_str_copy(buf, sizeof(buf), "abc"), 0);
	ck_assert_str_eq(buf, "abc");
	ck_assert_int_eq(cv_str_copy(buf, sizeof(buf), "abcd"), -ENAMETOOLONG);
	ck_assert_str_eq(buf, "");
	ck_assert_int_eq(cv_str_copy(buf, 1, ""), 0);
}
END_TEST

CHECK_MAIN("str", numbers, sizes, truths, copies)
