/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw images and block devices: what the guest sees at an offset is in the file
 * at that offset.
 *
 * With O_DIRECT the kernel wants buffers aligned to what statx calls
 * dio_mem_align. A request whose buffers are not goes through a bounce buffer
 * in pieces, one such request at a time: drivers align theirs.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/math.h"
#include "disk/disk.h"
#include "sys/fd.h"

#define SECTOR	    512u
#define PAGE	    4096u
#define BOUNCE_SIZE (256u * 1024)

struct raw {
	struct cv_disk disk;
	struct cv_fd fd;
	struct cv_io *io;
	struct cv_io_file file;
	uint32_t mem_align; /* of buffers; 1: any */
	/* only with O_DIRECT: */
	uint8_t *bounce;
	struct iovec bounce_iov;
	struct cv_list waiting; /* for the bounce buffer; the first one has it */
};

static struct raw *from_disk(struct cv_disk *disk)
{
	return cv_container_of(disk, struct raw, disk);
}

static enum cv_io_op io_op(enum cv_disk_op op)
{
	switch (op) {
	case CV_DISK_READ:
		return CV_IO_READ;
	case CV_DISK_WRITE:
		return CV_IO_WRITE;
	case CV_DISK_FLUSH:
		return CV_IO_FSYNC;
	case CV_DISK_DISCARD:
		return CV_IO_DISCARD;
	case CV_DISK_ZERO:
		return CV_IO_ZERO;
	}
	return CV_IO_READ;
}

/* ---- unaligned buffers ---- */

static bool is_transfer(const struct cv_disk_req *req)
{
	return req->op == CV_DISK_READ || req->op == CV_DISK_WRITE;
}

static bool is_aligned(const struct raw *r, const struct cv_disk_req *req)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < req->n_iov; i++)
		bits |= (uint64_t)(uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
	return cv_is_aligned(bits, r->mem_align);
}

/* Moves the next @len bytes between the request's buffers and the bounce buffer. */
static void copy_piece(struct raw *r, struct cv_disk_req *req, size_t len)
{
	uint8_t *at = r->bounce;

	while (len > 0) {
		struct iovec *v = req->iov;
		size_t n = cv_min(len, v->iov_len);

		if (req->op == CV_DISK_READ)
			memcpy(v->iov_base, at, n);
		else
			memcpy(at, v->iov_base, n);
		v->iov_base = (uint8_t *)v->iov_base + n;
		v->iov_len -= n;
		at += n;
		len -= n;
		if (v->iov_len == 0) {
			req->iov++;
			req->n_iov--;
		}
	}
}

static size_t piece_len(const struct cv_disk_req *req)
{
	return (size_t)cv_min(req->len - req->pos, (uint64_t)BOUNCE_SIZE);
}

static void start_piece(struct raw *r, struct cv_disk_req *req);

static void start_next(struct raw *r)
{
	if (!cv_list_empty(&r->waiting))
		start_piece(r, cv_list_entry(r->waiting.next, struct cv_disk_req, node));
}

static void piece_done(struct cv_io_req *io, int err)
{
	struct cv_disk_req *req = cv_container_of(io, struct cv_disk_req, io);
	struct raw *r = from_disk(req->disk);
	size_t len = piece_len(req);

	if (!err && req->op == CV_DISK_READ)
		copy_piece(r, req, len);
	req->pos += len;
	if (!err && req->pos < req->len) {
		start_piece(r, req);
		return;
	}
	cv_list_remove(&req->node);
	start_next(r);
	req->done(req, err);
}

static void start_piece(struct raw *r, struct cv_disk_req *req)
{
	size_t len = piece_len(req);

	if (req->op == CV_DISK_WRITE)
		copy_piece(r, req, len);
	r->bounce_iov = (struct iovec){ r->bounce, len };
	req->io = (struct cv_io_req){ .op = io_op(req->op),
				      .file = &r->file,
				      .iov = &r->bounce_iov,
				      .n_iov = 1,
				      .off = req->off + req->pos,
				      .done = piece_done };
	cv_io_submit(r->io, &req->io);
}

static void submit_bounced(struct raw *r, struct cv_disk_req *req)
{
	bool first = cv_list_empty(&r->waiting);

	req->pos = 0;
	cv_list_add_tail(&r->waiting, &req->node);
	if (first)
		start_piece(r, req);
}

/* ---- operations ---- */

