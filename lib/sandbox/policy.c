/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading system call policies: files, lines, rules, conditions. */
#include "sandbox/policy.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "sandbox/syscalls.h"
#include "sys/fd.h"

#define MAX_LINE 4096u
#define MAX_NAME 64u

/* Where the reader is: one of these per open file. */
struct reader {
	struct cv_policy *policy;
	const struct reader *includer; /* NULL: the first file */
	const char *path;
	dev_t dev;
	ino_t ino; /* 0: not a file */
	unsigned int line, depth;
	const char *at; /* in the line */
	struct vm_error *e;
};

/* Builds of the other architecture have no use for more than this. */
enum cv_arch cv_arch_native(void)
{
#if defined(__x86_64__)
	return CV_ARCH_X86_64;
#else
	return CV_ARCH_AARCH64;
#endif
}

const char *cv_arch_name(enum cv_arch arch)
{
	return arch == CV_ARCH_X86_64 ? "x86_64" : "aarch64";
}

CV_PRINTF(2, 3) static int fault(const struct reader *r, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return cv_err(r->e, -EINVAL, "%s:%u: %s", r->path, r->line, text);
}

/* ---- words ---- */

static void skip_space(struct reader *r)
{
	while (isspace((unsigned char)*r->at))
		r->at++;
}

/* Takes @word, and the space behind it, if it is next. */
static bool take(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	skip_space(r);
	return true;
}

