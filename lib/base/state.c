/* SPDX-License-Identifier: BSD-3-Clause */
/* State tables: save and load. */
#include "base/state.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"

#define MAGIC	   0x54535643u /* "CVST" */
#define MAX_FIELDS 64

struct section_head {
	struct le32 magic;
	struct le16 version, n_records;
	struct le32 n_bytes;
};
_Static_assert(sizeof(struct section_head) == 12, "section head");

struct record_head {
	uint8_t name_len, kind;
	struct le16 count;
};
_Static_assert(sizeof(struct record_head) == 4, "record head");

static size_t width(uint16_t kind)
{
	static const uint8_t widths[] = {
		[CV_FIELD_U8] = 1,  [CV_FIELD_U16] = 2,	 [CV_FIELD_U32] = 4,
		[CV_FIELD_U64] = 8, [CV_FIELD_BOOL] = 1,
	};

	return kind < CV_LEN(widths) ? widths[kind] : 0;
}

/* Host order to little-endian or back: the same exchange either way. */
static void copy_value(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	for (size_t i = 0; i < n; i++)
		t[i] = f[__BYTE_ORDER == __LITTLE_ENDIAN ? i : n - 1 - i];
}

static void save_record(const struct cv_field *f, const void *self, struct cv_buf *out)
{
	struct record_head head = { .name_len = (uint8_t)strlen(f->name),
				    .kind = (uint8_t)f->kind,
				    .count = le16(f->count) };
	const uint8_t *from = (const uint8_t *)self + f->off;
	size_t w = width(f->kind);
	uint8_t value[8];

	cv_buf_put(out, &head, sizeof(head));
	cv_buf_put(out, f->name, head.name_len);
	for (size_t i = 0; i < f->count; i++) {
		copy_value(value, from + i * w, w);
		cv_buf_put(out, value, w);
	}
}

void cv_state_save(const struct cv_field *fields, uint16_t version, const void *self,
		   struct cv_buf *out)
{
	struct section_head head = { .magic = le32(MAGIC), .version = le16(version) };
	size_t at = out->len;
	uint16_t n = 0;

	cv_buf_put(out, &head, sizeof(head));
	for (const struct cv_field *f = fields; f && f->kind != CV_FIELD_END; f++, n++)
		save_record(f, self, out);
	if (out->failed)
		return;
	head.n_records = le16(n);
	head.n_bytes = le32((uint32_t)(out->len - at - sizeof(head)));
	memcpy(out->data + at, &head, sizeof(head));
}

static const struct cv_field *find(const struct cv_field *fields, const char *name, size_t len,
				   unsigned int *index)
{
	*index = 0;
	for (const struct cv_field *f = fields; f && f->kind != CV_FIELD_END; f++, (*index)++)
		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
			return f;
	return NULL;
}

static int load_values(const struct cv_field *f, void *self, const uint8_t *data,
		       struct vm_error *e)
{
	uint8_t *to = (uint8_t *)self + f->off;
	size_t w = width(f->kind);

	for (size_t i = 0; i < f->count; i++) {
		if (f->kind == CV_FIELD_BOOL && data[i] > 1)
			return cv_err(e, -EINVAL, "saved state: %s is neither true nor false",
				      f->name);
		copy_value(to + i * w, data + i * w, w);
	}
	return 0;
}

/* One record at the front of [data, len); returns its length or a negative errno. */
static int load_record(const struct cv_field *fields, void *self, const uint8_t *data, size_t len,
		       uint64_t *seen, struct vm_error *e)
{
	struct record_head head;
	const struct cv_field *f;
	unsigned int index;
	size_t body;
	int err;

	if (len < sizeof(head))
		return cv_err(e, -EINVAL, "saved state: it ends inside a record");
	memcpy(&head, data, sizeof(head));
	body = head.name_len + le16_get(head.count) * width(head.kind);
	if (width(head.kind) == 0 || len - sizeof(head) < body)
		return cv_err(e, -EINVAL, "saved state: a record is cut off or of no known kind");
	data += sizeof(head);
	f = find(fields, (const char *)data, head.name_len, &index);
	if (!f || index >= MAX_FIELDS || (*seen & 1ull << index))
		return cv_err(e, -EINVAL, "saved state: a record is not known or comes twice");
	if (f->kind != head.kind || f->count != le16_get(head.count))
		return cv_err(e, -EINVAL, "saved state: %s has another type or count", f->name);
	*seen |= 1ull << index;
	err = load_values(f, self, data + head.name_len, e);
	return err ? err : (int)(sizeof(head) + body);
}

static int check_complete(const struct cv_field *fields, uint16_t version, uint64_t seen,
			  struct vm_error *e)
{
	unsigned int i = 0;

	for (const struct cv_field *f = fields; f && f->kind != CV_FIELD_END; f++, i++)
		if (f->since <= version && !(seen & 1ull << i))
			return cv_err(e, -EINVAL, "saved state: %s is missing", f->name);
	return 0;
}

static int load_head(struct section_head *head, uint16_t version, const uint8_t *data, size_t len,
		     struct vm_error *e)
{
	if (len < sizeof(*head))
		return cv_err(e, -EINVAL, "saved state: it ends inside a section head");
	memcpy(head, data, sizeof(*head));
	if (le32_get(head->magic) != MAGIC)
		return cv_err(e, -EINVAL, "saved state: a section does not start where it should");
	if (le16_get(head->version) > version || le16_get(head->version) == 0)
		return cv_err(e, -EINVAL, "saved state: version %u is not known here (up to %u is)",
			      le16_get(head->version), version);
	if (le32_get(head->n_bytes) > len - sizeof(*head))
		return cv_err(e, -EINVAL, "saved state: a section is cut off");
	return 0;
}

int cv_state_load(const struct cv_field *fields, uint16_t version, void *self, const uint8_t *data,
		  size_t len, size_t *used, uint16_t *saved_version, struct vm_error *e)
{
	struct section_head head;
	uint64_t seen = 0;
	size_t left;
	int n = load_head(&head, version, data, len, e);

	if (n < 0)
		return n;
	left = le32_get(head.n_bytes);
	data += sizeof(head);
	for (unsigned int i = 0; i < le16_get(head.n_records); i++) {
		n = load_record(fields, self, data, left, &seen, e);
		if (n < 0)
			return n;
		data += n;
		left -= (size_t)n;
	}
	if (left > 0)
		return cv_err(e, -EINVAL, "saved state: %zu bytes follow the last record", left);
	*used = sizeof(head) + le32_get(head.n_bytes);
	*saved_version = le16_get(head.version);
	return check_complete(fields, *saved_version, seen, e);
}
