/* SPDX-License-Identifier: BSD-3-Clause */
/* Every operation of the hypervisor fails once: at a start and at a reboot, and nothing is left. */
#include "vm_test.h"

/* What a start needs; each must succeed. */
static const char *const needed[] = { "create", "set_memory", "irqfd", "vcpu_create", T_NEEDED };

static void add_devices(struct vm_test *t)
{
	ck_assert_int_eq(vm_add_device(t->vm, "serial", "num=2", NULL, &t->e), 0);
	ck_assert_int_eq(vm_add_device(t->vm, "rng", NULL, NULL, &t->e), 0);
	ck_assert_int_eq(vm_add_device(t->vm, "rng", "transport=mmio", NULL, &t->e), 0);
}

static void power_off_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct vm_test *t = arg;

	if (t->config.reboot && t->n_boots == 1)
		vt_reset(vcpu);
	vt_power_off(vcpu);
}

static void make(struct vm_test *t, bool reboot, const char *op)
{
	vt_init(t);
	vt_program(t, power_off_guest, t);
	t->config.vcpus = 2;
	t->config.reboot = reboot;
	t->fail_op = op;
	t->fail_at = reboot ? 2 : 1;
	t->fail_err = -EIO;
	vt_create(t);
	add_devices(t);
}

START_TEST(a_start_fails_and_the_next_does_not)
{
	for (size_t i = 0; i < CV_LEN(needed); i++) {
		struct usage before = usage_now(), idle;
		struct vm_test t;

		make(&t, false, needed[i]);
		idle = usage_now();
		vt_sentence(&t, vm_start(t.vm, &t.e), -EIO,
			    strcmp(needed[i], "irqfd") == 0 ? "interrupt" : needed[i]);
		vt_sentence(&t, vm_wait(t.vm, NULL, &t.e), -EINVAL, "never been started");
		ck_assert_int_eq(vt_event(&t), 0);
		idle.fds++; /* guest memory stays */
		vt_same_usage(idle);
		ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
		vt_fini(&t);
		vt_same_usage(before);
	}
}
END_TEST

START_TEST(a_reboot_fails)
{
	for (size_t i = 0; i < CV_LEN(needed); i++) {
		struct usage before = usage_now();
		struct vm_test t;

		make(&t, true, needed[i]);
		vt_start(&t);
		ck_assert_int_eq(vm_wait(t.vm, &t.exit, &t.e), 0);
		ck_assert_int_eq(t.exit.reason, VM_EXIT_FAILED);
		ck_assert_msg(strstr(t.exit.text, "cannot start again"), "%s", t.exit.text);
		ck_assert_int_eq(vt_event(&t), VM_EVENT_STOPPED);
		ck_assert_int_eq(t.exit.reason, VM_EXIT_FAILED);
		ck_assert_int_eq(vt_event(&t), 0);
		/* the machine is gone, the VM is not */
		ck_assert_int_eq(vm_power_button(t.vm, NULL), -ENOTCONN);
		ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
		vt_fini(&t);
		vt_same_usage(before);
	}
}
END_TEST

/* A vCPU that cannot enter ends the run like any other fault of the hypervisor. */
START_TEST(a_vcpu_cannot_enter)
{
	struct usage before = usage_now();
	struct vm_test t;

	make(&t, false, "vcpu_enter");
	ck_assert_int_eq(vt_run(&t), VM_EXIT_FAILED);
	ck_assert_msg(strstr(t.exit.text, "vcpu_enter"), "%s", t.exit.text);
	ck_assert_int_ge(t.exit.vcpu, 0);
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	vt_fini(&t);
	vt_same_usage(before);
}
END_TEST

START_TEST(a_restart_fails)
{
	struct vm_test t;

	make(&t, false, "set_memory");
	t.fail_at = 2;
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	vt_sentence(&t, vm_start(t.vm, &t.e), -EIO, "set_memory");
	/* what is known is how the last run ended */
	ck_assert_int_eq(vm_wait(t.vm, &t.exit, &t.e), 0);
	ck_assert_int_eq(t.exit.reason, VM_EXIT_POWER_OFF);
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	vt_fini(&t);
}
END_TEST

