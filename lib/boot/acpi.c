/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACPI tables around the DSDT, and their checks. */
#include "boot/acpi.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "boot/acpi_dsdt.h"
#include "boot/fw_loader.h"
#include "boot/table.h"

#define MAX_VIRTIO_MMIO 256
#define AREA_ALIGN	64 /* the FACS wants it */
#define TABLE_ALIGN	16
#define ECAM_PER_BUS	CV_MIB
#define NMI_LINT	1
#define ALL_CPUS	0xff
#define NO_C_STATE	0xfff /* a latency that says so */
#define GAS_IO		1
#define XSDT_MAX_TABLES 3
#define RSDP_1_LEN	20 /* what ACPI 1.0's checksum is over */

#define FADT_WBINVD	    (1u << 0)
#define FADT_PROC_C1	    (1u << 2)
#define FADT_PWR_BUTTON	    (1u << 4) /* set: no fixed button */
#define FADT_SLP_BUTTON	    (1u << 5) /* set: no fixed button */
#define FADT_FIX_RTC	    (1u << 6) /* set: the RTC wakes nothing */
#define FADT_TMR_VAL_EXT    (1u << 8)
#define FADT_RESET_REG	    (1u << 10)
#define FADT_PLATFORM_CLOCK (1u << 15)
#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_8042	    (1u << 1)
#define BOOT_NO_VGA	    (1u << 2)
#define BOOT_NO_CMOS_RTC    (1u << 5)
#define MADT_PCAT_COMPAT    1u
#define MADT_CPU_ENABLED    1u
#define INTI_ACTIVE_HIGH    1u
#define INTI_ACTIVE_LOW	    3u
#define INTI_EDGE	    (1u << 2)
#define INTI_LEVEL	    (3u << 2)

struct table_header {
	char signature[4];
	struct le32 length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	struct le32 oem_revision;
	char creator_id[4];
	struct le32 creator_revision;
};
_Static_assert(sizeof(struct table_header) == 36, "DESCRIPTION_HEADER");

/* Packed: the 64-bit address stands at 20 behind 16-bit halves of nothing. */
struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	struct le32 rsdt, length;
	struct le64 xsdt;
	uint8_t checksum_all, reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct rsdp) == 36, "RSDP");

struct facs {
	char signature[4];
	struct le32 length, hardware, waking, lock, flags;
	struct le64 x_waking;
	uint8_t version, reserved[31];
};
_Static_assert(sizeof(struct facs) == 64, "FACS");

struct gas {
	uint8_t space, width, offset, access;
	struct le64 address;
} __attribute__((packed));
_Static_assert(sizeof(struct gas) == 12, "GAS");

/* Behind the header; packed, because the table ends in 64-bit fields at odd places. */
struct fadt {
	struct le32 facs, dsdt;
	uint8_t reserved0, profile;
	struct le16 sci;
	struct le32 smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	struct le32 pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base,
		cst;
	struct le16 c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	struct le16 boot_arch;
	uint8_t reserved1;
	struct le32 flags;
	struct gas reset;
	uint8_t reset_value;
	struct le16 arm_boot_arch;
	uint8_t minor;
	struct le64 x_facs, x_dsdt;
	struct gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0,
		x_gpe1, sleep_control, sleep_status;
	struct le64 hypervisor;
} __attribute__((packed));
_Static_assert(sizeof(struct fadt) == 276 - 36, "FADT");

struct madt_lapic {
	uint8_t type, len, uid, id;
	struct le32 flags;
};
_Static_assert(sizeof(struct madt_lapic) == 8, "MADT local APIC");

struct madt_ioapic {
	uint8_t type, len, id, reserved;
	struct le32 gpa, gsi_base;
};
_Static_assert(sizeof(struct madt_ioapic) == 12, "MADT I/O APIC");

struct madt_override {
	uint8_t type, len, bus, irq;
	struct le32 gsi;
	struct le16 flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_override) == 10, "MADT interrupt override");

struct madt_nmi {
	uint8_t type, len, uid;
	struct le16 flags;
	uint8_t lint;
} __attribute__((packed));
_Static_assert(sizeof(struct madt_nmi) == 6, "MADT local APIC NMI");

