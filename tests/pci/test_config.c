/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration space: header, masks, capabilities, ECAM and CF8/CFC, slots. */
#include <errno.h>
#include <unistd.h>

#include "pci_rig.h"
#include "support/check_main.h"

#define ONES 0xffffffffu

START_TEST(header_is_filled)
{
	static const struct {
		uint32_t off;
		unsigned int len;
		uint32_t val;
	} rows[] = {
		{ 0x00, 2, 0x1234 }, { 0x02, 2, 0x5678 },     { 0x00, 4, 0x56781234 },
		{ 0x08, 1, 7 },	     { 0x08, 4, 0x0c033007 }, { 0x0b, 1, 0x0c },
		{ 0x0e, 1, 0 },	     { 0x2c, 4, 0xdef09abc }, { 0x34, 1, 0 },
		{ 0x04, 2, 2 },	     { 0x06, 2, 0 },	      { 0x100, 4, 0 },
		{ 0xffc, 4, 0 },
	};
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_plug(&r, &t, 3);
	for (size_t i = 0; i < CV_LEN(rows); i++) {
		ck_assert_uint_eq(ecam_r(&r, 3, rows[i].off, rows[i].len), rows[i].val);
		if (rows[i].off < 256)
			ck_assert_uint_eq(port_r(&r, 3, rows[i].off, rows[i].len), rows[i].val);
	}
	cv_pci_root_remove(r.root, &t.dev);
	ck_assert_uint_eq(ecam_r(&r, 3, 0, 4), ONES);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(masks_hold)
{
	static const struct {
		uint32_t off;
		unsigned int len;
		uint32_t write, read;
	} rows[] = {
		{ 0x00, 4, 0, 0x56781234 },
		{ 0x04, 2, 0xffff, 0x0547 },
		{ 0x04, 2, 0, 0 },
		{ 0x05, 1, 0xff, 0x05 },
		{ 0x04, 4, 0, 0 },
		{ 0x06, 2, 0xffff, 0 },
		{ 0x08, 4, ONES, 0x0c033007 },
		{ 0x0c, 4, ONES, 0xff },
		{ 0x2c, 4, 0, 0xdef09abc },
		{ 0x3c, 1, 0x5a, 0x5a },
		{ 0x3d, 1, 9, 0 },
		{ 0x30, 4, ONES, 0 },
		{ 0x28, 4, ONES, 0 },
		{ 0x34, 1, 0x80, 0 },
		{ 0x800, 4, ONES, 0 },
	};
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_plug(&r, &t, 1);
	for (size_t i = 0; i < CV_LEN(rows); i++) {
		ecam_w(&r, 1, rows[i].off, rows[i].len, rows[i].write);
		ck_assert_uint_eq(ecam_r(&r, 1, rows[i].off, rows[i].len), rows[i].read);
	}
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(write_one_clears)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_plug(&r, &t, 1);
	t.dev.cfg[7] = 0xf9; /* as if errors had been seen */
	ecam_w(&r, 1, 6, 2, 0x3000);
	ck_assert_uint_eq(ecam_r(&r, 1, 6, 2), 0xc900);
	ecam_w(&r, 1, 4, 4, 0xffff0000);
	ck_assert_uint_eq(ecam_r(&r, 1, 6, 2), 0);
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(capabilities_chain)
{
	static const uint8_t body[6] = { 0, 0, 1, 2, 3, 4 };
	static const uint8_t writable[6] = { 0xff, 0xff, 0, 0xf0, 0, 0 };
	struct pci_rig r;
	struct toy t;
	int at[40], n = 0;

	pci_rig_init(&r);
	toy_init(&t);
	while ((at[n] = cv_pci_dev_add_cap(&t.dev, 9, body, sizeof(body), writable)) > 0)
		n++;
	ck_assert_int_eq(at[n], -ENOSPC);
	ck_assert_int_eq(n, 24); /* 192 bytes, 8 each */
	ck_assert_int_eq(cv_pci_dev_add_cap(&t.dev, 9, body, 1, NULL), -ENOSPC);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	ck_assert_uint_eq(ecam_r(&r, 1, 6, 2), 0x10);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x34, 1), 0x40);
	for (int i = 0; i < n; i++) {
		unsigned int next = i + 1 < n ? (unsigned int)at[i + 1] : 0;

		ck_assert_uint_eq(ecam_r(&r, 1, (uint32_t)at[i], 4), 0x02010009u | next << 8);
		ecam_w(&r, 1, (uint32_t)at[i], 4, ONES);
		ck_assert_uint_eq(ecam_r(&r, 1, (uint32_t)at[i], 4), 0xf2010009u | next << 8);
	}
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

/* Every byte, word and dword of a busy space by both ways, odd offsets included. */
START_TEST(ports_and_ecam_agree)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_plug(&r, &t, 31);
	for (unsigned int i = 0x40; i < 0x100; i++) {
		t.dev.cfg[i] = (uint8_t)(i * 37);
		t.dev.writable[i] = 0xff;
	}
	for (uint32_t off = 0; off < 256; off++) {
		for (unsigned int len = 1; len <= 4; len *= 2) {
			uint32_t v = off * 0x01030507u;

			if ((off & 3) + len > 4)
				continue;
			ck_assert_uint_eq(ecam_r(&r, 31, off, len), port_r(&r, 31, off, len));
			if (off < 0x40)
				continue;
			port_w(&r, 31, off, len, v);
			ck_assert_uint_eq(ecam_r(&r, 31, off, len),
					  v & (uint32_t)(0xffffffffull >> (32 - 8 * len)));
		}
	}
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(crossing_a_dword_is_split)
{
	struct pci_rig r;
	struct toy t, u;

	pci_rig_init(&r);
	toy_plug(&r, &t, 1);
	toy_plug(&r, &u, 2);
	memset(t.dev.writable + 0x80, 0xff, 16);
	cv_bus_write(r.mmio, ecam_at(1, 0x82), 4, 0x44332211);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x80, 4), 0x22110000);
	ck_assert_uint_eq(cv_bus_read(r.mmio, ecam_at(1, 0x82), 4), 0x44332211);
	cv_bus_write(r.mmio, ecam_at(1, 0x88), 8, 0x8877665544332211);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x88, 4), 0x44332211);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x8c, 4), 0x88776655);
	ck_assert_uint_eq(cv_bus_read(r.mmio, ecam_at(1, 0x88), 8), 0x8877665544332211);
	/* across the end of a function: the next one number is function 1, which is not there */
	ck_assert_uint_eq(cv_bus_read(r.mmio, ecam_at(1, 0xffe), 4), 0xffff0000);
	cv_pci_cfg_write(r.root, 1 << 3, 0x81, 4, 0xddccbbaa);
	ck_assert_uint_eq(cv_pci_cfg_read(r.root, 1 << 3, 0x81, 4), 0xddccbbaa);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x80, 4), 0xccbbaa00);
	/* and from the ports' first dword into the second */
	port_select(&r, 1, 0);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcfa, 4), 0x1234ffff);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcfe, 4), 0xffff5678);
	cv_pci_root_remove(r.root, &u.dev);
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(nobody_is_all_ones)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_plug(&r, &t, 1);
	ck_assert_uint_eq(ecam_r(&r, 2, 0, 4), ONES);
	ck_assert_uint_eq(ecam_r(&r, 0, 0, 2), 0xffff);
	for (unsigned int fn = 1; fn < 8; fn++) {
		ck_assert_uint_eq(cv_pci_cfg_read(r.root, 1u << 3 | fn, 0, 4), ONES);
		cv_pci_cfg_write(r.root, 1u << 3 | fn, 0x3c, 1, 0x77);
	}
	cv_pci_cfg_write(r.root, 1u << 3, 4096 + 0x3c, 1, 0x77);
	ck_assert_uint_eq(cv_pci_cfg_read(r.root, 1u << 3, 4096, 4), ONES);
	ck_assert_uint_eq(cv_pci_cfg_read(r.root, 256 + 8, 0, 4), ONES);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x3c, 1), 0);
	/* other buses */
	cv_bus_write(r.pio, 0xcf8, 4, 0x80010800);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcfc, 4), ONES);
	cv_bus_write(r.pio, 0xcfc, 4, 0);
	/* not enabled */
	cv_bus_write(r.pio, 0xcf8, 4, 0x800);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcfc, 4), ONES);
	cv_bus_write(r.pio, 0xcfc, 4, 0);
	ck_assert_uint_eq(ecam_r(&r, 1, 4, 2), 2);
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(address_port_takes_dwords_only)
{
	struct pci_rig r;

	pci_rig_init(&r);
	cv_bus_write(r.pio, 0xcf8, 4, 0xffffffff);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcf8, 4), 0x80fffffc);
	cv_bus_write(r.pio, 0xcfb, 1, 0x01); /* what Linux probes with */
	cv_bus_write(r.pio, 0xcf8, 1, 0);
	cv_bus_write(r.pio, 0xcfa, 2, 0);
	cv_bus_write(r.pio, 0xcf8, 2, 0);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcf8, 4), 0x80fffffc);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcf8, 1), 0xff);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcfa, 2), 0xffff);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcf9, 1), 0xff);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(reset_register_gets_its_bytes)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_init(&t);
	cv_pci_root_set_cf9(r.root, &t.slot);
	cv_bus_write(r.pio, 0xcf9, 1, 0x06);
	ck_assert_uint_eq(t.bytes[0], 6);
	ck_assert_uint_eq(cv_bus_read(r.pio, 0xcf9, 1), 6);
	/* the address register is not the reset register */
	cv_bus_write(r.pio, 0xcf8, 4, 0x80000e00);
	cv_bus_write(r.pio, 0xcf8, 2, 0x0e00);
	ck_assert_uint_eq(t.bytes[0], 6);
	pci_rig_fini(&r);
}
END_TEST

