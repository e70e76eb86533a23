/* SPDX-License-Identifier: BSD-3-Clause */
/* A sandbox report for people. What names come from elsewhere cannot move the cursor. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

static void print_name(const char *text)
{
	for (; *text; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

/* Begins a row; false after saying why there is nothing to put into it. */
static bool row(const struct vm_sandbox_process *p, enum vm_sandbox_source source, const char *name)
{
	const char *why = p->unreadable[source];

	printf("  %-14s", name);
	if (why[0])
		printf("not readable: %s\n", why);
	return !why[0];
}

static void print_id(const char *name, const uint32_t ids[4], uint32_t inside, bool known)
{
	bool same = ids[0] == ids[1] && ids[1] == ids[2] && ids[2] == ids[3];

	if (same)
		printf("%s %" PRIu32, name, ids[1]);
	else
		printf("%s %" PRIu32 "/%" PRIu32 "/%" PRIu32 "/%" PRIu32, name, ids[0], ids[1],
		       ids[2], ids[3]);
	if (known && inside == VM_SANDBOX_UNKNOWN_ID)
		printf(" (unknown inside)");
	else if (known)
		printf(" (%" PRIu32 " inside)", inside);
}

static void print_ids(const struct vm_sandbox_process *p)
{
	bool known = !p->unreadable[VM_SANDBOX_IDS][0];

	if (!row(p, VM_SANDBOX_STATUS, "ids"))
		return;
	print_id("user", p->uid, p->uid_inside, known);
	print_id(", group", p->gid, p->gid_inside, known);
	printf(", %s", p->n_groups ? "other groups" : "no other groups");
	for (uint32_t i = 0; i < p->n_groups && i < VM_SANDBOX_MAX_GROUPS; i++)
		printf(" %" PRIu32, p->groups[i]);
	putchar('\n');
}

static void print_namespaces(const struct vm_sandbox_process *p)
{
	bool own, any = false;

	if (!row(p, VM_SANDBOX_NAMESPACES, "namespaces"))
		return;
	printf("%s", p->main ? "other than ours:" : "its own:");
	for (size_t i = 0; i < VM_SANDBOX_N_NAMESPACES; i++) {
		own = p->main ? p->namespaces[i].foreign : p->namespaces[i].own;
		any = any || own;
		if (own)
			printf(" %s", p->namespaces[i].name);
	}
	puts(any ? "" : " none");
}

static void print_caps(const struct vm_sandbox_process *p)
{
	static const char *const names[] = { "inheritable", "permitted", "effective", "bounding",
					     "ambient" };
	bool any = false;

	if (!row(p, VM_SANDBOX_STATUS, "capabilities"))
		return;
	for (size_t i = 0; i < VM_SANDBOX_N_CAPS; i++) {
		if (p->caps[i])
			printf("%s%s %" PRIx64, any ? ", " : "", names[i], p->caps[i]);
		any = any || p->caps[i];
	}
	puts(any ? "" : "none, in any of the five sets");
}

static void print_privileges(const struct vm_sandbox_process *p)
{
	const char *why = p->unreadable[VM_SANDBOX_DUMPABLE];

	if (!row(p, VM_SANDBOX_STATUS, "privileges"))
		return;
	printf("%s; ", p->no_new_privs == 1   ? "none to be had by executing (no_new_privs)"
		       : p->no_new_privs == 0 ? "may be had by executing"
					      : "this kernel does not tell of no_new_privs");
	if (why[0])
		printf("dumpable: not readable: %s\n", why);
	else
		puts(p->dumpable ? "dumpable" : "not dumpable");
}

static void print_seccomp(const struct vm_sandbox_process *p)
{
	const char *why = p->unreadable[VM_SANDBOX_FILTER];

	if (!row(p, VM_SANDBOX_STATUS, "seccomp"))
		return;
	if (p->seccomp != 2) {
		puts(p->seccomp == 0   ? "none"
		     : p->seccomp == 1 ? "strict"
				       : "this kernel does not tell");
		return;
	}
	if (why[0]) {
		printf("filter; program not readable: %s\n", why);
		return;
	}
	printf("filter of %" PRIu32 " instructions, hash %016" PRIx64 ";\n", p->filter_len,
	       p->filter_hash);
	printf("  %-14s%" PRIu32 " system calls allowed, %" PRIu32 " with certain arguments", "",
	       p->n_allowed, p->n_conditional);
	if (p->n_logged)
		printf(", %" PRIu32 " logged and allowed", p->n_logged);
	putchar('\n');
}

