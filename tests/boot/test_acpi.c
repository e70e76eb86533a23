/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ACPI tables: checksums, structure and contents read back from guest memory,
 * bad configurations, and iasl, which takes the DSDT apart and compiles it again.
 */
#include "boot_test.h"

#include <stdio.h>

#include "boot/acpi.h"
#include "support/fw_script.h"

#define AREA	 0xe0000ull
#define AREA_LEN 0x10000ull
#define HEADER	 36
#define MOVED	 0x20000ull /* where a copy of the area goes */

static struct cv_mem mem;
static struct vm_error e;
static uint64_t rsdp;
static struct cv_mem_range area;

static const struct cv_irq_override overrides[] = {
	{ .irq = 0, .gsi = 2 },
	{ .irq = 9, .gsi = 9, .level = true },
};
static const struct cv_acpi_serial serials[] = {
	{ 0x3f8, 4 },
	{ 0x2f8, 3 },
	{ 0x3e8, 4 },
	{ 0x2e8, 3 },
};
static const struct cv_acpi_virtio_mmio virtio_mmio[] = {
	{ .gpa = 0xd0000000, .len = 0x1000, .gsi = 22 },
	{ .gpa = 0xd0001000, .len = 0x1000, .gsi = 23, .level = true },
};
static struct cv_pci_route routes[CV_PCI_SLOTS * CV_PCI_PINS];
static struct cv_platform platform;
static struct cv_acpi_config config;

/* Everything that the tables can say. */
static void setup(void)
{
	make_mem(&mem, 16 * CV_MIB);
	memset(&e, 0, sizeof(e));
	for (unsigned int i = 0; i < CV_LEN(routes); i++)
		routes[i] = (struct cv_pci_route){ .slot = (uint8_t)(i / 4),
						   .pin = (uint8_t)(i % 4),
						   .gsi = (uint8_t)(16 + (i / 4 + i % 4) % 8) };
	platform = (struct cv_platform){ .n_cpus = 4,
					 .lapic_gpa = 0xfee00000,
					 .ioapic_gpa = 0xfec00000,
					 .ioapic_id = 4,
					 .ioapic_pins = 24,
					 .overrides = overrides,
					 .n_overrides = CV_LEN(overrides),
					 .routes = routes,
					 .n_routes = CV_LEN(routes) };
	config = (struct cv_acpi_config){
		.platform = &platform,
		.pm = { .pm1_event_port = 0x600,
			.pm1_control_port = 0x604,
			.timer_port = 0x608,
			.sci_irq = 9,
			.power_button = true,
			.s5_type = 5,
			.reset_port = 0xcf9,
			.reset_value = 6 },
		.pci_present = true,
		.pci = { .bus_last = 255,
			 .ecam_gpa = 0xe0000000,
			 .config_port = 0xcf8,
			 .io = { { 0, 0xcf8 }, { 0xd00, 0xf300 } },
			 .mmio32 = { 0xd0000000, 0x10000000 },
			 .mmio64 = { 1ull << 39, 1ull << 39 },
			 .osc_grant = 0x10 },
		.serials = serials,
		.n_serials = CV_LEN(serials),
		.i8042_data_port = 0x60,
		.i8042_command_port = 0x64,
		.keyboard_irq = 1,
		.mouse_irq = 12,
		.rtc_port = 0x70,
		.rtc_irq = 8,
		.rtc_century = 0x32,
		.pvpanic_port = 0x505,
		.virtio_mmio = virtio_mmio,
		.n_virtio_mmio = CV_LEN(virtio_mmio),
	};
	area = (struct cv_mem_range){ AREA, AREA_LEN };
}

static void teardown(void)
{
	cv_mem_fini(&mem);
}

static int write_tables(void)
{
	return cv_acpi_write(&mem, &config, &area, &rsdp, &e);
}

