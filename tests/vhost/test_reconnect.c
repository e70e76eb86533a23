/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A back end in a process of its own is killed with requests in flight; the front
 * end goes on with another process. Nothing is lost, nothing comes back twice.
 */
#include <signal.h>
#include <sys/wait.h>

#include "base/endian.h"
#include "peer.h"
#include "support/vdev.h"
#include "vhost/user_backend.h"
#include "vhost/user_frontend.h"
#include "virtio/virtio.h"
#include "virtio/vq.h"
#include "virtio/vslot_local.h"

/* ---- a device that holds what it gets until it may go on ---- */

#define HELD 64

struct shared { /* by all processes */
	atomic_bool hold;
	atomic_uint n_popped, n_done;
	atomic_uint let; /* with hold: chains with an odd mark that may be done still */
	uint8_t order[4096];
};
static struct shared *shared;

struct holder {
	struct cv_chain *held[HELD];
	unsigned int n;
};

static void finish(struct cv_vq *vq, struct cv_chain *c)
{
	uint8_t mark = 0;

	must(cv_chain_read(vq, c, 0, &mark, 1) == 1);
	cv_vq_push(vq, c, 0);
	shared->order[atomic_fetch_add(&shared->n_done, 1) % sizeof(shared->order)] = mark;
}

static bool may_go(struct cv_vq *vq, const struct cv_chain *c)
{
	uint8_t mark = 0;

	if (!atomic_load(&shared->hold))
		return true;
	must(cv_chain_read(vq, c, 0, &mark, 1) == 1);
	if (!(mark & 1) || atomic_load(&shared->let) == 0)
		return false;
	atomic_fetch_sub(&shared->let, 1);
	return true;
}

static void holder_kick(void *self, struct cv_vq *vq, unsigned int index CV_UNUSED)
{
	struct holder *h = self;
	struct cv_chain *c;
	unsigned int kept = 0;

	while (h->n < HELD && (c = cv_vq_pop(vq))) {
		h->held[h->n++] = c;
		atomic_fetch_add(&shared->n_popped, 1);
	}
	for (unsigned int i = 0; i < h->n; i++) {
		if (may_go(vq, h->held[i]))
			finish(vq, h->held[i]);
		else
			h->held[kept++] = h->held[i];
	}
	h->n = kept;
	cv_vq_notify(vq);
}

static int holder_start(void *self CV_UNUSED, uint64_t features CV_UNUSED,
			struct cv_vq *vqs CV_UNUSED)
{
	return 0;
}

static void holder_stop(void *self CV_UNUSED) {}

static void holder_queue_stop(void *self, struct cv_vq *vq CV_UNUSED, unsigned int index CV_UNUSED)
{
	struct holder *h = self;

	h->n = 0;
}

static int holder_init(void *self CV_UNUSED, const struct cv_env *env CV_UNUSED,
		       const void *config CV_UNUSED, struct vm_error *e CV_UNUSED)
{
	return 0;
}

static const uint16_t holder_queues[] = { HELD };

static const struct cv_virtio_ops holder_ops = {
	.id = 60,
	.n_queues = 1,
	.queue_max = holder_queues,
	.start = holder_start,
	.kick = holder_kick,
	.stop = holder_stop,
	.queue_stop = holder_queue_stop,
};

static const struct cv_class holder_class = { .name = "holder",
					      .help = "holds",
					      .size = sizeof(struct holder),
					      .state_version = 1,
					      .init = holder_init,
					      .virtio = &holder_ops };

/* ---- processes ---- */

struct world {
	struct guest g;
	struct cv_log log;
	struct cv_loop *loop;
	const struct cv_class *cls;
	void *config;
	struct cv_vslot *slot;
	struct vdev dev;
	pid_t child;
	unsigned int n_lost;
};

static void serve_in_child(struct world *w, int fd)
{
	const struct cv_vslot_local_config local = { .packed = true };
	struct cv_vhost_backend *b;
	struct cv_vslot *slot;
	struct cv_loop *loop;

	must(cv_loop_create(&loop, NULL) == 0);
	must(cv_vhost_backend_create(&b,
				     &(struct cv_vhost_backend_config){
					     .name = "child", .loop = loop, .sealed = true },
				     NULL) == 0);
	must(cv_vslot_local_create(&slot, w->cls,
				   &(struct cv_env){ .mem = cv_vhost_backend_mem(b), .loop = loop },
				   w->config, &local, NULL) == 0);
	cv_vhost_backend_set_slot(b, slot);
	must(cv_vhost_backend_serve(b, fd, NULL) == 0);
	must(cv_loop_run(loop) == 0);
	_exit(0);
}

