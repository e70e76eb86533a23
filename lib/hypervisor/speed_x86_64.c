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

#include "base/endian.h"
#include "hypervisor/x86_64.h"
#include "sys/fd.h"
#include "sys/thread.h"

#define CODE_GPA    0x1000u
#define COUNTER_GPA 0x2000u
#define MEMORY_LEN  0x4000u
#define ROUNDS	    100000u
#define PER_ROUND   3u
#define TRY_MS	    8
#define TRIES	    2
#define NS_PER_S    1000000000ull

/* 32-bit protected mode without paging; the counter tells how far it came. */
static const uint8_t code[] = {
	0xb9,
	ROUNDS & 0xff,
	ROUNDS >> 8 & 0xff,
	ROUNDS >> 16,
	0, /* mov $ROUNDS, %ecx */
	0x89,
	0x0d,
	0x00,
	COUNTER_GPA >> 8,
	0x00,
	0x00, /* 1: mov %ecx, COUNTER_GPA */
	0x49, /* dec %ecx */
	0x75,
	0xf7, /* jnz 1b */
	0xe6,
	0x80, /* out %al, $0x80 */
};

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
	speed->native = r->exit.kind == CV_EXIT_IO;
	err = cv_mem_load32(mem, COUNTER_GPA, &left);
	if (err)
		return err;
	left = speed->native ? 0 : cv_min(left, ROUNDS);
	speed->per_second = (uint64_t)(ROUNDS - left) * PER_ROUND * NS_PER_S / cv_max(r->ns, 1ull);
	return 0;
}

static int prepare(struct cv_hv *hv, struct cv_mem *mem, struct cv_vcpu **vcpu, struct vm_error *e)
{
	const struct cv_mem_range range = { .gpa = 0, .len = MEMORY_LEN };
	const struct cv_x86_vcpu_state state = { .mode = CV_X86_PROTECTED,
						 .rip = CODE_GPA,
						 .rsp = MEMORY_LEN };
	int err = cv_mem_init(mem, &range, 1, e);

	err = err ?: cv_mem_write(mem, CODE_GPA, code, sizeof(code));
	err = err ?: cv_mem_store32(mem, COUNTER_GPA, ROUNDS);
	err = err ?: hv->ops->set_memory(hv, mem, e);
	err = err ?: hv->ops->vcpu_create(hv, 0, vcpu, e);
	return err ?: hv->ops->x86_setup(*vcpu, &state, e);
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
