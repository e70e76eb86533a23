/* SPDX-License-Identifier: BSD-3-Clause */
/* BARs: sizing, first places, moves, overlaps, windows, reset, and many vCPUs at once. */
#include <errno.h>
#include <pthread.h>

#include "base/math.h"
#include "pci_rig.h"
#include "support/check_main.h"

#define NOWHERE UINT64_MAX

/* Whether the toy answers at @addr. */
static bool answers(struct pci_rig *r, struct toy *t, uint64_t addr)
{
	t->bytes[0] ^= 0x5a;
	return cv_bus_read(r->mmio, addr, 1) == t->bytes[0];
}

START_TEST(arguments_are_checked)
{
	struct toy t;

	toy_init(&t);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 6, CV_PCI_BAR_MEM32, false, 4096, NULL),
			 -EINVAL);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 5, CV_PCI_BAR_MEM64, false, 4096, NULL),
			 -EINVAL);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_NONE, false, 4096, NULL),
			 -EINVAL);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM32, false, 4095, NULL),
			 -EINVAL);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM32, false, 8, NULL), -EINVAL);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM32, false, 4 * CV_GIB, NULL),
			 -EINVAL);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_IO, false, 2, NULL), -EINVAL);
	ck_assert_int_eq(
		cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM64, false, 8 * CV_GIB, &t.slot),
		-EINVAL); /* beyond what answers */
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 1, CV_PCI_BAR_MEM64, false, 4096, NULL), 0);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 2, CV_PCI_BAR_MEM32, false, 4096, NULL),
			 -EINVAL);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM64, false, 4096, NULL),
			 -EINVAL);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM32, false, 4096, NULL), 0);
}
END_TEST

START_TEST(kinds_sizes_and_places)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_init(&t);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM32, false, 0x8000, &t.slot),
			 0);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 1, CV_PCI_BAR_IO, false, 32, &t.slot), 0);
	ck_assert_int_eq(
		cv_pci_dev_add_bar(&t.dev, 2, CV_PCI_BAR_MEM64, true, 16 * CV_MIB, &t.slot), 0);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 4, CV_PCI_BAR_MEM64, false, 4096, &t.slot), 0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	ck_assert_uint_eq(ecam_r(&r, 1, 4, 2), 3);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x10, 4), RIG_MEM32);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x14, 4), RIG_IO | 1);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x18, 4), (uint32_t)RIG_MEM64 | 0xc);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x1c, 4), RIG_MEM64 >> 32);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x20, 4), (RIG_MEM32 + 0x8000) | 4);
	ck_assert(answers(&r, &t, RIG_MEM32) && answers(&r, &t, RIG_MEM64));
	ck_assert_uint_eq(cv_bus_read(r.pio, RIG_IO, 1), t.bytes[0]);
	/* sizing, with decoding off as it should be */
	ecam_w(&r, 1, 4, 2, 0);
	ck_assert(!answers(&r, &t, RIG_MEM32) && !answers(&r, &t, RIG_MEM64));
	ck_assert_uint_eq(cv_bus_read(r.pio, RIG_IO, 1), 0xff);
	for (uint32_t reg = 0x10; reg < 0x28; reg += 4)
		ecam_w(&r, 1, reg, 4, 0xffffffff);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x10, 4), 0xffff8000);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x14, 4), 0xffffffe1);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x18, 4), 0xff00000c);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x1c, 4), 0xffffffff);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x20, 4), 0xfffff004);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x24, 4), 0xffffffff);
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(absent_bars_read_zero)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_init(&t);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	for (uint32_t reg = 0x10; reg < 0x28; reg += 4) {
		ecam_w(&r, 1, reg, 4, 0xffffffff);
		ck_assert_uint_eq(ecam_r(&r, 1, reg, 4), 0);
	}
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(moves_take_effect_at_once)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_plug(&r, &t, 1);
	ck_assert_uint_eq(t.last_base, RIG_MEM32);
	ecam_w(&r, 1, 0x10, 4, RIG_MEM32 + 0x12345);
	ck_assert(answers(&r, &t, RIG_MEM32 + 0x12000));
	ck_assert(!answers(&r, &t, RIG_MEM32));
	ck_assert_uint_eq(t.last_base, RIG_MEM32 + 0x12000);
	/* byte by byte */
	ecam_w(&r, 1, 0x12, 1, 0x02);
	ck_assert(answers(&r, &t, RIG_MEM32 + 0x22000));
	/* sizing with decoding on unmaps it for the while */
	ecam_w(&r, 1, 0x10, 4, 0xffffffff);
	ck_assert_uint_eq(t.last_base, NOWHERE);
	ecam_w(&r, 1, 0x10, 4, RIG_MEM32);
	ck_assert(answers(&r, &t, RIG_MEM32));
	/* the same again changes nothing */
	t.n_moved = 0;
	ecam_w(&r, 1, 0x10, 4, RIG_MEM32);
	ecam_w(&r, 1, 4, 2, 6);
	ck_assert_uint_eq(t.n_moved, 0);
	cv_pci_root_remove(r.root, &t.dev);
	ck_assert_uint_eq(t.last_base, NOWHERE);
	ck_assert(!answers(&r, &t, RIG_MEM32));
	pci_rig_fini(&r);
}
END_TEST

