/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The jail of device processes, from outside: a helper enters it and tries to do
 * harm, with the seccomp filter and with everything but that; as root and as an
 * ordinary user.
 */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/math.h"
#include "sandbox/seccomp.h"
#include "support/check_main.h"
#include "support/need_jail.h"
#include "support/usage.h"
#include "sys/io.h"
#include "sys/loop.h"

#define USER_ID 1234

static int helper_fd(void)
{
	int fd = open(JAIL_HELPER, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* ---- one helper ---- */

struct helper {
	struct cv_child child;
	int control, file; /* ours */
};

struct how {
	const char *policy; /* NULL: no filter */
	bool log;
	uint32_t without;	    /* mechanisms */
	const struct cv_jail *jail; /* NULL: the default */
	int program_fd;		    /* 0: opened here */
	struct vm_error *e;
};

static int try_spawn(struct helper *h, const struct how *how, struct cv_jail *jail)
{
	static char name[] = "jail-helper";
	char *const argv[] = { name, NULL };
	int fds[5] = { -1, -1, 2 }, sv[2], err;
	struct cv_spawn spawn = { .jail = jail, .argv = argv, .fds = fds, .n_fds = 5 };

	cv_jail_init(jail, cv_jail_default() & ~how->without);
	if (how->jail)
		*jail = *how->jail;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	h->control = sv[0];
	h->file = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(h->file, 65536), 0);
	fds[3] = sv[1];
	fds[4] = h->file;
	spawn.program_fd = how->program_fd ?: helper_fd();
	err = cv_sandbox_spawn(&h->child, &spawn, how->e);
	close(sv[1]);
	if (!how->program_fd)
		close(spawn.program_fd);
	return err;
}

static void order(struct helper *h, const struct how *how, const struct cv_jail *jail,
		  enum jail_op op)
{
	static struct jail_order o;
	struct cv_seccomp s = { 0 };

	o = (struct jail_order){
		.jail = *jail, .op = op, .n_fds = 5, .parent = (uint32_t)getpid()
	};
	if (how->policy) {
		ck_assert_int_eq(cv_seccomp_get(&s, NULL, how->policy, NULL), 0);
		if (how->log)
			cv_seccomp_log_failures(&s);
		ck_assert_uint_le(s.n, CV_LEN(o.insns));
		memcpy(o.insns, s.insns, s.n * sizeof(*s.insns));
		o.n_insns = s.n;
		cv_seccomp_fini(&s);
	}
	ck_assert_int_eq(send(h->control, &o, sizeof(o), MSG_NOSIGNAL), sizeof(o));
}

static void start(struct helper *h, const struct how *how, enum jail_op op)
{
	struct vm_error e = { 0 };
	struct how copy = *how;
	struct cv_jail jail;

	*h = (struct helper){ 0 };
	copy.e = how->e ?: &e;
	ck_assert_msg(try_spawn(h, &copy, &jail) == 0, "%s", copy.e->text);
	order(h, how, &jail, op);
}

static void stop(struct helper *h)
{
	cv_child_fini(&h->child);
	close(h->control);
	close(h->file);
}

#define KILLED INT64_MIN /* by the filter */

static int64_t finish(struct helper *h)
{
	struct jail_answer a = { 0 };
	struct cv_child_end end;
	ssize_t n = recv(h->control, &a, sizeof(a), 0);

	ck_assert(cv_child_ended(&h->child, true, &end));
	stop(h);
	if (n == 0 && end.signal == SIGSYS)
		return KILLED;
	ck_assert_msg(n == sizeof(a) && a.e.code == 0, "signal %d status %d: %s", end.signal,
		      end.status, a.e.text);
	return a.result;
}

/* What comes of @op in the jail. */
static int64_t run(const struct how *how, enum jail_op op)
{
	struct helper h;

	start(&h, how, op);
	return finish(&h);
}

static const struct how bare = { .without = CV_JAIL_SECCOMP };

/* ---- as somebody else ---- */

/* Check's process becomes an ordinary user for good, as far as this is root's. */
static void become_user(void)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(USER_ID, USER_ID, USER_ID), 0);
	ck_assert_int_eq(setresuid(USER_ID, USER_ID, USER_ID), 0);
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
}

/* ---- attempts ---- */

