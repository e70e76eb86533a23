/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory: the one checked way into it. */
#include "core/mem.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/math.h"

static int check_ranges(const struct cv_mem_range *ranges, unsigned int n, uint64_t *total,
			struct vm_error *e)
{
	uint64_t end = 0, sum = 0;

	if (n == 0 || n > CV_MEM_MAX_REGIONS)
		return cv_err(e, -EINVAL,
			      "guest memory: %u regions asked for, 1 to %d are possible", n,
			      CV_MEM_MAX_REGIONS);
	for (unsigned int i = 0; i < n; i++) {
		uint64_t next;

		if (ranges[i].len == 0 ||
		    !cv_is_aligned(ranges[i].gpa | ranges[i].len, CV_PAGE_SIZE))
			return cv_err(e, -EINVAL,
				      "guest memory: region %u is empty or not page aligned, "
				      "use multiples of 4096 bytes",
				      i);
		if ((i > 0 && ranges[i].gpa < end) ||
		    __builtin_add_overflow(ranges[i].gpa, ranges[i].len, &next) ||
		    __builtin_add_overflow(sum, ranges[i].len, &sum) || sum > INT64_MAX)
			return cv_err(e, -EINVAL,
				      "guest memory: region %u overlaps another or wraps", i);
		end = next;
	}
	*total = sum;
	return 0;
}

static int make_file(uint64_t len, struct vm_error *e)
{
	int err, fd = memfd_create("crosvm_guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0) {
		err = -errno;
		return cv_err(e, err, "guest memory: memfd_create failed: %s", strerror(-err));
	}
	if (ftruncate(fd, (off_t)len) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		err = -errno;
		close(fd);
		return cv_err(e, err, "guest memory: a file of %llu bytes cannot be made: %s",
			      (unsigned long long)len, strerror(-err));
	}
	return fd;
}

static int map_region(struct cv_mem *m, const struct cv_mem_range *range, struct vm_error *e)
{
	struct cv_mem_region *r = &m->regions[m->n_regions];
	int err, fd = m->memfd_plus1 - 1;
	void *host = mmap(NULL, range->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			  (off_t)m->file_len);

	if (host == MAP_FAILED) {
		err = -errno;
		return cv_err(e, err, "guest memory: %llu bytes cannot be mapped: %s; ask for less",
			      (unsigned long long)range->len, strerror(-err));
	}
	cv_ignore(
		madvise(host, range->len, MADV_DONTDUMP)); /* a smaller core file is all it gives */
	*r = (struct cv_mem_region){ .gpa = range->gpa,
				     .len = range->len,
				     .host = host,
				     .memfd = fd,
				     .fd_off = m->file_len };
	m->file_len += range->len;
	m->n_regions++;
	return 0;
}

int cv_mem_init(struct cv_mem *m, const struct cv_mem_range *ranges, unsigned int n_ranges,
		struct vm_error *e)
{
	uint64_t total = 0;
	int fd, err = check_ranges(ranges, n_ranges, &total, e);

	*m = (struct cv_mem){ 0 };
	if (err)
		return err;
	fd = make_file(total, e);
	if (fd < 0)
		return fd;
	m->memfd_plus1 = fd + 1;
	for (unsigned int i = 0; i < n_ranges && !err; i++)
		err = map_region(m, &ranges[i], e);
	if (err)
		cv_mem_fini(m);
	return err;
}

static void unmap_region(const struct cv_mem_region *r)
{
	munmap(r->host - r->lead, r->lead + r->len + r->tail);
}

void cv_mem_fini(struct cv_mem *m)
{
	if (!m)
		return;
	for (unsigned int i = 0; i < m->n_regions; i++)
		unmap_region(&m->regions[i]);
	if (m->memfd_plus1 > 0)
		close(m->memfd_plus1 - 1);
	*m = (struct cv_mem){ 0 };
}

/* ---- read-only memory ---- */

