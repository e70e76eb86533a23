/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What virtio-pci and virtio-mmio have in common: the device status machine,
 * feature negotiation, queue configuration, start, stop and reset of the slot,
 * config generation, ISR, and the queues' kick and call events.
 *
 * The owner serialises the calls (its lock) except where a comment says "any
 * thread". The slot's events arrive on any thread and touch only atomics and
 * eventfds here.
 */
#ifndef CV_VIRTIO_TRANSPORT_H
#define CV_VIRTIO_TRANSPORT_H

#include <stdatomic.h>

#include "core/hw.h"
#include "core/irq.h"
#include "core/slot.h"
#include "sys/fd.h"
#include "sys/loop.h"
#include "virtio/virtio.h"

struct cv_transport_queue {
	struct cv_vq_config config;
	struct cv_fd kick, call; /* eventfds; call is used when no MSI-X vector is */
	uint16_t vector;	 /* MSI-X vector or CV_VIRTIO_NO_VECTOR; the owner's business */
	struct cv_watch watch;	 /* of the call event */
	struct cv_transport *t;
};

struct cv_transport {
	struct cv_vslot *vslot; /* borrowed */
	struct cv_log *log;
	struct cv_loop *loop;		   /* watches the call events */
	struct cv_irq *irq;		   /* the line for call and config events without MSI-X */
	struct cv_transport_queue *queues; /* vslot->n_queues */
	uint64_t driver_features;
	uint32_t device_feature_select, driver_feature_select;
	uint16_t queue_select;
	bool started;	    /* by the driver */
	bool held;	    /* the slot may not run, see cv_transport_hold() */
	bool running;	    /* the slot: started and not held */
	atomic_uint status; /* the device adds NEEDS_RESET from any thread */
	atomic_uint isr;
	atomic_uint generation;
	/* the fd a configuration event is signalled on instead of the line; -1: the line */
	atomic_int config_call_fd;
};

int cv_transport_init(struct cv_transport *t, struct cv_vslot *vslot, struct cv_irq *irq,
		      struct cv_loop *loop, struct cv_log *log, struct vm_error *e) CV_MUST_CHECK;
void cv_transport_fini(struct cv_transport *t); /* stops and resets the device first */

/* The guest writes the status register: 0 resets; FEATURES_OK is refused for features that were
 * not offered and without VERSION_1; DRIVER_OK starts. */
void cv_transport_write_status(struct cv_transport *t, uint8_t status);
uint8_t cv_transport_status(const struct cv_transport *t);

/*
 * The device may not touch guest memory (true) or may again (false, as after
 * init). While it is held a started device's slot is stopped, with the rings'
 * positions kept; what the driver adds and kicks meanwhile is found afterwards.
 * Requests that take longer than a stop waits for fail, as they do when a real
 * function's accesses are refused.
 */
void cv_transport_hold(struct cv_transport *t, bool on);

/* A 32-bit window of the features by the selector written before. */
uint32_t cv_transport_device_features(const struct cv_transport *t);
void cv_transport_write_driver_features(struct cv_transport *t, uint32_t bits);
uint32_t cv_transport_driver_features(const struct cv_transport *t);

/* The selected queue, or NULL when there is none of that number. */
struct cv_transport_queue *cv_transport_selected(struct cv_transport *t);

/* The guest writes queue_enable / QueueReady of the selected queue. 0 written is dropped (PCI) or
 * stops (MMIO, with @may_disable). While the device runs, enabling starts the queue. */
void cv_transport_enable_queue(struct cv_transport *t, bool on, bool may_disable);
/* The guest resets the selected queue, section 2.6.1; done when this returns. */
void cv_transport_reset_queue(struct cv_transport *t);

/* Which fd queue @index is to signal: a vector's eventfd, or -1 for the line. */
void cv_transport_set_call(struct cv_transport *t, unsigned int index, int vector_fd);

/* Device configuration space; out-of-range bytes read 0 and are not written. */
void cv_transport_config_read(struct cv_transport *t, uint64_t off, void *buf, unsigned int len);
void cv_transport_config_write(struct cv_transport *t, uint64_t off, const void *buf,
			       unsigned int len);

/* Reads the ISR; with @clear also clears it and lowers the line (virtio-pci). */
uint8_t cv_transport_isr(struct cv_transport *t, bool clear);
/* Clears bits and lowers the line when none is left (virtio-mmio InterruptACK). */
void cv_transport_ack_isr(struct cv_transport *t, uint8_t bits);

/* A doorbell write that reached us instead of its ioeventfd. */
void cv_transport_kick(struct cv_transport *t, unsigned int index);

#endif
