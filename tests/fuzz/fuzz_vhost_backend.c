/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the vhost-user back end as a front end: messages with descriptors of
 * several kinds, words in the shared memory, kicks. The first byte says how much is
 * negotiated before. Afterwards the next front end must be served.
 *
 * A step is a byte: 0 to 0x7f a request of that number: { flags and descriptors,
 * size, payload }; from 0x80 a write of memory: { offset, 16 bits; value, 64 bits };
 * from 0xf0 a kick.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/math.h"
#include "support/must.h"
#include "sys/fd.h"
#include "sys/loop.h"
#include "vhost/user_backend.h"
#include "vhost/user_message.h"
#include "virtio/virtio.h"
#include "virtio/vslot_local.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct cv_class cv_class_balloon;

#define MEM	  65536u
#define MAX_STEPS 200

static struct {
	struct cv_log log;
	struct cv_loop *loop;
	struct cv_vhost_backend *b;
	struct cv_vslot *slot;
	int mem, log_file, kick, null;
	uint8_t *host;
	int sock;
} f;

struct input {
	const uint8_t *data;
	size_t left;
};

static uint64_t take(struct input *in, unsigned int len)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < len && in->left > 0; i++, in->left--)
		v |= (uint64_t)*in->data++ << (8 * i);
	return v;
}

static void setup(void)
{
	void *config;

	must(cv_loop_create_fake(&f.loop, NULL) == 0);
	must(cv_vhost_backend_create(
		     &f.b,
		     &(struct cv_vhost_backend_config){
			     .name = "fuzz", .loop = f.loop, .log = &f.log, .timeout_ms = 1 },
		     NULL) == 0);
	must(cv_class_configure(&cv_class_balloon, "", &config, NULL) == 0);
	must(cv_vslot_local_create(
		     &f.slot, &cv_class_balloon,
		     &(struct cv_env){
			     .mem = cv_vhost_backend_mem(f.b), .loop = f.loop, .log = &f.log },
		     config, &(struct cv_vslot_local_config){ .packed = true }, NULL) == 0);
	cv_vhost_backend_set_slot(f.b, f.slot);
	f.mem = memfd_create("mem", MFD_CLOEXEC);
	f.log_file = memfd_create("log", MFD_CLOEXEC);
	must(ftruncate(f.mem, MEM) == 0 && ftruncate(f.log_file, MEM) == 0);
	f.host = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, f.mem, 0);
	must(f.host != MAP_FAILED);
	f.kick = cv_event_create();
	f.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	must(f.kick >= 0 && f.null >= 0);
}

static void reach(void)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(cv_vhost_backend_serve(f.b, pair[1], NULL) == 0);
	f.sock = pair[0];
}

/* Answers are thrown away, descriptors included. */
static void drain(void)
{
	struct cv_msg_fds fds = { 0 };
	uint8_t buf[2048];
	size_t got = 0;

	cv_loop_dispatch(f.loop);
	while (got = 0, cv_msg_recv_some(f.sock, buf, sizeof(buf), &got, &fds) == 0 && got > 0)
		cv_msg_fds_close(&fds);
	cv_msg_fds_close(&fds);
}

static void say(uint32_t request, uint32_t flags, const void *payload, uint32_t size,
		const int *fds, unsigned int n)
{
	struct cv_vhost_msg m = { .h = { request, flags, size } };

	if (size > 0)
		memcpy(&m.p, payload, size);
	cv_ignore(cv_vhost_send(f.sock, &m, fds, n, 0)); /* it may have hung up */
	drain();
}

static void say_u64(uint32_t request, uint64_t v, int fd)
{
	say(request, CV_VHOST_VERSION, &v, 8, &fd, fd >= 0);
}

static void say_state(uint32_t request, uint32_t index, uint32_t num)
{
	say(request, CV_VHOST_VERSION, &(struct cv_vhost_vring_state){ index, num }, 8, NULL, 0);
}

