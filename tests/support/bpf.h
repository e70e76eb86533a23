/* SPDX-License-Identifier: BSD-3-Clause */
/* What a seccomp program says about a call: as the kernel would run it, without the kernel. */
#ifndef CV_TESTS_BPF_H
#define CV_TESTS_BPF_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

#include "must.h"
#include "sandbox/policy.h"

static inline uint32_t bpf_arch(enum cv_arch arch)
{
	return arch == CV_ARCH_X86_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64;
}

static inline bool bpf_jumps(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGT:
		return a > f->k;
	case BPF_JGE:
		return a >= f->k;
	case BPF_JSET:
		return a & f->k;
	}
	must(!"a jump of another kind");
	return false;
}

/* The SECCOMP_RET_ value; every instruction must be one that the kernel's checker lets through. */
static inline uint32_t bpf_run(const struct sock_filter *insns, unsigned int n,
			       const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (unsigned int pc = 0; pc < n; pc++) {
		const struct sock_filter *f = &insns[pc];

		if (f->code == (BPF_RET | BPF_K))
			return f->k;
		if (f->code == (BPF_LD | BPF_W | BPF_ABS)) {
			must(f->k % 4 == 0 && f->k < sizeof(*data));
			memcpy(&a, (const uint8_t *)data + f->k, sizeof(a));
		} else if (f->code == (BPF_JMP | BPF_JA)) {
			pc += f->k;
		} else if (f->code == (BPF_ALU | BPF_AND | BPF_K)) {
			a &= f->k;
		} else {
			must(BPF_CLASS(f->code) == BPF_JMP && BPF_SRC(f->code) == BPF_K);
			pc += bpf_jumps(f, a) ? f->jt : f->jf;
		}
	}
	must(!"the program ends without a verdict");
	return 0;
}

/* What the policy itself says, as the program must put it. */
static inline uint32_t bpf_expected(const struct cv_policy *p, int nr, const uint64_t args[6])
{
	enum cv_policy_verdict verdict = cv_policy_judge(p, nr, args);

	if (verdict == CV_POLICY_KILL)
		return SECCOMP_RET_KILL_PROCESS;
	if (verdict == CV_POLICY_ALLOW)
		return SECCOMP_RET_ALLOW;
	for (unsigned int i = 0; i < p->n_rules; i++)
		if (p->rules[i].nr == nr)
			return SECCOMP_RET_ERRNO | p->rules[i].error;
	must(!"a verdict without a rule");
	return 0;
}

#endif
