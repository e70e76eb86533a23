/* SPDX-License-Identifier: BSD-3-Clause */
/* Packing in every format that lib/boot unpacks, with the formats' own libraries. */
#ifndef CV_TESTS_PACK_H
#define CV_TESTS_PACK_H

#include "boot_test.h"

#if CROSVM_HAVE_ZLIB
#include <zlib.h>
#endif
#if CROSVM_HAVE_LZ4
#include <lz4.h>
#include <lz4frame.h>
#endif
#if CROSVM_HAVE_ZSTD
#include <zstd.h>
#endif

#define LEGACY_BLOCK (8u << 20)

enum packing {
	PACK_GZIP,
	PACK_LZ4,
	PACK_LEGACY,
	PACK_ZSTD,
	PACKINGS,
};

static const struct {
	const char *name, *option;
	bool have;
} packings[] = {
	[PACK_GZIP] = { "gzip", "CROSVM_ZLIB", CROSVM_HAVE_ZLIB },
	[PACK_LZ4] = { "lz4", "CROSVM_LZ4", CROSVM_HAVE_LZ4 },
	[PACK_LEGACY] = { "lz4", "CROSVM_LZ4", CROSVM_HAVE_LZ4 },
	[PACK_ZSTD] = { "zstd", "CROSVM_ZSTD", CROSVM_HAVE_ZSTD },
};

static inline bool pack_have(int how)
{
	return how >= 0 && how < PACKINGS && packings[how].have;
}

/* Enough for what was packed, in any of the formats. */
static inline size_t pack_cap(size_t len)
{
	return len + len / 32 + 4096;
}

static inline size_t pack_gzip(uint8_t *out, size_t cap, const uint8_t *in, size_t len)
{
#if CROSVM_HAVE_ZLIB
	z_stream z = { 0 };
	CV_AUTO_FREE uint8_t *copy = malloc(len + 1); /* next_in is not const */

	memcpy(copy, in, len);
	z.next_in = copy;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = (uInt)cap;
	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	ck_assert_int_eq(deflateEnd(&z), Z_OK);
	return z.total_out;
#else
	(void)cap;
	(void)in;
	memcpy(out, "\x1f\x8b\x08\0", 4);
	return 4 + (len > 0);
#endif
}

static inline size_t pack_lz4(uint8_t *out, size_t cap, const uint8_t *in, size_t len)
{
#if CROSVM_HAVE_LZ4
	LZ4F_preferences_t prefs = LZ4F_INIT_PREFERENCES;
	size_t n;

	prefs.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
	n = LZ4F_compressFrame(out, cap, in, len, &prefs);
	ck_assert(!LZ4F_isError(n));
	return n;
#else
	(void)cap;
	(void)in;
	memcpy(out, "\x04\x22\x4d\x18", 4);
	return 4 + (len > 0);
#endif
}

static inline size_t pack_legacy(uint8_t *out, size_t cap, const uint8_t *in, size_t len)
{
	size_t at = 4;

	memcpy(out, "\x02\x21\x4c\x18", 4);
#if CROSVM_HAVE_LZ4
	while (len > 0) {
		int n = (int)cv_min(len, (size_t)LEGACY_BLOCK);
		int packed = LZ4_compress_default((const char *)in, (char *)out + at + 4, n,
						  (int)(cap - at - 4));
		struct le32 word = le32((uint32_t)packed);

		ck_assert_int_gt(packed, 0);
		memcpy(out + at, &word, sizeof(word));
		at += 4 + (size_t)packed;
		in += n;
		len -= (size_t)n;
	}
#else
	(void)cap;
	(void)in;
	(void)len;
#endif
	return at;
}

static inline size_t pack_zstd(uint8_t *out, size_t cap, const uint8_t *in, size_t len)
{
#if CROSVM_HAVE_ZSTD
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t n;

	ck_assert(!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)));
	n = ZSTD_compress2(c, out, cap, in, len);
	ck_assert(!ZSTD_isError(n));
	ZSTD_freeCCtx(c);
	return n;
#else
	(void)cap;
	(void)in;
	memcpy(out, "\x28\xb5\x2f\xfd", 4);
	return 4 + (len > 0);
#endif
}

static inline size_t pack(enum packing how, uint8_t *out, size_t cap, const uint8_t *in, size_t len)
{
	switch (how) {
	case PACK_GZIP:
		return pack_gzip(out, cap, in, len);
	case PACK_LZ4:
		return pack_lz4(out, cap, in, len);
	case PACK_LEGACY:
		return pack_legacy(out, cap, in, len);
	case PACK_ZSTD:
		return pack_zstd(out, cap, in, len);
	case PACKINGS:
		break;
	}
	return 0;
}

/* Bytes that pack, but not too well. */
static inline void fill_content(uint8_t *out, size_t len)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		out[i] = (uint8_t)(i % 64 < 40 ? i >> 8 : x >> 24);
	}
}

#endif
