/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Policies to classic BPF. Not by libseccomp's generator, which cannot compare
 * one argument twice in a rule nor say what happens when no rule of a call holds;
 * the tests hold both against each other where both can.
 *
 *	architecture, x32     else kill
 *	a binary tree of call numbers
 *	per call: its verdict, or per conjunction its comparisons, each of which
 *	goes on when it holds and to the next conjunction when not
 *
 * Conditional jumps of classic BPF reach 255 instructions: they only step over
 * an unconditional one, which reaches everywhere.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include "sandbox/seccomp.h"

#define X32_BIT	 0x40000000u
#define NR_OFF	 ((uint32_t)offsetof(struct seccomp_data, nr))
#define ARCH_OFF ((uint32_t)offsetof(struct seccomp_data, arch))

struct emitter {
	const struct cv_policy *policy;
	struct sock_filter *insns; /* BPF_MAXINSNS of them */
	uint16_t n;
	bool full;
};

static void emit(struct emitter *m, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (m->n == BPF_MAXINSNS)
		m->full = true;
	else
		m->insns[m->n++] = (struct sock_filter){ code, jt, jf, k };
}

static void load(struct emitter *m, uint32_t off)
{
	emit(m, BPF_LD | BPF_W | BPF_ABS, off, 0, 0);
}

static void jump_if(struct emitter *m, uint16_t how, uint32_t k, uint8_t jt, uint8_t jf)
{
	emit(m, (uint16_t)(BPF_JMP | how | BPF_K), k, jt, jf);
}

/* A jump whose target is not known yet; its place. */
static uint16_t jump(struct emitter *m)
{
	emit(m, BPF_JMP | BPF_JA, 0, 0, 0);
	return (uint16_t)(m->n - 1);
}

/* The jump at @at leads to what comes next. */
static void land(struct emitter *m, uint16_t at)
{
	if (!m->full)
		m->insns[at].k = (uint32_t)(m->n - at - 1);
}

static void verdict(struct emitter *m, enum cv_policy_verdict v, uint16_t error)
{
	uint32_t ret = SECCOMP_RET_KILL_PROCESS;

	if (v == CV_POLICY_ALLOW)
		ret = SECCOMP_RET_ALLOW;
	else if (v == CV_POLICY_ERRNO)
		ret = SECCOMP_RET_ERRNO | error;
	emit(m, BPF_RET | BPF_K, ret, 0, 0);
}

/* ---- comparisons ---- */

static uint32_t arg_off(unsigned int arg, bool high)
{
	/* both architectures are little-endian */
	return (uint32_t)(offsetof(struct seccomp_data, args) + 8 * arg + (high ? 4 : 0));
}

/*
 * The three comparisons that all are made of: equal, a bit set, and greater (or
 * equal). Behind them stand the place for "holds" and, one further, for "does not".
 */
static void compare(struct emitter *m, const struct cv_policy_test *t, uint16_t how, uint64_t value)
{
	uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value;

	load(m, arg_off(t->arg, true));
	switch (how) {
	case BPF_JEQ:
		jump_if(m, BPF_JEQ, high, 0, 3);
		break;
	case BPF_JSET:
		jump_if(m, BPF_JSET, high, 2, 0);
		break;
	default:
		jump_if(m, BPF_JGT, high, 3, 0);
		jump_if(m, BPF_JEQ, high, 0, 3);
		break;
	}
	load(m, arg_off(t->arg, false));
	jump_if(m, how, low, 0, 1);
}