/* The address of a table, its checksum and bounds checked; 0 when there is none. */
static uint64_t find_table(const char *signature)
{
	uint64_t xsdt = mem_le(&mem, rsdp + 24, 8), len = mem_le(&mem, xsdt + 4, 4), found = 0;

	ck_assert_uint_eq(mem_le(&mem, xsdt, 4), 0x54445358); /* "XSDT" */
	ck_assert(mem_sums_to_zero(&mem, xsdt, len));
	for (uint64_t off = HEADER; off < len; off += 8) {
		uint64_t gpa = mem_le(&mem, xsdt + off, 8);
		char name[5] = { 0 };

		ck_assert(cv_in_range(gpa - AREA, mem_le(&mem, gpa + 4, 4), AREA_LEN));
		ck_assert(mem_sums_to_zero(&mem, gpa, mem_le(&mem, gpa + 4, 4)));
		ck_assert_int_eq(cv_mem_read(&mem, gpa, name, 4), 0);
		if (strcmp(name, signature) == 0)
			found = gpa;
	}
	return found;
}

static uint64_t find_dsdt(void)
{
	uint64_t fadt = find_table("FACP"), dsdt;

	ck_assert_uint_ne(fadt, 0);
	dsdt = mem_le(&mem, fadt + 40, 4);
	ck_assert_uint_eq(dsdt, mem_le(&mem, fadt + 140, 8));
	ck_assert(mem_sums_to_zero(&mem, dsdt, mem_le(&mem, dsdt + 4, 4)));
	return dsdt;
}

START_TEST(rsdp_and_xsdt)
{
	char text[8];

	ck_assert_msg(write_tables() == 0, "%s", e.text);
	ck_assert_uint_eq(rsdp, AREA);
	ck_assert_int_eq(cv_mem_read(&mem, rsdp, text, 8), 0);
	ck_assert_mem_eq(text, "RSD PTR ", 8);
	ck_assert_uint_eq(mem_le(&mem, rsdp + 15, 1), 2);
	ck_assert_uint_eq(mem_le(&mem, rsdp + 16, 4), 0);
	ck_assert_uint_eq(mem_le(&mem, rsdp + 20, 4), 36);
	ck_assert(mem_sums_to_zero(&mem, rsdp, 20));
	ck_assert(mem_sums_to_zero(&mem, rsdp, 36));
	ck_assert_uint_ne(find_table("FACP"), 0);
	ck_assert_uint_ne(find_table("APIC"), 0);
	ck_assert_uint_ne(find_table("MCFG"), 0);
	ck_assert_uint_eq(find_table("HPET"), 0);
}
END_TEST

START_TEST(fadt)
{
	uint64_t f, facs;

	ck_assert_int_eq(write_tables(), 0);
	f = find_table("FACP");
	ck_assert_uint_eq(mem_le(&mem, f + 4, 4), 276);
	ck_assert_uint_eq(mem_le(&mem, f + 8, 1), 6);
	facs = mem_le(&mem, f + 36, 4);
	ck_assert_uint_eq(facs % 64, 0);
	ck_assert_uint_eq(mem_le(&mem, facs, 8), 0x4053434146); /* "FACS", 64 */
	ck_assert_uint_eq(mem_le(&mem, f + 132, 8), 0);
	ck_assert_uint_eq(mem_le(&mem, f + 46, 2), 9);
	ck_assert_uint_eq(mem_le(&mem, f + 48, 4), 0); /* no SMI: always in ACPI mode */
	ck_assert_uint_eq(mem_le(&mem, f + 56, 4), 0x600);
	ck_assert_uint_eq(mem_le(&mem, f + 64, 4), 0x604);
	ck_assert_uint_eq(mem_le(&mem, f + 76, 4), 0x608);
	ck_assert_uint_eq(mem_le(&mem, f + 88, 4), 0x04000204); /* lengths */
	ck_assert_uint_eq(mem_le(&mem, f + 108, 1), 0x32);
	ck_assert_uint_eq(mem_le(&mem, f + 109, 2), 0x7); /* legacy, 8042, no VGA; RTC is there */
	ck_assert_uint_eq(mem_le(&mem, f + 112, 4), 0x8465); /* fixed power button, 24-bit timer */
	ck_assert_uint_eq(mem_le(&mem, f + 116, 4), 0x01000801);
	ck_assert_uint_eq(mem_le(&mem, f + 120, 8), 0xcf9);
	ck_assert_uint_eq(mem_le(&mem, f + 128, 1), 6);
	ck_assert_uint_eq(mem_le(&mem, f + 148, 4), 0x02002001);
	ck_assert_uint_eq(mem_le(&mem, f + 152, 8), 0x600);
	ck_assert_uint_eq(mem_le(&mem, f + 176, 8), 0x604);
	ck_assert_uint_eq(mem_le(&mem, f + 212, 8), 0x608);
}
END_TEST

