/* SPDX-License-Identifier: BSD-3-Clause */
/* A writer of AML into a bounded buffer. */
#include "boot/aml.h"

#include <string.h>

#include "base/endian.h"

#define OP_ONE	    0x01
#define OP_NAME	    0x08
#define OP_BYTE	    0x0a
#define OP_WORD	    0x0b
#define OP_DWORD    0x0c
#define OP_STRING   0x0d
#define OP_QWORD    0x0e
#define OP_SCOPE    0x10
#define OP_BUFFER   0x11
#define OP_PACKAGE  0x12
#define OP_METHOD   0x14
#define OP_DUAL	    0x2e
#define OP_EXTENDED 0x5b
#define OP_DEVICE   0x82 /* behind OP_EXTENDED */
#define OP_IF	    0xa0
#define OP_ELSE	    0xa1

#define METHOD_SERIALIZED 0x08

#define RES_IRQ	      0x22 /* small, 2 bytes */
#define RES_IO	      0x47 /* small, 7 bytes */
#define RES_END	      0x79 /* small, 1 byte */
#define RES_MEMORY32  0x86
#define RES_DWORD     0x87
#define RES_WORD      0x88
#define RES_INTERRUPT 0x89
#define RES_QWORD     0x8a

#define SPACE_MEMORY		    0
#define SPACE_IO		    1
#define SPACE_BUS		    2
#define SPACE_FIXED		    0x0c /* both ends are fixed; the device hands it down */
#define IO_ENTIRE_RANGE		    0x03
#define MEMORY_READ_WRITE_CACHEABLE 0x03

void cv_aml_init(struct cv_aml *a, uint8_t *buf, size_t cap)
{
	*a = (struct cv_aml){ .buf = buf, .cap = cap };
}

/* Puts @n bytes in at @pos, in front of what was written from there on. */
static void insert(struct cv_aml *a, size_t pos, const void *bytes, size_t n)
{
	if (a->full || n > a->cap - a->len) {
		a->full = true;
		return;
	}
	memmove(a->buf + pos + n, a->buf + pos, a->len - pos);
	memcpy(a->buf + pos, bytes, n);
	a->len += n;
}

static void put(struct cv_aml *a, const void *bytes, size_t n)
{
	insert(a, a->len, bytes, n);
}

static void put8(struct cv_aml *a, unsigned int val)
{
	uint8_t v = (uint8_t)val;

	put(a, &v, sizeof(v));
}

static void put16(struct cv_aml *a, uint16_t val)
{
	struct le16 v = le16(val);

	put(a, &v, sizeof(v));
}

static void put32(struct cv_aml *a, uint32_t val)
{
	struct le32 v = le32(val);

	put(a, &v, sizeof(v));
}

static void put64(struct cv_aml *a, uint64_t val)
{
	struct le64 v = le64(val);

	put(a, &v, sizeof(v));
}

void cv_aml_op(struct cv_aml *a, enum cv_aml_op op)
{
	put8(a, op);
}

/* The shortest form; returns its length. */
static size_t encode_integer(uint8_t out[9], uint64_t val)
{
	struct le64 v = le64(val);
	size_t n = val > UINT32_MAX ? 8 : val > UINT16_MAX ? 4 : val > UINT8_MAX ? 2 : 1;

	if (val <= 1) {
		out[0] = val ? OP_ONE : CV_AML_ZERO;
		return 1;
	}
	out[0] = n == 8 ? OP_QWORD : n == 4 ? OP_DWORD : n == 2 ? OP_WORD : OP_BYTE;
	memcpy(out + 1, &v, n);
	return n + 1;
}

void cv_aml_integer(struct cv_aml *a, uint64_t val)
{
	uint8_t bytes[9];

	put(a, bytes, encode_integer(bytes, val));
}

void cv_aml_string(struct cv_aml *a, const char *s)
{
	put8(a, OP_STRING);
	put(a, s, strlen(s) + 1);
}

