/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration taken apart and put together again, as for another process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/dev.h"
#include "support/check_main.h"
#include "support/usage.h"

static void *configure(const struct cv_class *cls, const char *text)
{
	struct vm_error e = { 0 };
	void *config = NULL;

	ck_assert_msg(cv_class_configure(cls, text, &config, &e) == 0, "%s", e.text);
	return config;
}

/* Packs, unpacks with duplicates, packs again: the same text and the same rows. */
static void there_and_back(const struct cv_class *cls, const char *options, unsigned int want)
{
	struct cv_class_file files[CV_CLASS_MAX_FILES], again[CV_CLASS_MAX_FILES];
	void *config = configure(cls, options), *other = NULL;
	unsigned int n = 0, n_again = 0;
	char *text, *text_again;
	struct vm_error e = { 0 };

	ck_assert_int_eq(cv_class_config_pack(cls, config, &text, files, &n, &e), 0);
	ck_assert_uint_eq(n, want);
	for (unsigned int i = 0; i < n; i++)
		files[i].fd = fcntl(files[i].fd, F_DUPFD_CLOEXEC, 0);
	ck_assert_msg(cv_class_config_unpack(cls, text, files, n, &other, &e) == 0, "%s", e.text);
	ck_assert_int_eq(cv_class_config_pack(cls, other, &text_again, again, &n_again, &e), 0);
	ck_assert_str_eq(text, text_again);
	ck_assert_uint_eq(n, n_again);
	for (unsigned int i = 0; i < n; i++) {
		ck_assert_int_eq(files[i].fd, again[i].fd);
		ck_assert_uint_eq(files[i].row, again[i].row);
		ck_assert_int_eq(files[i].read_only, again[i].read_only);
	}
	cv_class_config_destroy(cls, config);
	cv_class_config_destroy(cls, other);
	free(text);
	free(text_again);
}

START_TEST(classes)
{
	unsigned int fds = usage_fds();
	int image = memfd_create("disk", MFD_CLOEXEC);
	char text[128];

	ck_assert_int_eq(ftruncate(image, 4096), 0);
	snprintf(text, sizeof(text), "fd=%d,ro,id=a,,b", image);
	there_and_back(cv_class_find("block"), text, 1);
	snprintf(text, sizeof(text), "path=/proc/self/fd/%d", image);
	there_and_back(cv_class_find("block"), text, 1);
	there_and_back(cv_class_find("rng"), "", 0);
	there_and_back(cv_class_find("serial"), "num=2,out=/dev/null", 1);
	there_and_back(cv_class_find("console"),
		       "in=/dev/null,out=/dev/null,ports=2,out1=/dev/null", 3);
	close(image);
	ck_assert_uint_eq(usage_fds(), fds);
}
END_TEST

START_TEST(refusals)
{
	const struct cv_class *cls = cv_class_find("block");
	struct cv_class_file files[2] = { { .fd = 0, .row = 0 }, { .fd = 0, .row = 0 } };
	struct vm_error e = { 0 };
	void *config = NULL;

	files[0].row = 200;
	ck_assert_int_eq(cv_class_config_unpack(cls, "path=x", files, 1, &config, &e), -EINVAL);
	files[0].row = (uint8_t)(cv_opt_find(cls->opts, "ro") - cls->opts);
	ck_assert_int_eq(cv_class_config_unpack(cls, "path=x", files, 1, &config, &e), -EINVAL);
	files[0].row = files[1].row = (uint8_t)(cv_opt_find(cls->opts, "path") - cls->opts);
	ck_assert_int_eq(cv_class_config_unpack(cls, "path=x", files, 2, &config, &e), -EINVAL);
	ck_assert_int_eq(cv_class_config_unpack(cls, "nonsense", files, 1, &config, &e), -EINVAL);
	files[0].fd = -1;
	ck_assert_int_eq(cv_class_config_unpack(cls, "path=x", files, 1, &config, &e), -EINVAL);
	ck_assert_ptr_null(config);
	ck_assert_int_ge(fcntl(0, F_GETFD), 0); /* still ours */
}
END_TEST

CHECK_MAIN("class_pack", classes, refusals)
