/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedder's own virtio devices: a class made at run time around the
 * callbacks. A request may be completed from any thread; completions from
 * elsewhere than the request callback are handed to the loop, which alone
 * touches the queues.
 */
#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "sys/loop.h"
#include "vm/vm.h"

struct vm_request {
	struct instance *inst;
	struct cv_vq *vq;
	struct cv_chain *chain;
	uint32_t written;
	bool completed;
	struct cv_list node; /* in the instance's list of completed ones */
};

struct instance {
	struct vm_device *d;
	const struct cv_env *env;
	struct cv_vq *vqs;
	struct vm_request *requests[CV_VIRTIO_MAX_QUEUES]; /* per queue, by chain slot */
	struct cv_task task;
	pthread_mutex_t lock; /* a leaf: the list below */
	struct cv_list completed;
	bool running;
};

static struct instance *of(void *self)
{
	return self;
}

/* Pushes what has been completed; the loop's thread, under the device lock. */
static void push_completed(struct instance *inst)
{
	uint64_t touched = 0;

	for (;;) {
		struct cv_list *node;
		struct vm_request *r;

		pthread_mutex_lock(&inst->lock);
		node = cv_list_pop(&inst->completed);
		pthread_mutex_unlock(&inst->lock);
		if (!node)
			break;
		r = cv_list_entry(node, struct vm_request, node);
		touched |= 1ull << r->vq->index;
		cv_vq_push(r->vq, r->chain, r->written);
	}
	for (unsigned int i = 0; touched; i++, touched >>= 1)
		if (touched & 1)
			cv_vq_notify(&inst->vqs[i]);
}

static void on_task(struct cv_task *t)
{
	struct instance *inst = cv_container_of(t, struct instance, task);

	if (inst->running)
		push_completed(inst);
}

static int virtio_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct instance *inst = self;
	struct vm_device *const *d = config;

	(void)e;
	inst->d = *d;
	inst->env = env;
	inst->task.fn = on_task;
	inst->task.lock = env->lock;
	pthread_mutex_init(&inst->lock, NULL);
	cv_list_init(&inst->completed);
	return 0;
}

static void virtio_fini(void *self)
{
	struct instance *inst = self;

	if (!inst->d)
		return;
	cv_task_cancel(&inst->task);
	pthread_mutex_destroy(&inst->lock);
}

static void free_requests(struct instance *inst)
{
	for (unsigned int i = 0; i < CV_VIRTIO_MAX_QUEUES; i++) {
		free(inst->requests[i]);
		inst->requests[i] = NULL;
	}
}

static int virtio_start(void *self, uint64_t features, struct cv_vq *vqs)
{
	struct instance *inst = self;
	struct vm_device *d = inst->d;

	inst->vqs = vqs;
	for (unsigned int i = 0; i < d->own_virtio.n_queues; i++) {
		/* for any size: a queue may be started later, and again after it was stopped */
		inst->requests[i] = calloc(d->queue_max[i], sizeof(struct vm_request));
		if (!inst->requests[i]) {
			free_requests(inst);
			return -ENOMEM;
		}
	}
	inst->running = true;
	if (d->virtio_ops.start)
		d->virtio_ops.start(d->user, features);
	return 0;
}

static void virtio_kick(void *self, struct cv_vq *vq, unsigned int index)
{
	struct instance *inst = self;
	struct cv_chain *c;

	do {
		cv_vq_enable_kicks(vq, false);
		while ((c = cv_vq_pop(vq))) {
			struct vm_request *r = &inst->requests[index][c->slot];

			*r = (struct vm_request){ .inst = inst, .vq = vq, .chain = c };
			inst->d->virtio_ops.request(inst->d->user, index, r);
		}
		push_completed(inst);
	} while (cv_vq_enable_kicks(vq, true));
}

/* Gives back what the embedder has forgotten, so that nothing of the queue is outstanding. */
static void push_forgotten(struct instance *inst, unsigned int index)
{
	struct vm_request *requests = inst->requests[index];

	for (unsigned int i = 0; requests && i < inst->vqs[index].size; i++)
		if (requests[i].chain && requests[i].chain->out && requests[i].vq)
			cv_vq_push(requests[i].vq, requests[i].chain, 0);
	cv_vq_notify(&inst->vqs[index]);
	if (requests)
		memset(requests, 0, inst->vqs[index].size * sizeof(*requests));
}

static void virtio_queue_stop(void *self, struct cv_vq *vq, unsigned int index)
{
	struct instance *inst = self;

	(void)vq;
	inst->d->virtio_ops.queue_stop(inst->d->user, index);
	push_completed(inst);
	push_forgotten(inst, index);
}

static void virtio_stop(void *self)
{
	struct instance *inst = self;
	struct vm_device *d = inst->d;

	if (d->virtio_ops.stop)
		d->virtio_ops.stop(d->user);
	inst->running = false;
	push_completed(inst);
	for (unsigned int i = 0; i < d->own_virtio.n_queues; i++)
		push_forgotten(inst, i);
	free_requests(inst);
}

static void virtio_config_read(void *self, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct vm_device *d = of(self)->d;

	memset(buf, 0, len);
	if (d->virtio_ops.config_read)
		d->virtio_ops.config_read(d->user, off, buf, len);
}

static void virtio_config_write(void *self, uint32_t off, const uint8_t *buf, uint32_t len)
{
	struct vm_device *d = of(self)->d;

	if (d->virtio_ops.config_write)
		d->virtio_ops.config_write(d->user, off, buf, len);
}

