/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front end's side of the conversation. One request at a time, each wait with
 * an end. The order of the requests is QEMU's, which every back end knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/math.h"
#include "vhost/frontend_impl.h"
#include "virtio/inflight.h"
#include "virtio/virtio.h"

/* Guest addresses plus this are what the peer knows as our addresses: it learns nothing of where
 * things are in this process. */
#define USER_BASE (1ull << 44)

/* What the transports and this protocol can do, beside the device's own bits 0 to 23 and from 50. */
#define KNOWN_FEATURES                                                                             \
	(0xffffffull | CV_VIRTIO_F_INDIRECT_DESC | CV_VIRTIO_F_EVENT_IDX | CV_VIRTIO_F_VERSION_1 | \
	 CV_VIRTIO_F_RING_PACKED | CV_VIRTIO_F_RING_RESET | 1ull << 35 | ~0ull << 50)

#define WANTED_PF                                                                                \
	(CV_VHOST_PF_MQ | CV_VHOST_PF_REPLY_ACK | CV_VHOST_PF_BACKEND_REQ | CV_VHOST_PF_CONFIG | \
	 CV_VHOST_PF_INFLIGHT_SHMFD | CV_VHOST_PF_RESET_DEVICE | CV_VHOST_PF_MEM_SLOTS |         \
	 CV_VHOST_PF_STATUS | CV_VHOST_PF_DEVICE_STATE | CV_VHOST_PF_BASE_INFLIGHT)

#define MAX_PLAIN_REGIONS 8 /* in SET_MEM_TABLE */

/* ---- one request ---- */

int cv_vhost_lose(struct cv_vhost_frontend *f, const char *fmt, ...)
{
	va_list args;

	if (!f->connected)
		return -EPIPE;
	f->connected = false;
	va_start(args, fmt);
	vsnprintf(f->why, sizeof(f->why), fmt, args);
	va_end(args);
	shutdown(cv_fd_get(&f->sock), SHUT_RDWR);
	if (f->quiet)
		return -EPIPE;
	cv_log_warn(f->config.log, "%s: the back end %s", f->config.name, f->why);
	cv_loop_post(f->config.loop, &f->lost_task);
	return -EPIPE;
}

static const char *failure(int err)
{
	switch (err) {
	case -ETIMEDOUT:
		return "does not answer in time";
	case -ENODATA:
	case -EPIPE:
	case -ECONNRESET:
		return "has closed the connection";
	case -EMSGSIZE:
		return "answers with too many bytes";
	case -EBADMSG:
		return "sends a cut answer or descriptors where none belong";
	default:
		return strerror(-err);
	}
}

