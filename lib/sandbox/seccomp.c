/* SPDX-License-Identifier: BSD-3-Clause */
/* Seccomp programs: where they come from, and their installation. */
#include "sandbox/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

/* What cv_seccomp_compile() puts in front: the kills there are for calls of another architecture. */
#define PROLOGUE 6u

static int get_builtin(struct cv_seccomp *s, const char *name, struct vm_error *e)
{
	const struct cv_seccomp_builtin *b = cv_seccomp_builtins;

	if (!b->name)
		return cv_err(e, -ENOSYS,
			      "seccomp: this build has no policies; build it with libseccomp-dev "
			      "installed");
	while (b->name && strcmp(b->name, name) != 0)
		b++;
	if (!b->name)
		return cv_err(e, -ENOENT,
			      "seccomp: there is no policy '%s' in this build; name a directory "
			      "that has %s.policy",
			      name, name);
	s->insns = calloc(b->n, sizeof(*s->insns));
	if (!s->insns)
		return cv_err(e, -ENOMEM, "seccomp: out of memory");
	memcpy(s->insns, b->insns, b->n * sizeof(*s->insns));
	s->n = b->n;
	return 0;
}

int cv_seccomp_get(struct cv_seccomp *s, const char *dir, const char *name, struct vm_error *e)
{
	CV_AUTO_FREE struct cv_policy *policy = NULL;
	CV_AUTO_FREE char *path = NULL;
	int err;

	if (!dir)
		return get_builtin(s, name, e);
	policy = calloc(1, sizeof(*policy));
	path = cv_str_printf("%s/%s.policy", dir, name);
	if (!policy || !path)
		return cv_err(e, -ENOMEM, "seccomp: out of memory");
	err = cv_policy_read(policy, cv_arch_native(), path, e);
	return err ?: cv_seccomp_compile(s, policy, e);
}

void cv_seccomp_log_failures(struct cv_seccomp *s)
{
	for (uint16_t i = PROLOGUE; i < s->n; i++)
		if (s->insns[i].code == (BPF_RET | BPF_K) &&
		    s->insns[i].k == SECCOMP_RET_KILL_PROCESS)
			s->insns[i].k = SECCOMP_RET_LOG;
}

int cv_seccomp_install(const struct cv_seccomp *s, struct vm_error *e)
{
	struct sock_fprog prog = { .len = s->n, .filter = s->insns };
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
	int err = r < 0 ? -errno : 0;

	if (r == 0)
		return 0;
	if (r > 0) /* the thread that could not be brought along */
		return cv_err(e, -ESRCH, "seccomp: thread %ld has a filter of its own", r);
	return cv_err(e, err,
		      "seccomp: the kernel does not take the filter: %s; it must be built with "
		      "CONFIG_SECCOMP_FILTER, and no_new_privs must be set",
		      strerror(-err));
}
