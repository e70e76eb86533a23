/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory, read and written by the embedder. */
#ifndef CROSVM_MEMORY_H
#define CROSVM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <crosvm/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vm;

/*
 * Copies @len bytes between guest-physical address @gpa and @buf. The guest may
 * change the same bytes meanwhile. Any thread, while the VM runs or after it has
 * ended (until it is started again or destroyed).
 *
 * Returns 0; -EFAULT when a byte is not guest memory, with nothing copied;
 * -ENOTCONN when the VM has never been started.
 */
int vm_memory_read(struct vm *vm, uint64_t gpa, void *buf, size_t len, struct vm_error *error);
int vm_memory_write(struct vm *vm, uint64_t gpa, const void *buf, size_t len,
		    struct vm_error *error);

/* The bytes of guest memory the VM has or will have. */
uint64_t vm_memory_size(const struct vm *vm);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
