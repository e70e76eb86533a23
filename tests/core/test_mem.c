/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory: every call inside, across the border of regions, and outside. */
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/math.h"
#include "support/check_main.h"

#define A_GPA 0x1000ull
#define A_LEN 0x3000ull
#define B_GPA 0x4000ull /* adjacent */
#define B_LEN 0x1000ull
#define C_GPA 0x100000000ull
#define C_LEN 0x2000ull
#define HOLE  0x6000ull

static struct cv_mem make(void)
{
	const struct cv_mem_range ranges[] = { { A_GPA, A_LEN },
					       { B_GPA, B_LEN },
					       { C_GPA, C_LEN } };
	struct cv_mem m;

	ck_assert_int_eq(cv_mem_init(&m, ranges, 3, NULL), 0);
	return m;
}

START_TEST(bad_ranges)
{
	static const struct {
		struct cv_mem_range r[2];
		unsigned int n;
	} rows[] = {
		{ { { 0, 0 } }, 1 },
		{ { { 0, 4095 } }, 1 },
		{ { { 1, 4096 } }, 1 },
		{ { { 0, 8192 }, { 4096, 4096 } }, 2 },
		{ { { 8192, 4096 }, { 0, 4096 } }, 2 },
		{ { { -4096ull, 8192 } }, 1 },
		{ { { 0, 1ull << 63 }, { 1ull << 63, 4096 } }, 2 },
		{ { { 0, 4096 } }, 0 },
	};
	struct cv_mem m;

	for (size_t i = 0; i < CV_LEN(rows); i++) {
		struct vm_error e = { 0 };

		ck_assert_int_eq(cv_mem_init(&m, rows[i].r, rows[i].n, &e), -EINVAL);
		ck_assert_int_eq(strncmp(e.text, "guest memory: ", 14), 0);
		cv_mem_fini(&m);
	}
	cv_mem_fini(&(struct cv_mem){ 0 });
	cv_mem_fini(NULL);
}
END_TEST

START_TEST(is_sealed)
{
	struct cv_mem m = make();
	int fd = m.memfd_plus1 - 1;

	ck_assert_uint_eq(cv_mem_size(&m), A_LEN + B_LEN + C_LEN);
	ck_assert_int_lt(ftruncate(fd, 4096), 0);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cv_mem_fini(&m);
	ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
}
END_TEST

START_TEST(validity)
{
	struct cv_mem m = make();

	ck_assert(cv_mem_valid(&m, A_GPA, 1) && cv_mem_valid(&m, A_GPA, A_LEN + B_LEN));
	ck_assert(!cv_mem_valid(&m, A_GPA - 1, 2) && !cv_mem_valid(&m, A_GPA, A_LEN + B_LEN + 1));
	ck_assert(cv_mem_valid(&m, C_GPA, C_LEN) && !cv_mem_valid(&m, C_GPA + 1, C_LEN));
	ck_assert(!cv_mem_valid(&m, HOLE, 1) && !cv_mem_valid(&m, 0, 1));
	ck_assert(cv_mem_valid(&m, A_GPA, 0) && cv_mem_valid(&m, C_GPA + C_LEN, 0));
	ck_assert(!cv_mem_valid(&m, HOLE, 0));
	ck_assert(!cv_mem_valid(&m, A_GPA, UINT64_MAX) && !cv_mem_valid(&m, UINT64_MAX, 1));
	ck_assert(!cv_mem_valid(&m, UINT64_MAX, UINT64_MAX));
	cv_mem_fini(&m);
}
END_TEST

