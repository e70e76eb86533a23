/* SPDX-License-Identifier: BSD-3-Clause */
/* One process of a sandbox report: each source is read by itself, and says so if it cannot be. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/protocol.h"
#include "sandbox/bpf.h"
#include "sandbox/impl.h"
#include "sandbox/proc.h"
#include "sandbox/tracee.h"
#include "vm/sandbox_report.h"

#define MAX_FDS	   65536u
#define MAX_RANGES 4096u

_Static_assert(sizeof(((struct vm_sandbox_process *)0)->unreadable[0]) == 96, "the reasons' size");

static void closed(struct cv_seen_process *s, enum vm_sandbox_source source, int err)
{
	bool denied = err == -EACCES || err == -EPERM;

	snprintf(s->pub.unreadable[source], sizeof(s->pub.unreadable[source]), "%s%s",
		 strerror(-err), denied ? "; run as root" : "");
}

/* Another element at the end of an array of *n; NULL when out of memory. */
static void *append(void *array, size_t *n, size_t size)
{
	void **at = array;
	bool full = (*n & (*n - 1)) == 0; /* a power of two, or 0 */
	void *more = full ? reallocarray(*at, *n ? *n * 2 : 1, size) : *at;

	if (!more)
		return NULL;
	*at = more;
	memset((uint8_t *)more + *n * size, 0, size);
	return (uint8_t *)more + (*n)++ * size;
}

/* ---- texts ---- */

static void read_status(struct cv_seen_process *s, int dir)
{
	CV_AUTO_FREE char *text = NULL;
	int err = cv_proc_read(dir, "status", &text, NULL);

	err = err ?: cv_proc_parse_status(text, &s->pub);
	if (err)
		closed(s, VM_SANDBOX_STATUS, err);
}

static void read_ids(struct cv_seen_process *s, int dir)
{
	CV_AUTO_FREE char *uids = NULL, *gids = NULL;
	int err = cv_proc_read(dir, "uid_map", &uids, NULL);

	err = err ?: cv_proc_read(dir, "gid_map", &gids, NULL);
	if (!err && s->pub.unreadable[VM_SANDBOX_STATUS][0])
		err = -EACCES;
	if (err) {
		closed(s, VM_SANDBOX_IDS, err);
		return;
	}
	s->pub.uid_inside = cv_proc_map_id(uids, s->pub.uid[1]);
	s->pub.gid_inside = cv_proc_map_id(gids, s->pub.gid[1]);
}

static void read_limits(struct cv_seen_process *s, int dir)
{
	CV_AUTO_FREE char *text = NULL;
	int err = cv_proc_read(dir, "limits", &text, NULL);

	err = err ?: cv_proc_parse_limits(text, &s->pub);
	if (err)
		closed(s, VM_SANDBOX_LIMITS, err);
}

static void read_memory(struct cv_seen_process *s, int dir)
{
	CV_AUTO_FREE char *text = NULL;
	int err = cv_proc_read(dir, "smaps_rollup", &text, NULL);

	err = err ?: cv_proc_parse_rollup(text, &s->pub.private_bytes);
	if (err)
		closed(s, VM_SANDBOX_MEMORY, err);
}

/* The files of one that is not dumpable are root's, whoever it is itself. */
static void read_dumpable(struct cv_seen_process *s, int dir)
{
	struct stat st;

	if (s->pub.unreadable[VM_SANDBOX_STATUS][0])
		closed(s, VM_SANDBOX_DUMPABLE, -EACCES);
	else if (fstatat(dir, "status", &st, 0) < 0)
		closed(s, VM_SANDBOX_DUMPABLE, -errno);
	else if (s->pub.uid[1] == 0)
		snprintf(s->pub.unreadable[VM_SANDBOX_DUMPABLE], 96,
			 "the kernel does not show it for a process of root's");
	else
		s->pub.dumpable = st.st_uid == s->pub.uid[1];
}

static int read_maps(struct cv_seen_process *s, int dir)
{
	CV_AUTO_FREE char *text = NULL;
	int err = cv_proc_read(dir, "maps", &text, NULL);
	const char *at = text;
	struct cv_proc_map map;

	if (err)
		closed(s, VM_SANDBOX_MAPS, err);
	while (!err && cv_proc_next_map(&at, &map)) {
		struct vm_sandbox_range *r;

		s->pub.writable_code = s->pub.writable_code || map.writable_code;
		if (!map.range.name[0] || s->n_ranges >= MAX_RANGES)
			continue;
		r = append(&s->ranges, &s->n_ranges, sizeof(*r));
		if (!r)
			return -ENOMEM;
		*r = map.range;
	}
	return 0;
}

