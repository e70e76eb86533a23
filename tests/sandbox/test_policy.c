/* SPDX-License-Identifier: BSD-3-Clause */
/* The policy language, what it compiles to, and the policies themselves. */
#include "sandbox/policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/dev.h"
#include "sandbox/seccomp.h"
#include "sandbox/syscalls.h"
#include "support/bpf.h"
#include "support/check_main.h"

#if CROSVM_HAVE_SECCOMP
#include <seccomp.h>

static int parse(struct cv_policy *p, const char *text, struct vm_error *e)
{
	return cv_policy_parse(p, CV_ARCH_X86_64, "dir/a.policy", text, strlen(text), e);
}

static uint32_t run(const struct cv_seccomp *s, enum cv_arch arch, int nr, const uint64_t args[6])
{
	struct seccomp_data call = { .nr = nr, .arch = bpf_arch(arch) };

	memcpy(call.args, args, sizeof(call.args));
	return bpf_run(s->insns, s->n, &call);
}

/* The program's verdict on `name(a0, a1, a2)`, which must be the policy's too. */
static uint32_t verdict(const char *text, const char *name, uint64_t a0, uint64_t a1, uint64_t a2)
{
	static struct cv_policy p;
	const uint64_t args[6] = { a0, a1, a2 };
	struct cv_seccomp s = { 0 };
	struct vm_error e = { 0 };
	int nr = cv_syscall_number(CV_ARCH_X86_64, name);
	uint32_t ret;

	ck_assert_msg(parse(&p, text, &e) == 0, "%s", e.text);
	ck_assert_int_eq(cv_seccomp_compile(&s, &p, &e), 0);
	ret = run(&s, CV_ARCH_X86_64, nr, args);
	ck_assert_uint_eq(ret, bpf_expected(&p, nr, args));
	cv_seccomp_fini(&s);
	return ret;
}

#define KILL	 SECCOMP_RET_KILL_PROCESS
#define ALLOW	 SECCOMP_RET_ALLOW
#define ERROR(e) (SECCOMP_RET_ERRNO | (e))