static void io_done(struct cv_io_req *io, int err)
{
	struct cv_disk_req *req = cv_container_of(io, struct cv_disk_req, io);

	/* a discard is advice: a file system without holes has followed it already, and so has a
	 * device that gives back larger units only */
	if (req->op == CV_DISK_DISCARD && (err == -EOPNOTSUPP || err == -ENOSYS || err == -EINVAL))
		err = 0;
	req->done(req, err);
}

static void raw_submit(struct cv_disk *disk, struct cv_disk_req *req)
{
	struct raw *r = from_disk(disk);

	req->disk = disk;
	if (r->mem_align > 1 && is_transfer(req) && req->len > 0 && !is_aligned(r, req)) {
		submit_bounced(r, req);
		return;
	}
	req->io = (struct cv_io_req){ .op = io_op(req->op),
				      .file = &r->file,
				      .iov = req->iov,
				      .n_iov = req->n_iov,
				      .may_unmap = req->may_unmap,
				      .off = req->off,
				      .len = req->len,
				      .done = io_done };
	/* nothing of ours is to be made stable: an empty read */
	if (req->op == CV_DISK_FLUSH && disk->read_only)
		req->io.op = CV_IO_READ;
	cv_io_submit(r->io, &req->io);
}

static void raw_start(struct cv_disk *disk)
{
	cv_io_flush(from_disk(disk)->io);
}

static void raw_drain(struct cv_disk *disk)
{
	cv_io_drain(from_disk(disk)->io);
}

static void raw_cancel(struct cv_disk *disk, unsigned int ms)
{
	cv_io_cancel(from_disk(disk)->io, ms);
}

static int raw_resize(struct cv_disk *disk, uint64_t size, struct vm_error *e)
{
	struct raw *r = from_disk(disk);
	uint64_t now = 0;
	int err = cv_fd_size(cv_fd_get(&r->fd), &now);

	if (err)
		return cv_err(e, err, "the image's size cannot be read: %s", strerror(-err));
	size = size ?: now;
	if (size == 0 || size % disk->block_size != 0 || size > INT64_MAX)
		return cv_err(e, -EINVAL,
			      "%llu bytes is not a size for this disk, give a multiple of %u",
			      (unsigned long long)size, disk->block_size);
	if (size != now && r->file.block)
		return cv_err(e, -EINVAL,
			      "a block device has the size it has, resize it first and give none");
	if (size != now && disk->read_only)
		return cv_err(e, -EROFS, "the image is read-only, its size stays");
	if (size != now && ftruncate(cv_fd_get(&r->fd), (off_t)size) < 0) {
		err = -errno;
		return cv_err(e, err, "the image cannot be resized to %llu bytes: %s",
			      (unsigned long long)size, strerror(-err));
	}
	disk->size = size;
	return 0;
}

static void raw_destroy(struct cv_disk *disk)
{
	struct raw *r = from_disk(disk);

	cv_io_destroy(r->io);
	if (r->bounce)
		munmap(r->bounce, BOUNCE_SIZE);
	cv_fd_close(&r->fd);
	free(r);
}

static const struct cv_disk_ops raw_ops = {
	.submit = raw_submit,
	.start = raw_start,
	.drain = raw_drain,
	.cancel = raw_cancel,
	.resize = raw_resize,
	.destroy = raw_destroy,
};

/* ---- opening ---- */

