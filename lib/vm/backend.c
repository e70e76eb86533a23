/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices for other VMMs: who listens, and a process (or none) for each connection. */
#include <crosvm/backend.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/sock.h"
#include "vhost/user_backend.h"
#include "vm/vm.h"

#define POLL_NS 40000u

struct vm_backend {
	const struct cv_class *cls;
	void *config; /* of the class */
	struct cv_virtio_common common;
	struct cv_vm_host host;
	bool sandbox, once;
	struct cv_log log;
	struct cv_loop *loop;
	struct cv_fd stop; /* an eventfd */
	struct cv_listener listener;
	struct cv_fd connected; /* the only connection there is to be */
	struct cv_watch listen_watch, stop_watch;
	struct cv_process *process; /* of the connection being served */
	/* or, for all connections, in this process: */
	struct cv_vhost_backend *backend;
	struct cv_vslot *slot;
	struct vm_error *e; /* the runner's */
	int result;
};

static const struct cv_opt common_opts[] = {
	{ .name = "packed",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct cv_virtio_common, packed),
	  .dflt = true,
	  .help = "offer packed virtqueues" },
	{ .name = "poll",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct cv_virtio_common, poll),
	  .dflt = true,
	  .help = "look at busy queues for a moment before sleeping" },
	CV_OPT_END,
};

/* ---- the end of a connection, and the next ---- */

static void finish(struct vm_backend *b, int result)
{
	b->result = result;
	cv_loop_stop(b->loop);
}

static bool is_last(const struct vm_backend *b)
{
	return b->once || cv_fd_get(&b->listener.fd) < 0;
}

static void next(struct vm_backend *b, int result)
{
	if (is_last(b))
		finish(b, result);
	else
		cv_watch_modify(&b->listen_watch, EPOLLIN);
}

static void end_process(struct vm_backend *b)
{
	cv_process_destroy(b->process);
	b->process = NULL;
}

static void on_died(void *ctx, const char *why)
{
	struct vm_backend *b = ctx;
	int err = 0;

	if (why && is_last(b))
		err = cv_err(b->e, -ECHILD, "%s: its process has died: %s", b->cls->name, why);
	else if (why)
		cv_log_error(&b->log, "%s: its process has died: %s", b->cls->name, why);
	end_process(b);
	next(b, err);
}

static void on_closed(void *ctx, const char *why CV_UNUSED)
{
	struct vm_backend *b = ctx;

	b->slot->ops->reset(b->slot);
	next(b, 0);
}

/* ---- serving ---- */

/* Leaves @fd to its owner. */
static int start_process(struct vm_backend *b, int fd, struct vm_error *e)
{
	const struct cv_process_config config = { .host = &b->host.process,
						  .cls = b->cls,
						  .config = b->config,
						  .packed = b->common.packed,
						  .poll = b->common.poll,
						  .foreign = true,
						  .repeated = true,
						  .loop = b->loop,
						  .log = &b->log,
						  .died = on_died,
						  .ctx = b };
	int err = cv_process_start(&b->process, &config, fd, e) ?: cv_process_ready(b->process, e);

	if (err)
		end_process(b);
	return err;
}

static int serve(struct vm_backend *b, int fd, struct vm_error *e)
{
	int err;

	if (!b->sandbox)
		return cv_vhost_backend_serve(b->backend, fd, e);
	err = start_process(b, fd, e);
	close(fd);
	return err;
}

static void on_connect(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct vm_backend *b = cv_container_of(w, struct vm_backend, listen_watch);
	int err, fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	struct vm_error e = { 0 };

	if (fd < 0) {
		err = -errno;
		if (err != -EAGAIN && err != -ECONNABORTED && err != -EINTR)
			finish(b, cv_err(b->e, err, "%s: a front end cannot be accepted: %s",
					 b->cls->name, strerror(-err)));
		return;
	}
	cv_watch_modify(w, 0);
	err = serve(b, fd, &e);
	if (!err)
		return;
	cv_log_error(&b->log, "%.480s", e.text);
	if (is_last(b))
		cv_err(b->e, err, "%s: the front end could not be served", b->cls->name);
	next(b, err);
}

