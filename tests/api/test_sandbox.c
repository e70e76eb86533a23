/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be wrong with device processes and their jails, as an application is
 * told: the code, one sentence, and a VM that can be destroyed or started again.
 */
#include "api_test.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define USER_ID 1234

/* A VM's configuration, what it has for devices, and what its start is to say. */
struct world {
	struct usage before;
	struct vm_config config;
	struct vm *vm;
	struct vm_error e;
	char dir[64]; /* of policies; empty: none was made */
};

static void init(struct world *w)
{
	*w = (struct world){ .before = usage_now(), .config = VM_CONFIG_INIT };
	w->config.kernel = guest("idle");
	w->config.memory = 32 << 20;
}

static void create(struct world *w)
{
	ck_assert_msg(vm_create(&w->config, &w->vm, &w->e) == 0, "%s", w->e.text);
}

static void add(struct world *w, const char *type)
{
	ck_assert_msg(vm_add_device(w->vm, type, NULL, NULL, &w->e) == 0, "%s", w->e.text);
}

static void sentence(struct world *w, int got, int want, const char *words)
{
	ck_assert_msg(got == want, "%d instead of %d: %s", got, want, w->e.text);
	ck_assert_int_eq(w->e.code, -want);
	ck_assert_msg(strstr(w->e.text, words), "'%s' is not in '%s'", words, w->e.text);
	ck_assert(!strchr(w->e.text, '\n'));
	memset(&w->e, 0, sizeof(w->e));
}

static void no_process_is_left(void)
{
	ck_assert(waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD);
}

static void fini(struct world *w)
{
	struct usage after;

	vm_destroy(w->vm);
	after = usage_now();
	ck_assert_uint_eq(after.fds, w->before.fds);
	ck_assert_uint_eq(after.threads, w->before.threads);
	no_process_is_left();
}

/* The VM's start fails, twice in the same way, and it counts as never started. */
static void start_fails(struct world *w, int want, const char *words)
{
	struct vm_event ev = VM_EVENT_INIT;

	for (int i = 0; i < 2; i++) {
		sentence(w, vm_start(w->vm, &w->e), want, words);
		no_process_is_left();
	}
	ck_assert_int_eq(vm_start(w->vm, NULL), want);
	ck_assert_int_eq(vm_wait(w->vm, NULL, NULL), -EINVAL);
	ck_assert_int_eq(vm_next_event(w->vm, &ev), 0);
}

static void starts(struct world *w)
{
	struct vm_exit exit = VM_EXIT_INIT;

	ck_assert_msg(vm_start(w->vm, &w->e) == 0, "%s", w->e.text);
	vm_stop(w->vm);
	ck_assert_int_eq(vm_wait(w->vm, &exit, &w->e), 0);
	ck_assert_int_eq(exit.reason, VM_EXIT_STOPPED);
}

/* ---- policies ---- */

