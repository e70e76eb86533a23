/* SPDX-License-Identifier: BSD-3-Clause */
/* Option tables. */
#include "base/opt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

static void *field(const struct cv_opt *o, void *config)
{
	return (char *)config + o->off;
}

const struct cv_opt *cv_opt_find(const struct cv_opt *opts, const char *name)
{
	for (const struct cv_opt *o = opts; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

bool cv_opt_flag(const struct cv_opt *opts, const void *config, const char *name)
{
	const struct cv_opt *o = cv_opt_find(opts, name);
	bool val = false;

	if (o && o->kind == CV_OPT_BOOL)
		memcpy(&val, (const char *)config + o->off, sizeof(val));
	return val;
}

const char *cv_opt_kind_name(enum cv_opt_kind kind)
{
	switch (kind) {
	case CV_OPT_BOOL:
		return "bool";
	case CV_OPT_U32:
	case CV_OPT_U64:
		return "number";
	case CV_OPT_SIZE:
		return "size";
	case CV_OPT_STR:
		return "text";
	case CV_OPT_ENUM:
		return "choice";
	case CV_OPT_FILE:
		return "file";
	}
	return "?";
}

void cv_opt_clear(const struct cv_opt *opts, void *config)
{
	for (const struct cv_opt *o = opts; o && o->name; o++) {
		if (o->kind == CV_OPT_STR) {
			char **s = field(o, config);

			free(*s);
			*s = NULL;
		} else if (o->kind == CV_OPT_FILE) {
			struct cv_opt_file *f = field(o, config);

			free(f->path);
			if (f->fd_plus1 > 0)
				close(f->fd_plus1 - 1);
			*f = (struct cv_opt_file){ 0 };
		}
	}
}

static int store_number(const struct cv_opt *o, const char *what, const char *s, void *to,
			struct vm_error *e)
{
	uint64_t type_max = o->kind == CV_OPT_U32 ? UINT32_MAX : UINT64_MAX;
	uint64_t max = o->max ? o->max : type_max, val = 0;
	int err = o->kind == CV_OPT_SIZE ? cv_str_size(s, 1, &val) : cv_str_u64(s, &val);

	if (err == -EINVAL)
		return cv_err(e, -EINVAL, "%s: option %s: '%s' is not a %s, give %s", what, o->name,
			      s, cv_opt_kind_name(o->kind),
			      o->kind == CV_OPT_SIZE ? "a number with K, M, G or T"
						     : "a whole number");
	if (err || val < o->min || val > max)
		return cv_err(e, -EINVAL, "%s: option %s: %s is out of range, give %llu to %llu",
			      what, o->name, s, (unsigned long long)o->min,
			      (unsigned long long)max);
	if (o->kind == CV_OPT_U32)
		*(uint32_t *)to = (uint32_t)val;
	else
		*(uint64_t *)to = val;
	return 0;
}

static int store_word(const struct cv_opt *o, const char *what, const char *s, uint32_t *to,
		      struct vm_error *e)
{
	char all[128] = "";
	size_t len = 0;

	for (uint32_t i = 0; o->words[i]; i++) {
		if (strcmp(o->words[i], s) == 0) {
			*to = i;
			return 0;
		}
		len = strlen(all);
		if (len + strlen(o->words[i]) + 3 < sizeof(all)) {
			strcat(all, i > 0 ? ", " : "");
			strcat(all, o->words[i]);
		}
	}
	return cv_err(e, -EINVAL, "%s: option %s: '%s' is not known, give one of %s", what, o->name,
		      s, all);
}

static int store_text(const char *what, const char *s, char **to, struct vm_error *e)
{
	*to = strdup(s);
	return *to ? 0 : cv_err(e, -ENOMEM, "%s: out of memory for its options", what);
}

static int store(const struct cv_opt *o, const char *what, const char *s, void *to,
		 struct vm_error *e)
{
	switch (o->kind) {
	case CV_OPT_BOOL:
		if (cv_str_bool(s, to) == 0)
			return 0;
		return cv_err(e, -EINVAL, "%s: option %s: '%s' is neither true nor false", what,
			      o->name, s);
	case CV_OPT_U32:
	case CV_OPT_U64:
	case CV_OPT_SIZE:
		return store_number(o, what, s, to, e);
	case CV_OPT_ENUM:
		return store_word(o, what, s, to, e);
	case CV_OPT_STR:
		return store_text(what, s, to, e);
	case CV_OPT_FILE:
		if (s[0] == '\0')
			return cv_err(e, -EINVAL, "%s: option %s is empty, give a file", what,
				      o->name);
		return store_text(what, s, &((struct cv_opt_file *)to)->path, e);
	}
	return -EINVAL;
}

/* "fd=N" in place of the table's FILE row. */
static int store_fd(const struct cv_opt *o, const char *what, const char *s, void *config,
		    struct vm_error *e)
{
	struct cv_opt_file *f = field(o, config);
	uint64_t fd = 0;

	if (cv_str_u64(s, &fd) || fd >= INT32_MAX)
		return cv_err(e, -EINVAL, "%s: option fd: '%s' is not the number of an open file",
			      what, s);
	f->fd_plus1 = (int)fd + 1;
	return 0;
}

static const struct cv_opt *file_row(const struct cv_opt *opts)
{
	for (const struct cv_opt *o = opts; o && o->name; o++)
		if (o->kind == CV_OPT_FILE)
			return o;
	return NULL;
}

static int one_pair(const struct cv_opt *opts, const char *what, char *pair, void *config,
		    uint64_t *seen, struct vm_error *e)
{
	char *value = strchr(pair, '=');
	const struct cv_opt *o;
	bool fd;

	if (value)
		*value++ = '\0';
	fd = strcmp(pair, "fd") == 0 && !cv_opt_find(opts, "fd");
	o = fd ? file_row(opts) : cv_opt_find(opts, pair);
	if (!o)
		return cv_err(
			e, -EINVAL,
			"%s: option '%s' is not known, see 'crosvm devices' for those that are",
			what, pair);
	if (*seen & 1ull << (o - opts))
		return cv_err(e, -EINVAL, "%s: option %s is given twice, give it once", what,
			      o->name);
	*seen |= 1ull << (o - opts);
	if (!value && o->kind != CV_OPT_BOOL)
		return cv_err(e, -EINVAL, "%s: option %s has no value, write %s=VALUE", what, pair,
			      pair);
	if (fd)
		return store_fd(o, what, value, config, e);
	return store(o, what, value ? value : "true", field(o, config), e);
}

/* Cuts the next pair off *text, undoing ",,"; NULL at the end. */
static char *next_pair(char **text)
{
	char *start = *text, *to = start, *from = start;

	if (!start)
		return NULL;
	*text = NULL;
	for (; *from; from++) {
		if (*from == ',' && from[1] != ',') {
			*text = from + 1;
			break;
		}
		if (*from == ',')
			from++;
		*to++ = *from;
	}
	*to = '\0';
	return start;
}

static void set_defaults(const struct cv_opt *opts, void *config)
{
	for (const struct cv_opt *o = opts; o && o->name; o++) {
		void *to = field(o, config);

		if (o->kind == CV_OPT_BOOL)
			*(bool *)to = o->dflt != 0;
		else if (o->kind == CV_OPT_U32 || o->kind == CV_OPT_ENUM)
			*(uint32_t *)to = (uint32_t)o->dflt;
		else if (o->kind == CV_OPT_U64 || o->kind == CV_OPT_SIZE)
			*(uint64_t *)to = o->dflt;
	}
}

static int check_required(const struct cv_opt *opts, const char *what, uint64_t seen,
			  struct vm_error *e)
{
	for (const struct cv_opt *o = opts; o && o->name; o++)
		if (o->required && !(seen & 1ull << (o - opts)))
			return cv_err(e, -EINVAL, "%s: option %s is missing, give %s=%s", what,
				      o->name, o->name, o->kind == CV_OPT_FILE ? "FILE" : "VALUE");
	return 0;
}

/* "fd=N" is a number of the caller's: not ours to close when parsing fails. */
static void forget_fds(const struct cv_opt *opts, void *config)
{
	for (const struct cv_opt *o = opts; o && o->name; o++)
		if (o->kind == CV_OPT_FILE)
			((struct cv_opt_file *)field(o, config))->fd_plus1 = 0;
}

int cv_opt_parse(const struct cv_opt *opts, const char *what, const char *text, void *config,
		 struct vm_error *e)
{
	CV_AUTO_FREE char *copy = strdup(text ? text : "");
	char *rest = copy, *pair;
	uint64_t seen = 0;
	int err = 0;

	if (!copy)
		return cv_err(e, -ENOMEM, "%s: out of memory for its options", what);
	set_defaults(opts, config);
	if (copy[0] == '\0')
		rest = NULL;
	while (!err && (pair = next_pair(&rest)))
		err = one_pair(opts, what, pair, config, &seen, e);
	err = err ?: check_required(opts, what, seen, e);
	if (err) {
		forget_fds(opts, config);
		cv_opt_clear(opts, config);
	}
	return err;
}

/* ---- the way back ---- */

static void print_text(struct cv_buf *b, const char *s)
{
	for (; *s; s++) {
		cv_buf_u8(b, (uint8_t)*s);
		if (*s == ',')
			cv_buf_u8(b, ',');
	}
}

static void print_number(struct cv_buf *b, uint64_t val)
{
	char number[24];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)val);
	print_text(b, number);
}

