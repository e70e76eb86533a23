/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bus: an address space of register slots. Reads that nobody answers give
 * all-ones, such writes are dropped. vCPU threads read and write concurrently
 * with additions and removals; the bus holds a reference on an entry while a
 * vCPU is inside it, and no lock.
 */
#ifndef CV_CORE_BUS_H
#define CV_CORE_BUS_H

#include "core/slot.h"

struct cv_bus;

int cv_bus_create(struct cv_bus **bus, const char *name, struct vm_error *e) CV_MUST_CHECK;
void cv_bus_destroy(struct cv_bus *bus); /* nobody is inside; NULL is fine */

/* Maps the slot's bytes [slot_off, slot_off + len) at @base. -EEXIST on overlap, -EINVAL on a
 * range that wraps, is empty or exceeds the slot, -ENOMEM. The slot outlives the entry. */
int cv_bus_add(struct cv_bus *bus, uint64_t base, uint64_t len, struct cv_rslot *slot,
	       uint64_t slot_off, struct vm_error *e) CV_MUST_CHECK;

/* Unmaps what starts at @base; accesses that are inside it already finish. Nothing if absent.
 * Does not wait: legal from inside any slot. */
void cv_bus_remove(struct cv_bus *bus, uint64_t base);

/* Waits until no vCPU is inside an entry of @slot that has been removed; then it may be freed.
 * Not from inside a slot. */
void cv_bus_drain(struct cv_bus *bus, const struct cv_rslot *slot);

/* One access of 1 to 8 bytes. An access that crosses an entry's end is split into bytes. */
uint64_t cv_bus_read(struct cv_bus *bus, uint64_t addr, unsigned int len);
void cv_bus_write(struct cv_bus *bus, uint64_t addr, unsigned int len, uint64_t val);

#endif
