/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fake hypervisor's vCPUs: scripts, and guest programs in C. A program has a
 * thread of its own, but it and vcpu_run() take turns, so that to the monitor it
 * looks like a guest: it runs only inside vcpu_run(), and stands still outside.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hypervisor/fake_impl.h"
#include "sys/thread.h"

struct fake_vcpu {
	struct cv_vcpu vcpu;
	struct cv_fake *fake;
	const struct cv_fake_step *steps;
	unsigned int n_steps, next;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool kicked;
	bool answering; /* the monitor was asked for the data of the step @next */
	uint8_t data[8 * CV_FAKE_MAX_COUNT];
	/* the guest program of the step @next */
	pthread_t thread;
	bool started, finished, quit;
	bool guest_turn;    /* the program runs, and vcpu_run() waits; else the reverse */
	struct cv_exit out; /* what the program asks for */
	jmp_buf end;	    /* leaves the program when the vCPU is destroyed */
};

static struct fake_vcpu *of_vcpu(struct cv_vcpu *vcpu)
{
	return cv_container_of(vcpu, struct fake_vcpu, vcpu);
}

struct cv_hv *cv_fake_hv(struct cv_vcpu *vcpu)
{
	return &of_vcpu(vcpu)->fake->hv;
}

const struct cv_mem *cv_fake_mem(struct cv_vcpu *vcpu)
{
	return of_vcpu(vcpu)->fake->mem;
}

static void store(uint8_t *data, unsigned int len, uint64_t val)
{
	for (unsigned int i = 0; i < len; i++)
		data[i] = (uint8_t)(val >> (8 * i));
}

static uint64_t load(const uint8_t *data, unsigned int len)
{
	uint64_t val = 0;

	for (unsigned int i = 0; i < len; i++)
		val |= (uint64_t)data[i] << (8 * i);
	return val;
}

/* ---- the program's side; its thread ---- */

/* Gives the turn to vcpu_run() and waits to get it back; the lock is held. */
static void hand_over(struct fake_vcpu *v)
{
	v->guest_turn = false;
	pthread_cond_broadcast(&v->changed);
	while (!v->guest_turn && !v->quit)
		pthread_cond_wait(&v->changed, &v->lock);
	if (v->quit) {
		pthread_mutex_unlock(&v->lock);
		longjmp(v->end, 1);
	}
}

static void yield_if_kicked(struct fake_vcpu *v)
{
	while (v->kicked) {
		v->out.kind = CV_EXIT_KICKED;
		hand_over(v);
	}
}

static void access_exit(struct fake_vcpu *v, const struct cv_exit *exit)
{
	yield_if_kicked(v);
	v->out = *exit;
	v->out.data = v->data;
	hand_over(v);
}

uint64_t cv_fake_read(struct cv_vcpu *vcpu, bool pio, uint64_t addr, unsigned int len)
{
	struct fake_vcpu *v = of_vcpu(vcpu);
	const struct cv_exit exit = {
		.kind = pio ? CV_EXIT_IO : CV_EXIT_MMIO,
		.len = (uint8_t)len,
		.count = 1,
		.addr = addr,
	};
	uint64_t val;

	pthread_mutex_lock(&v->lock);
	access_exit(v, &exit);
	val = load(v->data, len);
	pthread_mutex_unlock(&v->lock);
	return val;
}

void cv_fake_write(struct cv_vcpu *vcpu, bool pio, uint64_t addr, unsigned int len, uint64_t val)
{
	struct fake_vcpu *v = of_vcpu(vcpu);
	const struct cv_exit exit = {
		.kind = pio ? CV_EXIT_IO : CV_EXIT_MMIO,
		.write = true,
		.len = (uint8_t)len,
		.count = 1,
		.addr = addr,
	};

	pthread_mutex_lock(&v->lock);
	yield_if_kicked(v);
	if (!cv_fake_ring(v->fake, pio, addr, len, val)) {
		store(v->data, len, val);
		access_exit(v, &exit);
	}
	pthread_mutex_unlock(&v->lock);
}

