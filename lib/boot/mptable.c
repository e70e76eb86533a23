/* SPDX-License-Identifier: BSD-3-Clause */
/* MP tables: processors, the PCI and ISA buses, one I/O APIC, and who interrupts where. */
#include "boot/mptable.h"

#include <string.h>

#include "base/endian.h"
#include "boot/table.h"

#define SPEC_1_4       4
#define BUS_PCI	       0
#define BUS_ISA	       1
#define LAPIC_VERSION  0x14
#define IOAPIC_VERSION 0x11
#define CPU_SIGNATURE  0x600
#define CPU_FEATURES   0x201 /* FPU and APIC */
#define CPU_ENABLED    1
#define CPU_BOOT       2
#define INT_NORMAL     0
#define INT_NMI	       1
#define INT_EXTINT     3
#define ACTIVE_HIGH    1u
#define ACTIVE_LOW     3u
#define EDGE	       (1u << 2)
#define LEVEL	       (3u << 2)
#define ALL_LAPICS     0xff
#define CASCADE_IRQ    2

struct floating_pointer {
	char signature[4];
	struct le32 table;
	uint8_t paragraphs, spec, checksum, features[5];
};
_Static_assert(sizeof(struct floating_pointer) == 16, "MP floating pointer");

struct header {
	char signature[4];
	struct le16 length;
	uint8_t spec, checksum;
	char oem[8], product[12];
	struct le32 oem_table;
	struct le16 oem_len, n_entries;
	struct le32 lapic;
	struct le16 extended_len;
	uint8_t extended_checksum, reserved;
};
_Static_assert(sizeof(struct header) == 44, "MP configuration table header");

struct cpu_entry {
	uint8_t type, lapic_id, version, flags;
	struct le32 signature, features, reserved[2];
};
_Static_assert(sizeof(struct cpu_entry) == 20, "MP processor entry");

struct bus_entry {
	uint8_t type, id;
	char name[6];
};
_Static_assert(sizeof(struct bus_entry) == 8, "MP bus entry");

struct ioapic_entry {
	uint8_t type, id, version, flags;
	struct le32 gpa;
};
_Static_assert(sizeof(struct ioapic_entry) == 8, "MP I/O APIC entry");

/* Both kinds of interrupt assignment. */
struct int_entry {
	uint8_t type, kind;
	struct le16 flags;
	uint8_t bus, irq, apic, pin;
};
_Static_assert(sizeof(struct int_entry) == 8, "MP interrupt entry");

/* The table being filled and the number of its entries. */
struct writer {
	struct cv_table t;
	unsigned int n;
};

static void put(struct writer *w, const void *entry, size_t len)
{
	cv_table_put(&w->t, entry, len);
	w->n++;
}

static void put_cpus(struct writer *w, const struct cv_platform *p)
{
	for (unsigned int i = 0; i < p->n_cpus; i++) {
		struct cpu_entry cpu = { .lapic_id = cv_platform_apic_id(p, i),
					 .version = LAPIC_VERSION,
					 .flags = CPU_ENABLED | (i == 0 ? CPU_BOOT : 0),
					 .signature = le32(CPU_SIGNATURE),
					 .features = le32(CPU_FEATURES) };

		put(w, &cpu, sizeof(cpu));
	}
}

static void put_buses(struct writer *w, const struct cv_platform *p)
{
	struct bus_entry bus = { .type = 1, .id = BUS_PCI };
	struct ioapic_entry ioapic = { .type = 2,
				       .id = p->ioapic_id,
				       .version = IOAPIC_VERSION,
				       .flags = 1, /* enabled */
				       .gpa = le32(p->ioapic_gpa) };

	memcpy(bus.name, "PCI   ", sizeof(bus.name));
	put(w, &bus, sizeof(bus));
	bus.id = BUS_ISA;
	memcpy(bus.name, "ISA   ", sizeof(bus.name));
	put(w, &bus, sizeof(bus));
	put(w, &ioapic, sizeof(ioapic));
}

/* Whether something else arrives at the pin of an ISA interrupt's own number. */
static bool pin_taken(const struct cv_platform *p, unsigned int irq)
{
	for (unsigned int i = 0; i < p->n_overrides; i++)
		if (p->overrides[i].gsi == irq)
			return true;
	for (unsigned int i = 0; i < p->n_routes; i++)
		if (p->routes[i].gsi == irq)
			return true;
	return irq >= p->ioapic_pins || irq == CASCADE_IRQ;
}

