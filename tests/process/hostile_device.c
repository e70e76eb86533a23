/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that is started as a device process and does not behave as one. What
 * it does is the name of its class, from argv[1]. It shares no code with the
 * library, and no sanitizer: it is executed with an empty environment.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTROL 3

enum { START = 1, ASK, STOP, READY, FAILED, DONE, LOG, SEALED, PING, ALIVE };

static bool is(const char *mode, const char *name)
{
	return strcmp(mode, name) == 0;
}

static void raw(const void *p, size_t len)
{
	const char *at = p;

	while (len > 0) {
		ssize_t n = write(CONTROL, at, len);

		if (n <= 0)
			_exit(9);
		at += n;
		len -= (size_t)n;
	}
}

static void frame(uint8_t type, const void *body, uint32_t len)
{
	uint8_t buf[4096];
	uint32_t n = len + 1;

	memcpy(buf, &n, 4);
	buf[4] = type;
	memcpy(buf + 5, body, len);
	raw(buf, len + 5);
}

static void result(uint8_t type, int32_t code, const char *text, uint32_t len)
{
	uint8_t buf[1024];

	memcpy(buf, &code, 4);
	memcpy(buf + 4, text, len);
	frame(type, buf, 4 + len);
}

static void say(const char *text)
{
	uint8_t buf[512] = { 2 }; /* a warning */
	size_t n = strlen(text) + 1;

	memcpy(buf + 1, text, n);
	frame(LOG, buf, (uint32_t)n + 1);
}

static void with_fds(uint8_t type, unsigned int n)
{
	uint8_t buf[] = { 1, 0, 0, 0, type };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} c = { 0 };
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = c.space,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned int i = 0; i < n; i++)
		memcpy(CMSG_DATA(h) + i * sizeof(int), &(int){ 0 }, sizeof(int));
	sendmsg(CONTROL, &m, MSG_NOSIGNAL);
}

static void hang(void)
{
	for (;;)
		pause();
}

/* The type of the next frame of the parent; 0: it has gone. The data socket is thrown away with it. */
static uint8_t listen_to_parent(void)
{
	static uint8_t buf[65536 + 4];
	uint32_t len = 0, got = 0;

	while (got < 4 || got < 4 + len) {
		ssize_t n = read(CONTROL, buf + got, got < 4 ? 4 - got : 4 + len - got);

		if (n <= 0)
			return 0;
		got += (uint32_t)n;
		if (got == 4)
			memcpy(&len, buf, 4);
		if (len == 0 || len > 65536)
			return 0;
	}
	return buf[4];
}

/* The next system call is the last. */
static void forbid_all(void)
{
	struct sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	struct sock_fprog program = { .len = 1, .filter = &kill };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	getpid();
}

static void before_start(const char *mode)
{
	if (is(mode, "deaf"))
		hang();
	if (is(mode, "silent-close")) {
		close(CONTROL);
		hang();
	}
	if (is(mode, "early-exit"))
		_exit(7);
}

static void instead_of_ready(const char *mode)
{
	if (is(mode, "hang"))
		hang();
	if (is(mode, "close")) {
		close(CONTROL);
		hang();
	}
	if (is(mode, "exit"))
		_exit(7);
	if (is(mode, "kill"))
		raise(SIGKILL);
	if (is(mode, "sigsys"))
		forbid_all();
	if (is(mode, "truncated"))
		raw("\x64\0\0\0\4abc", 8);
	if (is(mode, "truncated-hang")) {
		raw("\x64\0\0\0\4abc", 8);
		hang();
	}
	if (is(mode, "half-length"))
		raw("\x64\0", 2);
	if (is(mode, "oversized")) {
		raw("\xff\xff\xff\x7f\4", 5);
		hang();
	}
	if (is(mode, "over-by-one")) {
		raw("\1\0\1\0\4", 5);
		hang();
	}
	if (is(mode, "zero")) {
		raw("\0\0\0\0", 4);
		hang();
	}
	if (is(mode, "unknown")) {
		frame(99, "", 0);
		hang();
	}
	if (is(mode, "echo")) {
		frame(START, "", 0);
		hang();
	}
	if (is(mode, "done-first")) {
		result(DONE, 0, "", 1);
		hang();
	}
	if (is(mode, "fds")) {
		with_fds(READY, 3);
		hang();
	}
	if (is(mode, "many-fds")) {
		with_fds(READY, 64);
		hang();
	}
	if (is(mode, "sealed-bare"))
		frame(SEALED, "", 0);
	if (is(mode, "sealed-many"))
		with_fds(SEALED, 2);
	if (is(mode, "sealed-twice")) {
		with_fds(SEALED, 1);
		with_fds(SEALED, 1);
	}
	if (is(mode, "alive-first"))
		frame(ALIVE, "", 0);
	if (strncmp(mode, "sealed", 6) == 0 || is(mode, "alive-first"))
		hang();
	while (is(mode, "flood-first"))
		say("blah");
	if (is(mode, "failed"))
		result(FAILED, -2, "hostile: it will not", 21);
	if (is(mode, "failed-escape"))
		result(FAILED, -2, "a\n\x1b[2Jb", 8);
	if (is(mode, "failed-cut"))
		result(FAILED, -2, "no end", 3);
	if (is(mode, "failed-mute"))
		result(FAILED, -2, "", 1);
	if (is(mode, "failed-well"))
		result(FAILED, 0, "fine", 5);
	if (strncmp(mode, "failed", 6) == 0)
		hang();
}

