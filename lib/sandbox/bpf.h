/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a seccomp program says about a call, or about all calls of a number:
 * run as the kernel would, or with the arguments left open. No program makes it
 * take longer than its length: BPF only jumps forward.
 */
#ifndef CV_SANDBOX_BPF_H
#define CV_SANDBOX_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/base.h"

#define CV_BPF_MAX_INSNS 4096u /* BPF_MAXINSNS */
#define CV_BPF_N_CALLS	 512u  /* numbers that are tried: no architecture has more */

/* What can come out; a set of them is a mask. */
enum cv_bpf_outcome {
	CV_BPF_ALLOW = 1 << 0,
	CV_BPF_LOG = 1 << 1,	/* allowed, and written to the kernel's log */
	CV_BPF_REFUSE = 1 << 2, /* killed, failed, or left to another process */
};

/*
 * Runs the program on @data, of which the first @known bytes are known: at a
 * comparison of others both ways are taken. *outcomes becomes the set of what
 * may come out, and *ret (may be NULL) one of those values. 0; -EINVAL for what the
 * kernel would not load; -ENOMEM.
 */
int cv_bpf_run(const struct sock_filter *insns, unsigned int n, const struct seccomp_data *data,
	       size_t known, uint32_t *outcomes, uint32_t *ret) CV_MUST_CHECK;

/* How many call numbers below CV_BPF_N_CALLS are treated how. */
struct cv_bpf_count {
	uint32_t allowed;     /* whatever the arguments */
	uint32_t conditional; /* for some arguments, as far as the program shows */
	uint32_t logged;      /* CV_BPF_LOG is among the outcomes */
};

/* Counts them for the architecture @arch, an AUDIT_ARCH_. Errors as above. */
int cv_bpf_count(const struct sock_filter *insns, unsigned int n, uint32_t arch,
		 struct cv_bpf_count *count) CV_MUST_CHECK;

/* FNV-1a of 64 bits over code, jt, jf and k of each instruction, little-endian. */
uint64_t cv_bpf_hash(const struct sock_filter *insns, unsigned int n);

#endif
