/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One pass over the program: what is known of the accumulator is carried from
 * each instruction to those that may follow, which all stand behind it.
 * The index register and the scratch memory count as unknown.
 */
#include "sandbox/bpf.h"

#include <errno.h>
#include <string.h>

#include "base/math.h"

/* What is known when an instruction is reached. */
struct state {
	bool reached, known;
	uint32_t a;
};

struct run {
	const struct sock_filter *insns;
	unsigned int n;
	const struct seccomp_data *data;
	size_t known;
	struct state *states;
	uint32_t outcomes, ret;
};

/* Control may go from one with @from to the instruction @to. */
static int reach(struct run *r, uint64_t to, const struct state *from)
{
	struct state *s;

	if (to >= r->n)
		return -EINVAL;
	s = &r->states[to];
	if (!s->reached)
		*s = *from;
	else if (s->known && (!from->known || from->a != s->a))
		s->known = false;
	return 0;
}

static void end(struct run *r, const struct state *s, bool by_k, uint32_t k)
{
	uint32_t action = (by_k ? k : s->a) & SECCOMP_RET_ACTION_FULL;

	if (!by_k && !s->known) {
		r->outcomes |= CV_BPF_ALLOW | CV_BPF_LOG | CV_BPF_REFUSE;
		return;
	}
	r->ret = by_k ? k : s->a;
	r->outcomes |= action == SECCOMP_RET_ALLOW ? CV_BPF_ALLOW
		       : action == SECCOMP_RET_LOG ? CV_BPF_LOG
						   : CV_BPF_REFUSE;
}