static void after_ready(const char *mode)
{
	if (is(mode, "then-exit"))
		_exit(7);
	if (is(mode, "then-last-words")) {
		say("hostile: \x1b[2Jmy last words");
		_exit(7);
	}
	if (is(mode, "then-sigsys"))
		forbid_all();
	if (is(mode, "then-done"))
		result(DONE, 0, "", 1);
	if (is(mode, "then-ready"))
		frame(READY, "", 0);
	if (is(mode, "then-zero"))
		raw("\0\0\0\0", 4);
	if (is(mode, "then-oversized"))
		raw("\xff\xff\xff\x7f\4", 5);
	if (is(mode, "then-fds"))
		with_fds(LOG, 2);
	if (is(mode, "then-sealed"))
		with_fds(SEALED, 1);
	if (is(mode, "then-alive"))
		frame(ALIVE, "", 0);
	if (is(mode, "then-close")) {
		close(CONTROL);
		hang();
	}
	if (is(mode, "then-partial")) {
		raw("\x64\0\0\0\7abc", 8);
		hang();
	}
	if (is(mode, "then-nonsense-log")) {
		frame(LOG, "", 0);
		frame(LOG, "\xff no end", 8);
		frame(LOG, "\0", 2);
		say("hostile: still here");
	}
	while (is(mode, "flood"))
		say("hostile: blah");
}

static void answer(const char *mode)
{
	if (is(mode, "answer-never"))
		return;
	while (is(mode, "answer-flood"))
		say("hostile: blah");
	if (is(mode, "answer-late"))
		usleep(900000);
	if (is(mode, "answer-exit"))
		_exit(7);
	if (is(mode, "answer-cut")) {
		result(DONE, 0, "no end", 3);
		return;
	}
	if (is(mode, "answer-short")) {
		frame(DONE, "\0\0", 2);
		return;
	}
	if (is(mode, "answer-range")) {
		result(DONE, -70000, "x", 2);
		return;
	}
	if (is(mode, "answer-type")) {
		frame(READY, "", 0);
		return;
	}
	if (is(mode, "answer-fds")) {
		with_fds(DONE, 1);
		return;
	}
	if (is(mode, "answer-mute")) {
		result(DONE, -5, "", 1);
		return;
	}
	if (is(mode, "answer-refuses")) {
		result(DONE, -5, "hostile: \nno", 13);
		return;
	}
	result(DONE, 0, "ok", 3);
	if (is(mode, "answer-twice"))
		result(DONE, 0, "ok", 3);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? strchr(argv[1], '=') : NULL;
	uint8_t type;

	if (!mode)
		return 2;
	mode++;
	before_start(mode);
	if (listen_to_parent() != START)
		return 3;
	instead_of_ready(mode);
	if (strncmp(mode, "truncated", 9) == 0 || is(mode, "half-length"))
		return 4;
	frame(READY, "", 0);
	after_ready(mode);
	while ((type = listen_to_parent())) {
		if (type == ASK)
			answer(mode);
		if (type == PING && !is(mode, "ping-never"))
			frame(ALIVE, "x", is(mode, "ping-long"));
		if (type == PING && is(mode, "ping-twice"))
			frame(ALIVE, "", 0);
		if (type == STOP && is(mode, "ignore-stop"))
			hang();
		while (type == STOP && is(mode, "flood-stop"))
			say("hostile: blah");
		if (type == STOP)
			return 0;
	}
	return is(mode, "ignore-stop") ? hang(), 1 : 0;
}
