/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames between a device's process and its parent. */
#include "process/protocol.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"

void cv_frame_begin(struct cv_buf *b, enum cv_process_frame type)
{
	cv_buf_u8(b, (uint8_t)type);
}

void cv_frame_text(struct cv_buf *b, const char *s)
{
	cv_buf_put(b, s ? s : "", strlen(s ? s : "") + 1);
}

const uint8_t *cv_frame_bytes(struct cv_frame *f, size_t len)
{
	const uint8_t *p = f->data + f->at;

	f->bad = f->bad || !cv_in_range(f->at, len, f->len);
	if (f->bad)
		return NULL;
	f->at += len;
	return p;
}

uint8_t cv_frame_u8(struct cv_frame *f)
{
	const uint8_t *p = cv_frame_bytes(f, 1);

	return p ? *p : 0;
}

uint32_t cv_frame_u32(struct cv_frame *f)
{
	const uint8_t *p = cv_frame_bytes(f, 4);
	struct le32 v = { 0 };

	if (p)
		memcpy(&v, p, sizeof(v));
	return le32_get(v);
}

uint64_t cv_frame_u64(struct cv_frame *f)
{
	const uint8_t *p = cv_frame_bytes(f, 8);
	struct le64 v = { 0 };

	if (p)
		memcpy(&v, p, sizeof(v));
	return le64_get(v);
}

const char *cv_frame_get_text(struct cv_frame *f)
{
	const uint8_t *start = f->data + f->at, *end = NULL;

	if (!f->bad && f->at < f->len)
		end = memchr(start, 0, f->len - f->at);
	f->bad = !end;
	if (!end)
		return "";
	f->at += (size_t)(end - start) + 1;
	return (const char *)start;
}

bool cv_frame_ended(const struct cv_frame *f)
{
	return !f->bad && f->at == f->len;
}

void cv_frame_put_start(struct cv_buf *b, const struct cv_start_frame *s)
{
	cv_frame_begin(b, CV_PROCESS_START);
	cv_frame_text(b, s->version);
	cv_frame_text(b, s->cls);
	cv_frame_text(b, s->options);
	cv_buf_u8(b, s->packed);
	cv_buf_u8(b, s->poll);
	cv_buf_u8(b, s->foreign);
	cv_buf_u8(b, s->repeated);
	cv_buf_u8(b, s->log_level);
	cv_buf_le64(b, s->memory);
	cv_buf_put(b, &s->jail, sizeof(s->jail));
	cv_buf_u8(b, (uint8_t)s->n_files);
	for (unsigned int i = 0; i < s->n_files; i++) {
		cv_buf_u8(b, s->files[i].row);
		cv_buf_u8(b, s->files[i].read_only);
	}
	cv_buf_le32(b, s->n_filter);
	cv_buf_put(b, s->filter, s->n_filter * 8ul);
}

static int get_files(struct cv_frame *f, struct cv_start_frame *s)
{
	s->n_files = cv_frame_u8(f);
	if (s->n_files > CV_PROCESS_MAX_FILES)
		return -EBADMSG;
	for (unsigned int i = 0; i < s->n_files; i++) {
		s->files[i].row = cv_frame_u8(f);
		s->files[i].read_only = cv_frame_u8(f);
		s->files[i].fd = -1;
	}
	return 0;
}

int cv_frame_get_start(struct cv_frame *f, struct cv_start_frame *s)
{
	const uint8_t *jail;

	*s = (struct cv_start_frame){ .version = cv_frame_get_text(f) };
	s->cls = cv_frame_get_text(f);
	s->options = cv_frame_get_text(f);
	s->packed = cv_frame_u8(f);
	s->poll = cv_frame_u8(f);
	s->foreign = cv_frame_u8(f);
	s->repeated = cv_frame_u8(f);
	s->log_level = cv_frame_u8(f);
	s->memory = cv_frame_u64(f);
	jail = cv_frame_bytes(f, sizeof(s->jail));
	if (!jail || get_files(f, s))
		return -EBADMSG;
	memcpy(&s->jail, jail, sizeof(s->jail));
	s->n_filter = cv_frame_u32(f);
	if (s->n_filter > CV_PROCESS_MAX_FILTER)
		return -EBADMSG;
	s->filter = cv_frame_bytes(f, s->n_filter * 8ul);
	return cv_frame_ended(f) ? 0 : -EBADMSG;
}

void cv_frame_put_result(struct cv_buf *b, enum cv_process_frame type, int result, const char *text)
{
	cv_frame_begin(b, type);
	cv_buf_le32(b, (uint32_t)result);
	cv_frame_text(b, text);
}
