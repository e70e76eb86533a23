/* SPDX-License-Identifier: BSD-3-Clause */
/* A fw_cfg device with some files and memory for its DMA. */
#ifndef CV_TESTS_FW_RIG_H
#define CV_TESTS_FW_RIG_H

#include <string.h>

#include "core/mem.h"
#include "core/slot.h"
#include "devices/fw_cfg.h"
#include "must.h"

#define FW_MEM	0x10000u
#define FW_DATA "twelve bytes" /* of etc/file, the first file */

struct fw_rig {
	const struct cv_class *cls;
	struct cv_mem mem;
	struct cv_log log;
	struct cv_fw_files files;
	struct cv_fw_cfg_config *config;
	struct cv_rslot_local *slot;
};

static inline void fw_open(struct fw_rig *r, const char *options)
{
	const struct cv_mem_range range = { .gpa = 0, .len = FW_MEM };
	struct cv_env env = { .mem = &r->mem, .log = &r->log };
	void *config;

	*r = (struct fw_rig){ .cls = cv_class_find("fw-cfg") };
	must(cv_mem_init(&r->mem, &range, 1, NULL) == 0);
	must(cv_fw_add_file(&r->files, "etc/file", FW_DATA, strlen(FW_DATA), NULL) == 0);
	must(cv_fw_add_item(&r->files, 5, "\3\0", 2, NULL) == 0);
	must(cv_class_configure(r->cls, options, &config, NULL) == 0);
	r->config = config;
	r->config->files = &r->files;
	must(cv_rslot_local_create(&r->slot, r->cls, &env, r->config, NULL) == 0);
}

static inline void fw_close(struct fw_rig *r)
{
	cv_rslot_local_destroy(r->slot);
	cv_class_config_destroy(r->cls, r->config);
	cv_fw_files_fini(&r->files);
	cv_mem_fini(&r->mem);
}

static inline uint64_t fw_read(struct fw_rig *r, uint64_t off, unsigned int len)
{
	struct cv_rslot *s = cv_rslot_local_slot(r->slot);

	return s->ops->read(s, off, len);
}

static inline void fw_write(struct fw_rig *r, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_rslot *s = cv_rslot_local_slot(r->slot);

	s->ops->write(s, off, len, val);
}

#endif
