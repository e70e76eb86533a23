/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seccomp programs: compiled from policies, out of the table of the build or a
 * directory of the user's, and installed in a process that will not get rid of
 * them. The parent makes the program, the device process only loads it.
 */
#ifndef CV_SANDBOX_SECCOMP_H
#define CV_SANDBOX_SECCOMP_H

#include <linux/audit.h>
#include <linux/filter.h>

#include "sandbox/policy.h"

/* AUDIT_ARCH_ of this build, as programs compare it. */
#if defined(__x86_64__)
#define CV_SECCOMP_ARCH AUDIT_ARCH_X86_64
#else
#define CV_SECCOMP_ARCH AUDIT_ARCH_AARCH64
#endif

/* A program; zeroed is none. */
struct cv_seccomp {
	struct sock_filter *insns;
	uint16_t n;
};

/* One of the programs compiled with the library, for its architecture. */
struct cv_seccomp_builtin {
	const char *name; /* NULL ends the table; the `policy` of a device class */
	const struct sock_filter *insns;
	uint16_t n;
};

/* Generated from seccomp/ARCH/NAME.policy; empty in a build without libseccomp. */
extern const struct cv_seccomp_builtin cv_seccomp_builtins[];

/* Compiles @policy into @s, which is zeroed. 0; -ENOMEM or -E2BIG. Calls of another architecture
 * are killed, with x32 counting as one. */
int cv_seccomp_compile(struct cv_seccomp *s, const struct cv_policy *policy,
		       struct vm_error *e) CV_MUST_CHECK;

/*
 * The program for the policy @name, into @s, which is zeroed: NAME.policy in @dir,
 * or the library's own where @dir is NULL. 0; -ENOENT when there is none of that
 * name; what cv_policy_read() returns; always with a sentence.
 */
int cv_seccomp_get(struct cv_seccomp *s, const char *dir, const char *name,
		   struct vm_error *e) CV_MUST_CHECK;

/* Lets pass and logs (in the kernel's log) what would be killed, but for calls of another
 * architecture. */
void cv_seccomp_log_failures(struct cv_seccomp *s);

/* Puts this process's id where the policy says SELF. */
void cv_seccomp_put_self(struct cv_seccomp *s);

/* Installs the program in every thread of this process; no_new_privs must be set already. 0 or
 * -errno with a sentence. */
int cv_seccomp_install(const struct cv_seccomp *s, struct vm_error *e) CV_MUST_CHECK;

/*
 * The same, but what would be killed is held back, never done, and told on
 * *listener: whoever has it is to kill the process then. It must not stay in the process: who has
 * it may also let calls pass. Where the kernel gives none (before Linux 5.7, or
 * inside of another one's filter with a listener), *listener becomes -1, and such
 * calls kill. seccomp_unotify(2)
 */
int cv_seccomp_install_told(const struct cv_seccomp *s, int *listener,
			    struct vm_error *e) CV_MUST_CHECK;

/* Takes what @listener tells without waiting: false if nothing, else the call's name in @buf. */
bool cv_seccomp_told(int listener, char *buf, size_t size);

void cv_seccomp_fini(struct cv_seccomp *s);

#endif
