/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtual machine: create it from a configuration, add devices, run it,
 * destroy it. Many may live in one process, each with its own threads.
 *
 * Rules of the whole API: an int result is 0 (or a count) or a negative errno;
 * the last parameter of a fallible call, which may be NULL, then holds one
 * sentence. Strings and structs given in are copied, file descriptors are
 * duplicated. A struct that starts with "size" is filled by its INIT macro;
 * zero in any field means the default. The library never prints, exits, handles
 * a signal or changes the process's environment, directory or terminal.
 */
#ifndef CROSVM_VM_H
#define CROSVM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crosvm/error.h>
#include <crosvm/log.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vm;
struct vm_device;

/* How the kernel is entered. */
enum vm_boot_protocol {
	VM_BOOT_AUTO = 0, /* what the file asks for: Linux for bzImage and 64-bit ELF */
	VM_BOOT_LINUX,	  /* Linux's 64-bit boot protocol */
	VM_BOOT_PVH,	  /* PVH, by the ELF note */
};

/* Whether devices run in jailed processes of their own. */
enum vm_sandbox {
	VM_SANDBOX_DEFAULT = 0, /* on */
	VM_SANDBOX_ON,
	VM_SANDBOX_OFF, /* in the application's process; a device's sandbox=on overrides it */
};

/*
 * Whether the application's own process is jailed too once the guest runs: the
 * thread that calls vm_start() and the library's own give up their capabilities,
 * and the whole process, for good, all system calls but those that running and
 * ending this VM take. For programs that do nothing else.
 */
enum vm_jail_main {
	VM_JAIL_MAIN_OFF = 0,
	VM_JAIL_MAIN_ON,   /* an error where something asked for would need more (reboot, restart,
			      devices in this process) */
	VM_JAIL_MAIN_AUTO, /* on unless something asked for would need more */
};

/*
 * What a VM is made of. Paths may be "/dev/fd/N" or "/proc/self/fd/N" for a
 * file that is open already.
 */
struct vm_config {
	size_t size;	     /* VM_CONFIG_INIT */
	uint64_t memory;     /* bytes of guest memory; 0: 256 MiB; a multiple of 4096 from 16 MiB */
	uint32_t vcpus;	     /* virtual CPUs, 1 to 64; 0: 1 */
	const char *kernel;  /* path of a vmlinux, a bzImage (x86_64) or an arm64 Image; or bios */
	const char *initrd;  /* path of an initial RAM disk; NULL: none */
	const char *cmdline; /* the kernel's command line; NULL: empty */
	enum vm_boot_protocol boot_protocol;
	bool reboot;  /* a guest that resets starts again instead of ending the run */
	bool no_acpi; /* describe the machine by the MP table alone */
	const uint32_t *cpu_affinity; /* host CPUs the vCPU threads may use; NULL: all */
	size_t n_cpu_affinity;	      /* entries of cpu_affinity */
	vm_log_fn log;		      /* NULL: messages are dropped */
	void *log_user;		      /* given to log */
	enum vm_log_level log_level;  /* 0: warnings and errors */
	enum vm_sandbox sandbox;
	/* what the jail must be made of: NULL or "default": all that there is; "default,-landlock":
	 * without that; or names (see crosvm(1)). What is asked for and not to be had is an error,
	 * what is left out is told in the log */
	const char *sandbox_mechanisms;
	const char *seccomp_policy_dir; /* of NAME.policy files; NULL: those built in */
	bool seccomp_log_failures; /* a forbidden system call is logged by the kernel and done */
	/* path of crosvm-device, or of a program that calls vm_device_main() first thing, as
	 * "/proc/self/exe"; NULL: the one installed with the library */
	const char *device_program;
	/* a device whose process dies and is not restarted ends the run (VM_EXIT_DEVICE_DIED) */
	bool stop_on_device_death;
	enum vm_jail_main jail_main;
	/* path of raw firmware, as SeaBIOS's bios-256k.bin: a multiple of 4096 bytes up to 16 MiB;
	 * the guest starts at its reset vector and boots from a disk. Instead of kernel, initrd,
	 * cmdline, boot_protocol and no_acpi; NULL: none */
	const char *bios;
};

#define VM_CONFIG_INIT                           \
	{                                        \
		.size = sizeof(struct vm_config) \
	}

/* Why a run has ended. */
enum vm_exit_reason {
	VM_EXIT_POWER_OFF = 1, /* the guest powered off */
	VM_EXIT_RESET,	       /* the guest reset itself and "reboot" is off */
	VM_EXIT_CRASHED,       /* a panic was reported, or a triple fault */
	VM_EXIT_STOPPED,       /* vm_stop() */
	VM_EXIT_FAILED,	       /* the hypervisor cannot go on, or a reset VM cannot start again */
	VM_EXIT_DEVICE_DIED,   /* a device's process has died, see stop_on_device_death */
};

struct vm_exit {
	size_t size; /* VM_EXIT_INIT */
	enum vm_exit_reason reason;
	int vcpu;	/* which vCPU, or -1 */
	char text[256]; /* one clause, for people */
};

#define VM_EXIT_INIT                           \
	{                                      \
		.size = sizeof(struct vm_exit) \
	}

