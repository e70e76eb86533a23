/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory that a front end shares: its guest's, and the log of chains in flight. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/math.h"
#include "vhost/backend_impl.h"
#include "virtio/inflight.h"
#include "virtio/virtio.h"

/* ---- guest memory ---- */

int cv_vhost_translate(const struct cv_vhost_backend *b, uint64_t user, uint64_t len, uint64_t *gpa)
{
	for (unsigned int i = 0; i < b->n_regions; i++) {
		const struct cv_vhost_region *r = &b->regions[i];

		if (user < r->user || !cv_in_range(user - r->user, len, r->len))
			continue;
		*gpa = r->gpa + (user - r->user);
		return 0;
	}
	return -EFAULT;
}

static int map(const struct cv_vhost_backend *b, struct cv_mem *mem,
	       const struct cv_vhost_region *r, int fd)
{
	const struct cv_mem_range range = { .gpa = r->gpa, .len = r->len };
	struct vm_error e;
	uint64_t end;
	int err;

	if (__builtin_add_overflow(r->user, r->len, &end))
		return -EINVAL;
	err = cv_mem_map(mem, &range, fd, r->fd_off, b->config.sealed, &e);
	if (err)
		cv_log_guest(b->config.log, "%s: %s", b->config.name, e.text);
	return err;
}

int cv_vhost_set_mem_table(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	const struct cv_vhost_mem_table *t = &m->p.table;
	struct cv_mem mem = { 0 };
	unsigned int n = t->n_regions;
	int err = 0;

	if (n > CV_MEM_MAX_REGIONS || n != m->fds.n ||
	    m->h.size < offsetof(struct cv_vhost_mem_table, regions) + n * sizeof(t->regions[0]))
		return -EINVAL;
	for (unsigned int i = 0; i < n && !err; i++)
		err = map(b, &mem, &t->regions[i], m->fds.fd[i]);
	if (err) {
		cv_mem_fini(&mem);
		return err;
	}
	cv_vhost_backend_stop(b);
	cv_mem_fini(&b->mem);
	b->mem = mem;
	b->n_regions = n;
	memcpy(b->regions, t->regions, n * sizeof(t->regions[0]));
	return cv_vhost_backend_sync(b);
}

int cv_vhost_add_mem_reg(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	const struct cv_vhost_region *r = &m->p.region.region;
	int err;

	cv_vhost_backend_stop(b);
	err = map(b, &b->mem, r, m->fds.fd[0]);
	if (!err)
		b->regions[b->n_regions++] = *r;
	return cv_vhost_backend_sync(b) ?: err;
}

int cv_vhost_rem_mem_reg(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	const struct cv_vhost_region *r = &m->p.region.region;
	const struct cv_mem_range range = { .gpa = r->gpa, .len = r->len };
	unsigned int i = 0;

	while (i < b->n_regions && (b->regions[i].gpa != r->gpa || b->regions[i].len != r->len ||
				    b->regions[i].user != r->user))
		i++;
	if (i == b->n_regions)
		return -ENOENT;
	cv_vhost_backend_stop(b);
	b->regions[i] = b->regions[--b->n_regions];
	return cv_mem_unmap(&b->mem, &range) ?: cv_vhost_backend_sync(b);
}

/* ---- the log of chains in flight ---- */

static size_t queue_len(const struct cv_vhost_backend *b, uint16_t size)
{
	return cv_inflight_len(size, b->features & CV_VIRTIO_F_RING_PACKED);
}

void *cv_vhost_queue_inflight(const struct cv_vhost_backend *b, unsigned int index)
{
	size_t stride = queue_len(b, b->inflight_size);

	if (!b->inflight || index >= b->inflight_queues ||
	    b->queues[index].size > b->inflight_size ||
	    !cv_in_range(index * stride, stride, b->inflight_len))
		return NULL;
	return b->inflight + index * stride;
}

void cv_vhost_drop_inflight(struct cv_vhost_backend *b)
{
	if (b->inflight)
		munmap(b->inflight, b->inflight_len);
	b->inflight = NULL;
}

static bool inflight_fits(const struct cv_vhost_backend *b, const struct cv_vhost_inflight *i)
{
	return (b->pf & CV_VHOST_PF_INFLIGHT_SHMFD) && b->owned_features && i->n_queues > 0 &&
	       i->n_queues <= CV_VIRTIO_MAX_QUEUES && i->queue_size > 0 && i->queue_size <= 32768;
}

static int make_log(uint64_t len)
{
	CV_AUTO_FD int made = memfd_create("crosvm_inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int fd;

	if (made < 0 || ftruncate(made, (off_t)len) < 0 ||
	    fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	fd = made;
	made = -1;
	return fd;
}

int cv_vhost_backend_reserve(struct cv_vhost_backend *b, struct vm_error *e)
{
	uint64_t len = 0;
	int fd;

	for (unsigned int i = 0; i < b->slot->n_queues; i++) {
		size_t split = cv_inflight_len(b->slot->queue_max[i], false);
		size_t packed = cv_inflight_len(b->slot->queue_max[i], true);

		len = cv_max(len, (uint64_t)(split > packed ? split : packed));
	}
	len *= b->slot->n_queues;
	fd = make_log(len);
	if (fd < 0)
		return cv_err(e, fd, "%s: the log of its requests cannot be made: %s",
			      b->config.name, strerror(-fd));
	cv_fd_set(&b->reserved, fd);
	b->reserved_len = len;
	return 0;
}

/* Another descriptor of the reserved file, which the front end before may have written. */
static int take_reserved(const struct cv_vhost_backend *b, uint64_t len)
{
	int fd = cv_fd_get(&b->reserved);
	void *p;

	if (len > b->reserved_len)
		return -EINVAL;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	memset(p, 0, len);
	munmap(p, len);
	return cv_fd_dup(fd);
}

int cv_vhost_get_inflight(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd)
{
	struct cv_vhost_inflight *i = &m->p.inflight;
	int made;

	if (!inflight_fits(b, i))
		return -EINVAL;
	i->len = i->n_queues * queue_len(b, i->queue_size);
	i->off = 0;
	made = cv_fd_get(&b->reserved) >= 0 ? take_reserved(b, i->len) : make_log(i->len);
	if (made < 0)
		return made;
	m->h.size = sizeof(*i);
	*fd = made;
	return 0;
}

static int map_inflight(struct cv_vhost_backend *b, const struct cv_vhost_inflight *i, int fd)
{
	struct stat st;
	void *p;

	if (!cv_is_aligned(i->off, CV_PAGE_SIZE) || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !cv_in_range(i->off, i->len, (uint64_t)cv_max(st.st_size, (off_t)0)))
		return -EINVAL;
	if (b->config.sealed && !(cv_max(fcntl(fd, F_GET_SEALS), 0) & F_SEAL_SHRINK))
		return -EPERM;
	p = mmap(NULL, i->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)i->off);
	if (p == MAP_FAILED)
		return -errno;
	b->inflight = p;
	b->inflight_len = i->len;
	b->inflight_queues = i->n_queues;
	b->inflight_size = i->queue_size;
	return 0;
}

int cv_vhost_set_inflight(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	const struct cv_vhost_inflight *i = &m->p.inflight;
	int err;

	if (!inflight_fits(b, i) || i->len < i->n_queues * queue_len(b, i->queue_size))
		return -EINVAL;
	cv_vhost_backend_stop(b);
	cv_vhost_drop_inflight(b);
	err = map_inflight(b, i, m->fds.fd[0]);
	return cv_vhost_backend_sync(b) ?: err;
}
