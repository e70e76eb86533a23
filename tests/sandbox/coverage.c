/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Holds the system calls of jailed processes against their policies, both ways:
 *
 *	sandbox-coverage [-v] [-x RULE]... DIRECTORY LOG...
 *
 * DIRECTORY has the policies, each LOG is of one `strace -f -Y -e raw=all -o LOG`
 * of a program that runs one VM or serves devices. Fails for a call that a policy
 * does not allow, and for a rule that no call needed: each alternative of a
 * condition counts by itself, a rule of an included file once for all that
 * include it. -x names one that cannot be needed on this host, -v prints who made
 * how many of which.
 *
 * A device's process, and its threads, are known by their names (crosvm-block):
 * it is jailed from its seccomp(2) on. All others are the VM's own process.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/dev.h"
#include "sandbox/policy.h"
#include "sandbox/syscalls.h"

#define MAX_POLICIES   16u
#define MAX_ITEMS      2048u
#define MAX_TASKS      4096u
#define MAX_COMPLAINTS 100u
#define PREFIX	       "crosvm-"
#define UNNAMED	       "crosvm-device" /* has not been told yet what it is */

/* What is needed, but not here and now; -x adds to it what this host cannot show. */
static const struct excuse {
	const char *file, *call, *alternative, *why;
} excuses[] = {
	{ "common.policy", "fstat", "1", "glibc from 2.39 on does this instead of newfstatat" },
	{ "common.policy", "newfstatat", "arg3 == AT_EMPTY_PATH", "glibc up to 2.38" },
	{ "common.policy", "clock_gettime", "1", "where the vDSO cannot tell the time" },
	{ "common.policy", "brk", "1", "when the heap grows; little is allocated once jailed" },
	{ "main.policy", "fstat", "1", "as above" },
	{ "main.policy", "newfstatat", "arg3 == AT_EMPTY_PATH", "as above" },
	{ "main.policy", "clock_gettime", "1", "as above" },
	/* the heap of an application grows when it will, and each thread's by itself */
	{ "main.policy", "brk", "1", "growth of the first heap" },
	{ "main.policy", "mmap", "arg2 in PROT_READ|PROT_WRITE", "a block that is large" },
	{ "main.policy", "mprotect", "arg2 in PROT_READ|PROT_WRITE", "growth of a thread's heap" },
	{ "main.policy", "mremap", "arg3 == MREMAP_MAYMOVE", "growth of a large block" },
	{ "main.policy", "openat", "return ENOENT", "a thread's heap that shrinks" },
	{ "main.policy", "sched_getaffinity", "1", "the heap of a ninth thread" },
	{ "main.policy", "futex", "arg1 == FUTEX_WAIT_BITSET|FUTEX_PRIVATE_FLAG",
	  "a wait of the application's that has a limit" },
	{ "main.policy", "lseek", "1", "what stdin has read too much, when the process ends" },
	{ "main.policy", "writev", "arg0 == 2", "the C library's last words before abort()" },
};

/* One alternative of a rule, or a rule without condition. */
struct item {
	unsigned int policy;
	int nr;
	uint16_t first, n_tests;
	unsigned int alternative;
	const char *where; /* "common.policy:12" */
	char call[40], text[256];
	unsigned long n_seen;
};

struct task {
	int pid;
	int policy; /* -1: of a device that has no name yet */
	bool jailed, sealing;
	char held[320]; /* the complaint about its last call */
	bool stale;	/* which looks like that of another one just before */
};

struct call {
	char text[256]; /* "NAME(0x1, 0x2" */
	char name[40];
	int nr;
	uint64_t args[6];
};

static const char *directory;
static bool verbose;
static const char *hidden[16];
static unsigned int n_hidden;
static unsigned int complaints;
static struct {
	const char *name;
	struct cv_policy policy, probe;	   /* probe: of one rule, to ask about its alternatives */
	bool is_self[CV_POLICY_MAX_TESTS]; /* compares with the process's own number */
	unsigned long n_calls;
} policies[MAX_POLICIES];
static unsigned int n_policies;
static struct item items[MAX_ITEMS];
static unsigned int n_items;
/* of the log that is being read */
static struct task tasks[MAX_TASKS];
static unsigned int n_tasks;
static bool main_jailed;
static char last_call[256];
static int last_pid;

CV_PRINTF(1, 2) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}

