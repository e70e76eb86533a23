/* SPDX-License-Identifier: BSD-3-Clause */
/* The items that firmware reads: keys, names, the directory, and what does not fit. */
#include "core/fw_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/check_main.h"

START_TEST(keys_and_names)
{
	struct cv_fw_files f = { 0 };
	struct cv_fw_entry entry;
	const void *data;
	size_t len;

	ck_assert_ptr_null(cv_fw_find(&f, 5, &len));
	ck_assert_int_eq(cv_fw_add_item(&f, 5, "\2\0", 2, NULL), 0);
	ck_assert_int_eq(cv_fw_add_file(&f, "etc/a", "abc", 3, NULL), 0);
	ck_assert_int_eq(cv_fw_add_file(&f, "etc/empty", NULL, 0, NULL), 0);
	data = cv_fw_find(&f, 5, &len);
	ck_assert_uint_eq(len, 2);
	ck_assert_mem_eq(data, "\2\0", 2);
	data = cv_fw_find(&f, CV_FW_KEY_DIR, &len);
	ck_assert_uint_eq(len, 4 + 2 * 64);
	ck_assert_mem_eq(data, "\0\0\0\2", 4);
	memcpy(&entry, (const char *)data + 4, sizeof(entry));
	ck_assert_uint_eq(be32_get(entry.len), 3);
	ck_assert_uint_eq(be16_get(entry.key), CV_FW_KEY_FILE_0);
	ck_assert_str_eq(entry.name, "etc/a");
	ck_assert_mem_eq(cv_fw_find(&f, CV_FW_KEY_FILE_0, &len), "abc", 3);
	ck_assert_ptr_eq(cv_fw_find_file(&f, "etc/a", &len), cv_fw_find(&f, 0x20, &len));
	ck_assert_ptr_nonnull(cv_fw_find_file(&f, "etc/empty", &len));
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_null(cv_fw_find_file(&f, "etc/b", &len));
	cv_fw_files_fini(&f);
	ck_assert_ptr_null(cv_fw_find_file(&f, "etc/a", &len));
	cv_fw_find(&f, CV_FW_KEY_DIR, &len);
	ck_assert_uint_eq(len, 4);
}
END_TEST

START_TEST(refused)
{
	char name[64] = "etc/";
	struct cv_fw_files f = { 0 };
	struct vm_error e;
	size_t len;

	ck_assert_int_eq(cv_fw_add_item(&f, 5, "", 1, &e), 0);
	ck_assert_int_eq(cv_fw_add_item(&f, 5, "", 1, &e), -EEXIST);
	ck_assert_int_eq(cv_fw_add_item(&f, CV_FW_KEY_DIR, "", 1, &e), -EEXIST);
	ck_assert_int_eq(cv_fw_add_item(&f, 6, "", CV_FW_MAX_LEN + 1, &e), -ENOSPC);
	ck_assert_int_eq(cv_fw_add_file(&f, "", "", 1, &e), -EINVAL);
	memset(name + 4, 'x', CV_FW_NAME_LEN - 4);
	ck_assert_int_eq(cv_fw_add_file(&f, name, "", 1, &e), -EINVAL);
	name[CV_FW_NAME_LEN - 1] = '\0';
	ck_assert_int_eq(cv_fw_add_file(&f, name, "", 1, &e), 0);
	ck_assert_int_eq(cv_fw_add_file(&f, name, "", 1, &e), -EEXIST);
	ck_assert_ptr_nonnull(cv_fw_find_file(&f, name, &len));
	for (unsigned int i = f.n_items; i < CV_FW_MAX_ITEMS; i++) {
		snprintf(name, sizeof(name), "%u", i);
		ck_assert_int_eq(cv_fw_add_file(&f, name, "", 1, &e), 0);
	}
	ck_assert_int_eq(cv_fw_add_file(&f, "more", "", 1, &e), -ENOSPC);
	ck_assert_ptr_null(cv_fw_find_file(&f, "more", &len));
	cv_fw_files_fini(&f);
}
END_TEST

CHECK_MAIN("fw_files", keys_and_names, refused)
