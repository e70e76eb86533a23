/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling struct vm_error. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void fill(struct vm_error *e, int code, const char *fmt, va_list ap)
{
	if (!e)
		return;
	e->code = -code;
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

int cv_err(struct vm_error *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(e, code, fmt, ap);
	va_end(ap);
	return code;
}

static const char *remedy_of(int code)
{
	switch (code) {
	case -EMFILE:
		return "; raise the limit of open files (ulimit -n)";
	case -ENFILE:
		return "; raise the host's limit of open files (sysctl fs.file-max)";
	default:
		return "";
	}
}

int cv_err_os(struct vm_error *e, int code, const char *fmt, ...)
{
	size_t len;
	va_list ap;

	if (!e)
		return code;
	va_start(ap, fmt);
	fill(e, code, fmt, ap);
	va_end(ap);
	len = strlen(e->text);
	snprintf(e->text + len, sizeof(e->text) - len, ": %s%s", strerror(-code), remedy_of(code));
	return code;
}

int cv_err_prefix(struct vm_error *e, int code, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	size_t len;
	va_list ap;

	if (!e)
		return code;
	memcpy(text, e->text, sizeof(text));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	len = strlen(e->text);
	snprintf(e->text + len, sizeof(e->text) - len, ": %s", text);
	e->code = -code;
	return code;
}