static const struct attempt {
	enum jail_op op;
	const char *name;
	int64_t errors[3]; /* what may come of it without the filter; none: not tried */
} attempts[] = {
#define A(name, ...)                            \
	{                                       \
		JAIL_##name, #name, __VA_ARGS__ \
	}
	A(open_root, { -EACCES }),
	A(open_passwd, { -EACCES, -ENOENT }),
	A(create, { -EACCES, -EROFS }),
	A(make_dir, { -EACCES, -EROFS }),
	A(open_proc, { -ENOENT }),
	A(open_parent, { -ENOENT }),
	A(connect_inet, { -EACCES, -ENETUNREACH }),
	A(bind_inet, { 0 }), /* only newer kernels' Landlock forbids it */
	A(connect_abstract, { -ECONNREFUSED, -EPERM }),
	A(connect_path, { -ENOENT }),
	A(ptrace_parent, { -ESRCH }),
	A(kill_parent, { -ESRCH }),
	A(kill_all, { -ESRCH }),
	A(read_parent, { -ESRCH }),
	A(fork_one, { 0 }),
	A(execute, { -ENOENT }),
	A(map_code, { 0 }),
	A(protect_code, { 0 }),
	A(become_root, { -EINVAL, -EPERM }),
	A(raise_caps, { -EPERM }),
	A(mount_tmpfs, { -EPERM }),
	A(remount, { -EPERM }),
	A(unshare_user, { -EPERM }),
	A(leave_chroot, { -EPERM }),
	A(x32, { 0 }),
#if defined(__x86_64__)
	A(int80, { 0 }),
#endif
};

static bool expected(const struct attempt *a, int64_t got)
{
	for (size_t i = 0; i < CV_LEN(a->errors); i++)
		if (a->errors[i] != 0 && got == a->errors[i])
			return true;
	return false;
}

/* Sockets in sight of the helper if it were not in its jail. */
static int listen_at(const char *name, size_t len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, name, len);
	/* it may be there from another run, which does as well */
	cv_ignore(bind(fd, (struct sockaddr *)&a,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)));
	cv_ignore(listen(fd, 1));
	return fd;
}

static void try_all(void)
{
	int abstract = listen_at("\0crosvm-jail-test", 17);
	int path = listen_at("/tmp/crosvm-jail-test", 22);

	for (size_t i = 0; i < CV_LEN(attempts); i++) {
		const struct attempt *a = &attempts[i];
		int64_t got;

		if (a->errors[0] != 0 && (cv_jail_default() & CV_JAIL_LANDLOCK)) {
			got = run(&bare, a->op);
			ck_assert_msg(expected(a, got), "%s: %lld", a->name, (long long)got);
		}
		if (!CROSVM_HAVE_SECCOMP)
			continue;
		got = run(&(struct how){ .policy = "rng" }, a->op);
		ck_assert_msg(got == KILLED, "%s with the filter: %lld", a->name, (long long)got);
	}
	unlink("/tmp/crosvm-jail-test");
	close(abstract);
	close(path);
}

START_TEST(attempts_as_we_are)
{
	NEED_JAIL();
	try_all();
}
END_TEST

START_TEST(attempts_as_a_user)
{
	NEED_JAIL();
	become_user();
	try_all();
}
END_TEST

/* ---- what the jail looks like from inside ---- */

/* What block I/O takes where nothing forbids it. */
static int64_t best_engine(void)
{
	struct cv_loop *loop;
	struct cv_io *io;
	int64_t engine;

	ck_assert_int_eq(cv_loop_create(&loop, NULL), 0);
	ck_assert_int_eq(cv_io_create(&io, CV_IO_AUTO, loop, NULL, 8, NULL), 0);
	engine = cv_io_engine(io);
	cv_io_destroy(io);
	cv_loop_destroy(loop);
	return engine;
}