/* What O_DIRECT demands of offsets and of memory. */
static int direct_alignment(struct raw *r)
{
	struct statx st = { 0 };

	r->disk.block_size = PAGE;
	r->mem_align = PAGE; /* sufficient everywhere, if the kernel does not tell */
#ifdef STATX_DIOALIGN
	if (statx(cv_fd_get(&r->fd), "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0 ||
	    !(st.stx_mask & STATX_DIOALIGN))
		return 0;
	if (st.stx_dio_offset_align == 0)
		return -EINVAL;
	r->disk.block_size = cv_max(st.stx_dio_offset_align, SECTOR);
	/* a segment's length counts too, and some kernels want it in whole sectors */
	r->mem_align = cv_max(st.stx_dio_mem_align, SECTOR);
#else
	(void)st;
#endif
	return 0;
}

static int set_direct(struct raw *r, const char *name, struct vm_error *e)
{
	int fd = cv_fd_get(&r->fd), flags = fcntl(fd, F_GETFL), err = 0;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
		err = -errno;
	err = err ?: direct_alignment(r);
	err = err ?: cv_io_file_init(&r->file, fd); /* which has just changed */
	if (err)
		return cv_err(
			e, err,
			"%s: its file system does not support O_DIRECT (%s), leave out direct",
			name, strerror(-err));
	r->bounce = mmap(NULL, BOUNCE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->bounce == MAP_FAILED) {
		r->bounce = NULL;
		return cv_err(e, -ENOMEM, "%s: out of memory for a bounce buffer", name);
	}
	return 0;
}

/* A block device's own units. The logical one binds; the physical one is advice for the driver. */
static void ask_device(struct raw *r)
{
	unsigned int physical = 0;
	int logical = 0, fd = cv_fd_get(&r->fd);

	if (ioctl(fd, BLKSSZGET, &logical) == 0 && logical > 0 && cv_is_pow2((uint64_t)logical))
		r->disk.block_size = cv_max(r->disk.block_size, (uint32_t)logical);
	if (ioctl(fd, BLKPBSZGET, &physical) == 0 && cv_is_pow2(physical))
		r->disk.physical_size = physical;
}

static int take_file(struct raw *r, const struct cv_disk_config *c, struct vm_error *e)
{
	int err, fd = cv_fd_dup(c->fd);

	if (fd < 0)
		return cv_err(e, fd, "%s: its descriptor cannot be duplicated: %s", c->name,
			      strerror(-fd));
	cv_fd_set(&r->fd, fd);
	err = cv_io_file_init(&r->file, fd);
	if (err == -EINVAL)
		return cv_err(e, err,
			      "%s is neither a regular file nor a block device, give a disk image",
			      c->name);
	if (err)
		return cv_err(e, err, "%s cannot be examined: %s", c->name, strerror(-err));
	return 0;
}

static int check_access(const struct raw *r, const struct cv_disk_config *c, struct vm_error *e)
{
	int flags = fcntl(cv_fd_get(&r->fd), F_GETFL) & O_ACCMODE;

	if (flags == O_RDWR || (flags == O_RDONLY && c->read_only))
		return 0;
	return cv_err(e, -EACCES, "%s is not open for %s", c->name,
		      c->read_only ? "reading" : "reading and writing, make the disk read-only");
}

static int check_size(struct raw *r, const char *name, struct vm_error *e)
{
	uint64_t size = 0, unit = r->disk.block_size;
	int err = cv_fd_size(cv_fd_get(&r->fd), &size);

	if (err)
		return cv_err(e, err, "%s: its size cannot be read: %s", name, strerror(-err));
	if (size == 0)
		return cv_err(e, -EINVAL,
			      "%s is empty, give it a size with truncate -s, 1G for example", name);
	if (size % unit != 0)
		return cv_err(e, -EINVAL,
			      "%s is %llu bytes, not a multiple of %llu; extend it with "
			      "truncate -s %llu",
			      name, (unsigned long long)size, (unsigned long long)unit,
			      (unsigned long long)(size - size % unit + unit));
	r->disk.size = size;
	return 0;
}

/* All but the engine. */
static int open_file(struct raw *r, const struct cv_disk_config *c, struct vm_error *e)
{
	int err;

	r->disk = (struct cv_disk){ .ops = &raw_ops,
				    .read_only = c->read_only,
				    .block_size = SECTOR };
	r->mem_align = 1;
	cv_list_init(&r->waiting);
	err = take_file(r, c, e);
	err = err ?: check_access(r, c, e);
	/* an fd from the caller may be O_DIRECT already */
	if (!err && (c->direct || r->file.direct))
		err = set_direct(r, c->name, e);
	r->disk.physical_size = PAGE;
	if (!err && r->file.block)
		ask_device(r);
	r->disk.physical_size = cv_max(r->disk.physical_size, r->disk.block_size);
	r->disk.discard_alignment = r->disk.physical_size;
	return err ?: check_size(r, c->name, e);
}

static int open_engine(struct raw *r, const struct cv_disk_config *c, struct vm_error *e)
{
	int err = cv_io_create(&r->io, c->engine, c->loop, c->lock, c->depth, e);

	return err ? cv_err_prefix(e, err, "%s", c->name) : 0;
}

int cv_disk_raw_open(struct cv_disk **disk, const struct cv_disk_config *config, struct vm_error *e)
{
	struct raw *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return cv_err(e, -ENOMEM, "%s: out of memory", config->name);
	err = open_file(r, config, e) ?: open_engine(r, config, e);
	if (err) {
		raw_destroy(&r->disk);
		return err;
	}
	if (config->on_batch)
		cv_io_on_batch(r->io, config->on_batch, config->ctx);
	*disk = &r->disk;
	return 0;
}

int cv_disk_raw_check(const struct cv_disk_config *config, struct vm_error *e)
{
	struct raw *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return cv_err(e, -ENOMEM, "%s: out of memory", config->name);
	err = open_file(r, config, e);
	raw_destroy(&r->disk);
	return err;
}
