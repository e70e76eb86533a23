/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front end against a back end that lies. A real one answers; in between sits
 * somebody who twists one answer, each in turn, in each way. The front end must
 * find out in time, say so once, and leave a slot that is broken and nothing else.
 */
#include "peer.h"
#include "support/vdev.h"
#include "vhost/user_frontend.h"

#define TIMEOUT_MS 60	 /* of a peer that will not answer */
#define PATIENT_MS 20000 /* of one that will, however busy the machine is */

enum twist {
	STRAIGHT,
	CLOSE,
	SILENCE,
	OTHER_REQUEST,
	NO_REPLY,
	OTHER_VERSION,
	SHORT,
	LONG,
	HUGE,
	DESCRIPTORS,
	TWICE,
	CUT,
	GARBAGE,
	REFUSAL,
	N_TWISTS,
};

static struct between {
	int front, back; /* sockets to both */
	enum twist twist;
	unsigned int at;     /* which answer … */
	unsigned int n;	     /* … of so many until now */
	atomic_uint slow_ms; /* each answer takes so long */
	atomic_bool done;
	pthread_t thread;
} between;

static void twist_header(struct cv_vhost_msg *m, enum twist twist)
{
	switch ((int)twist) {
	case OTHER_REQUEST:
		m->h.request++;
		break;
	case NO_REPLY:
		m->h.flags &= ~CV_VHOST_REPLY;
		break;
	case OTHER_VERSION:
		m->h.flags ^= 3;
		break;
	case SHORT:
		m->h.size = m->h.size > 8 ? 4 : m->h.size - 1;
		break;
	case LONG:
		m->h.size += 8;
		break;
	case REFUSAL:
		m->p.u64 = ~0ull;
		break;
	default:
		break;
	}
}

static void send_raw(int sock, const void *p, size_t len)
{
	cv_ignore(send(sock, p, len, MSG_NOSIGNAL)); /* the other end may have gone */
}

static bool pass_answer(struct between *b, struct cv_vhost_msg *m, enum twist twist)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fds[32];
	unsigned int n = 0;
	bool go_on = true;

	twist_header(m, twist);
	for (unsigned int i = 0; i < m->fds.n; i++)
		fds[n++] = m->fds.fd[i];
	while (twist == DESCRIPTORS && n < CV_LEN(fds))
		fds[n++] = null;
	if (twist == HUGE)
		m->h.size = 1u << 30;
	if (twist == CLOSE)
		go_on = false;
	else if (twist == CUT || twist == HUGE)
		send_raw(b->front, m, sizeof(m->h));
	else if (twist == GARBAGE)
		send_raw(b->front, "\xff\xff\xff\xff\x05\0\0\0\x08\0\0\0garbage!", 20);
	else if (twist != SILENCE)
		go_on = cv_vhost_send(b->front, m, fds, n, soon()) == 0;
	if (twist == TWICE)
		go_on = cv_vhost_send(b->front, m, fds, n, soon()) == 0;
	cv_msg_fds_close(&m->fds);
	close(null);
	return go_on && twist != CUT;
}

static bool pass(struct between *b)
{
	struct cv_vhost_msg m;
	bool asked;
	int err;

	if (cv_vhost_recv(b->front, &m, cv_msg_deadline(20000)))
		return false;
	asked = cv_vhost_request_answered(m.h.request) || (m.h.flags & CV_VHOST_NEED_REPLY);
	err = cv_vhost_send(b->back, &m, m.fds.fd, m.fds.n, soon());
	cv_msg_fds_close(&m.fds);
	if (err || (asked && cv_vhost_recv(b->back, &m, soon())))
		return false;
	cv_ignore(poll(NULL, 0, (int)atomic_load(&b->slow_ms)));
	return !asked || pass_answer(b, &m, b->n++ == b->at ? b->twist : STRAIGHT);
}

static void *pass_all(void *arg)
{
	struct between *b = arg;

	while (pass(b))
		;
	shutdown(b->front, SHUT_RDWR);
	shutdown(b->back, SHUT_RDWR);
	return NULL;
}

static int stand_between(int fd)
{
	int pair[2];

	socket_pair(pair);
	between.front = pair[0];
	between.back = fd;
	must(pthread_create(&between.thread, NULL, pass_all, &between) == 0);
	return pair[1];
}

static void go_away(void)
{
	shutdown(between.front, SHUT_RDWR);
	shutdown(between.back, SHUT_RDWR);
	must(pthread_join(between.thread, NULL) == 0);
	close(between.front);
	close(between.back);
}

