/* SPDX-License-Identifier: BSD-3-Clause */
/* crosvm: runs virtual machines from the command line, with libcrosvm. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <crosvm/crosvm.h>

#include "args.h"

static int cmd_version(int argc, char **argv)
{
	(void)argv;
	if (argc > 0) {
		cli_complain("version takes no words, write 'crosvm version'");
		return CLI_USAGE;
	}
	printf("crosvm %s\n", vm_version());
	return CLI_OK;
}

static int cmd_help(int argc, char **argv);

static const struct {
	const char *name;
	const struct cli_command *command; /* for help NAME */
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run", &cli_run, cmd_run, "run a virtual machine" },
	{ "device", &cli_device, cmd_device, "serve a device to another VMM" },
	{ "check", &cli_check, cmd_check, "tell what this host offers" },
	{ "devices", &cli_devices, cmd_devices, "list device types and their options" },
	{ "sandbox-report", &cli_report, cmd_report,
	  "tell how the processes of a running virtual machine are jailed" },
	{ "version", NULL, cmd_version, "print the version" },
	{ "help", NULL, cmd_help, "print this help, or that of a command" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *to)
{
	fputs("Usage: crosvm COMMAND [options]\n\nCommands:\n", to);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].help);
	fputs("\n'crosvm help COMMAND' tells the options of a command; crosvm(1) tells all.\n", to);
}

static int cmd_help(int argc, char **argv)
{
	if (argc == 0) {
		print_usage(stdout);
		return CLI_OK;
	}
	if (argc > 1) {
		cli_complain("'%s' is one word too many, name one command", argv[1]);
		return CLI_USAGE;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(argv[0], commands[i].name) != 0)
			continue;
		if (commands[i].command)
			cli_print_help(commands[i].command);
		else
			printf("Usage: crosvm %s\n\n%s\n", commands[i].name, commands[i].help);
		return CLI_OK;
	}
	cli_complain("command '%s' is not known, see 'crosvm help'", argv[0]);
	return CLI_USAGE;
}

/* A closed standard stream is /dev/null: else a disk image opened later could take its number, and
 * our messages would go there. Whether all three are open. */
static bool open_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return fcntl(STDIN_FILENO, F_GETFD) >= 0 && fcntl(STDOUT_FILENO, F_GETFD) >= 0 &&
		       fcntl(STDERR_FILENO, F_GETFD) >= 0;
	close(fd);
	return true;
}

static int dispatch(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return cmd_help(0, NULL);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return cmd_version(0, NULL);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	cli_complain("command '%s' is not known, see 'crosvm help'", argv[1]);
	return CLI_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	if (!open_streams()) {
		cli_complain(
			"/dev/null cannot be opened in place of a closed stream, open all three");
		return CLI_ERROR;
	}
	status = dispatch(argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		cli_complain("standard output could not be written in full, make room for it");
		return status == CLI_OK ? CLI_ERROR : status;
	}
	return status;
}
