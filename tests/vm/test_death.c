/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device processes that die, as the embedder sees it: what he is told of, and
 * that no moment is a bad one. Whole lives on the fake hypervisor.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "support/need_jail.h"
#include "vm_test.h"

#define MAX_CHILDREN 16

struct rig {
	struct vm_test t;
	struct usage before;
	struct vm_device *d;
	pid_t pid;
};

static void idle_guest(struct cv_vcpu *vcpu, void *arg)
{
	(void)arg;
	for (;;)
		cv_fake_relax(vcpu);
}

static void reset_guest(struct cv_vcpu *vcpu, void *arg)
{
	(void)arg;
	vt_reset(vcpu);
}

/* A VM with one device in a process, to be started. */
static void rig_init(struct rig *r, void (*guest)(struct cv_vcpu *, void *), const char *options,
		     bool stop)
{
	*r = (struct rig){ .before = usage_now() };
	vt_init(&r->t);
	vt_program(&r->t, guest, NULL);
	r->t.config.sandbox = VM_SANDBOX_ON;
	r->t.config.sandbox_mechanisms = possible_jail();
	r->t.config.stop_on_device_death = stop;
	r->t.config.reboot = guest == reset_guest;
	vt_create(&r->t);
	ck_assert_msg(vm_add_device(r->t.vm, "rng", options, &r->d, &r->t.e) == 0, "%s",
		      r->t.e.text);
}

static void rig_start(struct rig *r, const char *options, bool stop)
{
	rig_init(r, idle_guest, options, stop);
	vt_start(&r->t);
}

static void nothing_is_left(const struct rig *r)
{
	vt_same_usage(r->before);
	ck_assert(waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD);
}

static void rig_fini(struct rig *r)
{
	vt_fini(&r->t);
	nothing_is_left(r);
}

static void ask_pid(void *arg)
{
	struct rig *r = arg;

	r->pid = r->d->vslot ? cv_vslot_child_pid(r->d->vslot) : 0;
}

static pid_t pid_of(struct rig *r)
{
	cv_loop_call(r->t.vm->loop, ask_pid, r);
	return r->pid;
}

static void kill_device(struct rig *r)
{
	ck_assert_int_gt(pid_of(r), 0);
	ck_assert_int_eq(kill(r->pid, SIGKILL), 0);
}

/* The next event, which is that one. */
static struct vm_event next_event(struct rig *r, enum vm_event_kind kind)
{
	struct pollfd p = { .fd = vm_fd(r->t.vm), .events = POLLIN };
	struct vm_event ev = VM_EVENT_INIT;

	ck_assert_int_eq(poll(&p, 1, 20000), 1);
	ck_assert_int_eq(vm_next_event(r->t.vm, &ev), 1);
	ck_assert_int_eq(ev.kind, kind);
	ck_assert_uint_eq(ev.size, sizeof(ev));
	return ev;
}

/* It names the device, says how it died, and no more. */
static void told(struct rig *r, enum vm_event_kind kind)
{
	struct vm_event ev = next_event(r, kind);

	ck_assert_ptr_eq(ev.device, r->d);
	ck_assert_str_eq(ev.text, "rng: it was killed by signal 9 (Killed)");
}

/* ---- what is told ---- */

START_TEST(a_death_is_told_once)
{
	struct rig r;

	rig_start(&r, NULL, false);
	kill_device(&r);
	told(&r, VM_EVENT_DEVICE_DIED);
	ck_assert_int_eq(pid_of(&r), 0);
	ck_assert_int_eq(vt_event(&r.t), 0);
	ck_assert_msg(strstr(r.t.log, "rng: its process has died, the guest has lost the device"),
		      "%s", r.t.log);
	vm_stop(r.t.vm);
	ck_assert_int_eq(vt_event(&r.t), VM_EVENT_STOPPED);
	ck_assert_int_eq(r.t.exit.reason, VM_EXIT_STOPPED);
	ck_assert_int_eq(vt_event(&r.t), 0);
	/* the next run has the device again */
	vt_start(&r.t);
	ck_assert_int_gt(pid_of(&r), 0);
	rig_fini(&r);
}
END_TEST

START_TEST(a_restart_is_told)
{
	struct rig r;
	pid_t old;

	rig_start(&r, "restart=on", false);
	for (int i = 0; i < 5; i++) {
		kill_device(&r);
		old = r.pid;
		told(&r, VM_EVENT_DEVICE_RESTARTED);
		ck_assert_int_gt(pid_of(&r), 0);
		ck_assert_int_ne(r.pid, old);
	}
	kill_device(&r); /* too often */
	told(&r, VM_EVENT_DEVICE_DIED);
	ck_assert_int_eq(pid_of(&r), 0);
	ck_assert_int_eq(vt_event(&r.t), 0);
	vm_stop(r.t.vm);
	ck_assert_int_eq(vt_event(&r.t), VM_EVENT_STOPPED);
	rig_fini(&r);
}
END_TEST

