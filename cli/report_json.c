/* SPDX-License-Identifier: BSD-3-Clause */
/* A sandbox report for programs: what could not be read is null, and "unreadable" tells why. */
#include <inttypes.h>
#include <stdio.h>

#include "report.h"

/* Names are bytes: those that are not ASCII are written as the characters of the same number. */
static void string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* Begins a member; false after writing null. */
static bool member(const struct vm_sandbox_process *p, enum vm_sandbox_source source,
		   const char *key)
{
	printf(",\"%s\":", key);
	if (!p->unreadable[source][0])
		return true;
	printf("null");
	return false;
}

static void numbers(const uint32_t *v, uint32_t n)
{
	putchar('[');
	for (uint32_t i = 0; i < n; i++)
		printf("%s%" PRIu32, i ? "," : "", v[i]);
	putchar(']');
}

static void inside(const struct vm_sandbox_process *p, const char *key, uint32_t id)
{
	if (!member(p, VM_SANDBOX_IDS, key))
		return;
	if (id == VM_SANDBOX_UNKNOWN_ID)
		printf("null");
	else
		printf("%" PRIu32, id);
}

static void tristate(int value)
{
	printf("%s", value < 0 ? "null" : value ? "true" : "false");
}

static void number_or_null(int value)
{
	if (value < 0)
		printf("null");
	else
		printf("%d", value);
}

static void put_status(const struct vm_sandbox_process *p)
{
	static const char *const caps[] = { "inheritable", "permitted", "effective", "bounding",
					    "ambient" };

	if (member(p, VM_SANDBOX_STATUS, "uid"))
		numbers(p->uid, 4);
	if (member(p, VM_SANDBOX_STATUS, "gid"))
		numbers(p->gid, 4);
	inside(p, "uid_inside", p->uid_inside);
	inside(p, "gid_inside", p->gid_inside);
	if (member(p, VM_SANDBOX_STATUS, "groups"))
		numbers(p->groups,
			p->n_groups < VM_SANDBOX_MAX_GROUPS ? p->n_groups : VM_SANDBOX_MAX_GROUPS);
	if (member(p, VM_SANDBOX_STATUS, "capabilities")) {
		for (size_t i = 0; i < VM_SANDBOX_N_CAPS; i++)
			printf("%c\"%s\":\"%016" PRIx64 "\"", i ? ',' : '{', caps[i], p->caps[i]);
		putchar('}');
	}
	if (member(p, VM_SANDBOX_STATUS, "no_new_privs"))
		tristate(p->no_new_privs);
	if (member(p, VM_SANDBOX_DUMPABLE, "dumpable"))
		tristate(p->dumpable);
	if (member(p, VM_SANDBOX_STATUS, "seccomp"))
		number_or_null(p->seccomp);
	if (member(p, VM_SANDBOX_STATUS, "seccomp_filters"))
		number_or_null(p->n_filters);
}

static void put_filter(const struct vm_sandbox_process *p)
{
	if (member(p, VM_SANDBOX_FILTER, "filter"))
		printf("{\"instructions\":%" PRIu32 ",\"hash\":\"%016" PRIx64
		       "\",\"allowed\":%" PRIu32 ",\"conditional\":%" PRIu32 ",\"logged\":%" PRIu32
		       "}",
		       p->filter_len, p->filter_hash, p->n_allowed, p->n_conditional, p->n_logged);
}

static void put_namespaces(const struct vm_sandbox_process *p)
{
	if (!member(p, VM_SANDBOX_NAMESPACES, "namespaces"))
		return;
	for (size_t i = 0; i < VM_SANDBOX_N_NAMESPACES; i++) {
		const struct vm_sandbox_namespace *ns = &p->namespaces[i];

		printf("%c\"%s\":{\"inode\":%" PRIu64 ",\"differs_from_main\":%s,"
		       "\"differs_from_ours\":%s}",
		       i ? ',' : '{', ns->name, ns->inode, ns->own ? "true" : "false",
		       ns->foreign ? "true" : "false");
	}
	putchar('}');
}

