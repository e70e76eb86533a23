/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the processes of a running VM are jailed, as the kernel tells it: from
 * /proc, not from what the program believes or was asked for.
 */
#ifndef CROSVM_SANDBOX_H
#define CROSVM_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <crosvm/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Where facts come from; each can be closed to the one who asks. */
enum vm_sandbox_source {
	VM_SANDBOX_STATUS,     /* ids as seen here, groups, capabilities, no_new_privs, seccomp */
	VM_SANDBOX_IDS,	       /* ids within the user namespace */
	VM_SANDBOX_NAMESPACES, /* which they are */
	VM_SANDBOX_LIMITS,     /* resource limits */
	VM_SANDBOX_ROOT,       /* the root directory */
	VM_SANDBOX_FDS,	       /* open descriptors */
	VM_SANDBOX_MAPS,       /* mapped guest memory, writable code */
	VM_SANDBOX_MEMORY,     /* private memory */
	VM_SANDBOX_FILTER,     /* the seccomp program; always unreadable without one */
	VM_SANDBOX_DUMPABLE,   /* whether others of its user may look into it */
	VM_SANDBOX_LANDLOCK,   /* no kernel tells yet: always unreadable */
	VM_SANDBOX_N_SOURCES
};

/* Indices of vm_sandbox_process.caps. */
enum vm_sandbox_caps {
	VM_SANDBOX_CAP_INHERITABLE,
	VM_SANDBOX_CAP_PERMITTED,
	VM_SANDBOX_CAP_EFFECTIVE,
	VM_SANDBOX_CAP_BOUNDING,
	VM_SANDBOX_CAP_AMBIENT,
	VM_SANDBOX_N_CAPS
};

#define VM_SANDBOX_MAX_GROUPS	  32
#define VM_SANDBOX_N_NAMESPACES	  7
#define VM_SANDBOX_N_LIMITS	  16
#define VM_SANDBOX_UNKNOWN_ID	  UINT32_MAX
#define VM_SANDBOX_LIMIT_INFINITE UINT64_MAX

struct vm_sandbox_namespace {
	const char *name; /* "user", "pid", "net", "ipc", "uts", "mnt", "cgroup"; static */
	uint64_t inode;	  /* which it is */
	bool own;	  /* not the one that the VM's main process is in */
	bool foreign;	  /* not the one that the calling process is in */
};

struct vm_sandbox_limit {
	const char *name;    /* "core", "nofile", … as for prlimit(1); static; NULL ends them */
	uint64_t soft, hard; /* VM_SANDBOX_LIMIT_INFINITE: none */
};

/* One process. What stands under a source that is unreadable is zero and means nothing. */
struct vm_sandbox_process {
	size_t size; /* of this struct, as the library has it */
	pid_t pid;
	bool main;	 /* the VM's main process, else a device's */
	char cls[32];	 /* of the device; "?" when its command line does not tell; "main" */
	uint32_t n_weak; /* see vm_sandbox_weakness() */
	/* Why a source could not be read, one clause; empty: it was. */
	char unreadable[VM_SANDBOX_N_SOURCES][96];

	uint32_t uid[4], gid[4];	 /* real, effective, saved, file system: as seen here */
	uint32_t uid_inside, gid_inside; /* the effective ones in its own user namespace */
	uint32_t n_groups;		 /* supplementary groups, also those that do not fit */
	uint32_t groups[VM_SANDBOX_MAX_GROUPS];
	uint64_t caps[VM_SANDBOX_N_CAPS]; /* bit N: capability N */
	int no_new_privs;		  /* 1 or 0; -1: this kernel does not tell */
	int seccomp;			  /* 0: none, 1: strict, 2: filter; -1: as above */
	int n_filters;			  /* -1: as above */
	int dumpable;			  /* 1 or 0 */
	struct vm_sandbox_namespace namespaces[VM_SANDBOX_N_NAMESPACES];
	struct vm_sandbox_limit limits[VM_SANDBOX_N_LIMITS];
	uint32_t root_entries; /* names in its root directory; 0: it is empty */
	bool writable_code;    /* some memory is writable and executable at once */
	uint64_t private_bytes;

