/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bus. Lookups take the read side of a lock for a binary search and leave
 * with a reference on the entry, so that no lock is held inside a slot. A
 * removed entry stays in the list of the leaving until its last visitor is out.
 */
#include "core/bus.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/list.h"
#include "base/math.h"

struct entry {
	uint64_t base, len, slot_off;
	struct cv_rslot *slot;
	atomic_uint refs; /* one is the bus's */
	struct cv_list leaving;
};

struct cv_bus {
	pthread_rwlock_t lock;	/* entries */
	struct entry **entries; /* ascending by base */
	size_t n, cap;
	pthread_mutex_t leaving_lock;
	pthread_cond_t left;
	struct cv_list leaving;
	char *name;
};

int cv_bus_create(struct cv_bus **bus, const char *name, struct vm_error *e)
{
	struct cv_bus *b = calloc(1, sizeof(*b));

	if (b)
		b->name = strdup(name);
	if (!b || !b->name) {
		free(b);
		return cv_err(e, -ENOMEM, "%s bus: out of memory", name);
	}
	pthread_rwlock_init(&b->lock, NULL);
	pthread_mutex_init(&b->leaving_lock, NULL);
	pthread_cond_init(&b->left, NULL);
	cv_list_init(&b->leaving);
	*bus = b;
	return 0;
}

void cv_bus_destroy(struct cv_bus *bus)
{
	if (!bus)
		return;
	for (size_t i = 0; i < bus->n; i++)
		free(bus->entries[i]);
	pthread_cond_destroy(&bus->left);
	pthread_mutex_destroy(&bus->leaving_lock);
	pthread_rwlock_destroy(&bus->lock);
	free(bus->entries);
	free(bus->name);
	free(bus);
}