/* The front end's end of a socket to a new process. */
static int spawn(struct world *w)
{
	int pair[2];

	socket_pair(pair);
	w->child = fork();
	must(w->child >= 0);
	if (w->child == 0) {
		close(pair[0]);
		serve_in_child(w, pair[1]);
	}
	close(pair[1]);
	return pair[0];
}

static void kill_child(struct world *w)
{
	must(kill(w->child, SIGKILL) == 0);
	must(waitpid(w->child, NULL, 0) == w->child);
}

static void on_lost(void *ctx, struct cv_vslot *slot CV_UNUSED, const char *why)
{
	struct world *w = ctx;

	ck_assert_str_eq(why, "has closed the connection");
	w->n_lost++;
}

static void world_init(struct world *w, const struct cv_class *cls, const char *options,
		       uint32_t config_len, int kind)
{
	const struct vdev_options o = { .packed = kind & 1,
					.no_event_idx = kind & 2,
					.no_indirect = kind & 4 };
	struct vm_error e = { 0 };

	*w = (struct world){ .cls = cls };
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	must(shared != MAP_FAILED);
	guest_init(&w->g, 8 << 20);
	must(cv_loop_create(&w->loop, NULL) == 0);
	must(cv_class_configure(cls, options, &w->config, NULL) == 0);
	ck_assert_msg(cv_vhost_frontend_create(&w->slot,
					       &(struct cv_vhost_frontend_config){
						       .name = "front",
						       .id = cls->virtio->id,
						       .config_len = config_len,
						       .min_queues = 1,
						       .max_queues = 1,
						       .queue_max = cls->virtio->queue_max,
						       .mem = &w->g.mem,
						       .loop = w->loop,
						       .log = &w->log,
						       .own_inflight = kind & 8,
						       .lost = on_lost,
						       .ctx = w },
					       spawn(w), &e) == 0,
		      "%s", e.text);
	vdev_attach(&w->dev, &vdev_slot_ops, w->slot, &w->g, w->loop, false);
	ck_assert_int_eq(vdev_start(&w->dev, &o), 0);
}

static void world_fini(struct world *w)
{
	vdev_detach(&w->dev);
	cv_vslot_destroy(w->slot);
	kill_child(w);
	cv_class_config_destroy(w->cls, w->config);
	cv_loop_destroy(w->loop);
	guest_fini(&w->g);
	munmap(shared, sizeof(*shared));
}

static void wait_lost(struct world *w, unsigned int n)
{
	for (unsigned int i = 0; i < 5000 && w->n_lost < n; i++) {
		cv_loop_dispatch(w->loop);
		cv_ignore(poll(NULL, 0, 1));
	}
	ck_assert_uint_eq(w->n_lost, n);
}

static void again(struct world *w)
{
	struct vm_error e = { 0 };

	ck_assert_msg(cv_vhost_frontend_reconnect(w->slot, spawn(w), &e) == 0, "%s", e.text);
}

static void wait_popped(unsigned int n)
{
	for (unsigned int i = 0; i < 5000 && atomic_load(&shared->n_popped) < n; i++)
		cv_ignore(poll(NULL, 0, 1));
	ck_assert_uint_eq(atomic_load(&shared->n_popped), n);
}

static void add_mark(struct world *w, uint8_t mark)
{
	struct drv_buf b = { guest_dup(&w->g, &mark, 1), 1, false };

	ck_assert_int_ge(drv_add(&w->dev.queues[0], &b, 1), 0);
}

/* ---- tests ---- */

