/* SPDX-License-Identifier: BSD-3-Clause */
/* ELF kernels made by hand: loading, entries, PVH notes, and everything that can be wrong. */
#include "boot_test.h"

#include <elf.h>
#include <fcntl.h>

#define CODE_GPA 0x1000000ull
#define DATA_GPA 0x1200000ull
#define NOTE_GPA 0x1300000ull
#define VIRTUAL	 0xffffffff81000000ull
#define CODE_OFF 0x1000
#define CODE_LEN 0x1234
#define DATA_OFF 0x3000
#define DATA_LEN 0x100
#define DATA_MEM 0x5000
#define NOTE_OFF 0x200
#define N_PHDRS	 3

static struct cv_mem mem;
static struct cv_boot_kernel kernel;
static struct vm_error e;
static struct bytes file;

static void setup(void)
{
	make_mem(&mem, TEST_RAM);
	memset(&file, 0, sizeof(file));
	memset(&e, 0, sizeof(e));
}

static void teardown(void)
{
	cv_mem_fini(&mem);
}

static size_t put_note(size_t off, const char *name, uint32_t namesz, uint32_t type, uint64_t desc,
		       uint32_t descsz)
{
	put_le(&file, off, namesz, 4);
	put_le(&file, off + 4, descsz, 4);
	put_le(&file, off + 8, type, 4);
	put_bytes(&file, off + 12, name, strlen(name) + 1);
	put_le(&file, off + 12 + 4 * ((strlen(name) + 4) / 4), desc, 8);
	return off + 12 + 4 * ((strlen(name) + 4) / 4) + (descsz + 3) / 4 * 4;
}

static void put_phdr64(unsigned int i, Elf64_Phdr p)
{
	put_bytes(&file, sizeof(Elf64_Ehdr) + i * sizeof(p), &p, sizeof(p));
}

static void put_contents(void)
{
	for (size_t i = 0; i < CODE_LEN; i++)
		put_le(&file, CODE_OFF + i, i * 7 + 1, 1);
	for (size_t i = 0; i < DATA_LEN; i++)
		put_le(&file, DATA_OFF + i, i ^ 0x5a, 1);
}

/* Code, data with bss behind it, and a segment of notes of @note_len. */
static void make_elf64(uint64_t note_len)
{
	Elf64_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_entry = CODE_GPA + 0x40,
			 .e_phoff = sizeof(h),
			 .e_ehsize = sizeof(h),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = N_PHDRS };

	put_contents();
	put_bytes(&file, 0, &h, sizeof(h));
	put_phdr64(0, (Elf64_Phdr){ .p_type = PT_LOAD,
				    .p_offset = CODE_OFF,
				    .p_vaddr = VIRTUAL,
				    .p_paddr = CODE_GPA,
				    .p_filesz = CODE_LEN,
				    .p_memsz = CODE_LEN });
	put_phdr64(1, (Elf64_Phdr){ .p_type = PT_LOAD,
				    .p_offset = DATA_OFF,
				    .p_vaddr = VIRTUAL + DATA_GPA - CODE_GPA,
				    .p_paddr = DATA_GPA,
				    .p_filesz = DATA_LEN,
				    .p_memsz = DATA_MEM });
	put_phdr64(2, (Elf64_Phdr){ .p_type = PT_NOTE,
				    .p_offset = NOTE_OFF,
				    .p_paddr = NOTE_GPA,
				    .p_filesz = note_len,
				    .p_memsz = note_len,
				    .p_align = 4 });
}

static uint64_t add_pvh_note(uint64_t entry, uint32_t descsz)
{
	size_t end = put_note(NOTE_OFF, "GNU", 4, 18, 0x1111, 4);

	end = put_note(end, "Xen", 4, 17, 0x2222, 8);
	return put_note(end, "Xen", 4, 18, entry, descsz) - NOTE_OFF;
}

