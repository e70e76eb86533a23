/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The terminal as the guest's console: raw while the VM runs, always restored,
 * also when a signal kills this process. What is typed passes through
 * here, so that the escape can be recognised: Ctrl-A, then
 *
 *	x	ends the VM
 *	p	presses its power button
 *	a	types Ctrl-A
 *	h	prints this list
 */
#ifndef CROSVM_CLI_TERMINAL_H
#define CROSVM_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum terminal_action { TERMINAL_NONE, TERMINAL_QUIT, TERMINAL_POWER_BUTTON, TERMINAL_EOF };

struct terminal {
	bool raw;
	int pipe[2];   /* what is typed goes through here to the guest */
	bool escaped;  /* Ctrl-A was the last character */
	char buf[256]; /* typed; what is not yet looked at: [at, n) */
	size_t at, n;
};

/* Whether standard input is a terminal that this process may read. */
bool terminal_present(void);

/* Makes the terminal raw and the pipe. 0 or -1 after a complaint. */
int terminal_open(struct terminal *t);

/* Standard input is readable: passes characters on, up to one that asks for something. */
enum terminal_action terminal_input(struct terminal *t);

/* Whether terminal_input() has left characters: it is to be called again at once. */
bool terminal_pending(const struct terminal *t);

/* SIGTSTP has come, which is blocked: stops with the terminal put back, then goes on raw. */
void terminal_suspend(struct terminal *t);

/* SIGCONT has come: whoever stopped us may have changed the terminal. */
void terminal_resume(struct terminal *t);

/* Puts the terminal back and closes the pipe; zeroed: nothing. */
void terminal_close(struct terminal *t);

#endif
