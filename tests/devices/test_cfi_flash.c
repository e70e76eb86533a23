/* SPDX-License-Identifier: BSD-3-Clause */
/* The flash as EDK II's variable store and Linux' MTD drive it: each command goes to both chips. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "support/check_main.h"
#include "support/rdev.h"

#define BLOCK (256 * CV_KIB)
#define SIZE  (4 * BLOCK)

enum { READY = 0x80, ERASE_FAILED = 0x20, PROGRAM_FAILED = 0x10, PROTECTED = 0x02 };
enum { SEQUENCE = ERASE_FAILED | PROGRAM_FAILED };

struct bank {
	struct rdev d;
	int fd;
};

static void open_bank(struct bank *b, uint64_t size, const char *more)
{
	char text[64];

	b->fd = memfd_create("flash", MFD_ALLOW_SEALING);
	ck_assert_int_ge(b->fd, 0);
	ck_assert_int_eq(ftruncate(b->fd, (off_t)size), 0);
	snprintf(text, sizeof(text), "path=/proc/self/fd/%d%s", b->fd, more);
	rdev_open(&b->d, "cfi-flash", text);
}

static void close_bank(struct bank *b)
{
	rdev_close(&b->d);
	close(b->fd);
}

/* What a write of @val to both chips is. */
static uint32_t dual(uint32_t val)
{
	return val | val << 16;
}

static void cmd(struct bank *b, uint64_t at, uint32_t val)
{
	rdev_write(&b->d, at, 4, dual(val));
}

static uint32_t get(struct bank *b, uint64_t at)
{
	return (uint32_t)rdev_read(&b->d, at, 4);
}

static void expect_status(struct bank *b, uint32_t want)
{
	cmd(b, 0, 0x70);
	ck_assert_uint_eq(get(b, 0), dual(want));
	ck_assert_uint_eq(get(b, SIZE - 4), dual(want));
	cmd(b, 0, 0x50);
	cmd(b, 0, 0x70);
	ck_assert_uint_eq(get(b, 0), dual(READY));
	cmd(b, 0, 0xff);
}

static uint32_t in_file(const struct bank *b, uint64_t at)
{
	struct le32 val;

	ck_assert_int_eq(pread(b->fd, &val, sizeof(val), (off_t)at), sizeof(val));
	return le32_get(val);
}

static void to_file(const struct bank *b, uint64_t at, uint32_t val)
{
	const struct le32 v = le32(val);

	ck_assert_int_eq(pwrite(b->fd, &v, sizeof(v), (off_t)at), sizeof(v));
}

static void erase(struct bank *b, uint64_t at)
{
	cmd(b, at, 0x20);
	cmd(b, at, 0xd0);
	ck_assert_uint_eq(get(b, at & ~3ull) & dual(READY), dual(READY));
}

static void program(struct bank *b, uint64_t at, uint32_t val)
{
	cmd(b, at, 0x40);
	rdev_write(&b->d, at, 4, val);
	ck_assert_uint_eq(get(b, at & ~3ull) & dual(READY), dual(READY));
}

START_TEST(reads_its_file)
{
	struct bank b;

	open_bank(&b, SIZE, "");
	to_file(&b, 0, 0x33221100);
	to_file(&b, 4, 0x77665544);
	to_file(&b, SIZE - 4, 0xddccbbaa);
	ck_assert_uint_eq(rdev_read(&b.d, 0, 8), 0x7766554433221100);
	ck_assert_uint_eq(get(&b, 0), 0x33221100);
	ck_assert_uint_eq(get(&b, 2), 0x55443322);
	ck_assert_uint_eq(rdev_read(&b.d, 5, 2), 0x6655);
	ck_assert_uint_eq(rdev_read(&b.d, 7, 1), 0x77);
	/* and what it has not reads as erased */
	ck_assert_uint_eq(get(&b, SIZE - 4), 0xddccbbaa);
	ck_assert_uint_eq(get(&b, SIZE - 2), 0xffffddcc);
	ck_assert_uint_eq(get(&b, SIZE), 0xffffffff);
	ck_assert_uint_eq(rdev_read(&b.d, (64 << 20) - 8, 8), UINT64_MAX);
	ck_assert_uint_eq(rdev_read(&b.d, 64 << 20, 1), 0xff);
	close_bank(&b);
}
END_TEST

