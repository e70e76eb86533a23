/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life cycle: start, end, reboot, stop, wait.
 *
 * A run ends when cv_vm_end() is called by whoever first has a reason. It tells
 * all vCPU threads to leave; the last one posts the finish task, which joins
 * them in the loop's thread and either builds the machine anew (reboot) or stops
 * the devices and the loop.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sys/thread.h"
#include "vm/vm.h"

static void on_request(void *ctx, enum cv_vm_request what)
{
	struct vm *vm = ctx;

	switch (what) {
	case CV_REQUEST_RESET:
		cv_vm_end(vm, VM_EXIT_RESET, -1, "the guest reset itself");
		return;
	case CV_REQUEST_POWER_OFF:
		cv_vm_end(vm, VM_EXIT_POWER_OFF, -1, "the guest powered off");
		return;
	case CV_REQUEST_PANICKED:
		cv_vm_event(vm, VM_EVENT_PANICKED, NULL);
		cv_vm_end(vm, VM_EXIT_CRASHED, -1, "the guest reported a panic");
		return;
	case CV_REQUEST_CRASH_LOADED:
		cv_vm_event(vm, VM_EVENT_PANICKED, NULL);
		return;
	}
}

void cv_vm_end(struct vm *vm, enum vm_exit_reason reason, int vcpu, const char *text)
{
	pthread_mutex_lock(&vm->lock);
	if (reason == VM_EXIT_STOPPED)
		vm->stop_wanted = true;
	if (!vm->ending) {
		vm->ending = true;
		vm->exit = (struct vm_exit){ .size = sizeof(vm->exit),
					     .reason = reason,
					     .vcpu = vcpu };
		snprintf(vm->exit.text, sizeof(vm->exit.text), "%s", text);
	}
	atomic_store(&vm->quit, true);
	for (unsigned int i = 0; vm->kickable && i < vm->n_vcpus; i++) {
		struct cv_vcpu *vcpu_i = cv_machine_vcpu(vm->machine, i);

		if (vm->vcpus[i].entered)
			vcpu_i->ops->vcpu_kick(vcpu_i);
	}
	pthread_mutex_unlock(&vm->lock);
}

void cv_vm_leave(struct vm *vm)
{
	if (atomic_fetch_sub(&vm->n_running, 1) == 1)
		cv_loop_post(vm->loop, &vm->finish);
}

static struct cv_machine_config machine_config(struct vm *vm)
{
	return (struct cv_machine_config){
		.mem = &vm->mem,
		.n_vcpus = vm->n_vcpus,
		.rom = vm->rom.len > 0 ? &vm->rom : NULL,
		.kernel = { .fd = cv_fd_get(&vm->kernel.fd), .name = vm->kernel.name },
		.initrd = { .fd = cv_fd_get(&vm->initrd.fd), .name = vm->initrd.name },
		.cmdline = vm->cmdline,
		.protocol = vm->protocol,
		.acpi = vm->acpi,
		.hv = vm->hv,
		.loop = vm->loop,
		.log = &vm->log,
		.request = on_request,
		.ctx = vm,
	};
}

static void quiesce(struct vm *vm)
{
	cv_vm_devices_detach(vm);
	if (vm->machine)
		cv_machine_quiesce(vm->machine);
}

static void unbuild(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->kickable = false;
	pthread_mutex_unlock(&vm->lock);
	quiesce(vm);
	cv_vm_devices_unbuild(vm);
	cv_machine_destroy(vm->machine);
	cv_vm_devices_free_blocks(vm);
	vm->machine = NULL;
}

/* Fresh memory for every start: a guest finds nothing of the one before it. */
static int prepare_memory(struct vm *vm, struct vm_error *e)
{
	int err = 0;

	if (vm->mem.n_regions == 0)
		return cv_machine_memory(vm->memory, &vm->mem, e);
	for (unsigned int i = 0; i < vm->mem.n_regions && !err; i++)
		err = cv_mem_discard(&vm->mem, vm->mem.regions[i].gpa, vm->mem.regions[i].len);
	return err ? cv_err(e, err, "guest memory: it cannot be cleared: %s", strerror(-err)) : 0;
}

static int build(struct vm *vm, struct vm_error *e)
{
	struct cv_machine_config config = machine_config(vm);
	int err = prepare_memory(vm, e) ?: cv_machine_create(&vm->machine, &config, e) ?:
		  cv_vm_devices_build(vm, e) ?: cv_machine_boot(vm->machine, e);

	if (err)
		unbuild(vm);
	return err;
}

/* Clears the marks of the last run and lets the vCPUs go. The starter's share of n_running keeps
 * the finish task away until all threads have been started. */
