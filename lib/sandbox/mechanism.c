/* SPDX-License-Identifier: BSD-3-Clause */
/* What a jail is made of: names, sets, defaults. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/math.h"
#include "sandbox/impl.h"

#define NOBODY 65534u

static const struct {
	const char *name;
	enum cv_mechanism mechanism;
} names[] = {
	{ "user", CV_JAIL_USER },	  { "pid", CV_JAIL_PID },
	{ "net", CV_JAIL_NET },		  { "ipc", CV_JAIL_IPC },
	{ "uts", CV_JAIL_UTS },		  { "mount", CV_JAIL_MOUNT },
	{ "cgroup", CV_JAIL_CGROUP },	  { "caps", CV_JAIL_CAPS },
	{ "rlimit", CV_JAIL_RLIMIT },	  { "no_new_privs", CV_JAIL_NO_NEW_PRIVS },
	{ "landlock", CV_JAIL_LANDLOCK }, { "seccomp", CV_JAIL_SECCOMP },
};

const struct cv_jail_ns cv_jail_namespaces[] = {
	{ CV_JAIL_USER, CLONE_NEWUSER, "user", "user" },
	{ CV_JAIL_PID, CLONE_NEWPID, "pid", "pid" },
	{ CV_JAIL_NET, CLONE_NEWNET, "net", "net" },
	{ CV_JAIL_IPC, CLONE_NEWIPC, "ipc", "ipc" },
	{ CV_JAIL_UTS, CLONE_NEWUTS, "uts", "uts" },
	{ CV_JAIL_MOUNT, CLONE_NEWNS, "mnt", "mnt" },
	{ CV_JAIL_CGROUP, CLONE_NEWCGROUP, "cgroup", "cgroup" },
};
const size_t cv_jail_n_namespaces = CV_LEN(cv_jail_namespaces);

const char *cv_jail_name(enum cv_mechanism mechanism)
{
	for (size_t i = 0; i < CV_LEN(names); i++)
		if (names[i].mechanism == mechanism)
			return names[i].name;
	return "unknown";
}

uint32_t cv_jail_default(void)
{
	uint32_t all = CV_JAIL_ALL;

	return cv_landlock_version() > 0 ? all : all & ~(uint32_t)CV_JAIL_LANDLOCK;
}

/* The mask that one word stands for. */
static int word_mask(const char *word, size_t len, uint32_t *mask)
{
	for (size_t i = 0; i < CV_LEN(names); i++)
		if (strlen(names[i].name) == len && strncasecmp(names[i].name, word, len) == 0) {
			*mask = names[i].mechanism;
			return 0;
		}
	if (len == strlen("default") && strncasecmp(word, "default", len) == 0) {
		*mask = cv_jail_default();
		return 0;
	}
	*mask = 0;
	return len == strlen("none") && strncasecmp(word, "none", len) == 0 ? 0 : -EINVAL;
}

static int check(uint32_t mask, struct vm_error *e)
{
	const uint32_t needing = CV_JAIL_SECCOMP | CV_JAIL_LANDLOCK;

	if ((mask & needing) && !(mask & CV_JAIL_NO_NEW_PRIVS))
		return cv_err(e, -EINVAL, "%s needs no_new_privs; add that to the list",
			      mask & CV_JAIL_SECCOMP ? "seccomp" : "landlock");
	return 0;
}

int cv_jail_parse(const char *text, uint32_t *mask, struct vm_error *e)
{
	const char *start = text;
	char all[160];

	*mask = 0;
	for (;; text++) {
		bool minus = *text == '-';
		const char *word = text + minus;
		size_t len = strcspn(word, ",");
		uint32_t one;

		if (word_mask(word, len, &one) < 0) {
			cv_jail_format(CV_JAIL_ALL, all, sizeof(all));
			return cv_err(e, -EINVAL,
				      "there is no mechanism '%.*s'; there are default, "
				      "none, %s",
				      (int)cv_min(len, (size_t)40), word, all);
		}
		/* nothing would be left: hardly what is meant by it */
		if (minus && text == start)
			return cv_err(e, -EINVAL,
				      "'%.*s' takes away from an empty list; give default,%.*s",
				      (int)len + 1, text, (int)len + 1, text);
		*mask = minus ? *mask & ~one : *mask | one;
		text = word + len;
		if (*text == '\0')
			return check(*mask, e);
	}
}

void cv_jail_format(uint32_t mask, char *buf, size_t size)
{
	size_t at = 0;

	snprintf(buf, size, "none");
	for (size_t i = 0; i < CV_LEN(names) && at < size; i++)
		if (mask & names[i].mechanism)
			at += (size_t)snprintf(buf + at, size - at, "%s%s", at > 0 ? "," : "",
					       names[i].name);
}

void cv_jail_init(struct cv_jail *jail, uint32_t mechanisms)
{
	bool root = geteuid() == 0;

	*jail = (struct cv_jail){
		.mechanisms = mechanisms,
		.uid = root ? NOBODY : geteuid(),
		.gid = root ? NOBODY : getegid(),
		.drop_groups = root,
		.max_fds = 256,
		.max_threads = 64,
		.max_data = 64 * CV_MIB,
	};
}
