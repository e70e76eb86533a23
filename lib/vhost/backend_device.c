/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a front end's requests do to the device. The protocol describes queues
 * one by one and in any order; a slot starts as a whole. So each request only
 * changes the description, and sync() makes the slot follow: a queue runs while
 * it has a size, addresses and a kick and is enabled.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/math.h"
#include "vhost/backend_impl.h"
#include "virtio/inflight.h"
#include "virtio/virtio.h"

static bool is_packed(const struct cv_vhost_backend *b)
{
	return b->features & CV_VIRTIO_F_RING_PACKED;
}

/* ---- queues ---- */

static bool wanted(const struct cv_vhost_backend *b, const struct cv_vhost_queue *q)
{
	return b->owned_features && b->mem.n_regions > 0 && q->sized && q->placed && q->enabled &&
	       cv_fd_get(&q->kick) >= 0;
}

/* The three areas in the guest's addresses; split rings keep their used position in memory. */
static int place(const struct cv_vhost_backend *b, struct cv_vhost_queue *q, struct cv_vq_config *c)
{
	size_t n = q->size;
	bool packed = is_packed(b);
	int err = cv_vhost_translate(b, q->addr.desc, n * 16, &c->desc);

	err = err ?: cv_vhost_translate(b, q->addr.avail, packed ? 4 : 4 + 2 * n, &c->driver);
	err = err ?: cv_vhost_translate(b, q->addr.used, packed ? 4 : 4 + 8 * n, &c->device);
	return err ?: packed ? err : cv_mem_load16(&b->mem, c->device + 2, &q->used);
}

static int configure(struct cv_vhost_backend *b, unsigned int index, struct cv_vq_config *c)
{
	struct cv_vhost_queue *q = &b->queues[index];
	int err;

	*c = (struct cv_vq_config){ .ready = true,
				    .size = q->size,
				    .kick_fd = cv_fd_get(&q->kick),
				    .call_fd = cv_fd_get(&q->call),
				    .inflight = cv_vhost_queue_inflight(b, index),
				    .suspends = b->pf & CV_VHOST_PF_BASE_INFLIGHT };
	err = place(b, q, c);
	c->avail = q->avail;
	c->used = q->used;
	return err;
}

static void set_running(struct cv_vhost_backend *b, unsigned int index, bool running,
			const struct cv_vq_config *at)
{
	struct cv_vhost_queue *q = &b->queues[index];

	if (q->running && !running) {
		q->avail = at->avail;
		q->used = at->used;
	}
	q->running = running;
}

void cv_vhost_backend_stop(struct cv_vhost_backend *b)
{
	struct cv_vq_config configs[CV_VIRTIO_MAX_QUEUES] = { 0 };

	if (!b->running)
		return;
	for (unsigned int i = 0; i < b->slot->n_queues; i++) {
		configs[i].avail = b->queues[i].avail;
		configs[i].used = b->queues[i].used;
	}
	b->slot->ops->stop(b->slot, configs);
	b->running = false;
	for (unsigned int i = 0; i < b->slot->n_queues; i++)
		set_running(b, i, false, &configs[i]);
}

static int start(struct cv_vhost_backend *b)
{
	struct cv_vq_config configs[CV_VIRTIO_MAX_QUEUES] = { 0 };
	int err = b->features & CV_VIRTIO_F_VERSION_1 ? 0 : -EPROTO;

	for (unsigned int i = 0; i < b->slot->n_queues && !err; i++)
		if (wanted(b, &b->queues[i]))
			err = configure(b, i, &configs[i]);
	err = err ?: b->slot->ops->start(b->slot, b->features, configs);
	if (err)
		return err;
	b->running = true;
	atomic_store(&b->broken, false);
	for (unsigned int i = 0; i < b->slot->n_queues; i++)
		set_running(b, i, configs[i].ready, &configs[i]);
	return 0;
}

