/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A virtio device as its driver sees it: negotiate, start, queues, requests,
 * reset. Over a bare slot (vdev_slot_ops) or a transport (vdev_mmio_ops, and
 * whoever writes another table), so that one test body runs over all of them.
 *
 *	struct rig r;
 *
 *	rig_init(&r, &virtio_rng, "", &(struct rig_options){ .threaded = true });
 *	vdev_start(&r.dev, NULL);
 *	n = vdev_request(&r.dev, 0, NULL, 0, buf, sizeof(buf));
 *	...
 *	rig_fini(&r);
 *
 * A rig is a device of the class with guest memory and loop: in this process, or
 * in a jailed one of its own (child.h).
 * A vdev needs no rig: vdev_attach() takes any slot.
 */
#ifndef CV_TESTS_VDEV_H
#define CV_TESTS_VDEV_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/hw.h"
#include "core/irq.h"
#include "core/slot.h"
#include "driver.h"
#include "sys/loop.h"
#include "vhost/user_backend.h"

struct vdev;

/* How the driver reaches the device. */
struct vdev_ops {
	const char *name;
	void (*attach)(struct vdev *d); /* d->slot, d->g and d->loop are set */
	void (*detach)(struct vdev *d); /* reset already */
	uint64_t (*offered)(struct vdev *d);
	void (*config_read)(struct vdev *d, uint32_t off, void *buf, uint32_t len);
	void (*config_write)(struct vdev *d, uint32_t off, const void *buf, uint32_t len);
	int (*start)(struct vdev *d); /* with d->features and d->queues; 0 or -errno */
	void (*reset)(struct vdev *d);
	bool (*broken)(struct vdev *d); /* the device asks for a reset */
	/* optional: takes what interrupts there are and counts them in n_calls and n_config */
	void (*interrupts)(struct vdev *d);
};

extern const struct vdev_ops vdev_slot_ops, vdev_mmio_ops;

struct vdev {
	const struct vdev_ops *ops;
	struct cv_vslot *slot;
	struct guest *g;
	struct cv_loop *loop;	  /* dispatched while waiting; NULL: a thread runs it */
	struct cv_loop *any_loop; /* the same, also when a thread runs it */
	uint64_t features;	  /* negotiated */
	struct drv_vq queues[CV_VIRTIO_MAX_QUEUES];
	unsigned int n_queues;
	bool started;
	pid_t pid; /* the process in which the device is; 0: this one */
	/* events (slot) or interrupts (transports) seen so far; a transport without the interrupts
	 * operation leaves them alone */
	atomic_uint n_broken, n_config, n_calls;
	void *port; /* the ops' own */
};

struct vdev_options {
	bool packed, no_indirect, no_event_idx;
	uint64_t refuse;     /* features not to accept */
	uint16_t queue_size; /* 0: 64, or what the device allows at most */
	uint64_t queues;     /* bit mask of the queues to set up; 0: all */
};

/* Binds a driver to @slot, which outlives it. @loop as in struct vdev. */
void vdev_attach(struct vdev *d, const struct vdev_ops *ops, struct cv_vslot *slot, struct guest *g,
		 struct cv_loop *loop, bool threaded);
void vdev_detach(struct vdev *d); /* resets the device; zeroed is fine */

/* Negotiates all that is offered and not refused, sets up the queues, starts. NULL: defaults. */
int vdev_start(struct vdev *d, const struct vdev_options *o);
/* Resets the device and forgets the queues; may be started again. */
void vdev_reset(struct vdev *d);

/* Lets the loop run until nothing is left to do, in the device's process too (nothing when a thread
 * runs it), and takes interrupts. */
void vdev_pump(struct vdev *d);

/* The next used chain of queue @qi as drv_used(), waiting up to five seconds; -1 when nothing
 * comes or the device is broken. */
int vdev_wait(struct vdev *d, unsigned int qi, uint32_t *len);

/* Waits up to five seconds for the device to be broken; whether it is. */
bool vdev_wait_broken(struct vdev *d);

/*
 * One request: @out for the device to read, @in_len bytes for it to write, each
 * part in one buffer. Returns how many bytes were written (copied to @in), or -1.
 */
int64_t vdev_request(struct vdev *d, unsigned int qi, const void *out, uint32_t out_len, void *in,
		     uint32_t in_len);

/* A field of the configuration space. */
uint64_t vdev_config(struct vdev *d, uint32_t off, unsigned int len);

/* ---- a device in this process ---- */

struct rig;

struct rig_options {
	const struct vdev_ops *ops; /* NULL: the slot itself */
	bool threaded;		    /* a thread runs the loop */
	bool fake_clock;	    /* the loop's clock is driven by the test; not threaded */
	bool poll;
	bool vhost; /* the device is behind vhost-user, with a loop and a thread of its own */
	/* the device is in a jailed process of its own, as child_wanted says for all rigs that are
	 * not vhost; its end is that of the test */
	bool child;
	/* with child: a process that dies is replaced, and died is called instead, in the loop */
	bool restart;
	void (*died)(struct rig *r, const char *why, bool restarted);
	/* with vhost: the front end's, with the rig as its context */
	void (*lost)(void *ctx, struct cv_vslot *slot, const char *why);
	/* with vhost: puts something between the back end's socket and the front end, which gets
	 * what it returns */
	int (*between)(int fd);
	unsigned int timeout_ms; /* with vhost: 0: the front end's default */
	uint64_t mem;		 /* bytes of guest memory; 0: 8 MiB */
};

/* The other side of a vhost-user socket. */
struct rig_peer {
	struct cv_loop *loop;
	pthread_t thread;
	struct cv_vhost_backend *backend;
	int sock; /* the back end's end */
};

struct rig {
	struct guest guest;
	struct cv_log log;
	struct cv_loop *loop;
	pthread_t thread;
	struct rig_options o;
	const struct cv_class *cls;
	void *config;
	struct cv_vslot *slot;	 /* what the driver talks to … */
	struct cv_vslot *device; /* … and the device itself: the same but with vhost; NULL: child */
	struct rig_peer peer;	 /* with vhost */
	struct vdev dev;
	atomic_uint requests; /* bit mask of cv_env.request calls */
};

/* Parses @options by the class's table. Aborts on failure. */
void rig_init(struct rig *r, const struct cv_class *cls, const char *options,
	      const struct rig_options *o);
/* The same; 0, or -errno with everything undone. */
int rig_try_init(struct rig *r, const struct cv_class *cls, const char *options,
		 const struct rig_options *o, struct vm_error *e);
void rig_fini(struct rig *r);

/* With vhost: makes a device with its loop, thread and back end on the socket @fd, in place of what
 * r->peer and r->device were; 0, or -errno with everything undone. */
int rig_peer_start(struct rig *r, int fd, struct vm_error *e);
/* Ends them in order. */
void rig_peer_stop(struct rig *r);

/* A control operation of the device, and what comes of it. */
int rig_control(struct rig *r, const char *op, const char *args, char *reply, size_t size,
		struct vm_error *e);

/* Where the device is. */
pid_t rig_pid(struct rig *r);

/*
 * Runs @body with a started device over slot, virtio-mmio and virtio-pci, in this
 * process and (slot and pci) behind vhost-user, split and packed rings, with and
 * without EVENT_IDX, with a loop dispatched here and in a thread: forty times. With
 * child_wanted: in a process of its own, over slot and virtio-pci, split and packed,
 * the loop in a thread.
 */
void rig_each(const struct cv_class *cls, const char *options, void (*body)(struct rig *r));

#endif
