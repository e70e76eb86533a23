/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio-mmio transport: virtio 1.2 section 4.2, not the legacy layout. */
#include "virtio/mmio.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "virtio/transport.h"

enum {
	MAGIC_VALUE = 0x000,
	VERSION = 0x004,
	DEVICE_ID = 0x008,
	VENDOR_ID = 0x00c,
	DEVICE_FEATURES = 0x010,
	DEVICE_FEATURES_SEL = 0x014,
	DRIVER_FEATURES = 0x020,
	DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030,
	QUEUE_NUM_MAX = 0x034,
	QUEUE_NUM = 0x038,
	QUEUE_READY = 0x044,
	QUEUE_NOTIFY = 0x050,
	INTERRUPT_STATUS = 0x060,
	INTERRUPT_ACK = 0x064,
	STATUS = 0x070,
	QUEUE_DESC_LOW = 0x080,
	QUEUE_DESC_HIGH = 0x084,
	QUEUE_DRIVER_LOW = 0x090,
	QUEUE_DRIVER_HIGH = 0x094,
	QUEUE_DEVICE_LOW = 0x0a0,
	QUEUE_DEVICE_HIGH = 0x0a4,
	SHM_LEN_LOW = 0x0b0,
	SHM_LEN_HIGH = 0x0b4,
	SHM_BASE_LOW = 0x0b8,
	SHM_BASE_HIGH = 0x0bc,
	QUEUE_RESET = 0x0c0,
	CONFIG_GENERATION = 0x0fc,
	CONFIG = 0x100,
};

#define MAGIC  0x74726976u /* "virt" */
#define VENDOR 0x4d565243u /* "CRVM" */

struct cv_virtio_mmio {
	struct cv_rslot slot;
	struct cv_transport transport;
	pthread_mutex_t lock; /* registers; several vCPUs may be at them */
	struct cv_hw *hw;
	struct cv_log *log;
	uint64_t gpa;
	uint64_t doorbells; /* queues whose doorbell is an ioeventfd now */
};

static struct cv_virtio_mmio *of(struct cv_rslot *slot)
{
	return cv_container_of(slot, struct cv_virtio_mmio, slot);
}

/* ---- doorbells ---- */

static bool doorbell_wanted(const struct cv_virtio_mmio *m, unsigned int index)
{
	return m->hw && m->transport.started && m->transport.queues[index].config.ready;
}

static void set_doorbell(struct cv_virtio_mmio *m, unsigned int index, bool on)
{
	const struct cv_ioevent ev = { .addr = m->gpa + QUEUE_NOTIFY,
				       .len = 4,
				       .match = true,
				       .value = index,
				       .fd = cv_fd_get(&m->transport.queues[index].kick) };
	int err = m->hw->ops->ioevent(m->hw, on, &ev);

	if (err && on)
		cv_log_guest(m->log,
			     "virtio-mmio: %s: queue %u: no doorbell: %s; kicks will be slow",
			     m->transport.vslot->name, index, strerror(-err));
	if (!err || !on)
		m->doorbells ^= 1ull << index;
}

static void update_doorbells(struct cv_virtio_mmio *m)
{
	for (unsigned int i = 0; i < m->transport.vslot->n_queues; i++) {
		bool wanted = doorbell_wanted(m, i);

		if (wanted != (m->doorbells >> i & 1))
			set_doorbell(m, i, wanted);
	}
}

/* ---- registers ---- */

static uint32_t read_queue(struct cv_virtio_mmio *m, uint64_t off)
{
	struct cv_transport *t = &m->transport;
	const struct cv_transport_queue *q = cv_transport_selected(t);

	if (!q)
		return 0;
	return off == QUEUE_READY ? q->config.ready : t->vslot->queue_max[t->queue_select];
}

static uint32_t read_reg(struct cv_virtio_mmio *m, uint64_t off)
{
	struct cv_transport *t = &m->transport;

	switch (off) {
	case MAGIC_VALUE:
		return MAGIC;
	case VERSION:
		return 2;
	case DEVICE_ID:
		return t->vslot->id;
	case VENDOR_ID:
		return VENDOR;
	case DEVICE_FEATURES:
		return cv_transport_device_features(t);
	case QUEUE_NUM_MAX:
	case QUEUE_READY:
		return read_queue(m, off);
	case INTERRUPT_STATUS:
		return cv_transport_isr(t, false);
	case STATUS:
		return cv_transport_status(t);
	case SHM_LEN_LOW:
	case SHM_LEN_HIGH:
	case SHM_BASE_LOW:
	case SHM_BASE_HIGH: /* there are no such regions */
		return UINT32_MAX;
	case CONFIG_GENERATION:
		return atomic_load(&t->generation);
	case QUEUE_RESET: /* done before its write returns */
	default:
		return 0;
	}
}

static void set_low(uint64_t *addr, uint32_t val)
{
	*addr = (*addr & ~(uint64_t)UINT32_MAX) | val;
}