/* Nothing may be there to read before something was asked for. */
static int check_quiet(struct cv_vhost_frontend *f)
{
	struct pollfd p = { .fd = cv_fd_get(&f->sock), .events = POLLIN };
	char byte;

	if (!f->connected)
		return -ENOTCONN;
	if (poll(&p, 1, 0) <= 0)
		return 0;
	if (recv(p.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return cv_vhost_lose(f, "speaks without being asked");
	return cv_vhost_lose(f, "has closed the connection");
}

/* What was asked for replaces *m. */
static int get_answer(struct cv_vhost_frontend *f, struct cv_vhost_msg *m, uint64_t deadline)
{
	uint32_t request = m->h.request;
	const char *name = cv_vhost_request_name(request), *fault;
	int err = cv_vhost_recv(cv_fd_get(&f->sock), m, deadline);

	if (err)
		return cv_vhost_lose(f, "%s (%s)", failure(err), name);
	fault = cv_vhost_reply_fault(m, request);
	if (!fault)
		return 0;
	cv_msg_fds_close(&m->fds);
	return cv_vhost_lose(f, "answers %s with a message that %s", name, fault);
}

int cv_vhost_ask(struct cv_vhost_frontend *f, struct cv_vhost_msg *m, const int *fds,
		 unsigned int n_fds, bool ack)
{
	uint64_t deadline = cv_min(cv_msg_deadline(f->config.timeout_ms), f->deadline);
	bool answered = cv_vhost_request_answered(m->h.request);
	const char *name = cv_vhost_request_name(m->h.request);
	int err = check_quiet(f);

	if (err)
		return err;
	ack = ack && !answered && (f->pf & CV_VHOST_PF_REPLY_ACK);
	m->h.flags = CV_VHOST_VERSION | (ack ? CV_VHOST_NEED_REPLY : 0);
	err = cv_vhost_send(cv_fd_get(&f->sock), m, fds, n_fds, deadline);
	if (err)
		return cv_vhost_lose(f, "%s (%s)", failure(err), name);
	if (answered || ack)
		err = get_answer(f, m, deadline);
	if (!err && ack && m->p.u64 != 0)
		err = -EREMOTEIO;
	return err;
}

static int ask_u64(struct cv_vhost_frontend *f, uint32_t request, uint64_t *v)
{
	struct cv_vhost_msg m = { .h = { .request = request } };
	int err = cv_vhost_ask(f, &m, NULL, 0, false);

	*v = m.p.u64;
	return err;
}

static int tell(struct cv_vhost_frontend *f, uint32_t request, bool ack)
{
	struct cv_vhost_msg m = { .h = { .request = request } };

	return cv_vhost_ask(f, &m, NULL, 0, ack);
}

static int tell_u64(struct cv_vhost_frontend *f, uint32_t request, uint64_t v, bool ack)
{
	struct cv_vhost_msg m = { .h = { .request = request, .size = sizeof(v) }, .p.u64 = v };

	return cv_vhost_ask(f, &m, NULL, 0, ack);
}

static int tell_state(struct cv_vhost_frontend *f, uint32_t request, unsigned int index,
		      uint32_t num)
{
	struct cv_vhost_msg m = { .h = { .request = request, .size = sizeof(m.p.state) },
				  .p.state = { .index = index, .num = num } };

	/* refusals are the guest's fault: sizes and addresses are its own */
	return cv_vhost_ask(f, &m, NULL, 0, true);
}

/* An eventfd of a queue, or none (-1). */
static int tell_event(struct cv_vhost_frontend *f, uint32_t request, unsigned int index, int fd)
{
	struct cv_vhost_msg m = { .h = { .request = request, .size = sizeof(m.p.u64) },
				  .p.u64 = index | (fd < 0 ? CV_VHOST_NO_FD : 0) };

	return cv_vhost_ask(f, &m, &fd, fd >= 0, false);
}

int cv_vhost_send_call(struct cv_vhost_frontend *f, unsigned int index, int fd)
{
	return tell_event(f, CV_VHOST_SET_VRING_CALL, index, fd);
}

/* ---- configuration space ---- */

int cv_vhost_read_space(struct cv_vhost_frontend *f)
{
	uint32_t len = f->slot.config_len,
		 size = offsetof(struct cv_vhost_config_space, data) + len;
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_GET_CONFIG, .size = size },
				  .p.config = { .len = len } };
	int err;

	if (!(f->pf & CV_VHOST_PF_CONFIG) || len == 0)
		return 0;
	/* always all of it from the beginning: back ends ignore the offset */
	err = cv_vhost_ask(f, &m, NULL, 0, false);
	if (err)
		return err;
	if (m.h.size == 0)
		return -EREMOTEIO;
	if (m.h.size != size)
		return cv_vhost_lose(f, "answers GET_CONFIG with another size than asked for");
	memcpy(f->space, m.p.config.data, len);
	return 0;
}

int cv_vhost_write_space(struct cv_vhost_frontend *f, uint32_t off, const uint8_t *buf,
			 uint32_t len)
{
	struct cv_vhost_msg m = {
		.h = { .request = CV_VHOST_SET_CONFIG,
		       .size = (uint32_t)offsetof(struct cv_vhost_config_space, data) + len },
		.p.config = { .off = off, .len = len }
	};

	memcpy(m.p.config.data, buf, len);
	return cv_vhost_ask(f, &m, NULL, 0, true);
}

/* ---- negotiation ---- */

