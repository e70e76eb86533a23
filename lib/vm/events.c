/* SPDX-License-Identifier: BSD-3-Clause */
/* The event queue: what happened, for whoever polls the VM's descriptor. */
#include <stdio.h>
#include <string.h>

#include "vm/vm.h"

static struct vm_event pop(struct vm *vm)
{
	struct vm_event ev = vm->events[vm->first_event];

	vm->first_event = (vm->first_event + 1) % CV_VM_EVENTS;
	vm->n_events--;
	return ev;
}

static void push(struct vm *vm, const struct vm_event *ev)
{
	pthread_mutex_lock(&vm->lock);
	if (vm->n_events == CV_VM_EVENTS)
		pop(vm);
	vm->events[(vm->first_event + vm->n_events++) % CV_VM_EVENTS] = *ev;
	cv_event_signal(cv_fd_get(&vm->event_fd));
	pthread_mutex_unlock(&vm->lock);
}

void cv_vm_event(struct vm *vm, enum vm_event_kind kind, const struct vm_exit *exit)
{
	struct vm_event ev = { .size = sizeof(ev), .kind = kind, .exit = VM_EXIT_INIT };

	if (exit)
		ev.exit = *exit;
	push(vm, &ev);
}

void cv_vm_device_event(struct vm_device *d, const char *text, bool restarted)
{
	struct vm_event ev = { .size = sizeof(ev),
			       .kind = restarted ? VM_EVENT_DEVICE_RESTARTED : VM_EVENT_DEVICE_DIED,
			       .exit = VM_EXIT_INIT,
			       .device = d };

	snprintf(ev.text, sizeof(ev.text), "%s", text);
	push(d->vm, &ev);
}

int vm_fd(const struct vm *vm)
{
	return cv_fd_get(&vm->event_fd);
}

int vm_next_event(struct vm *vm, struct vm_event *event)
{
	size_t size = event->size;
	struct vm_event ev;
	bool any;

	pthread_mutex_lock(&vm->lock);
	any = vm->n_events > 0;
	if (any)
		ev = pop(vm);
	if (vm->n_events == 0)
		cv_event_drain(cv_fd_get(&vm->event_fd));
	pthread_mutex_unlock(&vm->lock);
	if (!any)
		return 0;
	ev.size = size;
	memcpy(event, &ev, cv_min(size, sizeof(ev)));
	return 1;
}
