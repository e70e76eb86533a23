/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver over virtio-pci (virtio 1.2 sections 3.1 and 4.1). See vdev_pci.h. */
#include "vdev_pci.h"

#include <string.h>
#include <unistd.h>

#include "base/endian.h"
#include "virtio/virtio.h"

#define BAR0	     0x10u
#define CAP_HEAD     0x34u
#define CAP_VENDOR   0x09
#define CAP_MSIX     0x11
#define MSIX_ENABLE  0x8000u
#define DRIVER_STATE (CV_VIRTIO_ACKNOWLEDGE | CV_VIRTIO_DRIVER)

uint32_t vdev_pci_cfg_read(struct vdev_pci *p, uint32_t off, unsigned int len)
{
	return (uint32_t)cv_bus_read(p->mmio, VPCI_ECAM + (VPCI_SLOT << 15) + off, len);
}

void vdev_pci_cfg_write(struct vdev_pci *p, uint32_t off, unsigned int len, uint32_t val)
{
	cv_bus_write(p->mmio, VPCI_ECAM + (VPCI_SLOT << 15) + off, len, val);
}

uint64_t vdev_pci_get(struct vdev_pci *p, uint32_t reg, unsigned int len)
{
	return cv_bus_read(p->mmio, p->common + reg, len);
}

void vdev_pci_set(struct vdev_pci *p, uint32_t reg, unsigned int len, uint64_t val)
{
	cv_bus_write(p->mmio, p->common + reg, len, val);
}

/* ---- finding ---- */

static void locate_virtio(struct vdev_pci *p, uint32_t cap, uint64_t bar)
{
	uint64_t at = bar + vdev_pci_cfg_read(p, cap + 8, 4);

	uint32_t type = vdev_pci_cfg_read(p, cap + 3, 1);

	must(type == 5 || vdev_pci_cfg_read(p, cap + 4, 1) == 0);
	switch (type) {
	case 1:
		p->common = at;
		break;
	case 2:
		p->notify = at;
		p->notify_mult = vdev_pci_cfg_read(p, cap + 16, 4);
		break;
	case 3:
		p->isr = at;
		break;
	case 4:
		p->device = at;
		break;
	case 5:
		p->window = cap;
		break;
	default:
		must(!"a known capability type");
	}
}

void vdev_pci_locate(struct vdev_pci *p)
{
	uint64_t bar = vdev_pci_cfg_read(p, BAR0, 4) & ~15u;
	uint32_t cap = vdev_pci_cfg_read(p, CAP_HEAD, 1);
	unsigned int n = 0;

	for (; cap; cap = vdev_pci_cfg_read(p, cap + 1, 1)) {
		must(n++ < 48);
		if (vdev_pci_cfg_read(p, cap, 1) == CAP_VENDOR) {
			locate_virtio(p, cap, bar);
			continue;
		}
		must(vdev_pci_cfg_read(p, cap, 1) == CAP_MSIX);
		p->msix = cap;
		p->table = bar + (vdev_pci_cfg_read(p, cap + 4, 4) & ~7u);
		p->pba = bar + (vdev_pci_cfg_read(p, cap + 8, 4) & ~7u);
	}
	must(p->common && p->isr && p->notify && p->window && p->msix);
}

/* ---- interrupts ---- */

void vdev_pci_enable_msix(struct vdev_pci *p, bool on)
{
	uint32_t control = vdev_pci_cfg_read(p, p->msix + 2, 2);

	vdev_pci_cfg_write(p, p->msix + 2, 2, on ? control | MSIX_ENABLE : control & ~MSIX_ENABLE);
	for (uint32_t i = 0; on && i <= (control & 0x7ff); i++) {
		cv_bus_write(p->mmio, p->table + 16 * i, 8, VPCI_MSI_ADDR);
		cv_bus_write(p->mmio, p->table + 16 * i + 8, 4, VPCI_MSI_DATA + i);
		cv_bus_write(p->mmio, p->table + 16 * i + 12, 4, 0);
	}
}

static void config_called(struct cv_watch *w, uint32_t events)
{
	struct vdev_pci *p = cv_container_of(w, struct vdev_pci, config_watch);

	(void)events;
	cv_event_drain_shared(w->fd);
	atomic_fetch_add(&p->d->n_config, 1);
}