/* Letters, digits and _; the length, which may be 0. */
static size_t name_length(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

/* As for take(), but not when it is only the beginning of a longer name. */
static bool take_name(struct reader *r, const char *name)
{
	return name_length(r->at) == strlen(name) && take(r, name);
}

/* Takes a name or a number. */
static int take_constant(struct reader *r, bool is_errno, uint64_t *value)
{
	size_t len = name_length(r->at);
	char word[MAX_NAME];
	int err;

	if (len == 0)
		return fault(r, "a constant is missing before '%.20s'", r->at);
	if (len >= sizeof(word))
		return fault(r, "no constant has a name as long as '%.20s...'", r->at);
	memcpy(word, r->at, len);
	word[len] = '\0';
	if (isdigit((unsigned char)word[0])) {
		err = cv_str_u64(word, value);
		if (err)
			return fault(r, "'%s' is not a number", word);
	} else if (!cv_policy_constant(word, len, is_errno, value)) {
		return fault(r, "unknown %s '%s'; write its number",
			     is_errno ? "errno" : "constant", word);
	}
	r->at += len;
	skip_space(r);
	return 0;
}

static int take_value(struct reader *r, uint64_t *value)
{
	uint64_t one;

	*value = 0;
	do {
		bool inverted = take(r, "~");
		int err = take_constant(r, false, &one);

		if (err)
			return err;
		*value |= inverted ? ~one : one;
	} while (r->at[0] == '|' && r->at[1] != '|' && take(r, "|"));
	return 0;
}

static int take_errno(struct reader *r, uint16_t *error)
{
	uint64_t value;
	int err = take_constant(r, true, &value);

	if (err)
		return err;
	if (value == 0 || value > 4095) /* what fits into a result, MAX_ERRNO of the kernel */
		return fault(r, "an errno is between 1 and 4095");
	*error = (uint16_t)value;
	return 0;
}

/* ---- conditions ---- */

static int take_op(struct reader *r, enum cv_policy_op *op)
{
	/* a beginning of another stands behind it */
	static const struct {
		const char *text;
		enum cv_policy_op op;
	} ops[] = {
		{ "==", CV_POLICY_EQ }, { "!=", CV_POLICY_NE }, { "<=", CV_POLICY_LE },
		{ "<", CV_POLICY_LT },	{ ">=", CV_POLICY_GE }, { ">", CV_POLICY_GT },
		{ "&", CV_POLICY_ANY },
	};

	if (take_name(r, "in")) {
		*op = CV_POLICY_WITHIN;
		return 0;
	}
	for (size_t i = 0; i < CV_LEN(ops); i++)
		if (take(r, ops[i].text)) {
			*op = ops[i].op;
			return 0;
		}
	return fault(r, "'%.20s' is no comparison; there are == != < <= > >= & in", r->at);
}

static int take_test(struct reader *r, struct cv_policy_test *test)
{
	int err;

	if (strncmp(r->at, "arg", 3) != 0 || r->at[3] < '0' || r->at[3] > '5' ||
	    name_length(r->at) != 4)
		return fault(r, "'%.20s' is no argument; there are arg0 to arg5", r->at);
	test->arg = (uint8_t)(r->at[3] - '0');
	r->at += 4;
	skip_space(r);
	err = take_op(r, &test->op);
	err = err ?: take_value(r, &test->value);
	if (!err && test->op == CV_POLICY_ANY && test->value == 0)
		return fault(r, "no bit is in 0: this never holds");
	return err;
}

static int take_condition(struct reader *r, struct cv_policy_rule *rule)
{
	struct cv_policy *p = r->policy;
	bool more;

	do {
		struct cv_policy_test *test = &p->tests[p->n_tests];
		int err;

		if (p->n_tests == CV_POLICY_MAX_TESTS)
			return fault(r, "more than %u comparisons", CV_POLICY_MAX_TESTS);
		err = take_test(r, test);
		if (err)
			return err;
		p->n_tests++;
		rule->n_tests++;
		more = take(r, "&&");
		test->ends = !more;
		more = more || take(r, "||");
	} while (more);
	return 0;
}

/* ---- rules ---- */

static int take_action(struct reader *r, struct cv_policy_rule *rule)
{
	int err;

	if (take_name(r, "1")) {
		rule->verdict = CV_POLICY_ALLOW;
		return 0;
	}
	if (take_name(r, "return")) {
		rule->verdict = CV_POLICY_ERRNO;
		return take_errno(r, &rule->error);
	}
	if (strncmp(r->at, "arg", 3) != 0)
		return fault(r, "what is to be done? '1' allows, 'return ERRNO' and 'argN ...' may "
				"stand there");
	rule->verdict = CV_POLICY_ALLOW;
	err = take_condition(r, rule);
	if (err || !take(r, ";"))
		return err;
	if (!take_name(r, "return"))
		return fault(r, "after ';' comes 'return ERRNO'");
	rule->otherwise = CV_POLICY_ERRNO;
	return take_errno(r, &rule->error);
}

static const char *has_no(enum cv_arch arch)
{
	return arch == CV_ARCH_X86_64 ? "x86_64 has" : "aarch64 has";
}

/* The number of the call whose name is next, and that it has no line yet. */
static int take_call(struct reader *r, struct cv_policy_rule *rule)
{
	size_t len = name_length(r->at);
	char name[MAX_NAME];

	if (len == 0 || len >= sizeof(name))
		return fault(r, "'%.20s' is no name of a system call", r->at);
	memcpy(name, r->at, len);
	name[len] = '\0';
	rule->nr = cv_syscall_number(r->policy->arch, name);
	if (rule->nr == -ENOSYS)
		return cv_err(r->e, -ENOSYS,
			      "%s: this build cannot read policies; build it with libseccomp-dev "
			      "installed",
			      r->path);
	if (rule->nr < 0)
		return fault(r, "%s no system call '%s'",
			     rule->nr == -ENOENT ? "there is" : has_no(r->policy->arch), name);
	for (unsigned int i = 0; i < r->policy->n_rules; i++)
		if (r->policy->rules[i].nr == rule->nr)
			return fault(r, "'%s' has a line already, %s", name,
				     r->policy->rules[i].where);
	r->at += len;
	skip_space(r);
	return 0;
}

static int add_rule(struct reader *r)
{
	struct cv_policy *p = r->policy;
	const char *slash = strrchr(r->path, '/');
	struct cv_policy_rule *rule;
	int err;

	if (p->n_rules == CV_POLICY_MAX_RULES)
		return fault(r, "more than %u rules", CV_POLICY_MAX_RULES);
	rule = &p->rules[p->n_rules];
	*rule = (struct cv_policy_rule){ .first = (uint16_t)p->n_tests };
	snprintf(rule->where, sizeof(rule->where), "%.60s:%u", slash ? slash + 1 : r->path,
		 r->line);
	err = take_call(r, rule);
	if (err)
		return err;
	if (!take(r, ":"))
		return fault(r, "a colon is missing before '%.20s'", r->at);
	err = take_action(r, rule);
	if (err)
		return err;
	if (*r->at)
		return fault(r, "'%.20s' is too much", r->at);
	p->n_rules++;
	return 0;
}

/* ---- files ---- */

static int read_text(struct reader *r, const char *text, size_t len);

/* A regular file of a bearable size. */
static int check_file(const struct reader *r, const struct stat *st)
{
	for (; r; r = r->includer)
		if (r->ino == st->st_ino && r->dev == st->st_dev)
			return -ELOOP;
	if (!S_ISREG(st->st_mode))
		return -ENOTSUP;
	return st->st_size > CV_POLICY_MAX_FILE ? -EFBIG : 0;
}

static const char *reason(int err)
{
	switch (err) {
	case -ELOOP:
		return "it includes itself";
	case -ENOTSUP:
		return "it is not a regular file";
	case -EFBIG:
		return "it is larger than 64 KiB";
	case -ENODATA:
		return "it became shorter meanwhile";
	}
	return strerror(-err);
}

/* The whole file in a new string; -errno as for reason(). */
static int load_file(struct reader *r, char **text, size_t *len)
{
	CV_AUTO_FD int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	CV_AUTO_FREE char *buf = NULL;
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	err = check_file(r->includer, &st);
	if (err)
		return err;
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	*len = (size_t)st.st_size;
	buf = calloc(1, *len + 1);
	if (!buf)
		return -ENOMEM;
	err = cv_read_full(fd, buf, *len);
	if (!err)
		*text = cv_steal(buf);
	return err;
}

/* Reads the file at r->path; a fault of opening it is told to the includer or, without one, alone. */
static int read_file(struct reader *r)
{
	CV_AUTO_FREE char *text = NULL;
	size_t len;
	int err = load_file(r, &text, &len);

	if (err && r->includer)
		return fault(r->includer, "%s cannot be included: %s", r->path, reason(err));
	if (err)
		return cv_err(r->e, err, "policy %s: %s; name a directory that has such a file",
			      r->path, reason(err));
	return read_text(r, text, len);
}

static int include(struct reader *r)
{
	size_t dir_len = r->at[0] == '/' ? 0 : strlen(r->path);
	CV_AUTO_FREE char *path = NULL;
	struct reader next = {
		.policy = r->policy, .includer = r, .depth = r->depth + 1, .e = r->e
	};

	if (r->at[0] == '\0')
		return fault(r, "@include needs the name of a file");
	if (next.depth > CV_POLICY_MAX_DEPTH)
		return fault(r, "files include each other more than %u deep", CV_POLICY_MAX_DEPTH);
	while (dir_len > 0 && r->path[dir_len - 1] != '/')
		dir_len--;
	path = cv_str_printf("%.*s%s", (int)dir_len, r->path, r->at);
	if (!path)
		return cv_err(r->e, -ENOMEM, "policy %s: out of memory", r->path);
	next.path = path;
	return read_file(&next);
}

/* One line, without its comment and the space at its ends. */
static int read_line(struct reader *r, char *line)
{
	size_t len = strcspn(line, "#");

	while (len > 0 && isspace((unsigned char)line[len - 1]))
		len--;
	line[len] = '\0';
	r->at = line;
	skip_space(r);
	if (*r->at == '\0')
		return 0;
	if (r->at[0] != '@')
		return add_rule(r);
	r->at++;
	return take_name(r, "include") ? include(r)
				       : fault(r, "'@include' is the only word with @");
}

static int read_text(struct reader *r, const char *text, size_t len)
{
	const char *end = text + len;
	char line[MAX_LINE];

	if (memchr(text, '\0', len))
		return cv_err(r->e, -EINVAL, "policy %s: it is not text", r->path);
	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text)) ?: end;
		size_t n = (size_t)(stop - text);
		int err;

		r->line++;
		if (n >= sizeof(line))
			return fault(r, "the line is longer than %u bytes", MAX_LINE - 1);
		memcpy(line, text, n);
		line[n] = '\0';
		err = read_line(r, line);
		if (err)
			return err;
		text = stop + (stop < end);
	}
	return 0;
}

