/* SPDX-License-Identifier: BSD-3-Clause */
/* Seccomp programs: where they come from, and their installation. */
#include "sandbox/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "sandbox/syscalls.h"

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
	err = err ?: cv_seccomp_compile(s, policy, e);
	return err ? cv_err_prefix(e, err, "seccomp_policy_dir") : 0;
}

/* In place of the kills, but for those of the prologue. */
static void replace_kills(struct sock_filter *insns, uint16_t n, uint32_t with)
{
	for (uint16_t i = PROLOGUE; i < n; i++)
		if (insns[i].code == (BPF_RET | BPF_K) && insns[i].k == SECCOMP_RET_KILL_PROCESS)
			insns[i].k = with;
}

void cv_seccomp_log_failures(struct cv_seccomp *s)
{
	replace_kills(s->insns, s->n, SECCOMP_RET_LOG);
}

void cv_seccomp_put_self(struct cv_seccomp *s)
{
	for (uint16_t i = 0; i < s->n; i++)
		if (s->insns[i].code == (BPF_JMP | BPF_JEQ | BPF_K) &&
		    s->insns[i].k == CV_POLICY_SELF)
			s->insns[i].k = (uint32_t)getpid();
}

static long load(const struct sock_filter *insns, uint16_t n, unsigned long flags)
{
	struct sock_fprog prog = { .len = n, .filter = (struct sock_filter *)(uintptr_t)insns };
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);

	return r < 0 ? -errno : r;
}

int cv_seccomp_install(const struct cv_seccomp *s, struct vm_error *e)
{
	long r = load(s->insns, s->n, SECCOMP_FILTER_FLAG_TSYNC);

	if (r == 0)
		return 0;
	if (r > 0) /* the thread that could not be brought along */
		return cv_err(e, -ESRCH, "seccomp: thread %ld has a filter of its own", r);
	return cv_err(e, (int)r,
		      "seccomp: the kernel does not take the filter: %s; it must be built with "
		      "CONFIG_SECCOMP_FILTER, and no_new_privs must be set",
		      strerror((int)-r));
}

int cv_seccomp_install_told(const struct cv_seccomp *s, int *listener, struct vm_error *e)
{
	CV_AUTO_FREE struct sock_filter *insns = malloc(s->n * sizeof(*insns) + 1);
	long r;

	if (!insns)
		return cv_err(e, -ENOMEM, "seccomp: out of memory");
	memcpy(insns, s->insns, s->n * sizeof(*insns));
	replace_kills(insns, s->n, SECCOMP_RET_USER_NOTIF);
	r = load(insns, s->n,
		 SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
			 SECCOMP_FILTER_FLAG_NEW_LISTENER);
	*listener = r < 0 ? -1 : (int)r;
	/* why it was not taken, if that is not for the listener, is found out so too */
	return r < 0 ? cv_seccomp_install(s, e) : 0;
}

bool cv_seccomp_told(int listener, char *buf, size_t size)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	/* newer kernels may say more */
	union {
		struct seccomp_notif notif;
		uint8_t room[1024];
	} u;

	memset(&u, 0, sizeof(u));
	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN) ||
	    ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &u.notif) < 0)
		return false;
	cv_syscall_name(cv_arch_native(), u.notif.data.nr, buf, size);
	return true;
}
