/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of "crosvm run". */
#include "run_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(void)
{
	cli_complain("out of memory");
	return -1;
}

/* What the library's complaints about it are to begin with. */
static int typed(char **to, const char *option, const char *value)
{
	return asprintf(to, "%s %s", option, value) < 0 ? no_memory() : 0;
}

/* A whole decimal number from @min to @max. */
static int number(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *val)
{
	char *end;

	errno = 0;
	*val = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || *val < min || *val > max) {
		cli_complain("%s: '%s' is not a number from %llu to %llu", what, text,
			     (unsigned long long)min, (unsigned long long)max);
		return -1;
	}
	return 0;
}

static int take_mem(void *ctx, const char *option, const char *text)
{
	static const char suffixes[] = "KMGT";
	struct run_options *r = ctx;
	unsigned int shift = 20; /* a bare number counts MiB */
	const char *suffix;
	char *end;

	errno = 0;
	r->memory = strtoull(text, &end, 10);
	suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
	if (suffix) {
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
		end++;
	}
	if (!isdigit((unsigned char)text[0]) || *end || errno || r->memory == 0 ||
	    r->memory > UINT64_MAX >> shift) {
		cli_complain("%s: '%s' is not a size, give MiB or a number with K, M or G", option,
			     text);
		return -1;
	}
	r->memory <<= shift;
	return typed(&r->memory_typed, option, text);
}

static int take_cpus(void *ctx, const char *option, const char *text)
{
	struct run_options *r = ctx;
	uint64_t val;

	if (number(option, text, 1, 64, &val))
		return -1;
	r->vcpus = (uint32_t)val;
	return 0;
}

/* One "N" or "N-M" of the list. */
static int take_cpu_range(struct run_options *r, char *part)
{
	char *dash = strchr(part, '-');
	uint64_t first, last;

	if (dash)
		*dash++ = '\0';
	if (number("--cpu-affinity", part, 0, RUN_MAX_AFFINITY - 1, &first))
		return -1;
	last = first;
	if (dash && number("--cpu-affinity", dash, 0, RUN_MAX_AFFINITY - 1, &last))
		return -1;
	if (last < first) {
		cli_complain("--cpu-affinity: '%s-%s' runs backwards, write the lower CPU first",
			     part, dash);
		return -1;
	}
	for (; first <= last && r->n_affinity < RUN_MAX_AFFINITY; first++)
		r->affinity[r->n_affinity++] = (uint32_t)first;
	return 0;
}

static int take_affinity(void *ctx, const char *option, const char *text)
{
	struct run_options *r = ctx;
	char *copy = strdup(text), *rest = copy, *part;
	int err = 0;

	if (!copy)
		return no_memory();
	while (!err && (part = strsep(&rest, ",")))
		err = take_cpu_range(r, part);
	free(copy);
	return err ? err : typed(&r->affinity_typed, option, text);
}

int run_add_params(struct run_options *r, const char *text)
{
	char *all = NULL;

	if (asprintf(&all, "%s%s%s", r->params ? r->params : "", r->params ? " " : "", text) < 0)
		return no_memory();
	free(r->params);
	r->params = all;
	return 0;
}

static int take_params(void *ctx, const char *option, const char *text)
{
	struct run_options *r = ctx;

	snprintf(r->params_option, sizeof(r->params_option), "%s", option);
	return run_add_params(r, text);
}

char *run_quote(const char *text)
{
	char *quoted = malloc(2 * strlen(text) + 1), *to = quoted;

	if (!quoted) {
		no_memory();
		return NULL;
	}
	for (; *text; text++) {
		*to++ = *text;
		if (*text == ',')
			*to++ = ',';
	}
	*to = '\0';
	return quoted;
}

int run_add_device(struct run_options *r, const char *type, char *options, const char *option,
		   const char *value)
{
	struct run_device *d = &r->devices[r->n_devices];

	if (r->n_devices == RUN_MAX_DEVICES) {
		cli_complain("%s %s: at most %d devices can be given, leave some out", option,
			     value, RUN_MAX_DEVICES);
		free(options);
		return -1;
	}
	d->type = strdup(type);
	d->options = options;
	r->n_devices++; /* from here on run_options_fini() frees it */
	return d->type ? typed(&d->typed, option, value) : no_memory();
}

