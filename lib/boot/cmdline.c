/* SPDX-License-Identifier: BSD-3-Clause */
/* A kernel command line, put together in the caller's buffer. */
#include "boot/cmdline.h"

#include <errno.h>
#include <string.h>

void cv_cmdline_init(struct cv_cmdline *c, char *buf, size_t cap)
{
	*c = (struct cv_cmdline){ .buf = buf, .cap = cap };
	buf[0] = '\0';
}

/* The first character of @s outside [@first, '~'], NULL when there is none. */
static const char *find_bad(const char *s, char first)
{
	for (; *s; s++)
		if (*s < first || *s > '~')
			return s;
	return NULL;
}

static int check_text(const char *text, char first, struct vm_error *e)
{
	const char *c = find_bad(text, first);

	if (!c)
		return 0;
	if (*c == ' ')
		return cv_err(e, -EINVAL, "kernel command line: \"%.64s\" contains a blank", text);
	return cv_err(e, -EINVAL,
		      "kernel command line: character %zu (%#x) is not printable ASCII; remove it",
		      (size_t)(c - text) + 1, (unsigned char)*c);
}

static int check_room(const struct cv_cmdline *c, size_t more, struct vm_error *e)
{
	size_t len = c->len + (c->len > 0) + more;

	if (len < c->cap)
		return 0;
	return cv_err(e, -ENOSPC,
		      "kernel command line: %zu characters are too long, %zu have room; "
		      "shorten the parameters",
		      len, c->cap - 1);
}

/* The room was checked. */
static void put(struct cv_cmdline *c, const char *text)
{
	size_t len = strlen(text);

	memcpy(c->buf + c->len, text, len + 1);
	c->len += len;
}

static void put_blank(struct cv_cmdline *c)
{
	if (c->len > 0)
		put(c, " ");
}

int cv_cmdline_insert(struct cv_cmdline *c, const char *key, const char *value, struct vm_error *e)
{
	int err = check_text(key, '!', e);

	err = err ?: (value ? check_text(value, '!', e) : 0);
	if (err)
		return err;
	if (key[0] == '\0' || strchr(key, '='))
		return cv_err(e, -EINVAL,
			      "kernel command line: \"%.64s\" is not a key; use letters and digits",
			      key);
	err = check_room(c, strlen(key) + (value ? 1 + strlen(value) : 0), e);
	if (err)
		return err;
	put_blank(c);
	put(c, key);
	if (value) {
		put(c, "=");
		put(c, value);
	}
	return 0;
}

int cv_cmdline_append(struct cv_cmdline *c, const char *text, struct vm_error *e)
{
	int err = check_text(text, ' ', e);

	if (err || text[0] == '\0')
		return err;
	err = check_room(c, strlen(text), e);
	if (err)
		return err;
	put_blank(c);
	put(c, text);
	return 0;
}