static void add_watch(void *arg)
{
	struct vdev_pci *p = arg;
	int fd = mock_attached(&p->hw, VPCI_MSI_ADDR, VPCI_MSI_DATA);

	must(cv_watch_add(p->d->any_loop, &p->config_watch, fd, EPOLLIN) == 0);
}

static void remove_watch(void *arg)
{
	cv_watch_remove(&((struct vdev_pci *)arg)->config_watch);
}

void vdev_pci_recover(struct vdev_pci *p)
{
	vdev_pci_cfg_write(p, BAR0, 4, VPCI_WINDOW);
	vdev_pci_cfg_write(p, 4, 2, VPCI_COMMAND);
	vdev_pci_cfg_write(p, p->msix + 2, 2, 0);
	vdev_pci_locate(p);
}

/* The queue's interrupts are those of its vector: the driver waits for that eventfd. */
static void take_vector(struct drv_vq *q, struct vdev_pci *p, uint16_t vector)
{
	close(q->call_fd);
	q->call_fd = dup(mock_attached(&p->hw, VPCI_MSI_ADDR, VPCI_MSI_DATA + vector));
	must(q->call_fd >= 0);
}

/* ---- starting ---- */

static uint64_t pci_offered(struct vdev *d)
{
	struct vdev_pci *p = d->port;
	uint64_t features;

	vdev_pci_set(p, VPCI_DEVICE_FEATURE_SELECT, 4, 0);
	features = vdev_pci_get(p, VPCI_DEVICE_FEATURE, 4);
	vdev_pci_set(p, VPCI_DEVICE_FEATURE_SELECT, 4, 1);
	return features | vdev_pci_get(p, VPCI_DEVICE_FEATURE, 4) << 32;
}

int vdev_pci_negotiate(struct vdev *d)
{
	struct vdev_pci *p = d->port;

	vdev_pci_set(p, VPCI_STATUS, 1, CV_VIRTIO_ACKNOWLEDGE);
	vdev_pci_set(p, VPCI_STATUS, 1, DRIVER_STATE);
	for (unsigned int i = 0; i < 2; i++) {
		vdev_pci_set(p, VPCI_DRIVER_FEATURE_SELECT, 4, i);
		vdev_pci_set(p, VPCI_DRIVER_FEATURE, 4, (uint32_t)(d->features >> (32 * i)));
	}
	vdev_pci_set(p, VPCI_STATUS, 1, DRIVER_STATE | CV_VIRTIO_FEATURES_OK);
	return vdev_pci_get(p, VPCI_STATUS, 1) & CV_VIRTIO_FEATURES_OK ? 0 : -EINVAL;
}

/* By ioeventfd where there is one, else by an exit. */
static void pci_notify(struct drv_vq *q)
{
	struct vdev *d = q->ctx;
	struct vdev_pci *p = d->port;
	uint64_t at = p->notify + (uint64_t)q->index * p->notify_mult;

	if (!mock_ring(&p->hw, at))
		cv_bus_write(p->mmio, at, 2, q->index);
}

void vdev_pci_setup_queue(struct vdev *d, unsigned int index, uint16_t vector)
{
	struct drv_vq *q = &d->queues[index];
	struct vdev_pci *p = d->port;

	vdev_pci_set(p, VPCI_QUEUE_SELECT, 2, index);
	must(vdev_pci_get(p, VPCI_QUEUE_NOTIFY_OFF, 2) == index);
	vdev_pci_set(p, VPCI_QUEUE_SIZE, 2, q->size);
	vdev_pci_set(p, VPCI_QUEUE_VECTOR, 2, vector);
	must(vdev_pci_get(p, VPCI_QUEUE_VECTOR, 2) == vector);
	vdev_pci_set(p, VPCI_QUEUE_DESC, 4, (uint32_t)q->desc);
	vdev_pci_set(p, VPCI_QUEUE_DESC + 4, 4, q->desc >> 32);
	vdev_pci_set(p, VPCI_QUEUE_DRIVER, 8, q->driver);
	vdev_pci_set(p, VPCI_QUEUE_DEVICE, 8, q->device);
	vdev_pci_set(p, VPCI_QUEUE_ENABLE, 2, 1);
	q->notify = pci_notify;
}