int cv_rom_init(struct cv_rom *rom, uint64_t gpa, uint64_t len, struct vm_error *e)
{
	void *host;

	*rom = (struct cv_rom){ 0 };
	if (len == 0 || !cv_is_aligned(gpa | len, CV_PAGE_SIZE) || len > SIZE_MAX ||
	    len - 1 > UINT64_MAX - gpa)
		return cv_err(e, -EINVAL,
			      "read-only memory: %llu bytes at 0x%llx are empty, not page aligned "
			      "or wrap",
			      (unsigned long long)len, (unsigned long long)gpa);
	host = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host == MAP_FAILED)
		return cv_err(e, -ENOMEM, "read-only memory: no %llu bytes are left",
			      (unsigned long long)len);
	*rom = (struct cv_rom){ .gpa = gpa, .len = len, .host = host };
	return 0;
}

void cv_rom_seal(struct cv_rom *rom)
{
	/* against our own mistakes only: the guest's slot is read-only anyway */
	cv_ignore(mprotect(rom->host, rom->len, PROT_READ));
}

void cv_rom_fini(struct cv_rom *rom)
{
	if (rom && rom->host)
		munmap(rom->host, rom->len);
	if (rom)
		*rom = (struct cv_rom){ 0 };
}

/* ---- somebody else's memory ---- */

static int check_range(const struct cv_mem *m, const struct cv_mem_range *range, uint64_t off,
		       struct vm_error *e)
{
	uint64_t end;

	if (m->n_regions == CV_MEM_MAX_REGIONS)
		return cv_err(e, -ENOSPC, "guest memory: more than %d regions", CV_MEM_MAX_REGIONS);
	if (range->len == 0 || !cv_is_aligned(range->gpa | range->len | off, CV_PAGE_SIZE) ||
	    __builtin_add_overflow(range->gpa, range->len, &end))
		return cv_err(e, -EINVAL,
			      "guest memory: a region is empty, not page aligned or "
			      "wraps");
	for (unsigned int i = 0; i < m->n_regions; i++)
		if (cv_ranges_overlap(range->gpa, range->len, m->regions[i].gpa, m->regions[i].len))
			return cv_err(e, -EINVAL, "guest memory: a region overlaps another");
	return 0;
}

static int check_file(int fd, uint64_t off, uint64_t len, bool sealed, uint64_t *page,
		      struct vm_error *e)
{
	struct stat st;
	int seals;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !cv_in_range(off, len, (uint64_t)cv_max(st.st_size, (off_t)0)))
		return cv_err(e, -EINVAL, "guest memory: a region lies outside its file");
	seals = fcntl(fd, F_GET_SEALS);
	if (sealed && (seals < 0 || !(seals & F_SEAL_SHRINK)))
		return cv_err(e, -EPERM,
			      "guest memory: a region's file is not sealed against "
			      "shrinking");
	/* a huge page file's mappings begin and end at its own pages; others name a block size
	 * that need not be one */
	*page = CV_PAGE_SIZE;
	if (st.st_blksize > (long)CV_PAGE_SIZE && cv_is_pow2((uint64_t)st.st_blksize))
		*page = (uint64_t)st.st_blksize;
	return 0;
}

/* Maps whole pages of @page bytes around the region. 0 or -errno. */
static int map_file(struct cv_mem_region *r, int fd, uint64_t page)
{
	uint64_t end;
	void *host;

	r->lead = r->fd_off & (page - 1);
	if (__builtin_add_overflow(r->fd_off, r->len, &end) || end > INT64_MAX - page)
		return -EINVAL;
	r->tail = cv_align_up(end, page) - end;
	host = mmap(NULL, r->lead + r->len + r->tail, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, fd, (off_t)(r->fd_off - r->lead));
	if (host == MAP_FAILED)
		return -errno;
	/* a smaller core file is all it gives */
	cv_ignore(madvise(host, r->lead + r->len + r->tail, MADV_DONTDUMP));
	r->host = (uint8_t *)host + r->lead;
	return 0;
}

