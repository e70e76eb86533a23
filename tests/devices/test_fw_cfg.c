/* SPDX-License-Identifier: BSD-3-Clause */
/* The firmware configuration device: both layouts (_i), by bytes and by DMA, and what it refuses. */
#include <stdio.h>

#include "base/math.h"
#include "support/check_main.h"
#include "support/fw_rig.h"

enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

#define REQUEST 0x1000u
#define BUFFER	0x2000u
#define LEN	12 /* of FW_DATA */

static const struct {
	const char *options;
	uint64_t selector, data, dma;
} layouts[] = { { "", 0, 1, 4 }, { "layout=mmio", 8, 0, 16 } };

static void choose(struct fw_rig *r, int layout, uint16_t key)
{
	uint16_t val = layout == CV_FW_CFG_MMIO ? htobe16(key) : key;

	fw_write(r, layouts[layout].selector, 2, val);
}

static void expect_bytes(struct fw_rig *r, int layout, const void *want, size_t len)
{
	const uint8_t *bytes = want;

	for (size_t i = 0; i < len; i++)
		ck_assert_uint_eq(fw_read(r, layouts[layout].data, 1), bytes[i]);
}

/* Writes the address of a request in two halves, as 32-bit guests do. */
static void ring(struct fw_rig *r, int layout, uint64_t gpa)
{
	fw_write(r, layouts[layout].dma, 4, htobe32((uint32_t)(gpa >> 32)));
	fw_write(r, layouts[layout].dma + 4, 4, htobe32((uint32_t)gpa));
}

static void put_request(struct fw_rig *r, uint64_t at, uint32_t control, uint32_t len, uint64_t gpa)
{
	const struct be32 head[] = { be32(control), be32(len) };
	const struct be64 addr = be64(gpa);

	ck_assert_int_eq(cv_mem_write(&r->mem, at, head, sizeof(head)), 0);
	ck_assert_int_eq(cv_mem_write(&r->mem, at + 8, &addr, sizeof(addr)), 0);
}

/* What the request's control says afterwards. */
static uint32_t dma(struct fw_rig *r, int layout, uint32_t control, uint32_t len, uint64_t gpa)
{
	struct be32 result;

	put_request(r, REQUEST, control, len, gpa);
	ring(r, layout, REQUEST);
	ck_assert_int_eq(cv_mem_read(&r->mem, REQUEST, &result, sizeof(result)), 0);
	return be32_get(result);
}

static void expect_memory(struct fw_rig *r, uint64_t gpa, const void *want, size_t len)
{
	uint8_t got[256];

	ck_assert_uint_le(len, sizeof(got));
	ck_assert_int_eq(cv_mem_read(&r->mem, gpa, got, len), 0);
	ck_assert_mem_eq(got, want, len);
}

START_TEST(by_bytes)
{
	struct fw_rig r;

	fw_open(&r, layouts[_i].options);
	choose(&r, _i, 0);
	expect_bytes(&r, _i, "QEMU\0\0", 6);
	choose(&r, _i, 1);
	expect_bytes(&r, _i, "\3\0\0\0\0", 5);
	choose(&r, _i, 5);
	expect_bytes(&r, _i, "\3\0\0", 3);
	choose(&r, _i, CV_FW_KEY_DIR);
	expect_bytes(&r, _i, "\0\0\0\1\0\0\0\14\0\40\0\0etc/file\0", 21);
	choose(&r, _i, CV_FW_KEY_FILE_0);
	expect_bytes(&r, _i, FW_DATA "\0\0", LEN + 2);
	choose(&r, _i, 0xffff);
	expect_bytes(&r, _i, "\0\0", 2);
	cv_rslot_local_reset(r.slot);
	expect_bytes(&r, _i, "QE", 2);
	fw_close(&r);
}
END_TEST

START_TEST(by_dma)
{
	const uint32_t select_file = CV_FW_KEY_FILE_0 << 16 | SELECT;
	struct fw_rig r;

	fw_open(&r, layouts[_i].options);
	ck_assert_uint_eq(fw_read(&r, layouts[_i].dma, 4), le32toh(0x554d4551));     /* "QEMU" */
	ck_assert_uint_eq(fw_read(&r, layouts[_i].dma + 4, 4), le32toh(0x47464320)); /* " CFG" */
	ck_assert_uint_eq(fw_read(&r, layouts[_i].dma, 8), 0x47464320554d4551ull);
	ck_assert_uint_eq(dma(&r, _i, select_file | READ, LEN, BUFFER), 0);
	expect_memory(&r, BUFFER, FW_DATA, LEN);
	/* on from there: behind the end are zeroes */
	ck_assert_uint_eq(dma(&r, _i, READ, 4, BUFFER), 0);
	expect_memory(&r, BUFFER, "\0\0\0\0", 4);
	/* in parts, and past some */
	ck_assert_uint_eq(dma(&r, _i, select_file, 0, 0), 0);
	ck_assert_uint_eq(dma(&r, _i, SKIP, 7, 0), 0);
	ck_assert_uint_eq(dma(&r, _i, READ, 8, BUFFER + 1), 0);
	expect_memory(&r, BUFFER + 1, "bytes\0\0\0", 8);
	/* both ways read the same position */
	ck_assert_uint_eq(dma(&r, _i, select_file | SKIP, 1, 0), 0);
	expect_bytes(&r, _i, "we", 2);
	ck_assert_uint_eq(dma(&r, _i, READ, 3, BUFFER), 0);
	expect_memory(&r, BUFFER, "lve", 3);
	fw_close(&r);
}
END_TEST

