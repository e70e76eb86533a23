/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-blk from its driver's side: requests in any layout, images, a started device. */
#ifndef CV_TESTS_BLK_H
#define CV_TESTS_BLK_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "support/child.h"
#include "support/must.h"
#include "support/vdev.h"
#include "sys/fd.h"

extern const struct cv_class cv_class_block;

#define DISK_SIZE (1u << 20)
#define SECTORS	  (DISK_SIZE / 512)

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2, NO_STATUS = 0xee, NOT_USED = 0xff };

#define F_RO	       (1ull << 5)
#define F_FLUSH	       (1ull << 9)
#define F_CONFIG_WCE   (1ull << 11)
#define F_MQ	       (1ull << 12)
#define F_DISCARD      (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)

enum {
	C_CAPACITY = 0,
	C_SEG_MAX = 12,
	C_BLK_SIZE = 20,
	C_PHYSICAL_EXP = 24,
	C_WRITEBACK = 32,
	C_NUM_QUEUES = 34,
	C_MAX_DISCARD_SEG = 40,
	C_MAX_ZEROES = 48,
	C_LEN = 60
};

struct header {
	struct le32 type, reserved;
	struct le64 sector;
};

struct request {
	uint32_t type;
	uint64_t sector;
	const void *out;
	uint32_t out_len;
	void *in;
	uint32_t in_len;
	uint32_t piece; /* bytes of each descriptor; 0: one readable, one writable */
	unsigned int queue;
	bool indirect;
	uint32_t used; /* what the device says it has written */
};

static inline uint32_t add_pieces(struct drv_buf *bufs, uint64_t gpa, uint32_t len, uint32_t piece,
				  bool write)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < len; at += piece)
		bufs[n++] = (struct drv_buf){ gpa + at, cv_min(piece, len - at), write };
	return n;
}

/* Does one request with header, data and status cut into pieces, whatever falls together. */
static inline unsigned int run(struct rig *r, struct request *q)
{
	struct header h = { le32(q->type), le32(0), le64(q->sector) };
	uint64_t mark = guest_mark(&r->guest), out, in;
	uint32_t out_len = (uint32_t)sizeof(h) + q->out_len, in_len = q->in_len + 1, n;
	struct drv_buf bufs[256];
	uint8_t status = NO_STATUS;
	int name;

	out = guest_alloc(&r->guest, out_len, 8);
	in = guest_alloc(&r->guest, in_len, 8);
	guest_put(&r->guest, out, &h, sizeof(h));
	if (q->out_len > 0)
		guest_put(&r->guest, out + sizeof(h), q->out, q->out_len);
	guest_put(&r->guest, in + q->in_len, &status, 1);
	n = add_pieces(bufs, out, out_len, q->piece ?: out_len, false);
	n += add_pieces(bufs + n, in, in_len, q->piece ?: in_len, true);
	name = q->indirect ? drv_add_indirect(&r->dev.queues[q->queue], bufs, n)
			   : drv_add(&r->dev.queues[q->queue], bufs, n);
	must(name >= 0);
	drv_kick(&r->dev.queues[q->queue]);
	if (vdev_wait(&r->dev, q->queue, &q->used) != name)
		return NOT_USED;
	guest_get(&r->guest, in + q->in_len, &status, 1);
	if (q->in_len > 0)
		guest_get(&r->guest, in, q->in, q->in_len);
	guest_rewind(&r->guest, mark);
	return status;
}

static inline unsigned int do_read(struct rig *r, uint64_t sector, void *buf, uint32_t len)
{
	struct request q = { .type = IN, .sector = sector, .in = buf, .in_len = len };
	unsigned int status = run(r, &q);

	ck_assert_uint_eq(q.used, status == OK ? len + 1 : 1);
	return status;
}

static inline unsigned int do_write(struct rig *r, uint64_t sector, const void *buf, uint32_t len)
{
	struct request q = { .type = OUT, .sector = sector, .out = buf, .out_len = len };
	unsigned int status = run(r, &q);

	ck_assert_uint_eq(q.used, 1);
	return status;
}

static inline unsigned int do_plain(struct rig *r, uint32_t type)
{
	struct request q = { .type = type };

	return run(r, &q);
}

struct range {
	struct le64 sector;
	struct le32 n, flags;
};

static inline unsigned int do_ranges(struct rig *r, uint32_t type, const struct range *ranges,
				     size_t n)
{
	struct request q = { .type = type,
			     .out = ranges,
			     .out_len = (uint32_t)(n * sizeof(*ranges)) };
	unsigned int status = run(r, &q);

	ck_assert_uint_eq(q.used, 1);
	return status;
}

static inline unsigned int do_range(struct rig *r, uint32_t type, uint64_t sector, uint32_t n,
				    uint32_t flags)
{
	struct range range = { le64(sector), le32(n), le32(flags) };

	return do_ranges(r, type, &range, 1);
}

static inline void fill(uint8_t *buf, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		buf[i] = (uint8_t)(seed >> 24);
	}
}

/* ---- images ---- */

static inline int disk_image(uint64_t size)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) /* not every file system has nameless files */
		fd = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static const char *with_fd(int fd, const char *more)
{
	static char text[256];

	snprintf(text, sizeof(text), "fd=%d%s", fd, more);
	return text;
}

/* A started device on a fresh image; returns the image. */
static inline int open_rig(struct rig *r, const char *more, const struct vdev_options *o)
{
	int fd = disk_image(DISK_SIZE);

	rig_init(r, &cv_class_block, with_fd(fd, more), NULL);
	ck_assert_int_eq(vdev_start(&r->dev, o), 0);
	return fd;
}

static inline void close_rig(struct rig *r, int fd)
{
	rig_fini(r);
	close(fd);
}

#endif
