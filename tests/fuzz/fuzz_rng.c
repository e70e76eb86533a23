/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the entropy device; see device_fuzz.h. */
#include "device_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct cv_class cv_class_rng;

/* What the device reads means nothing to it, and its host says nothing. */
static void fill_nothing(struct device_fuzz *f, struct script *s, uint64_t gpa, uint32_t len)
{
	(void)s;
	must(cv_mem_fill(&f->rig.guest.mem, gpa, 0x5a, len) == 0);
}

static void no_host_step(struct device_fuzz *f, struct script *s)
{
	(void)s;
	vdev_pump(&f->rig.dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct device_fuzz f = { .fill = fill_nothing, .host_step = no_host_step };
	struct script s = { .data = data, .left = size };
	uint8_t in[64];

	if (!f.rig.cls)
		rig_init(&f.rig, &cv_class_rng, "", &(struct rig_options){ .mem = 4 * CV_MIB });
	run_script(&f, &s);
	must(vdev_request(&f.rig.dev, 0, NULL, 0, in, sizeof(in)) == sizeof(in));
	vdev_reset(&f.rig.dev);
	return 0;
}
