/* SPDX-License-Identifier: BSD-3-Clause */
/* A kernel command line, put together in the caller's buffer. */
#ifndef CV_BOOT_CMDLINE_H
#define CV_BOOT_CMDLINE_H

#include "base/base.h"
#include "base/err.h"

/* @buf is a terminated string at any time. */
struct cv_cmdline {
	char *buf;
	size_t len, cap; /* cap counts the NUL */
};

/* Empties @buf of @cap bytes (at least 1), which stays the caller's. */
void cv_cmdline_init(struct cv_cmdline *c, char *buf, size_t cap);

/*
 * Adds "key=value", or "key" alone when @value is NULL. Neither may hold
 * anything but printable ASCII, blanks, or an equals sign in the key; the key is
 * not empty. 0, -EINVAL, or -ENOSPC with nothing added.
 */
int cv_cmdline_insert(struct cv_cmdline *c, const char *key, const char *value,
		      struct vm_error *e) CV_MUST_CHECK;

/* Adds @text as it is; an empty one changes nothing. 0, -EINVAL for a character
 * that is not printable ASCII, or -ENOSPC with nothing added. */
int cv_cmdline_append(struct cv_cmdline *c, const char *text, struct vm_error *e) CV_MUST_CHECK;

#endif