static void make_elf32(uint64_t note_len)
{
	Elf32_Ehdr h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_EXEC,
			 .e_machine = EM_386,
			 .e_entry = CODE_GPA,
			 .e_phoff = sizeof(h),
			 .e_phentsize = sizeof(Elf32_Phdr),
			 .e_phnum = 2 };
	Elf32_Phdr code = { .p_type = PT_LOAD,
			    .p_offset = CODE_OFF,
			    .p_paddr = CODE_GPA,
			    .p_filesz = CODE_LEN,
			    .p_memsz = CODE_LEN };
	Elf32_Phdr note = { .p_type = PT_NOTE,
			    .p_offset = NOTE_OFF,
			    .p_filesz = (uint32_t)note_len,
			    .p_align = 4 };

	put_contents();
	put_bytes(&file, 0, &h, sizeof(h));
	put_bytes(&file, sizeof(h), &code, sizeof(code));
	put_bytes(&file, sizeof(h) + sizeof(code), &note, sizeof(note));
}

static int load(enum cv_boot_protocol want)
{
	return load_bytes(&mem, &file, file.len, want, &kernel, &e);
}

static void check_loaded(void)
{
	uint8_t buf[CODE_LEN];

	ck_assert_int_eq(cv_mem_read(&mem, CODE_GPA, buf, CODE_LEN), 0);
	ck_assert_mem_eq(buf, file.b + CODE_OFF, CODE_LEN);
	ck_assert_int_eq(cv_mem_read(&mem, DATA_GPA, buf, DATA_LEN), 0);
	ck_assert_mem_eq(buf, file.b + DATA_OFF, DATA_LEN);
	ck_assert(mem_all(&mem, DATA_GPA + DATA_LEN, DATA_MEM - DATA_LEN, 0));
}

/* Also what a reset relies on: dirty memory becomes the kernel's again, and only its own. */
START_TEST(loads_over_dirty_memory)
{
	make_elf64(0);
	ck_assert_int_eq(cv_mem_fill(&mem, CODE_GPA, 0xaa, 4 * CV_MIB), 0);
	ck_assert_msg(load(CV_BOOT_AUTO) == 0, "%s", e.text);
	check_loaded();
	ck_assert_uint_eq(mem_le(&mem, DATA_GPA - 1, 1), 0xaa);
	ck_assert_uint_eq(mem_le(&mem, DATA_GPA + DATA_MEM, 1), 0xaa);
	ck_assert_uint_eq(mem_le(&mem, CODE_GPA + CODE_LEN, 1), 0xaa);
	ck_assert_int_eq(kernel.protocol, CV_BOOT_LINUX);
	ck_assert(kernel.entry_64);
	ck_assert_uint_eq(kernel.entry, CODE_GPA + 0x40);
	ck_assert_uint_eq(kernel.start, CODE_GPA);
	ck_assert_uint_eq(kernel.end, DATA_GPA + DATA_MEM);
	ck_assert_uint_eq(kernel.initrd_addr_max, 0x7fffffff);
	ck_assert_uint_eq(kernel.cmdline_max, 2047);
	ck_assert_uint_eq(kernel.header_len, 0);
}
END_TEST

START_TEST(small_bss)
{
	make_elf64(0);
	put_le(&file, 64 + 56 + 40, DATA_LEN + 8, 8); /* p_memsz of the data */
	ck_assert_int_eq(cv_mem_fill(&mem, DATA_GPA, 0xaa, 4096), 0);
	ck_assert_int_eq(load(CV_BOOT_AUTO), 0);
	ck_assert_uint_eq(mem_le(&mem, DATA_GPA + DATA_LEN, 8), 0);
	ck_assert_uint_eq(mem_le(&mem, DATA_GPA + DATA_LEN + 8, 1), 0xaa);
}
END_TEST

START_TEST(virtual_entry)
{
	make_elf64(0);
	put_le(&file, 24, VIRTUAL + 0x100, 8);
	ck_assert_int_eq(load(CV_BOOT_LINUX), 0);
	ck_assert_uint_eq(kernel.entry, CODE_GPA + 0x100);
}
END_TEST

START_TEST(pvh_entry)
{
	make_elf64(add_pvh_note(CODE_GPA + 0x80, _i ? 8 : 4));
	ck_assert_msg(load(CV_BOOT_PVH) == 0, "%s", e.text);
	ck_assert_int_eq(kernel.protocol, CV_BOOT_PVH);
	ck_assert(!kernel.entry_64);
	ck_assert_uint_eq(kernel.entry, CODE_GPA + 0x80);
	check_loaded();
	ck_assert_int_eq(load(CV_BOOT_AUTO), 0);
	ck_assert_int_eq(kernel.protocol, CV_BOOT_LINUX);
	ck_assert_uint_eq(kernel.entry, CODE_GPA + 0x40);
}
END_TEST