/* ---- links and directories ---- */

static int read_inode(int dir, const char *file, uint64_t *inode)
{
	char path[32], link[64];
	int err;

	snprintf(path, sizeof(path), "ns/%s", file);
	err = cv_proc_link(dir, path, link, sizeof(link));
	if (!err)
		*inode = cv_proc_ns_inode(link);
	return err;
}

static void read_namespaces(struct cv_seen_process *s, int dir)
{
	CV_AUTO_FD int here = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < cv_jail_n_namespaces && i < VM_SANDBOX_N_NAMESPACES; i++) {
		struct vm_sandbox_namespace *ns = &s->pub.namespaces[i];
		uint64_t ours = 0;
		int err;

		ns->name = cv_jail_namespaces[i].file;
		err = read_inode(dir, ns->name, &ns->inode);
		if (err)
			closed(s, VM_SANDBOX_NAMESPACES, err);
		else if (read_inode(here, ns->name, &ours) == 0)
			ns->foreign = ours != ns->inode;
	}
}

static bool is_entry(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static DIR *open_dir(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

static void read_root(struct cv_seen_process *s, int dir)
{
	DIR *d = open_dir(dir, "root");

	if (!d) {
		closed(s, VM_SANDBOX_ROOT, -errno);
		return;
	}
	for (const struct dirent *e = readdir(d); e && s->pub.root_entries < UINT32_MAX;
	     e = readdir(d))
		s->pub.root_entries += is_entry(e);
	closedir(d);
}

/* What the number and the kind tell of a device's descriptor. */
static const char *device_purpose(const struct vm_sandbox_fd *fd)
{
	static const struct {
		const char *kind, *purpose;
	} purposes[] = {
		{ "socket", "vhost-user: the device's work, from the VM's main process" },
		{ "eventfd", "wakes: a queue's kick or call, or its own threads" },
		{ "epoll", "waits for the others" },
		{ "io_uring", "block I/O" },
	};

	if (strcmp(fd->kind, "socket") == 0 && fd->fd == CV_PROCESS_CONTROL_FD)
		return "control: orders and messages, with the VM's main process";
	if (strcmp(fd->kind, "memfd") == 0)
		return strstr(fd->name, CV_GUEST_MEMFD) ? "guest memory" : "shared memory";
	if (strcmp(fd->name, "/dev/null") == 0)
		return "nothing";
	for (size_t i = 0; i < CV_LEN(purposes); i++)
		if (strcmp(fd->kind, purposes[i].kind) == 0)
			return purposes[i].purpose;
	return strcmp(fd->kind, "file") == 0 || strcmp(fd->kind, "block device") == 0 ||
			       strcmp(fd->kind, "character device") == 0 ||
			       strcmp(fd->kind, "pipe") == 0
		       ? "opened for the device"
		       : "";
}

static const char *file_kind(int dir, const char *path)
{
	struct stat st;

	if (fstatat(dir, path, &st, 0) < 0)
		return "other";
	if (S_ISDIR(st.st_mode))
		return "directory";
	if (S_ISBLK(st.st_mode))
		return "block device";
	if (S_ISCHR(st.st_mode))
		return "character device";
	if (S_ISFIFO(st.st_mode))
		return "pipe";
	return S_ISREG(st.st_mode) ? "file" : "other";
}

static void read_fd(struct cv_seen_process *s, struct vm_sandbox_fd *fd, int dir, const char *name)
{
	CV_AUTO_FREE char *info = NULL;
	char path[300];

	fd->fd = (int)strtol(name, NULL, 10);
	fd->kind = "other";
	fd->purpose = "";
	snprintf(path, sizeof(path), "fd/%s", name);
	if (cv_proc_link(dir, path, fd->name, sizeof(fd->name)) < 0)
		return; /* closed meanwhile */
	fd->kind = cv_proc_fd_kind(fd->name) ?: file_kind(dir, path);
	snprintf(path, sizeof(path), "fdinfo/%s", name);
	if (cv_proc_read(dir, path, &info, NULL) == 0)
		fd->writable = cv_proc_fd_writable(info);
	if (!s->pub.main)
		fd->purpose = device_purpose(fd);
}

int cv_seen_read_fds(struct cv_seen_process *s, int dir)
{
	DIR *d = open_dir(dir, "fd");
	int err = 0;

	if (!d) {
		closed(s, VM_SANDBOX_FDS, -errno);
		return 0;
	}
	for (const struct dirent *e = readdir(d); e && !err && s->n_fds < MAX_FDS; e = readdir(d)) {
		struct vm_sandbox_fd *fd;

		if (!is_entry(e))
			continue;
		fd = append(&s->fds, &s->n_fds, sizeof(*fd));
		if (fd)
			read_fd(s, fd, dir, e->d_name);
		else
			err = -ENOMEM;
	}
	closedir(d);
	return err;
}

/* ---- the seccomp program ---- */

static uint32_t audit_arch(void)
{
	return cv_arch_native() == CV_ARCH_X86_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64;
}

static void measure(struct cv_seen_process *s, const struct cv_seccomp *filter)
{
	struct cv_bpf_count count;
	int err = cv_bpf_count(filter->insns, filter->n, audit_arch(), &count);

	if (err) {
		closed(s, VM_SANDBOX_FILTER, err);
		return;
	}
	s->pub.filter_len = filter->n;
	s->pub.filter_hash = cv_bpf_hash(filter->insns, filter->n);
	s->pub.n_allowed = count.allowed;
	s->pub.n_conditional = count.conditional;
	s->pub.n_logged = count.logged;
}

static void read_filter(struct cv_seen_process *s, int dir, unsigned int flags)
{
	char *why = s->pub.unreadable[VM_SANDBOX_FILTER];
	size_t size = sizeof(s->pub.unreadable[0]);
	struct cv_seccomp filter = { 0 };

	if (s->pub.unreadable[VM_SANDBOX_STATUS][0])
		closed(s, VM_SANDBOX_FILTER, -EACCES);
	else if (s->pub.seccomp != 2)
		snprintf(why, size, "there is none");
	else if (s->pub.main)
		snprintf(why, size, "the main process is not stopped for that");
	else if (!(flags & VM_SANDBOX_READ_FILTERS))
		snprintf(why, size, "it was not asked for, since the process is stopped for that");
	else if (cv_tracee_filter(s->pub.pid, dir, &filter, why, size) == 0)
		measure(s, &filter);
	cv_seccomp_fini(&filter);
}

/* ---- the whole ---- */

int cv_seen_read(struct cv_seen_process *s, int dir, unsigned int flags)
{
	int err;

	s->pub.size = sizeof(s->pub);
	read_status(s, dir);
	read_ids(s, dir);
	read_namespaces(s, dir);
	read_limits(s, dir);
	read_root(s, dir);
	read_memory(s, dir);
	read_dumpable(s, dir);
	read_filter(s, dir, flags);
	snprintf(s->pub.unreadable[VM_SANDBOX_LANDLOCK], sizeof(s->pub.unreadable[0]),
		 "no kernel shows it to other processes");
	err = cv_seen_read_fds(s, dir);
	return err ?: read_maps(s, dir);
}

void cv_seen_compare(struct cv_seen_process *s, const struct cv_seen_process *main)
{
	if (main->pub.unreadable[VM_SANDBOX_NAMESPACES][0] &&
	    !s->pub.unreadable[VM_SANDBOX_NAMESPACES][0])
		snprintf(s->pub.unreadable[VM_SANDBOX_NAMESPACES], sizeof(s->pub.unreadable[0]),
			 "those of the VM's main process: %.50s",
			 main->pub.unreadable[VM_SANDBOX_NAMESPACES]);
	for (size_t i = 0; i < VM_SANDBOX_N_NAMESPACES; i++)
		s->pub.namespaces[i].own =
			s->pub.namespaces[i].inode != main->pub.namespaces[i].inode;
}

bool cv_seen_maps_guest(const struct cv_seen_process *s)
{
	for (size_t i = 0; i < s->n_ranges; i++)
		if (strcmp(s->ranges[i].name, CV_GUEST_MEMFD) == 0)
			return true;
	return false;
}

void cv_seen_fini(struct cv_seen_process *s)
{
	free(s->fds);
	free(s->ranges);
}
