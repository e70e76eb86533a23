/* SPDX-License-Identifier: BSD-3-Clause */
/* virtio 1.2: transports (4.1, 4.2) and split queues (2.7). See virtio.h. */
#include "virtio.h"

#define MMIO_MAGIC   0x74726976u
#define VENDOR	     0x1af4
#define CAP_COMMON   1
#define CAP_NOTIFY   2
#define CAP_ISR	     3
#define CAP_DEVICE   4
#define AVAIL_NO_IRQ 1
#define USED_NO_KICK 1
#define NEVER	     0x4000 /* so far back no step of the used index passes it */

bool rt_virtio_mmio_word(unsigned int index, struct rt_virtio_mmio *m)
{
	static const char key[] = "virtio_mmio.device=";
	const char *s = rt.cmdline;

	for (; *s; s++) {
		if (memcmp(s, key, sizeof(key) - 1) != 0 || index-- > 0)
			continue;
		s += sizeof(key) - 1;
		while (*s && *s != '@')
			s++;
		if (!*s++)
			return false;
		m->base = rt_number(&s);
		m->irq = 0;
		if (*s++ == ':')
			m->irq = (unsigned int)rt_number(&s);
		return true;
	}
	return false;
}

static uint64_t cap_address(struct rt_virtio *v, uint8_t cap)
{
	uint64_t addr, len;
	bool io;

	if (!rt_pci_bar(&v->pci, rt_pci_r8(&v->pci, (uint16_t)(cap + 4)), &addr, &len, &io) || io)
		rt_fail("virtio capability at %x has no memory BAR", cap);
	return addr + rt_pci_r32(&v->pci, (uint16_t)(cap + 8));
}

static bool pci_open(struct rt_virtio *v)
{
	*v = (struct rt_virtio){ .is_pci = true, .pci = v->pci };
	for (uint8_t c = rt_pci_cap(&v->pci, PCI_CAP_VENDOR, 0); c;
	     c = rt_pci_cap(&v->pci, PCI_CAP_VENDOR, c)) {
		uint8_t type = rt_pci_r8(&v->pci, (uint16_t)(c + 3));

		if (type < CAP_COMMON || type > CAP_DEVICE)
			continue;
		if (type == CAP_COMMON)
			v->common = cap_address(v, c);
		else if (type == CAP_ISR)
			v->isr = cap_address(v, c);
		else if (type == CAP_DEVICE)
			v->config = cap_address(v, c);
		else {
			v->notify = cap_address(v, c);
			v->notify_mult = rt_pci_r32(&v->pci, (uint16_t)(c + 16));
		}
	}
	rt_pci_w16(&v->pci, PCI_COMMAND,
		   (uint16_t)(rt_pci_r16(&v->pci, PCI_COMMAND) | PCI_CMD_MEM | PCI_CMD_MASTER));
	return v->common && v->notify;
}

static uint32_t pci_type(const struct rt_pci *d)
{
	uint16_t id = rt_pci_r16(d, 2);

	if (rt_pci_r16(d, 0) != VENDOR)
		return 0;
	if (id >= 0x1040 && id < 0x1080)
		return id - 0x1040u;
	/* transitional: the type is the subsystem's identity */
	return id >= 0x1000 && id < 0x1040 ? rt_pci_r16(d, 0x2e) : 0;
}

static bool mmio_open(struct rt_virtio *v, uint32_t type, unsigned int nth)
{
	struct rt_virtio_mmio m;

	for (unsigned int i = 0; rt_virtio_mmio_word(i, &m); i++) {
		uint32_t id;

		if (rt_r32(m.base) != MMIO_MAGIC || rt_r32(m.base + VM_VERSION) != 2)
			continue;
		id = rt_r32(m.base + VM_DEVICE_ID);
		if (id == 0 || (type && id != type) || nth-- > 0)
			continue;
		*v = (struct rt_virtio){
			.irq = m.irq,
			.common = m.base,
			.notify = m.base + VM_NOTIFY,
			.isr = m.base + VM_ISR,
			.config = m.base + VM_CONFIG,
		};
		return true;
	}
	return false;
}

bool rt_virtio_find(uint32_t type, unsigned int nth, struct rt_virtio *v)
{
	for (unsigned int slot = 0; slot < 32 && !rt_word("nopci"); slot++) {
		uint32_t id;

		if (!rt_pci_probe(&v->pci, (uint8_t)(slot << 3)))
			continue;
		id = pci_type(&v->pci);
		if (id == 0 || (type && id != type))
			continue;
		if (nth == 0)
			return pci_open(v);
		nth--;
	}
	return !rt_word("nommio") && mmio_open(v, type, nth);
}

uint8_t rt_virtio_status(const struct rt_virtio *v)
{
	return v->is_pci ? rt_r8(v->common + VC_STATUS) : (uint8_t)rt_r32(v->common + VM_STATUS);
}

static void set_status(const struct rt_virtio *v, uint8_t status)
{
	if (v->is_pci)
		rt_w8(v->common + VC_STATUS, status);
	else
		rt_w32(v->common + VM_STATUS, status);
}

void rt_virtio_reset(struct rt_virtio *v)
{
	set_status(v, 0);
	for (unsigned int i = 0; rt_virtio_status(v) != 0; i++) {
		if (i == 100000)
			rt_fail("virtio device does not reset");
		rt_pause();
	}
}

