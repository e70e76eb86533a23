/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake hypervisor: scripts, guest programs, kicks, doorbells, interrupts, failures. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "hypervisor/fake.h"
#include "support/check_main.h"
#include "sys/fd.h"

static struct cv_hv *make(const struct cv_fake_script *scripts, unsigned int n)
{
	const struct cv_hv_config config = { .irqchip = true, .n_vcpus = 2 };
	struct cv_hv *hv = NULL;

	ck_assert_int_eq(cv_hv_fake_create(&hv, &config, scripts, n, NULL), 0);
	return hv;
}

static struct cv_vcpu *make_vcpu(struct cv_hv *hv, unsigned int index)
{
	struct cv_vcpu *vcpu = NULL;

	ck_assert_int_eq(hv->ops->vcpu_create(hv, index, &vcpu, NULL), 0);
	ck_assert_int_eq(vcpu->ops->vcpu_enter(vcpu, NULL), 0);
	return vcpu;
}

static enum cv_exit_kind run(struct cv_vcpu *vcpu, struct cv_exit *exit)
{
	vcpu->ops->vcpu_run(vcpu, exit);
	return exit->kind;
}

START_TEST(script_of_accesses)
{
	const struct cv_fake_step steps[] = {
		{ .kind = CV_EXIT_IO, .write = true, .len = 2, .addr = 0x3f8, .value = 0x1234 },
		{ .kind = CV_EXIT_MMIO, .len = 4, .addr = 0xd0000000, .value = 77, .check = true },
		{ .kind = CV_EXIT_IO, .len = 1, .addr = 0x60, .value = 1, .check = true },
		{ .kind = CV_EXIT_IO, .write = true, .len = 2, .count = 3, .addr = 1, .value = 9 },
		{ .kind = CV_EXIT_POWER_OFF },
	};
	const struct cv_fake_script script = { steps, 5 };
	struct cv_hv *hv = make(&script, 1);
	struct cv_vcpu *vcpu = make_vcpu(hv, 0);
	struct cv_exit exit = { 0 };
	unsigned int first = 0;

	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_IO);
	ck_assert(exit.write && exit.len == 2 && exit.count == 1 && exit.addr == 0x3f8);
	ck_assert(exit.data[0] == 0x34 && exit.data[1] == 0x12);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_MMIO);
	memcpy(exit.data, "\x4d\0\0", 4);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_IO);
	ck_assert_uint_eq(cv_fake_failures(hv, NULL), 0);
	exit.data[0] = 2; /* not what step 2 expects */
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_IO);
	ck_assert_uint_eq(cv_fake_failures(hv, &first), 1);
	ck_assert_uint_eq(first, 2);
	ck_assert(exit.count == 3 && exit.data[4] == 9);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_POWER_OFF);
	vcpu->ops->vcpu_kick(vcpu); /* the script is over: halted for ever, but for kicks */
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_KICKED);
	vcpu->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
}
END_TEST

START_TEST(a_kick_is_not_lost)
{
	const struct cv_fake_step steps[] = {
		{ .kind = CV_EXIT_IO, .len = 1 },
		{ .kind = CV_EXIT_KICKED },
		{ .kind = CV_EXIT_RESET },
	};
	const struct cv_fake_script script = { steps, 3 };
	struct cv_hv *hv = make(&script, 1);
	struct cv_vcpu *vcpu = make_vcpu(hv, 0);
	struct cv_exit exit;

	vcpu->ops->vcpu_kick(vcpu);
	vcpu->ops->vcpu_kick(vcpu);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_KICKED); /* nothing of the script is used up */
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_IO);
	vcpu->ops->vcpu_kick(vcpu); /* between a question and its answer's use */
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_KICKED);
	vcpu->ops->vcpu_kick(vcpu);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_KICKED);
	vcpu->ops->vcpu_kick(vcpu);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_KICKED);
	vcpu->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
}
END_TEST

static void *kick_later(void *arg)
{
	struct cv_vcpu *vcpu = arg;

	usleep(20000);
	vcpu->ops->vcpu_kick(vcpu);
	return NULL;
}

