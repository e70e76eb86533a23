/* SPDX-License-Identifier: BSD-3-Clause */
/* crosvm run: builds a VM from the options, watches over it, and says how it ended. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "run_options.h"
#include "terminal.h"

const struct cli_command cli_run = {
	.name = "run",
	.operands = "KERNEL",
	.help = "Runs a virtual machine: KERNEL is a vmlinux or a bzImage (x86_64) or an arm64 "
		"Image\n"
		"(aarch64); with --bios, it is left out and the firmware boots a disk. Without\n"
		"--serial, the first serial port is the guest's console on standard input and\n"
		"output; on a terminal, Ctrl-A x ends the virtual machine and Ctrl-A h tells more.",
	.options = run_option_table,
	.operand = run_take_kernel,
};

struct run {
	struct run_options options;
	struct terminal terminal;
	struct vm *vm;
	int signal_fd;
	bool watch_input;	   /* the terminal's characters pass through us */
	unsigned int first_serial; /* among the devices: those from --serial, or instead of it */
	int status;		   /* decided before the VM stopped; -1: the exit tells */
	int signo;
};

static void on_log(void *user, enum vm_log_level level, const char *text)
{
	static const char *const names[] = { "", "error: ", "warning: ", "", "debug: " };

	(void)user;
	fprintf(stderr, "crosvm: %s%s\n", names[level], text);
}

/* @typed: the option in question, NULL or empty for none */
static int complain_about(const char *typed, const char *text)
{
	bool given = typed && typed[0];

	cli_complain("%s%s%s", given ? typed : "", given ? ": " : "", text);
	return CLI_ERROR;
}

/* The library names fields of the configuration; the user knows options. */
static int complain_error(const struct run_options *o, const struct vm_error *e)
{
	const struct {
		const char *field, *typed;
	} fields[] = { { "memory: ", o->memory_typed },
		       { "guest memory: ", o->memory_typed },
		       { "initrd ", o->initrd_typed },
		       { "bios: ", o->bios_typed },
		       { "bios ", o->bios_typed },
		       { "sandbox_mechanisms: ", o->mechanisms_typed },
		       { "jail_main: ", o->jail_main_typed },
		       { "seccomp_policy_dir: ", o->policy_dir_typed },
		       { "cpu_affinity: ", o->affinity_typed },
		       { "kernel command line: ", o->params_option } };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *typed = fields[i].typed;
		size_t len = strlen(fields[i].field);

		if (strncmp(e->text, fields[i].field, len) != 0)
			continue;
		/* a name with underscores says nothing beside the option */
		if (typed && typed[0] && strchr(fields[i].field, '_'))
			return complain_about(typed, e->text + len);
		return complain_about(typed, e->text);
	}
	return complain_about(NULL, e->text);
}

/* More memory than the host has is found out before the hypervisor spends seconds on it. */
static int check_memory(const struct run_options *o)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	if (pages <= 0 || o->memory / (uint64_t)page <= (uint64_t)pages)
		return CLI_OK;
	cli_complain("%s: this host has %llu MiB of memory, ask for less", o->memory_typed,
		     (unsigned long long)pages * (unsigned long long)page >> 20);
	return CLI_ERROR;
}

/* One serial port as text for the library; the first console on stdout also reads our input. */
static int add_serial(struct run *r, unsigned int num, const struct run_serial *s,
		      bool *input_taken)
{
	const char *sandbox = s->sandbox ? ",sandbox=on" : "";
	char *options = NULL, *path = NULL;
	char input[64] = "", port[16];
	int n;

	if (s->type == RUN_SERIAL_FILE) {
		path = run_quote(s->path);
		if (!path)
			return -1;
		n = asprintf(&options, "num=%u%s,out=%s", num, sandbox, path);
		free(path);
	} else if (s->type == RUN_SERIAL_STDOUT) {
		if (!*input_taken && (s->console || !r->options.any_serial)) {
			int fd = r->watch_input ? r->terminal.pipe[0] : STDIN_FILENO;

			snprintf(input, sizeof(input), ",in=/dev/fd/%d", fd);
			*input_taken = true;
		}
		n = asprintf(&options, "num=%u%s,out=/dev/fd/%d%s", num, sandbox, STDOUT_FILENO,
			     input);
	} else {
		n = asprintf(&options, "num=%u%s", num, sandbox);
	}
	if (n < 0) {
		cli_complain("out of memory");
		return -1;
	}
	snprintf(port, sizeof(port), "num=%u", num);
	return run_add_device(&r->options, "serial", options, "--serial", s->text ? s->text : port);
}

