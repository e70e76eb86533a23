/* SPDX-License-Identifier: BSD-3-Clause */
/* vCPUs on KVM: running, kicking, and what an exit means. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "hypervisor/kvm.h"

#define SIGSET_LEN 8u /* the kernel's sigset_t */

int cv_kvm_vcpu_create(struct cv_hv *hv, unsigned int index, struct cv_vcpu **vcpu,
		       struct vm_error *e)
{
	struct cv_kvm *kvm = cv_kvm_of(hv);
	struct cv_kvm_vcpu *v = calloc(1, sizeof(*v));
	void *run;
	int err, fd;

	if (!v)
		return cv_err(e, -ENOMEM, "vCPU %u: out of memory", index);
	v->vcpu.ops = hv->ops;
	v->vcpu.index = index;
	v->kvm = kvm;
	fd = cv_kvm_ioctl_value(cv_fd_get(&kvm->vm), KVM_CREATE_VCPU, index);
	if (fd < 0) {
		free(v);
		return cv_err_os(e, fd, "vCPU %u: KVM cannot make it", index);
	}
	cv_fd_set(&v->fd, fd);
	run = mmap(NULL, kvm->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (run == MAP_FAILED) {
		err = -errno;
		cv_kvm_vcpu_destroy(&v->vcpu);
		return cv_err(e, err, "vCPU %u: its shared page cannot be mapped: %s", index,
			      strerror(-err));
	}
	v->run = run;
	*vcpu = &v->vcpu;
	return 0;
}

void cv_kvm_vcpu_destroy(struct cv_vcpu *vcpu)
{
	struct cv_kvm_vcpu *v;

	if (!vcpu)
		return;
	v = cv_kvm_vcpu_of(vcpu);
	if (v->run)
		munmap(v->run, v->kvm->run_len);
	cv_fd_close(&v->fd);
	free(v);
}

int cv_kvm_vcpu_enter(struct cv_vcpu *vcpu, struct vm_error *e)
{
	struct cv_kvm_vcpu *v = cv_kvm_vcpu_of(vcpu);
	uint64_t blocked = ~(1ull << (CV_KVM_KICK_SIGNAL - 1));
	union {
		struct kvm_signal_mask head;
		uint8_t room[sizeof(struct kvm_signal_mask) + SIGSET_LEN];
	} mask = { .head.len = SIGSET_LEN };
	int err;

	memcpy(mask.head.sigset, &blocked, sizeof(blocked));
	err = cv_kvm_ioctl(cv_fd_get(&v->fd), KVM_SET_SIGNAL_MASK, &mask);
	if (err)
		return cv_err(e, err, "vCPU %u: KVM_SET_SIGNAL_MASK failed: %s", vcpu->index,
			      strerror(-err));
	v->thread = pthread_self();
	return 0;
}

/* One signal is enough however many kick, and real-time signals queue: see take_kick(). */
void cv_kvm_vcpu_kick(struct cv_vcpu *vcpu)
{
	struct cv_kvm_vcpu *v = cv_kvm_vcpu_of(vcpu);

	if (!atomic_exchange(&v->kicked, true))
		pthread_kill(v->thread, CV_KVM_KICK_SIGNAL);
}

/* First the signal, then the flag: whoever kicks in between finds the flag set and sends nothing,
 * and we are about to return to our caller anyway. */
static void take_kick(struct cv_kvm_vcpu *v)
{
	const struct timespec now = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, CV_KVM_KICK_SIGNAL);
	while (sigtimedwait(&set, NULL, &now) > 0)
		;
	atomic_store(&v->kicked, false);
}

static void exit_io(struct kvm_run *run, struct cv_exit *exit)
{
	exit->kind = CV_EXIT_IO;
	exit->write = run->io.direction == KVM_EXIT_IO_OUT;
	exit->len = run->io.size;
	exit->count = run->io.count;
	exit->addr = run->io.port;
	exit->data = (uint8_t *)run + run->io.data_offset;
}

static void exit_mmio(struct kvm_run *run, struct cv_exit *exit)
{
	exit->kind = CV_EXIT_MMIO;
	exit->write = run->mmio.is_write;
	exit->len = (uint8_t)run->mmio.len;
	exit->count = 1;
	exit->addr = run->mmio.phys_addr;
	exit->data = run->mmio.data;
}

