/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes all that a guest can reach of PCI: ports, ECAM and the BAR of a
 * virtio-pci function with its rings, by a script of accesses.
 *
 * Each access is 4 bytes: kind and length, offset (2), a byte that says how the
 * value is made; then up to 8 bytes of value where that byte says so.
 */
#include <stddef.h>
#include <stdint.h>

#include "../pci/echo.h"
#include "base/math.h"
#include "support/vdev_pci.h"
#include "virtio/virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_STEPS 512

struct script {
	const uint8_t *data;
	size_t left;
};

static uint64_t take(struct script *s, unsigned int len)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < len && s->left > 0; i++, s->left--)
		v |= (uint64_t)*s->data++ << (8 * i);
	return v;
}

static uint64_t value(struct script *s, struct guest *g)
{
	uint64_t how = take(s, 1);

	switch (how >> 5) {
	case 0:
		return how & 31;
	case 1:
		return take(s, 2);
	case 2:
		return take(s, 4);
	case 3:
		return take(s, 8);
	case 4: /* an address in guest memory */
		return g->mem.regions[0].gpa + ((how & 31) << 8);
	case 5: /* one of the window */
		return VPCI_WINDOW + ((how & 31) << 15);
	case 6:
		return 1ull << (2 * (how & 31));
	}
	return UINT64_MAX << (how & 31);
}

static uint64_t target(unsigned int kind, uint64_t off)
{
	switch (kind) {
	case 0: /* BAR 0 where it is first */
	case 1:
		return VPCI_WINDOW + (off & 0x7fff);
	case 2: /* its common structure */
		return VPCI_WINDOW + (off & 0x3f);
	case 3: /* the function's space */
		return VPCI_ECAM + (VPCI_SLOT << 15) + (off & 0xfff);
	case 4:
		return VPCI_ECAM + (off << 4);
	case 5: /* the window at large */
		return VPCI_WINDOW + (off << 4);
	}
	return off;
}

static void step(struct rig *r, struct script *s)
{
	struct vdev_pci *p = vdev_pci(&r->dev);
	unsigned int op = (unsigned int)take(s, 1);
	uint64_t off = take(s, 2);
	uint64_t val = value(s, &r->guest);
	unsigned int len = 1u << (op & 3);
	bool ports = (op >> 3 & 7) == 6;
	uint64_t at = ports ? 0xcf8 + (off & 7) : target(op >> 3 & 7, off);
	struct cv_bus *bus = ports ? p->pio : p->mmio;

	if ((op >> 3 & 7) == 7) /* guest memory: the rings */
		cv_ignore(cv_mem_write(&r->guest.mem, GUEST_LOW + (off & 0x7fff), &val, len));
	else if (op & 4)
		cv_bus_read(bus, at, len);
	else if (!mock_ring(&p->hw, at))
		cv_bus_write(bus, at, len, val);
	if (op & 0x40)
		vdev_pump(&r->dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { .data = data, .left = size };
	struct rig r;

	rig_init(&r, &echo_class, "",
		 &(struct rig_options){ .ops = &vdev_pci_ops, .mem = 1 << 20 });
	must(cv_bus_add(vdev_pci(&r.dev)->pio, 0xcf8, 8, cv_pci_root_ports(vdev_pci(&r.dev)->root),
			0, NULL) == 0);
	if (take(&s, 1) & 1)
		must(vdev_start(&r.dev, NULL) == 0);
	for (unsigned int i = 0; i < MAX_STEPS && s.left > 0; i++)
		step(&r, &s);
	vdev_pump(&r.dev);
	/* whatever has happened, a driver that begins anew gets it to work */
	vdev_pci_recover(vdev_pci(&r.dev));
	vdev_reset(&r.dev);
	must(vdev_start(&r.dev, NULL) == 0);
	rig_fini(&r);
	return 0;
}
