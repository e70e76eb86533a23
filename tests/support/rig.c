/* SPDX-License-Identifier: BSD-3-Clause */
/* A device of a class with guest memory and a loop, for tests. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/math.h"
#include "child.h"
#include "must.h"
#include "process/vslot_child.h"
#include "vdev.h"
#include "vdev_pci.h"
#include "vhost/user_frontend.h"
#include "virtio/vslot_local.h"

static void rig_request(const struct cv_env *env, unsigned int what)
{
	struct rig *r = env->ctx;

	atomic_fetch_or(&r->requests, 1u << what);
}

static void *run_loop(void *arg)
{
	must(cv_loop_run(arg) == 0);
	return NULL;
}

static int make_device(struct rig *r, const struct cv_mem *mem, struct cv_loop *loop,
		       struct vm_error *e)
{
	const struct cv_vslot_local_config local = { .packed = true, .poll = r->o.poll };
	const struct cv_env env = {
		.mem = mem, .loop = loop, .log = &r->log, .request = rig_request, .ctx = r
	};

	return cv_vslot_local_create(&r->device, r->cls, &env, r->config, &local, e);
}

/* ---- behind vhost-user ---- */

static void serve(void *arg)
{
	struct rig *r = arg;

	must(cv_vhost_backend_serve(r->peer.backend, r->peer.sock, NULL) == 0);
}

int rig_peer_start(struct rig *r, int fd, struct vm_error *e)
{
	struct rig_peer *p = &r->peer;
	int err;

	*p = (struct rig_peer){ .sock = fd };
	must(cv_loop_create(&p->loop, NULL) == 0);
	must(pthread_create(&p->thread, NULL, run_loop, p->loop) == 0);
	must(cv_vhost_backend_create(&p->backend,
				     &(struct cv_vhost_backend_config){
					     .name = "peer", .loop = p->loop, .log = &r->log },
				     NULL) == 0);
	err = make_device(r, cv_vhost_backend_mem(p->backend), p->loop, e);
	if (err) {
		close(fd);
		rig_peer_stop(r);
		return err;
	}
	cv_vhost_backend_set_slot(p->backend, r->device);
	cv_loop_call(p->loop, serve, r);
	return 0;
}

void rig_peer_stop(struct rig *r)
{
	struct rig_peer *p = &r->peer;

	if (!p->loop)
		return;
	cv_vhost_backend_destroy(p->backend);
	cv_vslot_destroy(r->device);
	r->device = NULL;
	cv_loop_stop(p->loop);
	must(pthread_join(p->thread, NULL) == 0);
	cv_loop_destroy(p->loop);
	*p = (struct rig_peer){ 0 };
}

static int make_vhost(struct rig *r, struct vm_error *e)
{
	const struct cv_vslot *device;
	int pair[2], err;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	err = rig_peer_start(r, pair[1], e);
	if (err) {
		close(pair[0]);
		return err;
	}
	device = r->device;
	if (r->o.between)
		pair[0] = r->o.between(pair[0]);
	return cv_vhost_frontend_create(
		&r->slot,
		&(struct cv_vhost_frontend_config){ .name = r->cls->name,
						    .id = device->id,
						    .config_len = device->config_len,
						    .min_queues = device->n_queues,
						    .max_queues = device->n_queues,
						    .queue_max = device->queue_max,
						    .mem = &r->guest.mem,
						    .loop = r->loop,
						    .log = &r->log,
						    .timeout_ms = r->o.timeout_ms,
						    .lost = r->o.lost,
						    .ctx = r },
		pair[0], e);
}

/* ---- in a process of its own ---- */

/* Something for the thread that runs the loop, as all that concerns a process. */
struct rig_call {
	struct rig *r;
	const char *op, *args;
	char *reply;
	size_t size;
	struct vm_error *e;
	int result;
};

static void on_died(void *ctx, const char *why, bool restarted)
{
	struct rig *r = ctx;

	if (!r->o.died) {
		fprintf(stderr, "rig: the process of %s has died: %s\n", r->cls->name, why);
		abort();
	}
	r->dev.pid = cv_vslot_child_pid(r->slot);
	r->o.died(r, why, restarted);
}

static void make_child(void *arg)
{
	struct rig_call *c = arg;
	struct rig *r = c->r;
	const struct cv_vslot_child_config config = { .host = child_host(),
						      .cls = r->cls,
						      .config = r->config,
						      .packed = true,
						      .poll = r->o.poll,
						      .restart = r->o.restart,
						      .mem = &r->guest.mem,
						      .loop = r->loop,
						      .log = &r->log,
						      .died = on_died,
						      .ctx = r };
	struct cv_vslot_child *child;

	c->result = cv_vslot_child_create(&child, &config, c->e);
	if (!c->result)
		c->result = cv_vslot_child_finish(child, &r->slot, c->e);
}

static void destroy_slot(void *arg)
{
	struct rig *r = arg;

	cv_vslot_destroy(r->slot);
	r->slot = NULL;
}

