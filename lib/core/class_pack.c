/* SPDX-License-Identifier: BSD-3-Clause */
/* A class's configuration on its way to the process that runs the device: text and open files. */
#include <errno.h>

#include "core/dev.h"

static struct cv_opt_file *file_of(const struct cv_opt *row, const void *config)
{
	return (struct cv_opt_file *)((uintptr_t)config + row->off);
}

static unsigned int n_rows(const struct cv_class *cls)
{
	unsigned int n = 0;

	while (cls->opts && cls->opts[n].name)
		n++;
	return n;
}

int cv_class_config_pack(const struct cv_class *cls, const void *config, char **text,
			 struct cv_class_file files[CV_CLASS_MAX_FILES], unsigned int *n,
			 struct vm_error *e)
{
	unsigned int rows = cv_min(n_rows(cls), (unsigned int)CV_CLASS_MAX_FILES);

	*n = 0;
	*text = cv_opt_print(cls->opts, config);
	if (!*text)
		return cv_err(e, -ENOMEM, "%s: out of memory", cls->name);
	for (unsigned int i = 0; i < rows; i++) {
		const struct cv_opt_file *f = file_of(&cls->opts[i], config);

		if (cls->opts[i].kind == CV_OPT_FILE && f->fd_plus1 > 0)
			files[(*n)++] = (struct cv_class_file){ .fd = f->fd_plus1 - 1,
								.row = (uint8_t)i,
								.read_only = f->read_only };
	}
	return 0;
}

/* "fd=N" stands for a file that is not given yet. */
static void clear_files(const struct cv_class *cls, void *config)
{
	for (const struct cv_opt *row = cls->opts; row && row->name; row++)
		if (row->kind == CV_OPT_FILE)
			file_of(row, config)->fd_plus1 = 0;
}

static int place_files(const struct cv_class *cls, const struct cv_class_file *files,
		       unsigned int n, void *config)
{
	unsigned int rows = n_rows(cls);

	for (unsigned int i = 0; i < n; i++) {
		struct cv_opt_file *f;

		if (files[i].row >= rows || cls->opts[files[i].row].kind != CV_OPT_FILE)
			return -EINVAL;
		f = file_of(&cls->opts[files[i].row], config);
		if (f->fd_plus1 > 0 || files[i].fd < 0)
			return -EINVAL;
		f->fd_plus1 = files[i].fd + 1;
		f->read_only = files[i].read_only;
	}
	return 0;
}

int cv_class_config_unpack(const struct cv_class *cls, const char *text,
			   const struct cv_class_file *files, unsigned int n, void **config,
			   struct vm_error *e)
{
	void *c = calloc(1, cls->config_size + 1);
	int err;

	if (!c)
		return cv_err(e, -ENOMEM, "%s: out of memory", cls->name);
	err = cv_opt_parse(cls->opts, cls->name, text, c, e);
	if (err) {
		free(c);
		return err;
	}
	clear_files(cls, c);
	if (place_files(cls, files, n, c)) {
		clear_files(cls, c);
		cv_class_config_destroy(cls, c);
		return cv_err(e, -EINVAL, "%s: its files do not fit its options", cls->name);
	}
	*config = c;
	return 0;
}
