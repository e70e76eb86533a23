/* SPDX-License-Identifier: BSD-3-Clause */
/* Option tables. */
#include "base/opt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/check_main.h"

struct config {
	bool flag, on;
	uint32_t num, word;
	uint64_t big, size;
	char *text;
	struct cv_opt_file path, other;
};

static const char *const words[] = { "raw", "qcow2", NULL };

static const struct cv_opt opts[] = {
	{ .name = "flag", .kind = CV_OPT_BOOL, .off = offsetof(struct config, flag) },
	{ .name = "on", .kind = CV_OPT_BOOL, .off = offsetof(struct config, on), .dflt = 1 },
	{ .name = "num",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct config, num),
	  .dflt = 3,
	  .min = 2,
	  .max = 9 },
	{ .name = "big", .kind = CV_OPT_U64, .off = offsetof(struct config, big) },
	{ .name = "size", .kind = CV_OPT_SIZE, .off = offsetof(struct config, size), .dflt = 7 },
	{ .name = "text", .kind = CV_OPT_STR, .off = offsetof(struct config, text) },
	{ .name = "format",
	  .kind = CV_OPT_ENUM,
	  .off = offsetof(struct config, word),
	  .dflt = 1,
	  .words = words },
	{ .name = "path", .kind = CV_OPT_FILE, .off = offsetof(struct config, path) },
	{ .name = "other", .kind = CV_OPT_FILE, .off = offsetof(struct config, other) },
	CV_OPT_END
};

START_TEST(defaults)
{
	const char *const nothing[] = { NULL, "" };

	for (size_t i = 0; i < 2; i++) {
		struct config c = { 0 };

		ck_assert_int_eq(cv_opt_parse(opts, "dev", nothing[i], &c, NULL), 0);
		ck_assert(!c.flag && c.on && c.num == 3 && c.word == 1 && c.size == 7);
		ck_assert(!c.text && !c.path.path && c.path.fd_plus1 == 0);
		cv_opt_clear(opts, &c);
	}
}
END_TEST

START_TEST(all_kinds)
{
	struct config c = { 0 };

	ck_assert_int_eq(cv_opt_parse(opts, "dev",
				      "flag,on=off,num=9,big=0xffffffffffffffff,size=3G,"
				      "text=a,,b=c,format=raw,path=/x,,y,other=z",
				      &c, NULL),
			 0);
	ck_assert(c.flag && !c.on && c.num == 9 && c.big == UINT64_MAX && c.size == 3ull << 30);
	ck_assert_str_eq(c.text, "a,b=c");
	ck_assert_uint_eq(c.word, 0);
	ck_assert_str_eq(c.path.path, "/x,y");
	ck_assert_str_eq(c.other.path, "z");
	ck_assert(cv_opt_flag(opts, &c, "flag") && !cv_opt_flag(opts, &c, "on"));
	ck_assert(!cv_opt_flag(opts, &c, "num") && !cv_opt_flag(opts, &c, "none"));
	cv_opt_clear(opts, &c);
	ck_assert_ptr_null(c.text);
	ck_assert_ptr_null(c.path.path);
}
END_TEST

static void refuses(const char *text, const char *part)
{
	struct vm_error e = { 0 };
	struct config c = { 0 };

	ck_assert_msg(cv_opt_parse(opts, "dev", text, &c, &e) == -EINVAL, "'%s'", text);
	ck_assert_int_eq(e.code, EINVAL);
	ck_assert_msg(strstr(e.text, part), "'%s' lacks '%s'", e.text, part);
	ck_assert_int_eq(strncmp(e.text, "dev: ", 5), 0);
	ck_assert_ptr_null(c.text); /* nothing to release */
	ck_assert_int_eq(c.path.fd_plus1, 0);
}

