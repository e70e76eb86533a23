/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages with descriptors: whole ones, cut ones, and those with too much beside them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/must.h"
#include "sys/msg.h"

static int a, b;

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void open_pair(void)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	a = pair[0];
	b = pair[1];
}

static void close_pair(void)
{
	close(a);
	close(b);
}

static uint64_t soon(void)
{
	return cv_msg_deadline(2000);
}

static int put(const void *data, size_t len, const int *fds, unsigned int n)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };

	return cv_msg_send(a, &iov, 1, fds, n, soon());
}

START_TEST(whole)
{
	struct cv_msg_fds fds = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), some[] = { null, null, null }, fd;
	unsigned int before;
	char buf[6];

	open_pair();
	before = count_fds();
	ck_assert_int_eq(put("hello", 6, some, 3), 0);
	ck_assert_int_eq(cv_msg_recv(b, buf, 6, &fds, soon()), 0);
	ck_assert_str_eq(buf, "hello");
	ck_assert_uint_eq(fds.n, 3);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert(fcntl(fds.fd[i], F_GETFD) & FD_CLOEXEC);
	fd = cv_msg_fds_take(&fds, 1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(cv_msg_fds_take(&fds, 1), -1);
	ck_assert_int_eq(cv_msg_fds_take(&fds, 3), -1);
	cv_msg_fds_close(&fds);
	ck_assert_uint_eq(count_fds(), before + 1);
	close(fd);
	close(null);
	close_pair();
}
END_TEST

START_TEST(refused)
{
	struct cv_msg_fds fds = { 0 };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), many[CV_MSG_MAX_FDS];
	unsigned int before;
	size_t got = 0;
	char buf[8];

	open_pair();
	before = count_fds();
	for (unsigned int i = 0; i < CV_MSG_MAX_FDS; i++)
		many[i] = null;
	/* where none are taken */
	ck_assert_int_eq(put("1", 1, many, 1), 0);
	ck_assert_int_eq(cv_msg_recv(b, buf, 1, NULL, soon()), -EBADMSG);
	/* not with the first bytes */
	ck_assert_int_eq(put("1", 1, NULL, 0), 0);
	ck_assert_int_eq(cv_msg_recv_some(b, buf, 2, &got, &fds), 0);
	ck_assert_int_eq(put("2", 1, many, 1), 0);
	ck_assert_int_eq(cv_msg_recv_some(b, buf, 2, &got, &fds), -EBADMSG);
	ck_assert_uint_eq(fds.n, 0);
	/* as many as there may be, and all of them are closed after a fault behind them */
	ck_assert_int_eq(put("1234", 4, many, CV_MSG_MAX_FDS), 0);
	ck_assert_int_eq(cv_msg_recv(b, buf, 8, &fds, cv_msg_deadline(20)), -ETIMEDOUT);
	ck_assert_uint_eq(fds.n, 0);
	ck_assert_uint_eq(count_fds(), before);
	close(null);
	close_pair();
}
END_TEST

/* More than a message may carry, by somebody who does not use our call. */
START_TEST(too_many)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(100 * sizeof(int))];
	} c = { 0 };
	struct iovec iov = { .iov_base = (char[]){ "x" }, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = c.space,
			    .msg_controllen = sizeof(c.space) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	struct cv_msg_fds fds = { 0 };
	unsigned int before;
	char buf[1];

	open_pair();
	before = count_fds();
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(100 * sizeof(int));
	for (unsigned int i = 0; i < 100; i++)
		memcpy(CMSG_DATA(h) + i * sizeof(int), &a, sizeof(a));
	ck_assert_int_eq(sendmsg(a, &m, 0), 1);
	ck_assert_int_eq(cv_msg_recv(b, buf, 1, &fds, soon()), -EBADMSG);
	ck_assert_uint_eq(fds.n, 0);
	ck_assert_uint_eq(count_fds(), before);
	close_pair();
}
END_TEST

START_TEST(ends)
{
	struct cv_msg_fds fds = { 0 };
	size_t got = 0;
	char buf[4];

	open_pair();
	ck_assert_int_eq(cv_msg_recv_some(b, buf, 4, &got, &fds), 0);
	ck_assert_int_eq(cv_msg_recv(b, buf, 4, NULL, cv_msg_deadline(5)), -ETIMEDOUT);
	ck_assert_int_eq(put("12", 2, NULL, 0), 0);
	ck_assert_int_eq(cv_msg_recv_some(b, buf, 4, &got, &fds), 0);
	ck_assert_uint_eq(got, 2);
	ck_assert_int_eq(put("34", 2, NULL, 0), 0);
	ck_assert_int_eq(cv_msg_recv_some(b, buf, 4, &got, &fds), 1);
	ck_assert_mem_eq(buf, "1234", 4);
	ck_assert_int_eq(put("1", 1, NULL, 0), 0);
	shutdown(a, SHUT_WR);
	ck_assert_int_eq(cv_msg_recv(b, buf, 2, NULL, soon()), -EBADMSG);
	ck_assert_int_eq(cv_msg_recv(b, buf, 2, NULL, soon()), -ENODATA);
	close(b);
	ck_assert_int_eq(put("1", 1, NULL, 0), -EPIPE); /* and no signal */
	close(a);
}
END_TEST

/* A reader that does not read costs the writer no more than the deadline. */
START_TEST(full)
{
	static char block[1 << 16];
	struct iovec iov;
	int err = 0;

	open_pair();
	for (unsigned int i = 0; i < 1000 && !err; i++) {
		iov = (struct iovec){ .iov_base = block, .iov_len = sizeof(block) };
		err = cv_msg_send(a, &iov, 1, NULL, 0, cv_msg_deadline(20));
	}
	ck_assert_int_eq(err, -ETIMEDOUT);
	close_pair();
}
END_TEST

START_TEST(frames)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct cv_msg_fds fds = { 0 };
	size_t len = 0;
	char buf[16];

	open_pair();
	ck_assert_int_eq(cv_msg_send_frame(a, "frame", 5, &null, 1, soon()), 0);
	ck_assert_int_eq(cv_msg_send_frame(a, NULL, 0, NULL, 0, soon()), 0);
	ck_assert_int_eq(cv_msg_send_frame(a, "a frame that is long", 20, &null, 1, soon()), 0);
	ck_assert_int_eq(cv_msg_recv_frame(b, buf, sizeof(buf), &len, &fds, soon()), 0);
	ck_assert_uint_eq(len, 5);
	ck_assert_mem_eq(buf, "frame", 5);
	ck_assert_uint_eq(fds.n, 1);
	cv_msg_fds_close(&fds);
	ck_assert_int_eq(cv_msg_recv_frame(b, buf, sizeof(buf), &len, &fds, soon()), 0);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(cv_msg_recv_frame(b, buf, sizeof(buf), &len, &fds, soon()), -EMSGSIZE);
	ck_assert_uint_eq(fds.n, 0);
	close(null);
	close_pair();
}
END_TEST

CHECK_MAIN("msg", whole, refused, too_many, ends, full, frames)