START_TEST(language)
{
	static const struct {
		const char *text, *name;
		uint64_t a0, a1, a2;
		uint32_t ret;
	} rows[] = {
		{ "read: 1", "read", 1, 2, 3, ALLOW },
		{ "read: 1", "write", 1, 2, 3, KILL },
		{ "# x\n\n \t read :1 # y\r\nwrite: 1", "write", 0, 0, 0, ALLOW },
		{ "open: return ENOENT", "open", 0, 0, 0, ERROR(ENOENT) },
		{ "open: return 95", "open", 0, 0, 0, ERROR(95) },
		{ "read: arg0 == 3", "read", 3, 0, 0, ALLOW },
		{ "read: arg0 == 3", "read", 0x100000003, 0, 0, KILL },
		{ "read: arg0 == 3; return EBADF", "read", 4, 0, 0, ERROR(EBADF) },
		{ "read: arg0 == 3; return EBADF", "read", 3, 0, 0, ALLOW },
		{ "read: arg0 != 3", "read", 3, 0, 0, KILL },
		{ "read: arg0 != 3", "read", 0x100000003, 0, 0, ALLOW },
		{ "read: arg2 < 0x200000001", "read", 0, 0, 0x200000000, ALLOW },
		{ "read: arg2 < 0x200000001", "read", 0, 0, 0x200000001, KILL },
		{ "read: arg2 < 0x200000001", "read", 0, 0, 0x100000005, ALLOW },
		{ "read: arg2 <= 0x200000001", "read", 0, 0, 0x200000001, ALLOW },
		{ "read: arg2 <= 0x200000001", "read", 0, 0, 0x300000000, KILL },
		{ "read: arg2 > 0x200000001", "read", 0, 0, 0x300000000, ALLOW },
		{ "read: arg2 > 0x200000001", "read", 0, 0, 0x200000001, KILL },
		{ "read: arg2 >= 0x200000001", "read", 0, 0, 0x200000001, ALLOW },
		{ "read: arg2 >= 0x200000001", "read", 0, 0, 0x1ffffffff, KILL },
		{ "read: arg0 & 6", "read", 4, 0, 0, ALLOW },
		{ "read: arg0 & 6", "read", 9, 0, 0, KILL },
		{ "read: arg0 & 0x100000000", "read", 0x100000000, 0, 0, ALLOW },
		{ "mmap: arg2 in PROT_READ|PROT_WRITE", "mmap", 0, 0, 3, ALLOW },
		{ "mmap: arg2 in PROT_READ|PROT_WRITE", "mmap", 0, 0, 7, KILL },
		{ "mmap: arg2 in PROT_READ|PROT_WRITE", "mmap", 0, 0, 1ull << 40, KILL },
		{ "mmap: arg2 in ~PROT_EXEC", "mmap", 0, 0, 1ull << 40, ALLOW },
		{ "mmap: arg2 in ~PROT_EXEC", "mmap", 0, 0, 4, KILL },
		{ "read: arg0 == 1 && arg1 == 2 || arg0 == 3", "read", 1, 2, 0, ALLOW },
		{ "read: arg0 == 1 && arg1 == 2 || arg0 == 3", "read", 1, 3, 0, KILL },
		{ "read: arg0 == 1 && arg1 == 2 || arg0 == 3", "read", 3, 9, 0, ALLOW },
		{ "read: arg0 > 1 && arg0 < 9; return EIO", "read", 5, 0, 0, ALLOW },
		{ "read: arg0 > 1 && arg0 < 9; return EIO", "read", 9, 0, 0, ERROR(EIO) },
		{ "read:arg0==1||arg1==1|2", "read", 0, 3, 0, ALLOW },
	};

	for (size_t i = 0; i < CV_LEN(rows); i++)
		ck_assert_msg(verdict(rows[i].text, rows[i].name, rows[i].a0, rows[i].a1,
				      rows[i].a2) == rows[i].ret,
			      "row %zu: %s", i, rows[i].text);
}
END_TEST