static int negotiate_pf(struct cv_vhost_frontend *f)
{
	uint64_t offered = 0;
	int err = ask_u64(f, CV_VHOST_GET_PROTOCOL_FEATURES, &offered);

	offered &= WANTED_PF;
	if (!(offered & CV_VHOST_PF_INFLIGHT_SHMFD))
		offered &= ~CV_VHOST_PF_BASE_INFLIGHT;
	err = err ?: tell_u64(f, CV_VHOST_SET_PROTOCOL_FEATURES, offered, false);
	if (!err)
		f->pf = offered;
	return err;
}

static int open_channel(struct cv_vhost_frontend *f)
{
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_SET_BACKEND_REQ_FD } };
	int pair[2], err;

	if (!(f->pf & CV_VHOST_PF_BACKEND_REQ))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	f->channel_got = 0;
	cv_fd_set(&f->channel, pair[0]);
	err = cv_vhost_ask(f, &m, &pair[1], 1, true);
	cv_close_fd_ptr(&pair[1]);
	return err;
}

static int check_queues(struct cv_vhost_frontend *f, struct vm_error *e)
{
	uint64_t n = f->made ? f->slot.n_queues : f->config.min_queues;
	int err = 0;

	if (f->pf & CV_VHOST_PF_MQ)
		err = ask_u64(f, CV_VHOST_GET_QUEUE_NUM, &n);
	if (err)
		return err;
	if (n < (f->made ? f->slot.n_queues : f->config.min_queues))
		return cv_err(e, -EPROTO,
			      "%s: the back end has %llu queues, at least %u are needed",
			      f->config.name, (unsigned long long)n, f->config.min_queues);
	if (!f->made)
		f->slot.n_queues = (uint16_t)cv_min(n, (uint64_t)f->config.max_queues);
	return 0;
}

static int check_features(struct cv_vhost_frontend *f, struct vm_error *e)
{
	uint64_t offered = f->available & KNOWN_FEATURES & ~f->config.refuse;

	if (!(offered & CV_VIRTIO_F_VERSION_1))
		return cv_err(e, -EPROTO, "%s: the back end does not offer VIRTIO_F_VERSION_1",
			      f->config.name);
	if (f->made && (f->features & ~offered) != 0)
		return cv_err(e, -EPROTO,
			      "%s: the new back end lacks features 0x%llx that the guest uses",
			      f->config.name, (unsigned long long)(f->features & ~offered));
	if (!f->made)
		f->slot.features = offered;
	return 0;
}

static int check_space(struct cv_vhost_frontend *f, struct vm_error *e)
{
	int err;

	if (!(f->pf & CV_VHOST_PF_CONFIG) && f->config.config_len > 0 && !f->config.config_space)
		return cv_err(e, -EPROTO, "%s: the back end has no configuration space to show",
			      f->config.name);
	err = cv_vhost_read_space(f);
	return err == -EREMOTEIO ? cv_err(e, -EPROTO,
					  "%s: the back end does not show %u bytes of "
					  "configuration space",
					  f->config.name, f->config.config_len)
				 : err;
}

int cv_vhost_handshake(struct cv_vhost_frontend *f, struct vm_error *e)
{
	int err;

	f->pf = 0;
	f->mem_sent = false;
	e->text[0] = '\0';
	err = ask_u64(f, CV_VHOST_GET_FEATURES, &f->available);
	err = err ?: tell(f, CV_VHOST_SET_OWNER, false);
	f->has_pf = f->available & CV_VHOST_F_PROTOCOL_FEATURES;
	if (!err && f->has_pf)
		err = negotiate_pf(f);
	err = err ?: check_features(f, e);
	err = err ?: check_queues(f, e);
	err = err ?: open_channel(f);
	err = err ?: check_space(f, e);
	if (err && e->text[0] == '\0')
		return err == -EREMOTEIO || !f->connected
			       ? cv_err(e, err, "%s: the back end %s", f->config.name,
					f->connected ? "refuses to negotiate" : f->why)
			       : cv_err_os(e, err, "%s: no connection can be made to the back end",
					   f->config.name);
	return err;
}

/* ---- memory ---- */

static struct cv_vhost_region region_of(const struct cv_mem_region *r)
{
	return (struct cv_vhost_region){
		.gpa = r->gpa, .len = r->len, .user = r->gpa + USER_BASE, .fd_off = r->fd_off
	};
}

