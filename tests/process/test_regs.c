/* SPDX-License-Identifier: BSD-3-Clause */
/* The process boundary of register devices against peers that break its rules, from both sides. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "process/regs_client.h"
#include "process/regs_message.h"
#include "process/regs_server.h"
#include "support/check_main.h"
#include "support/must.h"
#include "sys/msg.h"

#define TIMEOUT_MS 100u

/* ---- a client and a peer that is no device ---- */

struct upper {
	struct cv_regs_client *client;
	int peer;
	unsigned int n_lost;
	char why[64];
};

static void on_lost(void *ctx, const char *why)
{
	struct upper *u = ctx;

	u->n_lost++;
	snprintf(u->why, sizeof(u->why), "%s", why);
}

static void upper_init(struct upper *u)
{
	const struct cv_regs_client_config config = {
		.span = 8, .timeout_ms = TIMEOUT_MS, .lost = on_lost, .ctx = u
	};
	int fds[2];

	*u = (struct upper){ 0 };
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(cv_regs_client_create(&u->client, &config, fds[0], NULL), 0);
	u->peer = fds[1];
}

/* An answer ahead of the question. */
static void answer(struct upper *u, uint32_t tag, uint64_t val)
{
	struct cv_regs_reply r = { .tag = le32(tag), .val = le64(val) };

	ck_assert_int_eq(send(u->peer, &r, sizeof(r), 0), sizeof(r));
}

/* What has become of it: reads give ones and nobody waits any more. */
static void upper_lost(struct upper *u, const char *why)
{
	uint64_t begin;

	ck_assert_uint_eq(cv_regs_client_read(u->client, 0, 1), 0xff);
	ck_assert_uint_eq(u->n_lost, 1);
	ck_assert_str_eq(u->why, why);
	ck_assert(!cv_regs_client_connected(u->client));
	begin = cv_msg_deadline(0);
	ck_assert_uint_eq(cv_regs_client_read(u->client, 4, 4), 0xffffffff);
	cv_regs_client_write(u->client, 0, 1, 1);
	cv_regs_client_sync(u->client);
	cv_regs_client_reset(u->client);
	ck_assert_uint_lt(cv_msg_deadline(0) - begin, TIMEOUT_MS * 500000ull);
	ck_assert_uint_eq(u->n_lost, 1);
	cv_regs_client_destroy(u->client);
	close(u->peer);
}

START_TEST(honest_device)
{
	struct cv_regs_request q[3];
	struct upper u;

	upper_init(&u);
	cv_regs_client_write(u.client, 3, 2, 0x1234);
	answer(&u, 2, 0xabcdef);
	ck_assert_uint_eq(cv_regs_client_read(u.client, 5, 1), 0xef); /* no more than was asked */
	ck_assert_uint_eq(cv_regs_client_read(u.client, 7, 2), 0xffff);
	ck_assert_uint_eq(cv_regs_client_read(u.client, 0, 3), 0xffffff);
	cv_regs_client_write(u.client, 8, 1, 0);
	answer(&u, 3, 0);
	cv_regs_client_sync(u.client);
	ck_assert_int_eq(recv(u.peer, q, sizeof(q), MSG_WAITALL), sizeof(q));
	ck_assert_int_eq(q[0].op, CV_REGS_WRITE);
	ck_assert_int_eq(q[0].len, 2);
	ck_assert_uint_eq(le64_get(q[0].off), 3);
	ck_assert_uint_eq(le64_get(q[0].val), 0x1234);
	ck_assert_int_eq(q[1].op, CV_REGS_READ);
	ck_assert_int_eq(q[2].op, CV_REGS_SYNC);
	ck_assert_int_lt(recv(u.peer, q, sizeof(q), MSG_DONTWAIT), 0);
	ck_assert_uint_eq(u.n_lost, 0);
	close(u.peer);
	u.peer = -1;
	upper_lost(&u, "it has closed its socket");
}
END_TEST

START_TEST(silent_device)
{
	struct upper u;

	upper_init(&u);
	upper_lost(&u, "it does not answer in time");
}
END_TEST

/* Nobody takes the writes: the socket fills, and the vCPU is not held for ever. */
START_TEST(deaf_device)
{
	unsigned int n = 0;
	struct upper u;

	upper_init(&u);
	while (u.n_lost == 0 && n++ < 100000)
		cv_regs_client_write(u.client, 0, 1, n);
	ck_assert_uint_lt(n, 100000);
	ck_assert_uint_gt(n, 16);
	upper_lost(&u, "it does not answer in time");
}
END_TEST

