/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of lib/boot share: files from bytes, guest memory, sentences. */
#ifndef CV_TESTS_BOOT_TEST_H
#define CV_TESTS_BOOT_TEST_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "boot/boot.h"
#include "core/mem.h"

#define TEST_RAM   (64 * CV_MIB)
#define TEST_FLOOR CV_MIB

/* A file's bytes while a test puts them together. */
struct bytes {
	size_t len;
	uint8_t b[32768];
};

static inline void put_bytes(struct bytes *f, size_t off, const void *data, size_t len)
{
	ck_assert(off + len <= sizeof(f->b));
	memcpy(f->b + off, data, len);
	f->len = cv_max(f->len, off + len);
}

static inline void put_le(struct bytes *f, size_t off, uint64_t val, size_t len)
{
	struct le64 v = le64(val);

	put_bytes(f, off, &v, len);
}

static inline int file_of(const void *data, size_t len)
{
	int fd = memfd_create("boot_test", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	return fd;
}

static inline void make_mem(struct cv_mem *mem, uint64_t len)
{
	struct cv_mem_range range = { .gpa = 0, .len = len };
	struct vm_error e = { 0 };

	ck_assert_msg(cv_mem_init(mem, &range, 1, &e) == 0, "%s", e.text);
}

static inline struct cv_boot_space space_of(const struct cv_mem *mem)
{
	return (struct cv_boot_space){ .mem = mem,
				       .gpa = TEST_FLOOR,
				       .len = cv_mem_size(mem) - TEST_FLOOR };
}

/* Loads the bytes as "kernel" and closes the file. */
static inline int load_bytes(const struct cv_mem *mem, const struct bytes *f, size_t len,
			     enum cv_boot_protocol want, struct cv_boot_kernel *k,
			     struct vm_error *e)
{
	struct cv_boot_space space = space_of(mem);
	struct cv_boot_file file = { .fd = file_of(f->b, len), .name = "kernel" };
	int err = cv_boot_load_kernel(&space, &file, want, k, e);

	close(file.fd);
	return err;
}

/* The sentence is whole: the object first, the words in it, no newline. */
static inline void check_sentence(int err, int code, const struct vm_error *e, const char *object,
				  const char *words)
{
	ck_assert_msg(err == code, "%d instead of %d: %s", err, code, e->text);
	ck_assert_int_eq(e->code, -code);
	ck_assert_msg(strncmp(e->text, object, strlen(object)) == 0, "object missing: %s", e->text);
	ck_assert_msg(strstr(e->text, words), "\"%s\" missing: %s", words, e->text);
	ck_assert_msg(!strchr(e->text, '\n'), "newline: %s", e->text);
}

static inline uint64_t mem_le(const struct cv_mem *mem, uint64_t gpa, size_t len)
{
	struct le64 v = le64(0);

	ck_assert_int_eq(cv_mem_read(mem, gpa, &v, len), 0);
	return le64_get(v);
}

/* Whether all of a range has one value. */
static inline bool mem_all(const struct cv_mem *mem, uint64_t gpa, uint64_t len, uint8_t byte)
{
	uint8_t buf[4096];

	for (; len > 0; gpa += cv_min(len, sizeof(buf)), len -= cv_min(len, sizeof(buf))) {
		ck_assert_int_eq(cv_mem_read(mem, gpa, buf, cv_min(len, sizeof(buf))), 0);
		for (size_t i = 0; i < cv_min(len, sizeof(buf)); i++)
			if (buf[i] != byte)
				return false;
	}
	return true;
}

/* Whether the bytes of a range add up to zero, modulo 256. */
static inline bool mem_sums_to_zero(const struct cv_mem *mem, uint64_t gpa, size_t len)
{
	uint8_t sum = 0, buf[32768];

	ck_assert_uint_le(len, sizeof(buf));
	ck_assert_int_eq(cv_mem_read(mem, gpa, buf, len), 0);
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + buf[i]);
	return sum == 0;
}

static inline int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
