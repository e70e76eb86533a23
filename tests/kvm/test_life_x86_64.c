/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and destroying VMs on KVM: nothing is left over, and what is missing is named. */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "kvm/bare.h"
#include "kvm/empty_root.h"
#include "support/usage.h"
#include "sys/fd.h"

#define NOBODY 65534

/* clang-format off */
CODE(out32, ".code32", "movb $7, %al\n outb %al, $0x80\n");
/* clang-format on */

/* Mappings of guest memory and of vCPUs' shared pages. */
static unsigned int count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "crosvm_guest") || strstr(line, "kvm-vcpu");
	fclose(f);
	return n;
}

static void one_life(unsigned int n_vcpus)
{
	struct bare b;

	bare_init(&b, n_vcpus, true);
	bare_start(&b, CV_X86_PROTECTED, out32, out32_end);
	bare_expect_out(&b, 0x80, 1, 7);
	ck_assert_uint_ge(count_maps(), n_vcpus + 1);
	bare_fini(&b);
}

START_TEST(many_vms_leave_nothing)
{
	unsigned int fds;

	NEED_KVM();
	one_life(1); /* what the first call of anything allocates for good */
	fds = usage_fds();
	for (int i = 0; i < 200; i++)
		one_life(1);
	ck_assert_uint_eq(usage_fds(), fds);
	ck_assert_uint_eq(count_maps(), 0);
}
END_TEST

START_TEST(vm_of_64_processors)
{
	unsigned int fds;

	NEED_KVM();
	fds = usage_fds();
	for (int i = 0; i < 3; i++)
		one_life(64);
	ck_assert_uint_eq(usage_fds(), fds);
}
END_TEST

/* Expects that making a VM fails with @err and a sentence that has @words in it. */
static void expect_failure(unsigned int n_vcpus, int err, const char *words)
{
	const struct cv_hv_config config = { .irqchip = true, .n_vcpus = n_vcpus };
	unsigned int fds = usage_fds();
	struct vm_error e = { 0 };
	struct cv_hv *hv = NULL;
	int got = cv_hv_kvm_create(&hv, &config, NULL, &e);

	ck_assert_int_eq(got, err);
	ck_assert_int_eq(e.code, -err);
	ck_assert_msg(strstr(e.text, words), "%s", e.text);
	ck_assert_ptr_null(hv);
	ck_assert_uint_eq(usage_fds(), fds);
}

START_TEST(too_many_processors)
{
	NEED_KVM();
	expect_failure(1000000, -EINVAL, "ask for fewer");
}
END_TEST

START_TEST(no_permission)
{
	NEED_KVM();
	if (geteuid() != 0 || setegid(NOBODY) < 0 || seteuid(NOBODY) < 0) {
		printf("skip only root can become another user\n");
		return;
	}
	if (access("/dev/kvm", F_OK) == 0 && eaccess("/dev/kvm", R_OK | W_OK) == 0) {
		printf("skip everybody may open /dev/kvm here\n");
		return;
	}
	expect_failure(1, -EACCES, "kvm group");
	ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(no_kvm)
{
	const struct cv_hv_config config = { .n_vcpus = 1 };
	struct vm_error e = { 0 };
	struct cv_hv *hv = NULL;
	int old;

	if (geteuid() != 0) {
		printf("skip only root can change the root directory\n");
		return;
	}
	old = enter_empty_root();
	ck_assert_int_eq(cv_hv_kvm_create(&hv, &config, NULL, &e), -ENOENT);
	ck_assert_msg(strstr(e.text, "/dev/kvm does not exist") && strstr(e.text, "modprobe"), "%s",
		      e.text);
	leave_empty_root(old);
}
END_TEST

/* Lets this process have @left more descriptors than are open. */
static void limit_fds(unsigned int left)
{
	CV_AUTO_FD int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct rlimit limit = { .rlim_cur = (rlim_t)next + left };

	ck_assert_int_ge(next, 0);
	limit.rlim_max = limit.rlim_cur;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Descriptors run out at each of the places that need one. */
START_TEST(no_descriptors)
{
	const struct cv_hv_config config = { .irqchip = true, .n_vcpus = 1 };
	const struct cv_mem_range range = { .gpa = 0, .len = BARE_MEMORY };
	struct cv_vcpu *vcpu = NULL;
	struct vm_error e = { 0 };
	struct cv_mem mem;
	struct cv_hv *hv;

	NEED_KVM();
	ck_assert_int_eq(cv_mem_init(&mem, &range, 1, NULL), 0);
	limit_fds(2);
	ck_assert_int_eq(cv_hv_kvm_create(&hv, &config, NULL, &e), 0);
	ck_assert_int_eq(hv->ops->set_memory(hv, &mem, NULL, &e), 0);
	ck_assert_int_eq(hv->ops->vcpu_create(hv, 0, &vcpu, &e), -EMFILE);
	ck_assert_msg(strstr(e.text, "ulimit -n"), "%s", e.text);
	ck_assert_ptr_null(vcpu);
	cv_hv_destroy(hv);
	for (unsigned int left = 2; left-- > 0;) {
		limit_fds(left);
		ck_assert_int_eq(cv_hv_kvm_create(&hv, &config, NULL, &e), -EMFILE);
		ck_assert_msg(strstr(e.text, "ulimit -n"), "%s", e.text);
	}
	cv_mem_fini(&mem);
}
END_TEST

START_TEST(bad_memory)
{
	const struct cv_hv_config config = { .irqchip = true, .n_vcpus = 1 };
	struct cv_mem mem = { .n_regions = 1 };
	struct vm_error e = { 0 };
	struct cv_hv *hv;

	NEED_KVM();
	mem.regions[0] = (struct cv_mem_region){ .len = 0x1000, .host = (uint8_t *)1 };
	ck_assert_int_eq(cv_hv_kvm_create(&hv, &config, NULL, &e), 0);
	ck_assert_int_lt(hv->ops->set_memory(hv, &mem, NULL, &e), 0);
	ck_assert_msg(strstr(e.text, "guest memory at 0x0"), "%s", e.text);
	cv_hv_destroy(hv);
}
END_TEST

START_TEST(same_processor_twice)
{
	struct cv_vcpu *vcpu = NULL;
	struct vm_error e = { 0 };
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	ck_assert_int_eq(b.hv->ops->vcpu_create(b.hv, 0, &vcpu, &e), -EEXIST);
	ck_assert_msg(strstr(e.text, "vCPU 0"), "%s", e.text);
	ck_assert_ptr_null(vcpu);
	b.hv->ops->vcpu_destroy(NULL);
	bare_fini(&b);
}
END_TEST

CHECK_MAIN("life", many_vms_leave_nothing, vm_of_64_processors, too_many_processors, no_permission,
	   no_kvm, no_descriptors, bad_memory, same_processor_twice)
