/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a device process: it is told what it is, enters its jail, makes
 * the device, closes the jail for good and serves vhost-user, or registers, until
 * its parent ends it or goes away.
 */
#include "process/device_main.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <crosvm/device.h>
#include <crosvm/version.h>

#include "base/endian.h"
#include "process/protocol.h"
#include "process/regs_server.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"
#include "sys/fd.h"
#include "sys/loop.h"
#include "sys/thread.h"
#include "vhost/user_backend.h"
#include "virtio/vslot_local.h"

#define START_MS  10000u /* how long the parent may take to tell what is to be done */
#define ANSWER_MS 2000u
#define POLL_NS	  40000ull

struct device {
	pthread_mutex_t send_lock; /* messages come from any thread */
	int control;
	struct cv_start_frame start;
	struct cv_msg_fds fds; /* the data socket, then the files */
	const struct cv_class *cls;
	void *config;
	struct cv_log log;
	struct cv_loop *loop;
	struct cv_vhost_backend *backend;
	struct cv_vslot *slot;
	struct cv_regs_server *regs; /* instead of these two */
	struct cv_watch watch;	     /* of the control socket */
	uint8_t *frame;
};

/* ---- to the parent ---- */

static int send_frame(struct device *d, struct cv_buf *b, const int *fds, unsigned int n_fds)
{
	int err = b->failed ? -ENOMEM : 0;

	pthread_mutex_lock(&d->send_lock);
	err = err
		      ?: cv_msg_send_frame(d->control, b->data, (uint32_t)b->len, fds, n_fds,
					   cv_msg_deadline(ANSWER_MS));
	pthread_mutex_unlock(&d->send_lock);
	cv_buf_fini(b);
	return err;
}

static int send_result(struct device *d, enum cv_process_frame type, int result, const char *text)
{
	struct cv_buf b = { 0 };

	cv_frame_put_result(&b, type, result, text);
	return send_frame(d, &b, NULL, 0);
}

static void log_to_parent(void *user, enum vm_log_level level, const char *text)
{
	struct cv_buf b = { 0 };

	cv_frame_begin(&b, CV_PROCESS_LOG);
	cv_buf_u8(&b, (uint8_t)level);
	cv_frame_text(&b, text);
	cv_ignore(send_frame(user, &b, NULL, 0)); /* a parent that does not listen misses it */
}

/* ---- from the parent ---- */

static int control(struct device *d, const char *op, const char *args, char *reply, size_t size,
		   struct vm_error *e)
{
	struct cv_rslot *rslot = d->regs ? cv_regs_server_slot(d->regs) : NULL;

	return rslot ? rslot->ops->control(rslot, op, args, reply, size, e)
		     : d->slot->ops->control(d->slot, op, args, reply, size, e);
}

static void on_control(struct device *d, struct cv_frame *f)
{
	uint32_t room = cv_frame_u32(f);
	const char *op = cv_frame_get_text(f), *args = cv_frame_get_text(f);
	char reply[CV_PROCESS_REPLY_MAX] = "";
	struct vm_error e = { 0 };
	int result;

	if (!cv_frame_ended(f) || room == 0 || room > sizeof(reply)) {
		cv_loop_stop(d->loop);
		return;
	}
	result = control(d, op, args, reply, room, &e);
	if (send_result(d, CV_PROCESS_DONE, result, result < 0 ? e.text : reply))
		cv_loop_stop(d->loop);
}

static void on_ping(struct device *d)
{
	struct cv_buf alive = { 0 };

	cv_frame_begin(&alive, CV_PROCESS_ALIVE);
	if (send_frame(d, &alive, NULL, 0))
		cv_loop_stop(d->loop);
}

/* The parent is trusted to send whole frames. */
static void on_frame(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct device *d = cv_container_of(w, struct device, watch);
	struct cv_frame f = { .data = d->frame };
	int err = cv_msg_recv_frame(d->control, d->frame, CV_PROCESS_FRAME_MAX, &f.len, NULL,
				    cv_msg_deadline(ANSWER_MS));

	switch (err ? 0 : cv_frame_u8(&f)) {
	case CV_PROCESS_CONTROL:
		on_control(d, &f);
		break;
	case CV_PROCESS_PING:
		on_ping(d);
		break;
	default: /* told to end, or the parent has gone */
		cv_loop_stop(d->loop);
	}
}

