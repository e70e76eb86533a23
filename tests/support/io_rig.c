/* SPDX-License-Identifier: BSD-3-Clause */
#include "io_rig.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/io_impl.h"

int io_disk_file(bool direct)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) /* not every file system has nameless files */
		fd = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, IO_FILE_SIZE), 0);
	if (direct && fcntl(fd, F_SETFL, O_DIRECT) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int io_memory_file(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, IO_FILE_SIZE), 0);
	return fd;
}

void io_rig_init(struct io_rig *f, enum cv_io_engine engine, int fd)
{
	*f = (struct io_rig){ .fd = fd };
	pthread_mutex_init(&f->lock, NULL);
	ck_assert_int_eq(cv_loop_create(&f->loop, NULL), 0);
	ck_assert_int_eq(cv_io_file_init(&f->file, fd), 0);
	ck_assert_int_eq(cv_io_create(&f->io, engine, f->loop, &f->lock, IO_DEPTH, NULL), 0);
}

void io_rig_fini(struct io_rig *f)
{
	cv_io_destroy(f->io);
	cv_loop_destroy(f->loop);
	pthread_mutex_destroy(&f->lock);
	close(f->fd);
}

void io_op_done(struct cv_io_req *req, int err)
{
	struct io_op *o = cv_container_of(req, struct io_op, req);

	ck_assert_int_eq(pthread_mutex_trylock(&o->f->lock), EBUSY);
	o->n_done++;
	o->result = err;
}

void io_submit(struct io_rig *f, struct io_op *o)
{
	o->f = f;
	o->n_done = 0;
	o->req.file = &f->file;
	o->req.done = io_op_done;
	pthread_mutex_lock(&f->lock);
	cv_io_submit(f->io, &o->req);
	ck_assert_uint_eq(o->n_done, 0);
	pthread_mutex_unlock(&f->lock);
}

void io_flush(struct io_rig *f)
{
	pthread_mutex_lock(&f->lock);
	cv_io_flush(f->io);
	pthread_mutex_unlock(&f->lock);
}

int io_finish(struct io_rig *f, struct io_op *o)
{
	while (o->n_done == 0)
		if (cv_loop_dispatch(f->loop) == 0)
			usleep(50);
	ck_assert_uint_eq(o->n_done, 1);
	return o->result;
}

int io_transfer(struct io_rig *f, enum cv_io_op op, void *buf, size_t len, uint64_t off)
{
	struct io_op o = { .req = { .op = op, .off = off, .n_iov = 1 } };

	o.iov[0] = (struct iovec){ buf, len };
	o.req.iov = o.iov;
	io_submit(f, &o);
	io_flush(f);
	return io_finish(f, &o);
}

int io_range(struct io_rig *f, enum cv_io_op op, uint64_t off, uint64_t len, bool unmap)
{
	struct io_op o = { .req = { .op = op, .off = off, .len = len, .may_unmap = unmap } };

	io_submit(f, &o);
	io_flush(f);
	return io_finish(f, &o);
}

bool io_have_uring(void)
{
	struct cv_loop *loop;
	struct cv_io *io = NULL;
	int err;

	ck_assert_int_eq(cv_loop_create(&loop, NULL), 0);
	err = cv_io_create(&io, CV_IO_URING, loop, NULL, 8, NULL);
	cv_io_destroy(io);
	cv_loop_destroy(loop);
	return !err;
}

void io_each_engine(void (*body)(struct io_rig *f), int (*open_file)(void))
{
	struct io_rig f;

	for (int engine = io_have_uring() ? CV_IO_URING : CV_IO_POOL; engine <= CV_IO_POOL;
	     engine++) {
		io_rig_init(&f, (enum cv_io_engine)engine, open_file());
		body(&f);
		io_rig_fini(&f);
	}
}

int io_cached_file(void)
{
	return io_disk_file(false);
}
