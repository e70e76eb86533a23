/* SPDX-License-Identifier: BSD-3-Clause */
/* A register device at the other end of a socket. */
#include "rdev_across.h"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "must.h"

static void *run(void *arg)
{
	struct rdev_across *a = arg;
	struct pollfd p[] = { { .fd = a->sock, .events = POLLIN },
			      { .fd = a->wake, .events = POLLIN } };

	while (!atomic_load(&a->quit)) {
		unsigned int wanted;
		uint64_t advance;

		poll(p, CV_LEN(p), 1);
		cv_event_drain(a->wake);
		wanted = atomic_load(&a->wanted);
		advance = atomic_exchange(&a->advance, 0);
		if (advance > 0)
			cv_loop_fake_advance(a->loop, advance);
		else
			cv_loop_dispatch(a->loop);
		atomic_store(&a->done, wanted);
	}
	return NULL;
}

static void on_lost(void *ctx, const char *why)
{
	(void)ctx;
	fprintf(stderr, "the device is lost: %s\n", why);
	abort();
}

int rdev_across_create(struct rdev_across **across, struct rdev *d, struct vm_error *e)
{
	struct rdev_across *a = calloc(1, sizeof(*a));
	int fds[2], err;

	must(a && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	a->loop = d->loop;
	a->sock = fds[1];
	a->wake = cv_event_create();
	err = cv_regs_server_create(&a->server,
				    &(struct cv_regs_server_config){ .cls = d->cls,
								     .config = d->config,
								     .loop = d->loop,
								     .log = &d->log },
				    e) ?:
	      cv_regs_server_serve(a->server, a->sock, e) ?:
	      cv_regs_client_create(
		      &a->client,
		      &(struct cv_regs_client_config){
			      .span = d->cls->regs->span, .timeout_ms = 30000, .lost = on_lost },
		      fds[0], e);
	if (err)
		return err;
	must(cv_regs_client_line(a->client, &d->irq) == 0);
	must(pthread_create(&a->thread, NULL, run, a) == 0);
	*across = a;
	return 0;
}

void rdev_across_destroy(struct rdev_across *a)
{
	if (!a)
		return;
	cv_regs_client_sync(a->client);
	atomic_store(&a->quit, true);
	cv_event_signal(a->wake);
	must(pthread_join(a->thread, NULL) == 0);
	cv_regs_client_destroy(a->client);
	cv_regs_server_close(a->server);
	cv_regs_server_destroy(a->server);
	close(a->wake);
	free(a);
}

void rdev_across_settle(struct rdev_across *a, uint64_t ns)
{
	unsigned int wanted;

	cv_regs_client_sync(a->client);
	atomic_store(&a->advance, ns);
	wanted = atomic_fetch_add(&a->wanted, 1) + 1;
	cv_event_signal(a->wake);
	while (atomic_load(&a->done) != wanted)
		sched_yield();
}