static void expect_query(uint64_t size, unsigned int size_shift)
{
	const uint8_t want[] = {
		'Q',  'R',  'Y',  0x01, 0x00, 0x31,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x17,
		0x20, 0x00, 0x00, 7,	7,    10,
		0,    4,    4,	  4,	0,    (uint8_t)size_shift,
		0x01, 0x00, 10,	  0,	1,    (uint8_t)(size / BLOCK - 1),
		0x00, 0x00, 0x02, 'P',	'R',  'I',
		'1',  '0',  0x20, 0x00, 0x00, 0x00,
		0x00, 0x01, 0x00, 0x18, 0x00, 0x00,
	};
	struct bank b;

	open_bank(&b, size, "");
	cmd(&b, 0x55 * 4, 0x98);
	for (unsigned int i = 0; i < CV_LEN(want); i++)
		ck_assert_msg(get(&b, (0x10 + i) * 4) == dual(want[i]), "%#x: %#x", 0x10 + i,
			      get(&b, (0x10 + i) * 4));
	ck_assert_uint_eq(get(&b, 0), 0);
	ck_assert_uint_eq(get(&b, 0x40 * 4), 0);
	ck_assert_uint_eq(get(&b, size - 4), 0);
	/* by halves and bytes */
	ck_assert_uint_eq(rdev_read(&b.d, 0x40, 8), (uint64_t)dual('R') << 32 | dual('Q'));
	ck_assert_uint_eq(rdev_read(&b.d, 0x42, 2), 'Q');
	ck_assert_uint_eq(rdev_read(&b.d, 0x40, 1), 'Q');
	ck_assert_uint_eq(rdev_read(&b.d, 0x41, 1), 0);
	cmd(&b, 0, 0xf0); /* AMD's reset, with which drivers begin */
	ck_assert_uint_eq(get(&b, 0x40), 0);
	close_bank(&b);
}

START_TEST(query)
{
	expect_query(BLOCK, 17);
	expect_query(3 * BLOCK, 19);
	expect_query(4 * BLOCK, 19);
	expect_query(256 * BLOCK, 25);
}
END_TEST

START_TEST(identification)
{
	struct bank b;

	open_bank(&b, SIZE, "");
	cmd(&b, 0, 0x90);
	for (uint64_t block = 0; block < SIZE; block += BLOCK) {
		ck_assert_uint_eq(get(&b, block), dual(0x89));
		ck_assert_uint_eq(get(&b, block + 4), dual(0x18));
		ck_assert_uint_eq(get(&b, block + 8), 0);
		ck_assert_uint_eq(get(&b, block + 12), 0);
	}
	rdev_reset(&b.d);
	ck_assert_uint_eq(get(&b, 4), 0);
	close_bank(&b);
}
END_TEST

