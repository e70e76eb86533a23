/* SPDX-License-Identifier: BSD-3-Clause */
/* crosvm device: serves one device to another VMM. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crosvm/crosvm.h>

#include "args.h"

struct device_options {
	char *type;
	const char *options; /* within type */
	struct vm_backend_config config;
	const char *socket_typed; /* the option, for complaints */
	const char *socket;	  /* its value */
	char fd_path[32];
};

/* What signals end. */
static struct vm_backend *serving;
static volatile sig_atomic_t ended_by;

static int take_socket(void *ctx, const char *option, const char *value)
{
	struct device_options *o = ctx;

	if (o->socket_typed) {
		cli_complain("%s: a socket is given already (%s), give one", option, o->socket);
		return -1;
	}
	o->socket_typed = option;
	o->socket = value;
	o->config.socket = value;
	return 0;
}

static int take_path(void *ctx, const char *option, const char *value)
{
	(void)option;
	return take_socket(ctx, "--socket", value);
}

static int take_fd(void *ctx, const char *option, const char *value)
{
	struct device_options *o = ctx;
	char *end;
	long fd = strtol(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end || fd > 1 << 30) {
		cli_complain("%s: '%s' is not the number of an open file", option, value);
		return -1;
	}
	snprintf(o->fd_path, sizeof(o->fd_path), "/dev/fd/%ld", fd);
	if (take_socket(ctx, "--fd", value))
		return -1;
	o->config.socket = o->fd_path;
	return 0;
}

static int take_once(void *ctx, const char *option, const char *value)
{
	(void)option;
	(void)value;
	((struct device_options *)ctx)->config.once = true;
	return 0;
}

static int take_disable_sandbox(void *ctx, const char *option, const char *value)
{
	(void)option;
	(void)value;
	((struct device_options *)ctx)->config.sandbox = VM_SANDBOX_OFF;
	return 0;
}

static int take_sandbox(void *ctx, const char *option, const char *value)
{
	(void)option;
	((struct device_options *)ctx)->config.sandbox_mechanisms = value;
	return 0;
}

static int take_policy_dir(void *ctx, const char *option, const char *value)
{
	(void)option;
	((struct device_options *)ctx)->config.seccomp_policy_dir = value;
	return 0;
}

static int take_log_failures(void *ctx, const char *option, const char *value)
{
	(void)option;
	(void)value;
	((struct device_options *)ctx)->config.seccomp_log_failures = true;
	return 0;
}

static int take_log_level(void *ctx, const char *option, const char *value)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	struct device_options *o = ctx;

	for (unsigned int i = 0; i < 4; i++)
		if (strcmp(value, names[i]) == 0) {
			o->config.log_level = (enum vm_log_level)(i + 1);
			return 0;
		}
	cli_complain("%s: '%s' is not known, give error, warn, info or debug", option, value);
	return -1;
}

static int take_type(void *ctx, const char *text)
{
	struct device_options *o = ctx;
	char *comma;

	if (o->type) {
		cli_complain("a device is given already (%s), leave out '%s'", o->type, text);
		return -1;
	}
	o->type = strdup(text);
	if (!o->type) {
		cli_complain("out of memory");
		return -1;
	}
	comma = strchr(o->type, ',');
	if (comma)
		*comma++ = '\0';
	o->options = comma;
	return 0;
}

static const struct cli_option option_table[] = {
	{ 0, "socket", "PATH", false, "where to listen; removed at the end", take_path },
	{ 0, "fd", "N", false, "instead, an open socket that listens or is connected", take_fd },
	{ 0, "once", NULL, false, "end after the first front end", take_once },
	{ 0, "disable-sandbox", NULL, false, "run the device in this process",
	  take_disable_sandbox },
	{ 0, "sandbox", "LIST", false, "what the jail is made of, as default,-landlock (default)",
	  take_sandbox },
	{ 0, "seccomp-policy-dir", "PATH", false, "system call policies instead of those built in",
	  take_policy_dir },
	{ 0, "seccomp-log-failures", NULL, false, "log forbidden system calls instead of killing",
	  take_log_failures },
	{ 0, "log-level", "NAME", false, "error, warn, info or debug (warn)", take_log_level },
	CLI_OPTION_END,
};

const struct cli_command cli_device = {
	.name = "device",
	.operands = "TYPE[,KEY=VALUE,...]",
	.help = "Serves a virtio device to other virtual machine monitors by vhost-user, one front "
		"end\n"
		"after the other, until a signal ends it. 'crosvm devices' lists the types.",
	.options = option_table,
	.operand = take_type,
};

static void on_log(void *user, enum vm_log_level level, const char *text)
{
	static const char *const names[] = { "", "error: ", "warning: ", "", "debug: " };

	(void)user;
	fprintf(stderr, "crosvm: %s%s\n", names[level], text);
}

/* The library names fields of the configuration; the user knows options. */
static int complain(const struct device_options *o, const struct vm_error *e)
{
	const struct {
		const char *field, *option, *value;
	} fields[] = { { "socket: ", o->socket_typed, o->socket },
		       { "sandbox_mechanisms: ", "--sandbox", o->config.sandbox_mechanisms },
		       { "seccomp_policy_dir: ", "--seccomp-policy-dir",
			 o->config.seccomp_policy_dir } };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t len = strlen(fields[i].field);

		if (fields[i].value && strncmp(e->text, fields[i].field, len) == 0) {
			cli_complain("%s %s: %s", fields[i].option, fields[i].value, e->text + len);
			return CLI_ERROR;
		}
	}
	cli_complain("%s", e->text);
	return CLI_ERROR;
}

static void on_signal(int signo)
{
	ended_by = signo;
	vm_backend_stop(serving);
}

/* Those that our parent made us ignore stay ignored. */
static void catch_signals(void)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction old, new = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(caught[i], &new, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int serve(struct device_options *o)
{
	struct vm_error e = { 0 };
	int err = vm_backend_create(o->type, o->options, &o->config, &serving, &e);
	int status = CLI_OK;

	if (err)
		return complain(o, &e);
	catch_signals();
	err = vm_backend_run(serving, &e);
	if (ended_by)
		status = CLI_SIGNAL + ended_by;
	else if (err)
		status = complain(o, &e);
	if (err == -ECHILD && !ended_by)
		status = CLI_CRASHED;
	if (ended_by)
		cli_complain("ended by signal %d (%s)", (int)ended_by, strsignal(ended_by));
	return status;
}

int cmd_device(int argc, char **argv)
{
	struct device_options o = { .config = VM_BACKEND_CONFIG_INIT };
	int status;

	o.config.log = on_log;
	status = cli_parse(&cli_device, argc, argv, &o);
	if (status == CLI_OK && !o.type) {
		cli_complain("no device is given, write 'crosvm device TYPE[,key=value,...] "
			     "--socket PATH'");
		status = CLI_USAGE;
	}
	if (status == CLI_OK && !o.socket) {
		cli_complain("no socket is given, add --socket PATH");
		status = CLI_USAGE;
	}
	if (status == CLI_OK)
		status = serve(&o);
	/* the signals' back end is destroyed with nobody left to catch for it */
	if (serving) {
		signal(SIGTERM, SIG_IGN);
		signal(SIGINT, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		signal(SIGQUIT, SIG_IGN);
		vm_backend_destroy(serving);
	}
	free(o.type);
	return status < 0 ? CLI_OK : status;
}