void cv_fake_relax(struct cv_vcpu *vcpu)
{
	const struct timespec little = { .tv_nsec = 20000 };
	struct fake_vcpu *v = of_vcpu(vcpu);

	pthread_mutex_lock(&v->lock);
	yield_if_kicked(v);
	pthread_mutex_unlock(&v->lock);
	cv_ignore(nanosleep(&little, NULL)); /* a shorter sleep is as good */
}

void cv_fake_wait(struct cv_vcpu *vcpu, uint32_t gsi, unsigned int count)
{
	while (cv_fake_interrupts(cv_fake_hv(vcpu), gsi) < count)
		cv_fake_relax(vcpu);
}

void cv_fake_exit(struct cv_vcpu *vcpu, enum cv_exit_kind kind)
{
	struct fake_vcpu *v = of_vcpu(vcpu);

	pthread_mutex_lock(&v->lock);
	yield_if_kicked(v);
	v->out.kind = kind;
	v->kicked = kind == CV_EXIT_KICKED;
	hand_over(v);
	pthread_mutex_unlock(&v->lock);
}

bool cv_fake_check(struct cv_vcpu *vcpu, bool ok)
{
	struct fake_vcpu *v = of_vcpu(vcpu);

	if (!ok)
		cv_fake_note_failure(v->fake, v->next);
	return ok;
}