START_TEST(fadt_of_little)
{
	uint64_t f;

	config.pm.power_button = false;
	config.pm.reset_port = 0;
	config.pm.timer_port = 0;
	config.n_serials = 0;
	config.i8042_data_port = 0;
	config.rtc_port = 0;
	config.pci.ecam_gpa = 0;
	ck_assert_int_eq(write_tables(), 0);
	f = find_table("FACP");
	ck_assert_uint_eq(mem_le(&mem, f + 109, 2), 0x24); /* no VGA, no RTC */
	ck_assert_uint_eq(mem_le(&mem, f + 112, 4), 0x75);
	ck_assert_uint_eq(mem_le(&mem, f + 76, 4), 0);
	ck_assert_uint_eq(mem_le(&mem, f + 91, 1), 0);
	ck_assert(mem_all(&mem, f + 116, 13, 0));
	ck_assert_uint_eq(find_table("MCFG"), 0);
}
END_TEST

START_TEST(madt)
{
	static const uint8_t ids[] = { 0, 2, 4, 254 };
	uint64_t m, row;

	platform.apic_ids = ids;
	ck_assert_int_eq(write_tables(), 0);
	m = find_table("APIC");
	ck_assert_uint_eq(mem_le(&mem, m + 36, 8), 0x1fee00000);
	row = m + 44;
	for (unsigned int i = 0; i < 4; i++, row += 8) {
		ck_assert_uint_eq(mem_le(&mem, row, 4), 0x0800u | i << 16 | (uint32_t)ids[i] << 24);
		ck_assert_uint_eq(mem_le(&mem, row + 4, 4), 1);
	}
	ck_assert_uint_eq(mem_le(&mem, row, 4), 0x00040c01);
	ck_assert_uint_eq(mem_le(&mem, row + 4, 8), 0xfec00000);
	row += 12;
	ck_assert_uint_eq(mem_le(&mem, row, 8), 0x200000a02); /* IRQ 0: GSI 2 */
	ck_assert_uint_eq(mem_le(&mem, row + 8, 2), 0x5);     /* edge, high */
	row += 10;
	ck_assert_uint_eq(mem_le(&mem, row, 8), 0x909000a02);
	ck_assert_uint_eq(mem_le(&mem, row + 8, 2), 0xd); /* level, high */
	row += 10;
	ck_assert_uint_eq(mem_le(&mem, row, 6), 0x010000ff0604);
	ck_assert_uint_eq(row + 6, m + mem_le(&mem, m + 4, 4));
}
END_TEST

START_TEST(mcfg)
{
	uint64_t m;

	config.pci.bus_last = 15;
	ck_assert_int_eq(write_tables(), 0);
	m = find_table("MCFG");
	ck_assert_uint_eq(mem_le(&mem, m + 4, 4), 60);
	ck_assert_uint_eq(mem_le(&mem, m + 44, 8), 0xe0000000);
	ck_assert_uint_eq(mem_le(&mem, m + 52, 4), 0x0f000000);
}
END_TEST

START_TEST(biggest_fits)
{
	platform.n_cpus = 64;
	area.len = 0x4000;
	ck_assert_msg(write_tables() == 0, "%s", e.text);
	platform.n_cpus = CV_PLATFORM_MAX_CPUS;
	ck_assert_msg(write_tables() == 0, "%s", e.text);
	find_dsdt();
}
END_TEST