START_TEST(cut_answer)
{
	struct upper u;

	upper_init(&u);
	ck_assert_int_eq(send(u.peer, "\1\0\0\0\0", 5, 0), 5);
	shutdown(u.peer, SHUT_WR);
	upper_lost(&u, "it answers nonsense");
	upper_init(&u);
	ck_assert_int_eq(send(u.peer, "\1\0\0\0\0", 5, 0), 5);
	upper_lost(&u, "it does not answer in time");
}
END_TEST

/* The answer to nothing, a second one, and one with more behind it. */
START_TEST(unasked_answers)
{
	struct upper u;

	upper_init(&u);
	answer(&u, 7, 0);
	upper_lost(&u, "it answers nonsense");
	upper_init(&u);
	answer(&u, 1, 5);
	answer(&u, 1, 6);
	ck_assert_uint_eq(cv_regs_client_read(u.client, 0, 1), 5);
	upper_lost(&u, "it answers nonsense");
	upper_init(&u);
	answer(&u, 1, 5);
	ck_assert_int_eq(send(u.peer, "more of it", 10, 0), 10);
	ck_assert_uint_eq(cv_regs_client_read(u.client, 0, 1), 5);
	answer(&u, 2, 5);
	upper_lost(&u, "it answers nonsense");
}
END_TEST

static void send_with_fds(int sock, void *data, size_t len, const int *fds, unsigned int n)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };

	ck_assert_int_eq(cv_msg_send(sock, &iov, 1, fds, n, cv_msg_deadline(1000)), 0);
}

START_TEST(answer_with_descriptors)
{
	struct cv_regs_reply r = { .tag = le32(1) };
	struct upper u;

	upper_init(&u);
	send_with_fds(u.peer, &r, sizeof(r), &u.peer, 1);
	upper_lost(&u, "it answers nonsense");
}
END_TEST

static void *read_one(void *arg)
{
	struct upper *u = arg;

	return (void *)(uintptr_t)cv_regs_client_read(u->client, 0, 1);
}

/* The process has been seen to end: who waits for its answer is let go. */
START_TEST(given_up_meanwhile)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	struct upper u;
	pthread_t thread;
	void *val;

	upper_init(&u);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_one, &u), 0);
	nanosleep(&moment, NULL);
	cv_regs_client_give_up(u.client);
	ck_assert_int_eq(pthread_join(thread, &val), 0);
	ck_assert_uint_eq((uintptr_t)val, 0xff);
	ck_assert_uint_eq(u.n_lost, 0);
	cv_regs_client_destroy(u.client);
	close(u.peer);
}
END_TEST

/* ---- a device and somebody who asks it ---- */

struct lower {
	struct cv_loop *loop;
	struct cv_log log;
	struct cv_regs_server *server;
	void *config;
	const struct cv_class *cls;
	int peer;
	unsigned int n_closed, n_logs;
	bool because;
};

static void on_closed(void *ctx, const char *why)
{
	struct lower *l = ctx;

	l->n_closed++;
	l->because = why;
}

static void on_log(void *user, enum vm_log_level level, const char *text)
{
	struct lower *l = user;

	(void)level;
	(void)text;
	l->n_logs++;
}

