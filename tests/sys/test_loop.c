/* SPDX-License-Identifier: BSD-3-Clause */
/* The event loop: watches, timers on both clocks, tasks and calls from elsewhere, pollers. */
#include "sys/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/check_main.h"
#include "sys/fd.h"
#include "sys/thread.h"

#define MS 1000000ull

static struct cv_loop *new_loop(void)
{
	struct cv_loop *loop;

	ck_assert_int_eq(cv_loop_create(&loop, NULL), 0);
	return loop;
}

static struct cv_loop *new_fake(void)
{
	struct cv_loop *loop;

	ck_assert_int_eq(cv_loop_create_fake(&loop, NULL), 0);
	return loop;
}

static void *run_thread(void *arg)
{
	ck_assert_int_eq(cv_loop_run(arg), 0);
	return NULL;
}

static pthread_t start(struct cv_loop *loop)
{
	pthread_t t;

	ck_assert_int_eq(cv_thread_create(&t, "loop", run_thread, loop), 0);
	return t;
}

static void finish(struct cv_loop *loop, pthread_t t)
{
	cv_loop_stop(loop);
	pthread_join(t, NULL);
}

/* ---- watches ---- */

struct counter {
	struct cv_watch watch;
	struct counter *victim; /* removed when this one fires */
	unsigned int n;
	uint32_t events;
	int fd;
};

static void count_fn(struct cv_watch *w, uint32_t events)
{
	struct counter *c = cv_container_of(w, struct counter, watch);

	c->n++;
	c->events = events;
	cv_event_drain(c->fd);
	if (c->victim)
		cv_watch_remove(&c->victim->watch);
}

static void counter_add(struct cv_loop *loop, struct counter *c)
{
	c->fd = cv_event_create();
	c->watch.fn = count_fn;
	ck_assert_int_eq(cv_watch_add(loop, &c->watch, c->fd, EPOLLIN), 0);
}

START_TEST(watch_fires_and_goes)
{
	struct cv_loop *loop = new_loop();
	struct counter c = { 0 };

	counter_add(loop, &c);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 0);
	cv_event_signal(c.fd);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 1);
	ck_assert_uint_eq(c.n, 1);
	ck_assert_uint_eq(c.events, EPOLLIN);
	cv_watch_remove(&c.watch);
	cv_watch_remove(&c.watch);
	cv_event_signal(c.fd);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 0);
	close(c.fd);
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(watch_modify)
{
	struct cv_loop *loop = new_loop();
	struct counter c = { 0 };

	counter_add(loop, &c);
	cv_watch_modify(&c.watch, 0);
	cv_event_signal(c.fd);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 0);
	cv_watch_modify(&c.watch, EPOLLIN);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 1);
	cv_watch_remove(&c.watch);
	cv_watch_modify(&c.watch, EPOLLIN);
	close(c.fd);
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(watch_bad_fd)
{
	struct cv_loop *loop = new_loop();
	struct cv_watch w = { .fn = count_fn };

	ck_assert_int_eq(cv_watch_add(loop, &w, -1, EPOLLIN), -EBADF);
	ck_assert_ptr_null(w.loop);
	cv_watch_remove(&w);
	cv_loop_destroy(loop);
}
END_TEST

/* Both are ready in one batch; whichever runs first removes the other. */
START_TEST(removal_in_the_same_batch)
{
	struct cv_loop *loop = new_loop();
	struct counter a = { 0 }, b = { 0 };

	a.victim = &b;
	b.victim = &a;
	counter_add(loop, &a);
	counter_add(loop, &b);
	cv_event_signal(a.fd);
	cv_event_signal(b.fd);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 1);
	ck_assert_uint_eq(a.n + b.n, 1);
	cv_watch_remove(&a.watch);
	cv_watch_remove(&b.watch);
	close(a.fd);
	close(b.fd);
	cv_loop_destroy(loop);
}
END_TEST

