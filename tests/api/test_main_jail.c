/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An application that is jailed with its VM (jail_main): all that it may still
 * want works, also when devices die, and what it does not want kills it. Each in
 * a process of its own, which tells this one how far it is.
 */
#include "api_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define NEED_ALL()                                                                 \
	do {                                                                       \
		NEED_KVM();                                                        \
		NEED_JAIL();                                                       \
		NEED_GUEST("chaos");                                               \
		if (SANITIZED) {                                                   \
			puts("skip jails: no policy fits a sanitizer's run-time"); \
			return;                                                    \
		}                                                                  \
	} while (0)

#define MAX_DEVICES 16

/* ---- the application ---- */

struct app {
	struct vm *vm;
	struct vm_device *devices[MAX_DEVICES];
	unsigned int n_devices;
	int out, in; /* to the test and from it */
};

static void app_create(struct app *a, const char *kernel, const char *cmdline)
{
	struct vm_config config = VM_CONFIG_INIT;

	config.kernel = guest(kernel);
	config.cmdline = cmdline;
	config.memory = 64 << 20;
	config.vcpus = 4;
	config.jail_main = VM_JAIL_MAIN_ON;
	must(vm_create(&config, &a->vm, NULL) == 0);
}

static void app_add(struct app *a, const char *type, const char *options)
{
	struct vm_error e = { 0 };

	must(a->n_devices < MAX_DEVICES);
	if (vm_add_device(a->vm, type, options, &a->devices[a->n_devices++], &e))
		fprintf(stderr, "%s\n", e.text);
	must(e.code == 0);
}

static void app_add_disk(struct app *a, const char *more)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	char options[64];

	must(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	snprintf(options, sizeof(options), "fd=%d%s", fd, more);
	app_add(a, "block", options);
	close(fd);
}

