/* SPDX-License-Identifier: BSD-3-Clause */
/* What a seccomp program says about a call: as the kernel would run it, without the kernel. */
#ifndef CV_TESTS_BPF_H
#define CV_TESTS_BPF_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "must.h"
#include "sandbox/bpf.h"
#include "sandbox/policy.h"

static inline uint32_t bpf_arch(enum cv_arch arch)
{
	return arch == CV_ARCH_X86_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64;
}

/* The SECCOMP_RET_ value; every instruction must be one that the kernel's checker lets through. */
static inline uint32_t bpf_run(const struct sock_filter *insns, unsigned int n,
			       const struct seccomp_data *data)
{
	uint32_t outcomes, ret;

	must(cv_bpf_run(insns, n, data, sizeof(*data), &outcomes, &ret) == 0);
	must((outcomes & (outcomes - 1)) == 0);
	return ret;
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
