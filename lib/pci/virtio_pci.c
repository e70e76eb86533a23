/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio-pci transport: the function, its capabilities and its place in the
 * configuration space (virtio 1.2 sections 4.1.2 and 4.1.4). Without the bus
 * master bit queues stand still and no message is sent (PCI 3.0 section 6.2.2).
 */
#include "pci/virtio_pci.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "pci/root.h"
#include "pci/virtio_pci_impl.h"

#define VENDOR	      0x1af4
#define DEVICE_BASE   0x1040
#define CONFIG_MAX    CV_VPCI_PAGE
#define MODERN_ONLY   1	   /* the least revision of a device without the legacy interface */
#define UNCLASSIFIED  0xff /* subclass, of class 0 */
#define WINDOW_LENGTH 12u  /* offsets in the PCI_CFG capability */
#define WINDOW_DATA   16u

/* Capability types, section 4.1.4. */
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI_CFG };

struct virtio_cap {
	uint8_t id, next, cap_len, cfg_type, bar, cap_id, padding[2];
	struct le32 offset, length;
	struct le32 extra; /* notify_off_multiplier, pci_cfg_data */
};
_Static_assert(sizeof(struct virtio_cap) == 20, "virtio 1.2 section 4.1.4");

struct class_code {
	uint16_t id;
	uint8_t class_code, subclass;
};

/* Where guests list a device; drivers do not look at it. */
static const struct class_code classes[] = {
	{ CV_VIRTIO_ID_NET, 0x02, 0x00 },     /* Ethernet */
	{ CV_VIRTIO_ID_BLOCK, 0x01, 0x00 },   /* SCSI storage, as QEMU has it */
	{ CV_VIRTIO_ID_CONSOLE, 0x07, 0x80 }, /* other communication */
	{ 8, 0x01, 0x00 },		      /* SCSI host */
	{ 9, 0x01, 0x80 },		      /* 9P: other storage */
	{ 16, 0x03, 0x80 },		      /* GPU: other display */
	{ 18, 0x09, 0x80 },		      /* other input */
	{ 19, 0x07, 0x80 },		      /* socket: other communication */
	{ 25, 0x04, 0x01 },		      /* sound: audio */
	{ 26, 0x01, 0x80 },		      /* file system: other storage */
};

static struct cv_virtio_pci *of(struct cv_pci_dev *d)
{
	return cv_container_of(d, struct cv_virtio_pci, dev);
}

/* ---- configuration space ---- */

/*
 * The PCI_CFG window, section 4.1.4.9: a way into the BAR for whoever can reach
 * only the configuration space. Copies the request; false if it is not valid.
 */
static bool window_request(struct cv_virtio_pci *t, uint32_t *off, uint32_t *len)
{
	*off = cv_pci_config_get32(&t->dev, t->window + offsetof(struct virtio_cap, offset));
	*len = cv_pci_config_get32(&t->dev, t->window + WINDOW_LENGTH);
	return t->dev.cfg[t->window + offsetof(struct virtio_cap, bar)] == CV_VPCI_BAR &&
	       (*len == 1 || *len == 2 || *len == 4) && cv_is_aligned(*off, *len) &&
	       cv_in_range(*off, *len, CV_VPCI_BAR_SIZE);
}

static bool touches_window(const struct cv_virtio_pci *t, uint32_t off, unsigned int len)
{
	return cv_ranges_overlap(off, len, t->window + WINDOW_DATA, 4);
}

static bool vpci_cfg_read(struct cv_pci_dev *d, uint32_t off, unsigned int len, uint32_t *val)
{
	struct cv_virtio_pci *t = of(d);
	uint32_t at, n;
	struct le32 data;

	(void)val;
	if (!touches_window(t, off, len) || !window_request(t, &at, &n))
		return false;
	data = le32((uint32_t)t->bar.ops->read(&t->bar, at, n));
	memcpy(d->cfg + t->window + WINDOW_DATA, &data, n);
	return false; /* the ordinary read finds it there */
}