START_TEST(programs_words)
{
	struct bank b;

	open_bank(&b, SIZE, "");
	to_file(&b, 0x100, 0xffffffff);
	to_file(&b, 0x104, 0xffffffff);
	program(&b, 0x100, 0x12345678);
	/* as EDK II does: the status, then clearing it gives the array back */
	cmd(&b, 0, 0x70);
	ck_assert_uint_eq(get(&b, 0), dual(READY));
	cmd(&b, 0, 0x50);
	ck_assert_uint_eq(get(&b, 0x100), 0x12345678);
	ck_assert_uint_eq(in_file(&b, 0x100), 0x12345678);
	/* bits are cleared, never set */
	program(&b, 0x100, 0xff00ff0f);
	expect_status(&b, READY);
	ck_assert_uint_eq(get(&b, 0x100), 0x12005608);
	/* a half, a byte, with the other opcode; two words by one access */
	rdev_write(&b.d, 0x106, 2, 0x10);
	rdev_write(&b.d, 0x106, 2, 0xbeef);
	rdev_write(&b.d, 0x104, 1, 0x10);
	rdev_write(&b.d, 0x104, 1, 0x0f);
	expect_status(&b, READY);
	ck_assert_uint_eq(get(&b, 0x104), 0xbeefff0f);
	to_file(&b, 0x200, 0xffffffff);
	rdev_write(&b.d, 0x200, 8, 0x5555aaaa00000040);
	expect_status(&b, READY);
	ck_assert_uint_eq(get(&b, 0x200), 0xffffffff); /* the second half went to the second word */
	ck_assert_uint_eq(in_file(&b, 0x204), 0);
	close_bank(&b);
}
END_TEST

START_TEST(erases_blocks)
{
	struct bank b;

	open_bank(&b, SIZE, "");
	erase(&b, BLOCK + 0x1234);
	expect_status(&b, READY);
	for (uint64_t at = 0; at < SIZE; at += 4096 - 4)
		ck_assert_uint_eq(in_file(&b, at), at / BLOCK == 1 ? 0xffffffff : 0);
	ck_assert_uint_eq(in_file(&b, BLOCK - 4), 0);
	ck_assert_uint_eq(in_file(&b, BLOCK), 0xffffffff);
	ck_assert_uint_eq(in_file(&b, 2 * BLOCK - 4), 0xffffffff);
	ck_assert_uint_eq(in_file(&b, 2 * BLOCK), 0);
	/* not confirmed */
	cmd(&b, 0, 0x20);
	cmd(&b, 0, 0xff);
	expect_status(&b, READY | SEQUENCE);
	ck_assert_uint_eq(in_file(&b, 0), 0);
	/* errors stay until they are cleared */
	cmd(&b, 0, 0x20);
	cmd(&b, 0, 0x70);
	erase(&b, 0);
	expect_status(&b, READY | SEQUENCE);
	ck_assert_uint_eq(in_file(&b, 0), 0xffffffff);
	close_bank(&b);
}
END_TEST

static void fill_buffer(struct bank *b, uint64_t at, unsigned int n_words)
{
	cmd(b, at, 0xe8);
	ck_assert_uint_eq(get(b, at), dual(READY));
	cmd(b, at, n_words - 1);
	for (unsigned int i = 0; i < n_words; i++)
		rdev_write(&b->d, at + 4 * i, 4, 0xa5000000 | (uint32_t)(at + 4 * i));
}

START_TEST(programs_buffers)
{
	/* EDK II: 32 words; Linux: what the query says, 1 KiB for each chip */
	static const struct {
		uint64_t at;
		unsigned int n;
	} runs[] = { { 2 * BLOCK, 32 },
		     { 2 * BLOCK + 0x880, 32 },
		     { 2 * BLOCK + 0x1000, 512 },
		     { 2 * BLOCK + 0x27fc, 1 } };
	struct bank b;

	open_bank(&b, SIZE, "");
	erase(&b, 2 * BLOCK);
	for (size_t i = 0; i < CV_LEN(runs); i++) {
		uint64_t end = runs[i].at + 4 * runs[i].n;

		fill_buffer(&b, runs[i].at, runs[i].n);
		ck_assert_uint_eq(in_file(&b, runs[i].at), 0xffffffff);
		cmd(&b, 0, 0xd0); /* EDK II confirms at the bank's beginning */
		expect_status(&b, READY);
		for (uint64_t at = runs[i].at; at < end; at += 4)
			ck_assert_uint_eq(get(&b, at), 0xa5000000 | at);
		ck_assert_uint_eq(get(&b, end), 0xffffffff);
		ck_assert_uint_eq(get(&b, runs[i].at - 4),
				  runs[i].at == 2 * BLOCK ? 0 : 0xffffffff);
	}
	close_bank(&b);
}
END_TEST