/* Whatever the room: complete tables, or a sentence and nothing written. */
START_TEST(every_area_length)
{
	unsigned int n_full = 0;

	for (area.len = 1; area.len < 8192; area.len += 13) {
		int err = write_tables();

		if (err == 0) {
			find_dsdt();
			break;
		}
		check_sentence(err, -ENOSPC, &e, "ACPI tables: ", "too few");
		n_full++;
	}
	ck_assert_uint_gt(n_full, 100);
	ck_assert(mem_all(&mem, AREA + area.len, 4096, 0));
}
END_TEST

/* One number of a good configuration changed. */
static const struct {
	void *field;
	size_t len;
	uint64_t val;
	const char *object, *words;
} bad[] = {
	{ &platform.n_cpus, 4, 0, "machine: ", "0 CPUs" },
	{ &platform.n_cpus, 4, 255, "machine: ", "255 CPUs" },
	{ &platform.ioapic_pins, 1, 9, "machine: ", "override 1 (9 to 9)" },
	{ &routes[1].pin, 1, 0, "machine: ", "route 1 (slot 0 pin 0" },
	{ &routes[0].pin, 1, 4, "machine: ", "route 0 (slot 0 pin 4" },
	{ &routes[0].slot, 1, 32, "machine: ", "route 0 (slot 32" },
	{ &routes[0].gsi, 1, 24, "machine: ", "route 0 (slot 0 pin 0 to 24)" },
	{ &config.pm.sci_irq, 1, 16, "ACPI: ", "interrupt 16 of the SCI" },
	{ &config.rtc_irq, 1, 99, "ACPI: ", "interrupt 99 of the RTC" },
	{ &config.pm.pm1_control_port, 2, 0, "ACPI: ", "PM1 are missing" },
	{ &config.n_serials, 4, 5, "ACPI: ", "5 serial ports" },
	{ &config.pci.bus_last, 1, 0, "ACPI: ", "buses 1 to 0" },
	{ &config.pci.ecam_gpa, 8, 0xf8000000, "ACPI: ", "does not end below 4 GiB" },
	{ &config.pci.io[1].len, 2, 0xf301, "ACPI: ", "I/O window" },
	{ &config.pci.mmio32.len, 8, 1ull << 32, "ACPI: ", "32-bit window" },
	{ &config.pci.mmio64.gpa, 8, UINT64_MAX - 1, "ACPI: ", "64-bit window" },
	{ &config.n_virtio_mmio, 4, 257, "ACPI: ", "257 virtio-mmio" },
	{ &area.gpa, 8, AREA + 16, "ACPI tables: ", "multiple of 64" },
	{ &area.gpa, 8, 0xffffffc0, "ACPI tables: ", "below 4 GiB" },
	{ &area.len, 8, CV_MIB + 1, "ACPI tables: ", "up to 1 MiB" },
};

START_TEST(bad_numbers)
{
	struct le64 val = le64(bad[_i].val);

	config.pci.bus_first = 1;
	memcpy(bad[_i].field, &val, bad[_i].len);
	check_sentence(write_tables(), -EINVAL, &e, bad[_i].object, bad[_i].words);
	ck_assert(mem_all(&mem, 0, 16 * CV_MIB, 0));
}
END_TEST

START_TEST(bad_lists)
{
	static const uint8_t twice[4] = { 7, 7, 8, 9 }, broadcast[4] = { 0, 1, 2, 255 };
	static const struct cv_irq_override both[2] = { { .irq = 3 }, { .irq = 3, .gsi = 4 } };
	static const struct cv_acpi_virtio_mmio outside = { .gpa = 0xfffff000, .len = 0x1001 };

	platform.apic_ids = twice;
	check_sentence(write_tables(), -EINVAL, &e, "machine: ", "identifier 7 of CPU 1 is taken");
	platform.apic_ids = broadcast;
	check_sentence(write_tables(), -EINVAL, &e, "machine: ", "identifier 255 of CPU 3");
	platform.apic_ids = NULL;
	config.virtio_mmio = &outside;
	check_sentence(write_tables(), -EINVAL, &e, "ACPI: ", "virtio-mmio device 0");
	platform.overrides = both;
	check_sentence(write_tables(), -EINVAL, &e, "machine: ", "override 1 (3 to 4)");
}
END_TEST