/* The run ends for that reason, which vm_wait() tells too. */
static void ends_the_run(struct rig *r)
{
	struct vm_event ev;

	told(r, VM_EVENT_DEVICE_DIED);
	ev = next_event(r, VM_EVENT_STOPPED);
	ck_assert_ptr_null(ev.device);
	ck_assert_int_eq(ev.exit.reason, VM_EXIT_DEVICE_DIED);
	ck_assert_int_eq(ev.exit.vcpu, -1);
	ck_assert_str_eq(ev.exit.text, "rng: it was killed by signal 9 (Killed)");
	ck_assert_int_eq(vt_event(&r->t), 0);
	ck_assert_int_eq(vt_wait(&r->t), VM_EXIT_DEVICE_DIED);
	ck_assert_str_eq(r->t.exit.text, ev.exit.text);
}

START_TEST(a_death_ends_the_run)
{
	struct rig r;

	rig_start(&r, NULL, true);
	kill_device(&r);
	ends_the_run(&r);
	/* and may do so again */
	vt_start(&r.t);
	kill_device(&r);
	ends_the_run(&r);
	rig_fini(&r);
}
END_TEST

START_TEST(a_restart_does_not_end_the_run)
{
	struct rig r;

	rig_start(&r, "restart=on", true);
	for (int i = 0; i < 5; i++) {
		kill_device(&r);
		told(&r, VM_EVENT_DEVICE_RESTARTED);
		ck_assert_int_eq(vt_event(&r.t), 0);
	}
	kill_device(&r);
	ends_the_run(&r);
	rig_fini(&r);
}
END_TEST

/* Each is told of with the device it belongs to. */
START_TEST(two_devices)
{
	struct vm_device *rng, *console;
	struct vm_event ev;
	struct rig r;

	rig_init(&r, idle_guest, NULL, false);
	rng = r.d;
	ck_assert_int_eq(vm_add_device(r.t.vm, "console", "restart=on", &console, &r.t.e), 0);
	vt_start(&r.t);
	r.d = console;
	kill_device(&r);
	ev = next_event(&r, VM_EVENT_DEVICE_RESTARTED);
	ck_assert_ptr_eq(ev.device, console);
	ck_assert_str_eq(ev.text, "console: it was killed by signal 9 (Killed)");
	r.d = rng;
	kill_device(&r);
	told(&r, VM_EVENT_DEVICE_DIED);
	rig_fini(&r);
}
END_TEST

/* Events that nobody takes: the newest are kept, and the end is among them. */
START_TEST(nobody_listens)
{
	unsigned int n = 0;
	struct rig r;
	int kind, last = 0;

	rig_init(&r, idle_guest, NULL, true);
	for (int i = 0; i < CV_VM_EVENTS + 10 - 1; i++)
		cv_vm_device_event(r.d, "rng: as if", true);
	/* a start drops them */
	vt_start(&r.t);
	ck_assert_int_eq(vt_event(&r.t), 0);
	for (int i = 0; i < CV_VM_EVENTS + 10; i++)
		cv_vm_device_event(r.d, "rng: as if", true);
	kill_device(&r);
	ck_assert_int_eq(vt_wait(&r.t), VM_EXIT_DEVICE_DIED);
	while ((kind = vt_event(&r.t))) {
		ck_assert(kind != VM_EVENT_STOPPED || last == VM_EVENT_DEVICE_DIED);
		last = kind;
		n++;
	}
	ck_assert_uint_eq(n, CV_VM_EVENTS);
	ck_assert_int_eq(last, VM_EVENT_STOPPED);
	rig_fini(&r);
}
END_TEST

/* ---- at any moment ---- */

/* The same pauses in each run of the test, from none up to @max us. */
static void pause_up_to(unsigned int i, unsigned int max)
{
	usleep(i * 2654435761u % (max + 1));
}

/* After a stop: what deaths there were, then the end, then nothing. */
static void events_end(struct rig *r, enum vm_exit_reason reason)
{
	int kind;

	while ((kind = vt_event(&r->t)) && kind != VM_EVENT_STOPPED)
		ck_assert(kind == VM_EVENT_DEVICE_DIED || kind == VM_EVENT_DEVICE_RESTARTED ||
			  kind == VM_EVENT_RESET);
	ck_assert_int_eq(kind, VM_EVENT_STOPPED);
	ck_assert_int_eq(r->t.exit.reason, reason);
	ck_assert_int_eq(vt_event(&r->t), 0);
}

#define N_ROUNDS 100u

