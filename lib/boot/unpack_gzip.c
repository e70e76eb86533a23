/* SPDX-License-Identifier: BSD-3-Clause */
/* gzip (RFC 1952), by zlib: which also checks the lengths and the CRC of each member. */
#define ZLIB_CONST /* so that next_in is a pointer to const */
#include <errno.h>
#include <zlib.h>

#include "base/math.h"
#include "boot/unpack.h"

#define GZIP_ONLY 16 /* added to the window's bits: no zlib headers */

struct gzip {
	z_stream z;
	bool ended;
};

static void *gzip_create(void)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (g && inflateInit2(&g->z, MAX_WBITS + GZIP_ONLY) == Z_OK)
		return g;
	free(g);
	return NULL;
}

static void gzip_destroy(void *state)
{
	struct gzip *g = state;

	inflateEnd(&g->z);
	free(g);
}

static int result(int z)
{
	switch (z) {
	case Z_OK:
	case Z_BUF_ERROR: /* nothing to do */
		return CV_UNPACK_MORE;
	case Z_STREAM_END:
		return CV_UNPACK_END;
	case Z_MEM_ERROR:
		return -ENOMEM;
	default:
		return -EBADMSG;
	}
}

static int gzip_step(void *state, struct cv_unpack_io *io)
{
	struct gzip *g = state;
	uInt in = (uInt)cv_min(io->in_len, (size_t)UINT32_MAX);
	uInt out = (uInt)cv_min(io->out_len, (size_t)UINT32_MAX);
	int err;

	if (g->ended && inflateReset(&g->z) != Z_OK)
		return -EBADMSG;
	g->z.next_in = io->in;
	g->z.avail_in = in;
	g->z.next_out = io->out;
	g->z.avail_out = out;
	err = result(inflate(&g->z, Z_NO_FLUSH));
	g->ended = err == CV_UNPACK_END;
	io->in += in - g->z.avail_in;
	io->in_len -= in - g->z.avail_in;
	io->out += out - g->z.avail_out;
	io->out_len -= out - g->z.avail_out;
	return err;
}

const struct cv_unpack_ops cv_unpack_gzip = {
	.create = gzip_create,
	.step = gzip_step,
	.destroy = gzip_destroy,
};
