/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of a device with one line to the host: in= and out=. */
#ifndef CV_TTY_TTY_OPTS_H
#define CV_TTY_TTY_OPTS_H

#include "base/opt.h"

struct cv_tty_files {
	struct cv_opt_file in, out;
};

/* Rows of an option table, for the member @files of the configuration. */
#define CV_TTY_OPT_IN(type, files)                                                               \
	.name = "in", .kind = CV_OPT_FILE,                                                       \
	.off = offsetof(type, files) + offsetof(struct cv_tty_files, in), .access = CV_OPT_READ, \
	.help = "where input comes from; none if missing"

#define CV_TTY_OPT_OUT(type, files)                                        \
	.name = "out", .kind = CV_OPT_FILE,                                \
	.off = offsetof(type, files) + offsetof(struct cv_tty_files, out), \
	.access = CV_OPT_CREATE_APPEND, .help = "where output goes; dropped if missing"

#endif