static void insert_region(struct cv_mem *m, const struct cv_mem_region *r)
{
	unsigned int i = m->n_regions++;

	for (; i > 0 && m->regions[i - 1].gpa > r->gpa; i--)
		m->regions[i] = m->regions[i - 1];
	m->regions[i] = *r;
	m->file_len += r->len;
}

int cv_mem_map(struct cv_mem *m, const struct cv_mem_range *range, int fd, uint64_t off,
	       bool sealed, struct vm_error *e)
{
	struct cv_mem_region r = {
		.gpa = range->gpa, .len = range->len, .memfd = -1, .fd_off = off
	};
	uint64_t page = CV_PAGE_SIZE;
	int err = check_range(m, range, off, e);

	err = err ?: check_file(fd, off, range->len, sealed, &page, e);
	if (err)
		return err;
	err = map_file(&r, fd, page);
	if (err)
		return cv_err(e, err, "guest memory: %llu bytes cannot be mapped: %s",
			      (unsigned long long)range->len, strerror(-err));
	insert_region(m, &r);
	return 0;
}

int cv_mem_unmap(struct cv_mem *m, const struct cv_mem_range *range)
{
	for (unsigned int i = 0; i < m->n_regions; i++) {
		struct cv_mem_region *r = &m->regions[i];

		if (r->gpa != range->gpa || r->len != range->len || r->memfd >= 0)
			continue;
		unmap_region(r);
		m->file_len -= r->len;
		m->n_regions--;
		memmove(r, r + 1, (m->n_regions - i) * sizeof(*r));
		return 0;
	}
	return -ENOENT;
}

uint64_t cv_mem_size(const struct cv_mem *m)
{
	return m->file_len;
}

/* The host address of @gpa and how many bytes follow it in its region; NULL when outside. */
static uint8_t *find(const struct cv_mem *m, uint64_t gpa, uint64_t *left)
{
	for (unsigned int i = 0; i < m->n_regions; i++) {
		const struct cv_mem_region *r = &m->regions[i];

		if (gpa - r->gpa < r->len) {
			*left = r->len - (gpa - r->gpa);
			return r->host + (gpa - r->gpa);
		}
	}
	*left = 0;
	return NULL;
}

/* As find(), for a range that must lie in one region. */
static uint8_t *find_whole(const struct cv_mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t left;
	uint8_t *host = find(m, gpa, &left);

	return host && left >= len ? host : NULL;
}

bool cv_mem_valid(const struct cv_mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t left;

	if (len > UINT64_MAX - gpa)
		return false;
	do {
		if (!find(m, gpa, &left)) {
			const struct cv_mem_region *r = &m->regions[0];

			for (unsigned int i = 0; len == 0 && i < m->n_regions; i++, r++)
				if (gpa == r->gpa + r->len)
					return true;
			return false;
		}
		left = cv_min(left, len);
		gpa += left;
		len -= left;
	} while (len > 0);
	return true;
}

int cv_mem_read(const struct cv_mem *m, uint64_t gpa, void *buf, size_t len)
{
	uint8_t *host = find_whole(m, gpa, len), *to = buf;
	uint64_t left;

	if (host) {
		memcpy(buf, host, len);
		return 0;
	}
	if (!cv_mem_valid(m, gpa, len))
		return -EFAULT;
	for (; len > 0; gpa += left, to += left, len -= left) {
		host = find(m, gpa, &left);
		left = cv_min(left, len);
		memcpy(to, host, left);
	}
	return 0;
}

int cv_mem_write(const struct cv_mem *m, uint64_t gpa, const void *buf, size_t len)
{
	uint8_t *host = find_whole(m, gpa, len);
	const uint8_t *from = buf;
	uint64_t left;

	if (host) {
		memcpy(host, buf, len);
		return 0;
	}
	if (!cv_mem_valid(m, gpa, len))
		return -EFAULT;
	for (; len > 0; gpa += left, from += left, len -= left) {
		host = find(m, gpa, &left);
		left = cv_min(left, len);
		memcpy(host, from, left);
	}
	return 0;
}

