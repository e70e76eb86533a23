/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of the firmware's files, which only a machine makes. */
#ifndef CV_DEVICES_FW_CFG_H
#define CV_DEVICES_FW_CFG_H

#include "core/fw_files.h"

/* Where the registers are. */
enum cv_fw_cfg_layout {
	CV_FW_CFG_PORTS, /* selector at 0 (16 bits), data at 1, DMA at 4 */
	CV_FW_CFG_MMIO,	 /* data at 0, selector at 8, DMA at 16; both big-endian */
};

#define CV_FW_CFG_PORTS_SPAN 12u
#define CV_FW_CFG_MMIO_SPAN  24u

struct cv_fw_cfg_config {
	uint32_t layout;		 /* enum cv_fw_cfg_layout */
	const struct cv_fw_files *files; /* set after the options; borrowed; NULL: none */
};

#endif
