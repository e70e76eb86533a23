/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtio-pci: the common configuration structure (virtio 1.2 section 4.1.4.3).
 * Drivers use each register's natural width (4.1.3.1); other widths are put
 * together from or spread over the registers they touch.
 */
#include "base/math.h"
#include "pci/virtio_pci_impl.h"

enum {
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	CONFIG_MSIX_VECTOR = 0x10,
	NUM_QUEUES = 0x12,
	DEVICE_STATUS = 0x14,
	CONFIG_GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_MSIX_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20,
	QUEUE_DRIVER = 0x28,
	QUEUE_DEVICE = 0x30,
	QUEUE_NOTIFY_DATA = 0x38,
	QUEUE_RESET = 0x3a,
};

struct reg {
	uint8_t off, len;
};

static const struct reg regs[] = {
	{ DEVICE_FEATURE_SELECT, 4 }, { DEVICE_FEATURE, 4 },
	{ DRIVER_FEATURE_SELECT, 4 }, { DRIVER_FEATURE, 4 },
	{ CONFIG_MSIX_VECTOR, 2 },    { NUM_QUEUES, 2 },
	{ DEVICE_STATUS, 1 },	      { CONFIG_GENERATION, 1 },
	{ QUEUE_SELECT, 2 },	      { QUEUE_SIZE, 2 },
	{ QUEUE_MSIX_VECTOR, 2 },     { QUEUE_ENABLE, 2 },
	{ QUEUE_NOTIFY_OFF, 2 },      { QUEUE_DESC, 8 },
	{ QUEUE_DRIVER, 8 },	      { QUEUE_DEVICE, 8 },
	{ QUEUE_NOTIFY_DATA, 2 },     { QUEUE_RESET, 2 },
};

/* ---- reading one register ---- */

/* A queue that does not exist reads 0, of which the size says so (4.1.4.3). */
static uint64_t get_queue(struct cv_virtio_pci *t, unsigned int off)
{
	const struct cv_transport_queue *q = cv_transport_selected(&t->transport);

	if (!q)
		return off == QUEUE_MSIX_VECTOR ? CV_VIRTIO_NO_VECTOR : 0;
	switch (off) {
	case QUEUE_SIZE:
		return q->config.size;
	case QUEUE_MSIX_VECTOR:
		return q->vector;
	case QUEUE_ENABLE:
		return q->config.ready;
	case QUEUE_NOTIFY_OFF:
		return t->transport.queue_select;
	case QUEUE_DESC:
		return q->config.desc;
	case QUEUE_DRIVER:
		return q->config.driver;
	case QUEUE_DEVICE:
		return q->config.device;
	case QUEUE_NOTIFY_DATA: /* VIRTIO_F_NOTIF_CONFIG_DATA is not offered */
	case QUEUE_RESET:	/* done before its write returns */
		return 0;
	}
	return 0;
}

static uint64_t get(struct cv_virtio_pci *t, unsigned int off)
{
	struct cv_transport *tr = &t->transport;

	switch (off) {
	case DEVICE_FEATURE_SELECT:
		return tr->device_feature_select;
	case DEVICE_FEATURE:
		return cv_transport_device_features(tr);
	case DRIVER_FEATURE_SELECT:
		return tr->driver_feature_select;
	case DRIVER_FEATURE:
		return cv_transport_driver_features(tr);
	case CONFIG_MSIX_VECTOR:
		return t->config_vector;
	case NUM_QUEUES:
		return tr->vslot->n_queues;
	case DEVICE_STATUS:
		return cv_transport_status(tr);
	case CONFIG_GENERATION:
		return (uint8_t)atomic_load(&tr->generation);
	case QUEUE_SELECT:
		return tr->queue_select;
	}
	return get_queue(t, off);
}

/* ---- writing one register ---- */

static uint16_t valid_vector(const struct cv_virtio_pci *t, uint64_t val)
{
	return val < t->msix.n_vectors ? (uint16_t)val : CV_VIRTIO_NO_VECTOR;
}

