/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public API as an application has it: the shared library, this host's KVM
 * and the bare guests. What needs KVM passes with a note where there is none.
 */
#include "api_test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static struct vm *create_with(const char *kernel, const char *cmdline, enum vm_sandbox sandbox)
{
	struct vm_config config = VM_CONFIG_INIT;
	struct vm_error e = { 0 };
	struct vm *vm = NULL;

	config.kernel = guest(kernel);
	config.cmdline = cmdline;
	config.memory = 32 << 20;
	config.sandbox = sandbox;
	ck_assert_msg(vm_create(&config, &vm, &e) == 0, "%s", e.text);
	return vm;
}

static struct vm *create(const char *kernel, const char *cmdline)
{
	return create_with(kernel, cmdline, VM_SANDBOX_OFF);
}

static void add(struct vm *vm, const char *type, const char *options, struct vm_device **d)
{
	struct vm_error e = { 0 };

	ck_assert_msg(vm_add_device(vm, type, options, d, &e) == 0, "%s", e.text);
}

/* COM1 into a file of this process. */
static int add_console(struct vm *vm)
{
	int fd = memfd_create("console", MFD_CLOEXEC);
	char options[64];

	ck_assert_int_ge(fd, 0);
	snprintf(options, sizeof(options), "num=1,out=/proc/self/fd/%d", fd);
	add(vm, "serial", options, NULL);
	return fd;
}

static void has_written(int fd, const char *text)
{
	char buf[4096] = "";
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	ck_assert_int_ge(n, 0);
	ck_assert_msg(strstr(buf, text), "'%s' is not in '%s'", text, buf);
	close(fd);
}

START_TEST(hello)
{
	struct vm_exit x = VM_EXIT_INIT;
	struct vm_error e = { 0 };
	struct vm *vm;
	int console;

	NEED_KVM();
	vm = create("hello", NULL);
	console = add_console(vm);
	ck_assert_msg(vm_run(vm, &x, &e) == 0, "%s", e.text);
	ck_assert_int_eq(x.reason, VM_EXIT_POWER_OFF);
	ck_assert_int_eq(vm_run(vm, &x, &e), 0); /* again */
	ck_assert_int_eq(x.reason, VM_EXIT_POWER_OFF);
	vm_destroy(vm);
	has_written(console, "Hello\nHello\n");
}
END_TEST

START_TEST(a_crash)
{
	struct vm_exit x = VM_EXIT_INIT;
	struct vm *vm;

	NEED_KVM();
	vm = create("hello", "end=panic");
	ck_assert_int_eq(vm_run(vm, &x, NULL), 0);
	ck_assert_int_eq(x.reason, VM_EXIT_CRASHED);
	vm_destroy(vm);
	NEED_GUEST("smp"); /* triple faults are x86_64's */
	vm = create("hello", "end=triple");
	ck_assert_int_eq(vm_run(vm, &x, NULL), 0);
	ck_assert_int_eq(x.reason, VM_EXIT_CRASHED);
	ck_assert_str_eq(x.text, "triple fault");
	vm_destroy(vm);
}
END_TEST

/* Two VMs in one poll() of the application's own. */
/* Firmware instead of a kernel, and both or neither of them. */
START_TEST(firmware)
{
	struct vm_config config = VM_CONFIG_INIT;
	struct vm_exit x = VM_EXIT_INIT;
	struct vm_error e = { 0 };
	struct vm *vm = NULL;
	int console;

	NEED_KVM();
	NEED_GUEST("smp"); /* firmware of our own is for x86_64 */
	config.memory = 32 << 20;
	config.sandbox = VM_SANDBOX_OFF;
	config.bios = guest("hello");
	ck_assert_int_eq(vm_create(&config, &vm, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, "are not a multiple of 4096"), "%s", e.text);
	config.bios = firmware_image("rom");
	config.kernel = guest("hello");
	ck_assert_int_eq(vm_create(&config, &vm, &e), -EINVAL);
	ck_assert_msg(strstr(e.text, "a kernel is given too"), "%s", e.text);
	config.kernel = NULL;
	ck_assert_msg(vm_create(&config, &vm, &e) == 0, "%s", e.text);
	console = add_console(vm);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_msg(vm_run(vm, &x, &e) == 0, "%s", e.text);
		ck_assert_int_eq(x.reason, VM_EXIT_POWER_OFF);
	}
	vm_destroy(vm);
	has_written(console, "firmware: QEMU\nfirmware: QEMU\n");
}
END_TEST

