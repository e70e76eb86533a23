/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices of the application's own: a register block at I/O port 0x520 that
 * counts, and a virtio entropy source (the guest's own virtio-rng driver works
 * with it) whose bytes the application makes.
 *
 *	custom_device KERNEL [INITRD [COMMAND-LINE]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <crosvm/crosvm.h>

struct counter {
	uint64_t reads, last_written;
};

static uint64_t counter_read(void *user, uint64_t offset, unsigned int len)
{
	struct counter *c = user;

	(void)offset;
	(void)len;
	return ++c->reads;
}

static void counter_write(void *user, uint64_t offset, unsigned int len, uint64_t value)
{
	struct counter *c = user;

	(void)offset;
	(void)len;
	c->last_written = value;
}

static int add_counter(struct vm *vm, struct counter *counter, struct vm_error *error)
{
	static const struct vm_regs_ops ops = { VM_REGS_OPS_INIT, .read = counter_read,
						.write = counter_write };
	struct vm_regs_config config = VM_REGS_CONFIG_INIT;

	config.name = "counter";
	config.space = VM_REGS_PIO;
	config.base = 0x520;
	config.len = 4;
	return vm_add_regs(vm, &config, &ops, counter, NULL, error);
}

static void entropy_request(void *user, unsigned int queue, struct vm_request *request)
{
	unsigned long *served = user;
	char bytes[256];
	ssize_t n = getrandom(bytes, sizeof(bytes), 0);
	size_t written = n > 0 ? vm_request_write(request, 0, bytes, (size_t)n) : 0;

	(void)queue;
	*served += written;
	vm_request_complete(request, (uint32_t)written);
}

static int add_entropy(struct vm *vm, unsigned long *served, struct vm_error *error)
{
	static const struct vm_virtio_ops ops = { VM_VIRTIO_OPS_INIT, .request = entropy_request };
	struct vm_virtio_config config = VM_VIRTIO_CONFIG_INIT;

	config.name = "entropy";
	config.device_id = 4;
	config.n_queues = 1;
	return vm_add_virtio(vm, &config, &ops, served, NULL, error);
}

int main(int argc, char **argv)
{
	struct vm_config config = VM_CONFIG_INIT;
	struct vm_exit exit = VM_EXIT_INIT;
	struct counter counter = { 0 };
	unsigned long served = 0;
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
		err = add_counter(vm, &counter, &error);
	if (!err)
		err = add_entropy(vm, &served, &error);
	if (!err)
		err = vm_run(vm, &exit, &error);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], error.text);
	else
		printf("the guest ended: %s; %llu reads of the counter, %lu bytes of entropy\n",
		       exit.text, (unsigned long long)counter.reads, served);
	vm_destroy(vm);
	return err || exit.reason == VM_EXIT_CRASHED || exit.reason == VM_EXIT_FAILED;
}