static void make_dir(struct world *w)
{
	snprintf(w->dir, sizeof(w->dir), "/tmp/crosvm-policies-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(w->dir));
	w->config.seccomp_policy_dir = w->dir;
}

static const char *in_dir(const struct world *w, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s.policy", w->dir, name);
	return path;
}

static void write_policy(const struct world *w, const char *name, const char *text)
{
	FILE *f = fopen(in_dir(w, name), "we");

	ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void remove_dir(struct world *w)
{
	static const char *const names[] = { "rng", "console", "main", "a", "b" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(w, names[i]));
	ck_assert_int_eq(rmdir(w->dir), 0);
}

static void create_fails(struct world *w, const char *words)
{
	w->vm = (void *)w;
	sentence(w, vm_create(&w->config, &w->vm, &w->e), -EINVAL, words);
	w->vm = NULL;
	fini(w);
}

START_TEST(no_policies)
{
	struct world w;

	NEED_KVM();
	init(&w);
	w.config.seccomp_policy_dir = "/nonexistent";
	create(&w);
	starts(&w); /* nothing has asked for a policy yet */
	add(&w, "rng");
	sentence(&w, vm_start(w.vm, &w.e), -ENOENT,
		 "seccomp_policy_dir: policy /nonexistent/rng.policy: No such file");
	fini(&w);
	init(&w);
	w.config.seccomp_policy_dir = "/dev/null";
	create(&w);
	add(&w, "rng");
	start_fails(&w, -ENOTDIR,
		    "seccomp_policy_dir: policy /dev/null/rng.policy: Not a directory; name a");
	fini(&w);
	init(&w);
	w.config.seccomp_policy_dir = "";
	create_fails(&w, "seccomp_policy_dir: the path is empty, give a directory");
}
END_TEST

START_TEST(bad_policies)
{
	struct world w;
	char words[256];

	NEED_KVM();
	NEED_JAIL();
	init(&w);
	make_dir(&w);
	create(&w);
	add(&w, "rng");
	start_fails(&w, -ENOENT, in_dir(&w, "rng"));
	write_policy(&w, "rng", "read: 1\nfrobnicate: 1\n");
	snprintf(words, sizeof(words), "%s:2: there is no system call", in_dir(&w, "rng"));
	start_fails(&w, -EINVAL, words);
	write_policy(&w, "rng", "@include a.policy\n");
	write_policy(&w, "a", "read: 1\n@include b.policy\n");
	write_policy(&w, "b", "@include a.policy\n");
	snprintf(words, sizeof(words), "%s:1: ", in_dir(&w, "b"));
	start_fails(&w, -EINVAL, words);
	if (!SANITIZED) {
		write_policy(&w, "rng", "read: 1\nsendmsg: 1\n");
		start_fails(&w, -ECHILD, "rng: its process ended before it was ready: its seccomp");
	}
	remove_dir(&w);
	fini(&w);
}
END_TEST

/* One device after another: the processes of those before it end too. */
START_TEST(the_second_policy_is_missing)
{
	struct world w;

	NEED_KVM();
	NEED_JAIL();
	init(&w);
	make_dir(&w);
	/* it does whatever it wants */
	write_policy(&w, "rng", "read: 1\n");
	w.config.seccomp_log_failures = true;
	create(&w);
	add(&w, "rng");
	starts(&w);
	add(&w, "console");
	sentence(&w, vm_start(w.vm, &w.e), -ENOENT, "console.policy");
	no_process_is_left();
	write_policy(&w, "console", "read: 1\n");
	starts(&w); /* once the cause has gone */
	remove_dir(&w);
	fini(&w);
}
END_TEST

/* Found out before the guest runs. */
START_TEST(the_main_policy_is_missing)
{
	struct world w;

	NEED_KVM();
	if (SANITIZED) {
		puts("skip the main process: no policy fits the run-time of a sanitizer");
		return;
	}
	init(&w);
	make_dir(&w);
	w.config.jail_main = VM_JAIL_MAIN_ON;
	create(&w);
	start_fails(&w, -ENOENT, "main.policy: No such file");
	ck_assert_int_eq(prctl(PR_GET_SECCOMP), 0);
	remove_dir(&w);
	fini(&w);
}
END_TEST

/* ---- the program ---- */

START_TEST(programs)
{
	static const struct {
		const char *path;
		int err;
		const char *words;
		bool needs_jail;
	} cases[] = {
		{ "/nonexistent/device", -ENOENT, "'/nonexistent/device', cannot be opened",
		  false },
		{ "/etc/passwd", -EACCES, "'/etc/passwd' cannot be executed: Permission", true },
		{ "/etc", -EACCES, "'/etc' cannot be executed: Permission", true },
		{ "/bin/true", -ECHILD, "it exited with status 0", true },
		{ "/bin/cat", -ECHILD, "it exited with status 1", true },
	};

	NEED_KVM();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		if (cases[i].needs_jail && !can_jail()) {
			puts("skip " NO_JAIL);
			continue;
		}
		init(&w);
		w.config.device_program = cases[i].path;
		create(&w);
		starts(&w); /* it was not needed */
		add(&w, "rng");
		add(&w, "rng");
		sentence(&w, vm_start(w.vm, &w.e), cases[i].err, cases[i].words);
		no_process_is_left();
		fini(&w);
	}
}
END_TEST

/* ---- what jails are made of ---- */

START_TEST(mechanisms)
{
	static const struct {
		const char *list, *words;
	} cases[] = {
		{ "dungeon", "sandbox_mechanisms: there is no mechanism 'dungeon'" },
		{ "default,", "there is no mechanism ''" },
		{ "", "there is no mechanism ''" },
		{ "user pid", "there is no mechanism 'user pid'" },
		{ "-landlock", "sandbox_mechanisms: '-landlock' takes away from an empty list" },
		{ "seccomp", "seccomp needs no_new_privs" },
		{ "landlock", "landlock needs no_new_privs" },
		{ "default,-no_new_privs", "seccomp needs no_new_privs" },
	};
	struct world w;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		init(&w);
		w.config.sandbox_mechanisms = cases[i].list;
		create_fails(&w, cases[i].words);
	}
	init(&w);
	w.config.sandbox = (enum vm_sandbox)99;
	create_fails(&w, "sandbox: 99 is not known");
	init(&w);
	w.config.jail_main = (enum vm_jail_main)99;
	create_fails(&w, "jail_main: 99 is not known");
}
END_TEST

START_TEST(a_main_process_that_cannot_be_jailed)
{
	struct world w;

	init(&w);
	w.config.jail_main = VM_JAIL_MAIN_ON;
	w.config.reboot = true;
	create(&w);
	start_fails(&w, -EINVAL, "jail_main: this process cannot be jailed: a guest that reboots");
	fini(&w);
	init(&w);
	w.config.jail_main = VM_JAIL_MAIN_ON;
	w.config.sandbox_mechanisms = "none";
	create(&w);
	start_fails(&w, -EINVAL, "jail_main: this process cannot be jailed: the sandbox is to be");
	fini(&w);
}
END_TEST