/* A step KICKED sleeps until then; a vCPU without a script halts for ever. */
START_TEST(sleeping_vcpus_are_kicked)
{
	const struct cv_fake_step steps[] = { { .kind = CV_EXIT_KICKED },
					      { .kind = CV_EXIT_SHUTDOWN } };
	const struct cv_fake_script script = { steps, 2 };
	struct cv_hv *hv = make(&script, 1);

	for (unsigned int i = 0; i < 2; i++) {
		struct cv_vcpu *vcpu = make_vcpu(hv, i);
		struct cv_exit exit;
		pthread_t thread;

		ck_assert_int_eq(pthread_create(&thread, NULL, kick_later, vcpu), 0);
		ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_KICKED);
		pthread_join(thread, NULL);
		if (i == 0)
			ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_SHUTDOWN);
		vcpu->ops->vcpu_destroy(vcpu);
	}
	cv_hv_destroy(hv);
}
END_TEST

/* A guest program: doubles what port 0x10 gives until that is 0, writing to 0x20. */
static void doubler(struct cv_vcpu *vcpu, void *arg)
{
	uint64_t val;

	do {
		val = cv_fake_read(vcpu, true, 0x10, 4);
		cv_fake_write(vcpu, false, 0x20, 8, val * 2);
		++*(unsigned int *)arg;
	} while (val);
	cv_fake_check(vcpu, false);
	cv_fake_exit(vcpu, CV_EXIT_RESET);
}

START_TEST(guest_program)
{
	unsigned int rounds = 0;
	const struct cv_fake_step steps[] = {
		{ .kind = CV_EXIT_IO, .len = 1, .addr = 1 },
		{ .call = doubler, .arg = &rounds },
		{ .kind = CV_EXIT_POWER_OFF },
	};
	const struct cv_fake_script script = { steps, 3 };
	struct cv_hv *hv = make(&script, 1);
	struct cv_vcpu *vcpu = make_vcpu(hv, 0);
	struct cv_exit exit;
	unsigned int first = 0;

	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_IO);
	for (uint8_t left = 100; left-- > 0;) {
		ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_IO);
		ck_assert(!exit.write && exit.addr == 0x10 && exit.len == 4);
		memcpy(exit.data, (uint8_t[]){ left, 0, 0, 0 }, 4);
		ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_MMIO);
		ck_assert(exit.write && exit.addr == 0x20 && exit.len == 8);
		ck_assert_uint_eq(exit.data[0], left * 2);
	}
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_RESET);
	ck_assert_uint_eq(rounds, 100);
	ck_assert_uint_eq(cv_fake_failures(hv, &first), 1);
	ck_assert_uint_eq(first, 1);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_POWER_OFF);
	vcpu->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
}
END_TEST

struct spin {
	atomic_uint rounds;
	atomic_bool stop;
};

static void spin(struct cv_vcpu *vcpu, void *arg)
{
	struct spin *s = arg;

	while (!atomic_load(&s->stop)) {
		atomic_fetch_add(&s->rounds, 1);
		cv_fake_relax(vcpu);
	}
	cv_fake_exit(vcpu, CV_EXIT_KICKED);
	cv_fake_write(vcpu, true, 0x80, 1, 5);
}

/* A kicked program stands still until the vCPU runs again, and may be abandoned anywhere. */
START_TEST(kicked_program_stands_still)
{
	struct spin s = { 0 };
	const struct cv_fake_step steps[] = { { .call = spin, .arg = &s } };
	const struct cv_fake_script script = { steps, 1 };
	struct cv_hv *hv = make(&script, 1);
	struct cv_vcpu *vcpu = make_vcpu(hv, 0);
	struct cv_exit exit;

	for (int i = 0; i < 5; i++) {
		unsigned int rounds = atomic_load(&s.rounds);
		pthread_t thread;

		usleep(2000);
		ck_assert_uint_eq(atomic_load(&s.rounds), rounds);
		ck_assert_int_eq(pthread_create(&thread, NULL, kick_later, vcpu), 0);
		ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_KICKED);
		pthread_join(thread, NULL);
		ck_assert_uint_gt(atomic_load(&s.rounds), rounds);
	}
	atomic_store(&s.stop, true);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_KICKED); /* by its own cv_fake_exit() */
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_IO);
	vcpu->ops->vcpu_destroy(vcpu); /* in the middle of its access */
	cv_hv_destroy(hv);
}
END_TEST