static void put_bound(uint64_t bound)
{
	if (bound == VM_SANDBOX_LIMIT_INFINITE)
		printf("null");
	else
		printf("%" PRIu64, bound);
}

static void put_limits(const struct vm_sandbox_process *p)
{
	if (!member(p, VM_SANDBOX_LIMITS, "limits"))
		return;
	putchar('{');
	for (const struct vm_sandbox_limit *l = p->limits; l->name; l++) {
		printf("%s\"%s\":{\"soft\":", l == p->limits ? "" : ",", l->name);
		put_bound(l->soft);
		printf(",\"hard\":");
		put_bound(l->hard);
		putchar('}');
	}
	putchar('}');
}

static void put_fds(const struct vm_sandbox_process *p)
{
	const struct vm_sandbox_fd *fd;

	if (!member(p, VM_SANDBOX_FDS, "descriptors"))
		return;
	putchar('[');
	for (unsigned int i = 0; (fd = vm_sandbox_fd(p, i)); i++) {
		printf("%s{\"fd\":%d,\"kind\":\"%s\",\"name\":", i ? "," : "", fd->fd, fd->kind);
		string(fd->name);
		printf(",\"writable\":%s,\"purpose\":", fd->writable ? "true" : "false");
		string(fd->purpose);
		putchar('}');
	}
	putchar(']');
}

static void put_ranges(const struct vm_sandbox_process *p)
{
	const struct vm_sandbox_range *r;

	if (!member(p, VM_SANDBOX_MAPS, "shared_memory"))
		return;
	putchar('[');
	for (unsigned int i = 0; (r = vm_sandbox_range(p, i)); i++) {
		printf("%s{\"name\":", i ? "," : "");
		string(r->name);
		printf(",\"access\":\"%s\",\"offset\":%" PRIu64 ",\"size\":%" PRIu64
		       ",\"inode\":%" PRIu64 "}",
		       r->access, r->offset, r->len, r->inode);
	}
	putchar(']');
}

static void put_unreadable(const struct vm_sandbox_process *p)
{
	static const char *const names[VM_SANDBOX_N_SOURCES] = {
		"status", "ids_inside", "namespaces", "limits",	  "root",    "descriptors",
		"maps",	  "memory",	"filter",     "dumpable", "landlock"
	};
	const char *before = "";

	printf(",\"unreadable\":{");
	for (size_t i = 0; i < VM_SANDBOX_N_SOURCES; i++)
		if (p->unreadable[i][0]) {
			printf("%s\"%s\":", before, names[i]);
			string(p->unreadable[i]);
			before = ",";
		}
	putchar('}');
}

static void put_weaker(const struct vm_sandbox_process *p)
{
	const char *weakness;

	printf(",\"weaker\":[");
	for (unsigned int i = 0; (weakness = vm_sandbox_weakness(p, i)); i++) {
		printf("%s", i ? "," : "");
		string(weakness);
	}
	putchar(']');
}

static void put_process(const struct vm_sandbox_process *p)
{
	printf("{\"pid\":%d,\"class\":", (int)p->pid);
	string(p->cls);
	put_status(p);
	put_filter(p);
	put_namespaces(p);
	put_limits(p);
	if (member(p, VM_SANDBOX_ROOT, "root_entries"))
		printf("%" PRIu32, p->root_entries);
	if (member(p, VM_SANDBOX_MEMORY, "private_bytes"))
		printf("%" PRIu64, p->private_bytes);
	put_ranges(p);
	put_fds(p);
	put_unreadable(p);
	if (!p->main)
		put_weaker(p);
	putchar('}');
}

void report_print_json(const struct vm_sandbox_report *report)
{
	const struct vm_sandbox_process *p;

	printf("{\"jailed\":%s,\"main\":", vm_sandbox_report_jailed(report) ? "true" : "false");
	put_process(vm_sandbox_report_process(report, 0));
	printf(",\"devices\":[");
	for (unsigned int i = 1; (p = vm_sandbox_report_process(report, i)); i++) {
		if (i > 1)
			putchar(',');
		put_process(p);
	}
	puts("]}");
}
