/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a program as a script does, and looks for processes that outlive it:
 *
 *   run-alone SECONDS WORD...
 *
 * The exit status is the program's (128 + N when signal N has killed it); 124 when
 * the time is over; 125 when a process of its own was left behind, running or not.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/must.h"

#define OVER	    124
#define LEFT_BEHIND 125
#define NOT_RUN	    127

static volatile sig_atomic_t over;
static pid_t child;

static void on_alarm(int signo)
{
	(void)signo;
	over = 1;
	kill(child, SIGKILL);
}

static pid_t start(char **words)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid > 0)
		return pid;
	execv(words[0], words);
	perror(words[0]);
	_exit(NOT_RUN);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		must(errno == EINTR);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The numbers of this process's children; what had the program for a parent is among them. */
static void read_children(char *text, int size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	must(f);
	if (!fgets(text, size, f))
		text[0] = '\0';
	fclose(f);
}

/* Whether there were any. */
static bool end_others(void)
{
	char text[256], *at = text, *end;

	read_children(text, sizeof(text));
	if (!text[0])
		return false;
	fprintf(stderr, "left behind: processes %s\n", text);
	for (long pid; (pid = strtol(at, &end, 10)) > 0; at = end)
		kill((pid_t)pid, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	return true;
}

int main(int argc, char **argv)
{
	int status;

	must(argc >= 3 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
	child = start(argv + 2);
	must(signal(SIGALRM, on_alarm) != SIG_ERR);
	alarm((unsigned int)strtoul(argv[1], NULL, 10));
	status = wait_for(child);
	if (end_others())
		return LEFT_BEHIND;
	return over ? OVER : status;
}