START_TEST(held_chains_come_again)
{
	struct drv_vq *q;
	struct world w;

	world_init(&w, &holder_class, "", 0, _i);
	q = &w.dev.queues[0];
	for (unsigned int round = 0; round < 20; round++) {
		unsigned int done = atomic_load(&shared->n_done);
		unsigned int popped = atomic_load(&shared->n_popped);
		unsigned int odd = round % 4;

		atomic_store(&shared->hold, true);
		atomic_store(&shared->let, odd);
		for (uint8_t i = 0; i < 10; i++)
			add_mark(&w, i);
		drv_kick(q);
		wait_popped(popped + 10);
		for (unsigned int i = 0; i < odd; i++)
			ck_assert_int_ge(vdev_wait(&w.dev, 0, NULL), 0);
		kill_child(&w);
		/* the guest goes on meanwhile, and nothing it does waits */
		add_mark(&w, 10);
		drv_kick(q);
		wait_lost(&w, round + 1);
		ck_assert(!cv_vhost_frontend_connected(w.slot));
		atomic_store(&shared->hold, false);
		again(&w);
		for (unsigned int i = odd; i < 11; i++)
			ck_assert_int_ge(vdev_wait(&w.dev, 0, NULL), 0);
		ck_assert_int_lt(drv_used(q, NULL), 0);
		ck_assert_uint_eq(q->n_outstanding, 0);
		ck_assert_uint_eq(atomic_load(&shared->n_done), done + 11);
		/* the odd ones first, as they were let; the rest in order */
		for (unsigned int i = 0; i < odd; i++)
			ck_assert_uint_eq(shared->order[done + i], 2 * i + 1);
		for (unsigned int i = odd + 1; i < 11; i++)
			ck_assert_uint_lt(shared->order[done + i - 1], shared->order[done + i]);
	}
	ck_assert(!w.dev.ops->broken(&w.dev));
	world_fini(&w);
}
END_TEST

/* Stopped, reset and started while nobody is there; the next process gets the newest state. */
START_TEST(a_driver_that_starts_alone)
{
	const struct vdev_options o = { .packed = _i & 1 };
	struct world w;

	world_init(&w, &holder_class, "", 0, _i);
	atomic_store(&shared->hold, true);
	add_mark(&w, 1);
	drv_kick(&w.dev.queues[0]);
	wait_popped(1);
	kill_child(&w);
	wait_lost(&w, 1);
	vdev_reset(&w.dev);
	ck_assert_int_eq(vdev_start(&w.dev, &o), 0);
	add_mark(&w, 7);
	drv_kick(&w.dev.queues[0]);
	atomic_store(&shared->hold, false);
	again(&w);
	ck_assert_int_ge(vdev_wait(&w.dev, 0, NULL), 0);
	ck_assert_uint_eq(shared->order[0], 7);
	ck_assert_uint_eq(atomic_load(&shared->n_done), 1);
	world_fini(&w);
}
END_TEST

/* A ring that is replaced by a new one while nobody is there: what was in flight in the old one is
 * nothing to the next process. */
START_TEST(a_ring_reset_alone)
{
	struct cv_vq_config c;
	struct drv_vq *q;
	struct world w;

	world_init(&w, &holder_class, "", 0, (_i & 1) | (_i & 2 ? 8 : 0));
	ck_assert(w.dev.features & CV_VIRTIO_F_RING_RESET);
	q = &w.dev.queues[0];
	atomic_store(&shared->hold, true);
	for (uint8_t i = 0; i < 5; i++)
		add_mark(&w, i);
	drv_kick(q);
	wait_popped(5);
	kill_child(&w);
	wait_lost(&w, 1);
	w.slot->ops->queue_stop(w.slot, 0, NULL);
	drv_vq_fini(q);
	drv_vq_init(q, &w.g, HELD, w.dev.features);
	drv_vq_config(q, &c);
	ck_assert_int_eq(w.slot->ops->queue_start(w.slot, 0, &c), 0);
	add_mark(&w, 7);
	drv_kick(q);
	atomic_store(&shared->hold, false);
	again(&w);
	ck_assert_int_ge(vdev_wait(&w.dev, 0, NULL), 0);
	ck_assert_uint_eq(shared->order[0], 7);
	ck_assert_uint_eq(atomic_load(&shared->n_done), 1);
	ck_assert(!w.dev.ops->broken(&w.dev));
	world_fini(&w);
}
END_TEST