static int receive_start(struct device *d, struct vm_error *e)
{
	struct cv_frame f = { .data = d->frame };
	int err = cv_msg_recv_frame(d->control, d->frame, CV_PROCESS_FRAME_MAX, &f.len, &d->fds,
				    cv_msg_deadline(START_MS));

	if (!err && cv_frame_u8(&f) != CV_PROCESS_START)
		err = -EBADMSG;
	err = err ?: cv_frame_get_start(&f, &d->start);
	if (!err && d->fds.n != 1 + d->start.n_files)
		err = -EBADMSG;
	if (err)
		return cv_err(e, err, "crosvm-device: it was not told what to do");
	if (strcmp(d->start.version, VM_VERSION_STRING) != 0)
		return cv_err(e, -EPROTO,
			      "crosvm-device: this is version %s and cannot serve version %s; "
			      "install both from one build",
			      VM_VERSION_STRING, d->start.version);
	return 0;
}

/* ---- the device ---- */

/* What was received has taken the numbers behind the control socket's, one by one. */
static int enter_jail(struct device *d, struct vm_error *e)
{
	unsigned int n = (unsigned int)d->control + 1;

	for (unsigned int i = 0; i < d->fds.n; i++)
		if (d->fds.fd[i] != (int)(n + i))
			return cv_err(e, -EBADF, "%s: its descriptors are not where they should be",
				      d->start.cls);
	return cv_sandbox_enter(&d->start.jail, n + d->fds.n, e);
}

static int take_config(struct device *d, struct vm_error *e)
{
	int err;

	d->cls = cv_class_find(d->start.cls);
	if (!d->cls)
		return cv_err(e, -EINVAL, "%s: this program has no such device", d->start.cls);
	for (unsigned int i = 0; i < d->start.n_files; i++)
		d->start.files[i].fd = d->fds.fd[1 + i];
	err = cv_class_config_unpack(d->cls, d->start.options, d->start.files, d->start.n_files,
				     &d->config, e);
	/* the configuration owns them now */
	for (unsigned int i = 0; i < d->start.n_files && !err; i++)
		cv_ignore(cv_msg_fds_take(&d->fds, 1 + i));
	return err;
}

/* What the VM's process says may not be said: it will see the end of this one. */
static void on_regs_closed(void *ctx, const char *why)
{
	struct device *d = ctx;

	if (why)
		cv_loop_stop(d->loop);
}

static int make_regs(struct device *d, struct vm_error *e)
{
	const struct cv_regs_server_config config = { .cls = d->cls,
						      .config = d->config,
						      .memory = d->start.memory,
						      .loop = d->loop,
						      .log = &d->log,
						      .closed = on_regs_closed,
						      .ctx = d };

	return cv_regs_server_create(&d->regs, &config, e);
}

/* A foreign front end brings its next connection to another process. */
static void on_closed(void *ctx, const char *why CV_UNUSED)
{
	struct device *d = ctx;

	if (d->start.foreign)
		cv_loop_stop(d->loop);
}

static int make_virtio(struct device *d, struct vm_error *e)
{
	const struct cv_vhost_backend_config config = { .name = d->cls->name,
							.loop = d->loop,
							.log = &d->log,
							.sealed = !d->start.foreign,
							.closed = on_closed,
							.ctx = d };
	const struct cv_vslot_local_config local = { .packed = d->start.packed,
						     .poll = d->start.poll };
	struct cv_env env = { .memory = d->start.memory,
			      .repeated = d->start.repeated,
			      .loop = d->loop,
			      .log = &d->log };
	int err = cv_vhost_backend_create(&d->backend, &config, e);

	if (err)
		return err;
	env.mem = cv_vhost_backend_mem(d->backend);
	err = cv_vslot_local_create(&d->slot, d->cls, &env, d->config, &local, e);
	if (err)
		return err;
	cv_vhost_backend_set_slot(d->backend, d->slot);
	return d->start.foreign ? cv_vhost_backend_reserve(d->backend, e) : 0;
}

static int make_device(struct device *d, struct vm_error *e)
{
	return d->cls->regs ? make_regs(d, e) : make_virtio(d, e);
}

