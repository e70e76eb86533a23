/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed files, packed by the formats' own libraries: whole, in pieces, and damaged. */
#include "pack.h"

#include "boot/unpack.h"

#define LONG_LEN  (9 * CV_MIB + 12345) /* more than a legacy block */
#define SHORT_LEN 40000

static struct vm_error e;
static uint8_t *content, *packed, *out;
static size_t cap;

static void setup(void)
{
	cap = pack_cap(LONG_LEN);
	content = malloc(LONG_LEN);
	packed = malloc(cap);
	out = malloc(LONG_LEN + 1);
	ck_assert(content && packed && out);
	fill_content(content, LONG_LEN);
	memset(&e, 0, sizeof(e));
}

static void teardown(void)
{
	free(content);
	free(packed);
	free(out);
}

/* Reads in pieces of @piece bytes; @n tells how many bytes came. */
static int unpack_range(const uint8_t *file, size_t file_len, uint64_t off, uint64_t len,
			size_t piece, size_t *n)
{
	struct cv_boot_file f = { .fd = file_of(file, file_len), .name = "kernel" };
	struct cv_boot_image img;
	struct cv_boot_source s = { 0 };
	size_t got = 1;
	int err = cv_boot_image_init(&img, &f, "kernel", &e);

	*n = 0;
	err = err ?: cv_boot_source_open(&s, &img, off, len, &e);
	while (!err && got > 0 && *n <= LONG_LEN) {
		err = cv_boot_source_read(&s, out + *n, cv_min(piece, LONG_LEN + 1 - *n), &got, &e);
		*n += got;
	}
	cv_boot_source_close(&s);
	close(f.fd);
	return err;
}

static int unpack(const uint8_t *file, size_t len, size_t *n)
{
	return unpack_range(file, len, 0, len, 100000, n);
}

static void check_whole(size_t len, size_t n)
{
	ck_assert_uint_eq(n, len);
	ck_assert(memcmp(out, content, len) == 0);
}

START_TEST(whole)
{
	static const size_t lens[] = { 1, 64, 65536, 65537, SHORT_LEN, LONG_LEN };
	size_t n;

	if (!pack_have(_i))
		return;
	for (size_t i = 0; i < CV_LEN(lens); i++) {
		size_t len = pack((enum packing)_i, packed, cap, content, lens[i]);

		ck_assert_msg(unpack(packed, len, &n) == 0, "%s", e.text);
		check_whole(lens[i], n);
	}
}
END_TEST

START_TEST(in_pieces)
{
	static const size_t pieces[] = { 1, 7, 64, 4096, LONG_LEN };
	size_t n, len = pack((enum packing)_i, packed, cap, content, SHORT_LEN);

	for (size_t i = 0; i < CV_LEN(pieces) && pack_have(_i); i++) {
		ck_assert_msg(unpack_range(packed, len, 0, len, pieces[i], &n) == 0, "%s", e.text);
		check_whole(SHORT_LEN, n);
	}
}
END_TEST

START_TEST(plain)
{
	size_t n;

	ck_assert_msg(unpack(content, LONG_LEN, &n) == 0, "%s", e.text);
	check_whole(LONG_LEN, n);
	ck_assert_int_eq(unpack(content, 3, &n), 0);
	check_whole(3, n);
}
END_TEST

START_TEST(inside_a_file)
{
	size_t n, len = pack((enum packing)_i, packed + 1000, cap - 1000, content, SHORT_LEN);

	if (!pack_have(_i))
		return;
	memset(packed, 0x5a, 1000);
	memset(packed + 1000 + len, 0x5a, 1000);
	ck_assert_msg(unpack_range(packed, len + 2000, 1000, len, 4096, &n) == 0, "%s", e.text);
	check_whole(SHORT_LEN, n);
}
END_TEST

/* cat a.gz b.gz is a file of both, and so with the others. */
START_TEST(several_frames)
{
	size_t n, len = pack((enum packing)_i, packed, cap, content, 1000);

	if (!pack_have(_i))
		return;
	len += pack((enum packing)_i, packed + len, cap - len, content + 1000, 50000);
	len += pack((enum packing)_i, packed + len, cap - len, content + 51000, 1);
	ck_assert_msg(unpack(packed, len, &n) == 0, "%s", e.text);
	check_whole(51001, n);
}
END_TEST

/* The size that kernel builds append; only the true one. */
START_TEST(size_behind)
{
	size_t n, len = pack((enum packing)_i, packed, cap, content, SHORT_LEN);
	struct le32 size = le32(SHORT_LEN);

	if (!pack_have(_i))
		return;
	memcpy(packed + len, &size, sizeof(size));
	ck_assert_msg(unpack(packed, len + 4, &n) == 0, "%s", e.text);
	check_whole(SHORT_LEN, n);
	packed[len]++;
	check_sentence(unpack(packed, len + 4, &n), -EINVAL, &e,
		       "kernel: ", "has 4 bytes behind the end of its ");
}
END_TEST

START_TEST(junk_behind)
{
	static const size_t lens[] = { 1, 3, 4, 5, 100, 200000 };
	size_t n, len = pack((enum packing)_i, packed, cap, content, SHORT_LEN);

	for (size_t i = 0; i < CV_LEN(lens) && pack_have(_i); i++) {
		int err;

		memset(packed + len, 0xee, lens[i]);
		err = unpack(packed, len + lens[i], &n);
		ck_assert_int_lt(err, 0);
		if (_i == PACK_LEGACY) /* 0xeeeeeeee is taken for the length of a block */
			ck_assert(err == -EBADMSG || err == -ENODATA || err == -EINVAL);
		else
			check_sentence(err, -EINVAL, &e, "kernel: ", "behind the end of its ");
	}
}
END_TEST