CV_PRINTF(1, 2) static void complain(const char *fmt, ...)
{
	va_list ap;

	if (complaints++ == MAX_COMPLAINTS)
		printf("and more\n");
	if (complaints > MAX_COMPLAINTS)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- the policies ---- */

/* The text of the alternative, from the file. */
static void find_text(struct item *it)
{
	const char *colon = strchr(it->where, ':');
	unsigned long left = strtoul(colon + 1, NULL, 10);
	char path[512], line[4096] = "", *at, *end;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%.*s", directory, (int)(colon - it->where), it->where);
	f = fopen(path, "r");
	if (!f)
		die("%s: %s", path, strerror(errno));
	while (left > 0 && fgets(line, sizeof(line), f))
		left--;
	fclose(f);
	at = strchr(line, ':') ? strchr(line, ':') + 1 : line;
	for (unsigned int i = 0; i < it->alternative && strstr(at, "||"); i++)
		at = strstr(at, "||") + 2;
	at += strspn(at, " \t");
	end = strstr(at, "||") ?: at + strcspn(at, ";#\n");
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	snprintf(it->text, sizeof(it->text), "%.*s", (int)(end - at), at);
}

static void add_item(unsigned int policy, const struct cv_policy_rule *rule, uint16_t first,
		     uint16_t n_tests, unsigned int alternative)
{
	struct item *it = &items[n_items++];

	if (n_items == MAX_ITEMS)
		die("more than %u rules", MAX_ITEMS);
	*it = (struct item){ .policy = policy,
			     .nr = rule->nr,
			     .first = first,
			     .n_tests = n_tests,
			     .alternative = alternative,
			     .where = rule->where };
	cv_syscall_name(cv_arch_native(), rule->nr, it->call, sizeof(it->call));
	find_text(it);
}

static void add_rule(unsigned int policy, const struct cv_policy_rule *rule)
{
	const struct cv_policy_test *tests = policies[policy].policy.tests;
	uint16_t first = rule->first, end = (uint16_t)(first + rule->n_tests);
	unsigned int n = 0;

	if (rule->n_tests == 0)
		add_item(policy, rule, first, 0, 0);
	for (uint16_t i = first; i < end; i++) {
		if (!tests[i].ends)
			continue;
		add_item(policy, rule, first, (uint16_t)(i + 1 - first), n++);
		first = (uint16_t)(i + 1);
	}
}

static unsigned int find_policy(const char *name)
{
	struct vm_error e = { 0 };
	unsigned int i = 0;
	char path[512];

	while (i < n_policies && strcmp(policies[i].name, name) != 0)
		i++;
	if (i < n_policies)
		return i;
	if (n_policies++ == MAX_POLICIES)
		die("more than %u policies", MAX_POLICIES);
	policies[i].name = name;
	snprintf(path, sizeof(path), "%s/%s.policy", directory, name);
	if (cv_policy_read(&policies[i].policy, cv_arch_native(), path, &e))
		die("%s", e.text);
	for (unsigned int t = 0; t < policies[i].policy.n_tests; t++)
		policies[i].is_self[t] = policies[i].policy.tests[t].value == CV_POLICY_SELF;
	policies[i].probe = policies[i].policy;
	policies[i].probe.n_rules = 1;
	for (unsigned int r = 0; r < policies[i].policy.n_rules; r++)
		add_rule(i, &policies[i].policy.rules[r]);
	return i;
}

/* Classes that never have a process have no file. */
static bool has_policy(const struct cv_class *cls)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.policy", directory, cls->policy);
	return access(path, F_OK) == 0;
}

/* The VM's own becomes number 0. */
static void read_policies(void)
{
	find_policy("main");
	for (const struct cv_class *const *c = cv_classes; *c; c++)
		if (has_policy(*c))
			find_policy((*c)->policy);
}

/* The VM's own process is @pid in this log. */
static void set_self(uint64_t pid)
{
	for (unsigned int t = 0; t < policies[0].policy.n_tests; t++)
		if (policies[0].is_self[t]) {
			policies[0].policy.tests[t].value = pid;
			policies[0].probe.tests[t].value = pid;
		}
}

/* ---- the calls ---- */