static int serve(struct device *d, struct vm_error *e)
{
	int data = cv_msg_fds_take(&d->fds, 0);

	return d->regs ? cv_regs_server_serve(d->regs, data, e)
		       : cv_vhost_backend_serve(d->backend, data, e);
}

static int make_loop(struct device *d, struct vm_error *e)
{
	int err = cv_loop_create(&d->loop, e);

	if (err)
		return err;
	cv_loop_set_poll_time(d->loop, POLL_NS);
	d->watch.fn = on_frame;
	err = cv_watch_add(d->loop, &d->watch, d->control, EPOLLIN);
	return err ? cv_err(e, err, "%s: its parent cannot be listened to: %s", d->start.cls,
			    strerror(-err))
		   : 0;
}

/* The parent's from now on: in this process nobody may have it. */
static int send_listener(struct device *d, int listener)
{
	struct cv_buf b = { 0 };
	int err;

	cv_frame_begin(&b, CV_PROCESS_SEALED);
	err = send_frame(d, &b, &listener, 1);
	close(listener);
	return err;
}

static int close_jail(struct device *d, struct vm_error *e)
{
	struct cv_seccomp filter = { .n = (uint16_t)d->start.n_filter };
	int err, listener;

	filter.insns = malloc(filter.n * sizeof(*filter.insns) + 1);
	if (!filter.insns)
		return cv_err(e, -ENOMEM, "%s: out of memory", d->start.cls);
	if (filter.n > 0)
		memcpy(filter.insns, d->start.filter, filter.n * sizeof(*filter.insns));
	err = cv_sandbox_seal(&d->start.jail, &filter, &listener, e);
	cv_seccomp_fini(&filter);
	if (!err && listener >= 0)
		err = send_listener(d, listener);
	return err;
}

/* For ps and top: "crosvm-block". */
static void take_name(const struct device *d)
{
	char name[16];

	snprintf(name, sizeof(name), "crosvm-%s", d->start.cls);
	cv_thread_set_name(name);
}

/* The start frame stays in d->frame until the jail is closed. */
static int set_up(struct device *d, struct vm_error *e)
{
	int err = receive_start(d, e) ?: enter_jail(d, e);

	if (err)
		return err;
	take_name(d);
	d->log = (struct cv_log){ .sink = log_to_parent,
				  .user = d,
				  .level = (enum vm_log_level)d->start.log_level };
	err = make_loop(d, e) ?: take_config(d, e) ?: make_device(d, e) ?: close_jail(d, e);
	return err ?: serve(d, e);
}

static void tear_down(struct device *d)
{
	cv_watch_remove(&d->watch);
	if (d->backend) {
		cv_vhost_backend_close(d->backend);
		cv_vhost_backend_set_slot(d->backend, NULL);
	}
	cv_vslot_destroy(d->slot);
	cv_vhost_backend_destroy(d->backend);
	if (d->regs)
		cv_regs_server_close(d->regs);
	cv_regs_server_destroy(d->regs);
	if (d->config)
		cv_class_config_destroy(d->cls, d->config);
	cv_loop_destroy(d->loop);
	cv_msg_fds_close(&d->fds);
	free(d->frame);
	pthread_mutex_destroy(&d->send_lock);
}

int cv_device_main(int control)
{
	struct device d = { .control = control };
	struct vm_error e = { 0 };
	struct cv_buf ready = { 0 };
	int err;

	/* one arena: each further one would reserve 64 MiB of address space */
	mallopt(M_ARENA_MAX, 1);
	pthread_mutex_init(&d.send_lock, NULL);
	d.frame = malloc(CV_PROCESS_FRAME_MAX);
	err = d.frame ? set_up(&d, &e) : cv_err(&e, -ENOMEM, "crosvm-device: out of memory");
	if (err) {
		cv_ignore(send_result(&d, CV_PROCESS_FAILED, err, e.text));
	} else {
		cv_frame_begin(&ready, CV_PROCESS_READY);
		err = send_frame(&d, &ready, NULL, 0) ?: cv_loop_run(d.loop);
	}
	tear_down(&d);
	return err ? 1 : 0;
}

int vm_device_main(int argc, char **argv)
{
	if (argc != 2 || strncmp(argv[1], CV_PROCESS_ARG, strlen(CV_PROCESS_ARG)) != 0)
		return -1;
	return cv_device_main(CV_PROCESS_CONTROL_FD);
}
