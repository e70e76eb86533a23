/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line's grammar. */
#include "args.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void cli_complain(const char *fmt, ...)
{
	va_list ap;

	fputs("crosvm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void cli_print_help(const struct cli_command *cmd)
{
	printf("Usage: crosvm %s%s%s%s\n\n%s\n", cmd->name, cmd->options ? " [options]" : "",
	       cmd->operands[0] ? " " : "", cmd->operands, cmd->help);
	if (cmd->options)
		puts("\nOptions:");
	for (const struct cli_option *o = cmd->options; o && o->name; o++) {
		char left[48];

		snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->short_name ? '-' : ' ',
			 o->short_name ? o->short_name : ' ', o->short_name ? "," : " ", o->name,
			 o->value ? " " : "", o->value ? o->value : "");
		printf("  %-34s %s\n", left, o->help);
	}
	if (cmd->options)
		printf("  %-34s %s\n", "-h, --help", "print this help");
}

struct parse {
	const struct cli_command *cmd;
	int argc, at;
	char **argv;
	void *ctx;
	uint64_t seen; /* rows of the table */
};

static const struct cli_option *find_long(const struct cli_command *cmd, const char *name,
					  size_t len)
{
	for (const struct cli_option *o = cmd->options; o && o->name; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static const struct cli_option *find_short(const struct cli_command *cmd, char name)
{
	for (const struct cli_option *o = cmd->options; o && o->name; o++)
		if (o->short_name == name && name)
			return o;
	return NULL;
}

/* @shown: as the user wrote it; @value: what stood in the same word, or NULL. */
static int take(struct parse *p, const struct cli_option *o, const char *shown, const char *value)
{
	uint64_t bit = 1ull << (o - p->cmd->options);

	if (!o->value && value) {
		cli_complain("%s takes no value, leave out '%s'", shown, value);
		return CLI_USAGE;
	}
	if (o->value && !value) {
		if (p->at + 1 >= p->argc) {
			cli_complain("%s needs a value, write %s %s", shown, shown, o->value);
			return CLI_USAGE;
		}
		value = p->argv[++p->at];
	}
	if ((p->seen & bit) && !o->repeatable) {
		cli_complain("%s is given twice, give it once", shown);
		return CLI_USAGE;
	}
	p->seen |= bit;
	return o->take(p->ctx, shown, value) ? CLI_USAGE : CLI_OK;
}

static int unknown(struct parse *p, const char *shown)
{
	cli_complain("option '%s' is not known, see 'crosvm %s --help'", shown, p->cmd->name);
	return CLI_USAGE;
}

static int take_long(struct parse *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct cli_option *o = find_long(p->cmd, word + 2, len - 2);
	char shown[64];

	snprintf(shown, sizeof(shown), "%.*s", (int)len, word);
	return o ? take(p, o, shown, equals ? equals + 1 : NULL) : unknown(p, shown);
}

static int take_short(struct parse *p, const char *word)
{
	const struct cli_option *o = find_short(p->cmd, word[1]);
	const char shown[3] = { '-', word[1], '\0' };

	return o ? take(p, o, shown, word[2] ? word + 2 : NULL) : unknown(p, word);
}

static int take_operand(struct parse *p, const char *word)
{
	if (!p->cmd->operand) {
		cli_complain("'%s' is one word too many, see 'crosvm %s --help'", word,
			     p->cmd->name);
		return CLI_USAGE;
	}
	return p->cmd->operand(p->ctx, word) ? CLI_USAGE : CLI_OK;
}

int cli_parse(const struct cli_command *cmd, int argc, char **argv, void *ctx)
{
	struct parse p = { .cmd = cmd, .argc = argc, .argv = argv, .ctx = ctx };
	bool only_operands = false;
	int status = CLI_OK;

	for (p.at = 0; p.at < argc && status == CLI_OK; p.at++) {
		const char *word = argv[p.at];

		if (only_operands || word[0] != '-' || word[1] == '\0') {
			status = take_operand(&p, word);
		} else if (strcmp(word, "--") == 0) {
			only_operands = true;
		} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			cli_print_help(cmd);
			return -1;
		} else {
			status = word[1] == '-' ? take_long(&p, word) : take_short(&p, word);
		}
	}
	return status;
}
