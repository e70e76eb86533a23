/* SPDX-License-Identifier: BSD-3-Clause */
/* Unix stream sockets by path: connecting, and listening without taking anything of somebody
 * else's away. Sentences begin with the path. */
#ifndef CV_SYS_SOCK_H
#define CV_SYS_SOCK_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"
#include "sys/fd.h"

/* A connected socket, or -errno; waits for a listener with a full queue, at most @timeout_ms. */
int cv_sock_connect(const char *path, unsigned int timeout_ms, struct vm_error *e) CV_MUST_CHECK;

/* A duplicate of the caller's socket @fd, or -errno; *listening: whether it is to be accepted from. */
int cv_sock_take(int fd, bool *listening, struct vm_error *e) CV_MUST_CHECK;

/* A socket that listens, and its file. Zeroed is none. */
struct cv_listener {
	struct cv_fd fd;
	char *path; /* of the file that was made for it; NULL: none */
	dev_t dev;  /* which file that was */
	ino_t ino;
};

/* Listens at @path, where a socket may be that nobody has open any more, and nothing else. Does not
 * block afterwards. 0 or -errno. */
int cv_listener_init(struct cv_listener *l, const char *path, struct vm_error *e) CV_MUST_CHECK;

/* Stops listening and removes the file, if it is still the one that was made. */
void cv_listener_fini(struct cv_listener *l);

#endif
