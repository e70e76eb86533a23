/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes virtio-blk's requests: headers, layouts and lengths, one after the
 * other and several at once. The rings themselves are well-formed here.
 *
 * The first byte chooses ring and features. Each request is: flags, type, how
 * the sector is made and its value (2), length of the readable tail and of the
 * writable part in units of 16 bytes less a few (2 each), size of the pieces;
 * then as many bytes of the tail as flags say.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "support/must.h"
#include "support/vdev.h"
#include "sys/fd.h"
#include "virtio/virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct cv_class cv_class_block;

#define DISK_SIZE    (256u << 10)
#define MAX_REQUESTS 32
#define MAX_PIECES   16
#define F_FLUSH	     (1ull << 9)
#define F_CONFIG_WCE (1ull << 11)
#define WRITEBACK    32

enum { ALONE = 1, INDIRECT = 2, SHORT_HEADER = 4, NO_STATUS = 8, CONFIG = 16, TAIL_SHIFT = 5 };

struct script {
	const uint8_t *data;
	size_t left;
};

struct fuzz {
	struct rig rig;
	int fd;
};

static uint32_t take(struct script *s, unsigned int len)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < len && s->left > 0; i++, s->left--)
		v |= (uint32_t)*s->data++ << (8 * i);
	return v;
}

static uint64_t sector(struct script *s)
{
	uint32_t how = take(s, 1), v = take(s, 2);

	switch (how & 3) {
	case 0:
		return v % (DISK_SIZE / 512 + 2);
	case 1:
		return (uint64_t)v << (how >> 2);
	case 2:
		return UINT64_MAX - v;
	}
	return ((uint64_t)1 << 55) + v;
}

static unsigned int cut(struct drv_buf *bufs, uint64_t gpa, uint32_t len, uint32_t piece,
			bool write)
{
	unsigned int n = 0;

	for (uint32_t at = 0; at < len; at += piece) {
		/* the last piece takes what is left */
		uint32_t part = n == MAX_PIECES - 1 ? len - at : cv_min(piece, len - at);

		bufs[n++] = (struct drv_buf){ gpa + at, part, write };
		if (n == MAX_PIECES)
			break;
	}
	return n;
}

/* Adds one request; what part of it the device may write, or 0 when there is nothing to add. */
static void request(struct fuzz *f, struct script *s)
{
	struct guest *g = &f->rig.guest;
	struct drv_vq *q = &f->rig.dev.queues[0];
	uint32_t flags = take(s, 1), type = take(s, 1), len, in_len, piece, n;
	uint64_t at = sector(s), out, in;
	struct drv_buf bufs[2 * MAX_PIECES];

	len = (take(s, 2) & 0x3fff) + (flags & SHORT_HEADER ? 0 : 16);
	in_len = (take(s, 2) & 0x3fff) + (flags & NO_STATUS ? 0 : 1);
	piece = (take(s, 1) + 1) * 32;
	out = guest_alloc(g, len + 16, 16);
	in = guest_alloc(g, in_len + 16, 16);
	guest_put32(g, out, type == 255 ? UINT32_MAX : type & 15);
	guest_put64(g, out + 8, at);
	for (uint32_t i = 16; i < len && i < 16 + (flags >> TAIL_SHIFT) * 16; i += 4)
		guest_put32(g, out + i, take(s, 4));
	n = cut(bufs, out, len, piece, false);
	n += cut(bufs + n, in, in_len, piece, true);
	if (n == 0 || (flags & INDIRECT && q->indirect ? drv_add_indirect(q, bufs, n)
						       : drv_add(q, bufs, n)) < 0)
		return;
	if (flags & CONFIG)
		f->rig.dev.ops->config_write(&f->rig.dev, WRITEBACK, &(uint8_t){ type >> 4 }, 1);
	if (!(flags & ALONE))
		return;
	drv_kick(q);
	vdev_wait(&f->rig.dev, 0, NULL);
}

/* The device is as new after a reset, whatever has happened. */
static void check_alive(struct fuzz *f)
{
	struct {
		struct le32 type, reserved;
		struct le64 sector;
	} read = { le32(0), le32(0), le64(0) };
	uint8_t in[513];
	uint64_t size = 0;

	vdev_reset(&f->rig.dev);
	guest_rewind(&f->rig.guest, GUEST_LOW);
	must(vdev_start(&f->rig.dev, NULL) == 0);
	must(vdev_request(&f->rig.dev, 0, &read, sizeof(read), in, sizeof(in)) == sizeof(in));
	must(in[512] == 0);
	must(cv_fd_size(f->fd, &size) == 0 && size == DISK_SIZE);
	vdev_reset(&f->rig.dev);
	guest_rewind(&f->rig.guest, GUEST_LOW);
}

static struct fuzz *the_device(void)
{
	static struct fuzz f;
	char options[32];

	if (f.rig.cls)
		return &f;
	f.fd = memfd_create("disk", MFD_CLOEXEC);
	must(f.fd >= 0 && ftruncate(f.fd, DISK_SIZE) == 0);
	snprintf(options, sizeof(options), "fd=%d", f.fd);
	rig_init(&f.rig, &cv_class_block, options, &(struct rig_options){ .mem = 4 * CV_MIB });
	return &f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz *f = the_device();
	struct script s = { .data = data, .left = size };
	uint32_t how = take(&s, 1);
	struct vdev_options o = { .packed = how & 1,
				  .no_event_idx = how & 2,
				  .no_indirect = how & 4,
				  .refuse =
					  (how & 8 ? F_FLUSH : 0) | (how & 16 ? F_CONFIG_WCE : 0) };

	must(vdev_start(&f->rig.dev, &o) == 0);
	for (unsigned int i = 0; i < MAX_REQUESTS && s.left > 0; i++)
		request(f, &s);
	drv_kick(&f->rig.dev.queues[0]);
	while (f->rig.dev.queues[0].n_outstanding > 0 && vdev_wait(&f->rig.dev, 0, NULL) >= 0)
		;
	/* all are answered, unless one was beyond an answer */
	must(f->rig.dev.queues[0].n_outstanding == 0 || f->rig.dev.ops->broken(&f->rig.dev));
	check_alive(f);
	return 0;
}
