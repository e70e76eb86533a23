/* SPDX-License-Identifier: BSD-3-Clause */
/* The slot around a device process: what becomes of it when the process dies, hangs or talks nonsense. */
#include <sys/eventfd.h>

#include "process/vslot_child.h"
#include "process_test.h"
#include "support/vdev.h"

struct world {
	struct usage before;
	struct guest g;
	struct cv_loop *loop;
	struct cv_log log;
	struct cv_process_host host;
	struct cv_vslot *slot;
	struct vdev dev;
	unsigned int n_restarted, n_lost;
	char why[256];
	struct vm_error e;
};

static void on_log(void *user, enum vm_log_level level, const char *text)
{
	(void)user;
	(void)level;
	ck_assert(!strchr(text, '\n'));
}

static void on_death(void *ctx, const char *why, bool restarted)
{
	struct world *w = ctx;

	*(restarted ? &w->n_restarted : &w->n_lost) += 1;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static void init(struct world *w, const char *program)
{
	*w = (struct world){ .before = usage_now(),
			     .log = { .sink = on_log, .level = VM_LOG_DEBUG } };
	w->host = (struct cv_process_host){ .program = program, .timeout_ms = 5000 };
	guest_init(&w->g, 4 << 20);
	must(cv_loop_create(&w->loop, NULL) == 0);
}

static int make_slot(struct world *w, struct cv_vslot **slot, bool restart)
{
	const struct cv_vslot_child_config config = { .host = &w->host,
						      .cls = cv_class_find("rng"),
						      .config = "",
						      .packed = true,
						      .restart = restart,
						      .mem = &w->g.mem,
						      .loop = w->loop,
						      .log = &w->log,
						      .died = on_death,
						      .ctx = w };
	struct cv_vslot_child *child;
	int err = cv_vslot_child_create(&child, &config, &w->e);

	return err ?: cv_vslot_child_finish(child, slot, &w->e);
}

/* A started device in a process of its own. */
static void make(struct world *w, bool restart, bool packed)
{
	init(w, CROSVM_DEVICE);
	ck_assert_msg(make_slot(w, &w->slot, restart) == 0, "%s", w->e.text);
	vdev_attach(&w->dev, &vdev_slot_ops, w->slot, &w->g, w->loop, false);
	ck_assert_int_eq(vdev_start(&w->dev, &(struct vdev_options){ .packed = packed }), 0);
}

static void fini(struct world *w)
{
	struct usage after;

	vdev_detach(&w->dev);
	cv_vslot_destroy(w->slot);
	cv_process_host_fini(&w->host);
	cv_loop_destroy(w->loop);
	guest_fini(&w->g);
	after = usage_now();
	ck_assert_uint_eq(after.fds, w->before.fds);
	ck_assert_uint_eq(after.threads, w->before.threads);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}

static uint64_t now_ms(const struct world *w)
{
	return cv_loop_now(w->loop) / 1000000;
}

static void works(struct world *w)
{
	uint8_t buf[64] = { 0 };

	ck_assert_int_eq(vdev_request(&w->dev, 0, NULL, 0, buf, sizeof(buf)), sizeof(buf));
}

/* Kills the process and waits until the kernel is done with it: all signs of it are there at once. */
static void kill_and_wait(struct world *w)
{
	pid_t pid = cv_vslot_child_pid(w->slot);
	siginfo_t info;

	ck_assert_int_gt(pid, 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void turn_until(struct world *w, unsigned int n, unsigned int ms)
{
	uint64_t end = now_ms(w) + ms;

	while (w->n_restarted + w->n_lost < n && now_ms(w) < end) {
		cv_loop_dispatch(w->loop);
		usleep(500);
	}
	ck_assert_uint_eq(w->n_restarted + w->n_lost, n);
}

/* Five restarts in ten seconds; the next death is the last. */
static void dies_again_and_again(bool packed)
{
	struct world w;

	make(&w, true, packed);
	for (unsigned int i = 1; i <= 5; i++) {
		works(&w);
		kill_and_wait(&w);
		turn_until(&w, i, 5000);
		ck_assert_msg(w.n_restarted == i, "restart %u: %s", i, w.why);
		ck_assert_ptr_nonnull(strstr(w.why, "killed by signal 9"));
	}
	works(&w);
	ck_assert_uint_eq(w.dev.n_broken, 0);
	kill_and_wait(&w);
	turn_until(&w, 6, 5000);
	ck_assert_uint_eq(w.n_lost, 1);
	ck_assert_int_eq(cv_vslot_child_pid(w.slot), 0);
	ck_assert(vdev_wait_broken(&w.dev));
	fini(&w);
}

START_TEST(a_split_queue_goes_on)
{
	dies_again_and_again(false);
}

START_TEST(a_packed_queue_goes_on)
{
	dies_again_and_again(true);
}

START_TEST(without_restart_the_slot_is_broken)
{
	struct world w;
	char reply[8];

	make(&w, false, false);
	kill_and_wait(&w);
	turn_until(&w, 1, 5000);
	ck_assert_uint_eq(w.n_lost, 1);
	ck_assert(vdev_wait_broken(&w.dev));
	ck_assert_int_eq(w.slot->ops->control(w.slot, "no", "", reply, sizeof(reply), &w.e),
			 -ENOENT);
	/* a driver that resets it finds nobody, at once */
	vdev_reset(&w.dev);
	fini(&w);
}

/* The program is kept as it was when the first process was started. */
START_TEST(the_program_has_gone)
{
	struct world w;

	make(&w, true, false);
	w.host.program = "/nonexistent";
	kill_and_wait(&w);
	turn_until(&w, 1, 5000);
	ck_assert_uint_eq(w.n_restarted, 1);
	works(&w);
	fini(&w);
}

START_TEST(no_program_any_more)
{
	struct world w;

	make(&w, true, false);
	cv_process_host_fini(&w.host);
	w.host.program = "/nonexistent";
	kill_and_wait(&w);
	turn_until(&w, 1, 5000);
	ck_assert_uint_eq(w.n_lost, 1);
	ck_assert(vdev_wait_broken(&w.dev));
	fini(&w);
}

START_TEST(another_program_is_in_its_place)
{
	static const char *const programs[] = { HOSTILE_DEVICE, "/bin/true", "/bin/cat" };

	for (size_t i = 0; i < CV_LEN(programs); i++) {
		struct world w;
		uint64_t begin;

		make(&w, true, false);
		cv_process_host_fini(&w.host);
		w.host.program = programs[i];
		w.host.timeout_ms = 300;
		kill_and_wait(&w);
		begin = now_ms(&w);
		turn_until(&w, 1, 8000);
		/* the limits of start, first answer and end */
		ck_assert_uint_lt(now_ms(&w) - begin, 300 + 2000 + 500);
		ck_assert_uint_eq(w.n_lost, 1);
		ck_assert(vdev_wait_broken(&w.dev));
		fini(&w);
	}
}

/* A process that hangs is noticed by whoever asks it something. */
START_TEST(a_hanging_process_is_replaced)
{
	struct world w;
	uint64_t begin;

	make(&w, true, false);
	kill(cv_vslot_child_pid(w.slot), SIGSTOP);
	begin = now_ms(&w);
	vdev_reset(&w.dev);
	ck_assert_uint_lt(now_ms(&w) - begin, 3000);
	begin = now_ms(&w);
	turn_until(&w, 1, 5000);
	ck_assert_uint_lt(now_ms(&w) - begin, 1500);
	ck_assert_uint_eq(w.n_restarted, 1);
	ck_assert_int_eq(vdev_start(&w.dev, NULL), 0);
	works(&w);
	fini(&w);
}

/* Or by the driver's kick that it does not take. */
START_TEST(a_kick_that_is_not_taken)
{
	struct world w;
	uint64_t begin;

	make(&w, true, false);
	w.host.timeout_ms = 500;
	works(&w);
	kill(cv_vslot_child_pid(w.slot), SIGSTOP);
	begin = now_ms(&w);
	must(eventfd_write(w.dev.queues[0].kick_fd, 1) == 0);
	turn_until(&w, 1, 5000);
	ck_assert_uint_eq(w.n_restarted, 1);
	ck_assert_uint_ge(now_ms(&w) - begin, 1300); /* the interval began with the kick before */
	ck_assert_ptr_nonnull(strstr(w.why, "it has hung for 500 ms"));
	works(&w);
	fini(&w);
}

/* However busy it is, and stopped for less than the limit. */
START_TEST(a_live_process_is_left_alone)
{
	struct world w;
	uint64_t begin;
	pid_t pid;

	make(&w, true, false);
	pid = cv_vslot_child_pid(w.slot);
	for (begin = now_ms(&w); now_ms(&w) - begin < 2500; cv_loop_dispatch(w.loop))
		works(&w);
	kill(pid, SIGSTOP);
	must(eventfd_write(w.dev.queues[0].kick_fd, 1) == 0);
	for (begin = now_ms(&w); now_ms(&w) - begin < 2000; usleep(1000))
		cv_loop_dispatch(w.loop);
	kill(pid, SIGCONT);
	for (begin = now_ms(&w); now_ms(&w) - begin < 1500; cv_loop_dispatch(w.loop))
		works(&w);
	ck_assert_uint_eq(w.n_restarted + w.n_lost, 0);
	ck_assert_int_eq(cv_vslot_child_pid(w.slot), pid);
	fini(&w);
}

START_TEST(a_process_that_speaks_no_vhost)
{
	struct world w;

	init(&w, HOSTILE_DEVICE); /* it is ready, and that is all */
	ck_assert_int_lt(make_slot(&w, &w.slot, true), 0);
	ck_assert_msg(strncmp(w.e.text, "rng: ", 5) == 0, "%s", w.e.text);
	ck_assert_uint_eq(w.n_restarted + w.n_lost, 0);
	fini(&w);
}

START_TEST(destroyed_before_anybody_noticed)
{
	struct world w;

	make(&w, true, false);
	kill_and_wait(&w);
	fini(&w);
	ck_assert_uint_eq(w.n_restarted + w.n_lost, 0);
	/* and with the loss noticed, but not yet the death */
	make(&w, true, false);
	kill(cv_vslot_child_pid(w.slot), SIGSTOP);
	vdev_reset(&w.dev);
	cv_loop_dispatch(w.loop);
	kill(cv_vslot_child_pid(w.slot), SIGCONT);
	fini(&w);
	ck_assert_uint_eq(w.n_restarted + w.n_lost, 0);
}

/* The death of one is not noticed by another. */
START_TEST(the_others_go_on)
{
	struct cv_vslot *other;
	struct world w;
	pid_t pid;

	make(&w, true, false);
	ck_assert_msg(make_slot(&w, &other, false) == 0, "%s", w.e.text);
	pid = cv_vslot_child_pid(w.slot);
	kill(cv_vslot_child_pid(other), SIGKILL);
	for (unsigned int i = 0; i < 200 || w.n_lost == 0; i++) {
		works(&w);
		cv_loop_dispatch(w.loop);
	}
	ck_assert_uint_eq(w.n_lost, 1);
	ck_assert_int_eq(cv_vslot_child_pid(w.slot), pid);
	cv_vslot_destroy(other);
	fini(&w);
}

CHECK_MAIN("restart", a_split_queue_goes_on, a_packed_queue_goes_on,
	   without_restart_the_slot_is_broken, the_program_has_gone, no_program_any_more,
	   a_kick_that_is_not_taken, a_live_process_is_left_alone, another_program_is_in_its_place,
	   a_hanging_process_is_replaced, a_process_that_speaks_no_vhost,
	   destroyed_before_anybody_noticed, the_others_go_on)
