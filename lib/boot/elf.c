/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ELF kernels (vmlinux): loaded segment by segment at their physical addresses,
 * entered by Linux's 64-bit protocol or by PVH. The entry for PVH comes from the
 * note XEN_ELFNOTE_PHYS32_ENTRY. No relocation: a kernel is linked for its place.
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "boot/image.h"

#define MAX_SEGMENTS	    64
#define MAX_NOTES_LEN	    (64 * CV_KIB)
#define XEN_NOTE_PHYS32	    18
#define LINUX_CMDLINE_MAX   2047	/* COMMAND_LINE_SIZE - 1 of x86 */
#define INITRD_ADDR_MAX	    0x7fffffffu /* as x86-64 bzImages say it */
#define INITRD_ADDR_MAX_PVH 0x37ffffffu /* what 32-bit kernels say: all of them map it */

struct header32 {
	uint8_t ident[EI_NIDENT];
	struct le16 type, machine;
	struct le32 version, entry, phoff, shoff, flags;
	struct le16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct header32) == 52, "Elf32_Ehdr");

struct header64 {
	uint8_t ident[EI_NIDENT];
	struct le16 type, machine;
	struct le32 version;
	struct le64 entry, phoff, shoff;
	struct le32 flags;
	struct le16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct header64) == 64, "Elf64_Ehdr");

struct segment32 {
	struct le32 type, off, vaddr, paddr, filesz, memsz, flags, align;
};
_Static_assert(sizeof(struct segment32) == 32, "Elf32_Phdr");

struct segment64 {
	struct le32 type, flags;
	struct le64 off, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct segment64) == 56, "Elf64_Phdr");

struct note {
	struct le32 namesz, descsz, type;
};

/* A program header of either class. */
struct segment {
	uint32_t type;
	uint64_t off, vaddr, paddr, filesz, memsz, align;
};

struct elf {
	const struct cv_boot_space *space;
	const struct cv_boot_image *img;
	bool is_64;
	uint64_t entry, phoff;
	unsigned int n_segments;
	struct segment segments[MAX_SEGMENTS];
	bool has_pvh;
	uint64_t pvh_entry;
};

static int check_ident(const struct elf *elf, const uint8_t *ident, struct vm_error *e)
{
	if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "the ELF header is corrupt (class %u); copy it again",
					 ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "is a big-endian ELF file; use a kernel for x86-64");
	if (ident[EI_VERSION] != EV_CURRENT)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "the ELF header is corrupt (version %u); copy it again",
					 ident[EI_VERSION]);
	return 0;
}

static int check_machine(const struct elf *elf, uint16_t machine, uint16_t type, struct vm_error *e)
{
	uint16_t fits = elf->is_64 ? EM_X86_64 : EM_386;

	if (machine == EM_AARCH64)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "is for arm64; use a kernel for x86-64");
	if (machine != fits)
		return cv_boot_image_bad(
			elf->img, -EINVAL, e,
			"is for another machine (ELF number %u); use one for x86-64", machine);
	if (type == ET_REL)
		return cv_boot_image_bad(
			elf->img, -EINVAL, e,
			"is an object file or module, not a kernel; use the vmlinux");
	if (type == ET_CORE)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "is a core dump, not a kernel; use the vmlinux");
	if (type != ET_EXEC && type != ET_DYN)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "the ELF header is corrupt (type %u); copy it again",
					 type);
	return 0;
}

static int check_table(struct elf *elf, unsigned int n, unsigned int size, struct vm_error *e)
{
	unsigned int want = elf->is_64 ? sizeof(struct segment64) : sizeof(struct segment32);

	if (n == 0)
		return cv_boot_image_bad(
			elf->img, -EINVAL, e,
			"has no program headers, nothing can be loaded; use the vmlinux");
	if (n > MAX_SEGMENTS)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "has %u program headers, at most %d are possible; "
					 "link it with fewer",
					 n, MAX_SEGMENTS);
	if (size != want)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "the ELF header is corrupt (program headers of %u bytes); "
					 "copy it again",
					 size);
	elf->n_segments = n;
	return 0;
}