START_TEST(faults)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{ "", "policy dir/a.policy: it has no rule" },
		{ "# only a comment", "policy dir/a.policy: it has no rule" },
		{ "read: 1\nraed: 1", "dir/a.policy:2: there is no system call 'raed'" },
		{ "recv: 1", "dir/a.policy:1: x86_64 has no system call 'recv'" },
		{ "read 1", "dir/a.policy:1: a colon is missing before '1'" },
		{ "read:", "dir/a.policy:1: what is to be done? '1' allows, 'return ERRNO' and "
			   "'argN ...' may stand there" },
		{ "read: 2", "dir/a.policy:1: what is to be done? '1' allows, 'return ERRNO' and "
			     "'argN ...' may stand there" },
		{ "read: 1 1", "dir/a.policy:1: '1' is too much" },
		{ "read: 1\nwrite: 1\nread: 1",
		  "dir/a.policy:3: 'read' has a line already, a.policy:1" },
		{ "read: return", "dir/a.policy:1: a constant is missing before ''" },
		{ "read: return EFOO", "dir/a.policy:1: unknown errno 'EFOO'; write its number" },
		{ "read: return 0", "dir/a.policy:1: an errno is between 1 and 4095" },
		{ "read: return 4096", "dir/a.policy:1: an errno is between 1 and 4095" },
		{ "read: arg6 == 1",
		  "dir/a.policy:1: 'arg6 == 1' is no argument; there are arg0 to arg5" },
		{ "read: arg0 = 1", "dir/a.policy:1: '= 1' is no comparison; there are == != < <= "
				    "> >= & in" },
		{ "read: arg0 == PROT_FOO",
		  "dir/a.policy:1: unknown constant 'PROT_FOO'; write its number" },
		{ "read: arg0 == 1x", "dir/a.policy:1: '1x' is not a number" },
		{ "read: arg0 == 0x10000000000000000",
		  "dir/a.policy:1: '0x10000000000000000' is not a number" },
		{ "read: arg0 == ", "dir/a.policy:1: a constant is missing before ''" },
		{ "read: arg0 == 1|", "dir/a.policy:1: a constant is missing before ''" },
		{ "read: arg0 == 1 &&",
		  "dir/a.policy:1: '' is no argument; there are arg0 to arg5" },
		{ "read: arg0 & 0", "dir/a.policy:1: no bit is in 0: this never holds" },
		{ "read: arg0 == 1; EIO", "dir/a.policy:1: after ';' comes 'return ERRNO'" },
		{ "read: arg0 == 1; return EIO x", "dir/a.policy:1: 'x' is too much" },
		{ "@frequency x", "dir/a.policy:1: '@include' is the only word with @" },
		{ "@include", "dir/a.policy:1: @include needs the name of a file" },
		{ "@include none.policy", "dir/a.policy:1: dir/none.policy cannot be included: No "
					  "such file or directory" },
		{ "@include /dev/null", "dir/a.policy:1: /dev/null cannot be included: it is not "
					"a regular file" },
	};
	static struct cv_policy p;

	for (size_t i = 0; i < CV_LEN(rows); i++) {
		struct vm_error e = { 0 };

		ck_assert_int_eq(parse(&p, rows[i].text, &e), -EINVAL);
		ck_assert_str_eq(e.text, rows[i].sentence);
	}
	ck_assert_int_eq(cv_policy_parse(&p, CV_ARCH_AARCH64, "a", "open: 1", 7, NULL), -EINVAL);
	ck_assert_int_eq(cv_policy_parse(&p, CV_ARCH_X86_64, "a", "read: 1\0", 8, NULL), -EINVAL);
}
END_TEST

/* ---- files ---- */

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* The sentence of reading dir/@name, "" for none. */
static const char *sentence(const char *dir, const char *name)
{
	static struct cv_policy p;
	static struct vm_error e;
	char path[200];

	e = (struct vm_error){ 0 };
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	cv_ignore(cv_policy_read(&p, CV_ARCH_X86_64, path, &e)); /* the sentence tells */
	return e.text;
}

START_TEST(includes)
{
	char dir[] = "/tmp/crosvm-policy-XXXXXX", big[70000], name[20], text[40];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(fd, "sub", 0700), 0);
	put(fd, "a", "@include sub/b\nread: 1\n");
	put(fd, "sub/b", "@include c # beside b\nwrite: 1\n");
	put(fd, "sub/c", "close: 1\n");
	ck_assert_str_eq(sentence(dir, "a"), "");
	put(fd, "sub/c", "close: 1\nread: 1\n");
	ck_assert(strstr(sentence(dir, "a"), "/a:2: 'read' has a line already, c:2"));
	put(fd, "sub/c", "bad\n");
	ck_assert(strstr(sentence(dir, "a"), "/sub/c:1: there is no system call 'bad'"));
	put(fd, "sub/c", "@include ../a\n");
	ck_assert(strstr(sentence(dir, "a"), "/sub/c:1: "));
	ck_assert(strstr(sentence(dir, "a"), "cannot be included: it includes itself"));
	ck_assert(strstr(sentence(dir, "none"), "none: No such file or directory"));
	ck_assert(strstr(sentence(dir, "sub"), "sub: it is not a regular file"));
	memset(big, '\n', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	put(fd, "big", big);
	ck_assert(strstr(sentence(dir, "big"), "big: it is larger than 64 KiB"));
	memset(big, ' ', 5000);
	big[5000] = '\0';
	put(fd, "wide", big);
	ck_assert(strstr(sentence(dir, "wide"), "wide:1: the line is longer than 4095 bytes"));
	for (unsigned int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "deep%u", i);
		snprintf(text, sizeof(text), "@include deep%u\n", i + 1);
		put(fd, name, text);
	}
	ck_assert(strstr(sentence(dir, "deep0"), "deep8:1: files include each other more than 8"));
	ck_assert_str_eq(strstr(sentence(dir, "deep9"), "deep12 cannot"),
			 "deep12 cannot be included: No such file or directory");
	close(fd);
	snprintf(big, sizeof(big), "rm -r %s", dir);
	ck_assert_int_eq(system(big), 0);
}
END_TEST

