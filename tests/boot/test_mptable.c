/* SPDX-License-Identifier: BSD-3-Clause */
/* The MP table as a guest's kernel parses it: pointer, checksums, entries, and its bounds. */
#include "boot_test.h"

#include "boot/mptable.h"

#define AREA   0xf0000ull
#define IOAPIC 64

static struct cv_mem mem;
static struct vm_error e;
static struct cv_mem_range area;
static struct cv_platform platform;
static struct cv_pci_route routes[31 * 4];

static const struct cv_irq_override overrides[] = {
	{ .irq = 0, .gsi = 2 },
	{ .irq = 9, .gsi = 9, .level = true, .active_low = true },
};

static void setup(void)
{
	make_mem(&mem, 2 * CV_MIB);
	memset(&e, 0, sizeof(e));
	for (unsigned int i = 0; i < CV_LEN(routes); i++)
		routes[i] = (struct cv_pci_route){ .slot = (uint8_t)(1 + i / 4),
						   .pin = (uint8_t)(i % 4),
						   .gsi = (uint8_t)(10 + i % 14) };
	platform = (struct cv_platform){ .n_cpus = 64,
					 .lapic_gpa = 0xfee00000,
					 .ioapic_gpa = 0xfec00000,
					 .ioapic_id = IOAPIC,
					 .ioapic_pins = 24,
					 .overrides = overrides,
					 .n_overrides = CV_LEN(overrides),
					 .routes = routes,
					 .n_routes = CV_LEN(routes) };
	area = (struct cv_mem_range){ AREA, 0x1000 };
}

static void teardown(void)
{
	cv_mem_fini(&mem);
}

static int write_table(void)
{
	return cv_mptable_write(&mem, &platform, &area, &e);
}

/* What the entries said. */
struct parsed {
	unsigned int n_cpus, n_boot, n_buses, n_ioapics, n_local, n_pci;
	bool cpu[256];
	uint16_t isa_flags[16];
	int isa_pin[16];
};

static void parse_interrupt(struct parsed *p, uint64_t row)
{
	uint8_t bus = (uint8_t)mem_le(&mem, row + 4, 1), irq = (uint8_t)mem_le(&mem, row + 5, 1);
	uint8_t pin = (uint8_t)mem_le(&mem, row + 7, 1);

	ck_assert_uint_eq(mem_le(&mem, row + 1, 1), 0);
	ck_assert_uint_eq(mem_le(&mem, row + 6, 1), IOAPIC);
	ck_assert_uint_lt(pin, 24);
	if (bus == 0) {
		ck_assert_uint_eq(irq >> 2, routes[p->n_pci].slot);
		ck_assert_uint_eq(irq & 3, routes[p->n_pci].pin);
		ck_assert_uint_eq(pin, routes[p->n_pci].gsi);
		p->n_pci++;
		return;
	}
	ck_assert_uint_eq(bus, 1);
	ck_assert_uint_lt(irq, 16);
	ck_assert_int_eq(p->isa_pin[irq], -1);
	p->isa_pin[irq] = pin;
	p->isa_flags[irq] = (uint16_t)mem_le(&mem, row + 2, 2);
}

/* Parses one entry; returns its length. */
static unsigned int parse_entry(struct parsed *p, uint64_t row)
{
	switch (mem_le(&mem, row, 1)) {
	case 0:
		p->cpu[mem_le(&mem, row + 1, 1)] = true;
		p->n_boot += mem_le(&mem, row + 3, 1) == 3;
		p->n_cpus++;
		return 20;
	case 1:
		p->n_buses++;
		return 8;
	case 2:
		ck_assert_uint_eq(mem_le(&mem, row + 1, 1), IOAPIC);
		ck_assert_uint_eq(mem_le(&mem, row + 3, 1), 1);
		ck_assert_uint_eq(mem_le(&mem, row + 4, 4), 0xfec00000);
		p->n_ioapics++;
		return 8;
	case 3:
		parse_interrupt(p, row);
		return 8;
	case 4:
		p->n_local++;
		return 8;
	}
	ck_abort_msg("an entry of unknown type");
}

