/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver over virtio-pci with MSI-X: finds everything by its capabilities, as a guest does. */
#ifndef CV_TESTS_VDEV_PCI_H
#define CV_TESTS_VDEV_PCI_H

#include "mock_hw.h"
#include "pci/pci.h"
#include "pci/virtio_pci.h"
#include "vdev.h"

#define VPCI_ECAM     0xd0000000ull
#define VPCI_WINDOW   0xe0000000ull
#define VPCI_MSI_ADDR 0xfee00000u
#define VPCI_MSI_DATA 0x40u /* plus the vector */
#define VPCI_SLOT     1u
#define VPCI_COMMAND  6u /* memory decoding and bus mastering */

/* Registers of the common configuration structure, virtio 1.2 section 4.1.4.3. */
enum {
	VPCI_DEVICE_FEATURE_SELECT = 0x00,
	VPCI_DEVICE_FEATURE = 0x04,
	VPCI_DRIVER_FEATURE_SELECT = 0x08,
	VPCI_DRIVER_FEATURE = 0x0c,
	VPCI_CONFIG_VECTOR = 0x10,
	VPCI_NUM_QUEUES = 0x12,
	VPCI_STATUS = 0x14,
	VPCI_GENERATION = 0x15,
	VPCI_QUEUE_SELECT = 0x16,
	VPCI_QUEUE_SIZE = 0x18,
	VPCI_QUEUE_VECTOR = 0x1a,
	VPCI_QUEUE_ENABLE = 0x1c,
	VPCI_QUEUE_NOTIFY_OFF = 0x1e,
	VPCI_QUEUE_DESC = 0x20,
	VPCI_QUEUE_DRIVER = 0x28,
	VPCI_QUEUE_DEVICE = 0x30,
	VPCI_QUEUE_NOTIFY_DATA = 0x38,
	VPCI_QUEUE_RESET = 0x3a,
};

/* The machine around one virtio-pci function; d->port of vdev_pci_ops. */
struct vdev_pci {
	struct vdev *d;
	struct cv_bus *mmio, *pio;
	struct cv_pci_root *root;
	struct mock_hw hw;
	struct cv_irq irq;
	struct cv_virtio_pci *t;
	struct cv_watch config_watch;
	uint64_t common, isr, device, notify, table, pba; /* addresses; 0: absent */
	uint32_t notify_mult;
	uint32_t msix, window; /* offsets of capabilities */
};

extern const struct vdev_ops vdev_pci_ops;

static inline struct vdev_pci *vdev_pci(struct vdev *d)
{
	return d->port;
}

/* The function's configuration space and registers of the common structure. */
uint32_t vdev_pci_cfg_read(struct vdev_pci *p, uint32_t off, unsigned int len);
void vdev_pci_cfg_write(struct vdev_pci *p, uint32_t off, unsigned int len, uint32_t val);
uint64_t vdev_pci_get(struct vdev_pci *p, uint32_t reg, unsigned int len);
void vdev_pci_set(struct vdev_pci *p, uint32_t reg, unsigned int len, uint64_t val);

/* Looks where the BAR and its structures are now. */
void vdev_pci_locate(struct vdev_pci *p);

/* Puts the function back to its place after anything has been written to its space, as firmware
 * would; vdev_reset() is still to be called. */
void vdev_pci_recover(struct vdev_pci *p);

/* Single steps of a start, for tests that want to do something in between. */
int vdev_pci_negotiate(struct vdev *d);
void vdev_pci_enable_msix(struct vdev_pci *p, bool on);
void vdev_pci_setup_queue(struct vdev *d, unsigned int index, uint16_t vector);

#endif