START_TEST(no_memory_there)
{
	area.gpa = 16 * CV_MIB;
	check_sentence(write_tables(), -EFAULT, &e, "ACPI tables: ", "no memory at 0x1000000");
}
END_TEST

/* A table of guest memory as DIR/NAME.dat. */
static void save_table(const char *dir, const char *name, uint64_t gpa)
{
	size_t len = (size_t)mem_le(&mem, gpa + 4, 4);
	char path[256], *buf = malloc(len);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
	ck_assert_int_eq(cv_mem_read(&mem, gpa, buf, len), 0);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(buf, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
	free(buf);
}

/* Runs a command with %s as the directory; returns whether it succeeded. */
static bool run(const char *dir, const char *format)
{
	char command[1024];

	snprintf(command, sizeof(command), format, dir);
	return system(command) == 0;
}

static void check_with_iasl(const char *dir)
{
	static const char *const tables[] = { "FACP", "APIC", "MCFG" };

	for (size_t i = 0; i < CV_LEN(tables); i++)
		if (find_table(tables[i]))
			save_table(dir, tables[i], find_table(tables[i]));
	save_table(dir, "DSDT", find_dsdt());
	ck_assert_msg(run(dir, "cd %s && for t in *.dat; do iasl -d $t || exit 1; done >log 2>&1"),
		      "iasl -d fails");
	ck_assert_msg(!run(dir, "grep -qiE 'error|warning|invalid|unknown' %s/log"),
		      "iasl -d complains");
	ck_assert_msg(run(dir, "cd %s && for t in *.dsl; do iasl -p again $t || exit 1; "
			       "done >log2 2>&1"),
		      "what iasl -d wrote does not compile");
	ck_assert_msg(!run(dir, "grep -E '[1-9][0-9]* (Errors|Warnings)' %s/log2"),
		      "what iasl -d wrote has warnings");
}

/* What a reader of the disassembly looks for. */
static const char *const expected[] = {
	"Device (PCI0)",
	"EisaId (\"PNP0A08\")",
	"EisaId (\"PNP0A03\")",
	"Name (_PRT, Package (0x80)",
	"Method (_OSC, 4, Serialized)",
	"ToUUID (\"33db4d5b-1ff7-401c-9657-7441c03dd766\")",
	"Device (C003)",
	"Name (_HID, \"ACPI0007\"",
	"EisaId (\"PNP0C02\")",
	"EisaId (\"PNP0303\")",
	"EisaId (\"PNP0F13\")",
	"EisaId (\"PNP0B00\")",
	"Device (COM4)",
	"Name (_HID, \"QEMU0001\"",
	"Name (_HID, \"LNRO0005\"",
	"Name (\\_S5, Package (0x04)",
	"0x0000008000000000, // Range Minimum",
	"0x000000FFFFFFFFFF, // Range Maximum",
	"0x10000000,         // Address Length",
	"Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive",
	"Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive",
};

static void check_disassembly(const char *dir)
{
	char path[256], *text = calloc(1, 1 << 20);
	FILE *f;

	snprintf(path, sizeof(path), "%s/DSDT.dsl", dir);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, f), 0);
	fclose(f);
	for (size_t i = 0; i < CV_LEN(expected); i++)
		ck_assert_msg(strstr(text, expected[i]), "missing: %s", expected[i]);
	free(text);
}

static bool have_iasl(void)
{
	if (system("iasl -v >/dev/null 2>&1") == 0)
		return true;
	puts("skip iasl is missing; install acpica-tools");
	return false;
}