static void parse(struct parsed *p)
{
	uint64_t table = mem_le(&mem, AREA + 4, 4), len, row;
	unsigned int n;

	*p = (struct parsed){ 0 };
	for (unsigned int i = 0; i < 16; i++)
		p->isa_pin[i] = -1;
	ck_assert_uint_eq(mem_le(&mem, AREA, 4), 0x5f504d5f); /* "_MP_" */
	ck_assert_uint_eq(mem_le(&mem, AREA + 8, 2), 0x0401);
	ck_assert(mem_sums_to_zero(&mem, AREA, 16));
	ck_assert_uint_eq(mem_le(&mem, table, 4), 0x504d4350); /* "PCMP" */
	len = mem_le(&mem, table + 4, 2);
	ck_assert(cv_in_range(table - AREA, len, area.len));
	ck_assert(mem_sums_to_zero(&mem, table, len));
	ck_assert_uint_eq(mem_le(&mem, table + 36, 4), 0xfee00000);
	n = (unsigned int)mem_le(&mem, table + 34, 2);
	for (row = table + 44; n > 0; n--)
		row += parse_entry(p, row);
	ck_assert_uint_eq(row, table + len);
}

START_TEST(big_machine)
{
	struct parsed p;

	ck_assert_msg(write_table() == 0, "%s", e.text);
	parse(&p);
	ck_assert_uint_eq(p.n_cpus, 64);
	ck_assert_uint_eq(p.n_boot, 1);
	ck_assert(p.cpu[0] && p.cpu[63] && !p.cpu[64]);
	ck_assert_uint_eq(p.n_buses, 2);
	ck_assert_uint_eq(p.n_ioapics, 1);
	ck_assert_uint_eq(p.n_local, 2);
	ck_assert_uint_eq(p.n_pci, CV_LEN(routes));
	ck_assert_int_eq(p.isa_pin[0], 2);
	ck_assert_int_eq(p.isa_pin[1], 1);
	ck_assert_int_eq(p.isa_pin[2], -1); /* the cascade */
	ck_assert_int_eq(p.isa_pin[9], 9);
	ck_assert_uint_eq(p.isa_flags[9], 0xf);
	ck_assert_int_eq(p.isa_pin[10], -1); /* PCI has its pin */
}
END_TEST

START_TEST(small_machine)
{
	static const uint8_t ids[] = { 6 };
	struct parsed p;

	platform.n_cpus = 1;
	platform.apic_ids = ids;
	platform.n_routes = 0;
	platform.n_overrides = 0;
	ck_assert_int_eq(write_table(), 0);
	parse(&p);
	ck_assert_uint_eq(p.n_cpus, 1);
	ck_assert(p.cpu[6]);
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(p.isa_pin[i], i == 2 ? -1 : i);
}
END_TEST

/* Exactly as long as announced is enough; what overflows writes nothing. */
START_TEST(lengths)
{
	struct parsed p;

	platform.n_routes = 0;
	platform.n_overrides = 0;
	area.len = cv_mptable_len(&platform);
	ck_assert_uint_eq(area.len, 16 + 44 + 64 * 20 + 24 + 18 * 8);
	ck_assert_msg(write_table() == 0, "%s", e.text);
	parse(&p);
	ck_assert_int_eq(cv_mem_fill(&mem, AREA, 0, 0x1000), 0);
	for (area.len = 1; area.len < cv_mptable_len(&platform) - 8; area.len += 7)
		check_sentence(write_table(), -ENOSPC, &e, "MP table: ", "too few");
	ck_assert(mem_all(&mem, AREA, 0x1000, 0));
	area.len = 0;
	check_sentence(write_table(), -EINVAL, &e, "MP table: ", "unusable");
	area = (struct cv_mem_range){ AREA + 8, 0x1000 };
	check_sentence(write_table(), -EINVAL, &e, "MP table: ", "multiple of 16");
	area = (struct cv_mem_range){ 2 * CV_MIB - 16, 0x1000 };
	check_sentence(write_table(), -EFAULT, &e, "MP table: ", "no memory");
}
END_TEST

START_TEST(bad_platform)
{
	routes[3].gsi = 24;
	check_sentence(write_table(), -EINVAL, &e, "machine: ", "route 3 (slot 1 pin 3 to 24)");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/mptable");
	TCase *t = tcase_create("mptable");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, big_machine);
	tcase_add_test(t, small_machine);
	tcase_add_test(t, lengths);
	tcase_add_test(t, bad_platform);
	suite_add_tcase(s, t);
	return run_suite(s);
}