START_TEST(limits)
{
	static struct cv_policy p;
	static char text[CV_POLICY_MAX_FILE * 2];
	struct cv_seccomp s = { 0 };
	struct vm_error e = { 0 };
	size_t n;

	n = (size_t)sprintf(text, "read: arg0 == 0");
	for (unsigned int i = 1; i <= CV_POLICY_MAX_TESTS; i++)
		n += (size_t)sprintf(text + n, "||arg0==%u", i);
	/* the line is too long for the file; as several lines the comparisons are too many */
	ck_assert_int_eq(parse(&p, text, &e), -EINVAL);
	n = 0;
	for (int nr = 0; nr < 4; nr++) {
		static const char *const names[] = { "read", "write", "close", "fstat" };

		n += (size_t)sprintf(text + n, "%s: arg0 == 0", names[nr]);
		for (unsigned int i = 1; i < CV_POLICY_MAX_TESTS / 4; i++)
			n += (size_t)sprintf(text + n, "||arg0==%u", i);
		n += (size_t)sprintf(text + n, "\n");
	}
	ck_assert_msg(parse(&p, text, &e) == 0, "%s", e.text);
	ck_assert_int_eq(cv_seccomp_compile(&s, &p, &e), -E2BIG);
	ck_assert_ptr_nonnull(strstr(e.text, "instructions"));
	n += (size_t)sprintf(text + n, "lseek: arg0 == 0\n");
	ck_assert_int_eq(parse(&p, text, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "more than 1024 comparisons"));
	n = 0;
	for (int nr = 0; nr < 330; nr++) {
		char name[64];

		cv_syscall_name(CV_ARCH_X86_64, nr, name, sizeof(name));
		n += (size_t)sprintf(text + n, "%s: 1\n", name);
	}
	ck_assert_int_eq(parse(&p, text, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "a.policy:257: more than 256 rules"));
}
END_TEST

START_TEST(other_architectures_are_killed)
{
	static struct cv_policy p;
	struct cv_seccomp s = { 0 };
	struct seccomp_data call = { .nr = 0, .arch = AUDIT_ARCH_X86_64 };

	ck_assert_int_eq(parse(&p, "read: 1", NULL), 0);
	ck_assert_int_eq(cv_seccomp_compile(&s, &p, NULL), 0);
	cv_seccomp_log_failures(&s);
	ck_assert_uint_eq(bpf_run(s.insns, s.n, &call), ALLOW);
	call.nr = 1;
	ck_assert_uint_eq(bpf_run(s.insns, s.n, &call), SECCOMP_RET_LOG);
	call.nr = 0x40000000;
	ck_assert_uint_eq(bpf_run(s.insns, s.n, &call), KILL);
	call.nr = -1;
	ck_assert_uint_eq(bpf_run(s.insns, s.n, &call), KILL);
	call.nr = 0;
	call.arch = AUDIT_ARCH_I386;
	ck_assert_uint_eq(bpf_run(s.insns, s.n, &call), KILL);
	cv_seccomp_fini(&s);
}
END_TEST

/* ---- our policies ---- */

static const struct seccomp_cmp_names {
	enum cv_policy_op op;
	enum scmp_compare cmp;
} comparisons[] = {
	{ CV_POLICY_EQ, SCMP_CMP_EQ }, { CV_POLICY_NE, SCMP_CMP_NE }, { CV_POLICY_LT, SCMP_CMP_LT },
	{ CV_POLICY_LE, SCMP_CMP_LE }, { CV_POLICY_GT, SCMP_CMP_GT }, { CV_POLICY_GE, SCMP_CMP_GE },
};