START_TEST(stopped_while_it_restarts)
{
	struct rig r;

	rig_init(&r, idle_guest, "restart=on", false);
	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		vt_start(&r.t);
		kill_device(&r);
		pause_up_to(i, 6000);
		vm_stop(r.t.vm);
		ck_assert_int_eq(vt_wait(&r.t), VM_EXIT_STOPPED);
		events_end(&r, VM_EXIT_STOPPED);
	}
	rig_fini(&r);
}
END_TEST

START_TEST(destroyed_right_after_a_kill)
{
	struct rig r;

	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		rig_start(&r, i % 2 ? "restart=on" : NULL, i % 3 == 0);
		kill_device(&r);
		pause_up_to(i, i % 4 ? 0 : 3000);
		rig_fini(&r);
	}
}
END_TEST

/* Children of any thread of this process. */
static unsigned int read_children(pid_t *pids)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned int n = 0;

	must(d);
	while ((entry = readdir(d))) {
		char path[300];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/children", entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (f && n < MAX_CHILDREN && fscanf(f, "%d", &pids[n]) == 1)
			n++;
		if (f)
			fclose(f);
	}
	closedir(d);
	return n;
}

struct killer {
	pthread_t thread;
	atomic_bool stop;
	unsigned int round, pause_us;
	bool once; /* only the first that it sees */
	unsigned int n_killed;
};

static void *killer_main(void *arg)
{
	struct killer *k = arg;

	while (!atomic_load(&k->stop) && !(k->once && k->n_killed)) {
		pid_t pids[MAX_CHILDREN];
		unsigned int n = read_children(pids);

		if (n > 0 && k->once)
			pause_up_to(k->round, k->pause_us);
		for (unsigned int i = 0; i < n; i++)
			k->n_killed += kill(pids[i], SIGKILL) == 0;
		if (!k->once)
			pause_up_to(++k->round, k->pause_us);
	}
	return NULL;
}

static void killer_start(struct killer *k)
{
	ck_assert_int_eq(pthread_create(&k->thread, NULL, killer_main, k), 0);
}

static void killer_end(struct killer *k)
{
	atomic_store(&k->stop, true);
	pthread_join(k->thread, NULL);
}

/* From the first moment of the process to the end of vm_start(): a VM, or one sentence. */
START_TEST(killed_while_it_starts)
{
	unsigned int n_failed = 0;
	struct rig r;

	rig_init(&r, idle_guest, "restart=on", false);
	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		struct killer k = { .round = i, .pause_us = 4000, .once = true };
		int err;

		killer_start(&k);
		err = vm_start(r.t.vm, &r.t.e);
		n_failed += err < 0;
		if (err)
			ck_assert_msg(strncmp(r.t.e.text, "rng: ", 5) == 0 ||
					      strstr(r.t.e.text, "sandbox: "),
				      "%s", r.t.e.text);
		killer_end(&k);
		vm_stop(r.t.vm);
		if (!err)
			events_end(&r, VM_EXIT_STOPPED);
		else
			ck_assert_int_eq(vt_event(&r.t), 0);
	}
	ck_assert_uint_gt(n_failed, 0);
	rig_fini(&r);
}
END_TEST

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A guest that resets for ever, its device killed every other moment: it starts again, or the run
 * ends with a sentence. */
START_TEST(killed_while_it_reboots)
{
	struct killer k = { .pause_us = 8000 };
	uint64_t end = now_ms() + 1500;
	struct rig r;

	rig_init(&r, reset_guest, "restart=on", false);
	killer_start(&k);
	for (unsigned int i = 0; now_ms() < end; i++) {
		bool failed;

		if (vm_start(r.t.vm, &r.t.e) < 0)
			continue;
		pause_up_to(i, 60000);
		vm_stop(r.t.vm);
		/* not vt_wait(): a reboot that failed has left no hypervisor to ask */
		ck_assert_int_eq(vm_wait(r.t.vm, &r.t.exit, &r.t.e), 0);
		failed = r.t.exit.reason == VM_EXIT_FAILED;
		ck_assert_msg(!failed || strstr(r.t.exit.text, "the guest cannot start again: "),
			      "%s", r.t.exit.text);
		events_end(&r, failed ? VM_EXIT_FAILED : VM_EXIT_STOPPED);
	}
	killer_end(&k);
	ck_assert_uint_gt(k.n_killed, 0);
	/* and without the killer it is a VM like any other */
	vt_start(&r.t);
	rig_fini(&r);
}
END_TEST

CHECK_MAIN("death", a_death_is_told_once, a_restart_is_told, a_death_ends_the_run,
	   a_restart_does_not_end_the_run, two_devices, nobody_listens, stopped_while_it_restarts,
	   destroyed_right_after_a_kill, killed_while_it_starts, killed_while_it_reboots)
