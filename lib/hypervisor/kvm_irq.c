/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbells and interrupts of a KVM VM: ioeventfd, irqfd and the routing table. */
#include <errno.h>
#include <string.h>

#include "hypervisor/kvm.h"

static struct cv_kvm *of_hw(struct cv_hw *hw)
{
	return cv_container_of(hw, struct cv_kvm, hv.hw);
}

static int hw_ioevent(struct cv_hw *hw, bool add, const struct cv_ioevent *ev)
{
	struct kvm_ioeventfd arg = {
		.datamatch = ev->match ? ev->value : 0,
		.addr = ev->addr,
		.len = ev->len,
		.fd = ev->fd,
		.flags = (add ? 0u : KVM_IOEVENTFD_FLAG_DEASSIGN) |
			 (ev->pio ? KVM_IOEVENTFD_FLAG_PIO : 0u) |
			 (ev->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0u),
	};

	return cv_kvm_ioctl(cv_fd_get(&of_hw(hw)->vm), KVM_IOEVENTFD, &arg);
}

static int hw_irqfd(struct cv_hw *hw, bool add, uint32_t gsi, int fd, int resample)
{
	struct kvm_irqfd arg = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
		.flags = add ? 0u : KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (add && resample >= 0) {
		arg.flags |= KVM_IRQFD_FLAG_RESAMPLE;
		arg.resamplefd = (uint32_t)resample;
	}
	return cv_kvm_ioctl(cv_fd_get(&of_hw(hw)->vm), KVM_IRQFD, &arg);
}

static struct kvm_irq_routing_entry *msi_entry(struct cv_kvm *kvm, unsigned int msi)
{
	return &kvm->routes->entries[cv_kvm_arch_routes(NULL) + msi];
}

/* The first unused entry, or max_msi. */
static unsigned int find_free(const struct cv_kvm *kvm)
{
	unsigned int i = 0;

	while (i < kvm->max_msi && kvm->msi_used[i])
		i++;
	return i;
}

/* KVM replaces the whole table and may wait for a grace period: only where something changes. */
static int set_route(struct cv_kvm *kvm, unsigned int index, const struct cv_msi *msi)
{
	struct kvm_irq_routing_entry *e = msi_entry(kvm, index), old = *e;
	uint32_t n_old = kvm->routes->nr, n = cv_kvm_arch_routes(NULL) + index + 1;
	int err;

	e->gsi = cv_kvm_arch_first_msi() + index;
	e->type = KVM_IRQ_ROUTING_MSI;
	e->u.msi.address_lo = (uint32_t)msi->addr;
	e->u.msi.address_hi = (uint32_t)(msi->addr >> 32);
	e->u.msi.data = msi->data;
	if (kvm->msi_devid) {
		e->flags = KVM_MSI_VALID_DEVID;
		e->u.msi.devid = msi->devid;
	}
	if (n <= n_old && memcmp(e, &old, sizeof(old)) == 0)
		return 0;
	kvm->routes->nr = cv_max(n, n_old);
	err = cv_kvm_ioctl(cv_fd_get(&kvm->vm), KVM_SET_GSI_ROUTING, kvm->routes);
	if (err) {
		kvm->routes->nr = n_old;
		*e = old;
	}
	return err;
}

static int hw_msi_route(struct cv_hw *hw, uint32_t *gsi, const struct cv_msi *msi)
{
	struct cv_kvm *kvm = of_hw(hw);
	unsigned int index, first = cv_kvm_arch_first_msi();
	int err;

	pthread_mutex_lock(&kvm->route_lock);
	index = *gsi == 0 ? find_free(kvm) : *gsi - first;
	if (index >= kvm->max_msi)
		err = *gsi == 0 ? -ENOSPC : -EINVAL;
	else if (*gsi != 0 && !kvm->msi_used[index])
		err = -EINVAL;
	else
		err = set_route(kvm, index, msi);
	if (!err) {
		kvm->msi_used[index] = true;
		*gsi = first + index;
	}
	pthread_mutex_unlock(&kvm->route_lock);
	return err;
}

/* The route stays in KVM's table: nothing is attached to it any more, and removing costs. */
static void hw_msi_free(struct cv_hw *hw, uint32_t gsi)
{
	struct cv_kvm *kvm = of_hw(hw);
	unsigned int msi = gsi - cv_kvm_arch_first_msi();

	pthread_mutex_lock(&kvm->route_lock);
	if (msi < kvm->max_msi)
		kvm->msi_used[msi] = false;
	pthread_mutex_unlock(&kvm->route_lock);
}

static const struct cv_hw_ops hw_ops = {
	.ioevent = hw_ioevent,
	.irqfd = hw_irqfd,
	.msi_route = hw_msi_route,
	.msi_free = hw_msi_free,
};

/* All of the table at once, so that a guest's MSI set-up allocates nothing; it is touched only as
 * far as it is used. */
int cv_kvm_irq_init(struct cv_kvm *kvm, struct vm_error *e)
{
	unsigned int fixed = cv_kvm_arch_routes(NULL), first = cv_kvm_arch_first_msi();
	int max = cv_kvm_extension(cv_fd_get(&kvm->vm), KVM_CAP_IRQ_ROUTING);

	kvm->hv.hw.ops = &hw_ops;
	if (max <= (int)cv_max(fixed, first))
		return cv_err(e, -ENOTSUP,
			      "KVM routes only %d interrupts, more than %u are needed; use a newer "
			      "kernel",
			      max, cv_max(fixed, first));
	kvm->max_msi = cv_min((unsigned int)max, 4096u) - cv_max(fixed, first);
	kvm->routes = calloc(1, sizeof(*kvm->routes) +
					(fixed + kvm->max_msi) * sizeof(kvm->routes->entries[0]));
	kvm->msi_used = calloc(kvm->max_msi, sizeof(*kvm->msi_used));
	if (!kvm->routes || !kvm->msi_used)
		return cv_err(e, -ENOMEM, "KVM's interrupt routes: out of memory");
	kvm->routes->nr = cv_kvm_arch_routes(kvm->routes->entries);
	return 0;
}

void cv_kvm_irq_fini(struct cv_kvm *kvm)
{
	free(kvm->routes);
	free(kvm->msi_used);
	kvm->routes = NULL;
	kvm->msi_used = NULL;
}
