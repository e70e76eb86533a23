/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front end of vhost-user: the slot and its life. Its calls come from vCPU
 * threads and talk to the peer under one lock. The loop only watches: for the
 * end of the connection, for the device's complaint, for the peer's requests.
 */
#include "vhost/user_frontend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/math.h"
#include "vhost/frontend_impl.h"
#include "virtio/virtio.h"

#define TIMEOUT_MS 2000u
#define QUEUE_MAX  256u
#define RETRY_NS   10000000ull

static void tell_transport(struct cv_vhost_frontend *f, enum cv_vslot_event what)
{
	void (*event)(struct cv_vslot *, enum cv_vslot_event) =
		__atomic_load_n(&f->slot.event, __ATOMIC_ACQUIRE);

	if (event)
		event(&f->slot, what);
}

/* ---- the loop's side ---- */

static void unwatch(struct cv_vhost_frontend *f)
{
	cv_watch_remove(&f->sock_watch);
	cv_watch_remove(&f->channel_watch);
	cv_watch_remove(&f->err_watch);
	cv_timer_cancel(&f->err_timer);
	cv_timer_cancel(&f->watch_timer);
}

static void disconnect(struct cv_vhost_frontend *f)
{
	unwatch(f);
	cv_fd_close(&f->sock);
	cv_fd_close(&f->channel);
	cv_msg_fds_close(&f->channel_msg.fds);
	f->connected = false;
}

/* The owner is told after the connection's last trace is gone, so that it may bring a new one. */
static void on_lost(struct cv_task *t)
{
	struct cv_vhost_frontend *f = cv_container_of(t, struct cv_vhost_frontend, lost_task);

	pthread_mutex_lock(&f->lock);
	disconnect(f);
	f->lost = true;
	f->given_up = !f->config.lost;
	pthread_mutex_unlock(&f->lock);
	if (f->config.lost)
		f->config.lost(f->config.ctx, &f->slot, f->why);
	else
		tell_transport(f, CV_VSLOT_BROKEN);
}

void cv_vhost_frontend_drop(struct cv_vslot *slot)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);

	pthread_mutex_lock(&f->lock);
	cv_task_cancel(&f->lost_task);
	if (!f->lost) {
		disconnect(f);
		f->lost = true;
	}
	pthread_mutex_unlock(&f->lock);
}

static void on_hangup(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_vhost_frontend *f = cv_container_of(w, struct cv_vhost_frontend, sock_watch);

	cv_watch_remove(w);
	pthread_mutex_lock(&f->lock);
	cv_ignore(cv_vhost_lose(f, "has closed the connection")); /* or was lost before */
	pthread_mutex_unlock(&f->lock);
}

/* Under the lock, so that no complaint about what was before comes after a reset; but the loop does
 * not wait for a peer that lets somebody else wait. */
static void take_err(struct cv_vhost_frontend *f)
{
	if (pthread_mutex_trylock(&f->lock) != 0) {
		cv_watch_modify(&f->err_watch, 0);
		cv_timer_set(f->config.loop, &f->err_timer, cv_loop_now(f->config.loop) + RETRY_NS);
		return;
	}
	/* each queue complains, but a device is broken once */
	if (cv_event_drain_shared(cv_fd_get(&f->err)) && !f->complained) {
		f->complained = true;
		tell_transport(f, CV_VSLOT_BROKEN);
	}
	pthread_mutex_unlock(&f->lock);
}

static void on_err(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	take_err(cv_container_of(w, struct cv_vhost_frontend, err_watch));
}

static void on_err_timer(struct cv_timer *t)
{
	struct cv_vhost_frontend *f = cv_container_of(t, struct cv_vhost_frontend, err_timer);

	cv_watch_modify(&f->err_watch, EPOLLIN);
	take_err(f);
}

/* One request of the peer. Only the change of the configuration space means something here; any
 * other is refused if it wants to know. */
