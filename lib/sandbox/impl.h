/* SPDX-License-Identifier: BSD-3-Clause */
/* The rooms behind sandbox.h. */
#ifndef CV_SANDBOX_IMPL_H
#define CV_SANDBOX_IMPL_H

#include "sandbox/sandbox.h"

/* The namespaces among the mechanisms: what clone(2), /proc and sysctl call them. */
struct cv_jail_ns {
	enum cv_mechanism mechanism;
	int clone_flag;
	const char *file;   /* in /proc/self/ns */
	const char *sysctl; /* user.max_..._namespaces */
};

extern const struct cv_jail_ns cv_jail_namespaces[];
extern const size_t cv_jail_n_namespaces;

/* The number in a file of /proc; -1: there is none. */
long cv_proc_number(const char *path);

/* Tells why the namespaces of @mechanisms could not be made, clone() having failed with @err. */
int cv_jail_explain_clone(uint32_t mechanisms, int err, struct vm_error *e);

/* Writes the id maps of the child. 0 or -errno with a sentence. */
int cv_jail_write_maps(const struct cv_jail *jail, pid_t pid, struct vm_error *e) CV_MUST_CHECK;

/* The version of Landlock's interface, 0: none. */
int cv_landlock_version(void);

/* The steps of entering; 0 or -errno with a sentence. */
int cv_jail_enter_root(struct vm_error *e) CV_MUST_CHECK;
int cv_jail_enter_landlock(struct vm_error *e) CV_MUST_CHECK;
int cv_jail_forbid_locking(struct vm_error *e) CV_MUST_CHECK;
int cv_jail_set_limits(const struct cv_jail *jail, struct vm_error *e) CV_MUST_CHECK;
int cv_jail_drop_caps(struct vm_error *e) CV_MUST_CHECK;

#endif
