/* SPDX-License-Identifier: BSD-3-Clause */
/* What a machine tells its firmware: items by key, files by name. */
#include "core/fw_files.h"

#include <errno.h>
#include <string.h>

#include "base/math.h"

static const struct cv_fw_item *find_item(const struct cv_fw_files *f, uint16_t key)
{
	for (unsigned int i = 0; i < f->n_items; i++)
		if (f->items[i].key == key)
			return &f->items[i];
	return NULL;
}

int cv_fw_add_item(struct cv_fw_files *f, uint16_t key, const void *data, size_t len,
		   struct vm_error *e)
{
	struct cv_fw_item *item = &f->items[f->n_items];

	if (key == CV_FW_KEY_DIR || find_item(f, key))
		return cv_err(e, -EEXIST, "firmware: item 0x%x is there already", key);
	if (f->n_items == CV_FW_MAX_ITEMS || len > CV_FW_MAX_LEN)
		return cv_err(e, -ENOSPC,
			      "firmware: item 0x%x of %zu bytes does not fit, at most %d of %u "
			      "bytes do",
			      key, len, CV_FW_MAX_ITEMS, CV_FW_MAX_LEN);
	item->data = malloc(cv_max(len, (size_t)1));
	if (!item->data)
		return cv_err(e, -ENOMEM, "firmware: out of memory");
	if (len > 0)
		memcpy(item->data, data, len);
	item->key = key;
	item->len = len;
	f->n_items++;
	return 0;
}

int cv_fw_add_file(struct cv_fw_files *f, const char *name, const void *data, size_t len,
		   struct vm_error *e)
{
	uint32_t n = be32_get(f->dir.n);
	uint16_t key = (uint16_t)(CV_FW_KEY_FILE_0 + n);
	size_t old, name_len = strlen(name);
	int err;

	if (name_len == 0 || name_len >= CV_FW_NAME_LEN)
		return cv_err(e, -EINVAL, "firmware: file name '%s' is longer than %d or empty",
			      name, CV_FW_NAME_LEN - 1);
	if (cv_fw_find_file(f, name, &old))
		return cv_err(e, -EEXIST, "firmware: file %s is there already", name);
	err = cv_fw_add_item(f, key, data, len, e);
	if (err)
		return err;
	f->dir.entries[n] = (struct cv_fw_entry){ .len = be32((uint32_t)len), .key = be16(key) };
	memcpy(f->dir.entries[n].name, name, name_len);
	f->dir.n = be32(n + 1);
	return 0;
}

const void *cv_fw_find(const struct cv_fw_files *f, uint16_t key, size_t *len)
{
	const struct cv_fw_item *item = find_item(f, key);

	if (key == CV_FW_KEY_DIR) {
		*len = sizeof(f->dir.n) + be32_get(f->dir.n) * sizeof(f->dir.entries[0]);
		return &f->dir;
	}
	*len = item ? item->len : 0;
	return item ? item->data : NULL;
}

const void *cv_fw_find_file(const struct cv_fw_files *f, const char *name, size_t *len)
{
	for (uint32_t i = 0; i < be32_get(f->dir.n); i++)
		if (strcmp(f->dir.entries[i].name, name) == 0)
			return cv_fw_find(f, be16_get(f->dir.entries[i].key), len);
	*len = 0;
	return NULL;
}

void cv_fw_files_fini(struct cv_fw_files *f)
{
	while (f->n_items > 0)
		free(f->items[--f->n_items].data);
	memset(&f->dir, 0, sizeof(f->dir));
}