static int read_header32(struct elf *elf, struct vm_error *e)
{
	struct header32 h;
	int err = cv_boot_image_read(elf->img, 0, &h, sizeof(h), "the ELF header", e);

	if (err)
		return err;
	elf->entry = le32_get(h.entry);
	elf->phoff = le32_get(h.phoff);
	return check_machine(elf, le16_get(h.machine), le16_get(h.type), e)
		       ?: check_table(elf, le16_get(h.phnum), le16_get(h.phentsize), e);
}

static int read_header64(struct elf *elf, struct vm_error *e)
{
	struct header64 h;
	int err = cv_boot_image_read(elf->img, 0, &h, sizeof(h), "the ELF header", e);

	if (err)
		return err;
	elf->entry = le64_get(h.entry);
	elf->phoff = le64_get(h.phoff);
	return check_machine(elf, le16_get(h.machine), le16_get(h.type), e)
		       ?: check_table(elf, le16_get(h.phnum), le16_get(h.phentsize), e);
}

static int read_header(struct elf *elf, struct vm_error *e)
{
	uint8_t ident[EI_NIDENT];
	int err = cv_boot_image_read(elf->img, 0, ident, sizeof(ident), "the ELF header", e);

	err = err ?: check_ident(elf, ident, e);
	if (err)
		return err;
	elf->is_64 = ident[EI_CLASS] == ELFCLASS64;
	return elf->is_64 ? read_header64(elf, e) : read_header32(elf, e);
}

static int read_segments32(struct elf *elf, struct vm_error *e)
{
	struct segment32 raw[MAX_SEGMENTS];
	int err = cv_boot_image_read(elf->img, elf->phoff, raw, elf->n_segments * sizeof(raw[0]),
				     "the program headers", e);

	for (unsigned int i = 0; i < elf->n_segments && !err; i++)
		elf->segments[i] = (struct segment){ .type = le32_get(raw[i].type),
						     .off = le32_get(raw[i].off),
						     .vaddr = le32_get(raw[i].vaddr),
						     .paddr = le32_get(raw[i].paddr),
						     .filesz = le32_get(raw[i].filesz),
						     .memsz = le32_get(raw[i].memsz),
						     .align = le32_get(raw[i].align) };
	return err;
}

static int read_segments64(struct elf *elf, struct vm_error *e)
{
	struct segment64 raw[MAX_SEGMENTS];
	int err = cv_boot_image_read(elf->img, elf->phoff, raw, elf->n_segments * sizeof(raw[0]),
				     "the program headers", e);

	for (unsigned int i = 0; i < elf->n_segments && !err; i++)
		elf->segments[i] = (struct segment){ .type = le32_get(raw[i].type),
						     .off = le64_get(raw[i].off),
						     .vaddr = le64_get(raw[i].vaddr),
						     .paddr = le64_get(raw[i].paddr),
						     .filesz = le64_get(raw[i].filesz),
						     .memsz = le64_get(raw[i].memsz),
						     .align = le64_get(raw[i].align) };
	return err;
}

static bool loaded(const struct segment *s)
{
	return s->type == PT_LOAD && s->memsz > 0;
}

static int segment_truncated(const struct elf *elf, unsigned int i, struct vm_error *e)
{
	char part[32];

	snprintf(part, sizeof(part), "segment %u", i);
	return cv_boot_image_error(elf->img, -ENODATA, part, e);
}

static int check_segment(const struct elf *elf, unsigned int i, struct vm_error *e)
{
	const struct segment *s = &elf->segments[i];
	unsigned long long at = s->paddr, len = s->memsz, floor = elf->space->gpa;

	if (s->filesz > s->memsz)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "segment %u is longer in the file than in memory; "
					 "the file is corrupt, copy it again",
					 i);
	if (!cv_in_range(s->off, s->filesz, elf->img->len))
		return segment_truncated(elf, i, e);
	if (s->paddr < floor)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "segment %u wants address %#llx, memory below %#llx is "
					 "reserved; link the kernel higher",
					 i, at, floor);
	if (!cv_boot_space_has(elf->space, s->paddr, s->memsz))
		return cv_boot_image_bad(
			elf->img, -ENOSPC, e,
			"segment %u needs %#llx bytes at %#llx, past the end of memory at %#llx; "
			"give the VM more memory",
			i, len, at, floor + elf->space->len);
	for (unsigned int k = 0; k < i; k++)
		if (loaded(&elf->segments[k]) &&
		    cv_ranges_overlap(s->paddr, s->memsz, elf->segments[k].paddr,
				      elf->segments[k].memsz))
			return cv_boot_image_bad(elf->img, -EINVAL, e,
						 "segments %u and %u overlap; the file is corrupt, "
						 "copy it again",
						 k, i);
	return 0;
}