static CV_PRINTF(3, 4) void failed(struct cv_kvm_vcpu *v, struct cv_exit *exit, const char *fmt,
				   ...)
{
	size_t len;
	va_list ap;

	exit->kind = CV_EXIT_FAILED;
	va_start(ap, fmt);
	vsnprintf(exit->text, sizeof(exit->text), fmt, ap);
	va_end(ap);
	len = strlen(exit->text);
	cv_kvm_arch_where(v, exit->text + len, sizeof(exit->text) - len);
}

static void exit_system_event(struct cv_kvm_vcpu *v, struct cv_exit *exit)
{
	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		exit->kind = CV_EXIT_POWER_OFF;
		break;
	case KVM_SYSTEM_EVENT_RESET:
		exit->kind = CV_EXIT_RESET;
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		exit->kind = CV_EXIT_CRASHED;
		break;
	default:
		failed(v, exit, "KVM reports system event %u, which is unknown",
		       v->run->system_event.type);
	}
}

/* The bytes of the instruction that KVM could not emulate, where it tells them. */
static void instruction(const struct kvm_run *run, char *buf, size_t size)
{
	size_t n = 0, at = 0;

	buf[0] = '\0';
	if (run->emulation_failure.ndata >= 3 &&
	    (run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		n = cv_min((size_t)run->emulation_failure.insn_size,
			   sizeof(run->emulation_failure.insn_bytes));
	for (size_t i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%02x", i ? " " : ": ",
				       run->emulation_failure.insn_bytes[i]);
}

static void exit_internal_error(struct cv_kvm_vcpu *v, struct cv_exit *exit)
{
	const struct kvm_run *run = v->run;
	char bytes[64];

	switch (run->internal.suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		instruction(run, bytes, sizeof(bytes));
		failed(v, exit, "KVM cannot emulate an instruction (suberror 1)%s", bytes);
		break;
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		failed(v, exit, "KVM met two exceptions at once (suberror 2)");
		break;
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		failed(v, exit, "KVM cannot deliver an event (suberror 3)");
		break;
	default:
		failed(v, exit, "KVM internal error, suberror %u", run->internal.suberror);
	}
}

/* Whether it concerns anybody: false when the vCPU is simply to go on. */
static bool exit_reason(struct cv_kvm_vcpu *v, struct cv_exit *exit)
{
	struct kvm_run *run = v->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		exit_io(run, exit);
		break;
	case KVM_EXIT_MMIO:
		exit_mmio(run, exit);
		break;
	case KVM_EXIT_HLT:
		exit->kind = CV_EXIT_HALTED;
		break;
	case KVM_EXIT_SHUTDOWN:
		exit->kind = CV_EXIT_SHUTDOWN;
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		exit_system_event(v, exit);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit_internal_error(v, exit);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		failed(v, exit, "KVM cannot enter the guest, hardware reason 0x%llx",
		       (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		if (cv_kvm_arch_exit(v))
			return false;
		failed(v, exit, "KVM exit reason %u is not handled", run->exit_reason);
	}
	return true;
}

/* KVM_RUN, until there is something to tell: 0 or -errno. */
static int run(struct cv_kvm_vcpu *v, struct cv_exit *exit)
{
	for (;;) {
		int err = cv_kvm_ioctl_value(cv_fd_get(&v->fd), KVM_RUN, 0);

		/* -EAGAIN: a processor that waited for its start has been woken */
		if (err < 0 && err != -EAGAIN)
			return err;
		if (err >= 0 && exit_reason(v, exit))
			return 0;
	}
}

void cv_kvm_vcpu_run(struct cv_vcpu *vcpu, struct cv_exit *exit)
{
	struct cv_kvm_vcpu *v = cv_kvm_vcpu_of(vcpu);
	int err = run(v, exit);

	if (err == -EINTR) {
		take_kick(v);
		exit->kind = CV_EXIT_KICKED;
	} else if (err < 0) {
		failed(v, exit, "KVM_RUN failed: %s", strerror(-err));
	}
}
