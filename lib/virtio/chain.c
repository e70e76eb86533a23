/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of a descriptor chain: copies and iovecs. */
#include <errno.h>

#include "base/math.h"
#include "virtio/vq.h"

/* One part of a chain, and how far into it. */
struct part {
	const struct cv_seg *segs;
	unsigned int n;
	uint64_t len;
};

static struct part readable(const struct cv_chain *c)
{
	return (struct part){ c->segs, c->n_read, c->read_len };
}

static struct part writable(const struct cv_chain *c)
{
	return (struct part){ c->segs + c->n_read, c->n_write, c->write_len };
}

/* The piece of the next segment that lies in [*off, *off + len), and moves on; 0: skipped. */
static uint64_t next_piece(struct part *p, uint64_t *off, uint64_t len, uint64_t *gpa)
{
	const struct cv_seg *s = p->segs++;
	uint64_t n;

	p->n--;
	if (*off >= s->len) {
		*off -= s->len;
		return 0;
	}
	*gpa = s->gpa + *off;
	n = cv_min(s->len - *off, len);
	*off = 0;
	return n;
}

/* The checks at pop make the copies succeed: memory does not shrink while a queue runs. */
size_t cv_chain_read(const struct cv_vq *vq, const struct cv_chain *c, uint64_t off, void *buf,
		     size_t len)
{
	struct part p = readable(c);
	uint8_t *to = buf;
	size_t done = 0;

	while (done < len && p.n > 0) {
		uint64_t gpa = 0, n = next_piece(&p, &off, len - done, &gpa);

		if (n > 0 && cv_mem_read(vq->mem, gpa, to + done, n))
			break;
		done += n;
	}
	return done;
}

size_t cv_chain_write(const struct cv_vq *vq, const struct cv_chain *c, uint64_t off,
		      const void *buf, size_t len)
{
	struct part p = writable(c);
	const uint8_t *from = buf;
	size_t done = 0;

	while (done < len && p.n > 0) {
		uint64_t gpa = 0, n = next_piece(&p, &off, len - done, &gpa);

		if (n > 0 && cv_mem_write(vq->mem, gpa, from + done, n))
			break;
		done += n;
	}
	return done;
}

static int part_iov(const struct cv_vq *vq, struct part p, uint64_t off, uint64_t len,
		    struct iovec *iov, int max)
{
	int n = 0;

	if (!cv_in_range(off, len, p.len))
		return -EINVAL;
	while (len > 0 && p.n > 0) {
		uint64_t gpa = 0, piece = next_piece(&p, &off, len, &gpa);
		int got = cv_mem_iov(vq->mem, gpa, piece, iov + n, max - n);

		if (got < 0)
			return got;
		n += got;
		len -= piece;
	}
	return n;
}

int cv_chain_iov_read(const struct cv_vq *vq, const struct cv_chain *c, uint64_t off, uint64_t len,
		      struct iovec *iov, int max)
{
	return part_iov(vq, readable(c), off, len, iov, max);
}

int cv_chain_iov_write(const struct cv_vq *vq, const struct cv_chain *c, uint64_t off, uint64_t len,
		       struct iovec *iov, int max)
{
	return part_iov(vq, writable(c), off, len, iov, max);
}