START_TEST(refuses_buffers)
{
	struct bank b;

	open_bank(&b, SIZE, "");
	erase(&b, 0);
	/* more than fit */
	cmd(&b, 0, 0xe8);
	cmd(&b, 0, 512);
	expect_status(&b, READY | SEQUENCE);
	cmd(&b, 0, 0xe8);
	rdev_write(&b.d, 0, 4, 0xffffffff);
	expect_status(&b, READY | SEQUENCE);
	/* not confirmed */
	fill_buffer(&b, 0, 4);
	cmd(&b, 0, 0xff);
	expect_status(&b, READY | SEQUENCE);
	/* beyond the buffer's place, before it, and across its end */
	fill_buffer(&b, 0x7f8, 3);
	cmd(&b, 0, 0xd0);
	expect_status(&b, READY | SEQUENCE);
	cmd(&b, 0x800, 0xe8);
	cmd(&b, 0x800, 1);
	rdev_write(&b.d, 0x800, 4, 0);
	rdev_write(&b.d, 0x7fc, 4, 0);
	cmd(&b, 0, 0xd0);
	expect_status(&b, READY | SEQUENCE);
	cmd(&b, 0, 0xe8);
	cmd(&b, 0, 0);
	rdev_write(&b.d, 0x7fe, 4, 0);
	cmd(&b, 0, 0xd0);
	expect_status(&b, READY | SEQUENCE);
	for (uint64_t at = 0; at < 0x1000; at += 4)
		ck_assert_uint_eq(in_file(&b, at), 0xffffffff);
	/* and is none the worse for it */
	fill_buffer(&b, 0, 4);
	cmd(&b, 0, 0xd0);
	expect_status(&b, READY);
	ck_assert_uint_eq(in_file(&b, 0xc), 0xa500000c);
	close_bank(&b);
}
END_TEST

static void set_lock(struct bank *b, uint64_t at, uint32_t how)
{
	cmd(b, at, 0x60);
	cmd(b, at, how);
}

static bool is_locked(struct bank *b, uint64_t at)
{
	uint32_t val;

	cmd(b, at, 0x90);
	val = get(b, at + 8);
	ck_assert(val == 0 || val == dual(1));
	cmd(b, at, 0xff);
	return val;
}

START_TEST(locks)
{
	struct bank b;

	open_bank(&b, SIZE, "");
	erase(&b, BLOCK);
	set_lock(&b, BLOCK + 0x40, 0x01);
	expect_status(&b, READY);
	for (uint64_t block = 0; block < SIZE; block += BLOCK)
		ck_assert_int_eq(is_locked(&b, block), block == BLOCK);
	program(&b, BLOCK, 0);
	expect_status(&b, READY | PROGRAM_FAILED | PROTECTED);
	fill_buffer(&b, 2 * BLOCK - 4, 1);
	cmd(&b, 0, 0xd0);
	expect_status(&b, READY | PROGRAM_FAILED | PROTECTED);
	program(&b, BLOCK - 2, 0);
	expect_status(&b, READY | PROGRAM_FAILED | PROTECTED);
	program(&b, 2 * BLOCK, 0);
	expect_status(&b, READY);
	erase(&b, BLOCK);
	expect_status(&b, READY | ERASE_FAILED | PROTECTED);
	ck_assert_uint_eq(in_file(&b, BLOCK), 0xffffffff);
	ck_assert_uint_eq(in_file(&b, 2 * BLOCK - 4), 0xffffffff);
	set_lock(&b, BLOCK, 0xd0);
	ck_assert(!is_locked(&b, BLOCK));
	program(&b, BLOCK, 0);
	expect_status(&b, READY);
	ck_assert_uint_eq(in_file(&b, BLOCK), 0);
	set_lock(&b, BLOCK, 0x99);
	expect_status(&b, READY | SEQUENCE);
	set_lock(&b, BLOCK, 0x03);
	expect_status(&b, READY);
	/* a reset is a loss of power */
	set_lock(&b, 0, 0x01);
	rdev_reset(&b.d);
	ck_assert(!is_locked(&b, 0));
	close_bank(&b);
}
END_TEST