/* 0: all there is; 1: without PCI and the rest; 2: as many processors as possible. */
START_TEST(iasl)
{
	char dir[] = "/tmp/test_acpi.XXXXXX";

	if (!have_iasl())
		return;
	if (_i == 1) {
		config.pci_present = false;
		config.n_serials = 0;
		config.n_virtio_mmio = 0;
		config.pvpanic_port = 0;
		config.rtc_port = 0;
		config.i8042_data_port = 0;
	}
	if (_i == 2)
		platform.n_cpus = CV_PLATFORM_MAX_CPUS;
	ck_assert_int_eq(write_tables(), 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	check_with_iasl(dir);
	if (_i == 0)
		check_disassembly(dir);
	ck_assert(run(dir, "rm -r %s"));
}
END_TEST

/* Firmware gets the same bytes, but for the addresses: two places, the same tables. */
START_TEST(packed_for_firmware)
{
	struct cv_fw_files files = { 0 };
	struct fw_script script = { .files = &files, .mem = &mem };
	uint64_t tables, direct = AREA + 64;
	size_t len;
	uint8_t was, is;

	ck_assert_msg(cv_acpi_pack(&config, AREA_LEN, &files, &e) == 0, "%s", e.text);
	ck_assert_ptr_nonnull(cv_fw_find_file(&files, "etc/acpi/tables", &len));
	/* at the addresses that the tables have when they are written directly, … */
	script.fseg = AREA;
	script.high = direct;
	ck_assert_uint_eq(fw_script_run(&script), AREA);
	for (uint64_t gpa = AREA; gpa < direct + len; gpa++) {
		ck_assert_int_eq(cv_mem_read(&mem, gpa, &is, 1), 0);
		ck_assert_int_eq(cv_mem_write(&mem, gpa + MOVED, &is, 1), 0);
	}
	ck_assert_int_eq(write_tables(), 0);
	for (uint64_t gpa = AREA; gpa < direct + len; gpa++) {
		ck_assert_int_eq(cv_mem_read(&mem, gpa, &was, 1), 0);
		ck_assert_int_eq(cv_mem_read(&mem, gpa + MOVED, &is, 1), 0);
		ck_assert_msg(was == is, "byte %llu differs", (unsigned long long)(gpa - AREA));
	}
	/* … and elsewhere they hold together */
	ck_assert_int_eq(cv_mem_fill(&mem, AREA, 0, AREA_LEN), 0);
	script.n_placed = 0;
	script.fseg = AREA + 0x2010;
	script.high = AREA + 0x4000;
	rsdp = fw_script_run(&script);
	ck_assert_uint_eq(rsdp, AREA + 0x2010);
	ck_assert(mem_sums_to_zero(&mem, rsdp, 20) && mem_sums_to_zero(&mem, rsdp, 36));
	tables = find_dsdt();
	ck_assert_uint_gt(tables, AREA + 0x4000);
	ck_assert_uint_ne(find_table("MCFG"), 0);
	ck_assert_uint_eq(mem_le(&mem, mem_le(&mem, find_table("FACP") + 36, 4), 4), 0x53434146);
	cv_fw_files_fini(&files);
}
END_TEST

START_TEST(packed_too_big)
{
	struct cv_fw_files files = { 0 };
	size_t len;

	for (size_t max = 1; max < 2000; max += 37)
		check_sentence(cv_acpi_pack(&config, max, &files, &e), -ENOSPC, &e,
			       "ACPI tables: ", "too few");
	ck_assert_ptr_null(cv_fw_find_file(&files, "etc/acpi/rsdp", &len));
	config.pci.bus_first = 1;
	config.pci.bus_last = 0;
	check_sentence(cv_acpi_pack(&config, AREA_LEN, &files, &e), -EINVAL, &e, "ACPI: ", "buses");
	cv_fw_files_fini(&files);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/acpi");
	TCase *t = tcase_create("acpi");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, rsdp_and_xsdt);
	tcase_add_test(t, fadt);
	tcase_add_test(t, fadt_of_little);
	tcase_add_test(t, madt);
	tcase_add_test(t, mcfg);
	tcase_add_test(t, biggest_fits);
	tcase_add_test(t, every_area_length);
	tcase_add_loop_test(t, bad_numbers, 0, (int)CV_LEN(bad));
	tcase_add_test(t, bad_lists);
	tcase_add_test(t, no_memory_there);
	tcase_add_loop_test(t, iasl, 0, 3);
	tcase_add_test(t, packed_for_firmware);
	tcase_add_test(t, packed_too_big);
	suite_add_tcase(s, t);
	return run_suite(s);
}