START_TEST(two_in_an_own_loop)
{
	struct vm_event ev = VM_EVENT_INIT;
	struct pollfd fds[2];
	struct vm *vms[2];
	int consoles[2], left = 2;

	NEED_KVM();
	NEED_GUEST("mem");
	for (int i = 0; i < 2; i++) {
		vms[i] = create(i == 0 ? "hello" : "mem", NULL);
		consoles[i] = add_console(vms[i]);
		fds[i] = (struct pollfd){ .fd = vm_fd(vms[i]), .events = POLLIN };
		ck_assert_int_eq(vm_start(vms[i], NULL), 0);
	}
	while (left > 0) {
		ck_assert_int_gt(poll(fds, 2, 60000), 0);
		for (int i = 0; i < 2; i++)
			while (fds[i].revents && vm_next_event(vms[i], &ev) > 0) {
				ck_assert_int_eq(ev.kind, VM_EVENT_STOPPED);
				ck_assert_int_eq(ev.exit.reason, VM_EXIT_POWER_OFF);
				left--;
			}
	}
	for (int i = 0; i < 2; i++)
		vm_destroy(vms[i]);
	has_written(consoles[0], "Hello");
	has_written(consoles[1], "mem ok");
}
END_TEST

/* ---- what stays behind ---- */

