/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The back end against a front end that lies. Each row is one message: the
 * connection must go on after what is harmless, refuse what can be refused and end
 * for the rest, and the next front end must be served.
 */
#include "peer.h"
#include "support/vdev.h"
#include "vhost/user_backend.h"
#include "virtio/virtio.h"
#include "virtio/vslot_local.h"

#define MEM (1u << 20)

struct served {
	struct cv_loop *loop;
	struct cv_log log;
	pthread_t thread;
	struct cv_vhost_backend *b;
	struct cv_vslot *slot;
	void *config;
	const struct cv_class *cls;
	int sock; /* the test's end */
	bool sealed;
	atomic_uint n_closed, n_faults;
};

static void on_closed(void *ctx, const char *why)
{
	struct served *s = ctx;

	atomic_fetch_add(why ? &s->n_faults : &s->n_closed, 1);
}

struct attach {
	struct served *s;
	int fd;
};

static void attach(void *arg)
{
	struct attach *a = arg;

	must(cv_vhost_backend_serve(a->s->b, a->fd, NULL) == 0);
}

static void reach(struct served *s)
{
	struct attach a = { .s = s };
	int pair[2];

	socket_pair(pair);
	s->sock = pair[0];
	a.fd = pair[1];
	cv_loop_call(s->loop, attach, &a);
}

static void served_init(struct served *s, const char *cls, bool sealed)
{
	const struct cv_vslot_local_config local = { .packed = true };

	*s = (struct served){ .cls = cv_class_find(cls), .sealed = sealed };
	must(cv_loop_create(&s->loop, NULL) == 0);
	must(pthread_create(&s->thread, NULL, loop_thread, s->loop) == 0);
	must(cv_vhost_backend_create(&s->b,
				     &(struct cv_vhost_backend_config){ .name = "served",
									.loop = s->loop,
									.log = &s->log,
									.timeout_ms = 300,
									.sealed = sealed,
									.closed = on_closed,
									.ctx = s },
				     NULL) == 0);
	must(cv_class_configure(s->cls, "", &s->config, NULL) == 0);
	must(cv_vslot_local_create(&s->slot, s->cls,
				   &(struct cv_env){ .mem = cv_vhost_backend_mem(s->b),
						     .loop = s->loop,
						     .log = &s->log },
				   s->config, &local, NULL) == 0);
	cv_vhost_backend_set_slot(s->b, s->slot);
	reach(s);
}

static void served_fini(struct served *s)
{
	close(s->sock);
	cv_vhost_backend_destroy(s->b);
	cv_vslot_destroy(s->slot);
	cv_class_config_destroy(s->cls, s->config);
	cv_loop_stop(s->loop);
	must(pthread_join(s->thread, NULL) == 0);
	cv_loop_destroy(s->loop);
}

/* Asks for the features: whether the connection lives and its answers are in step. */
static bool alive(struct served *s)
{
	struct cv_vhost_msg m;

	return say(s->sock, CV_VHOST_GET_FEATURES, CV_VHOST_VERSION, NULL, 0, NULL, 0) &&
	       cv_vhost_recv(s->sock, &m, soon()) == 0 &&
	       !cv_vhost_reply_fault(&m, CV_VHOST_GET_FEATURES);
}

/* Sends a request that wants an acknowledgement; 0, 1, or -1 when the connection ended instead. */
static int ack(struct served *s, uint32_t request, const void *payload, uint32_t size,
	       const int *fds, unsigned int n_fds)
{
	struct cv_vhost_msg m;

	if (!say(s->sock, request, CV_VHOST_VERSION | CV_VHOST_NEED_REPLY, payload, size, fds,
		 n_fds) ||
	    cv_vhost_recv(s->sock, &m, soon()) != 0)
		return -1;
	ck_assert_ptr_null(cv_vhost_reply_fault(&m, request));
	cv_msg_fds_close(&m.fds);
	return (int)m.p.u64;
}