START_TEST(copies)
{
	struct cv_mem m = make();
	uint8_t out[4096], in[4096];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + 1);
	ck_assert_int_eq(cv_mem_write(&m, B_GPA - 2048, out, 4096), 0);
	ck_assert_int_eq(cv_mem_read(&m, B_GPA - 2048, in, 4096), 0);
	ck_assert_int_eq(memcmp(in, out, 4096), 0);
	ck_assert_int_eq(cv_mem_read(&m, B_GPA, in, 1), 0);
	ck_assert_uint_eq(in[0], out[2048]);
	/* half outside: nothing is copied */
	ck_assert_int_eq(cv_mem_fill(&m, B_GPA + B_LEN - 4, 0x11, 4), 0);
	ck_assert_int_eq(cv_mem_write(&m, B_GPA + B_LEN - 4, out, 8), -EFAULT);
	ck_assert_int_eq(cv_mem_read(&m, B_GPA + B_LEN - 4, in, 4), 0);
	ck_assert_int_eq(memcmp(in, "\x11\x11\x11\x11", 4), 0);
	in[0] = 0x77;
	ck_assert_int_eq(cv_mem_read(&m, C_GPA + C_LEN - 1, in, 2), -EFAULT);
	ck_assert_uint_eq(in[0], 0x77);
	ck_assert_int_eq(cv_mem_write(&m, UINT64_MAX - 1, out, 8), -EFAULT);
	ck_assert_int_eq(cv_mem_fill(&m, A_GPA, 0, A_LEN + B_LEN + 1), -EFAULT);
	ck_assert_int_eq(cv_mem_fill(&m, B_GPA - 1, 0x22, 2), 0);
	ck_assert_int_eq(cv_mem_read(&m, B_GPA - 1, in, 2), 0);
	ck_assert_int_eq(memcmp(in, "\x22\x22", 2), 0);
	ck_assert_int_eq(cv_mem_read(&m, A_GPA, in, 0), 0);
	cv_mem_fini(&m);
}
END_TEST

START_TEST(single_accesses)
{
	struct cv_mem m = make();
	uint8_t bytes[4];
	uint16_t v16;
	uint32_t v32;

	ck_assert_int_eq(cv_mem_store32(&m, A_GPA + 4, 0x11223344), 0);
	ck_assert_int_eq(cv_mem_read(&m, A_GPA + 4, bytes, 4), 0);
	ck_assert_int_eq(memcmp(bytes, "\x44\x33\x22\x11", 4), 0);
	ck_assert_int_eq(cv_mem_load32(&m, A_GPA + 4, &v32), 0);
	ck_assert_uint_eq(v32, 0x11223344);
	ck_assert_int_eq(cv_mem_load16(&m, A_GPA + 6, &v16), 0);
	ck_assert_uint_eq(v16, 0x1122);
	ck_assert_int_eq(cv_mem_store16(&m, C_GPA + C_LEN - 2, 1), 0);
	ck_assert_int_eq(cv_mem_store16(&m, C_GPA + C_LEN - 1, 1), -EFAULT);
	ck_assert_int_eq(cv_mem_load16(&m, A_GPA + 1, &v16), -EFAULT);
	ck_assert_int_eq(cv_mem_load32(&m, A_GPA + 2, &v32), -EFAULT);
	ck_assert_int_eq(cv_mem_load32(&m, HOLE, &v32), -EFAULT);
	ck_assert_int_eq(cv_mem_store32(&m, UINT64_MAX - 3, 1), -EFAULT);
	cv_mem_fini(&m);
}
END_TEST

START_TEST(iovecs)
{
	struct cv_mem m = make();
	struct iovec iov[2];

	ck_assert_int_eq(cv_mem_iov(&m, B_GPA - 100, 300, iov, 2), 2);
	ck_assert_uint_eq(iov[0].iov_len, 100);
	ck_assert_uint_eq(iov[1].iov_len, 200);
	memset(iov[1].iov_base, 0x5a, 200);
	ck_assert_int_eq(cv_mem_iov(&m, B_GPA - 100, 300, iov, 1), -ENOBUFS);
	ck_assert_int_eq(cv_mem_iov(&m, B_GPA, 300, iov, 1), 1);
	ck_assert_uint_eq(*(uint8_t *)iov[0].iov_base, 0x5a);
	ck_assert_int_eq(cv_mem_iov(&m, HOLE - 0x1000 - 1, 2, iov, 2), -EFAULT);
	ck_assert_int_eq(cv_mem_iov(&m, A_GPA, UINT64_MAX, iov, 2), -EFAULT);
	ck_assert_int_eq(cv_mem_iov(&m, HOLE, 0, iov, 2), 0);
	cv_mem_fini(&m);
}
END_TEST

