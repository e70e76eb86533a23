/* SPDX-License-Identifier: BSD-3-Clause */
/* SMBIOS 3.2 (DSP0134): entry point and structures 0, 1, 4, 16, 17, 19, 32 and 127. */
#include "boot/smbios.h"

#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "boot/table.h"

#define MAX_STRING	   64
#define TABLE_OFF	   32 /* behind the entry point, rounded up */
#define NO_HANDLE	   0xfffe
#define NO_CACHE	   0xffff
#define UNKNOWN16	   0xffff
#define CHARACTERISTIC_PCI (1ull << 7)
#define EXTENSION2_VM	   (1u << 4)

enum handle {
	HANDLE_BIOS = 1,
	HANDLE_SYSTEM,
	HANDLE_CPU,
	HANDLE_ARRAY,
	HANDLE_DIMM,
	HANDLE_BOOT,
	HANDLE_END,
	HANDLE_RAM, /* and the following, one per range */
};

struct entry_point {
	char anchor[5];
	uint8_t checksum, len, major, minor, revision, entry_revision, reserved;
	struct le32 max_len;
	struct le64 table;
};
_Static_assert(sizeof(struct entry_point) == 24, "SMBIOS 3 entry point");

/* The structures are packed: the specification aligns nothing. */
struct head {
	uint8_t type, len;
	struct le16 handle;
} __attribute__((packed));

struct bios {
	struct head head;
	uint8_t vendor, version;
	struct le16 segment;
	uint8_t date, rom_size;
	struct le64 characteristics;
	uint8_t extension1, extension2, major, minor, ec_major, ec_minor;
	struct le16 extended_rom_size;
} __attribute__((packed));
_Static_assert(sizeof(struct bios) == 0x1a, "SMBIOS type 0");

struct system {
	struct head head;
	uint8_t manufacturer, product, version, serial, uuid[16], wake_up, sku, family;
} __attribute__((packed));
_Static_assert(sizeof(struct system) == 0x1b, "SMBIOS type 1");

struct cpu {
	struct head head;
	uint8_t socket, type, family, manufacturer;
	struct le64 id;
	uint8_t version, voltage;
	struct le16 external_clock, max_speed, speed;
	uint8_t status, upgrade;
	struct le16 caches[3];
	uint8_t serial, asset, part, n_cores, n_enabled, n_threads;
	struct le16 characteristics, family2, n_cores2, n_enabled2, n_threads2;
} __attribute__((packed));
_Static_assert(sizeof(struct cpu) == 0x30, "SMBIOS type 4");

struct array {
	struct head head;
	uint8_t location, use, correction;
	struct le32 capacity; /* KiB */
	struct le16 error_handle, n_devices;
	struct le64 extended_capacity; /* bytes */
} __attribute__((packed));
_Static_assert(sizeof(struct array) == 0x17, "SMBIOS type 16");

struct dimm {
	struct head head;
	struct le16 array, error_handle, total_width, data_width, size; /* MiB */
	uint8_t form_factor, set, locator, bank, type;
	struct le16 detail, speed;
	uint8_t manufacturer, serial, asset, part, attributes;
	struct le32 extended_size; /* MiB */
	struct le16 configured_speed, min_voltage, max_voltage, voltage;
} __attribute__((packed));
_Static_assert(sizeof(struct dimm) == 0x28, "SMBIOS type 17");

struct mapped {
	struct head head;
	struct le32 start, end; /* KiB, the end inclusive */
	struct le16 array;
	uint8_t width;
	struct le64 extended_start, extended_end; /* bytes */
} __attribute__((packed));
_Static_assert(sizeof(struct mapped) == 0x1f, "SMBIOS type 19");

struct boot {
	struct head head;
	uint8_t reserved[6], status;
} __attribute__((packed));
_Static_assert(sizeof(struct boot) == 0xb, "SMBIOS type 32");

#define HEAD(kind, handle_)                                         \
	{                                                           \
		.type = (kind), .handle = le16((uint16_t)(handle_)) \
	}

static bool told(const char *s)
{
	return s && *s;
}

/* A structure of @len bytes, then its strings, ended by an empty one. */
static void put(struct cv_table *t, void *structure, size_t len, const char *const *strings,
		size_t n)
{
	bool any = false;

	((struct head *)structure)->len = (uint8_t)len;
	cv_table_put(t, structure, len);
	for (size_t i = 0; i < n; i++) {
		if (!told(strings[i]))
			continue;
		cv_table_put(t, strings[i], strlen(strings[i]) + 1);
		any = true;
	}
	cv_table_put(t, "\0", any ? 1 : 2);
}