static int load(const struct run *r, const struct sock_filter *f, struct state *s)
{
	switch (f->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		if (f->k % 4 != 0 || f->k >= sizeof(*r->data))
			return -EINVAL;
		s->known = cv_in_range(f->k, 4, r->known);
		if (s->known)
			memcpy(&s->a, (const uint8_t *)r->data + f->k, sizeof(s->a));
		return 0;
	case BPF_LD | BPF_W | BPF_LEN:
		s->known = true;
		s->a = sizeof(*r->data);
		return 0;
	case BPF_LD | BPF_IMM:
		s->known = true;
		s->a = f->k;
		return 0;
	case BPF_LD | BPF_MEM:
		s->known = false;
		return f->k < BPF_MEMWORDS ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static int compute(const struct sock_filter *f, struct state *s)
{
	bool shift = BPF_OP(f->code) == BPF_LSH || BPF_OP(f->code) == BPF_RSH;

	if (BPF_SRC(f->code) == BPF_X)
		s->known = false;
	if (BPF_SRC(f->code) == BPF_K && shift && f->k >= 32)
		return -EINVAL;
	switch (BPF_OP(f->code)) {
	case BPF_ADD:
		s->a += f->k;
		return 0;
	case BPF_SUB:
		s->a -= f->k;
		return 0;
	case BPF_MUL:
		s->a *= f->k;
		return 0;
	case BPF_AND:
		s->a &= f->k;
		return 0;
	case BPF_OR:
		s->a |= f->k;
		return 0;
	case BPF_XOR:
		s->a ^= f->k;
		return 0;
	case BPF_LSH:
		s->a <<= f->k & 31;
		return 0;
	case BPF_RSH:
		s->a >>= f->k & 31;
		return 0;
	case BPF_DIV:
		s->a = f->k ? s->a / f->k : 0;
		return f->k || BPF_SRC(f->code) == BPF_X ? 0 : -EINVAL;
	case BPF_NEG:
		s->a = -s->a;
		return 0;
	}
	return -EINVAL;
}

/* -EINVAL for no comparison. */
static int compare(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGT:
		return a > f->k;
	case BPF_JGE:
		return a >= f->k;
	case BPF_JSET:
		return (a & f->k) != 0;
	}
	return -EINVAL;
}

static int jump(struct run *r, unsigned int pc, const struct state *s)
{
	const struct sock_filter *f = &r->insns[pc];
	uint64_t next = (uint64_t)pc + 1;
	int err, holds;

	if (f->code == (BPF_JMP | BPF_JA))
		return reach(r, next + f->k, s);
	holds = compare(f, s->a);
	if (holds < 0)
		return holds;
	if (s->known && BPF_SRC(f->code) == BPF_K)
		return reach(r, next + (holds ? f->jt : f->jf), s);
	err = reach(r, next + f->jt, s);
	return err ?: reach(r, next + f->jf, s);
}

static int step(struct run *r, unsigned int pc)
{
	const struct sock_filter *f = &r->insns[pc];
	struct state s = r->states[pc];
	int err = 0;

	switch (BPF_CLASS(f->code)) {
	case BPF_RET:
		end(r, &s, BPF_RVAL(f->code) == BPF_K, f->k);
		return 0;
	case BPF_JMP:
		return jump(r, pc, &s);
	case BPF_LD:
		err = load(r, f, &s);
		break;
	case BPF_ALU:
		err = compute(f, &s);
		break;
	case BPF_MISC:
		if (BPF_MISCOP(f->code) == BPF_TXA)
			s.known = false;
		break;
	default: /* of the index register and the scratch memory */
		break;
	}
	return err ?: reach(r, (uint64_t)pc + 1, &s);
}

static int run(struct run *r)
{
	const struct state start = { .known = true, .reached = true };
	int err;

	r->outcomes = 0;
	memset(r->states, 0, r->n * sizeof(*r->states));
	err = reach(r, 0, &start);
	for (unsigned int pc = 0; pc < r->n && !err; pc++)
		if (r->states[pc].reached)
			err = step(r, pc);
	return err;
}

int cv_bpf_run(const struct sock_filter *insns, unsigned int n, const struct seccomp_data *data,
	       size_t known, uint32_t *outcomes, uint32_t *ret)
{
	CV_AUTO_FREE struct state *states = calloc(n ?: 1, sizeof(*states));
	struct run r = { insns, n, data, known, states, 0, 0 };
	int err;

	if (!states)
		return -ENOMEM;
	if (n > CV_BPF_MAX_INSNS)
		return -EINVAL;
	err = run(&r);
	*outcomes = r.outcomes;
	if (ret)
		*ret = r.ret;
	return err;
}

int cv_bpf_count(const struct sock_filter *insns, unsigned int n, uint32_t arch,
		 struct cv_bpf_count *count)
{
	CV_AUTO_FREE struct state *states = calloc(n ?: 1, sizeof(*states));
	struct seccomp_data data = { .arch = arch };
	struct run r = { insns,	 n, &data, offsetof(struct seccomp_data, instruction_pointer),
			 states, 0, 0 };

	*count = (struct cv_bpf_count){ 0 };
	if (!states)
		return -ENOMEM;
	if (n > CV_BPF_MAX_INSNS)
		return -EINVAL;
	for (data.nr = 0; data.nr < (int)CV_BPF_N_CALLS; data.nr++) {
		int err = run(&r);

		if (err)
			return err;
		count->allowed += r.outcomes == CV_BPF_ALLOW;
		count->conditional += r.outcomes == (CV_BPF_ALLOW | CV_BPF_REFUSE);
		count->logged += (r.outcomes & CV_BPF_LOG) != 0;
	}
	return 0;
}

uint64_t cv_bpf_hash(const struct sock_filter *insns, unsigned int n)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (unsigned int i = 0; i < n; i++) {
		const struct sock_filter *f = &insns[i];
		uint64_t bytes = f->code | (uint64_t)f->jt << 16 | (uint64_t)f->jf << 24 |
				 (uint64_t)f->k << 32;

		for (unsigned int bit = 0; bit < 64; bit += 8)
			hash = (hash ^ (bytes >> bit & 0xff)) * 0x100000001b3ull;
	}
	return hash;
}