static void print_limit(const struct vm_sandbox_limit *l)
{
	printf(" %s ", l->name);
	if (l->hard == VM_SANDBOX_LIMIT_INFINITE)
		printf("none");
	else
		printf("%" PRIu64, l->hard);
}

static void print_limits(const struct vm_sandbox_process *p)
{
	static const char *const shown[] = { "nofile", "nproc", "data", "as", "core", "memlock" };

	if (!row(p, VM_SANDBOX_LIMITS, "limits"))
		return;
	printf("at most");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		for (const struct vm_sandbox_limit *l = p->limits; l->name; l++)
			if (strcmp(l->name, shown[i]) == 0)
				print_limit(l);
	putchar('\n');
}

static void print_memory(const struct vm_sandbox_process *p)
{
	const struct vm_sandbox_range *r;

	if (row(p, VM_SANDBOX_MEMORY, "own memory"))
		printf("%" PRIu64 " KiB\n", p->private_bytes / 1024);
	if (!row(p, VM_SANDBOX_MAPS, "shared memory"))
		return;
	if (!vm_sandbox_range(p, 0))
		puts("none mapped");
	for (unsigned int i = 0; (r = vm_sandbox_range(p, i)); i++) {
		printf("%*s", i ? 16 : 0, "");
		print_name(r->name);
		printf(" %s, %" PRIu64 " KiB at offset 0x%" PRIx64 "\n", r->access, r->len / 1024,
		       r->offset);
	}
}

static void print_root(const struct vm_sandbox_process *p)
{
	if (!row(p, VM_SANDBOX_ROOT, "root"))
		return;
	if (p->root_entries == 0)
		puts("an empty directory");
	else
		printf("a directory with %" PRIu32 " names\n", p->root_entries);
}

static void print_fds(const struct vm_sandbox_process *p)
{
	const struct vm_sandbox_fd *fd;
	unsigned int n = 0;

	if (!row(p, VM_SANDBOX_FDS, "descriptors"))
		return;
	while (vm_sandbox_fd(p, n))
		n++;
	printf("%u\n", n);
	for (unsigned int i = 0; !p->main && (fd = vm_sandbox_fd(p, i)); i++) {
		printf("  %12d  %-10s ", fd->fd, fd->kind);
		print_name(fd->name);
		printf("%s%s%s\n", fd->writable ? "" : " (read-only)", fd->purpose[0] ? ": " : "",
		       fd->purpose);
	}
}

static void print_verdict(const struct vm_sandbox_process *p)
{
	const char *weakness;

	if (p->main) {
		puts("  verdict       not judged: it is what the jails protect");
		return;
	}
	if (p->n_weak == 0)
		puts("  verdict       jailed as by default");
	for (unsigned int i = 0; (weakness = vm_sandbox_weakness(p, i)); i++)
		printf("  %-14s%s\n", i ? "" : "WEAKER", weakness);
}

static void print_process(const struct vm_sandbox_process *p)
{
	if (p->main) {
		printf("main process %d\n", (int)p->pid);
	} else {
		printf("\ndevice ");
		print_name(p->cls);
		printf(", process %d\n", (int)p->pid);
	}
	print_ids(p);
	print_namespaces(p);
	print_caps(p);
	print_privileges(p);
	print_seccomp(p);
	row(p, VM_SANDBOX_LANDLOCK, "landlock");
	print_limits(p);
	print_root(p);
	print_memory(p);
	print_fds(p);
	print_verdict(p);
}

void report_print_text(const struct vm_sandbox_report *report)
{
	const struct vm_sandbox_process *p;
	unsigned int n = 0;

	for (; (p = vm_sandbox_report_process(report, n)); n++)
		print_process(p);
	if (n == 1)
		puts("\nNo device has a process of its own: what devices there are run in the main "
		     "process.");
	else if (vm_sandbox_report_jailed(report))
		puts("\nEvery device process is jailed as by default.");
	else
		puts("\nNot every device process was seen to be jailed as by default.");
}
