/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory: the one checked way into it. A device never holds a host
 * pointer; it copies, uses single-copy atomics for ring indices, or passes
 * iovecs straight into a system call. The guest changes memory at any time:
 * copy once, check the copy, use the copy.
 *
 * Regions are shared mappings of sealed memfds, so nobody who holds the fd can
 * shrink the file and make this process take SIGBUS. Region tables are
 * constant while vCPUs or devices run; the calls below take no lock.
 */
#ifndef CV_CORE_MEM_H
#define CV_CORE_MEM_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/err.h"

#define CV_MEM_MAX_REGIONS 16
#define CV_PAGE_SIZE	   4096u

struct cv_mem_region {
	uint64_t gpa, len; /* both multiples of the page size */
	uint8_t *host;	   /* for the hypervisor's memory slots and for this file only */
	int memfd; /* borrowed: the fd of the struct cv_mem; -1 for somebody else's memory */
	uint64_t fd_off;
	uint64_t lead, tail; /* mapped before and after it, where the file has larger pages */
};

/* A zeroed struct is valid and empty. Regions are in ascending order of gpa. */
struct cv_mem {
	unsigned int n_regions;
	struct cv_mem_region regions[CV_MEM_MAX_REGIONS];
	int memfd_plus1; /* owned; one file for all regions */
	uint64_t file_len;
};

struct cv_mem_range {
	uint64_t gpa, len;
};

/*
 * Memory that the guest can only read: firmware. It is in no struct cv_mem, so
 * no device's DMA reaches it; what the guest writes there goes to the bus, where
 * nobody is. A zeroed struct is valid and empty.
 */
struct cv_rom {
	uint64_t gpa, len; /* both multiples of the page size */
	uint8_t *host;	   /* a mapping of its own */
};

/* Empty read-only memory of @len bytes, to be filled by the caller and then sealed: from there on
 * nobody writes to it. 0, -EINVAL or -ENOMEM. */
int cv_rom_init(struct cv_rom *rom, uint64_t gpa, uint64_t len, struct vm_error *e) CV_MUST_CHECK;
void cv_rom_seal(struct cv_rom *rom);
void cv_rom_fini(struct cv_rom *rom); /* NULL and zeroed are fine */

/*
 * Makes one sealed memfd ("crosvm_guest") and maps each range of it, page
 * aligned, ascending and disjoint, MAP_NORESERVE and MADV_DONTDUMP. Returns 0;
 * -EINVAL for bad ranges, -ENOMEM and others from the system, with nothing left
 * behind.
 */
int cv_mem_init(struct cv_mem *m, const struct cv_mem_range *ranges, unsigned int n_ranges,
		struct vm_error *e) CV_MUST_CHECK;

/*
 * For a device in another process than its VM's: adds a region that is @len bytes
 * of the VM's file @fd (which may be closed afterwards) from @off on. Nothing may
 * run that uses the memory.
 *
 * @sealed: refuse a file that its owner can shrink. Access to memory that was taken
 * away by shrinking ends this process with SIGBUS.
 *
 * 0; -EINVAL for what is not page aligned, overlaps, wraps, or lies outside the
 * file; -ENOSPC when there are too many regions; -EPERM for a missing seal.
 */
int cv_mem_map(struct cv_mem *m, const struct cv_mem_range *range, int fd, uint64_t off,
	       bool sealed, struct vm_error *e) CV_MUST_CHECK;

/* Removes the region that is exactly @range and was added so. 0 or -ENOENT. */
int cv_mem_unmap(struct cv_mem *m, const struct cv_mem_range *range) CV_MUST_CHECK;

/* Unmaps and closes; NULL and zeroed are fine. */
void cv_mem_fini(struct cv_mem *m);

/* The sum of all regions' lengths, bytes. */
uint64_t cv_mem_size(const struct cv_mem *m);

/* Whether all of [gpa, gpa + len) is guest memory (len 0: whether gpa is inside or at an end). */
bool cv_mem_valid(const struct cv_mem *m, uint64_t gpa, uint64_t len);

/* Copies; the range may span adjacent regions. 0, or -EFAULT with nothing copied. */
int cv_mem_read(const struct cv_mem *m, uint64_t gpa, void *buf, size_t len) CV_MUST_CHECK;
int cv_mem_write(const struct cv_mem *m, uint64_t gpa, const void *buf, size_t len) CV_MUST_CHECK;

/* Fills with one byte. 0 or -EFAULT. */
int cv_mem_fill(const struct cv_mem *m, uint64_t gpa, uint8_t byte, uint64_t len) CV_MUST_CHECK;

/* One naturally aligned access, acquire (load) or release (store). 0, or -EFAULT. */
int cv_mem_load16(const struct cv_mem *m, uint64_t gpa, uint16_t *val) CV_MUST_CHECK;
int cv_mem_store16(const struct cv_mem *m, uint64_t gpa, uint16_t val) CV_MUST_CHECK;
int cv_mem_load32(const struct cv_mem *m, uint64_t gpa, uint32_t *val) CV_MUST_CHECK;
int cv_mem_store32(const struct cv_mem *m, uint64_t gpa, uint32_t val) CV_MUST_CHECK;

/*
 * Fills @iov with the host parts of [gpa, gpa + len), for one system call.
 * Returns the number of entries used, -EFAULT when a byte is not guest memory,
 * -ENOBUFS when @max entries do not suffice. len 0 gives 0.
 */
int cv_mem_iov(const struct cv_mem *m, uint64_t gpa, uint64_t len, struct iovec *iov,
	       int max) CV_MUST_CHECK;

/*
 * Reads exactly @len bytes of @fd from offset @off into guest memory. 0;
 * -EFAULT outside memory; -ENODATA when the file ends early; or the system's error.
 */
int cv_mem_read_file(const struct cv_mem *m, uint64_t gpa, int fd, uint64_t off,
		     uint64_t len) CV_MUST_CHECK;

/*
 * Gives whole pages back to the host; the guest reads zeroes there afterwards.
 * The range is page aligned. 0, -EFAULT outside memory, -EINVAL unaligned, or
 * the system's error.
 */
int cv_mem_discard(const struct cv_mem *m, uint64_t gpa, uint64_t len) CV_MUST_CHECK;

#endif
