/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes an eventfd as full as it gets: by one more than any write can, which only the kernel's own
 * signals do (Linux, fs/eventfd.c: poll(2) then tells of an error instead of room). */
#ifndef CV_TESTS_OVERFILL_H
#define CV_TESTS_OVERFILL_H

#include <errno.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "must.h"

/* @fd does not block. */
static inline void overfill_write(int fd)
{
	for (uint64_t add = UINT64_MAX - 1; add > 0; add /= 2)
		must(write(fd, &add, sizeof(add)) == (ssize_t)sizeof(add) || errno == EAGAIN);
}

/* The end of an asynchronous read signals it once more. */
static inline void overfill_signal(int fd)
{
	int file = memfd_create("overfill", MFD_CLOEXEC);
	char byte;
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD,
			   .aio_fildes = (uint32_t)file,
			   .aio_buf = (uintptr_t)&byte,
			   .aio_nbytes = 1,
			   .aio_flags = IOCB_FLAG_RESFD,
			   .aio_resfd = (uint32_t)fd };
	struct iocb *cbs[] = { &cb };
	aio_context_t ctx = 0;

	must(file >= 0 && syscall(SYS_io_setup, 1, &ctx) == 0);
	must(syscall(SYS_io_submit, ctx, 1, cbs) == 1);
	must(syscall(SYS_io_destroy, ctx) == 0); /* waits for it */
	close(file);
}

#endif
