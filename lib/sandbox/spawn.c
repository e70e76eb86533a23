/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parent's half of a jail. The application has other threads, so there is no
 * fork: the child shares its memory, as that of posix_spawn(3) does, runs on a
 * stack of its own, and only makes system calls until it executes the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/math.h"
#include "sandbox/impl.h"

/* ThreadSanitizer's own clone() takes a child that shares memory for one that has been forked. */
#if defined(__SANITIZE_THREAD__)
#define CLONE __clone
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CLONE __clone
#endif
#endif
#ifdef CLONE
int CLONE(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#else
#define CLONE clone
#endif

#define STACK_SIZE  (64u * 1024)
#define MAX_FDS	    256
#define KERNEL_NSIG 64
#define END_MS	    2000

/* What the jail is built with after exec. Without a map the child is not root in its namespace, so
 * that only ambient capabilities last until then. */
static const unsigned int kept_caps[] = { CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_CHROOT,
					  CAP_SYS_ADMIN };

enum step { STEP_FDS, STEP_CLOSE, STEP_CAPS, STEP_EXEC };

/* Shared by parent and child. */
struct launch {
	const struct cv_spawn *spawn;
	int null_fd;
	int moved[MAX_FDS + 1]; /* the fds out of their targets' way; the last is the program */
	/* the child's last words */
	enum step step;
	int err;
};

/* ---- the child: async-signal-safe, on borrowed memory ---- */

/* Nobody unwinds the child's stack, so the sanitizers would take the next one there for stale. */
#define IN_CHILD __attribute__((no_sanitize("address", "thread")))

/* Ignored signals stay ignored across exec, and a handler must not run here. */
IN_CHILD static void reset_signals(void)
{
	const uint64_t dfl[4] = { 0 }; /* the kernel's struct sigaction: SIG_DFL, no flags */

	for (int sig = 1; sig <= KERNEL_NSIG; sig++)
		syscall(SYS_rt_sigaction, sig, dfl, NULL, sizeof(uint64_t));
}

IN_CHILD static int place_fds(struct launch *l)
{
	const struct cv_spawn *s = l->spawn;
	int n = (int)s->n_fds;

	for (int i = 0; i <= n; i++) {
		int fd = i == n ? s->program_fd : s->fds[i];

		l->moved[i] = fcntl(fd < 0 ? l->null_fd : fd, F_DUPFD_CLOEXEC, n);
		if (l->moved[i] < 0)
			return -errno;
	}
	for (int i = 0; i < n; i++)
		/* not through the C library: ThreadSanitizer would think it the parent's */
		if (syscall(SYS_dup3, l->moved[i], i, 0) < 0)
			return -errno;
	return 0;
}

IN_CHILD static int keep_caps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (size_t i = 0; i < CV_LEN(kept_caps); i++)
		data[kept_caps[i] / 32].inheritable |= 1u << (kept_caps[i] % 32);
	if (syscall(SYS_capset, &head, data) < 0)
		return -errno;
	for (size_t i = 0; i < CV_LEN(kept_caps); i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept_caps[i], 0, 0) < 0)
			return -errno;
	return 0;
}