static void readd_fn(struct cv_watch *w, uint32_t events)
{
	struct counter *c = cv_container_of(w, struct counter, watch);
	struct counter *v = c->victim;

	count_fn(w, events);
	/* what the batch still says about the old registration must not reach the new one */
	cv_event_drain(v->fd);
	ck_assert_int_eq(cv_watch_add(v->watch.loop ?: c->watch.loop, &v->watch, v->fd, EPOLLIN),
			 0);
	c->victim = NULL;
	v->victim = NULL;
}

START_TEST(removed_and_added_again_in_the_same_batch)
{
	struct cv_loop *loop = new_loop();
	struct counter a = { 0 }, b = { 0 };

	a.victim = &b;
	b.victim = &a;
	counter_add(loop, &a);
	counter_add(loop, &b);
	a.watch.fn = readd_fn;
	b.watch.fn = readd_fn;
	cv_event_signal(a.fd);
	cv_event_signal(b.fd);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 1);
	ck_assert_uint_eq(a.n + b.n, 1);
	cv_watch_remove(&a.watch);
	cv_watch_remove(&b.watch);
	close(a.fd);
	close(b.fd);
	cv_loop_destroy(loop);
}
END_TEST

static void check_locked(struct cv_watch *w, uint32_t events)
{
	ck_assert_int_eq(pthread_mutex_trylock(w->lock), EBUSY);
	count_fn(w, events);
}

START_TEST(watch_holds_its_lock)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct cv_loop *loop = new_loop();
	struct counter c = { .watch.lock = &lock };

	counter_add(loop, &c);
	c.watch.fn = check_locked;
	cv_event_signal(c.fd);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 1);
	ck_assert_int_eq(pthread_mutex_trylock(&lock), 0);
	pthread_mutex_unlock(&lock);
	cv_watch_remove(&c.watch);
	close(c.fd);
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(hangup_is_told)
{
	struct cv_loop *loop = new_loop();
	struct counter c = { .watch.fn = count_fn };
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	c.fd = cv_event_create();
	ck_assert_int_eq(cv_watch_add(loop, &c.watch, p[0], 0), 0);
	close(p[1]);
	c.victim = &c;
	ck_assert_uint_eq(cv_loop_dispatch(loop), 1);
	ck_assert_uint_eq(c.events, EPOLLHUP);
	close(p[0]);
	close(c.fd);
	cv_loop_destroy(loop);
}
END_TEST

/* ---- timers ---- */

struct tick {
	struct cv_timer timer;
	struct tick *cancels;
	uint64_t period;
	unsigned int n, limit;
	char name;
	char *log; /* each firing appends the name */
};

static void tick_fn(struct cv_timer *t)
{
	struct tick *k = cv_container_of(t, struct tick, timer);

	k->n++;
	if (k->log)
		strncat(k->log, &k->name, 1);
	if (k->cancels)
		cv_timer_cancel(&k->cancels->timer);
	if (k->period > 0 && k->n < k->limit)
		cv_timer_set(t->loop, t, t->due + k->period);
}

