/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU's firmware configuration device (docs/specs/fw_cfg.rst): items are
 * selected by key and read byte by byte or by DMA. Nothing can be written.
 */
#include "devices/fw_cfg.h"

#include <string.h>

#include "base/math.h"
#include "core/dev.h"
#include "core/mem.h"

enum { KEY_SIGNATURE, KEY_ID };

#define ID_TRADITIONAL (1u << 0)
#define ID_DMA	       (1u << 1)
#define DMA_SIGNATURE  0x51454d5520434647ull /* "QEMU CFG" */

#define DMA_ERROR  (1u << 0)
#define DMA_READ   (1u << 1)
#define DMA_SKIP   (1u << 2)
#define DMA_SELECT (1u << 3)
#define DMA_WRITE  (1u << 4)

/* FWCfgDmaAccess. */
struct dma_request {
	struct be32 control, len;
	struct be64 gpa;
};
_Static_assert(sizeof(struct dma_request) == 16, "fw_cfg's FWCfgDmaAccess");

struct fw_cfg {
	const struct cv_env *env;
	const struct cv_fw_cfg_config *config;
	uint16_t key;
	uint32_t pos;	  /* of the next byte within the item */
	uint64_t dma_gpa; /* of the request; its upper half is written first */
};

struct layout {
	uint8_t selector, data, data_len, dma;
	bool big_endian; /* the selector */
};

static const struct layout layouts[] = {
	[CV_FW_CFG_PORTS] = { .selector = 0, .data = 1, .data_len = 1, .dma = 4 },
	[CV_FW_CFG_MMIO] = { .selector = 8,
			     .data = 0,
			     .data_len = 8,
			     .dma = 16,
			     .big_endian = true },
};

static const struct layout *layout_of(const struct fw_cfg *d)
{
	return &layouts[d->config->layout];
}

/* ---- the items ---- */

static const uint8_t *selected(const struct fw_cfg *d, size_t *len)
{
	static const uint8_t signature[] = { 'Q', 'E', 'M', 'U' };
	static const uint8_t id[] = { ID_TRADITIONAL | ID_DMA, 0, 0, 0 };

	switch (d->key) {
	case KEY_SIGNATURE:
		*len = sizeof(signature);
		return signature;
	case KEY_ID:
		*len = sizeof(id);
		return id;
	default:
		*len = 0;
		return d->config->files ? cv_fw_find(d->config->files, d->key, len) : NULL;
	}
}

/* What is left of the selected item; behind its end are zeroes. */
static const uint8_t *rest(const struct fw_cfg *d, size_t *left)
{
	size_t len;
	const uint8_t *data = selected(d, &len);

	*left = data && d->pos < len ? len - d->pos : 0;
	return *left > 0 ? data + d->pos : NULL;
}

static void advance(struct fw_cfg *d, uint32_t n)
{
	if (__builtin_add_overflow(d->pos, n, &d->pos))
		d->pos = UINT32_MAX;
}

static void select_item(struct fw_cfg *d, uint16_t key)
{
	d->key = key;
	d->pos = 0;
}

/* Bytes in the order of memory, whatever the width of the access. */
static uint64_t read_data(struct fw_cfg *d, unsigned int len)
{
	uint64_t val = 0;
	size_t left;
	const uint8_t *from = rest(d, &left);

	for (unsigned int i = 0; i < len && i < left; i++)
		val |= (uint64_t)from[i] << (8 * i);
	advance(d, len);
	return val;
}

/* ---- DMA ---- */

/* More than any item has is no request that a firmware makes: it is not worth the time. */
static bool dma_read(struct fw_cfg *d, uint64_t gpa, uint32_t len)
{
	const struct cv_mem *mem = d->env->mem;
	size_t left;
	const uint8_t *from = rest(d, &left);
	uint32_t n = (uint32_t)cv_min(left, (size_t)len);

	if (len > CV_FW_MAX_LEN || !cv_mem_valid(mem, gpa, len))
		return false;
	if ((n > 0 && cv_mem_write(mem, gpa, from, n)) ||
	    (len > n && cv_mem_fill(mem, gpa + n, 0, len - n)))
		return false;
	advance(d, len);
	return true;
}

