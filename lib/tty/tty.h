/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's end of a character device: bytes in from one descriptor, bytes out
 * to another, either of which may be missing (no input; output into the void).
 *
 * Nothing here blocks for long, and no flag of a descriptor is changed: a
 * terminal or pipe is often shared with the shell that started us. Descriptors
 * that are non-blocking already are used as they are, sockets with
 * MSG_DONTWAIT, others only after poll() has said that they are ready, in
 * pieces of at most PIPE_BUF bytes, to terminals byte by byte. (The opener of FILE options gives us
 * non-blocking descriptions of our own where the system allows it.)
 *
 * Input is pulled: while it is wanted, readable() is called when some is there,
 * and the device reads what it has room for. Output is written at once; what
 * the other side does not take is kept in a bounded buffer, and beyond that
 * the device has to wait for writable(). SIGPIPE is never raised.
 *
 * All calls under the device lock, from any thread; init and fini in the loop's
 * thread, which also runs the callbacks under that lock.
 */
#ifndef CV_TTY_TTY_H
#define CV_TTY_TTY_H

#include "base/log.h"
#include "sys/loop.h"

#define CV_TTY_BUF 4096u

struct cv_tty_config {
	struct cv_loop *loop;
	pthread_mutex_t *lock;
	struct cv_log *log;
	const char *name;	     /* for messages; outlives the object */
	int in_fd, out_fd;	     /* borrowed, two different ones; -1: none */
	void (*readable)(void *ctx); /* NULL without input */
	void (*writable)(void *ctx); /* there is more room than before; may be NULL */
	void *ctx;
};

struct cv_tty {
	struct cv_tty_config c;
	struct cv_watch in_watch, out_watch;
	struct cv_task task; /* brings the watches in line with what follows */
	struct cv_timer in_timer;
	bool in_wanted, in_ended;
	bool in_refused; /* a terminal has nothing for us at present; until the timer fires */
	bool in_socket, out_socket, out_pipe; /* kinds that need calls of their own */
	bool in_tty, out_tty;
	bool in_nonblock, out_nonblock;
	bool out_failing; /* the last write failed; told already */
	uint32_t head, n; /* the buffered output: n bytes from head on, round about */
	uint8_t buf[CV_TTY_BUF];
};

/* @t is zeroed. Input is not wanted yet. */
void cv_tty_init(struct cv_tty *t, const struct cv_tty_config *config);

/* Waits up to a second for the other side to take what is buffered; zeroed is fine. */
void cv_tty_fini(struct cv_tty *t);

/* Whether readable() is to be called; it goes on until this is taken back. */
void cv_tty_want_input(struct cv_tty *t, bool wanted);

/* Up to @len bytes of input; 0: none at present, or never again. */
size_t cv_tty_read(struct cv_tty *t, void *buf, size_t len);

/* How many bytes the next write takes at least. */
size_t cv_tty_room(const struct cv_tty *t);

/* Writes or buffers; how many bytes were taken, all if there is no output or it fails. */
size_t cv_tty_write(struct cv_tty *t, const void *buf, size_t len);

#endif