static int compare_rules(const void *a, const void *b)
{
	const struct cv_policy_rule *x = a, *y = b;

	return (x->nr > y->nr) - (x->nr < y->nr);
}

static int finish(struct cv_policy *policy, const char *path, struct vm_error *e)
{
	if (policy->n_rules == 0)
		return cv_err(e, -EINVAL, "policy %s: it has no rule", path);
	qsort(policy->rules, policy->n_rules, sizeof(policy->rules[0]), compare_rules);
	return 0;
}

int cv_policy_read(struct cv_policy *policy, enum cv_arch arch, const char *path,
		   struct vm_error *e)
{
	struct reader r = { .policy = policy, .path = path, .e = e };
	int err;

	policy->arch = arch;
	policy->n_rules = 0;
	policy->n_tests = 0;
	err = read_file(&r);
	return err ?: finish(policy, path, e);
}

int cv_policy_parse(struct cv_policy *policy, enum cv_arch arch, const char *path, const char *text,
		    size_t len, struct vm_error *e)
{
	struct reader r = { .policy = policy, .path = path, .e = e };
	int err;

	policy->arch = arch;
	policy->n_rules = 0;
	policy->n_tests = 0;
	err = read_text(&r, text, len);
	return err ?: finish(policy, path, e);
}

/* ---- meaning ---- */

static bool holds(const struct cv_policy_test *t, uint64_t arg)
{
	switch (t->op) {
	case CV_POLICY_EQ:
		return arg == t->value;
	case CV_POLICY_NE:
		return arg != t->value;
	case CV_POLICY_LT:
		return arg < t->value;
	case CV_POLICY_LE:
		return arg <= t->value;
	case CV_POLICY_GT:
		return arg > t->value;
	case CV_POLICY_GE:
		return arg >= t->value;
	case CV_POLICY_ANY:
		return arg & t->value;
	case CV_POLICY_WITHIN:
		return !(arg & ~t->value);
	}
	return false;
}

enum cv_policy_verdict cv_policy_judge(const struct cv_policy *policy, int nr,
				       const uint64_t args[6])
{
	const struct cv_policy_rule *rule = policy->rules;
	bool all = true;

	while (rule < policy->rules + policy->n_rules && rule->nr != nr)
		rule++;
	if (rule == policy->rules + policy->n_rules)
		return CV_POLICY_KILL;
	if (rule->n_tests == 0)
		return rule->verdict;
	for (unsigned int i = 0; i < rule->n_tests; i++) {
		const struct cv_policy_test *t = &policy->tests[rule->first + i];

		all = all && holds(t, args[t->arg]);
		if (t->ends && all)
			return rule->verdict;
		all = all || t->ends;
	}
	return rule->otherwise;
}