static void get_pid(void *arg)
{
	struct rig_call *c = arg;

	c->result = (int)cv_vslot_child_pid(c->r->slot);
}

pid_t rig_pid(struct rig *r)
{
	struct rig_call c = { .r = r };

	if (!r->o.child)
		return getpid();
	cv_loop_call(r->loop, get_pid, &c);
	return (pid_t)c.result;
}

static void control(void *arg)
{
	struct rig_call *c = arg;
	struct cv_vslot *device = c->r->device ?: c->r->slot;

	c->result = device->ops->control(device, c->op, c->args, c->reply, c->size, c->e);
}

int rig_control(struct rig *r, const char *op, const char *args, char *reply, size_t size,
		struct vm_error *e)
{
	struct rig_call c = {
		.r = r, .op = op, .args = args, .reply = reply, .size = size, .e = e
	};

	if (r->o.child)
		cv_loop_call(r->loop, control, &c);
	else
		control(&c);
	vdev_pump(&r->dev);
	return c.result;
}

/* ---- any ---- */

static int make_slot(struct rig *r, const char *options, struct vm_error *e)
{
	int err = cv_class_configure(r->cls, options, &r->config, e);

	if (err)
		return err;
	if (r->o.vhost)
		return make_vhost(r, e);
	if (r->o.child) {
		struct rig_call c = { .r = r, .e = e };

		cv_loop_call(r->loop, make_child, &c);
		return c.result;
	}
	err = make_device(r, &r->guest.mem, r->loop, e);
	r->slot = r->device;
	return err;
}

int rig_try_init(struct rig *r, const struct cv_class *cls, const char *options,
		 const struct rig_options *o, struct vm_error *e)
{
	int err;

	*r = (struct rig){ .cls = cls };
	if (o)
		r->o = *o;
	r->o.child |= child_wanted && !r->o.vhost;
	must(!r->o.fake_clock || !(r->o.threaded || r->o.child));
	guest_init(&r->guest, r->o.mem ?: 8 * CV_MIB);
	must((r->o.fake_clock ? cv_loop_create_fake : cv_loop_create)(&r->loop, NULL) == 0);
	if (r->o.threaded)
		must(pthread_create(&r->thread, NULL, run_loop, r->loop) == 0);
	err = make_slot(r, options, e);
	if (err) {
		rig_fini(r);
		return err;
	}
	vdev_attach(&r->dev, r->o.ops ?: &vdev_slot_ops, r->slot, &r->guest, r->loop,
		    r->o.threaded);
	r->dev.pid = r->o.child ? rig_pid(r) : 0;
	return 0;
}

void rig_init(struct rig *r, const struct cv_class *cls, const char *options,
	      const struct rig_options *o)
{
	struct vm_error e = { 0 };
	int err = rig_try_init(r, cls, options, o, &e);

	if (err)
		fprintf(stderr, "rig: %s\n", e.text);
	must(err == 0);
}

void rig_fini(struct rig *r)
{
	vdev_detach(&r->dev);
	if (r->o.child)
		cv_loop_call(r->loop, destroy_slot, r);
	else
		destroy_slot(r);
	rig_peer_stop(r);
	if (r->config)
		cv_class_config_destroy(r->cls, r->config);
	if (r->o.threaded) {
		cv_loop_stop(r->loop);
		must(pthread_join(r->thread, NULL) == 0);
	}
	cv_loop_destroy(r->loop);
	guest_fini(&r->guest);
	*r = (struct rig){ 0 };
}

static void run_once(const struct cv_class *cls, const char *options, const struct rig_options *ro,
		     const struct vdev_options *vo, void (*body)(struct rig *r))
{
	struct rig r;

	rig_init(&r, cls, options, ro);
	must(vdev_start(&r.dev, vo) == 0);
	body(&r);
	rig_fini(&r);
}

static void each_in_child(const struct cv_class *cls, const char *options,
			  void (*body)(struct rig *r))
{
	for (unsigned int i = 0; i < 4; i++) {
		const struct vdev_options vo = { .packed = i & 1,
						 .no_event_idx = i == 1 || i == 2 };
		const struct rig_options ro = { .ops = i & 2 ? &vdev_pci_ops : &vdev_slot_ops,
						.child = true,
						.threaded = true };

		run_once(cls, options, &ro, &vo, body);
	}
}

void rig_each(const struct cv_class *cls, const char *options, void (*body)(struct rig *r))
{
	static const struct rig_options over[] = { { .ops = &vdev_slot_ops },
						   { .ops = &vdev_mmio_ops },
						   { .ops = &vdev_pci_ops },
						   { .ops = &vdev_slot_ops, .vhost = true },
						   { .ops = &vdev_pci_ops, .vhost = true } };

	if (child_wanted) {
		each_in_child(cls, options, body);
		return;
	}
	for (unsigned int i = 0; i < 8 * CV_LEN(over); i++) {
		const struct vdev_options vo = { .packed = i & 1, .no_event_idx = i & 2 };
		struct rig_options ro = over[i / 8];

		ro.threaded = i & 4;
		run_once(cls, options, &ro, &vo, body);
	}
}
