/* SPDX-License-Identifier: BSD-3-Clause */
/* The texts of proc(5). The kernel writes newlines in names as \n or \012. */
#include "sandbox/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "sys/fd.h"

#define MAX_FILE    (4u << 20)
#define DEVICE_NAME "crosvm-device"

/* ---- files ---- */

int cv_proc_open(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cv_proc_read(int dir, const char *name, char **text, size_t *len)
{
	CV_AUTO_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct cv_buf b = { 0 };
	char piece[4096];
	ssize_t n = fd < 0 ? -1 : 1;
	int err = 0;

	while (n > 0 && b.len < MAX_FILE) {
		n = read(fd, piece, sizeof(piece));
		if (n > 0)
			cv_buf_put(&b, piece, (size_t)n);
	}
	if (n != 0)
		err = n < 0 ? -errno : -EFBIG;
	if (len)
		*len = b.len;
	cv_buf_u8(&b, 0);
	if (err || b.failed) {
		cv_buf_fini(&b);
		return err ?: -ENOMEM;
	}
	*text = (char *)b.data;
	return 0;
}

int cv_proc_link(int dir, const char *name, char *buf, size_t size)
{
	ssize_t n = readlinkat(dir, name, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

/* ---- lines of "Key:\tvalue" ---- */

/* What stands behind @key and the colon, or NULL. */
static const char *find(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (*text) {
		if (strncmp(text, key, len) == 0 && text[len] == ':')
			return text + len + 1;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return NULL;
}

static bool four(const char *text, const char *key, uint32_t ids[4])
{
	const char *at = find(text, key);

	return at && sscanf(at, "%" SCNu32 "%" SCNu32 "%" SCNu32 "%" SCNu32, &ids[0], &ids[1],
			    &ids[2], &ids[3]) == 4;
}

static bool hex(const char *text, const char *key, uint64_t *val)
{
	const char *at = find(text, key);

	return at && sscanf(at, "%" SCNx64, val) == 1;
}

static int number_or_minus(const char *text, const char *key)
{
	const char *at = find(text, key);
	int val;

	return at && sscanf(at, "%d", &val) == 1 ? val : -1;
}

static void parse_groups(const char *at, struct vm_sandbox_process *p)
{
	p->n_groups = 0;
	for (;;) {
		unsigned long group;
		char *end;

		at += strspn(at, " \t");
		if (*at < '0' || *at > '9')
			return;
		group = strtoul(at, &end, 10);
		if (p->n_groups < VM_SANDBOX_MAX_GROUPS)
			p->groups[p->n_groups] = (uint32_t)group;
		p->n_groups++;
		at = end;
	}
}

int cv_proc_parse_status(const char *text, struct vm_sandbox_process *p)
{
	static const char *const caps[VM_SANDBOX_N_CAPS] = { "CapInh", "CapPrm", "CapEff", "CapBnd",
							     "CapAmb" };
	const char *groups = find(text, "Groups");

	if (!four(text, "Uid", p->uid) || !four(text, "Gid", p->gid) || !groups)
		return -EBADMSG;
	for (size_t i = 0; i < CV_LEN(caps); i++)
		if (!hex(text, caps[i], &p->caps[i]))
			return -EBADMSG;
	parse_groups(groups, p);
	p->no_new_privs = number_or_minus(text, "NoNewPrivs");
	p->seccomp = number_or_minus(text, "Seccomp");
	p->n_filters = number_or_minus(text, "Seccomp_filters");
	return 0;
}

/* ---- other files ---- */

uint32_t cv_proc_map_id(const char *text, uint32_t outside)
{
	uint32_t in, out, n;

	while (sscanf(text, "%" SCNu32 "%" SCNu32 "%" SCNu32, &in, &out, &n) == 3) {
		if (outside >= out && outside - out < n)
			return in + (outside - out);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return VM_SANDBOX_UNKNOWN_ID;
}

static const struct {
	const char *line, *name;
} limit_names[] = {
	{ "Max cpu time", "cpu" },
	{ "Max file size", "fsize" },
	{ "Max data size", "data" },
	{ "Max stack size", "stack" },
	{ "Max core file size", "core" },
	{ "Max resident set", "rss" },
	{ "Max processes", "nproc" },
	{ "Max open files", "nofile" },
	{ "Max locked memory", "memlock" },
	{ "Max address space", "as" },
	{ "Max file locks", "locks" },
	{ "Max pending signals", "sigpending" },
	{ "Max msgqueue size", "msgqueue" },
	{ "Max nice priority", "nice" },
	{ "Max realtime priority", "rtprio" },
};

static const char *take_limit(const char *at, uint64_t *val)
{
	int used;

	at += strspn(at, " ");
	if (strncmp(at, "unlimited", 9) == 0) {
		*val = VM_SANDBOX_LIMIT_INFINITE;
		return at + 9;
	}
	return sscanf(at, "%" SCNu64 "%n", val, &used) == 1 ? at + used : NULL;
}

int cv_proc_parse_limits(const char *text, struct vm_sandbox_process *p)
{
	unsigned int n = 0;

	for (size_t i = 0; i < CV_LEN(limit_names) && n < VM_SANDBOX_N_LIMITS - 1; i++) {
		struct vm_sandbox_limit *l = &p->limits[n];
		const char *at = strstr(text, limit_names[i].line);

		at = at ? take_limit(at + strlen(limit_names[i].line), &l->soft) : NULL;
		if (!at || !take_limit(at, &l->hard))
			return -EBADMSG;
		l->name = limit_names[i].name;
		n++;
	}
	return 0;
}

/* "/memfd:NAME (deleted)": the name. The rest stays empty. */
static void take_memfd(const char *path, size_t len, struct vm_sandbox_range *r)
{
	static const char before[] = "/memfd:", after[] = " (deleted)";

	r->name[0] = '\0';
	if (len < sizeof(before) - 1 || memcmp(path, before, sizeof(before) - 1) != 0)
		return;
	path += sizeof(before) - 1;
	len -= sizeof(before) - 1;
	if (len >= sizeof(after) - 1 &&
	    memcmp(path + len - (sizeof(after) - 1), after, sizeof(after) - 1) == 0)
		len -= sizeof(after) - 1;
	snprintf(r->name, sizeof(r->name), "%.*s", (int)len, path);
}

bool cv_proc_next_map(const char **text, struct cv_proc_map *map)
{
	struct vm_sandbox_range *r = &map->range;
	const char *line = *text;
	size_t len = strcspn(line, "\n");
	uint64_t end;
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4c %" SCNx64 " %*x:%*x %" SCNu64 " %n",
		   &r->address, &end, r->access, &r->offset, &r->inode, &path) != 5)
		return false;
	r->access[4] = '\0';
	r->len = end - r->address;
	/* the white space before the next line counts as that before a path */
	if (path > 0 && (size_t)path < len)
		take_memfd(line + path, len - (size_t)path, r);
	else
		r->name[0] = '\0';
	map->writable_code = r->access[1] == 'w' && r->access[2] == 'x';
	*text = line + len + (line[len] == '\n');
	return true;
}

int cv_proc_parse_rollup(const char *text, uint64_t *bytes)
{
	const char *clean = find(text, "Private_Clean"), *dirty = find(text, "Private_Dirty");
	uint64_t a, b;

	if (!clean || !dirty || sscanf(clean, "%" SCNu64, &a) != 1 ||
	    sscanf(dirty, "%" SCNu64, &b) != 1)
		return -EBADMSG;
	*bytes = (a + b) * 1024;
	return 0;
}

uint64_t cv_proc_ns_inode(const char *link)
{
	uint64_t inode = 0;

	return sscanf(link, "%*[a-z]:[%" SCNu64 "]", &inode) == 1 ? inode : 0;
}

/* ---- descriptors ---- */

const char *cv_proc_fd_kind(const char *link)
{
	/* only files have a path, which begins with a slash */
	static const struct {
		const char *begins, *kind;
	} kinds[] = {
		{ "socket:[", "socket" },
		{ "pipe:[", "pipe" },
		{ "/memfd:", "memfd" },
		{ "anon_inode:[eventfd]", "eventfd" },
		{ "anon_inode:[eventpoll]", "epoll" },
		{ "anon_inode:[io_uring]", "io_uring" },
		{ "anon_inode:[timerfd]", "timerfd" },
		{ "anon_inode:[signalfd]", "signalfd" },
		{ "anon_inode:[pidfd]", "pidfd" },
		{ "pidfd:[", "pidfd" },
		{ "anon_inode:kvm-vm", "kvm-vm" },
		{ "anon_inode:kvm-vcpu", "kvm-vcpu" },
		{ "anon_inode:", "other" },
	};

	for (size_t i = 0; i < CV_LEN(kinds); i++)
		if (strncmp(link, kinds[i].begins, strlen(kinds[i].begins)) == 0)
			return kinds[i].kind;
	return link[0] == '/' ? NULL : "other";
}

bool cv_proc_fd_writable(const char *fdinfo)
{
	const char *at = find(fdinfo, "flags");
	unsigned int flags;

	return at && sscanf(at, "%o", &flags) == 1 && (flags & O_ACCMODE) != O_RDONLY;
}

/* ---- the command line ---- */

bool cv_proc_device(const char *cmdline, size_t len, const char *arg, char *cls, size_t size)
{
	size_t first = sizeof(DEVICE_NAME), n = strlen(arg);

	/* terminated twice by cv_proc_read(), so that a missing end is seen */
	if (len <= first + n || strcmp(cmdline, DEVICE_NAME) != 0 ||
	    strncmp(cmdline + first, arg, n) != 0)
		return false;
	snprintf(cls, size, "%.*s", (int)size - 1, cmdline + first + n);
	return true;
}
