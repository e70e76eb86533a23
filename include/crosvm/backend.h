/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Back ends: one of the library's virtio devices served to another VMM, which
 * reaches it by vhost-user at a Unix socket. One front end after the other; each
 * connection is served by a jailed process of its own, unless the sandbox is off.
 */
#ifndef CROSVM_BACKEND_H
#define CROSVM_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#include <crosvm/error.h>
#include <crosvm/log.h>
#include <crosvm/vm.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vm_backend;

struct vm_backend_config {
	size_t size; /* VM_BACKEND_CONFIG_INIT */
	/* the path of the socket to be made, where nothing may be but a socket that nobody listens
	 * at; or "/dev/fd/N" for a socket that listens or is connected already. Required */
	const char *socket;
	bool once;		     /* end after the first connection */
	vm_log_fn log;		     /* NULL: messages are dropped */
	void *log_user;		     /* given to log */
	enum vm_log_level log_level; /* 0: warnings and errors */
	/* as in struct vm_config; without the sandbox a front end that takes its guest's memory away
	 * ends this process with SIGBUS */
	enum vm_sandbox sandbox;
	const char *sandbox_mechanisms;
	const char *seccomp_policy_dir;
	bool seccomp_log_failures;
	const char *device_program;
};

#define VM_BACKEND_CONFIG_INIT                           \
	{                                                \
		.size = sizeof(struct vm_backend_config) \
	}

/*
 * Makes a back end: opens the device's files and listens. Front ends may connect
 * from now on and are served by vm_backend_run().
 *
 * @type: a virtio type that vm_device_type() lists, but not vhost-user
 * @options: as for vm_add_device(), without transport, sandbox and restart;
 *	packed queues are offered unless it says packed=false
 *
 * Returns 0 with *backend, to be destroyed by the caller; -EINVAL, -EADDRINUSE or
 * -EEXIST (something is at the socket's path), ….
 */
int vm_backend_create(const char *type, const char *options, const struct vm_backend_config *config,
		      struct vm_backend **backend, struct vm_error *error);

/*
 * Serves front ends in this thread, with which device processes end, until
 * vm_backend_stop(), or until the last connection that there is to be has ended.
 *
 * Returns 0; -ECHILD when the process of that last connection has died; or why
 * nothing can be served.
 */
int vm_backend_run(struct vm_backend *backend, struct vm_error *error);

/* Makes vm_backend_run() return soon, or at once when it is called next. Any thread, and signal
 * handlers. */
void vm_backend_stop(struct vm_backend *backend);

/* Frees a back end that does not run, and removes its socket. NULL is fine. */
void vm_backend_destroy(struct vm_backend *backend);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
