/* SPDX-License-Identifier: BSD-3-Clause */
/* MSI-X (PCI 3.0 section 6.8.2). See msix.h. */
#include "pci/msix.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "pci/root.h"

#define ENTRY_SIZE  16u
#define MAX_VECTORS 2048u

/* Words of a table entry. */
enum { WORD_ADDR_LOW, WORD_ADDR_HIGH, WORD_DATA, WORD_CONTROL };

#define VECTOR_MASKED 1u

#define CONTROL	       2u /* offset in the capability */
#define CONTROL_MASK   0x4000u
#define CONTROL_ENABLE 0x8000u

struct msix_cap {
	uint8_t id, next;
	struct le16 control;
	struct le32 table, pba; /* offset in the BAR, its number in the low three bits */
};
_Static_assert(sizeof(struct msix_cap) == 12, "PCI 3.0 figure 6-9");

/* ---- one vector; the lock is held ---- */

static int route(struct cv_msix *x, struct cv_msix_vector *v)
{
	const struct cv_msi msi = { .addr = v->addr, .data = v->data, .devid = x->dev->slot << 3 };
	int err;

	if (v->gsi && v->routed_addr == v->addr && v->routed_data == v->data)
		return 0;
	err = x->hw->ops->msi_route(x->hw, &v->gsi, &msi);
	if (err)
		return err;
	v->routed_addr = v->addr;
	v->routed_data = v->data;
	return 0;
}

static void detach(struct cv_msix *x, struct cv_msix_vector *v)
{
	if (!v->attached)
		return;
	v->attached = false;
	/* fails only if it is not attached */
	cv_ignore(x->hw->ops->irqfd(x->hw, false, v->gsi, cv_fd_get(&v->event), -1));
}

static void attach(struct cv_msix *x, struct cv_msix_vector *v)
{
	int err = route(x, v);

	if (err) {
		cv_log_guest(x->log,
			     "msix: %s: no route for address %#" PRIx64
			     ", data %#x: %s; interrupts lost",
			     x->dev->name, v->addr, v->data, strerror(-err));
		detach(x, v);
		return;
	}
	if (v->attached)
		return;
	err = x->hw->ops->irqfd(x->hw, true, v->gsi, cv_fd_get(&v->event), -1);
	if (err)
		cv_log_guest(x->log, "msix: %s: no irqfd: %s; interrupts lost", x->dev->name,
			     strerror(-err));
	v->attached = !err;
}

static void update(struct cv_msix *x, struct cv_msix_vector *v)
{
	if (x->enabled && !x->all_masked && !v->masked && cv_pci_dev_bus_master(x->dev))
		attach(x, v);
	else
		detach(x, v);
}

static void release_route(struct cv_msix *x, struct cv_msix_vector *v)
{
	detach(x, v);
	if (v->gsi)
		x->hw->ops->msi_free(x->hw, v->gsi);
	v->gsi = 0;
}

/* ---- life ---- */

static int add_cap(struct cv_msix *x, unsigned int bar, uint32_t table_off, uint32_t pba_off)
{
	const struct msix_cap body = {
		.control = le16((uint16_t)(x->n_vectors - 1)),
		.table = le32(table_off | bar),
		.pba = le32(pba_off | bar),
	};
	const struct msix_cap writable = { .control = le16(CONTROL_ENABLE | CONTROL_MASK) };

	return cv_pci_dev_add_cap(x->dev, CV_PCI_CAP_MSIX, &body, sizeof(body), &writable);
}

static int make_vectors(struct cv_msix *x)
{
	x->vectors = calloc(x->n_vectors, sizeof(*x->vectors));
	if (!x->vectors)
		return -ENOMEM;
	for (unsigned int i = 0; i < x->n_vectors; i++) {
		int fd = cv_event_create();

		if (fd < 0)
			return fd;
		cv_fd_set(&x->vectors[i].event, fd);
		x->vectors[i].masked = true;
	}
	return 0;
}

int cv_msix_init(struct cv_msix *x, struct cv_pci_dev *dev, struct cv_hw *hw, uint16_t n_vectors,
		 unsigned int bar, uint32_t table_off, uint32_t pba_off, struct cv_log *log,
		 struct vm_error *e)
{
	int err;

	*x = (struct cv_msix){ .dev = dev, .hw = hw, .log = log };
	if (n_vectors == 0 || n_vectors > MAX_VECTORS || bar >= CV_PCI_BARS ||
	    ((table_off | pba_off) & 7))
		return cv_err(e, -EINVAL, "msix: %s: bad table", dev->name);
	x->n_vectors = n_vectors;
	pthread_mutex_init(&x->lock, NULL);
	err = make_vectors(x);
	if (!err) {
		err = add_cap(x, bar, table_off, pba_off);
		x->cap = err > 0 ? (uint16_t)err : 0;
	}
	if (err >= 0)
		return 0;
	cv_msix_fini(x);
	return cv_err_os(e, err, "%s: its %u MSI-X vectors cannot be made", dev->name, n_vectors);
}

void cv_msix_fini(struct cv_msix *x)
{
	if (x->n_vectors == 0)
		return;
	for (unsigned int i = 0; x->vectors && i < x->n_vectors; i++) {
		release_route(x, &x->vectors[i]);
		cv_fd_close(&x->vectors[i].event);
	}
	free(x->vectors);
	pthread_mutex_destroy(&x->lock);
	*x = (struct cv_msix){ 0 };
}

