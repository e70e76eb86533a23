/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole lives on the fake hypervisor: starts, all ways to end, stops, reboots, events. */
#include "vm_test.h"

static void power_off_guest(struct cv_vcpu *vcpu, void *arg)
{
	(void)arg;
	vt_power_off(vcpu);
}

static void idle_guest(struct cv_vcpu *vcpu, void *arg)
{
	for (;;) {
		if (arg)
			atomic_store((atomic_bool *)arg, true);
		cv_fake_relax(vcpu);
	}
}

/* Never sleeps: one access after another. */
static void busy_guest(struct cv_vcpu *vcpu, void *arg)
{
	for (;;) {
		vt_out(vcpu, T_SERIAL2 + 7, 1, 1); /* nobody is there */
		if (arg)
			atomic_store((atomic_bool *)arg, true);
	}
}

START_TEST(power_off)
{
	struct usage before = usage_now();
	struct vm_test t;

	vt_make(&t, power_off_guest, NULL);
	ck_assert_int_eq(vt_event(&t), 0);
	ck_assert_int_eq(vm_run(t.vm, &t.exit, &t.e), 0);
	ck_assert_int_eq(t.exit.reason, VM_EXIT_POWER_OFF);
	ck_assert_str_eq(t.exit.text, "the guest powered off");
	ck_assert_uint_eq(t.exit.size, sizeof(t.exit));
	t.exit.reason = 0;
	ck_assert_int_eq(vt_event(&t), VM_EVENT_STOPPED);
	ck_assert_int_eq(t.exit.reason, VM_EXIT_POWER_OFF);
	ck_assert_int_eq(vt_event(&t), 0);
	vt_fini(&t);
	vt_same_usage(before);
}
END_TEST

/* Every single step that ends a machine. */
START_TEST(endings)
{
	static const struct {
		struct cv_fake_step step;
		enum vm_exit_reason reason;
		int vcpu;
		const char *text;
	} cases[] = { { { .kind = CV_EXIT_SHUTDOWN }, VM_EXIT_CRASHED, 0, "triple fault" },
		      { { .kind = CV_EXIT_RESET }, VM_EXIT_RESET, 0, "reset" },
		      { { .kind = CV_EXIT_POWER_OFF }, VM_EXIT_POWER_OFF, 0, "powered off" },
		      { { .kind = CV_EXIT_CRASHED }, VM_EXIT_CRASHED, 0, "crash" },
		      { { .kind = CV_EXIT_FAILED }, VM_EXIT_FAILED, 0, "fake: as step 0 says" },
		      T_ENDINGS };

	for (size_t i = 0; i < CV_LEN(cases); i++) {
		const struct cv_fake_script script = { &cases[i].step, 1 };
		struct vm_test t;

		vt_init(&t);
		vt_scripts(&t, &script, 1);
		t.config.vcpus = 3;
		vt_create(&t);
		ck_assert_int_eq(vt_run(&t), cases[i].reason);
		ck_assert_int_eq(t.exit.vcpu, cases[i].vcpu);
		ck_assert_msg(strstr(t.exit.text, cases[i].text), "%zu: %s", i, t.exit.text);
		vt_fini(&t);
	}
}
END_TEST

static void panicking_guest(struct cv_vcpu *vcpu, void *arg)
{
	(void)arg;
	cv_fake_check(vcpu, arch_panic_read(vcpu) == 3);
	arch_panic_write(vcpu, 2); /* its own crash kernel takes over: no end */
	arch_panic_write(vcpu, 0);
	arch_panic_write(vcpu, 1);
	for (;;)
		cv_fake_relax(vcpu);
}

START_TEST(panics_are_events)
{
	struct vm_test t;

	vt_make(&t, panicking_guest, NULL);
	ck_assert_int_eq(vt_run(&t), VM_EXIT_CRASHED);
	ck_assert_int_eq(vt_event(&t), VM_EVENT_PANICKED);
	ck_assert_int_eq(vt_event(&t), VM_EVENT_PANICKED);
	ck_assert_int_eq(vt_event(&t), VM_EVENT_STOPPED);
	ck_assert_int_eq(vt_event(&t), 0);
	vt_fini(&t);
}
END_TEST

/* ---- stopping ---- */

static void stop_running(void (*guest)(struct cv_vcpu *, void *))
{
	atomic_bool runs = false;
	struct vm_test t;

	vt_make(&t, guest, &runs);
	vm_stop(t.vm); /* before it was started: nothing */
	vt_start(&t);
	while (guest && !runs)
		usleep(100);
	vm_stop(t.vm);
	vm_stop(t.vm);
	ck_assert_int_eq(vt_wait(&t), VM_EXIT_STOPPED);
	ck_assert_str_eq(t.exit.text, "stopped");
	ck_assert_int_eq(vt_wait(&t), VM_EXIT_STOPPED);
	vt_fini(&t);
}

