/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process gives up for good: capabilities and resources. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/impl.h"

#define ALL_LOCKED ((SECURE_ALL_BITS & ~SECBIT_KEEP_CAPS) | SECURE_ALL_LOCKS)

/* ---- capabilities ---- */

static int drop_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return 0;
}

static int drop_all(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	int err = drop_bounding_set();

	if (err)
		return err;
	if (prctl(PR_SET_SECUREBITS, ALL_LOCKED, 0, 0, 0) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
	    syscall(SYS_capset, &head, none) < 0)
		return -errno;
	return 0;
}

int cv_jail_drop_caps(struct vm_error *e)
{
	int err = drop_all();

	if (err)
		return cv_err(
			e, err,
			"sandbox: capabilities cannot be given up: %s; that needs 'user' in the "
			"sandbox or root, or leave 'caps' out of the sandbox",
			strerror(-err));
	return 0;
}

int cv_sandbox_drop_rights(struct vm_error *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	int err = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	/* an ordinary user may not, and without new privileges it is of no use to anybody */
	cv_ignore(drop_bounding_set());
	if (!err && (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		     syscall(SYS_capset, &head, none) < 0))
		err = -errno;
	return err ? cv_err(e, err, "sandbox: capabilities cannot be given up: %s", strerror(-err))
		   : 0;
}

/* ---- resources ---- */

static int lower(__rlimit_resource_t resource, rlim_t max)
{
	struct rlimit now, wanted = { max, max };

	if (getrlimit(resource, &now) < 0)
		return -errno;
	/* what is lower already stays so */
	if (wanted.rlim_cur > now.rlim_max) {
		wanted.rlim_cur = now.rlim_max;
		wanted.rlim_max = now.rlim_max;
	}
	return prlimit(0, resource, &wanted, NULL) < 0 ? -errno : 0;
}

struct limit {
	const char *name;
	__rlimit_resource_t resource;
	rlim_t max;
};

static int set_all(const struct limit *limits, size_t n, struct vm_error *e)
{
	for (size_t i = 0; i < n; i++) {
		int err = lower(limits[i].resource, limits[i].max);

		if (err)
			return cv_err(
				e, err,
				"sandbox: the limit of %s cannot be set: %s; leave 'rlimit' out "
				"of the sandbox",
				limits[i].name, strerror(-err));
	}
	return 0;
}

int cv_jail_set_limits(const struct cv_jail *jail, struct vm_error *e)
{
	/* the size of files is free: disks are written */
	const struct limit limits[] = {
		{ "core files", RLIMIT_CORE, 0 },
		{ "message queues", RLIMIT_MSGQUEUE, 0 },
		{ "real-time priority", RLIMIT_RTPRIO, 0 },
		{ "priority", RLIMIT_NICE, 0 },
		{ "pending signals", RLIMIT_SIGPENDING, 64 },
		{ "open files", RLIMIT_NOFILE, jail->max_fds },
		{ "threads", RLIMIT_NPROC, jail->max_threads },
		{ "private memory", RLIMIT_DATA, jail->max_data ?: RLIM_INFINITY },
		{ "address space", RLIMIT_AS, jail->max_space ?: RLIM_INFINITY },
	};

	return set_all(limits, CV_LEN(limits), e);
}

int cv_jail_forbid_locking(struct vm_error *e)
{
	const struct limit none = { "locked memory", RLIMIT_MEMLOCK, 0 };

	return set_all(&none, 1, e);
}