static void prelude(unsigned int how)
{
	uint64_t features = CV_VIRTIO_F_VERSION_1 | CV_VHOST_F_PROTOCOL_FEATURES;
	struct cv_vhost_mem_table t = { .n_regions = 1, .regions = { { 0, MEM, 0, 0 } } };
	struct cv_vhost_inflight log = { .len = MEM, .n_queues = 3, .queue_size = 16 };
	struct cv_vhost_vring_addr addr = { .desc = 0, .avail = 4096, .used = 8192 };

	if (how & 2)
		features |= CV_VIRTIO_F_RING_PACKED;
	if (how & 1)
		say_u64(CV_VHOST_SET_PROTOCOL_FEATURES,
			CV_VHOST_PF_REPLY_ACK | CV_VHOST_PF_INFLIGHT_SHMFD | CV_VHOST_PF_CONFIG,
			-1);
	if (how & 4)
		say_u64(CV_VHOST_SET_FEATURES, features, -1);
	if (how & 8)
		say(CV_VHOST_SET_MEM_TABLE, CV_VHOST_VERSION, &t, 40, &f.mem, 1);
	if (how & 16)
		say(CV_VHOST_SET_INFLIGHT_FD, CV_VHOST_VERSION, &log, sizeof(log), &f.log_file, 1);
	for (uint32_t i = 0; how & 32 && i < 2; i++) {
		addr.index = i;
		say_state(CV_VHOST_SET_VRING_NUM, i, 16);
		say_state(CV_VHOST_SET_VRING_BASE, i, how & 2 ? 0x80008000 : 0);
		say(CV_VHOST_SET_VRING_ADDR, CV_VHOST_VERSION, &addr, sizeof(addr), NULL, 0);
		say_u64(CV_VHOST_SET_VRING_KICK, i, f.kick);
		say_state(CV_VHOST_SET_VRING_ENABLE, i, 1);
	}
}

static void request(struct input *in, uint32_t number)
{
	const int kinds[] = { f.mem, f.log_file, f.kick, f.null };
	uint8_t payload[255];
	uint32_t how = (uint32_t)take(in, 1), size = (uint32_t)take(in, 1);
	unsigned int n = how >> 4 & 3;
	int fds[3];

	for (unsigned int i = 0; i < n; i++)
		fds[i] = kinds[((how >> 6) + i) % 4];
	for (uint32_t i = 0; i < size; i++)
		payload[i] = (uint8_t)take(in, 1);
	say(number, (how & 15) ^ CV_VHOST_VERSION, payload, size, fds, n);
}

static void step(struct input *in)
{
	uint32_t what = (uint32_t)take(in, 1);

	if (what < 0x80) {
		request(in, what);
	} else if (what < 0xf0) {
		size_t off = take(in, 2) % (MEM - 8);
		uint64_t v = take(in, 8);

		memcpy(f.host + off, &v, sizeof(v));
	} else {
		cv_event_signal(f.kick);
		drain();
	}
}

static void must_serve(void)
{
	struct cv_vhost_msg m = { .h = { CV_VHOST_GET_FEATURES, CV_VHOST_VERSION, 0 } };

	must(cv_vhost_send(f.sock, &m, NULL, 0, 0) == 0);
	cv_loop_dispatch(f.loop);
	must(cv_vhost_recv(f.sock, &m, cv_msg_deadline(1000)) == 0);
	must(!cv_vhost_reply_fault(&m, CV_VHOST_GET_FEATURES));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (!f.loop)
		setup();
	memset(f.host, 0, MEM);
	must(ftruncate(f.log_file, 0) == 0 && ftruncate(f.log_file, MEM) == 0);
	cv_event_drain(f.kick);
	reach();
	prelude((unsigned int)take(&in, 1));
	for (unsigned int i = 0; i < MAX_STEPS && in.left > 0; i++)
		step(&in);
	close(f.sock);
	cv_loop_dispatch(f.loop);
	cv_vhost_backend_close(f.b);
	f.slot->ops->reset(f.slot);
	reach();
	must_serve();
	close(f.sock);
	cv_vhost_backend_close(f.b);
	return 0;
}