int cv_mem_fill(const struct cv_mem *m, uint64_t gpa, uint8_t byte, uint64_t len)
{
	uint64_t left;

	if (!cv_mem_valid(m, gpa, len))
		return -EFAULT;
	for (; len > 0; gpa += left, len -= left) {
		uint8_t *host = find(m, gpa, &left);

		left = cv_min(left, len);
		memset(host, byte, left);
	}
	return 0;
}

/* An aligned access cannot straddle a region: their borders are page aligned. */
#define DEFINE_ATOMICS(bits)                                                                     \
	int cv_mem_load##bits(const struct cv_mem *m, uint64_t gpa, uint##bits##_t *val)         \
	{                                                                                        \
		void *host = find_whole(m, gpa, sizeof(*val));                                   \
                                                                                                 \
		if (!host || !cv_is_aligned(gpa, sizeof(*val)))                                  \
			return -EFAULT;                                                          \
		*val = le##bits##toh(__atomic_load_n((uint##bits##_t *)host, __ATOMIC_ACQUIRE)); \
		return 0;                                                                        \
	}                                                                                        \
	int cv_mem_store##bits(const struct cv_mem *m, uint64_t gpa, uint##bits##_t val)         \
	{                                                                                        \
		void *host = find_whole(m, gpa, sizeof(val));                                    \
                                                                                                 \
		if (!host || !cv_is_aligned(gpa, sizeof(val)))                                   \
			return -EFAULT;                                                          \
		__atomic_store_n((uint##bits##_t *)host, htole##bits(val), __ATOMIC_RELEASE);    \
		return 0;                                                                        \
	}

DEFINE_ATOMICS(16)
DEFINE_ATOMICS(32)

int cv_mem_iov(const struct cv_mem *m, uint64_t gpa, uint64_t len, struct iovec *iov, int max)
{
	uint64_t left;
	int n = 0;

	if (len > UINT64_MAX - gpa)
		return -EFAULT;
	for (; len > 0; gpa += left, len -= left) {
		uint8_t *host = find(m, gpa, &left);

		if (!host)
			return -EFAULT;
		if (n == max)
			return -ENOBUFS;
		left = cv_min(left, len);
		iov[n++] = (struct iovec){ .iov_base = host, .iov_len = left };
	}
	return n;
}

static int read_file_part(uint8_t *host, int fd, uint64_t off, uint64_t len)
{
	while (len > 0) {
		ssize_t n = pread(fd, host, cv_min(len, (uint64_t)1 << 30), (off_t)off);

		if (n == 0)
			return -ENODATA;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			host += n;
			off += (uint64_t)n;
			len -= (uint64_t)n;
		}
	}
	return 0;
}

int cv_mem_read_file(const struct cv_mem *m, uint64_t gpa, int fd, uint64_t off, uint64_t len)
{
	uint64_t left;
	int err = 0;

	if (!cv_mem_valid(m, gpa, len))
		return -EFAULT;
	for (; len > 0 && !err; gpa += left, off += left, len -= left) {
		uint8_t *host = find(m, gpa, &left);

		left = cv_min(left, len);
		err = read_file_part(host, fd, off, left);
	}
	return err;
}

int cv_mem_discard(const struct cv_mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t left;

	if (!cv_is_aligned(gpa | len, CV_PAGE_SIZE))
		return -EINVAL;
	if (!cv_mem_valid(m, gpa, len))
		return -EFAULT;
	for (; len > 0; gpa += left, len -= left) {
		uint8_t *host = find(m, gpa, &left);

		left = cv_min(left, len);
		/* the file is shared: only REMOVE frees its pages, DONTNEED would keep them */
		if (madvise(host, left, MADV_REMOVE) < 0)
			return -errno;
	}
	return 0;
}
