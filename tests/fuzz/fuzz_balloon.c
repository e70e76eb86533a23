/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the balloon; see device_fuzz.h for the script. Pages are those of the scratch memory or
 * none at all: a driver that gives its rings away harms only itself. */
#include "device_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct cv_class cv_class_balloon;

static void fill_pages(struct device_fuzz *f, struct script *s, uint64_t gpa, uint32_t len)
{
	for (uint32_t i = 0; i + 4 <= len && s->left > 0; i += 4) {
		uint32_t v = take(s, 1);

		guest_put32(&f->rig.guest, gpa + i,
			    v < 128 ? (uint32_t)(f->scratch >> 12) + v % 16 : 0xffffff00 | v);
	}
}

static void ask(struct device_fuzz *f, struct script *s)
{
	static const char *const ops[] = { "stats", "status", "target" };
	char reply[512], args[32] = "";
	uint32_t op = take(s, 1) % 3;

	if (op == 2)
		snprintf(args, sizeof(args), "bytes=%u", take(s, 3));
	cv_ignore(f->rig.slot->ops->control(f->rig.slot, ops[op], args, reply, sizeof(reply),
					    NULL)); /* there may be no statistics */
}

/* A page that is given away becomes empty, its neighbour does not. */
static void check_alive(struct device_fuzz *f)
{
	struct le32 pfn = le32((uint32_t)(f->scratch >> 12));

	guest_put32(&f->rig.guest, f->scratch, 1);
	guest_put32(&f->rig.guest, f->scratch + 4096, 1);
	must(vdev_request(&f->rig.dev, 0, &pfn, sizeof(pfn), NULL, 0) == 0);
	must(guest_get32(&f->rig.guest, f->scratch) == 0);
	must(guest_get32(&f->rig.guest, f->scratch + 4096) == 1);
	vdev_reset(&f->rig.dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct device_fuzz f = { .fill = fill_pages, .host_step = ask };
	struct script s = { .data = data, .left = size };

	if (!f.rig.cls)
		rig_init(&f.rig, &cv_class_balloon, "", &(struct rig_options){ .mem = 4 * CV_MIB });
	run_script(&f, &s);
	check_alive(&f);
	return 0;
}
