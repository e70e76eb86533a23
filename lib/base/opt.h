/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Option tables: one row per "key=value" of a device. The same rows serve the
 * API's text, the command line, the generated help and the opening of files:
 * a FILE is only named here; whoever owns the configuration opens it, so a
 * device never sees a path.
 */
#ifndef CV_BASE_OPT_H
#define CV_BASE_OPT_H

#include "base/base.h"
#include "base/err.h"

enum cv_opt_kind {
	CV_OPT_BOOL, /* bool; the bare key means true */
	CV_OPT_U32,  /* uint32_t */
	CV_OPT_U64,  /* uint64_t */
	CV_OPT_SIZE, /* uint64_t bytes, suffix K M G T */
	CV_OPT_STR,  /* char *, owned by the configuration */
	CV_OPT_ENUM, /* uint32_t, index into @words */
	CV_OPT_FILE, /* struct cv_opt_file */
};

/* How the opener is to open a FILE. */
enum cv_opt_access {
	CV_OPT_READ = 0,      /* read-only */
	CV_OPT_READWRITE,     /* must exist */
	CV_OPT_CREATE_APPEND, /* write, created if missing, written at its end */
	CV_OPT_IMAGE, /* a disk image: read-write unless the bool row "ro" is true; locked */
};

struct cv_opt_file {
	char *path;	/* owned; NULL when none was given (or an fd was) */
	int fd_plus1;	/* owned once opened; 0: none */
	bool read_only; /* what the opener decided */
};

struct cv_opt {
	const char *name;
	enum cv_opt_kind kind;
	uint32_t off;		 /* into the class's config struct */
	uint64_t dflt, min, max; /* numbers; max 0: the type's own */
	bool required;
	enum cv_opt_access access;
	const char *const *words; /* ENUM: NULL-terminated */
	const char *help;	  /* one clause, lower case, no dot */
};

/* The end of a table. */
#define CV_OPT_END           \
	{                    \
		.name = NULL \
	}

/*
 * Parses "key=value,key=value" (or nothing) into a zeroed @config. Where the
 * table has a FILE row, the key "fd" gives an open descriptor for it: the
 * number is stored in fd_plus1 as it is (the opener duplicates it). A value that
 * contains a comma writes it twice (",,"). Unknown, repeated, out-of-range and
 * missing required keys give -EINVAL and a sentence that starts with @what; the
 * configuration is then already cleared. @opts may be NULL: no options at all.
 */
int cv_opt_parse(const struct cv_opt *opts, const char *what, const char *text, void *config,
		 struct vm_error *e) CV_MUST_CHECK;

/*
 * Writes a parsed configuration as the text that gives it again, every row
 * named. A FILE that was given as a descriptor becomes "fd=0": who parses the
 * text in another process puts its own numbers in. A string owned by the
 * caller, or NULL when out of memory.
 */
char *cv_opt_print(const struct cv_opt *opts, const void *config);

/* Releases strings and closes opened files; leaves a zeroed struct's worth of pointers. */
void cv_opt_clear(const struct cv_opt *opts, void *config);

/* The row of that name, or NULL. */
const struct cv_opt *cv_opt_find(const struct cv_opt *opts, const char *name);

/* The value of a BOOL row by name; false when there is no such row. */
bool cv_opt_flag(const struct cv_opt *opts, const void *config, const char *name);

/* The name of a kind for help texts: "bool", "number", "size", "text", "file", … */
const char *cv_opt_kind_name(enum cv_opt_kind kind);

#endif
