/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the vhost-user front end with a back end's answers. Each answer begins
 * with a byte: 0 is an honest one; otherwise bits choose what of it is from the
 * input: 1 the value, 2 the header's words, 4 a size, 8 descriptors, 16 bytes on the
 * channel, 32 one more message, 64 the end of the connection.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/must.h"
#include "support/vdev.h"
#include "vhost/user_frontend.h"
#include "vhost/user_message.h"
#include "virtio/virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	const uint8_t *data;
	size_t left;
	int sock, channel;
};

static uint64_t take(struct peer *p, unsigned int len)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < len && p->left > 0; i++, p->left--)
		v |= (uint64_t)*p->data++ << (8 * i);
	return v;
}

static void honest(struct cv_vhost_msg *m, bool own)
{
	uint64_t v = 0;

	if (m->h.request == CV_VHOST_GET_FEATURES)
		v = CV_VHOST_F_PROTOCOL_FEATURES | CV_VIRTIO_F_VERSION_1 | CV_VIRTIO_F_RING_PACKED;
	else if (m->h.request == CV_VHOST_GET_PROTOCOL_FEATURES)
		v = CV_VHOST_PF_REPLY_ACK | CV_VHOST_PF_MQ | CV_VHOST_PF_CONFIG |
		    CV_VHOST_PF_BACKEND_REQ | CV_VHOST_PF_STATUS | CV_VHOST_PF_RESET_DEVICE |
		    CV_VHOST_PF_INFLIGHT_SHMFD | CV_VHOST_PF_DEVICE_STATE;
	else if (m->h.request == CV_VHOST_GET_QUEUE_NUM)
		v = 2;
	m->h.flags = CV_VHOST_VERSION | CV_VHOST_REPLY;
	if (own &&
	    (m->h.request == CV_VHOST_GET_CONFIG || m->h.request == CV_VHOST_GET_VRING_BASE ||
	     m->h.request == CV_VHOST_GET_INFLIGHT_FD))
		return;
	m->h.size = sizeof(v);
	m->p.u64 = v;
}

static void talk_on_channel(struct peer *p)
{
	uint8_t bytes[16];
	size_t n = take(p, 1) % sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)take(p, 1);
	if (p->channel >= 0)
		cv_ignore(send(p->channel, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT));
}

static bool answer(struct peer *p, struct cv_vhost_msg *m)
{
	unsigned int how = (unsigned int)take(p, 1), n = 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[3] = { null, null, null };
	bool ok;

	honest(m, cv_vhost_request_answered(m->h.request));
	if (how & 1)
		m->p.u64 = take(p, 8);
	if (how & 2) {
		m->h.request ^= (uint32_t)take(p, 1);
		m->h.flags ^= (uint32_t)take(p, 1);
	}
	if (how & 4)
		m->h.size = (uint32_t)(take(p, 2) % sizeof(m->p));
	if (how & 8 || m->h.request == CV_VHOST_GET_INFLIGHT_FD)
		n = 1 + (how & 8 ? (unsigned int)take(p, 1) % 3 : 0);
	if (how & 16)
		talk_on_channel(p);
	ok = !(how & 64) && cv_vhost_send(p->sock, m, fds, n, cv_msg_deadline(50)) == 0;
	if (ok && how & 32)
		ok = cv_vhost_send(p->sock, m, fds, n, cv_msg_deadline(50)) == 0;
	close(null);
	return ok;
}

static void *run(void *arg)
{
	struct peer *p = arg;
	struct cv_vhost_msg m;
	bool go_on = true;

	while (go_on && cv_vhost_recv(p->sock, &m, cv_msg_deadline(2000)) == 0) {
		bool asked =
			cv_vhost_request_answered(m.h.request) || (m.h.flags & CV_VHOST_NEED_REPLY);

		if (m.h.request == CV_VHOST_SET_BACKEND_REQ_FD && p->channel < 0)
			p->channel = cv_msg_fds_take(&m.fds, 0);
		cv_msg_fds_close(&m.fds);
		if (asked)
			go_on = answer(p, &m);
	}
	close(p->sock);
	if (p->channel >= 0)
		close(p->channel);
	return NULL;
}

static void use(struct cv_vslot *slot, struct guest *g, struct cv_loop *loop, bool packed)
{
	const struct vdev_options o = {
		.packed = packed && (slot->features & CV_VIRTIO_F_RING_PACKED), .queue_size = 16
	};
	struct cv_vq_config at[CV_VIRTIO_MAX_QUEUES] = { 0 };
	struct cv_buf state = { 0 };
	uint8_t buf[8];
	struct vdev d;

	vdev_attach(&d, &vdev_slot_ops, slot, g, loop, false);
	d.ops->config_read(&d, 4, buf, 4);
	d.ops->config_write(&d, 4, buf, 4);
	if (vdev_start(&d, &o) == 0) {
		slot->ops->set_call(slot, 0, -1);
		slot->ops->queue_stop(slot, 1, NULL);
		slot->ops->stop(slot, at);
		d.started = false;
	}
	cv_loop_dispatch(loop);
	cv_ignore(cv_vhost_frontend_save(slot, &state, NULL));
	cv_ignore(cv_vhost_frontend_load(slot, "state", 5, NULL));
	cv_buf_fini(&state);
	vdev_detach(&d);
	cv_loop_dispatch(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer p = { .data = data + 1, .left = size > 0 ? size - 1 : 0, .channel = -1 };
	static struct guest g;
	static struct cv_loop *loop;
	struct cv_vslot *slot;
	struct vm_error e;
	pthread_t thread;
	uint64_t mark;
	int pair[2];

	if (!loop) {
		guest_init(&g, 4 << 20);
		must(cv_loop_create_fake(&loop, NULL) == 0);
	}
	mark = guest_mark(&g);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	p.sock = pair[1];
	must(pthread_create(&thread, NULL, run, &p) == 0);
	if (cv_vhost_frontend_create(&slot,
				     &(struct cv_vhost_frontend_config){ .name = "fuzz",
									 .id = 5,
									 .config_len = 16,
									 .min_queues = 1,
									 .max_queues = 3,
									 .mem = &g.mem,
									 .loop = loop,
									 .timeout_ms = 200 },
				     pair[0], &e) == 0) {
		use(slot, &g, loop, size > 0 && data[0] & 1);
		cv_vslot_destroy(slot);
	}
	must(pthread_join(thread, NULL) == 0);
	guest_rewind(&g, mark);
	return 0;
}
