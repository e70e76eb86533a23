/* SPDX-License-Identifier: BSD-3-Clause */
/* State tables: the wire form, and everything that is not one. */
#include "base/state.h"

#include <errno.h>
#include <string.h>

#include "support/check_main.h"

struct thing {
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;
	bool on;
	uint16_t list[3];
	bool flags[2];
	uint32_t young; /* since version 2 */
	int not_saved;
};

static const struct cv_field fields[] = { { CV_FIELD(struct thing, a) },
					  { CV_FIELD(struct thing, b) },
					  { CV_FIELD(struct thing, c) },
					  { CV_FIELD(struct thing, d) },
					  { CV_FIELD(struct thing, on) },
					  { CV_FIELD_ARRAY(struct thing, list) },
					  { CV_FIELD_ARRAY(struct thing, flags) },
					  { .name = "young",
					    .off = offsetof(struct thing, young),
					    .kind = CV_FIELD_U32,
					    .count = 1,
					    .since = 2 },
					  CV_FIELD_LAST };

static const struct thing example = { .a = 1,
				      .b = 0x0203,
				      .c = 0x04050607,
				      .d = 0x08090a0b0c0d0e0f,
				      .on = true,
				      .list = { 1, 2, 0xffff },
				      .flags = { false, true },
				      .young = 99,
				      .not_saved = 5 };

static struct cv_buf save(void)
{
	struct cv_buf b = { 0 };

	cv_state_save(fields, 2, &example, &b);
	ck_assert(!b.failed);
	return b;
}

static int load(struct thing *t, const uint8_t *data, size_t len)
{
	uint16_t version = 0;
	size_t used = 0;
	struct vm_error e = { 0 };
	int err = cv_state_load(fields, 2, t, data, len, &used, &version, &e);

	if (err)
		ck_assert_int_eq(strncmp(e.text, "saved state: ", 13), 0);
	return err;
}

START_TEST(round_trip)
{
	struct cv_buf b = save();
	struct thing t = { .not_saved = 7 };
	uint16_t version;
	size_t used;

	cv_buf_put(&b, "next section", 12);
	ck_assert_int_eq(cv_state_load(fields, 2, &t, b.data, b.len, &used, &version, NULL), 0);
	ck_assert_uint_eq(used, b.len - 12);
	ck_assert_uint_eq(version, 2);
	ck_assert_int_eq(t.not_saved, 7);
	t.not_saved = 5;
	ck_assert(t.a == 1 && t.b == 0x0203 && t.c == 0x04050607 && t.d == example.d && t.on);
	ck_assert_int_eq(memcmp(t.list, example.list, sizeof(t.list)), 0);
	ck_assert(!t.flags[0] && t.flags[1] && t.young == 99);
	cv_buf_fini(&b);
}
END_TEST

START_TEST(wire_form)
{
	static const struct cv_field one[] = { { CV_FIELD(struct thing, b) }, CV_FIELD_LAST };
	static const uint8_t want[] = { 'C', 'V', 'S', 'T', 3, 0, 1,   0, 7, 0,
					0,   0,	  1,   2,   1, 0, 'b', 3, 2 };
	struct cv_buf b = { 0 };

	cv_state_save(one, 3, &example, &b);
	ck_assert_uint_eq(b.len, sizeof(want));
	ck_assert_int_eq(memcmp(b.data, want, sizeof(want)), 0);
	cv_buf_fini(&b);
	cv_state_save(NULL, 1, NULL, &b);
	ck_assert_uint_eq(b.len, 12);
	cv_buf_fini(&b);
}
END_TEST

START_TEST(truncations)
{
	struct cv_buf b = save();

	for (size_t len = 0; len < b.len; len++) {
		uint8_t *exact = malloc(len + !len); /* for the address sanitizer */
		struct thing t = { 0 };

		memcpy(exact, b.data, len);
		ck_assert_int_eq(load(&t, exact, len), -EINVAL);
		free(exact);
	}
	cv_buf_fini(&b);
}
END_TEST

