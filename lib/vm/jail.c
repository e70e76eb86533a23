/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The jail of the VM's own process: once the guest runs and nothing more is to
 * be opened or started, its threads give up their capabilities and all system
 * calls but those that running and ending the VM take.
 */
#include <errno.h>

#include "sandbox/seccomp.h"
#include "vm/vm.h"

#define POLICY "main"

/* What speaks against it: NULL for nothing. */
static const char *obstacle(struct vm *vm)
{
	if (vm->reboot)
		return "a guest that reboots (reboot) needs new processes and a new machine";
	if (!(vm->child_host.process.mechanisms & CV_JAIL_POSSIBLE & CV_JAIL_SECCOMP))
		return "the sandbox is to be without seccomp";
	cv_list_for_each(node, &vm->devices) {
		const struct vm_device *d = cv_list_entry(node, struct vm_device, node);

		if (d->custom)
			return "a device of the application's own runs in this process";
		if (d->peer)
			return "a vhost-user back end may have to be connected again";
		if (d->cls->virtio && d->common.restart)
			return "a device that is restarted (restart) needs new processes";
		if (d->cls->virtio && !cv_vm_device_wants_process(d))
			return "a virtio device runs in this process (sandbox=off)";
	}
	return NULL;
}

/* Before the guest runs: a policy that does not do is no reason to stop one. */
static int get_program(struct vm *vm, struct vm_error *e)
{
	struct cv_seccomp *program = &vm->jail_program;
	int err;

	cv_seccomp_fini(program);
	err = cv_seccomp_get(program, vm->child_host.policy_dir, POLICY, e);
	if (!err && vm->child_host.process.log_failures)
		cv_seccomp_log_failures(program);
	if (!err)
		cv_seccomp_put_self(program);
	return err;
}

int cv_vm_jail_decide(struct vm *vm, struct vm_error *e)
{
	const char *why = vm->jail_choice == VM_JAIL_MAIN_OFF ? NULL : obstacle(vm);

	vm->jail_main = vm->jail_choice != VM_JAIL_MAIN_OFF && !why;
	if (vm->jail_main)
		return get_program(vm, e);
	if (!why)
		return 0;
	if (vm->jail_choice == VM_JAIL_MAIN_ON)
		return cv_err(e, -EINVAL,
			      "jail_main: this process cannot be jailed: %s; leave one of them out",
			      why);
	cv_log_info(&vm->log, "vm: its process is not jailed: %s", why);
	return 0;
}

/* The loop's and the vCPUs' threads have given up their rights when they began. */
int cv_vm_jail(struct vm *vm, struct vm_error *e)
{
	cv_vm_vcpus_await(vm);
	return cv_sandbox_drop_rights(e) ?: cv_seccomp_install(&vm->jail_program, e);
}