static void look_around_filtered(void)
{
	ck_assert_int_eq(run(&(struct how){ .policy = "rng" }, JAIL_nothing), 0);
	ck_assert_int_eq(run(&(struct how){ .policy = "rng" }, JAIL_count_fds), 5);
	ck_assert_int_eq(run(&(struct how){ .policy = "rng" }, JAIL_exhaust_fds), 256 - 5);
	ck_assert_int_le(run(&(struct how){ .policy = "rng" }, JAIL_exhaust_memory), 64);
	ck_assert_int_eq(run(&(struct how){ .policy = "block" }, JAIL_io), best_engine());
	/* what would be killed passes, but not by another architecture's way */
	ck_assert_int_eq(run(&(struct how){ .policy = "rng", .log = true }, JAIL_my_pid), 1);
	ck_assert(run(&(struct how){ .policy = "rng", .log = true }, JAIL_x32) == KILLED);
#if defined(__x86_64__) /* on aarch64 only a process of 32 bits has such a way */
	ck_assert(run(&(struct how){ .policy = "rng", .log = true }, JAIL_int80) == KILLED);
#endif
}

static void look_around(int64_t id)
{
	const int64_t bits = (SECURE_ALL_BITS & ~SECBIT_KEEP_CAPS) | SECURE_ALL_LOCKS;

	ck_assert_int_eq(run(&bare, JAIL_nothing), 0);
	ck_assert_int_eq(run(&bare, JAIL_my_uid), id);
	ck_assert_int_eq(run(&bare, JAIL_my_gid), id);
	ck_assert_int_eq(run(&bare, JAIL_my_groups), 0);
	ck_assert_int_eq(run(&bare, JAIL_my_pid), 1);
	ck_assert_int_eq(run(&bare, JAIL_parent_pid), 0);
	ck_assert_int_eq(run(&bare, JAIL_host_name), 0);
	ck_assert_int_eq(run(&bare, JAIL_is_dumpable), 0);
	ck_assert_int_eq(run(&bare, JAIL_no_new_privs), 1);
	ck_assert_int_eq(run(&bare, JAIL_bounding_set), 0);
	ck_assert_int_eq(run(&bare, JAIL_cap_set), 0);
	ck_assert_int_eq(run(&bare, JAIL_secure_bits), bits);
	ck_assert_int_eq(run(&bare, JAIL_net_devices), 0);
	ck_assert_int_eq(run(&bare, JAIL_count_fds), 5);
	ck_assert_int_eq(run(&bare, JAIL_exhaust_fds), 256 - 5);
	ck_assert_int_eq(run(&bare, JAIL_core_limit), 0);
	ck_assert_int_eq(run(&bare, JAIL_environment), 0);
	ck_assert_int_eq(run(&bare, JAIL_ignored_signals), 0);
	ck_assert_int_le(run(&bare, JAIL_exhaust_memory), 64);
	ck_assert_int_le(run(&bare, JAIL_exhaust_threads), 64);
	if (CROSVM_HAVE_SECCOMP)
		look_around_filtered();
}

START_TEST(inside_as_we_are)
{
	NEED_JAIL();
	signal(SIGPIPE, SIG_IGN);
	look_around(geteuid() == 0 ? 65534 : (int64_t)geteuid());
}
END_TEST

START_TEST(inside_as_a_user)
{
	NEED_JAIL();
	become_user();
	look_around((int64_t)geteuid());
}
END_TEST

/* Each mechanism can be left out, and the others hold. */
START_TEST(without_one)
{
	NEED_JAIL();
	for (uint32_t bit = 1; bit < CV_JAIL_SECCOMP; bit <<= 1) {
		struct how how = { .without = bit | CV_JAIL_SECCOMP };

		if (bit == CV_JAIL_NO_NEW_PRIVS)
			how.without |= CV_JAIL_LANDLOCK;
		if (bit == CV_JAIL_USER && geteuid() != 0)
			continue;
		ck_assert_int_eq(run(&how, JAIL_cap_set) == 0, bit != CV_JAIL_CAPS);
		ck_assert_int_eq(run(&how, JAIL_my_pid) == 1, bit != CV_JAIL_PID);
		ck_assert_int_eq(run(&how, JAIL_host_name) == 0, bit != CV_JAIL_UTS);
		ck_assert_int_eq(run(&how, JAIL_core_limit) == 0, bit != CV_JAIL_RLIMIT);
		ck_assert_int_eq(run(&how, JAIL_no_new_privs) == 1, bit != CV_JAIL_NO_NEW_PRIVS);
		ck_assert_int_eq(run(&how, JAIL_my_uid), geteuid() == 0 ? 65534 : geteuid());
		ck_assert_int_lt(run(&how, JAIL_open_passwd), 0);
		ck_assert_int_lt(run(&how, JAIL_become_root), 0);
	}
}
END_TEST

