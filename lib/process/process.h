/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One device process as its parent sees it: started in a jail with the device's
 * open files, watched through a pidfd, asked on its control socket, ended.
 *
 * Everything in the VM's loop, by the thread that runs it, which must outlive
 * the process: the kernel ends a device process with the thread that made it.
 */
#ifndef CV_PROCESS_PROCESS_H
#define CV_PROCESS_PROCESS_H

#include "core/dev.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"
#include "sys/fd.h"
#include "sys/loop.h"

struct cv_process;

#define CV_PROCESS_MAX_POLICIES 32

/* What all device processes of a VM have in common. */
struct cv_process_host {
	const char
		*program; /* path of crosvm-device, or of a program that calls vm_device_main() */
	const char *policy_dir;	 /* NULL: the policies built in */
	uint32_t mechanisms;	 /* a mask of enum cv_mechanism */
	bool log_failures;	 /* seccomp logs instead of killing */
	unsigned int timeout_ms; /* for the start, one answer, a sign of life; 0: 5000 */
	/* from here on: zeroed first, kept for all processes to come */
	struct cv_fd opened; /* the program */
	unsigned int n_filters;
	struct {
		const char *policy;
		struct cv_seccomp filter;
	} filters[CV_PROCESS_MAX_POLICIES];
};

/* Frees what is kept there; no process is left. */
void cv_process_host_fini(struct cv_process_host *host);

struct cv_process_config {
	struct cv_process_host *host; /* outlives the child */
	const struct cv_class *cls;
	const void *config; /* of the class; its files are duplicated into the process */
	bool packed, poll;
	/* the front end is anybody's: its memory may be unsealed, and the process ends with the
	 * connection */
	bool foreign;
	bool repeated;	 /* another process may take up its requests: cv_env.repeated */
	uint64_t memory; /* bytes that the guest has; 0: unknown */
	struct cv_loop *loop;
	struct cv_log *log;
	/* the process has ended by itself, @why says how, or is NULL when a foreign front
	 * end has gone; in the loop, after which only cv_process_destroy() may be called */
	void (*died)(void *ctx, const char *why);
	/* it gave the sign of life that cv_process_check() asked for; in the loop; may be NULL */
	void (*alive)(void *ctx);
	void *ctx;
};

/*
 * Starts the process and tells it all it needs, without waiting for it, so that
 * several start side by side. @data: the device's end of the data socket,
 * borrowed. 0, or -errno with a sentence and nothing left behind.
 */
int cv_process_start(struct cv_process **child, const struct cv_process_config *config, int data,
		     struct vm_error *e) CV_MUST_CHECK;

/* Waits until the device is made and the jail closed. 0, or the sentence of what failed there. */
int cv_process_ready(struct cv_process *child, struct vm_error *e) CV_MUST_CHECK;

/* Runs a control operation of the class there, as cv_vslot_ops.control. */
int cv_process_control(struct cv_process *child, const char *op, const char *args, char *reply,
		       size_t size, struct vm_error *e) CV_MUST_CHECK;

/*
 * Asks for a sign of life, unless one is awaited. Without one within the host's
 * timeout the process is ended, and died() says that it has hung.
 */
void cv_process_check(struct cv_process *child);

/* Something speaks for its end: died() comes in a moment, with the reason that the kernel gives by
 * then, or else with @why. */
void cv_process_suspect(struct cv_process *child, const char *why);

/* Ends it without asking: it is of no use any more. Its died() may come still, and
 * cv_process_destroy() does not wait. */
void cv_process_kill(struct cv_process *child);

/* For what has failed with @err because of the process: -ECHILD and how that ended, if it has ended or
 * has to for a call that its policy forbids, as far as can be told within half a second. @err else. */
int cv_process_explain(struct cv_process *child, int err, struct vm_error *e);

pid_t cv_process_pid(const struct cv_process *child);

/* Ends the process: asks it, kills it if it does not listen, reaps it. NULL is fine. */
void cv_process_destroy(struct cv_process *child);

#endif