START_TEST(doorbells_ring_instead_of_leaving)
{
	const struct cv_fake_step steps[] = {
		{ .kind = CV_EXIT_MMIO, .write = true, .len = 2, .addr = 0x1000, .value = 1 },
		{ .kind = CV_EXIT_MMIO, .write = true, .len = 4, .addr = 0x1000, .value = 3 },
		{ .kind = CV_EXIT_MMIO, .write = true, .len = 4, .addr = 0x2000, .value = 3 },
		{ .kind = CV_EXIT_MMIO, .write = true, .len = 4, .addr = 0x2000, .value = 4 },
		{ .kind = CV_EXIT_IO, .write = true, .len = 4, .addr = 0x1000, .value = 1 },
		{ .kind = CV_EXIT_MMIO, .len = 4, .addr = 0x1000 },
	};
	const struct cv_fake_script script = { steps, 6 };
	struct cv_hv *hv = make(&script, 1);
	struct cv_vcpu *vcpu = make_vcpu(hv, 0);
	CV_AUTO_FD int any = cv_event_create();
	CV_AUTO_FD int three = cv_event_create();
	struct cv_ioevent a = { .addr = 0x1000, .fd = any };
	struct cv_ioevent b = { .addr = 0x2000, .len = 4, .match = true, .value = 3, .fd = three };
	const struct cv_hw_ops *hw = hv->hw.ops;
	struct cv_exit exit;

	ck_assert_int_eq(hw->ioevent(&hv->hw, true, &a), 0);
	ck_assert_int_eq(hw->ioevent(&hv->hw, true, &b), 0);
	ck_assert_int_eq(hw->ioevent(&hv->hw, true, &b), -EEXIST);
	ck_assert_uint_eq(cv_fake_attached(hv), 2);
	ck_assert_int_eq(run(vcpu, &exit),
			 CV_EXIT_MMIO); /* three rang, the fourth does not match */
	ck_assert(exit.addr == 0x2000 && exit.data[0] == 4);
	ck_assert(cv_event_drain(any) && cv_event_drain(three));
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_IO); /* another space */
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_MMIO);
	ck_assert(!exit.write);
	ck_assert_int_eq(hw->ioevent(&hv->hw, false, &a), 0);
	ck_assert_int_eq(hw->ioevent(&hv->hw, false, &a), -ENOENT);
	ck_assert_int_eq(hw->ioevent(&hv->hw, false, &b), 0);
	ck_assert_uint_eq(cv_fake_attached(hv), 0);
	b.len = 0;
	ck_assert_int_eq(hw->ioevent(&hv->hw, true, &b), -EINVAL);
	vcpu->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
}
END_TEST

/* Rings the doorbell, waits for the interrupt with what stands for a device in between. */
static void ring_and_wait(struct cv_vcpu *vcpu, void *arg)
{
	uint32_t gsi = *(uint32_t *)arg;

	for (unsigned int i = 1; i <= 20; i++) {
		cv_fake_write(vcpu, false, 0x1000, 2, i);
		cv_fake_wait(vcpu, gsi, i);
	}
}

struct echo {
	int in, out;
	atomic_bool stop;
};

static void *echo_main(void *arg)
{
	struct echo *e = arg;

	while (!atomic_load(&e->stop)) {
		if (cv_event_drain(e->in))
			cv_event_signal(e->out);
		usleep(50);
	}
	return NULL;
}

START_TEST(driver_and_device)
{
	uint32_t gsi = 0;
	const struct cv_fake_step steps[] = { { .call = ring_and_wait, .arg = &gsi },
					      { .kind = CV_EXIT_POWER_OFF } };
	const struct cv_fake_script script = { steps, 2 };
	struct cv_hv *hv = make(&script, 1);
	struct cv_vcpu *vcpu = make_vcpu(hv, 0);
	struct echo e = { .in = cv_event_create(), .out = cv_event_create() };
	struct cv_ioevent bell = { .addr = 0x1000, .fd = e.in };
	struct cv_exit exit;
	pthread_t thread;

	ck_assert_int_eq(hv->hw.ops->ioevent(&hv->hw, true, &bell), 0);
	ck_assert_int_eq(
		hv->hw.ops->msi_route(&hv->hw, &gsi, &(struct cv_msi){ 0xfee00000, 0x4041, 0 }), 0);
	ck_assert_int_eq(hv->hw.ops->irqfd(&hv->hw, true, gsi, e.out, -1), 0);
	ck_assert_uint_eq(cv_fake_msi(hv, 0x4041), gsi);
	ck_assert_int_eq(pthread_create(&thread, NULL, echo_main, &e), 0);
	ck_assert_int_eq(run(vcpu, &exit), CV_EXIT_POWER_OFF);
	ck_assert_uint_eq(cv_fake_interrupts(hv, gsi), 20);
	atomic_store(&e.stop, true);
	pthread_join(thread, NULL);
	vcpu->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
	close(e.in);
	close(e.out);
}
END_TEST

