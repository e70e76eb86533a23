/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake hypervisor's x86_64 operations: what they are given is kept, each fails when told. */
#include <errno.h>

#include "hypervisor/fake.h"
#include "hypervisor/x86_64.h"
#include "support/check_main.h"

START_TEST(operations)
{
	const struct cv_hv_config config = { .irqchip = true, .n_vcpus = 2 };
	const struct cv_x86_vcpu_state state = { .mode = CV_X86_LONG, .rip = 7 };
	static struct cv_x86_cpuid list;
	struct cv_vcpu *vcpu = NULL;
	struct cv_hv *hv = NULL;
	struct vm_error e = { 0 };

	ck_assert_int_eq(cv_hv_fake_create(&hv, &config, NULL, 0, &e), 0);
	ck_assert_int_eq(hv->ops->vcpu_create(hv, 1, &vcpu, &e), 0);
	cv_fake_fail(hv, "x86_cpuid", -E2BIG);
	ck_assert_int_eq(hv->ops->x86_cpuid(hv, &list, &e), -E2BIG);
	ck_assert_int_eq(hv->ops->x86_cpuid(hv, &list, &e), 0);
	cv_fake_fail(hv, "x86_set_cpuid", -EINVAL);
	ck_assert_int_eq(hv->ops->x86_set_cpuid(vcpu, &list, &e), -EINVAL);
	ck_assert_ptr_null(cv_fake_x86_cpuid(hv, 1));
	ck_assert_int_eq(hv->ops->x86_set_cpuid(vcpu, &list, &e), 0);
	ck_assert_uint_eq(cv_fake_x86_cpuid(hv, 1)->n, list.n);
	cv_fake_fail(hv, "x86_setup", -EINVAL);
	ck_assert_int_eq(hv->ops->x86_setup(vcpu, &state, &e), -EINVAL);
	ck_assert_int_eq(hv->ops->x86_setup(vcpu, &state, &e), 0);
	ck_assert_uint_eq(cv_fake_x86_state(hv, 1)->rip, 7);
	ck_assert_ptr_null(cv_fake_x86_state(hv, 0));
	hv->ops->vcpu_destroy(vcpu);
	cv_hv_destroy(hv);
}
END_TEST

CHECK_MAIN("fake_x86_64", operations)
