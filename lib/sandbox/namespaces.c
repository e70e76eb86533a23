/* SPDX-License-Identifier: BSD-3-Clause */
/* Namespaces seen from the parent: id maps, and why a host does not give them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "sandbox/impl.h"

long cv_proc_number(const char *path)
{
	CV_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[32] = "";
	uint64_t value;

	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		return -1;
	buf[strcspn(buf, "\n")] = '\0';
	return cv_str_u64(buf, &value) < 0 ? -1 : (long)value;
}

/* ---- why not ---- */

static bool has_namespace(const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", file);
	return access("/proc/self/ns", F_OK) < 0 || access(path, F_OK) == 0;
}

static long limit(const char *sysctl)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", sysctl);
	return cv_proc_number(path);
}

/* Whether it is this one, which the kernel lacks or the administrator has forbidden. */
static bool explain_one(const struct cv_jail_ns *ns, int err, struct vm_error *e)
{
	const char *name = cv_jail_name(ns->mechanism);

	if (!has_namespace(ns->file))
		cv_err(e, err,
		       "sandbox: this kernel has no %s namespaces; use one that has, or leave "
		       "'%s' out of the sandbox",
		       name, name);
	else if (limit(ns->sysctl) == 0)
		cv_err(e, err,
		       "sandbox: %s namespaces are forbidden on this host; allow them (sysctl "
		       "user.max_%s_namespaces), or leave '%s' out of the sandbox",
		       name, ns->sysctl, name);
	else
		return false;
	return true;
}

static int explain_permission(uint32_t mechanisms, int err, struct vm_error *e)
{
	if (!(mechanisms & CV_JAIL_USER))
		return cv_err(
			e, err,
			"sandbox: namespaces without one for users need root; put 'user' into "
			"the sandbox, or run as root");
	if (cv_proc_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		return cv_err(
			e, err,
			"sandbox: user namespaces are for root alone on this host; allow them "
			"(sysctl kernel.unprivileged_userns_clone=1), or leave 'user' out of "
			"the sandbox");
	return cv_err(
		e, err,
		"sandbox: user namespaces are forbidden here, as in many containers and after "
		"chroot; allow them (for a container by its seccomp profile), or leave 'user' "
		"out of the sandbox");
}

int cv_jail_explain_clone(uint32_t mechanisms, int err, struct vm_error *e)
{
	for (size_t i = 0; i < cv_jail_n_namespaces; i++) {
		const struct cv_jail_ns *ns = &cv_jail_namespaces[i];

		if ((mechanisms & ns->mechanism) && explain_one(ns, err, e))
			return err;
	}
	if (err == -EPERM || err == -EACCES)
		return explain_permission(mechanisms, err, e);
	if (err == -ENOSPC || err == -EUSERS)
		return cv_err(
			e, err,
			"sandbox: there are too many namespaces on this host, or too deeply "
			"nested ones; raise sysctl user.max_user_namespaces and its siblings");
	if (err == -EAGAIN)
		return cv_err(e, err,
			      "sandbox: no process can be started: too many are running; raise the "
			      "limit (ulimit -u)");
	return cv_err_os(e, err, "sandbox: no process can be started");
}

/* ---- id maps ---- */

static int write_file(pid_t pid, const char *name, const char *text)
{
	CV_AUTO_FD int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return cv_write_full(fd, text, strlen(text));
}

/* One id, the same inside and outside. */
static int write_map(pid_t pid, const char *name, uint32_t id)
{
	char text[40];

	snprintf(text, sizeof(text), "%u %u 1\n", id, id);
	return write_file(pid, name, text);
}

int cv_jail_write_maps(const struct cv_jail *jail, pid_t pid, struct vm_error *e)
{
	/* who is not root may only map himself, having forbidden setgroups, which would take away
	 * groups that deny something */
	int err = jail->drop_groups ? 0 : write_file(pid, "setgroups", "deny");

	if (!err)
		err = write_map(pid, "gid_map", jail->gid);
	if (!err)
		err = write_map(pid, "uid_map", jail->uid);
	if (err == -EPERM && jail->drop_groups)
		return cv_err(
			e, err,
			"sandbox: the user namespace cannot be given the id %u: this process is "
			"root without CAP_SETUID and CAP_SETGID, or in a container that has no "
			"such id; run as an ordinary user, or leave 'user' out of the sandbox",
			jail->uid);
	if (err)
		return cv_err(
			e, err,
			"sandbox: the ids of the user namespace cannot be set: %s; /proc must be "
			"mounted and writable, or leave 'user' out of the sandbox",
			strerror(-err));
	return 0;
}