START_TEST(no_other_peer)
{
	struct vm_error e = { 0 };
	struct world w;
	int fd = -1, pair[2];

	world_init(&w, &holder_class, "", 0, 0);
	ck_assert_int_eq(cv_vhost_frontend_reconnect(w.slot, dup(0), &e), -EBUSY);
	kill_child(&w);
	wait_lost(&w, 1);
	/* one that is dead already, then nobody */
	socket_pair(pair);
	close(pair[1]);
	ck_assert_int_lt(cv_vhost_frontend_reconnect(w.slot, pair[0], &e), 0);
	ck_assert_str_eq(e.text, "front: the back end has closed the connection");
	ck_assert(!w.dev.ops->broken(&w.dev));
	cv_vhost_frontend_give_up(w.slot);
	ck_assert(vdev_wait_broken(&w.dev));
	vdev_reset(&w.dev);
	ck_assert_int_lt(vdev_start(&w.dev, NULL), 0);
	fd = spawn(&w);
	ck_assert_int_eq(cv_vhost_frontend_reconnect(w.slot, fd, &e), -EBUSY);
	world_fini(&w);
}
END_TEST

/* ---- a disk whose process is killed all the time ---- */

extern const struct cv_class cv_class_block;

#define SECTORS 2048u
#define BATCH	16u

struct header {
	struct le32 type, reserved;
	struct le64 sector;
};

/* Adds a write of one sector, filled with its number and the round's. */
static void add_write(struct world *w, uint32_t sector, uint32_t round)
{
	struct header h = { le32(1), le32(0), le64(sector) };
	uint32_t data[128];
	struct drv_buf bufs[3];

	for (unsigned int i = 0; i < CV_LEN(data); i++)
		data[i] = sector * 31 + round;
	bufs[0] = (struct drv_buf){ guest_dup(&w->g, &h, sizeof(h)), sizeof(h), false };
	bufs[1] = (struct drv_buf){ guest_dup(&w->g, data, sizeof(data)), sizeof(data), false };
	bufs[2] = (struct drv_buf){ guest_alloc(&w->g, 1, 1), 1, true };
	ck_assert_int_ge(drv_add(&w->dev.queues[0], bufs, 3), 0);
}

static void check_disk(int fd, uint32_t round)
{
	uint32_t data[128];

	for (uint32_t s = 0; s < SECTORS; s++) {
		ck_assert_int_eq(pread(fd, data, sizeof(data), s * 512), sizeof(data));
		for (unsigned int i = 0; i < CV_LEN(data); i++)
			ck_assert_uint_eq(data[i], s * 31 + round);
	}
}

static void write_disk(struct world *w, uint32_t round, unsigned int *n_kills)
{
	struct drv_vq *q = &w->dev.queues[0];

	for (uint32_t s = 0; s < SECTORS; s += BATCH) {
		uint64_t mark = guest_mark(&w->g);
		bool shoot = s / BATCH % 4 == 1;

		for (uint32_t i = 0; i < BATCH; i++)
			add_write(w, s + i, round);
		drv_kick(q);
		if (shoot) {
			/* anywhere between the first request and the last */
			for (unsigned int i = 0; i < *n_kills * 37 % 400; i++)
				atomic_signal_fence(memory_order_seq_cst);
			kill_child(w);
			wait_lost(w, ++*n_kills);
			again(w);
		}
		for (uint32_t i = 0; i < BATCH; i++)
			ck_assert_int_ge(vdev_wait(&w->dev, 0, NULL), 0);
		guest_rewind(&w->g, mark);
	}
}

START_TEST(killed_disk)
{
	int fd = make_memfd(SECTORS * 512, 0);
	unsigned int n_kills = 0;
	char options[64];
	struct world w;

	snprintf(options, sizeof(options), "fd=%d,engine=%s", fd, _i & 2 ? "pool" : "auto");
	world_init(&w, &cv_class_block, options, 60, _i & 1);
	for (uint32_t round = 1; round <= 2; round++) {
		write_disk(&w, round, &n_kills);
		check_disk(fd, round);
	}
	ck_assert_uint_gt(n_kills, 40);
	ck_assert(!w.dev.ops->broken(&w.dev));
	world_fini(&w);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reconnect");
	TCase *tc = tcase_create("reconnect");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, held_chains_come_again, 0, 16);
	tcase_add_loop_test(tc, a_driver_that_starts_alone, 0, 2);
	tcase_add_loop_test(tc, a_ring_reset_alone, 0, 4);
	tcase_add_test(tc, no_other_peer);
	tcase_add_loop_test(tc, killed_disk, 0, 4);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
