/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake hypervisor's aarch64 operations: what they are given is kept, the order is KVM's, each
 * fails when told. */
#include <errno.h>

#include "hypervisor/aarch64.h"
#include "hypervisor/fake.h"
#include "support/check_main.h"

static struct cv_hv *make(struct cv_vcpu **vcpu)
{
	const struct cv_hv_config config = { .irqchip = true, .n_vcpus = 1 };
	struct cv_hv *hv = NULL;

	ck_assert_int_eq(cv_hv_fake_create(&hv, &config, NULL, 0, NULL), 0);
	ck_assert_int_eq(hv->ops->vcpu_create(hv, 0, vcpu, NULL), 0);
	return hv;
}

START_TEST(operations)
{
	const struct cv_arm_vcpu_state state = { .pc = 7, .x0 = 8 };
	const struct cv_arm_gic gic = { .version = 3, .n_spis = 32 };
	struct cv_arm_cpu cpu;
	struct vm_error e = { 0 };
	struct cv_vcpu *vcpu;
	struct cv_hv *hv = make(&vcpu);

	ck_assert_int_eq(hv->ops->arm_gic_version(hv, &e), 3);
	ck_assert_int_eq(hv->ops->arm_set_pmu(vcpu, 7, &e), -ENODEV);
	ck_assert_int_eq(hv->ops->arm_init(vcpu, true, &e), 0);
	ck_assert(cv_fake_arm_off(hv, 0));
	cv_fake_fail(hv, "arm_make_gic", -ENXIO);
	ck_assert_int_eq(hv->ops->arm_make_gic(hv, &gic, &e), -ENXIO);
	ck_assert_int_eq(hv->ops->arm_make_gic(hv, &gic, &e), 0);
	ck_assert_uint_eq(cv_fake_arm_gic(hv)->n_spis, 32);
	ck_assert_int_eq(hv->ops->arm_describe(vcpu, &cpu, &e), 0);
	ck_assert_int_eq(hv->ops->arm_set_pmu(vcpu, 7, &e), 0);
	cv_fake_fail(hv, "arm_setup", -EINVAL);
	ck_assert_int_eq(hv->ops->arm_setup(vcpu, &state, &e), -EINVAL);
	ck_assert_ptr_null(cv_fake_arm_state(hv, 0));
	ck_assert_int_eq(hv->ops->arm_setup(vcpu, &state, &e), 0);
	ck_assert_uint_eq(cv_fake_arm_state(hv, 0)->x0, 8);
	hv->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
}
END_TEST

START_TEST(another_gic)
{
	const struct cv_arm_gic gic = { .version = 3 };
	struct vm_error e = { 0 };
	struct cv_vcpu *vcpu;
	struct cv_hv *hv = make(&vcpu);

	cv_fake_arm_set_version(hv, 2);
	ck_assert_int_eq(hv->ops->arm_gic_version(hv, &e), 2);
	ck_assert_int_eq(hv->ops->arm_make_gic(hv, &gic, &e), -ENODEV);
	hv->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
}
END_TEST

CHECK_MAIN("fake_aarch64", operations, another_gic)