START_TEST(pvh_note_aligned_to_8)
{
	put_note(NOTE_OFF, "Xen", 4, 18, CODE_GPA + 8, 4);
	make_elf64(24);
	put_le(&file, 64 + 2 * 56 + 48, 8, 8); /* p_align */
	ck_assert_msg(load(CV_BOOT_PVH) == 0, "%s", e.text);
	ck_assert_uint_eq(kernel.entry, CODE_GPA + 8);
}
END_TEST

START_TEST(pvh_refused)
{
	make_elf64(0);
	check_sentence(load(CV_BOOT_PVH), -EINVAL, &e, "kernel: ", "has no PVH entry");
	make_elf64(add_pvh_note(CODE_GPA - 1, 4));
	check_sentence(load(CV_BOOT_PVH), -EINVAL, &e, "kernel: ", "in no segment");
	make_elf64(add_pvh_note(CODE_GPA | 1ull << 32, 8));
	check_sentence(load(CV_BOOT_PVH), -EINVAL, &e, "kernel: ", "in no segment");
	make_elf64(add_pvh_note(VIRTUAL, 8));
	check_sentence(load(CV_BOOT_PVH), -EINVAL, &e, "kernel: ", "in no segment");
}
END_TEST

START_TEST(wild_notes)
{
	static const uint32_t wild[] = { 0, 1, 3, 5, 0x7fffffff, 0xfffffff0, 0xffffffff };

	for (size_t i = 0; i < CV_LEN(wild); i++) {
		put_note(NOTE_OFF, "Xen", wild[i], 18, CODE_GPA, 4);
		make_elf64(64);
		check_sentence(load(CV_BOOT_PVH), -EINVAL, &e, "kernel: ", "has no PVH entry");
		put_note(NOTE_OFF, "Xen", 4, 18, CODE_GPA, wild[i]);
		make_elf64(64);
		check_sentence(load(CV_BOOT_PVH), -EINVAL, &e, "kernel: ", "has no PVH entry");
	}
	make_elf64(65537);
	check_sentence(load(CV_BOOT_PVH), -EINVAL, &e, "kernel: ", "64 KiB of notes");
	make_elf64(60000);
	check_sentence(load(CV_BOOT_PVH), -ENODATA, &e, "kernel: ", "middle of segment 2");
}
END_TEST

START_TEST(elf32)
{
	make_elf32(0);
	check_sentence(load(CV_BOOT_AUTO), -EINVAL, &e, "kernel: ", "32-bit kernel without a PVH");
	make_elf32(add_pvh_note(CODE_GPA + 4, 4));
	ck_assert_msg(load(CV_BOOT_AUTO) == 0, "%s", e.text);
	ck_assert_int_eq(kernel.protocol, CV_BOOT_PVH);
	ck_assert_uint_eq(kernel.entry, CODE_GPA + 4);
	ck_assert_uint_eq(kernel.initrd_addr_max, 0x37ffffff);
	check_sentence(load(CV_BOOT_LINUX), -EINVAL, &e, "kernel: ", "32-bit kernel");
}
END_TEST

