/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest program's driver for an embedder's virtio device behind virtio-pci in slot 1. */
#ifndef CV_TESTS_CUSTOM_DRIVER_H
#define CV_TESTS_CUSTOM_DRIVER_H

#include "support/driver.h"
#include "virtio/virtio.h"
#include "vm_test.h"

#define CFG	   (T_ECAM + (1u << 15))
#define QUEUE_SIZE 16
#define MSI_ADDR   T_MSI
#define MSI_DATA   0x41u
#define ARENA	   (T_RAM + 0x400000) /* the driver's own memory */

/* Registers of the common configuration structure, virtio 1.2 section 4.1.4.3. */
enum {
	FEATURE_SELECT = 0x00,
	FEATURE = 0x04,
	GUEST_FEATURE_SELECT = 0x08,
	GUEST_FEATURE = 0x0c,
	CONFIG_VECTOR = 0x10,
	STATUS = 0x14,
	SELECT = 0x16,
	SIZE = 0x18,
	VECTOR = 0x1a,
	ENABLE = 0x1c,
	DESC = 0x20,
	DRIVER = 0x28,
	DEVICE = 0x30,
	RESET_QUEUE = 0x3a,
};

struct driver {
	struct cv_vcpu *vcpu;
	struct guest g;
	struct drv_vq q;
	uint64_t common, notify, device, table;
	uint32_t msix;
	uint64_t features;
	uint32_t gsi; /* of vector 0 */
};

static inline uint32_t cfg(struct driver *d, uint32_t off, unsigned int len)
{
	return (uint32_t)cv_fake_read(d->vcpu, false, CFG + off, len);
}

static inline uint64_t get(struct driver *d, uint32_t reg, unsigned int len)
{
	return cv_fake_read(d->vcpu, false, d->common + reg, len);
}

static inline void set(struct driver *d, uint32_t reg, unsigned int len, uint64_t val)
{
	cv_fake_write(d->vcpu, false, d->common + reg, len, val);
}

static inline uint64_t bar_of(struct driver *d, uint32_t index)
{
	uint64_t low = cfg(d, 0x10 + 4 * index, 4);

	return (low & ~15ull) | ((low & 4) ? (uint64_t)cfg(d, 0x14 + 4 * index, 4) << 32 : 0);
}

static inline void locate(struct driver *d)
{
	for (uint32_t cap = cfg(d, 0x34, 1), n = 0; cap && n < 48; cap = cfg(d, cap + 1, 1), n++) {
		uint64_t at = bar_of(d, cfg(d, cap + 4, 1) & 7);

		if (cfg(d, cap, 1) == 0x11) {
			d->msix = cap;
			d->table = at + (cfg(d, cap + 4, 4) & ~7u);
		} else if (cfg(d, cap, 1) == 9) {
			uint64_t *where[] = { NULL, &d->common, &d->notify, NULL, &d->device };
			uint32_t type = cfg(d, cap + 3, 1);

			if (type < CV_LEN(where) && where[type])
				*where[type] = at + cfg(d, cap + 8, 4);
		}
	}
	must(d->common && d->notify && d->msix);
}

static inline void notify(struct drv_vq *q)
{
	struct driver *d = q->ctx;

	cv_fake_write(d->vcpu, false, d->notify + 4 * q->index, 2, q->index);
}

static inline void negotiate(struct driver *d)
{
	set(d, STATUS, 1, 0);
	set(d, STATUS, 1, CV_VIRTIO_ACKNOWLEDGE | CV_VIRTIO_DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		set(d, FEATURE_SELECT, 4, i);
		d->features |= get(d, FEATURE, 4) << (32 * i);
		set(d, GUEST_FEATURE_SELECT, 4, i);
		set(d, GUEST_FEATURE, 4, (uint32_t)(d->features >> (32 * i)));
	}
	set(d, STATUS, 1, CV_VIRTIO_ACKNOWLEDGE | CV_VIRTIO_DRIVER | CV_VIRTIO_FEATURES_OK);
	must(get(d, STATUS, 1) & CV_VIRTIO_FEATURES_OK);
}

static inline void set_up_vector(struct driver *d)
{
	cv_fake_write(d->vcpu, false, CFG + d->msix + 2, 2, 0x8000);
	cv_fake_write(d->vcpu, false, d->table, 8, MSI_ADDR);
	cv_fake_write(d->vcpu, false, d->table + 8, 4, MSI_DATA);
	cv_fake_write(d->vcpu, false, d->table + 12, 4, 0);
	set(d, CONFIG_VECTOR, 2, 0);
	set(d, VECTOR, 2, 0);
}

/* Everything up to DRIVER_OK. */
static inline void driver_start(struct driver *d, struct cv_vcpu *vcpu)
{
	*d = (struct driver){ .vcpu = vcpu };
	d->g = (struct guest){ .mem = *cv_fake_mem(vcpu),
			       .next = ARENA,
			       .border = T_RAM + T_MEMORY };
	cv_fake_write(vcpu, false, CFG + 4, 2, 6); /* memory, bus master */
	locate(d);
	negotiate(d);
	drv_vq_init(&d->q, &d->g, QUEUE_SIZE, d->features);
	d->q.notify = notify;
	d->q.ctx = d;
	set(d, SELECT, 2, 0);
	set(d, SIZE, 2, QUEUE_SIZE);
	set_up_vector(d);
	set(d, DESC, 8, d->q.desc);
	set(d, DRIVER, 8, d->q.driver);
	set(d, DEVICE, 8, d->q.device);
	set(d, ENABLE, 2, 1);
	set(d, STATUS, 1,
	    CV_VIRTIO_ACKNOWLEDGE | CV_VIRTIO_DRIVER | CV_VIRTIO_FEATURES_OK | CV_VIRTIO_DRIVER_OK);
	d->gsi = cv_fake_msi(cv_fake_hv(vcpu), MSI_DATA);
}

/* The guest is leaving: what the test process holds for it. */
static inline void driver_end(struct driver *d)
{
	drv_vq_fini(&d->q);
}

static inline int add(struct driver *d, uint64_t out, uint32_t out_len, uint64_t in,
		      uint32_t in_len)
{
	const struct drv_buf bufs[] = { { out, out_len, false }, { in, in_len, true } };

	return drv_add(&d->q, bufs, 2);
}

static inline int wait_used(struct driver *d, uint32_t *len)
{
	int name;

	while ((name = drv_used(&d->q, len)) < 0)
		cv_fake_relax(d->vcpu);
	return name;
}

#endif