static int send_mem_slots(struct cv_vhost_frontend *f)
{
	const struct cv_mem *mem = f->config.mem;
	uint64_t slots = 0;
	int err = ask_u64(f, CV_VHOST_GET_MAX_MEM_SLOTS, &slots);

	if (!err && slots < mem->n_regions)
		return cv_vhost_lose(f, "takes %llu regions of memory, %u are needed",
				     (unsigned long long)slots, mem->n_regions);
	for (unsigned int i = 0; i < mem->n_regions && !err; i++) {
		struct cv_vhost_msg m = { .h = { .request = CV_VHOST_ADD_MEM_REG,
						 .size = sizeof(m.p.region) },
					  .p.region.region = region_of(&mem->regions[i]) };

		err = cv_vhost_ask(f, &m, &mem->regions[i].memfd, 1, true);
	}
	return err;
}

static int send_mem_table(struct cv_vhost_frontend *f)
{
	const struct cv_mem *mem = f->config.mem;
	uint32_t n = mem->n_regions, size = (uint32_t)(8 + n * sizeof(struct cv_vhost_region));
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_SET_MEM_TABLE, .size = size },
				  .p.table.n_regions = n };
	int fds[MAX_PLAIN_REGIONS];

	if (n > MAX_PLAIN_REGIONS)
		return cv_vhost_lose(f, "takes 8 regions of memory, %u are needed", n);
	for (unsigned int i = 0; i < n; i++) {
		m.p.table.regions[i] = region_of(&mem->regions[i]);
		fds[i] = mem->regions[i].memfd;
	}
	return cv_vhost_ask(f, &m, fds, n, true);
}

static int send_mem(struct cv_vhost_frontend *f)
{
	int err = 0;

	if (!f->mem_sent)
		err = f->pf & CV_VHOST_PF_MEM_SLOTS ? send_mem_slots(f) : send_mem_table(f);
	f->mem_sent = !err;
	return err;
}

/* ---- the log of chains in flight ---- */

/* Large enough for split queues and for packed ones. */
static int make_inflight(struct cv_vhost_frontend *f, struct cv_vhost_inflight *i)
{
	size_t len =
		cv_max(cv_inflight_len(i->queue_size, false), cv_inflight_len(i->queue_size, true));
	CV_AUTO_FD int fd = memfd_create("crosvm_inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	i->len = i->n_queues * len;
	if (fd < 0 || ftruncate(fd, (off_t)i->len) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	f->inflight_at = *i;
	cv_fd_set(&f->inflight, fd);
	fd = -1;
	return 0;
}

static int get_inflight(struct cv_vhost_frontend *f)
{
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_GET_INFLIGHT_FD,
					 .size = sizeof(m.p.inflight) } };
	uint16_t size = 0;
	int err;

	for (unsigned int i = 0; i < f->slot.n_queues; i++)
		if (f->queue_max[i] > size)
			size = f->queue_max[i];
	m.p.inflight.n_queues = f->slot.n_queues;
	m.p.inflight.queue_size = size;
	if (f->config.own_inflight)
		return make_inflight(f, &m.p.inflight);
	err = cv_vhost_ask(f, &m, NULL, 0, false);
	if (err)
		return err;
	f->inflight_at = m.p.inflight;
	cv_fd_set(&f->inflight, cv_msg_fds_take(&m.fds, 0));
	cv_msg_fds_close(&m.fds);
	return 0;
}

void cv_vhost_forget_queue(struct cv_vhost_frontend *f, unsigned int index)
{
	bool packed = f->features & CV_VIRTIO_F_RING_PACKED;
	size_t len = cv_inflight_len(f->inflight_at.queue_size, packed);
	CV_AUTO_FREE void *zeros = NULL;
	int fd = cv_fd_get(&f->inflight);

	if (fd < 0)
		return;
	if (f->config.own_inflight)
		zeros = calloc(1, len);
	/* how another one's log is laid out is not known: then no queue has notes any more */
	if (!zeros || pwrite(fd, zeros, len, (off_t)(index * len)) != (ssize_t)len)
		cv_fd_close(&f->inflight);
}