/* A 64-bit guest writes the address at once. */
START_TEST(address_in_one)
{
	struct be32 result;
	struct fw_rig r;

	fw_open(&r, layouts[_i].options);
	put_request(&r, REQUEST, 1 << 16 | SELECT | READ, 1, BUFFER);
	fw_write(&r, layouts[_i].dma, 8, htobe64(REQUEST));
	expect_memory(&r, BUFFER, "\3", 1);
	ck_assert_int_eq(cv_mem_read(&r.mem, REQUEST, &result, sizeof(result)), 0);
	ck_assert_uint_eq(be32_get(result), 0);
	fw_close(&r);
}
END_TEST

START_TEST(refused)
{
	const uint32_t select_file = CV_FW_KEY_FILE_0 << 16 | SELECT;
	static const uint8_t nothing[16];
	struct fw_rig r;

	fw_open(&r, layouts[_i].options);
	ck_assert_uint_eq(dma(&r, _i, select_file | WRITE, LEN, BUFFER), ERROR);
	/* to what is no memory, in part or at all */
	ck_assert_uint_eq(dma(&r, _i, select_file | READ, LEN, FW_MEM - 4), ERROR);
	expect_memory(&r, FW_MEM - 4, nothing, 4);
	ck_assert_uint_eq(dma(&r, _i, READ, 1, FW_MEM), ERROR);
	ck_assert_uint_eq(dma(&r, _i, READ, 1, UINT64_MAX), ERROR);
	ck_assert_uint_eq(dma(&r, _i, READ, UINT32_MAX, 0), ERROR);
	ck_assert_uint_eq(dma(&r, _i, READ, CV_FW_MAX_LEN + 1, 0), ERROR);
	/* what has failed has not moved on */
	expect_bytes(&r, _i, "tw", 2);
	/* as far as one can skip, and further */
	ck_assert_uint_eq(dma(&r, _i, SKIP, UINT32_MAX, 0), 0);
	ck_assert_uint_eq(dma(&r, _i, SKIP, UINT32_MAX, 0), 0);
	expect_bytes(&r, _i, "\0\0", 2);
	ck_assert_uint_eq(dma(&r, _i, READ, 16, BUFFER), 0);
	expect_memory(&r, BUFFER, nothing, 16);
	/* a request outside of memory, or partly */
	ring(&r, _i, FW_MEM);
	put_request(&r, FW_MEM - 16, select_file | READ, LEN, BUFFER);
	ring(&r, _i, FW_MEM - 12);
	expect_memory(&r, BUFFER, nothing, 16);
	ring(&r, _i, UINT64_MAX - 3);
	/* one that lies in what it overwrites is read once, and its result comes last */
	ck_assert_uint_eq(dma(&r, _i, select_file | READ, LEN, REQUEST), 0);
	fw_close(&r);
}
END_TEST

/* The upper half is forgotten once it has been used. */
START_TEST(halves)
{
	struct fw_rig r;

	fw_open(&r, layouts[_i].options);
	ring(&r, _i, 1ull << 32 | REQUEST);
	put_request(&r, REQUEST, 1 << 16 | SELECT | READ, 1, BUFFER);
	fw_write(&r, layouts[_i].dma + 4, 4, htobe32(REQUEST));
	expect_memory(&r, BUFFER, "\3", 1);
	fw_close(&r);
}
END_TEST

START_TEST(odd_accesses)
{
	struct fw_rig r;
	uint32_t seed = 1;

	fw_open(&r, layouts[_i].options);
	choose(&r, _i, CV_FW_KEY_FILE_0);
	/* selectors of other sizes, halves at wrong places */
	fw_write(&r, layouts[_i].selector, 1, 5);
	fw_write(&r, layouts[_i].selector, 4, 5);
	fw_write(&r, layouts[_i].dma + 2, 4, 0);
	fw_write(&r, layouts[_i].dma + 1, 1, 0);
	fw_write(&r, layouts[_i].dma + 4, 8, 0);
	expect_bytes(&r, _i, "tw", 2);
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t off;

		seed = seed * 1103515245 + 12345;
		off = (seed >> 16) % (CV_FW_CFG_MMIO_SPAN + 1);
		if (seed & 0x80)
			fw_write(&r, off, 1u << (seed >> 8 & 3), seed >> 10);
		else
			fw_read(&r, off, 1u << (seed >> 8 & 3));
	}
	fw_close(&r);
}
END_TEST

/* Eight bytes at once keep their order; only memory has registers of that width. */
START_TEST(wide_data)
{
	char text[9] = "";
	struct fw_rig r;
	uint64_t val;

	fw_open(&r, layouts[_i].options);
	choose(&r, _i, CV_FW_KEY_FILE_0);
	if (_i == CV_FW_CFG_MMIO) {
		val = htole64(fw_read(&r, 0, 8));
		memcpy(text, &val, 8);
		ck_assert_str_eq(text, "twelve b");
	} else {
		ck_assert_uint_eq(fw_read(&r, 0, 2), 0);
	}
	fw_close(&r);
}
END_TEST

CHECK_MAIN_TIMES(2, "fw_cfg", by_bytes, by_dma, address_in_one, refused, halves, odd_accesses,
		 wide_data)