static void negotiate(struct served *s, uint64_t features)
{
	uint64_t pf = CV_VHOST_PF_REPLY_ACK | CV_VHOST_PF_INFLIGHT_SHMFD | CV_VHOST_PF_MEM_SLOTS |
		      CV_VHOST_PF_CONFIG | CV_VHOST_PF_STATUS;

	must(say(s->sock, CV_VHOST_SET_PROTOCOL_FEATURES, CV_VHOST_VERSION, &pf, 8, NULL, 0));
	features |= CV_VIRTIO_F_VERSION_1 | CV_VHOST_F_PROTOCOL_FEATURES;
	must(ack(s, CV_VHOST_SET_FEATURES, &features, 8, NULL, 0) == 0);
}

static void again(struct served *s)
{
	struct cv_vhost_msg m;

	/* what it still sends before the end does not matter */
	while (cv_vhost_recv(s->sock, &m, soon()) == 0)
		cv_msg_fds_close(&m.fds);
	close(s->sock);
	reach(s);
}

/* ---- single messages ---- */

struct row {
	const char *what;
	uint32_t request, flags, size;
	unsigned int n_fds;
	uint64_t words[6];
	bool survives;
};

#define V CV_VHOST_VERSION

static const struct row rows[] = {
	{ "wrong version", CV_VHOST_GET_FEATURES, 2, 0, 0, { 0 }, false },
	{ "a reply", CV_VHOST_GET_FEATURES, V | CV_VHOST_REPLY, 0, 0, { 0 }, false },
	{ "unknown request", 77, V, 0, 0, { 0 }, false },
	{ "request 0", 0, V, 0, 0, { 0 }, false },
	{ "huge request", 0xffffffff, V, 8, 0, { 0 }, false },
	{ "too long", CV_VHOST_SET_FEATURES, V, 16, 0, { 0 }, false },
	{ "too short", CV_VHOST_SET_FEATURES, V, 4, 0, { 0 }, false },
	{ "unexpected descriptor", CV_VHOST_GET_FEATURES, V, 0, 1, { 0 }, false },
	{ "features not offered", CV_VHOST_SET_FEATURES, V, 8, 0, { ~0ull }, false },
	{ "protocol features not offered",
	  CV_VHOST_SET_PROTOCOL_FEATURES,
	  V,
	  8,
	  0,
	  { ~0ull },
	  false },
	{ "queue 255", CV_VHOST_SET_VRING_KICK, V, 8, 1, { 255 }, false },
	{ "a kick that is no eventfd", CV_VHOST_SET_VRING_KICK, V, 8, 1, { 0 }, false },
	{ "no kick", CV_VHOST_SET_VRING_KICK, V, 8, 0, { CV_VHOST_NO_FD }, false },
	{ "no kick, unsaid", CV_VHOST_SET_VRING_KICK, V, 8, 0, { 0 }, false },
	{ "a call too many", CV_VHOST_SET_VRING_CALL, V, 8, 1, { CV_VHOST_NO_FD }, false },
	{ "call bits", CV_VHOST_SET_VRING_CALL, V, 8, 0, { 0x1100 }, false },
	{ "no call", CV_VHOST_SET_VRING_CALL, V, 8, 0, { CV_VHOST_NO_FD }, true },
	{ "two calls", CV_VHOST_SET_VRING_CALL, V, 8, 2, { 0 }, false },
	{ "size 0", CV_VHOST_SET_VRING_NUM, V, 8, 0, { 0 }, false },
	{ "size 2^31", CV_VHOST_SET_VRING_NUM, V, 8, 0, { 0x8000000000000000 }, false },
	{ "queue 2^31", CV_VHOST_SET_VRING_NUM, V, 8, 0, { 0x1080000000 }, false },
	{ "base of queue 99", CV_VHOST_GET_VRING_BASE, V, 8, 0, { 99 }, false },
	{ "base", CV_VHOST_SET_VRING_BASE, V, 8, 0, { 0xffffffff00000000 }, true },
	{ "enable 2", CV_VHOST_SET_VRING_ENABLE, V, 8, 0, { 0x200000000 }, false },
	{ "log of writes", CV_VHOST_SET_VRING_ADDR, V, 40, 0, { 0x100000000 }, false },
	{ "addresses anywhere", CV_VHOST_SET_VRING_ADDR, V, 40, 0, { 0, ~0ull, 1, 2 }, true },
	{ "regions without descriptors", CV_VHOST_SET_MEM_TABLE, V, 40, 0, { 1, 0, 4096 }, false },
	{ "2^32 - 1 regions", CV_VHOST_SET_MEM_TABLE, V, 40, 1, { 0xffffffff }, false },
	{ "regions cut", CV_VHOST_SET_MEM_TABLE, V, 8, 1, { 1 }, false },
	{ "no regions", CV_VHOST_SET_MEM_TABLE, V, 8, 0, { 0 }, true },
	{ "region unknown", CV_VHOST_REM_MEM_REG, V, 40, 0, { 0 }, false },
	{ "region without descriptor", CV_VHOST_ADD_MEM_REG, V, 40, 0, { 0 }, false },
	{ "config beyond the end", CV_VHOST_SET_CONFIG, V, 16, 0, { 0x400000100ull }, false },
	{ "config of another size", CV_VHOST_SET_CONFIG, V, 12, 0, { 0x4000000000ull }, false },
	{ "inflight before it was agreed", CV_VHOST_GET_INFLIGHT_FD, V, 24, 0, { 0 }, false },
	{ "inflight without a file", CV_VHOST_SET_INFLIGHT_FD, V, 24, 0, { 0 }, false },
	{ "channel that is no socket", CV_VHOST_SET_BACKEND_REQ_FD, V, 0, 1, { 0 }, false },
	{ "channel missing", CV_VHOST_SET_BACKEND_REQ_FD, V, 0, 0, { 0 }, false },
	{ "state not offered", CV_VHOST_SET_DEVICE_STATE_FD, V, 8, 1, { 0 }, false },
	{ "status 256", CV_VHOST_SET_STATUS, V, 8, 0, { 256 }, false },
	{ "status", CV_VHOST_SET_STATUS, V, 8, 0, { 0 }, true },
	{ "owner", CV_VHOST_SET_OWNER, V, 0, 0, { 0 }, true },
	{ "no owner", CV_VHOST_RESET_OWNER, V, 0, 0, { 0 }, true },
	{ "reset", CV_VHOST_RESET_DEVICE, V, 0, 0, { 0 }, true },
};