/* Whether the guest's console is on our standard input and output. */
static bool console_on_stdio(const struct run_options *o)
{
	for (unsigned int i = 0; i < RUN_N_SERIALS; i++)
		if (o->serials[i].console)
			return o->serials[i].type == RUN_SERIAL_STDOUT;
	return !o->any_serial;
}

static int add_serials(struct run *r)
{
	struct run_options *o = &r->options;
	bool input_taken = false;

	r->first_serial = o->n_devices;
	if (!o->any_serial)
		o->serials[0] = (struct run_serial){ .type = RUN_SERIAL_STDOUT, .console = true };
	for (unsigned int i = 0; i < RUN_N_SERIALS; i++)
		if (o->serials[i].type != RUN_SERIAL_NONE &&
		    add_serial(r, i + 1, &o->serials[i], &input_taken))
			return -1;
	return 0;
}

/* The command line: the console first, so that the user's words can override ours. Firmware has
 * none; words typed for it are the library's to refuse. */
static char *command_line(const struct run_options *o)
{
	char console[32] = "", *text = NULL;

	if (o->bios)
		return strdup(o->params_option[0] ? o->params : "");

	for (int i = 0; i < RUN_N_SERIALS; i++)
		if (o->serials[i].console)
			snprintf(console, sizeof(console), "console=ttyS%d ", i);
	if (asprintf(&text, "%spanic=-1%s%s", console, o->params ? " " : "",
		     o->params ? o->params : "") < 0)
		return NULL;
	return text;
}

/* The serial ports first: what clashes with one that nobody has typed is a --device. */
static int create(struct run *r)
{
	const struct run_options *o = &r->options;
	struct vm_error e = { 0 };
	char *cmdline = command_line(o);
	struct vm_config config = { .size = sizeof(config),
				    .memory = o->memory,
				    .vcpus = o->vcpus,
				    .kernel = o->kernel,
				    .bios = o->bios,
				    .initrd = o->initrd,
				    .cmdline = cmdline,
				    .boot_protocol = o->protocol,
				    .reboot = o->reboot,
				    .no_acpi = o->no_acpi,
				    .cpu_affinity = o->affinity,
				    .n_cpu_affinity = o->n_affinity,
				    .sandbox = o->sandbox,
				    .sandbox_mechanisms = o->mechanisms,
				    .seccomp_policy_dir = o->policy_dir,
				    .seccomp_log_failures = o->log_failures,
				    .jail_main = o->jail_main,
				    .stop_on_device_death = o->stop_on_device_death,
				    .log = on_log,
				    .log_level = o->log_level };
	int err;

	if (!cmdline) {
		cli_complain("out of memory");
		return CLI_ERROR;
	}
	err = vm_create(&config, &r->vm, &e);
	free(cmdline);
	if (err)
		return complain_error(o, &e);
	for (unsigned int i = 0; i < o->n_devices; i++) {
		const struct run_device *d = &o->devices[(i + r->first_serial) % o->n_devices];

		if (vm_add_device(r->vm, d->type, d->options, NULL, &e))
			return complain_about(d->typed, e.text);
	}
	return check_memory(o);
}

/* Signals that end or stop us arrive in our loop; the library's threads block all of them. Those that
 * our parent made us ignore, as nohup(1) does, stay ignored. */
