/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arm64 Images (Documentation/arch/arm64/booting.rst, section 4), plain or packed,
 * and the EFI wrapper around packed ones (drivers/firmware/efi/libstub/zboot-header.S).
 */
#include "boot/arm64.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "boot/unpack.h"

#define IMAGE_ALIGN	(2 * CV_MIB) /* of the base that text_offset counts from */
#define OLD_TEXT_OFFSET 0x80000	     /* before Linux 3.17, whose field may be big-endian */
#define OLD_BSS		(4 * CV_MIB) /* and which did not tell its zeroed data; more than any had */
#define PHYSICAL_BITS	48u
#define INITRD_WINDOW	(32 * CV_GIB)
#define LINUX_CMDLINE	2047 /* COMMAND_LINE_SIZE - 1 of arm64 */
#define PE_FILE_ALIGN	512
#define PIECE		(256 * CV_KIB)

#define FLAG_BIG_ENDIAN 1u
#define FLAG_PAGE_SHIFT 1
#define FLAG_PAGE_MASK	3u

struct image_header {
	struct le32 code[2];
	struct le64 text_offset, image_size, flags, reserved[3];
	struct le32 magic, pe_header;
};
_Static_assert(sizeof(struct image_header) == 64, "arm64 Image header");

struct zboot_header {
	uint8_t mz[4], zimg[4];
	struct le32 payload_offset, payload_size, reserved[2];
	uint8_t compression[32];
};
_Static_assert(sizeof(struct zboot_header) == 56, "EFI zboot header");

/* The EFI stub's headers: what is used of them. */
struct pe_header {
	uint8_t signature[4];
	struct le16 machine, n_sections;
	struct le32 unused[3];
	struct le16 optional_len, characteristics;
};
_Static_assert(sizeof(struct pe_header) == 24, "PE header");

struct pe_section {
	uint8_t name[8];
	struct le32 memory_len, memory_off, file_len, file_off, unused[4];
};
_Static_assert(sizeof(struct pe_section) == 40, "PE section header");

struct arm64 {
	const struct cv_boot_space *space;
	const struct cv_boot_arm64_host *host;
	struct cv_boot_image img;
	struct cv_boot_source source;
	uint8_t head[CV_BOOT_HEAD]; /* of the unpacked kernel */
	size_t head_len;
	struct image_header h;
	uint64_t start;
	uint64_t size; /* what it occupies; without image_size in a packed one, at most */
	uint64_t len;  /* bytes of it in the file, unpacked */
};

/* Where the file, or what its EFI wrapper wraps, begins and ends. */
static int find_payload(const struct arm64 *a, uint64_t *off, uint64_t *len, struct vm_error *e)
{
	struct zboot_header z;
	int err;

	*off = 0;
	*len = a->img.len;
	if (a->img.len < sizeof(z))
		return 0;
	err = cv_boot_image_read(&a->img, 0, &z, sizeof(z), "its header", e);
	if (err || memcmp(z.mz, "MZ", 2) != 0 || memcmp(z.zimg, "zimg", 4) != 0)
		return err;
	*off = le32_get(z.payload_offset);
	*len = le32_get(z.payload_size);
	if (*off < sizeof(z) || *len == 0)
		return cv_boot_image_bad(
			&a->img, -EINVAL, e,
			"the EFI zboot header is corrupt (%llu bytes at %llu); copy "
			"it again",
			(unsigned long long)*len, (unsigned long long)*off);
	if (!cv_in_range(*off, *len, a->img.len))
		return cv_boot_image_error(&a->img, -ENODATA, "the packed kernel", e);
	return 0;
}

static int open_source(struct arm64 *a, struct vm_error *e)
{
	uint64_t off, len;
	int err = find_payload(a, &off, &len, e);

	err = err ?: cv_boot_source_open(&a->source, &a->img, off, len, e);
	if (!err && off > 0 && !a->source.format)
		return cv_boot_image_bad(&a->img, -EINVAL, e,
					 "is an EFI zboot kernel that is packed neither with gzip, "
					 "lz4 nor zstd; use the Image that it was made from");
	return err ?: cv_boot_source_read(&a->source, a->head, sizeof(a->head), &a->head_len, e);
}

