/* SPDX-License-Identifier: BSD-3-Clause */
/* The measurement of guest kernel mode: what it makes of a fast, a slow and a broken guest. */
#include <errno.h>
#include <time.h>

#include "hypervisor/fake.h"
#include "hypervisor/speed.h"
#include "support/check_main.h"

/* The operation that gives a vCPU its first state. */
#if defined(__x86_64__)
#define SETUP "x86_setup"
#else
#define SETUP "arm_setup"
#endif

static struct cv_hv *make(const struct cv_fake_script *script)
{
	const struct cv_hv_config config = { .n_vcpus = 1 };
	struct cv_hv *hv = NULL;

	ck_assert_int_eq(cv_hv_fake_create(&hv, &config, script, 1, NULL), 0);
	return hv;
}

START_TEST(fast)
{
	const struct cv_fake_step steps[] = {
		{ .kind = CV_EXIT_IO, .write = true, .len = 1, .addr = 0x80 }
	};
	const struct cv_fake_script script = { steps, 1 };
	struct cv_speed speed;

	ck_assert_int_eq(cv_speed_measure(make(&script), &speed, NULL), 0);
	ck_assert(speed.native);
	ck_assert_uint_gt(speed.per_second, 0);
}
END_TEST

/* Counts a tenth of the loop and would take for ever for the rest. */
static void crawl(struct cv_vcpu *vcpu, void *arg)
{
	(void)arg;
	cv_fake_check(vcpu, cv_mem_store32(cv_fake_mem(vcpu), 0x2000, 90000) == 0);
	for (;;)
		cv_fake_relax(vcpu);
}

START_TEST(slow)
{
	const struct cv_fake_step steps[] = { { .call = crawl } };
	const struct cv_fake_script script = { steps, 1 };
	struct timespec start, end;
	struct cv_speed speed;

	clock_gettime(CLOCK_MONOTONIC, &start);
	ck_assert_int_eq(cv_speed_measure(make(&script), &speed, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ck_assert(!speed.native);
	/* 30 thousand instructions in 16 ms or, on a busy host, more */
	ck_assert_uint_gt(speed.per_second, 0);
	ck_assert_uint_le(speed.per_second, 30000ull * 1000 / 15);
	ck_assert_int_lt(end.tv_sec - start.tv_sec, 5);
}
END_TEST

START_TEST(broken)
{
	static const char *const ops[] = { "set_memory", "vcpu_create", SETUP, "vcpu_enter" };
	const struct cv_fake_step steps[] = { { .kind = CV_EXIT_FAILED } };
	const struct cv_fake_script script = { steps, 1 };
	struct vm_error e = { 0 };
	struct cv_speed speed;

	ck_assert_int_eq(cv_speed_measure(make(&script), &speed, &e), -EIO);
	ck_assert_int_eq(e.code, EIO);
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		struct cv_hv *hv = make(&script);

		cv_fake_fail(hv, ops[i], -ENOTTY);
		ck_assert_int_eq(cv_speed_measure(hv, &speed, &e), -ENOTTY);
		ck_assert_int_eq(e.code, ENOTTY);
	}
}
END_TEST

CHECK_MAIN("speed", fast, slow, broken)
