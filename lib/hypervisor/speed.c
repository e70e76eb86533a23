/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast a hypervisor runs guest kernel mode. Some machines offer a KVM that
 * interprets it (about 2 million instructions a second) where hardware does a
 * thousand times more; a Linux kernel does not get far there. The loop below
 * takes hardware a tenth of a millisecond, and is 18 times too long for the
 * interpreter to end it in time.
 */
#include "hypervisor/speed.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "hypervisor/speed_impl.h"
#include "sys/fd.h"
#include "sys/thread.h"

#define TRY_MS	 8
#define TRIES	 2
#define NS_PER_S 1000000000ull

struct run {
	struct cv_vcpu *vcpu;
	int entered, done; /* eventfds */
	struct cv_exit exit;
	uint64_t ns; /* that the loop has taken so far: a kicked one goes on */
	int err;
	struct vm_error *e;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void *run_main(void *arg)
{
	struct run *r = arg;
	uint64_t start;

	r->err = r->vcpu->ops->vcpu_enter(r->vcpu, r->e);
	cv_event_signal(r->entered);
	start = now_ns();
	if (!r->err)
		r->vcpu->ops->vcpu_run(r->vcpu, &r->exit);
	r->ns += now_ns() - start;
	cv_event_signal(r->done);
	return NULL;
}

/* Waits for an eventfd; a signal of the embedder's only shortens the wait. */
static void wait_event(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	cv_ignore(poll(&p, 1, ms));
}

/* One run in a thread of its own, because only such a one can be kicked. */
static int run_once(struct run *r)
{
	CV_AUTO_FD int entered = cv_event_create();
	CV_AUTO_FD int done = cv_event_create();
	pthread_t thread;
	int err = cv_min(entered, done);

	r->entered = entered;
	r->done = done;
	if (err >= 0)
		err = cv_thread_create(&thread, "speed", run_main, r);
	if (err < 0)
		return cv_err(r->e, err, "the speed test cannot start: %s", strerror(-err));
	while (!cv_event_drain(entered))
		wait_event(entered, -1);
	if (!r->err) {
		wait_event(done, TRY_MS);
		if (!cv_event_drain(done))
			r->vcpu->ops->vcpu_kick(r->vcpu);
	}
	pthread_join(thread, NULL);
	return r->err;
}

static int measure(struct run *r, const struct cv_mem *mem, struct cv_speed *speed)
{
	uint32_t left = 0;
	int err = 0;

	for (int i = 0; i < TRIES; i++) {
		err = run_once(r);
		if (err)
			return err;
		if (r->exit.kind != CV_EXIT_KICKED)
			break;
	}
	if (r->exit.kind == CV_EXIT_FAILED)
		return cv_err(r->e, -EIO, "%s", r->exit.text);
	speed->native = r->exit.kind == CV_EXIT_IO || r->exit.kind == CV_EXIT_MMIO;
	err = cv_mem_load32(mem, CV_SPEED_COUNTER_GPA, &left);
	if (err)
		return err;
	left = speed->native ? 0 : cv_min(left, CV_SPEED_ROUNDS);
	speed->per_second = (uint64_t)(CV_SPEED_ROUNDS - left) * CV_SPEED_PER_ROUND * NS_PER_S /
			    cv_max(r->ns, 1ull);
	return 0;
}

static int prepare(struct cv_hv *hv, struct cv_mem *mem, struct cv_vcpu **vcpu, struct vm_error *e)
{
	const struct cv_mem_range range = { .gpa = 0, .len = CV_SPEED_MEMORY_LEN };
	const void *code;
	size_t len = cv_speed_code(&code);
	int err = cv_mem_init(mem, &range, 1, e);

	err = err ?: cv_mem_write(mem, CV_SPEED_CODE_GPA, code, len);
	err = err ?: cv_mem_store32(mem, CV_SPEED_COUNTER_GPA, CV_SPEED_ROUNDS);
	err = err ?: hv->ops->set_memory(hv, mem, NULL, e);
	err = err ?: hv->ops->vcpu_create(hv, 0, vcpu, e);
	return err ?: cv_speed_setup(*vcpu, e);
}

int cv_speed_measure(struct cv_hv *hv, struct cv_speed *speed, struct vm_error *e)
{
	struct cv_mem mem = { 0 };
	struct run r = { .e = e };
	int err = prepare(hv, &mem, &r.vcpu, e);

	*speed = (struct cv_speed){ 0 };
	err = err ?: measure(&r, &mem, speed);
	hv->ops->vcpu_destroy(r.vcpu);
	cv_hv_destroy(hv);
	cv_mem_fini(&mem);
	return err;
}