static int check_segments(const struct elf *elf, struct cv_boot_kernel *kernel, struct vm_error *e)
{
	int err = 0;

	kernel->start = UINT64_MAX;
	for (unsigned int i = 0; i < elf->n_segments && !err; i++) {
		const struct segment *s = &elf->segments[i];

		if (s->type == PT_INTERP)
			return cv_boot_image_bad(elf->img, -EINVAL, e,
						 "is a program for user space, not a kernel; "
						 "use the vmlinux");
		if (!loaded(s))
			continue;
		err = check_segment(elf, i, e);
		kernel->start = cv_min(kernel->start, s->paddr);
		kernel->end = cv_max(kernel->end, s->paddr + s->memsz);
	}
	if (!err && kernel->end == 0)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "has nothing to load; use the vmlinux");
	return err;
}

static uint32_t note_word(const uint8_t *p)
{
	struct le32 v;

	memcpy(&v, p, sizeof(v));
	return le32_get(v);
}

/* A PHYS32_ENTRY note's value: 4 bytes, or 8 from a 64-bit linker. */
static void take_note(struct elf *elf, const uint8_t *name, uint32_t namesz, const uint8_t *desc,
		      uint32_t descsz)
{
	if (namesz != 4 || memcmp(name, "Xen", 4) != 0 || (descsz != 4 && descsz != 8))
		return;
	elf->pvh_entry = note_word(desc);
	if (descsz == 8)
		elf->pvh_entry |= (uint64_t)note_word(desc + 4) << 32;
	elf->has_pvh = true;
}

/* Every round consumes at least the note's own header, so @len bounds the loop. */
static void scan_notes(struct elf *elf, const uint8_t *p, uint64_t len, uint64_t align)
{
	while (len >= sizeof(struct note)) {
		uint32_t namesz = note_word(p), descsz = note_word(p + 4), type = note_word(p + 8);
		uint64_t desc = cv_align_up(sizeof(struct note) + (uint64_t)namesz, align);
		uint64_t next = cv_align_up(desc + descsz, align);

		if (desc + descsz > len)
			return;
		if (type == XEN_NOTE_PHYS32)
			take_note(elf, p + sizeof(struct note), namesz, p + desc, descsz);
		next = cv_min(next, len);
		p += next;
		len -= next;
	}
}

static int read_notes(struct elf *elf, unsigned int i, struct vm_error *e)
{
	const struct segment *s = &elf->segments[i];
	CV_AUTO_FREE uint8_t *buf = NULL;
	int err;

	if (s->filesz == 0)
		return 0;
	if (s->filesz > MAX_NOTES_LEN)
		return cv_boot_image_bad(elf->img, -EINVAL, e,
					 "segment %u has more than 64 KiB of notes; "
					 "the file is corrupt, copy it again",
					 i);
	if (!cv_in_range(s->off, s->filesz, elf->img->len))
		return segment_truncated(elf, i, e);
	buf = malloc(s->filesz);
	if (!buf)
		return cv_boot_image_bad(elf->img, -ENOMEM, e,
					 "no memory for its notes; free some");
	err = cv_boot_image_read(elf->img, s->off, buf, s->filesz, "the notes", e);
	if (!err)
		scan_notes(elf, buf, s->filesz, s->align == 8 ? 8 : 4);
	return err;
}

static int find_pvh(struct elf *elf, struct vm_error *e)
{
	int err = 0;

	for (unsigned int i = 0; i < elf->n_segments && !err; i++)
		if (elf->segments[i].type == PT_NOTE)
			err = read_notes(elf, i, e);
	return err;
}