/* ---- the capability ---- */

/* Nothing is pending in a function whose MSI-X has been turned off. */
static void update_all(struct cv_msix *x)
{
	for (unsigned int i = 0; i < x->n_vectors; i++) {
		update(x, &x->vectors[i]);
		if (!x->enabled)
			cv_event_drain_shared(cv_fd_get(&x->vectors[i].event));
	}
}

bool cv_msix_control_written(struct cv_msix *x)
{
	uint16_t control = cv_pci_config_get16(x->dev, x->cap + CONTROL);
	bool enabled = control & CONTROL_ENABLE;
	bool all_masked = control & CONTROL_MASK;
	bool changed;

	pthread_mutex_lock(&x->lock);
	changed = enabled != x->enabled;
	if (changed || all_masked != x->all_masked) {
		x->enabled = enabled;
		x->all_masked = all_masked;
		update_all(x);
	}
	pthread_mutex_unlock(&x->lock);
	if (changed)
		cv_pci_config_set_msix(x->dev, enabled);
	return changed;
}

void cv_msix_master_changed(struct cv_msix *x)
{
	pthread_mutex_lock(&x->lock);
	for (unsigned int i = 0; i < x->n_vectors; i++)
		update(x, &x->vectors[i]);
	pthread_mutex_unlock(&x->lock);
}

/* ---- table and PBA ---- */

static bool access_ok(uint64_t off, unsigned int len, uint64_t size)
{
	return (len == 4 || len == 8) && cv_is_aligned(off, len) && cv_in_range(off, len, size);
}

static uint32_t read_word(const struct cv_msix_vector *v, unsigned int word)
{
	switch (word) {
	case WORD_ADDR_LOW:
		return (uint32_t)v->addr;
	case WORD_ADDR_HIGH:
		return (uint32_t)(v->addr >> 32);
	case WORD_DATA:
		return v->data;
	case WORD_CONTROL:
		return v->masked ? VECTOR_MASKED : 0;
	}
	return 0;
}

static void write_word(struct cv_msix_vector *v, unsigned int word, uint32_t val)
{
	switch (word) {
	case WORD_ADDR_LOW:
		v->addr = (v->addr & ~(uint64_t)UINT32_MAX) | (val & ~3u);
		break;
	case WORD_ADDR_HIGH:
		v->addr = (uint64_t)val << 32 | (uint32_t)v->addr;
		break;
	case WORD_DATA:
		v->data = val;
		break;
	case WORD_CONTROL:
		v->masked = val & VECTOR_MASKED;
		break;
	}
}

uint64_t cv_msix_table_read(struct cv_msix *x, uint64_t off, unsigned int len)
{
	unsigned int word = (unsigned int)(off % ENTRY_SIZE) / 4;
	const struct cv_msix_vector *v;
	uint64_t val;

	if (!access_ok(off, len, (uint64_t)x->n_vectors * ENTRY_SIZE))
		return 0;
	pthread_mutex_lock(&x->lock);
	v = &x->vectors[off / ENTRY_SIZE];
	val = read_word(v, word);
	if (len == 8)
		val |= (uint64_t)read_word(v, word + 1) << 32;
	pthread_mutex_unlock(&x->lock);
	return val;
}

void cv_msix_table_write(struct cv_msix *x, uint64_t off, unsigned int len, uint64_t val)
{
	unsigned int word = (unsigned int)(off % ENTRY_SIZE) / 4;
	struct cv_msix_vector *v;

	if (!access_ok(off, len, (uint64_t)x->n_vectors * ENTRY_SIZE))
		return;
	pthread_mutex_lock(&x->lock);
	v = &x->vectors[off / ENTRY_SIZE];
	write_word(v, word, (uint32_t)val);
	if (len == 8)
		write_word(v, word + 1, (uint32_t)(val >> 32));
	update(x, v);
	pthread_mutex_unlock(&x->lock);
}

/* An attached vector's event is on its way to the guest, not pending. */
static bool pending(const struct cv_msix_vector *v)
{
	struct pollfd p = { .fd = cv_fd_get(&v->event), .events = POLLIN };

	return !v->attached && poll(&p, 1, 0) == 1;
}

uint64_t cv_msix_pba_read(struct cv_msix *x, uint64_t off, unsigned int len)
{
	uint64_t bits = 0;

	if (!access_ok(off, len, (x->n_vectors + 63u) / 64 * 8))
		return 0;
	pthread_mutex_lock(&x->lock);
	for (unsigned int i = 0; i < len * 8 && off * 8 + i < x->n_vectors; i++)
		bits |= (uint64_t)pending(&x->vectors[off * 8 + i]) << i;
	pthread_mutex_unlock(&x->lock);
	return bits;
}

int cv_msix_fd(struct cv_msix *x, uint16_t vector)
{
	int fd = -1;

	pthread_mutex_lock(&x->lock);
	if (x->enabled && vector < x->n_vectors)
		fd = cv_fd_get(&x->vectors[vector].event);
	pthread_mutex_unlock(&x->lock);
	return fd;
}