IN_CHILD static int step(struct launch *l, enum step which)
{
	const struct cv_spawn *s = l->spawn;
	char *const no_env[] = { NULL };

	l->step = which;
	switch (which) {
	case STEP_FDS:
		return place_fds(l);
	case STEP_CLOSE:
		return syscall(SYS_close_range, s->n_fds, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0
			       ? -errno
			       : 0;
	case STEP_CAPS:
		return s->jail->mechanisms & CV_JAIL_USER ? keep_caps() : 0;
	case STEP_EXEC:
		syscall(SYS_execveat, l->moved[s->n_fds], "", s->argv, s->env ?: no_env,
			AT_EMPTY_PATH);
		return -errno;
	}
	return -EINVAL;
}

/* Returning ends the child. */
IN_CHILD static int child_main(void *arg)
{
	struct launch *l = arg;
	sigset_t none;
	int err;

	reset_signals();
	err = step(l, STEP_FDS);
	err = err ?: step(l, STEP_CLOSE);
	err = err ?: step(l, STEP_CAPS);
	/* it is set again when the jail is entered, which changes ids and so clears it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	l->err = err ?: step(l, STEP_EXEC);
	return 1;
}

/* ---- the parent ---- */

static int clone_flags(uint32_t mechanisms)
{
	unsigned int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;

	for (size_t i = 0; i < cv_jail_n_namespaces; i++)
		if (mechanisms & cv_jail_namespaces[i].mechanism)
			flags |= (unsigned int)cv_jail_namespaces[i].clone_flag;
	return (int)flags;
}

/* Runs the child until it has executed the program or failed. 0 or -errno of clone(). */
static int run_child(struct launch *l, struct cv_child *child)
{
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int err = 0, pidfd = -1;
	sigset_t all, saved;
	pid_t pid;

	if (stack == MAP_FAILED)
		return -ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	pid = CLONE(child_main, (uint8_t *)stack + STACK_SIZE,
		    clone_flags(l->spawn->jail->mechanisms), l, &pidfd);
	if (pid < 0)
		err = -errno;
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	munmap(stack, STACK_SIZE);
	if (err)
		return err;
	child->pid = pid;
	cv_fd_set(&child->pidfd, pidfd);
	return 0;
}

/* The program's path, as far as /proc tells it. */
static const char *program_name(const struct launch *l, char *buf, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", l->spawn->program_fd);
	n = readlink(link, buf, size - 1);
	if (n <= 0)
		return l->spawn->argv[0];
	buf[n] = '\0';
	return buf;
}

static int explain_exec(const struct launch *l, struct vm_error *e)
{
	const char *why = strerror(-l->err);
	char path[256];

	/* its descriptor is closed when the interpreter would open it */
	if (l->err == -ENOENT)
		why = "it is a script, or its loader is missing";
	return cv_err(e, l->err,
		      "sandbox: the helper program '%s' cannot be executed: %s; put the "
		      "crosvm-device of this build there",
		      program_name(l, path, sizeof(path)), why);
}

static int explain_step(const struct launch *l, struct vm_error *e)
{
	const char *why = strerror(-l->err);

	switch (l->step) {
	case STEP_FDS:
		return cv_err_os(e, l->err,
				 "sandbox: the child's descriptors cannot be put in place");
	case STEP_CLOSE:
		return cv_err(
			e, l->err,
			"sandbox: the other descriptors cannot be closed: %s; this needs Linux "
			"5.11 or later",
			why);
	case STEP_CAPS:
		return cv_err(
			e, l->err,
			"sandbox: the user namespace gives no capabilities: %s; some security "
			"policy of this host takes them (AppArmor: sysctl "
			"kernel.apparmor_restrict_unprivileged_userns=0)",
			why);
	case STEP_EXEC:
		return explain_exec(l, e);
	}
	return cv_err(e, l->err, "sandbox: %s", why);
}

/* ---- the child's end ---- */

void cv_child_kill(const struct cv_child *child)
{
	if (child->pid > 0)
		syscall(SYS_pidfd_send_signal, cv_fd_get(&child->pidfd), SIGKILL, NULL, 0);
}

bool cv_child_ended(struct cv_child *child, bool wait, struct cv_child_end *end)
{
	int r, options = WEXITED | __WALL | (wait ? 0 : WNOHANG);
	siginfo_t info = { 0 };

	*end = (struct cv_child_end){ .status = -1 };
	if (child->pid <= 0)
		return true;
	do
		r = waitid(P_PIDFD, (id_t)cv_fd_get(&child->pidfd), &info, options);
	while (r < 0 && errno == EINTR);
	if (r == 0 && info.si_pid == 0)
		return false;
	child->pid = 0;
	if (r == 0 && info.si_code == CLD_EXITED)
		end->status = info.si_status;
	else if (r == 0)
		end->signal = info.si_status;
	return true;
}

/* A process that has been killed ends, unless it hangs in the kernel, as on a dead file server. */
static void wait_for_end(const struct cv_child *child)
{
	struct pollfd p = { .fd = cv_fd_get(&child->pidfd), .events = POLLIN };

	while (poll(&p, 1, END_MS) < 0 && errno == EINTR)
		;
}

void cv_child_fini(struct cv_child *child)
{
	struct cv_child_end end;

	if (!child)
		return;
	cv_child_kill(child);
	if (child->pid > 0)
		wait_for_end(child);
	cv_ignore(cv_child_ended(child, false, &end));
	child->pid = 0;
	cv_fd_close(&child->pidfd);
}

/* ---- the whole ---- */

static int launch(struct cv_child *child, struct launch *l, struct vm_error *e)
{
	const struct cv_jail *jail = l->spawn->jail;
	int err = run_child(l, child);
	struct cv_child_end end;
	char path[256];

	if (err)
		return cv_jail_explain_clone(jail->mechanisms, err, e);
	if (l->err)
		return explain_step(l, e);
	if (jail->mechanisms & CV_JAIL_USER)
		err = cv_jail_write_maps(jail, child->pid, e);
	/* its files in /proc go with it */
	if (err && cv_child_ended(child, false, &end))
		return cv_err(
			e, -ECHILD,
			"sandbox: the helper program '%s' has ended at once (status %d, signal "
			"%d); run it by hand to see why",
			program_name(l, path, sizeof(path)), end.status, end.signal);
	return err;
}

int cv_sandbox_spawn(struct cv_child *child, const struct cv_spawn *spawn, struct vm_error *e)
{
	CV_AUTO_FD int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct launch l = { .spawn = spawn, .null_fd = null_fd };
	int err;

	if (null_fd < 0) {
		err = -errno;
		return cv_err_os(e, err, "sandbox: /dev/null cannot be opened");
	}
	if (spawn->n_fds < 3 || spawn->n_fds > MAX_FDS)
		return cv_err(e, -EINVAL,
			      "sandbox: %zu descriptors for a child, 3 to %d are possible",
			      spawn->n_fds, MAX_FDS);
	*child = (struct cv_child){ 0 };
	err = launch(child, &l, e);
	if (err)
		cv_child_fini(child);
	return err;
}
