/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop: epoll, a sorted list of timers, a locked list of tasks.
 *
 * One thread at a time owns a loop: the one in cv_loop_run() or
 * cv_loop_dispatch(), or one in cv_loop_call() while nobody runs the loop. All
 * but the members below "mutex" belong to the owner.
 */
#include "sys/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sys/fd.h"

#define NS_PER_S 1000000000ull
/* 2020-01-02 03:04:05 UTC */
#define FAKE_WALL_START (1577934245ull * NS_PER_S)
/* How long to look at the pollers between two looks at the fds (about 0.3 µs each). */
#define SPIN_SLICE_NS 2000
/* A watch that never becomes quiet must not keep cv_loop_dispatch() forever. */
#define MAX_ROUNDS 10000
#define BATCH	   32

struct cv_loop {
	struct cv_fd epoll, event;
	struct cv_list timers; /* ascending */
	struct cv_list pollers;
	struct cv_list *next_poller; /* of the pass under way */
	struct epoll_event batch[BATCH];
	int n_batch, at_batch;
	uint64_t poll_time;
	uint64_t window;    /* how long to spin after the last work: 0 or poll_time */
	uint64_t last_work; /* when a poller or a watch had finished some */
	bool spinning;	    /* pollers count on being called */
	bool fake;
	_Atomic uint64_t fake_now;

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t released;
	pthread_t owner;
	bool owned;
	bool stop;
	bool sleeping; /* the owner waits, or is about to: wake it through the event */
	struct cv_list tasks;
	_Atomic unsigned int n_tasks; /* also read without the mutex */
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t cv_loop_now(const struct cv_loop *loop)
{
	return loop->fake ? loop->fake_now : clock_ns(CLOCK_MONOTONIC);
}

uint64_t cv_loop_wall(const struct cv_loop *loop)
{
	return loop->fake ? FAKE_WALL_START + loop->fake_now : clock_ns(CLOCK_REALTIME);
}

static void lock_maybe(pthread_mutex_t *lock)
{
	if (lock)
		pthread_mutex_lock(lock);
}

static void unlock_maybe(pthread_mutex_t *lock)
{
	if (lock)
		pthread_mutex_unlock(lock);
}

/* ---- creation ---- */

static int open_fds(struct cv_loop *loop)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	cv_fd_set(&loop->epoll, fd);
	fd = cv_event_create();
	if (fd < 0)
		return fd;
	cv_fd_set(&loop->event, fd);
	if (epoll_ctl(cv_fd_get(&loop->epoll), EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	return 0;
}

int cv_loop_create(struct cv_loop **loop, struct vm_error *e)
{
	struct cv_loop *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return cv_err(e, -ENOMEM, "event loop: out of memory");
	pthread_mutex_init(&l->mutex, NULL);
	pthread_cond_init(&l->released, NULL);
	cv_list_init(&l->timers);
	cv_list_init(&l->pollers);
	cv_list_init(&l->tasks);
	err = open_fds(l);
	if (err) {
		cv_loop_destroy(l);
		return cv_err_os(e, err, "event loop: its descriptors cannot be made");
	}
	*loop = l;
	return 0;
}

int cv_loop_create_fake(struct cv_loop **loop, struct vm_error *e)
{
	int err = cv_loop_create(loop, e);

	if (!err)
		(*loop)->fake = true;
	return err;
}

void cv_loop_destroy(struct cv_loop *loop)
{
	if (!loop)
		return;
	assert(!loop->owned);
	assert(cv_list_empty(&loop->timers) && cv_list_empty(&loop->pollers));
	cv_fd_close(&loop->event);
	cv_fd_close(&loop->epoll);
	pthread_cond_destroy(&loop->released);
	pthread_mutex_destroy(&loop->mutex);
	free(loop);
}

/* ---- watches ---- */

int cv_watch_add(struct cv_loop *loop, struct cv_watch *w, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	assert(!w->loop);
	if (epoll_ctl(cv_fd_get(&loop->epoll), EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	w->loop = loop;
	w->fd = fd;
	w->events = events;
	return 0;
}

void cv_watch_modify(struct cv_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (!w->loop || w->events == events)
		return;
	w->events = events;
	/* cannot fail: the fd is in the set */
	epoll_ctl(cv_fd_get(&w->loop->epoll), EPOLL_CTL_MOD, w->fd, &ev);
}

void cv_watch_remove(struct cv_watch *w)
{
	struct cv_loop *loop = w->loop;

	if (!loop)
		return;
	epoll_ctl(cv_fd_get(&loop->epoll), EPOLL_CTL_DEL, w->fd, NULL);
	w->loop = NULL;
	/* it may wait its turn in the batch that is being handled */
	for (int i = loop->at_batch; i < loop->n_batch; i++)
		if (loop->batch[i].data.ptr == w)
			loop->batch[i].events = 0;
}

static unsigned int run_watch(struct cv_loop *loop, const struct epoll_event *ev)
{
	struct cv_watch *w = ev->data.ptr;
	pthread_mutex_t *lock;
	uint32_t events;

	if (ev->events == 0)
		return 0;
	if (!w) {
		cv_event_drain(cv_fd_get(&loop->event));
		return 0;
	}
	/* the mask may have been narrowed since the batch was fetched */
	events = ev->events & (w->events | EPOLLHUP | EPOLLERR);
	if (events == 0)
		return 0;
	lock = w->lock;
	lock_maybe(lock);
	w->fn(w, events);
	unlock_maybe(lock);
	return 1;
}

static unsigned int run_batch(struct cv_loop *loop)
{
	unsigned int n = 0;

	while (loop->at_batch < loop->n_batch) {
		struct epoll_event ev = loop->batch[loop->at_batch++];

		n += run_watch(loop, &ev);
	}
	loop->n_batch = 0;
	loop->at_batch = 0;
	return n;
}

/* ---- timers ---- */

void cv_timer_set(struct cv_loop *loop, struct cv_timer *t, uint64_t due)
{
	struct cv_list *at = &loop->timers;

	cv_timer_cancel(t);
	t->loop = loop;
	t->due = due;
	/* from the end: most timers are set later than those before them */
	while (at->prev != &loop->timers &&
	       cv_list_entry(at->prev, struct cv_timer, node)->due > due)
		at = at->prev;
	cv_list_add_tail(at, &t->node);
}

void cv_timer_cancel(struct cv_timer *t)
{
	cv_list_remove(&t->node);
}

static struct cv_timer *first_timer(const struct cv_loop *loop)
{
	if (cv_list_empty(&loop->timers))
		return NULL;
	return cv_list_entry(loop->timers.next, struct cv_timer, node);
}

/* Those due when the pass begins; one that re-arms itself for the past waits for the next. */
static unsigned int run_timers(struct cv_loop *loop)
{
	struct cv_timer *t = first_timer(loop);
	uint64_t now = t ? cv_loop_now(loop) : 0;
	unsigned int n_due = 0, n = 0;

	cv_list_for_each(node, &loop->timers) {
		if (cv_list_entry(node, struct cv_timer, node)->due > now)
			break;
		n_due++;
	}
	for (; n < n_due && t && t->due <= now; n++, t = first_timer(loop)) {
		pthread_mutex_t *lock = t->lock;

		cv_list_remove(&t->node);
		lock_maybe(lock);
		t->fn(t);
		unlock_maybe(lock);
	}
	return n;
}

/* ---- tasks ---- */

static bool is_owner(const struct cv_loop *loop)
{
	return loop->owned && pthread_equal(loop->owner, pthread_self());
}

/* Ends the owner's sleep. Under the mutex, so that the owner cannot be gone meanwhile. */
static void wake(struct cv_loop *loop)
{
	if (!loop->sleeping)
		return;
	loop->sleeping = false;
	cv_event_signal(cv_fd_get(&loop->event));
}

static void queue_task(struct cv_loop *loop, struct cv_task *t)
{
	if (t->queued)
		return;
	t->loop = loop;
	t->queued = true;
	cv_list_add_tail(&loop->tasks, &t->node);
	loop->n_tasks++;
	wake(loop);
}

static void unqueue_task(struct cv_loop *loop, struct cv_task *t)
{
	if (!t->queued)
		return;
	t->queued = false;
	cv_list_remove(&t->node);
	loop->n_tasks--;
}

void cv_loop_post(struct cv_loop *loop, struct cv_task *t)
{
	pthread_mutex_lock(&loop->mutex);
	queue_task(loop, t);
	pthread_mutex_unlock(&loop->mutex);
}

void cv_task_cancel(struct cv_task *t)
{
	struct cv_loop *loop = t->loop;

	if (!loop)
		return;
	pthread_mutex_lock(&loop->mutex);
	unqueue_task(loop, t);
	pthread_mutex_unlock(&loop->mutex);
}

static struct cv_task *pop_task(struct cv_loop *loop)
{
	struct cv_task *t = NULL;

	pthread_mutex_lock(&loop->mutex);
	if (!cv_list_empty(&loop->tasks)) {
		t = cv_list_entry(loop->tasks.next, struct cv_task, node);
		unqueue_task(loop, t);
	}
	pthread_mutex_unlock(&loop->mutex);
	return t;
}

/* As many as there are when the pass begins: one that posts itself again waits for the next. */
static unsigned int run_tasks(struct cv_loop *loop)
{
	unsigned int max = loop->n_tasks, n;

	for (n = 0; n < max; n++) {
		struct cv_task *t = pop_task(loop);
		pthread_mutex_t *lock;

		if (!t)
			break;
		lock = t->lock;
		lock_maybe(lock);
		t->fn(t);
		unlock_maybe(lock);
	}
	return n;
}

/* ---- pollers ---- */

void cv_loop_set_poll_time(struct cv_loop *loop, uint64_t ns)
{
	loop->poll_time = ns;
	loop->window = cv_min(loop->window, ns);
}

void cv_poller_add(struct cv_loop *loop, struct cv_poller *p)
{
	assert(!cv_list_linked(&p->node));
	p->loop = loop;
	cv_list_add_tail(&loop->pollers, &p->node);
}

void cv_poller_remove(struct cv_poller *p)
{
	if (!cv_list_linked(&p->node))
		return;
	if (p->loop->next_poller == &p->node)
		p->loop->next_poller = p->node.next;
	cv_list_remove(&p->node);
}

/* Calls one hook of every poller, which may remove pollers; how many said yes. */
static unsigned int ask_pollers(struct cv_loop *loop, bool idle)
{
	unsigned int n = 0;

	loop->next_poller = loop->pollers.next;
	while (loop->next_poller != &loop->pollers) {
		struct cv_poller *p = cv_list_entry(loop->next_poller, struct cv_poller, node);
		bool (*fn)(struct cv_poller *) = idle ? p->idle : p->fn;
		pthread_mutex_t *lock = p->lock;

		loop->next_poller = p->node.next;
		if (!fn)
			continue;
		lock_maybe(lock);
		n += fn(p);
		unlock_maybe(lock);
	}
	return n;
}

static unsigned int look_once(struct cv_loop *loop)
{
	loop->spinning = true;
	return ask_pollers(loop, false);
}

/* Looks at the pollers for a slice of time; how many times one found work. */
static unsigned int spin(struct cv_loop *loop)
{
	uint64_t now = cv_loop_now(loop);
	uint64_t end = now + SPIN_SLICE_NS;
	unsigned int n;

	do {
		n = look_once(loop);
		now = cv_loop_now(loop);
	} while (n == 0 && now < end && loop->n_tasks == 0 && !loop->fake);
	if (n > 0)
		loop->last_work = now;
	return n;
}

/* The pollers were looked at, and will not be for a while; how many found work still. */
static unsigned int stop_spinning(struct cv_loop *loop)
{
	if (!loop->spinning)
		return 0;
	loop->spinning = false;
	return ask_pollers(loop, true);
}

/* Spins if it is worth it; whether the loop may sleep now. */
static bool poll_first(struct cv_loop *loop, unsigned int *n)
{
	if (loop->window > 0 && cv_loop_now(loop) - loop->last_work < loop->window) {
		*n += spin(loop);
		return false;
	}
	return stop_spinning(loop) == 0;
}

/* A sleep has ended with work at @now: had spinning since the last work been better? */
static void adapt(struct cv_loop *loop, uint64_t now)
{
	loop->window = now - loop->last_work < loop->poll_time ? loop->poll_time : 0;
}

/* ---- running ---- */

/* Until the next timer; false: no timer. */
static bool time_left(const struct cv_loop *loop, struct timespec *ts)
{
	const struct cv_timer *t = first_timer(loop);
	uint64_t now, left;

	if (!t)
		return false;
	now = cv_loop_now(loop);
	left = t->due > now ? t->due - now : 0;
	ts->tv_sec = (time_t)(left / NS_PER_S);
	ts->tv_nsec = (long)(left % NS_PER_S);
	return true;
}

/* Fetches a batch of events; sleeps for them if @wait and nothing else is to be done. */
static int fetch(struct cv_loop *loop, bool wait)
{
	struct timespec ts = { 0 }, *timeout = &ts;
	int n;

	if (wait) {
		pthread_mutex_lock(&loop->mutex);
		loop->sleeping = !loop->stop && loop->n_tasks == 0;
		wait = loop->sleeping;
		pthread_mutex_unlock(&loop->mutex);
	}
	if (wait && !time_left(loop, &ts))
		timeout = NULL;
	n = epoll_pwait2(cv_fd_get(&loop->epoll), loop->batch, BATCH, timeout, NULL);
	if (n < 0)
		n = errno == EINTR ? 0 : -errno;
	if (wait) {
		pthread_mutex_lock(&loop->mutex);
		loop->sleeping = false;
		pthread_mutex_unlock(&loop->mutex);
	}
	loop->n_batch = cv_max(n, 0);
	loop->at_batch = 0;
	return cv_min(n, 0);
}

/* Everything once; *n: how many callbacks ran. */
static int round_once(struct cv_loop *loop, bool wait, unsigned int *n)
{
	bool polled = loop->poll_time > 0 && !cv_list_empty(&loop->pollers);
	unsigned int n_watches;
	int err;

	*n = run_tasks(loop) + run_timers(loop);
	if (polled && wait)
		wait = poll_first(loop, n);
	else if (polled)
		*n += look_once(loop);
	err = fetch(loop, wait);
	if (polled && wait && loop->n_batch > 0)
		adapt(loop, cv_loop_now(loop));
	n_watches = run_batch(loop);
	if (polled && n_watches > 0)
		loop->last_work = cv_loop_now(loop);
	*n += n_watches;
	return err;
}

/* Waits until nobody else owns the loop; whether it was ours before. */
static bool acquire(struct cv_loop *loop)
{
	if (is_owner(loop))
		return true;
	while (loop->owned)
		pthread_cond_wait(&loop->released, &loop->mutex);
	loop->owned = true;
	loop->owner = pthread_self();
	return false;
}

static void release(struct cv_loop *loop)
{
	loop->owned = false;
	pthread_cond_broadcast(&loop->released);
}

int cv_loop_run(struct cv_loop *loop)
{
	unsigned int n;
	int err = 0;

	pthread_mutex_lock(&loop->mutex);
	if (acquire(loop)) {
		pthread_mutex_unlock(&loop->mutex);
		return -EDEADLK; /* from inside one of its own callbacks */
	}
	while (!loop->stop && !err) {
		pthread_mutex_unlock(&loop->mutex);
		err = round_once(loop, true, &n);
		pthread_mutex_lock(&loop->mutex);
	}
	loop->stop = false;
	release(loop);
	pthread_mutex_unlock(&loop->mutex);
	return err;
}

void cv_loop_stop(struct cv_loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	loop->stop = true;
	wake(loop);
	pthread_mutex_unlock(&loop->mutex);
}

unsigned int cv_loop_dispatch(struct cv_loop *loop)
{
	unsigned int n, sum = 0, rounds = 0;
	bool nested;

	pthread_mutex_lock(&loop->mutex);
	nested = acquire(loop);
	pthread_mutex_unlock(&loop->mutex);
	do {
		cv_ignore(round_once(loop, false, &n)); /* a fault of the system is not work */
		if (n == 0)
			n = stop_spinning(loop);
		sum += n;
	} while (n > 0 && ++rounds < MAX_ROUNDS);
	sum += stop_spinning(loop); /* after too many rounds */
	if (nested)
		return sum;
	pthread_mutex_lock(&loop->mutex);
	release(loop);
	pthread_mutex_unlock(&loop->mutex);
	return sum;
}

void cv_loop_fake_advance(struct cv_loop *loop, uint64_t ns)
{
	assert(loop->fake);
	loop->fake_now += ns;
	cv_loop_dispatch(loop);
}

/* ---- calls ---- */

struct call {
	struct cv_task task;
	void (*fn)(void *arg);
	void *arg;
	bool done; /* under the mutex */
};

static void run_call(struct cv_task *t)
{
	struct call *c = cv_container_of(t, struct call, task);
	struct cv_loop *loop = t->loop;

	c->fn(c->arg);
	pthread_mutex_lock(&loop->mutex);
	c->done = true; /* the caller's frame may be gone after the unlock */
	pthread_cond_broadcast(&loop->released);
	pthread_mutex_unlock(&loop->mutex);
}

void cv_loop_call(struct cv_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct call c = { .task.fn = run_call, .fn = fn, .arg = arg };
	bool nested;

	pthread_mutex_lock(&loop->mutex);
	nested = is_owner(loop);
	if (loop->owned && !nested)
		queue_task(loop, &c.task);
	while (loop->owned && !nested && !c.done)
		pthread_cond_wait(&loop->released, &loop->mutex);
	if (c.done) {
		pthread_mutex_unlock(&loop->mutex);
		return;
	}
	/* nobody runs the loop, or the owner has left without looking at its tasks: our turn */
	unqueue_task(loop, &c.task);
	acquire(loop);
	pthread_mutex_unlock(&loop->mutex);
	fn(arg);
	if (nested)
		return;
	pthread_mutex_lock(&loop->mutex);
	release(loop);
	pthread_mutex_unlock(&loop->mutex);
}
