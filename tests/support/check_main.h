/* SPDX-License-Identifier: BSD-3-Clause */
/* The main() of a Check program with one suite. */
#ifndef CV_TESTS_CHECK_MAIN_H
#define CV_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stddef.h>

/* CHECK_MAIN("name", test_one, test_two): runs them; the exit status says whether one failed. */
#define CHECK_MAIN(name, ...) CHECK_MAIN_TIMES(1, name, __VA_ARGS__)

/* The same, each test for _i from 0 to times - 1. */
#define CHECK_MAIN_TIMES(times, name, ...) CHECK_MAIN_AFTER((void)0, times, name, __VA_ARGS__)

/* The same after an expression, in the process that forks for each test. */
#define CHECK_MAIN_AFTER(prepare, times, name, ...)                           \
	int main(void)                                                        \
	{                                                                     \
		const TTest *const tests_[] = { __VA_ARGS__ };                \
		Suite *s = suite_create(name);                                \
		TCase *tc = tcase_create(name);                               \
		SRunner *r = srunner_create(s);                               \
		int failed;                                                   \
                                                                              \
		prepare;                                                      \
		tcase_set_timeout(tc, 60);                                    \
		for (size_t i = 0; i < sizeof(tests_) / sizeof(*tests_); i++) \
			tcase_add_loop_test(tc, tests_[i], 0, times);         \
		suite_add_tcase(s, tc);                                       \
		srunner_run_all(r, CK_ENV);                                   \
		failed = srunner_ntests_failed(r);                            \
		srunner_free(r);                                              \
		return failed > 0;                                            \
	}

#endif