/* With the eight reserved bytes in front; packed for that. */
struct mcfg {
	uint8_t reserved[8];
	struct le64 gpa;
	struct le16 segment;
	uint8_t bus_first, bus_last;
	struct le32 reserved1;
} __attribute__((packed));
_Static_assert(sizeof(struct mcfg) == 24, "MCFG");

/* Begins a table; returns its offset. */
static size_t begin(struct cv_table *t, const char *signature, uint8_t revision)
{
	struct table_header h = { .revision = revision,
				  .oem_revision = le32(1),
				  .creator_revision = le32(1) };
	size_t off;

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_id, "CROSVM", sizeof(h.oem_id));
	memcpy(h.oem_table_id, "CROSVMVM", sizeof(h.oem_table_id));
	memcpy(h.creator_id, "CRVM", sizeof(h.creator_id));
	cv_table_align(t, TABLE_ALIGN);
	off = t->len;
	cv_table_put(t, &h, sizeof(h));
	return off;
}

/* Ends the table that began at @off; returns its address. */
static uint64_t end(struct cv_table *t, size_t off)
{
	struct table_header *h;

	if (t->full)
		return 0;
	h = (struct table_header *)(void *)(t->buf + off);
	h->length = le32((uint32_t)(t->len - off));
	h->checksum = cv_table_checksum(t->buf + off, t->len - off);
	cv_table_note_checksum(t, off + offsetof(struct table_header, checksum), off, t->len - off);
	return t->gpa + off;
}

static uint64_t put_facs(struct cv_table *t)
{
	struct facs facs = { .length = le32(sizeof(facs)), .version = 2 };
	uint64_t gpa;

	memcpy(facs.signature, "FACS", sizeof(facs.signature));
	cv_table_align(t, AREA_ALIGN);
	gpa = t->gpa + t->len;
	cv_table_put(t, &facs, sizeof(facs));
	return gpa;
}

static uint64_t put_dsdt(struct cv_table *t, const struct cv_acpi_config *c)
{
	size_t off = begin(t, "DSDT", 2); /* 2: integers of 64 bits */
	struct cv_aml aml;

	cv_aml_init(&aml, t->buf + t->len, t->cap - t->len);
	cv_acpi_put_dsdt(&aml, c);
	t->full = t->full || aml.full;
	t->len += aml.len;
	return end(t, off);
}

static struct gas io_register(uint16_t port, uint8_t bytes, uint8_t access)
{
	return (struct gas){ .space = GAS_IO,
			     .width = (uint8_t)(bytes * 8),
			     .access = access,
			     .address = le64(port) };
}

static uint32_t fadt_flags(const struct cv_acpi_pm *pm)
{
	uint32_t flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC;

	flags |= pm->power_button ? 0 : FADT_PWR_BUTTON;
	flags |= pm->timer_port ? FADT_PLATFORM_CLOCK : 0;
	flags |= pm->timer_32bit ? FADT_TMR_VAL_EXT : 0;
	flags |= pm->reset_port ? FADT_RESET_REG : 0;
	return flags;
}

static uint16_t fadt_boot_arch(const struct cv_acpi_config *c)
{
	unsigned int arch = BOOT_NO_VGA;

	arch |= c->n_serials ? BOOT_LEGACY_DEVICES : 0;
	arch |= c->i8042_data_port ? BOOT_8042 : 0;
	arch |= c->rtc_port ? 0 : BOOT_NO_CMOS_RTC;
	return (uint16_t)arch;
}

static void fill_fadt_registers(struct fadt *f, const struct cv_acpi_pm *pm)
{
	f->pm1a_evt = le32(pm->pm1_event_port);
	f->pm1_evt_len = 4;
	f->x_pm1a_evt = io_register(pm->pm1_event_port, 4, 2);
	f->pm1a_cnt = le32(pm->pm1_control_port);
	f->pm1_cnt_len = 2;
	f->x_pm1a_cnt = io_register(pm->pm1_control_port, 2, 2);
	if (pm->timer_port) {
		f->pm_tmr = le32(pm->timer_port);
		f->pm_tmr_len = 4;
		f->x_pm_tmr = io_register(pm->timer_port, 4, 3);
	}
	if (pm->reset_port) {
		f->reset = io_register(pm->reset_port, 1, 1);
		f->reset_value = pm->reset_value;
	}
}