/* One field changed in a good file. */
static const struct {
	size_t off, len;
	uint64_t val;
	int code;
	const char *words;
} wrong[] = {
	{ 4, 1, 3, -EINVAL, "class 3" },
	{ 5, 1, ELFDATA2MSB, -EINVAL, "big-endian" },
	{ 6, 1, 0, -EINVAL, "version 0" },
	{ 16, 2, ET_REL, -EINVAL, "object file" },
	{ 16, 2, ET_CORE, -EINVAL, "core dump" },
	{ 16, 2, 77, -EINVAL, "type 77" },
	{ 18, 2, EM_AARCH64, -EINVAL, "arm64" },
	{ 18, 2, EM_RISCV, -EINVAL, "another machine" },
	{ 24, 8, 0, -EINVAL, "entry 0 is in no segment" },
	{ 24, 8, CODE_GPA + CODE_LEN, -EINVAL, "in no segment" },
	{ 32, 8, UINT64_MAX, -ENODATA, "middle of the program headers" },
	{ 32, 8, 0x3100, -ENODATA, "middle of the program headers" },
	{ 54, 2, 32, -EINVAL, "program headers of 32 bytes" },
	{ 56, 2, 0, -EINVAL, "no program headers" },
	{ 56, 2, 65, -EINVAL, "65 program headers" },
	{ 56, 2, 0xffff, -EINVAL, "65535 program headers" },
	{ 64, 4, PT_INTERP, -EINVAL, "user space" },
	{ 64 + 8, 8, UINT64_MAX, -ENODATA, "middle of segment 0" },
	{ 64 + 24, 8, 0x1000, -EINVAL, "below 0x100000 is reserved" },
	{ 64 + 24, 8, UINT64_MAX - 4, -ENOSPC, "give the VM more memory" },
	{ 64 + 24, 8, TEST_RAM - 0x1000, -ENOSPC, "past the end of memory at 0x4000000" },
	{ 64 + 24, 8, DATA_GPA + 0x10, -EINVAL, "segments 0 and 1 overlap" },
	{ 64 + 32, 8, UINT64_MAX, -EINVAL, "longer in the file" },
	{ 64 + 32, 8, CODE_LEN + 1, -EINVAL, "longer in the file" },
	{ 64 + 40, 8, UINT64_MAX, -ENOSPC, "past the end of memory" },
	{ 64 + 56 + 8, 8, 0x3001, -ENODATA, "middle of segment 1; copy it again" },
};

START_TEST(wrong_fields)
{
	make_elf64(0);
	put_le(&file, wrong[_i].off, wrong[_i].val, wrong[_i].len);
	check_sentence(load(CV_BOOT_AUTO), wrong[_i].code, &e, "kernel: ", wrong[_i].words);
	ck_assert_uint_eq(mem_le(&mem, CODE_GPA, 8), 0); /* nothing was loaded */
	ck_assert_uint_eq(mem_le(&mem, DATA_GPA, 8), 0);
}
END_TEST

START_TEST(nothing_to_load)
{
	make_elf64(0);
	put_le(&file, 64, PT_NULL, 4);
	put_le(&file, 64 + 56, PT_NULL, 4);
	check_sentence(load(CV_BOOT_AUTO), -EINVAL, &e, "kernel: ", "nothing to load");
}
END_TEST

START_TEST(truncated)
{
	make_elf64(add_pvh_note(CODE_GPA, 4));
	for (size_t len = 1; len < file.len; len += len < 0x300 ? 1 : 37) {
		memset(&e, 0, sizeof(e));
		ck_assert_int_lt(load_bytes(&mem, &file, len, CV_BOOT_AUTO, &kernel, &e), 0);
		ck_assert_msg(strncmp(e.text, "kernel: ", 8) == 0, "%zu: %s", len, e.text);
		if (len >= 4)
			ck_assert_msg(strstr(e.text, "ends in the middle"), "%zu: %s", len, e.text);
		ck_assert_uint_eq(mem_le(&mem, CODE_GPA, 8), 0);
	}
}
END_TEST

/* Nothing but a result or a sentence, and nothing below the floor is ever written. */
START_TEST(flipped_bytes)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };

	for (size_t off = 0; off < NOTE_OFF + 80; off++) {
		make_elf64(add_pvh_note(CODE_GPA, 4));
		file.b[off] ^= flips[_i];
		memset(&e, 0, sizeof(e));
		if (load(off % 2 ? CV_BOOT_PVH : CV_BOOT_AUTO) < 0)
			ck_assert_msg(strchr(e.text, ':'), "%zu: no sentence", off);
		else
			ck_assert(kernel.entry >= kernel.start && kernel.entry < kernel.end);
	}
	ck_assert(mem_all(&mem, 0, TEST_FLOOR, 0));
}
END_TEST

static void check_other(const char *magic, size_t off, size_t len, const char *words)
{
	memset(&file, 0, sizeof(file));
	put_bytes(&file, off, magic, len);
	file.len = 0x1000;
	check_sentence(load(CV_BOOT_AUTO), -EINVAL, &e, "kernel: ", words);
}

