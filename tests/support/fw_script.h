/* SPDX-License-Identifier: BSD-3-Clause */
/* Follows "etc/table-loader" as firmware does, with its own idea of the format. */
#ifndef CV_TESTS_FW_SCRIPT_H
#define CV_TESTS_FW_SCRIPT_H

#include <string.h>

#include "core/fw_files.h"
#include "core/mem.h"
#include "must.h"

#define FW_SCRIPT_FILES 8

struct fw_script {
	const struct cv_fw_files *files;
	const struct cv_mem *mem;
	uint64_t fseg, high; /* where the next file goes */
	struct {
		char name[56];
		uint64_t gpa, len;
	} placed[FW_SCRIPT_FILES];
	unsigned int n_placed;
};

static inline uint32_t fw_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The index of a placed file. */
static inline unsigned int fw_placed(const struct fw_script *s, const uint8_t *name)
{
	unsigned int i = 0;

	must(memchr(name, 0, 56));
	while (i < s->n_placed && strcmp(s->placed[i].name, (const char *)name) != 0)
		i++;
	must(i < s->n_placed);
	return i;
}

static inline void fw_allocate(struct fw_script *s, const uint8_t *p)
{
	uint32_t align = fw_le32(p + 56);
	uint64_t *next = p[60] == 2 ? &s->fseg : &s->high;
	const void *data;
	size_t len;

	must((p[60] == 1 || p[60] == 2) && align && (align & (align - 1)) == 0);
	must(memchr(p, 0, 56) && s->n_placed < FW_SCRIPT_FILES);
	data = cv_fw_find_file(s->files, (const char *)p, &len);
	must(data && len > 0);
	*next = (*next + align - 1) & ~(uint64_t)(align - 1);
	must(cv_mem_write(s->mem, *next, data, len) == 0);
	memcpy(s->placed[s->n_placed].name, p, 56);
	s->placed[s->n_placed].gpa = *next;
	s->placed[s->n_placed++].len = len;
	*next += len;
}

static inline void fw_add_pointer(struct fw_script *s, const uint8_t *p)
{
	unsigned int file = fw_placed(s, p), target = fw_placed(s, p + 56);
	uint32_t off = fw_le32(p + 112), size = p[116];
	uint64_t gpa = s->placed[file].gpa + off, val = 0;

	must((size == 4 || size == 8) && off + size <= s->placed[file].len);
	must(cv_mem_read(s->mem, gpa, &val, size) == 0);
	must(val < s->placed[target].len); /* an offset within the target so far */
	val += s->placed[target].gpa;
	must(cv_mem_write(s->mem, gpa, &val, size) == 0);
}

static inline void fw_add_checksum(struct fw_script *s, const uint8_t *p)
{
	unsigned int file = fw_placed(s, p);
	uint32_t off = fw_le32(p + 56), start = fw_le32(p + 60), len = fw_le32(p + 64);
	uint64_t gpa = s->placed[file].gpa;
	uint8_t sum = 0, byte;

	must(off < s->placed[file].len && start + len <= s->placed[file].len);
	for (uint32_t i = 0; i < len; i++) {
		must(cv_mem_read(s->mem, gpa + start + i, &byte, 1) == 0);
		sum = (uint8_t)(sum + byte);
	}
	must(cv_mem_read(s->mem, gpa + off, &byte, 1) == 0);
	must(byte == 0); /* EDK2 overwrites it, SeaBIOS subtracts from it */
	sum = (uint8_t)-sum;
	must(cv_mem_write(s->mem, gpa + off, &sum, 1) == 0);
}

/* Runs the script; where "etc/acpi/rsdp" then is. */
static inline uint64_t fw_script_run(struct fw_script *s)
{
	size_t len;
	const uint8_t *step = cv_fw_find_file(s->files, "etc/table-loader", &len);

	must(step && len > 0 && len % 128 == 0);
	for (; len > 0; step += 128, len -= 128)
		switch (fw_le32(step)) {
		case 1:
			fw_allocate(s, step + 4);
			break;
		case 2:
			fw_add_pointer(s, step + 4);
			break;
		case 3:
			fw_add_checksum(s, step + 4);
			break;
		default:
			must(0);
		}
	for (unsigned int i = 0; i < s->n_placed; i++)
		if (strcmp(s->placed[i].name, "etc/acpi/rsdp") == 0)
			return s->placed[i].gpa;
	return 0;
}

#endif
