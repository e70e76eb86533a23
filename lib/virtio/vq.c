/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtqueue's device side: start and stop, chains, and who is told when. The
 * layouts of the rings are in vq_split.c and vq_packed.c.
 */
#include "virtio/vq.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/math.h"
#include "sys/fd.h"
#include "virtio/inflight.h"
#include "virtio/virtio.h"
#include "virtio/vq_ring.h"

#define MAX_SIZE      32768u
#define MAX_CHAIN_LEN (1ull << 32) /* section 2.7.5 */

void cv_vq_break(struct cv_vq *vq, const char *why)
{
	if (vq->broken)
		return;
	vq->broken = true;
	cv_log_guest(vq->log, "%s: queue %u: %s", vq->name, vq->index, why);
	if (vq->on_broken)
		vq->on_broken(vq);
}

/* ---- who is told ---- */

static bool peek(struct cv_vq *vq)
{
	if (vq->n_again > 0)
		return true;
	return vq->packed ? cv_vq_packed_peek(vq) : cv_vq_split_peek(vq);
}

/* Tells the driver whether to kick. */
static void arm(struct cv_vq *vq, bool on)
{
	if (vq->packed)
		cv_vq_packed_arm(vq, on);
	else
		cv_vq_split_arm(vq, on);
	vq->armed = on;
	vq->armed_at = vq->avail;
	/* pairs with the driver's barrier between making entries available and reading what we
	 * have just written */
	if (on)
		cv_ring_fence();
}

/* Nothing was there: with event_idx the driver must now be asked to kick, if not done yet. */
static bool peek_again(struct cv_vq *vq)
{
	if (!vq->event_idx || !vq->kicks || vq->kicks_held || vq->broken)
		return false;
	if (vq->armed && vq->armed_at == vq->avail)
		return false;
	arm(vq, true);
	return peek(vq);
}

/* There is something: whether it may be had now. */
static bool within_budget(struct cv_vq *vq)
{
	if (vq->budget == 0)
		vq->exhausted = true;
	return vq->budget > 0;
}

bool cv_vq_has_work(struct cv_vq *vq)
{
	if (!vq->ready || vq->broken)
		return false;
	return (peek(vq) || peek_again(vq)) && within_budget(vq);
}

static bool update_kicks(struct cv_vq *vq)
{
	bool on = vq->kicks && !vq->kicks_held;

	if (!vq->ready || vq->broken)
		return false;
	arm(vq, on);
	return on && peek(vq) && within_budget(vq);
}

bool cv_vq_enable_kicks(struct cv_vq *vq, bool on)
{
	vq->kicks = on;
	return update_kicks(vq);
}

bool cv_vq_hold_kicks(struct cv_vq *vq, bool hold)
{
	if (vq->kicks_held == hold)
		return false;
	vq->kicks_held = hold;
	return update_kicks(vq);
}

bool cv_vq_set_budget(struct cv_vq *vq, uint32_t n)
{
	bool exhausted = vq->exhausted;

	vq->budget = n;
	vq->exhausted = false;
	return exhausted;
}

void cv_vq_notify(struct cv_vq *vq)
{
	bool call = vq->force_call || vq->n_used > vq->size;

	if (!vq->pending)
		return;
	/* pairs with the driver's barrier between asking for an interrupt and looking for used
	 * entries */
	cv_ring_fence();
	if (!call)
		call = vq->packed ? cv_vq_packed_wants_call(vq) : cv_vq_split_wants_call(vq);
	vq->pending = false;
	vq->force_call = false;
	vq->n_used = 0;
	if (call && vq->call_fd >= 0)
		cv_event_signal(vq->call_fd);
}

/* ---- chains ---- */

const char *cv_vq_add_seg(struct cv_vq *vq, struct cv_chain *c, const struct cv_desc *d, bool write)
{
	struct cv_vq_slot *s = &vq->slots[c->slot];
	struct cv_seg *large = vq->segs + (size_t)c->slot * vq->seg_max;
	unsigned int n = (unsigned int)c->n_read + c->n_write;

	/* the specification does not name them, but no driver makes them and no device wants them */
	if (d->len == 0)
		return "a descriptor has no bytes";
	if (n >= vq->seg_max)
		return "a chain has too many descriptors";
	if (!write && c->n_write > 0)
		return "a readable descriptor follows a writable one";
	if (!cv_mem_valid(vq->mem, d->addr, d->len))
		return "a descriptor is outside guest memory";
	if (n == CV_VQ_SMALL) {
		memcpy(large, s->small, sizeof(s->small));
		c->segs = large;
	}
	(n < CV_VQ_SMALL ? s->small : large)[n] = (struct cv_seg){ d->addr, d->len };
	*(write ? &c->n_write : &c->n_read) += 1;
	*(write ? &c->write_len : &c->read_len) += d->len;
	return c->read_len + c->write_len > MAX_CHAIN_LEN ? "a chain is longer than 4 GiB" : NULL;
}

