/* SPDX-License-Identifier: BSD-3-Clause */
/* The back end's own state, carried without knowing what is in it: SET_DEVICE_STATE_FD. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/math.h"
#include "vhost/frontend_impl.h"

#define MAX_STATE (64u << 20)
#define CHUNK	  65536u
#define STATE_MS  30000u /* for a whole state, however it trickles */

/* A pipe, a socket or a file in memory: a read of anything else could last as long as the peer
 * likes. */
static bool reads_at_once(int fd)
{
	struct stat st;

	return fcntl(fd, F_GET_SEALS) >= 0 ||
	       (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)));
}

/* A pipe, of which one end is given away; the peer may offer a descriptor of its own instead, which
 * then is *fd. 0 or -errno. */
static int begin(struct cv_vhost_frontend *f, uint32_t direction, int *fd)
{
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_SET_DEVICE_STATE_FD,
					 .size = sizeof(m.p.transfer) },
				  .p.transfer.direction = direction };
	bool save = direction == CV_VHOST_STATE_SAVE;
	int ends[2], err;

	if (!(f->pf & CV_VHOST_PF_DEVICE_STATE))
		return -EOPNOTSUPP;
	if (f->started)
		return -EBUSY;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	err = cv_vhost_ask(f, &m, &ends[save ? 1 : 0], 1, false);
	cv_close_fd_ptr(&ends[save ? 1 : 0]);
	*fd = ends[save ? 0 : 1];
	if (err)
		return err;
	if (m.p.u64 & CV_VHOST_INDEX_MASK)
		err = -EREMOTEIO;
	else if (!(m.p.u64 & CV_VHOST_NO_FD) && m.fds.n == 1) {
		cv_close_fd_ptr(fd);
		*fd = cv_msg_fds_take(&m.fds, 0);
		err = reads_at_once(*fd) ? 0 : -EPROTO;
	}
	cv_msg_fds_close(&m.fds);
	return err ?: cv_fd_set_nonblock(*fd, true);
}

static int check(struct cv_vhost_frontend *f)
{
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_CHECK_DEVICE_STATE } };
	int err = cv_vhost_ask(f, &m, NULL, 0, false);

	return err ?: m.p.u64 == 0 ? err : -EREMOTEIO;
}

static int wait_for(struct cv_vhost_frontend *f, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (cv_msg_deadline(0) >= f->deadline)
		return -ETIMEDOUT;
	return poll(&p, 1, (int)f->config.timeout_ms) == 0 ? -ETIMEDOUT : 0;
}

static int read_all(struct cv_vhost_frontend *f, int fd, struct cv_buf *out)
{
	CV_AUTO_FREE uint8_t *chunk = malloc(CHUNK);
	int err = chunk ? 0 : -ENOMEM;
	size_t total = 0;

	while (!err) {
		ssize_t n = read(fd, chunk, CHUNK);

		if (n == 0)
			return out->failed ? -ENOMEM : 0;
		if (n < 0)
			err = errno == EAGAIN  ? wait_for(f, fd, POLLIN)
			      : errno == EINTR ? 0
					       : -errno;
		else
			cv_buf_put(out, chunk, (size_t)n);
		total += n > 0 ? (size_t)n : 0;
		if (total > MAX_STATE)
			err = -EFBIG;
	}
	return err;
}

static int tell_result(struct cv_vhost_frontend *f, int err, const char *what, struct vm_error *e)
{
	if (err == -EOPNOTSUPP)
		return cv_err(e, err, "%s: the back end has no state of its own to %s",
			      f->config.name, what);
	return err ? cv_err(e, err, "%s: the back end's state cannot be %sd", f->config.name, what)
		   : 0;
}

int cv_vhost_frontend_save(struct cv_vslot *slot, struct cv_buf *out, struct vm_error *e)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);
	CV_AUTO_FD int fd = -1;
	int err;

	cv_vhost_enter(f);
	f->deadline = cv_msg_deadline(STATE_MS);
	err = begin(f, CV_VHOST_STATE_SAVE, &fd);
	err = err ?: read_all(f, fd, out);
	err = err ?: check(f);
	pthread_mutex_unlock(&f->lock);
	return tell_result(f, err, "save", e);
}

/*
 * A peer that closes its end of a pipe early would raise SIGPIPE, which belongs to
 * the application: blocked here, and taken back if it came.
 */
static int write_all(struct cv_vhost_frontend *f, int fd, const uint8_t *data, size_t len)
{
	int err = 0;

	while (len > 0 && !err) {
		ssize_t n = write(fd, data, cv_min(len, (size_t)CHUNK));

		if (n < 0)
			err = errno == EAGAIN  ? wait_for(f, fd, POLLOUT)
			      : errno == EINTR ? 0
					       : -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return err;
}

static int write_quietly(struct cv_vhost_frontend *f, int fd, const void *data, size_t len)
{
	const struct timespec now = { 0 };
	sigset_t pipe, before, pending;
	int err;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	err = write_all(f, fd, data, len);
	if (err == -EPIPE && !sigismember(&pending, SIGPIPE))
		cv_ignore(sigtimedwait(&pipe, NULL, &now)); /* one of other threads' stays */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

int cv_vhost_frontend_load(struct cv_vslot *slot, const void *data, size_t len, struct vm_error *e)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);
	CV_AUTO_FD int fd = -1;
	int err;

	cv_vhost_enter(f);
	f->deadline = cv_msg_deadline(STATE_MS);
	err = begin(f, CV_VHOST_STATE_LOAD, &fd);
	err = err ?: write_quietly(f, fd, data, len);
	cv_close_fd_ptr(&fd); /* the end of the state */
	err = err ?: check(f);
	pthread_mutex_unlock(&f->lock);
	return tell_result(f, err, "load", e);
}