START_TEST(stays_within_its_file)
{
	struct bank b;
	struct stat st;

	open_bank(&b, SIZE, "");
	erase(&b, SIZE);
	expect_status(&b, READY | ERASE_FAILED);
	erase(&b, (64 << 20) - 4);
	expect_status(&b, READY | ERASE_FAILED);
	program(&b, SIZE, 0);
	expect_status(&b, READY | PROGRAM_FAILED);
	program(&b, SIZE - 2, 0);
	expect_status(&b, READY | PROGRAM_FAILED);
	fill_buffer(&b, SIZE, 512);
	cmd(&b, 0, 0xd0);
	expect_status(&b, READY | PROGRAM_FAILED);
	set_lock(&b, (64 << 20) - 4, 0x01);
	expect_status(&b, READY);
	ck_assert_int_eq(fstat(b.fd, &st), 0);
	ck_assert_int_eq(st.st_size, SIZE);
	close_bank(&b);
}
END_TEST

START_TEST(read_only)
{
	struct bank b;

	open_bank(&b, SIZE, ",ro=true");
	to_file(&b, 0, 0x11223344);
	ck_assert_uint_eq(get(&b, 0), 0x11223344);
	erase(&b, 0);
	expect_status(&b, READY | ERASE_FAILED | PROTECTED);
	program(&b, 0, 0);
	expect_status(&b, READY | PROGRAM_FAILED | PROTECTED);
	fill_buffer(&b, 0, 1);
	cmd(&b, 0, 0xd0);
	expect_status(&b, READY | PROGRAM_FAILED | PROTECTED);
	ck_assert_uint_eq(get(&b, 0), 0x11223344);
	close_bank(&b);
}
END_TEST

/* What is written is there for the next machine. */
START_TEST(keeps)
{
	struct bank b;
	char text[64];

	open_bank(&b, SIZE, "");
	erase(&b, 0);
	program(&b, 8, 0xcafe);
	rdev_close(&b.d);
	snprintf(text, sizeof(text), "path=/proc/self/fd/%d", b.fd);
	rdev_open(&b.d, "cfi-flash", text);
	ck_assert_uint_eq(get(&b, 4), 0xffffffff);
	ck_assert_uint_eq(get(&b, 8), 0xcafe);
	close_bank(&b);
}
END_TEST

/* Somebody cuts the file under the guest. */
START_TEST(failing_file)
{
	struct bank b;

	open_bank(&b, SIZE, "");
	ck_assert_int_eq(ftruncate(b.fd, BLOCK), 0);
	ck_assert_uint_eq(get(&b, BLOCK - 4), 0);
	ck_assert_uint_eq(get(&b, BLOCK), 0xffffffff);
	program(&b, BLOCK, 0);
	expect_status(&b, READY | PROGRAM_FAILED);
	/* a disk that is full */
	ck_assert_int_eq(fcntl(b.fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW), 0);
	program(&b, 0, 0);
	expect_status(&b, READY | PROGRAM_FAILED);
	erase(&b, 0);
	expect_status(&b, READY | ERASE_FAILED);
	close_bank(&b);
}
END_TEST

