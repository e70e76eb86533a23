/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists, buffers, byte orders and checked ranges. */
#include <string.h>

#include "base/buf.h"
#include "base/endian.h"
#include "base/list.h"
#include "base/math.h"
#include "support/check_main.h"

struct item {
	int val;
	struct cv_list node;
};

static int sum_in_order(struct cv_list *head)
{
	int sum = 0;

	cv_list_for_each(node, head)
		sum = sum * 10 + cv_list_entry(node, struct item, node)->val;
	return sum;
}

START_TEST(lists)
{
	struct item items[4] = { { .val = 1 }, { .val = 2 }, { .val = 3 }, { .val = 4 } };
	struct cv_list head = { 0 };

	ck_assert(cv_list_empty(&head));
	ck_assert_int_eq(sum_in_order(&head), 0);
	cv_list_init(&head);
	ck_assert(cv_list_empty(&head));
	ck_assert_ptr_null(cv_list_pop(&head));
	for (size_t i = 0; i < 4; i++)
		cv_list_add_tail(&head, &items[i].node);
	ck_assert_int_eq(sum_in_order(&head), 1234);
	cv_list_remove(&items[1].node);
	cv_list_remove(&items[1].node);
	ck_assert(!cv_list_linked(&items[1].node));
	ck_assert_int_eq(sum_in_order(&head), 134);
	cv_list_for_each_safe(node, tmp, &head)
		if (cv_list_entry(node, struct item, node)->val != 3)
			cv_list_remove(node);
	ck_assert_int_eq(sum_in_order(&head), 3);
	ck_assert_ptr_eq(cv_list_pop(&head), &items[2].node);
	ck_assert(cv_list_empty(&head) && !cv_list_linked(&items[2].node));
}
END_TEST

START_TEST(buffers)
{
	struct cv_buf b = { 0 };
	uint8_t chunk[1000];

	memset(chunk, 0x5a, sizeof(chunk));
	cv_buf_put(&b, NULL, 0);
	ck_assert_uint_eq(b.len, 0);
	cv_buf_u8(&b, 1);
	cv_buf_le16(&b, 0x0203);
	cv_buf_le32(&b, 0x04050607);
	cv_buf_le64(&b, 0x08090a0b0c0d0e0f);
	ck_assert_uint_eq(b.len, 15);
	ck_assert_int_eq(memcmp(b.data, "\x1\x3\x2\x7\x6\x5\x4\xf\xe\xd\xc\xb\xa\x9\x8", 15), 0);
	for (unsigned int i = 0; i < 100; i++)
		cv_buf_put(&b, chunk, sizeof(chunk));
	ck_assert_uint_eq(b.len, 100015);
	ck_assert_uint_eq(b.data[100014], 0x5a);
	cv_buf_put(&b, chunk, SIZE_MAX - 10); /* does not fit; remembered, nothing lost */
	ck_assert(b.failed);
	ck_assert_uint_eq(b.len, 100015);
	cv_buf_u8(&b, 1);
	ck_assert_uint_eq(b.len, 100015);
	cv_buf_fini(&b);
	ck_assert_ptr_null(b.data);
	cv_buf_fini(&b);
	cv_buf_fini(NULL);
}
END_TEST

START_TEST(byte_orders)
{
	struct le32 l = le32(0x11223344);
	struct be32 b = be32(0x11223344);
	struct be16 b16 = be16(0x1122);
	struct be64 b64 = be64(0x1122334455667788);

	ck_assert_int_eq(memcmp(&l, "\x44\x33\x22\x11", 4), 0);
	ck_assert_int_eq(memcmp(&b, "\x11\x22\x33\x44", 4), 0);
	ck_assert_int_eq(memcmp(&b16, "\x11\x22", 2), 0);
	ck_assert_int_eq(memcmp(&b64, "\x11\x22\x33\x44\x55\x66\x77\x88", 8), 0);
	ck_assert_uint_eq(le32_get(l), 0x11223344);
	ck_assert_uint_eq(be32_get(b), 0x11223344);
	ck_assert_uint_eq(be16_get(b16), 0x1122);
	ck_assert_uint_eq(be64_get(b64), 0x1122334455667788);
	ck_assert_uint_eq(le16_get(le16(0xabcd)), 0xabcd);
	ck_assert_uint_eq(le64_get(le64(1)), 1);
}
END_TEST

START_TEST(ranges)
{
	ck_assert(cv_in_range(0, 10, 10) && cv_in_range(10, 0, 10) && cv_in_range(0, 0, 0));
	ck_assert(!cv_in_range(1, 10, 10) && !cv_in_range(11, 0, 10));
	ck_assert(!cv_in_range(UINT64_MAX, 2, 10) && !cv_in_range(5, UINT64_MAX, 10));
	ck_assert(cv_in_range(1, UINT64_MAX - 1, UINT64_MAX));
	ck_assert(cv_ranges_overlap(0, 10, 9, 1) && cv_ranges_overlap(9, 1, 0, 10));
	ck_assert(!cv_ranges_overlap(0, 10, 10, 1) && !cv_ranges_overlap(10, 1, 0, 10));
	ck_assert(!cv_ranges_overlap(5, 0, 0, 10) && !cv_ranges_overlap(0, 10, 5, 0));
	ck_assert(cv_ranges_overlap(0, UINT64_MAX, UINT64_MAX - 1, 1));
}
END_TEST

START_TEST(powers)
{
	ck_assert(cv_is_pow2(1) && cv_is_pow2(1ull << 63));
	ck_assert(!cv_is_pow2(0) && !cv_is_pow2(3));
	ck_assert_uint_eq(cv_pow2_ceil(0), 1);
	ck_assert_uint_eq(cv_pow2_ceil(1), 1);
	ck_assert_uint_eq(cv_pow2_ceil(4097), 8192);
	ck_assert_uint_eq(cv_pow2_ceil(1ull << 63), 1ull << 63);
	ck_assert_uint_eq(cv_align_up(4097, 4096), 8192);
	ck_assert_uint_eq(cv_align_up(8192, 4096), 8192);
	ck_assert_uint_eq(cv_align_down(8191, 4096), 4096);
	ck_assert_uint_eq(cv_ones(1), 0xff);
	ck_assert_uint_eq(cv_ones(4), UINT32_MAX);
	ck_assert_uint_eq(cv_ones(8), UINT64_MAX);
}
END_TEST

START_TEST(macros)
{
	CV_AUTO_FREE char *p = malloc(1);
	char *kept = cv_steal(p);
	int evaluated = 0;

	ck_assert_ptr_null(p);
	free(kept);
	ck_assert_int_eq(cv_min(++evaluated, 5), 1);
	ck_assert_int_eq(cv_max(++evaluated, 1), 2);
	ck_assert_int_eq(evaluated, 2);
	ck_assert_uint_eq(CV_LEN(((int[7]){ 0 })), 7);
}
END_TEST

CHECK_MAIN("containers", lists, buffers, byte_orders, ranges, powers, macros)
