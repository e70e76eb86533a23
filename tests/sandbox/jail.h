/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests and their helper program in the jail tell each other. */
#ifndef CV_TESTS_JAIL_H
#define CV_TESTS_JAIL_H

#include <linux/filter.h>

#include "sandbox/sandbox.h"

#define JAIL_CONTROL 3 /* the helper's socket */

/* What the helper is to try. Each gives its result or -errno. */
#define JAIL_OPS(X)                                                                                \
	X(nothing)                                                                                 \
	X(open_root)                                                                               \
	X(open_passwd)                                                                             \
	X(create)                                                                                  \
	X(make_dir) X(open_proc) X(open_parent) X(connect_inet) X(bind_inet) X(connect_abstract)   \
		X(connect_path) X(ptrace_parent) X(kill_parent) X(kill_all) X(read_parent) X(      \
			fork_one) X(execute) X(map_code) X(protect_code) X(become_root)            \
			X(raise_caps) X(mount_tmpfs) X(remount) X(unshare_user) X(leave_chroot)    \
				X(host_name) X(my_uid) X(my_gid) X(my_groups) X(my_pid) X(         \
					parent_pid) X(is_dumpable) X(no_new_privs) X(bounding_set) \
					X(cap_set) X(secure_bits) X(net_devices) X(count_fds)      \
						X(exhaust_fds) X(exhaust_memory)                   \
							X(exhaust_threads) X(core_limit)           \
								X(environment) X(ignored_signals)  \
									X(x32) X(int80) X(io)      \
										X(wait_here)

enum jail_op {
#define X(name) JAIL_##name,
	JAIL_OPS(X)
#undef X
		JAIL_N_OPS
};

/* The first message to the helper. */
struct jail_order {
	struct cv_jail jail;
	uint32_t op, n_fds, parent;
	uint32_t n_insns; /* of the seccomp program; 0: none */
	struct sock_filter insns[1024];
};

/* Its answer; after a forbidden call there is none. */
struct jail_answer {
	int64_t result;
	struct vm_error e; /* of entering */
};

#endif