/* One alternative of a rule, for libseccomp. Ours are single comparisons. */
static void add_alternative(scmp_filter_ctx ctx, int nr, const struct cv_policy_test *t)
{
	struct scmp_arg_cmp cmp = { .arg = t->arg };

	ck_assert(t->ends && t->op != CV_POLICY_ANY);
	if (t->op == CV_POLICY_WITHIN) {
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_a = ~t->value;
	} else {
		cmp.op = comparisons[t->op].cmp;
		cmp.datum_a = t->value;
	}
	ck_assert_int_eq(seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, nr, 1, &cmp), 0);
}

/* libseccomp's rules take the native number and translate it. */
static int native_number(enum cv_arch arch, int nr)
{
	char name[64];

	cv_syscall_name(arch, nr, name, sizeof(name));
	return seccomp_syscall_resolve_name(name);
}

/* The same policy in a program by libseccomp's own generator; the number of instructions. */
static unsigned int by_libseccomp(const struct cv_policy *p, struct sock_filter *insns, size_t max)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	ssize_t n;

	ck_assert_ptr_nonnull(ctx);
	if (p->arch != cv_arch_native()) {
		ck_assert_int_eq(seccomp_arch_add(ctx, bpf_arch(p->arch)), 0);
		ck_assert_int_eq(seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE), 0);
	}
	for (unsigned int i = 0; i < p->n_rules; i++) {
		const struct cv_policy_rule *r = &p->rules[i];
		int nr = native_number(p->arch, r->nr);

		if (r->n_tests == 0)
			ck_assert_int_eq(seccomp_rule_add_exact(ctx,
								r->verdict == CV_POLICY_ALLOW
									? SCMP_ACT_ALLOW
									: SCMP_ACT_ERRNO(r->error),
								nr, 0),
					 0);
		for (unsigned int t = 0; t < r->n_tests; t++)
			add_alternative(ctx, nr, &p->tests[r->first + t]);
	}
	ck_assert_int_eq(seccomp_export_bpf(ctx, fd), 0);
	n = pread(fd, insns, max * sizeof(*insns), 0);
	ck_assert_int_gt(n, 0);
	close(fd);
	seccomp_release(ctx);
	return (unsigned int)n / sizeof(*insns);
}

/* Both programs and the policy agree about a call with @value everywhere. */
static void agree(const struct cv_policy *p, const struct cv_seccomp *s,
		  const struct sock_filter *other, unsigned int n, int nr, uint64_t value)
{
	struct seccomp_data call = { .nr = nr,
				     .arch = bpf_arch(p->arch),
				     .args = { value, value, value, value, value, value } };
	uint32_t ours = bpf_run(s->insns, s->n, &call);

	ck_assert_uint_eq(ours, bpf_expected(p, nr, (const uint64_t *)call.args));
	ck_assert_uint_eq(ours, bpf_run(other, n, &call));
}

static void check_policy(enum cv_arch arch, const char *path)
{
	static struct cv_policy p;
	static struct sock_filter other[BPF_MAXINSNS];
	struct cv_seccomp s = { 0 };
	struct vm_error e = { 0 };
	unsigned int n;

	ck_assert_msg(cv_policy_read(&p, arch, path, &e) == 0, "%s", e.text);
	ck_assert_int_eq(cv_seccomp_compile(&s, &p, &e), 0);
	n = by_libseccomp(&p, other, CV_LEN(other));
	for (int nr = 0; nr < 600; nr++)
		for (uint64_t v = 0; v < 3; v++)
			agree(&p, &s, other, n, nr, v);
	for (unsigned int i = 0; i < p.n_rules; i++)
		for (unsigned int t = 0; t < p.rules[i].n_tests; t++)
			for (unsigned int bit = 0; bit < 64; bit++) {
				uint64_t v = p.tests[p.rules[i].first + t].value;

				agree(&p, &s, other, n, p.rules[i].nr, v);
				agree(&p, &s, other, n, p.rules[i].nr, v ^ (1ull << bit));
			}
	cv_seccomp_fini(&s);
}

