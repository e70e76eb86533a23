/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices' instances: made on a new machine for every start of the guest,
 * in this process or in one of their own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/lines.h"
#include "vm/vm.h"

/* ---- in a process of its own ---- */

bool cv_vm_device_wants_process(const struct vm_device *d)
{
	if (d->custom || d->peer)
		return false;
	if (d->common.sandbox == CV_SANDBOX_CHOICE_DEFAULT)
		return d->vm->sandbox && d->cls->virtio;
	return d->common.sandbox == CV_SANDBOX_CHOICE_ON;
}

void cv_vm_device_died(struct vm_device *d, const char *why, bool restarted)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %.200s", d->cls->name, why);
	cv_vm_device_event(d, text, restarted);
	if (!restarted && d->vm->stop_on_device_death)
		cv_vm_end(d->vm, VM_EXIT_DEVICE_DIED, -1, text);
}

static void on_died(void *ctx, const char *why, bool restarted)
{
	cv_vm_device_died(ctx, why, restarted);
}

static void on_regs_died(void *ctx, const char *why)
{
	cv_vm_device_died(ctx, why, false);
}

static int start_regs_process(struct vm_device *d, struct vm_error *e)
{
	struct vm *vm = d->vm;
	const struct cv_rslot_child_config config = {
		.host = &vm->child_host.process,
		.cls = d->cls,
		.config = d->config,
		.memory = cv_mem_size(&vm->mem),
		.loop = vm->loop,
		.log = &vm->log,
		.died = on_regs_died,
		.ctx = d,
	};

	return cv_rslot_child_create(&d->starting_regs, &config, e);
}

static int start_virtio_process(struct vm_device *d, struct vm_error *e)
{
	struct vm *vm = d->vm;
	const struct cv_vslot_child_config config = {
		.host = &vm->child_host.process,
		.cls = d->cls,
		.config = d->config,
		.packed = d->common.packed,
		.poll = d->common.poll,
		.restart = d->common.restart,
		.mem = &vm->mem,
		.loop = vm->loop,
		.log = &vm->log,
		.died = on_died,
		.ctx = d,
	};

	return cv_vslot_child_create(&d->starting, &config, e);
}

/* All of them before the first is waited for: they start side by side. */
static int start_processes(struct vm *vm, struct vm_error *e)
{
	int err = 0;

	cv_list_for_each(node, &vm->devices) {
		struct vm_device *d = cv_list_entry(node, struct vm_device, node);

		if (!err && cv_vm_device_wants_process(d))
			err = d->cls->virtio ? start_virtio_process(d, e)
					     : start_regs_process(d, e);
	}
	return err;
}

static int finish_process(struct vm_device *d, struct vm_error *e)
{
	struct cv_vslot_child *starting = d->starting;

	d->starting = NULL;
	return cv_vslot_child_finish(starting, &d->vslot, e);
}

static int finish_regs_process(struct vm_device *d, struct cv_irq *irq, struct cv_rslot **slot,
			       struct vm_error *e)
{
	struct cv_rslot_child *starting = d->starting_regs;

	d->starting_regs = NULL;
	if (irq)
		cv_lines_hand_over(irq);
	return cv_rslot_child_finish(starting, irq, slot, e);
}

/* ---- building ---- */

static int make_local(struct vm_device *d, const struct cv_env *env, struct vm_error *e)
{
	const struct cv_vslot_local_config local = { .packed = d->common.packed,
						     .poll = d->common.poll };
	int err = cv_vslot_local_create(&d->vslot, d->cls, env, d->config, &local, e);

	if (err)
		return err;
	pthread_mutex_lock(&d->instance_lock); /* vm_device_config_changed() may look any time */
	d->instance = cv_vslot_local_self(d->vslot);
	pthread_mutex_unlock(&d->instance_lock);
	return 0;
}

static int build_virtio(struct vm_device *d, const struct cv_env *env, struct vm_error *e)
{
	int err = 0;

	if (d->peer)
		d->vslot = cv_vm_peer_slot(d->peer);
	else
		err = d->starting ? finish_process(d, e) : make_local(d, env, e);
	return err
		       ?: cv_machine_add_virtio(d->vm->machine, d->vslot,
						(enum cv_transport_kind)d->common.transport, e);
}

static int build_custom_regs(struct vm_device *d, const struct cv_env *env, struct vm_error *e)
{
	struct cv_rslot_local *local;
	struct cv_irq *irq = NULL;
	int err = cv_rslot_local_create(&local, d->cls, env, d->config, e);

	if (err)
		return err;
	d->rslot = cv_rslot_local_slot(local);
	d->rslot_owned = true;
	if (d->was_built)
		d->rslot->ops->reset(d->rslot);
	d->was_built = true;
	err = cv_machine_add_block(d->vm->machine, d->place.pio, d->place.base, d->place.len,
				   d->rslot, d->place.irq, &irq, e);
	pthread_mutex_lock(&d->instance_lock); /* vm_device_interrupt() may look any time */
	d->irq = irq;
	pthread_mutex_unlock(&d->instance_lock);
	return err;
}

