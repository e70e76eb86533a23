/* SPDX-License-Identifier: BSD-3-Clause */
/* crosvm sandbox-report: vm_sandbox_report() as text or as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define MAX_VMS 16

struct options {
	bool json, no_attach;
	pid_t pid; /* 0: not given */
};

static int take_json(void *ctx, const char *option, const char *value)
{
	(void)option;
	(void)value;
	((struct options *)ctx)->json = true;
	return 0;
}

static int take_no_attach(void *ctx, const char *option, const char *value)
{
	(void)option;
	(void)value;
	((struct options *)ctx)->no_attach = true;
	return 0;
}

static int take_pid(void *ctx, const char *text)
{
	struct options *o = ctx;
	char *end;
	long pid;

	if (o->pid) {
		cli_complain("'%s' is one word too many, name one process", text);
		return -1;
	}
	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || *end || end == text || pid <= 0 || pid > INT32_MAX) {
		cli_complain("'%s' is no process id, give the number of a VM's main process", text);
		return -1;
	}
	o->pid = (pid_t)pid;
	return 0;
}

static const struct cli_option options[] = {
	{ 0, "json", NULL, false, "print one JSON object", take_json },
	{ 0, "no-attach", NULL, false, "do not stop processes to read their filters",
	  take_no_attach },
	CLI_OPTION_END,
};

const struct cli_command cli_report = {
	.name = "sandbox-report",
	.operands = "[PID]",
	.help = "Tells how the processes of a running virtual machine are jailed, as the kernel\n"
		"has it: PID is its main process, and may be left out when there is one only.\n"
		"Root sees all of it. Exit status 0 when every device is in a process that is\n"
		"jailed as by default, 5 when something is weaker or could not be seen.",
	.options = options,
	.operand = take_pid,
};

/* The only VM there is. */
static int find(struct options *o)
{
	pid_t pids[MAX_VMS];
	struct vm_error e = { 0 };
	int n = vm_sandbox_find(pids, MAX_VMS, &e);
	char list[MAX_VMS * 12] = "";

	if (n < 0) {
		cli_complain("%s", e.text);
		return CLI_ERROR;
	}
	if (n == 0) {
		cli_complain("no running VM can be seen; start one, or look as root");
		return CLI_ERROR;
	}
	o->pid = pids[0];
	if (n == 1)
		return CLI_OK;
	for (int i = 0; i < n && i < MAX_VMS; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), " %d", (int)pids[i]);
	cli_complain("%d VMs run, name one of these processes:%s%s", n, list,
		     n > MAX_VMS ? " ..." : "");
	return CLI_ERROR;
}

int cmd_report(int argc, char **argv)
{
	struct options o = { 0 };
	struct vm_sandbox_report *report;
	struct vm_error e = { 0 };
	int status = cli_parse(&cli_report, argc, argv, &o);

	if (status != CLI_OK)
		return status < 0 ? CLI_OK : status;
	if (!o.pid)
		status = find(&o);
	if (status != CLI_OK)
		return status;
	if (vm_sandbox_report(o.pid, o.no_attach ? 0 : VM_SANDBOX_READ_FILTERS, &report, &e)) {
		cli_complain("%s", e.text);
		return CLI_ERROR;
	}
	if (o.json)
		report_print_json(report);
	else
		report_print_text(report);
	status = vm_sandbox_report_jailed(report) ? CLI_OK : CLI_WEAK;
	vm_sandbox_report_destroy(report);
	return status;
}
