/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading of the files that are loaded, with the sentences for what can be wrong with them. */
#include "boot/image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/math.h"

int cv_boot_image_init(struct cv_boot_image *img, const struct cv_boot_file *file, const char *what,
		       struct vm_error *e)
{
	struct stat st;

	if (fstat(file->fd, &st) < 0) {
		int err = -errno;

		return cv_err(e, err, "%s: the %s cannot be examined: %s; check the file",
			      file->name, what, strerror(-err));
	}
	if (S_ISDIR(st.st_mode))
		return cv_err(e, -EISDIR, "%s: is a directory; name the %s file in it", file->name,
			      what);
	if (!S_ISREG(st.st_mode))
		return cv_err(e, -EINVAL, "%s: is not a regular file; copy the %s to one",
			      file->name, what);
	if (st.st_size <= 0)
		return cv_err(e, -ENODATA, "%s: the %s is empty; copy it again", file->name, what);
	*img = (struct cv_boot_image){ .fd = file->fd,
				       .name = file->name,
				       .len = (uint64_t)st.st_size };
	return 0;
}

int cv_boot_image_error(const struct cv_boot_image *img, int err, const char *part,
			struct vm_error *e)
{
	if (err == -ENODATA)
		return cv_err(e, err, "%s: the file ends in the middle of %s; copy it again",
			      img->name, part);
	return cv_err(e, err, "%s: %s cannot be read: %s; check the file and its disk", img->name,
		      part, strerror(-err));
}

int cv_boot_image_bad(const struct cv_boot_image *img, int code, struct vm_error *e,
		      const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return cv_err(e, code, "%s: %s", img->name, text);
}

static int read_exactly(int fd, uint64_t off, uint8_t *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = pread(fd, buf, len, (off_t)off);

		if (n == 0)
			return -ENODATA;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			buf += n;
			off += (uint64_t)n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int cv_boot_image_read(const struct cv_boot_image *img, uint64_t off, void *buf, size_t len,
		       const char *part, struct vm_error *e)
{
	int err = -ENODATA;

	if (cv_in_range(off, len, img->len))
		err = read_exactly(img->fd, off, buf, len);
	return err ? cv_boot_image_error(img, err, part, e) : 0;
}

/* Address 0 is what no initrd has. */
int cv_boot_space_check(const struct cv_boot_space *space, struct vm_error *e)
{
	if (space->gpa == 0 || !cv_mem_valid(space->mem, space->gpa, space->len))
		return cv_err(e, -EINVAL,
			      "guest memory: %#llx bytes at %#llx are not all memory, kernels "
			      "cannot be loaded there; give a part of it",
			      (unsigned long long)space->len, (unsigned long long)space->gpa);
	return 0;
}

bool cv_boot_space_has(const struct cv_boot_space *space, uint64_t gpa, uint64_t len)
{
	return gpa >= space->gpa && cv_in_range(gpa - space->gpa, len, space->len);
}