	/*
	 * The newest seccomp program: its length, FNV-1a of 64 bits over its instructions
	 * (code, jt, jf, k, little-endian, 8 bytes each), and for how many of the system
	 * call numbers from 0 to 511 it allows the call whatever its arguments, for some
	 * arguments only, or allows it while writing it to the kernel's log.
	 */
	uint32_t filter_len;
	uint64_t filter_hash;
	uint32_t n_allowed, n_conditional, n_logged;
};

struct vm_sandbox_fd {
	int fd;
	const char *kind;    /* "socket", "eventfd", "memfd", "file", "directory", …; static */
	const char *purpose; /* what it is for, where number and kind tell; "" else; static */
	bool writable;
	char name[256]; /* as the kernel calls it, cut off if longer: a path, "socket:[1234]" */
};

/* A piece of a memfd in the address space of the process. */
struct vm_sandbox_range {
	char name[64]; /* of the memfd: "crosvm_guest" */
	uint64_t address, len;
	uint64_t offset; /* in the memfd */
	uint64_t inode;	 /* which memfd */
	char access[5];	 /* "rw-s" */
};

struct vm_sandbox_report;

/* Flags of vm_sandbox_report(). */
#define VM_SANDBOX_READ_FILTERS (1u << 0) /* read seccomp programs; stops each process shortly */

/*
 * Looks at the VM whose main process is @pid and at its device processes, which
 * are the children of that process (of any thread) that were started as such, or
 * that map a memfd of guest memory. The caller may be that process itself:
 * getpid(), for all VMs in it. Any thread.
 *
 * With VM_SANDBOX_READ_FILTERS each device process with a seccomp program is
 * attached to (ptrace) and its first thread stopped for a moment (well below a
 * millisecond unless the host is overloaded). It goes on where it was,
 * and also goes on if the caller dies meanwhile. The kernel allows it to root outside
 * of user namespaces. The caller gets a SIGCHLD for it, and no other
 * thread of his may wait for all children.
 *
 * What cannot be read is said for each source. Returns 0 with *report, to be
 * destroyed by the caller; -ESRCH when there is no such process (or it ended
 * meanwhile), -EINVAL when it is no VM, -EACCES when that cannot be told without
 * more privileges, -ENOSYS without /proc.
 */
int vm_sandbox_report(pid_t pid, unsigned int flags, struct vm_sandbox_report **report,
		      struct vm_error *error);

/* Frees the report and all that was got from it. NULL is fine. */
void vm_sandbox_report_destroy(struct vm_sandbox_report *report);

/* Whether every device process was seen to be jailed as by default, and there is one. */
bool vm_sandbox_report_jailed(const struct vm_sandbox_report *report);

/* The process @index, 0 being the main one; NULL when there are no more. Lives in the report. */
const struct vm_sandbox_process *vm_sandbox_report_process(const struct vm_sandbox_report *report,
							   unsigned int index);

/* The descriptor, or the piece of a memfd, number @index of a process; NULL when there are no more. */
const struct vm_sandbox_fd *vm_sandbox_fd(const struct vm_sandbox_process *process,
					  unsigned int index);
const struct vm_sandbox_range *vm_sandbox_range(const struct vm_sandbox_process *process,
						unsigned int index);

/*
 * What is weaker than the default jail, or could not be seen, in a device's
 * process: one clause each, "seccomp: none!". NULL when there are no more. The main
 * process is not judged. Landlock is not either: no kernel shows it.
 */
const char *vm_sandbox_weakness(const struct vm_sandbox_process *process, unsigned int index);

/*
 * Finds running VMs: writes the ids of at most @max processes that have one
 * and that this user may look into. Returns how many there are, or -errno.
 */
int vm_sandbox_find(pid_t *pids, size_t max, struct vm_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