static void on_stop(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct vm_backend *b = cv_container_of(w, struct vm_backend, stop_watch);

	cv_event_drain(w->fd);
	finish(b, 0);
}

/* ---- running ---- */

/* Whether a process can be made of it at all, found out before a front end waits for it. */
static int try_process(struct vm_backend *b, struct vm_error *e)
{
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		err = -errno;
		return cv_err_os(e, err, "%s: a socket cannot be made", b->cls->name);
	}
	err = start_process(b, fds[1], e);
	end_process(b);
	close(fds[0]);
	close(fds[1]);
	/* that code is for the end of a connection's */
	return err == -ECHILD ? cv_err_prefix(e, -EPROTO, "nothing can be served") : err;
}

static int make_local(struct vm_backend *b, struct vm_error *e)
{
	const struct cv_vhost_backend_config config = {
		.name = b->cls->name, .loop = b->loop, .log = &b->log, .closed = on_closed, .ctx = b
	};
	const struct cv_vslot_local_config local = { .packed = b->common.packed,
						     .poll = b->common.poll };
	struct cv_env env = { .loop = b->loop, .log = &b->log };
	int err = cv_vhost_backend_create(&b->backend, &config, e);

	if (err)
		return err;
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		cv_loop_set_poll_time(b->loop, POLL_NS);
	env.mem = cv_vhost_backend_mem(b->backend);
	err = cv_vslot_local_create(&b->slot, b->cls, &env, b->config, &local, e);
	if (!err)
		cv_vhost_backend_set_slot(b->backend, b->slot);
	return err;
}

static int watch(struct vm_backend *b, struct vm_error *e)
{
	int listener = cv_fd_get(&b->listener.fd);
	int err = cv_watch_add(b->loop, &b->stop_watch, cv_fd_get(&b->stop), EPOLLIN);

	if (!err && listener >= 0)
		err = cv_watch_add(b->loop, &b->listen_watch, listener, EPOLLIN);
	return err ? cv_err(e, err, "%s: its socket cannot be watched: %s", b->cls->name,
			    strerror(-err))
		   : 0;
}

static int begin(struct vm_backend *b, struct vm_error *e)
{
	int err = b->sandbox ? try_process(b, e) : make_local(b, e);

	err = err ?: watch(b, e);
	if (!err && cv_fd_get(&b->listener.fd) < 0) {
		if (cv_fd_get(&b->connected) < 0)
			return cv_err(e, -ENOTCONN, "%s: its connection has ended already",
				      b->cls->name);
		err = serve(b, cv_fd_take(&b->connected), e);
	}
	return err;
}

static void end(struct vm_backend *b)
{
	cv_watch_remove(&b->listen_watch);
	cv_watch_remove(&b->stop_watch);
	end_process(b);
	if (b->backend) {
		cv_vhost_backend_close(b->backend);
		cv_vhost_backend_set_slot(b->backend, NULL);
	}
	cv_vslot_destroy(b->slot);
	cv_vhost_backend_destroy(b->backend);
	b->slot = NULL;
	b->backend = NULL;
}

int vm_backend_run(struct vm_backend *b, struct vm_error *error)
{
	int err;

	b->e = error;
	b->result = 0;
	err = begin(b, error);
	if (!err) {
		err = cv_loop_run(b->loop);
		if (err)
			cv_err(error, err, "%s: its loop ends: %s", b->cls->name, strerror(-err));
		err = err ?: b->result;
	}
	end(b);
	return err;
}

void vm_backend_stop(struct vm_backend *b)
{
	cv_event_signal(cv_fd_get(&b->stop));
}

/* ---- making ---- */

static int find_class(struct vm_backend *b, const char *type, struct vm_error *e)
{
	b->cls = type ? cv_class_find(type) : NULL;
	if (b->cls && b->cls->virtio)
		return 0;
	return cv_err(
		e, -EINVAL,
		"device type '%s' cannot be served, name a virtio device that 'crosvm devices' "
		"lists",
		type ? type : "");
}