START_TEST(files)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct cv_mem m = make();
	uint8_t bytes[2];

	ck_assert_int_eq(ftruncate(fd, 5000), 0);
	ck_assert_int_eq(pwrite(fd, "ab", 2, 2999), 2);
	ck_assert_int_eq(cv_mem_read_file(&m, B_GPA - 2000, fd, 1000, 4000), 0);
	ck_assert_int_eq(cv_mem_read(&m, B_GPA - 1, bytes, 2), 0);
	ck_assert_int_eq(memcmp(bytes, "ab", 2), 0);
	ck_assert_int_eq(cv_mem_read_file(&m, A_GPA, fd, 1001, 4000), -ENODATA);
	ck_assert_int_eq(cv_mem_read_file(&m, B_GPA, fd, 0, B_LEN + 1), -EFAULT);
	ck_assert_int_eq(cv_mem_read_file(&m, B_GPA, -1, 0, 1), -EBADF);
	close(fd);
	cv_mem_fini(&m);
}
END_TEST

START_TEST(discards)
{
	struct cv_mem m = make();
	uint32_t v;

	for (uint64_t gpa = A_GPA; gpa < B_GPA + B_LEN; gpa += 4096)
		ck_assert_int_eq(cv_mem_store32(&m, gpa, 1), 0);
	ck_assert_int_eq(cv_mem_discard(&m, A_GPA + 0x1000, 0x3000), 0);
	ck_assert(cv_mem_load32(&m, A_GPA, &v) == 0 && v == 1);
	for (uint64_t gpa = A_GPA + 0x1000; gpa < B_GPA + B_LEN; gpa += 4096)
		ck_assert(cv_mem_load32(&m, gpa, &v) == 0 && v == 0);
	ck_assert_int_eq(cv_mem_discard(&m, A_GPA + 1, 4096), -EINVAL);
	ck_assert_int_eq(cv_mem_discard(&m, A_GPA, 4095), -EINVAL);
	ck_assert_int_eq(cv_mem_discard(&m, B_GPA, B_LEN + 4096), -EFAULT);
	ck_assert(cv_mem_load32(&m, A_GPA, &v) == 0 && v == 1);
	cv_mem_fini(&m);
}
END_TEST

START_TEST(read_only)
{
	static const struct cv_mem_range bad[] = {
		{ 0, 0 }, { 0, 4095 }, { 1, 4096 }, { -4096ull, 8192 }, { 0, -4096ull },
	};
	struct cv_rom rom;
	struct vm_error e = { 0 };

	for (size_t i = 0; i < CV_LEN(bad); i++) {
		ck_assert_int_lt(cv_rom_init(&rom, bad[i].gpa, bad[i].len, &e), 0);
		ck_assert_ptr_null(rom.host);
		cv_rom_fini(&rom);
	}
	/* up to the very end of the address space */
	ck_assert_int_eq(cv_rom_init(&rom, -8192ull, 8192, NULL), 0);
	ck_assert_uint_eq(rom.host[8191], 0);
	rom.host[8191] = 1;
	cv_rom_seal(&rom);
	ck_assert_uint_eq(rom.host[8191], 1);
	cv_rom_fini(&rom);
	ck_assert_uint_eq(rom.len, 0);
	cv_rom_fini(&rom);
	cv_rom_fini(NULL);
}
END_TEST

CHECK_MAIN("mem", bad_ranges, is_sealed, validity, copies, single_accesses, iovecs, files, discards,
	   read_only)
