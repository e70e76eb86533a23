/* SPDX-License-Identifier: BSD-3-Clause */
/* crosvm devices [TYPE]: everything here comes from the library's tables. */
#include <stdio.h>
#include <string.h>

#include <crosvm/crosvm.h>

#include "args.h"

static int take_type(void *ctx, const char *text)
{
	const char **type = ctx;

	if (*type) {
		cli_complain("'%s' is one word too many, name one device type", text);
		return -1;
	}
	*type = text;
	return 0;
}

const struct cli_command cli_devices = {
	.name = "devices",
	.operands = "[TYPE]",
	.help = "Lists the device types that 'crosvm run --device TYPE,key=value,...' takes; with "
		"a\n"
		"TYPE, its options and control operations.",
	.operand = take_type,
};

static void list_types(void)
{
	struct vm_device_type_info t = { .size = sizeof(t) };

	for (size_t i = 0; vm_device_type(i, &t) == 0; i++)
		printf("%-12s %s\n", t.name, t.help);
	puts("\n'crosvm devices TYPE' tells a type's options.");
}

static void print_values(const struct vm_option_info *o)
{
	if (o->words) {
		fputs(" (", stdout);
		for (size_t i = 0; o->words[i]; i++)
			printf("%s%s%s", i > 0 ? "|" : "", o->words[i], i == o->dflt ? "*" : "");
		fputs(")", stdout);
	} else if (strcmp(o->kind, "bool") == 0) {
		printf(" (default %s)", o->dflt ? "true" : "false");
	} else if (strcmp(o->kind, "number") == 0 || strcmp(o->kind, "size") == 0) {
		printf(" (default %llu", (unsigned long long)o->dflt);
		if (o->max)
			printf(", %llu to %llu", (unsigned long long)o->min,
			       (unsigned long long)o->max);
		fputs(")", stdout);
	}
}

static void print_option(const struct vm_option_info *o, const char *indent)
{
	printf("%s%-14s %-7s %s%s", indent, o->name, o->kind, o->help,
	       o->required ? "; required" : "");
	if (!o->required)
		print_values(o);
	putchar('\n');
}

static void print_controls(const char *type)
{
	struct vm_control_info c = { .size = sizeof(c) };
	struct vm_option_info o = { .size = sizeof(o) };

	for (size_t i = 0; vm_device_control_info(type, i, &c) == 0; i++) {
		if (i == 0)
			puts("\nControl operations (vm_device_control):");
		printf("  %-14s %s\n", c.name, c.help);
		for (size_t j = 0; vm_device_control_arg(type, c.name, j, &o) == 0; j++)
			print_option(&o, "    ");
	}
}

static int describe(const char *type)
{
	struct vm_device_type_info t = { .size = sizeof(t) };
	struct vm_option_info o = { .size = sizeof(o) };

	for (size_t i = 0; vm_device_type(i, &t) == 0; i++) {
		if (strcmp(t.name, type) != 0)
			continue;
		printf("%s: %s\n\nOptions:\n", t.name, t.help);
		for (size_t j = 0; vm_device_option(type, j, &o) == 0; j++)
			print_option(&o, "  ");
		print_controls(type);
		return CLI_OK;
	}
	cli_complain("device type '%s' is not known, see 'crosvm devices'", type);
	return CLI_USAGE;
}

int cmd_devices(int argc, char **argv)
{
	const char *type = NULL;
	int status = cli_parse(&cli_devices, argc, argv, &type);

	if (status != CLI_OK)
		return status < 0 ? CLI_OK : status;
	if (type)
		return describe(type);
	list_types();
	return CLI_OK;
}