/* The device goes on while one queue starts or stops. */
static int sync_queue(struct cv_vhost_backend *b, unsigned int index, bool want)
{
	struct cv_vq_config c = { .avail = b->queues[index].avail, .used = b->queues[index].used };
	int err = 0;

	if (want)
		err = configure(b, index, &c);
	if (want && !err)
		err = b->slot->ops->queue_start(b->slot, index, &c);
	if (!want)
		b->slot->ops->queue_stop(b->slot, index, &c);
	if (!err)
		set_running(b, index, want, &c);
	return err;
}

static int sync_queues(struct cv_vhost_backend *b)
{
	int err = 0;

	for (unsigned int i = 0; i < b->slot->n_queues && !err; i++) {
		bool want = wanted(b, &b->queues[i]);

		if (want == b->queues[i].running)
			continue;
		/* such a slot starts and stops as a whole */
		if (!(b->slot->features & CV_VIRTIO_F_RING_RESET)) {
			cv_vhost_backend_stop(b);
			return start(b);
		}
		err = sync_queue(b, i, want);
	}
	return err;
}

int cv_vhost_backend_sync(struct cv_vhost_backend *b)
{
	bool any = false;
	int err = 0;

	for (unsigned int i = 0; i < b->slot->n_queues; i++)
		any |= wanted(b, &b->queues[i]);
	if (!any)
		cv_vhost_backend_stop(b);
	else
		err = b->running ? sync_queues(b) : start(b);
	if (err) {
		cv_log_guest(b->config.log, "%s: the queues do not start: %s", b->config.name,
			     strerror(-err));
		atomic_store(&b->broken, true);
		cv_loop_post(b->config.loop, &b->task);
	}
	return err;
}

static void clear_queue(struct cv_vhost_queue *q)
{
	cv_fd_close(&q->kick);
	cv_fd_close(&q->call);
	cv_fd_close(&q->err);
	*q = (struct cv_vhost_queue){ 0 };
}

void cv_vhost_backend_forget(struct cv_vhost_backend *b)
{
	for (unsigned int i = 0; i < CV_VIRTIO_MAX_QUEUES; i++)
		clear_queue(&b->queues[i]);
	cv_mem_fini(&b->mem);
	b->n_regions = 0;
	cv_vhost_drop_inflight(b);
	cv_fd_close(&b->state);
	b->features = 0;
	b->pf = 0;
	b->owned_features = false;
	b->protocol = false;
	b->status = 0;
}

static void reset(struct cv_vhost_backend *b)
{
	struct cv_vhost_queue *q = b->queues;

	if (b->running)
		b->slot->ops->stop(b->slot, NULL);
	b->running = false;
	for (; q < b->queues + b->slot->n_queues; q++)
		q->enabled = q->running = false;
	b->slot->ops->reset(b->slot);
	atomic_store(&b->broken, false);
}

/* ---- negotiation ---- */

uint64_t cv_vhost_backend_features(const struct cv_vhost_backend *b)
{
	return b->slot->features | CV_VHOST_F_PROTOCOL_FEATURES;
}

uint64_t cv_vhost_backend_pf(const struct cv_vhost_backend *b)
{
	uint64_t pf = CV_VHOST_PF_MQ | CV_VHOST_PF_REPLY_ACK | CV_VHOST_PF_BACKEND_REQ |
		      CV_VHOST_PF_CONFIG | CV_VHOST_PF_INFLIGHT_SHMFD | CV_VHOST_PF_RESET_DEVICE |
		      CV_VHOST_PF_MEM_SLOTS | CV_VHOST_PF_STATUS | CV_VHOST_PF_BASE_INFLIGHT;

	return b->config.save ? pf | CV_VHOST_PF_DEVICE_STATE : pf;
}

static int answer_u64(struct cv_vhost_msg *m, uint64_t v)
{
	m->h.size = sizeof(m->p.u64);
	m->p.u64 = v;
	return 0;
}

static int get_features(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	return answer_u64(m, cv_vhost_backend_features(b));
}

