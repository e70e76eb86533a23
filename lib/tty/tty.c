/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's end of a character device. */
#include "tty/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_AT_END_MS 1000
#define INPUT_RETRY_NS	1000000000ull

/* ---- single transfers; -EAGAIN: not now ---- */

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0;
}

static ssize_t read_some(const struct cv_tty *t, void *buf, size_t len)
{
	ssize_t n;

	if (!t->in_socket && !t->in_nonblock && !is_ready(t->c.in_fd, POLLIN))
		return -EAGAIN;
	do
		n = t->in_socket ? recv(t->c.in_fd, buf, len, MSG_DONTWAIT)
				 : read(t->c.in_fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* A broken pipe sends SIGPIPE to the writing thread: taken back here, unless it waited before. */
static ssize_t write_pipe(int fd, const void *buf, size_t len)
{
	const struct timespec at_once = { 0 };
	sigset_t pipe_set, old, pending;
	ssize_t n;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
	n = write(fd, buf, len);
	n = n < 0 ? -errno : n;
	if (n == -EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_set, NULL, &at_once) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n;
}

static ssize_t write_once(const struct cv_tty *t, const void *buf, size_t len)
{
	ssize_t n;

	if (t->out_pipe)
		return write_pipe(t->c.out_fd, buf, len);
	n = t->out_socket ? send(t->c.out_fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL)
			  : write(t->c.out_fd, buf, len);
	return n < 0 ? -errno : n;
}

static ssize_t write_some(const struct cv_tty *t, const void *buf, size_t len)
{
	ssize_t n;

	if (!t->out_socket && !t->out_nonblock) {
		if (!is_ready(t->c.out_fd, POLLOUT))
			return -EAGAIN;
		/* a terminal is ready with room for less, and would block in the middle */
		len = cv_min(len, t->out_tty ? 1 : (size_t)PIPE_BUF);
	}
	do
		n = write_once(t, buf, len);
	while (n == -EINTR);
	return n;
}

/* As much of [buf, buf + len) as goes out now. A failing output swallows everything. */
static size_t write_now(struct cv_tty *t, const uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write_some(t, buf + done, len - done);

		if (n == -EAGAIN || n == 0)
			return done;
		if (n < 0) {
			if (!t->out_failing)
				cv_log_guest(t->c.log, "%s: output is lost: %s", t->c.name,
					     strerror((int)-n));
			t->out_failing = true;
			return len;
		}
		t->out_failing = false;
		done += (size_t)n;
	}
	return done;
}

/* ---- the buffer ---- */

static void put(struct cv_tty *t, const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		t->buf[(t->head + t->n++) % CV_TTY_BUF] = buf[i];
}

/* Whether anything went out. */
static bool flush(struct cv_tty *t)
{
	uint32_t before = t->n;

	while (t->n > 0) {
		uint32_t run = cv_min(t->n, CV_TTY_BUF - t->head);
		uint32_t done = (uint32_t)write_now(t, t->buf + t->head, run);

		t->head = (t->head + done) % CV_TTY_BUF;
		t->n -= done;
		if (done < run)
			break;
	}
	return t->n < before;
}

/* ---- in the loop ---- */

static void sync_output(struct cv_tty *t)
{
	int err = 0;

	if (t->n == 0)
		cv_watch_remove(&t->out_watch);
	else if (!t->out_watch.loop)
		err = cv_watch_add(t->c.loop, &t->out_watch, t->c.out_fd, EPOLLOUT);
	if (err) {
		cv_log_guest(t->c.log, "%s: output is lost: %s", t->c.name, strerror(-err));
		t->n = 0;
		if (t->c.writable)
			t->c.writable(t->c.ctx);
	}
}

static bool wants_input(const struct cv_tty *t)
{
	return t->in_wanted && !t->in_ended && !t->in_refused;
}

/* Files cannot be watched: they are read in turns of the task instead. */
static void input_turn(struct cv_tty *t)
{
	t->c.readable(t->c.ctx);
	if (wants_input(t))
		cv_loop_post(t->c.loop, &t->task);
}

static void sync_input(struct cv_tty *t)
{
	int err = 0;

	if (t->in_refused)
		cv_timer_set(t->c.loop, &t->in_timer, cv_loop_now(t->c.loop) + INPUT_RETRY_NS);
	if (!wants_input(t))
		cv_watch_remove(&t->in_watch);
	else if (!t->in_watch.loop)
		err = cv_watch_add(t->c.loop, &t->in_watch, t->c.in_fd, EPOLLIN);
	if (err == -EPERM) {
		input_turn(t);
	} else if (err) {
		cv_log_warn(t->c.log, "%s: no input: %s", t->c.name, strerror(-err));
		t->in_ended = true;
	}
}

static void on_task(struct cv_task *task)
{
	struct cv_tty *t = cv_container_of(task, struct cv_tty, task);

	sync_output(t);
	sync_input(t);
}

static void on_retry(struct cv_timer *timer)
{
	struct cv_tty *t = cv_container_of(timer, struct cv_tty, in_timer);

	t->in_refused = false;
	sync_input(t);
}

static void on_readable(struct cv_watch *w, uint32_t events)
{
	struct cv_tty *t = cv_container_of(w, struct cv_tty, in_watch);

	(void)events;
	if (wants_input(t))
		t->c.readable(t->c.ctx);
	if (!wants_input(t))
		cv_watch_remove(w);
}

static void on_writable(struct cv_watch *w, uint32_t events)
{
	struct cv_tty *t = cv_container_of(w, struct cv_tty, out_watch);
	bool progress = flush(t);

	(void)events;
	sync_output(t);
	if (progress && t->c.writable)
		t->c.writable(t->c.ctx);
}

/* ---- the calls ---- */

static bool is_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

static mode_t file_type(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_mode & S_IFMT;
}

void cv_tty_init(struct cv_tty *t, const struct cv_tty_config *config)
{
	t->c = *config;
	t->task = (struct cv_task){ .fn = on_task, .lock = config->lock };
	t->in_timer = (struct cv_timer){ .fn = on_retry, .lock = config->lock };
	t->in_watch = (struct cv_watch){ .fn = on_readable, .lock = config->lock };
	t->out_watch = (struct cv_watch){ .fn = on_writable, .lock = config->lock };
	if (config->in_fd >= 0) {
		t->in_nonblock = is_nonblock(config->in_fd);
		t->in_socket = file_type(config->in_fd) == S_IFSOCK;
		t->in_tty = isatty(config->in_fd);
	}
	if (config->out_fd >= 0) {
		t->out_nonblock = is_nonblock(config->out_fd);
		t->out_socket = file_type(config->out_fd) == S_IFSOCK;
		t->out_pipe = file_type(config->out_fd) == S_IFIFO;
		t->out_tty = isatty(config->out_fd);
	}
	t->in_ended = config->in_fd < 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The guest's last words are often its most important ones. */
static void flush_at_end(struct cv_tty *t)
{
	int64_t end = now_ms() + FLUSH_AT_END_MS, left = FLUSH_AT_END_MS;
	struct pollfd p = { .fd = t->c.out_fd, .events = POLLOUT };

	while (t->n > 0 && left > 0) {
		int n = poll(&p, 1, (int)left);

		if (n > 0)
			flush(t);
		else if (n == 0 || errno != EINTR)
			break;
		left = end - now_ms();
	}
}

void cv_tty_fini(struct cv_tty *t)
{
	if (!t || !t->c.loop)
		return;
	cv_task_cancel(&t->task);
	cv_timer_cancel(&t->in_timer);
	cv_watch_remove(&t->in_watch);
	cv_watch_remove(&t->out_watch);
	flush_at_end(t);
	t->c.loop = NULL;
}

void cv_tty_want_input(struct cv_tty *t, bool wanted)
{
	t->in_wanted = wanted;
	if (wants_input(t) && !t->in_watch.loop)
		cv_loop_post(t->c.loop, &t->task);
}

size_t cv_tty_read(struct cv_tty *t, void *buf, size_t len)
{
	ssize_t n;

	if (t->in_ended || t->in_refused || len == 0)
		return 0;
	n = read_some(t, buf, len);
	if (n == -EAGAIN)
		return 0;
	/* we are in the background, or nobody has the other end open now: it comes back */
	if (n == -EIO && t->in_tty) {
		t->in_refused = true;
		cv_loop_post(t->c.loop, &t->task);
		return 0;
	}
	if (n <= 0)
		t->in_ended = true;
	return n > 0 ? (size_t)n : 0;
}

size_t cv_tty_room(const struct cv_tty *t)
{
	return CV_TTY_BUF - t->n;
}

size_t cv_tty_write(struct cv_tty *t, const void *buf, size_t len)
{
	const uint8_t *from = buf;
	size_t done = 0, kept;

	if (t->c.out_fd < 0)
		return len;
	if (t->n == 0)
		done = write_now(t, from, len);
	kept = cv_min(len - done, cv_tty_room(t));
	put(t, from + done, kept);
	if (t->n > 0 && !t->out_watch.loop)
		cv_loop_post(t->c.loop, &t->task);
	return done + kept;
}