static uint32_t offered(const struct rt_virtio *v, uint32_t half)
{
	rt_w32(v->common + (v->is_pci ? VC_DFSELECT : VM_DFSELECT), half);
	return rt_r32(v->common + (v->is_pci ? VC_DF : VM_DF));
}

static void accept(const struct rt_virtio *v, uint32_t half, uint32_t bits)
{
	rt_w32(v->common + (v->is_pci ? VC_GFSELECT : VM_GFSELECT), half);
	rt_w32(v->common + (v->is_pci ? VC_GF : VM_GF), bits);
}

void rt_virtio_begin(struct rt_virtio *v, uint64_t want)
{
	rt_virtio_reset(v);
	set_status(v, VS_ACK);
	set_status(v, VS_ACK | VS_DRIVER);
	v->features = offered(v, 0) | (uint64_t)offered(v, 1) << 32;
	if (!(v->features & VIRTIO_F_VERSION_1))
		rt_fail("virtio device is not version 1");
	v->features &= want | VIRTIO_F_VERSION_1;
	accept(v, 0, (uint32_t)v->features);
	accept(v, 1, (uint32_t)(v->features >> 32));
	set_status(v, VS_ACK | VS_DRIVER | VS_FEATURES_OK);
	if (!(rt_virtio_status(v) & VS_FEATURES_OK))
		rt_fail("virtio features %lx refused", v->features);
}

void rt_virtio_ready(struct rt_virtio *v)
{
	set_status(v, VS_ACK | VS_DRIVER | VS_FEATURES_OK | VS_DRIVER_OK);
}

static uint16_t queue_size(const struct rt_virtio *v, uint16_t index, uint16_t size)
{
	uint32_t max;

	if (v->is_pci) {
		rt_w16(v->common + VC_Q_SELECT, index);
		max = rt_r16(v->common + VC_Q_SIZE);
	} else {
		rt_w32(v->common + VM_Q_SELECT, index);
		max = rt_r32(v->common + VM_Q_MAX);
	}
	if (max == 0)
		rt_fail("virtio queue %u is absent", index);
	while (size > max)
		size /= 2;
	return size;
}

static void address(uint64_t reg, const volatile void *p)
{
	rt_w32(reg, (uint32_t)(uint64_t)p);
	rt_w32(reg + 4, (uint32_t)((uint64_t)p >> 32));
}

static void enable_pci(const struct rt_virtio *v, struct rt_vq *q, uint16_t vector)
{
	uint64_t c = v->common;

	rt_w16(c + VC_Q_SIZE, q->size);
	rt_w16(c + VC_Q_MSIX, vector);
	if (rt_r16(c + VC_Q_MSIX) != vector)
		rt_fail("virtio queue vector %x refused", vector);
	address(c + VC_Q_DESC, q->desc);
	address(c + VC_Q_DRIVER, q->avail);
	address(c + VC_Q_DEVICE, q->used);
	q->doorbell = v->notify + (uint64_t)rt_r16(c + VC_Q_NOFF) * v->notify_mult;
	rt_w16(c + VC_Q_ENABLE, 1);
}

static void enable_mmio(const struct rt_virtio *v, struct rt_vq *q)
{
	uint64_t c = v->common;

	rt_w32(c + VM_Q_SIZE, q->size);
	address(c + VM_Q_DESC, q->desc);
	address(c + VM_Q_DRIVER, q->avail);
	address(c + VM_Q_DEVICE, q->used);
	q->doorbell = v->notify;
	rt_w32(c + VM_Q_READY, 1);
}

void rt_vq_setup(struct rt_virtio *v, struct rt_vq *q, uint16_t index, uint16_t size,
		 uint16_t vector)
{
	size = queue_size(v, index, size);
	*q = (struct rt_vq){
		.size = size,
		.index = index,
		.event_idx = v->features & VIRTIO_F_EVENT_IDX,
		.interrupts = vector != VIRTIO_NO_VECTOR,
		.mmio = !v->is_pci,
		.desc = rt_alloc(size * sizeof(struct rt_desc), RT_PAGE),
		.avail = rt_alloc(size * 2u + 6, RT_PAGE),
		.used = rt_alloc(size * sizeof(struct rt_used_elem) + 6, RT_PAGE),
	};
	q->avail[0] = q->interrupts ? 0 : AVAIL_NO_IRQ;
	if (v->is_pci)
		enable_pci(v, q, vector);
	else
		enable_mmio(v, q);
}

void rt_vq_ring(const struct rt_vq *q)
{
	if (q->mmio)
		rt_w32(q->doorbell, q->index);
	else
		rt_w16(q->doorbell, q->index);
}

/* The fence orders our index against the device's event index or flag (2.7.13). */
void rt_vq_kick(struct rt_vq *q)
{
	uint16_t added = (uint16_t)(q->avail_idx - q->kicked);
	uint16_t event;

	if (added == 0)
		return;
	rt_barrier();
	if (q->event_idx)
		q->avail[2 + q->size] = (uint16_t)(q->used_idx - (q->interrupts ? 0 : NEVER));
	q->avail[1] = q->avail_idx;
	rt_fence();
	q->kicked = q->avail_idx;
	if (!q->event_idx) {
		if (!(q->used[0] & USED_NO_KICK))
			rt_vq_ring(q);
		return;
	}
	event = q->used[2 + 4 * q->size];
	if ((uint16_t)(q->avail_idx - event - 1) < added)
		rt_vq_ring(q);
}
