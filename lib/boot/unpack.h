/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside lib/boot: the bytes of a kernel, from a file that has them plainly or packed
 * with gzip, lz4 or zstd. They come out piece by piece, so that no more host memory
 * is needed than the formats' windows take, however large the kernel says it is.
 */
#ifndef CV_BOOT_UNPACK_H
#define CV_BOOT_UNPACK_H

#include "boot/image.h"

struct cv_unpack_format;

/* A zeroed source is valid and has nothing to close. */
struct cv_boot_source {
	const struct cv_boot_image *img;       /* borrowed */
	const struct cv_unpack_format *format; /* NULL: the file has the bytes plainly */
	void *state;			       /* the format's */
	uint8_t *buf;			       /* packed bytes that were read ... */
	size_t pos, len;		       /* ... and of which these were not used yet */
	uint64_t off, left;		       /* those behind them in the file */
	uint64_t n_out;			       /* bytes that came out */
	bool ended;
};

/*
 * Prepares for the @len bytes of the file from @off on, which is inside it. 0;
 * -ENOSYS when they are packed and this build cannot unpack them; -ENOMEM; or what
 * reading gave.
 */
int cv_boot_source_open(struct cv_boot_source *s, const struct cv_boot_image *img, uint64_t off,
			uint64_t len, struct vm_error *e) CV_MUST_CHECK;

/*
 * Reads @len bytes, fewer only at the end; @got tells how many. 0; -EBADMSG for
 * corrupt data, -ENODATA for truncated, -EINVAL for something behind their end,
 * -E2BIG when unpacking takes too much memory, -ENOMEM; or what reading gave.
 */
int cv_boot_source_read(struct cv_boot_source *s, void *buf, size_t len, size_t *got,
			struct vm_error *e) CV_MUST_CHECK;

void cv_boot_source_close(struct cv_boot_source *s);

/* One step of a format takes from @in and gives to @out what it likes to, and moves both on. */
struct cv_unpack_io {
	const uint8_t *in;
	size_t in_len;
	uint64_t in_behind; /* bytes that come after those of @in */
	uint8_t *out;
	size_t out_len;
};

/* What a step gives, besides negative errors. */
#define CV_UNPACK_MORE 0
#define CV_UNPACK_END  1 /* the data may end here; the next step begins anew */

/*
 * The formats themselves; all NULL in a build without their library. A step that
 * neither takes nor gives anything waits for more input.
 */
struct cv_unpack_ops {
	void *(*create)(void); /* NULL: no memory */
	int (*step)(void *state, struct cv_unpack_io *io);
	void (*destroy)(void *state);
};

extern const struct cv_unpack_ops cv_unpack_gzip, cv_unpack_lz4, cv_unpack_lz4_legacy,
	cv_unpack_zstd;

#endif