static uint64_t put_fadt(struct cv_table *t, const struct cv_acpi_config *c, uint64_t facs,
			 uint64_t dsdt)
{
	size_t off = begin(t, "FACP", 6);
	struct fadt f = {
		.facs = le32((uint32_t)facs), /* the 64-bit one then stays 0 */
		.dsdt = le32((uint32_t)dsdt),
		.x_dsdt = le64(dsdt),
		.sci = le16(c->pm.sci_irq),
		.c2_latency = le16(NO_C_STATE),
		.c3_latency = le16(NO_C_STATE),
		.century = c->rtc_century,
		.boot_arch = le16(fadt_boot_arch(c)),
		.flags = le32(fadt_flags(&c->pm)),
		.minor = 3,
	};

	fill_fadt_registers(&f, &c->pm);
	cv_table_note_pointer(t, t->len + offsetof(struct fadt, facs), 4);
	cv_table_note_pointer(t, t->len + offsetof(struct fadt, dsdt), 4);
	cv_table_note_pointer(t, t->len + offsetof(struct fadt, x_dsdt), 8);
	cv_table_put(t, &f, sizeof(f));
	return end(t, off);
}

static void put_madt_override(struct cv_table *t, const struct cv_irq_override *o)
{
	unsigned int flags = (o->active_low ? INTI_ACTIVE_LOW : INTI_ACTIVE_HIGH) |
			     (o->level ? INTI_LEVEL : INTI_EDGE);
	struct madt_override row = { .type = 2,
				     .len = sizeof(row),
				     .irq = o->irq,
				     .gsi = le32(o->gsi),
				     .flags = le16((uint16_t)flags) };

	cv_table_put(t, &row, sizeof(row));
}

static uint64_t put_madt(struct cv_table *t, const struct cv_platform *p)
{
	size_t off = begin(t, "APIC", 5);
	struct le32 head[2] = { le32(p->lapic_gpa), le32(MADT_PCAT_COMPAT) };
	struct madt_ioapic ioapic = {
		.type = 1, .len = sizeof(ioapic), .id = p->ioapic_id, .gpa = le32(p->ioapic_gpa)
	};
	struct madt_nmi nmi = { .type = 4, .len = sizeof(nmi), .uid = ALL_CPUS, .lint = NMI_LINT };

	cv_table_put(t, head, sizeof(head));
	for (unsigned int i = 0; i < p->n_cpus; i++) {
		struct madt_lapic lapic = { .len = sizeof(lapic),
					    .uid = (uint8_t)i,
					    .id = cv_platform_apic_id(p, i),
					    .flags = le32(MADT_CPU_ENABLED) };

		cv_table_put(t, &lapic, sizeof(lapic));
	}
	cv_table_put(t, &ioapic, sizeof(ioapic));
	for (unsigned int i = 0; i < p->n_overrides; i++)
		put_madt_override(t, &p->overrides[i]);
	cv_table_put(t, &nmi, sizeof(nmi));
	return end(t, off);
}

static uint64_t put_mcfg(struct cv_table *t, const struct cv_acpi_pci *pci)
{
	size_t off = begin(t, "MCFG", 1);
	struct mcfg m = { .gpa = le64(pci->ecam_gpa),
			  .bus_first = pci->bus_first,
			  .bus_last = pci->bus_last };

	cv_table_put(t, &m, sizeof(m));
	return end(t, off);
}

static uint64_t put_xsdt(struct cv_table *t, const uint64_t *gpas, unsigned int n)
{
	size_t off = begin(t, "XSDT", 1);

	for (unsigned int i = 0; i < n; i++) {
		struct le64 gpa = le64(gpas[i]);

		cv_table_note_pointer(t, t->len, sizeof(gpa));
		cv_table_put(t, &gpa, sizeof(gpa));
	}
	return end(t, off);
}

