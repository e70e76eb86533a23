/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors: ownership, whole transfers, events. EINTR ends here. */
#ifndef CV_SYS_FD_H
#define CV_SYS_FD_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/base.h"

/* An owned fd in a struct; stores fd + 1, so that a zeroed struct owns nothing. */
struct cv_fd {
	int plus1;
};

/* The fd, or -1. */
static inline int cv_fd_get(const struct cv_fd *f)
{
	return f->plus1 - 1;
}

/* Takes ownership of @fd (which may be -1); what was held before must be closed already. */
static inline void cv_fd_set(struct cv_fd *f, int fd)
{
	f->plus1 = fd + 1;
}

/* Closes what is held; nothing if empty. */
void cv_fd_close(struct cv_fd *f);

/* Gives up ownership: returns the fd or -1. */
int cv_fd_take(struct cv_fd *f);

void cv_close_fd_ptr(int *fd);

/* A local fd, initialised to -1 or an fd, closed when it goes out of scope. */
#define CV_AUTO_FD __attribute__((cleanup(cv_close_fd_ptr)))

/* A CLOEXEC duplicate, or -errno. */
int cv_fd_dup(int fd) CV_MUST_CHECK;

int cv_fd_set_nonblock(int fd, bool nonblock) CV_MUST_CHECK;

/* Whole transfers. 0; -ENODATA when a read ends early; or -errno. */
int cv_read_full(int fd, void *buf, size_t len) CV_MUST_CHECK;
int cv_write_full(int fd, const void *buf, size_t len) CV_MUST_CHECK;
int cv_pread_full(int fd, void *buf, size_t len, uint64_t off) CV_MUST_CHECK;
int cv_pwrite_full(int fd, const void *buf, size_t len, uint64_t off) CV_MUST_CHECK;

/* The size in bytes of a regular file or a block device; -EINVAL for anything else; or -errno. */
int cv_fd_size(int fd, uint64_t *size) CV_MUST_CHECK;

/* A non-blocking CLOEXEC eventfd, or -errno. */
int cv_event_create(void) CV_MUST_CHECK;

/* Makes the eventfd readable. Async-signal-safe; never blocks. */
void cv_event_signal(int fd);

/* Makes it unreadable again; whether it was readable. */
bool cv_event_drain(int fd);

/*
 * The same for one that another process has too, which may have made it blocking. Draining never
 * waits, even if the other one empties it at the same time. Signalling empties one that is full;
 * only who fills it again between the look and the write can make it wait, and no system call
 * writes to an eventfd without that.
 */
void cv_event_signal_shared(int fd);
bool cv_event_drain_shared(int fd);

#endif
