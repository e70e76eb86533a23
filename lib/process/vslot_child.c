/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio device in a process of its own: one slot around front end, process and supervision. */
#include "process/vslot_child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/watchdog.h"
#include "vhost/user_frontend.h"
#include "virtio/virtio.h"

/* A process that dies again and again is not worth more tries: so many within so much time. */
#define MAX_RESTARTS	 5u
#define RESTART_WINDOW	 10000000000ull /* ns */
#define FRONTEND_TIMEOUT 2000u		/* ms */

struct cv_vslot_child {
	struct cv_vslot slot;
	struct cv_vslot_child_config config;
	struct cv_vslot *front;
	struct cv_process *child;
	struct cv_fd data; /* our end of the data socket, until the front end takes it */
	struct cv_watchdog watchdog;
	uint64_t window_begin; /* of the restarts counted in n_restarts */
	unsigned int n_restarts;
};

static struct cv_vslot_child *from_slot(struct cv_vslot *slot)
{
	return cv_container_of(slot, struct cv_vslot_child, slot);
}

static const char *name_of(const struct cv_vslot_child *s)
{
	return s->config.cls->name;
}

/* ---- the slot: all but control goes to the front end ---- */

static void child_config_read(struct cv_vslot *slot, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct cv_vslot *front = from_slot(slot)->front;

	front->ops->config_read(front, off, buf, len);
}

static void child_config_write(struct cv_vslot *slot, uint32_t off, const uint8_t *buf,
			       uint32_t len)
{
	struct cv_vslot *front = from_slot(slot)->front;

	front->ops->config_write(front, off, buf, len);
}

static int child_slot_start(struct cv_vslot *slot, uint64_t features,
			    const struct cv_vq_config *queues)
{
	struct cv_vslot *front = from_slot(slot)->front;

	int err = front->ops->start(front, features, queues);

	for (unsigned int i = 0; i < slot->n_queues && !err; i++)
		cv_watchdog_set(&from_slot(slot)->watchdog, i,
				queues[i].ready ? queues[i].kick_fd : -1);
	return err;
}

static void child_slot_stop(struct cv_vslot *slot, struct cv_vq_config *queues)
{
	struct cv_vslot *front = from_slot(slot)->front;

	for (unsigned int i = 0; i < slot->n_queues; i++)
		cv_watchdog_set(&from_slot(slot)->watchdog, i, -1);
	front->ops->stop(front, queues);
}

static void child_reset(struct cv_vslot *slot)
{
	struct cv_vslot *front = from_slot(slot)->front;

	front->ops->reset(front);
}

static void child_set_call(struct cv_vslot *slot, unsigned int index, int call_fd)
{
	struct cv_vslot *front = from_slot(slot)->front;

	front->ops->set_call(front, index, call_fd);
}

static void child_queue_stop(struct cv_vslot *slot, unsigned int index, struct cv_vq_config *q)
{
	struct cv_vslot *front = from_slot(slot)->front;

	if (index < slot->n_queues)
		cv_watchdog_set(&from_slot(slot)->watchdog, index, -1);
	front->ops->queue_stop(front, index, q);
}

static int child_queue_start(struct cv_vslot *slot, unsigned int index,
			     const struct cv_vq_config *q)
{
	struct cv_vslot *front = from_slot(slot)->front;

	int err = front->ops->queue_start(front, index, q);

	if (!err)
		cv_watchdog_set(&from_slot(slot)->watchdog, index, q->ready ? q->kick_fd : -1);
	return err;
}

static int child_control(struct cv_vslot *slot, const char *op, const char *args, char *reply,
			 size_t size, struct vm_error *e)
{
	struct cv_vslot_child *s = from_slot(slot);
	const struct cv_control *control;
	void *parsed = NULL;
	int err = cv_class_control_parse(s->config.cls, op, args, &control, &parsed, e);

	if (err)
		return err;
	cv_control_args_destroy(control, parsed);
	if (!s->child)
		return cv_err(e, -ENOTCONN, "%s: its process has died", name_of(s));
	return cv_process_control(s->child, op, args, reply, size, e);
}

static void front_event(struct cv_vslot *front, enum cv_vslot_event what)
{
	struct cv_vslot_child *s = front->transport;
	void (*event)(struct cv_vslot *, enum cv_vslot_event) =
		__atomic_load_n(&s->slot.event, __ATOMIC_ACQUIRE);

	if (event)
		event(&s->slot, what);
}

static void child_slot_destroy(struct cv_vslot *slot)
{
	cv_vslot_child_destroy(from_slot(slot));
}

static const struct cv_vslot_ops child_ops = {
	.config_read = child_config_read,
	.config_write = child_config_write,
	.start = child_slot_start,
	.stop = child_slot_stop,
	.reset = child_reset,
	.set_call = child_set_call,
	.queue_stop = child_queue_stop,
	.queue_start = child_queue_start,
	.control = child_control,
	.destroy = child_slot_destroy,
};

/* ---- processes ---- */

static void on_died(void *ctx, const char *why);

static void on_alive(void *ctx)
{
	struct cv_vslot_child *s = ctx;

	cv_watchdog_arm(&s->watchdog);
}

static void on_bark(struct cv_watchdog *w)
{
	struct cv_vslot_child *s = cv_container_of(w, struct cv_vslot_child, watchdog);

	if (s->child)
		cv_process_check(s->child);
}

