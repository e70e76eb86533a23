/* SPDX-License-Identifier: BSD-3-Clause */
/* The terminal as the guest's console. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "args.h"

#define ESCAPE 0x01 /* Ctrl-A */

/* For the signal handler, which can be given nothing. */
static struct termios saved;
static volatile sig_atomic_t is_saved;

/* Those that end no process by default, and those that cannot be caught. */
static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG,  SIGWINCH, SIGTSTP,
				SIGTTIN, SIGTTOU, SIGKILL, SIGSTOP };

/* Restores the terminal and lets the signal do what it does by default. */
static void on_deadly(int signo)
{
	if (is_saved)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	signal(signo, SIG_DFL);
	raise(signo);
}

static bool is_harmless(int signo)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (harmless[i] == signo)
			return true;
	return false;
}

/* For every signal that would end us. Those that the C library keeps for itself refuse. */
static void catch_deadly(void)
{
	struct sigaction sa = { .sa_handler = on_deadly }, old;

	for (int signo = 1; signo <= SIGRTMAX; signo++)
		if (!is_harmless(signo) && sigaction(signo, NULL, &old) == 0 &&
		    old.sa_handler == SIG_DFL)
			sigaction(signo, &sa, NULL);
}

bool terminal_present(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static void make_raw(struct terminal *t)
{
	struct termios raw = saved;

	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* output stays as it is: messages of ours share the screen */
	t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void restore(struct terminal *t)
{
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	t->raw = false;
}

int terminal_open(struct terminal *t)
{
	if (pipe2(t->pipe, O_CLOEXEC) < 0 || tcgetattr(STDIN_FILENO, &saved) < 0) {
		cli_complain("the terminal cannot be set up: %s", strerror(errno));
		return -1;
	}
	/* a guest that reads nothing must not block us */
	if (fcntl(t->pipe[1], F_SETFL, O_NONBLOCK) < 0)
		cli_complain("the terminal's pipe may block: %s", strerror(errno));
	is_saved = 1;
	catch_deadly();
	make_raw(t);
	return 0;
}

void terminal_suspend(struct terminal *t)
{
	sigset_t set;

	restore(t);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* here we stop, unless nobody could continue us */
	sigprocmask(SIG_BLOCK, &set, NULL);
	terminal_resume(t);
}

void terminal_resume(struct terminal *t)
{
	if (is_saved)
		make_raw(t);
}

static void type(struct terminal *t, char c)
{
	/* a full pipe loses what is typed, as a full keyboard buffer would */
	if (write(t->pipe[1], &c, 1) < 0 && errno != EAGAIN)
		cli_complain("a character is lost: %s", strerror(errno));
}

static void print_keys(void)
{
	static const char text[] = "\r\nCtrl-A x  end the virtual machine\r\n"
				   "Ctrl-A p  press its power button\r\n"
				   "Ctrl-A a  type Ctrl-A\r\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		return; /* nobody is there to read it */
}

static enum terminal_action command(struct terminal *t, char c)
{
	switch (c) {
	case 'x':
		return TERMINAL_QUIT;
	case 'p':
		return TERMINAL_POWER_BUTTON;
	case 'h':
	case '?':
		print_keys();
		return TERMINAL_NONE;
	case 'a':
	case ESCAPE:
		type(t, ESCAPE);
		return TERMINAL_NONE;
	default:
		type(t, ESCAPE);
		type(t, c);
		return TERMINAL_NONE;
	}
}

static enum terminal_action look_at(struct terminal *t, char c)
{
	if (t->escaped) {
		t->escaped = false;
		return command(t, c);
	}
	t->escaped = c == ESCAPE;
	if (!t->escaped)
		type(t, c);
	return TERMINAL_NONE;
}

bool terminal_pending(const struct terminal *t)
{
	return t->at < t->n;
}

enum terminal_action terminal_input(struct terminal *t)
{
	enum terminal_action action = TERMINAL_NONE;
	ssize_t n;

	if (!terminal_pending(t)) {
		n = read(STDIN_FILENO, t->buf, sizeof(t->buf));
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			return TERMINAL_NONE;
		if (n <= 0)
			return TERMINAL_EOF;
		t->at = 0;
		t->n = (size_t)n;
	}
	while (terminal_pending(t) && action == TERMINAL_NONE)
		action = look_at(t, t->buf[t->at++]);
	return action;
}

void terminal_close(struct terminal *t)
{
	restore(t);
	is_saved = 0;
	for (int i = 0; i < 2; i++) {
		if (t->pipe[i] > 0)
			close(t->pipe[i]);
		t->pipe[i] = 0;
	}
}