const char *cv_vq_open_table(const struct cv_vq *vq, const struct cv_desc *d, struct cv_table *t)
{
	struct iovec iov;

	if (!vq->indirect)
		return "an indirect descriptor was not negotiated";
	if (d->len == 0 || d->len % CV_DESC_SIZE != 0 || d->len / CV_DESC_SIZE > CV_CHAIN_MAX_SEGS)
		return "an indirect table has a bad length";
	*t = (struct cv_table){ .gpa = d->addr, .n = d->len / CV_DESC_SIZE };
	if (cv_mem_iov(vq->mem, d->addr, d->len, &iov, 1) == 1)
		t->host = iov.iov_base;
	else if (!cv_mem_valid(vq->mem, d->addr, d->len))
		return "an indirect table is outside guest memory";
	return NULL;
}

struct cv_desc cv_vq_read_table(const struct cv_vq *vq, const struct cv_table *t, unsigned int i)
{
	size_t off = (size_t)i * CV_DESC_SIZE;
	uint64_t raw[2] = { 0 };

	if (t->host)
		memcpy(raw, t->host + off, sizeof(raw)); /* tables need no alignment */
	else
		cv_ignore(cv_mem_read(vq->mem, t->gpa + off, raw, sizeof(raw))); /* is valid */
	/* the copy is made here and once, whatever the compiler thinks of memcpy */
	__asm__ volatile("" ::: "memory");
	return cv_desc_of_words(le64toh(raw[0]), le64toh(raw[1]));
}

/* Where the next chain goes; the caller knows that one is free. */
static struct cv_chain *get_slot(struct cv_vq *vq)
{
	uint16_t i = vq->free_slots[--vq->n_free];
	struct cv_vq_slot *s = &vq->slots[i];

	s->chain = (struct cv_chain){ .slot = i, .segs = s->small, .out = true };
	vq->n_out++;
	return &s->chain;
}

static void put_slot(struct cv_vq *vq, struct cv_chain *c)
{
	assert(c->out);
	if (!c->out)
		return;
	c->out = false;
	vq->free_slots[vq->n_free++] = c->slot;
	vq->n_out--;
}

static const char *take(struct cv_vq *vq, struct cv_chain *c)
{
	if (vq->n_again > 0)
		return cv_inflight_again(vq, c);
	return vq->packed ? cv_vq_packed_take(vq, c) : cv_vq_split_take(vq, c);
}

struct cv_chain *cv_vq_pop(struct cv_vq *vq)
{
	struct cv_chain *c;
	const char *why;

	if (!cv_vq_has_work(vq))
		return NULL;
	if (vq->n_free == 0) {
		cv_vq_break(vq, "more chains are available than the queue has entries");
		return NULL;
	}
	c = get_slot(vq);
	why = take(vq, c);
	if (why) {
		put_slot(vq, c);
		cv_vq_break(vq, why);
		return NULL;
	}
	if (vq->budget != UINT32_MAX)
		vq->budget--;
	return c;
}

void cv_vq_unpop(struct cv_vq *vq, struct cv_chain *c)
{
	if (vq->inflight)
		cv_inflight_untake(vq, c);
	if (!c->again && vq->packed)
		cv_vq_packed_untake(vq, c);
	else if (!c->again)
		cv_vq_split_untake(vq);
	put_slot(vq, c);
}

void cv_vq_push(struct cv_vq *vq, struct cv_chain *c, uint32_t written)
{
	put_slot(vq, c);
	if (vq->broken)
		return;
	if (written > c->write_len)
		written = (uint32_t)c->write_len;
	if (vq->inflight)
		cv_inflight_using(vq, c);
	if (vq->packed)
		cv_vq_packed_use(vq, c, written);
	else
		cv_vq_split_use(vq, c, written);
	if (vq->inflight)
		cv_inflight_used(vq, c);
	vq->pending = true;
	if (vq->n_used <= vq->size) /* more than that counts as "many" */
		vq->n_used += c->n_desc;
}

bool cv_vq_leave(struct cv_vq *vq, struct cv_chain *c)
{
	if (!vq->pauses || !vq->inflight)
		return false;
	put_slot(vq, c);
	return true;
}

bool cv_vq_wants_finish(const struct cv_vq *vq)
{
	return vq->pauses && !(vq->inflight && vq->suspends);
}

/* ---- start and stop ---- */