START_TEST(timers_fire_in_order)
{
	struct cv_loop *loop = new_fake();
	char log[8] = "";
	struct tick k[4];

	for (int i = 0; i < 4; i++)
		k[i] = (struct tick){ .timer.fn = tick_fn, .name = (char)('a' + i), .log = log };
	cv_timer_set(loop, &k[0].timer, 30);
	cv_timer_set(loop, &k[1].timer, 10);
	cv_timer_set(loop, &k[2].timer, 20);
	cv_timer_set(loop, &k[3].timer, 10);
	cv_loop_fake_advance(loop, 9);
	ck_assert_str_eq(log, "");
	cv_loop_fake_advance(loop, 1);
	ck_assert_str_eq(log, "bd");
	cv_loop_fake_advance(loop, 100);
	ck_assert_str_eq(log, "bdca");
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(timers_move_and_cancel)
{
	struct cv_loop *loop = new_fake();
	struct tick a = { .timer.fn = tick_fn }, b = { .timer.fn = tick_fn };

	a.cancels = &b;
	cv_timer_set(loop, &a.timer, 10);
	cv_timer_set(loop, &a.timer, 50);
	cv_timer_set(loop, &b.timer, 50);
	cv_loop_fake_advance(loop, 20);
	ck_assert_uint_eq(a.n, 0);
	cv_loop_fake_advance(loop, 30);
	ck_assert_uint_eq(a.n, 1);
	ck_assert_uint_eq(b.n, 0);
	cv_timer_cancel(&a.timer);
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(periodic_timer_catches_up)
{
	struct cv_loop *loop = new_fake();
	struct tick k = { .timer.fn = tick_fn, .period = 10, .limit = 100 };

	cv_timer_set(loop, &k.timer, 10);
	cv_loop_fake_advance(loop, 95);
	ck_assert_uint_eq(k.n, 9);
	ck_assert_uint_eq(k.timer.due, 100);
	cv_timer_cancel(&k.timer);
	cv_loop_destroy(loop);
}
END_TEST

/* One that always re-arms itself for the past does not keep others from running. */
START_TEST(past_timer_lets_others_run)
{
	struct cv_loop *loop = new_fake();
	char log[16] = "";
	struct tick a = { .timer.fn = tick_fn, .period = 1, .limit = 3, .name = 'a', .log = log };
	struct tick b = { .timer.fn = tick_fn, .name = 'b', .log = log };

	cv_timer_set(loop, &a.timer, 0);
	cv_timer_set(loop, &b.timer, 5);
	cv_loop_fake_advance(loop, 10);
	ck_assert_str_eq(log, "aaab");
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(fake_clock)
{
	struct cv_loop *loop = new_fake();

	ck_assert_uint_eq(cv_loop_now(loop), 0);
	ck_assert_uint_eq(cv_loop_wall(loop), 1577934245000000000ull);
	cv_loop_fake_advance(loop, 1500);
	ck_assert_uint_eq(cv_loop_now(loop), 1500);
	ck_assert_uint_eq(cv_loop_wall(loop), 1577934245000001500ull);
	cv_loop_destroy(loop);
}
END_TEST

static void stop_fn(struct cv_timer *t)
{
	cv_loop_stop(t->loop);
}

START_TEST(real_timer_is_precise)
{
	struct cv_loop *loop = new_loop();
	struct cv_timer t = { .fn = stop_fn };
	uint64_t begin = cv_loop_now(loop), took;

	cv_timer_set(loop, &t, begin + 3 * MS / 2);
	ck_assert_int_eq(cv_loop_run(loop), 0);
	took = cv_loop_now(loop) - begin;
	ck_assert_uint_ge(took, 3 * MS / 2);
	ck_assert_uint_lt(took, 500 * MS);
	ck_assert_uint_lt((uint64_t)time(NULL) - cv_loop_wall(loop) / 1000000000ull + 1, 3);
	cv_loop_destroy(loop);
}
END_TEST

/* ---- tasks ---- */

struct job {
	struct cv_task task;
	struct cv_loop *loop;
	atomic_uint n;
	unsigned int again;
	char name;
	char *log;
};

static void job_fn(struct cv_task *t)
{
	struct job *j = cv_container_of(t, struct job, task);

	j->n++;
	if (j->log)
		strncat(j->log, &j->name, 1);
	if (j->n < j->again)
		cv_loop_post(j->loop, t);
}

START_TEST(tasks_run_once_in_order)
{
	struct cv_loop *loop = new_loop();
	char log[8] = "";
	struct job a = { .task.fn = job_fn, .name = 'a', .log = log };
	struct job b = { .task.fn = job_fn, .name = 'b', .log = log };
	struct job c = { .task.fn = job_fn, .name = 'c', .log = log };

	cv_loop_post(loop, &a.task);
	cv_loop_post(loop, &b.task);
	cv_loop_post(loop, &a.task);
	cv_loop_post(loop, &c.task);
	cv_task_cancel(&b.task);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 2);
	ck_assert_str_eq(log, "ac");
	cv_loop_post(loop, &b.task);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 1);
	ck_assert_str_eq(log, "acb");
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(task_posts_itself)
{
	struct cv_loop *loop = new_loop();
	struct job j = { .task.fn = job_fn, .loop = loop, .again = 5 };

	cv_loop_post(loop, &j.task);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 5);
	cv_task_cancel(&j.task);
	cv_loop_destroy(loop);
}
END_TEST

static void *poster(void *arg)
{
	struct job *j = arg;

	for (int i = 0; i < 2000; i++)
		cv_loop_post(j->loop, &j->task);
	return NULL;
}

/* Several threads post; the plain counter is only safe because the loop alone runs the tasks. */
START_TEST(posts_from_threads)
{
	struct cv_loop *loop = new_loop();
	pthread_t runner = start(loop), t[4];
	struct job j[4];

	for (int i = 0; i < 4; i++) {
		j[i] = (struct job){ .task.fn = job_fn, .loop = loop };
		ck_assert_int_eq(cv_thread_create(&t[i], "poster", poster, &j[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++)
		while (j[i].n == 0)
			usleep(100);
	finish(loop, runner);
	for (int i = 0; i < 4; i++)
		cv_task_cancel(&j[i].task);
	cv_loop_destroy(loop);
}
END_TEST

/* A post wakes a sleeping loop, every time. */
START_TEST(post_wakes)
{
	struct cv_loop *loop = new_loop();
	pthread_t runner = start(loop);
	struct job j = { .task.fn = job_fn, .loop = loop };

	for (unsigned int i = 0; i < 300; i++) {
		cv_loop_post(loop, &j.task);
		while (j.n == i)
			usleep(i % 3 * 50);
	}
	finish(loop, runner);
	cv_loop_destroy(loop);
}
END_TEST

/* ---- calls ---- */

struct call_ctx {
	struct cv_loop *loop;
	pthread_t ran_in;
	unsigned int n;
};

static void call_fn(void *arg)
{
	struct call_ctx *c = arg;

	c->ran_in = pthread_self();
	c->n++;
}

static void nested_fn(void *arg)
{
	struct call_ctx *c = arg;

	cv_loop_call(c->loop, call_fn, c);
	c->n++;
}

START_TEST(call_without_runner_is_direct)
{
	struct cv_loop *loop = new_loop();
	struct call_ctx c = { .loop = loop };

	cv_loop_call(loop, call_fn, &c);
	ck_assert(pthread_equal(c.ran_in, pthread_self()));
	cv_loop_call(loop, nested_fn, &c);
	ck_assert_uint_eq(c.n, 3);
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(call_runs_in_the_loop)
{
	struct cv_loop *loop = new_loop();
	struct call_ctx c = { .loop = loop };
	pthread_t runner;

	runner = start(loop);
	cv_loop_call(loop, call_fn, &c);
	while (!pthread_equal(c.ran_in, runner)) /* the first may have come before the run */
		cv_loop_call(loop, call_fn, &c);
	c.n = 0;
	cv_loop_call(loop, nested_fn, &c);
	ck_assert_uint_eq(c.n, 2);
	finish(loop, runner);
	cv_loop_destroy(loop);
}
END_TEST

struct caller {
	struct cv_loop *loop;
	unsigned int *shared;
};

static void bump(void *arg)
{
	++*(unsigned int *)arg;
}

static void *caller_thread(void *arg)
{
	struct caller *c = arg;

	for (int i = 0; i < 1000; i++)
		cv_loop_call(c->loop, bump, c->shared);
	return NULL;
}

/* Calls never overlap and never get lost, however often the loop starts and stops meanwhile. */
START_TEST(calls_while_the_loop_comes_and_goes)
{
	struct cv_loop *loop = new_loop();
	unsigned int shared = 0;
	struct caller c = { loop, &shared };
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(cv_thread_create(&t[i], "caller", caller_thread, &c), 0);
	for (int i = 0; i < 50; i++) {
		pthread_t runner = start(loop);

		usleep(200);
		finish(loop, runner);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(shared, 3000);
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(stop_before_run)
{
	struct cv_loop *loop = new_loop();

	cv_loop_stop(loop);
	ck_assert_int_eq(cv_loop_run(loop), 0);
	cv_loop_destroy(loop);
}
END_TEST

/* ---- pollers ---- */

struct look {
	struct cv_poller poller;
	struct look *removes;
	unsigned int n, work, idle, idle_work;
};

static bool look_fn(struct cv_poller *p)
{
	struct look *l = cv_container_of(p, struct look, poller);

	l->n++;
	if (l->removes)
		cv_poller_remove(&l->removes->poller);
	if (l->work == 0)
		return false;
	l->work--;
	return true;
}

static bool idle_fn(struct cv_poller *p)
{
	struct look *l = cv_container_of(p, struct look, poller);

	l->idle++;
	if (l->idle_work == 0)
		return false;
	l->idle_work--;
	return true;
}

START_TEST(pollers_only_with_a_poll_time)
{
	struct cv_loop *loop = new_loop();
	struct look l = { .poller.fn = look_fn, .work = 2 };

	cv_poller_add(loop, &l.poller);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 0);
	ck_assert_uint_eq(l.n, 0);
	cv_loop_set_poll_time(loop, 50000);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 2);
	cv_poller_remove(&l.poller);
	cv_poller_remove(&l.poller);
	cv_loop_destroy(loop);
}
END_TEST

START_TEST(pollers_remove_each_other)
{
	struct cv_loop *loop = new_loop();
	struct look a = { .poller.fn = look_fn, .work = 1 };
	struct look b = { .poller.fn = look_fn }, c = { .poller.fn = look_fn };

	a.removes = &b;
	cv_loop_set_poll_time(loop, 50000);
	cv_poller_add(loop, &a.poller);
	cv_poller_add(loop, &b.poller);
	cv_poller_add(loop, &c.poller);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 1);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_uint_eq(c.n, 2);
	c.removes = &c;
	cv_loop_dispatch(loop);
	ck_assert_uint_eq(c.n, 3);
	cv_poller_remove(&a.poller);
	cv_loop_destroy(loop);
}
END_TEST

/* Whoever dispatches does not come back by itself: what the hooks hold is let go before. */
START_TEST(dispatch_ends_idle)
{
	struct cv_loop *loop = new_loop();
	struct look l = { .poller = { .fn = look_fn, .idle = idle_fn }, .work = 2, .idle_work = 1 };

	cv_loop_set_poll_time(loop, 50000);
	cv_poller_add(loop, &l.poller);
	ck_assert_uint_eq(cv_loop_dispatch(loop), 3);
	ck_assert_uint_eq(l.idle, 2);
	l.work = 1u << 20; /* more than one dispatch goes on for */
	cv_loop_dispatch(loop);
	ck_assert_uint_gt(l.work, 0);
	ck_assert_uint_eq(l.idle, 3);
	cv_poller_remove(&l.poller);
	cv_loop_destroy(loop);
}
END_TEST

struct ping {
	struct counter c;
	struct cv_timer timer;
	unsigned int left;
};

static void ping_fn(struct cv_timer *t)
{
	struct ping *p = cv_container_of(t, struct ping, timer);

	if (p->left-- == 0) {
		cv_loop_stop(t->loop);
		return;
	}
	cv_event_signal(p->c.fd);
	cv_timer_set(t->loop, t, cv_loop_now(t->loop) + 20 * MS);
}

/* Watches that fire rarely do not start the spinning: no poller is ever looked at. */
START_TEST(rare_events_do_not_spin)
{
	struct cv_loop *loop = new_loop();
	struct look l = { .poller = { .fn = look_fn, .idle = idle_fn } };
	struct ping p = { .timer.fn = ping_fn, .left = 5 };

	cv_loop_set_poll_time(loop, 50000);
	counter_add(loop, &p.c);
	cv_poller_add(loop, &l.poller);
	cv_timer_set(loop, &p.timer, cv_loop_now(loop) + 10 * MS);
	ck_assert_int_eq(cv_loop_run(loop), 0);
	ck_assert_uint_eq(p.c.n, 5);
	cv_poller_remove(&l.poller);
	cv_watch_remove(&p.c.watch);
	close(p.c.fd);
	ck_assert_uint_eq(l.n, 0);
	ck_assert_uint_eq(l.idle, 0);
	cv_loop_destroy(loop);
}
END_TEST

struct busy {
	struct cv_watch watch;
	struct cv_poller poller;
	unsigned int n_looks, n_idle;
	int fd;
};

static void busy_fn(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct busy *b = cv_container_of(w, struct busy, watch);

	cv_event_drain(b->fd);
	if (b->n_idle > 0)
		cv_loop_stop(w->loop);
}

/* The poll time, longer than any test before, is over at the hundredth look. */
static bool busy_look(struct cv_poller *p)
{
	struct busy *b = cv_container_of(p, struct busy, poller);

	if (++b->n_looks == 100)
		cv_loop_set_poll_time(p->loop, 1);
	return false;
}

static bool busy_idle(struct cv_poller *p)
{
	struct busy *b = cv_container_of(p, struct busy, poller);

	b->n_idle++;
	cv_event_signal(b->fd);
	return true;
}

/* A busy watch starts the spinning, silence ends it through the idle hook. */
START_TEST(busy_events_spin_then_idle)
{
	struct busy b = { .watch.fn = busy_fn, .poller = { .fn = busy_look, .idle = busy_idle } };
	struct cv_loop *loop = new_loop();

	b.fd = cv_event_create();
	ck_assert_int_eq(cv_watch_add(loop, &b.watch, b.fd, EPOLLIN), 0);
	cv_loop_set_poll_time(loop, UINT64_MAX);
	cv_poller_add(loop, &b.poller);
	cv_event_signal(b.fd);
	ck_assert_int_eq(cv_loop_run(loop), 0);
	ck_assert_uint_ge(b.n_looks, 100);
	ck_assert_uint_eq(b.n_idle, 1);
	cv_poller_remove(&b.poller);
	cv_watch_remove(&b.watch);
	close(b.fd);
	cv_loop_destroy(loop);
}
END_TEST

static uint64_t cpu_ns(pthread_t t)
{
	struct timespec ts;
	clockid_t id;

	ck_assert_int_eq(pthread_getcpuclockid(t, &id), 0);
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* An idle loop sleeps for good, pollers or not. */
START_TEST(idle_loop_uses_no_cpu)
{
	struct cv_loop *loop = new_loop();
	struct look l = { .poller.fn = look_fn };
	struct call_ctx c = { .loop = loop };
	pthread_t runner;
	uint64_t begin;

	cv_loop_set_poll_time(loop, 50000);
	cv_poller_add(loop, &l.poller);
	runner = start(loop);
	while (!pthread_equal(c.ran_in, runner))
		cv_loop_call(loop, call_fn, &c);
	usleep(20000);
	begin = cpu_ns(runner);
	usleep(200000);
	ck_assert_uint_lt(cpu_ns(runner) - begin, 2 * MS);
	finish(loop, runner);
	cv_poller_remove(&l.poller);
	cv_loop_destroy(loop);
}
END_TEST

CHECK_MAIN("loop", watch_fires_and_goes, watch_modify, watch_bad_fd, removal_in_the_same_batch,
	   removed_and_added_again_in_the_same_batch, watch_holds_its_lock, hangup_is_told,
	   timers_fire_in_order, timers_move_and_cancel, periodic_timer_catches_up,
	   past_timer_lets_others_run, fake_clock, real_timer_is_precise, tasks_run_once_in_order,
	   task_posts_itself, posts_from_threads, post_wakes, call_without_runner_is_direct,
	   call_runs_in_the_loop, calls_while_the_loop_comes_and_goes, stop_before_run,
	   pollers_only_with_a_poll_time, pollers_remove_each_other, dispatch_ends_idle,
	   rare_events_do_not_spin, busy_events_spin_then_idle, idle_loop_uses_no_cpu)