static int set_features(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	uint64_t features = m->p.u64 & ~CV_VHOST_F_PROTOCOL_FEATURES;
	bool protocol = m->p.u64 & CV_VHOST_F_PROTOCOL_FEATURES;

	if (features & ~b->slot->features)
		return -EINVAL;
	if (b->running && features != b->features)
		return -EBUSY;
	b->features = features;
	b->owned_features = true;
	b->protocol = protocol;
	/* without the extension nothing enables queues: they are */
	for (unsigned int i = 0; !protocol && i < b->slot->n_queues; i++)
		b->queues[i].enabled = true;
	return cv_vhost_backend_sync(b);
}

static int nothing(struct cv_vhost_backend *b CV_UNUSED, struct cv_vhost_msg *m CV_UNUSED,
		   int *fd CV_UNUSED)
{
	return 0;
}

static int get_pf(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	return answer_u64(m, cv_vhost_backend_pf(b));
}

static int set_pf(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	if (m->p.u64 & ~cv_vhost_backend_pf(b) ||
	    (m->p.u64 & (CV_VHOST_PF_BASE_INFLIGHT | CV_VHOST_PF_INFLIGHT_SHMFD)) ==
		    CV_VHOST_PF_BASE_INFLIGHT)
		return -EINVAL;
	b->pf = m->p.u64;
	return 0;
}

static int get_queue_num(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	return answer_u64(m, b->slot->n_queues);
}

static int get_max_mem_slots(struct cv_vhost_backend *b CV_UNUSED, struct cv_vhost_msg *m,
			     int *fd CV_UNUSED)
{
	return answer_u64(m, CV_MEM_MAX_REGIONS);
}

static int set_backend_req(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	struct stat st;

	if (fstat(m->fds.fd[0], &st) < 0 || !S_ISSOCK(st.st_mode))
		return -EINVAL;
	cv_fd_close(&b->channel);
	cv_fd_set(&b->channel, cv_msg_fds_take(&m->fds, 0));
	return 0;
}

/* ---- vrings ---- */

static struct cv_vhost_queue *queue_of(struct cv_vhost_backend *b, uint64_t index)
{
	return index < b->slot->n_queues ? &b->queues[index] : NULL;
}

static int set_vring_num(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	struct cv_vhost_queue *q = queue_of(b, m->p.state.index);

	if (!q || m->p.state.num == 0 || m->p.state.num > b->slot->queue_max[m->p.state.index])
		return -EINVAL;
	if (q->running && m->p.state.num != q->size)
		return -EBUSY;
	q->size = (uint16_t)m->p.state.num;
	q->sized = true;
	return cv_vhost_backend_sync(b);
}

static bool same_place(const struct cv_vhost_vring_addr *a, const struct cv_vhost_vring_addr *b)
{
	return a->desc == b->desc && a->used == b->used && a->avail == b->avail;
}

static int set_vring_addr(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	struct cv_vhost_queue *q = queue_of(b, m->p.addr.index);

	if (!q)
		return -EINVAL;
	/* a running queue may be told to log its writes, which is not offered here */
	if (m->p.addr.flags != 0)
		return -EOPNOTSUPP;
	if (q->running && !same_place(&q->addr, &m->p.addr))
		return -EBUSY;
	q->addr = m->p.addr;
	q->placed = true;
	return cv_vhost_backend_sync(b);
}

static int set_vring_base(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	struct cv_vhost_queue *q = queue_of(b, m->p.state.index);
	uint16_t avail = (uint16_t)m->p.state.num, used = (uint16_t)(m->p.state.num >> 16);
	void *inflight;

	if (!q)
		return -EINVAL;
	if (q->running)
		return -EBUSY;
	/* elsewhere than it stood: a new ring, in which nothing is in flight */
	inflight = cv_vhost_queue_inflight(b, m->p.state.index);
	if (q->told && m->p.state.num != q->base && inflight)
		cv_inflight_clear(inflight);
	q->told = false;
	q->avail = avail;
	if (is_packed(b))
		q->used = used;
	return 0;
}