static void print_key(struct cv_buf *b, const char *name)
{
	if (b->len > 0)
		cv_buf_u8(b, ',');
	print_text(b, name);
	cv_buf_u8(b, '=');
}

/* A row whose value is not there (no text, no file) was not given: it is left out. */
static bool is_given(const struct cv_opt *o, const void *value)
{
	const struct cv_opt_file *f = value;

	if (o->kind == CV_OPT_FILE)
		return f->path || f->fd_plus1 > 0;
	return o->kind != CV_OPT_STR || *(char *const *)value;
}

static void print_row(struct cv_buf *b, const struct cv_opt *o, const void *value)
{
	const char *path =
		o->kind == CV_OPT_FILE ? ((const struct cv_opt_file *)value)->path : NULL;

	if (!is_given(o, value))
		return;
	print_key(b, o->kind == CV_OPT_FILE && !path ? "fd" : o->name);
	switch (o->kind) {
	case CV_OPT_BOOL:
		print_text(b, *(const bool *)value ? "true" : "false");
		return;
	case CV_OPT_U32:
		print_number(b, *(const uint32_t *)value);
		return;
	case CV_OPT_U64:
	case CV_OPT_SIZE:
		print_number(b, *(const uint64_t *)value);
		return;
	case CV_OPT_ENUM:
		print_text(b, o->words[*(const uint32_t *)value]);
		return;
	case CV_OPT_STR:
		print_text(b, *(char *const *)value);
		return;
	case CV_OPT_FILE:
		print_text(b, path ? path : "0");
		return;
	}
}

char *cv_opt_print(const struct cv_opt *opts, const void *config)
{
	struct cv_buf text = { 0 };

	for (const struct cv_opt *o = opts; o && o->name; o++)
		print_row(&text, o, (const char *)config + o->off);
	cv_buf_u8(&text, '\0');
	if (!text.failed)
		return (char *)text.data;
	cv_buf_fini(&text);
	return NULL;
}