START_TEST(sixty_four_bit_halves)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_init(&t);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 2, CV_PCI_BAR_MEM64, true, 4096, &t.slot), 0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	ecam_w(&r, 1, 0x18, 4, 0x00345000); /* within the high window already */
	ck_assert(answers(&r, &t, RIG_MEM64 + 0x345000));
	ecam_w(&r, 1, 0x1c, 4, 0); /* 0x345000: outside all windows */
	ck_assert_uint_eq(t.last_base, NOWHERE);
	ecam_w(&r, 1, 0x18, 4, RIG_MEM32 + 0x5000);
	ck_assert(answers(&r, &t, RIG_MEM32 + 0x5000));
	ecam_w(&r, 1, 0x1c, 4, RIG_MEM64 >> 32);
	ck_assert_uint_eq(t.last_base, NOWHERE);
	ecam_w(&r, 1, 0x18, 4, 0x1000);
	ck_assert(answers(&r, &t, RIG_MEM64 + 0x1000));
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(only_inside_the_windows)
{
	static const uint32_t wild[] = {
		0,
		0x1000,
		0x100000,
		0xfee00000,
		0xfec00000,
		0xfffff000,
		RIG_ECAM,
		RIG_MEM32 - 0x1000,
		RIG_MEM32 + RIG_MEM32_LEN,
		RIG_MORE - 0x1000,
		RIG_MORE + RIG_MORE_LEN,
	};
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_plug(&r, &t, 1);
	for (size_t i = 0; i < CV_LEN(wild); i++) {
		ecam_w(&r, 1, 0x10, 4, wild[i]);
		ck_assert_uint_eq(ecam_r(&r, 1, 0x10, 4), wild[i]);
		ck_assert_uint_eq(t.last_base, NOWHERE);
	}
	ecam_w(&r, 1, 0x10, 4, RIG_MEM32 + RIG_MEM32_LEN - 0x1000);
	ck_assert(answers(&r, &t, RIG_MEM32 + RIG_MEM32_LEN - 0x1000));
	ecam_w(&r, 1, 0x10, 4, RIG_MORE + RIG_MORE_LEN - 0x1000);
	ck_assert(answers(&r, &t, RIG_MORE + RIG_MORE_LEN - 0x1000));
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(overlaps_wait_for_their_turn)
{
	struct pci_rig r;
	struct toy t, u;

	pci_rig_init(&r);
	toy_plug(&r, &t, 1);
	toy_plug(&r, &u, 2);
	ck_assert(answers(&r, &u, RIG_MEM32 + 0x1000));
	ecam_w(&r, 2, 0x10, 4, RIG_MEM32); /* onto t */
	ck_assert_uint_eq(u.last_base, NOWHERE);
	ck_assert(answers(&r, &t, RIG_MEM32));
	ecam_w(&r, 1, 0x10, 4, RIG_MEM32 + 0x1000); /* they swap */
	ck_assert(answers(&r, &t, RIG_MEM32 + 0x1000));
	ck_assert(answers(&r, &u, RIG_MEM32));
	/* blocked, given up */
	ecam_w(&r, 2, 0x10, 4, RIG_MEM32 + 0x1000);
	ecam_w(&r, 2, 4, 2, 0);
	u.n_moved = 0;
	ecam_w(&r, 1, 4, 2, 0);
	ck_assert_uint_eq(u.n_moved, 0);
	/* blocked, the owner goes away */
	ecam_w(&r, 1, 4, 2, 2);
	ecam_w(&r, 2, 4, 2, 2);
	ck_assert_uint_eq(u.n_moved, 0);
	cv_pci_root_remove(r.root, &t.dev);
	ck_assert(answers(&r, &u, RIG_MEM32 + 0x1000));
	cv_pci_root_remove(r.root, &u.dev);
	pci_rig_fini(&r);
}
END_TEST

/* BARs without a slot are memory slots of the hypervisor: the bus does not know them. */
START_TEST(slotless_bars_count_too)
{
	struct pci_rig r;
	struct toy t, u;

	pci_rig_init(&r);
	toy_init(&t);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM32, true, 4096, NULL), 0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	toy_plug(&r, &u, 2);
	ck_assert_uint_eq(t.last_base, RIG_MEM32);
	ck_assert_uint_eq(u.last_base, RIG_MEM32 + 0x1000);
	ecam_w(&r, 2, 0x10, 4, RIG_MEM32);
	ck_assert_uint_eq(u.last_base, NOWHERE);
	ck_assert_uint_eq(cv_bus_read(r.mmio, RIG_MEM32, 4), 0xffffffff);
	cv_pci_root_remove(r.root, &t.dev);
	ck_assert_uint_eq(u.last_base, RIG_MEM32);
	cv_pci_root_remove(r.root, &u.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(somebody_else_in_the_window)
{
	struct vm_error e = { 0 };
	struct pci_rig r;
	struct toy t, u;

	pci_rig_init(&r);
	toy_init(&u);
	ck_assert_int_eq(cv_bus_add(r.mmio, RIG_MEM32 + 0x800, 16, &u.slot, 0, NULL), 0);
	toy_init(&t);
	ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM32, false, 4096, &t.slot), 0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, &e), -EBUSY);
	ck_assert_uint_eq(ecam_r(&r, 1, 0, 4), 0xffffffff);
	cv_bus_remove(r.mmio, RIG_MEM32 + 0x800);
	toy_plug(&r, &t, 1);
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(full_windows_are_an_error)
{
	struct vm_error e = { 0 };
	struct pci_rig r;
	struct toy t, u;

	pci_rig_init(&r);
	toy_init(&t);
	ck_assert_int_eq(
		cv_pci_dev_add_bar(&t.dev, 0, CV_PCI_BAR_MEM32, false, RIG_MEM32_LEN / 2, &t.slot),
		0);
	ck_assert_int_eq(
		cv_pci_dev_add_bar(&t.dev, 1, CV_PCI_BAR_MEM32, false, RIG_MEM32_LEN / 2, &t.slot),
		0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	toy_init(&u);
	ck_assert_int_eq(cv_pci_dev_add_bar(&u.dev, 0, CV_PCI_BAR_MEM32, false, 4096, &u.slot), 0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &u.dev, 2, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.text, "BAR 0"));
	/* 64-bit ones find room above, prefetchable or not */
	toy_init(&u);
	ck_assert_int_eq(cv_pci_dev_add_bar(&u.dev, 0, CV_PCI_BAR_MEM64, false, 4096, &u.slot), 0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &u.dev, 2, &e), 0);
	ck_assert_uint_eq(u.last_base, RIG_MEM64);
	cv_pci_root_remove(r.root, &u.dev);
	/* moved away, the first place is free for others */
	ecam_w(&r, 1, 0x10, 4, 0xffffffff);
	toy_init(&u);
	ck_assert_int_eq(cv_pci_dev_add_bar(&u.dev, 0, CV_PCI_BAR_MEM32, false, 4096, &u.slot), 0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &u.dev, 2, &e), 0);
	ck_assert_uint_eq(u.last_base, RIG_MEM32);
	cv_pci_root_remove(r.root, &u.dev);
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(natural_alignment)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_init(&t);
	for (unsigned int i = 0; i < 6; i++)
		ck_assert_int_eq(cv_pci_dev_add_bar(&t.dev, i, CV_PCI_BAR_MEM32, false,
						    0x1000u << (i % 3 * 2), &t.slot),
				 0);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	for (unsigned int i = 0; i < 6; i++) {
		const struct cv_pci_bar *b = &t.dev.bars[i];

		ck_assert(cv_is_aligned(b->base, b->size));
		for (unsigned int j = 0; j < i; j++)
			ck_assert(!cv_ranges_overlap(b->base, b->size, t.dev.bars[j].base,
						     t.dev.bars[j].size));
	}
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