static int send_inflight(struct cv_vhost_frontend *f)
{
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_SET_INFLIGHT_FD,
					 .size = sizeof(m.p.inflight) } };
	int fd, err = 0;

	if (!(f->pf & CV_VHOST_PF_INFLIGHT_SHMFD))
		return 0;
	if (cv_fd_get(&f->inflight) < 0)
		err = get_inflight(f);
	fd = cv_fd_get(&f->inflight);
	/* a back end may have none after all */
	if (err || fd < 0 || f->inflight_at.len == 0)
		return err;
	m.p.inflight = f->inflight_at;
	return cv_vhost_ask(f, &m, &fd, 1, true);
}

/* ---- queues ---- */

static int send_addr(struct cv_vhost_frontend *f, unsigned int index)
{
	const struct cv_vq_config *c = &f->queues[index];
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_SET_VRING_ADDR,
					 .size = sizeof(m.p.addr) },
				  .p.addr = { .index = index,
					      .desc = c->desc + USER_BASE,
					      .used = c->device + USER_BASE,
					      .avail = c->driver + USER_BASE } };

	return cv_vhost_ask(f, &m, NULL, 0, true);
}

int cv_vhost_send_queue(struct cv_vhost_frontend *f, unsigned int index)
{
	const struct cv_vq_config *c = &f->queues[index];
	bool packed = f->features & CV_VIRTIO_F_RING_PACKED;
	uint32_t base = c->avail | (packed ? (uint32_t)c->used << 16 : 0);
	int err = tell_state(f, CV_VHOST_SET_VRING_NUM, index, c->size);

	err = err ?: tell_state(f, CV_VHOST_SET_VRING_BASE, index, base);
	err = err ?: send_addr(f, index);
	err = err ?: cv_vhost_send_call(f, index, c->call_fd);
	err = err ?: tell_event(f, CV_VHOST_SET_VRING_ERR, index, cv_fd_get(&f->err));
	err = err ?: tell_event(f, CV_VHOST_SET_VRING_KICK, index, c->kick_fd);
	if (f->has_pf)
		err = err ?: tell_state(f, CV_VHOST_SET_VRING_ENABLE, index, 1);
	return err;
}

int cv_vhost_send_stop(struct cv_vhost_frontend *f, unsigned int index)
{
	struct cv_vhost_msg m = { .h = { .request = CV_VHOST_GET_VRING_BASE,
					 .size = sizeof(m.p.state) },
				  .p.state.index = index };
	struct cv_vq_config *c = &f->queues[index];
	int err = 0;

	if (f->has_pf)
		err = tell_state(f, CV_VHOST_SET_VRING_ENABLE, index, 0);
	err = err ?: cv_vhost_ask(f, &m, NULL, 0, false);
	if (err)
		return err;
	c->avail = (uint16_t)m.p.state.num;
	c->used =
		f->features & CV_VIRTIO_F_RING_PACKED ? (uint16_t)(m.p.state.num >> 16) : c->avail;
	return 0;
}

/* ---- the device ---- */

static int send_status(struct cv_vhost_frontend *f, uint8_t status)
{
	return f->pf & CV_VHOST_PF_STATUS ? tell_u64(f, CV_VHOST_SET_STATUS, status, true) : 0;
}

int cv_vhost_send_start(struct cv_vhost_frontend *f)
{
	const uint8_t ready = CV_VIRTIO_ACKNOWLEDGE | CV_VIRTIO_DRIVER | CV_VIRTIO_FEATURES_OK;
	uint64_t own = f->has_pf ? CV_VHOST_F_PROTOCOL_FEATURES : 0;
	int err = tell_u64(f, CV_VHOST_SET_FEATURES, f->features | own, true);

	err = err ?: send_status(f, ready);
	err = err ?: send_mem(f);
	err = err ?: send_inflight(f);
	for (unsigned int i = 0; i < f->slot.n_queues && !err; i++)
		if (f->queues[i].ready)
			err = cv_vhost_send_queue(f, i);
	return err ?: send_status(f, ready | CV_VIRTIO_DRIVER_OK);
}

int cv_vhost_send_reset(struct cv_vhost_frontend *f)
{
	if (f->pf & CV_VHOST_PF_RESET_DEVICE)
		return tell(f, CV_VHOST_RESET_DEVICE, true);
	return send_status(f, 0);
}
