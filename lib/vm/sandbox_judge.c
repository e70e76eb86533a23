/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a device process is weaker than the default jail, from what was seen of it alone. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/bpf.h"
#include "sandbox/sandbox.h"
#include "vm/sandbox_report.h"

static CV_PRINTF(2, 3) void weak(struct cv_seen_process *s, const char *fmt, ...)
{
	va_list ap;

	if (s->pub.n_weak == CV_MAX_WEAKNESSES)
		return;
	va_start(ap, fmt);
	vsnprintf(s->weak[s->pub.n_weak++], sizeof(s->weak[0]), fmt, ap);
	va_end(ap);
}

/* Whether the source was read; if not, that is a weakness of what is known. */
static bool seen(struct cv_seen_process *s, enum vm_sandbox_source source, const char *name)
{
	const char *why = s->pub.unreadable[source];

	if (why[0])
		weak(s, "%s: not seen (%.60s)", name, why);
	return !why[0];
}

static void judge_ids(struct cv_seen_process *s)
{
	const struct vm_sandbox_process *p = &s->pub;

	if (p->uid[0] == 0 || p->uid[1] == 0 || p->uid[2] == 0 || p->uid[3] == 0)
		weak(s, "ids: it is root!");
	else if (p->gid[0] == 0 || p->gid[1] == 0 || p->gid[2] == 0 || p->gid[3] == 0)
		weak(s, "ids: its group is root's!");
}

static void judge_privileges(struct cv_seen_process *s)
{
	static const char *const names[] = { "inheritable", "permitted", "effective", "bounding",
					     "ambient" };
	const struct vm_sandbox_process *p = &s->pub;

	for (size_t i = 0; i < VM_SANDBOX_N_CAPS; i++)
		if (p->caps[i])
			weak(s, "capabilities: %d in the %s set!", __builtin_popcountll(p->caps[i]),
			     names[i]);
	if (p->no_new_privs != 1)
		weak(s, "no_new_privs: %s", p->no_new_privs == 0 ? "not set!" : "not seen");
	if (p->seccomp == 0)
		weak(s, "seccomp: none!");
	else if (p->seccomp < 0)
		weak(s, "seccomp: not seen (this kernel does not tell)");
}

/* An unreadable program is no weakness: that there is one was seen. */
static void judge_filter(struct cv_seen_process *s)
{
	const struct vm_sandbox_process *p = &s->pub;

	if (p->seccomp != 2 || p->unreadable[VM_SANDBOX_FILTER][0])
		return;
	if (p->n_logged > 0)
		weak(s, "seccomp: %" PRIu32 " system calls are only logged!", p->n_logged);
	if (p->n_allowed + p->n_conditional >= CV_BPF_N_CALLS / 2)
		weak(s, "seccomp: it allows nearly everything!");
}

static void judge_namespaces(struct cv_seen_process *s)
{
	for (size_t i = 0; i < VM_SANDBOX_N_NAMESPACES; i++)
		if (!s->pub.namespaces[i].own)
			weak(s, "namespaces: %s is the VM's own!", s->pub.namespaces[i].name);
}

/* With the room for a class's queues, of which there are many or few. */
#define MAX_DATA (1ull << 30)

static void judge_limits(struct cv_seen_process *s)
{
	struct cv_jail jail;

	cv_jail_init(&jail, CV_JAIL_ALL);
	const struct {
		const char *name;
		uint64_t max;
	} bounds[] = { { "core", 0 },
		       { "memlock", 0 },
		       { "nofile", jail.max_fds },
		       { "nproc", jail.max_threads },
		       { "data", MAX_DATA } };

	for (const struct vm_sandbox_limit *l = s->pub.limits; l->name; l++)
		for (size_t i = 0; i < CV_LEN(bounds); i++)
			if (strcmp(l->name, bounds[i].name) == 0 && l->hard > bounds[i].max)
				weak(s, "limits: %s is higher than %" PRIu64 "!", l->name,
				     bounds[i].max);
}

static void judge_fds(struct cv_seen_process *s)
{
	for (size_t i = 0; i < s->n_fds; i++) {
		const struct vm_sandbox_fd *fd = &s->fds[i];

		if (strcmp(fd->kind, "directory") == 0)
			weak(s, "descriptors: %d is a directory, which leads out!", fd->fd);
		else if (strncmp(fd->kind, "kvm-", 4) == 0 || strcmp(fd->name, "/dev/kvm") == 0)
			weak(s, "descriptors: %d is the hypervisor!", fd->fd);
		else if (strcmp(fd->kind, "pidfd") == 0)
			weak(s, "descriptors: %d reaches a process!", fd->fd);
	}
}

static void judge_memory(struct cv_seen_process *s)
{
	if (s->pub.writable_code)
		weak(s, "memory: some is writable and executable!");
	if (strcmp(s->pub.cls, "?") == 0)
		weak(s, "class: it maps guest memory, and does not say what it is!");
}

static void judge_root(struct cv_seen_process *s)
{
	if (s->pub.root_entries > 0)
		weak(s, "root: it sees a directory with %" PRIu32 " names!", s->pub.root_entries);
}

static void judge_dumpable(struct cv_seen_process *s)
{
	if (s->pub.dumpable)
		weak(s, "dumpable: others of its user may look into it!");
}

void cv_seen_judge(struct cv_seen_process *s)
{
	static const struct {
		enum vm_sandbox_source source;
		const char *name;
		void (*judge)(struct cv_seen_process *s);
	} rows[] = {
		{ VM_SANDBOX_STATUS, "ids", judge_ids },
		{ VM_SANDBOX_STATUS, "privileges", judge_privileges },
		{ VM_SANDBOX_NAMESPACES, "namespaces", judge_namespaces },
		{ VM_SANDBOX_LIMITS, "limits", judge_limits },
		{ VM_SANDBOX_ROOT, "root", judge_root },
		{ VM_SANDBOX_FDS, "descriptors", judge_fds },
		{ VM_SANDBOX_MAPS, "memory", judge_memory },
	};

	for (size_t i = 0; i < CV_LEN(rows); i++)
		if (seen(s, rows[i].source, rows[i].name))
			rows[i].judge(s);
	/* root's processes do not show it, and are weak already */
	judge_filter(s);
	if (!s->pub.unreadable[VM_SANDBOX_DUMPABLE][0])
		judge_dumpable(s);
}