void cv_aml_path(struct cv_aml *a, const char *path)
{
	size_t n;

	if (*path == '\\')
		put8(a, (uint8_t)*path++);
	n = strlen(path) / 4;
	if (n == 2)
		put8(a, OP_DUAL);
	put(a, path, n * 4);
}

static unsigned int letter(char c)
{
	return (unsigned int)(c - '@') & 0x1f;
}

static unsigned int hex_digit(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits and four hexadecimal digits, the first one highest. */
void cv_aml_eisa_id(struct cv_aml *a, const char *id)
{
	unsigned int letters = letter(id[0]) << 10 | letter(id[1]) << 5 | letter(id[2]);

	put8(a, OP_DWORD);
	put8(a, letters >> 8);
	put8(a, letters & 0xff);
	put8(a, hex_digit(id[3]) << 4 | hex_digit(id[4]));
	put8(a, hex_digit(id[5]) << 4 | hex_digit(id[6]));
}

/* The first three groups are stored little-endian. */
void cv_aml_uuid(struct cv_aml *a, const uint8_t uuid[16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct cv_aml_block b;

	put8(a, OP_BUFFER);
	b = (struct cv_aml_block){ .start = a->len, .sized = true };
	for (size_t i = 0; i < CV_LEN(order); i++)
		put8(a, uuid[order[i]]);
	cv_aml_close(a, b);
}

void cv_aml_name(struct cv_aml *a, const char *path)
{
	put8(a, OP_NAME);
	cv_aml_path(a, path);
}

void cv_aml_name_integer(struct cv_aml *a, const char *path, uint64_t val)
{
	cv_aml_name(a, path);
	cv_aml_integer(a, val);
}

void cv_aml_name_string(struct cv_aml *a, const char *path, const char *s)
{
	cv_aml_name(a, path);
	cv_aml_string(a, s);
}

void cv_aml_name_eisa_id(struct cv_aml *a, const char *path, const char *id)
{
	cv_aml_name(a, path);
	cv_aml_eisa_id(a, id);
}

static struct cv_aml_block open_block(struct cv_aml *a, unsigned int op)
{
	put8(a, op);
	return (struct cv_aml_block){ .start = a->len };
}

static struct cv_aml_block open_named(struct cv_aml *a, unsigned int op, const char *path)
{
	struct cv_aml_block b = open_block(a, op);

	cv_aml_path(a, path);
	return b;
}

struct cv_aml_block cv_aml_scope(struct cv_aml *a, const char *path)
{
	return open_named(a, OP_SCOPE, path);
}

struct cv_aml_block cv_aml_device(struct cv_aml *a, const char *path)
{
	put8(a, OP_EXTENDED);
	return open_named(a, OP_DEVICE, path);
}

struct cv_aml_block cv_aml_method(struct cv_aml *a, const char *path, unsigned int n_args)
{
	struct cv_aml_block b = open_named(a, OP_METHOD, path);

	put8(a, n_args | METHOD_SERIALIZED);
	return b;
}

struct cv_aml_block cv_aml_package(struct cv_aml *a, unsigned int n_elements)
{
	struct cv_aml_block b = open_block(a, OP_PACKAGE);

	put8(a, n_elements);
	return b;
}

struct cv_aml_block cv_aml_if(struct cv_aml *a)
{
	return open_block(a, OP_IF);
}

struct cv_aml_block cv_aml_else(struct cv_aml *a)
{
	return open_block(a, OP_ELSE);
}

/* PkgLength: counts itself. One byte up to 63, else four bits and one to three bytes. */
static size_t encode_length(uint8_t out[4], size_t content)
{
	size_t n = content + 1 < 1u << 6    ? 1
		   : content + 2 < 1u << 12 ? 2
		   : content + 3 < 1u << 20 ? 3
					    : 4;
	size_t total = content + n;

	out[0] = (uint8_t)(n == 1 ? total : (n - 1) << 6 | (total & 0xf));
	for (size_t i = 1; i < n; i++)
		out[i] = (uint8_t)(total >> (4 + 8 * (i - 1)));
	return n;
}

void cv_aml_close(struct cv_aml *a, struct cv_aml_block block)
{
	uint8_t bytes[9];

	if (block.sized)
		insert(a, block.start, bytes, encode_integer(bytes, a->len - block.start));
	insert(a, block.start, bytes, encode_length(bytes, a->len - block.start));
}

struct cv_aml_block cv_aml_resources(struct cv_aml *a, const char *path)
{
	cv_aml_name(a, path);
	put8(a, OP_BUFFER);
	return (struct cv_aml_block){ .start = a->len, .sized = true };
}

void cv_aml_close_resources(struct cv_aml *a, struct cv_aml_block block)
{
	put8(a, RES_END);
	put8(a, 0); /* a checksum of 0 is taken as right */
	cv_aml_close(a, block);
}

void cv_aml_io(struct cv_aml *a, uint16_t port, uint8_t len)
{
	put8(a, RES_IO);
	put8(a, 1); /* decodes 16 bits */
	put16(a, port);
	put16(a, port);
	put8(a, 1); /* alignment */
	put8(a, len);
}

void cv_aml_irq(struct cv_aml *a, unsigned int irq)
{
	put8(a, RES_IRQ);
	put16(a, (uint16_t)(1u << (irq & 15)));
}

void cv_aml_interrupt(struct cv_aml *a, uint32_t gsi, bool level, bool active_low)
{
	put8(a, RES_INTERRUPT);
	put16(a, 6);
	put8(a, 1u | (level ? 0 : 2u) | (active_low ? 4u : 0)); /* 1: a consumer's */
	put8(a, 1);						/* one interrupt */
	put32(a, gsi);
}

void cv_aml_memory32(struct cv_aml *a, uint32_t gpa, uint32_t len)
{
	put8(a, RES_MEMORY32);
	put16(a, 9);
	put8(a, 1); /* writable */
	put32(a, gpa);
	put32(a, len);
}

static void put_window_head(struct cv_aml *a, unsigned int kind, uint16_t len, unsigned int space,
			    unsigned int flags)
{
	put8(a, kind);
	put16(a, len);
	put8(a, space);
	put8(a, SPACE_FIXED);
	put8(a, flags);
}

static void put_word_window(struct cv_aml *a, unsigned int space, unsigned int flags,
			    uint16_t first, uint16_t last)
{
	put_window_head(a, RES_WORD, 13, space, flags);
	put16(a, 0); /* granularity */
	put16(a, first);
	put16(a, last);
	put16(a, 0); /* translation */
	put16(a, (uint16_t)(last - first + 1));
}

void cv_aml_bus_window(struct cv_aml *a, uint8_t first, uint8_t last)
{
	put_word_window(a, SPACE_BUS, 0, first, last);
}

void cv_aml_io_window(struct cv_aml *a, uint16_t port, uint16_t len)
{
	put_word_window(a, SPACE_IO, IO_ENTIRE_RANGE, port, (uint16_t)(port + len - 1));
}

static void put_dword_window(struct cv_aml *a, uint32_t gpa, uint32_t len)
{
	put_window_head(a, RES_DWORD, 23, SPACE_MEMORY, MEMORY_READ_WRITE_CACHEABLE);
	put32(a, 0);
	put32(a, gpa);
	put32(a, gpa + len - 1);
	put32(a, 0);
	put32(a, len);
}

static void put_qword_window(struct cv_aml *a, uint64_t gpa, uint64_t len)
{
	put_window_head(a, RES_QWORD, 43, SPACE_MEMORY, MEMORY_READ_WRITE_CACHEABLE);
	put64(a, 0);
	put64(a, gpa);
	put64(a, gpa + len - 1);
	put64(a, 0);
	put64(a, len);
}

void cv_aml_memory_window(struct cv_aml *a, uint64_t gpa, uint64_t len)
{
	if (gpa + len - 1 <= UINT32_MAX)
		put_dword_window(a, (uint32_t)gpa, (uint32_t)len);
	else
		put_qword_window(a, gpa, len);
}