START_TEST(stopped_while_busy)
{
	stop_running(busy_guest);
}
END_TEST

START_TEST(stopped_while_idle)
{
	stop_running(idle_guest);
}
END_TEST

START_TEST(stopped_while_halted)
{
	struct vm_test t;

	vt_init(&t);
	t.config.vcpus = 16;
	vt_create(&t);
	vt_start(&t);
	usleep(5000);
	vm_stop(t.vm);
	ck_assert_int_eq(vt_wait(&t), VM_EXIT_STOPPED);
	vt_start(&t);
	vt_fini(&t); /* while it runs */
}
END_TEST

static void *stop_main(void *arg)
{
	usleep(3000);
	vm_stop(arg);
	return NULL;
}

START_TEST(stopped_by_two_others)
{
	pthread_t threads[2];
	struct vm_test t;

	vt_make(&t, busy_guest, NULL);
	vt_start(&t);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, stop_main, t.vm), 0);
	ck_assert_int_eq(vt_wait(&t), VM_EXIT_STOPPED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(vt_event(&t), VM_EVENT_STOPPED);
	ck_assert_int_eq(vt_event(&t), 0);
	vt_fini(&t);
}
END_TEST

static void *run_main(void *arg)
{
	struct vm_test *t = arg;

	must(vm_run(t->vm, &t->exit, &t->e) == 0);
	return NULL;
}

/* A stop at any moment of a start is not lost: it counts from the start's first moment on. */
START_TEST(stopped_while_it_starts)
{
	for (unsigned int i = 0; i < 40; i++) {
		pthread_t thread;
		struct vm_test t;

		vt_make(&t, idle_guest, NULL);
		ck_assert_int_eq(pthread_create(&thread, NULL, run_main, &t), 0);
		while (atomic_load(&t.n_boots) == 0)
			;
		usleep(i * 10);
		vm_stop(t.vm);
		pthread_join(thread, NULL);
		ck_assert_int_eq(t.exit.reason, VM_EXIT_STOPPED);
		vt_fini(&t);
	}
}
END_TEST

struct starter {
	struct vm *vm;
	int result;
};

static void *start_main(void *arg)
{
	struct starter *s = arg;

	s->result = vm_start(s->vm, NULL);
	return NULL;
}

START_TEST(one_of_several_starts_counts)
{
	struct starter starters[4];
	pthread_t threads[4];
	unsigned int n = 0;
	struct vm_test t;

	vt_make(&t, idle_guest, NULL);
	for (int i = 0; i < 4; i++) {
		starters[i].vm = t.vm;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, start_main, &starters[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		ck_assert(starters[i].result == 0 || starters[i].result == -EALREADY);
		n += starters[i].result == 0;
	}
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(t.n_boots, 1);
	vt_sentence(&t, vm_start(t.vm, &t.e), -EALREADY, "it runs already");
	vt_fini(&t);
}
END_TEST

/* ---- again and again ---- */

/* Leaves traces in RAM and in a device, and wants to find none. */
static void fresh_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct vm_test *t = arg;
	const struct cv_mem *mem = cv_fake_mem(vcpu);
	uint64_t trace = 1;

	cv_fake_check(vcpu, cv_mem_read(mem, T_SCRATCH, &trace, 8) == 0 && trace == 0);
	trace = 0x1234567890abcdef;
	cv_fake_check(vcpu, cv_mem_write(mem, T_SCRATCH, &trace, 8) == 0);
	cv_fake_check(vcpu, vt_in(vcpu, T_SERIAL + 7, 1) == 0);
	vt_out(vcpu, T_SERIAL + 7, 1, 0x5a);
	cv_fake_check(vcpu, vt_in(vcpu, T_SERIAL + 7, 1) == 0x5a);
	arch_button_check_off(vcpu);
	arch_button_arm(vcpu);
	if (cv_fake_failures(cv_fake_hv(vcpu), NULL) > 0 || atomic_load(&t->n_boots) % 5 == 0)
		vt_power_off(vcpu);
	vt_reset(vcpu);
}

START_TEST(a_reset_starts_afresh)
{
	struct usage before = usage_now();
	struct vm_test t;

	vt_init(&t);
	vt_program(&t, fresh_guest, &t);
	t.config.reboot = true;
	vt_create(&t);
	ck_assert_int_eq(vm_add_device(t.vm, "serial", NULL, NULL, &t.e), 0);
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	ck_assert_uint_eq(t.n_boots, 5);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(vt_event(&t), VM_EVENT_RESET);
	ck_assert_int_eq(vt_event(&t), VM_EVENT_STOPPED);
	/* and once more, from the start */
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	ck_assert_uint_eq(t.n_boots, 10);
	vt_fini(&t);
	vt_same_usage(before);
}
END_TEST

