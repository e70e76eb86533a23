/* SPDX-License-Identifier: BSD-3-Clause */
/* A console with pipes at its ports, for its tests. */
#ifndef CV_TESTS_CONSOLE_RIG_H
#define CV_TESTS_CONSOLE_RIG_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/math.h"
#include "support/must.h"
#include "support/vdev.h"

extern const struct cv_class cv_class_console;

enum { RX0, TX0, CTL_RX, CTL_TX, RX1, TX1 };
enum { F_SIZE = 1, F_MULTIPORT = 2, F_EMERG = 4 };
enum { C_COLS, C_ROWS = 2, C_PORTS = 4, C_EMERG = 8 };

#define BIG 100000u /* more than pipe and buffer hold */

/* The other ends of a port's input and output. */
struct ends {
	int in, out;
};

struct con {
	struct rig r;
	struct ends ends[2];
};

static inline void pipe_pair(int fds[2], int size)
{
	must(pipe2(fds, O_CLOEXEC) == 0);
	must(fcntl(fds[1], F_SETPIPE_SZ, size) >= size);
}

/* A device with pipes at @n_ports ports; @more: further options. Output pipes hold a page. */
static inline void open_con(struct con *c, unsigned int n_ports, const char *more,
			    const struct rig_options *ro)
{
	char text[256] = "";
	int in[2][2], out[2][2];

	for (unsigned int i = 0; i < n_ports; i++) {
		const char *suffix = i == 0 ? "" : "1";
		size_t len = strlen(text);

		pipe_pair(in[i], 65536);
		pipe_pair(out[i], 4096);
		must(fcntl(out[i][0], F_SETFL, O_NONBLOCK) == 0);
		snprintf(text + len, sizeof(text) - len,
			 "in%s=/proc/self/fd/%d,out%s=/proc/self/fd/%d%s%s", suffix, in[i][0],
			 suffix, out[i][1], i + 1 < n_ports || *more ? "," : "",
			 i + 1 < n_ports ? "" : more);
	}
	rig_init(&c->r, &cv_class_console, text, ro);
	for (unsigned int i = 0; i < n_ports; i++) {
		close(in[i][0]);
		close(out[i][1]);
		c->ends[i] = (struct ends){ in[i][1], out[i][0] };
	}
}

static inline void close_con(struct con *c, unsigned int n_ports)
{
	rig_fini(&c->r);
	for (unsigned int i = 0; i < n_ports; i++) {
		close(c->ends[i].in);
		close(c->ends[i].out);
	}
}

static inline void start_con(struct con *c, const struct vdev_options *vo)
{
	ck_assert_int_eq(vdev_start(&c->r.dev, vo), 0);
}

/* The next @len bytes of @fd, dispatching meanwhile. */
static inline void expect_bytes(struct rig *r, int fd, const void *bytes, size_t len)
{
	char buf[4096];
	size_t got = 0;

	for (unsigned int i = 0; i < 5000 && got < len; i++) {
		ssize_t n = read(fd, buf, cv_min(sizeof(buf), len - got));

		if (n > 0) {
			ck_assert_mem_eq(buf, (const char *)bytes + got, (size_t)n);
			got += (size_t)n;
		} else if (!r->dev.loop) {
			poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 1);
		}
		vdev_pump(&r->dev);
	}
	ck_assert_uint_eq(got, len);
}

static inline void expect_nothing(struct rig *r, int fd)
{
	char byte;

	vdev_pump(&r->dev);
	ck_assert_int_eq(read(fd, &byte, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
}

static inline void feed(struct rig *r, int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	vdev_pump(&r->dev);
}

static inline int unread(int fd)
{
	int n = -1;

	must(ioctl(fd, FIONREAD, &n) == 0);
	return n;
}

static inline uint64_t add_rx(struct rig *r, unsigned int queue, uint32_t len)
{
	uint64_t gpa = guest_alloc(&r->guest, len, 8);

	ck_assert_int_ge(drv_add(&r->dev.queues[queue], &(struct drv_buf){ gpa, len, true }, 1), 0);
	drv_kick(&r->dev.queues[queue]);
	vdev_pump(&r->dev);
	return gpa;
}

static inline void expect_rx(struct rig *r, unsigned int queue, uint64_t gpa, const char *text)
{
	char buf[256] = "";
	uint32_t len = 0;

	ck_assert_int_ge(vdev_wait(&r->dev, queue, &len), 0);
	ck_assert_uint_eq(len, strlen(text));
	guest_get(&r->guest, gpa, buf, len);
	ck_assert_str_eq(buf, text);
}

static inline void send_text(struct rig *r, unsigned int queue, const char *text)
{
	ck_assert_int_eq(vdev_request(&r->dev, queue, text, (uint32_t)strlen(text), NULL, 0), 0);
}

/* A big piece of guest memory that repeats only after 251 bytes, and its copy. */
static inline uint64_t make_text(struct rig *r, uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text[i] = (uint8_t)(i % 251);
	return guest_dup(&r->guest, text, len);
}

/* Bytes both ways on port 0. */
static inline void talk(struct con *c)
{
	struct rig *r = &c->r;
	uint64_t a, b;

	send_text(r, TX0, "hello, ");
	send_text(r, TX0, "world\n");
	expect_bytes(r, c->ends[0].out, "hello, world\n", 13);
	a = add_rx(r, RX0, 4);
	b = add_rx(r, RX0, 64);
	feed(r, c->ends[0].in, "abcdefg");
	expect_rx(r, RX0, a, "abcd");
	expect_rx(r, RX0, b, "efg");
	a = add_rx(r, RX0, 64);
	feed(r, c->ends[0].in, "more");
	expect_rx(r, RX0, a, "more");
}

static inline int resize(struct rig *r, const char *args)
{
	char reply[16];

	return rig_control(r, "resize", args, reply, sizeof(reply), NULL);
}

#endif