/* The RSDP's place at the very start was left free. */
static void fill_rsdp(struct cv_table *t, uint64_t xsdt)
{
	struct rsdp r = { .revision = 2, .length = le32(sizeof(r)), .xsdt = le64(xsdt) };

	memcpy(r.signature, "RSD PTR ", sizeof(r.signature));
	memcpy(r.oem_id, "CROSVM", sizeof(r.oem_id));
	r.checksum = cv_table_checksum(&r, RSDP_1_LEN);
	r.checksum_all = cv_table_checksum(&r, sizeof(r));
	cv_table_note_pointer(t, offsetof(struct rsdp, xsdt), sizeof(r.xsdt));
	cv_table_note_checksum(t, offsetof(struct rsdp, checksum), 0, RSDP_1_LEN);
	cv_table_note_checksum(t, offsetof(struct rsdp, checksum_all), 0, sizeof(r));
	memcpy(t->buf, &r, sizeof(r));
}

static void put_tables(struct cv_table *t, const struct cv_acpi_config *c)
{
	static const struct rsdp room;
	uint64_t facs, dsdt, xsdt, gpas[XSDT_MAX_TABLES];
	unsigned int n = 0;

	cv_table_put(t, &room, sizeof(room));
	cv_table_align(t, AREA_ALIGN);
	facs = put_facs(t);
	dsdt = put_dsdt(t, c);
	gpas[n++] = put_fadt(t, c, facs, dsdt);
	gpas[n++] = put_madt(t, c->platform);
	if (c->pci_present && c->pci.ecam_gpa)
		gpas[n++] = put_mcfg(t, &c->pci);
	xsdt = put_xsdt(t, gpas, n);
	if (!t->full)
		fill_rsdp(t, xsdt);
}

static int check_window(const char *what, uint64_t base, uint64_t len, uint64_t limit,
			struct vm_error *e)
{
	if (cv_in_range(base, len, limit))
		return 0;
	return cv_err(e, -EINVAL, "ACPI: the PCI %s window of %#llx at %#llx is out of range", what,
		      (unsigned long long)len, (unsigned long long)base);
}

static int check_pci(const struct cv_acpi_pci *pci, struct vm_error *e)
{
	uint64_t ecam_len = (pci->bus_last + 1ull) * ECAM_PER_BUS;
	int err = 0;

	if (pci->bus_first > pci->bus_last)
		return cv_err(e, -EINVAL, "ACPI: PCI buses %u to %u are no range", pci->bus_first,
			      pci->bus_last);
	if (pci->ecam_gpa && !cv_in_range(pci->ecam_gpa, ecam_len, 4 * CV_GIB))
		return cv_err(e, -EINVAL,
			      "ACPI: ECAM at %#llx for %u buses does not end below 4 GiB",
			      (unsigned long long)pci->ecam_gpa, pci->bus_last + 1u);
	for (size_t i = 0; i < CV_LEN(pci->io); i++)
		err = err ?: check_window("I/O", pci->io[i].port, pci->io[i].len, 0x10000, e);
	err = err ?: check_window("32-bit", pci->mmio32.gpa, pci->mmio32.len, 4 * CV_GIB, e);
	err = err ?: check_window("32-bit", pci->more32.gpa, pci->more32.len, 4 * CV_GIB, e);
	return err ?: check_window("64-bit", pci->mmio64.gpa, pci->mmio64.len, UINT64_MAX, e);
}

static int check_irq(const char *what, unsigned int irq, struct vm_error *e)
{
	if (irq < CV_ISA_IRQS)
		return 0;
	return cv_err(e, -EINVAL, "ACPI: interrupt %u of the %s is not an ISA one, use 0 to 15",
		      irq, what);
}

static int check_legacy(const struct cv_acpi_config *c, struct vm_error *e)
{
	int err = check_irq("SCI", c->pm.sci_irq, e);

	if (!err && (!c->pm.pm1_event_port || !c->pm.pm1_control_port))
		err = cv_err(e, -EINVAL, "ACPI: the ports of PM1 are missing");
	if (!err && c->n_serials > CV_ACPI_MAX_SERIALS)
		err = cv_err(e, -EINVAL, "ACPI: %u serial ports given, %d are possible",
			     c->n_serials, CV_ACPI_MAX_SERIALS);
	for (unsigned int i = 0; i < c->n_serials && !err; i++)
		err = check_irq("serial port", c->serials[i].irq, e);
	err = err ?: check_irq("keyboard", c->keyboard_irq, e);
	err = err ?: check_irq("mouse", c->mouse_irq, e);
	return err ?: check_irq("RTC", c->rtc_irq, e);
}

