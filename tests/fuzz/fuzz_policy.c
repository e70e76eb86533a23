/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the policy language: what can be read must compile, and to a program that says the same. */
#include <errno.h>

#include "sandbox/seccomp.h"
#include "support/bpf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t judge(const struct cv_seccomp *s, const struct cv_policy *p, int nr,
		      const uint64_t args[6])
{
	struct seccomp_data call = { .nr = nr, .arch = bpf_arch(p->arch) };

	for (unsigned int i = 0; i < 6; i++)
		call.args[i] = args[i];
	return bpf_run(s->insns, s->n, &call);
}

static void ask(const struct cv_seccomp *s, const struct cv_policy *p, int nr, uint64_t value)
{
	uint64_t args[6];

	for (unsigned int i = 0; i < 6; i++) /* some of them that, some near it, some not */
		args[i] = value >> (i == 3 ? 32 : 0) ^ (i == 4);
	must(judge(s, p, nr, args) == bpf_expected(p, nr, args));
}

/* Every rule with values at the edges of what it compares with. */
static void check_rules(const struct cv_seccomp *s, const struct cv_policy *p)
{
	for (unsigned int i = 0; i < p->n_rules; i++) {
		const struct cv_policy_rule *r = &p->rules[i];

		ask(s, p, r->nr, 0);
		ask(s, p, r->nr + 1, 0);
		for (unsigned int t = r->first; t < (unsigned int)r->first + r->n_tests; t++) {
			uint64_t v = p->tests[t].value;
			const uint64_t near[] = {
				v,	 v + 1,	      v - 1,	      ~v,
				v << 32, v & (v - 1), v ^ 1ull << 32, v | 1ull << 63
			};

			for (size_t n = 0; n < CV_LEN(near); n++)
				ask(s, p, r->nr, near[n]);
		}
	}
}

static void run(enum cv_arch arch, const char *text, size_t size)
{
	static struct cv_policy p;
	struct cv_seccomp s = { 0 };
	struct vm_error e = { 0 };
	int err = cv_policy_parse(&p, arch, "fuzz", text, size, &e);

	must(err == 0 || (e.code == -err && e.text[0]));
	must(err == 0 || err == -EINVAL || err == -ENOSYS);
	if (err)
		return;
	err = cv_seccomp_compile(&s, &p, &e);
	must(err == 0 || err == -E2BIG);
	if (!err)
		check_rules(&s, &p);
	cv_seccomp_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(CV_ARCH_X86_64, (const char *)data, size);
	run(CV_ARCH_AARCH64, (const char *)data, size);
	return 0;
}