/* Whether seccomp/ARCH has the file. */
static bool has_policy(const char *arch, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s/%s", POLICY_DIR, arch, name);
	return access(path, R_OK) == 0;
}

START_TEST(ours_compile_for_both_architectures)
{
	static const enum cv_arch archs[] = { CV_ARCH_X86_64, CV_ARCH_AARCH64 };
	unsigned int n = 0;

	for (size_t i = 0; i < CV_LEN(archs); i++) {
		const char *arch = cv_arch_name(archs[i]), *other = cv_arch_name(archs[!i]);
		struct dirent *entry;
		char path[512];
		DIR *dir;

		snprintf(path, sizeof(path), "%s/%s", POLICY_DIR, arch);
		dir = opendir(path);
		ck_assert_ptr_nonnull(dir);
		while ((entry = readdir(dir))) {
			if (!strstr(entry->d_name, ".policy"))
				continue;
			ck_assert(has_policy(other, entry->d_name));
			snprintf(path, sizeof(path), "%s/%s/%s", POLICY_DIR, arch, entry->d_name);
			check_policy(archs[i], path);
			n++;
		}
		closedir(dir);
	}
	ck_assert_uint_ge(n, 2 * 7);
}
END_TEST

/* What nobody in a jail may do, whatever its arguments; and the arguments that decide. */
START_TEST(ours_never_allow)
{
	static const char *const never[] = {
		"open",
		"openat",
		"openat2",
		"creat",
		"connect",
		"socket",
		"socketpair",
		"bind",
		"listen",
		"accept",
		"accept4",
		"execve",
		"execveat",
		"fork",
		"vfork",
		"clone3",
		"ptrace",
		"kill",
		"tkill",
		"tgkill",
		"process_vm_readv",
		"process_vm_writev",
		"pidfd_open",
		"pidfd_getfd",
		"unshare",
		"setns",
		"mount",
		"umount2",
		"pivot_root",
		"chroot",
		"setuid",
		"setresuid",
		"capset",
		"io_uring_setup",
		"io_uring_register",
		"bpf",
		"perf_event_open",
		"userfaultfd",
		"keyctl",
		"memfd_create",
		"unlink",
		"rename",
		"mkdir",
		"readlink",
		"personality",
	};

	for (const struct cv_seccomp_builtin *b = cv_seccomp_builtins; b->name; b++) {
		struct seccomp_data call = { .arch = bpf_arch(cv_arch_native()) };

		for (size_t i = 0; i < CV_LEN(never); i++) {
			call.nr = cv_syscall_number(cv_arch_native(), never[i]);
			if (call.nr >= 0)
				ck_assert_msg(bpf_run(b->insns, b->n, &call) != ALLOW, "%s: %s",
					      b->name, never[i]);
		}
		call.nr = cv_syscall_number(cv_arch_native(), "mprotect");
		call.args[2] = PROT_READ | PROT_EXEC;
		ck_assert_uint_eq(bpf_run(b->insns, b->n, &call), KILL);
		call.nr = cv_syscall_number(cv_arch_native(), "mmap");
		ck_assert_uint_eq(bpf_run(b->insns, b->n, &call), KILL);
		call.nr = cv_syscall_number(cv_arch_native(), "ioctl");
		call.args[1] = TIOCSTI;
		ck_assert_uint_eq(bpf_run(b->insns, b->n, &call), KILL);
	}
}
END_TEST

