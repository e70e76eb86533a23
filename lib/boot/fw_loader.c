/* SPDX-License-Identifier: BSD-3-Clause */
/* The script by which firmware puts tables into memory: 128 bytes for each step. */
#include "boot/fw_loader.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"

enum { ALLOCATE = 1, ADD_POINTER, ADD_CHECKSUM };

/* The members are packed: the numbers follow the names at once. */
struct step {
	struct le32 command;
	union {
		struct {
			char file[CV_FW_NAME_LEN];
			struct le32 align;
			uint8_t zone;
		} allocate;
		struct {
			char file[CV_FW_NAME_LEN], target[CV_FW_NAME_LEN];
			struct le32 off;
			uint8_t size;
		} pointer;
		struct {
			char file[CV_FW_NAME_LEN];
			struct le32 off, start, len;
		} checksum;
		uint8_t room[124];
	};
};
_Static_assert(sizeof(struct step) == 128, "RomfileLoaderEntry");

static void set_name(char to[CV_FW_NAME_LEN], const char *name)
{
	memcpy(to, name, cv_min(strlen(name), (size_t)CV_FW_NAME_LEN - 1));
}

void cv_fw_loader_allocate(struct cv_fw_loader *l, const char *file, uint32_t align,
			   enum cv_fw_zone zone)
{
	struct step s = { .command = le32(ALLOCATE) };

	set_name(s.allocate.file, file);
	s.allocate.align = le32(align);
	s.allocate.zone = (uint8_t)zone;
	cv_buf_put(&l->script, &s, sizeof(s));
}

void cv_fw_loader_pointer(struct cv_fw_loader *l, const char *file, uint32_t off, uint8_t size,
			  const char *target)
{
	struct step s = { .command = le32(ADD_POINTER) };

	set_name(s.pointer.file, file);
	set_name(s.pointer.target, target);
	s.pointer.off = le32(off);
	s.pointer.size = size;
	cv_buf_put(&l->script, &s, sizeof(s));
}

void cv_fw_loader_checksum(struct cv_fw_loader *l, const char *file, uint32_t off, uint32_t start,
			   uint32_t len)
{
	struct step s = { .command = le32(ADD_CHECKSUM) };

	set_name(s.checksum.file, file);
	s.checksum.off = le32(off);
	s.checksum.start = le32(start);
	s.checksum.len = le32(len);
	cv_buf_put(&l->script, &s, sizeof(s));
}

int cv_fw_loader_finish(struct cv_fw_loader *l, struct cv_fw_files *files, struct vm_error *e)
{
	int err = l->script.failed ? cv_err(e, -ENOMEM, "firmware: out of memory")
				   : cv_fw_add_file(files, "etc/table-loader", l->script.data,
						    l->script.len, e);

	cv_buf_fini(&l->script);
	return err;
}
