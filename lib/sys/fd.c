/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors: ownership, whole transfers, events. */
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

void cv_fd_close(struct cv_fd *f)
{
	if (f->plus1 > 0)
		close(f->plus1 - 1);
	f->plus1 = 0;
}

int cv_fd_take(struct cv_fd *f)
{
	int fd = cv_fd_get(f);

	f->plus1 = 0;
	return fd;
}

void cv_close_fd_ptr(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int cv_fd_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

int cv_fd_set_nonblock(int fd, bool nonblock)
{
	int wanted, flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	wanted = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	if (wanted != flags && fcntl(fd, F_SETFL, wanted) < 0)
		return -errno;
	return 0;
}

/* One transfer at the file's own position (off NULL) or at *off. */
static ssize_t read_some(int fd, void *buf, size_t len, const uint64_t *off)
{
	return off ? pread(fd, buf, len, (off_t)*off) : read(fd, buf, len);
}

static ssize_t write_some(int fd, const void *buf, size_t len, const uint64_t *off)
{
	return off ? pwrite(fd, buf, len, (off_t)*off) : write(fd, buf, len);
}

static int read_whole(int fd, uint8_t *buf, size_t len, uint64_t *off)
{
	while (len > 0) {
		ssize_t n = read_some(fd, buf, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		buf += n;
		len -= (size_t)n;
		if (off)
			*off += (uint64_t)n;
	}
	return 0;
}

static int write_whole(int fd, const uint8_t *buf, size_t len, uint64_t *off)
{
	while (len > 0) {
		ssize_t n = write_some(fd, buf, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOSPC;
		buf += n;
		len -= (size_t)n;
		if (off)
			*off += (uint64_t)n;
	}
	return 0;
}

int cv_read_full(int fd, void *buf, size_t len)
{
	return read_whole(fd, buf, len, NULL);
}

int cv_write_full(int fd, const void *buf, size_t len)
{
	return write_whole(fd, buf, len, NULL);
}

int cv_pread_full(int fd, void *buf, size_t len, uint64_t off)
{
	return read_whole(fd, buf, len, &off);
}

int cv_pwrite_full(int fd, const void *buf, size_t len, uint64_t off)
{
	return write_whole(fd, buf, len, &off);
}

int cv_fd_size(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*size = (uint64_t)st.st_size;
	return 0;
}

int cv_event_create(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

void cv_event_signal(int fd)
{
	const uint64_t one = 1;
	int saved = errno;

	/* EAGAIN means that the counter is full, which is readable already */
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = saved;
}

bool cv_event_drain(int fd)
{
	uint64_t count;
	ssize_t n;

	do {
		n = read(fd, &count, sizeof(count));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(count);
}

void cv_event_signal_shared(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int saved = errno;

	/*
	 * Full: POLLERR where the kernel has filled it to the last, else nothing. Who waits for
	 * edges sees none in such a one, so it becomes unreadable before.
	 */
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		cv_ignore(cv_event_drain_shared(fd));
	cv_event_signal(fd);
	errno = saved;
}

bool cv_event_drain_shared(int fd)
{
	uint64_t count;
	const struct iovec iov = { .iov_base = &count, .iov_len = sizeof(count) };
	ssize_t n;

	/* the flag of the file is everybody's, this one is ours */
	do
		n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(count);
}
