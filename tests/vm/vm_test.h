/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM on the fake hypervisor: its vCPU 0 runs a guest program in C, or each
 * vCPU a script of steps. The kernel is a tiny ELF file that nobody executes.
 */
#ifndef CV_TESTS_VM_TEST_H
#define CV_TESTS_VM_TEST_H

#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/fake.h"
#include "machine/layout_x86_64.h"
#include "support/check_main.h"
#include "support/must.h"
#include "support/usage.h"
#include "vm/vm.h"

#define T_MEMORY  (16ull << 20)
#define T_SCRATCH 0x800000ull /* RAM that no loader touches */

/* Ports of the machine. */
enum {
	T_PM_STS = 0x600,
	T_PM_EN = 0x602,
	T_PM_CNT = 0x604,
	T_RESET = 0xcf9,
	T_I8042 = 0x64,
	T_PANIC = 0x505,
	T_COM1_SCRATCH = 0x3ff,
};
#define T_POWER_OFF 0x3400u
#define T_PWRBTN    0x100u

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

/* An ELF file whose only segment is a page at 1 MiB. */
static inline int vt_kernel(void)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p;
		uint8_t code[4096];
	} f = { .h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		       .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_entry = 0x100000,
		       .e_phoff = sizeof(f.h),
		       .e_ehsize = sizeof(f.h),
		       .e_phentsize = sizeof(f.p),
		       .e_phnum = 1 },
		.p = { .p_type = PT_LOAD,
		       .p_offset = offsetof(__typeof__(f), code),
		       .p_vaddr = 0x100000,
		       .p_paddr = 0x100000,
		       .p_filesz = sizeof(f.code),
		       .p_memsz = sizeof(f.code) } };
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, &f, sizeof(f)) == sizeof(f));
	return fd;
}

/* A configuration to be changed before vt_create(). */
static inline void vt_init(struct vm_test *t)
{
	*t = (struct vm_test){ .kernel_fd = vt_kernel() };
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

static inline void vt_out(struct cv_vcpu *vcpu, unsigned int port, unsigned int len, uint64_t val)
{
	cv_fake_write(vcpu, true, port, len, val);
}

static inline uint64_t vt_in(struct cv_vcpu *vcpu, unsigned int port, unsigned int len)
{
	return cv_fake_read(vcpu, true, port, len);
}

/* Endings of guest programs; the machine stops them there. */
static inline void vt_power_off(struct cv_vcpu *vcpu)
{
	vt_out(vcpu, T_PM_CNT, 2, T_POWER_OFF);
	for (;;)
		cv_fake_relax(vcpu);
}

static inline void vt_reset(struct cv_vcpu *vcpu)
{
	vt_out(vcpu, T_RESET, 1, 6);
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