START_TEST(options)
{
	struct world w;

	init(&w);
	create(&w);
	sentence(&w, vm_add_device(w.vm, "rng", "sandbox=maybe", NULL, &w.e), -EINVAL,
		 "rng: option sandbox: 'maybe' is not known, give one of default, on, off");
	sentence(&w, vm_add_device(w.vm, "rng", "restart=often", NULL, &w.e), -EINVAL,
		 "rng: option restart: 'often'");
	sentence(&w, vm_add_device(w.vm, "serial", "restart=on", NULL, &w.e), -EINVAL,
		 "serial: option 'restart' is not known");
	sentence(&w, vm_add_device(w.vm, "rng", "sandbox=off,restart=on", NULL, &w.e), -EINVAL,
		 "rng: option restart: only a process of its own can be replaced");
	fini(&w);
	init(&w);
	w.config.sandbox = VM_SANDBOX_OFF;
	create(&w);
	sentence(&w, vm_add_device(w.vm, "rng", "restart=on", NULL, &w.e), -EINVAL,
		 "rng: option restart: only a process of its own can be replaced");
	ck_assert_int_eq(vm_add_device(w.vm, "rng", "sandbox=on,restart=on", NULL, &w.e), 0);
	fini(&w);
}
END_TEST

/* ---- back ends: the same without a VM ---- */

struct backend {
	struct world w;
	struct vm_backend_config config;
	char socket[64];
};

static void backend_init(struct backend *b)
{
	init(&b->w);
	b->config = (struct vm_backend_config)VM_BACKEND_CONFIG_INIT;
	snprintf(b->socket, sizeof(b->socket), "/tmp/crosvm-test-%d", (int)getpid());
	b->config.socket = b->socket;
}

static void backend_fails(struct backend *b, int want, const char *words)
{
	struct vm_backend *backend = NULL;

	ck_assert_msg(vm_backend_create("rng", NULL, &b->config, &backend, &b->w.e) == 0, "%s",
		      b->w.e.text);
	for (int i = 0; i < 2; i++) {
		sentence(&b->w, vm_backend_run(backend, &b->w.e), want, words);
		no_process_is_left();
	}
	ck_assert_int_eq(access(b->socket, F_OK), 0);
	vm_backend_destroy(backend);
	ck_assert_int_lt(access(b->socket, F_OK), 0);
	fini(&b->w);
}

START_TEST(back_ends)
{
	struct backend b;

	backend_init(&b);
	b.config.seccomp_policy_dir = "/nonexistent";
	backend_fails(&b, -ENOENT, "policy /nonexistent/rng.policy: No such file");
	backend_init(&b);
	b.config.device_program = "/nonexistent/device";
	backend_fails(&b, -ENOENT, "'/nonexistent/device', cannot be opened");
	backend_init(&b);
	b.config.sandbox_mechanisms = "none";
	b.config.device_program = "/bin/true";
	/* -ECHILD is for the process of a connection */
	backend_fails(&b, -EPROTO, "nothing can be served: rng: its process ended before");
	backend_init(&b);
	b.config.sandbox_mechanisms = "dungeon";
	sentence(&b.w,
		 vm_backend_create("rng", NULL, &b.config, &(struct vm_backend *){ NULL }, &b.w.e),
		 -EINVAL, "there is no mechanism 'dungeon'");
	sentence(&b.w,
		 vm_backend_create("rng", "restart=on", &b.config, &(struct vm_backend *){ NULL },
				   &b.w.e),
		 -EINVAL, "there is no mechanism");
	b.config.sandbox_mechanisms = NULL;
	sentence(&b.w,
		 vm_backend_create("rng", "restart=on", &b.config, &(struct vm_backend *){ NULL },
				   &b.w.e),
		 -EINVAL, "rng: option 'restart' is for a device of a VM");
	ck_assert_int_lt(access(b.socket, F_OK), 0);
	fini(&b.w);
}
END_TEST

/* An ordinary user gets no namespaces without one for users. */
START_TEST(an_ordinary_user)
{
	struct backend b;

	if (geteuid() == 0) {
		ck_assert_int_eq(setgroups(0, NULL), 0);
		ck_assert_int_eq(setresgid(USER_ID, USER_ID, USER_ID), 0);
		ck_assert_int_eq(setresuid(USER_ID, USER_ID, USER_ID), 0);
		ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
	}
	backend_init(&b);
	b.config.sandbox_mechanisms = "default,-user";
	b.config.device_program = "/bin/true"; /* the real one may be in a closed directory */
	backend_fails(&b, -EPERM, "rng: sandbox: namespaces without one for users need root; put");
}
END_TEST

CHECK_MAIN("sandbox", no_policies, bad_policies, the_second_policy_is_missing,
	   the_main_policy_is_missing, programs, mechanisms, a_main_process_that_cannot_be_jailed,
	   options, back_ends, an_ordinary_user)