static int get_vring_base(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	struct cv_vhost_queue *q = queue_of(b, m->p.state.index);
	CV_AUTO_FD int kick = -1;
	void *inflight;
	int err;

	if (!q)
		return -EINVAL;
	inflight = q->sized ? cv_vhost_queue_inflight(b, m->p.state.index) : NULL;
	/* it starts again when it gets another kick; the slot watches this one until it has stopped */
	kick = cv_fd_take(&q->kick);
	err = cv_vhost_backend_sync(b);
	if (inflight)
		cv_ignore(cv_inflight_settle(inflight, q->size, is_packed(b))); /* for later */
	m->p.state.num = q->avail;
	if (is_packed(b))
		m->p.state.num |= (uint32_t)q->used << 16;
	q->told = true;
	q->base = m->p.state.num;
	return err;
}

static int set_vring_enable(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	struct cv_vhost_queue *q = queue_of(b, m->p.state.index);

	if (!q || m->p.state.num > 1)
		return -EINVAL;
	q->enabled = m->p.state.num;
	return cv_vhost_backend_sync(b);
}

/*
 * An eventfd. Anything else might block, or kill this process with SIGPIPE. The
 * kernel tells nobody what an anonymous file is, but such files have no type. One
 * that blocks is left so: nothing reads it here, and it takes writes until a front
 * end has filled it, which then waits for itself.
 */
static int take_event(struct cv_vhost_msg *m, int *fd)
{
	struct stat st;

	if ((m->p.u64 & ~(uint64_t)(CV_VHOST_INDEX_MASK | CV_VHOST_NO_FD)) != 0 ||
	    !(m->p.u64 & CV_VHOST_NO_FD) != (m->fds.n == 1))
		return -EINVAL;
	*fd = -1;
	if (m->fds.n == 0)
		return 0;
	if (fstat(m->fds.fd[0], &st) < 0 || (st.st_mode & S_IFMT) != 0)
		return -EINVAL;
	*fd = cv_msg_fds_take(&m->fds, 0);
	return 0;
}

static int set_vring_event(struct cv_vhost_backend *b, struct cv_vhost_msg *m)
{
	uint64_t index = m->p.u64 & CV_VHOST_INDEX_MASK;
	struct cv_vhost_queue *q = queue_of(b, index);
	struct cv_fd *old;
	CV_AUTO_FD int fd = -1;
	int err = q ? take_event(m, &fd) : -EINVAL;

	if (err)
		return err;
	old = m->h.request == CV_VHOST_SET_VRING_CALL ? &q->call : &q->err;
	/* the slot signals the old one until it has the new one */
	if (q->running && old == &q->call)
		b->slot->ops->set_call(b->slot, (unsigned int)index, fd);
	cv_fd_close(old);
	cv_fd_set(old, fd);
	fd = -1;
	if (old == &q->err && atomic_load(&b->broken))
		cv_loop_post(b->config.loop, &b->task);
	return 0;
}

static int set_vring_call(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	return set_vring_event(b, m);
}

static int set_vring_kick(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *unused CV_UNUSED)
{
	struct cv_vhost_queue *q = queue_of(b, m->p.u64 & CV_VHOST_INDEX_MASK);
	CV_AUTO_FD int fd = -1;
	int err = q ? take_event(m, &fd) : -EINVAL;

	if (err)
		return err;
	if (fd < 0) /* looking at the ring all the time is not offered */
		return -EOPNOTSUPP;
	/* a running queue goes on with the new one: it is watched from a start on */
	if (q->running) {
		bool enabled = q->enabled;

		q->enabled = false;
		err = cv_vhost_backend_sync(b);
		q->enabled = enabled;
	}
	cv_fd_close(&q->kick);
	cv_fd_set(&q->kick, fd);
	fd = -1;
	return err ?: cv_vhost_backend_sync(b);
}

/* ---- the device ---- */

