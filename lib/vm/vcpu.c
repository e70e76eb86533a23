/* SPDX-License-Identifier: BSD-3-Clause */
/* vCPU threads: run, answer the exit through a bus, run again. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "sys/thread.h"
#include "vm/vm.h"

static void set_affinity(struct vm *vm)
{
	cpu_set_t set;

	if (vm->n_affinity == 0)
		return;
	CPU_ZERO(&set);
	for (size_t i = 0; i < vm->n_affinity; i++)
		CPU_SET(vm->affinity[i], &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		cv_log_warn(&vm->log, "vm: a vCPU thread cannot be bound to its CPUs: %s",
			    strerror(errno));
}

/* Whether the vCPU goes on after this exit. */
static bool handle(struct cv_vm_vcpu *v, struct cv_exit *exit)
{
	struct vm *vm = v->vm;
	int index = (int)v->index;

	switch (exit->kind) {
	case CV_EXIT_IO:
	case CV_EXIT_MMIO:
		cv_machine_access(vm->machine, exit);
		return true;
	case CV_EXIT_KICKED:
		return true;
	case CV_EXIT_HALTED:
		cv_vm_end(vm, VM_EXIT_CRASHED, index, "a vCPU halted for good");
		return false;
	case CV_EXIT_SHUTDOWN:
		cv_vm_end(vm, VM_EXIT_CRASHED, index, "triple fault");
		return false;
	case CV_EXIT_RESET:
		cv_vm_end(vm, VM_EXIT_RESET, index, "the guest reset itself");
		return false;
	case CV_EXIT_POWER_OFF:
		cv_vm_end(vm, VM_EXIT_POWER_OFF, index, "the guest powered off");
		return false;
	case CV_EXIT_CRASHED:
		cv_vm_end(vm, VM_EXIT_CRASHED, index, "the guest reported a crash");
		return false;
	case CV_EXIT_FAILED:
		cv_vm_end(vm, VM_EXIT_FAILED, index, exit->text);
		return false;
	}
	return false;
}

static void run(struct cv_vm_vcpu *v, struct cv_vcpu *vcpu)
{
	struct cv_exit exit;

	do {
		if (atomic_load(&v->vm->quit))
			return;
		vcpu->ops->vcpu_run(vcpu, &exit);
	} while (handle(v, &exit));
}

/* Whatever a thread does only once is done. */
static void begun(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->n_begun++;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

void cv_vm_vcpus_await(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	while (vm->n_begun < vm->n_vcpus)
		pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

static void *vcpu_main(void *arg)
{
	struct cv_vm_vcpu *v = arg;
	struct vm *vm = v->vm;
	struct cv_vcpu *vcpu = cv_machine_vcpu(vm->machine, v->index);
	struct vm_error e = { 0 };
	int err;

	set_affinity(vm);
	err = vm->jail_main ? cv_sandbox_drop_rights(&e) : 0;
	err = err ?: vcpu->ops->vcpu_enter(vcpu, &e);
	begun(vm);
	if (err) {
		cv_vm_end(vm, VM_EXIT_FAILED, (int)v->index, e.text);
	} else {
		pthread_mutex_lock(&vm->lock);
		v->entered = true;
		pthread_mutex_unlock(&vm->lock);
		run(v, vcpu);
		pthread_mutex_lock(&vm->lock);
		v->entered = false;
		pthread_mutex_unlock(&vm->lock);
	}
	cv_vm_leave(vm);
	return NULL;
}

int cv_vm_vcpus_start(struct vm *vm, struct vm_error *e)
{
	char name[16];
	int err = 0;

	vm->n_begun = 0;
	for (unsigned int i = 0; i < vm->n_vcpus && !err; i++) {
		struct cv_vm_vcpu *v = &vm->vcpus[i];

		v->vm = vm;
		v->index = i;
		snprintf(name, sizeof(name), "vcpu%u", i);
		atomic_fetch_add(&vm->n_running, 1);
		err = cv_thread_create(&v->thread, name, vcpu_main, v);
		v->started = !err;
		if (err) {
			atomic_fetch_sub(&vm->n_running,
					 1); /* never the last: the starter counts too */
			cv_err(e, err, "vCPU %u: its thread cannot be started: %s", i,
			       strerror(-err));
		}
	}
	return err;
}

void cv_vm_vcpus_join(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].started)
			pthread_join(vm->vcpus[i].thread, NULL);
		vm->vcpus[i].started = false;
	}
}