/* ---- adding one ---- */

#define DEVICE_FEATURES (((1ull << 24) - 1) | ~((1ull << 50) - 1))

static int check(const struct vm_virtio_config *c, const struct vm_virtio_ops *ops,
		 struct vm_error *e)
{
	if (!c->name || c->name[0] == '\0')
		return cv_err(e, -EINVAL, "virtio device: it has no name");
	if (c->device_id < 1 || c->device_id > 63)
		return cv_err(e, -EINVAL, "%s: device_id %u is not 1 to 63", c->name, c->device_id);
	if (c->n_queues < 1 || c->n_queues > CV_VIRTIO_MAX_QUEUES)
		return cv_err(e, -EINVAL, "%s: %u queues, give 1 to %d", c->name, c->n_queues,
			      CV_VIRTIO_MAX_QUEUES);
	if (c->queue_size && (!cv_is_pow2(c->queue_size) || c->queue_size > 32768))
		return cv_err(e, -EINVAL, "%s: queue_size %u is not a power of two up to 32768",
			      c->name, c->queue_size);
	if (c->config_len > 4096)
		return cv_err(e, -EINVAL, "%s: %u bytes of configuration, give at most 4096",
			      c->name, c->config_len);
	if (c->features & ~DEVICE_FEATURES)
		return cv_err(e, -EINVAL, "%s: features 0x%llx are not the device's to offer",
			      c->name, (unsigned long long)(c->features & ~DEVICE_FEATURES));
	if (!ops->request)
		return cv_err(e, -EINVAL, "%s: it has no request callback", c->name);
	return 0;
}

static void fill_class(struct vm_device *d, const struct vm_virtio_config *c)
{
	for (unsigned int i = 0; i < c->n_queues; i++)
		d->queue_max[i] = c->queue_size ? c->queue_size : 256;
	d->own_virtio = (struct cv_virtio_ops){ .id = c->device_id,
						.config_len = c->config_len,
						.n_queues = c->n_queues,
						.queue_max = d->queue_max,
						.features = c->features,
						.config_read = virtio_config_read,
						.config_write = virtio_config_write,
						.start = virtio_start,
						.kick = virtio_kick,
						.stop = virtio_stop };
	if (d->virtio_ops
		    .queue_stop) /* the framework cannot take back what the embedder works on */
		d->own_virtio.queue_stop = virtio_queue_stop;
	d->own_class = (struct cv_class){ .name = d->name,
					  .help = "",
					  .size = sizeof(struct instance),
					  .init = virtio_init,
					  .fini = virtio_fini,
					  .virtio = &d->own_virtio };
	d->common.poll = true;
}

int vm_add_virtio(struct vm *vm, const struct vm_virtio_config *config,
		  const struct vm_virtio_ops *ops, void *user, struct vm_device **device,
		  struct vm_error *error)
{
	struct vm_virtio_config c = { 0 };
	struct vm_virtio_ops o = { 0 };
	struct vm_device *d = NULL;
	int err = cv_vm_take(&o, ops, sizeof(o), "vm_virtio_ops", error);

	err = err ?: cv_vm_take(&c, config, sizeof(c), "vm_virtio_config", error);
	err = err ?: check(&c, &o, error) ?: cv_vm_may_add(vm, c.name, error);
	err = err ?: cv_vm_device_new_custom(vm, c.name, user, &d, error);
	if (err) {
		if (o.drop)
			o.drop(user);
		return err;
	}
	d->virtio_ops = o;
	fill_class(d, &c);
	err = cv_vm_device_fits(d, error);
	if (err) {
		cv_vm_device_destroy(d);
		return err;
	}
	if (device)
		*device = d;
	return 0;
}

void vm_device_config_changed(struct vm_device *device)
{
	pthread_mutex_lock(&device->instance_lock);
	if (device->instance) {
		const struct cv_env *env = of(device->instance)->env;

		env->config_changed(env);
	}
	pthread_mutex_unlock(&device->instance_lock);
}

/* ---- requests ---- */

uint64_t vm_request_readable(const struct vm_request *request)
{
	return request->chain->read_len;
}

uint64_t vm_request_writable(const struct vm_request *request)
{
	return request->chain->write_len;
}

size_t vm_request_read(const struct vm_request *request, uint64_t offset, void *buf, size_t len)
{
	return cv_chain_read(request->vq, request->chain, offset, buf, len);
}

size_t vm_request_write(struct vm_request *request, uint64_t offset, const void *buf, size_t len)
{
	return cv_chain_write(request->vq, request->chain, offset, buf, len);
}

int vm_request_iov_readable(const struct vm_request *request, struct iovec *iov, int max)
{
	return cv_chain_iov_read(request->vq, request->chain, 0, request->chain->read_len, iov,
				 max);
}

int vm_request_iov_writable(struct vm_request *request, struct iovec *iov, int max)
{
	return cv_chain_iov_write(request->vq, request->chain, 0, request->chain->write_len, iov,
				  max);
}

void vm_request_complete(struct vm_request *request, uint32_t written)
{
	struct instance *inst = request->inst;
	bool twice;

	pthread_mutex_lock(&inst->lock);
	twice = request->completed;
	request->completed = true;
	if (!twice) {
		request->written = (uint32_t)cv_min((uint64_t)written, request->chain->write_len);
		cv_list_add_tail(&inst->completed, &request->node);
	}
	pthread_mutex_unlock(&inst->lock);
	if (!twice)
		cv_loop_post(inst->env->loop, &inst->task);
}