START_TEST(other_formats)
{
	check_other("\x1f\x8b\x08", 0, 3, "gzip; unpack it with gunzip");
	check_other("BZh9", 0, 4, "bzip2");
	check_other("\xfd\x37zXZ\0", 0, 6, "xz");
	check_other("\x28\xb5\x2f\xfd", 0, 4, "zstd");
	check_other("\x02\x21\x4c\x18", 0, 4, "lz4");
	check_other("ARM\x64", 0x38, 4, "arm64");
	check_other("MZ", 0, 2, "EFI program");
	check_other("#!/bin/sh", 0, 9, "script");
	check_other("QFI\xfb", 0, 4, "qcow2");
	check_other("070701", 0, 6, "initrd");
	check_other("\x55\xaa", 0x1fe, 2, "disk image");
	check_other("hello", 0, 5, "neither an ELF kernel (vmlinux) nor a bzImage");
	file.len = 1;
	check_sentence(load(CV_BOOT_AUTO), -EINVAL, &e, "kernel: ", "neither");
}
END_TEST

static int load_fd(int fd)
{
	struct cv_boot_space space = space_of(&mem);
	struct cv_boot_file f = { .fd = fd, .name = "dir/kernel" };

	return cv_boot_load_kernel(&space, &f, CV_BOOT_AUTO, &kernel, &e);
}

START_TEST(not_a_file)
{
	int fds[2], fd = file_of("", 0);

	check_sentence(load_fd(fd), -ENODATA, &e, "dir/kernel: ", "empty");
	close(fd);
	check_sentence(load_fd(fd), -EBADF, &e, "dir/kernel: ", "cannot be examined");
	fd = open("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	check_sentence(load_fd(fd), -EISDIR, &e, "dir/kernel: ", "is a directory");
	close(fd);
	ck_assert_int_eq(pipe(fds), 0);
	check_sentence(load_fd(fds[0]), -EINVAL, &e, "dir/kernel: ", "not a regular file");
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(unreadable)
{
	char path[] = "/tmp/boot_test.XXXXXX";
	int fd = mkstemp(path), write_only = open(path, O_WRONLY | O_CLOEXEC);

	unlink(path);
	ck_assert_int_eq(write(fd, "\177ELF", 4), 4);
	check_sentence(load_fd(write_only), -EBADF, &e, "dir/kernel: ", "cannot be read");
	close(fd);
	close(write_only);
}
END_TEST

START_TEST(bad_space)
{
	struct cv_boot_file f = { .fd = file_of("\177ELF", 4), .name = "kernel" };
	struct cv_boot_space space = space_of(&mem);

	space.len++;
	check_sentence(cv_boot_load_kernel(&space, &f, CV_BOOT_AUTO, &kernel, &e), -EINVAL, &e,
		       "guest memory: ", "not all memory");
	space = (struct cv_boot_space){ &mem, 4 * CV_GIB - CV_MIB, 2 * CV_MIB };
	check_sentence(cv_boot_load_kernel(&space, &f, CV_BOOT_AUTO, &kernel, &e), -EINVAL, &e,
		       "guest memory: ", "do not end below 4 GiB");
	close(f.fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boot/elf");
	TCase *t = tcase_create("elf");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, loads_over_dirty_memory);
	tcase_add_test(t, small_bss);
	tcase_add_test(t, virtual_entry);
	tcase_add_loop_test(t, pvh_entry, 0, 2);
	tcase_add_test(t, pvh_note_aligned_to_8);
	tcase_add_test(t, pvh_refused);
	tcase_add_test(t, wild_notes);
	tcase_add_test(t, elf32);
	tcase_add_loop_test(t, wrong_fields, 0, (int)CV_LEN(wrong));
	tcase_add_test(t, nothing_to_load);
	tcase_add_test(t, truncated);
	tcase_add_loop_test(t, flipped_bytes, 0, 3);
	tcase_add_test(t, other_formats);
	tcase_add_test(t, not_a_file);
	tcase_add_test(t, unreadable);
	tcase_add_test(t, bad_space);
	suite_add_tcase(s, t);
	return run_suite(s);
}