START_TEST(single_messages)
{
	const struct row *row = &rows[_i];
	unsigned int before = count_fds();
	int fds[4];
	struct served s;

	served_init(&s, "rng", false);
	for (unsigned int i = 0; i < CV_LEN(fds); i++)
		fds[i] = make_memfd(MEM, 0);
	ck_assert(say(s.sock, row->request, row->flags, row->words, row->size, fds, row->n_fds));
	ck_assert_msg(alive(&s) == row->survives, "%s", row->what);
	if (!row->survives) {
		again(&s);
		ck_assert_msg(alive(&s), "after %s", row->what);
		ck_assert_uint_eq(atomic_load(&s.n_faults), 1);
	}
	for (unsigned int i = 0; i < CV_LEN(fds); i++)
		close(fds[i]);
	served_fini(&s);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

/* The same, but agreed that refusals are told: whatever the request, the connection lives. */
START_TEST(refusals_are_told)
{
	const struct row *row = &rows[_i];
	struct cv_vhost_msg m = { .h = { row->request, row->flags, row->size } };
	int fds[4];
	struct served s;

	memcpy(&m.p, row->words, cv_min(sizeof(row->words), (size_t)row->size));
	m.fds.n = row->n_fds;
	if (cv_vhost_request_fault(&m) || cv_vhost_request_answered(row->request))
		return;
	served_init(&s, "rng", false);
	negotiate(&s, 0);
	for (unsigned int i = 0; i < CV_LEN(fds); i++)
		fds[i] = make_memfd(MEM, 0);
	ck_assert_msg(ack(&s, row->request, row->words, row->size, fds, row->n_fds) ==
			      !row->survives,
		      "%s", row->what);
	ck_assert_msg(alive(&s), "%s", row->what);
	for (unsigned int i = 0; i < CV_LEN(fds); i++)
		close(fds[i]);
	served_fini(&s);
}
END_TEST

/* ---- the stream itself ---- */

START_TEST(cut_messages)
{
	uint64_t v = 0;
	struct iovec iov = { .iov_base = &v };
	unsigned int before = count_fds();
	struct served s;

	served_init(&s, "rng", false);
	for (uint32_t len = 1; len < 8; len++) {
		struct cv_vhost_header h = { CV_VHOST_SET_FEATURES, V, 8 };
		struct iovec head = { .iov_base = &h, .iov_len = sizeof(h) };

		ck_assert_int_eq(cv_msg_send(s.sock, &head, 1, NULL, 0, soon()), 0);
		iov = (struct iovec){ .iov_base = &v, .iov_len = len };
		ck_assert_int_eq(cv_msg_send(s.sock, &iov, 1, NULL, 0, soon()), 0);
		shutdown(s.sock, SHUT_WR);
		again(&s);
	}
	ck_assert(alive(&s));
	ck_assert_uint_eq(atomic_load(&s.n_faults), 7);
	served_fini(&s);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

/* A byte at a time, with pauses, is a message like any other; it holds up nobody. */
START_TEST(slow_front_end)
{
	struct cv_vhost_header h = { CV_VHOST_GET_FEATURES, V, 0 };
	struct cv_vhost_msg m;
	struct served s;

	served_init(&s, "rng", false);
	for (size_t i = 0; i < sizeof(h); i++) {
		ck_assert_int_eq(send(s.sock, (char *)&h + i, 1, 0), 1);
		cv_ignore(poll(NULL, 0, 2));
	}
	ck_assert_int_eq(cv_vhost_recv(s.sock, &m, soon()), 0);
	ck_assert(alive(&s));
	served_fini(&s);
}
END_TEST

START_TEST(descriptors_in_the_middle)
{
	struct cv_vhost_header h = { CV_VHOST_SET_FEATURES, V, 8 };
	struct iovec head = { .iov_base = &h, .iov_len = sizeof(h) };
	uint64_t v = 0;
	struct iovec body = { .iov_base = &v, .iov_len = sizeof(v) };
	unsigned int before = count_fds();
	int fd = make_memfd(MEM, 0);
	struct served s;

	served_init(&s, "rng", false);
	ck_assert_int_eq(cv_msg_send(s.sock, &head, 1, NULL, 0, soon()), 0);
	ck_assert_int_eq(cv_msg_send(s.sock, &body, 1, &fd, 1, soon()), 0);
	ck_assert(!alive(&s));
	again(&s);
	ck_assert(alive(&s));
	close(fd);
	served_fini(&s);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

/* A front end that asks and never listens is left, not waited for. */
START_TEST(deaf_front_end)
{
	struct cv_vhost_header h = { CV_VHOST_GET_FEATURES, V, 0 };
	struct served s;

	served_init(&s, "rng", false);
	for (unsigned int i = 0; i < 100000 && atomic_load(&s.n_faults) == 0; i++)
		if (send(s.sock, &h, sizeof(h), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			cv_ignore(poll(NULL, 0, 1));
	ck_assert_uint_eq(atomic_load(&s.n_faults), 1);
	served_fini(&s);
}
END_TEST

/* ---- memory ---- */

struct area {
	const char *what;
	struct cv_vhost_region r;
	unsigned int seals;
	bool sealed, ok;
};

static const struct area areas[] = {
	{ "fits", { 0, MEM, 0, 0 }, 0, false, true },
	{ "second half", { 0, MEM / 2, 0, MEM / 2 }, 0, false, true },
	{ "empty", { 0, 0, 0, 0 }, 0, false, false },
	{ "too long", { 0, MEM + 4096, 0, 0 }, 0, false, false },
	{ "behind the end", { 0, 4096, 0, MEM }, 0, false, false },
	{ "wraps in the file", { 0, 4096, 0, ~0ull << 12 }, 0, false, false },
	{ "unaligned length", { 0, 4097, 0, 0 }, 0, false, false },
	{ "unaligned address", { 1, 4096, 0, 0 }, 0, false, false },
	{ "unaligned offset", { 0, 4096, 0, 512 }, 0, false, false },
	{ "wraps at the guest's end", { ~0ull << 12, 8192, 0, 0 }, 0, false, false },
	{ "wraps at the user's end", { 0, 8192, ~0ull << 12, 0 }, 0, false, false },
	{ "not sealed", { 0, MEM, 0, 0 }, 0, true, false },
	{ "sealed against growing", { 0, MEM, 0, 0 }, F_SEAL_GROW, true, false },
	{ "sealed", { 0, MEM, 0, 0 }, F_SEAL_SHRINK, true, true },
};

START_TEST(regions)
{
	const struct area *a = &areas[_i];
	struct cv_vhost_one_region one = { .region = a->r };
	struct cv_vhost_mem_table t = { .n_regions = 1, .regions = { a->r } };
	int fd = make_memfd(MEM, a->seals), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct served s;

	served_init(&s, "rng", a->sealed);
	negotiate(&s, 0);
	ck_assert_msg(ack(&s, CV_VHOST_SET_MEM_TABLE, &t, 40, &fd, 1) == !a->ok, "%s", a->what);
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_MEM_TABLE, &t, 8, NULL, 0), 1);
	t.n_regions = 0;
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_MEM_TABLE, &t, 8, NULL, 0), 0);
	ck_assert_msg(ack(&s, CV_VHOST_ADD_MEM_REG, &one, 40, &fd, 1) == !a->ok, "%s", a->what);
	/* once more is an overlap; and taken away as often as it was added */
	ck_assert_int_eq(ack(&s, CV_VHOST_ADD_MEM_REG, &one, 40, &fd, 1), 1);
	ck_assert_int_eq(ack(&s, CV_VHOST_REM_MEM_REG, &one, 40, NULL, 0), !a->ok);
	ck_assert_int_eq(ack(&s, CV_VHOST_REM_MEM_REG, &one, 40, &fd, 1), 1);
	ck_assert_int_eq(ack(&s, CV_VHOST_ADD_MEM_REG, &one, 40, &null, 1), 1);
	ck_assert(alive(&s));
	close(fd);
	close(null);
	served_fini(&s);
}
END_TEST

START_TEST(too_many_regions)
{
	struct cv_vhost_one_region one = { .region = { .len = 4096 } };
	int fd = make_memfd(MEM, 0);
	unsigned int n = 0;
	struct served s;

	served_init(&s, "rng", false);
	negotiate(&s, 0);
	while (n < 100 && ack(&s, CV_VHOST_ADD_MEM_REG, &one, 40, &fd, 1) == 0) {
		one.region.gpa = 8192 * (100ull - n++);
		one.region.user = one.region.gpa;
	}
	ck_assert_uint_eq(n, CV_MEM_MAX_REGIONS);
	ck_assert(alive(&s));
	close(fd);
	served_fini(&s);
}
END_TEST

/* ---- queues ---- */

/* A queue in memory at 0 that could run, if @m agrees. */
static int run_queue(struct served *s, struct cv_vhost_vring_addr addr, uint32_t size)
{
	struct cv_vhost_mem_table t = { .n_regions = 1, .regions = { { 0, MEM, 0, 0 } } };
	struct cv_vhost_vring_state num = { 0, size }, base = { 0, 0 }, on = { 0, 1 };
	int fd = make_memfd(MEM, 0), kick = cv_event_create(), err;
	uint64_t index = 0;

	negotiate(s, 0);
	must(ack(s, CV_VHOST_SET_MEM_TABLE, &t, 40, &fd, 1) == 0);
	must(ack(s, CV_VHOST_SET_VRING_NUM, &num, 8, NULL, 0) == 0);
	must(ack(s, CV_VHOST_SET_VRING_BASE, &base, 8, NULL, 0) == 0);
	must(ack(s, CV_VHOST_SET_VRING_ADDR, &addr, 40, NULL, 0) == 0);
	must(ack(s, CV_VHOST_SET_VRING_KICK, &index, 8, &kick, 1) == 0);
	err = ack(s, CV_VHOST_SET_VRING_ENABLE, &on, 8, NULL, 0);
	close(fd);
	close(kick);
	return err;
}

static const struct cv_vhost_vring_addr good = { .desc = 0, .avail = 4096, .used = 8192 };

START_TEST(addresses)
{
	static const struct {
		struct cv_vhost_vring_addr a;
		uint32_t size;
		int err;
	} table[] = {
		{ { .desc = 0, .avail = 4096, .used = 8192 }, 16, 0 },
		{ { .desc = MEM, .avail = 4096, .used = 8192 }, 16, 1 },
		{ { .desc = MEM - 16, .avail = 4096, .used = 8192 }, 16, 1 },
		{ { .desc = 0, .avail = MEM - 8, .used = 8192 }, 16, 1 },
		{ { .desc = 0, .avail = 4096, .used = MEM - 64 }, 16, 1 },
		{ { .desc = ~0ull, .avail = 4096, .used = 8192 }, 16, 1 },
		{ { .desc = 8, .avail = 4096, .used = 8192 }, 16, 1 },
		{ { .desc = 0, .avail = 4097, .used = 8192 }, 16, 1 },
		{ { .desc = 0, .avail = 4096, .used = 8194 }, 16, 1 },
		{ { .desc = 0, .avail = 4096, .used = 8192 }, 17, 1 },
	};
	struct served s;

	served_init(&s, "rng", false);
	ck_assert_int_eq(run_queue(&s, table[_i].a, table[_i].size), table[_i].err);
	ck_assert(alive(&s));
	served_fini(&s);
}
END_TEST

/* What may not change under a running queue does not; memory may. */
START_TEST(changes_while_running)
{
	struct cv_vhost_vring_state num = { 0, 32 }, base = { 0, 5 };
	struct cv_vhost_vring_addr other = { .desc = 16384, .avail = 4096, .used = 8192 };
	struct cv_vhost_mem_table t = { .n_regions = 1, .regions = { { 0, MEM, 0, 0 } } };
	uint64_t features = CV_VIRTIO_F_VERSION_1 | CV_VIRTIO_F_EVENT_IDX;
	int fd = make_memfd(MEM, 0);
	struct served s;

	served_init(&s, "rng", false);
	ck_assert_int_eq(run_queue(&s, good, 16), 0);
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_VRING_NUM, &num, 8, NULL, 0), 1);
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_VRING_BASE, &base, 8, NULL, 0), 1);
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_VRING_ADDR, &good, 40, NULL, 0), 0);
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_VRING_ADDR, &other, 40, NULL, 0), 1);
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_FEATURES, &features, 8, NULL, 0), 1);
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_MEM_TABLE, &t, 40, &fd, 1), 0);
	/* the queue's memory goes */
	t.regions[0].user = 1u << 30;
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_MEM_TABLE, &t, 40, &fd, 1), 1);
	ck_assert(alive(&s));
	close(fd);
	served_fini(&s);
}
END_TEST