static int make_regs(struct vm_device *d, struct cv_env *env, struct cv_irq *irq,
		     struct cv_rslot **slot, struct vm_error *e)
{
	struct cv_rslot_local *local;
	int err;

	if (d->starting_regs)
		return finish_regs_process(d, irq, slot, e);
	env->irq = irq;
	err = cv_rslot_local_create(&local, d->cls, env, d->config, e);
	if (!err)
		*slot = cv_rslot_local_slot(local);
	return err;
}

static int build_regs(struct vm_device *d, struct cv_env *env, struct vm_error *e)
{
	struct cv_machine *m = d->vm->machine;
	struct cv_machine_place place;
	struct cv_rslot *slot;
	int err = cv_machine_place_class(m, d->cls, d->config, &place, e)
			  ?: make_regs(d, env, place.irq, &slot, e);

	if (err)
		return err;
	err = cv_machine_add_regs(m, &place, slot, e);
	if (err) {
		cv_rslot_destroy(slot);
		return cv_err_prefix(e, err, "%s", d->cls->name);
	}
	d->rslot = slot;
	return 0;
}

static int build(struct vm_device *d, struct vm_error *e)
{
	struct cv_env env = cv_machine_env(d->vm->machine);

	if (d->cls->virtio)
		return build_virtio(d, &env, e);
	if (d->custom)
		return build_custom_regs(d, &env, e);
	return build_regs(d, &env, e);
}

int cv_vm_devices_build(struct vm *vm, struct vm_error *e)
{
	int err = start_processes(vm, e);

	cv_list_for_each(node, &vm->devices) {
		struct vm_device *d = cv_list_entry(node, struct vm_device, node);

		if (err)
			return err;
		err = build(d, e);
		if (err && d->custom)
			cv_err_prefix(e, err, "%s", d->name);
	}
	return err;
}

void cv_vm_devices_detach(struct vm *vm)
{
	cv_list_for_each(node, &vm->devices) {
		struct vm_device *d = cv_list_entry(node, struct vm_device, node);

		pthread_mutex_lock(&d->instance_lock);
		d->instance = NULL;
		d->irq = NULL;
		pthread_mutex_unlock(&d->instance_lock);
	}
}

void cv_vm_devices_unbuild(struct vm *vm)
{
	cv_list_for_each(node, &vm->devices) {
		struct vm_device *d = cv_list_entry(node, struct vm_device, node);

		cv_vslot_child_destroy(d->starting);
		d->starting = NULL;
		cv_rslot_child_destroy(d->starting_regs);
		d->starting_regs = NULL;
		if (!d->peer)
			cv_vslot_destroy(d->vslot);
		d->vslot = NULL;
		if (!d->rslot_owned)
			d->rslot = NULL;
	}
}

void cv_vm_devices_free_blocks(struct vm *vm)
{
	cv_list_for_each(node, &vm->devices) {
		struct vm_device *d = cv_list_entry(node, struct vm_device, node);

		if (d->rslot_owned)
			cv_rslot_destroy(d->rslot);
		d->rslot = NULL;
		d->rslot_owned = false;
	}
}

/* ---- control ---- */

struct control_call {
	struct vm_device *d;
	const char *op, *args;
	char *reply;
	size_t size;
	struct vm_error *e;
	int result;
};

/* In the loop's thread, which builds and destroys the instances. */
static void control(void *arg)
{
	struct control_call *c = arg;
	struct vm_device *d = c->d;

	if (d->vslot)
		c->result =
			d->vslot->ops->control(d->vslot, c->op, c->args, c->reply, c->size, c->e);
	else if (d->rslot)
		c->result =
			d->rslot->ops->control(d->rslot, c->op, c->args, c->reply, c->size, c->e);
	else
		c->result = cv_err(c->e, -ENOTCONN, "%s: the VM does not run", d->cls->name);
}

int vm_device_control(struct vm_device *device, const char *operation, const char *args,
		      char *reply, size_t size, struct vm_error *error)
{
	char nothing[1];
	struct control_call call = { .d = device,
				     .op = operation,
				     .args = args,
				     .reply = size ? reply : nothing,
				     .size = size ? size : sizeof(nothing),
				     .e = error };
	bool running;

	pthread_mutex_lock(&device->vm->lock);
	running = device->vm->state == CV_VM_RUNNING;
	pthread_mutex_unlock(&device->vm->lock);
	if (!running)
		return cv_err(error, -ENOTCONN, "%s: the VM does not run", device->cls->name);
	call.reply[0] = '\0';
	cv_loop_call(device->vm->loop, control, &call);
	return call.result;
}
