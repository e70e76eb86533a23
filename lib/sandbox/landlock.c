/* SPDX-License-Identifier: BSD-3-Clause */
/* Landlock with all rights handled and none given, as far as this kernel knows them. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "sandbox/impl.h"

#define CREATE_VERSION 1u /* LANDLOCK_CREATE_RULESET_VERSION */

/* struct landlock_ruleset_attr: longer with each version, and the headers here may be older than the
 * kernel. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/* The rights are bits from 0 on: up to which the versions go, section "Previous limitations" of the
 * kernel's userspace-api/landlock.rst. */
static struct ruleset all_rights(int version)
{
	static const struct {
		unsigned int fs, net, scoped;
	} n_bits[] = {
		{ 13, 0, 0 }, /* 1 */
		{ 14, 0, 0 }, /* 2: renaming across directories */
		{ 15, 0, 0 }, /* 3: truncation */
		{ 15, 2, 0 }, /* 4: TCP */
		{ 16, 2, 0 }, /* 5: ioctl of devices */
		{ 16, 2, 2 }, /* 6: abstract sockets, signals */
	};
	size_t i = (size_t)version < CV_LEN(n_bits) ? (size_t)version - 1 : CV_LEN(n_bits) - 1;

	return (struct ruleset){ .fs = (1ull << n_bits[i].fs) - 1,
				 .net = (1ull << n_bits[i].net) - 1,
				 .scoped = (1ull << n_bits[i].scoped) - 1 };
}

static size_t ruleset_size(int version)
{
	if (version < 4)
		return offsetof(struct ruleset, net);
	return version < 6 ? offsetof(struct ruleset, scoped) : sizeof(struct ruleset);
}

int cv_landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return version > 0 ? (int)version : 0;
}

int cv_jail_enter_landlock(struct vm_error *e)
{
	int err = 0, version = cv_landlock_version();
	CV_AUTO_FD int fd = -1;
	struct ruleset rights;

	if (version == 0)
		return cv_err(e, -EOPNOTSUPP,
			      "sandbox: this kernel has no Landlock, or it is off (kernel argument "
			      "lsm=landlock,...); leave 'landlock' out of the sandbox");
	rights = all_rights(version);
	fd = (int)syscall(SYS_landlock_create_ruleset, &rights, ruleset_size(version), 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		err = -errno;
	if (err)
		return cv_err(
			e, err,
			"sandbox: Landlock cannot be entered: %s; leave 'landlock' out of the "
			"sandbox",
			strerror(-err));
	return 0;
}
