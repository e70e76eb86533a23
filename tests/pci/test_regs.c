/* SPDX-License-Identifier: BSD-3-Clause */
/* A register device behind BAR 0 of a function of its own. */
#include <errno.h>

#include "base/math.h"
#include "pci_rig.h"
#include "support/check_main.h"
#include "support/rdev.h"

static const struct cv_pci_ids ids = { .vendor = 0x1b36,
				       .device = 0x0011,
				       .subsys_vendor = 0x1af4,
				       .subsys = 0x1100,
				       .class_code = 0xff };

/* As Linux' driver for QEMU's pvpanic finds and uses it. */
START_TEST(pvpanic)
{
	struct cv_pci_dev *f;
	struct pci_rig r;
	struct rdev d;
	uint64_t bar;

	pci_rig_init(&r);
	rdev_open(&d, "pvpanic", "");
	ck_assert_int_eq(cv_pci_regs_create(&f, r.root, &ids, cv_rslot_local_slot(d.slot), 3, NULL),
			 0);
	ck_assert_uint_eq(ecam_r(&r, 3, 0, 4), 0x00111b36);
	ck_assert_uint_eq(ecam_r(&r, 3, 8, 4), 0xff000000);
	ck_assert_uint_eq(ecam_r(&r, 3, 0x2c, 4), 0x11001af4);
	ck_assert_uint_eq(ecam_r(&r, 3, 4, 2), 2);
	/* one BAR of a page, and neither pin nor capability */
	bar = ecam_r(&r, 3, 0x10, 4);
	ck_assert_uint_eq(bar, RIG_MEM32);
	ecam_w(&r, 3, 4, 2, 0);
	for (uint32_t reg = 0x10; reg < 0x28; reg += 4)
		ecam_w(&r, 3, reg, 4, 0xffffffff);
	ck_assert_uint_eq(ecam_r(&r, 3, 0x10, 4), 0xfffff000);
	for (uint32_t reg = 0x14; reg < 0x28; reg += 4)
		ck_assert_uint_eq(ecam_r(&r, 3, reg, 4), 0);
	ck_assert_uint_eq(ecam_r(&r, 3, 0x3d, 1), 0);
	ck_assert_uint_eq(ecam_r(&r, 3, 0x06, 2), 0);
	/* moved */
	ecam_w(&r, 3, 0x10, 4, RIG_MEM32 + 0x5000);
	ecam_w(&r, 3, 4, 2, 2);
	ck_assert_uint_eq(cv_bus_read(r.mmio, bar, 1), 0xff);
	bar += 0x5000;
	ck_assert_uint_eq(cv_bus_read(r.mmio, bar, 1), 3);
	cv_bus_write(r.mmio, bar, 1, 1);
	ck_assert_uint_eq(d.requests[CV_REQUEST_PANICKED], 1);
	cv_bus_write(r.mmio, bar, 1, 2);
	ck_assert_uint_eq(d.requests[CV_REQUEST_CRASH_LOADED], 1);
	/* the rest of the page */
	ck_assert_uint_eq(cv_bus_read(r.mmio, bar + 1, 1), 0xff);
	ck_assert_uint_eq(cv_bus_read(r.mmio, bar + 0xff8, 8), UINT64_MAX);
	ck_assert_uint_eq(cv_bus_read(r.mmio, bar, 4), 0xffffff03);
	ck_assert_uint_eq(cv_bus_read(r.mmio, bar, 8), 0xffffffffffffff03);
	cv_bus_write(r.mmio, bar + 1, 1, 1);
	cv_bus_write(r.mmio, bar + 0xffc, 4, 1);
	ck_assert_uint_eq(d.requests[CV_REQUEST_PANICKED], 1);
	cv_bus_write(r.mmio, bar, 4, 0x01010101);
	ck_assert_uint_eq(d.requests[CV_REQUEST_PANICKED], 2);
	cv_pci_regs_destroy(f);
	cv_pci_regs_destroy(NULL);
	ck_assert_uint_eq(ecam_r(&r, 3, 0, 4), 0xffffffff);
	ck_assert_uint_eq(cv_bus_read(r.mmio, bar, 1), 0xff);
	rdev_close(&d);
	pci_rig_fini(&r);
}
END_TEST

/* The size of the BAR is the device's, as a power of two. */
START_TEST(larger_devices)
{
	static const struct {
		uint64_t span;
		uint32_t mask;
	} sizes[] = { { 4096, 0xfffff000 }, { 4097, 0xffffe000 }, { 0x12000, 0xfffe0000 } };

	for (size_t i = 0; i < CV_LEN(sizes); i++) {
		struct cv_pci_dev *f;
		struct pci_rig r;
		struct toy t;
		uint64_t bar, end;

		pci_rig_init(&r);
		toy_init(&t);
		t.slot.span = sizes[i].span;
		ck_assert_int_eq(cv_pci_regs_create(&f, r.root, &ids, &t.slot, -1, NULL), 0);
		ck_assert_uint_eq(f->slot, 1);
		bar = ecam_r(&r, 1, 0x10, 4);
		end = bar + sizes[i].span;
		ecam_w(&r, 1, 0x10, 4, 0xffffffff);
		ck_assert_uint_eq(ecam_r(&r, 1, 0x10, 4), sizes[i].mask);
		ecam_w(&r, 1, 0x10, 4, (uint32_t)bar);
		cv_bus_write(r.mmio, end - 4, 4, 0x44332211);
		ck_assert_uint_eq(cv_bus_read(r.mmio, end - 4, 4), 0x44332211);
		/* across the device's end */
		ck_assert_uint_eq(cv_bus_read(r.mmio, end - 1, 2), 0xff44);
		cv_bus_write(r.mmio, end - 2, 4, 0xddccbbaa);
		ck_assert_uint_eq(cv_bus_read(r.mmio, end - 4, 4), 0xbbaa2211);
		cv_pci_regs_destroy(f);
		pci_rig_fini(&r);
	}
}
END_TEST

START_TEST(no_room)
{
	struct cv_pci_dev *f = NULL, *g = NULL;
	struct vm_error e = { 0 };
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_init(&t);
	t.slot.span = 4 * CV_GIB;
	ck_assert_int_eq(cv_pci_regs_create(&f, r.root, &ids, &t.slot, 1, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "0x100000000 bytes"));
	t.slot.span = 2 * RIG_MEM32_LEN;
	ck_assert_int_eq(cv_pci_regs_create(&f, r.root, &ids, &t.slot, 1, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.text, "windows"));
	t.slot.span = 1;
	ck_assert_int_eq(cv_pci_regs_create(&f, r.root, &ids, &t.slot, 1, &e), 0);
	ck_assert_int_eq(cv_pci_regs_create(&g, r.root, &ids, &t.slot, 1, &e), -EEXIST);
	ck_assert_ptr_null(g);
	cv_pci_regs_destroy(f);
	pci_rig_fini(&r);
}
END_TEST

CHECK_MAIN("pci_regs", pvpanic, larger_devices, no_room)