static int start_child(struct cv_vslot_child *s, struct vm_error *e)
{
	const struct cv_process_config config = { .host = s->config.host,
						  .cls = s->config.cls,
						  .config = s->config.config,
						  .packed = s->config.packed,
						  .poll = s->config.poll,
						  .repeated = s->config.restart,
						  .memory = cv_mem_size(s->config.mem),
						  .loop = s->config.loop,
						  .log = s->config.log,
						  .died = on_died,
						  .alive = on_alive,
						  .ctx = s };
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		err = -errno;
		return cv_err_os(e, err, "%s: a socket cannot be made", name_of(s));
	}
	cv_fd_close(&s->data);
	cv_fd_set(&s->data, fds[0]);
	err = cv_process_start(&s->child, &config, fds[1], e);
	close(fds[1]);
	return err;
}

static void end_child(struct cv_vslot_child *s)
{
	cv_process_destroy(s->child);
	s->child = NULL;
}

static bool may_restart(struct cv_vslot_child *s)
{
	uint64_t now = cv_loop_now(s->config.loop);

	if (now - s->window_begin > RESTART_WINDOW) {
		s->window_begin = now;
		s->n_restarts = 0;
	}
	return s->config.restart && s->n_restarts++ < MAX_RESTARTS;
}

static int reconnect(struct cv_vslot_child *s, struct vm_error *e)
{
	int err = cv_vhost_frontend_reconnect(s->front, cv_fd_take(&s->data), e);

	return err ? cv_process_explain(s->child, err, e) : 0;
}

/* -ECHILD: the new process has ended before it could go on, and another one may fare better. */
static int restart(struct cv_vslot_child *s)
{
	struct vm_error e = { 0 };
	int err = start_child(s, &e) ?: cv_process_ready(s->child, &e) ?: reconnect(s, &e);

	if (!err) {
		cv_watchdog_arm(&s->watchdog);
		return 0;
	}
	cv_log_error(s->config.log, "%s: it cannot be started again: %.300s", name_of(s), e.text);
	if (s->child)
		cv_process_kill(s->child);
	end_child(s);
	return err;
}

static void on_died(void *ctx, const char *why)
{
	struct cv_vslot_child *s = ctx;
	int err = -ECHILD;

	cv_watchdog_disarm(&s->watchdog);
	cv_process_kill(s->child);
	end_child(s);
	/* its end may have been seen before that of its socket */
	cv_vhost_frontend_drop(s->front);
	while (err == -ECHILD && may_restart(s))
		err = restart(s);
	if (err)
		cv_vhost_frontend_give_up(s->front);
	cv_log_warn(s->config.log, "%s: its process has died, %s: %.200s", name_of(s),
		    err ? "the guest has lost the device" : "and a new one goes on", why);
	s->config.died(s->config.ctx, why, !err);
}

static void on_lost(void *ctx, struct cv_vslot *front CV_UNUSED, const char *why CV_UNUSED)
{
	struct cv_vslot_child *s = ctx;

	if (s->child)
		cv_process_suspect(s->child, "it did not answer, or answered nonsense");
}

/* ---- making and ending ---- */

int cv_vslot_child_create(struct cv_vslot_child **child, const struct cv_vslot_child_config *config,
			  struct vm_error *e)
{
	struct cv_vslot_child *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return cv_err(e, -ENOMEM, "%s: out of memory", config->cls->name);
	s->config = *config;
	s->watchdog.bark = on_bark;
	s->watchdog.loop = config->loop;
	err = cv_watchdog_init(&s->watchdog);
	err = err ? cv_err_os(e, err, "%s: its kicks cannot be watched", config->cls->name)
		  : start_child(s, e);
	if (err) {
		cv_vslot_child_destroy(s);
		return err;
	}
	*child = s;
	return 0;
}

static int connect_front(struct cv_vslot_child *s, struct vm_error *e)
{
	const struct cv_virtio_ops *ops = s->config.cls->virtio;
	const struct cv_vhost_frontend_config config = { .name = name_of(s),
							 .id = ops->id,
							 .config_len = ops->config_len,
							 .min_queues = 1,
							 .max_queues = ops->n_queues,
							 .queue_max = ops->queue_max,
							 .mem = s->config.mem,
							 .loop = s->config.loop,
							 .log = s->config.log,
							 .timeout_ms = FRONTEND_TIMEOUT,
							 .own_inflight = true,
							 .lost = on_lost,
							 .ctx = s };

	return cv_vhost_frontend_create(&s->front, &config, cv_fd_take(&s->data), e);
}

int cv_vslot_child_finish(struct cv_vslot_child *s, struct cv_vslot **slot, struct vm_error *e)
{
	int err = cv_process_ready(s->child, e);

	if (!err) {
		err = connect_front(s, e);
		err = err ? cv_process_explain(s->child, err, e) : 0;
	}
	if (err) {
		cv_vslot_child_destroy(s);
		return err;
	}
	s->slot = *s->front;
	s->slot.ops = &child_ops;
	s->front->transport = s;
	__atomic_store_n(&s->front->event, front_event, __ATOMIC_RELEASE);
	cv_watchdog_arm(&s->watchdog);
	*slot = &s->slot;
	return 0;
}

void cv_vslot_child_destroy(struct cv_vslot_child *s)
{
	if (!s)
		return;
	cv_watchdog_fini(&s->watchdog);
	/* the front end closes the socket, on which the device stops */
	cv_vslot_destroy(s->front);
	end_child(s);
	cv_fd_close(&s->data);
	free(s);
}

pid_t cv_vslot_child_pid(struct cv_vslot *slot)
{
	struct cv_vslot_child *s = from_slot(slot);

	return s->child ? cv_process_pid(s->child) : 0;
}
