/* SPDX-License-Identifier: BSD-3-Clause */
/* The main() of a Check program with one suite. */
#ifndef CV_TESTS_CHECK_MAIN_H
#define CV_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stddef.h>

/* CHECK_MAIN("name", test_one, test_two): runs them; the exit status says whether one failed. */
#define CHECK_MAIN(name, ...)                                                 \
	int main(void)                                                        \
	{                                                                     \
		const TTest *const tests_[] = { __VA_ARGS__ };                \
		Suite *s = suite_create(name);                                \
		TCase *tc = tcase_create(name);                               \
		SRunner *r = srunner_create(s);                               \
		int failed;                                                   \
                                                                              \
		tcase_set_timeout(tc, 60);                                    \
		for (size_t i = 0; i < sizeof(tests_) / sizeof(*tests_); i++) \
			tcase_add_test(tc, tests_[i]);                        \
		suite_add_tcase(s, tc);                                       \
		srunner_run_all(r, CK_ENV);                                   \
		failed = srunner_ntests_failed(r);                            \
		srunner_free(r);                                              \
		return failed > 0;                                            \
	}

#endif