/* What happened in a VM. */
enum vm_event_kind {
	VM_EVENT_STOPPED = 1, /* the run has ended; exit says why */
	VM_EVENT_RESET,	      /* the guest has reset and starts again */
	VM_EVENT_PANICKED,    /* the guest has reported a panic */
	/* a device's process has died: the guest sees a device that needs a reset and never answers */
	VM_EVENT_DEVICE_DIED,
	VM_EVENT_DEVICE_RESTARTED, /* a device's process has died, and a new one goes on */
};

struct vm_event {
	size_t size; /* VM_EVENT_INIT */
	enum vm_event_kind kind;
	struct vm_exit exit;	  /* STOPPED; its size is set */
	struct vm_device *device; /* DEVICE_…: which one */
	char text[256];		  /* DEVICE_…: one clause, for people: the type and how it died */
};

#define VM_EVENT_INIT                                                 \
	{                                                             \
		.size = sizeof(struct vm_event), .exit = VM_EXIT_INIT \
	}

/*
 * Creates a VM that does not run. Opens kernel and initrd, or reads the firmware; everything else of
 * the host is first used by vm_run() or vm_start().
 *
 * Returns 0 with *vm, to be destroyed by the caller; -EINVAL, -E2BIG (a newer
 * caller's field that this library does not know), -ENOENT, -EACCES, -ENOMEM, ….
 */
int vm_create(const struct vm_config *config, struct vm **vm, struct vm_error *error);

/*
 * Adds a device to a VM that has not been started.
 *
 * @type: a name that vm_device_type() lists
 * @options: "key=value,key=value" or NULL; a comma inside a value is written
 *	twice. Files named there are opened now.
 * @device: may be NULL; belongs to the VM and dies with it
 *
 * PCI devices get slots and disks their letters in the order of the calls.
 * Returns 0; -EINVAL for an unknown type or a bad option, -EBUSY when the VM runs
 * or an image is in use, …. More devices than the machine has places for are
 * refused by vm_start(), with -ENOSPC.
 */
int vm_add_device(struct vm *vm, const char *type, const char *options, struct vm_device **device,
		  struct vm_error *error);

/*
 * Runs the VM in this and its own threads until the guest ends or vm_stop() is
 * called from another thread. @exit may be NULL.
 *
 * Returns 0 and fills @exit, also when the guest crashed; a negative errno when
 * the VM could not start, with everything undone.
 */
int vm_run(struct vm *vm, struct vm_exit *exit, struct vm_error *error);

/*
 * Starts the VM in threads of its own and returns. -EALREADY when it runs. A VM
 * that has ended may be started again: it boots afresh, and events of the run before
 * that nobody took are dropped.
 */
int vm_start(struct vm *vm, struct vm_error *error);

/*
 * Stops a running VM and returns when no vCPU and no device runs any more;
 * nothing if it does not run. Any thread but a device callback's. The guest is
 * not asked; see vm_power_button().
 */
void vm_stop(struct vm *vm);

/* Waits until the VM has ended and tells why. -EINVAL if it was never started. Any thread. */
int vm_wait(struct vm *vm, struct vm_exit *exit, struct vm_error *error);

/* Presses the power button: the guest's system shuts down if it listens. -ENOTCONN: not running. */
int vm_power_button(struct vm *vm, struct vm_error *error);

/* A descriptor that is readable while events wait. The VM's own: poll it, never close it. */
int vm_fd(const struct vm *vm);

/* Takes the next event. 1 with *event, 0 when none waits. Any thread. */
int vm_next_event(struct vm *vm, struct vm_event *event);

/* Stops the VM if it runs and frees all of it. NULL is fine. */
void vm_destroy(struct vm *vm);

/*
 * Runs one of a device's control operations (see vm_device_control_info()) in
 * the device's thread.
 *
 * @args: "key=value,…" or NULL
 * @reply: takes the answer as text, terminated; may be NULL with @size 0
 *
 * Returns 0; -ENOENT for an unknown operation, -ENOTCONN when the VM does not
 * run, or what the operation gives.
 */
int vm_device_control(struct vm_device *device, const char *operation, const char *args,
		      char *reply, size_t size, struct vm_error *error);

/* ---- what may be added ---- */

struct vm_device_type_info {
	size_t size;	  /* sizeof(struct vm_device_type_info) */
	const char *name; /* what vm_add_device() takes; static, as is all below */
	const char *help; /* one line */
	bool is_virtio;	  /* takes the options common to virtio devices too */
};

struct vm_option_info {
	size_t size; /* sizeof(struct vm_option_info) */
	const char *name;
	const char *kind; /* "bool", "number", "size", "text", "choice", "file" */
	const char *help;
	bool required;
	uint64_t dflt, min, max;  /* numbers and sizes; max 0: no limit of its own */
	const char *const *words; /* choices, NULL-terminated; else NULL */
};

struct vm_control_info {
	size_t size; /* sizeof(struct vm_control_info) */
	const char *name;
	const char *help;
};

/* The @index-th device type. 0, or -ENOENT past the last. */
int vm_device_type(size_t index, struct vm_device_type_info *info);

/* The @index-th option of a type; -ENOENT past the last, -EINVAL for an unknown type. */
int vm_device_option(const char *type, size_t index, struct vm_option_info *info);

/* The @index-th control operation of a type; results as above. */
int vm_device_control_info(const char *type, size_t index, struct vm_control_info *info);

/* The @index-th argument of a control operation; results as above. */
int vm_device_control_arg(const char *type, const char *operation, size_t index,
			  struct vm_option_info *info);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
