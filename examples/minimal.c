/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest embedding: boots a kernel with its console on standard input and
 * output and tells how it ended.
 *
 *	minimal KERNEL [INITRD [COMMAND-LINE]]
 */
#include <stdio.h>

#include <crosvm/crosvm.h>

int main(int argc, char **argv)
{
	struct vm_config config = VM_CONFIG_INIT;
	struct vm_exit exit = VM_EXIT_INIT;
	struct vm_error error;
	struct vm *vm = NULL;
	int err;

	if (argc < 2) {
		fprintf(stderr, "usage: %s KERNEL [INITRD [COMMAND-LINE]]\n", argv[0]);
		return 2;
	}
	config.kernel = argv[1];
	config.initrd = argc > 2 ? argv[2] : NULL;
	config.cmdline = argc > 3 ? argv[3] : "console=ttyS0 panic=-1";

	err = vm_create(&config, &vm, &error);
	if (!err)
		err = vm_add_device(vm, "serial", "num=1,in=/dev/fd/0,out=/dev/fd/1", NULL, &error);
	if (!err)
		err = vm_add_device(vm, "rng", NULL, NULL, &error);
	if (!err)
		err = vm_run(vm, &exit, &error);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], error.text);
	else
		fprintf(stderr, "%s: the guest ended: %s\n", argv[0], exit.text);
	vm_destroy(vm);
	return err || exit.reason == VM_EXIT_CRASHED || exit.reason == VM_EXIT_FAILED;
}
