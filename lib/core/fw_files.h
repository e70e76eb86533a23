/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a machine tells its firmware: the items of QEMU's fw_cfg device
 * (docs/specs/fw_cfg.rst), each behind a key or, as a file, behind a name that
 * the directory translates. Filled before the guest runs and constant then.
 */
#ifndef CV_CORE_FW_FILES_H
#define CV_CORE_FW_FILES_H

#include "base/base.h"
#include "base/endian.h"
#include "base/err.h"

#define CV_FW_MAX_ITEMS 32
#define CV_FW_MAX_LEN	(16u << 20) /* of one item */
#define CV_FW_NAME_LEN	56	    /* with its NUL */
#define CV_FW_KEY_DIR	0x19u
#define CV_FW_KEY_FILE_0 \
	0x20u /* the first file; below: items that had numbers before there were names */

struct cv_fw_item {
	uint16_t key;
	size_t len;
	uint8_t *data; /* owned */
};

struct cv_fw_entry {
	struct be32 len;
	struct be16 key, reserved;
	char name[CV_FW_NAME_LEN];
};
_Static_assert(sizeof(struct cv_fw_entry) == 64, "fw_cfg's FWCfgFile");

/* A zeroed struct is valid and empty. */
struct cv_fw_files {
	unsigned int n_items;
	struct cv_fw_item items[CV_FW_MAX_ITEMS];
	struct {
		struct be32 n;
		struct cv_fw_entry entries[CV_FW_MAX_ITEMS];
	} dir; /* as the guest reads it */
};

/* Adds a copy of @len bytes behind a key. 0; -EEXIST; -ENOSPC for too many or too long; -ENOMEM. */
int cv_fw_add_item(struct cv_fw_files *f, uint16_t key, const void *data, size_t len,
		   struct vm_error *e) CV_MUST_CHECK;

/* The same behind a name and the next free key; -EINVAL for a name that is too long. */
int cv_fw_add_file(struct cv_fw_files *f, const char *name, const void *data, size_t len,
		   struct vm_error *e) CV_MUST_CHECK;

/* The bytes behind a key, the directory's included, with their number in *len; NULL: none. */
const void *cv_fw_find(const struct cv_fw_files *f, uint16_t key, size_t *len);

/* The same by name. */
const void *cv_fw_find_file(const struct cv_fw_files *f, const char *name, size_t *len);

/* Frees all items and leaves it empty. */
void cv_fw_files_fini(struct cv_fw_files *f);

#endif