static bool serve_channel(struct cv_vhost_frontend *f)
{
	struct cv_vhost_msg *m = &f->channel_msg;
	int fd = cv_fd_get(&f->channel);
	int err = cv_vhost_recv_some(fd, m, &f->channel_got);
	bool known;

	if (err <= 0)
		return err == 0;
	f->channel_got = 0;
	known = m->h.request == CV_VHOST_BACKEND_CONFIG_CHANGE && m->h.size == 0 && m->fds.n == 0;
	cv_msg_fds_close(&m->fds);
	if (known)
		tell_transport(f, CV_VSLOT_CONFIG_CHANGED);
	if (!(m->h.flags & CV_VHOST_NEED_REPLY))
		return true;
	m->h.flags = CV_VHOST_VERSION | CV_VHOST_REPLY;
	m->h.size = sizeof(m->p.u64);
	m->p.u64 = known ? 0 : 1;
	return cv_vhost_send(fd, m, NULL, 0, 0) == 0;
}

static void on_channel(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_vhost_frontend *f = cv_container_of(w, struct cv_vhost_frontend, channel_watch);

	/* a channel that ends or is misused is no longer listened to; the device goes on */
	if (!serve_channel(f))
		cv_watch_remove(w);
}

struct call {
	struct cv_vhost_frontend *f;
	int err;
};

/* Under the lock. */
static int add_watches(struct cv_vhost_frontend *f)
{
	struct cv_loop *loop = f->config.loop;
	int err;

	/* if it is lost again already, its task is on the way */
	if (!f->connected)
		return 0;
	err = cv_watch_add(loop, &f->sock_watch, cv_fd_get(&f->sock), EPOLLRDHUP);
	err = err ?: cv_watch_add(loop, &f->err_watch, cv_fd_get(&f->err), EPOLLIN);
	if (cv_fd_get(&f->channel) >= 0)
		err = err ?: cv_watch_add(loop, &f->channel_watch, cv_fd_get(&f->channel), EPOLLIN);
	if (err)
		disconnect(f);
	f->lost = err;
	return err;
}

static void do_watch(void *arg)
{
	struct call *c = arg;

	pthread_mutex_lock(&c->f->lock);
	c->err = add_watches(c->f);
	pthread_mutex_unlock(&c->f->lock);
}

/* The loop does not wait for the lock, as above. A connection that cannot be watched is none. */
static void watch_later(struct cv_vhost_frontend *f)
{
	int err;

	if (pthread_mutex_trylock(&f->lock) != 0) {
		cv_timer_set(f->config.loop, &f->watch_timer,
			     cv_loop_now(f->config.loop) + RETRY_NS);
		return;
	}
	err = add_watches(f);
	if (err) {
		snprintf(f->why, sizeof(f->why), "cannot be watched: %s", strerror(-err));
		cv_loop_post(f->config.loop, &f->lost_task);
	}
	pthread_mutex_unlock(&f->lock);
}

static void on_watch(struct cv_task *t)
{
	watch_later(cv_container_of(t, struct cv_vhost_frontend, watch_task));
}

static void on_watch_timer(struct cv_timer *t)
{
	watch_later(cv_container_of(t, struct cv_vhost_frontend, watch_timer));
}

static void do_fini(void *arg)
{
	struct call *c = arg;

	cv_task_cancel(&c->f->lost_task);
	cv_task_cancel(&c->f->watch_task);
	disconnect(c->f);
}

static int watch(struct cv_vhost_frontend *f)
{
	struct call c = { .f = f };

	cv_loop_call(f->config.loop, do_watch, &c);
	return c.err;
}

/* ---- the slot ---- */

/* A lost peer's successor is told everything: then a call that found none has succeeded. */
static int forgive(struct cv_vhost_frontend *f, int err)
{
	bool hope = !f->connected && !f->given_up && f->config.lost;

	return err && hope ? 0 : err;
}

static void front_config_read(struct cv_vslot *slot, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);

	memset(buf, 0, len);
	if (!cv_in_range(off, len, slot->config_len))
		return;
	cv_vhost_enter(f);
	cv_ignore(cv_vhost_read_space(f)); /* then what it was before */
	memcpy(buf, f->space + off, len);
	pthread_mutex_unlock(&f->lock);
}

