/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * zstd (RFC 8878), by libzstd. Its streaming decoder refuses windows beyond 128 MiB,
 * which is what its compressor's level 22 uses.
 */
#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "boot/unpack.h"

static void *zstd_create(void)
{
	return ZSTD_createDStream();
}

static void zstd_destroy(void *state)
{
	ZSTD_freeDStream(state);
}

static int zstd_error(size_t result)
{
	ZSTD_ErrorCode code = ZSTD_getErrorCode(result);

	if (code == ZSTD_error_memory_allocation)
		return -ENOMEM;
	return code == ZSTD_error_frameParameter_windowTooLarge ? -E2BIG : -EBADMSG;
}

static int zstd_step(void *state, struct cv_unpack_io *io)
{
	ZSTD_inBuffer in = { .src = io->in, .size = io->in_len };
	ZSTD_outBuffer out = { .dst = io->out, .size = io->out_len };
	size_t result = ZSTD_decompressStream(state, &out, &in);

	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->out_len -= out.pos;
	if (ZSTD_isError(result))
		return zstd_error(result);
	return result == 0 ? CV_UNPACK_END : CV_UNPACK_MORE;
}

const struct cv_unpack_ops cv_unpack_zstd = {
	.create = zstd_create,
	.step = zstd_step,
	.destroy = zstd_destroy,
};