START_TEST(thirty_one_devices)
{
	static const struct cv_pci_ids ids = { .vendor = 0x8086,
					       .device = 0x1237,
					       .class_code = 0x06 };
	struct toy *t = calloc(32, sizeof(*t));
	struct cv_pci_dev *bridge;
	struct vm_error e = { 0 };
	struct pci_rig r;

	pci_rig_init(&r);
	ck_assert_int_eq(cv_pci_bridge_create(&bridge, r.root, &ids, NULL), 0);
	ck_assert_uint_eq(ecam_r(&r, 0, 0, 4), 0x12378086);
	ck_assert_uint_eq(ecam_r(&r, 0, 8, 4), 0x06000000);
	for (unsigned int i = 0; i < 31; i++) {
		toy_plug(&r, &t[i], -1);
		ck_assert_uint_eq(t[i].dev.slot, i + 1);
		ck_assert_uint_eq(ecam_r(&r, i + 1, 0, 4), 0x56781234);
	}
	toy_init(&t[31]);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t[31].dev, -1, &e), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(e.text, "at most 31 devices"));
	ck_assert_int_eq(cv_pci_root_add(r.root, &t[31].dev, 5, &e), -EEXIST);
	ck_assert_ptr_nonnull(strstr(e.text, "slot 5"));
	ck_assert_int_eq(cv_pci_root_add(r.root, &t[31].dev, 32, &e), -EINVAL);
	/* a hole is filled again */
	cv_pci_root_remove(r.root, &t[6].dev);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t[31].dev, -1, &e), 0);
	ck_assert_uint_eq(t[31].dev.slot, 7);
	for (unsigned int i = 0; i < 32; i++) {
		if (i != 6)
			cv_pci_root_remove(r.root, &t[i].dev);
	}
	cv_pci_bridge_destroy(bridge);
	cv_pci_bridge_destroy(NULL);
	pci_rig_fini(&r);
	free(t);
}
END_TEST

