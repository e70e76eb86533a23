/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bzImage kernels, entered through their 64-bit entry at the load address +
 * 0x200. The kernel unpacks itself; it is given the place that it prefers, and
 * init_size bytes from there stay free of everything else.
 */
#include <errno.h>
#include <string.h>

#include "base/math.h"
#include "boot/image.h"
#include "boot/linux_params.h"

#define SECTOR		     512u
#define ENTRY_64	     0x200u
#define DEFAULT_SETUP_SECTS  4 /* what 0 means */
#define MIN_VERSION	     0x206
#define DEFAULT_INITRD_MAX   0x37ffffffu
#define LINUX_64_SINCE	     0x20c
#define MAX_KERNEL_ALIGNMENT (1u << 30)

struct bzimage {
	const struct cv_boot_space *space;
	const struct cv_boot_image *img;
	struct cv_linux_header hdr;
	uint64_t payload_off, payload_len; /* protected-mode code in the file */
	uint64_t load;
	uint64_t init_size;
};

/* Copies the header that the file really has; what an old one lacks stays zero. */
static int read_header(struct bzimage *bz, struct cv_boot_kernel *kernel, struct vm_error *e)
{
	uint8_t jump_len;
	size_t len;
	int err = cv_boot_image_read(bz->img, 0x201, &jump_len, 1, "the setup header", e);

	if (err)
		return err;
	len = cv_min(0x202u + jump_len, (unsigned int)CV_LINUX_HEADER_LIMIT) - CV_LINUX_HEADER_OFF;
	err = cv_boot_image_read(bz->img, CV_LINUX_HEADER_OFF, kernel->header, len,
				 "the setup header", e);
	kernel->header_len = (uint16_t)len;
	memcpy(&bz->hdr, kernel->header, sizeof(bz->hdr));
	return err;
}

static int check_version(const struct bzimage *bz, struct vm_error *e)
{
	unsigned int version = le16_get(bz->hdr.version);
	unsigned int major = version >> 8, minor = version & 0xff;

	if (le16_get(bz->hdr.boot_flag) != CV_LINUX_BOOT_FLAG)
		return cv_boot_image_bad(
			bz->img, -EINVAL, e,
			"the boot flag is missing; the file is corrupt, copy it again");
	if (version < MIN_VERSION)
		return cv_boot_image_bad(bz->img, -EINVAL, e,
					 "has boot protocol %u.%02u, older than 2.06; "
					 "use a newer kernel",
					 major, minor);
	if (!(bz->hdr.loadflags & CV_LINUX_LOADED_HIGH))
		return cv_boot_image_bad(bz->img, -EINVAL, e, "is a zImage; use a bzImage");
	if (version < LINUX_64_SINCE || !(le16_get(bz->hdr.xloadflags) & CV_LINUX_XLF_KERNEL_64))
		return cv_boot_image_bad(bz->img, -EINVAL, e,
					 "has no 64-bit entry (boot protocol %u.%02u); "
					 "use a 64-bit kernel of Linux 3.8 or newer",
					 major, minor);
	return 0;
}

/* The build rounds syssize up to 16 bytes, not always the file; signatures may follow. */
static int find_payload(struct bzimage *bz, struct vm_error *e)
{
	unsigned int sects = bz->hdr.setup_sects ?: DEFAULT_SETUP_SECTS;
	uint64_t sys_len = (uint64_t)le32_get(bz->hdr.syssize) * 16, left;

	bz->payload_off = (sects + 1) * SECTOR;
	if (sys_len <= ENTRY_64)
		return cv_boot_image_bad(bz->img, -EINVAL, e,
					 "the setup header gives no code (%llu bytes); the file is "
					 "corrupt, copy it again",
					 (unsigned long long)sys_len);
	if (bz->img->len <= bz->payload_off)
		return cv_boot_image_error(bz->img, -ENODATA, "the real-mode code", e);
	left = bz->img->len - bz->payload_off;
	if (left + 15 < sys_len)
		return cv_boot_image_error(bz->img, -ENODATA, "the kernel", e);
	if (!cv_in_range(le32_get(bz->hdr.payload_offset), le32_get(bz->hdr.payload_length),
			 sys_len))
		return cv_boot_image_bad(bz->img, -EINVAL, e,
					 "the compressed kernel lies outside the file; the file is "
					 "corrupt, copy it again");
	bz->payload_len = cv_min(left, sys_len);
	return 0;
}

