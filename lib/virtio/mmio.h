/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio-mmio transport, register layout version 2 (virtio 1.2 section 4.2). */
#ifndef CV_VIRTIO_MMIO_H
#define CV_VIRTIO_MMIO_H

#include "base/err.h"
#include "base/log.h"
#include "core/hw.h"
#include "core/irq.h"
#include "core/slot.h"
#include "sys/loop.h"
#include "virtio/virtio.h"

#define CV_VIRTIO_MMIO_SPAN 0x200u

struct cv_virtio_mmio;

/*
 * @vslot: borrowed, outlives the transport
 * @hw: for the doorbells; NULL: every kick is a register access
 * @gpa: where the block is mapped
 * @irq: the line, edge or level; borrowed
 * @loop: watches the queues' call events in it (the VM's main loop)
 */
int cv_virtio_mmio_create(struct cv_virtio_mmio **t, struct cv_vslot *vslot, struct cv_hw *hw,
			  uint64_t gpa, struct cv_irq *irq, struct cv_loop *loop,
			  struct cv_log *log, struct vm_error *e) CV_MUST_CHECK;
void cv_virtio_mmio_destroy(
	struct cv_virtio_mmio *t); /* stops and resets the device; NULL is fine */
struct cv_rslot *cv_virtio_mmio_slot(struct cv_virtio_mmio *t);

#endif