/* ---- hooks ---- */

static bool trap_read(struct cv_pci_dev *d, uint32_t off, unsigned int len, uint32_t *val)
{
	ck_assert_ptr_nonnull(d);
	ck_assert_uint_le((off & 3) + len, 4);
	*val = 0xa5a50000u | off;
	return off >= 0x80;
}

static bool trap_write(struct cv_pci_dev *d, uint32_t off, unsigned int len, uint32_t val)
{
	ck_assert_uint_le((off & 3) + len, 4);
	if (off >= 0x80)
		d->cfg[0x3f] = (uint8_t)val;
	return off >= 0x80;
}

START_TEST(traps_come_first)
{
	static const struct cv_pci_dev_ops ops = { .cfg_read = trap_read, .cfg_write = trap_write };
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_init(&t);
	t.dev.ops = &ops;
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	ck_assert_uint_eq(ecam_r(&r, 1, 0, 4), 0x56781234);
	ck_assert_uint_eq(ecam_r(&r, 1, 0xabc, 4), 0xa5a50abc);
	ck_assert_uint_eq(port_r(&r, 1, 0x82, 2), 0x0082);
	ck_assert_uint_eq(cv_bus_read(r.mmio, ecam_at(1, 0x82), 4), 0x85848382);
	ecam_w(&r, 1, 0xabc, 4, 0x12);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x3f, 1), 0x12);
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

