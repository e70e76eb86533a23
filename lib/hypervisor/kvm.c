/* SPDX-License-Identifier: BSD-3-Clause */
/* The hypervisor floor on Linux KVM: the VM and its memory. See Documentation/virt/kvm/api.rst. */
#include "hypervisor/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static const struct cv_kvm_cap caps[] = {
	CV_KVM_CAP(KVM_CAP_USER_MEMORY, "kvm_user_memory", "2.6.25"),
	CV_KVM_CAP(KVM_CAP_IRQCHIP, "kvm_irqchip", "2.6.20"),
	CV_KVM_CAP(KVM_CAP_IRQ_ROUTING, "kvm_irq_routing", "2.6.30"),
	CV_KVM_CAP(KVM_CAP_IRQFD, "kvm_irqfd", "2.6.32"),
	CV_KVM_CAP(KVM_CAP_IRQFD_RESAMPLE, "kvm_irqfd_resample", "3.8"),
	CV_KVM_CAP(KVM_CAP_IOEVENTFD, "kvm_ioeventfd", "2.6.32"),
	CV_KVM_CAP(KVM_CAP_IOEVENTFD_ANY_LENGTH, "kvm_ioeventfd_any_length", "4.4"),
};

const struct cv_kvm_cap *cv_kvm_cap(unsigned int index)
{
	const unsigned int n = CV_LEN(caps);
	const struct cv_kvm_cap *cap = index < n ? &caps[index] : &cv_kvm_arch_caps[index - n];

	return cap->name ? cap : NULL;
}

int cv_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	int n = ioctl(fd, request, arg);

	return n < 0 ? -errno : n;
}

int cv_kvm_ioctl_value(int fd, unsigned long request, unsigned long arg)
{
	int n = ioctl(fd, request, arg);

	return n < 0 ? -errno : n;
}

int cv_kvm_extension(int fd, long cap)
{
	return cv_max(cv_kvm_ioctl_value(fd, KVM_CHECK_EXTENSION, (unsigned long)cap), 0);
}

static int fault_open(struct cv_kvm_fault *fault, int err)
{
	switch (err) {
	case -ENOENT:
		snprintf(fault->reason, sizeof(fault->reason), "/dev/kvm does not exist");
		fault->remedy = "enable virtualization in the firmware's setup and load the kernel "
				"module kvm_intel or kvm_amd (modprobe)";
		break;
	case -EACCES:
	case -EPERM:
		snprintf(fault->reason, sizeof(fault->reason), "/dev/kvm may not be opened (%s)",
			 strerror(-err));
		fault->remedy = "add your user to the kvm group (usermod -aG kvm $USER) and log in "
				"again";
		break;
	case -ENODEV:
	case -ENXIO:
		snprintf(fault->reason, sizeof(fault->reason),
			 "/dev/kvm has no driver behind it (%s)", strerror(-err));
		fault->remedy = "load the kernel module kvm_intel or kvm_amd (modprobe)";
		break;
	case -EMFILE:
	case -ENFILE:
		snprintf(fault->reason, sizeof(fault->reason), "/dev/kvm does not open (%s)",
			 strerror(-err));
		fault->remedy = "raise the limit of open files (ulimit -n)";
		break;
	default:
		snprintf(fault->reason, sizeof(fault->reason), "/dev/kvm does not open (%s)",
			 strerror(-err));
		fault->remedy = "see the kernel's log (dmesg)";
	}
	return err;
}

int cv_kvm_open(struct cv_kvm_fault *fault)
{
	int version, err, fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		err = -errno;
		return fault_open(fault, err);
	}
	version = cv_kvm_ioctl_value(fd, KVM_GET_API_VERSION, 0);
	if (version == KVM_API_VERSION)
		return fd;
	cv_close_fd_ptr(&fd);
	snprintf(fault->reason, sizeof(fault->reason),
		 "/dev/kvm speaks version %d of the KVM API instead of %d", version,
		 KVM_API_VERSION);
	fault->remedy = "use a Linux kernel of 2.6.22 or later";
	return -ENOTSUP;
}

static int check_caps(int fd, const struct cv_hv_config *config, struct vm_error *e)
{
	const struct cv_kvm_cap *cap;
	int max = cv_kvm_extension(fd, KVM_CAP_MAX_VCPUS);

	for (unsigned int i = 0; (cap = cv_kvm_cap(i)); i++)
		if (cv_kvm_extension(fd, cap->number) == 0)
			return cv_err(e, -ENOTSUP,
				      "KVM lacks %s, which Linux has had since %s; use a newer "
				      "kernel or another host",
				      cap->macro, cap->since);
	if (max > 0 && config->n_vcpus > (unsigned int)max)
		return cv_err(e, -EINVAL,
			      "%u vCPUs asked for, KVM on this host has at most %d; ask for fewer",
			      config->n_vcpus, max);
	return 0;
}

static int create_vm(int fd, unsigned long type, struct vm_error *e)
{
	const char *remedy = "see the kernel's log (dmesg)";
	int vm;

	do {
		vm = cv_kvm_ioctl_value(fd, KVM_CREATE_VM, type);
	} while (vm == -EINTR); /* a signal of the embedder's: it has been handled by now */
	if (vm >= 0)
		return vm;
	if (vm == -EBUSY)
		remedy = "another hypervisor uses the processor: stop it, or unload its module";
	else if (vm == -EMFILE || vm == -ENFILE)
		remedy = "raise the limit of open files (ulimit -n)";
	else if (vm == -ENOMEM)
		remedy = "free some memory";
	return cv_err(e, vm, "KVM cannot make a VM: %s; %s", strerror(-vm), remedy);
}