static int watch_signals(struct run *r)
{
	static const int watched[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT };
	struct sigaction old;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		if (sigaction(watched[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaddset(&set, watched[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* a reader of our output that goes away ends no VM */
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0) {
		cli_complain("signals cannot be watched: %s", strerror(errno));
		return CLI_ERROR;
	}
	return CLI_OK;
}

static int exit_status(const struct vm_exit *x)
{
	switch (x->reason) {
	case VM_EXIT_POWER_OFF:
	case VM_EXIT_RESET:
	case VM_EXIT_STOPPED:
		return CLI_OK;
	case VM_EXIT_CRASHED:
		cli_complain("the guest crashed: %s", x->text);
		return CLI_CRASHED;
	case VM_EXIT_DEVICE_DIED:
		cli_complain("a device's process died: %s", x->text);
		return CLI_CRASHED;
	case VM_EXIT_FAILED:
		cli_complain("the virtual machine failed: %s", x->text);
		return CLI_CRASHED;
	}
	return CLI_ERROR;
}

static void act(struct run *r, enum terminal_action action)
{
	struct vm_error e;

	switch (action) {
	case TERMINAL_QUIT:
		r->status = CLI_ESCAPED;
		return;
	case TERMINAL_POWER_BUTTON:
		if (vm_power_button(r->vm, &e))
			cli_complain("%s", e.text);
		return;
	case TERMINAL_EOF:
		r->watch_input = false;
		return;
	case TERMINAL_NONE:
		return;
	}
}

static void on_input(struct run *r)
{
	do
		act(r, terminal_input(&r->terminal));
	while (terminal_pending(&r->terminal) && r->status < 0);
}

static void on_signal(struct run *r)
{
	struct signalfd_siginfo info;

	if (read(r->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP) {
		terminal_suspend(&r->terminal);
	} else if (info.ssi_signo == SIGCONT) {
		terminal_resume(&r->terminal);
	} else {
		r->signo = (int)info.ssi_signo;
		r->status = CLI_SIGNAL + r->signo;
	}
}

/* Takes the VM's events; whether it has stopped. */
static bool on_events(struct run *r, struct vm_exit *x)
{
	struct vm_event ev = VM_EVENT_INIT;

	while (vm_next_event(r->vm, &ev) > 0) {
		if (ev.kind == VM_EVENT_STOPPED) {
			*x = ev.exit;
			return true;
		}
	}
	return false;
}

/* Until the VM has stopped or we are told to end it. */
static int watch(struct run *r, struct vm_exit *x)
{
	struct pollfd fds[] = { { .fd = vm_fd(r->vm), .events = POLLIN },
				{ .fd = r->signal_fd, .events = POLLIN },
				{ .fd = -1, .events = POLLIN } };

	for (;;) {
		fds[2].fd = r->watch_input ? STDIN_FILENO : -1;
		if (poll(fds, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			cli_complain("the virtual machine cannot be watched: %s", strerror(errno));
			return CLI_ERROR;
		}
		if (fds[0].revents && on_events(r, x))
			return -1;
		if (fds[1].revents)
			on_signal(r);
		if (fds[2].fd >= 0 && fds[2].revents)
			on_input(r);
		if (r->status >= 0)
			return r->status;
	}
}

static int run_vm(struct run *r)
{
	struct vm_exit x = VM_EXIT_INIT;
	struct vm_error e = { 0 };
	int status;

	if (vm_start(r->vm, &e))
		return complain_error(&r->options, &e);
	status = watch(r, &x);
	terminal_close(&r->terminal);
	if (r->signo)
		cli_complain("ended by signal %d (%s)", r->signo, strsignal(r->signo));
	else if (status == CLI_ESCAPED)
		cli_complain("ended by Ctrl-A x");
	vm_stop(r->vm);
	return status >= 0 ? status : exit_status(&x);
}

static int run(struct run *r)
{
	int status = watch_signals(r);

	if (status != CLI_OK)
		return status;
	r->watch_input = console_on_stdio(&r->options) && terminal_present();
	if (r->watch_input && terminal_open(&r->terminal))
		return CLI_ERROR;
	status = add_serials(r) ? CLI_ERROR : create(r);
	if (status == CLI_OK)
		status = run_vm(r);
	terminal_close(&r->terminal);
	vm_destroy(r->vm);
	close(r->signal_fd);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct run r = { .status = -1, .options.jail_main = VM_JAIL_MAIN_AUTO };
	int status = cli_parse(&cli_run, argc, argv, &r.options);

	if (status == CLI_OK && !r.options.kernel && !r.options.bios) {
		cli_complain("no kernel is given, write 'crosvm run [options] KERNEL'");
		status = CLI_USAGE;
	}
	if (status == CLI_OK)
		status = run(&r);
	run_options_fini(&r.options);
	return status < 0 ? CLI_OK : status;
}