/* ---- interrupt line ---- */

static bool triggered(const struct cv_irq *irq)
{
	return cv_event_drain(irq->trigger);
}

START_TEST(intx_and_its_disable_bit)
{
	struct cv_irq irq = { .trigger = cv_event_create(), .resample = -1, .level = true };
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_init(&t);
	cv_pci_dev_set_intx(&t.dev, &irq, 2, 11);
	ck_assert_int_eq(cv_pci_root_add(r.root, &t.dev, 1, NULL), 0);
	ck_assert_uint_eq(ecam_r(&r, 1, 0x3c, 2), 0x020b);
	cv_pci_dev_intx(&t.dev, true);
	ck_assert(triggered(&irq));
	ck_assert_uint_eq(ecam_r(&r, 1, 6, 2), 8);
	cv_irq_resampled(&irq);
	ck_assert(triggered(&irq));
	ecam_w(&r, 1, 4, 2, 0x400);
	cv_irq_resampled(&irq);
	ck_assert(!triggered(&irq));
	ck_assert_uint_eq(ecam_r(&r, 1, 4, 4), 0x00080400); /* pending all the same */
	ecam_w(&r, 1, 4, 2, 0);
	ck_assert(triggered(&irq));
	cv_pci_dev_intx(&t.dev, false);
	ck_assert_uint_eq(ecam_r(&r, 1, 6, 2), 0);
	ecam_w(&r, 1, 5, 1, 4);
	cv_pci_dev_intx(&t.dev, true);
	ck_assert(!triggered(&irq));
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
	close(irq.trigger);
}
END_TEST

START_TEST(bus_master_is_seen)
{
	struct pci_rig r;
	struct toy t;

	pci_rig_init(&r);
	toy_plug(&r, &t, 1);
	ck_assert(!cv_pci_dev_bus_master(&t.dev));
	ecam_w(&r, 1, 4, 1, 4);
	ck_assert(cv_pci_dev_bus_master(&t.dev));
	ecam_w(&r, 1, 4, 1, 2);
	ck_assert(!cv_pci_dev_bus_master(&t.dev));
	cv_pci_root_remove(r.root, &t.dev);
	pci_rig_fini(&r);
}
END_TEST

CHECK_MAIN("pci config", header_is_filled, masks_hold, write_one_clears, capabilities_chain,
	   ports_and_ecam_agree, crossing_a_dword_is_split, nobody_is_all_ones,
	   address_port_takes_dwords_only, reset_register_gets_its_bytes, thirty_one_devices,
	   traps_come_first, intx_and_its_disable_bit, bus_master_is_seen)