static int refuse(const struct arm64 *a, struct vm_error *e)
{
	Elf64_Half machine;

	if (!cv_boot_magic(a->head, a->head_len, 0, ELFMAG, SELFMAG) ||
	    a->head_len < offsetof(Elf64_Ehdr, e_machine) + sizeof(machine))
		return cv_boot_refuse(&a->img, CV_BOOT_ARM64, a->head, a->head_len, e);
	machine = (Elf64_Half)(a->head[offsetof(Elf64_Ehdr, e_machine)] |
			       a->head[offsetof(Elf64_Ehdr, e_machine) + 1] << 8);
	if (machine == EM_AARCH64)
		return cv_boot_image_bad(
			&a->img, -EINVAL, e,
			"is an ELF file (vmlinux); use the Image that is made from "
			"it, arch/arm64/boot/Image");
	if (machine == EM_X86_64 || machine == EM_386)
		return cv_boot_refuse_as(&a->img, CV_BOOT_ARM64, "is an ELF file for x86", e);
	return cv_boot_refuse_as(&a->img, CV_BOOT_ARM64, "is an ELF file for another machine", e);
}

static const char *page_size(const struct cv_boot_arm64_host *host)
{
	if (host->page_4k)
		return "4 KiB";
	return host->page_16k ? "16 KiB" : "64 KiB";
}

static int check_pages(const struct arm64 *a, uint64_t flags, struct vm_error *e)
{
	static const unsigned int kib[] = { 0, 4, 16, 64 };
	const bool fits[] = { true, a->host->page_4k, a->host->page_16k, a->host->page_64k };
	unsigned int kind = (flags >> FLAG_PAGE_SHIFT) & FLAG_PAGE_MASK;

	if (fits[kind])
		return 0;
	return cv_boot_image_bad(&a->img, -EINVAL, e,
				 "is built for pages of %u KiB, which the host's processors do not "
				 "have; use a kernel with pages of %s",
				 kib[kind], page_size(a->host));
}

static int check_header(struct arm64 *a, struct vm_error *e)
{
	uint64_t flags, image_size, text_offset;

	if (!cv_boot_magic(a->head, a->head_len, offsetof(struct image_header, magic), "ARM\x64",
			   4))
		return refuse(a, e);
	if (a->head_len < sizeof(a->h))
		return cv_boot_image_error(&a->img, -ENODATA, "the Image header", e);
	memcpy(&a->h, a->head, sizeof(a->h));
	image_size = le64_get(a->h.image_size);
	text_offset = le64_get(a->h.text_offset);
	if (image_size == 0)
		return 0;
	if (image_size < sizeof(a->h) || !cv_is_aligned(text_offset, CV_PAGE_SIZE))
		return cv_boot_image_bad(
			&a->img, -EINVAL, e,
			"the Image header is corrupt (size %#llx, offset %#llx); copy it again",
			(unsigned long long)image_size, (unsigned long long)text_offset);
	flags = le64_get(a->h.flags);
	if (flags & FLAG_BIG_ENDIAN && !a->host->big_endian)
		return cv_boot_image_bad(
			&a->img, -EINVAL, e,
			"is a big-endian kernel, which the host's processors cannot "
			"run; use a little-endian one");
	return check_pages(a, flags, e);
}

static int no_room(const struct arm64 *a, uint64_t size, struct vm_error *e)
{
	uint64_t end = a->space->gpa + a->space->len;

	return cv_boot_image_bad(
		&a->img, -ENOSPC, e,
		"needs %llu KiB of memory at %#llx, which ends at %#llx; give the VM "
		"more memory",
		(unsigned long long)(size / CV_KIB + 1), (unsigned long long)a->start,
		(unsigned long long)end);
}

/*
 * The lowest place: kernels before 4.6, which leave bit 3 of the flags clear, cannot
 * use the memory below them, and to newer ones it is all the same.
 */
static int place(struct arm64 *a, struct vm_error *e)
{
	uint64_t image_size = le64_get(a->h.image_size), end = a->space->gpa + a->space->len;
	uint64_t offset = image_size ? le64_get(a->h.text_offset) : OLD_TEXT_OFFSET;

	a->size = image_size ?: a->img.len + OLD_BSS;
	if (__builtin_add_overflow(cv_align_up(a->space->gpa, IMAGE_ALIGN), offset, &a->start))
		a->start = UINT64_MAX;
	if (!image_size && a->source.format && a->start < end)
		a->size = cv_max(end - a->start, (uint64_t)OLD_BSS);
	if (!cv_boot_space_has(a->space, a->start, a->size))
		return no_room(a, a->size, e);
	if (!cv_in_range(a->start, a->size, 1ull << PHYSICAL_BITS))
		return cv_boot_image_bad(&a->img, -EINVAL, e,
					 "cannot be at %#llx, past the %u bits that kernels can "
					 "address; give the VM memory below",
					 (unsigned long long)a->start, PHYSICAL_BITS);
	return 0;
}

/* How long the content may be. */
static uint64_t room(const struct arm64 *a)
{
	return le64_get(a->h.image_size) ? a->size : a->size - OLD_BSS;
}

