/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the option parser: a table of every kind, then every class of the build. Opens nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/dev.h"
#include "support/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct config {
	bool flag;
	uint32_t num, word;
	uint64_t big, size;
	char *text;
	struct cv_opt_file file;
};

static const char *const words[] = { "raw", "qcow2", NULL };

static const struct cv_opt opts[] = {
	{ .name = "flag", .kind = CV_OPT_BOOL, .off = offsetof(struct config, flag) },
	{ .name = "num",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct config, num),
	  .min = 2,
	  .max = 9 },
	{ .name = "big", .kind = CV_OPT_U64, .off = offsetof(struct config, big) },
	{ .name = "size", .kind = CV_OPT_SIZE, .off = offsetof(struct config, size) },
	{ .name = "text", .kind = CV_OPT_STR, .off = offsetof(struct config, text) },
	{ .name = "word",
	  .kind = CV_OPT_ENUM,
	  .off = offsetof(struct config, word),
	  .words = words },
	{ .name = "file", .kind = CV_OPT_FILE, .off = offsetof(struct config, file) },
	CV_OPT_END
};

/* "fd=N" is still the caller's number: not ours to close. */
static void forget_fds(const struct cv_opt *rows, void *config)
{
	for (const struct cv_opt *o = rows; o && o->name; o++)
		if (o->kind == CV_OPT_FILE)
			((struct cv_opt_file *)(void *)((char *)config + o->off))->fd_plus1 = 0;
}

static int parse(const struct cv_opt *rows, const char *text, void *config)
{
	struct vm_error e = { 0 };
	int err = cv_opt_parse(rows, "fuzz", text, config, &e);

	must(err == 0 || (err == -EINVAL && strncmp(e.text, "fuzz: ", 6) == 0));
	if (!err)
		forget_fds(rows, config);
	return err;
}

static void parse_table(const char *text)
{
	struct config c = { 0 };

	if (parse(opts, text, &c) == 0) {
		must(c.num == 0 || (c.num >= 2 && c.num <= 9));
		must(c.word < 2);
		cv_opt_clear(opts, &c);
	}
	must(!c.text && !c.file.path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	parse_table(text);
	for (const struct cv_class *const *c = cv_classes; *c; c++) {
		void *config = calloc(1, (*c)->config_size + 1);

		must(config);
		if (parse((*c)->opts, text, config) == 0)
			cv_opt_clear((*c)->opts, config);
		free(config);
	}
	free(text);
	return 0;
}