static void app_start(struct app *a)
{
	struct vm_error e = { 0 };

	if (vm_start(a->vm, &e))
		fprintf(stderr, "%s\n", e.text);
	must(e.code == 0);
	/* in the jail no file is there */
	must(open("/", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT);
}

static void app_end(struct app *a, enum vm_exit_reason reason)
{
	struct vm_exit exit = VM_EXIT_INIT;

	if (reason == VM_EXIT_STOPPED)
		vm_stop(a->vm);
	must(vm_wait(a->vm, &exit, NULL) == 0 && exit.reason == reason);
	vm_destroy(a->vm);
}

/* The test is told that something has been done, and says go on. */
static void app_tell(const struct app *a)
{
	char c = 0;

	must(write(a->out, &c, 1) == 1 && read(a->in, &c, 1) == 1);
}

static void app_event(const struct app *a, enum vm_event_kind kind)
{
	struct pollfd p = { .fd = vm_fd(a->vm), .events = POLLIN };
	struct vm_event ev = VM_EVENT_INIT;

	must(poll(&p, 1, 20000) == 1 && vm_next_event(a->vm, &ev) == 1 && ev.kind == kind);
}

/* ---- the test's side ---- */

struct jailed {
	pid_t pid;
	int in, out;
};

static void begin(struct jailed *j, void (*fn)(struct app *a))
{
	int to[2], from[2];

	ck_assert_int_eq(pipe2(to, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(from, O_CLOEXEC), 0);
	fflush(NULL);
	j->pid = fork();
	ck_assert_int_ge(j->pid, 0);
	if (j->pid == 0) {
		struct app a = { .out = from[1], .in = to[0] };

		fn(&a);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	j->out = to[1];
	j->in = from[0];
}

static void wait_told(const struct jailed *j)
{
	struct pollfd p = { .fd = j->in, .events = POLLIN };
	char c;

	ck_assert_int_eq(poll(&p, 1, 20000), 1);
	ck_assert_msg(read(j->in, &c, 1) == 1, "the application has ended");
}

static void go_on(const struct jailed *j)
{
	ck_assert_int_eq(write(j->out, "", 1), 1);
}

/* The signal that it ended by, 0 for a good end. */
static int end(struct jailed *j)
{
	int status;

	ck_assert_int_eq(waitpid(j->pid, &status, 0), j->pid);
	close(j->in);
	close(j->out);
	ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "exit status %d",
		      WEXITSTATUS(status));
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void in_jail(void (*fn)(struct app *a))
{
	struct jailed j;

	begin(&j, fn);
	ck_assert_int_eq(end(&j), 0);
}

static bool is_class(pid_t pid, const char *cls)
{
	char path[64], line[128] = "", wanted[64];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	snprintf(wanted, sizeof(wanted), "--crosvm-device=%s", cls);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
	close(fd);
	return n > 0 && strcmp(line + strlen(line) + 1, wanted) == 0;
}

/* Sends all its processes of a class the signal; how many. */
static unsigned int signal_devices(const struct jailed *j, const char *cls, int sig)
{
	char path[300];
	struct dirent *entry;
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", j->pid);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d))) {
		FILE *f;
		int pid;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", j->pid, entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (f && fscanf(f, "%d", &pid) == 1)
			n += is_class(pid, cls) && kill(pid, sig) == 0;
		if (f)
			fclose(f);
	}
	closedir(d);
	return n;
}

/* ---- what works ---- */

static void add_all(struct app *a)
{
	app_add_disk(a, "");
	app_add(a, "rng", NULL);
	app_add(a, "rng", "transport=mmio");
	app_add(a, "balloon", NULL);
	app_add(a, "console", "ports=3");
	app_add(a, "serial", "num=1");
	app_add(a, "serial", "num=2,sandbox=on");
	app_add(a, "debugcon", "sandbox=on");
}

static void use_all(struct app *a)
{
	char reply[128];
	uint64_t word = 1;

	app_create(a, "hello", "end=halt");
	add_all(a);
	app_start(a);
	must(vm_device_control(a->devices[0], "resize", "size=2M", reply, sizeof(reply), NULL) ==
	     0);
	must(vm_device_control(a->devices[3], "target", "bytes=1M", reply, sizeof(reply), NULL) ==
	     0);
	must(vm_device_control(a->devices[4], "resize", "cols=80,rows=25", NULL, 0, NULL) == 0);
	must(vm_device_control(a->devices[1], "sing", NULL, reply, sizeof(reply), NULL) == -ENOENT);
	must(vm_power_button(a->vm, NULL) == 0);
	must(vm_memory_write(a->vm, 0x1000000, &word, 8, NULL) == 0);
	must(vm_memory_read(a->vm, 0x1000000, &word, 8, NULL) == 0 && word == 1);
	must(vm_add_device(a->vm, "rng", NULL, NULL, NULL) == -EBUSY);
	printf("the standard output works\n");
	app_end(a, VM_EXIT_STOPPED);
}

START_TEST(all_that_an_application_wants)
{
	NEED_ALL();
	in_jail(use_all);
}
END_TEST

static void end_well(struct app *a)
{
	app_create(a, "smp", "expect=4");
	add_all(a);
	app_start(a);
	app_end(a, VM_EXIT_POWER_OFF);
}

START_TEST(a_guest_that_ends)
{
	NEED_ALL();
	in_jail(end_well);
}
END_TEST

static void lose_all(struct app *a)
{
	app_create(a, "chaos", "seed=1 n=100000000 areas=v");
	add_all(a);
	app_start(a);
	app_tell(a);
	for (unsigned int i = 0; i < a->n_devices - 1; i++)
		app_event(a, VM_EVENT_DEVICE_DIED);
	must(vm_device_control(a->devices[0], "resize", "size=1M", NULL, 0, NULL) == -ENOTCONN);
	app_end(a, VM_EXIT_STOPPED);
}

START_TEST(devices_that_die)
{
	static const char *const classes[] = { "block",	  "rng",    "balloon",
					       "console", "serial", "debugcon" };
	unsigned int n = 0;
	struct jailed j;

	NEED_ALL();
	begin(&j, lose_all);
	wait_told(&j);
	usleep(20000);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		n += signal_devices(&j, classes[i], SIGKILL);
	ck_assert_uint_eq(n, 7); /* one serial port is not in a process */
	go_on(&j);
	ck_assert_int_eq(end(&j), 0);
}
END_TEST

#define N_TOUCHED 8

static void be_busy(struct app *a)
{
	app_create(a, "chaos", "seed=1 n=100000000 areas=v");
	for (int i = 0; i < N_TOUCHED; i++)
		app_add(a, "console", NULL);
	/* the guest's command line says nothing of it, so that the guest leaves it alone */
	app_add_disk(a, ",transport=mmio");
	app_start(a);
	app_tell(a);
	/* its process is stopped: the VM's loop waits for it */
	must(vm_device_control(a->devices[N_TOUCHED], "resize", "size=2M", NULL, 0, NULL) == 0);
	for (int i = 0; i < N_TOUCHED; i++)
		app_event(a, VM_EVENT_DEVICE_DIED);
	app_end(a, VM_EXIT_STOPPED);
}

/* The guest's access is the first to find out, in the middle of a vCPU's thread. */
START_TEST(a_death_that_a_vcpu_finds_out)
{
	struct jailed j;

	NEED_ALL();
	begin(&j, be_busy);
	wait_told(&j);
	ck_assert_uint_eq(signal_devices(&j, "block", SIGSTOP), 1);
	go_on(&j);
	usleep(50000);
	ck_assert_uint_eq(signal_devices(&j, "console", SIGKILL), N_TOUCHED);
	usleep(300000);
	signal_devices(&j, "block", SIGCONT);
	ck_assert_int_eq(end(&j), 0);
}
END_TEST

static int line[2]; /* the serial port's other end, and the port's */

static void use_sockets(struct app *a)
{
	char options[64];

	app_create(a, "echo", NULL);
	snprintf(options, sizeof(options), "num=1,in=/dev/fd/%d,out=/dev/fd/%d", line[1], line[1]);
	app_add(a, "serial", options);
	app_start(a);
	app_end(a, VM_EXIT_POWER_OFF);
}

static void hear(const char *text)
{
	char buf[1024] = "";
	size_t n = 0;

	while (!strstr(buf, text)) {
		struct pollfd p = { .fd = line[0], .events = POLLIN };
		ssize_t got;

		ck_assert_msg(poll(&p, 1, 20000) == 1, "only '%s'", buf);
		got = read(line[0], buf + n, sizeof(buf) - 1 - n);
		ck_assert_msg(got > 0, "only '%s'", buf);
		n += (size_t)got;
	}
}

START_TEST(a_serial_port_on_a_socket)
{
	struct jailed j;

	NEED_ALL();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line), 0);
	begin(&j, use_sockets);
	close(line[1]);
	hear("ready");
	usleep(100000); /* the jail is closed by then */
	ck_assert_int_eq(write(line[0], "by interrupts,", 14), 14);
	hear("interrupts ok");
	ck_assert_int_eq(write(line[0], "by polling.", 11), 11);
	hear("polling ok");
	ck_assert_int_eq(end(&j), 0);
	close(line[0]);
}
END_TEST

