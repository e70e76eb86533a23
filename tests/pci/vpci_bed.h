/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that echoes behind a virtio-pci function, for tests of the transport. */
#ifndef CV_TESTS_VPCI_BED_H
#define CV_TESTS_VPCI_BED_H

#include "echo.h"
#include "support/must.h"
#include "support/vdev_pci.h"
#include "virtio/vslot_local.h"

#define RUNNING 0xf

struct bed {
	struct rig rig;
	struct vdev *d;
	struct vdev_pci *p;
	struct echo *echo;
};

static inline void bed_init(struct bed *b, bool threaded)
{
	rig_init(&b->rig, &echo_class, "",
		 &(struct rig_options){ .ops = &vdev_pci_ops, .threaded = threaded });
	b->d = &b->rig.dev;
	b->p = vdev_pci(b->d);
	b->echo = cv_vslot_local_self(b->rig.slot);
}

static inline void bed_fini(struct bed *b)
{
	rig_fini(&b->rig);
}

static inline void start(struct bed *b)
{
	must(vdev_start(b->d, NULL) == 0);
}

/* One echoed request on queue @qi. */
static inline void echoes(struct bed *b, unsigned int qi)
{
	static const char out[] = "thirty-one bytes to be echoed..";
	char in[sizeof(out)] = "";

	must(vdev_request(b->d, qi, out, sizeof(out), in, sizeof(in)) == sizeof(out));
	must(memcmp(out, in, sizeof(out)) == 0);
}

static inline bool message(struct bed *b, uint32_t vector)
{
	vdev_pump(b->d);
	return mock_delivered(&b->p->hw, VPCI_MSI_ADDR, VPCI_MSI_DATA + vector);
}

static inline uint64_t get(struct bed *b, uint32_t reg, unsigned int len)
{
	return vdev_pci_get(b->p, reg, len);
}

static inline void set(struct bed *b, uint32_t reg, unsigned int len, uint64_t val)
{
	vdev_pci_set(b->p, reg, len, val);
}

#endif