/* ---- two vCPUs move, disable and use BARs while a third function comes and goes ---- */

struct vcpu {
	struct pci_rig *r;
	uint32_t seed;
};

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;

	for (unsigned int i = 0; i < 3000; i++) {
		unsigned int slot = 1 + next(&v->seed) % 3;

		switch (next(&v->seed) % 4) {
		case 0:
			ecam_w(v->r, slot, 0x10, 4, RIG_MEM32 + (next(&v->seed) % 4) * 0x1000);
			break;
		case 1:
			ecam_w(v->r, slot, 4, 2, next(&v->seed));
			break;
		default:
			cv_bus_read(v->r->mmio, RIG_MEM32 + next(&v->seed) % 0x4000, 4);
		}
	}
	return NULL;
}

static uint64_t still_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	return slot->span + off + len;
}

static const struct cv_rslot_ops still_ops = { .read = still_read };

START_TEST(concurrent_vcpus)
{
	struct toy *t = calloc(3, sizeof(*t));
	struct vcpu v[2];
	pthread_t threads[2];
	struct pci_rig r;

	pci_rig_init(&r);
	for (int i = 0; i < 3; i++) {
		toy_plug(&r, &t[i], i + 1);
		t[i].slot.ops = &still_ops;
	}
	for (size_t i = 0; i < 2; i++) {
		v[i] = (struct vcpu){ .r = &r, .seed = (uint32_t)i };
		pthread_create(&threads[i], NULL, vcpu_main, &v[i]);
	}
	for (unsigned int i = 0; i < 200; i++) {
		cv_pci_root_remove(r.root, &t[2].dev);
		ck_assert_int_eq(cv_pci_root_add(r.root, &t[2].dev, 3, NULL), 0);
	}
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 3; i++)
		cv_pci_root_remove(r.root, &t[i].dev);
	pci_rig_fini(&r);
	free(t);
}
END_TEST

CHECK_MAIN("pci bars", arguments_are_checked, kinds_sizes_and_places, absent_bars_read_zero,
	   moves_take_effect_at_once, sixty_four_bit_halves, only_inside_the_windows,
	   overlaps_wait_for_their_turn, slotless_bars_count_too, somebody_else_in_the_window,
	   full_windows_are_an_error, natural_alignment, concurrent_vcpus)