static unsigned int n_logged;

static void count_message(void *user CV_UNUSED, enum vm_log_level level CV_UNUSED,
			  const char *message)
{
	if (strncmp(message, "rng: ", 5) == 0)
		n_logged++;
}

/* Everything a slot does, once; whether all of it worked. */
static bool use(struct rig *r)
{
	uint8_t buf[32];
	bool ok = true;

	r->log.sink = count_message;
	for (unsigned int i = 0; i < 2 && ok; i++) {
		ok = vdev_start(&r->dev, NULL) == 0;
		ok = ok && vdev_request(&r->dev, 0, NULL, 0, buf, sizeof(buf)) == sizeof(buf);
		if (ok)
			r->slot->ops->set_call(r->slot, 0, r->dev.queues[0].call_fd);
		vdev_reset(&r->dev);
	}
	return ok && cv_vhost_frontend_connected(r->slot);
}

static void one(enum twist twist, unsigned int at)
{
	const struct rig_options o = { .vhost = true,
				       .between = stand_between,
				       .timeout_ms = twist == SILENCE ? TIMEOUT_MS : PATIENT_MS };
	unsigned int before = count_fds();
	struct vm_error e = { 0 };
	struct rig r;
	bool made;

	between = (struct between){ .twist = twist, .at = at };
	n_logged = 0;
	made = rig_try_init(&r, cv_class_find("rng"), "", &o, &e) == 0;
	if (!made)
		ck_assert_int_eq(strncmp(e.text, "rng: ", 5), 0);
	if (made && !use(&r) && twist != REFUSAL) {
		ck_assert_uint_eq(n_logged, 1);
		ck_assert(!cv_vhost_frontend_connected(r.slot));
	} else if (made && twist != REFUSAL && twist != TWICE && twist != STRAIGHT) {
		ck_assert_msg(between.n <= at, "answer %u, twist %u: not found", at, twist);
	}
	if (made)
		rig_fini(&r);
	go_away();
	ck_assert_uint_eq(count_fds(), before);
}

START_TEST(twisted_answers)
{
	unsigned int n;

	one(STRAIGHT, 0);
	n = between.n;
	ck_assert_uint_gt(n, 20);
	for (unsigned int at = 0; at < n; at++)
		one((enum twist)_i, at);
}
END_TEST

/* A peer that hangs costs the guest one timeout, not one for each call. */
START_TEST(hangs_once)
{
	const struct rig_options o = { .vhost = true, .between = stand_between, .timeout_ms = 200 };
	uint64_t begun;
	uint8_t buf[4];
	struct rig r;

	between = (struct between){ .twist = SILENCE, .at = 1000 };
	rig_init(&r, cv_class_find("balloon"), "", &o);
	between.at = between.n;
	begun = cv_loop_now(r.loop);
	for (unsigned int i = 0; i < 1000; i++)
		r.slot->ops->config_read(r.slot, 0, buf, 4);
	ck_assert_uint_lt(cv_loop_now(r.loop) - begun, 1000000000);
	ck_assert(vdev_wait_broken(&r.dev));
	rig_fini(&r);
	go_away();
}
END_TEST

/* One that takes nearly the limit for each answer costs twice the limit, not that for each of many
 * queues; and the loop goes on, whatever complaint there is. */
START_TEST(slow_answers)
{
	const struct rig_options o = { .vhost = true, .between = stand_between, .timeout_ms = 400 };
	struct cv_vq_config positions[CV_VIRTIO_MAX_QUEUES];
	int fd = make_memfd(4096, 0);
	char options[64];
	uint64_t begun;
	struct rig r;

	between = (struct between){ .twist = STRAIGHT };
	snprintf(options, sizeof(options), "fd=%d,queues=16", fd);
	rig_init(&r, cv_class_find("block"), options, &o);
	ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
	ck_assert_uint_eq(r.dev.n_queues, 16);
	atomic_store(&between.slow_ms, 300);
	begun = cv_loop_now(r.loop);
	r.slot->ops->stop(r.slot, positions);
	/* 9.6 seconds without it */
	ck_assert_uint_lt(cv_loop_now(r.loop) - begun, 4000000000);
	ck_assert(vdev_wait_broken(&r.dev));
	rig_fini(&r);
	close(fd);
	go_away();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frontend");
	TCase *tc = tcase_create("frontend");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, twisted_answers, STRAIGHT, N_TWISTS);
	tcase_add_test(tc, hangs_once);
	tcase_add_test(tc, slow_answers);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
