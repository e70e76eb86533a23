/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's own state, for snapshots and migration. It goes through a memory
 * file of this back end, which the protocol allows instead of the front end's
 * pipe: nothing waits, and nobody's exit is a signal.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost/backend_impl.h"

#define MAX_STATE (16u << 20)

static int save(struct cv_vhost_backend *b, int fd)
{
	struct cv_buf buf = { 0 };
	int err = b->config.save(b->config.ctx, &buf);

	err = err ?: buf.failed ? -ENOMEM : cv_pwrite_full(fd, buf.data, buf.len, 0);
	cv_buf_fini(&buf);
	return err;
}

int cv_vhost_set_state_fd(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd)
{
	const struct cv_vhost_state_transfer *t = &m->p.transfer;
	CV_AUTO_FD int file = -1, copy = -1;
	int err = 0;

	if (!b->config.save || b->running || t->phase != 0 || t->direction > CV_VHOST_STATE_LOAD)
		return -EINVAL;
	file = memfd_create("crosvm_state", MFD_CLOEXEC);
	if (file < 0)
		return -errno;
	b->state_loads = t->direction == CV_VHOST_STATE_LOAD;
	if (!b->state_loads)
		err = save(b, file);
	copy = cv_fd_dup(file);
	if (err || copy < 0)
		return err ?: copy;
	cv_fd_close(&b->state);
	cv_fd_set(&b->state, file);
	*fd = copy;
	file = -1;
	copy = -1;
	m->h.size = sizeof(m->p.u64);
	m->p.u64 = 0;
	return 0;
}

static int load(struct cv_vhost_backend *b, int fd)
{
	CV_AUTO_FREE void *data = NULL;
	uint64_t size;
	int err = cv_fd_size(fd, &size);

	if (err || size > MAX_STATE)
		return err ?: -EFBIG;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	err = cv_pread_full(fd, data, size, 0);
	return err ?: b->config.load(b->config.ctx, data, size);
}

int cv_vhost_check_state(struct cv_vhost_backend *b, struct cv_vhost_msg *m, int *fd CV_UNUSED)
{
	int file = cv_fd_get(&b->state), err = file < 0 || b->running ? -EINVAL : 0;

	if (!err && b->state_loads)
		err = load(b, file);
	cv_fd_close(&b->state);
	m->h.size = sizeof(m->p.u64);
	m->p.u64 = err ? 1 : 0;
	return 0;
}
