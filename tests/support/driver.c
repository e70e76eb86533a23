/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver's side of split and packed virtqueues. */
#include "driver.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/endian.h"
#include "must.h"
#include "sys/fd.h"
#include "virtio/virtio.h"

#define WRAP	0x8000u
#define NO_CALL 1u /* split: avail.flags, used.flags */

/* Packed event suppression, section 2.8.14. */
enum { EVENT_ENABLE = 0, EVENT_DISABLE = 1, EVENT_DESC = 2 };

struct desc {
	struct le64 addr;
	struct le32 len;
	struct le16 a, b; /* split: flags, next; packed: id, flags */
};
_Static_assert(sizeof(struct desc) == 16, "descriptor");

/* Between publishing entries and reading the other side's event index (and the reverse). */
static void full_fence(void)
{
#if !defined(__SANITIZE_THREAD__) || defined(__clang__) /* gcc's TSan knows no fences */
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static void lay_out(struct drv_vq *q)
{
	uint64_t n = q->size;

	q->desc = guest_alloc(q->g, 16 * n, 16);
	q->driver = guest_alloc(q->g, q->packed ? 4 : 6 + 2 * n, q->packed ? 4 : 2);
	q->device = guest_alloc(q->g, q->packed ? 4 : 6 + 8 * n, 4);
}

void drv_vq_init(struct drv_vq *q, struct guest *g, uint16_t size, uint64_t features)
{
	*q = (struct drv_vq){ .g = g, .size = size, .n_free = size };
	q->packed = features & CV_VIRTIO_F_RING_PACKED;
	q->event_idx = features & CV_VIRTIO_F_EVENT_IDX;
	q->indirect = features & CV_VIRTIO_F_INDIRECT_DESC;
	lay_out(q);
	q->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(q->kick_fd >= 0 && q->call_fd >= 0);
	q->avail = q->packed ? WRAP : 0;
	q->used = q->avail;
	q->next = calloc(size, sizeof(*q->next));
	q->n_desc = calloc(size, sizeof(*q->n_desc));
	q->tables = calloc(size, sizeof(*q->tables));
	q->table_len = calloc(size, sizeof(*q->table_len));
	must(q->next && q->n_desc && q->tables && q->table_len);
	for (uint16_t i = 0; i < size; i++)
		q->next[i] = (uint16_t)(i + 1);
}

void drv_vq_fini(struct drv_vq *q)
{
	if (!q->g)
		return;
	close(q->kick_fd);
	close(q->call_fd);
	free(q->next);
	free(q->n_desc);
	free(q->tables);
	free(q->table_len);
	*q = (struct drv_vq){ 0 };
}

void drv_vq_config(const struct drv_vq *q, struct cv_vq_config *config)
{
	*config = (struct cv_vq_config){ .ready = true,
					 .size = q->size,
					 .desc = q->desc,
					 .driver = q->driver,
					 .device = q->device,
					 .kick_fd = q->kick_fd,
					 .call_fd = q->call_fd };
	cv_vq_config_fresh(config, q->packed);
}

/* ---- descriptors ---- */

void drv_raw_table(struct drv_vq *q, uint64_t table, unsigned int i, uint64_t gpa, uint32_t len,
		   uint16_t flags, uint16_t next_or_id)
{
	struct desc d = { .addr = le64(gpa),
			  .len = le32(len),
			  .a = le16(q->packed ? next_or_id : flags),
			  .b = le16(q->packed ? flags : next_or_id) };

	guest_put(q->g, table + 16ull * i, &d, sizeof(d));
}

/* A packed descriptor's flags come last: they make it available. */
static void put_packed(struct drv_vq *q, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
		       uint16_t id)
{
	struct desc d = { .addr = le64(gpa), .len = le32(len), .a = le16(id) };

	guest_put(q->g, q->desc + 16ull * i, &d, 14);
	guest_put16(q->g, q->desc + 16ull * i + 14, flags);
}

void drv_raw_desc(struct drv_vq *q, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
		  uint16_t next_or_id)
{
	if (q->packed)
		put_packed(q, i, gpa, len, flags, next_or_id);
	else
		drv_raw_table(q, q->desc, i, gpa, len, flags, next_or_id);
}

void drv_raw_avail(struct drv_vq *q, uint16_t pos, uint16_t head)
{
	guest_put16(q->g, q->driver + 4 + 2ull * (pos % q->size), head);
}

void drv_raw_avail_idx(struct drv_vq *q, uint16_t idx)
{
	guest_put16(q->g, q->driver + 2, idx);
}

uint16_t drv_raw_used_idx(struct drv_vq *q)
{
	return guest_get16(q->g, q->device + 2);
}

static uint16_t pos_of(uint16_t p)
{
	return p & (WRAP - 1);
}

/* Packed: @n entries further. */
static uint16_t advance(const struct drv_vq *q, uint16_t p, unsigned int n)
{
	unsigned int pos = pos_of(p) + n;

	if (pos < q->size)
		return (uint16_t)(pos | (p & WRAP));
	return (uint16_t)((pos - q->size) | (~p & WRAP));
}

uint16_t drv_raw_avail_bits(const struct drv_vq *q)
{
	return q->avail & WRAP ? DRV_F_AVAIL : DRV_F_USED;
}

void drv_raw_offer(struct drv_vq *q, uint16_t head)
{
	uint64_t flags_gpa = q->desc + 16ull * head + 14;

	if (!q->packed) {
		drv_raw_avail(q, q->avail, head);
		drv_raw_avail_idx(q, ++q->avail);
		return;
	}
	guest_put16(q->g, flags_gpa,
		    (uint16_t)((guest_get16(q->g, flags_gpa) & ~(DRV_F_AVAIL | DRV_F_USED)) |
			       drv_raw_avail_bits(q)));
	q->avail = advance(q, q->avail, 1);
}

/* ---- adding ---- */

static uint16_t buf_flags(const struct drv_buf *bufs, unsigned int i, unsigned int n)
{
	return (uint16_t)((bufs[i].write ? DRV_F_WRITE : 0) | (i + 1 < n ? DRV_F_NEXT : 0));
}

static uint64_t make_table(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n)
{
	uint16_t name = q->free_head;
	uint64_t table = q->tables[name];

	if (n > q->table_len[name]) {
		table = guest_alloc(q->g, 16ull * n, 16);
		q->tables[name] = table;
		q->table_len[name] = (uint16_t)n;
	}
	for (unsigned int i = 0; i < n; i++)
		drv_raw_table(q, table, i, bufs[i].gpa, bufs[i].len,
			      q->packed ? bufs[i].write ? DRV_F_WRITE : 0 : buf_flags(bufs, i, n),
			      q->packed ? 0 : (uint16_t)(i + 1));
	return table;
}

static int add_split(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n, uint64_t table,
		     uint32_t table_len)
{
	unsigned int total = n + (table ? 1 : 0), i;
	uint16_t head = q->free_head, d = head;

	for (i = 0; i < total; i++, d = q->next[d]) {
		if (i < n)
			drv_raw_desc(q, d, bufs[i].gpa, bufs[i].len, buf_flags(bufs, i, total),
				     q->next[d]);
		else
			drv_raw_desc(q, d, table, table_len, DRV_F_INDIRECT, 0);
	}
	q->free_head = d;
	drv_raw_avail(q, q->avail++, head);
	q->n_added++;
	q->n_desc[head] = (uint16_t)total;
	return head;
}

static void put_ring(struct drv_vq *q, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
		     uint16_t id)
{
	uint16_t at = pos_of(q->avail);

	flags |= drv_raw_avail_bits(q);
	if (i == 0 && !q->held) { /* everything behind it stays invisible until this is written */
		q->held = true;
		q->held_flags = flags;
		q->held_at = at;
		flags = guest_get16(q->g, q->desc + 16ull * at + 14);
	}
	put_packed(q, at, gpa, len, flags, id);
	q->avail = advance(q, q->avail, 1);
}

static int add_packed(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n, uint64_t table,
		      uint32_t table_len)
{
	uint16_t id = q->free_head;

	for (unsigned int i = 0; i < n; i++)
		put_ring(q, i, bufs[i].gpa, bufs[i].len, buf_flags(bufs, i, n), id);
	if (table)
		put_ring(q, 0, table, table_len, DRV_F_INDIRECT, id);
	q->free_head = q->next[id];
	q->n_desc[id] = (uint16_t)(table ? 1 : n);
	q->n_added = (uint16_t)(q->n_added + q->n_desc[id]);
	return id;
}

static int add(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n, uint64_t table,
	       uint32_t table_len)
{
	unsigned int total = n + (table ? 1 : 0);

	must(total > 0 && n <= DRV_MAX_BUFS);
	if (total > q->n_free)
		return -1;
	q->n_free = (uint16_t)(q->n_free - total);
	q->n_outstanding++;
	return q->packed ? add_packed(q, bufs, n, table, table_len)
			 : add_split(q, bufs, n, table, table_len);
}

int drv_add(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n)
{
	return add(q, bufs, n, 0, 0);
}

int drv_add_mixed(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n,
		  unsigned int n_direct)
{
	must(q->indirect && n_direct < n && (!q->packed || n_direct == 0));
	if (n_direct + 1 > q->n_free)
		return -1;
	return add(q, bufs, n_direct, make_table(q, bufs + n_direct, n - n_direct),
		   16 * (n - n_direct));
}

int drv_add_indirect(struct drv_vq *q, const struct drv_buf *bufs, unsigned int n)
{
	return drv_add_mixed(q, bufs, n, 0);
}

/* ---- telling the device ---- */

void drv_publish(struct drv_vq *q)
{
	if (!q->packed) {
		drv_raw_avail_idx(q, q->avail);
	} else if (q->held) {
		guest_put16(q->g, q->desc + 16ull * q->held_at + 14, q->held_flags);
		q->held = false;
	}
}

/* Whether the step from @old to @new passes @event (section 2.7.10.1). */
static bool need_event(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool wanted_split(struct drv_vq *q)
{
	if (!q->event_idx)
		return !(guest_get16(q->g, q->device) & NO_CALL);
	return need_event(guest_get16(q->g, q->device + 4 + 8ull * q->size), q->avail,
			  (uint16_t)(q->avail - q->n_added));
}

static bool wanted_packed(struct drv_vq *q)
{
	uint32_t event = guest_get32(q->g, q->device);
	uint16_t at = (uint16_t)event, flags = (uint16_t)(event >> 16) & 3, off = pos_of(at);

	if (flags != EVENT_DESC)
		return flags != EVENT_DISABLE;
	must(q->event_idx);
	if ((at ^ q->avail) & WRAP)
		off = (uint16_t)(off - q->size);
	return need_event(off, pos_of(q->avail), (uint16_t)(pos_of(q->avail) - q->n_added));
}

void drv_notify(struct drv_vq *q)
{
	if (q->notify)
		q->notify(q);
	else
		must(eventfd_write(q->kick_fd, 1) == 0);
}

bool drv_kick(struct drv_vq *q)
{
	bool wanted;

	drv_publish(q);
	full_fence(); /* pairs with the device's, between arming its event and looking again */
	wanted = q->n_added > 0 && (q->packed ? wanted_packed(q) : wanted_split(q));
	q->n_added = 0;
	if (wanted)
		drv_notify(q);
	return wanted;
}

/* ---- taking back ---- */

bool drv_has_used(struct drv_vq *q)
{
	uint16_t flags;

	if (!q->packed)
		return drv_raw_used_idx(q) != q->used;
	flags = guest_get16(q->g, q->desc + 16ull * pos_of(q->used) + 14);
	return !(flags & DRV_F_AVAIL) == !(flags & DRV_F_USED) &&
	       !(flags & DRV_F_USED) == !(q->used & WRAP);
}

static int used_split(struct drv_vq *q, uint32_t *len)
{
	uint64_t elem = q->device + 4 + 8ull * (q->used++ % q->size);
	uint32_t head = guest_get32(q->g, elem);
	uint16_t last;

	*len = guest_get32(q->g, elem + 4);
	must(head < q->size && q->n_desc[head] > 0);
	last = (uint16_t)head;
	for (unsigned int i = 1; i < q->n_desc[head]; i++)
		last = q->next[last];
	q->next[last] = q->free_head;
	q->free_head = (uint16_t)head;
	return (int)head;
}

static int used_packed(struct drv_vq *q, uint32_t *len)
{
	struct desc d;
	uint16_t id;

	guest_get(q->g, q->desc + 16ull * pos_of(q->used), &d, sizeof(d));
	id = le16_get(d.a);
	*len = le16_get(d.b) & DRV_F_WRITE ? le32_get(d.len) : 0;
	must(id < q->size && q->n_desc[id] > 0);
	q->used = advance(q, q->used, q->n_desc[id]);
	q->next[id] = q->free_head;
	q->free_head = id;
	return id;
}

/* The event index keeps asking for the next one. */
static void ask_next(struct drv_vq *q)
{
	if (q->event_idx && !q->calls_off)
		drv_enable_calls_after(q, 1);
}

int drv_used(struct drv_vq *q, uint32_t *len)
{
	uint32_t written;
	int name;

	if (!drv_has_used(q))
		return -1;
	name = q->packed ? used_packed(q, &written) : used_split(q, &written);
	q->n_free = (uint16_t)(q->n_free + q->n_desc[name]);
	q->n_desc[name] = 0;
	q->n_outstanding--;
	if (len)
		*len = written;
	ask_next(q);
	return name;
}

/* ---- interrupts ---- */

bool drv_enable_calls_after(struct drv_vq *q, uint16_t n)
{
	must(q->event_idx && n > 0);
	q->calls_off = false;
	if (q->packed)
		guest_put32(q->g, q->driver,
			    advance(q, q->used, n - 1u) | (uint32_t)EVENT_DESC << 16);
	else
		guest_put16(q->g, q->driver + 4 + 2ull * q->size, (uint16_t)(q->used + n - 1));
	full_fence(); /* pairs with the device's, between using and reading the event */
	return drv_has_used(q);
}

bool drv_enable_calls(struct drv_vq *q, bool on)
{
	if (q->event_idx && on)
		return drv_enable_calls_after(q, 1);
	q->calls_off = !on;
	if (q->packed)
		guest_put32(q->g, q->driver, (uint32_t)(on ? EVENT_ENABLE : EVENT_DISABLE) << 16);
	else if (q->event_idx) /* as far away as it goes */
		guest_put16(q->g, q->driver + 4 + 2ull * q->size, (uint16_t)(q->used - 1));
	else
		guest_put16(q->g, q->driver, on ? 0 : NO_CALL);
	full_fence();
	return drv_has_used(q);
}

bool drv_wait_call(struct drv_vq *q, int ms)
{
	struct pollfd p = { .fd = q->call_fd, .events = POLLIN };

	must(poll(&p, 1, ms) >= 0);
	return cv_event_drain_shared(q->call_fd);
}

bool drv_called(struct drv_vq *q)
{
	return drv_wait_call(q, 0);
}