/* Falls through when the comparison holds; the place of the jump taken when not. */
static uint16_t test(struct emitter *m, const struct cv_policy_test *t)
{
	static const struct {
		uint16_t how;
		bool inverted;
	} ways[] = {
		[CV_POLICY_EQ] = { BPF_JEQ, false },   [CV_POLICY_NE] = { BPF_JEQ, true },
		[CV_POLICY_LT] = { BPF_JGE, true },    [CV_POLICY_LE] = { BPF_JGT, true },
		[CV_POLICY_GT] = { BPF_JGT, false },   [CV_POLICY_GE] = { BPF_JGE, false },
		[CV_POLICY_ANY] = { BPF_JSET, false }, [CV_POLICY_WITHIN] = { BPF_JSET, true },
	};

	compare(m, t, ways[t->op].how, t->op == CV_POLICY_WITHIN ? ~t->value : t->value);
	/* "holds" is to lead over the jump, "does not" to it; inverted they do the opposite anyway */
	if (!ways[t->op].inverted)
		emit(m, BPF_JMP | BPF_JA, 1, 0, 0);
	return jump(m);
}

/* One conjunction from @t on and, where it holds, the verdict; what comes behind the conjunction. */
static const struct cv_policy_test *conjunction(struct emitter *m, const struct cv_policy_test *t,
						const struct cv_policy_rule *rule)
{
	uint16_t failed[CV_POLICY_MAX_TESTS];
	unsigned int n = 0;

	for (;; t++) {
		failed[n++] = test(m, t);
		if (t->ends)
			break;
	}
	verdict(m, rule->verdict, rule->error);
	while (n > 0)
		land(m, failed[--n]);
	return t + 1;
}

static void rule_body(struct emitter *m, const struct cv_policy_rule *rule)
{
	const struct cv_policy_test *t = &m->policy->tests[rule->first];
	const struct cv_policy_test *end = t + rule->n_tests;

	if (t == end)
		verdict(m, rule->verdict, rule->error);
	while (t < end) {
		t = conjunction(m, t, rule);
		if (t == end)
			verdict(m, rule->otherwise, rule->error);
	}
}

/* ---- the whole ---- */

/* The rules from @first on, @n of them; the call's number is loaded. */
static void tree(struct emitter *m, unsigned int first, unsigned int n)
{
	const struct cv_policy_rule *rules = &m->policy->rules[first];
	uint16_t upper;

	if (n == 1) {
		jump_if(m, BPF_JEQ, (uint32_t)rules->nr, 1, 0);
		verdict(m, CV_POLICY_KILL, 0);
		rule_body(m, rules);
		return;
	}
	jump_if(m, BPF_JGE, (uint32_t)rules[n / 2].nr, 0, 1);
	upper = jump(m);
	tree(m, first, n / 2);
	land(m, upper);
	tree(m, first + n / 2, n - n / 2);
}

static void prologue(struct emitter *m)
{
	bool x86 = m->policy->arch == CV_ARCH_X86_64;

	load(m, ARCH_OFF);
	jump_if(m, BPF_JEQ, x86 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64, 1, 0);
	verdict(m, CV_POLICY_KILL, 0);
	load(m, NR_OFF);
	/* x32 calls have the architecture of x86_64; no number of the other one is as large */
	jump_if(m, BPF_JGE, X32_BIT, 0, 1);
	verdict(m, CV_POLICY_KILL, 0);
}

int cv_seccomp_compile(struct cv_seccomp *s, const struct cv_policy *policy, struct vm_error *e)
{
	struct emitter m = { .policy = policy, .insns = calloc(BPF_MAXINSNS, sizeof(*m.insns)) };

	if (!m.insns)
		return cv_err(e, -ENOMEM, "seccomp: out of memory");
	prologue(&m);
	if (policy->n_rules > 0)
		tree(&m, 0, policy->n_rules);
	else
		verdict(&m, CV_POLICY_KILL, 0);
	if (m.full) {
		free(m.insns);
		return cv_err(e, -E2BIG,
			      "seccomp: the policy needs more than the %u instructions that the "
			      "kernel takes; shorten its conditions",
			      BPF_MAXINSNS);
	}
	*s = (struct cv_seccomp){ m.insns, m.n };
	return 0;
}

void cv_seccomp_fini(struct cv_seccomp *s)
{
	if (!s)
		return;
	free(s->insns);
	*s = (struct cv_seccomp){ 0 };
}