static void lower_init_as(struct lower *l, const struct cv_class *cls, void *config)
{
	struct cv_regs_server_config c = { .cls = cls, .closed = on_closed, .ctx = l };
	int fds[2];

	*l = (struct lower){ .cls = cls, .config = config };
	l->log = (struct cv_log){ .sink = on_log, .user = l, .level = VM_LOG_WARN };
	ck_assert_int_eq(cv_loop_create_fake(&l->loop, NULL), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	c.config = config;
	c.loop = l->loop;
	c.log = &l->log;
	ck_assert_int_eq(cv_regs_server_create(&l->server, &c, NULL), 0);
	ck_assert_int_eq(cv_regs_server_serve(l->server, fds[0], NULL), 0);
	l->peer = fds[1];
}

static void lower_init(struct lower *l)
{
	const struct cv_class *cls = cv_class_find("serial");
	void *config;

	ck_assert_int_eq(cv_class_configure(cls, "", &config, NULL), 0);
	lower_init_as(l, cls, config);
}

static void lower_fini(struct lower *l)
{
	cv_regs_server_destroy(l->server);
	if (l->config)
		cv_class_config_destroy(l->cls, l->config);
	cv_loop_destroy(l->loop);
	close(l->peer);
}

static struct cv_regs_request request(unsigned int op, uint64_t off, unsigned int len, uint64_t val)
{
	return (struct cv_regs_request){ .op = (uint8_t)op,
					 .len = (uint8_t)len,
					 .tag = le32(77),
					 .off = le64(off),
					 .val = le64(val) };
}

static void ask(struct lower *l, struct cv_regs_request q, const int *fds, unsigned int n)
{
	send_with_fds(l->peer, &q, sizeof(q), fds, n);
	cv_loop_dispatch(l->loop);
}

static uint64_t value(struct lower *l)
{
	struct cv_regs_reply r;

	ck_assert_int_eq(recv(l->peer, &r, sizeof(r), MSG_DONTWAIT), sizeof(r));
	ck_assert_uint_eq(le32_get(r.tag), 77);
	return le64_get(r.val);
}

/* The connection has ended for a reason, aloud, and the device lives still. */
static void refused(struct lower *l)
{
	char byte;

	ck_assert_uint_eq(l->n_closed, 1);
	ck_assert(l->because);
	ck_assert_uint_eq(l->n_logs, 1);
	ck_assert_int_le(recv(l->peer, &byte, 1, MSG_DONTWAIT), 0);
	lower_fini(l);
}

START_TEST(requests)
{
	struct lower l;

	lower_init(&l);
	ask(&l, request(CV_REGS_WRITE, 7, 1, 0x5a), NULL, 0);
	ask(&l, request(CV_REGS_READ, 7, 1, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 0x5a);
	ask(&l, request(CV_REGS_RESET, 0, 0, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 0);
	ask(&l, request(CV_REGS_READ, 7, 1, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 0);
	ask(&l, request(CV_REGS_READ, 8, 1, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 0xff);
	ask(&l, request(CV_REGS_READ, UINT64_MAX, 8, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), UINT64_MAX);
	ask(&l, request(CV_REGS_READ, 0, 3, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 0xffffff);
	ask(&l, request(CV_REGS_READ, 0, 255, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), UINT64_MAX);
	ask(&l, request(CV_REGS_WRITE, 7, 0, 1), NULL, 0);
	ask(&l, request(CV_REGS_WRITE, UINT64_MAX, 1, 1), NULL, 0);
	ask(&l, request(CV_REGS_SYNC, 0, 0, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 0);
	shutdown(l.peer, SHUT_WR);
	cv_loop_dispatch(l.loop);
	ck_assert_uint_eq(l.n_closed, 1);
	ck_assert(!l.because);
	ck_assert_uint_eq(l.n_logs, 0);
	lower_fini(&l);
}
END_TEST

/* In pieces, and the last of it before the end is still done. */
START_TEST(pieces)
{
	struct cv_regs_request q = request(CV_REGS_READ, 3, 1, 0);
	struct lower l;

	lower_init(&l);
	for (size_t i = 0; i < sizeof(q); i++) {
		ck_assert_int_eq(send(l.peer, (char *)&q + i, 1, 0), 1);
		cv_loop_dispatch(l.loop);
	}
	ck_assert_uint_eq(value(&l), 3);
	q = request(CV_REGS_WRITE, 7, 1, 0x77);
	for (unsigned int i = 0; i < 100; i++)
		ck_assert_int_eq(send(l.peer, &q, sizeof(q), 0), sizeof(q));
	shutdown(l.peer, SHUT_WR);
	cv_regs_server_close(l.server);
	ck_assert_uint_eq(
		cv_regs_server_slot(l.server)->ops->read(cv_regs_server_slot(l.server), 7, 1),
		0x77);
	ck_assert_uint_eq(l.n_closed, 0);
	lower_fini(&l);
}
END_TEST

START_TEST(bad_requests)
{
	static const unsigned int ops[] = { 0, 6, 99, 255 };
	struct cv_regs_request q = request(CV_REGS_READ, 0, 1, 0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), three[] = { null, null, null };
	struct lower l;

	for (size_t i = 0; i < CV_LEN(ops); i++) {
		lower_init(&l);
		ask(&l, request(ops[i], 0, 1, 0), NULL, 0);
		refused(&l);
	}
	lower_init(&l);
	q.zero = le16(1);
	ask(&l, q, NULL, 0);
	refused(&l);
	lower_init(&l); /* cut */
	ck_assert_int_eq(send(l.peer, &q, 7, 0), 7);
	shutdown(l.peer, SHUT_WR);
	cv_loop_dispatch(l.loop);
	refused(&l);
	for (unsigned int n = 0; n <= 3; n += 3) { /* too few and too many */
		lower_init(&l);
		ask(&l, request(CV_REGS_LINE, 0, 0, 0), three, n);
		refused(&l);
	}
	lower_init(&l); /* twice */
	ask(&l, request(CV_REGS_LINE, 0, 0, 0), three, 1);
	ck_assert_uint_eq(l.n_closed, 0);
	ask(&l, request(CV_REGS_LINE, 0, 0, 0), three, 1);
	refused(&l);
	lower_init(&l); /* with another request, first and later */
	ask(&l, request(CV_REGS_READ, 0, 1, 0), three, 1);
	refused(&l);
	lower_init(&l);
	ask(&l, request(CV_REGS_WRITE, 0, 1, 0), NULL, 0);
	ask(&l, request(CV_REGS_WRITE, 0, 1, 0), three, 2);
	refused(&l);
	lower_init(&l); /* a level line whose second one cannot be watched */
	q = request(CV_REGS_LINE, 0, 0, 0);
	three[0] = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ask(&l, q, (int[]){ three[0], open("/", O_RDONLY | O_CLOEXEC) }, 2);
	refused(&l);
	close(null);
}
END_TEST

/* Who asks and does not listen is not waited for longer than the limit. */
START_TEST(answers_not_taken)
{
	struct cv_regs_request q = request(CV_REGS_READ, 5, 1, 0);
	struct lower l;

	lower_init(&l);
	for (unsigned int i = 0; i < 100000 && l.n_closed == 0; i++) {
		ck_assert_int_ge(send(l.peer, &q, sizeof(q), 0), 0);
		cv_loop_dispatch(l.loop);
	}
	ck_assert_uint_eq(l.n_closed, 1);
	ck_assert(l.because);
	lower_fini(&l);
}
END_TEST

/* The device's process alone knows whether a level line holds, and triggers it again. */
START_TEST(level_line)
{
	int fds[] = { cv_event_create(), cv_event_create() };
	struct lower l;

	lower_init(&l);
	ask(&l, request(CV_REGS_LINE, 0, 0, 0), fds, 2);
	ck_assert(!cv_event_drain(fds[0]));
	ask(&l, request(CV_REGS_WRITE, 1, 1, 2), NULL, 0);
	ck_assert(cv_event_drain(fds[0]));
	for (unsigned int i = 0; i < 3; i++) {
		cv_event_signal(fds[1]); /* EOI */
		cv_loop_dispatch(l.loop);
		ck_assert(cv_event_drain(fds[0]));
		ck_assert(!cv_event_drain(fds[1]));
	}
	ask(&l, request(CV_REGS_READ, 2, 1, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 2);
	cv_event_signal(fds[1]);
	cv_loop_dispatch(l.loop);
	ck_assert(!cv_event_drain(fds[0]));
	lower_fini(&l);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* ---- a device that wants something of the VM ---- */

struct asker {
	const struct cv_env *env;
};

static int asker_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct asker *a = self;

	(void)config;
	(void)e;
	a->env = env;
	env->request(env, CV_REQUEST_POWER_OFF);
	return 0;
}

static uint64_t asker_read(void *self, uint64_t off, unsigned int len)
{
	struct asker *a = self;

	(void)len;
	a->env->request(a->env, CV_REQUEST_RESET);
	return off;
}

static void asker_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	(void)self;
	(void)off;
	(void)len;
	(void)val;
}

START_TEST(requests_upwards_are_refused)
{
	static const struct cv_regs_ops regs = {
		.span = 4, .min_len = 1, .max_len = 1, .read = asker_read, .write = asker_write
	};
	static const struct cv_class cls = {
		.name = "asker", .size = sizeof(struct asker), .init = asker_init, .regs = &regs
	};
	struct lower l;

	lower_init_as(&l, &cls, NULL);
	ask(&l, request(CV_REGS_READ, 3, 1, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 3);
	ask(&l, request(CV_REGS_READ, 0, 4, 0), NULL, 0);
	ck_assert_uint_eq(value(&l), 0x03020100);
	ck_assert_uint_eq(l.n_logs, 1);
	ck_assert_uint_eq(l.n_closed, 0);
	lower_fini(&l);
}
END_TEST

CHECK_MAIN("regs", honest_device, silent_device, deaf_device, cut_answer, unasked_answers,
	   answer_with_descriptors, given_up_meanwhile, requests, pieces, bad_requests,
	   answers_not_taken, level_line, requests_upwards_are_refused)