/* Flags 0 mean what is usual on the bus: edge and high for ISA. */
static void put_isa(struct writer *w, const struct cv_platform *p)
{
	for (unsigned int irq = 0; irq < CV_ISA_IRQS; irq++) {
		const struct cv_irq_override *o = cv_platform_override(p, irq);
		struct int_entry entry = { .type = 3,
					   .kind = INT_NORMAL,
					   .bus = BUS_ISA,
					   .irq = (uint8_t)irq,
					   .apic = p->ioapic_id,
					   .pin = o ? o->gsi : (uint8_t)irq };

		if (o)
			entry.flags = le16((uint16_t)((o->active_low ? ACTIVE_LOW : ACTIVE_HIGH) |
						      (o->level ? LEVEL : EDGE)));
		if (o || !pin_taken(p, irq))
			put(w, &entry, sizeof(entry));
	}
}

/* Flags 0: level and low for PCI. */
static void put_pci(struct writer *w, const struct cv_platform *p)
{
	for (unsigned int i = 0; i < p->n_routes; i++) {
		const struct cv_pci_route *r = &p->routes[i];
		struct int_entry entry = { .type = 3,
					   .kind = INT_NORMAL,
					   .bus = BUS_PCI,
					   .irq = (uint8_t)(r->slot << 2 | r->pin),
					   .apic = p->ioapic_id,
					   .pin = r->gsi };

		put(w, &entry, sizeof(entry));
	}
}

/* The 8259 at LINT0 of the first processor, NMI at everybody's LINT1. */
static void put_local(struct writer *w, const struct cv_platform *p)
{
	struct int_entry extint = { .type = 4,
				    .kind = INT_EXTINT,
				    .bus = BUS_ISA,
				    .apic = cv_platform_apic_id(p, 0),
				    .pin = 0 };
	struct int_entry nmi = {
		.type = 4, .kind = INT_NMI, .bus = BUS_ISA, .apic = ALL_LAPICS, .pin = 1
	};

	put(w, &extint, sizeof(extint));
	put(w, &nmi, sizeof(nmi));
}

static void put_entries(struct writer *w, const struct cv_platform *p)
{
	put_cpus(w, p);
	put_buses(w, p);
	put_isa(w, p);
	put_pci(w, p);
	put_local(w, p);
}

/* Fills the two heads in front of the entries, for which room was left. */
static void fill_heads(struct writer *w, const struct cv_platform *p)
{
	uint8_t *table = w->t.buf + sizeof(struct floating_pointer);
	size_t len = w->t.len - sizeof(struct floating_pointer);
	struct header h = { .length = le16((uint16_t)len),
			    .spec = SPEC_1_4,
			    .n_entries = le16((uint16_t)w->n),
			    .lapic = le32(p->lapic_gpa) };
	struct floating_pointer fp = { .table = le32((uint32_t)(w->t.gpa + sizeof(fp))),
				       .paragraphs = 1,
				       .spec = SPEC_1_4 };

	memcpy(h.signature, "PCMP", sizeof(h.signature));
	memcpy(h.oem, "CROSVM  ", sizeof(h.oem));
	memcpy(h.product, "000000000000", sizeof(h.product));
	memcpy(table, &h, sizeof(h));
	h.checksum = cv_table_checksum(table, len);
	memcpy(table, &h, sizeof(h));
	memcpy(fp.signature, "_MP_", sizeof(fp.signature));
	fp.checksum = cv_table_checksum(&fp, sizeof(fp));
	memcpy(w->t.buf, &fp, sizeof(fp));
}

size_t cv_mptable_len(const struct cv_platform *p)
{
	size_t len = sizeof(struct floating_pointer) + sizeof(struct header);

	len += p->n_cpus * sizeof(struct cpu_entry);
	len += 2 * sizeof(struct bus_entry) + sizeof(struct ioapic_entry);
	return len + (CV_ISA_IRQS + p->n_routes + 2) * sizeof(struct int_entry);
}

int cv_mptable_write(const struct cv_mem *mem, const struct cv_platform *p,
		     const struct cv_mem_range *area, struct vm_error *e)
{
	static const uint8_t heads[sizeof(struct floating_pointer) + sizeof(struct header)];
	static const char what[] = "MP table";
	struct writer w = { .n = 0 };
	int err = cv_platform_check(p, e) ?: cv_table_init(&w.t, area, 16, what, e);

	if (err)
		return err;
	cv_table_put(&w.t, heads, sizeof(heads));
	put_entries(&w, p);
	if (!w.t.full)
		fill_heads(&w, p);
	err = cv_table_write(&w.t, mem, what, e);
	cv_table_fini(&w.t);
	return err;
}