static unsigned int map_lines(void)
{
	static char buf[1 << 16];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	unsigned int n = 0;
	ssize_t len;

	while ((len = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < len; i++)
			n += buf[i] == '\n';
	close(fd);
	return n;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

#define N_LIVES	  (SANITIZED ? 100 : 1000)
#define N_THREADS 8 /* the kernel makes each VM wait for its end: they wait together */

/* ThreadSanitizer does not see liburing close a ring, and takes the next file for the same one. */
#ifdef __SANITIZE_THREAD__
#define ENGINE "pool"
#else
#define ENGINE "auto"
#endif

struct lives {
	pthread_t thread;
	int disk, n;
	enum vm_sandbox sandbox;
};

/* Whole lives, with devices. */
static void *live(void *arg)
{
	const struct lives *l = arg;
	char options[64];

	snprintf(options, sizeof(options), "fd=%d,ro=true,engine=" ENGINE, l->disk);
	for (int i = 0; i < l->n; i++) {
		struct vm *vm = create_with("idle", NULL, l->sandbox);
		struct vm_error e = { 0 };

		add(vm, "serial", NULL, NULL);
		add(vm, "block", options, NULL);
		add(vm, "rng", NULL, NULL);
		ck_assert_msg(vm_start(vm, &e) == 0, "%s", e.text);
		vm_stop(vm);
		vm_destroy(vm);
	}
	return NULL;
}

/* @n lives, several at a time. */
static void many_lives(int disk, int n, enum vm_sandbox sandbox)
{
	struct lives lives[N_THREADS];

	for (int i = 0; i < N_THREADS; i++) {
		lives[i] = (struct lives){ .disk = disk, .n = n / N_THREADS, .sandbox = sandbox };
		ck_assert_int_eq(pthread_create(&lives[i].thread, NULL, live, &lives[i]), 0);
	}
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(lives[i].thread, NULL);
}

/* The same before and after: files, threads, and about as many mappings. */
static void check_lives(int n, enum vm_sandbox sandbox)
{
	struct usage before, after;
	unsigned int maps;
	double start;
	FILE *disk = tmpfile();

	ck_assert_int_eq(ftruncate(fileno(disk), 1 << 20), 0);
	many_lives(fileno(disk), 5 * N_THREADS, sandbox); /* what the C library keeps for later */
	before = usage_now();
	maps = map_lines();
	start = seconds();
	many_lives(fileno(disk), n, sandbox);
	printf("%d VMs, %.2f ms each\n", n, (seconds() - start) * 1e3 / n);
	after = usage_now();
	ck_assert_uint_eq(after.fds, before.fds);
	ck_assert_uint_eq(after.threads, before.threads);
	/* the C library's stacks and arenas: a few, not some for each VM; a sanitizer keeps more */
	ck_assert(SANITIZED || map_lines() <= maps + 2 * N_THREADS);
	fclose(disk);
}

START_TEST(a_thousand_lives)
{
	NEED_KVM();
	check_lives(N_LIVES, VM_SANDBOX_OFF);
}
END_TEST

START_TEST(sandboxed_lives)
{
	NEED_KVM();
	NEED_JAIL();
	check_lives(N_LIVES / 20 + N_THREADS, VM_SANDBOX_ON); /* each thread at least one */
	/* no process of theirs is left, nor its remains */
	ck_assert(waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD);
}
END_TEST

/* ---- devices ---- */

struct counter {
	unsigned int reads, writes, drops;
	uint64_t last;
};

static uint64_t counter_read(void *user, uint64_t offset, unsigned int len)
{
	(void)offset;
	(void)len;
	return ++((struct counter *)user)->reads;
}

static void counter_write(void *user, uint64_t offset, unsigned int len, uint64_t value)
{
	struct counter *c = user;

	(void)offset;
	(void)len;
	c->last = value;
	c->writes++;
}

static void counter_drop(void *user)
{
	((struct counter *)user)->drops++;
}

/* Where hello can write its lines besides the console. */
#if defined(__x86_64__)
#define LISTENER_WORD  "e9"
#define LISTENER_SPACE VM_REGS_PIO
#define LISTENER_BASE  0xe9
#else
#define LISTENER_WORD  "listener"
#define LISTENER_SPACE VM_REGS_MMIO
#define LISTENER_BASE  0x0c000000
#endif

/* The application watches the place that hello writes to: it is the console. */
START_TEST(a_device_of_our_own)
{
	static const struct vm_regs_ops ops = { VM_REGS_OPS_INIT, .read = counter_read,
						.write = counter_write, .drop = counter_drop };
	struct vm_regs_config config = VM_REGS_CONFIG_INIT;
	struct vm_exit x = VM_EXIT_INIT;
	struct counter c = { 0 };
	struct vm *vm;

	NEED_KVM();
	vm = create("hello", LISTENER_WORD);
	config.name = "listener";
	config.space = LISTENER_SPACE;
	config.base = LISTENER_BASE;
	config.len = 1;
	ck_assert_int_eq(vm_add_regs(vm, &config, &ops, &c, NULL, NULL), 0);
	ck_assert_int_eq(vm_run(vm, &x, NULL), 0);
	ck_assert_int_eq(x.reason, VM_EXIT_POWER_OFF);
	ck_assert_uint_ge(c.writes, 5);
	ck_assert_uint_eq(c.last, '\n');
	vm_destroy(vm);
	ck_assert_uint_eq(c.drops, 1);
}
END_TEST

static bool has_type(const char *name)
{
	struct vm_device_type_info t = { .size = sizeof(t) };

	for (size_t i = 0; vm_device_type(i, &t) == 0; i++)
		if (strcmp(t.name, name) == 0)
			return true;
	return false;
}

START_TEST(listings)
{
	struct vm_device_type_info t = { .size = sizeof(t) };
	struct vm_option_info o = { .size = sizeof(o) };
	struct vm_control_info c = { .size = sizeof(c) };
	size_t n = 0;

	while (vm_device_type(n, &t) == 0) {
		ck_assert(t.name && t.help && t.help[0]);
		ck_assert_uint_eq(t.size, sizeof(t));
		for (size_t i = 0; vm_device_option(t.name, i, &o) == 0; i++)
			ck_assert(o.name && o.help && o.kind && (!o.max || o.min <= o.max));
		for (size_t i = 0; vm_device_control_info(t.name, i, &c) == 0; i++)
			ck_assert(c.name && c.help);
		n++;
	}
	ck_assert_uint_ge(n, 6);
	ck_assert(has_type("block") && has_type("serial") && has_type("rng"));
	ck_assert(has_type("console") && has_type("balloon") && !has_type("cmos"));
	ck_assert_int_eq(vm_device_type(n, &t), -ENOENT);
	ck_assert_int_eq(vm_device_type(SIZE_MAX, &t), -ENOENT);
	ck_assert_int_eq(vm_device_option("nope", 0, &o), -EINVAL);
	ck_assert_int_eq(vm_device_option("cmos", 0, &o), -EINVAL);
	ck_assert_int_eq(vm_device_option("block", 1000, &o), -ENOENT);
	ck_assert_int_eq(vm_device_control_info("nope", 0, &c), -EINVAL);
	ck_assert_int_eq(vm_device_control_info("serial", 0, &c), -ENOENT);
	ck_assert_int_eq(vm_device_control_arg("block", "nope", 0, &o), -EINVAL);
	ck_assert_int_eq(vm_device_control_arg("block", "resize", 0, &o), 0);
	ck_assert_str_eq(o.name, "size");
	t.size = 0;
	ck_assert_int_eq(vm_device_type(0, &t), -EINVAL);
}
END_TEST

/* ---- the host ---- */

START_TEST(host_check)
{
	static const char *const names[] = { "kvm",	  "native_kernel", "tun",
					     "vhost_net", "vhost_vsock",   "user_namespaces",
					     "seccomp",	  "landlock",	   "io_uring" };
	struct vm_host_check c = VM_HOST_CHECK_INIT;
	struct vm_error e = { 0 };
	unsigned int found = 0;
	bool usable = true;

	ck_assert_int_eq(vm_host_check(&c, &e), 0);
	for (uint32_t i = 0; i < c.n_rows; i++) {
		const struct vm_host_row *row = &c.rows[i];

		usable = usable && (row->ok || !row->required);
		ck_assert(row->ok || (row->reason[0] && row->remedy[0]));
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			found += strcmp(row->name, names[k]) == 0;
	}
	ck_assert_uint_eq(found, sizeof(names) / sizeof(names[0]));
	ck_assert(c.usable == usable);
	c.size = 1;
	ck_assert_int_eq(vm_host_check(&c, &e), -EINVAL);
	ck_assert_int_eq(e.code, EINVAL);
}
END_TEST

static void check_report(unsigned int flags)
{
	const struct vm_sandbox_process *p;
	struct vm_sandbox_report *r;
	struct vm_error e = { 0 };

	ck_assert_msg(vm_sandbox_report(getpid(), flags, &r, &e) == 0, "%s", e.text);
	p = vm_sandbox_report_process(r, 0);
	ck_assert(p->main && p->pid == getpid());
	p = vm_sandbox_report_process(r, 1);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_ge(p->size, sizeof(*p));
	ck_assert_str_eq(p->cls, "rng");
	ck_assert_ptr_nonnull(vm_sandbox_fd(p, 0));
	ck_assert_ptr_null(vm_sandbox_fd(p, 100000));
	ck_assert_uint_eq(vm_sandbox_report_jailed(r), p->n_weak == 0);
	ck_assert_ptr_null(vm_sandbox_weakness(p, p->n_weak));
	ck_assert_ptr_null(vm_sandbox_report_process(r, 2));
	vm_sandbox_report_destroy(r);
}

/* An application looks at its own VM, and nobody's process is harmed. */
START_TEST(sandbox_report)
{
	struct vm_exit exit = VM_EXIT_INIT;
	struct vm_sandbox_report *r;
	struct vm_error e = { 0 };
	struct vm *vm;

	ck_assert_int_eq(vm_sandbox_report(getpid(), 0, &r, &e), -EINVAL);
	ck_assert_int_eq(vm_sandbox_report(INT_MAX, 0, &r, &e), -ESRCH);
	ck_assert_int_eq(vm_sandbox_report(-1, 0, &r, &e), -ESRCH);
	ck_assert_int_eq(vm_sandbox_report(getpid(), 1u << 31, &r, &e), -EINVAL);
	vm_sandbox_report_destroy(NULL);
	NEED_KVM();
	NEED_JAIL();
	vm = create_with("hello", "end=halt", VM_SANDBOX_ON);
	add(vm, "rng", "", NULL);
	ck_assert_msg(vm_start(vm, &e) == 0, "%s", e.text);
	for (unsigned int i = 0; i < 20; i++)
		check_report(i % 2 ? VM_SANDBOX_READ_FILTERS : 0);
	ck_assert_int_ge(vm_sandbox_find(NULL, 0, &e), 1);
	vm_stop(vm);
	ck_assert_int_eq(vm_wait(vm, &exit, &e), 0);
	vm_destroy(vm);
	ck_assert(waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD);
}
END_TEST

START_TEST(version)
{
	int major, minor, patch;

	ck_assert_int_eq(sscanf(vm_version(), "%d.%d.%d", &major, &minor, &patch), 3);
	ck_assert_str_eq(vm_version(), VM_VERSION_STRING);
}
END_TEST

CHECK_MAIN("api", hello, a_crash, firmware, two_in_an_own_loop, a_thousand_lives, sandboxed_lives,
	   a_device_of_our_own, listings, host_check, sandbox_report, version)
