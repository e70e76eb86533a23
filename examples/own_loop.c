/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM in the application's own event loop: nothing blocks, the VM's descriptor
 * sits in the same poll() as everything else. After SECONDS the power button is
 * pressed, and after as many again the VM is stopped.
 *
 *	own_loop SECONDS KERNEL [INITRD [COMMAND-LINE]]
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <crosvm/crosvm.h>

/* Until the VM ends or the time is over; whether it ended. */
static int watch(struct vm *vm, int seconds, struct vm_exit *exit)
{
	struct pollfd fd = { .fd = vm_fd(vm), .events = POLLIN };
	struct vm_event event = VM_EVENT_INIT;

	while (poll(&fd, 1, seconds * 1000) > 0) {
		while (vm_next_event(vm, &event) > 0) {
			if (event.kind == VM_EVENT_STOPPED) {
				*exit = event.exit;
				return 1;
			}
		}
	}
	return 0;
}

static int run(struct vm *vm, int seconds, struct vm_error *error)
{
	struct vm_exit exit = VM_EXIT_INIT;
	int err = vm_start(vm, error);

	if (err)
		return err;
	if (!watch(vm, seconds, &exit)) {
		puts("pressing the power button");
		err = vm_power_button(vm, error);
		if (err || !watch(vm, seconds, &exit)) {
			vm_stop(vm);
			err = vm_wait(vm, &exit, error);
		}
	}
	printf("the VM ended: %s\n", exit.text);
	return err;
}

int main(int argc, char **argv)
{
	struct vm_config config = VM_CONFIG_INIT;
	struct vm_error error;
	struct vm *vm = NULL;
	int err;

	if (argc < 3) {
		fprintf(stderr, "usage: %s SECONDS KERNEL [INITRD [COMMAND-LINE]]\n", argv[0]);
		return 2;
	}
	config.kernel = argv[2];
	config.initrd = argc > 3 ? argv[3] : NULL;
	config.cmdline = argc > 4 ? argv[4] : "console=ttyS0 panic=-1";
	err = vm_create(&config, &vm, &error);
	if (!err)
		err = vm_add_device(vm, "serial", "num=1,out=/dev/fd/1", NULL, &error);
	if (!err)
		err = run(vm, atoi(argv[1]), &error);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], error.text);
	vm_destroy(vm);
	return err != 0;
}