START_TEST(refusals)
{
	refuses("nonsense=1", "'nonsense' is not known");
	refuses("nonsense", "not known");
	refuses("=1", "not known");
	refuses(",", "not known");
	refuses("num=3,", "not known");
	refuses("num=3,num=3", "num is given twice");
	refuses("flag,flag=false", "twice");
	refuses("path=a,fd=3", "twice");
	refuses("num", "no value");
	refuses("fd", "no value");
	refuses("num=", "not a number");
	refuses("num=1", "out of range, give 2 to 9");
	refuses("num=10", "out of range");
	refuses("num=99999999999999999999", "out of range");
	refuses("num=3x", "'3x' is not a number");
	refuses("num=-3", "not a number");
	refuses("size=3X", "is not a size");
	refuses("size=99999999T", "out of range");
	refuses("flag=maybe", "neither true nor false");
	refuses("format=vmdk", "give one of raw, qcow2");
	refuses("path=", "path is empty");
	refuses("fd=x", "not the number of an open file");
	refuses("fd=-1", "not the number");
	refuses("fd=2147483647", "not the number");
	refuses("text=abc,path=/x,num=77", "num"); /* what was stored is released */
	refuses("fd=2,num=77", "num");
	ck_assert_int_ge(fcntl(2, F_GETFD), 0);
}
END_TEST

START_TEST(descriptors)
{
	struct config c = { 0 };

	ck_assert_int_eq(cv_opt_parse(opts, "dev", "fd=0", &c, NULL), 0);
	ck_assert_int_eq(c.path.fd_plus1, 1);
	ck_assert_int_eq(c.other.fd_plus1, 0);
	c.path.fd_plus1 = dup(1) + 1;
	cv_opt_clear(opts, &c); /* closes what is there */
	ck_assert_int_eq(c.path.fd_plus1, 0);
}
END_TEST

START_TEST(required)
{
	static const struct cv_opt one[] = { { .name = "path",
					       .kind = CV_OPT_FILE,
					       .off = offsetof(struct config, path),
					       .required = true },
					     { .name = "num",
					       .kind = CV_OPT_U32,
					       .off = offsetof(struct config, num),
					       .required = true },
					     CV_OPT_END };
	struct config c = { 0 };
	struct vm_error e;

	ck_assert_int_eq(cv_opt_parse(one, "dev", "num=1", &c, &e), -EINVAL);
	ck_assert_str_eq(e.text, "dev: option path is missing, give path=FILE");
	ck_assert_int_eq(cv_opt_parse(one, "dev", "path=a", &c, &e), -EINVAL);
	ck_assert_str_eq(e.text, "dev: option num is missing, give num=VALUE");
	ck_assert_int_eq(cv_opt_parse(one, "dev", "fd=5,num=1", &c, &e), 0);
	c.path.fd_plus1 = 0;
	cv_opt_clear(one, &c);
}
END_TEST

START_TEST(no_table)
{
	struct vm_error e;

	ck_assert_int_eq(cv_opt_parse(NULL, "dev", NULL, NULL, &e), 0);
	ck_assert_int_eq(cv_opt_parse(NULL, "dev", "a=1", NULL, &e), -EINVAL);
	cv_opt_clear(NULL, NULL);
	ck_assert_ptr_null(cv_opt_find(NULL, "a"));
	ck_assert_ptr_eq(cv_opt_find(opts, "num"), &opts[2]);
	for (int kind = CV_OPT_BOOL; kind <= CV_OPT_FILE; kind++)
		ck_assert_str_ne(cv_opt_kind_name((enum cv_opt_kind)kind), "?");
}
END_TEST

/* What is printed gives the same configuration again. */
START_TEST(printed)
{
	struct config c = { 0 }, again = { 0 };
	char *text, *text_again;

	ck_assert_int_eq(cv_opt_parse(opts, "dev",
				      "flag,num=9,big=18446744073709551615,size=3M,format=raw,"
				      "text=a,,b=c,fd=5,other=/dev/x,,y",
				      &c, NULL),
			 0);
	text = cv_opt_print(opts, &c);
	ck_assert_str_eq(text, "flag=true,on=true,num=9,big=18446744073709551615,size=3145728,"
			       "text=a,,b=c,format=raw,fd=0,other=/dev/x,,y");
	ck_assert_int_eq(cv_opt_parse(opts, "dev", text, &again, NULL), 0);
	text_again = cv_opt_print(opts, &again);
	ck_assert_str_eq(text, text_again);
	ck_assert_str_eq(again.other.path, "/dev/x,y");
	c.path.fd_plus1 = again.path.fd_plus1 = 0;
	cv_opt_clear(opts, &c);
	cv_opt_clear(opts, &again);
	free(text);
	free(text_again);
	text = cv_opt_print(NULL, NULL);
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

CHECK_MAIN("opt", printed, defaults, all_kinds, refusals, descriptors, required, no_table)
