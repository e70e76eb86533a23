/* SPDX-License-Identifier: BSD-3-Clause */
/* One end of a vhost-user socket that says what the test wants, for the other end to survive. */
#ifndef CV_TESTS_PEER_H
#define CV_TESTS_PEER_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/must.h"
#include "sys/fd.h"
#include "sys/loop.h"
#include "vhost/user_message.h"

static inline uint64_t soon(void)
{
	return cv_msg_deadline(5000);
}

static inline void socket_pair(int pair[2])
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
}

/* Sends header and payload as they are; whether the other end is still there. */
static inline bool say(int sock, uint32_t request, uint32_t flags, const void *payload,
		       uint32_t size, const int *fds, unsigned int n_fds)
{
	struct cv_vhost_msg m = { .h = { request, flags, size } };

	must(size <= sizeof(m.p));
	if (size > 0)
		memcpy(&m.p, payload, size);
	return cv_vhost_send(sock, &m, fds, n_fds, soon()) == 0;
}

/* A number of open descriptors, for leaks. */
static inline unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static inline int make_memfd(uint64_t len, unsigned int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	must(fd >= 0 && ftruncate(fd, (off_t)len) == 0);
	must(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

static inline void *loop_thread(void *arg)
{
	must(cv_loop_run(arg) == 0);
	return NULL;
}

#endif
