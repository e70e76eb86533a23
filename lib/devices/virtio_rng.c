/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio entropy device (virtio 1.2 section 5.4): the kernel's random
 * numbers, straight into the driver's buffers.
 *
 * A chain gets at most CHAIN_MAX bytes, which the specification allows, and a
 * turn of the loop TURN_COST, so that a greedy guest does not starve the other
 * devices of its loop.
 */
#include <errno.h>
#include <sys/random.h>

#include "core/dev.h"
#include "sys/loop.h"
#include "virtio/virtio.h"
#include "virtio/vq.h"

#define CHAIN_MAX  65536u
#define TURN_COST  262144u
#define CHAIN_COST 1024u	      /* what a chain costs beside its bytes, in bytes */
#define MAX_IOV	   CV_MEM_MAX_REGIONS /* a segment may lie in all of them */

struct rng {
	const struct cv_env *env;
	struct cv_vq *vq;    /* NULL while stopped */
	struct cv_task task; /* the next turn */
};

/* Fills @iov; how many bytes. */
static uint32_t fill_iov(const struct iovec *iov, int n)
{
	uint32_t done = 0;

	for (int i = 0; i < n; i++) {
		uint8_t *to = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left > 0) {
			ssize_t got = getrandom(to, left, 0);

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				return done;
			to += got;
			left -= (size_t)got;
			done += (uint32_t)got;
		}
	}
	return done;
}

static uint32_t fill_chain(const struct cv_vq *vq, const struct cv_chain *c)
{
	uint64_t want = cv_min(c->write_len, (uint64_t)CHAIN_MAX), off = 0;
	struct iovec iov[MAX_IOV];

	for (unsigned int i = c->n_read; i < c->n_read + (unsigned int)c->n_write; i++) {
		uint64_t len = cv_min((uint64_t)c->segs[i].len, want - off);
		int n = cv_chain_iov_write(vq, c, off, len, iov, MAX_IOV);
		uint32_t got = n > 0 ? fill_iov(iov, n) : 0;

		off += got;
		if (got < len || off == want)
			break;
	}
	return (uint32_t)off;
}

static void turn(struct rng *r)
{
	uint32_t cost = 0;
	struct cv_chain *c;

	while (cost < TURN_COST && (c = cv_vq_pop(r->vq))) {
		uint32_t n = fill_chain(r->vq, c);

		cv_vq_push(r->vq, c, n);
		cost += n + CHAIN_COST;
	}
	cv_vq_notify(r->vq);
	if (cost >= TURN_COST)
		cv_loop_post(r->env->loop, &r->task);
}

static void on_task(struct cv_task *t)
{
	turn(cv_container_of(t, struct rng, task));
}

static void rng_kick(void *self, struct cv_vq *vq, unsigned int index)
{
	struct rng *r = self;

	(void)vq;
	(void)index;
	turn(r);
}

static int rng_start(void *self, uint64_t features, struct cv_vq *vqs)
{
	struct rng *r = self;

	(void)features;
	r->vq = vqs;
	return 0;
}

static void rng_stop(void *self)
{
	struct rng *r = self;

	cv_task_cancel(&r->task);
	r->vq = NULL;
}

/* There is only this one, and the next turn of a queue that is not ready finds nothing. */
static void rng_queue_stop(void *self, struct cv_vq *vq, unsigned int index)
{
	struct rng *r = self;

	(void)vq;
	(void)index;
	cv_task_cancel(&r->task);
}

static int rng_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct rng *r = self;

	(void)config;
	(void)e;
	r->env = env;
	r->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	return 0;
}

static const uint16_t rng_queues[] = { 256 };

static const struct cv_virtio_ops rng_ops = {
	.id = CV_VIRTIO_ID_RNG,
	.n_queues = CV_LEN(rng_queues),
	.queue_max = rng_queues,
	.start = rng_start,
	.kick = rng_kick,
	.stop = rng_stop,
	.queue_stop = rng_queue_stop,
};

const struct cv_class cv_class_rng = {
	.name = "rng",
	.help = "random numbers from the host's kernel",
	.policy = "rng",
	.size = sizeof(struct rng),
	.state_version = 1,
	.init = rng_init,
	.virtio = &rng_ops,
};
