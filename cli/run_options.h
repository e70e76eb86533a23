/* SPDX-License-Identifier: BSD-3-Clause */
/* What the words of "crosvm run" ask for, before any of it is done. */
#ifndef CROSVM_CLI_RUN_OPTIONS_H
#define CROSVM_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <crosvm/crosvm.h>

#include "args.h"

#define RUN_MAX_DEVICES	 64
#define RUN_MAX_AFFINITY 1024
#define RUN_N_SERIALS	 4

enum run_serial_type { RUN_SERIAL_NONE, RUN_SERIAL_SINK, RUN_SERIAL_STDOUT, RUN_SERIAL_FILE };

struct run_serial {
	enum run_serial_type type;
	const char *text; /* the option's value, a word of the command line; NULL: not typed */
	char *path;	  /* FILE */
	bool console;
	bool sandbox; /* in a process of its own */
};

/* A device as vm_add_device() takes it. */
struct run_device {
	char *type, *options;
	char *typed; /* the option and its value, for complaints */
};

struct run_options {
	const char *kernel, *initrd, *bios; /* words of the command line */
	uint64_t memory;		    /* bytes, 0: default */
	uint32_t vcpus;
	enum vm_boot_protocol protocol;
	enum vm_log_level log_level;
	bool reboot, no_acpi;
	char *params; /* all --params and roots, in order */
	struct run_device devices[RUN_MAX_DEVICES];
	unsigned int n_devices;
	unsigned int n_disks; /* those with a letter */
	bool has_root;
	struct run_serial serials[RUN_N_SERIALS];
	bool any_serial;
	enum vm_sandbox sandbox;
	const char *mechanisms, *policy_dir; /* words of the command line */
	bool log_failures, stop_on_device_death;
	enum vm_jail_main jail_main;
	char *mechanisms_typed, *policy_dir_typed, *jail_main_typed;
	char *memory_typed, *initrd_typed, *bios_typed,
		*affinity_typed; /* as a device's; NULL: not given */
	char params_option[16];	 /* the same, without its value; empty: not given */
	uint32_t affinity[RUN_MAX_AFFINITY];
	size_t n_affinity;
};

/* The table of "crosvm run". */
extern const struct cli_option run_option_table[];
int run_take_kernel(void *ctx, const char *text);

/* Appends words to the kernel command line. 0, or -1 after a complaint. */
int run_add_params(struct run_options *r, const char *text);

/* The text as a value in an option string: commas doubled. NULL after a complaint. */
char *run_quote(const char *text);

/* Adds a device; takes @options over; @option and @value are for complaints. 0, or -1 after a
 * complaint. */
int run_add_device(struct run_options *r, const char *type, char *options, const char *option,
		   const char *value);

void run_options_fini(struct run_options *r);

#endif
