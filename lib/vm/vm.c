/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's birth and death, its memory, and the version. */
#include "vm/vm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"

const char *vm_version(void)
{
	return VM_VERSION_STRING;
}

static int kvm_create(void *arg, struct cv_hv **hv, const struct cv_hv_config *config,
		      struct cv_log *log, struct vm_error *e)
{
	(void)arg;
	return cv_hv_kvm_create(hv, config, log, e);
}

/* A guest that goes on at once after an answer costs less watched than woken for; with one CPU
 * watching would keep it from running. About what a wake-up costs. */
#define POLL_NS 40000u

static int init(struct vm *vm, const struct vm_config *config, struct vm_error *e)
{
	int fd, err = cv_vm_configure(vm, config, e) ?: cv_loop_create(&vm->loop, e);

	if (err)
		return err;
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		cv_loop_set_poll_time(vm->loop, POLL_NS);
	fd = cv_event_create();
	if (fd < 0)
		return cv_err_os(e, fd, "the VM: its eventfd cannot be made");
	cv_fd_set(&vm->event_fd, fd);
	return 0;
}

int cv_vm_create(const struct vm_config *config, const struct cv_hv_factory *hv, struct vm **out,
		 struct vm_error *e)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int err;

	if (!vm)
		return cv_err(e, -ENOMEM, "the VM: out of memory");
	vm->hv = *hv;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->changed, NULL);
	cv_list_init(&vm->devices);
	err = init(vm, config, e);
	if (err) {
		vm_destroy(vm);
		return err;
	}
	*out = vm;
	return 0;
}

int vm_create(const struct vm_config *config, struct vm **vm, struct vm_error *error)
{
	const struct cv_hv_factory kvm = { .create = kvm_create };

	return cv_vm_create(config, &kvm, vm, error);
}

void cv_vm_file_fini(struct cv_vm_file *f)
{
	cv_fd_close(&f->fd);
	free(f->name);
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	vm_stop(vm);
	cv_vm_reap(vm);
	while (!cv_list_empty(&vm->devices))
		cv_vm_device_destroy(cv_list_entry(vm->devices.next, struct vm_device, node));
	cv_loop_destroy(vm->loop);
	cv_mem_fini(&vm->mem);
	cv_fd_close(&vm->event_fd);
	cv_vm_file_fini(&vm->kernel);
	cv_vm_file_fini(&vm->initrd);
	cv_rom_fini(&vm->rom);
	free(vm->cmdline);
	cv_vm_host_fini(&vm->child_host);
	cv_seccomp_fini(&vm->jail_program);
	free(vm->affinity);
	pthread_cond_destroy(&vm->changed);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}

static int check_memory(struct vm *vm, uint64_t gpa, size_t len, struct vm_error *e)
{
	bool has_memory;

	pthread_mutex_lock(&vm->lock);
	has_memory = vm->has_memory;
	pthread_mutex_unlock(&vm->lock);
	if (!has_memory)
		return cv_err(e, -ENOTCONN, "guest memory: the VM has never been started");
	if (!cv_mem_valid(&vm->mem, gpa, len))
		return cv_err(e, -EFAULT, "guest memory: %zu bytes at 0x%llx are not all RAM", len,
			      (unsigned long long)gpa);
	return 0;
}

int vm_memory_read(struct vm *vm, uint64_t gpa, void *buf, size_t len, struct vm_error *error)
{
	return check_memory(vm, gpa, len, error) ?: cv_mem_read(&vm->mem, gpa, buf, len);
}

int vm_memory_write(struct vm *vm, uint64_t gpa, const void *buf, size_t len,
		    struct vm_error *error)
{
	return check_memory(vm, gpa, len, error) ?: cv_mem_write(&vm->mem, gpa, buf, len);
}

uint64_t vm_memory_size(const struct vm *vm)
{
	return vm->memory;
}
