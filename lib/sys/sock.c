/* SPDX-License-Identifier: BSD-3-Clause */
/* Unix stream sockets by path. */
#include "sys/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int fill_address(struct sockaddr_un *a, const char *path, struct vm_error *e)
{
	size_t len = strlen(path);

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len == 0)
		return cv_err(e, -EINVAL, "the path is empty, give that of a socket");
	if (len >= sizeof(a->sun_path))
		return cv_err(
			e, -ENAMETOOLONG,
			"%.40s...: the path is longer than the %zu bytes of a socket's, use a "
			"shorter one",
			path, sizeof(a->sun_path) - 1);
	memcpy(a->sun_path, path, len);
	return 0;
}

static int make_socket(int type, struct vm_error *e)
{
	int err, fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		return fd;
	err = -errno;
	return cv_err_os(e, err, "a socket cannot be made");
}

/* ---- connecting ---- */

static const char *connect_fault(int err)
{
	switch (-err) {
	case ENOENT:
	case ENOTDIR:
		return "does not exist, start the back end first or check the name";
	case ECONNREFUSED:
		return "is not listened to, start the back end first";
	case EAGAIN:
		return "is not answered, is the back end busy with another front end?";
	case EACCES:
	case EPERM:
		return "may not be used, change its permissions";
	case EPROTOTYPE:
		return "is a socket of another kind, name a stream socket";
	default:
		return NULL;
	}
}

static int fail_connect(const char *path, int err, struct vm_error *e)
{
	const char *fault = connect_fault(err);
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return cv_err(e, -ENOTSOCK, "%s is not a socket, name the back end's", path);
	if (fault)
		return cv_err(e, err, "%s %s", path, fault);
	return cv_err(e, err, "%s cannot be connected to: %s; check the name", path,
		      strerror(-err));
}

int cv_sock_connect(const char *path, unsigned int timeout_ms, struct vm_error *e)
{
	struct timeval wait = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	struct sockaddr_un a;
	CV_AUTO_FD int fd = -1;
	int ret, err = fill_address(&a, path, e);

	if (err)
		return err;
	fd = make_socket(SOCK_STREAM, e);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	do
		err = connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	while (err == -EINTR);
	if (err)
		return fail_connect(path, err, e);
	ret = fd;
	fd = -1;
	return ret;
}

static int sock_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int val;

	return getsockopt(fd, SOL_SOCKET, option, &val, &len) < 0 ? -1 : val;
}

int cv_sock_take(int fd, bool *listening, struct vm_error *e)
{
	int dup;

	if (fcntl(fd, F_GETFD) < 0)
		return cv_err(e, -EBADF, "descriptor %d is not open, pass one that is", fd);
	if (sock_option(fd, SO_DOMAIN) != AF_UNIX || sock_option(fd, SO_TYPE) != SOCK_STREAM)
		return cv_err(e, -ENOTSOCK, "descriptor %d is not a Unix stream socket, pass one",
			      fd);
	*listening = sock_option(fd, SO_ACCEPTCONN) == 1;
	dup = cv_fd_dup(fd);
	return dup < 0 ? cv_err(e, dup, "descriptor %d cannot be duplicated: %s", fd,
				strerror(-dup))
		       : dup;
}

/* ---- listening ---- */

/* Whether a socket's file has nobody behind it. A datagram socket asks, so that who does listen has
 * no connection from it: it is of the wrong type. */
static bool is_stale(const struct sockaddr_un *a)
{
	CV_AUTO_FD int fd = make_socket(SOCK_DGRAM, NULL);

	return fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 &&
	       errno == ECONNREFUSED;
}

static int bind_to(int fd, const struct sockaddr_un *a)
{
	return bind(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 ? -errno : 0;
}

static int fail_bind(const char *path, int err, struct vm_error *e)
{
	struct stat st;

	if (err != -EADDRINUSE)
		return cv_err(e, err, "%s cannot be made: %s; name a place that may be written",
			      path, strerror(-err));
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		return cv_err(e, -EADDRINUSE,
			      "%s is the socket of a running program, end that or use another name",
			      path);
	return cv_err(e, -EEXIST, "%s exists already and is not a socket, use another name", path);
}

static int bind_anew(int fd, const struct sockaddr_un *a, struct vm_error *e)
{
	int err = bind_to(fd, a);
	struct stat st;

	if (err == -EADDRINUSE && lstat(a->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    is_stale(a) && unlink(a->sun_path) == 0)
		err = bind_to(fd, a);
	return err ? fail_bind(a->sun_path, err, e) : 0;
}

int cv_listener_init(struct cv_listener *l, const char *path, struct vm_error *e)
{
	CV_AUTO_FREE char *copy = strdup(path);
	CV_AUTO_FD int fd = -1;
	struct sockaddr_un a;
	struct stat st;
	int err = copy ? fill_address(&a, path, e) : cv_err(e, -ENOMEM, "%s: out of memory", path);

	if (err)
		return err;
	fd = make_socket(SOCK_STREAM | SOCK_NONBLOCK, e);
	err = fd < 0 ? fd : bind_anew(fd, &a, e);
	if (err)
		return err;
	if (lstat(path, &st) < 0 || listen(fd, 8) < 0) {
		err = -errno;
		unlink(path);
		return cv_err(e, err, "%s cannot be listened at: %s", path, strerror(-err));
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->path = cv_steal(copy);
	cv_fd_set(&l->fd, fd);
	fd = -1;
	return 0;
}

void cv_listener_fini(struct cv_listener *l)
{
	struct stat st;

	if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	cv_fd_close(&l->fd);
	free(l->path);
	*l = (struct cv_listener){ 0 };
}