START_TEST(sizes)
{
	static const struct {
		uint64_t size;
		int err;
	} files[] = { { 0, -EINVAL },
		      { 1, -EINVAL },
		      { BLOCK - 1, -EINVAL },
		      { BLOCK, 0 },
		      { BLOCK + 1, -EINVAL },
		      { 64 << 20, 0 },
		      { (64 << 20) + BLOCK, -EINVAL } };
	const struct cv_class *cls = cv_class_find("cfi-flash");

	for (size_t i = 0; i < CV_LEN(files); i++) {
		int fd = memfd_create("flash", 0);
		struct vm_error e = { 0 };
		void *config;
		char text[64];

		ck_assert_int_eq(ftruncate(fd, (off_t)files[i].size), 0);
		snprintf(text, sizeof(text), "path=/proc/self/fd/%d", fd);
		ck_assert_int_eq(cv_class_configure(cls, text, &config, &e), 0);
		ck_assert_int_eq(cls->check(config, 0, &e), files[i].err);
		if (files[i].err)
			ck_assert_ptr_nonnull(strstr(e.text, "multiple of 256 KiB"));
		cv_class_config_destroy(cls, config);
		close(fd);
	}
}
END_TEST

/* A machine that is saved between the words of a buffer. */
START_TEST(saved_within_a_buffer)
{
	struct cv_buf buf = { 0 };
	struct bank from, to;
	uint16_t version;
	size_t used;

	open_bank(&from, SIZE, "");
	set_lock(&from, BLOCK, 0x01);
	cmd(&from, 0, 0xe8);
	cmd(&from, 0, 1);
	rdev_write(&from.d, 0x100, 4, 0x11111111);
	cv_state_save(from.d.cls->state, from.d.cls->state_version, rdev_self(&from.d), &buf);
	open_bank(&to, SIZE, "");
	erase(&to, 0);
	ck_assert_int_eq(cv_state_load(to.d.cls->state, to.d.cls->state_version, rdev_self(&to.d),
				       buf.data, buf.len, &used, &version, NULL),
			 0);
	ck_assert_int_eq(to.d.cls->loaded(rdev_self(&to.d), version), 0);
	ck_assert_uint_eq(get(&to, 0), dual(READY));
	rdev_write(&to.d, 0x104, 4, 0x22222222);
	cmd(&to, 0, 0xd0);
	expect_status(&to, READY);
	ck_assert_uint_eq(get(&to, 0x100), 0x11111111);
	ck_assert_uint_eq(get(&to, 0x104), 0x22222222);
	ck_assert(is_locked(&to, BLOCK));
	cv_buf_fini(&buf);
	close_bank(&from);
	close_bank(&to);
}
END_TEST

START_TEST(garbage)
{
	static const uint8_t cmds[] = { 0x40, 0x20, 0xd0, 0xe8, 0x60, 0x01, 0x70,
					0x90, 0x98, 0xff, 0x50, 0x10, 0xb0 };
	struct stat st;
	struct bank b;

	open_bank(&b, SIZE, "");
	for (uint32_t seed = 1; seed < 20; seed++) {
		rdev_garbage(&b.d, seed, 300);
		for (uint32_t i = 0; i < 1000; i++) {
			uint32_t val = (seed * 2654435761u + i) * 40503u;
			uint64_t at = val % (SIZE + BLOCK);

			if (i % 3)
				rdev_write(&b.d, at, 1u << i % 4, cmds[(val >> 16) % CV_LEN(cmds)]);
			else
				rdev_write(&b.d, at & ~0x7ffull, 4, val & 0x3ff);
			rdev_read(&b.d, at, 1u << val % 4);
		}
	}
	ck_assert_int_eq(fstat(b.fd, &st), 0);
	ck_assert_int_eq(st.st_size, SIZE);
	close_bank(&b);
}
END_TEST

CHECK_MAIN("cfi_flash", reads_its_file, query, identification, programs_words, erases_blocks,
	   programs_buffers, refuses_buffers, locks, stays_within_its_file, read_only, keeps,
	   failing_file, sizes, saved_within_a_buffer, garbage)
