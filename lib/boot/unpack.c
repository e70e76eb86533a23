/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packed kernels: the frame around the formats' libraries. Data may be in several
 * members or frames, as the formats allow it. Kernel builds put the unpacked size
 * behind some of them, 4 bytes little-endian (scripts/Makefile.lib, size_append);
 * nothing else may be there.
 */
#include "boot/unpack.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"

#define BUF_LEN	  (64 * CV_KIB)
#define MAGIC_MAX 4
#define SIZE_LEN  4

struct cv_unpack_format {
	const char *name, *tool, *option, *package;
	const char *magic;
	uint8_t magic_len;
	const struct cv_unpack_ops *ops;
};

static const struct cv_unpack_format formats[] = {
	{ "gzip", "gunzip", "CROSVM_ZLIB", "zlib1g-dev", "\x1f\x8b", 2, &cv_unpack_gzip },
	{ "lz4", "unlz4", "CROSVM_LZ4", "liblz4-dev", "\x04\x22\x4d\x18", 4, &cv_unpack_lz4 },
	{ "lz4", "unlz4", "CROSVM_LZ4", "liblz4-dev", "\x02\x21\x4c\x18", 4,
	  &cv_unpack_lz4_legacy },
	{ "zstd", "unzstd", "CROSVM_ZSTD", "libzstd-dev", "\x28\xb5\x2f\xfd", 4, &cv_unpack_zstd },
};

/* Reads on in the file until the buffer is full or the data have ended. */
static int fill(struct cv_boot_source *s, struct vm_error *e)
{
	size_t kept = s->len - s->pos;
	size_t n = (size_t)cv_min(s->left, (uint64_t)(BUF_LEN - kept));
	int err;

	memmove(s->buf, s->buf + s->pos, kept);
	s->pos = 0;
	s->len = kept;
	err = cv_boot_image_read(s->img, s->off, s->buf + kept, n, "the packed kernel", e);
	if (err)
		return err;
	s->len += n;
	s->off += n;
	s->left -= n;
	return 0;
}

static void find_format(struct cv_boot_source *s)
{
	for (size_t i = 0; i < CV_LEN(formats); i++)
		if (cv_boot_magic(s->buf, s->len, 0, formats[i].magic, formats[i].magic_len))
			s->format = &formats[i];
}

static int start(struct cv_boot_source *s, struct vm_error *e)
{
	const struct cv_unpack_format *f = s->format;

	if (!f)
		return 0;
	if (!f->ops->create)
		return cv_boot_image_bad(
			s->img, -ENOSYS, e,
			"is packed with %s, which this build cannot unpack; unpack "
			"it with %s, or build with %s (Debian: %s)",
			f->name, f->tool, f->option, f->package);
	s->state = f->ops->create();
	if (!s->state)
		return cv_boot_image_bad(s->img, -ENOMEM, e, "no memory to unpack it; free some");
	return 0;
}

int cv_boot_source_open(struct cv_boot_source *s, const struct cv_boot_image *img, uint64_t off,
			uint64_t len, struct vm_error *e)
{
	int err;

	*s = (struct cv_boot_source){ .img = img, .off = off, .left = len };
	s->buf = malloc(BUF_LEN);
	if (!s->buf)
		return cv_boot_image_bad(img, -ENOMEM, e, "no memory to read it; free some");
	err = fill(s, e);
	if (!err)
		find_format(s);
	err = err ?: start(s, e);
	if (err)
		cv_boot_source_close(s);
	return err;
}

void cv_boot_source_close(struct cv_boot_source *s)
{
	if (s->state)
		s->format->ops->destroy(s->state);
	free(s->buf);
	*s = (struct cv_boot_source){ 0 };
}

static int failed(const struct cv_boot_source *s, int err, struct vm_error *e)
{
	const char *name = s->format->name;

	if (err == -ENOMEM)
		return cv_boot_image_bad(s->img, err, e, "no memory to unpack it; free some");
	if (err == -E2BIG)
		return cv_boot_image_bad(s->img, err, e,
					 "takes more than 128 MiB of memory to unpack its %s data; "
					 "pack it without --long or --ultra",
					 name);
	return cv_boot_image_bad(s->img, err, e,
				 "the %s data are corrupt behind %llu unpacked bytes; copy it "
				 "again",
				 name, (unsigned long long)s->n_out);
}

/* The data may end here: what follows is more of them, the size alone, or nothing. */
static int frame_ended(struct cv_boot_source *s, struct vm_error *e)
{
	uint64_t rest = s->len - s->pos + s->left;
	const struct cv_unpack_format *f = s->format;
	struct le32 size;
	int err = s->len - s->pos < MAGIC_MAX ? fill(s, e) : 0;

	if (err)
		return err;
	if (rest > SIZE_LEN &&
	    cv_boot_magic(s->buf + s->pos, s->len - s->pos, 0, f->magic, f->magic_len))
		return 0;
	if (rest == SIZE_LEN) {
		memcpy(&size, s->buf + s->pos, sizeof(size));
		s->pos += sizeof(size);
		rest -= le32_get(size) == (uint32_t)s->n_out ? sizeof(size) : 0;
	}
	s->ended = true;
	if (rest == 0)
		return 0;
	return cv_boot_image_bad(s->img, -EINVAL, e,
				 "has %llu bytes behind the end of its %s data; copy it again",
				 (unsigned long long)rest, f->name);
}

/* Every step moves on in the file or in @io, so both bound the caller's loop. */
static int step(struct cv_boot_source *s, struct cv_unpack_io *io, struct vm_error *e)
{
	size_t out_len = io->out_len;
	int err = s->pos == s->len ? fill(s, e) : 0;
	bool stuck;

	if (err)
		return err;
	io->in = s->buf + s->pos;
	io->in_len = s->len - s->pos;
	io->in_behind = s->left;
	err = s->format->ops->step(s->state, io);
	stuck = io->in_len == s->len - s->pos && io->out_len == out_len;
	s->pos = s->len - io->in_len;
	s->n_out += out_len - io->out_len;
	if (err < 0)
		return failed(s, err, e);
	if (err == CV_UNPACK_END)
		err = frame_ended(s, e);
	else if (stuck && s->pos == s->len && s->left == 0)
		return cv_boot_image_error(s->img, -ENODATA, "the packed kernel", e);
	return !err && stuck && !s->ended ? failed(s, -EBADMSG, e) : err;
}

static int read_plain(struct cv_boot_source *s, struct cv_unpack_io *io, struct vm_error *e)
{
	size_t n;
	int err = s->pos == s->len ? fill(s, e) : 0;

	if (err)
		return err;
	n = cv_min(io->out_len, s->len - s->pos);
	memcpy(io->out, s->buf + s->pos, n);
	s->pos += n;
	s->n_out += n;
	io->out += n;
	io->out_len -= n;
	s->ended = s->pos == s->len && s->left == 0;
	return 0;
}

int cv_boot_source_read(struct cv_boot_source *s, void *buf, size_t len, size_t *got,
			struct vm_error *e)
{
	struct cv_unpack_io io = { .out = buf, .out_len = len };
	int err = 0;

	while (io.out_len > 0 && !s->ended && !err)
		err = s->format ? step(s, &io, e) : read_plain(s, &io, e);
	*got = len - io.out_len;
	return err;
}
