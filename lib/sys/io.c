/* SPDX-License-Identifier: BSD-3-Clause */
/* The block I/O engine's face: who does a request, and what becomes of it. */
#include "sys/io.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <time.h>

#include "sys/io_impl.h"

#define MAX_DEPTH 4096u
/* What may be copied in the loop's thread: the size of one transfer, and how long one flush may go
 * on with it. The guest decides on both. */
#define HERE_MAX  (1024u * 1024)
#define BUDGET_NS 2000000ull
/* So many small reads at once are cheaper through the ring: one system call for all of them. */
#define MANY	  4
#define SMALL_MAX (32u * 1024)
/* The longest direct transfer that is submitted in the loop's thread, which pins its pages; the
 * kernel cannot be made to give it up again. */
#define DIRECT_MAX (2u * 1024 * 1024)

struct cv_io {
	enum cv_io_engine engine;
	struct cv_io_pool *pool;
	struct cv_io_ring *ring; /* NULL: the pool does it all */
	struct cv_list queue;	 /* submitted, not started */
	unsigned int n_queued;	 /* how many those are */
	uint64_t n_batched;	 /* bytes that the ring has got and the kernel has not */
	struct cv_list to_pool;	 /* collected for one handover */
	unsigned int n_parallel; /* how many of those run well side by side */
	unsigned int n_flight;	 /* not yet completed */
	uint64_t flush_begin;	 /* 0: the clock was not needed yet */
	long sleeps; /* the thread's, when this flush first needed to know; -1: not yet */
	bool flushing, many;
	atomic_bool cancel;
	void (*on_batch)(void *ctx);
	void *batch_ctx;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void complete(struct cv_io *io, struct cv_io_req *req, int err)
{
	io->n_flight--;
	req->done(req, err);
}

static void submit_ring(struct cv_io *io)
{
	cv_io_ring_submit(io->ring);
	cv_io_ring_reap(io->ring);
	io->n_batched = 0;
}

static bool is_transfer(const struct cv_io_req *req)
{
	return req->op == CV_IO_READ || req->op == CV_IO_WRITE;
}

/* Through the page cache, where the file system can refuse to wait; whether it is finished. */
static bool try_nowait(struct cv_io_req *req)
{
	bool *can = req->op == CV_IO_READ ? &req->file->nowait_read : &req->file->nowait_write;
	int r;

	if (!*can)
		return false;
	r = cv_io_try_nowait(req);
	if (r == -EOPNOTSUPP)
		*can = false;
	else if (req->op == CV_IO_READ)
		req->file->nowait_known = true;
	return r == 1;
}

/* How often this thread has gone to sleep: not counted is that others took its processor away. */
static long n_sleeps(void)
{
	struct rusage ru;

	return getrusage(RUSAGE_THREAD, &ru) < 0 ? 0 : ru.ru_nvcsw;
}

/* Through the page cache of a file that has been quick so far; whether it is finished. */
static bool try_guarded(struct cv_io *io, struct cv_io_req *req, uint64_t now)
{
	bool can_refuse = req->op == CV_IO_READ ? req->file->nowait_read : req->file->nowait_write;
	uint64_t end;

	/* if it can, it just has */
	if (can_refuse || !cv_io_guard_allows(req->file, now))
		return false;
	if (io->sleeps < 0)
		io->sleeps = n_sleeps();
	req->err = cv_io_execute(req);
	end = now_ns();
	if (end - now >= CV_IO_SLOW && n_sleeps() != io->sleeps)
		cv_io_guard_note(req->file, now, end);
	return true;
}

/* Whether this flush may go on in the loop's thread, at *now. */
static bool is_time_left(struct cv_io *io, uint64_t *now)
{
	*now = now_ns();
	if (io->flush_begin == 0)
		io->flush_begin = *now;
	return *now - io->flush_begin < BUDGET_NS;
}

/* Whether a transfer is finished already; if not, whether it may be tried again in this thread. */
static bool try_here(struct cv_io *io, struct cv_io_req *req, bool *here)
{
	uint64_t now;

	*here = false;
	if (req->file->direct || req->left > HERE_MAX)
		return false;
	*here = is_time_left(io, &now);
	return *here && (try_nowait(req) || try_guarded(io, req, now));
}

/* Collects small reads, which the ring does like try_nowait(), in one system call for all; whether it
 * has taken this one. */
static bool try_batch(struct cv_io *io, struct cv_io_req *req)
{
	uint64_t now;

	if (!io->ring || !io->many || req->op != CV_IO_READ || req->left > SMALL_MAX ||
	    req->file->direct || !req->file->nowait_known || !req->file->nowait_read)
		return false;
	if (io->n_batched > HERE_MAX - SMALL_MAX) {
		submit_ring(io);
		io->many = is_time_left(io, &now);
	}
	if (!io->many || !cv_io_ring_add(io->ring, req))
		return false;
	io->n_batched += req->left;
	return true;
}

static void to_pool(struct cv_io *io, struct cv_io_req *req)
{
	/* buffered writes to one file wait for each other in the kernel: one thread for them */
	if (req->op == CV_IO_READ || req->file->direct || !is_transfer(req))
		io->n_parallel++;
	cv_list_add_tail(&io->to_pool, &req->node);
}

/* To io_uring what it does without its own threads, to ours the rest. io_uring copies what is in the
 * page cache in the submitting thread. */
static void start_async(struct cv_io *io, struct cv_io_req *req, bool here)
{
	bool native = req->file->direct ? req->left <= DIRECT_MAX
					: here && req->op == CV_IO_READ && req->file->nowait_read;

	if (!io->ring || !native) {
		to_pool(io, req);
		return;
	}
	if (cv_io_ring_add(io->ring, req))
		return;
	cv_io_ring_submit(io->ring); /* full: make room */
	if (!cv_io_ring_add(io->ring, req))
		to_pool(io, req);
}

static void start(struct cv_io *io, struct cv_io_req *req)
{
	bool here;

	if (atomic_load(&io->cancel))
		complete(io, req, -ECANCELED);
	else if (!is_transfer(req))
		to_pool(io, req);
	else if (req->left == 0)
		complete(io, req, 0);
	else if (try_batch(io, req))
		return;
	else if (try_here(io, req, &here))
		complete(io, req, req->err);
	else
		start_async(io, req, here);
}

void cv_io_submit(struct cv_io *io, struct cv_io_req *req)
{
	req->err = 0;
	req->left = 0;
	req->cancel = &io->cancel;
	if (is_transfer(req))
		for (unsigned int i = 0; i < req->n_iov; i++)
			req->left += req->iov[i].iov_len;
	io->n_flight++;
	cv_list_add_tail(&io->queue, &req->node);
	io->n_queued++;
}

static void start_queued(struct cv_io *io)
{
	struct cv_list *node;

	io->many = io->n_queued >= MANY;
	io->n_queued = 0;
	for (node = cv_list_pop(&io->queue); node; node = cv_list_pop(&io->queue))
		start(io, cv_list_entry(node, struct cv_io_req, node));
	if (io->ring)
		submit_ring(io);
	if (!cv_list_empty(&io->to_pool))
		cv_io_pool_give(io->pool, &io->to_pool, io->n_parallel);
	io->n_parallel = 0;
}

void cv_io_flush(struct cv_io *io)
{
	if (io->flushing)
		return; /* called by a completion: the outer call goes on with what it queued */
	io->flushing = true;
	io->flush_begin = 0;
	io->sleeps = -1;
	while (!cv_list_empty(&io->queue) || !cv_list_empty(&io->to_pool))
		start_queued(io);
	io->flushing = false;
}

void cv_io_on_batch(struct cv_io *io, void (*fn)(void *ctx), void *ctx)
{
	io->on_batch = fn;
	io->batch_ctx = ctx;
}

void cv_io_batch_done(struct cv_io *io)
{
	cv_io_flush(io);
	if (io->on_batch)
		io->on_batch(io->batch_ctx);
}

void cv_io_pool_done(struct cv_io *io, struct cv_io_req *req)
{
	complete(io, req, req->err);
}

void cv_io_ring_done(struct cv_io *io, struct cv_io_req *req, int res)
{
	/* the thread that submitted it is gone, or the kernel would have to wait */
	if (res == -EAGAIN || res == -EINTR || res == -ECANCELED) {
		to_pool(io, req);
		return;
	}
	if (res > 0)
		cv_io_advance(req, (size_t)res);
	else if (res == 0 && req->op == CV_IO_READ)
		cv_io_zero_fill(req);
	else
		req->err = res ?: -ENOSPC;
	if (req->err || req->left == 0)
		complete(io, req, req->err);
	else
		to_pool(io, req); /* a short transfer is rare: a thread finishes it */
}

static void wait_for_one(struct cv_io *io)
{
	struct pollfd fds[2] = { { .fd = cv_io_pool_fd(io->pool), .events = POLLIN },
				 { .fd = -1, .events = POLLIN } };

	if (io->ring)
		fds[1].fd = cv_io_ring_fd(io->ring);
	/* not for ever: what the ring could not take is tried again */
	poll(fds, CV_LEN(fds), 10);
	cv_io_pool_reap(io->pool);
	if (io->ring)
		submit_ring(io);
}

/* @until: of the monotonic clock, ns */
static void drain_until(struct cv_io *io, uint64_t until)
{
	cv_io_flush(io);
	while (io->n_flight > 0 && now_ns() < until) {
		wait_for_one(io);
		cv_io_flush(io);
	}
}

void cv_io_drain(struct cv_io *io)
{
	drain_until(io, UINT64_MAX);
}

void cv_io_cancel(struct cv_io *io, unsigned int ms)
{
	if (ms > 0)
		drain_until(io, now_ns() + ms * 1000000ull);
	/* the threads run through what they have been given */
	atomic_store(&io->cancel, true);
	cv_io_drain(io);
	atomic_store(&io->cancel, false);
}

enum cv_io_engine cv_io_engine(const struct cv_io *io)
{
	return io->engine;
}

struct cv_io_pool *cv_io_get_pool(struct cv_io *io)
{
	return io->pool;
}

static int open_engine(struct cv_io *io, enum cv_io_engine engine, struct cv_loop *loop,
		       pthread_mutex_t *lock, unsigned int depth, struct vm_error *e)
{
	int err = cv_io_pool_create(&io->pool, io, loop, lock, e);

	if (err || engine == CV_IO_POOL)
		return err;
	err = cv_io_ring_create(&io->ring, io, loop, lock, depth, engine == CV_IO_URING ? e : NULL);
	if (err && engine == CV_IO_AUTO)
		return 0; /* the pool does everything */
	return err;
}

int cv_io_create(struct cv_io **io, enum cv_io_engine engine, struct cv_loop *loop,
		 pthread_mutex_t *lock, unsigned int depth, struct vm_error *e)
{
	struct cv_io *i;
	int err;

	if (depth == 0 || depth > MAX_DEPTH)
		return cv_err(e, -EINVAL, "block I/O: depth %u, 1 to %u are possible", depth,
			      MAX_DEPTH);
	i = calloc(1, sizeof(*i));
	if (!i)
		return cv_err(e, -ENOMEM, "block I/O: out of memory");
	cv_list_init(&i->queue);
	cv_list_init(&i->to_pool);
	err = open_engine(i, engine, loop, lock, depth, e);
	if (err) {
		cv_io_destroy(i);
		return err;
	}
	i->engine = i->ring ? CV_IO_URING : CV_IO_POOL;
	*io = i;
	return 0;
}

void cv_io_destroy(struct cv_io *io)
{
	if (!io)
		return;
	assert(io->n_flight == 0);
	cv_io_ring_destroy(io->ring);
	cv_io_pool_destroy(io->pool);
	free(io);
}