static int configure(struct vm_backend *b, const char *options, struct vm_error *e)
{
	const struct cv_vm_text text = { .cls = b->cls,
					 .common_opts = common_opts,
					 .vm_opts = cv_vm_common_opts(b->cls),
					 .options = options };
	int err = cv_vm_configure_text(&text, &b->common, &b->config, e);

	if (!err && b->cls->check)
		err = b->cls->check(b->config, UINT64_MAX, e); /* a guest of unknown size */
	return err;
}

static int take_host(struct vm_backend *b, const struct vm_backend_config *c, struct vm_error *e)
{
	const struct vm_config config = { .sandbox = c->sandbox,
					  .sandbox_mechanisms = c->sandbox_mechanisms,
					  .seccomp_policy_dir = c->seccomp_policy_dir,
					  .seccomp_log_failures = c->seccomp_log_failures,
					  .device_program = c->device_program };

	b->log = (struct cv_log){ .sink = c->log, .user = c->log_user, .level = c->log_level };
	b->once = c->once;
	b->sandbox = c->sandbox != VM_SANDBOX_OFF;
	return cv_vm_host_init(&b->host, &config, &b->log, e);
}

/* The number in "/dev/fd/N", or -1. */
static int named_fd(const char *path)
{
	static const char prefix[] = "/dev/fd/";
	uint64_t fd;

	if (strncmp(path, prefix, strlen(prefix)) != 0 || cv_str_u64(path + strlen(prefix), &fd) ||
	    fd >= INT32_MAX)
		return -1;
	return (int)fd;
}

static int open_socket(struct vm_backend *b, const char *path, struct vm_error *e)
{
	bool listening = false;
	int fd, given;

	if (!path)
		return cv_err(e, -EINVAL, "socket: none is given, name one");
	given = named_fd(path);
	if (given < 0)
		fd = cv_listener_init(&b->listener, path, e);
	else
		fd = cv_sock_take(given, &listening, e);
	if (fd < 0)
		return cv_err_prefix(e, fd, "socket");
	if (given >= 0)
		cv_fd_set(listening ? &b->listener.fd : &b->connected, fd);
	/* who else has it may accept first */
	return listening ? cv_fd_set_nonblock(fd, true) : 0;
}

static int make_loop(struct vm_backend *b, struct vm_error *e)
{
	int fd, err = cv_loop_create(&b->loop, e);

	if (err)
		return err;
	fd = cv_event_create();
	if (fd < 0)
		return cv_err_os(e, fd, "%s: its eventfd cannot be made", b->cls->name);
	cv_fd_set(&b->stop, fd);
	b->listen_watch.fn = on_connect;
	b->stop_watch.fn = on_stop;
	return 0;
}

int vm_backend_create(const char *type, const char *options, const struct vm_backend_config *config,
		      struct vm_backend **backend, struct vm_error *error)
{
	struct vm_backend *b = calloc(1, sizeof(*b));
	struct vm_backend_config c = { 0 };
	int err = b ? 0 : cv_err(error, -ENOMEM, "the back end: out of memory");

	if (err)
		return err;
	err = cv_vm_take(&c, config, sizeof(c), "the back end's configuration", error);
	err = err ?: find_class(b, type, error) ?: take_host(b, &c, error);
	err = err ?: configure(b, options, error) ?: make_loop(b, error);
	err = err ?: open_socket(b, c.socket, error);
	if (err) {
		vm_backend_destroy(b);
		return err;
	}
	*backend = b;
	return 0;
}

void vm_backend_destroy(struct vm_backend *b)
{
	if (!b)
		return;
	cv_listener_fini(&b->listener);
	cv_fd_close(&b->connected);
	cv_fd_close(&b->stop);
	cv_loop_destroy(b->loop);
	if (b->config)
		cv_class_config_destroy(b->cls, b->config);
	cv_vm_host_fini(&b->host);
	free(b);
}
