/* SPDX-License-Identifier: BSD-3-Clause */
/* One block I/O request, executed by system calls in the calling thread. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/math.h"
#include "sys/io_impl.h"

#define PENALTY_MIN_NS 100000000ull
#define PENALTY_MAX_NS 10000000000ull
/* Slow again this soon after a penalty: the next one is longer. */
#define RELAPSE_NS 1000000000ull
#define F2FS_MAGIC 0xf2f52010u
/* What is transferred before a cancellation is noticed. */
#define PIECE_MAX  (1024u * 1024)
#define ZERO_CHUNK 4096u
#define ZERO_N_IOV 64u

static const uint8_t zeroes[ZERO_CHUNK] __attribute__((aligned(4096)));

/* File systems of local disks and memory: a server's or a daemon's may block without end. */
static bool is_quick(int fd)
{
	static const uint32_t magic[] = { EXT4_SUPER_MAGIC,  TMPFS_MAGIC, XFS_SUPER_MAGIC,
					  BTRFS_SUPER_MAGIC, F2FS_MAGIC,  OVERLAYFS_SUPER_MAGIC };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < CV_LEN(magic); i++)
		if ((uint32_t)fs.f_type == magic[i])
			return true;
	return false;
}

int cv_io_file_init(struct cv_io_file *file, int fd)
{
	struct stat st;
	int flags;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	*file = (struct cv_io_file){ .fd = fd,
				     .direct = flags & O_DIRECT,
				     .block = S_ISBLK(st.st_mode),
				     .nowait_read = true,
				     .nowait_write = true };
	file->quick = !file->direct && !file->block && is_quick(fd);
	return 0;
}

/* ---- the guard ---- */

bool cv_io_guard_allows(const struct cv_io_file *file, uint64_t now)
{
	return file->quick && now >= file->slow_until;
}

void cv_io_guard_note(struct cv_io_file *file, uint64_t begin, uint64_t end)
{
	bool relapse = file->penalty > 0 && begin - file->slow_until < RELAPSE_NS;

	file->penalty = relapse ? cv_min(file->penalty * 2, PENALTY_MAX_NS) : PENALTY_MIN_NS;
	file->slow_until = end + file->penalty;
}

/* ---- transfers ---- */

void cv_io_advance(struct cv_io_req *req, size_t n)
{
	req->left -= n;
	req->off += n;
	while (n > 0) {
		size_t part = cv_min(n, req->iov->iov_len);

		req->iov->iov_base = (uint8_t *)req->iov->iov_base + part;
		req->iov->iov_len -= part;
		n -= part;
		if (req->iov->iov_len == 0) {
			req->iov++;
			req->n_iov--;
		}
	}
}

void cv_io_zero_fill(struct cv_io_req *req)
{
	for (; req->n_iov > 0; req->iov++, req->n_iov--)
		memset(req->iov->iov_base, 0, req->iov->iov_len);
	req->left = 0;
}

/* One system call for one piece; -errno instead of errno. */
static ssize_t transfer(const struct cv_io_req *req, int flags)
{
	uint64_t len = 0, rest;
	ssize_t n;
	int n_iov = 0;

	while ((unsigned int)n_iov < req->n_iov && n_iov < IOV_MAX && len < PIECE_MAX)
		len += req->iov[n_iov++].iov_len;
	rest = len - cv_min(len, (uint64_t)PIECE_MAX);
	req->iov[n_iov - 1].iov_len -= rest;
	n = req->op == CV_IO_READ
		    ? preadv2(req->file->fd, req->iov, n_iov, (off_t)req->off, flags)
		    : pwritev2(req->file->fd, req->iov, n_iov, (off_t)req->off, flags);
	req->iov[n_iov - 1].iov_len += rest;
	return n < 0 ? -errno : n;
}

/* Takes the result of a transfer into account. 0: go on, 1: finished, with req->err. */
static int took(struct cv_io_req *req, ssize_t n)
{
	if (n == -EINTR)
		return 0;
	if (n < 0)
		req->err = (int)n;
	else if (n > 0)
		cv_io_advance(req, (size_t)n);
	else if (req->op == CV_IO_READ)
		cv_io_zero_fill(req);
	else
		req->err = -ENOSPC; /* no progress and no reason: do not try for ever */
	return req->err || req->left == 0;
}

int cv_io_try_nowait(struct cv_io_req *req)
{
	ssize_t n = transfer(req, RWF_NOWAIT);

	if (n == -EOPNOTSUPP)
		return -EOPNOTSUPP;
	if (n == -EAGAIN)
		return 0;
	return took(req, n);
}

static int transfer_all(struct cv_io_req *req)
{
	if (req->left == 0)
		return 0;
	do
		if (atomic_load(req->cancel))
			return -ECANCELED;
	while (!took(req, transfer(req, 0)));
	return req->err;
}

/* ---- deallocation ---- */

static int do_fallocate(const struct cv_io_req *req, int mode)
{
	int r;

	do {
		r = fallocate(req->file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)req->off,
			      (off_t)req->len);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int discard(const struct cv_io_req *req)
{
	uint64_t range[2] = { req->off, req->len };

	if (!req->file->block)
		return do_fallocate(req, FALLOC_FL_PUNCH_HOLE);
	return ioctl(req->file->fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

static int write_zeroes(const struct cv_io_req *req)
{
	uint64_t off = req->off, left = req->len;

	while (left > 0) {
		struct iovec iov[ZERO_N_IOV];
		struct cv_io_req part = { .op = CV_IO_WRITE,
					  .file = req->file,
					  .iov = iov,
					  .off = off,
					  .cancel = req->cancel };
		int err;

		for (; part.n_iov < ZERO_N_IOV && part.left < left; part.n_iov++) {
			size_t n = (size_t)cv_min(left - part.left, (uint64_t)ZERO_CHUNK);

			/* a write does not change the buffer */
			iov[part.n_iov] = (struct iovec){ (void *)(uintptr_t)zeroes, n };
			part.left += n;
		}
		off += part.left;
		left -= part.left;
		err = transfer_all(&part);
		if (err)
			return err;
	}
	return 0;
}

static int zero(const struct cv_io_req *req)
{
	int err = -EOPNOTSUPP;

	if (req->may_unmap)
		err = do_fallocate(req, FALLOC_FL_PUNCH_HOLE);
	if (err)
		err = do_fallocate(req, FALLOC_FL_ZERO_RANGE);
	/* not every file system, and not every alignment on a block device */
	if (err == -EOPNOTSUPP || err == -EINVAL || err == -ENOSYS)
		err = write_zeroes(req);
	return err;
}

int cv_io_execute(struct cv_io_req *req)
{
	if (atomic_load(req->cancel))
		return -ECANCELED;
	switch (req->op) {
	case CV_IO_READ:
	case CV_IO_WRITE:
		return transfer_all(req);
	case CV_IO_FSYNC:
		return fdatasync(req->file->fd) < 0 ? -errno : 0;
	case CV_IO_DISCARD:
		return req->len > 0 ? discard(req) : 0;
	case CV_IO_ZERO:
		return req->len > 0 ? zero(req) : 0;
	}
	return -EINVAL;
}