static int check_virtio_mmio(const struct cv_acpi_config *c, struct vm_error *e)
{
	if (c->n_virtio_mmio > MAX_VIRTIO_MMIO)
		return cv_err(e, -EINVAL, "ACPI: %u virtio-mmio devices given, %d are possible",
			      c->n_virtio_mmio, MAX_VIRTIO_MMIO);
	for (unsigned int i = 0; i < c->n_virtio_mmio; i++)
		if (c->virtio_mmio[i].len == 0 ||
		    !cv_in_range(c->virtio_mmio[i].gpa, c->virtio_mmio[i].len, 4 * CV_GIB))
			return cv_err(e, -EINVAL,
				      "ACPI: virtio-mmio device %u at %#x is out of range", i,
				      c->virtio_mmio[i].gpa);
	return 0;
}

static int check(const struct cv_acpi_config *c, struct vm_error *e)
{
	int err = cv_platform_check(c->platform, e);

	err = err ?: check_legacy(c, e);
	err = err ?: (c->pci_present ? check_pci(&c->pci, e) : 0);
	return err ?: check_virtio_mmio(c, e);
}

int cv_acpi_write(const struct cv_mem *mem, const struct cv_acpi_config *config,
		  const struct cv_mem_range *area, uint64_t *rsdp, struct vm_error *e)
{
	static const char what[] = "ACPI tables";
	struct cv_table t;
	int err = check(config, e) ?: cv_table_init(&t, area, AREA_ALIGN, what, e);

	if (err)
		return err;
	put_tables(&t, config);
	err = cv_table_write(&t, mem, what, e);
	cv_table_fini(&t);
	if (!err)
		*rsdp = area->gpa;
	return err;
}

/* ---- for firmware ---- */

#define RSDP_FILE   "etc/acpi/rsdp"
#define TABLES_FILE "etc/acpi/tables"
#define TABLES_OFF  AREA_ALIGN /* of what follows the RSDP */

_Static_assert(sizeof(struct rsdp) <= TABLES_OFF, "the RSDP ends before the tables begin");

/* The RSDP points to the tables, the tables to one another. */
static void put_fixup(struct cv_fw_loader *l, const struct cv_table_fixup *f)
{
	bool head = f->off < TABLES_OFF;
	const char *file = head ? RSDP_FILE : TABLES_FILE;
	uint32_t base = head ? 0 : TABLES_OFF;

	if (f->size > 0)
		cv_fw_loader_pointer(l, file, f->off - base, (uint8_t)f->size, TABLES_FILE);
	else
		cv_fw_loader_checksum(l, file, f->off - base, f->start - base, f->len);
}

static int pack(struct cv_table *t, struct cv_fw_files *files, struct vm_error *e)
{
	struct cv_fw_loader loader = { 0 };
	int err;

	for (unsigned int i = 0; i < t->n_fixups; i++)
		if (t->fixups[i].size == 0)
			t->buf[t->fixups[i].off] = 0;
	cv_fw_loader_allocate(&loader, RSDP_FILE, TABLE_ALIGN, CV_FW_ZONE_FSEG);
	cv_fw_loader_allocate(&loader, TABLES_FILE, AREA_ALIGN, CV_FW_ZONE_HIGH);
	/* a table's pointers are noted before its checksum */
	for (unsigned int i = 0; i < t->n_fixups; i++)
		put_fixup(&loader, &t->fixups[i]);
	err = cv_fw_loader_finish(&loader, files, e);
	err = err ?: cv_fw_add_file(files, RSDP_FILE, t->buf, sizeof(struct rsdp), e);
	return err
		       ?: cv_fw_add_file(files, TABLES_FILE, t->buf + TABLES_OFF,
					 t->len - TABLES_OFF, e);
}

int cv_acpi_pack(const struct cv_acpi_config *config, size_t max, struct cv_fw_files *files,
		 struct vm_error *e)
{
	static const char what[] = "ACPI tables";
	struct cv_table t;
	int err = check(config, e) ?: cv_table_init_movable(&t, max, TABLES_OFF, what, e);

	if (err)
		return err;
	put_tables(&t, config);
	err = t.full ? cv_err(e, -ENOSPC, "%s: %zu bytes are too few for it; give it more", what,
			      max)
		     : pack(&t, files, e);
	cv_table_fini(&t);
	return err;
}