static int too_long(const struct arm64 *a, struct vm_error *e)
{
	if (!le64_get(a->h.image_size))
		return no_room(a, a->size, e);
	return cv_boot_image_bad(&a->img, -EINVAL, e,
				 "is longer than the %llu bytes that its header tells; the file is "
				 "corrupt, copy it again",
				 (unsigned long long)a->size);
}

/*
 * How much of a kernel with an EFI stub there must be: the Image header does not tell
 * it. Old kernels lack the padding after the last section.
 */
static uint64_t least(const struct arm64 *a)
{
	uint64_t off = le32_get(a->h.pe_header), end = 0;
	struct pe_header pe;
	struct pe_section s;

	if (!cv_boot_magic(a->head, a->head_len, 0, "MZ", 2) ||
	    !cv_boot_magic(a->head, a->head_len, off, "PE\0\0", 4) ||
	    !cv_in_range(off, sizeof(pe), a->head_len))
		return 0;
	memcpy(&pe, a->head + off, sizeof(pe));
	off += sizeof(pe) + le16_get(pe.optional_len);
	for (unsigned int i = 0; i < le16_get(pe.n_sections); i++, off += sizeof(s)) {
		if (!cv_in_range(off, sizeof(s), a->head_len))
			return 0;
		memcpy(&s, a->head + off, sizeof(s));
		end = cv_max(end, (uint64_t)le32_get(s.file_off) + le32_get(s.file_len));
	}
	return end < PE_FILE_ALIGN ? 0 : end - (PE_FILE_ALIGN - 1);
}

static int check_len(const struct arm64 *a, struct vm_error *e)
{
	if (a->len < least(a))
		return cv_boot_image_error(&a->img, -ENODATA, "the kernel", e);
	return a->len > room(a) ? too_long(a, e) : 0;
}

static int copy_plain(struct arm64 *a, struct vm_error *e)
{
	int err;

	a->len = a->img.len;
	err = check_len(a, e);
	if (err)
		return err;
	err = cv_mem_read_file(a->space->mem, a->start, a->img.fd, 0, a->len);
	return err ? cv_boot_image_error(&a->img, err, "the kernel", e) : 0;
}

static int put(struct arm64 *a, const uint8_t *bytes, size_t n, struct vm_error *e)
{
	if (n > room(a) - a->len)
		return too_long(a, e);
	if (cv_mem_write(a->space->mem, a->start + a->len, bytes, n))
		return no_room(a, a->size, e);
	a->len += n;
	return 0;
}

/* The end is read too: that is where the formats have their checksums. */
static int copy_packed(struct arm64 *a, struct vm_error *e)
{
	CV_AUTO_FREE uint8_t *piece = malloc(PIECE);
	size_t n = 1;
	int err;

	if (!piece)
		return cv_boot_image_bad(&a->img, -ENOMEM, e, "no memory to unpack it; free some");
	err = put(a, a->head, a->head_len, e);
	while (n > 0 && !err) {
		err = cv_boot_source_read(&a->source, piece, PIECE, &n, e);
		err = err ?: put(a, piece, n, e);
	}
	return err ?: check_len(a, e);
}

static void describe(const struct arm64 *a, struct cv_boot_kernel *kernel)
{
	uint64_t window = cv_align_down(a->start, CV_GIB) + INITRD_WINDOW;

	kernel->protocol = CV_BOOT_LINUX;
	kernel->entry_64 = true;
	kernel->entry = a->start;
	kernel->start = a->start;
	kernel->end = a->start + (le64_get(a->h.image_size) ?: a->len + OLD_BSS);
	kernel->initrd_addr_max = window - 1;
	window = cv_align_up(kernel->end, CV_GIB);
	kernel->initrd_addr_min = window > INITRD_WINDOW ? window - INITRD_WINDOW : 0;
	kernel->cmdline_max = LINUX_CMDLINE;
}

static int load(struct arm64 *a, struct vm_error *e)
{
	int err = open_source(a, e);

	err = err ?: check_header(a, e);
	err = err ?: place(a, e);
	return err ?: (a->source.format ? copy_packed(a, e) : copy_plain(a, e));
}

int cv_boot_load_arm64(const struct cv_boot_space *space, const struct cv_boot_file *file,
		       const struct cv_boot_arm64_host *host, struct cv_boot_kernel *kernel,
		       struct vm_error *e)
{
	struct arm64 a = { .space = space, .host = host };
	int err = cv_boot_space_check(space, e) ?: cv_boot_image_init(&a.img, file, "kernel", e);

	err = err ?: load(&a, e);
	*kernel = (struct cv_boot_kernel){ 0 };
	if (!err)
		describe(&a, kernel);
	cv_boot_source_close(&a.source);
	return err;
}