static int add_disk(struct run_options *r, const char *option, const char *path, bool read_only)
{
	char *quoted = run_quote(path), *options = NULL;
	int n;

	if (!quoted)
		return -1;
	n = asprintf(&options, "path=%s,ro=%s", quoted, read_only ? "true" : "false");
	free(quoted);
	if (n < 0)
		return no_memory();
	r->n_disks++;
	return run_add_device(r, "block", options, option, path);
}

static int add_root(struct run_options *r, const char *option, const char *path, bool read_only)
{
	char text[32];

	if (r->has_root) {
		cli_complain("--root or --rwroot is given twice, give one root disk");
		return -1;
	}
	if (r->n_disks >= 26) {
		cli_complain("%s %s: the root disk comes after 26 others, put it first", option,
			     path);
		return -1;
	}
	r->has_root = true;
	snprintf(text, sizeof(text), "root=/dev/vd%c %s", 'a' + (int)r->n_disks,
		 read_only ? "ro" : "rw");
	return run_add_params(r, text) ? -1 : add_disk(r, option, path, read_only);
}

static int take_root(void *ctx, const char *option, const char *path)
{
	return add_root(ctx, option, path, true);
}

static int take_rwroot(void *ctx, const char *option, const char *path)
{
	return add_root(ctx, option, path, false);
}

static int take_disk(void *ctx, const char *option, const char *path)
{
	return add_disk(ctx, option, path, true);
}

static int take_rwdisk(void *ctx, const char *option, const char *path)
{
	return add_disk(ctx, option, path, false);
}

static int take_initrd(void *ctx, const char *option, const char *path)
{
	struct run_options *r = ctx;

	r->initrd = path;
	return typed(&r->initrd_typed, option, path);
}

static int take_bios(void *ctx, const char *option, const char *path)
{
	struct run_options *r = ctx;

	r->bios = path;
	return typed(&r->bios_typed, option, path);
}

/* Whether the pair is among the options. */
static bool has_word(const char *options, const char *pair)
{
	size_t len = strlen(pair);

	for (const char *s = options; s; s = strchr(s, ',')) {
		s += *s == ',';
		if (strncmp(s, pair, len) == 0 && (s[len] == ',' || s[len] == '\0'))
			return true;
	}
	return false;
}

static int take_device(void *ctx, const char *option, const char *text)
{
	struct run_options *r = ctx;
	const char *comma = strchr(text, ',');
	char type[64];
	char *options = strdup(comma ? comma + 1 : "");

	if (!options)
		return no_memory();
	snprintf(type, sizeof(type), "%.*s", comma ? (int)(comma - text) : (int)strlen(text), text);
	if (strcmp(type, "block") == 0 ||
	    (strcmp(type, "vhost-user") == 0 && has_word(options, "type=block")))
		r->n_disks++;
	return run_add_device(r, type, options, option, text);
}

struct serial_words {
	struct run_serial serial;
	uint64_t num;
};

static int serial_type(const char *text, enum run_serial_type *type)
{
	static const struct {
		const char *name;
		enum run_serial_type type;
	} types[] = {
		{ "stdout", RUN_SERIAL_STDOUT },
		{ "file", RUN_SERIAL_FILE },
		{ "sink", RUN_SERIAL_SINK },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(text, types[i].name) == 0) {
			*type = types[i].type;
			return 0;
		}
	cli_complain("--serial: type '%s' is not known, give stdout, file or sink", text);
	return -1;
}

static int serial_word(struct serial_words *w, const char *key, const char *value)
{
	if (strcmp(key, "console") == 0) {
		w->serial.console = !value || strcmp(value, "true") == 0;
		if (!value || w->serial.console || strcmp(value, "false") == 0)
			return 0;
		cli_complain("--serial: console=%s is neither true nor false", value);
		return -1;
	}
	if (!value) {
		cli_complain("--serial: '%s' has no value, write key=value", key);
		return -1;
	}
	if (strcmp(key, "type") == 0)
		return serial_type(value, &w->serial.type);
	if (strcmp(key, "sandbox") == 0) {
		w->serial.sandbox = strcmp(value, "on") == 0;
		if (w->serial.sandbox || strcmp(value, "off") == 0)
			return 0;
		cli_complain("--serial: sandbox=%s is neither on nor off", value);
		return -1;
	}
	if (strcmp(key, "num") == 0)
		return number("--serial num", value, 1, RUN_N_SERIALS, &w->num);
	if (strcmp(key, "path") == 0) {
		free(w->serial.path);
		w->serial.path = strdup(value);
		return w->serial.path ? 0 : no_memory();
	}
	cli_complain("--serial: '%s' is not known, give type, num, path, console or sandbox", key);
	return -1;
}