START_TEST(table_has_what_files_say)
{
	char dir[400];

	snprintf(dir, sizeof(dir), "%s/%s", POLICY_DIR, cv_arch_name(cv_arch_native()));
	for (const struct cv_seccomp_builtin *b = cv_seccomp_builtins; b->name; b++) {
		struct cv_seccomp built = { 0 }, read = { 0 };

		ck_assert_int_eq(cv_seccomp_get(&built, NULL, b->name, NULL), 0);
		ck_assert_int_eq(cv_seccomp_get(&read, dir, b->name, NULL), 0);
		ck_assert_uint_eq(built.n, read.n);
		ck_assert_mem_eq(built.insns, read.insns, built.n * sizeof(*built.insns));
		cv_seccomp_fini(&built);
		cv_seccomp_fini(&read);
	}
}
END_TEST

/* A call more is a decision: the reason stands in the policy. */
START_TEST(how_many_calls)
{
	static const struct {
		const char *name;
		unsigned int n, n_filtered;
	} rows[] = {
		{ "balloon", 21, 8 }, { "block", 36, 14 },  { "console", 26, 10 },
		{ "rng", 22, 8 },     { "serial", 26, 10 }, { "main", 44, 19 },
	};
	static const enum cv_arch archs[] = { CV_ARCH_X86_64, CV_ARCH_AARCH64 };
	static struct cv_policy p;
	char path[512];

	for (size_t i = 0; i < CV_LEN(rows) * CV_LEN(archs); i++) {
		const char *name = rows[i / 2].name, *arch = cv_arch_name(archs[i % 2]);
		unsigned int n_filtered = 0;

		snprintf(path, sizeof(path), "%s/%s/%s.policy", POLICY_DIR, arch, name);
		ck_assert_int_eq(cv_policy_read(&p, archs[i % 2], path, NULL), 0);
		for (unsigned int r = 0; r < p.n_rules; r++)
			n_filtered += p.rules[r].n_tests > 0;
		ck_assert_msg(p.n_rules == rows[i / 2].n && n_filtered == rows[i / 2].n_filtered,
			      "%s: %u calls, %u of them filtered", path, p.n_rules, n_filtered);
	}
}
END_TEST

/* Virtio devices and those on a serial line run in processes of their own. */
START_TEST(classes_have_policies)
{
	for (const struct cv_class *const *c = cv_classes; *c; c++) {
		struct cv_seccomp s = { 0 };
		int err = cv_seccomp_get(&s, NULL, (*c)->policy, NULL);

		if ((*c)->virtio || strcmp((*c)->name, "serial") == 0 ||
		    strcmp((*c)->name, "debugcon") == 0 || strcmp((*c)->name, "pl011") == 0)
			ck_assert_msg(err == 0, "%s", (*c)->name);
		cv_seccomp_fini(&s);
	}
}
END_TEST

START_TEST(missing)
{
	struct cv_seccomp s = { 0 };
	struct vm_error e = { 0 };

	ck_assert_int_eq(cv_seccomp_get(&s, NULL, "toaster", &e), -ENOENT);
	ck_assert_str_eq(e.text, "seccomp: there is no policy 'toaster' in this build; name a "
				 "directory that has toaster.policy");
	ck_assert_int_eq(cv_seccomp_get(&s, "/nowhere", "rng", &e), -ENOENT);
	ck_assert_str_eq(
		e.text,
		"seccomp_policy_dir: policy /nowhere/rng.policy: No such file or directory; name "
		"a directory that has such a file");
	cv_seccomp_fini(&s);
}
END_TEST

CHECK_MAIN("policy", language, faults, includes, limits, other_architectures_are_killed,
	   ours_compile_for_both_architectures, ours_never_allow, table_has_what_files_say,
	   how_many_calls, classes_have_policies, missing)
#else
START_TEST(not_built)
{
	struct cv_seccomp s = { 0 };
	struct vm_error e = { 0 };

	ck_assert_int_eq(cv_seccomp_get(&s, NULL, "rng", &e), -ENOSYS);
	ck_assert_ptr_nonnull(strstr(e.text, "libseccomp-dev"));
}
END_TEST

CHECK_MAIN("policy", not_built)
#endif
