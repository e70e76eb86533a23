/* SPDX-License-Identifier: BSD-3-Clause */
/* What the configuration says of device processes, and where their program is. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "vm/vm.h"

#define PROGRAM "crosvm-device"

/* Where it is, seen from the directory of the library or of the program that holds it: installed,
 * then in a build tree. */
static const char *const places[] = { "../libexec/crosvm/" PROGRAM, "../../libexec/crosvm/" PROGRAM,
				      "../" PROGRAM };

static int out_of_memory(struct vm_error *e)
{
	return cv_err(e, -ENOMEM, "the VM: out of memory");
}

/* Why the program at @path is not to be started, NULL if it may be. It belongs to whom the code here
 * belongs to (or to root): in a directory that everybody writes to, anybody could have put one beside
 * it. */
static const char *distrust(const char *path, const char *here)
{
	struct stat program, code;

	if (stat(path, &program) < 0 || stat(here, &code) < 0)
		return strerror(errno);
	if (program.st_uid != code.st_uid && program.st_uid != 0)
		return "it belongs to another user";
	if (program.st_mode & S_IWOTH)
		return "everybody may write to it";
	return access(path, X_OK) < 0 ? "it may not be executed" : NULL;
}

/* The file that this code was loaded from, and what is beside it. */
static int find_program(char **program, struct cv_log *log, struct vm_error *e)
{
	Dl_info info = { 0 };
	const char *slash;
	int dir;

	if (dladdr((const void *)(uintptr_t)vm_version, &info) == 0 || !info.dli_fname)
		info.dli_fname = "";
	slash = strrchr(info.dli_fname, '/');
	dir = slash ? (int)(slash - info.dli_fname) : 0;
	for (size_t i = 0; i < CV_LEN(places) && dir > 0; i++) {
		CV_AUTO_FREE char *path = cv_str_printf("%.*s/%s", dir, info.dli_fname, places[i]);
		const char *why;

		if (!path)
			return out_of_memory(e);
		if (access(path, F_OK) < 0)
			continue;
		why = distrust(path, info.dli_fname);
		if (!why) {
			*program = cv_steal(path);
			return 0;
		}
		cv_log_warn(log, "sandbox: %s is not used for device processes: %s", path, why);
	}
	*program = strdup(CROSVM_DEVICE_PROGRAM);
	return *program ? 0 : out_of_memory(e);
}

static int take_program(struct cv_vm_host *host, const char *given, struct cv_log *log,
			struct vm_error *e)
{
	if (!given)
		return find_program(&host->program, log, e);
	host->program = strdup(given);
	return host->program ? 0 : out_of_memory(e);
}

/* What is left out is told, once and aloud. */
static int take_mechanisms(uint32_t *mask, const char *text, struct cv_log *log, struct vm_error *e)
{
	uint32_t all = cv_jail_default();
	char names[160];
	int err = text ? cv_jail_parse(text, mask, e) : 0;

	if (err)
		return cv_err_prefix(e, err, "sandbox_mechanisms");
	if (!text)
		*mask = all;
	cv_jail_format(all & ~*mask, names, sizeof(names));
	if (all & ~*mask)
		cv_log_warn(log, "sandbox: device processes run without %s, as asked for", names);
	return 0;
}

int cv_vm_host_init(struct cv_vm_host *host, const struct vm_config *c, struct cv_log *log,
		    struct vm_error *e)
{
	int err;

	if ((unsigned int)c->sandbox > VM_SANDBOX_OFF)
		return cv_err(e, -EINVAL, "sandbox: %d is not known, give a VM_SANDBOX value",
			      (int)c->sandbox);
	err = take_mechanisms(&host->process.mechanisms, c->sandbox_mechanisms, log, e);
	if (err)
		return err;
	if (c->seccomp_policy_dir && !c->seccomp_policy_dir[0])
		return cv_err(e, -EINVAL,
			      "seccomp_policy_dir: the path is empty, give a directory");
	if (c->seccomp_policy_dir) {
		host->policy_dir = strdup(c->seccomp_policy_dir);
		if (!host->policy_dir)
			return out_of_memory(e);
	}
	err = take_program(host, c->device_program, log, e);
	host->process.program = host->program;
	host->process.policy_dir = host->policy_dir;
	host->process.log_failures = c->seccomp_log_failures;
	return err;
}

void cv_vm_host_fini(struct cv_vm_host *host)
{
	cv_process_host_fini(&host->process);
	free(host->program);
	free(host->policy_dir);
}

int cv_vm_configure_sandbox(struct vm *vm, const struct vm_config *c, struct vm_error *e)
{
	if ((unsigned int)c->jail_main > VM_JAIL_MAIN_AUTO)
		return cv_err(e, -EINVAL, "jail_main: %d is not known, give a VM_JAIL_MAIN value",
			      (int)c->jail_main);
	vm->sandbox = c->sandbox != VM_SANDBOX_OFF;
	vm->jail_choice = c->jail_main;
	vm->stop_on_device_death = c->stop_on_device_death;
	return cv_vm_host_init(&vm->child_host, c, &vm->log, e);
}