START_TEST(a_reset_ends_without_reboot)
{
	struct vm_test t;

	vt_init(&t);
	vt_program(&t, fresh_guest, &t);
	vt_create(&t);
	ck_assert_int_eq(vm_add_device(t.vm, "serial", NULL, NULL, &t.e), 0);
	for (unsigned int i = 1; i < 5; i++) {
		ck_assert_int_eq(vt_run(&t), VM_EXIT_RESET);
		ck_assert_uint_eq(t.n_boots, i);
		ck_assert_int_eq(vt_event(&t), VM_EVENT_STOPPED);
		ck_assert_int_eq(vt_event(&t), 0);
	}
	vt_fini(&t);
}
END_TEST

static void reset_guest(struct cv_vcpu *vcpu, void *arg)
{
	(void)arg;
	vt_reset(vcpu);
}

START_TEST(stopped_while_it_reboots)
{
	struct vm_test t;

	vt_init(&t);
	vt_program(&t, reset_guest, NULL);
	t.config.reboot = true;
	t.config.vcpus = 2;
	vt_create(&t);
	for (unsigned int i = 0; i < 60; i++) {
		vt_start(&t);
		usleep(i * 37 % 2000);
		vm_stop(t.vm);
		ck_assert_int_eq(vt_wait(&t), VM_EXIT_STOPPED);
	}
	ck_assert_uint_gt(t.n_boots, 60);
	vt_fini(&t);
}
END_TEST

/* Nobody takes the events: the newest are kept. */
START_TEST(old_events_give_way)
{
	unsigned int n = 0;
	struct vm_test t;
	int kind, last = 0;

	vt_init(&t);
	vt_program(&t, reset_guest, NULL);
	t.config.reboot = true;
	vt_create(&t);
	vt_start(&t);
	while (t.n_boots < 100)
		usleep(1000);
	vm_stop(t.vm);
	while ((kind = vt_event(&t))) {
		ck_assert_int_eq(last == VM_EVENT_STOPPED, 0);
		last = kind;
		n++;
	}
	ck_assert_uint_eq(n, CV_VM_EVENTS);
	ck_assert_int_eq(last, VM_EVENT_STOPPED);
	vt_fini(&t);
}
END_TEST

/* ---- the power button ---- */

static void button_guest(struct cv_vcpu *vcpu, void *arg)
{
	arch_button_arm(vcpu);
	atomic_store((atomic_bool *)arg, true);
	arch_button_wait(vcpu);
	vt_power_off(vcpu);
}

START_TEST(the_power_button)
{
	atomic_bool ready = false;
	struct vm_test t;

	vt_make(&t, button_guest, &ready);
	vt_sentence(&t, vm_power_button(t.vm, &t.e), -ENOTCONN, "does not run");
	vt_start(&t);
	while (!ready)
		usleep(100);
	ck_assert_int_eq(vm_power_button(t.vm, &t.e), 0);
	ck_assert_int_eq(vt_wait(&t), VM_EXIT_POWER_OFF);
	vt_sentence(&t, vm_power_button(t.vm, &t.e), -ENOTCONN, "does not run");
	ck_assert_int_eq(vm_power_button(t.vm, NULL), -ENOTCONN);
	vt_fini(&t);
}
END_TEST

static void *button_main(void *arg)
{
	struct vm *vm = arg;

	for (int i = 0; i < 300; i++)
		cv_ignore(vm_power_button(vm, NULL)); /* it runs or not, at random */
	return NULL;
}

/* Presses from another thread while the VM ends and starts. */
START_TEST(buttons_at_any_time)
{
	pthread_t thread;
	struct vm_test t;

	vt_make(&t, power_off_guest, NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, button_main, t.vm), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	pthread_join(thread, NULL);
	vt_fini(&t);
}
END_TEST

/* ---- several ---- */

START_TEST(two_at_once)
{
	struct usage before = usage_now();
	struct vm_test a, b;

	vt_make(&a, busy_guest, NULL);
	vt_make(&b, power_off_guest, NULL);
	vt_start(&a);
	ck_assert_int_eq(vt_run(&b), VM_EXIT_POWER_OFF);
	ck_assert_int_eq(vt_event(&a), 0);
	ck_assert_int_eq(vt_run(&b), VM_EXIT_POWER_OFF);
	vt_fini(&b);
	vm_stop(a.vm);
	ck_assert_int_eq(vt_wait(&a), VM_EXIT_STOPPED);
	vt_fini(&a);
	vt_same_usage(before);
}
END_TEST

