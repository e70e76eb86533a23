/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device in this process: class, instance, queues and kicks behind the slot interface. */
#ifndef CV_VIRTIO_VSLOT_LOCAL_H
#define CV_VIRTIO_VSLOT_LOCAL_H

#include "virtio/virtio.h"
#include "virtio/vq.h"

struct cv_vslot_local_config {
	bool packed; /* offer VIRTIO_F_RING_PACKED */
	bool poll;   /* look at running queues before the loop sleeps, see struct cv_poller */
};

/*
 * Makes the instance (class init) and its slot.
 *
 * @env: mem, loop, log and request are used; copied
 * @config: from cv_class_configure(), outlives the slot
 *
 * start, stop, kick, reset and control run in env->loop's thread under the
 * device lock; config_read and config_write in the caller's under it. Destroyed
 * by cv_vslot_destroy(), stopped first.
 */
int cv_vslot_local_create(struct cv_vslot **slot, const struct cv_class *cls,
			  const struct cv_env *env, const void *config,
			  const struct cv_vslot_local_config *local,
			  struct vm_error *e) CV_MUST_CHECK;

/* The instance, for tests and for state. */
void *cv_vslot_local_self(struct cv_vslot *slot);

#endif