static int open_vm(struct cv_kvm *kvm, const struct cv_hv_config *config, struct vm_error *e)
{
	struct cv_kvm_fault fault;
	int err, fd = cv_kvm_open(&fault);

	if (fd < 0)
		return cv_err(e, fd, "%s; %s", fault.reason, fault.remedy);
	cv_fd_set(&kvm->kvm, fd);
	err = check_caps(fd, config, e);
	if (err)
		return err;
	kvm->run_len = (size_t)cv_kvm_ioctl_value(fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (kvm->run_len < sizeof(struct kvm_run) || kvm->run_len > 1u << 20)
		return cv_err(e, -EPROTO,
			      "KVM wants %zd bytes for a vCPU's shared page; use "
			      "another kernel",
			      (ssize_t)kvm->run_len);
	fd = create_vm(fd, cv_kvm_arch_vm_type(kvm), e);
	if (fd < 0)
		return fd;
	cv_fd_set(&kvm->vm, fd);
	return 0;
}

int cv_hv_kvm_create(struct cv_hv **hv, const struct cv_hv_config *config, struct cv_log *log,
		     struct vm_error *e)
{
	struct cv_kvm *kvm = calloc(1, sizeof(*kvm));
	int err;

	if (!kvm)
		return cv_err(e, -ENOMEM, "KVM: out of memory");
	kvm->hv.ops = &cv_kvm_ops;
	kvm->log = log;
	kvm->irqchip = config->irqchip;
	pthread_mutex_init(&kvm->route_lock, NULL);
	err = open_vm(kvm, config, e) ?: cv_kvm_irq_init(kvm, e);
	if (err) {
		cv_kvm_destroy(&kvm->hv);
		return err;
	}
	*hv = &kvm->hv;
	return 0;
}

void cv_kvm_destroy(struct cv_hv *hv)
{
	struct cv_kvm *kvm = cv_kvm_of(hv);

	cv_kvm_irq_fini(kvm);
	cv_fd_close(&kvm->arm_its);
	cv_fd_close(&kvm->arm_gic);
	cv_fd_close(&kvm->vm);
	cv_fd_close(&kvm->kvm);
	pthread_mutex_destroy(&kvm->route_lock);
	free(kvm);
}

static int set_ram(struct cv_kvm *kvm, uint32_t index, const struct cv_mem_region *r,
		   struct vm_error *e)
{
	struct kvm_userspace_memory_region slot = {
		.slot = index,
		.guest_phys_addr = r->gpa,
		.memory_size = r->len,
		.userspace_addr = (uintptr_t)r->host,
	};
	int err = cv_kvm_ioctl(cv_fd_get(&kvm->vm), KVM_SET_USER_MEMORY_REGION, &slot);

	return err ? cv_err(e, err,
			    "KVM cannot map %llu MiB of guest memory at 0x%llx: %s; ask for less "
			    "memory",
			    (unsigned long long)(r->len >> 20), (unsigned long long)r->gpa,
			    strerror(-err))
		   : 0;
}

static int set_rom(struct cv_kvm *kvm, uint32_t index, const struct cv_rom *rom, struct vm_error *e)
{
	struct kvm_userspace_memory_region slot = {
		.slot = index,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = rom->gpa,
		.memory_size = rom->len,
		.userspace_addr = (uintptr_t)rom->host,
	};
	int err;

	if (cv_kvm_extension(cv_fd_get(&kvm->vm), KVM_CAP_READONLY_MEM) == 0)
		return cv_err(
			e, -ENOTSUP,
			"firmware: KVM on this host has no read-only memory (kvm_readonly_mem, "
			"Linux 3.7); use a newer kernel, or boot a kernel directly");
	err = cv_kvm_ioctl(cv_fd_get(&kvm->vm), KVM_SET_USER_MEMORY_REGION, &slot);
	return err ? cv_err(e, err, "KVM cannot map %llu KiB of firmware at 0x%llx: %s",
			    (unsigned long long)(rom->len >> 10), (unsigned long long)rom->gpa,
			    strerror(-err))
		   : 0;
}

/*
 * The interrupt controllers come after the memory: creating them starts a grace
 * period in the kernel that the next change of a memory slot would wait for,
 * 4 to 9 ms.
 */
int cv_kvm_set_memory(struct cv_hv *hv, const struct cv_mem *mem, const struct cv_rom *rom,
		      struct vm_error *e)
{
	struct cv_kvm *kvm = cv_kvm_of(hv);
	int err = cv_kvm_arch_init(kvm, e);

	for (unsigned int i = 0; i < mem->n_regions && !err; i++)
		err = set_ram(kvm, i, &mem->regions[i], e);
	if (!err && rom && rom->len > 0)
		err = set_rom(kvm, mem->n_regions, rom, e);
	if (!err && kvm->irqchip)
		err = cv_kvm_arch_irqchip(kvm, e);
	return err;
}
