/* SPDX-License-Identifier: BSD-3-Clause */
/* vm_sandbox_report(): the main process and its children, as /proc has them. */
#include "vm/sandbox_report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "process/protocol.h"
#include "sandbox/proc.h"
#include "sys/fd.h"

#define MAX_PROCESSES 1024u

struct vm_sandbox_report {
	struct cv_seen_process **processes; /* NULL where there was none */
	size_t n;
};

/* ---- one process ---- */

/* Whether it has ended, though its remains may not have been taken away. */
static bool has_ended(int dir)
{
	CV_AUTO_FREE char *text = NULL;
	const char *name_end;

	if (cv_proc_read(dir, "stat", &text, NULL) < 0)
		return true;
	name_end = strrchr(text, ')'); /* the name before it may have its own */
	return name_end && (name_end[1] == ' ') && strchr("ZX", name_end[2]);
}

static bool is_device(int dir, char *cls, size_t size)
{
	CV_AUTO_FREE char *cmdline = NULL;
	size_t len;

	return cv_proc_read(dir, "cmdline", &cmdline, &len) == 0 &&
	       cv_proc_device(cmdline, len, CV_PROCESS_ARG, cls, size);
}

/* Adds the process, whose class is known ("?": not). 0 or -ENOMEM; one that is none of ours is left
 * out. */
static int add(struct vm_sandbox_report *r, pid_t pid, int dir, const char *cls, unsigned int flags)
{
	struct cv_seen_process *s = calloc(1, sizeof(*s));
	bool nameless = strcmp(cls, "?") == 0;
	int err;

	if (!s)
		return -ENOMEM;
	s->pub.pid = pid;
	s->pub.main = r->n == 0;
	snprintf(s->pub.cls, sizeof(s->pub.cls), "%s", cls);
	err = cv_seen_read(s, dir, nameless ? 0 : flags);
	if (err || (r->n > 0 && (has_ended(dir) || (nameless && !cv_seen_maps_guest(s))))) {
		cv_seen_fini(s);
		free(s);
		return err;
	}
	r->processes[r->n++] = s;
	return 0;
}

static int add_child(struct vm_sandbox_report *r, pid_t pid, unsigned int flags)
{
	CV_AUTO_FD int dir = cv_proc_open(pid);
	char cls[sizeof(((struct vm_sandbox_process *)0)->cls)] = "?";

	if (dir < 0 || r->n == MAX_PROCESSES)
		return 0; /* it has ended */
	if (!is_device(dir, cls, sizeof(cls)))
		snprintf(cls, sizeof(cls), "?");
	return add(r, pid, dir, cls, flags);
}

/* ---- all of them ---- */

static int add_children_of(struct vm_sandbox_report *r, int dir, const char *task,
			   unsigned int flags)
{
	CV_AUTO_FREE char *text = NULL;
	char thread[280], path[300];
	char *at, *end;
	int err;

	snprintf(thread, sizeof(thread), "task/%s", task);
	snprintf(path, sizeof(path), "%s/children", thread);
	err = cv_proc_read(dir, path, &text, NULL);
	if (err == -ESRCH || (err == -ENOENT && faccessat(dir, thread, F_OK, 0) < 0))
		return 0; /* the thread has ended */
	for (at = text; !err; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		err = add_child(r, (pid_t)pid, flags);
	}
	return err;
}

