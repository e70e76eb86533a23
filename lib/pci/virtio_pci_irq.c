/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-pci: where interrupts go to and doorbells come from. */
#include <string.h>

#include "pci/virtio_pci_impl.h"

/* ---- interrupts ---- */

/*
 * The eventfd for a vector. With MSI-X on, "no vector" means no interrupt at
 * all, not the line: those go to an eventfd nobody reads.
 */
static int vector_fd(struct cv_virtio_pci *t, uint16_t vector)
{
	int fd;

	if (!t->msix_on)
		return -1;
	fd = cv_msix_fd(&t->msix, vector);
	return fd >= 0 ? fd : cv_fd_get(&t->sink);
}

void cv_vpci_route_queue(struct cv_virtio_pci *t, unsigned int index)
{
	cv_transport_set_call(&t->transport, index,
			      vector_fd(t, t->transport.queues[index].vector));
}

void cv_vpci_route_config(struct cv_virtio_pci *t)
{
	atomic_store(&t->transport.config_call_fd, vector_fd(t, t->config_vector));
}

void cv_vpci_route_all(struct cv_virtio_pci *t)
{
	cv_vpci_route_config(t);
	for (unsigned int i = 0; i < t->transport.vslot->n_queues; i++)
		cv_vpci_route_queue(t, i);
}

/* An event between the old and the new target may have been lost: all running queues call once. */
static void call_all(struct cv_virtio_pci *t)
{
	for (unsigned int i = 0; i < t->transport.vslot->n_queues; i++) {
		const struct cv_transport_queue *q = &t->transport.queues[i];
		int fd = vector_fd(t, q->vector);

		if (t->transport.started && q->config.ready)
			cv_event_signal_shared(fd >= 0 ? fd : cv_fd_get(&q->call));
	}
}

void cv_vpci_switch_msix(struct cv_virtio_pci *t, bool on)
{
	t->msix_on = on;
	cv_vpci_route_all(t);
	call_all(t);
}

void cv_vpci_forget_vectors(struct cv_virtio_pci *t)
{
	t->config_vector = CV_VIRTIO_NO_VECTOR;
	for (unsigned int i = 0; i < t->transport.vslot->n_queues; i++)
		t->transport.queues[i].vector = CV_VIRTIO_NO_VECTOR;
	cv_vpci_route_all(t);
}

/* ---- doorbells ---- */

/* Any length and any value: each queue has an address of its own, and this is KVM's fast path. */
static struct cv_ioevent doorbell(const struct cv_virtio_pci *t, unsigned int index)
{
	return (struct cv_ioevent){
		.addr = t->doorbell_base + CV_VPCI_NOTIFY + index * CV_VPCI_NOTIFY_STRIDE,
		.fd = cv_fd_get(&t->transport.queues[index].kick),
	};
}

static bool doorbell_wanted(const struct cv_virtio_pci *t, unsigned int index)
{
	return t->transport.started && t->transport.queues[index].config.ready &&
	       t->base != UINT64_MAX && t->base == t->doorbell_base;
}

static void set_doorbell(struct cv_virtio_pci *t, unsigned int index, bool on)
{
	struct cv_ioevent ev = doorbell(t, index);
	int err = t->hw->ops->ioevent(t->hw, on, &ev);

	if (!on)
		t->doorbells &= ~(1ull << index);
	else if (!err)
		t->doorbells |= 1ull << index;
	else
		cv_log_guest(t->log,
			     "virtio-pci: %s: queue %u: no doorbell: %s; kicks will be slow",
			     t->dev.name, index, strerror(-err));
}

/* Removes what is no longer wanted. */
static void drop_doorbells(struct cv_virtio_pci *t)
{
	for (unsigned int i = 0; i < t->transport.vslot->n_queues; i++) {
		if ((t->doorbells >> i & 1) && !doorbell_wanted(t, i))
			set_doorbell(t, i, false);
	}
}

void cv_vpci_update_doorbells(struct cv_virtio_pci *t)
{
	drop_doorbells(t);
	if (t->doorbells == 0)
		t->doorbell_base = t->base;
	for (unsigned int i = 0; i < t->transport.vslot->n_queues; i++) {
		if (!(t->doorbells >> i & 1) && doorbell_wanted(t, i))
			set_doorbell(t, i, true);
	}
}