/* ---- the parent ---- */

static void assert_nothing_left(const struct usage *before)
{
	struct usage after = usage_now();

	ck_assert_uint_eq(after.fds, before->fds);
	ck_assert_uint_eq(after.threads, before->threads);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	ck_assert_int_eq(errno, ECHILD);
}

START_TEST(parent_is_as_before)
{
	struct usage before = usage_now();
	sigset_t mask, now;
	struct helper h;

	NEED_JAIL();
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	for (unsigned int i = 0; i < 20; i++)
		ck_assert_int_eq(run(&bare, JAIL_nothing), 0);
	start(&h, &bare, JAIL_wait_here);
	stop(&h);
	sigprocmask(SIG_SETMASK, NULL, &now);
	ck_assert_int_eq(sigismember(&now, SIGUSR1), 1);
	ck_assert_int_eq(sigismember(&now, SIGUSR2), 0);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
	assert_nothing_left(&before);
}
END_TEST

/* Descriptors that stand in each other's way, and one in two places. */
START_TEST(descriptors_change_places)
{
	static char name[] = "jail-helper";
	static struct jail_order o;
	char *const argv[] = { name, NULL };
	int sv[2], program = helper_fd(), fds[8] = { -1, -1, 2, 6, 7, 2, 7, 6 };
	struct cv_spawn spawn = {
		.jail = &o.jail, .program_fd = 40, .argv = argv, .fds = fds, .n_fds = 8
	};
	struct cv_child child;
	struct jail_answer a;

	NEED_JAIL();
	ck_assert_int_eq(dup2(program, 40), 40);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	ck_assert_int_eq(dup2(sv[0], 41), 41);
	ck_assert_int_eq(dup2(sv[1], 6), 6); /* 3, 4 and 5 are Check's and ours */
	ck_assert_int_eq(dup2(2, 7), 7);
	cv_jail_init(&o.jail, cv_jail_default() & ~(uint32_t)CV_JAIL_SECCOMP);
	o.op = JAIL_count_fds;
	o.n_fds = 8;
	ck_assert_int_eq(cv_sandbox_spawn(&child, &spawn, NULL), 0);
	ck_assert_int_eq(send(41, &o, sizeof(o), 0), sizeof(o));
	ck_assert_int_eq(recv(41, &a, sizeof(a), 0), sizeof(a));
	ck_assert_int_eq(a.result, 8);
	cv_child_fini(&child);
}
END_TEST

static void *spawn_some(void *arg)
{
	struct cv_jail jail;

	for (unsigned int i = 0; i < 10; i++) {
		struct helper h = { 0 };

		must(try_spawn(&h, &bare, &jail) == 0);
		stop(&h);
	}
	return arg;
}