static void front_config_write(struct cv_vslot *slot, uint32_t off, const uint8_t *buf,
			       uint32_t len)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);

	if (!cv_in_range(off, len, slot->config_len))
		return;
	cv_vhost_enter(f);
	/* a guest's mistake if it is refused, and dropped */
	if (f->pf & CV_VHOST_PF_CONFIG)
		cv_ignore(cv_vhost_write_space(f, off, buf, len));
	pthread_mutex_unlock(&f->lock);
}

static int start_all(struct cv_vhost_frontend *f)
{
	int err = forgive(f, cv_vhost_send_start(f));

	/* refused in the middle: what runs stops */
	for (unsigned int i = 0; err && f->connected && i < f->slot.n_queues; i++)
		if (f->queues[i].ready)
			cv_ignore(cv_vhost_send_stop(f, i)); /* or is lost */
	return err;
}

static int front_start(struct cv_vslot *slot, uint64_t features, const struct cv_vq_config *queues)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);
	int err = 0;

	if (features & ~slot->features)
		return -EINVAL;
	cv_vhost_enter(f);
	if (f->started)
		err = -EBUSY;
	if (!err) {
		f->features = features;
		memcpy(f->queues, queues, slot->n_queues * sizeof(*queues));
		err = start_all(f);
		f->started = !err;
	}
	pthread_mutex_unlock(&f->lock);
	return err;
}

/* Where a queue stands whose peer is lost: behind what the driver has seen used. A packed ring
 * does not tell. */
static void recover_position(struct cv_vhost_frontend *f, struct cv_vq_config *c)
{
	uint16_t used;

	if (f->features & CV_VIRTIO_F_RING_PACKED)
		return;
	if (cv_mem_load16(f->config.mem, c->device + 2, &used))
		return;
	c->avail = used;
	c->used = used;
}

static void stop_queue(struct cv_vhost_frontend *f, unsigned int index, struct cv_vq_config *at)
{
	struct cv_vq_config *c = &f->queues[index];

	if (!c->ready)
		return;
	if (cv_vhost_send_stop(f, index))
		recover_position(f, c);
	if (!at)
		cv_vhost_forget_queue(f, index);
	if (at) {
		at->avail = c->avail;
		at->used = c->used;
	}
	c->ready = false;
}

/* What the driver has given up, nobody needs to finish first. */
static void abandon(struct cv_vhost_frontend *f)
{
	if (!f->started || !(f->pf & CV_VHOST_PF_RESET_DEVICE) || cv_vhost_send_reset(f))
		return;
	for (unsigned int i = 0; i < f->slot.n_queues; i++) {
		if (f->queues[i].ready)
			cv_vhost_forget_queue(f, i);
		f->queues[i].ready = false;
	}
}

static void front_stop(struct cv_vslot *slot, struct cv_vq_config *queues)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);

	cv_vhost_enter(f);
	if (!queues)
		abandon(f);
	for (unsigned int i = 0; f->started && i < slot->n_queues; i++)
		stop_queue(f, i, queues ? &queues[i] : NULL);
	f->started = false;
	pthread_mutex_unlock(&f->lock);
}

static void front_reset(struct cv_vslot *slot)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);

	cv_vhost_enter(f);
	cv_fd_close(&f->inflight);
	f->features = 0;
	cv_ignore(cv_vhost_send_reset(f)); /* an old back end cannot, and its queues are stopped */
	cv_event_drain_shared(cv_fd_get(&f->err));
	f->complained = false;
	pthread_mutex_unlock(&f->lock);
}

static void front_set_call(struct cv_vslot *slot, unsigned int index, int call_fd)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);

	if (index >= slot->n_queues)
		return;
	cv_vhost_enter(f);
	if (f->started && f->queues[index].ready) {
		f->queues[index].call_fd = call_fd;
		cv_ignore(cv_vhost_send_call(f, index, call_fd)); /* lost: repeated later */
	}
	pthread_mutex_unlock(&f->lock);
}

