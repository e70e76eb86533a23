/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests and their helper program in the jail tell each other. */
#ifndef CV_TESTS_JAIL_H
#define CV_TESTS_JAIL_H

#include <linux/filter.h>

#include "sandbox/sandbox.h"

#define JAIL_CONTROL 3 /* the helper's socket */

/* What the helper is to try. Each gives its result or -errno. */
enum jail_op {
	JAIL_nothing,
	JAIL_open_root,
	JAIL_open_passwd,
	JAIL_create,
	JAIL_make_dir,
	JAIL_open_proc,
	JAIL_open_parent,
	JAIL_connect_inet,
	JAIL_bind_inet,
	JAIL_connect_abstract,
	JAIL_connect_path,
	JAIL_ptrace_parent,
	JAIL_kill_parent,
	JAIL_kill_all,
	JAIL_read_parent,
	JAIL_fork_one,
	JAIL_execute,
	JAIL_map_code,
	JAIL_protect_code,
	JAIL_become_root,
	JAIL_raise_caps,
	JAIL_mount_tmpfs,
	JAIL_remount,
	JAIL_unshare_user,
	JAIL_leave_chroot,
	JAIL_host_name,
	JAIL_my_uid,
	JAIL_my_gid,
	JAIL_my_groups,
	JAIL_my_pid,
	JAIL_parent_pid,
	JAIL_is_dumpable,
	JAIL_no_new_privs,
	JAIL_bounding_set,
	JAIL_cap_set,
	JAIL_secure_bits,
	JAIL_net_devices,
	JAIL_count_fds,
	JAIL_exhaust_fds,
	JAIL_exhaust_memory,
	JAIL_exhaust_threads,
	JAIL_core_limit,
	JAIL_environment,
	JAIL_ignored_signals,
	JAIL_x32,
	JAIL_int80,
	JAIL_io,
	JAIL_wait_here,
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