static void write_window(struct cv_virtio_pci *t)
{
	uint32_t data = cv_pci_config_get32(&t->dev, t->window + WINDOW_DATA);
	uint32_t at, n;

	if (window_request(t, &at, &n))
		t->bar.ops->write(&t->bar, at, n, data & cv_ones(n));
}

static void vpci_cfg_written(struct cv_pci_dev *d, uint32_t off, unsigned int len)
{
	struct cv_virtio_pci *t = of(d);

	if (touches_window(t, off, len))
		write_window(t);
	if (!cv_msix_control_written(&t->msix))
		return;
	pthread_mutex_lock(&t->lock);
	cv_vpci_switch_msix(t, d->msix_on);
	pthread_mutex_unlock(&t->lock);
}

/* Messages go last and come first, so that none of what the queues have done is late. */
static void vpci_master_changed(struct cv_pci_dev *d, bool on)
{
	struct cv_virtio_pci *t = of(d);

	if (on)
		cv_msix_master_changed(&t->msix);
	pthread_mutex_lock(&t->lock);
	cv_transport_hold(&t->transport, !on);
	cv_vpci_update_doorbells(t);
	pthread_mutex_unlock(&t->lock);
	if (!on)
		cv_msix_master_changed(&t->msix);
}

static void vpci_bar_moved(struct cv_pci_dev *d, unsigned int bar, uint64_t base)
{
	struct cv_virtio_pci *t = of(d);

	(void)bar; /* there is one */
	pthread_mutex_lock(&t->lock);
	t->base = base;
	cv_vpci_update_doorbells(t);
	pthread_mutex_unlock(&t->lock);
}

static void vpci_added(struct cv_pci_dev *d)
{
	if (d->intx)
		of(d)->transport.irq = d->intx;
}

static const struct cv_pci_dev_ops vpci_ops = {
	.cfg_read = vpci_cfg_read,
	.cfg_written = vpci_cfg_written,
	.master_changed = vpci_master_changed,
	.added = vpci_added,
	.bar_moved = vpci_bar_moved,
};

/* ---- construction ---- */

/* 0 or -errno. */
static int add_cap(struct cv_virtio_pci *t, uint8_t type, uint32_t off, uint32_t len)
{
	bool longer = type == CAP_NOTIFY;
	const struct virtio_cap cap = {
		.cap_len = longer ? sizeof(cap) : offsetof(struct virtio_cap, extra),
		.cfg_type = type,
		.bar = CV_VPCI_BAR,
		.offset = le32(off),
		.length = le32(len),
		.extra = le32(longer ? CV_VPCI_NOTIFY_STRIDE : 0),
	};
	int at = cv_pci_dev_add_cap(&t->dev, CV_PCI_CAP_VENDOR, &cap, cap.cap_len, NULL);

	return at < 0 ? at : 0;
}

/* A device without a configuration space has no such capability: one of length 0 is invalid. */
static int add_device_cap(struct cv_virtio_pci *t)
{
	uint32_t len = t->transport.vslot->config_len;

	return len > 0 ? add_cap(t, CAP_DEVICE, CV_VPCI_DEVICE, len) : 0;
}

static int add_window(struct cv_virtio_pci *t)
{
	const struct virtio_cap cap = { .cap_len = sizeof(cap), .cfg_type = CAP_PCI_CFG };
	const struct virtio_cap writable = {
		.bar = 0xff,
		.offset = le32(UINT32_MAX),
		.length = le32(UINT32_MAX),
		.extra = le32(UINT32_MAX),
	};
	int at = cv_pci_dev_add_cap(&t->dev, CV_PCI_CAP_VENDOR, &cap, sizeof(cap), &writable);

	if (at < 0)
		return at;
	t->window = (uint16_t)at;
	return 0;
}