static void front_queue_stop(struct cv_vslot *slot, unsigned int index, struct cv_vq_config *q)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);

	if (index >= slot->n_queues)
		return;
	cv_vhost_enter(f);
	if (f->started)
		stop_queue(f, index, q);
	pthread_mutex_unlock(&f->lock);
}

static int front_queue_start(struct cv_vslot *slot, unsigned int index,
			     const struct cv_vq_config *q)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);
	int err = 0;

	if (index >= slot->n_queues)
		return -EINVAL;
	cv_vhost_enter(f);
	if (!f->started)
		err = -EIO;
	if (!err && !f->queues[index].ready && q->ready) {
		f->queues[index] = *q;
		err = forgive(f, cv_vhost_send_queue(f, index));
		f->queues[index].ready = !err;
	}
	pthread_mutex_unlock(&f->lock);
	return err;
}

/* The protocol has none; for our own devices they travel beside it. */
static int front_control(struct cv_vslot *slot, const char *op, const char *args CV_UNUSED,
			 char *reply CV_UNUSED, size_t size CV_UNUSED, struct vm_error *e)
{
	return cv_err(e, -ENOENT, "%s: there is no operation '%s'", slot->name, op);
}

static void front_destroy(struct cv_vslot *slot)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);
	struct call c = { .f = f };

	cv_loop_call(f->config.loop, do_fini, &c);
	cv_fd_close(&f->inflight);
	cv_fd_close(&f->err);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static const struct cv_vslot_ops front_ops = {
	.config_read = front_config_read,
	.config_write = front_config_write,
	.start = front_start,
	.stop = front_stop,
	.reset = front_reset,
	.set_call = front_set_call,
	.queue_stop = front_queue_stop,
	.queue_start = front_queue_start,
	.control = front_control,
	.destroy = front_destroy,
};

/* ---- creation ---- */

static void fill(struct cv_vhost_frontend *f, const struct cv_vhost_frontend_config *config)
{
	f->config = *config;
	f->config.timeout_ms = config->timeout_ms ?: TIMEOUT_MS;
	f->slot = (struct cv_vslot){ .ops = &front_ops,
				     .name = config->name,
				     .id = config->id,
				     .config_len = config->config_len,
				     .queue_max = f->queue_max };
	for (unsigned int i = 0; i < CV_VIRTIO_MAX_QUEUES; i++)
		f->queue_max[i] = QUEUE_MAX;
	for (unsigned int i = 0; config->queue_max && i < config->max_queues; i++)
		f->queue_max[i] = config->queue_max[i];
	if (config->config_space)
		memcpy(f->space, config->config_space, config->config_len);
	f->sock_watch.fn = on_hangup;
	f->channel_watch.fn = on_channel;
	f->err_watch.fn = on_err;
	f->err_timer.fn = on_err_timer;
	f->watch_timer.fn = on_watch_timer;
	f->lost_task.fn = on_lost;
	f->watch_task.fn = on_watch;
	pthread_mutex_init(&f->lock, NULL);
}

/* Until watch() nobody else knows the connection: its failure is the caller's. */
static int connect_to(struct cv_vhost_frontend *f, int fd, struct vm_error *e)
{
	cv_fd_set(&f->sock, fd);
	f->connected = true;
	f->quiet = true;
	return cv_vhost_handshake(f, e);
}

static int check_config(const struct cv_vhost_frontend_config *c, struct vm_error *e)
{
	if (c->config_len > CV_VHOST_MAX_CONFIG || c->min_queues == 0 ||
	    c->min_queues > c->max_queues || c->max_queues > CV_VIRTIO_MAX_QUEUES)
		return cv_err(e, -EINVAL,
			      "%s: a vhost-user device has 1 to %d queues and a configuration "
			      "space of at most %d bytes",
			      c->name, CV_VIRTIO_MAX_QUEUES, CV_VHOST_MAX_CONFIG);
	return 0;
}