static void set_high(uint64_t *addr, uint32_t val)
{
	*addr = (*addr & UINT32_MAX) | (uint64_t)val << 32;
}

/* What describes a queue stays as it is while the queue is ready. */
static void write_layout(struct cv_virtio_mmio *m, uint64_t off, uint32_t val)
{
	struct cv_transport_queue *q = cv_transport_selected(&m->transport);

	if (!q || q->config.ready)
		return;
	switch (off) {
	case QUEUE_NUM: /* 0 does not start */
		q->config.size = val <= UINT16_MAX ? (uint16_t)val : 0;
		break;
	case QUEUE_DESC_LOW:
		set_low(&q->config.desc, val);
		break;
	case QUEUE_DESC_HIGH:
		set_high(&q->config.desc, val);
		break;
	case QUEUE_DRIVER_LOW:
		set_low(&q->config.driver, val);
		break;
	case QUEUE_DRIVER_HIGH:
		set_high(&q->config.driver, val);
		break;
	case QUEUE_DEVICE_LOW:
		set_low(&q->config.device, val);
		break;
	case QUEUE_DEVICE_HIGH:
		set_high(&q->config.device, val);
		break;
	}
}

static void write_reg(struct cv_virtio_mmio *m, uint64_t off, uint32_t val)
{
	struct cv_transport *t = &m->transport;

	switch (off) {
	case DEVICE_FEATURES_SEL:
		t->device_feature_select = val;
		break;
	case DRIVER_FEATURES:
		cv_transport_write_driver_features(t, val);
		break;
	case DRIVER_FEATURES_SEL:
		t->driver_feature_select = val;
		break;
	case QUEUE_SEL:
		t->queue_select = val <= UINT16_MAX ? (uint16_t)val : UINT16_MAX;
		break;
	case QUEUE_NOTIFY:
		cv_transport_kick(t, val);
		break;
	case INTERRUPT_ACK:
		cv_transport_ack_isr(t, (uint8_t)val);
		break;
	case STATUS:
		cv_transport_write_status(t, (uint8_t)val);
		update_doorbells(m);
		break;
	case QUEUE_READY:
		cv_transport_enable_queue(t, val & 1, true);
		update_doorbells(m);
		break;
	case QUEUE_RESET:
		if (val == 1)
			cv_transport_reset_queue(t);
		update_doorbells(m);
		break;
	default:
		write_layout(m, off, val);
	}
}

/* ---- the slot ---- */

static bool is_reg(uint64_t off, unsigned int len)
{
	return len == 4 && cv_is_aligned(off, 4) && off < CONFIG;
}

static uint64_t mmio_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	struct cv_virtio_mmio *m = of(slot);
	uint64_t val = 0;

	pthread_mutex_lock(&m->lock);
	if (is_reg(off, len))
		val = read_reg(m, off);
	else if (off >= CONFIG)
		cv_transport_config_read(&m->transport, off - CONFIG, &val, len);
	pthread_mutex_unlock(&m->lock);
	return off >= CONFIG ? le64toh(val) : val;
}

static void mmio_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_virtio_mmio *m = of(slot);
	uint64_t bytes = htole64(val);

	pthread_mutex_lock(&m->lock);
	if (is_reg(off, len))
		write_reg(m, off, (uint32_t)val);
	else if (off >= CONFIG)
		cv_transport_config_write(&m->transport, off - CONFIG, &bytes, len);
	pthread_mutex_unlock(&m->lock);
}

static const struct cv_rslot_ops mmio_ops = {
	.read = mmio_read,
	.write = mmio_write,
};

int cv_virtio_mmio_create(struct cv_virtio_mmio **out, struct cv_vslot *vslot, struct cv_hw *hw,
			  uint64_t gpa, struct cv_irq *irq, struct cv_loop *loop,
			  struct cv_log *log, struct vm_error *e)
{
	struct cv_virtio_mmio *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return cv_err(e, -ENOMEM, "virtio-mmio: out of memory");
	pthread_mutex_init(&m->lock, NULL);
	m->slot = (struct cv_rslot){ .ops = &mmio_ops, .span = CV_VIRTIO_MMIO_SPAN };
	m->hw = hw;
	m->log = log;
	m->gpa = gpa;
	err = cv_transport_init(&m->transport, vslot, irq, loop, log, e);
	if (err) {
		cv_virtio_mmio_destroy(m);
		return err;
	}
	*out = m;
	return 0;
}

void cv_virtio_mmio_destroy(struct cv_virtio_mmio *m)
{
	if (!m)
		return;
	if (m->transport.vslot) {
		cv_transport_write_status(&m->transport, 0);
		update_doorbells(m);
	}
	cv_transport_fini(&m->transport);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

struct cv_rslot *cv_virtio_mmio_slot(struct cv_virtio_mmio *m)
{
	return &m->slot;
}