/* ---- what does not ---- */

static void open_file(void)
{
	must(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT);
	_exit(0); /* refused, as the C library may ask */
}

static void signal_parent(void)
{
	syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static void signal_itself(void)
{
	must(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0);
	_exit(0);
}

static void bind_to_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void make_event(void)
{
	eventfd(0, EFD_CLOEXEC);
}

static void make_file(void)
{
	memfd_create("other", 0);
}

static void make_non_blocking(void)
{
	fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
}

static void duplicate(void)
{
	fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
}

static void receive_files(void)
{
	struct msghdr m = { 0 };

	recvmsg(0, &m, 0);
}

static void send_more(void)
{
	struct msghdr m = { 0 };

	sendmsg(0, &m, 0);
}

static void send_to_somebody(void)
{
	struct sockaddr a = { .sa_family = AF_UNIX };

	sendto(0, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, &a, sizeof(a));
}

static void wait_for_all(void)
{
	siginfo_t info;

	waitid(P_ALL, 0, &info, WEXITED | WNOHANG);
}

static void end_politely(void)
{
	syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0);
}

static void give_back_shared_memory(void)
{
	madvise(NULL, 0, MADV_REMOVE);
}

static void rename_itself(void)
{
	prctl(PR_SET_NAME, "sshd");
}

static void write_elsewhere(void)
{
	struct iovec iov = { 0 };

	must(writev(1, &iov, 1) < 0);
}

static void start_process(void)
{
	if (fork() == 0)
		_exit(0);
}

static void (*attempt)(void);

static void try_it(struct app *a)
{
	app_create(a, "idle", NULL);
	app_start(a);
	attempt();
	_exit(9);
}

START_TEST(what_kills)
{
	static void (*const deadly[])(void) = {
		signal_parent,	   bind_to_cpu,	  make_event,	   make_file,
		make_non_blocking, duplicate,	  receive_files,   send_more,
		send_to_somebody,  wait_for_all,  end_politely,	   give_back_shared_memory,
		rename_itself,	   start_process, write_elsewhere,
	};
	static void (*const harmless[])(void) = { open_file, signal_itself };
	struct jailed j;

	NEED_ALL();
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
		attempt = deadly[i];
		begin(&j, try_it);
		ck_assert_msg(end(&j) == SIGSYS, "attempt %zu", i);
	}
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		attempt = harmless[i];
		in_jail(try_it);
	}
}
END_TEST

CHECK_MAIN("main_jail", all_that_an_application_wants, a_guest_that_ends, devices_that_die,
	   a_death_that_a_vcpu_finds_out, a_serial_port_on_a_socket, what_kills)
