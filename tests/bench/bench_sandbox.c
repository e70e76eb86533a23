/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a jail costs: from the call until the sealed child answers, alone and four
 * at a time. The helper is that of tests/sandbox.
 *
 *	bench_sandbox [ROUNDS]
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../sandbox/jail.h"
#include "sandbox/seccomp.h"
#include "support/must.h"

#define AT_ONCE 4

struct child {
	struct cv_child child;
	int control;
};

static struct jail_order order = { .op = JAIL_nothing, .n_fds = 4 };
static int program;

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void start(struct child *c)
{
	static char name[] = "jail-helper";
	char *const argv[] = { name, NULL };
	int sv[2], fds[4] = { -1, -1, 2 };
	struct cv_spawn spawn = { &order.jail, program, argv, NULL, fds, 4 };
	struct vm_error e = { 0 };

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
	fds[3] = sv[1];
	if (cv_sandbox_spawn(&c->child, &spawn, &e) < 0)
		fprintf(stderr, "%s\n", e.text);
	c->control = sv[0];
	must(send(c->control, &order, sizeof(order), MSG_NOSIGNAL) == sizeof(order));
	close(sv[1]);
}

static void finish(struct child *c)
{
	struct jail_answer a;

	must(recv(c->control, &a, sizeof(a), 0) == sizeof(a));
	if (a.result != 0)
		fprintf(stderr, "%s\n", a.e.text);
}

static void stop(struct child *c)
{
	cv_child_fini(&c->child);
	close(c->control);
}

/* Milliseconds until @n children have answered; *spawned: until all were started. */
static double run(unsigned int n, double *spawned)
{
	struct child c[AT_ONCE];
	double begin = now_ms(), end;

	for (unsigned int i = 0; i < n; i++)
		start(&c[i]);
	*spawned = now_ms() - begin;
	for (unsigned int i = 0; i < n; i++)
		finish(&c[i]);
	end = now_ms();
	for (unsigned int i = 0; i < n; i++)
		stop(&c[i]);
	return end - begin;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *what, unsigned int n, unsigned int rounds)
{
	double *all = calloc(rounds, sizeof(*all)), *spawned = calloc(rounds, sizeof(*spawned));

	must(all && spawned);
	for (unsigned int i = 0; i < rounds; i++)
		all[i] = run(n, &spawned[i]);
	qsort(all, rounds, sizeof(*all), compare);
	qsort(spawned, rounds, sizeof(*spawned), compare);
	printf("%-34s %u at once: ready %6.2f ms (best %.2f), started %6.2f ms\n", what, n,
	       all[rounds / 2], all[0], spawned[rounds / 2]);
	free(all);
	free(spawned);
}

static void measure_set(const char *what, uint32_t mechanisms, unsigned int rounds)
{
	cv_jail_init(&order.jail, mechanisms);
	measure(what, 1, rounds);
	measure(what, AT_ONCE, rounds);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 50;
	uint32_t all = cv_jail_default();
	struct cv_seccomp s = { 0 };
	struct vm_error e = { 0 };

	program = open(JAIL_HELPER, O_RDONLY | O_CLOEXEC);
	must(program >= 0 && rounds > 0);
	if (cv_seccomp_get(&s, NULL, "block", &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		all &= ~(uint32_t)CV_JAIL_SECCOMP;
	} else {
		must(s.n <= CV_LEN(order.insns));
		memcpy(order.insns, s.insns, s.n * sizeof(*s.insns));
		order.n_insns = s.n;
	}
	measure_set("everything", all, rounds);
	measure_set("without net", all & ~(uint32_t)CV_JAIL_NET, rounds);
	measure_set("without namespaces",
		    CV_JAIL_CAPS | CV_JAIL_NO_NEW_PRIVS | CV_JAIL_RLIMIT | CV_JAIL_LANDLOCK |
			    (all & CV_JAIL_SECCOMP),
		    rounds);
	measure_set("nothing, exec alone", 0, rounds);
	cv_seccomp_fini(&s);
	close(program);
	return 0;
}
