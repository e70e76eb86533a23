/* SPDX-License-Identifier: BSD-3-Clause */
/* A growing byte buffer. */
#include "base/buf.h"

#include <string.h>

#include "base/endian.h"

static bool grow(struct cv_buf *b, size_t len)
{
	size_t want, cap = b->cap ? b->cap : 64;
	uint8_t *data;

	if (b->failed || __builtin_add_overflow(b->len, len, &want) || want > SIZE_MAX / 2)
		return false;
	if (want <= b->cap)
		return true;
	while (cap < want)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

void cv_buf_put(struct cv_buf *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (!grow(b, len)) {
		b->failed = true;
		return;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void cv_buf_u8(struct cv_buf *b, uint8_t v)
{
	cv_buf_put(b, &v, sizeof(v));
}

void cv_buf_le16(struct cv_buf *b, uint16_t v)
{
	struct le16 le = le16(v);

	cv_buf_put(b, &le, sizeof(le));
}

void cv_buf_le32(struct cv_buf *b, uint32_t v)
{
	struct le32 le = le32(v);

	cv_buf_put(b, &le, sizeof(le));
}

void cv_buf_le64(struct cv_buf *b, uint64_t v)
{
	struct le64 le = le64(v);

	cv_buf_put(b, &le, sizeof(le));
}

void cv_buf_fini(struct cv_buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = (struct cv_buf){ 0 };
}