START_TEST(flipped_bits)
{
	struct cv_buf b = save();

	for (size_t i = 0; i < 8 * b.len; i++) {
		struct thing t = { 0 };

		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
		if (load(&t, b.data, b.len) == 0) {
			ck_assert(*(uint8_t *)&t.on <= 1);
			ck_assert(((uint8_t *)t.flags)[0] <= 1 && ((uint8_t *)t.flags)[1] <= 1);
		}
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	cv_buf_fini(&b);
}
END_TEST

static void put_head(struct cv_buf *b, uint16_t version, uint16_t n, uint32_t bytes)
{
	cv_buf_le32(b, 0x54535643);
	cv_buf_le16(b, version);
	cv_buf_le16(b, n);
	cv_buf_le32(b, bytes);
}

static void put_u8(struct cv_buf *b, const char *name, uint8_t kind, uint16_t count, uint8_t val)
{
	cv_buf_u8(b, (uint8_t)strlen(name));
	cv_buf_u8(b, kind);
	cv_buf_le16(b, count);
	cv_buf_put(b, name, strlen(name));
	cv_buf_u8(b, val);
}

/* A table of one member, and what a section of @n records with @text in the sentence gives. */
static void refuses(struct cv_buf *b, const char *text)
{
	static const struct cv_field one[] = { { CV_FIELD(struct thing, on) },
					       { CV_FIELD(struct thing, a) },
					       CV_FIELD_LAST };
	struct thing t = { 0 };
	struct vm_error e = { 0 };
	uint16_t version;
	size_t used;

	ck_assert_int_eq(cv_state_load(one, 1, &t, b->data, b->len, &used, &version, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, text), "'%s' lacks '%s'", e.text, text);
	cv_buf_fini(b);
}

START_TEST(refusals)
{
	struct cv_buf b = { 0 };

	put_head(&b, 1, 0, 0);
	refuses(&b, "on is missing");
	put_head(&b, 1, 1, 7);
	put_u8(&b, "on", CV_FIELD_BOOL, 1, 1);
	refuses(&b, "a is missing");
	put_head(&b, 1, 1, 7);
	put_u8(&b, "on", CV_FIELD_BOOL, 1, 2);
	refuses(&b, "neither true nor false");
	put_head(&b, 1, 2, 14);
	put_u8(&b, "on", CV_FIELD_BOOL, 1, 1);
	put_u8(&b, "on", CV_FIELD_BOOL, 1, 1);
	refuses(&b, "comes twice");
	put_head(&b, 1, 1, 7);
	put_u8(&b, "of", CV_FIELD_BOOL, 1, 1);
	refuses(&b, "not known");
	put_head(&b, 1, 1, 7);
	put_u8(&b, "on", CV_FIELD_U8, 1, 1);
	refuses(&b, "another type");
	put_head(&b, 1, 1, 7);
	put_u8(&b, "on", CV_FIELD_BOOL, 0, 1);
	refuses(&b, "another type or count");
	put_head(&b, 1, 1, 7);
	put_u8(&b, "on", 77, 1, 1);
	refuses(&b, "no known kind");
	put_head(&b, 1, 1, 7);
	put_u8(&b, "on", CV_FIELD_U64, 0xffff, 1);
	refuses(&b, "cut off");
	put_head(&b, 1, 2, 14);
	put_u8(&b, "on", CV_FIELD_BOOL, 1, 1);
	put_u8(&b, "a", CV_FIELD_U8, 1, 1);
	cv_buf_u8(&b, 0);
	refuses(&b, "1 bytes follow");
	put_head(&b, 0, 0, 0);
	refuses(&b, "version 0");
	put_head(&b, 2, 0, 0);
	refuses(&b, "version 2");
	put_head(&b, 1, 0, 1);
	refuses(&b, "cut off");
	put_head(&b, 1, 0xffff, 0);
	refuses(&b, "ends inside a record");
}
END_TEST

/* A section of version 1 lacks what came later. */
START_TEST(older_version)
{
	struct cv_field old[CV_LEN(fields)];
	struct cv_buf b = { 0 };
	struct thing t = { .young = 1234 };
	uint16_t version;
	size_t used;

	memcpy(old, fields, sizeof(fields));
	old[7] = (struct cv_field)CV_FIELD_LAST;
	cv_state_save(old, 1, &example, &b);
	ck_assert_int_eq(cv_state_load(fields, 2, &t, b.data, b.len, &used, &version, NULL), 0);
	ck_assert_uint_eq(version, 1);
	ck_assert_uint_eq(t.young, 1234);
	/* and a newer one is not read */
	ck_assert_int_eq(cv_state_load(old, 0, &t, b.data, b.len, &used, &version, NULL), -EINVAL);
	cv_buf_fini(&b);
}
END_TEST

CHECK_MAIN("state", round_trip, wire_form, truncations, flipped_bits, refusals, older_version)
