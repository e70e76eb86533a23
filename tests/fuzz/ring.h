/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's half of one virtqueue against a guest that writes anything at
 * any moment. The input is { u8 kind, u8 size, le16 avail, le16 used } and a
 * script of operations of one byte and its arguments:
 *
 *   op & 7  0  u16 off, u8 len, bytes: the guest writes memory
 *           1  pop
 *           2  push the chain op >> 3 has popped; u8 how much of it was written
 *           3  read and write the youngest chain's bytes; u16 off
 *           4  notify
 *           5  has_work, kicks on or off by bit 3, held or not by bit 4
 *           6  unpop the youngest
 *           7  stop and start at the same position
 *
 * The rings are at the beginning of memory: descriptors, driver's area,
 * device's area, 512 bytes each.
 */
#ifndef CV_FUZZ_RING_H
#define CV_FUZZ_RING_H

#include <string.h>

#include "base/math.h"
#include "support/guest.h"
#include "support/must.h"
#include "virtio/virtio.h"
#include "virtio/vq.h"

#define RING_MEM (64u << 10)

struct ring {
	struct guest g;
	struct cv_vq vq;
	struct cv_vq_config config;
	uint64_t features;
	struct cv_chain *out[32];
	unsigned int n_out, n_broken;
	const uint8_t *in;
	size_t left;
};

static void ring_broken(struct cv_vq *vq)
{
	struct ring *r = vq->ctx;

	must(++r->n_broken == 1);
}

static unsigned int take(struct ring *r, size_t n)
{
	unsigned int v = 0;

	for (size_t i = 0; i < n && r->left > 0; i++, r->left--)
		v |= (unsigned int)*r->in++ << (8 * i);
	return v;
}

static void guest_writes(struct ring *r)
{
	uint64_t off = take(r, 2);
	size_t len = cv_min((size_t)take(r, 1), r->left);

	/* the last bytes are those of the second region */
	cv_ignore(cv_mem_write(&r->g.mem, GUEST_LOW + off, r->in, len)); /* some are outside */
	r->in += len;
	r->left -= len;
}

static void check_chain(struct ring *r, const struct cv_chain *c)
{
	uint64_t part[2] = { 0 };

	must(c->out && c->slot < r->config.size);
	must(c->n_read + c->n_write > 0 && c->n_read + c->n_write <= CV_CHAIN_MAX_SEGS);
	for (unsigned int i = 0; i < (unsigned int)c->n_read + c->n_write; i++) {
		must(c->segs[i].len > 0);
		must(cv_mem_valid(&r->g.mem, c->segs[i].gpa, c->segs[i].len));
		part[i >= c->n_read] += c->segs[i].len;
	}
	must(part[0] == c->read_len && part[1] == c->write_len);
	for (unsigned int i = 0; i < r->n_out; i++)
		must(r->out[i]->slot != c->slot);
}

static void pop(struct ring *r)
{
	bool work = cv_vq_has_work(&r->vq);
	struct cv_chain *c = r->n_out < CV_LEN(r->out) ? cv_vq_pop(&r->vq) : NULL;

	must(!c || (work && !r->vq.broken));
	must(r->vq.broken == (r->n_broken == 1));
	if (!c)
		return;
	check_chain(r, c);
	r->out[r->n_out++] = c;
}

static void push(struct ring *r, unsigned int which)
{
	uint32_t written = take(r, 1);
	struct cv_chain *c;

	if (r->n_out == 0)
		return;
	which %= r->n_out;
	c = r->out[which];
	r->out[which] = r->out[--r->n_out];
	cv_vq_push(&r->vq, c, written);
}

static void use_bytes(struct ring *r)
{
	uint64_t off = take(r, 2);
	const struct cv_chain *c;
	struct iovec iov[8];
	uint8_t buf[300];
	size_t n;

	if (r->n_out == 0)
		return;
	c = r->out[r->n_out - 1];
	n = cv_chain_read(&r->vq, c, off, buf, sizeof(buf));
	must(n == (off < c->read_len ? cv_min(c->read_len - off, sizeof(buf)) : 0));
	memset(buf, 0xff, sizeof(buf));
	n = cv_chain_write(&r->vq, c, off, buf, sizeof(buf));
	must(n == (off < c->write_len ? cv_min(c->write_len - off, sizeof(buf)) : 0));
	must(cv_chain_iov_read(&r->vq, c, off, n, iov, 8) <= 8);
	must(cv_chain_iov_write(&r->vq, c, off, n, iov, 8) <= 8);
}

static void push_all(struct ring *r)
{
	while (r->n_out > 0)
		cv_vq_push(&r->vq, r->out[--r->n_out], 1);
}

static void start(struct ring *r)
{
	r->vq = (struct cv_vq){ .name = "fuzz", .on_broken = ring_broken, .ctx = r };
	r->n_broken = 0;
	cv_ignore(cv_vq_start(&r->vq, &r->g.mem, &r->config, r->features)); /* stays empty then */
}

static void step(struct ring *r)
{
	unsigned int op = take(r, 1);

	switch (op & 7) {
	case 0:
		guest_writes(r);
		break;
	case 1:
		pop(r);
		break;
	case 2:
		push(r, op >> 3);
		break;
	case 3:
		use_bytes(r);
		break;
	case 4:
		cv_vq_notify(&r->vq);
		break;
	case 5:
		cv_vq_enable_kicks(&r->vq, op & 8);
		cv_vq_hold_kicks(&r->vq, op & 16);
		break;
	case 6:
		if (r->n_out > 0)
			cv_vq_unpop(&r->vq, r->out[--r->n_out]);
		break;
	case 7:
		push_all(r);
		cv_vq_stop(&r->vq, &r->config);
		start(r);
		break;
	}
}

/* One input; @features as negotiated, beside what the input's first byte says. */
static int ring_run(const uint8_t *data, size_t size, uint64_t features)
{
	static struct ring r; /* its memory is made once */
	unsigned int kind;

	if (!r.g.next)
		guest_init(&r.g, RING_MEM);
	must(cv_mem_fill(&r.g.mem, GUEST_LOW, 0, RING_MEM) == 0);
	r.in = data;
	r.left = size;
	kind = take(&r, 1);
	r.features = features | (kind & 1 ? CV_VIRTIO_F_EVENT_IDX : 0) |
		     (kind & 2 ? CV_VIRTIO_F_INDIRECT_DESC : 0);
	r.config = (struct cv_vq_config){ .ready = true,
					  .size = (uint16_t)(take(&r, 1) % 33),
					  .desc = GUEST_LOW,
					  .driver = GUEST_LOW + 512,
					  .device = GUEST_LOW + 1024,
					  .kick_fd = -1,
					  .call_fd = -1 };
	r.config.avail = (uint16_t)take(&r, 2);
	r.config.used = (uint16_t)take(&r, 2);
	start(&r);
	while (r.left > 0)
		step(&r);
	push_all(&r);
	cv_vq_stop(&r.vq, NULL);
	return 0;
}

#endif