static int store_serial(struct run_options *r, const struct serial_words *w)
{
	struct run_serial *s = &r->serials[w->num - 1];

	if (s->type != RUN_SERIAL_NONE) {
		cli_complain("--serial: port %d is given twice, use another num", (int)w->num);
		return -1;
	}
	if ((w->serial.type == RUN_SERIAL_FILE) != (w->serial.path != NULL)) {
		cli_complain("--serial: %s", w->serial.path
						     ? "path goes with type=file"
						     : "type=file needs a path, add path=FILE");
		return -1;
	}
	for (unsigned int i = 0; i < RUN_N_SERIALS && w->serial.console; i++)
		if (r->serials[i].console) {
			cli_complain("--serial: ports %u and %d both want to be the console", i + 1,
				     (int)w->num);
			return -1;
		}
	*s = w->serial;
	r->any_serial = true;
	return 0;
}

/* The next pair: up to a single comma; a double one stands for one within a value. */
static char *next_pair(char **rest)
{
	char *pair = *rest, *from = pair, *to = pair;

	if (!pair)
		return NULL;
	for (; *from && (*from != ',' || from[1] == ','); from++) {
		if (*from == ',')
			from++;
		*to++ = *from;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return pair;
}

static int take_serial(void *ctx, const char *option, const char *text)
{
	(void)option;
	struct serial_words w = { .serial = { .type = RUN_SERIAL_SINK, .text = text }, .num = 1 };
	char *copy = strdup(text), *rest = copy, *key;
	int err = 0;

	if (!copy)
		return no_memory();
	while (!err && (key = next_pair(&rest))) {
		char *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		err = serial_word(&w, key, value);
	}
	free(copy);
	err = err ? err : store_serial(ctx, &w);
	if (err)
		free(w.serial.path);
	return err;
}

static int take_protocol(void *ctx, const char *option, const char *text)
{
	(void)option;
	static const char *const names[] = { "auto", "linux", "pvh" };
	struct run_options *r = ctx;

	for (unsigned int i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0) {
			r->protocol = (enum vm_boot_protocol)i;
			return 0;
		}
	cli_complain("--boot-protocol: '%s' is not known, give auto, linux or pvh", text);
	return -1;
}

static int take_log_level(void *ctx, const char *option, const char *text)
{
	(void)option;
	static const char *const names[] = { "error", "warn", "info", "debug" };
	struct run_options *r = ctx;

	for (unsigned int i = 0; i < 4; i++)
		if (strcmp(text, names[i]) == 0) {
			r->log_level = (enum vm_log_level)(i + 1);
			return 0;
		}
	cli_complain("--log-level: '%s' is not known, give error, warn, info or debug", text);
	return -1;
}

static int take_reboot(void *ctx, const char *option, const char *text)
{
	(void)option;
	(void)text;
	((struct run_options *)ctx)->reboot = true;
	return 0;
}

static int take_no_acpi(void *ctx, const char *option, const char *text)
{
	(void)option;
	(void)text;
	((struct run_options *)ctx)->no_acpi = true;
	return 0;
}

static int take_disable_sandbox(void *ctx, const char *option, const char *text)
{
	(void)option;
	(void)text;
	((struct run_options *)ctx)->sandbox = VM_SANDBOX_OFF;
	return 0;
}

static int take_sandbox(void *ctx, const char *option, const char *text)
{
	struct run_options *r = ctx;

	r->mechanisms = text;
	return typed(&r->mechanisms_typed, option, text);
}

static int take_policy_dir(void *ctx, const char *option, const char *text)
{
	struct run_options *r = ctx;

	r->policy_dir = text;
	return typed(&r->policy_dir_typed, option, text);
}

static int take_log_failures(void *ctx, const char *option, const char *text)
{
	(void)option;
	(void)text;
	((struct run_options *)ctx)->log_failures = true;
	return 0;
}

static int take_jail_main(void *ctx, const char *option, const char *text)
{
	static const char *const names[] = { "off", "on", "auto" };
	struct run_options *r = ctx;

	for (unsigned int i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0) {
			r->jail_main = (enum vm_jail_main)i;
			return typed(&r->jail_main_typed, option, text);
		}
	cli_complain("%s: '%s' is not known, give on, off or auto", option, text);
	return -1;
}

static int take_device_death(void *ctx, const char *option, const char *text)
{
	struct run_options *r = ctx;

	r->stop_on_device_death = strcmp(text, "stop") == 0;
	if (r->stop_on_device_death || strcmp(text, "continue") == 0)
		return 0;
	cli_complain("%s: '%s' is not known, give stop or continue", option, text);
	return -1;
}

int run_take_kernel(void *ctx, const char *text)
{
	struct run_options *r = ctx;

	if (r->kernel) {
		cli_complain("a kernel is given already (%s), leave out '%s'", r->kernel, text);
		return -1;
	}
	r->kernel = text;
	return 0;
}

const struct cli_option run_option_table[] = {
	{ 'm', "mem", "SIZE", false, "guest memory: MiB, or with K, M, G (256)", take_mem },
	{ 'c', "cpus", "N", false, "virtual CPUs, 1 to 64 (1)", take_cpus },
	{ 0, "cpu-affinity", "LIST", false, "host CPUs for the vCPUs, as 0,2-3", take_affinity },
	{ 'i', "initrd", "PATH", false, "initial RAM disk", take_initrd },
	{ 0, "bios", "PATH", false, "firmware to boot a disk with, instead of KERNEL", take_bios },
	{ 'p', "params", "TEXT", true, "words for the kernel's command line", take_params },
	{ 'r', "root", "PATH", false, "root disk image, read-only", take_root },
	{ 0, "rwroot", "PATH", false, "root disk image, writable", take_rwroot },
	{ 'd', "disk", "PATH", true, "disk image, read-only", take_disk },
	{ 0, "rwdisk", "PATH", true, "disk image, writable", take_rwdisk },
	{ 0, "serial", "KEY=VALUE,...", true,
	  "serial port: type=stdout|file|sink, num=1..4, path, console, sandbox", take_serial },
	{ 0, "device", "TYPE,KEY=VALUE,...", true, "any device, see 'crosvm devices'",
	  take_device },
	{ 0, "boot-protocol", "NAME", false, "auto, linux or pvh (auto)", take_protocol },
	{ 0, "reboot", NULL, false, "start again when the guest resets", take_reboot },
	{ 0, "no-acpi", NULL, false, "leave out ACPI; the guest uses the MP table", take_no_acpi },
	{ 0, "disable-sandbox", NULL, false, "run devices in this process", take_disable_sandbox },
	{ 0, "sandbox", "LIST", false, "what jails are made of, as default,-landlock (default)",
	  take_sandbox },
	{ 0, "seccomp-policy-dir", "PATH", false, "system call policies instead of those built in",
	  take_policy_dir },
	{ 0, "seccomp-log-failures", NULL, false, "log forbidden system calls instead of killing",
	  take_log_failures },
	{ 0, "jail-main", "WHEN", false,
	  "jail this process too once the guest runs: on, off or auto (auto)", take_jail_main },
	{ 0, "device-death", "WHAT", false,
	  "when a device's process dies: continue or stop (continue)", take_device_death },
	{ 0, "log-level", "NAME", false, "error, warn, info or debug (warn)", take_log_level },
	CLI_OPTION_END,
};

void run_options_fini(struct run_options *r)
{
	for (unsigned int i = 0; i < r->n_devices; i++) {
		free(r->devices[i].type);
		free(r->devices[i].options);
		free(r->devices[i].typed);
	}
	for (unsigned int i = 0; i < RUN_N_SERIALS; i++)
		free(r->serials[i].path);
	free(r->params);
	free(r->memory_typed);
	free(r->initrd_typed);
	free(r->bios_typed);
	free(r->affinity_typed);
	free(r->mechanisms_typed);
	free(r->policy_dir_typed);
	free(r->jail_main_typed);
}