START_TEST(interrupts_and_routes)
{
	struct cv_hv *hv = make(NULL, 0);
	const struct cv_hw_ops *hw = hv->hw.ops;
	CV_AUTO_FD int fd = cv_event_create();
	CV_AUTO_FD int resample = cv_event_create();
	uint32_t a = 0, b = 0, bad = 500;

	cv_event_signal(fd); /* signalled before it is attached: delivered at once */
	ck_assert_int_eq(hw->irqfd(&hv->hw, true, 16, fd, resample), 0);
	ck_assert_int_eq(hw->irqfd(&hv->hw, true, 17, fd, -1), -EBUSY);
	ck_assert_uint_eq(cv_fake_interrupts(hv, 16), 1);
	ck_assert_uint_eq(cv_fake_interrupts(hv, 17), 0);
	cv_fake_eoi(hv, 16);
	ck_assert(cv_event_drain(resample));
	cv_event_signal(fd);
	ck_assert_int_eq(hw->irqfd(&hv->hw, false, 16, fd, resample), 0);
	ck_assert_uint_eq(cv_fake_interrupts(hv, 16), 2);
	ck_assert_int_eq(hw->irqfd(&hv->hw, true, UINT32_MAX, fd, -1), -EINVAL);
	ck_assert_int_eq(hw->msi_route(&hv->hw, &a, &(struct cv_msi){ 1, 2, 0 }), 0);
	ck_assert_int_eq(hw->msi_route(&hv->hw, &b, &(struct cv_msi){ 1, 3, 0 }), 0);
	ck_assert_int_eq(hw->msi_route(&hv->hw, &bad, &(struct cv_msi){ 1, 3, 0 }), -EINVAL);
	ck_assert(a >= 24 && b != a);
	hw->msi_free(&hv->hw, a);
	bad = a;
	ck_assert_int_eq(hw->msi_route(&hv->hw, &bad, &(struct cv_msi){ 1, 3, 0 }), -EINVAL);
	ck_assert_uint_eq(cv_fake_attached(hv), 1);
	hw->msi_free(&hv->hw, b);
	hw->msi_free(&hv->hw, UINT32_MAX);
	ck_assert_uint_eq(cv_fake_attached(hv), 0);
	cv_hv_destroy(hv);
}
END_TEST

START_TEST(failures_are_injected_once)
{
	struct cv_hv *hv = make(NULL, 0);
	struct cv_vcpu *vcpu = NULL;
	struct vm_error e = { 0 };
	uint32_t gsi = 0;

	cv_fake_fail(hv, "set_memory", -ENOMEM);
	ck_assert_int_eq(hv->ops->set_memory(hv, NULL, NULL, &e), -ENOMEM);
	ck_assert_int_eq(e.code, ENOMEM);
	ck_assert_int_eq(hv->ops->set_memory(hv, NULL, NULL, &e), 0);
	cv_fake_fail(hv, "vcpu_create", -EMFILE);
	ck_assert_int_eq(hv->ops->vcpu_create(hv, 0, &vcpu, &e), -EMFILE);
	ck_assert_int_eq(hv->ops->vcpu_create(hv, 64, &vcpu, &e), -EINVAL);
	hv->ops->vcpu_destroy(NULL);
	vcpu = make_vcpu(hv, 1);
	cv_fake_fail(hv, "vcpu_enter", -EPERM);
	ck_assert_int_eq(hv->ops->vcpu_enter(vcpu, &e), -EPERM);
	cv_fake_fail(hv, "msi_route", -ENOSPC);
	ck_assert_int_eq(hv->hw.ops->irqfd(&hv->hw, true, 5, 0, -1), 0); /* another operation */
	ck_assert_int_eq(hv->hw.ops->msi_route(&hv->hw, &gsi, &(struct cv_msi){ 0, 0, 0 }),
			 -ENOSPC);
	cv_fake_fail(hv, "irqfd", -ENOMEM);
	ck_assert_int_eq(hv->hw.ops->irqfd(&hv->hw, true, 5, 0, -1), -ENOMEM);
	cv_fake_fail(hv, "ioevent", -ENOMEM);
	ck_assert_int_eq(hv->hw.ops->ioevent(&hv->hw, true, &(struct cv_ioevent){ 0 }), -ENOMEM);
	hv->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
}
END_TEST

CHECK_MAIN("fake", script_of_accesses, a_kick_is_not_lost, sleeping_vcpus_are_kicked, guest_program,
	   kicked_program_stands_still, doorbells_ring_instead_of_leaving, driver_and_device,
	   interrupts_and_routes, failures_are_injected_once)
