/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one register access costs: of a serial port in this process, and of one in
 * a jailed process of its own.
 *
 *	bench_regs [CROSVM-DEVICE [ROUNDS]]
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "process/rslot_child.h"
#include "sandbox/sandbox.h"
#include "support/must.h"

enum { DATA = 0, LSR = 5, SCRATCH = 7 };

struct rig {
	struct cv_loop *loop;
	struct cv_log log;
	const struct cv_class *cls;
	void *config;
};

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void one_read(struct cv_rslot *s)
{
	s->ops->read(s, SCRATCH, 1);
}

static void one_write(struct cv_rslot *s)
{
	s->ops->write(s, SCRATCH, 1, 1);
}

/* As simple drivers print. */
static void one_character(struct cv_rslot *s)
{
	s->ops->read(s, LSR, 1);
	s->ops->write(s, DATA, 1, 'x');
}

static void measure(const char *where, const char *what, struct cv_rslot *s,
		    void (*fn)(struct cv_rslot *), unsigned int rounds)
{
	double *us = calloc(rounds, sizeof(*us)), begin, all;

	must(us);
	all = now_us();
	for (unsigned int i = 0; i < rounds; i++) {
		begin = now_us();
		fn(s);
		us[i] = now_us() - begin;
	}
	s->ops->read(s, SCRATCH, 1); /* all has arrived */
	all = now_us() - all;
	qsort(us, rounds, sizeof(*us), compare);
	printf("%-8s %-20s median %7.2f us, 99 %% %7.2f us, all told %7.2f us each\n", where, what,
	       us[rounds / 2], us[rounds - rounds / 100 - 1], all / rounds);
	free(us);
}

static void measure_all(const char *where, struct cv_rslot *s, unsigned int rounds)
{
	measure(where, "read", s, one_read, rounds);
	measure(where, "write", s, one_write, rounds);
	measure(where, "LSR and a character", s, one_character, rounds);
}

static void run_local(struct rig *r, unsigned int rounds)
{
	const struct cv_env env = { .loop = r->loop, .log = &r->log };
	struct cv_rslot_local *local;

	must(cv_rslot_local_create(&local, r->cls, &env, r->config, NULL) == 0);
	measure_all("here", cv_rslot_local_slot(local), rounds);
	cv_rslot_local_destroy(local);
}

static void on_died(void *ctx, const char *why)
{
	(void)ctx;
	fprintf(stderr, "%s\n", why);
}

static void run_child(struct rig *r, const char *program, unsigned int rounds)
{
	struct cv_process_host host = { .program = program, .mechanisms = cv_jail_default() };
	const struct cv_rslot_child_config config = { .host = &host,
						      .cls = r->cls,
						      .config = r->config,
						      .loop = r->loop,
						      .log = &r->log,
						      .died = on_died };
	struct cv_rslot_child *child;
	struct cv_rslot *slot;
	struct vm_error e = { 0 };

	if (cv_rslot_child_create(&child, &config, &e) ||
	    cv_rslot_child_finish(child, NULL, &slot, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return;
	}
	measure_all("process", slot, rounds);
	cv_rslot_destroy(slot);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 20000;
	struct rig r = { .cls = cv_class_find("serial") };
	char path[PATH_MAX + 32] = "";
	char *slash;

	must(rounds >= 100 && r.cls && cv_loop_create(&r.loop, NULL) == 0);
	must(readlink("/proc/self/exe", path, PATH_MAX) > 0);
	slash = strrchr(path, '/');
	must(slash);
	snprintf(slash, sizeof(path) - (size_t)(slash - path), "/../crosvm-device");
	must(cv_class_configure(r.cls, "out=/dev/null", &r.config, NULL) == 0);
	run_local(&r, rounds);
	run_child(&r, argc > 1 ? argv[1] : path, rounds);
	cv_class_config_destroy(r.cls, r.config);
	cv_loop_destroy(r.loop);
	return 0;
}