START_TEST(threads_spawn_at_once)
{
	struct usage before = usage_now();
	pthread_t threads[4];

	NEED_JAIL();
	for (size_t i = 0; i < CV_LEN(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, spawn_some, NULL), 0);
	for (size_t i = 0; i < CV_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_nothing_left(&before);
}
END_TEST

START_TEST(child_ends)
{
	struct helper h;
	struct cv_child_end end;
	struct pollfd p = { .events = POLLIN };

	NEED_JAIL();
	start(&h, &bare, JAIL_wait_here);
	ck_assert(!cv_child_ended(&h.child, false, &end));
	p.fd = cv_fd_get(&h.child.pidfd);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	cv_child_kill(&h.child);
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	ck_assert(cv_child_ended(&h.child, false, &end));
	ck_assert_int_eq(end.signal, SIGKILL);
	ck_assert(cv_child_ended(&h.child, true, &end)); /* nobody knows any more */
	ck_assert(end.signal == 0 && end.status == -1);
	cv_child_kill(&h.child);
	stop(&h);
	/* the order never comes: it ends by itself */
	ck_assert_int_eq(try_spawn(&h, &bare, &(struct cv_jail){ 0 }), 0);
	shutdown(h.control, SHUT_RDWR);
	ck_assert(cv_child_ended(&h.child, true, &end));
	ck_assert_int_eq(end.status, 3);
	stop(&h);
	/* where SIGCHLD is ignored nobody ever knows */
	signal(SIGCHLD, SIG_IGN);
	start(&h, &bare, JAIL_nothing);
	ck_assert(cv_child_ended(&h.child, true, &end));
	ck_assert(end.signal == 0 && end.status == -1);
	stop(&h);
}
END_TEST

/* The process that spawned is killed: no device process is left. */
static void kill_the_parent(bool ordered)
{
	int report[2], pidfd;
	struct pollfd p = { .events = POLLIN };
	pid_t middle, child = 0;

	ck_assert_int_eq(pipe2(report, O_CLOEXEC), 0);
	middle = fork();
	if (middle == 0) {
		struct cv_jail jail;
		struct helper h;

		if (try_spawn(&h, &bare, &jail) < 0)
			_exit(1);
		if (ordered)
			order(&h, &bare, &jail, JAIL_wait_here);
		usleep(ordered ? 100000 : 0); /* until it is in its jail */
		cv_ignore(write(report[1], &h.child.pid, sizeof(pid_t))); /* the reader sees */
		pause();
	}
	ck_assert_int_eq(read(report[0], &child, sizeof(child)), sizeof(child));
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	ck_assert_int_ge(pidfd, 0);
	p.fd = pidfd;
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	kill(middle, SIGKILL);
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	waitpid(middle, NULL, 0);
	close(pidfd);
	close(report[0]);
	close(report[1]);
}

START_TEST(parent_is_killed)
{
	NEED_JAIL();
	kill_the_parent(true);
	kill_the_parent(false);
}
END_TEST

/* ---- refusals ---- */

START_TEST(refusals)
{
	struct usage before = usage_now();
	struct vm_error e = { 0 };
	struct how how = { .without = CV_JAIL_SECCOMP, .e = &e };
	struct cv_jail jail;
	struct helper h = { 0 };

	NEED_JAIL();
	how.program_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(try_spawn(&h, &how, &jail), -EACCES);
	ck_assert_str_eq(e.text, "sandbox: the helper program '/dev/null' cannot be executed: "
				 "Permission denied; put the crosvm-device of this build there");
	ck_assert_int_eq(h.child.pid, 0);
	close(how.program_fd);
	stop(&h);
	how.program_fd = 9999;
	ck_assert_int_eq(try_spawn(&h, &how, &jail), -EBADF);
	stop(&h);
	assert_nothing_left(&before);
}
END_TEST

/* The sentence that the helper sends back, @n descriptors being demanded. */
static void entering_fails(const struct cv_jail *jail, unsigned int n, int code, const char *text)
{
	static struct jail_order o;
	struct how how = { .jail = jail };
	struct jail_answer a = { 0 };
	struct cv_jail copy;
	struct helper h;

	ck_assert_int_eq(try_spawn(&h, &how, &copy), 0);
	o = (struct jail_order){ .jail = *jail, .n_fds = n };
	ck_assert_int_eq(send(h.control, &o, sizeof(o), 0), sizeof(o));
	ck_assert_int_eq(recv(h.control, &a, sizeof(a), 0), sizeof(a));
	ck_assert_int_eq(a.result, code);
	ck_assert_msg(strstr(a.e.text, text), "%s", a.e.text);
	stop(&h);
}

START_TEST(refusals_of_the_child)
{
	struct cv_jail jail;

	NEED_JAIL();
	cv_jail_init(&jail, cv_jail_default() & ~(uint32_t)CV_JAIL_SECCOMP);
	entering_fails(&jail, 6, -EBADF, "descriptor 5 should be open and is not");
	become_user();
	cv_jail_init(&jail, CV_JAIL_CAPS);
	entering_fails(&jail, 5, -EPERM, "leave 'caps' out of the sandbox");
}
END_TEST

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Namespaces that run out: the sentence names the setting. In a user namespace of its own. */
START_TEST(forbidden_namespaces)
{
	struct vm_error e = { 0 };
	struct how how = { .without = CV_JAIL_SECCOMP, .e = &e };
	struct cv_jail jail;
	struct helper h = { 0 };

	NEED_JAIL();
	/* a sanitizer's own thread is one too many for that */
	if (geteuid() != 0 || unshare(CLONE_NEWUSER) < 0) {
		puts("skip namespaces that run out: this needs root, and a process of one thread");
		return;
	}
	put("/proc/self/setgroups", "deny");
	put("/proc/self/gid_map", "0 0 1");
	put("/proc/self/uid_map", "0 0 1");
	put("/proc/sys/user/max_net_namespaces", "0");
	ck_assert_int_eq(try_spawn(&h, &how, &jail), -ENOSPC);
	ck_assert_str_eq(e.text,
			 "sandbox: net namespaces are forbidden on this host; allow them (sysctl "
			 "user.max_net_namespaces), or leave 'net' out of the sandbox");
	stop(&h);
	/* here nobody is not mapped, and so not to be had */
	how.without |= CV_JAIL_NET;
	ck_assert_int_eq(try_spawn(&h, &how, &jail), -EPERM);
	ck_assert_ptr_nonnull(strstr(e.text, "cannot be given the id 65534"));
	stop(&h);
}
END_TEST

/* ---- names ---- */

START_TEST(names)
{
	struct vm_error e = { 0 };
	char text[160];
	uint32_t mask;

	cv_jail_format(CV_JAIL_ALL, text, sizeof(text));
	ck_assert_str_eq(text, "user,pid,net,ipc,uts,mount,cgroup,caps,rlimit,no_new_privs,"
			       "landlock,seccomp");
	ck_assert_int_eq(cv_jail_parse(text, &mask, &e), 0);
	ck_assert_uint_eq(mask, CV_JAIL_ALL);
	ck_assert_int_eq(cv_jail_parse("USER,Pid", &mask, &e), 0);
	ck_assert_uint_eq(mask, CV_JAIL_USER | CV_JAIL_PID);
	ck_assert_int_eq(cv_jail_parse("default", &mask, &e), 0);
	ck_assert_uint_eq(mask, cv_jail_default());
	ck_assert_int_eq(cv_jail_parse("default,-landlock,-user", &mask, &e), 0);
	ck_assert_uint_eq(mask, CV_JAIL_ALL & ~(CV_JAIL_LANDLOCK | CV_JAIL_USER));
	ck_assert_int_eq(cv_jail_parse("none", &mask, &e), 0);
	ck_assert_uint_eq(mask, 0);
	cv_jail_format(mask, text, sizeof(text));
	ck_assert_str_eq(text, "none");
	cv_jail_format(CV_JAIL_ALL, text, 6);
	ck_assert_str_eq(text, "user,");
	ck_assert_int_eq(cv_jail_parse("user,,pid", &mask, &e), -EINVAL);
	ck_assert_int_eq(cv_jail_parse("", &mask, &e), -EINVAL);
	ck_assert_int_eq(cv_jail_parse("users", &mask, &e), -EINVAL);
	ck_assert_str_eq(e.text, "there is no mechanism 'users'; there are default, none, "
				 "user,pid,net,ipc,uts,mount,cgroup,caps,rlimit,no_new_privs,"
				 "landlock,seccomp");
	ck_assert_int_eq(cv_jail_parse("-landlock,user", &mask, &e), -EINVAL);
	ck_assert_str_eq(e.text, "'-landlock' takes away from an empty list; give "
				 "default,-landlock");
	ck_assert_int_eq(cv_jail_parse("user,seccomp", &mask, &e), -EINVAL);
	ck_assert_str_eq(e.text, "seccomp needs no_new_privs; add that to the list");
	ck_assert_str_eq(cv_jail_name(CV_JAIL_UTS), "uts");
}
END_TEST

START_TEST(nothing_to_release)
{
	struct cv_child child = { 0 };
	struct cv_child_end end;

	cv_child_fini(NULL);
	cv_child_fini(&child);
	cv_child_kill(&child);
	ck_assert(cv_child_ended(&child, true, &end));
}
END_TEST

CHECK_MAIN("jail", attempts_as_we_are, attempts_as_a_user, inside_as_we_are, inside_as_a_user,
	   without_one, parent_is_as_before, descriptors_change_places, threads_spawn_at_once,
	   child_ends, parent_is_killed, refusals, refusals_of_the_child, forbidden_namespaces,
	   names, nothing_to_release)