/* Where the kernel prefers to be; a relocatable one gets out of the reserved memory. */
static int place(struct bzimage *bz, struct vm_error *e)
{
	uint64_t align = le32_get(bz->hdr.kernel_alignment), floor = bz->space->gpa;

	bz->load = le64_get(bz->hdr.pref_address);
	bz->init_size = le32_get(bz->hdr.init_size);
	if (!cv_is_pow2(align) || align < CV_PAGE_SIZE || align > MAX_KERNEL_ALIGNMENT ||
	    bz->load >= 4 * CV_GIB || !cv_is_aligned(bz->load, CV_PAGE_SIZE) ||
	    bz->init_size < bz->payload_len)
		return cv_boot_image_bad(
			bz->img, -EINVAL, e,
			"the setup header is corrupt (alignment %#llx, address %#llx, "
			"size %#llx); copy it again",
			(unsigned long long)align, (unsigned long long)bz->load,
			(unsigned long long)bz->init_size);
	if (bz->hdr.relocatable_kernel)
		bz->load = cv_align_up(cv_max(bz->load, floor), align);
	else if (bz->load < floor)
		return cv_boot_image_bad(
			bz->img, -EINVAL, e,
			"wants address %#llx, which is reserved; use a relocatable "
			"kernel",
			(unsigned long long)bz->load);
	return 0;
}

static int check_room(const struct bzimage *bz, struct vm_error *e)
{
	unsigned long long mib = (bz->load + bz->init_size + CV_MIB - 1) / CV_MIB;

	if (cv_boot_space_has(bz->space, bz->load, bz->init_size))
		return 0;
	return cv_boot_image_bad(bz->img, -ENOSPC, e,
				 "needs memory up to %llu MiB to unpack itself, there are %llu; "
				 "give the VM more memory",
				 mib,
				 (unsigned long long)((bz->space->gpa + bz->space->len) / CV_MIB));
}

static void describe(const struct bzimage *bz, struct cv_boot_kernel *kernel)
{
	kernel->protocol = CV_BOOT_LINUX;
	kernel->entry_64 = true;
	kernel->entry = bz->load + ENTRY_64;
	kernel->start = bz->load;
	kernel->end = bz->load + bz->init_size;
	kernel->initrd_addr_max = le32_get(bz->hdr.initrd_addr_max) ?: DEFAULT_INITRD_MAX;
	kernel->cmdline_max = le32_get(bz->hdr.cmdline_size) ?: 255;
}

int cv_boot_load_bzimage(const struct cv_boot_space *space, const struct cv_boot_image *img,
			 enum cv_boot_protocol want, struct cv_boot_kernel *kernel,
			 struct vm_error *e)
{
	struct bzimage bz = { .space = space, .img = img };
	int err;

	if (want == CV_BOOT_PVH)
		return cv_boot_image_bad(
			img, -EINVAL, e,
			"is a bzImage, which PVH cannot start; use the vmlinux in it");
	err = read_header(&bz, kernel, e);
	err = err ?: check_version(&bz, e);
	err = err ?: find_payload(&bz, e);
	err = err ?: place(&bz, e);
	err = err ?: check_room(&bz, e);
	if (err)
		return err;
	err = cv_mem_read_file(space->mem, bz.load, img->fd, bz.payload_off, bz.payload_len);
	if (err)
		return cv_boot_image_error(img, err, "the kernel", e);
	describe(&bz, kernel);
	return 0;
}
