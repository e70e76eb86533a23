/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many virtual machines in one process: starts N of them, waits for all, one
 * poll() for their events.
 *
 *	many_vms N KERNEL [INITRD [COMMAND-LINE]]
 *
 * The console of VM i goes to the file vm-i.log in the current directory.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <crosvm/crosvm.h>

#define MAX_VMS 1024

static int start(struct vm **vm, int index, char **argv, struct vm_error *error)
{
	struct vm_config config = VM_CONFIG_INIT;
	char options[64];
	int err;

	config.kernel = argv[0];
	config.initrd = argv[1];
	config.cmdline = argv[1] && argv[2] ? argv[2] : "console=ttyS0 panic=-1";
	snprintf(options, sizeof(options), "num=1,out=vm-%d.log", index);
	err = vm_create(&config, vm, error);
	if (!err)
		err = vm_add_device(*vm, "serial", options, NULL, error);
	if (!err)
		err = vm_add_device(*vm, "rng", NULL, NULL, error);
	if (!err)
		err = vm_start(*vm, error);
	return err;
}

/* Takes the events of one VM; whether it has ended, and *bad if not well. */
static int ended(struct vm *vm, int index, int *bad)
{
	struct vm_event event = VM_EVENT_INIT;
	int done = 0;

	while (vm_next_event(vm, &event) > 0) {
		if (event.kind != VM_EVENT_STOPPED)
			continue;
		printf("VM %d: %s\n", index, event.exit.text);
		*bad |= event.exit.reason != VM_EXIT_POWER_OFF;
		done = 1;
	}
	return done;
}

static int wait_all(struct vm **vms, int n)
{
	struct pollfd fds[MAX_VMS];
	int left = n, bad = 0;

	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = vm_fd(vms[i]), .events = POLLIN };
	while (left > 0 && poll(fds, (nfds_t)n, -1) >= 0) {
		for (int i = 0; i < n; i++) {
			if (!fds[i].revents || !ended(vms[i], i, &bad))
				continue;
			fds[i].fd = -1;
			left--;
		}
	}
	return bad || left > 0;
}

int main(int argc, char **argv)
{
	struct vm *vms[MAX_VMS] = { 0 };
	struct vm_error error;
	int n = argc > 1 ? atoi(argv[1]) : 0, err = 0, bad = 1;

	if (argc < 3 || n < 1 || n > MAX_VMS) {
		fprintf(stderr, "usage: %s N KERNEL [INITRD [COMMAND-LINE]], N up to %d\n", argv[0],
			MAX_VMS);
		return 2;
	}
	for (int i = 0; i < n && !err; i++)
		err = start(&vms[i], i, argv + 2, &error);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], error.text);
	else
		bad = wait_all(vms, n);
	for (int i = 0; i < n; i++)
		vm_destroy(vms[i]);
	return bad;
}