static bool matches(const struct item *it, const struct call *c)
{
	struct cv_policy *probe = &policies[it->policy].probe;

	probe->rules[0] = (struct cv_policy_rule){
		.nr = it->nr, .first = it->first, .n_tests = it->n_tests, .verdict = CV_POLICY_ALLOW
	};
	return cv_policy_judge(probe, c->nr, c->args) == CV_POLICY_ALLOW;
}

static void judge(struct task *t, const struct call *c)
{
	unsigned int policy = (unsigned int)t->policy;

	policies[policy].n_calls++;
	for (unsigned int i = 0; i < n_items; i++)
		if (items[i].policy == policy && items[i].nr == c->nr && matches(&items[i], c))
			items[i].n_seen++;
	if (cv_policy_judge(&policies[policy].policy, c->nr, c->args) == CV_POLICY_KILL)
		snprintf(t->held, sizeof(t->held), "%s.policy does not allow %s",
			 policies[policy].name, c->text);
}

/* ---- logs ---- */

/* "NAME(0x1, 0x2) = 0" or "NAME(0x1, 0x2 <unfinished ...>" */
static bool take_call(const char *text, struct call *c)
{
	size_t len = strcspn(text, "(");
	const char *at = text + len + 1;

	*c = (struct call){ 0 };
	if (text[len] != '(' || len >= sizeof(c->name) || strchr("?+-<", text[0]))
		return false;
	memcpy(c->name, text, len);
	snprintf(c->text, sizeof(c->text), "%.*s)", (int)strcspn(text, ")<"), text);
	for (unsigned int i = 0; i < CV_LEN(c->args); i++) {
		char *end;

		at += strspn(at, ", ");
		c->args[i] = strtoull(at, &end, 0);
		at = end;
	}
	c->nr = strncmp(text, "syscall_", 8) == 0 ? (int)strtol(text + 8, NULL, 0)
						  : cv_syscall_number(cv_arch_native(), c->name);
	return true;
}

/* "crosvm-block" and "crosvm-block-io" are of the class block; -1: of none */
static int policy_of(const char *comm)
{
	char name[32];
	const struct cv_class *cls;

	snprintf(name, sizeof(name), "%s", comm + strlen(PREFIX));
	name[strcspn(name, "-")] = '\0';
	cls = cv_class_find(name);
	return cls && has_policy(cls) ? (int)find_policy(cls->policy) : -1;
}

/* A thread of a device's process comes with its name, and after the jail was closed. */
static struct task *find_task(int pid, const char *comm)
{
	bool device = strncmp(comm, PREFIX, strlen(PREFIX)) == 0;
	unsigned int i = 0;

	while (i < n_tasks && tasks[i].pid != pid)
		i++;
	if (i == n_tasks) {
		if (n_tasks++ == MAX_TASKS)
			die("more than %u threads", MAX_TASKS);
		tasks[i] = (struct task){ .pid = pid, .jailed = device };
	}
	if (strcmp(comm, UNNAMED) == 0)
		tasks[i] = (struct task){ .pid = pid, .policy = -1 };
	else if (device && tasks[i].policy <= 0)
		tasks[i].policy = policy_of(comm);
	return &tasks[i];
}

static void sealed(struct task *t, const char *result)
{
	t->sealing = false;
	if (strncmp(result, "-1", 2) == 0)
		return;
	t->jailed = true;
	main_jailed = main_jailed || t->policy == 0;
}

/*
 * Of a thread that is killed while it is looked at strace shows a call of the one it looked at
 * before: the last call of a killed thread counts only if it does not look like that.
 */
static void release(const char *log, struct task *t, const char *text)
{
	bool killed = strncmp(text, "+++ killed by SIGKILL", 21) == 0;

	if (t->held[0] && !(killed && t->stale))
		complain("%s: %s", log, t->held);
	t->held[0] = '\0';
}

static void take_seccomp(struct task *t, const struct call *c, const char *result)
{
	if (strcmp(c->name, "seccomp") != 0 || c->args[0] != 1)
		return;
	t->sealing = true;
	if (result)
		sealed(t, result);
}

static void take_text(const char *log, struct task *t, const char *text)
{
	const char *result = strstr(text, ") ");
	struct call c;

	release(log, t, text);
	result = result ? result + 2 + strspn(result + 2, " =") : NULL;
	if (t->sealing && strncmp(text, "<... seccomp resumed>", 21) == 0 && result)
		sealed(t, result);
	if (!take_call(text, &c))
		return;
	t->stale = last_pid != t->pid && strcmp(c.text, last_call) == 0;
	last_pid = t->pid;
	snprintf(last_call, sizeof(last_call), "%s", c.text);
	if (t->jailed || (t->policy == 0 && main_jailed))
		judge(t, &c);
	take_seccomp(t, &c, result);
}

