/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The child's half of a jail. The order matters: ids while the capabilities for
 * it are there, the root before Landlock forbids mounting, the capabilities
 * after all that needs them, the parent-death signal after the last change of
 * credentials, which clears it.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/securebits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/impl.h"
#include "sandbox/seccomp.h"

static int check_fds(unsigned int n, struct vm_error *e)
{
	struct stat st;
	int err;

	for (unsigned int fd = 0; fd < n; fd++) {
		if (fstat((int)fd, &st) < 0)
			return cv_err(e, -EBADF, "sandbox: descriptor %u should be open and is not",
				      fd);
		if (S_ISDIR(st.st_mode))
			return cv_err(
				e, -EISDIR,
				"sandbox: descriptor %u is a directory, which leads out of the "
				"jail; pass files only",
				fd);
	}
	if (syscall(SYS_close_range, n, UINT_MAX, 0) < 0) {
		err = -errno;
		return cv_err(
			e, err,
			"sandbox: the other descriptors cannot be closed: %s; this needs Linux "
			"5.11 or later",
			strerror(-err));
	}
	return 0;
}

static int change_ids(const struct cv_jail *jail)
{
	/* the capabilities outlast the change from root to somebody else */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return -errno;
	if (jail->drop_groups && setgroups(0, NULL) < 0)
		return -errno;
	if (setresgid(jail->gid, jail->gid, jail->gid) < 0 ||
	    setresuid(jail->uid, jail->uid, jail->uid) < 0)
		return -errno;
	return 0;
}

static int take_ids(const struct cv_jail *jail, struct vm_error *e)
{
	int err;

	/* an ordinary user outside of a user namespace has no choice */
	if (!(jail->mechanisms & CV_JAIL_USER) && !jail->drop_groups)
		return 0;
	err = change_ids(jail);
	if (err)
		return cv_err(
			e, err,
			"sandbox: the ids %u and %u cannot be taken: %s; the capabilities of the "
			"user namespace may be withheld (AppArmor: sysctl "
			"kernel.apparmor_restrict_unprivileged_userns=0), or leave 'user' out "
			"of the sandbox",
			jail->uid, jail->gid, strerror(-err));
	return 0;
}

static int clear_names(struct vm_error *e)
{
	int err;

	if (sethostname("", 0) == 0 && setdomainname("", 0) == 0)
		return 0;
	err = -errno;
	return cv_err(
		e, err,
		"sandbox: the host's name cannot be cleared: %s; leave 'uts' out of the sandbox",
		strerror(-err));
}

static int forbid_new_privs(struct vm_error *e)
{
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return 0;
	err = -errno;
	return cv_err(e, err,
		      "sandbox: no_new_privs cannot be set: %s; leave it out of the sandbox",
		      strerror(-err));
}

static int close_the_door(struct vm_error *e)
{
	int err;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
		return 0;
	err = -errno;
	return cv_err(e, err, "sandbox: the parent-death signal cannot be set: %s", strerror(-err));
}

int cv_sandbox_enter(const struct cv_jail *jail, unsigned int n_fds, struct vm_error *e)
{
	uint32_t set = jail->mechanisms;
	int err = check_fds(n_fds, e);

	err = err ?: take_ids(jail, e);
	if (set & CV_JAIL_UTS)
		err = err ?: clear_names(e);
	if (set & CV_JAIL_MOUNT)
		err = err ?: cv_jail_enter_root(e);
	if (set & CV_JAIL_NO_NEW_PRIVS)
		err = err ?: forbid_new_privs(e);
	if (set & CV_JAIL_RLIMIT)
		err = err ?: cv_jail_set_limits(jail, e);
	if (set & CV_JAIL_LANDLOCK)
		err = err ?: cv_jail_enter_landlock(e);
	if (set & CV_JAIL_CAPS)
		err = err ?: cv_jail_drop_caps(e);
	return err ?: close_the_door(e);
}

int cv_sandbox_seal(const struct cv_jail *jail, const struct cv_seccomp *seccomp, int *listener,
		    struct vm_error *e)
{
	int err = 0;

	if (listener)
		*listener = -1;

	if (jail->mechanisms & CV_JAIL_RLIMIT)
		err = cv_jail_forbid_locking(e);
	if (err || !(jail->mechanisms & CV_JAIL_SECCOMP))
		return err;
	return listener ? cv_seccomp_install_told(seccomp, listener, e)
			: cv_seccomp_install(seccomp, e);
}