static int add_children(struct vm_sandbox_report *r, int dir, unsigned int flags)
{
	int err = 0, fd = openat(dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	for (const struct dirent *e = readdir(d); e && !err; e = readdir(d))
		if (e->d_name[0] != '.')
			err = add_children_of(r, dir, e->d_name, flags);
	closedir(d);
	return err;
}

/* A VM holds both: another monitor has other memory, a device process no hypervisor. */
static bool holds_vm(const struct cv_seen_process *s)
{
	bool memory = false, hypervisor = false;

	for (size_t i = 0; i < s->n_fds; i++) {
		const char *name = s->fds[i].name;

		memory = memory || strncmp(name, "/memfd:" CV_GUEST_MEMFD,
					   strlen("/memfd:" CV_GUEST_MEMFD)) == 0;
		hypervisor = hypervisor || strcmp(s->fds[i].kind, "kvm-vm") == 0;
	}
	return memory && hypervisor;
}

static int check_vm(const struct vm_sandbox_report *r, struct vm_error *e)
{
	const struct cv_seen_process *main = r->processes[0];
	int pid = (int)main->pub.pid;

	if (r->n > 1 || holds_vm(main))
		return 0;
	if (main->pub.unreadable[VM_SANDBOX_FDS][0])
		return cv_err(e, -EACCES,
			      "process %d: whether it runs a VM cannot be read: %s, or as its user",
			      pid, main->pub.unreadable[VM_SANDBOX_FDS]);
	return cv_err(e, -EINVAL,
		      "process %d runs no VM; name the process of one, 'crosvm run' for example",
		      pid);
}

static int no_process(pid_t pid, struct vm_error *e)
{
	return cv_err(e, -ESRCH, "process %d: there is none; it may have ended just now", (int)pid);
}

static int refuse_device(int dir, pid_t pid, struct vm_error *e)
{
	char cls[32];

	if (!is_device(dir, cls, sizeof(cls)))
		return 0;
	return cv_err(e, -EINVAL,
		      "process %d is that of a device, name the VM's main process: its parent",
		      (int)pid);
}

static int collect(struct vm_sandbox_report *r, pid_t pid, int dir, unsigned int flags,
		   struct vm_error *e)
{
	int err = refuse_device(dir, pid, e);

	if (err)
		return err;
	r->processes = calloc(MAX_PROCESSES, sizeof(struct cv_seen_process *));
	err = r->processes ? add(r, pid, dir, "main", flags) : -ENOMEM;
	err = err ?: add_children(r, dir, flags);
	if (err == -ENOMEM)
		return cv_err(e, err, "sandbox report: out of memory");
	if (has_ended(dir))
		return no_process(pid, e);
	if (err)
		return cv_err(e, err,
			      "process %d: its children cannot be read: %s; the kernel needs "
			      "CONFIG_PROC_CHILDREN",
			      (int)pid, strerror(-err));
	return check_vm(r, e);
}

int vm_sandbox_report(pid_t pid, unsigned int flags, struct vm_sandbox_report **report,
		      struct vm_error *error)
{
	struct vm_sandbox_report *r;
	CV_AUTO_FD int dir = pid > 0 ? cv_proc_open(pid) : -ENOENT;
	int err;

	if (access("/proc/self", F_OK) < 0)
		return cv_err(error, -ENOSYS, "/proc is not there; mount it");
	if (flags & ~VM_SANDBOX_READ_FILTERS)
		return cv_err(error, -EINVAL, "sandbox report: an unknown flag is set, clear it");
	if (dir < 0)
		return no_process(pid, error);
	r = calloc(1, sizeof(*r));
	if (!r)
		return cv_err(error, -ENOMEM, "sandbox report: out of memory");
	err = collect(r, pid, dir, flags, error);
	if (err) {
		vm_sandbox_report_destroy(r);
		return err;
	}
	for (size_t i = 0; i < r->n; i++)
		cv_seen_compare(r->processes[i], r->processes[0]);
	for (size_t i = 1; i < r->n; i++)
		cv_seen_judge(r->processes[i]);
	*report = r;
	return 0;
}

void vm_sandbox_report_destroy(struct vm_sandbox_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->n; i++) {
		cv_seen_fini(report->processes[i]);
		free(report->processes[i]);
	}
	free(report->processes);
	free(report);
}

/* ---- what is in it ---- */

bool vm_sandbox_report_jailed(const struct vm_sandbox_report *report)
{
	for (size_t i = 1; i < report->n; i++)
		if (report->processes[i]->pub.n_weak > 0)
			return false;
	return report->n > 1;
}

const struct vm_sandbox_process *vm_sandbox_report_process(const struct vm_sandbox_report *report,
							   unsigned int index)
{
	return index < report->n ? &report->processes[index]->pub : NULL;
}

static const struct cv_seen_process *seen_of(const struct vm_sandbox_process *process)
{
	/* made by this file as the first member, and const only for the caller */
	return (const struct cv_seen_process *)(const void *)process;
}

const struct vm_sandbox_fd *vm_sandbox_fd(const struct vm_sandbox_process *process,
					  unsigned int index)
{
	const struct cv_seen_process *s = seen_of(process);

	return index < s->n_fds ? &s->fds[index] : NULL;
}

const struct vm_sandbox_range *vm_sandbox_range(const struct vm_sandbox_process *process,
						unsigned int index)
{
	const struct cv_seen_process *s = seen_of(process);

	return index < s->n_ranges ? &s->ranges[index] : NULL;
}

const char *vm_sandbox_weakness(const struct vm_sandbox_process *process, unsigned int index)
{
	const struct cv_seen_process *s = seen_of(process);

	return index < s->pub.n_weak ? s->weak[index] : NULL;
}

/* ---- finding ---- */

/* Only the descriptors are looked at; those of others' processes are closed to us. */
static bool runs_vm(pid_t pid)
{
	CV_AUTO_FD int dir = cv_proc_open(pid);
	struct cv_seen_process s = { .pub.main = true };
	bool yes;

	if (dir < 0)
		return false;
	yes = cv_seen_read_fds(&s, dir) == 0 && holds_vm(&s);
	cv_seen_fini(&s);
	return yes;
}

int vm_sandbox_find(pid_t *pids, size_t max, struct vm_error *error)
{
	DIR *d = opendir("/proc");
	int n = 0;

	if (!d)
		return cv_err(error, -ENOSYS, "/proc cannot be read; mount it");
	for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
		uint64_t pid;

		if (cv_str_u64(e->d_name, &pid) < 0 || pid > INT32_MAX || !runs_vm((pid_t)pid))
			continue;
		if ((size_t)n < max)
			pids[n] = (pid_t)pid;
		n++;
	}
	closedir(d);
	return n;
}
