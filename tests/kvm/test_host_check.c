/* SPDX-License-Identifier: BSD-3-Clause */
/* vm_host_check(): its rows, its sizes, its honesty, and that nothing of it remains. */
#include <crosvm/host.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm/empty_root.h"
#include "support/usage.h"

#define NOBODY 65534

static const struct vm_host_row *row(const struct vm_host_check *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_rows; i++)
		if (strcmp(c->rows[i].name, name) == 0)
			return &c->rows[i];
	ck_abort_msg("no row %s", name);
	return NULL;
}

static void print(const struct vm_host_check *c)
{
	for (uint32_t i = 0; i < c->n_rows; i++)
		printf("%-26s %-3s %s%s%s\n", c->rows[i].name, c->rows[i].ok ? "ok" : "no",
		       c->rows[i].ok ? c->rows[i].detail : c->rows[i].reason,
		       c->rows[i].ok ? "" : "; ", c->rows[i].remedy);
}

START_TEST(rows)
{
	static const char *const names[] = {
		"kvm",	       "kvm_irqfd",	  "native_kernel", "tun",      "vhost_net",
		"vhost_vsock", "user_namespaces", "seccomp",	   "landlock", "io_uring"
	};
	struct vm_host_check c = VM_HOST_CHECK_INIT;
	struct vm_error e = { 0 };
	bool usable = true;

	ck_assert_int_eq(vm_host_check(&c, &e), 0);
	print(&c);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		row(&c, names[i]);
	ck_assert_uint_le(c.n_rows, VM_HOST_MAX_ROWS);
	for (uint32_t i = 0; i < c.n_rows; i++) {
		const struct vm_host_row *r = &c.rows[i];

		ck_assert_msg(r->ok || (r->reason[0] && r->remedy[0]), "%s", r->name);
		ck_assert_msg(!r->ok || (r->detail[0] && !r->reason[0] && !r->remedy[0]), "%s",
			      r->name);
		usable = usable && (r->ok || !r->required);
	}
	ck_assert_int_eq(c.usable, usable);
	if (access("/dev/kvm", R_OK | W_OK) == 0)
		ck_assert(c.usable);
}
END_TEST

START_TEST(nothing_remains)
{
	struct vm_host_check c = VM_HOST_CHECK_INIT;
	struct usage usage, usage_after;
	sigset_t before, after;

	ck_assert_int_eq(vm_host_check(&c, NULL), 0);
	usage = usage_now();
	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vm_host_check(&c, NULL), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	ck_assert(sigismember(&after, SIGUSR2) && !sigismember(&after, SIGTERM));
	usage_after = usage_now();
	ck_assert_uint_eq(usage_after.fds, usage.fds);
	ck_assert_uint_eq(usage_after.threads, usage.threads);
	ck_assert(waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD);
}
END_TEST

START_TEST(sizes)
{
	struct {
		struct vm_host_check c;
		char tail[16];
	} newer = { .c = { .size = sizeof(newer) } };
	struct vm_host_check older = { .size = offsetof(struct vm_host_check, rows) +
					       2 * sizeof(struct vm_host_row) };
	struct vm_error e = { 0 };

	ck_assert_int_eq(vm_host_check(&newer.c, &e), 0);
	ck_assert_uint_eq(newer.c.size, sizeof(newer));
	newer.tail[3] = 1;
	ck_assert_int_eq(vm_host_check(&newer.c, &e), -E2BIG);
	memset(&older.rows[2], 0xee, sizeof(older.rows[2]));
	ck_assert_int_eq(vm_host_check(&older, &e), 0);
	ck_assert_uint_eq(older.n_rows, 2);
	ck_assert_uint_eq((unsigned char)older.rows[2].reason[0], 0xee);
	older.size = 0;
	ck_assert_int_eq(vm_host_check(&older, &e), -EINVAL);
	older.size = sizeof(older.size) + 1;
	ck_assert_int_eq(vm_host_check(&older, &e), -EINVAL);
	ck_assert_int_eq(e.code, EINVAL);
}
END_TEST

/* In an empty root directory as nobody everything that is a file is missing, and says so. */
START_TEST(poor_host)
{
	struct vm_host_check c = VM_HOST_CHECK_INIT;
	int old;

	if (geteuid() != 0) {
		printf("skip only root can change the root directory\n");
		return;
	}
	old = enter_empty_root();
	ck_assert_int_eq(setegid(NOBODY), 0);
	ck_assert_int_eq(seteuid(NOBODY), 0);
	ck_assert_int_eq(vm_host_check(&c, NULL), 0);
	print(&c);
	ck_assert(!c.usable);
	ck_assert(!row(&c, "kvm")->ok && strstr(row(&c, "kvm")->remedy, "modprobe"));
	ck_assert(!row(&c, "kvm_irqfd")->ok && strstr(row(&c, "kvm_irqfd")->remedy, "\"kvm\""));
	ck_assert(!row(&c, "native_kernel")->ok);
	ck_assert(!row(&c, "tun")->ok && strstr(row(&c, "tun")->remedy, "modprobe tun"));
	/* in a chroot the kernel refuses user namespaces */
	ck_assert(!row(&c, "user_namespaces")->ok);
	ck_assert(strstr(row(&c, "user_namespaces")->remedy, "chroot"));
	ck_assert_int_eq(seteuid(0), 0);
	leave_empty_root(old);
}
END_TEST

static void *check_main(void *arg)
{
	struct vm_host_check c = VM_HOST_CHECK_INIT;

	(void)arg;
	return vm_host_check(&c, NULL) == 0 ? arg : NULL;
}

START_TEST(several_at_a_time)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, check_main, threads), 0);
	for (int i = 0; i < 4; i++) {
		void *ok = NULL;

		pthread_join(threads[i], &ok);
		ck_assert_ptr_nonnull(ok);
	}
}
END_TEST

CHECK_MAIN("host check", rows, nothing_remains, sizes, poor_host, several_at_a_time)