/* The kernel file is truncated behind our back. */
START_TEST(the_kernel_vanishes)
{
	struct vm_test t;

	make(&t, true, NULL);
	ck_assert_int_eq(ftruncate(t.kernel_fd, 60), 0);
	vt_sentence(&t, vm_start(t.vm, &t.e), -ENODATA, t.kernel);
	vt_fini(&t);
}
END_TEST

struct misfit {
	const char *types[4][2]; /* the last one is refused */
	int err;
	const char *words;
};

static int add(struct vm_test *t, const char *const device[2])
{
	return vm_add_device(t->vm, device[0], device[1], NULL, &t->e);
}

/* What the machine has no place for is refused when it is added. */
START_TEST(devices_that_do_not_fit)
{
	static const struct misfit cases[] = {
		{ { { "serial", "" }, { "serial", "num=1" } },
		  -EEXIST,
		  "serial: option num: port 1 is taken" },
		{ { { T_SINGLE, "" }, { T_SINGLE, "" } }, -EEXIST, T_SINGLE_TAKEN },
	};

	for (size_t i = 0; i < CV_LEN(cases); i++) {
		struct usage before = usage_now();
		struct vm_test t;
		unsigned int k;

		vt_make(&t, power_off_guest, &t);
		for (k = 0; cases[i].types[k + 1][0]; k++)
			ck_assert_int_eq(add(&t, cases[i].types[k]), 0);
		vt_sentence(&t, add(&t, cases[i].types[k]), cases[i].err, cases[i].words);
		ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
		vt_fini(&t);
		vt_same_usage(before);
	}
}
END_TEST

static void no_request(void *user, unsigned int queue, struct vm_request *r)
{
	(void)user;
	(void)queue;
	vm_request_complete(r, 0);
}

START_TEST(devices_that_just_fit)
{
	const struct vm_virtio_ops ops = { VM_VIRTIO_OPS_INIT, .request = no_request };
	const struct vm_virtio_config config = {
		.size = sizeof(config), .name = "mine", .device_id = 4, .n_queues = 1
	};
	struct vm_test t;
	char words[64];

	vt_make(&t, power_off_guest, &t);
	for (int i = 0; i < T_MAX_PCI; i++)
		ck_assert_int_eq(vm_add_device(t.vm, "rng", NULL, NULL, &t.e), 0);
	for (int i = 0; i < T_MAX_MMIO; i++)
		ck_assert_int_eq(vm_add_device(t.vm, "rng", "transport=mmio", NULL, &t.e), 0);
	for (int i = 1; i <= 4; i++) {
		char options[16];

		snprintf(options, sizeof(options), "num=%d", i);
		ck_assert_int_eq(vm_add_device(t.vm, "serial", options, NULL, &t.e), 0);
	}
	vt_sentence(&t, vm_add_virtio(t.vm, &config, &ops, NULL, NULL, &t.e), -ENOSPC,
		    "mine: PCI bus 0 is full");
	snprintf(words, sizeof(words), "rng: PCI bus 0 is full, at most %d", T_MAX_PCI);
	vt_sentence(&t, vm_add_device(t.vm, "rng", NULL, NULL, &t.e), -ENOSPC, words);
	snprintf(words, sizeof(words), "rng: at most %d", T_MAX_MMIO);
	vt_sentence(&t, vm_add_device(t.vm, "rng", "transport=mmio", NULL, &t.e), -ENOSPC, words);
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	vt_fini(&t);
}
END_TEST

CHECK_MAIN("failures", a_start_fails_and_the_next_does_not, a_reboot_fails, a_vcpu_cannot_enter,
	   a_restart_fails, the_kernel_vanishes, devices_that_do_not_fit, devices_that_just_fit)
