/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole messages with descriptors over stream sockets: unix(7), cmsg(3). */
#include "sys/msg.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"

#define NS_PER_MS 1000000ull

/* The kernel passes at most 253 descriptors in one go (SCM_MAX_FD); all of them are received, so
 * that those too many can be closed. */
#define SCM_MAX 253

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(SCM_MAX * sizeof(int)) + CMSG_SPACE(64)];
};

void cv_msg_fds_close(struct cv_msg_fds *fds)
{
	for (unsigned int i = 0; i < fds->n; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->n = 0;
}

int cv_msg_fds_take(struct cv_msg_fds *fds, unsigned int i)
{
	int fd = i < fds->n ? fds->fd[i] : -1;

	if (i < fds->n)
		fds->fd[i] = -1;
	return fd;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * NS_PER_MS + (uint64_t)t.tv_nsec;
}

uint64_t cv_msg_deadline(unsigned int ms)
{
	return now() + ms * NS_PER_MS;
}

/* Waits for @events; 0, -ETIMEDOUT or -errno. */
static int wait_for(int sock, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = sock, .events = events };

	for (;;) {
		uint64_t t = now();
		uint64_t left = t < deadline ? (deadline - t + NS_PER_MS - 1) / NS_PER_MS : 0;
		int n = poll(&p, 1, (int)cv_min(left, (uint64_t)INT32_MAX));

		if (n > 0)
			return 0;
		if (n == 0 && left == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

/* ---- sending ---- */

static void put_fds(struct msghdr *m, union control *c, const int *fds, unsigned int n)
{
	struct cmsghdr *h;

	if (n == 0)
		return;
	memset(c, 0, sizeof(*c));
	m->msg_control = c->space;
	m->msg_controllen = CMSG_SPACE(n * sizeof(int));
	h = CMSG_FIRSTHDR(m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
}

/* Leaves out the first @n bytes. */
static void skip(struct msghdr *m, size_t n)
{
	while (m->msg_iovlen > 0 && n >= m->msg_iov->iov_len) {
		n -= m->msg_iov->iov_len;
		m->msg_iov++;
		m->msg_iovlen--;
	}
	if (m->msg_iovlen > 0) {
		m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + n;
		m->msg_iov->iov_len -= n;
	}
}

int cv_msg_send(int sock, struct iovec *iov, unsigned int n_iov, const int *fds, unsigned int n_fds,
		uint64_t deadline)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n_iov };
	union control c;
	int err = 0;

	assert(n_fds <= CV_MSG_MAX_FDS);
	put_fds(&m, &c, fds, n_fds);
	for (skip(&m, 0); m.msg_iovlen > 0 && !err;) {
		ssize_t n = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			m.msg_control = NULL;
			m.msg_controllen = 0;
			skip(&m, (size_t)n);
		} else if (errno == EAGAIN) {
			err = wait_for(sock, POLLOUT, deadline);
		} else if (errno != EINTR) {
			err = -errno;
		}
	}
	return err;
}

/* ---- receiving ---- */

/* Takes the descriptors of one block of control data; whether all of them found room. */
static bool take_block(struct cmsghdr *h, struct cv_msg_fds *fds)
{
	size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
		if (fds && fds->n < CV_MSG_MAX_FDS) {
			fds->fd[fds->n++] = fd;
			continue;
		}
		close(fd);
		all = false;
	}
	return all;
}

/* Takes all control data of @m. -EBADMSG: it is not only descriptors, or there is no room for them
 * all; -EMFILE: this process can have no more. */
static int take_control(struct msghdr *m, struct cv_msg_fds *fds)
{
	bool ok = true;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
			ok &= take_block(h, fds);
		else
			ok = false;
	}
	if (!ok)
		return -EBADMSG;
	/* the buffer has room for all that the kernel passes */
	return m->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
}

static int recv_step(int sock, uint8_t *buf, size_t len, size_t *got, struct cv_msg_fds *fds)
{
	struct iovec iov = { .iov_base = buf + *got, .iov_len = len - *got };
	union control c;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = c.space,
			    .msg_controllen = sizeof(c.space) };
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int err;

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	err = take_control(&m, *got == 0 ? fds : NULL);
	if (err)
		return err;
	if (n == 0)
		return *got == 0 ? -ENODATA : -EBADMSG;
	*got += (size_t)n;
	return *got == len;
}

int cv_msg_recv_some(int sock, void *buf, size_t len, size_t *got, struct cv_msg_fds *fds)
{
	size_t before = *got;
	int err;

	if (*got >= len)
		return 1;
	do {
		before = *got;
		err = recv_step(sock, buf, len, got, fds);
	} while (err == -EINTR || (err == 0 && *got != before));
	if (err < 0 && fds)
		cv_msg_fds_close(fds);
	return err;
}

int cv_msg_recv(int sock, void *buf, size_t len, struct cv_msg_fds *fds, uint64_t deadline)
{
	size_t got = 0;
	int err = 0, done = 0;

	while (!err && done == 0) {
		done = cv_msg_recv_some(sock, buf, len, &got, fds);
		if (done == 0)
			err = wait_for(sock, POLLIN, deadline);
	}
	if (err && fds)
		cv_msg_fds_close(fds);
	return err ?: cv_min(done, 0);
}

/* ---- frames ---- */

int cv_msg_send_frame(int sock, const void *data, uint32_t len, const int *fds, unsigned int n_fds,
		      uint64_t deadline)
{
	struct le32 head = le32(len);
	struct iovec iov[] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		/* only read from: struct iovec knows no const */
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};

	return cv_msg_send(sock, iov, CV_LEN(iov), fds, n_fds, deadline);
}

int cv_msg_recv_frame(int sock, void *buf, size_t size, size_t *len, struct cv_msg_fds *fds,
		      uint64_t deadline)
{
	struct le32 head;
	int err = cv_msg_recv(sock, &head, sizeof(head), fds, deadline);

	if (err)
		return err;
	*len = le32_get(head);
	err = *len > size ? -EMSGSIZE : cv_msg_recv(sock, buf, *len, NULL, deadline);
	if (err && fds)
		cv_msg_fds_close(fds);
	return err == -ENODATA ? -EBADMSG : err;
}