static bool do_request(struct fw_cfg *d, const struct dma_request *r)
{
	uint32_t control = be32_get(r->control), len = be32_get(r->len);

	if (control & DMA_SELECT)
		select_item(d, (uint16_t)(control >> 16));
	if (control & DMA_READ)
		return dma_read(d, be64_get(r->gpa), len);
	if (control & DMA_WRITE)
		return false;
	if (control & DMA_SKIP)
		advance(d, len);
	return true;
}

/* Whether it is done and how it went stands in the request afterwards. */
static void run_dma(struct fw_cfg *d)
{
	const struct cv_mem *mem = d->env->mem;
	uint64_t gpa = d->dma_gpa;
	struct dma_request r;
	struct be32 result;

	d->dma_gpa = 0;
	if (!mem || cv_mem_read(mem, gpa, &r, sizeof(r))) {
		cv_log_guest(d->env->log, "fw_cfg: the request at 0x%llx is not in memory",
			     (unsigned long long)gpa);
		return;
	}
	result = be32(do_request(d, &r) ? 0 : DMA_ERROR);
	cv_ignore(cv_mem_write(mem, gpa, &result, sizeof(result))); /* it was read from there */
}

/* A number of @len bytes of the register at @off, which is big-endian: its place within 64 bits. */
static unsigned int dma_shift(uint64_t off, unsigned int len)
{
	return (unsigned int)(8 - off - len) * 8;
}

static uint64_t swap(uint64_t val, unsigned int len)
{
	return be64toh(htole64(val)) >> (64 - 8 * len);
}

static uint64_t read_dma(uint64_t off, unsigned int len)
{
	return swap(DMA_SIGNATURE >> dma_shift(off, len) & cv_ones(len), len);
}

static void write_dma(struct fw_cfg *d, uint64_t off, unsigned int len, uint64_t val)
{
	if ((len != 4 && len != 8) || !cv_is_aligned(off, len))
		return;
	if (off == 0)
		d->dma_gpa = 0;
	d->dma_gpa |= swap(val, len) << dma_shift(off, len);
	if (off + len == 8)
		run_dma(d);
}

/* ---- registers ---- */

static uint64_t fw_cfg_read(void *self, uint64_t off, unsigned int len)
{
	struct fw_cfg *d = self;
	const struct layout *l = layout_of(d);

	if (off >= l->dma && off - l->dma < 8)
		return cv_in_range(off - l->dma, len, 8) ? read_dma(off - l->dma, len) : 0;
	return off == l->data && len <= l->data_len ? read_data(d, len) : 0;
}

static void fw_cfg_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct fw_cfg *d = self;
	const struct layout *l = layout_of(d);

	if (off == l->selector && len == 2)
		select_item(d, (uint16_t)(l->big_endian ? swap(val, 2) : val));
	else if (off >= l->dma && cv_in_range(off - l->dma, len, 8))
		write_dma(d, off - l->dma, len, val);
}

/* ---- life ---- */

static int fw_cfg_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct fw_cfg *d = self;

	(void)e;
	d->env = env;
	d->config = config;
	return 0;
}

static void fw_cfg_reset(void *self)
{
	struct fw_cfg *d = self;

	select_item(d, 0);
	d->dma_gpa = 0;
}

static const char *const layout_names[] = { "ports", "mmio", NULL };

static const struct cv_opt fw_cfg_opts[] = { { .name = "layout",
					       .kind = CV_OPT_ENUM,
					       .off = offsetof(struct cv_fw_cfg_config, layout),
					       .words = layout_names,
					       .help = "where the registers are" },
					     CV_OPT_END };

static const struct cv_field fw_cfg_state[] = { { CV_FIELD(struct fw_cfg, key) },
						{ CV_FIELD(struct fw_cfg, pos) },
						{ CV_FIELD(struct fw_cfg, dma_gpa) },
						CV_FIELD_LAST };

static const struct cv_regs_ops fw_cfg_regs = {
	.span = CV_FW_CFG_MMIO_SPAN,
	.min_len = 1,
	.max_len = 8,
	.read = fw_cfg_read,
	.write = fw_cfg_write,
};

const struct cv_class cv_class_fw_cfg = {
	.name = "fw-cfg",
	.help = "what the machine tells its firmware",
	.policy = "fw_cfg",
	.size = sizeof(struct fw_cfg),
	.config_size = sizeof(struct cv_fw_cfg_config),
	.opts = fw_cfg_opts,
	.state = fw_cfg_state,
	.state_version = 1,
	.init = fw_cfg_init,
	.reset = fw_cfg_reset,
	.regs = &fw_cfg_regs,
};
