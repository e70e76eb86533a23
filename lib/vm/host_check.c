/* SPDX-License-Identifier: BSD-3-Clause */
/* vm_host_check(): each thing is tried, since files and versions only tell what should work. */
#include <crosvm/host.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypervisor/kvm.h"
#include "hypervisor/speed.h"
#include "vm/vm.h"

/* Old headers lack them; the numbers are every architecture's. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

static struct vm_host_row *add_row(struct vm_host_check *c, const char *name, bool required)
{
	struct vm_host_row *row = &c->rows[c->n_rows++];

	*row = (struct vm_host_row){ .name = name, .required = required };
	return row;
}

static CV_PRINTF(2, 3) void found(struct vm_host_row *row, const char *fmt, ...)
{
	va_list ap;

	row->ok = true;
	va_start(ap, fmt);
	vsnprintf(row->detail, sizeof(row->detail), fmt, ap);
	va_end(ap);
}

static CV_PRINTF(3, 4) void missing(struct vm_host_row *row, const char *remedy, const char *fmt,
				    ...)
{
	va_list ap;

	row->ok = false;
	snprintf(row->remedy, sizeof(row->remedy), "%s", remedy);
	va_start(ap, fmt);
	vsnprintf(row->reason, sizeof(row->reason), fmt, ap);
	va_end(ap);
}

/* The number in a file of /proc/sys, or -1. */
static int sysctl_value(const char *path)
{
	CV_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	return n > 0 ? (int)strtol(text, NULL, 10) : -1;
}

/* ---- KVM ---- */

static void check_capabilities(struct vm_host_check *c, int fd)
{
	const struct cv_kvm_cap *cap;

	for (unsigned int i = 0; (cap = cv_kvm_cap(i)); i++) {
		struct vm_host_row *row = add_row(c, cap->name, true);
		int value = fd < 0 ? 0 : cv_kvm_extension(fd, cap->number);

		if (fd < 0)
			missing(row, "see the row \"kvm\"", "/dev/kvm cannot be used");
		else if (value > 0)
			found(row, "%s %d", cap->macro, value);
		else
			missing(row, "use a newer kernel or another host",
				"KVM lacks %s, which Linux has had since %s", cap->macro,
				cap->since);
	}
}

static void check_speed(struct vm_host_row *kvm, struct vm_host_row *row)
{
	const struct cv_hv_config config = { .n_vcpus = 1 };
	struct vm_error e = { 0 };
	struct cv_speed speed;
	struct cv_hv *hv;

	if (cv_hv_kvm_create(&hv, &config, NULL, &e)) {
		missing(kvm, "see the reason", "%s", e.text);
		missing(row, "see the row \"kvm\"", "no VM can be made");
	} else if (cv_speed_measure(hv, &speed, &e)) {
		missing(row, "use another host", "a tiny guest could not run: %s", e.text);
	} else if (speed.native) {
		found(row, "at least %llu million instructions a second",
		      (unsigned long long)speed.per_second / 1000000);
	} else {
		missing(row,
			"use a host with hardware virtualization (VMX or SVM), or boot Linux in "
			"an emulated machine with QEMU",
			"this KVM interprets guest kernel mode, at about %llu thousand "
			"instructions a second",
			(unsigned long long)speed.per_second / 1000);
	}
}

static void check_kvm(struct vm_host_check *c)
{
	struct vm_host_row *kvm = add_row(c, "kvm", true), *native;
	struct cv_kvm_fault fault;
	CV_AUTO_FD int fd = cv_kvm_open(&fault);
	bool all = true;

	if (fd < 0)
		missing(kvm, fault.remedy, "%s", fault.reason);
	else
		found(kvm, "KVM API version %d", KVM_API_VERSION);
	check_capabilities(c, fd);
	for (uint32_t i = 0; i < c->n_rows; i++)
		all = all && c->rows[i].ok;
	native = add_row(c, "native_kernel", false);
	if (all)
		check_speed(kvm, native);
	else
		missing(native, "see the rows \"kvm...\"", "no VM can be made");
}

/* ---- device files ---- */

static void check_file(struct vm_host_row *row, const char *path, const char *module,
		       const char *permission)
{
	CV_AUTO_FD int fd = open(path, O_RDWR | O_CLOEXEC);
	char remedy[sizeof(row->remedy)];
	int err = errno;

	if (fd >= 0) {
		found(row, "%s", path);
		return;
	}
	if (err == EACCES || err == EPERM)
		snprintf(remedy, sizeof(remedy), "%s", permission);
	else
		snprintf(remedy, sizeof(remedy), "load the kernel module %s (modprobe %s)", module,
			 module);
	missing(row, remedy, "%s does not open: %s", path, strerror(err));
}

/* ---- sandbox ---- */

/*
 * Makes a child in a new user namespace that ends at once. The bare system call,
 * because the C library's calls would run handlers of the embedder's or share
 * its memory; the child does nothing but end, so no other thread's lock matters,
 * and it gives no SIGCHLD. 0 or -errno.
 */
