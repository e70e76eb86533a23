/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing and copying of text. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

int cv_str_copy(char *dst, size_t size, const char *src)
{
	size_t len = strlen(src);

	dst[0] = '\0';
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(dst, src, len + 1);
	return 0;
}

/* Parses the digits at the front; *end is what follows them. */
static int digits(const char *s, uint64_t *val, const char **end)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	char *stop;

	if (!isdigit((unsigned char)s[0]) || (hex && !isxdigit((unsigned char)s[2])))
		return -EINVAL;
	errno = 0;
	*val = strtoull(s, &stop, hex ? 16 : 10);
	*end = stop;
	return errno == ERANGE ? -ERANGE : 0;
}

int cv_str_u64(const char *s, uint64_t *val)
{
	const char *end;
	int err = digits(s, val, &end);

	if (err == -EINVAL || *end != '\0')
		return -EINVAL;
	return err;
}

int cv_str_size(const char *s, uint64_t unit, uint64_t *val)
{
	static const char suffixes[] = "KMGT";
	const char *end, *suffix;
	int err = digits(s, val, &end);

	if (err == -EINVAL)
		return err;
	suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
	if (suffix) {
		unit = 1ull << (10 * (suffix - suffixes + 1));
		end++;
	}
	if (suffix && strcasecmp(end, "ib") == 0)
		end += 2;
	else if (*end == 'B' || *end == 'b') {
		unit = suffix ? unit : 1;
		end++;
	}
	if (*end != '\0')
		return -EINVAL;
	if (err || __builtin_mul_overflow(*val, unit, val))
		return -ERANGE;
	return 0;
}

int cv_str_bool(const char *s, bool *val)
{
	static const char *const words[][2] = {
		{ "false", "true" }, { "off", "on" }, { "no", "yes" }, { "0", "1" }
	};

	for (size_t i = 0; i < CV_LEN(words); i++)
		for (size_t j = 0; j < 2; j++)
			if (strcasecmp(s, words[i][j]) == 0) {
				*val = j == 1;
				return 0;
			}
	return -EINVAL;
}

char *cv_str_printf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : s;
}