static void put_bios(struct cv_table *t)
{
	static const char *const strings[] = { "crosvm", "0" };
	struct bios s = { .head = HEAD(0, HANDLE_BIOS),
			  .vendor = 1,
			  .version = 2,
			  .characteristics = le64(CHARACTERISTIC_PCI),
			  .extension2 = EXTENSION2_VM,
			  .ec_major = 0xff, /* there is no embedded controller */
			  .ec_minor = 0xff };

	put(t, &s, sizeof(s), strings, CV_LEN(strings));
}

/* The first three groups are stored little-endian. */
static void fill_uuid(uint8_t out[16], const uint8_t *uuid)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (size_t i = 0; uuid && i < CV_LEN(order); i++)
		out[i] = uuid[order[i]];
}

static void put_system(struct cv_table *t, const struct cv_smbios_config *c)
{
	const char *const strings[] = { c->manufacturer, c->product, c->version, c->serial };
	struct system s = { .head = HEAD(1, HANDLE_SYSTEM), .wake_up = 6 /* power switch */ };
	uint8_t *const numbers[] = { &s.manufacturer, &s.product, &s.version, &s.serial };
	uint8_t next = 1;

	for (size_t i = 0; i < CV_LEN(strings); i++)
		if (told(strings[i]))
			*numbers[i] = next++;
	fill_uuid(s.uuid, c->uuid);
	put(t, &s, sizeof(s), strings, CV_LEN(strings));
}

static void put_cpu(struct cv_table *t, unsigned int n)
{
	static const char *const strings[] = { "CPU 0" };
	uint8_t n8 = (uint8_t)cv_min(n, 0xffu);
	struct le16 n16 = le16((uint16_t)n);
	struct cpu s = { .head = HEAD(4, HANDLE_CPU),
			 .socket = 1,
			 .type = 3,	 /* central processor */
			 .family = 1,	 /* other */
			 .status = 0x41, /* populated, enabled */
			 .upgrade = 1,	 /* other */
			 .caches = { { NO_CACHE }, { NO_CACHE }, { NO_CACHE } },
			 .n_cores = n8,
			 .n_enabled = n8,
			 .n_threads = n8,
			 .characteristics = le16(1u << 2), /* 64-bit */
			 .family2 = le16(1),
			 .n_cores2 = n16,
			 .n_enabled2 = n16,
			 .n_threads2 = n16 };

	put(t, &s, sizeof(s), strings, CV_LEN(strings));
}

static void put_array(struct cv_table *t, uint64_t ram)
{
	bool big = ram / CV_KIB >= 0x80000000u;
	struct array s = { .head = HEAD(16, HANDLE_ARRAY),
			   .location = 3,   /* system board */
			   .use = 3,	    /* system memory */
			   .correction = 3, /* none */
			   .capacity = le32(big ? 0x80000000u : (uint32_t)(ram / CV_KIB)),
			   .error_handle = le16(NO_HANDLE),
			   .n_devices = le16(1),
			   .extended_capacity = le64(big ? ram : 0) };

	put(t, &s, sizeof(s), NULL, 0);
}

static void put_dimm(struct cv_table *t, uint64_t ram)
{
	static const char *const strings[] = { "DIMM 0" };
	uint64_t mib = ram / CV_MIB;
	bool big = mib >= 0x7fff;
	struct dimm s = { .head = HEAD(17, HANDLE_DIMM),
			  .array = le16(HANDLE_ARRAY),
			  .error_handle = le16(NO_HANDLE),
			  .total_width = le16(UNKNOWN16),
			  .data_width = le16(UNKNOWN16),
			  .size = le16(big ? 0x7fff : (uint16_t)mib),
			  .form_factor = 9, /* DIMM */
			  .locator = 1,
			  .type = 7,		   /* RAM */
			  .detail = le16(1u << 1), /* other */
			  .extended_size = le32(big ? (uint32_t)mib : 0) };

	put(t, &s, sizeof(s), strings, CV_LEN(strings));
}

static void put_mapped(struct cv_table *t, unsigned int index, const struct cv_mem_range *r)
{
	uint64_t start = r->gpa / CV_KIB, end = (r->gpa + r->len) / CV_KIB - 1;
	bool big = end >= UINT32_MAX;
	struct mapped s = { .head = HEAD(19, HANDLE_RAM + index),
			    .start = le32(big ? UINT32_MAX : (uint32_t)start),
			    .end = le32(big ? UINT32_MAX : (uint32_t)end),
			    .array = le16(HANDLE_ARRAY),
			    .width = 1,
			    .extended_start = le64(big ? r->gpa : 0),
			    .extended_end = le64(big ? r->gpa + r->len - 1 : 0) };

	put(t, &s, sizeof(s), NULL, 0);
}