START_TEST(truncated)
{
	size_t n, len = pack((enum packing)_i, packed, cap, content, SHORT_LEN);

	if (!pack_have(_i))
		return;
	for (size_t cut = 4; cut < len; cut += cut < 64 || cut > len - 64 ? 1 : 997) {
		int err = unpack(packed, cut, &n);

		ck_assert_uint_le(n, SHORT_LEN);
		if (_i == PACK_LEGACY && cut < 9) /* an empty file of that format */
			continue;
		check_sentence(err, -ENODATA, &e, "kernel: ", "ends in the middle of the packed");
	}
}
END_TEST

/* What comes out is right or an error; the formats with checksums find every damage. */
START_TEST(corrupt)
{
	size_t n, len = pack((enum packing)_i, packed, cap, content, SHORT_LEN);

	if (!pack_have(_i))
		return;
	for (size_t at = 4; at < len; at += at < 32 || at > len - 16 ? 1 : 499) {
		int err;

		memset(&e, 0, sizeof(e));
		packed[at] ^= 0x55;
		err = unpack(packed, len, &n);
		packed[at] ^= 0x55;
		if (err)
			ck_assert_msg(err == -e.code && strncmp(e.text, "kernel: ", 8) == 0, "%s",
				      e.text);
		else if (_i != PACK_LEGACY)
			check_whole(SHORT_LEN, n); /* a time stamp, say */
	}
	memset(packed + len / 2, 0xff, 2000);
	check_sentence(unpack(packed, len, &n), -EBADMSG, &e,
		       "kernel: ", "data are corrupt behind ");
}
END_TEST

/* A few bytes that promise much: what was read is all that was unpacked. */
START_TEST(bomb)
{
	struct cv_boot_file f = { .name = "kernel" };
	struct cv_boot_image img;
	struct cv_boot_source s;
	size_t got, len;
	uint8_t head[64];

	if (!pack_have(_i))
		return;
	memset(content, 0, LONG_LEN);
	len = pack((enum packing)_i, packed, cap, content, LONG_LEN);
	ck_assert_uint_lt(len, LONG_LEN / 50);
	f.fd = file_of(packed, len);
	ck_assert_int_eq(cv_boot_image_init(&img, &f, "kernel", &e), 0);
	ck_assert_int_eq(cv_boot_source_open(&s, &img, 0, len, &e), 0);
	ck_assert_int_eq(cv_boot_source_read(&s, head, sizeof(head), &got, &e), 0);
	ck_assert_uint_eq(got, sizeof(head));
	ck_assert_uint_eq(s.n_out, sizeof(head));
	cv_boot_source_close(&s);
	close(f.fd);
}
END_TEST

START_TEST(not_built)
{
	size_t n, len = pack((enum packing)_i, packed, cap, content, SHORT_LEN);

	if (pack_have(_i))
		return;
	check_sentence(unpack(packed, len, &n), -ENOSYS, &e, "kernel: ", packings[_i].option);
	ck_assert(strstr(e.text, packings[_i].name));
}
END_TEST

#if CROSVM_HAVE_ZSTD
START_TEST(zstd_window)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_inBuffer in = { content, 100, 0 };
	ZSTD_outBuffer to = { packed, cap, 0 };
	size_t n;

	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 28);
	ck_assert(!ZSTD_isError(ZSTD_compressStream2(c, &to, &in, ZSTD_e_flush)));
	ck_assert_uint_eq(ZSTD_compressStream2(c, &to, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(c);
	check_sentence(unpack(packed, to.pos, &n), -E2BIG, &e, "kernel: ", "more than 128 MiB");
}
END_TEST
#endif

#if CROSVM_HAVE_LZ4
START_TEST(legacy_lengths)
{
	static const uint32_t lens[] = { 0, 0x808081 + 16, 0x7fffffff, 0xffffffff };
	size_t n, len = pack(PACK_LEGACY, packed, cap, content, SHORT_LEN);

	for (size_t i = 0; i < CV_LEN(lens); i++) {
		struct le32 word = le32(lens[i]);

		memcpy(packed + 4, &word, sizeof(word));
		check_sentence(unpack(packed, len, &n), -EBADMSG, &e, "kernel: ",
			       "lz4 data are corrupt behind 0 unpacked bytes; copy it again");
	}
}
END_TEST
#endif

int main(void)
{
	Suite *s = suite_create("boot/unpack");
	TCase *t = tcase_create("unpack");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, whole, 0, PACKINGS);
	tcase_add_loop_test(t, in_pieces, 0, PACKINGS);
	tcase_add_test(t, plain);
	tcase_add_loop_test(t, inside_a_file, 0, PACKINGS);
	tcase_add_loop_test(t, several_frames, 0, PACKINGS);
	tcase_add_loop_test(t, size_behind, 0, PACKINGS);
	tcase_add_loop_test(t, junk_behind, 0, PACKINGS);
	tcase_add_loop_test(t, truncated, 0, PACKINGS);
	tcase_add_loop_test(t, corrupt, 0, PACKINGS);
	tcase_add_loop_test(t, bomb, 0, PACKINGS);
	tcase_add_loop_test(t, not_built, 0, PACKINGS);
#if CROSVM_HAVE_ZSTD
	tcase_add_test(t, zstd_window);
#endif
#if CROSVM_HAVE_LZ4
	tcase_add_test(t, legacy_lengths);
#endif
	suite_add_tcase(s, t);
	return run_suite(s);
}
