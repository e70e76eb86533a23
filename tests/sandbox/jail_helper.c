/* SPDX-License-Identifier: BSD-3-Clause */
/* Goes into the jail and tries to get out again; built without sanitizers, which no policy fits. */
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/math.h"
#include "sandbox/seccomp.h"
#include "sys/io.h"
#include "sys/loop.h"

static struct jail_order order;
static pid_t parent;
static int fd_to_use;

static long result(long r)
{
	return r < 0 ? -errno : r;
}

static long nothing(void)
{
	return 0;
}

/* ---- files ---- */

static long open_root(void)
{
	return result(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static long open_passwd(void)
{
	return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static long create(void)
{
	return result(open("/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static long make_dir(void)
{
	return result(mkdir("/new", 0700));
}

static long open_proc(void)
{
	return result(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
}

static long open_parent(void)
{
	return result(open("../../../../etc/passwd", O_RDONLY | O_CLOEXEC));
}

/* ---- sockets ---- */

static long connect_inet(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(22),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return result(connect(fd, (struct sockaddr *)&a, sizeof(a)));
}

static long bind_inet(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(4321) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return result(bind(fd, (struct sockaddr *)&a, sizeof(a)));
}

/* The tests listen there. */
static long connect_unix(const char *name, size_t len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, name, len);
	return result(connect(fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)));
}

static long connect_abstract(void)
{
	return connect_unix("\0crosvm-jail-test", 17);
}

static long connect_path(void)
{
	return connect_unix("/tmp/crosvm-jail-test", 22);
}

/* ---- other processes ---- */

static long ptrace_parent(void)
{
	return result(ptrace(PTRACE_SEIZE, parent, NULL, NULL));
}

static long kill_parent(void)
{
	return result(kill(parent, SIGKILL));
}

static long kill_all(void)
{
	return result(kill(-1, SIGKILL));
}

static long read_parent(void)
{
	char buf[8];
	struct iovec local = { buf, sizeof(buf) }, remote = { &order, sizeof(buf) };

	return result(process_vm_readv(parent, &local, 1, &remote, 1, 0));
}

static long fork_one(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static long execute(void)
{
	char *const argv[] = { (char[]){ "sh" }, NULL };

	return result(execv("/bin/sh", argv));
}

/* ---- code ---- */

static long map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static long protect_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -EIO : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

/* ---- privileges ---- */

static long become_root(void)
{
	return result(syscall(SYS_setresuid, 0, 0, 0));
}

static long raise_caps(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = 1, .permitted = 1 } };

	return result(syscall(SYS_capset, &head, data));
}

static long mount_tmpfs(void)
{
	return result(mount("tmpfs", "/", "tmpfs", 0, NULL));
}

static long remount(void)
{
	return result(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
}

/* A namespace of its own would bring capabilities in it; Landlock still forbids to mount. */
static long unshare_user(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	return mount_tmpfs();
}

static long leave_chroot(void)
{
	return result(chroot("."));
}

static long host_name(void)
{
	char name[65] = "";

	return gethostname(name, sizeof(name)) < 0 ? -errno : (long)strlen(name);
}

static long my_uid(void)
{
	uid_t r, e, s;

	return getresuid(&r, &e, &s) == 0 && r == e && e == s ? (long)r : -EIO;
}

static long my_gid(void)
{
	gid_t r, e, s;

	return getresgid(&r, &e, &s) == 0 && r == e && e == s ? (long)r : -EIO;
}

static long my_groups(void)
{
	return result(getgroups(0, NULL));
}

static long my_pid(void)
{
	return syscall(SYS_getpid);
}

static long parent_pid(void)
{
	return syscall(SYS_getppid);
}

static long is_dumpable(void)
{
	return result(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

static long no_new_privs(void)
{
	return result(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static long bounding_set(void)
{
	long n = 0;

	for (unsigned long cap = 0; cap < 64; cap++)
		n += prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1;
	return n;
}

static long cap_set(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	if (syscall(SYS_capget, &head, d) < 0)
		return -errno;
	return d[0].effective | d[1].effective | d[0].permitted | d[1].permitted |
	       d[0].inheritable | d[1].inheritable;
}

static long secure_bits(void)
{
	return result(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

/* How many network devices are up. */
static long net_devices(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, 0x8913 /* SIOCGIFFLAGS */, &req) < 0)
		return -errno;
	return req.ifr_flags & IFF_UP;
}

/* ---- resources ---- */

static long count_fds(void)
{
	long n = 0;

	for (int fd = 0; fd < 70000; fd++)
		n += fcntl(fd, F_GET_SEALS) >= 0 ||
		     errno != EBADF; /* a call that every policy has */
	return n;
}

static long exhaust_fds(void)
{
	long n = 0;

	while (n < 100000 && fcntl(JAIL_CONTROL, F_DUPFD_CLOEXEC, 0) >= 0)
		n++;
	return errno == EMFILE ? n : -errno;
}

/* In MiB. */
static long exhaust_memory(void)
{
	long n = 0;

	for (; n < 4096; n++) {
		uint8_t *p = mmap(NULL, CV_MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (p == MAP_FAILED)
			return errno == ENOMEM ? n : -errno;
		*p = 1;
	}
	return n;
}

static void *sleep_long(void *arg)
{
	pause();
	return arg;
}

static long exhaust_threads(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	long n = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	while (n < 5000 && pthread_create(&thread, &attr, sleep_long, NULL) == 0)
		n++;
	return n;
}

static long core_limit(void)
{
	struct rlimit r;

	return getrlimit(RLIMIT_CORE, &r) < 0 ? -errno : (long)r.rlim_max;
}

static long environment(void)
{
	return environ[0] != NULL;
}

static long ignored_signals(void)
{
	long n = 0;

	for (int sig = 1; sig < 32; sig++) {
		struct sigaction sa;

		n += sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL;
	}
	return n;
}

/* ---- other ways into the kernel ---- */

static long x32(void)
{
	return result(syscall(0x40000000 | SYS_getppid));
}

static long int80(void)
{
	long r = -ENOSYS;

#if defined(__x86_64__)
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L /* getpid */) : "memory");
#endif
	return r;
}

/* ---- what a device does ---- */

struct request {
	struct cv_io_req req;
	struct cv_loop *loop;
	struct iovec iov;
	int err;
	bool done;
};

static void on_done(struct cv_io_req *req, int err)
{
	struct request *r = cv_container_of(req, struct request, req);

	r->err = err;
	r->done = true;
}

static struct cv_loop *loop;
static struct cv_io *io_engine;
static struct cv_io_file file;

/* Before the filter: rings and eventfds. */
static int prepare_io(void)
{
	int err = cv_loop_create(&loop, NULL);

	err = err ?: cv_io_file_init(&file, fd_to_use);
	err = err ?: cv_io_create(&io_engine, CV_IO_AUTO, loop, NULL, 8, NULL);
	file.quick = false; /* the threads, too */
	return err;
}

static int one_request(enum cv_io_op op)
{
	static char buf[8192];
	struct request r = { .req = { .op = op, .file = &file, .off = 0, .len = 4096 },
			     .iov = { buf, sizeof(buf) } };

	r.req.iov = &r.iov;
	r.req.n_iov = 1;
	r.req.done = on_done;
	cv_io_submit(io_engine, &r.req);
	cv_io_drain(io_engine);
	return r.err;
}

/* Which engine has done it all. */
static long io(void)
{
	enum cv_io_engine engine = cv_io_engine(io_engine);

	static const enum cv_io_op ops[] = { CV_IO_WRITE, CV_IO_READ, CV_IO_FSYNC, CV_IO_DISCARD,
					     CV_IO_ZERO };

	for (size_t i = 0; i < CV_LEN(ops); i++) {
		int err = one_request(ops[i]);

		if (err)
			return err;
	}
	cv_loop_dispatch(loop);
	cv_io_destroy(io_engine);
	cv_loop_destroy(loop);
	return engine;
}

static long wait_here(void)
{
	char byte;

	return result(recv(JAIL_CONTROL, &byte, 1, 0));
}

/* ---- the frame ---- */

static long (*const ops[JAIL_N_OPS])(void) = {
	[JAIL_nothing] = nothing,
	[JAIL_open_root] = open_root,
	[JAIL_open_passwd] = open_passwd,
	[JAIL_create] = create,
	[JAIL_make_dir] = make_dir,
	[JAIL_open_proc] = open_proc,
	[JAIL_open_parent] = open_parent,
	[JAIL_connect_inet] = connect_inet,
	[JAIL_bind_inet] = bind_inet,
	[JAIL_connect_abstract] = connect_abstract,
	[JAIL_connect_path] = connect_path,
	[JAIL_ptrace_parent] = ptrace_parent,
	[JAIL_kill_parent] = kill_parent,
	[JAIL_kill_all] = kill_all,
	[JAIL_read_parent] = read_parent,
	[JAIL_fork_one] = fork_one,
	[JAIL_execute] = execute,
	[JAIL_map_code] = map_code,
	[JAIL_protect_code] = protect_code,
	[JAIL_become_root] = become_root,
	[JAIL_raise_caps] = raise_caps,
	[JAIL_mount_tmpfs] = mount_tmpfs,
	[JAIL_remount] = remount,
	[JAIL_unshare_user] = unshare_user,
	[JAIL_leave_chroot] = leave_chroot,
	[JAIL_host_name] = host_name,
	[JAIL_my_uid] = my_uid,
	[JAIL_my_gid] = my_gid,
	[JAIL_my_groups] = my_groups,
	[JAIL_my_pid] = my_pid,
	[JAIL_parent_pid] = parent_pid,
	[JAIL_is_dumpable] = is_dumpable,
	[JAIL_no_new_privs] = no_new_privs,
	[JAIL_bounding_set] = bounding_set,
	[JAIL_cap_set] = cap_set,
	[JAIL_secure_bits] = secure_bits,
	[JAIL_net_devices] = net_devices,
	[JAIL_count_fds] = count_fds,
	[JAIL_exhaust_fds] = exhaust_fds,
	[JAIL_exhaust_memory] = exhaust_memory,
	[JAIL_exhaust_threads] = exhaust_threads,
	[JAIL_core_limit] = core_limit,
	[JAIL_environment] = environment,
	[JAIL_ignored_signals] = ignored_signals,
	[JAIL_x32] = x32,
	[JAIL_int80] = int80,
	[JAIL_io] = io,
	[JAIL_wait_here] = wait_here,
};

static void answer(long value, const struct vm_error *e)
{
	struct jail_answer a = { .result = value };
	struct iovec iov = { &a, sizeof(a) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (e)
		a.e = *e;
	cv_ignore(sendmsg(JAIL_CONTROL, &msg,
			  MSG_NOSIGNAL | MSG_DONTWAIT)); /* nobody may listen any more */
}

int main(void)
{
	struct cv_seccomp seccomp = { .insns = order.insns };
	struct vm_error e = { 0 };
	int err;

	if (recv(JAIL_CONTROL, &order, sizeof(order), 0) != sizeof(order))
		return 3; /* the parent is gone */
	parent = (pid_t)order.parent;
	seccomp.n = (uint16_t)order.n_insns;
	fd_to_use = (int)order.n_fds - 1;
	err = cv_sandbox_enter(&order.jail, order.n_fds, &e);
	if (!err && order.op == JAIL_io)
		err = prepare_io();
	err = err ?: cv_sandbox_seal(&order.jail, &seccomp, NULL, &e);
	if (err) {
		answer(err, &e);
		return 2;
	}
	answer(ops[order.op](), NULL);
	return 0;
}
