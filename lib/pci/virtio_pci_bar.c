/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio-pci: accesses to BAR 0. */
#include "base/endian.h"
#include "base/math.h"
#include "pci/virtio_pci_impl.h"

/* Reading the ISR status acknowledges it (4.1.4.5). */
static uint64_t read_isr(struct cv_virtio_pci *t, uint64_t off)
{
	return off == 0 ? cv_transport_isr(&t->transport, true) : 0;
}

static uint64_t read_device(struct cv_virtio_pci *t, uint64_t off, unsigned int len)
{
	struct le64 buf = le64(0);

	cv_transport_config_read(&t->transport, off, &buf, len);
	return le64_get(buf);
}

static void write_device(struct cv_virtio_pci *t, uint64_t off, unsigned int len, uint64_t val)
{
	struct le64 buf = le64(val);

	cv_transport_config_write(&t->transport, off, &buf, len);
}

/* The address alone names the queue. */
static void ring_doorbell(struct cv_virtio_pci *t, uint64_t off)
{
	uint64_t index = off / CV_VPCI_NOTIFY_STRIDE;

	if (off % CV_VPCI_NOTIFY_STRIDE == 0 && index < t->transport.vslot->n_queues)
		cv_transport_kick(&t->transport, (unsigned int)index);
}

static uint64_t read_virtio(struct cv_virtio_pci *t, uint64_t page, uint64_t off, unsigned int len)
{
	switch (page) {
	case CV_VPCI_COMMON:
		return cv_vpci_common_read(t, off, len);
	case CV_VPCI_ISR:
		return read_isr(t, off);
	case CV_VPCI_DEVICE:
		return read_device(t, off, len);
	}
	return 0;
}

static void write_virtio(struct cv_virtio_pci *t, uint64_t page, uint64_t off, unsigned int len,
			 uint64_t val)
{
	switch (page) {
	case CV_VPCI_COMMON:
		cv_vpci_common_write(t, off, len, val);
		break;
	case CV_VPCI_DEVICE:
		write_device(t, off, len, val);
		break;
	case CV_VPCI_NOTIFY:
		ring_doorbell(t, off);
		break;
	}
}

static uint64_t bar_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	struct cv_virtio_pci *t = cv_container_of(slot, struct cv_virtio_pci, bar);
	uint64_t page = cv_align_down(off, CV_VPCI_PAGE);
	uint64_t val;

	off -= page;
	if (page == CV_VPCI_MSIX_TABLE)
		return cv_msix_table_read(&t->msix, off, len);
	if (page == CV_VPCI_MSIX_PBA)
		return cv_msix_pba_read(&t->msix, off, len);
	pthread_mutex_lock(&t->lock);
	val = read_virtio(t, page, off, len);
	pthread_mutex_unlock(&t->lock);
	return val;
}

static void bar_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_virtio_pci *t = cv_container_of(slot, struct cv_virtio_pci, bar);
	uint64_t page = cv_align_down(off, CV_VPCI_PAGE);

	off -= page;
	if (page == CV_VPCI_MSIX_TABLE) {
		cv_msix_table_write(&t->msix, off, len, val);
		return;
	}
	pthread_mutex_lock(&t->lock);
	write_virtio(t, page, off, len, val);
	pthread_mutex_unlock(&t->lock);
}

const struct cv_rslot_ops cv_vpci_bar_ops = {
	.read = bar_read,
	.write = bar_write,
};
