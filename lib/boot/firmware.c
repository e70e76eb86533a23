/* SPDX-License-Identifier: BSD-3-Clause */
/* Firmware: the image, and the memory map that it asks for. */
#include "boot/firmware.h"

#include <errno.h>

#include "base/buf.h"
#include "base/math.h"
#include "boot/image.h"

static int check_size(const struct cv_boot_image *img, uint64_t max, struct vm_error *e)
{
	unsigned long long len = img->len;

	if (img->len > max)
		return cv_boot_image_bad(img, -EINVAL, e,
					 "%llu bytes are too large for firmware, which has at most "
					 "%llu MiB; name a raw image",
					 len, (unsigned long long)(max / CV_MIB));
	if (!cv_is_aligned(img->len, CV_PAGE_SIZE))
		return cv_boot_image_bad(img, -EINVAL, e,
					 "%llu bytes are not a multiple of 4096, as firmware has; "
					 "name a raw image",
					 len);
	return 0;
}

int cv_boot_load_firmware(const struct cv_boot_file *file, uint64_t max, struct cv_rom *rom,
			  struct vm_error *e)
{
	struct cv_boot_image img;
	int err = cv_boot_image_init(&img, file, "firmware", e);

	*rom = (struct cv_rom){ 0 };
	err = err ?: check_size(&img, max, e);
	err = err ?: cv_rom_init(rom, 0, img.len, e);
	err = err ?: cv_boot_image_read(&img, 0, rom->host, img.len, "the firmware", e);
	if (err) {
		cv_rom_fini(rom);
		return err;
	}
	cv_rom_seal(rom);
	return 0;
}

int cv_boot_pack_e820(const struct cv_boot_range *ranges, unsigned int n, struct cv_fw_files *files,
		      struct vm_error *e)
{
	struct cv_buf b = { 0 };
	int err;

	for (unsigned int i = 0; i < n; i++) {
		cv_buf_le64(&b, ranges[i].gpa);
		cv_buf_le64(&b, ranges[i].len);
		cv_buf_le32(&b, ranges[i].type);
	}
	err = b.failed ? cv_err(e, -ENOMEM, "firmware: out of memory")
		       : cv_fw_add_file(files, "etc/e820", b.data, b.len, e);
	cv_buf_fini(&b);
	return err;
}