static void put_structures(struct cv_table *t, const struct cv_smbios_config *c)
{
	struct boot boot = { .head = HEAD(32, HANDLE_BOOT) };
	struct head last = HEAD(127, HANDLE_END);
	uint64_t ram = 0;

	for (unsigned int i = 0; i < c->n_ram; i++)
		ram += c->ram[i].len;
	put_bios(t);
	put_system(t, c);
	put_cpu(t, c->n_cpus);
	put_array(t, ram);
	put_dimm(t, ram);
	for (unsigned int i = 0; i < c->n_ram; i++)
		put_mapped(t, i, &c->ram[i]);
	put(t, &boot, sizeof(boot), NULL, 0);
	put(t, &last, sizeof(last), NULL, 0);
}

static void fill_entry_point(struct cv_table *t)
{
	struct entry_point ep = { .len = sizeof(ep),
				  .major = 3,
				  .minor = 2,
				  .entry_revision = 1,
				  .max_len = le32((uint32_t)(t->len - TABLE_OFF)),
				  .table = le64(t->gpa + TABLE_OFF) };

	memcpy(ep.anchor, "_SM3_", sizeof(ep.anchor));
	ep.checksum = cv_table_checksum(&ep, sizeof(ep));
	memcpy(t->buf, &ep, sizeof(ep));
}

static int check_string(const char *what, const char *s, struct vm_error *e)
{
	size_t len = s ? strlen(s) : 0;

	if (len > MAX_STRING)
		return cv_err(e, -EINVAL, "SMBIOS: the %s has %zu characters, %d are possible",
			      what, len, MAX_STRING);
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~')
			return cv_err(e, -EINVAL,
				      "SMBIOS: character %zu of the %s is not printable ASCII; "
				      "remove it",
				      i + 1, what);
	return 0;
}

static int check(const struct cv_smbios_config *c, struct vm_error *e)
{
	int err = check_string("manufacturer", c->manufacturer, e);

	err = err ?: check_string("product", c->product, e);
	err = err ?: check_string("version", c->version, e);
	err = err ?: check_string("serial number", c->serial, e);
	if (!err && (c->n_cpus == 0 || c->n_cpus > UINT16_MAX))
		err = cv_err(e, -EINVAL, "SMBIOS: %u CPUs cannot be described", c->n_cpus);
	if (!err && (c->n_ram == 0 || c->n_ram > CV_MEM_MAX_REGIONS))
		err = cv_err(e, -EINVAL, "SMBIOS: %u ranges of memory given, 1 to %d are possible",
			     c->n_ram, CV_MEM_MAX_REGIONS);
	return err;
}

static void put_all(struct cv_table *t, const struct cv_smbios_config *config)
{
	static const uint8_t room[TABLE_OFF];

	cv_table_put(t, room, sizeof(room));
	put_structures(t, config);
	if (!t->full)
		fill_entry_point(t);
}

int cv_smbios_write(const struct cv_mem *mem, const struct cv_smbios_config *config,
		    const struct cv_mem_range *area, struct vm_error *e)
{
	static const char what[] = "SMBIOS";
	struct cv_table t;
	int err = check(config, e) ?: cv_table_init(&t, area, 16, what, e);

	if (err)
		return err;
	put_all(&t, config);
	err = cv_table_write(&t, mem, what, e);
	cv_table_fini(&t);
	return err;
}

/* ---- for firmware, which fills the entry point's address and checksum in ---- */

#define MAX_PACKED 4096

int cv_smbios_pack(const struct cv_smbios_config *config, struct cv_fw_files *files,
		   struct vm_error *e)
{
	static const char what[] = "SMBIOS";
	struct cv_table t;
	int err = check(config, e) ?: cv_table_init_movable(&t, MAX_PACKED, TABLE_OFF, what, e);

	if (err)
		return err;
	put_all(&t, config);
	if (t.full)
		err = cv_err(e, -ENOSPC, "%s: it has more than %d bytes; shorten its strings", what,
			     MAX_PACKED);
	err = err
		      ?: cv_fw_add_file(files, "etc/smbios/smbios-anchor", t.buf,
					sizeof(struct entry_point), e);
	err = err
		      ?: cv_fw_add_file(files, "etc/smbios/smbios-tables", t.buf + TABLE_OFF,
					t.len - TABLE_OFF, e);
	cv_table_fini(&t);
	return err;
}