static int try_user_namespace(void)
{
	sigset_t all, saved;
	long pid;
	int err;

	sigfillset(&all); /* a handler of the embedder's must not run in the child */
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	pid = syscall(SYS_clone, CLONE_NEWUSER, NULL, NULL, NULL, 0);
	if (pid == 0)
		syscall(SYS_exit_group, 0);
	err = pid < 0 ? -errno : 0;
	while (pid > 0 && waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return err;
}

static void check_user_namespaces(struct vm_host_row *row)
{
	int err = try_user_namespace();

	if (err == -EINVAL || err == -ENOSYS)
		missing(row, "use a kernel with CONFIG_USER_NS", "this kernel has none");
	else if (err == -ENOSPC)
		missing(row, "raise sysctl user.max_user_namespaces",
			"as many as allowed exist already");
	else if (err == -EPERM || err == -EACCES)
		missing(row,
			"set sysctl kernel.unprivileged_userns_clone=1 where it exists, leave the "
			"chroot or container, or run as root",
			"making one is not permitted");
	else if (err)
		missing(row, "see the reason", "making one fails: %s", strerror(-err));
	else if (geteuid() != 0 &&
		 sysctl_value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		missing(row,
			"set sysctl kernel.apparmor_restrict_unprivileged_userns=0, add an "
			"AppArmor profile, or run as root",
			"AppArmor takes away what a new one would permit");
	else
		found(row, "one was made");
}

static void check_seccomp(struct vm_host_row *row)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		found(row, "filters that kill the process");
	else
		missing(row, "use Linux 4.14 or later with CONFIG_SECCOMP_FILTER",
			"filters that kill the process are not there: %s", strerror(errno));
}

static void check_landlock(struct vm_host_row *row)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi > 0)
		found(row, "ABI version %ld", abi);
	else if (errno == EOPNOTSUPP)
		missing(row, "add landlock to the kernel's boot argument lsm=",
			"Landlock is switched off");
	else
		missing(row, "use Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK",
			"this kernel has no Landlock: %s", strerror(errno));
}

/* ---- io_uring ---- */

static void check_io_uring(struct vm_host_row *row)
{
	struct io_uring_params params = { 0 };
	CV_AUTO_FD int fd = (int)syscall(SYS_io_uring_setup, 1, &params);
	int err = errno;

	if (fd >= 0)
		found(row, "features 0x%x", params.features);
	else if (err == ENOSYS)
		missing(row, "use Linux 5.1 or later with CONFIG_IO_URING", "this kernel has none");
	else if (err == EPERM && sysctl_value("/proc/sys/kernel/io_uring_disabled") > 0)
		missing(row, "set sysctl kernel.io_uring_disabled=0",
			"io_uring is switched off by kernel.io_uring_disabled");
	else if (err == EPERM || err == EACCES)
		missing(row, "allow io_uring_setup in the container's seccomp profile",
			"making a ring is not permitted");
	else if (err == ENOMEM)
		missing(row, "raise the limit of locked memory (ulimit -l)",
			"a ring does not fit in the locked memory allowed");
	else
		missing(row, "see the reason", "making a ring fails: %s", strerror(err));
}

static void check_all(struct vm_host_check *c)
{
	check_kvm(c);
	check_file(add_row(c, "tun", false), "/dev/net/tun", "tun",
		   "make /dev/net/tun readable and writable for your user");
	check_file(add_row(c, "vhost_net", false), "/dev/vhost-net", "vhost_net",
		   "add your user to the kvm group, or run as root");
	check_file(add_row(c, "vhost_vsock", false), "/dev/vhost-vsock", "vhost_vsock",
		   "add your user to the kvm group, or run as root");
	check_user_namespaces(add_row(c, "user_namespaces", false));
	check_seccomp(add_row(c, "seccomp", false));
	check_landlock(add_row(c, "landlock", false));
	check_io_uring(add_row(c, "io_uring", false));
	c->usable = true;
	for (uint32_t i = 0; i < c->n_rows; i++)
		c->usable = c->usable && (c->rows[i].ok || !c->rows[i].required);
}

int vm_host_check(struct vm_host_check *check, struct vm_error *error)
{
	const size_t head = offsetof(struct vm_host_check, rows);
	size_t size = check->size;
	CV_AUTO_FREE struct vm_host_check *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return cv_err(error, -ENOMEM, "the host check: out of memory");
	err = cv_vm_take(c, check, sizeof(*c), "the host check", error);
	if (err)
		return err;
	if (size < head)
		return cv_err(error, -EINVAL,
			      "the host check: its size field is too small, use "
			      "the INIT macro");
	memset(c, 0, sizeof(*c)); /* the caller's rows say nothing */
	check_all(c);
	c->size = size;
	c->n_rows = (uint32_t)cv_min(c->n_rows, (size - head) / sizeof(c->rows[0]));
	memcpy(check, c, cv_min(size, sizeof(*c)));
	return 0;
}
