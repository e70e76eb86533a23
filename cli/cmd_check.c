/* SPDX-License-Identifier: BSD-3-Clause */
/* crosvm check: vm_host_check() as a table or as JSON. */
#include <stdbool.h>
#include <stdio.h>

#include <crosvm/crosvm.h>

#include "args.h"

static int take_json(void *ctx, const char *option, const char *value)
{
	(void)option;
	(void)value;
	*(bool *)ctx = true;
	return 0;
}

static const struct cli_option options[] = {
	{ 0, "json", NULL, false, "print one JSON object", take_json },
	CLI_OPTION_END,
};

const struct cli_command cli_check = {
	.name = "check",
	.operands = "",
	.help = "Tells what this host offers to virtual machines, and for what is missing why and\n"
		"what to do. Exit status 0 when a virtual machine can be created, else 1.",
	.options = options,
};

static void print_table(const struct vm_host_check *c)
{
	for (uint32_t i = 0; i < c->n_rows; i++) {
		const struct vm_host_row *row = &c->rows[i];

		printf("%-28s %-4s %s\n", row->name, row->ok ? "yes" : "no",
		       row->ok ? row->detail : row->reason);
		if (!row->ok && row->remedy[0])
			printf("%-28s      -> %s\n", "", row->remedy);
	}
	printf("\nA virtual machine can%s be created on this host.\n", c->usable ? "" : "not");
}

static void print_string(const char *key, const char *text)
{
	printf(",\"%s\":\"", key);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned int)(unsigned char)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

static void print_json(const struct vm_host_check *c)
{
	putchar('{');
	for (uint32_t i = 0; i < c->n_rows; i++) {
		const struct vm_host_row *row = &c->rows[i];

		printf("%s\"%s\":{\"ok\":%s,\"required\":%s", i > 0 ? "," : "", row->name,
		       row->ok ? "true" : "false", row->required ? "true" : "false");
		if (row->detail[0])
			print_string("detail", row->detail);
		if (!row->ok) {
			print_string("reason", row->reason);
			print_string("remedy", row->remedy);
		}
		putchar('}');
	}
	puts("}");
}

int cmd_check(int argc, char **argv)
{
	struct vm_host_check c = VM_HOST_CHECK_INIT;
	struct vm_error e = { 0 };
	bool json = false;
	int status = cli_parse(&cli_check, argc, argv, &json);

	if (status != CLI_OK)
		return status < 0 ? CLI_OK : status;
	if (vm_host_check(&c, &e)) {
		cli_complain("%s", e.text);
		return CLI_ERROR;
	}
	if (json)
		print_json(&c);
	else
		print_table(&c);
	return c.usable ? CLI_OK : CLI_ERROR;
}