/* The number of entries whose base is at most @addr: the last of them may contain it. */
static size_t upper_bound(const struct cv_bus *bus, uint64_t addr)
{
	size_t lo = 0, hi = bus->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (bus->entries[mid]->base <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int insert(struct cv_bus *bus, struct entry *en, struct vm_error *e)
{
	size_t at = upper_bound(bus, en->base);
	const struct entry *before = at > 0 ? bus->entries[at - 1] : NULL;
	const struct entry *after = at < bus->n ? bus->entries[at] : NULL;

	if ((before && cv_ranges_overlap(before->base, before->len, en->base, en->len)) ||
	    (after && cv_ranges_overlap(after->base, after->len, en->base, en->len)))
		return cv_err(e, -EEXIST, "%s bus: %#llx to %#llx is taken by another device",
			      bus->name, (unsigned long long)en->base,
			      (unsigned long long)(en->base + en->len - 1));
	if (bus->n == bus->cap) {
		size_t cap = bus->cap ? 2 * bus->cap : 16;
		struct entry **grown = realloc(bus->entries, cap * sizeof(*grown));

		if (!grown)
			return cv_err(e, -ENOMEM, "%s bus: out of memory", bus->name);
		bus->entries = grown;
		bus->cap = cap;
	}
	memmove(&bus->entries[at + 1], &bus->entries[at], (bus->n - at) * sizeof(*bus->entries));
	bus->entries[at] = en;
	bus->n++;
	return 0;
}

int cv_bus_add(struct cv_bus *bus, uint64_t base, uint64_t len, struct cv_rslot *slot,
	       uint64_t slot_off, struct vm_error *e)
{
	CV_AUTO_FREE struct entry *en = NULL;
	int err;

	if (len == 0 || len - 1 > UINT64_MAX - base || !cv_in_range(slot_off, len, slot->span))
		return cv_err(e, -EINVAL, "%s bus: %llu bytes at %#llx do not fit the device",
			      bus->name, (unsigned long long)len, (unsigned long long)base);
	en = calloc(1, sizeof(*en));
	if (!en)
		return cv_err(e, -ENOMEM, "%s bus: out of memory", bus->name);
	en->base = base;
	en->len = len;
	en->slot = slot;
	en->slot_off = slot_off;
	atomic_init(&en->refs, 1);
	pthread_rwlock_wrlock(&bus->lock);
	err = insert(bus, en, e);
	pthread_rwlock_unlock(&bus->lock);
	if (!err)
		cv_steal(en);
	return err;
}

static void put(struct cv_bus *bus, struct entry *en)
{
	if (atomic_fetch_sub(&en->refs, 1) > 1)
		return;
	pthread_mutex_lock(&bus->leaving_lock);
	cv_list_remove(&en->leaving);
	pthread_cond_broadcast(&bus->left);
	pthread_mutex_unlock(&bus->leaving_lock);
	free(en);
}

/* The entry that has all of the access, with a reference for the caller; or NULL. */
static struct entry *get(struct cv_bus *bus, uint64_t addr, unsigned int len)
{
	struct entry *en = NULL;
	size_t at;

	pthread_rwlock_rdlock(&bus->lock);
	at = upper_bound(bus, addr);
	if (at > 0 &&
	    cv_in_range(addr - bus->entries[at - 1]->base, len, bus->entries[at - 1]->len)) {
		en = bus->entries[at - 1];
		atomic_fetch_add(&en->refs, 1);
	}
	pthread_rwlock_unlock(&bus->lock);
	return en;
}

void cv_bus_remove(struct cv_bus *bus, uint64_t base)
{
	struct entry *en = NULL;
	size_t at;

	pthread_rwlock_wrlock(&bus->lock);
	at = upper_bound(bus, base);
	if (at > 0 && bus->entries[at - 1]->base == base) {
		en = bus->entries[at - 1];
		bus->n--;
		memmove(&bus->entries[at - 1], &bus->entries[at],
			(bus->n - (at - 1)) * sizeof(*bus->entries));
		pthread_mutex_lock(&bus->leaving_lock);
		cv_list_add_tail(&bus->leaving, &en->leaving);
		pthread_mutex_unlock(&bus->leaving_lock);
	}
	pthread_rwlock_unlock(&bus->lock);
	if (en)
		put(bus, en);
}

static bool is_leaving(const struct cv_bus *bus, const struct cv_rslot *slot)
{
	cv_list_for_each(node, &bus->leaving)
		if (cv_list_entry(node, struct entry, leaving)->slot == slot)
			return true;
	return false;
}

void cv_bus_drain(struct cv_bus *bus, const struct cv_rslot *slot)
{
	pthread_mutex_lock(&bus->leaving_lock);
	while (is_leaving(bus, slot))
		pthread_cond_wait(&bus->left, &bus->leaving_lock);
	pthread_mutex_unlock(&bus->leaving_lock);
}

static bool slot_takes(unsigned int len)
{
	return cv_is_pow2(len) && len <= 8;
}

uint64_t cv_bus_read(struct cv_bus *bus, uint64_t addr, unsigned int len)
{
	struct entry *en = slot_takes(len) ? get(bus, addr, len) : NULL;
	uint64_t val = 0;

	if (en) {
		val = en->slot->ops->read(en->slot, en->slot_off + (addr - en->base), len);
		put(bus, en);
		return val & cv_ones(len);
	}
	if (len == 1 || len > 8)
		return cv_ones(len);
	for (unsigned int i = 0; i < len; i++)
		val |= cv_bus_read(bus, addr + i, 1) << (8 * i);
	return val;
}

void cv_bus_write(struct cv_bus *bus, uint64_t addr, unsigned int len, uint64_t val)
{
	struct entry *en = slot_takes(len) ? get(bus, addr, len) : NULL;

	if (en) {
		en->slot->ops->write(en->slot, en->slot_off + (addr - en->base), len,
				     val & cv_ones(len));
		put(bus, en);
		return;
	}
	for (unsigned int i = 0; len > 1 && len <= 8 && i < len; i++)
		cv_bus_write(bus, addr + i, 1, val >> (8 * i));
}
