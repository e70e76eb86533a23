/* SPDX-License-Identifier: BSD-3-Clause */
/* Seccomp programs run with open arguments, and programs that no kernel would load. */
#include "sandbox/bpf.h"

#include <errno.h>
#include <linux/audit.h>

#include "sandbox/seccomp.h"
#include "sandbox/syscalls.h"
#include "support/bpf.h"
#include "support/check_main.h"

#if CROSVM_HAVE_SECCOMP
START_TEST(counts)
{
	static const char text[] =
		"read: 1\nwrite: 1\nclose: 1\nmmap: arg2 in PROT_READ|PROT_WRITE\n"
		"openat: return ENOENT\nioctl: arg1 == 5 || arg1 == 7; return EPERM\n";
	static struct cv_policy p;
	uint32_t arch = bpf_arch(cv_arch_native());
	struct cv_seccomp s = { 0 };
	struct cv_bpf_count c;

	ck_assert_int_eq(cv_policy_parse(&p, cv_arch_native(), "a", text, strlen(text), NULL), 0);
	ck_assert_int_eq(cv_seccomp_compile(&s, &p, NULL), 0);
	ck_assert_int_eq(cv_bpf_count(s.insns, s.n, arch, &c), 0);
	ck_assert_uint_eq(c.allowed, 3);
	ck_assert_uint_eq(c.conditional, 2);
	ck_assert_uint_eq(c.logged, 0);
	/* of another architecture nothing passes */
	ck_assert_int_eq(cv_bpf_count(s.insns, s.n, AUDIT_ARCH_PPC64, &c), 0);
	ck_assert_uint_eq(c.allowed + c.conditional, 0);
	cv_seccomp_log_failures(&s);
	ck_assert_int_eq(cv_bpf_count(s.insns, s.n, arch, &c), 0);
	ck_assert_uint_eq(c.allowed, 3);
	ck_assert_uint_ge(c.logged, CV_BPF_N_CALLS - 6);
	cv_seccomp_fini(&s);
}
END_TEST

static void covers(const struct cv_seccomp_builtin *b, int nr)
{
	static const uint64_t args[] = { 0, 1, 2, 3, 33, 0x100000000, UINT64_MAX };
	struct seccomp_data d = { .nr = nr, .arch = bpf_arch(cv_arch_native()) };
	uint32_t all, one;

	ck_assert_int_eq(cv_bpf_run(b->insns, b->n, &d, 8, &all, NULL), 0);
	for (size_t i = 0; i < CV_LEN(args); i++) {
		for (size_t a = 0; a < 6; a++)
			d.args[a] = args[(i + a) % CV_LEN(args)];
		ck_assert_int_eq(cv_bpf_run(b->insns, b->n, &d, sizeof(d), &one, NULL), 0);
		ck_assert_uint_eq(one & ~all, 0);
		ck_assert_int_eq(__builtin_popcount(one), 1);
	}
}

/* With open arguments a program says all that it says of some arguments. */
START_TEST(open_arguments_cover_all)
{
	for (const struct cv_seccomp_builtin *b = cv_seccomp_builtins; b->name; b++)
		for (int nr = 0; nr < (int)CV_BPF_N_CALLS; nr++)
			covers(b, nr);
}
END_TEST
#else
START_TEST(counts) {}
END_TEST
START_TEST(open_arguments_cover_all) {}
END_TEST
#endif

/* Each before a program that ends. */
START_TEST(unloadable)
{
	static const struct sock_filter rows[] = {
		BPF_STMT(BPF_JMP | BPF_JA, 1),
		BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX),
		BPF_JUMP(BPF_JMP | BPF_JEQ, 0, 255, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, UINT32_MAX - 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_LD | BPF_MEM, BPF_MEMWORDS),
		BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32),
		BPF_STMT(BPF_ALU | 0xf0, 1),
		BPF_STMT(BPF_JMP | 0xf0, 1),
	};
	struct seccomp_data d = { 0 };
	uint32_t outcomes;

	for (size_t i = 0; i < CV_LEN(rows); i++) {
		const struct sock_filter f[] = { rows[i], BPF_STMT(BPF_RET, 0) };

		ck_assert_msg(cv_bpf_run(f, 2, &d, 8, &outcomes, NULL) == -EINVAL, "row %zu", i);
	}
	/* without an end, empty, too long */
	ck_assert_int_eq(cv_bpf_run(&rows[10], 0, &d, 8, &outcomes, NULL), -EINVAL);
	ck_assert_int_eq(cv_bpf_run(rows, CV_BPF_MAX_INSNS + 1, &d, 8, &outcomes, NULL), -EINVAL);
	ck_assert_int_eq(cv_bpf_run(&(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), 1,
				    &d, 8, &outcomes, NULL),
			 -EINVAL);
}
END_TEST

/* As many branches as there can be: each instruction is still looked at once. */
START_TEST(bounded)
{
	static struct sock_filter f[CV_BPF_MAX_INSNS];
	const unsigned int last = CV_BPF_MAX_INSNS - 1;
	struct cv_bpf_count c;

	f[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16);
	for (unsigned int i = 1; i < last - 1; i++)
		f[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ, i, 1, 0);
	f[last - 1] = (struct sock_filter)BPF_STMT(BPF_RET, SECCOMP_RET_ALLOW);
	f[last] = (struct sock_filter)BPF_STMT(BPF_RET, SECCOMP_RET_KILL_PROCESS);
	ck_assert_int_eq(cv_bpf_count(f, CV_BPF_MAX_INSNS, 0, &c), 0);
	ck_assert_uint_eq(c.conditional, CV_BPF_N_CALLS);
}
END_TEST

START_TEST(unknown_result)
{
	static const struct sock_filter by_a[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16),
						   BPF_STMT(BPF_RET | BPF_A, 0) };
	struct seccomp_data d = { .args = { SECCOMP_RET_LOG } };
	uint32_t outcomes, ret;

	ck_assert_int_eq(cv_bpf_run(by_a, 2, &d, 8, &outcomes, NULL), 0);
	ck_assert_uint_eq(outcomes, CV_BPF_ALLOW | CV_BPF_LOG | CV_BPF_REFUSE);
	ck_assert_int_eq(cv_bpf_run(by_a, 2, &d, sizeof(d), &outcomes, &ret), 0);
	ck_assert_uint_eq(outcomes, CV_BPF_LOG);
	ck_assert_uint_eq(ret, SECCOMP_RET_LOG);
}
END_TEST

/* The second figure is Python's, over 06 00 01 02 00 00 ff 7f. */
START_TEST(hash)
{
	static const struct sock_filter allow = { BPF_RET | BPF_K, 1, 2, SECCOMP_RET_ALLOW };

	ck_assert_uint_eq(cv_bpf_hash(&allow, 0), 0xcbf29ce484222325ull);
	ck_assert_uint_eq(cv_bpf_hash(&allow, 1), 0x7232e69827663d7aull);
}
END_TEST

CHECK_MAIN("bpf", counts, open_arguments_cover_all, unloadable, bounded, unknown_result, hash)