/* ---- guest memory ---- */

static void memory_guest(struct cv_vcpu *vcpu, void *arg)
{
	const struct cv_mem *mem = cv_fake_mem(vcpu);
	uint64_t word = 0;

	while (!atomic_load((atomic_bool *)arg))
		cv_fake_relax(vcpu);
	cv_fake_check(vcpu, cv_mem_read(mem, T_SCRATCH, &word, 8) == 0 && word == 0x600d);
	word = 0xfeed;
	cv_fake_check(vcpu, cv_mem_write(mem, T_SCRATCH + 8, &word, 8) == 0);
	vt_power_off(vcpu);
}

START_TEST(memory_from_outside)
{
	uint64_t word = 0x600d, back = 0;
	atomic_bool written = false;
	struct vm_test t;

	vt_make(&t, memory_guest, &written);
	ck_assert_uint_eq(vm_memory_size(t.vm), T_MEMORY);
	vt_sentence(&t, vm_memory_read(t.vm, T_RAM, &back, 8, &t.e), -ENOTCONN,
		    "never been started");
	vt_sentence(&t, vm_memory_write(t.vm, 0, &word, 8, &t.e), -ENOTCONN, "never");
	vt_start(&t);
	vt_sentence(&t, vm_memory_write(t.vm, T_RAM + T_MEMORY - 4, &word, 8, &t.e), -EFAULT,
		    "not all RAM");
	vt_sentence(&t, vm_memory_read(t.vm, UINT64_MAX, &word, 8, &t.e), -EFAULT, "not all RAM");
	vt_sentence(&t, vm_memory_read(t.vm, 1ull << 32, &word, 1, &t.e), -EFAULT, "not all RAM");
	ck_assert_int_eq(vm_memory_read(t.vm, T_RAM + T_MEMORY - 8, &back, 8, &t.e), 0);
	ck_assert_int_eq(vm_memory_write(t.vm, T_SCRATCH, &word, 8, &t.e), 0);
	atomic_store(&written, true);
	ck_assert_int_eq(vt_wait(&t), VM_EXIT_POWER_OFF);
	ck_assert_int_eq(vm_memory_read(t.vm, T_SCRATCH + 8, &back, 8, &t.e), 0);
	ck_assert_uint_eq(back, 0xfeed);
	vt_fini(&t);
}
END_TEST

START_TEST(waiting_for_what_never_ran)
{
	struct vm_test t;

	vt_make(&t, power_off_guest, NULL);
	vt_sentence(&t, vm_wait(t.vm, &t.exit, &t.e), -EINVAL, "never been started");
	ck_assert_int_eq(vm_wait(t.vm, NULL, NULL), -EINVAL);
	vm_destroy(NULL);
	vt_fini(&t);
}
END_TEST

/* A caller of an older library has smaller structs, one of a newer library larger ones. */
START_TEST(sizes_of_results)
{
	struct {
		struct vm_exit exit;
		uint64_t behind;
	} large = { .exit.size = sizeof(large), .behind = 77 };
	struct vm_exit small = { .size = offsetof(struct vm_exit, vcpu), .vcpu = 55 };
	struct vm_event event = { .size = offsetof(struct vm_event, exit), .exit.vcpu = 44 };
	struct vm_test t;

	vt_make(&t, power_off_guest, NULL);
	ck_assert_int_eq(vm_run(t.vm, &small, &t.e), 0);
	ck_assert(small.reason == VM_EXIT_POWER_OFF && small.vcpu == 55);
	ck_assert_uint_eq(small.size, offsetof(struct vm_exit, vcpu));
	ck_assert_int_eq(vm_wait(t.vm, &large.exit, &t.e), 0);
	ck_assert(large.exit.reason == VM_EXIT_POWER_OFF && large.behind == 77);
	ck_assert_uint_eq(large.exit.size, sizeof(large));
	ck_assert_int_eq(vm_next_event(t.vm, &event), 1);
	ck_assert(event.kind == VM_EVENT_STOPPED && event.exit.vcpu == 44);
	ck_assert_int_eq(vm_run(t.vm, NULL, NULL), 0);
	vt_fini(&t);
}
END_TEST

CHECK_MAIN("life", power_off, endings, panics_are_events, stopped_while_busy, stopped_while_idle,
	   stopped_while_halted, stopped_by_two_others, stopped_while_it_starts,
	   one_of_several_starts_counts, a_reset_starts_afresh, a_reset_ends_without_reboot,
	   stopped_while_it_reboots, old_events_give_way, the_power_button, buttons_at_any_time,
	   two_at_once, memory_from_outside, waiting_for_what_never_ran, sizes_of_results)