static void *program_main(void *arg)
{
	struct fake_vcpu *v = arg;
	const struct cv_fake_step *step = &v->steps[v->next];

	if (setjmp(v->end) == 0)
		step->call(&v->vcpu, step->arg);
	pthread_mutex_lock(&v->lock);
	v->finished = true;
	v->guest_turn = false;
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

/* ---- the monitor's side ---- */

static int start_program(struct fake_vcpu *v)
{
	char name[16];
	int err;

	snprintf(name, sizeof(name), "guest%u", v->vcpu.index);
	v->finished = false;
	v->guest_turn = true;
	err = cv_thread_create(&v->thread, name, program_main, v);
	v->started = !err;
	return err;
}

static void end_program(struct fake_vcpu *v)
{
	pthread_join(v->thread, NULL);
	v->started = false;
}

/* Whether the program leaves the guest through *exit; the lock is held. */
static bool run_program(struct fake_vcpu *v, struct cv_exit *exit)
{
	if (!v->started && start_program(v)) {
		exit->kind = CV_EXIT_FAILED;
		snprintf(exit->text, sizeof(exit->text), "fake: no thread for the guest program");
		return true;
	}
	v->guest_turn = true;
	pthread_cond_broadcast(&v->changed);
	while (v->guest_turn)
		pthread_cond_wait(&v->changed, &v->lock);
	if (v->finished) {
		end_program(v);
		v->next++;
		return false;
	}
	*exit = v->out;
	return exit->kind != CV_EXIT_KICKED;
}

/* Whether the access leaves the guest; a doorbell does not. */
static bool run_access(struct fake_vcpu *v, const struct cv_fake_step *step, struct cv_exit *exit)
{
	uint32_t count = cv_min(cv_max(step->count, 1u), (uint32_t)CV_FAKE_MAX_COUNT);

	if (step->write && count == 1 &&
	    cv_fake_ring(v->fake, step->kind == CV_EXIT_IO, step->addr, step->len, step->value)) {
		v->next++;
		return false;
	}
	for (uint32_t i = 0; i < count && step->write; i++)
		store(v->data + i * step->len, step->len, step->value);
	exit->kind = step->kind;
	exit->write = step->write;
	exit->len = step->len;
	exit->count = count;
	exit->addr = step->addr;
	exit->data = v->data;
	v->answering = true;
	return true;
}

static void finish_access(struct fake_vcpu *v)
{
	const struct cv_fake_step *step = &v->steps[v->next];
	uint32_t count = cv_min(cv_max(step->count, 1u), (uint32_t)CV_FAKE_MAX_COUNT);
	bool ok = true;

	for (uint32_t i = 0; i < count && step->check && !step->write; i++)
		ok = ok && load(v->data + i * step->len, step->len) == step->value;
	if (!ok)
		cv_fake_note_failure(v->fake, v->next);
	v->answering = false;
	v->next++;
}

static void sleep_until_kicked(struct fake_vcpu *v)
{
	while (!v->kicked)
		pthread_cond_wait(&v->changed, &v->lock);
}

/* One step; whether it leaves the guest through *exit. The lock is held. */
static bool run_step(struct fake_vcpu *v, struct cv_exit *exit)
{
	const struct cv_fake_step *step = &v->steps[v->next];

	if (step->call)
		return run_program(v, exit);
	switch (step->kind) {
	case CV_EXIT_IO:
	case CV_EXIT_MMIO:
		return run_access(v, step, exit);
	case CV_EXIT_KICKED:
		sleep_until_kicked(v);
		v->next++;
		return false;
	case CV_EXIT_HALTED:
		sleep_until_kicked(v);
		return false;
	case CV_EXIT_SHUTDOWN:
	case CV_EXIT_RESET:
	case CV_EXIT_POWER_OFF:
	case CV_EXIT_CRASHED:
	case CV_EXIT_FAILED:
		break;
	}
	exit->kind = step->kind;
	snprintf(exit->text, sizeof(exit->text), "fake: as step %u says", v->next++);
	return true;
}

void cv_fake_vcpu_run(struct cv_vcpu *vcpu, struct cv_exit *exit)
{
	struct fake_vcpu *v = of_vcpu(vcpu);
	bool left = false;

	pthread_mutex_lock(&v->lock);
	if (v->answering)
		finish_access(v);
	while (!left && !v->kicked) {
		if (v->next < v->n_steps)
			left = run_step(v, exit);
		else
			sleep_until_kicked(v);
	}
	if (!left) {
		v->kicked = false;
		exit->kind = CV_EXIT_KICKED;
	}
	pthread_mutex_unlock(&v->lock);
}

void cv_fake_vcpu_kick(struct cv_vcpu *vcpu)
{
	struct fake_vcpu *v = of_vcpu(vcpu);

	pthread_mutex_lock(&v->lock);
	v->kicked = true;
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
}

int cv_fake_vcpu_enter(struct cv_vcpu *vcpu, struct vm_error *e)
{
	int err = cv_fake_injected(of_vcpu(vcpu)->fake, "vcpu_enter");

	return err ? cv_err(e, err, "fake: vcpu_enter fails as it was told") : 0;
}

int cv_fake_vcpu_create(struct cv_hv *hv, unsigned int index, struct cv_vcpu **vcpu,
			struct vm_error *e)
{
	struct cv_fake *f = cv_container_of(hv, struct cv_fake, hv);
	int err = cv_fake_injected(f, "vcpu_create");
	struct fake_vcpu *v;

	if (err)
		return cv_err(e, err, "fake: vcpu_create fails as it was told");
	if (index >= CV_FAKE_MAX_VCPUS)
		return cv_err(e, -EINVAL, "fake: no vCPU %u is possible", index);
	v = calloc(1, sizeof(*v));
	if (!v)
		return cv_err(e, -ENOMEM, "fake: out of memory");
	v->vcpu.ops = hv->ops;
	v->vcpu.index = index;
	v->fake = f;
	if (index < f->n_scripts) {
		v->steps = f->scripts[index].steps;
		v->n_steps = f->scripts[index].n_steps;
	}
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->changed, NULL);
	*vcpu = &v->vcpu;
	return 0;
}

void cv_fake_vcpu_destroy(struct cv_vcpu *vcpu)
{
	struct fake_vcpu *v;

	if (!vcpu)
		return;
	v = of_vcpu(vcpu);
	if (v->started) {
		pthread_mutex_lock(&v->lock);
		v->quit = true;
		pthread_cond_broadcast(&v->changed);
		pthread_mutex_unlock(&v->lock);
		end_program(v);
	}
	pthread_cond_destroy(&v->changed);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
