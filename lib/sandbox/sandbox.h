/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The jail of a device process, in two halves around exec:
 *
 *	parent                                   child
 *	cv_jail_init
 *	cv_sandbox_spawn ── clone ────────────►  in its namespaces, fds in place
 *	  (suspended)                            exec of the helper program
 *	  writes the id maps                     waits for the first message
 *	first message: struct cv_jail, … ─────►  cv_sandbox_enter
 *	                                         makes its device: rings, eventfds
 *	                                         cv_sandbox_seal
 *	                                         serves
 *	cv_child_kill / _ended / _fini
 *
 * The message is the caller's own and doubles as the permission to go on: the
 * maps are written when cv_sandbox_spawn() returns. A child whose parent has died
 * reads the end of its socket instead, and must exit: before cv_sandbox_enter()
 * has set the parent-death signal nothing else may tell it.
 *
 * The parent-death signal is the *thread's* that spawned: the kernel kills the
 * child when that thread ends, though its process goes on. Spawn from one that
 * lives as long as the child is wanted.
 */
#ifndef CV_SANDBOX_SANDBOX_H
#define CV_SANDBOX_SANDBOX_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"
#include "sys/fd.h"

struct cv_seccomp;

/* What a jail is made of. A set of them is a mask. */
enum cv_mechanism {
	CV_JAIL_USER = 1 << 0,	       /* a user namespace with one unprivileged id */
	CV_JAIL_PID = 1 << 1,	       /* sees no other process */
	CV_JAIL_NET = 1 << 2,	       /* no network, no abstract sockets */
	CV_JAIL_IPC = 1 << 3,	       /* no System V IPC, no message queues */
	CV_JAIL_UTS = 1 << 4,	       /* no host name */
	CV_JAIL_MOUNT = 1 << 5,	       /* an empty read-only root */
	CV_JAIL_CGROUP = 1 << 6,       /* no names of control groups */
	CV_JAIL_CAPS = 1 << 7,	       /* no capabilities, and none to be had again */
	CV_JAIL_NO_NEW_PRIVS = 1 << 8, /* nor by executing something */
	CV_JAIL_RLIMIT = 1 << 9,       /* bounded fds, threads and memory, no core files */
	CV_JAIL_LANDLOCK = 1 << 10, /* no file, port or abstract socket even if one were in sight */
	CV_JAIL_SECCOMP = 1 << 11,  /* no system call but the policy's */
	CV_JAIL_ALL = (1 << 12) - 1
};

/* What a program of this build can stand: a sanitizer's runtime makes system calls of its own and
 * maps terabytes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CV_JAIL_POSSIBLE (CV_JAIL_ALL & ~(CV_JAIL_SECCOMP | CV_JAIL_RLIMIT))
#else
#define CV_JAIL_POSSIBLE CV_JAIL_ALL
#endif

/* "user", "pid", …: the name of one of them. */
const char *cv_jail_name(enum cv_mechanism mechanism);

/* All of them, without Landlock where this kernel has none. */
uint32_t cv_jail_default(void);

/*
 * Parses a comma-separated list of names in either case into *mask. "default"
 * stands for cv_jail_default(), "none" for nothing, and a name after "-" is taken
 * away again: "default,-landlock". 0; -EINVAL for an unknown name and for sets
 * that cannot be: seccomp and landlock need no_new_privs.
 */
int cv_jail_parse(const char *text, uint32_t *mask, struct vm_error *e) CV_MUST_CHECK;

/* Writes the names of @mask, separated by commas; "none" for 0. */
void cv_jail_format(uint32_t mask, char *buf, size_t size);

/* The order for one jail: plain data, to be sent to the child as it is. */
struct cv_jail {
	uint32_t mechanisms;  /* a mask of enum cv_mechanism */
	uint32_t uid, gid;    /* who the child becomes, inside and outside */
	uint32_t drop_groups; /* the supplementary groups too: only root can */
	uint32_t max_fds;     /* how many descriptors it may have open */
	uint32_t max_threads;
	uint64_t max_data;  /* bytes of private memory; 0: no bound */
	uint64_t max_space; /* bytes of address space, shared guest memory included; 0: no bound */
};

