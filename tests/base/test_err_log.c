/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors as values, and messages to a sink. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "support/check_main.h"

START_TEST(error_keeps_code_and_sentence)
{
	struct vm_error e = { 0 };

	ck_assert_int_eq(cv_err(&e, -ENOENT, "disk %d: %s", 3, "gone"), -ENOENT);
	ck_assert_int_eq(e.code, ENOENT);
	ck_assert_str_eq(e.text, "disk 3: gone");
	ck_assert_int_eq(cv_err_prefix(&e, -EINVAL, "block '%s'", "a"), -EINVAL);
	ck_assert_int_eq(e.code, EINVAL);
	ck_assert_str_eq(e.text, "block 'a': disk 3: gone");
	ck_assert_int_eq(cv_err(NULL, -EIO, "x"), -EIO);
	ck_assert_int_eq(cv_err_prefix(NULL, -EIO, "x"), -EIO);
}
END_TEST

START_TEST(long_sentences_are_cut)
{
	struct vm_error e = { 0 };
	char name[2 * sizeof(e.text)];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cv_err(&e, -EINVAL, "%s", name);
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
	cv_err_prefix(&e, -EINVAL, "%s", name);
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
	cv_err(&e, -EINVAL, "short");
	cv_err_prefix(&e, -EINVAL, "%.500s", name);
	ck_assert_uint_eq(strlen(e.text), 507);
	ck_assert_str_eq(e.text + 500, ": short");
}
END_TEST

struct seen {
	unsigned int n;
	enum vm_log_level level;
	char text[600];
};

static void sink(void *user, enum vm_log_level level, const char *text)
{
	struct seen *s = user;

	s->n++;
	s->level = level;
	snprintf(s->text, sizeof(s->text), "%s", text);
}

START_TEST(levels)
{
	struct seen s = { 0 };
	struct cv_log log = { .sink = sink, .user = &s };
	struct cv_log deaf = { 0 };

	cv_log_warn(&log, "blk: %s", "slow");
	ck_assert_str_eq(s.text, "blk: slow");
	ck_assert_int_eq(s.level, VM_LOG_WARN);
	cv_log_info(&log, "not wanted unless asked for");
	ck_assert_uint_eq(s.n, 1);
	cv_log_error(&log, "e");
	ck_assert_uint_eq(s.n, 2);
	log.level = VM_LOG_DEBUG;
	cv_log_debug(&log, "d");
	ck_assert_uint_eq(s.n, 3);
	log.level = VM_LOG_ERROR;
	cv_log_warn(&log, "w");
	ck_assert_uint_eq(s.n, 3);
	cv_log_error(&deaf, "nobody");
	cv_log_error(NULL, "nobody");
	cv_log_guest(NULL, "nobody");
}
END_TEST

static void wait_for_a_new_second(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts = (struct timespec){ .tv_nsec = 1000000000 - ts.tv_nsec - 1 };
	nanosleep(&ts, NULL);
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

START_TEST(guest_messages_are_rationed)
{
	struct seen s = { 0 };
	struct cv_log log = { .sink = sink, .user = &s };

	wait_for_a_new_second();
	for (unsigned int i = 0; i < 1000; i++)
		cv_log_guest(&log, "guest: %u", i);
	ck_assert_uint_eq(s.n, 1);
	ck_assert_str_eq(s.text, "guest: 0");
	wait_for_a_new_second();
	cv_log_guest(&log, "again");
	ck_assert_uint_eq(s.n, 2);
	ck_assert_str_eq(s.text, "again (999 more like this not shown)");
}
END_TEST

CHECK_MAIN("err_log", error_keeps_code_and_sentence, long_sentences_are_cut, levels,
	   guest_messages_are_rationed)
