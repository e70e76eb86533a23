/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads for block I/O that may block. They are started when there is work for
 * them and leave after some idle seconds, so that an idle VM has none. Work is
 * handed over and taken back in batches: one lock and one wake-up for many.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "sys/fd.h"
#include "sys/io_impl.h"
#include "sys/thread.h"

#define MAX_THREADS 8
#define IDLE_S	    3

enum state {
	FREE,	/* no thread */
	ACTIVE, /* a thread runs */
	LEFT,	/* it has left and wants to be joined */
};

struct worker {
	struct cv_io_pool *pool;
	pthread_t thread;
	enum state state; /* under the mutex */
};

struct cv_io_pool {
	struct cv_io *io;
	struct cv_watch watch;
	struct cv_fd event;

	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t work;
	struct cv_list jobs, finished;
	unsigned int n_jobs, n_threads, n_idle;
	bool quit;
	struct worker workers[MAX_THREADS];
};

/* ---- a worker's side; the mutex is held ---- */

static struct cv_io_req *next_job(struct cv_io_pool *p)
{
	struct cv_list *node = cv_list_pop(&p->jobs);

	if (!node)
		return NULL;
	p->n_jobs--;
	return cv_list_entry(node, struct cv_io_req, node);
}

static void finished(struct cv_io_pool *p, struct cv_io_req *req)
{
	bool first = cv_list_empty(&p->finished);

	cv_list_add_tail(&p->finished, &req->node);
	if (first)
		cv_event_signal(cv_fd_get(&p->event));
}

/* Waits for work; false after an idle while or when the pool is to end. */
static bool wait_for_work(struct cv_io_pool *p)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_S;
	p->n_idle++;
	while (cv_list_empty(&p->jobs) && !p->quit && !err)
		err = pthread_cond_timedwait(&p->work, &p->mutex, &until);
	p->n_idle--;
	return !cv_list_empty(&p->jobs);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct cv_io_pool *p = w->pool;

	pthread_mutex_lock(&p->mutex);
	do {
		struct cv_io_req *req = next_job(p);

		if (!req)
			continue;
		pthread_mutex_unlock(&p->mutex);
		req->err = cv_io_execute(req);
		pthread_mutex_lock(&p->mutex);
		finished(p, req);
	} while (!cv_list_empty(&p->jobs) || wait_for_work(p));
	w->state = LEFT;
	p->n_threads--;
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

/* ---- the loop's side ---- */

/* Starts one more thread if there may be one; the mutex is held. */
static bool start_thread(struct cv_io_pool *p)
{
	struct worker *w = p->workers;

	while (w < p->workers + MAX_THREADS && w->state == ACTIVE)
		w++;
	if (w == p->workers + MAX_THREADS)
		return false;
	if (w->state == LEFT) /* it needs the mutex no more */
		pthread_join(w->thread, NULL);
	w->pool = p;
	w->state = FREE;
	if (cv_thread_create(&w->thread, "crosvm-block-io", work, w))
		return false;
	w->state = ACTIVE;
	p->n_threads++;
	return true;
}

/* No thread can be had: better late than never. The mutex is held. */
static void work_here(struct cv_io_pool *p)
{
	struct cv_io_req *req = next_job(p);

	for (; req; req = next_job(p)) {
		req->err = cv_io_execute(req);
		finished(p, req);
	}
}

/* Idle threads that no earlier job is waiting for: one that was signalled counts as idle until it
 * runs. The mutex is held. */
static unsigned int n_free(const struct cv_io_pool *p)
{
	return p->n_idle - cv_min(p->n_idle, p->n_jobs);
}

/* How many threads a handover should find or start; the mutex is held. */
static unsigned int wanted(unsigned int n_busy, unsigned int parallel)
{
	unsigned int max = MAX_THREADS;

	if (parallel > 0)
		return cv_min(parallel, max);
	/* one is enough, unless it may be sitting in a long operation */
	return n_busy < 2;
}

void cv_io_pool_give(struct cv_io_pool *p, struct cv_list *jobs, unsigned int parallel)
{
	struct cv_list *node;
	unsigned int n_wake, ready;

	pthread_mutex_lock(&p->mutex);
	ready = n_free(p);
	n_wake = wanted(p->n_threads - ready, parallel);
	for (node = cv_list_pop(jobs); node; node = cv_list_pop(jobs)) {
		cv_list_add_tail(&p->jobs, node);
		p->n_jobs++;
	}
	for (unsigned int i = ready; i < n_wake; i++)
		if (!start_thread(p))
			break;
	if (p->n_threads == 0)
		work_here(p);
	n_wake = cv_min(n_wake, p->n_idle);
	for (unsigned int i = 0; i < n_wake; i++)
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->mutex);
}

void cv_io_pool_reap(struct cv_io_pool *p)
{
	struct cv_list taken, *node;

	cv_list_init(&taken);
	cv_event_drain(cv_fd_get(&p->event));
	pthread_mutex_lock(&p->mutex);
	for (node = cv_list_pop(&p->finished); node; node = cv_list_pop(&p->finished))
		cv_list_add_tail(&taken, node);
	pthread_mutex_unlock(&p->mutex);
	for (node = cv_list_pop(&taken); node; node = cv_list_pop(&taken))
		cv_io_pool_done(p->io, cv_list_entry(node, struct cv_io_req, node));
}

static void on_event(struct cv_watch *w, uint32_t events)
{
	struct cv_io_pool *p = cv_container_of(w, struct cv_io_pool, watch);

	(void)events;
	cv_io_pool_reap(p);
	cv_io_batch_done(p->io);
}

int cv_io_pool_fd(const struct cv_io_pool *p)
{
	return cv_fd_get(&p->event);
}

unsigned int cv_io_pool_threads(struct cv_io_pool *p)
{
	unsigned int n;

	pthread_mutex_lock(&p->mutex);
	n = p->n_threads;
	pthread_mutex_unlock(&p->mutex);
	return n;
}

static void init_sync(struct cv_io_pool *p)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->work, &attr);
	pthread_condattr_destroy(&attr);
	cv_list_init(&p->jobs);
	cv_list_init(&p->finished);
}

int cv_io_pool_create(struct cv_io_pool **pool, struct cv_io *io, struct cv_loop *loop,
		      pthread_mutex_t *lock, struct vm_error *e)
{
	struct cv_io_pool *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return cv_err(e, -ENOMEM, "block I/O: out of memory");
	init_sync(p);
	p->io = io;
	p->watch.fn = on_event;
	p->watch.lock = lock;
	err = cv_event_create();
	if (err >= 0) {
		cv_fd_set(&p->event, err);
		err = cv_watch_add(loop, &p->watch, err, EPOLLIN);
	}
	if (err) {
		cv_io_pool_destroy(p);
		return cv_err_os(e, err, "block I/O: no descriptor for completions");
	}
	*pool = p;
	return 0;
}

static bool has_thread(struct cv_io_pool *p, const struct worker *w)
{
	bool has;

	pthread_mutex_lock(&p->mutex);
	has = w->state != FREE;
	pthread_mutex_unlock(&p->mutex);
	return has;
}

void cv_io_pool_destroy(struct cv_io_pool *p)
{
	if (!p)
		return;
	assert(cv_list_empty(&p->jobs) && cv_list_empty(&p->finished));
	pthread_mutex_lock(&p->mutex);
	p->quit = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->mutex);
	for (size_t i = 0; i < CV_LEN(p->workers); i++)
		if (has_thread(p, &p->workers[i]))
			pthread_join(p->workers[i].thread, NULL);
	cv_watch_remove(&p->watch);
	cv_fd_close(&p->event);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}