/* What describes a queue stays as it is while the queue is enabled. */
static void set_layout(struct cv_virtio_pci *t, struct cv_vq_config *c, unsigned int off,
		       uint64_t val)
{
	if (c->ready)
		return;
	switch (off) {
	case QUEUE_SIZE:
		if (val > 0 && val <= t->transport.vslot->queue_max[t->transport.queue_select])
			c->size = (uint16_t)val;
		break;
	case QUEUE_DESC:
		c->desc = val;
		break;
	case QUEUE_DRIVER:
		c->driver = val;
		break;
	case QUEUE_DEVICE:
		c->device = val;
		break;
	}
}

static void set_queue(struct cv_virtio_pci *t, unsigned int off, uint64_t val)
{
	struct cv_transport_queue *q = cv_transport_selected(&t->transport);

	if (!q)
		return;
	switch (off) {
	case QUEUE_MSIX_VECTOR:
		q->vector = valid_vector(t, val);
		cv_vpci_route_queue(t, t->transport.queue_select);
		break;
	case QUEUE_ENABLE:
		/* 0 is not to be written; queue_reset is there for that */
		if (val == 1)
			cv_transport_enable_queue(&t->transport, true, false);
		cv_vpci_update_doorbells(t);
		break;
	case QUEUE_RESET:
		if (val == 1)
			cv_transport_reset_queue(&t->transport);
		cv_vpci_update_doorbells(t);
		break;
	default:
		set_layout(t, &q->config, off, val);
	}
}

static void set_status(struct cv_virtio_pci *t, uint8_t status)
{
	cv_transport_write_status(&t->transport, status);
	cv_vpci_update_doorbells(t);
	if (status == 0)
		cv_vpci_forget_vectors(t);
}

static void set(struct cv_virtio_pci *t, unsigned int off, uint64_t val)
{
	switch (off) {
	case DEVICE_FEATURE_SELECT:
		t->transport.device_feature_select = (uint32_t)val;
		break;
	case DRIVER_FEATURE_SELECT:
		t->transport.driver_feature_select = (uint32_t)val;
		break;
	case DRIVER_FEATURE:
		cv_transport_write_driver_features(&t->transport, (uint32_t)val);
		break;
	case CONFIG_MSIX_VECTOR:
		t->config_vector = valid_vector(t, val);
		cv_vpci_route_config(t);
		break;
	case DEVICE_STATUS:
		set_status(t, (uint8_t)val);
		break;
	case QUEUE_SELECT:
		t->transport.queue_select = (uint16_t)val;
		break;
	case DEVICE_FEATURE:
	case NUM_QUEUES:
	case CONFIG_GENERATION:
		break;
	default:
		set_queue(t, off, val);
	}
}

/* ---- accesses of any width ---- */

/* Moves bytes that start at @from to where they are seen by somebody who starts at @to. */
static uint64_t shifted(uint64_t val, uint64_t from, uint64_t to)
{
	return from >= to ? val << (8 * (from - to)) : val >> (8 * (to - from));
}

uint64_t cv_vpci_common_read(struct cv_virtio_pci *t, uint64_t off, unsigned int len)
{
	uint64_t val = 0;

	for (size_t i = 0; i < CV_LEN(regs); i++) {
		const struct reg *r = &regs[i];

		if (cv_ranges_overlap(r->off, r->len, off, len))
			val |= shifted(get(t, r->off), r->off, off);
	}
	return val & cv_ones(len);
}

void cv_vpci_common_write(struct cv_virtio_pci *t, uint64_t off, unsigned int len, uint64_t val)
{
	for (size_t i = 0; i < CV_LEN(regs); i++) {
		const struct reg *r = &regs[i];
		uint64_t mask, old;

		if (!cv_ranges_overlap(r->off, r->len, off, len))
			continue;
		mask = shifted(cv_ones(len), off, r->off) & cv_ones(r->len);
		old = mask == cv_ones(r->len) ? 0 : get(t, r->off) & ~mask;
		set(t, r->off, old | (shifted(val, off, r->off) & mask));
	}
}
