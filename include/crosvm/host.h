/* SPDX-License-Identifier: BSD-3-Clause */
/* What this host offers to virtual machines, found out by trying. */
#ifndef CROSVM_HOST_H
#define CROSVM_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <crosvm/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* One thing that a host has or lacks. */
struct vm_host_row {
	const char *name; /* see vm_host_check(); static */
	bool ok;	  /* it is there and works */
	bool required;	  /* without it no VM can be created */
	char detail[64];  /* what was found, for people; may be empty */
	char reason[160]; /* not ok: why, one clause */
	char remedy[192]; /* not ok: what to do about it, one clause */
};

#define VM_HOST_MAX_ROWS 32

struct vm_host_check {
	size_t size;	 /* VM_HOST_CHECK_INIT */
	bool usable;	 /* every required row is ok */
	uint32_t n_rows; /* rows that follow */
	struct vm_host_row rows[VM_HOST_MAX_ROWS];
};

#define VM_HOST_CHECK_INIT                           \
	{                                            \
		.size = sizeof(struct vm_host_check) \
	}

/*
 * Finds out what this host offers and fills *check. The rows, in this order:
 *
 *	kvm			/dev/kvm opens and makes a VM
 *	kvm_...			a capability of KVM, one row each
 *	native_kernel		guest kernel mode runs at the processor's speed, so that an
 *				unmodified Linux can run; measured with a tiny guest
 *	tun			/dev/net/tun opens
 *	vhost_net, vhost_vsock	the kernel's vhost devices open
 *	user_namespaces		a process may make a user namespace; one is made, and ends at once
 *	seccomp			system call filters that kill the process
 *	landlock		file system sandboxing
 *	io_uring		a ring can be made
 *
 * Everything is tried, nothing is kept: a thread, a VM and a child process (which
 * gives no SIGCHLD and which only a wait with __WALL could see) live for some
 * milliseconds. Any thread; several at a time.
 *
 * Returns 0 also when everything is missing; -EINVAL or -E2BIG for a bad size.
 */
int vm_host_check(struct vm_host_check *check, struct vm_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
