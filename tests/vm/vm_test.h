/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM on the fake hypervisor: its vCPU 0 runs a guest program in C, or each
 * vCPU a script of steps. The kernel is a tiny file that nobody executes.
 */
#ifndef CV_TESTS_VM_TEST_H
#define CV_TESTS_VM_TEST_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch.h"
#include "hypervisor/fake.h"
#include "support/check_main.h"
#include "support/must.h"
#include "support/usage.h"
#include "vm/vm.h"

#define T_MEMORY  (16ull << 20)
#define T_SCRATCH (T_RAM + 0x800000) /* RAM that no loader touches */

struct vm_test {
	struct vm *vm;
	struct vm_config config;
	char kernel[32];
	int kernel_fd;
	const struct cv_fake_script *scripts;
	unsigned int n_scripts;
	_Atomic(struct cv_hv *) hv; /* of the machine that exists; dead when another is made */
	atomic_uint n_boots;
	/* this operation fails with fail_err in boot number fail_at (from 1) */
	const char *fail_op;
	unsigned int fail_at;
	int fail_err;
	struct vm_error e;
	struct vm_exit exit;
	struct cv_fake_step step; /* of a program */
	struct cv_fake_script script;
	char log[256]; /* the last message */
	pthread_mutex_t log_lock;
};

static inline int vt_make_hv(void *arg, struct cv_hv **hv, const struct cv_hv_config *config,
			     struct cv_log *log, struct vm_error *e)
{
	struct vm_test *t = arg;
	unsigned int boot = atomic_fetch_add(&t->n_boots, 1) + 1;
	bool fails = t->fail_op && boot == t->fail_at;
	int err;

	(void)log;
	if (fails && strcmp(t->fail_op, "create") == 0)
		return cv_err(e, t->fail_err, "fake: create fails as it was told");
	err = cv_hv_fake_create(hv, config, t->scripts, t->n_scripts, e);
	if (!err && fails)
		cv_fake_fail(*hv, t->fail_op, t->fail_err);
	t->hv = err ? NULL : *hv;
	return err;
}

static inline void vt_log(void *user, enum vm_log_level level, const char *text)
{
	struct vm_test *t = user;

	(void)level;
	pthread_mutex_lock(&t->log_lock);
	snprintf(t->log, sizeof(t->log), "%s", text);
	pthread_mutex_unlock(&t->log_lock);
}

/* A configuration to be changed before vt_create(). */
static inline void vt_init(struct vm_test *t)
{
	*t = (struct vm_test){ .kernel_fd = arch_kernel() };
	pthread_mutex_init(&t->log_lock, NULL);
	snprintf(t->kernel, sizeof(t->kernel), "/proc/self/fd/%d", t->kernel_fd);
	t->config = (struct vm_config)VM_CONFIG_INIT;
	t->config.memory = T_MEMORY;
	t->config.kernel = t->kernel;
	t->config.sandbox = VM_SANDBOX_OFF;
	t->config.log = vt_log;
	t->config.log_user = t;
	t->exit = (struct vm_exit)VM_EXIT_INIT;
}

static inline void vt_create(struct vm_test *t)
{
	const struct cv_hv_factory hv = { .create = vt_make_hv, .arg = t };

	ck_assert_msg(cv_vm_create(&t->config, &hv, &t->vm, &t->e) == 0, "%s", t->e.text);
}

static inline void vt_scripts(struct vm_test *t, const struct cv_fake_script *scripts,
			      unsigned int n)
{
	t->scripts = scripts;
	t->n_scripts = n;
}

/* vCPU 0 runs a program; the others halt. */
static inline void vt_program(struct vm_test *t, void (*fn)(struct cv_vcpu *, void *), void *arg)
{
	t->step = (struct cv_fake_step){ .call = fn, .arg = arg };
	t->script = (struct cv_fake_script){ &t->step, 1 };
	vt_scripts(t, &t->script, 1);
}

/* A VM with such a guest, ready to be started. */
static inline void vt_make(struct vm_test *t, void (*fn)(struct cv_vcpu *, void *), void *arg)
{
	vt_init(t);
	vt_program(t, fn, arg);
	vt_create(t);
}

static inline void vt_fini(struct vm_test *t)
{
	vm_destroy(t->vm);
	close(t->kernel_fd);
	pthread_mutex_destroy(&t->log_lock);
}

static inline void vt_start(struct vm_test *t)
{
	ck_assert_msg(vm_start(t->vm, &t->e) == 0, "%s", t->e.text);
}

/* Waits for the end, for which the guest program's checks must have held. */
static inline enum vm_exit_reason vt_wait(struct vm_test *t)
{
	unsigned int first = 0;

	ck_assert_msg(vm_wait(t->vm, &t->exit, &t->e) == 0, "%s", t->e.text);
	ck_assert_uint_eq(t->hv ? cv_fake_failures(t->hv, &first) : 0, 0);
	return t->exit.reason;
}

static inline enum vm_exit_reason vt_run(struct vm_test *t)
{
	vt_start(t);
	return vt_wait(t);
}

/* The next event's kind; 0: none. Fills t->exit for STOPPED. */
static inline int vt_event(struct vm_test *t)
{
	struct pollfd p = { .fd = vm_fd(t->vm), .events = POLLIN };
	struct vm_event ev = VM_EVENT_INIT;
	bool readable = poll(&p, 1, 0) > 0;
	int n = vm_next_event(t->vm, &ev);

	ck_assert(readable == (n > 0));
	if (n > 0 && ev.kind == VM_EVENT_STOPPED)
		t->exit = ev.exit;
	return n > 0 ? (int)ev.kind : 0;
}

/* Waits for an event that is neither taken nor missed. */
static inline int vt_wait_event(struct vm_test *t)
{
	struct pollfd p = { .fd = vm_fd(t->vm), .events = POLLIN };

	ck_assert_int_gt(poll(&p, 1, 20000), 0);
	return vt_event(t);
}

/* The registers of the machine's own devices. */
static inline void vt_out(struct cv_vcpu *vcpu, uint64_t addr, unsigned int len, uint64_t val)
{
	cv_fake_write(vcpu, T_PIO, addr, len, val);
}

static inline uint64_t vt_in(struct cv_vcpu *vcpu, uint64_t addr, unsigned int len)
{
	return cv_fake_read(vcpu, T_PIO, addr, len);
}

/* Endings of guest programs; the machine stops them there. */
static inline void vt_power_off(struct cv_vcpu *vcpu)
{
	arch_power_off(vcpu);
	for (;;)
		cv_fake_relax(vcpu);
}

static inline void vt_reset(struct cv_vcpu *vcpu)
{
	arch_reset(vcpu);
	for (;;)
		cv_fake_relax(vcpu);
}

/* A sentence: it names @object, has @words in it, and no newline. */
static inline void vt_sentence(struct vm_test *t, int got, int want, const char *words)
{
	ck_assert_msg(got == want, "%d instead of %d: %s", got, want, t->e.text);
	ck_assert_int_eq(t->e.code, -want);
	ck_assert_msg(strstr(t->e.text, words), "'%s' is not in '%s'", words, t->e.text);
	ck_assert(!strchr(t->e.text, '\n'));
	memset(&t->e, 0, sizeof(t->e));
}

static inline void vt_same_usage(struct usage before)
{
	struct usage after = usage_now();

	ck_assert_uint_eq(after.fds, before.fds);
	ck_assert_uint_eq(after.threads, before.threads);
}

#endif
