/* SPDX-License-Identifier: BSD-3-Clause */
/* One device process of a hostile program, and the loop that watches it. */
#ifndef CV_TESTS_PROCESS_TEST_H
#define CV_TESTS_PROCESS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/process.h"
#include "support/check_main.h"
#include "support/must.h"
#include "support/usage.h"

#define T_TIMEOUT_MS 400u

struct process_test {
	struct cv_class cls;
	struct cv_virtio_ops ops;
	struct cv_process_host host;
	struct cv_loop *loop;
	struct cv_log log;
	struct cv_process *process;
	int data[2];
	unsigned int n_logs, n_died, n_alive;
	char last_log[1024], why[256];
	struct vm_error e;
	struct usage before;
};

static inline void pt_log(void *user, enum vm_log_level level, const char *text)
{
	struct process_test *t = user;

	(void)level;
	ck_assert(!strpbrk(text, "\n\r\x1b"));
	t->n_logs++;
	snprintf(t->last_log, sizeof(t->last_log), "%s", text);
}

static inline void pt_died(void *ctx, const char *why)
{
	struct process_test *t = ctx;

	t->n_died++;
	snprintf(t->why, sizeof(t->why), "%s", why);
	ck_assert(!strchr(why, '\n'));
}

static inline void pt_alive(void *ctx)
{
	struct process_test *t = ctx;

	t->n_alive++;
}

static inline void pt_init(struct process_test *t, const char *mode, const char *program)
{
	*t = (struct process_test){ .before = usage_now() };
	t->cls = (struct cv_class){ .name = mode, .policy = "rng", .virtio = &t->ops };
	t->host = (struct cv_process_host){ .program = program, .timeout_ms = T_TIMEOUT_MS };
	t->log = (struct cv_log){ .sink = pt_log, .user = t, .level = VM_LOG_DEBUG };
	must(cv_loop_create(&t->loop, NULL) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t->data) == 0);
}

static inline int pt_start(struct process_test *t)
{
	const struct cv_process_config config = { .host = &t->host,
						  .cls = &t->cls,
						  .config = "",
						  .memory = 1 << 20,
						  .loop = t->loop,
						  .log = &t->log,
						  .died = pt_died,
						  .alive = pt_alive,
						  .ctx = t };
	int err = cv_process_start(&t->process, &config, t->data[1], &t->e);

	return err ?: cv_process_ready(t->process, &t->e);
}

/* Nothing may be left: no descriptor, no thread, no process. */
static inline void pt_fini(struct process_test *t)
{
	struct usage after;

	cv_process_destroy(t->process);
	cv_process_host_fini(&t->host);
	close(t->data[0]);
	close(t->data[1]);
	cv_loop_destroy(t->loop);
	after = usage_now();
	ck_assert_uint_eq(after.fds, t->before.fds);
	ck_assert_uint_eq(after.threads, t->before.threads);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static inline uint64_t pt_ms(const struct process_test *t)
{
	return cv_loop_now(t->loop) / 1000000;
}

/* Dispatches until the process has died, or the time is over. */
static inline void pt_turn(struct process_test *t, unsigned int ms)
{
	uint64_t end = pt_ms(t) + ms;

	while (t->n_died == 0 && pt_ms(t) < end) {
		cv_loop_dispatch(t->loop);
		usleep(1000);
	}
}

#endif
