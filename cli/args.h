/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line's grammar: one table of options per command, from which the help comes too. */
#ifndef CROSVM_CLI_ARGS_H
#define CROSVM_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* The exit statuses; see crosvm(1). */
enum cli_status {
	CLI_OK = 0,
	CLI_ERROR = 1,	 /* configuration or host */
	CLI_USAGE = 2,	 /* the command line */
	CLI_CRASHED = 3, /* the guest */
	CLI_ESCAPED = 4, /* the console's escape */
	CLI_WEAK = 5,	 /* a sandbox is weaker than by default, or was not seen in full */
	CLI_SIGNAL = 128,
};

struct cli_option {
	char short_name;   /* 0: none */
	const char *name;  /* the long name */
	const char *value; /* what the help calls the value; NULL: a flag */
	bool repeatable;
	const char *help;
	/* 0, or -1 after printing what is wrong; @option: as typed; @value: NULL for a flag */
	int (*take)(void *ctx, const char *option, const char *value);
};

struct cli_command {
	const char *name;
	const char *operands; /* what the help calls them, "" for none */
	const char *help;
	const struct cli_option *options;	     /* ended by a row without name; NULL: none */
	int (*operand)(void *ctx, const char *text); /* NULL: none are taken */
};

#define CLI_OPTION_END       \
	{                    \
		.name = NULL \
	}

/*
 * Reads the words of a command: --name=value, --name value, -xvalue, -x value,
 * flags, operands in any order, "--" before operands that look like options.
 *
 * Returns CLI_OK to go on, CLI_USAGE after printing what is wrong, or -1 after
 * printing the help that was asked for.
 */
int cli_parse(const struct cli_command *cmd, int argc, char **argv, void *ctx);

void cli_print_help(const struct cli_command *cmd);

/* Prints "crosvm: …" on stderr. */
void cli_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int cmd_run(int argc, char **argv);
int cmd_device(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_report(int argc, char **argv);
extern const struct cli_command cli_run, cli_device, cli_check, cli_devices, cli_report;

#endif