static int pci_start(struct vdev *d)
{
	struct vdev_pci *p = d->port;
	int err;

	vdev_pci_cfg_write(p, 4, 2, VPCI_COMMAND);
	err = vdev_pci_negotiate(d);
	if (err)
		return err;
	vdev_pci_enable_msix(p, true);
	vdev_pci_set(p, VPCI_CONFIG_VECTOR, 2, 0);
	for (unsigned int i = 0; i < d->n_queues; i++) {
		if (!d->queues[i].g)
			continue;
		vdev_pci_setup_queue(d, i, (uint16_t)(i + 1));
		take_vector(&d->queues[i], p, (uint16_t)(i + 1));
	}
	cv_loop_call(d->any_loop, add_watch, p);
	vdev_pci_set(p, VPCI_STATUS, 1, DRIVER_STATE | CV_VIRTIO_FEATURES_OK | CV_VIRTIO_DRIVER_OK);
	return vdev_pci_get(p, VPCI_STATUS, 1) & CV_VIRTIO_NEEDS_RESET ? -EIO : 0;
}

static void pci_reset(struct vdev *d)
{
	struct vdev_pci *p = d->port;

	cv_loop_call(d->any_loop, remove_watch, p);
	vdev_pci_set(p, VPCI_STATUS, 1, 0);
	must(vdev_pci_get(p, VPCI_STATUS, 1) == 0);
}

static bool pci_broken(struct vdev *d)
{
	return vdev_pci_get(d->port, VPCI_STATUS, 1) & CV_VIRTIO_NEEDS_RESET;
}

/* ---- the device's configuration, in the widths that drivers use ---- */

static void pci_config_read(struct vdev *d, uint32_t off, void *buf, uint32_t len)
{
	struct vdev_pci *p = d->port;
	uint8_t *bytes = buf;

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)cv_bus_read(p->mmio, p->device + off + i, 1);
}

static void pci_config_write(struct vdev *d, uint32_t off, const void *buf, uint32_t len)
{
	struct vdev_pci *p = d->port;
	struct le64 val = le64(0);

	must(len <= sizeof(val));
	memcpy(&val, buf, len);
	cv_bus_write(p->mmio, p->device + off, len, le64_get(val));
}

/* ---- life ---- */

static void pci_attach(struct vdev *d)
{
	static const struct cv_pci_windows windows = { .mem32_base = VPCI_WINDOW,
						       .mem32_len = 1 << 20 };
	struct vdev_pci *p = calloc(1, sizeof(*p));

	must(p);
	d->port = p;
	p->d = d;
	p->config_watch.fn = config_called;
	mock_hw_init(&p->hw);
	p->irq = (struct cv_irq){ .trigger = cv_event_create(), .resample = -1, .level = true };
	must(cv_bus_create(&p->mmio, "mmio", NULL) == 0);
	must(cv_bus_create(&p->pio, "port", NULL) == 0);
	must(cv_pci_root_create(&p->root, p->mmio, p->pio, &windows, NULL, NULL) == 0);
	must(cv_bus_add(p->mmio, VPCI_ECAM, CV_PCI_ECAM_BUS, cv_pci_root_ecam(p->root), 0, NULL) ==
	     0);
	must(cv_virtio_pci_create(&p->t, d->slot, &p->hw.hw, d->any_loop, NULL, NULL) == 0);
	cv_pci_dev_set_intx(cv_virtio_pci_dev(p->t), &p->irq, 1, 10);
	must(cv_pci_root_add(p->root, cv_virtio_pci_dev(p->t), VPCI_SLOT, NULL) == 0);
	vdev_pci_cfg_write(p, 4, 2, VPCI_COMMAND);
	vdev_pci_locate(p);
}

static void pci_detach(struct vdev *d)
{
	struct vdev_pci *p = d->port;

	cv_pci_root_remove(p->root, cv_virtio_pci_dev(p->t));
	cv_virtio_pci_destroy(p->t);
	cv_pci_root_destroy(p->root);
	cv_bus_destroy(p->pio);
	cv_bus_destroy(p->mmio);
	mock_hw_fini(&p->hw);
	close(p->irq.trigger);
	free(p);
}

const struct vdev_ops vdev_pci_ops = {
	.name = "virtio-pci",
	.attach = pci_attach,
	.detach = pci_detach,
	.offered = pci_offered,
	.config_read = pci_config_read,
	.config_write = pci_config_write,
	.start = pci_start,
	.reset = pci_reset,
	.broken = pci_broken,
};