static int add_caps(struct cv_virtio_pci *t, struct vm_error *e)
{
	uint32_t n_queues = t->transport.vslot->n_queues;
	uint32_t notify_len = cv_max(n_queues, 1u) * CV_VPCI_NOTIFY_STRIDE;
	int err = add_cap(t, CAP_COMMON, CV_VPCI_COMMON, CV_VPCI_COMMON_LEN);

	err = err ?: add_cap(t, CAP_ISR, CV_VPCI_ISR, 1);
	err = err ?: add_device_cap(t);
	err = err ?: add_cap(t, CAP_NOTIFY, CV_VPCI_NOTIFY, notify_len);
	err = err ?: add_window(t);
	if (err)
		return cv_err(e, err, "virtio-pci: %s: no room for capabilities", t->dev.name);
	return cv_msix_init(&t->msix, &t->dev, t->hw, (uint16_t)(n_queues + 1), CV_VPCI_BAR,
			    CV_VPCI_MSIX_TABLE, CV_VPCI_MSIX_PBA, t->log, e);
}

static void init_function(struct cv_virtio_pci *t, const struct cv_vslot *vslot)
{
	struct cv_pci_ids ids = {
		.vendor = VENDOR,
		.device = (uint16_t)(DEVICE_BASE + vslot->id),
		.subsys_vendor = VENDOR,
		.subsys = (uint16_t)(DEVICE_BASE + vslot->id),
		.subclass = UNCLASSIFIED,
		.revision = MODERN_ONLY,
	};

	for (size_t i = 0; i < CV_LEN(classes); i++) {
		if (classes[i].id == vslot->id) {
			ids.class_code = classes[i].class_code;
			ids.subclass = classes[i].subclass;
		}
	}
	cv_pci_dev_init(&t->dev, vslot->name, &vpci_ops, &ids);
}

static int init_transport(struct cv_virtio_pci *t, struct cv_vslot *vslot, struct cv_loop *loop,
			  struct vm_error *e)
{
	int fd = cv_event_create();

	if (fd < 0)
		return cv_err_os(e, fd, "%s: its eventfd cannot be made", vslot->name);
	cv_fd_set(&t->sink, fd);
	t->no_line.trigger = fd;
	t->no_line.resample = -1;
	return cv_transport_init(&t->transport, vslot, &t->no_line, loop, t->log, e);
}

int cv_virtio_pci_create(struct cv_virtio_pci **out, struct cv_vslot *vslot, struct cv_hw *hw,
			 struct cv_loop *loop, struct cv_log *log, struct vm_error *e)
{
	struct cv_virtio_pci *t;
	int err;

	if (vslot->n_queues > CV_VIRTIO_MAX_QUEUES || vslot->config_len > CONFIG_MAX)
		return cv_err(e, -EINVAL, "virtio-pci: %s: too many queues or too large a config",
			      vslot->name);
	t = calloc(1, sizeof(*t));
	if (!t)
		return cv_err(e, -ENOMEM, "virtio-pci: out of memory");
	t->hw = hw;
	t->log = log;
	t->base = UINT64_MAX;
	t->doorbell_base = UINT64_MAX;
	t->bar = (struct cv_rslot){ .ops = &cv_vpci_bar_ops, .span = CV_VPCI_BAR_SIZE };
	pthread_mutex_init(&t->lock, NULL);
	init_function(t, vslot);
	err = init_transport(t, vslot, loop, e);
	err = err ?: add_caps(t, e);
	err = err
		      ?: cv_pci_dev_add_bar(&t->dev, CV_VPCI_BAR, CV_PCI_BAR_MEM32, false,
					    CV_VPCI_BAR_SIZE, &t->bar);
	if (err) {
		cv_virtio_pci_destroy(t);
		return err;
	}
	cv_vpci_forget_vectors(t);
	cv_transport_hold(&t->transport, true);
	*out = t;
	return 0;
}

void cv_virtio_pci_destroy(struct cv_virtio_pci *t)
{
	if (!t)
		return;
	cv_transport_fini(&t->transport);
	cv_msix_fini(&t->msix);
	cv_fd_close(&t->sink);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

struct cv_pci_dev *cv_virtio_pci_dev(struct cv_virtio_pci *t)
{
	return &t->dev;
}