static int get_config(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	struct cv_vhost_config_space *c = &m->p.config;
	uint32_t len = c->len, have = b->slot->config_len;

	if (m->h.size != offsetof(struct cv_vhost_config_space, data) + len ||
	    !cv_in_range(c->off, len, CV_VHOST_MAX_CONFIG)) {
		m->h.size = 0; /* how the protocol says no here */
		return 0;
	}
	/* front ends ask for the space of the specification they know, which may be larger */
	memset(c->data, 0, sizeof(c->data));
	if (c->off < have)
		b->slot->ops->config_read(b->slot, c->off, c->data, cv_min(len, have - c->off));
	return 0;
}

static int set_config(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	const struct cv_vhost_config_space *c = &m->p.config;

	if (m->h.size != offsetof(struct cv_vhost_config_space, data) + c->len ||
	    !cv_in_range(c->off, c->len, b->slot->config_len))
		return -EINVAL;
	b->slot->ops->config_write(b->slot, c->off, c->data, c->len);
	return 0;
}

static int reset_device(struct cv_vhost_backend *b, struct cv_vhost_msg *m CV_UNUSED,
			int *fd CV_UNUSED)
{
	reset(b);
	return 0;
}

static int set_status(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	if (m->p.u64 > UINT8_MAX)
		return -EINVAL;
	if (m->p.u64 == 0)
		reset(b);
	b->status = (uint8_t)(m->p.u64 & ~(uint64_t)CV_VIRTIO_NEEDS_RESET);
	return 0;
}

static int get_status(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	unsigned int broken = atomic_load(&b->broken) ? CV_VIRTIO_NEEDS_RESET : 0;

	return answer_u64(m, b->status | broken);
}

static cv_vhost_handler *const handlers[] = {
	[CV_VHOST_GET_FEATURES] = get_features,
	[CV_VHOST_SET_FEATURES] = set_features,
	[CV_VHOST_SET_OWNER] = nothing,
	[CV_VHOST_RESET_OWNER] = nothing, /* deprecated, and nobody agrees on what it does */
	[CV_VHOST_SET_MEM_TABLE] = cv_vhost_set_mem_table,
	[CV_VHOST_SET_VRING_NUM] = set_vring_num,
	[CV_VHOST_SET_VRING_ADDR] = set_vring_addr,
	[CV_VHOST_SET_VRING_BASE] = set_vring_base,
	[CV_VHOST_GET_VRING_BASE] = get_vring_base,
	[CV_VHOST_SET_VRING_KICK] = set_vring_kick,
	[CV_VHOST_SET_VRING_CALL] = set_vring_call,
	[CV_VHOST_SET_VRING_ERR] = set_vring_call,
	[CV_VHOST_GET_PROTOCOL_FEATURES] = get_pf,
	[CV_VHOST_SET_PROTOCOL_FEATURES] = set_pf,
	[CV_VHOST_GET_QUEUE_NUM] = get_queue_num,
	[CV_VHOST_SET_VRING_ENABLE] = set_vring_enable,
	[CV_VHOST_SET_BACKEND_REQ_FD] = set_backend_req,
	[CV_VHOST_GET_CONFIG] = get_config,
	[CV_VHOST_SET_CONFIG] = set_config,
	[CV_VHOST_GET_INFLIGHT_FD] = cv_vhost_get_inflight,
	[CV_VHOST_SET_INFLIGHT_FD] = cv_vhost_set_inflight,
	[CV_VHOST_RESET_DEVICE] = reset_device,
	[CV_VHOST_GET_MAX_MEM_SLOTS] = get_max_mem_slots,
	[CV_VHOST_ADD_MEM_REG] = cv_vhost_add_mem_reg,
	[CV_VHOST_REM_MEM_REG] = cv_vhost_rem_mem_reg,
	[CV_VHOST_SET_STATUS] = set_status,
	[CV_VHOST_GET_STATUS] = get_status,
	[CV_VHOST_SET_DEVICE_STATE_FD] = cv_vhost_set_state_fd,
	[CV_VHOST_CHECK_DEVICE_STATE] = cv_vhost_check_state,
};

cv_vhost_handler *cv_vhost_handler_of(uint32_t request)
{
	return request < CV_LEN(handlers) ? handlers[request] : NULL;
}