/*
 * Fills @jail for a child of this process with the default limits: 256 fds, 64
 * threads, 64 MiB of private memory, any address space. The ids are 65534
 * (nobody) when this process is root, its own otherwise.
 */
void cv_jail_init(struct cv_jail *jail, uint32_t mechanisms);

struct cv_spawn {
	const struct cv_jail *jail;
	int program_fd;	   /* the helper program, a binary, opened for reading or with O_PATH */
	char *const *argv; /* ended by NULL */
	char *const *env;  /* NULL: an empty environment */
	/* fds[i] becomes descriptor i of the child, which has no others; -1: /dev/null. The caller
	 * keeps his own. At least three */
	const int *fds;
	size_t n_fds;
};

/* A child; zeroed is none. */
struct cv_child {
	pid_t pid;	    /* as this process sees it */
	struct cv_fd pidfd; /* readable once it has ended: for a loop's watch */
};

/*
 * Starts the program in the namespaces of its jail and writes its id maps. The
 * calling thread is suspended until the program is executed; other threads go
 * on. No signal handler runs in the child. SIGCHLD is left alone: the kernel sends
 * it when the child ends, as for any child, but nobody needs to take it.
 *
 * 0; or -errno with a sentence that names the mechanism and the remedy, and
 * nothing is left behind.
 */
int cv_sandbox_spawn(struct cv_child *child, const struct cv_spawn *spawn,
		     struct vm_error *e) CV_MUST_CHECK;

/* How a child has ended. */
struct cv_child_end {
	int status; /* its exit status; -1: a signal has killed it, or nobody knows */
	int signal; /* that signal, SIGSYS for a forbidden system call; 0: none, or nobody knows */
};

/* Sends SIGKILL, whatever has become of the child. */
void cv_child_kill(const struct cv_child *child);

/*
 * Whether the child has ended; takes its remains away, so that only the first
 * call that says yes knows how. Waits for it if @wait. Where the process ignores
 * SIGCHLD the kernel forgets how, and so it does when somebody waits for all children.
 */
bool cv_child_ended(struct cv_child *child, bool wait, struct cv_child_end *end);

/* Kills the child, waits for its end (but not for one that hangs in the kernel: two seconds at most),
 * closes the pidfd. A zeroed child is fine. */
void cv_child_fini(struct cv_child *child);

/* ---- in a process that knows what it will do from now on ---- */

/*
 * Gives up all capabilities of the calling thread, and the ways to get some again
 * (no_new_privs, the bounding set where that may be changed). Other threads keep
 * theirs. 0 or -errno with a sentence.
 */
int cv_sandbox_drop_rights(struct vm_error *e) CV_MUST_CHECK;

/* ---- in the child ---- */

/*
 * Enters the jail: takes the ids, empties the root and the host name, bounds the
 * resources, forbids itself every file, gives up every capability. Only while
 * there is one thread and nothing is mapped or open that the jail is to withhold.
 *
 * @n_fds: descriptors 0 to n_fds - 1 must be open and no directories; all others
 * are closed
 *
 * 0; or -errno with a sentence that names the mechanism and the remedy: the
 * process is then half in its jail and can only exit.
 */
int cv_sandbox_enter(const struct cv_jail *jail, unsigned int n_fds,
		     struct vm_error *e) CV_MUST_CHECK;

/*
 * Locks the door: no more locked memory (an io_uring counts as such, so rings
 * must have been made), and only the system calls of @seccomp, in every thread
 * there is. Each as far as the jail has rlimit and seccomp in it. 0 or -errno as above.
 *
 * @listener: becomes what cv_seccomp_install_told() gives, -1 for none; NULL: what
 * is forbidden kills
 */
int cv_sandbox_seal(const struct cv_jail *jail, const struct cv_seccomp *seccomp, int *listener,
		    struct vm_error *e) CV_MUST_CHECK;

#endif
