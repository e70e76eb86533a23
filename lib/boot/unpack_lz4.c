/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lz4, by liblz4: frames (lz4's doc/lz4_Frame_format.md), and the legacy frame of the
 * same page's section "Legacy frame", which `lz4 -l` and kernel builds write: blocks
 * of up to 8 MiB behind their packed length, until the file ends.
 */
#include <errno.h>
#include <lz4.h>
#include <lz4frame.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "boot/unpack.h"

#define LEGACY_MAGIC  0x184c2102u
#define LEGACY_BLOCK  (8u << 20)
#define LEGACY_PACKED ((size_t)LZ4_COMPRESSBOUND(LEGACY_BLOCK))
#define LEGACY_WORD   sizeof(struct le32)

static void *lz4_create(void)
{
	LZ4F_dctx *d = NULL;

	return LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)) ? NULL : d;
}

static void lz4_destroy(void *state)
{
	cv_ignore(LZ4F_freeDecompressionContext(state)); /* where it was: at a frame's end or not */
}

static int lz4_step(void *state, struct cv_unpack_io *io)
{
	size_t in = io->in_len, out = io->out_len;
	size_t result = LZ4F_decompress(state, io->out, &out, io->in, &in, NULL);

	if (LZ4F_isError(result))
		return -EBADMSG;
	io->in += in;
	io->in_len -= in;
	io->out += out;
	io->out_len -= out;
	return result == 0 ? CV_UNPACK_END : CV_UNPACK_MORE;
}

const struct cv_unpack_ops cv_unpack_lz4 = {
	.create = lz4_create,
	.step = lz4_step,
	.destroy = lz4_destroy,
};

struct legacy {
	uint8_t packed[LZ4_COMPRESSBOUND(LEGACY_BLOCK)];
	size_t have, want; /* bytes of a word, or of a block when one is being gathered */
	bool in_block;
	uint8_t block[LEGACY_BLOCK];
	size_t pos, len; /* of what was unpacked */
};

static void *legacy_create(void)
{
	struct legacy *l = calloc(1, sizeof(*l));

	if (l)
		l->want = LEGACY_WORD;
	return l;
}

static void drain(struct legacy *l, struct cv_unpack_io *io)
{
	size_t n = cv_min(l->len - l->pos, io->out_len);

	memcpy(io->out, l->block + l->pos, n);
	l->pos += n;
	io->out += n;
	io->out_len -= n;
}

/* Between blocks: the length of the next one, or the magic that begins a frame. */
static int take_word(struct legacy *l)
{
	struct le32 word;

	memcpy(&word, l->packed, sizeof(word));
	l->have = 0;
	if (le32_get(word) == LEGACY_MAGIC)
		return 0;
	if (le32_get(word) == 0 || le32_get(word) > LEGACY_PACKED)
		return -EBADMSG;
	l->want = le32_get(word);
	l->in_block = true;
	return 0;
}

static int take_block(struct legacy *l)
{
	int n = LZ4_decompress_safe((const char *)l->packed, (char *)l->block, (int)l->have,
				    (int)LEGACY_BLOCK);

	if (n <= 0)
		return -EBADMSG;
	l->pos = 0;
	l->len = (size_t)n;
	l->have = 0;
	l->want = LEGACY_WORD;
	l->in_block = false;
	return 0;
}

/* Nothing marks the end: it is where the file ends, or 4 bytes before for a size. */
static int legacy_step(void *state, struct cv_unpack_io *io)
{
	struct legacy *l = state;
	uint64_t rest = io->in_len + io->in_behind;
	size_t n;

	if (l->pos < l->len) {
		drain(l, io);
		return CV_UNPACK_MORE;
	}
	if (!l->in_block && l->have == 0 && (rest == 0 || rest == LEGACY_WORD))
		return CV_UNPACK_END;
	n = cv_min(l->want - l->have, io->in_len);
	memcpy(l->packed + l->have, io->in, n);
	l->have += n;
	io->in += n;
	io->in_len -= n;
	if (l->have < l->want)
		return CV_UNPACK_MORE;
	return l->in_block ? take_block(l) : take_word(l);
}

const struct cv_unpack_ops cv_unpack_lz4_legacy = {
	.create = legacy_create,
	.step = legacy_step,
	.destroy = free,
};
