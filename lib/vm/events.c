/* SPDX-License-Identifier: BSD-3-Clause */
/* The event queue: what happened, for whoever polls the VM's descriptor. */
#include <string.h>

#include "vm/vm.h"

#define MAX_EVENTS 64 /* a guest that resets for ever fills no memory: the oldest go first */

void cv_vm_event(struct vm *vm, enum vm_event_kind kind, const struct vm_exit *exit)
{
	struct cv_vm_event *ev = calloc(1, sizeof(*ev));
	unsigned int n = 0;

	if (!ev) {
		cv_log_error(&vm->log, "vm: an event is lost, out of memory");
		return;
	}
	ev->event.size = sizeof(ev->event);
	ev->event.kind = kind;
	if (exit)
		ev->event.exit = *exit;
	pthread_mutex_lock(&vm->lock);
	cv_list_add_tail(&vm->events, &ev->node);
	cv_list_for_each(node, &vm->events)
		n++;
	ev = NULL;
	if (n > MAX_EVENTS)
		ev = cv_list_entry(cv_list_pop(&vm->events), struct cv_vm_event, node);
	cv_event_signal(cv_fd_get(&vm->event_fd));
	pthread_mutex_unlock(&vm->lock);
	free(ev);
}

void cv_vm_events_fini(struct vm *vm)
{
	while (!cv_list_empty(&vm->events))
		free(cv_list_entry(cv_list_pop(&vm->events), struct cv_vm_event, node));
}

int vm_fd(const struct vm *vm)
{
	return cv_fd_get(&vm->event_fd);
}

int vm_next_event(struct vm *vm, struct vm_event *event)
{
	struct cv_vm_event *ev = NULL;
	size_t size = cv_min(event->size, sizeof(*event));

	pthread_mutex_lock(&vm->lock);
	if (!cv_list_empty(&vm->events))
		ev = cv_list_entry(cv_list_pop(&vm->events), struct cv_vm_event, node);
	if (cv_list_empty(&vm->events))
		cv_event_drain(cv_fd_get(&vm->event_fd));
	pthread_mutex_unlock(&vm->lock);
	if (!ev)
		return 0;
	ev->event.size = event->size;
	memcpy(event, &ev->event, size);
	free(ev);
	return 1;
}
