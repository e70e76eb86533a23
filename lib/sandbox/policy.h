/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System call policies as text, one call a line: the language of minijail.
 *
 *	# a comment
 *	@include common.policy          relative to the file that says so
 *	read: 1                         allowed
 *	openat: return ENOENT           not done, and fails with that
 *	mmap: arg2 in ~PROT_EXEC        allowed if so; else the process is killed
 *	fcntl: arg1 == F_GETFL || arg1 == F_SETFL; return EINVAL      or else fails
 *
 * A condition is a disjunction (||) of conjunctions (&&) of comparisons
 * "argN OP VALUE", N from 0 to 5, unsigned on all 64 bits: == != < <= > >=,
 * & (one of these bits is set), in (no bit outside these is set). A VALUE is
 * NAME or number or several joined by |, each of which may be inverted by ~. SELF
 * is the id of the process, which is put in when the program is installed; of
 * the main process only.
 * What no line names is killed. A call has one line, the includes counted.
 */
#ifndef CV_SANDBOX_POLICY_H
#define CV_SANDBOX_POLICY_H

#include "base/base.h"
#include "base/err.h"

#define CV_POLICY_MAX_FILE  65536u
#define CV_POLICY_MAX_DEPTH 8u
#define CV_POLICY_MAX_RULES 256u
#define CV_POLICY_MAX_TESTS 1024u

/* What stands in a program for SELF: more than any process's id, and no other constant. */
#define CV_POLICY_SELF 0x5e1f5e1fu

enum cv_arch { CV_ARCH_X86_64, CV_ARCH_AARCH64 };

enum cv_policy_op {
	CV_POLICY_EQ,
	CV_POLICY_NE,
	CV_POLICY_LT,
	CV_POLICY_LE,
	CV_POLICY_GT,
	CV_POLICY_GE,
	CV_POLICY_ANY,	 /* arg & value: one of these bits is set */
	CV_POLICY_WITHIN /* arg in value: no bit outside these is set */
};

/* One comparison; those of a rule stand together. */
struct cv_policy_test {
	uint8_t arg;
	enum cv_policy_op op;
	bool ends; /* the last of its conjunction: the next one is an alternative */
	uint64_t value;
};

enum cv_policy_verdict { CV_POLICY_KILL, CV_POLICY_ALLOW, CV_POLICY_ERRNO };

struct cv_policy_rule {
	int nr; /* the call's number on the policy's architecture */
	uint16_t first, n_tests;
	enum cv_policy_verdict verdict, otherwise; /* when a conjunction holds (or there is none) */
	uint16_t error;				   /* for whichever of them is ERRNO */
	char where[80];				   /* file and line */
};

struct cv_policy {
	enum cv_arch arch;
	unsigned int n_rules, n_tests;
	struct cv_policy_rule rules[CV_POLICY_MAX_RULES]; /* ascending by number once read */
	struct cv_policy_test tests[CV_POLICY_MAX_TESTS];
};

/* "x86_64", "aarch64". */
const char *cv_arch_name(enum cv_arch arch);

/* The architecture of this build. */
enum cv_arch cv_arch_native(void);

/*
 * Reads the policy file @path for @arch into @policy, which need not be
 * initialised. 0; or -errno with a sentence that begins with file and line:
 * -EINVAL for a fault of the text, -ENOSYS in a build without libseccomp.
 */
int cv_policy_read(struct cv_policy *policy, enum cv_arch arch, const char *path,
		   struct vm_error *e) CV_MUST_CHECK;

/* The same from memory; @path says where the text is from and where includes are looked for. */
int cv_policy_parse(struct cv_policy *policy, enum cv_arch arch, const char *path, const char *text,
		    size_t len, struct vm_error *e) CV_MUST_CHECK;

/* What happens to a call; what the compiled program must say too. */
enum cv_policy_verdict cv_policy_judge(const struct cv_policy *policy, int nr,
				       const uint64_t args[6]);

/* The named constant, an errno's if @is_errno. False: no such name. */
bool cv_policy_constant(const char *name, size_t len, bool is_errno, uint64_t *value);

#endif