const char *cv_vq_config_fault(const struct cv_vq_config *config, uint16_t max, bool packed)
{
	uint64_t mask = packed ? 3 : 1;

	if (config->size == 0 || config->size > max || config->size > MAX_SIZE)
		return "its size is out of range";
	if (!packed && !cv_is_pow2(config->size))
		return "its size is not a power of two";
	if ((config->desc & 15) != 0 || (config->driver & mask) != 0 || (config->device & 3) != 0)
		return "an area is not aligned";
	if (packed && ((config->avail & ~CV_VQ_WRAP) >= config->size ||
		       (config->used & ~CV_VQ_WRAP) >= config->size))
		return "its position is outside the ring";
	return NULL;
}

/* A ring's area in this process: in one piece, or -EFAULT. */
static int find_area(const struct cv_vq *vq, uint64_t gpa, size_t len, uint8_t **area)
{
	struct iovec iov;

	if (cv_mem_iov(vq->mem, gpa, len, &iov, 1) != 1)
		return -EFAULT;
	*area = iov.iov_base;
	return 0;
}

static int find_areas(struct cv_vq *vq, const struct cv_vq_config *c)
{
	size_t n = c->size, event = vq->event_idx ? 2 : 0;
	int err = find_area(vq, c->desc, n * CV_DESC_SIZE, &vq->desc);

	err = err ?: find_area(vq, c->driver, vq->packed ? 4 : 4 + 2 * n + event, &vq->driver);
	return err ?: find_area(vq, c->device, vq->packed ? 4 : 4 + 8 * n + event, &vq->device);
}

/* One mapping: what is never touched costs nothing, and a queue of 32768 touches little. */
static int allocate(struct cv_vq *vq, bool noted)
{
	size_t n = vq->size, slots = n * sizeof(*vq->slots), segs, again;
	uint8_t *p;

	vq->seg_max = CV_CHAIN_MAX_SEGS;
	if (!vq->indirect && vq->size < CV_CHAIN_MAX_SEGS)
		vq->seg_max = vq->size;
	segs = n * vq->seg_max * sizeof(*vq->segs);
	again = noted ? n * sizeof(*vq->again) : 0;
	vq->bytes = slots + segs + again + n * (sizeof(*vq->free_slots) + sizeof(*vq->next_note));
	p = mmap(NULL, vq->bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	vq->slots = (void *)p;
	vq->segs = (void *)(p + slots);
	vq->again = (void *)(p + slots + segs);
	vq->free_slots = (void *)(p + slots + segs + again);
	vq->next_note = vq->free_slots + n;
	for (size_t i = 0; i < n; i++)
		vq->free_slots[i] = (uint16_t)(n - 1 - i);
	vq->n_free = vq->size;
	return 0;
}

int cv_vq_start(struct cv_vq *vq, const struct cv_mem *mem, const struct cv_vq_config *config,
		uint64_t features)
{
	const char *fault;
	int err;

	if (!config->ready)
		return 0;
	vq->mem = mem;
	vq->size = config->size;
	vq->packed = features & CV_VIRTIO_F_RING_PACKED;
	vq->event_idx = features & CV_VIRTIO_F_EVENT_IDX;
	vq->indirect = features & CV_VIRTIO_F_INDIRECT_DESC;
	vq->kick_fd = config->kick_fd;
	vq->call_fd = config->call_fd;
	vq->budget = UINT32_MAX;
	fault = cv_vq_config_fault(config, MAX_SIZE, vq->packed);
	if (!fault && find_areas(vq, config))
		fault = "an area is outside guest memory";
	if (fault) {
		cv_log_guest(vq->log, "%s: queue %u: %s", vq->name, vq->index, fault);
		cv_vq_stop(vq, NULL);
		return -EINVAL;
	}
	err = allocate(vq, config->inflight);
	if (err) {
		cv_vq_stop(vq, NULL);
		return err;
	}
	vq->avail = config->avail;
	vq->used = config->used;
	vq->suspends = config->suspends;
	if (config->inflight)
		fault = cv_inflight_start(vq, config->inflight);
	if (fault) {
		cv_log_guest(vq->log, "%s: queue %u: %s", vq->name, vq->index, fault);
		cv_vq_stop(vq, NULL);
		return -EINVAL;
	}
	vq->avail_seen = vq->avail;
	/* which event the driver has asked for when is not known for a queue that ran before */
	vq->force_call = vq->event_idx;
	vq->ready = true;
	cv_vq_enable_kicks(vq, true);
	return 0;
}

void cv_vq_stop(struct cv_vq *vq, struct cv_vq_config *config)
{
	assert(vq->n_out == 0);
	if (vq->ready && config) {
		cv_vq_notify(vq);
		config->avail = vq->avail;
		config->used = vq->used;
	}
	if (vq->slots)
		munmap(vq->slots, vq->bytes);
	*vq = (struct cv_vq){ .index = vq->index,
			      .log = vq->log,
			      .name = vq->name,
			      .on_broken = vq->on_broken,
			      .ctx = vq->ctx };
}
