/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages over connected AF_UNIX stream sockets: whole or not at all, with
 * descriptors beside them, and never waiting past a deadline. The peer is not
 * trusted: descriptors that come where none is taken, too many of them, or cut
 * control data are refused, and every descriptor received is owned by the
 * caller's struct cv_msg_fds or closed.
 */
#ifndef CV_SYS_MSG_H
#define CV_SYS_MSG_H

#include <sys/uio.h>

#include "base/base.h"

#define CV_MSG_MAX_FDS 32 /* beside one message */

/* Descriptors received; owned. Zeroed is empty. */
struct cv_msg_fds {
	unsigned int n;
	int fd[CV_MSG_MAX_FDS]; /* CLOEXEC; -1: taken out */
};

/* Closes what is left. */
void cv_msg_fds_close(struct cv_msg_fds *fds);

/* Hands descriptor @i over to the caller; -1: there is none. */
int cv_msg_fds_take(struct cv_msg_fds *fds, unsigned int i);

/* The moment @ms milliseconds from now, as the calls below take it. */
uint64_t cv_msg_deadline(unsigned int ms);

/*
 * Sends all bytes of @iov (changed by this), the descriptors with the first one.
 * 0; -ETIMEDOUT at the deadline; -EPIPE when the peer has gone (no signal); or
 * the system's error. After a failure the stream is out of step: give it up.
 */
int cv_msg_send(int sock, struct iovec *iov, unsigned int n_iov, const int *fds, unsigned int n_fds,
		uint64_t deadline) CV_MUST_CHECK;

/*
 * Receives exactly @len bytes. Descriptors are taken only with the bytes that are
 * received first, and only if @fds is not NULL (it is empty before). 0; -ENODATA
 * when the peer closed before the first byte; -EBADMSG when it closed in the middle
 * or sent descriptors it should not; -EMFILE when this process can take no more of them;
 * -ETIMEDOUT; or the system's error. On failure @fds is empty.
 */
int cv_msg_recv(int sock, void *buf, size_t len, struct cv_msg_fds *fds,
		uint64_t deadline) CV_MUST_CHECK;

/*
 * The same without waiting, for event loops: continues at *got, which counts up
 * to @len. 1 when complete, 0 when more is to come, or an error as above.
 */
int cv_msg_recv_some(int sock, void *buf, size_t len, size_t *got,
		     struct cv_msg_fds *fds) CV_MUST_CHECK;

/*
 * Frames: a length (32 bits, little-endian) and that many bytes. Receiving
 * stores the length in *len; -EMSGSIZE for a frame longer than @size.
 */
int cv_msg_send_frame(int sock, const void *data, uint32_t len, const int *fds, unsigned int n_fds,
		      uint64_t deadline) CV_MUST_CHECK;
int cv_msg_recv_frame(int sock, void *buf, size_t size, size_t *len, struct cv_msg_fds *fds,
		      uint64_t deadline) CV_MUST_CHECK;

#endif