static int go(struct vm *vm, struct vm_error *e)
{
	int err;

	atomic_store(&vm->n_running, 1);
	err = cv_vm_vcpus_start(vm, e);
	if (err)
		cv_vm_end(vm, VM_EXIT_FAILED, -1,
			  e ? e->text : "a vCPU's thread cannot be started");
	cv_vm_leave(vm);
	return err;
}

/* Arms the next run, unless vm_stop() has come in between. */
static bool rearm(struct vm *vm)
{
	bool stopped;

	pthread_mutex_lock(&vm->lock);
	stopped = vm->stop_wanted;
	if (!stopped) {
		vm->ending = false;
		vm->kickable = vm->machine;
		atomic_store(&vm->quit, false);
	} else {
		vm->exit.reason = VM_EXIT_STOPPED;
		snprintf(vm->exit.text, sizeof(vm->exit.text), "stopped");
	}
	pthread_mutex_unlock(&vm->lock);
	return !stopped;
}

/* The guest has reset: everything anew but the devices' configurations. Whether it runs again. */
static bool restart(struct vm *vm)
{
	struct vm_error e = { 0 };

	unbuild(vm);
	if (build(vm, &e)) {
		pthread_mutex_lock(&vm->lock);
		vm->exit.reason = VM_EXIT_FAILED;
		snprintf(vm->exit.text, sizeof(vm->exit.text),
			 "the guest cannot start again: %.200s", e.text);
		pthread_mutex_unlock(&vm->lock);
		return false;
	}
	if (!rearm(vm))
		return false;
	cv_vm_event(vm, VM_EVENT_RESET, NULL);
	cv_ignore(go(vm, &e)); /* a failure has ended the run again: the next finish tells */
	return true;
}