int cv_vhost_frontend_create(struct cv_vslot **slot, const struct cv_vhost_frontend_config *config,
			     int fd, struct vm_error *e)
{
	CV_AUTO_FD int sock = fd;
	struct vm_error own;
	struct cv_vhost_frontend *f;
	int err;

	e = e ?: &own;
	err = check_config(config, e);
	if (err)
		return err;
	f = calloc(1, sizeof(*f));
	if (!f)
		return cv_err(e, -ENOMEM, "%s: out of memory", config->name);
	fill(f, config);
	err = cv_event_create();
	cv_fd_set(&f->err, cv_max(err, -1));
	cv_vhost_enter(f);
	err = err < 0 ? cv_err_os(e, err, "%s: its eventfd cannot be made", config->name)
		      : connect_to(f, sock, e);
	pthread_mutex_unlock(&f->lock);
	sock = cv_fd_get(&f->sock) >= 0 ? -1 : sock;
	if (!err) {
		f->made = true;
		f->quiet = false;
		err = watch(f);
		if (err)
			cv_err_os(e, err, "%s: the back end cannot be watched", config->name);
	}
	if (err) {
		front_destroy(&f->slot);
		return err;
	}
	*slot = &f->slot;
	return 0;
}

/* ---- another peer ---- */

/* The driver's chains wait in the rings, and their kicks and interrupts may have been lost. */
static void wake_queues(struct cv_vhost_frontend *f)
{
	for (unsigned int i = 0; i < f->slot.n_queues; i++) {
		const struct cv_vq_config *c = &f->queues[i];

		if (!c->ready)
			continue;
		cv_event_signal_shared(c->kick_fd);
		if (c->call_fd >= 0)
			cv_event_signal_shared(c->call_fd);
	}
}

static int resume(struct cv_vhost_frontend *f, struct vm_error *e)
{
	int err;

	if (!f->started)
		return 0;
	if ((f->features & CV_VIRTIO_F_RING_PACKED) && !(f->pf & CV_VHOST_PF_INFLIGHT_SHMFD))
		return cv_err(e, -EOPNOTSUPP,
			      "%s: packed queues cannot go on without a log of chains in flight",
			      f->config.name);
	for (unsigned int i = 0; i < f->slot.n_queues; i++)
		if (f->queues[i].ready)
			recover_position(f, &f->queues[i]);
	err = cv_vhost_send_start(f);
	if (err)
		return cv_err(e, err, "%s: the new back end %s", f->config.name,
			      f->connected ? "does not start" : f->why);
	wake_queues(f);
	return 0;
}

int cv_vhost_frontend_reconnect(struct cv_vslot *slot, int fd, struct vm_error *e)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);
	CV_AUTO_FD int sock = fd;
	struct vm_error own;
	int err;

	e = e ?: &own;
	cv_vhost_enter(f);
	if (!f->lost || f->given_up) {
		pthread_mutex_unlock(&f->lock);
		return cv_err(e, -EBUSY, "%s: the slot is not waiting for a back end",
			      f->config.name);
	}
	err = connect_to(f, sock, e);
	sock = -1;
	err = err ?: resume(f, e);
	f->quiet = false;
	f->lost = err;
	if (err) {
		f->connected = false;
		cv_fd_close(&f->sock);
		cv_fd_close(&f->channel);
	}
	pthread_mutex_unlock(&f->lock);
	/* not waiting for the loop, which may wait for whoever connects */
	if (!err)
		cv_loop_post(f->config.loop, &f->watch_task);
	return err;
}

void cv_vhost_frontend_give_up(struct cv_vslot *slot)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);

	pthread_mutex_lock(&f->lock);
	f->given_up = true;
	pthread_mutex_unlock(&f->lock);
	tell_transport(f, CV_VSLOT_BROKEN);
}

bool cv_vhost_frontend_connected(struct cv_vslot *slot)
{
	struct cv_vhost_frontend *f = cv_vhost_frontend_of(slot);
	bool connected;

	pthread_mutex_lock(&f->lock);
	connected = f->connected;
	pthread_mutex_unlock(&f->lock);
	return connected;
}