static void take_line(const char *log, char *line)
{
	char *comm = strchr(line, '<'), *text = comm ? strstr(comm, "> ") : NULL;
	struct task *t;

	if (!text)
		die("%s: not a line of strace -f -Y: %s", log, line);
	*comm++ = '\0';
	*text = '\0';
	text += 2;
	text += strspn(text, " ");
	t = find_task(atoi(line), comm);
	take_text(log, t, text);
	if (strncmp(text, "+++ ", 4) == 0) /* the number is free again */
		*t = tasks[--n_tasks];
}

static void read_log(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t size = 0;
	char *line = NULL;

	if (!f)
		die("%s: %s", path, strerror(errno));
	n_tasks = 0;
	main_jailed = false;
	last_pid = 0;
	for (bool first = true; getline(&line, &size, f) > 0; first = false) {
		if (first)
			set_self(strtoull(line, NULL, 10));
		take_line(path, line);
	}
	for (unsigned int i = 0; i < n_tasks; i++)
		release(path, &tasks[i], "");
	free(line);
	fclose(f);
}

/* ---- the result ---- */

static bool same_rule(const struct item *a, const struct item *b)
{
	return a->alternative == b->alternative && strcmp(a->where, b->where) == 0;
}

static const struct excuse *excuse_of(const struct item *it)
{
	for (size_t i = 0; i < CV_LEN(excuses); i++)
		if (strncmp(excuses[i].file, it->where, strcspn(it->where, ":")) == 0 &&
		    strcmp(excuses[i].call, it->call) == 0 &&
		    strcmp(excuses[i].alternative, it->text) == 0)
			return &excuses[i];
	return NULL;
}

/* By an option: "CALL: ALTERNATIVE". */
static bool is_hidden(const struct item *it)
{
	size_t len = strlen(it->call);

	for (unsigned int i = 0; i < n_hidden; i++)
		if (strncmp(hidden[i], it->call, len) == 0 &&
		    strncmp(hidden[i] + len, ": ", 2) == 0 &&
		    strcmp(hidden[i] + len + 2, it->text) == 0)
			return true;
	return false;
}

/* Once for all policies that include the rule. */
static void report_item(unsigned int index)
{
	const struct item *it = &items[index];
	unsigned long sum = 0;

	for (unsigned int i = 0; i < n_items; i++) {
		if (!same_rule(&items[i], it))
			continue;
		if (i < index)
			return;
		sum += items[i].n_seen;
		if (verbose)
			printf("%8lu %-8s %s %s: %s\n", items[i].n_seen,
			       policies[items[i].policy].name, it->where, it->call, it->text);
	}
	if (sum == 0 && !excuse_of(it) && !is_hidden(it))
		complain("%s: nothing needed %s: %s", it->where, it->call, it->text);
}

static void check_excuses(void)
{
	for (size_t i = 0; i < CV_LEN(excuses); i++) {
		bool used = false;

		for (unsigned int k = 0; k < n_items; k++)
			used |= excuse_of(&items[k]) == &excuses[i];
		if (!used)
			complain("no policy has what is excused: %s: %s", excuses[i].call,
				 excuses[i].alternative);
	}
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "vx:")) != -1) {
		if (option == 'x' && n_hidden < CV_LEN(hidden))
			hidden[n_hidden++] = optarg;
		verbose = verbose || option == 'v';
		if (option == '?')
			return 2;
	}
	if (argc < optind + 2)
		die("usage: sandbox-coverage [-v] [-x RULE]... DIRECTORY LOG...");
	directory = argv[optind];
	read_policies();
	for (int i = optind + 1; i < argc; i++)
		read_log(argv[i]);
	for (unsigned int i = 0; i < n_policies; i++) {
		if (policies[i].n_calls == 0)
			complain("no process with %s.policy was seen", policies[i].name);
		printf("%s: %lu calls\n", policies[i].name, policies[i].n_calls);
	}
	for (unsigned int i = 0; i < n_items; i++)
		report_item(i);
	check_excuses();
	return complaints > 0;
}
