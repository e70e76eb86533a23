/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the firmware configuration device. The first byte says which layout;
 * each step then is an access, or bytes of a DMA request put into memory.
 */
#include "regs_fuzz.h"
#include "support/fw_rig.h"

static void fw_step(struct fw_rig *r, struct script *s)
{
	unsigned int how = (unsigned int)script_take(s, 1), len = 1u << (how >> 3 & 3);
	uint64_t off = script_take(s, 1) % (CV_FW_CFG_MMIO_SPAN + 1);
	uint8_t request[16];

	switch (how & 3) {
	case 0:
		fw_read(r, off, len);
		break;
	case 1:
		fw_write(r, off, len, script_take(s, len));
		break;
	case 2:
		script_bytes(s, request, sizeof(request));
		must(cv_mem_write(&r->mem, off * sizeof(request), request, sizeof(request)) == 0);
		break;
	case 3:
		cv_rslot_local_reset(r->slot);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { data, size };
	struct fw_rig r;

	fw_open(&r, script_take(&s, 1) & 1 ? "layout=mmio" : "");
	for (unsigned int i = 0; i < FUZZ_MAX_STEPS && s.left > 0; i++)
		fw_step(&r, &s);
	/* after a reset it says who it is */
	cv_rslot_local_reset(r.slot);
	must(fw_read(&r, r.config->layout == CV_FW_CFG_MMIO ? 0 : 1, 1) == 'Q');
	fw_close(&r);
	return 0;
}