static void on_finish(struct cv_task *t)
{
	struct vm *vm = cv_container_of(t, struct vm, finish);
	struct vm_exit exit;

	cv_vm_vcpus_join(vm);
	if (vm->exit.reason == VM_EXIT_RESET && vm->reboot && restart(vm))
		return;
	quiesce(vm);
	/* now, because device processes end with this thread, and what they have to write out first
	 * they write at a proper end */
	cv_vm_devices_unbuild(vm);
	pthread_mutex_lock(&vm->lock);
	vm->kickable = false;
	exit = vm->exit;
	pthread_mutex_unlock(&vm->lock);
	cv_vm_event(vm, VM_EVENT_STOPPED, &exit);
	cv_loop_stop(vm->loop);
	pthread_mutex_lock(&vm->lock);
	vm->state = CV_VM_ENDED;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

static void reap_call(void *arg)
{
	unbuild(arg);
}

static void first_build(void *arg)
{
	struct vm *vm = arg;

	unbuild(vm);
	vm->start.result = build(vm, vm->start.e);
}

/* The loop's thread builds the machine too: device processes end with the thread that started them
 * (PR_SET_PDEATHSIG counts threads). */
static void *loop_main(void *arg)
{
	struct vm *vm = arg;
	int err;

	cv_loop_call(vm->loop, first_build, vm);
	/* here and not by a call, which somebody else's thread may make before the loop runs */
	if (vm->start.result == 0 && vm->jail_main) {
		vm->start.result = cv_sandbox_drop_rights(vm->start.e);
		if (vm->start.result)
			cv_loop_call(vm->loop, reap_call, vm);
	}
	err = vm->start.result;
	pthread_mutex_lock(&vm->lock);
	vm->start.done = true;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	if (err)
		return NULL;
	err = cv_loop_run(vm->loop);
	if (err)
		cv_log_error(&vm->log, "vm: the event loop has failed: %s", strerror(-err));
	return NULL;
}

static bool is_active(const struct vm *vm)
{
	return vm->state == CV_VM_STARTING || vm->state == CV_VM_RUNNING;
}

/* Under the lock, which the loop's thread takes no more once the state is ENDED. */
static void join_loop(struct vm *vm)
{
	if (vm->state != CV_VM_ENDED || vm->joined)
		return;
	pthread_join(vm->loop_thread, NULL);
	vm->joined = true;
}

void cv_vm_join(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	while (is_active(vm))
		pthread_cond_wait(&vm->changed, &vm->lock);
	join_loop(vm);
	pthread_mutex_unlock(&vm->lock);
}

/* As the loop's owner, because calls for the loop may come from other threads even now. */
void cv_vm_reap(struct vm *vm)
{
	cv_vm_join(vm);
	if (vm->loop)
		cv_loop_call(vm->loop, reap_call, vm);
}

/* From IDLE or ENDED to STARTING; the marks are cleared here, so that a vm_stop() from now on
 * counts. */
static int claim(struct vm *vm, enum cv_vm_state *old, struct vm_exit *old_exit)
{
	int err = 0;

	pthread_mutex_lock(&vm->lock);
	join_loop(vm);
	*old = vm->state;
	*old_exit = vm->exit;
	if (is_active(vm)) {
		err = -EALREADY;
	} else {
		vm->state = CV_VM_STARTING;
		vm->stop_wanted = false;
		vm->ending = false;
		atomic_store(&vm->quit, false);
		vm->n_events = 0; /* of the run before */
		cv_event_drain(cv_fd_get(&vm->event_fd));
	}
	pthread_mutex_unlock(&vm->lock);
	return err;
}

static void set_state(struct vm *vm, enum cv_vm_state state)
{
	pthread_mutex_lock(&vm->lock);
	vm->state = state;
	vm->joined = state != CV_VM_RUNNING;
	vm->kickable = state == CV_VM_RUNNING;
	vm->has_memory = vm->has_memory || state == CV_VM_RUNNING;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

/* Starts the loop's thread and waits until it has built the machine. */
static int prepare(struct vm *vm, struct vm_error *e)
{
	int err;

	vm->start = (struct cv_vm_start){ .e = e };
	err = cv_thread_create(&vm->loop_thread, "vm-loop", loop_main, vm);
	if (err)
		return cv_err(e, err, "the VM: its loop's thread cannot be started: %s",
			      strerror(-err));
	pthread_mutex_lock(&vm->lock);
	while (!vm->start.done)
		pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
	if (vm->start.result)
		pthread_join(vm->loop_thread, NULL);
	return vm->start.result;
}

int vm_start(struct vm *vm, struct vm_error *error)
{
	struct vm_error local = { 0 };
	struct vm_exit old_exit;
	enum cv_vm_state old;
	int err;

	if (claim(vm, &old, &old_exit))
		return cv_err(error, -EALREADY, "the VM: it runs already");
	vm->finish.fn = on_finish;
	error = error ? error : &local;
	err = cv_vm_jail_decide(vm, error) ?: prepare(vm, error);
	if (err) {
		pthread_mutex_lock(&vm->lock);
		vm->exit = old_exit;
		pthread_mutex_unlock(&vm->lock);
		set_state(vm, old);
		return err;
	}
	set_state(vm, CV_VM_RUNNING);
	err = go(vm, error);
	if (!err && vm->jail_main) {
		err = cv_vm_jail(vm, error);
		if (err)
			cv_vm_end(vm, VM_EXIT_FAILED, -1, error->text);
	}
	if (err)
		cv_vm_join(vm);
	return err;
}

void vm_stop(struct vm *vm)
{
	bool active;

	pthread_mutex_lock(&vm->lock);
	active = is_active(vm);
	pthread_mutex_unlock(&vm->lock);
	if (!active)
		return;
	cv_vm_end(vm, VM_EXIT_STOPPED, -1, "stopped");
	cv_vm_join(vm);
}

int vm_wait(struct vm *vm, struct vm_exit *exit, struct vm_error *error)
{
	struct vm_exit mine;

	cv_vm_join(vm);
	pthread_mutex_lock(&vm->lock);
	mine = vm->exit;
	pthread_mutex_unlock(&vm->lock);
	if (mine.reason == 0)
		return cv_err(error, -EINVAL, "the VM: it has never been started");
	if (!exit)
		return 0;
	mine.size = exit->size;
	memcpy(exit, &mine, cv_min(exit->size, sizeof(mine)));
	return 0;
}

int vm_run(struct vm *vm, struct vm_exit *exit, struct vm_error *error)
{
	return vm_start(vm, error) ?: vm_wait(vm, exit, error);
}

struct button_call {
	struct vm *vm;
	struct vm_error *e;
	int result;
};

static void press_button(void *arg)
{
	struct button_call *call = arg;

	if (!call->vm->machine)
		call->result = cv_err(call->e, -ENOTCONN, "the VM: it does not run any more");
	else
		call->result = cv_machine_power_button(call->vm->machine, call->e);
}

int vm_power_button(struct vm *vm, struct vm_error *error)
{
	struct button_call call = { .vm = vm, .e = error };
	bool running;

	pthread_mutex_lock(&vm->lock);
	running = vm->state == CV_VM_RUNNING;
	pthread_mutex_unlock(&vm->lock);
	if (!running)
		return cv_err(error, -ENOTCONN,
			      "the VM: it does not run, so it has no power button");
	cv_loop_call(vm->loop, press_button, &call);
	return call.result;
}