/* A stopped queue's kick is nobody's, though the front end still has it and signals it. */
START_TEST(kicks_after_the_stop)
{
	struct cv_vhost_vring_state state = { 0, 0 };
	uint64_t index = 0;
	struct cv_vhost_msg m;
	struct served s;
	int kick;

	served_init(&s, "balloon", false);
	ck_assert_int_eq(run_queue(&s, good, 16), 0);
	kick = cv_event_create();
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_VRING_KICK, &index, 8, &kick, 1), 0);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert(say(s.sock, CV_VHOST_GET_VRING_BASE, V, &state, 8, NULL, 0));
		ck_assert_int_eq(cv_vhost_recv(s.sock, &m, soon()), 0);
		cv_event_signal(kick);
		ck_assert(alive(&s));
	}
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_VRING_KICK, &index, 8, &kick, 1), 0);
	cv_event_signal(kick);
	ck_assert(alive(&s));
	close(kick);
	served_fini(&s);
}
END_TEST

START_TEST(logs_of_chains)
{
	struct cv_vhost_inflight in = { .n_queues = 1, .queue_size = 16 };
	struct cv_vhost_inflight bad[] = {
		{ .len = 4096, .n_queues = 0, .queue_size = 16 },
		{ .len = 4096, .n_queues = 1, .queue_size = 0 },
		{ .len = 4096, .n_queues = 65, .queue_size = 16 },
		{ .len = 64, .n_queues = 1, .queue_size = 256 },
		{ .len = 4096, .off = 4096, .n_queues = 1, .queue_size = 16 },
		{ .len = 2048, .off = 1, .n_queues = 1, .queue_size = 16 },
		{ .len = ~0ull, .n_queues = 1, .queue_size = 16 },
		{ .len = ~0ull - 4095, .off = 4096, .n_queues = 1, .queue_size = 16 },
	};
	int fd = make_memfd(4096, 0);
	struct cv_vhost_msg m;
	struct served s;

	served_init(&s, "rng", false);
	negotiate(&s, 0);
	for (unsigned int i = 0; i < CV_LEN(bad); i++)
		ck_assert_int_eq(ack(&s, CV_VHOST_SET_INFLIGHT_FD, &bad[i], 24, &fd, 1), 1);
	ck_assert(say(s.sock, CV_VHOST_GET_INFLIGHT_FD, V, &in, 20, NULL, 0));
	ck_assert_int_eq(cv_vhost_recv(s.sock, &m, soon()), 0);
	ck_assert_uint_eq(m.fds.n, 1);
	ck_assert_uint_ge(m.p.inflight.len, 16 + 16 * 16);
	in = m.p.inflight;
	ck_assert_int_eq(ack(&s, CV_VHOST_SET_INFLIGHT_FD, &in, 24, &m.fds.fd[0], 1), 0);
	/* what cannot be answered ends the connection */
	in.queue_size = 0;
	ck_assert(say(s.sock, CV_VHOST_GET_INFLIGHT_FD, V, &in, 24, NULL, 0));
	ck_assert(!alive(&s));
	cv_msg_fds_close(&m.fds);
	close(fd);
	served_fini(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("backend");
	TCase *tc = tcase_create("backend");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, single_messages, 0, (int)CV_LEN(rows));
	tcase_add_loop_test(tc, refusals_are_told, 0, (int)CV_LEN(rows));
	tcase_add_test(tc, cut_messages);
	tcase_add_test(tc, slow_front_end);
	tcase_add_test(tc, descriptors_in_the_middle);
	tcase_add_test(tc, deaf_front_end);
	tcase_add_loop_test(tc, regions, 0, (int)CV_LEN(areas));
	tcase_add_test(tc, too_many_regions);
	tcase_add_loop_test(tc, addresses, 0, 10);
	tcase_add_test(tc, changes_while_running);
	tcase_add_test(tc, kicks_after_the_stop);
	tcase_add_test(tc, logs_of_chains);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