/* Linux gives a physical entry; a kernel that gives its virtual one is understood too. */
static int find_entry(const struct elf *elf, uint64_t want, bool virtual, uint64_t *entry,
		      struct vm_error *e)
{
	for (unsigned int i = 0; i < elf->n_segments; i++) {
		const struct segment *s = &elf->segments[i];

		if (loaded(s) && want - s->paddr < s->memsz) {
			*entry = want;
			return 0;
		}
	}
	for (unsigned int i = 0; i < elf->n_segments && virtual; i++) {
		const struct segment *s = &elf->segments[i];

		if (loaded(s) && want - s->vaddr < s->memsz) {
			*entry = want - s->vaddr + s->paddr;
			return 0;
		}
	}
	return cv_boot_image_bad(
		elf->img, -EINVAL, e,
		"the entry %#llx is in no segment; the file is corrupt, copy it again",
		(unsigned long long)want);
}

static int use_linux(const struct elf *elf, struct cv_boot_kernel *kernel, struct vm_error *e)
{
	if (!elf->is_64)
		return cv_boot_image_bad(
			elf->img, -EINVAL, e,
			"is a 32-bit kernel without a PVH entry; use one for x86-64");
	kernel->protocol = CV_BOOT_LINUX;
	kernel->entry_64 = true;
	kernel->initrd_addr_max = INITRD_ADDR_MAX;
	return find_entry(elf, elf->entry, true, &kernel->entry, e);
}

static int use_pvh(const struct elf *elf, struct cv_boot_kernel *kernel, struct vm_error *e)
{
	if (!elf->has_pvh)
		return cv_boot_image_bad(
			elf->img, -EINVAL, e,
			"has no PVH entry; boot it with the Linux protocol, or build "
			"it with CONFIG_PVH");
	kernel->protocol = CV_BOOT_PVH;
	kernel->initrd_addr_max = elf->is_64 ? INITRD_ADDR_MAX : INITRD_ADDR_MAX_PVH;
	return find_entry(elf, elf->pvh_entry, false, &kernel->entry, e);
}

static int choose(const struct elf *elf, enum cv_boot_protocol want, struct cv_boot_kernel *kernel,
		  struct vm_error *e)
{
	bool pvh = want == CV_BOOT_PVH || (want == CV_BOOT_AUTO && !elf->is_64 && elf->has_pvh);

	kernel->cmdline_max = LINUX_CMDLINE_MAX;
	return pvh ? use_pvh(elf, kernel, e) : use_linux(elf, kernel, e);
}

/* Whole pages are given back rather than written: cheap at the first boot, when they are holes. */
static int zero(const struct cv_mem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t first = cv_align_up(gpa, CV_PAGE_SIZE);
	uint64_t last = cv_align_down(gpa + len, CV_PAGE_SIZE);

	if (first >= last || cv_mem_discard(mem, first, last - first))
		return cv_mem_fill(mem, gpa, 0, len);
	return cv_mem_fill(mem, gpa, 0, first - gpa) ?: cv_mem_fill(mem, last, 0, gpa + len - last);
}

static int copy_segment(const struct elf *elf, unsigned int i, struct vm_error *e)
{
	const struct segment *s = &elf->segments[i];
	char part[32];
	int err = cv_mem_read_file(elf->space->mem, s->paddr, elf->img->fd, s->off, s->filesz);

	err = err ?: zero(elf->space->mem, s->paddr + s->filesz, s->memsz - s->filesz);
	snprintf(part, sizeof(part), "segment %u", i);
	return err ? cv_boot_image_error(elf->img, err, part, e) : 0;
}

int cv_boot_load_elf(const struct cv_boot_space *space, const struct cv_boot_image *img,
		     enum cv_boot_protocol want, struct cv_boot_kernel *kernel, struct vm_error *e)
{
	struct elf elf = { .space = space, .img = img };
	int err = read_header(&elf, e);

	err = err ?: (elf.is_64 ? read_segments64(&elf, e) : read_segments32(&elf, e));
	err = err ?: check_segments(&elf, kernel, e);
	err = err ?: find_pvh(&elf, e);
	err = err ?: choose(&elf, want, kernel, e);
	for (unsigned int i = 0; i < elf.n_segments && !err; i++)
		if (loaded(&elf.segments[i]))
			err = copy_segment(&elf, i, e);
	return err;
}
