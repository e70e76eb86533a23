/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedder's own devices: a table of callbacks, a user pointer, and a drop
 * callback that is called exactly once, when the VM is destroyed or when adding
 * the device fails.
 *
 * All callbacks of one device are serialised by its lock. They must not block
 * for long and must not call vm_run, vm_start, vm_stop, vm_wait, vm_destroy,
 * vm_power_button or vm_device_control.
 */
#ifndef CROSVM_DEVICE_H
#define CROSVM_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <crosvm/error.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vm;
struct vm_device;

/* ---- a block of registers ---- */

enum vm_regs_space {
	VM_REGS_PIO = 1, /* I/O ports: x86_64 only */
	VM_REGS_MMIO,	 /* memory addresses outside RAM */
};

struct vm_regs_ops {
	size_t size; /* VM_REGS_OPS_INIT */
	/* one access of @len bytes (1, 2, 4, 8) at @offset from the block's start; vCPU threads */
	uint64_t (*read)(void *user, uint64_t offset, unsigned int len);
	void (*write)(void *user, uint64_t offset, unsigned int len, uint64_t value);
	void (*reset)(void *user); /* the machine resets; optional */
	void (*drop)(void *user);  /* the device is gone; optional */
};

#define VM_REGS_OPS_INIT .size = sizeof(struct vm_regs_ops)

struct vm_regs_config {
	size_t size;		  /* VM_REGS_CONFIG_INIT */
	const char *name;	  /* for messages; required */
	enum vm_regs_space space; /* required */
	uint64_t base;		  /* first port or guest-physical address */
	uint64_t len;		  /* bytes, at least 1 */
	/* interrupt it raises by edge: x86_64: ISA 3 to 15; aarch64: SPI 80 to 95; 0: none */
	uint32_t irq;
};

#define VM_REGS_CONFIG_INIT                           \
	{                                             \
		.size = sizeof(struct vm_regs_config) \
	}

/* Adds a register block to a VM that has not been started. -EINVAL for a bad description; a
 * clash with another device is reported by vm_start(). @ops stays valid as long as the VM. */
int vm_add_regs(struct vm *vm, const struct vm_regs_config *config, const struct vm_regs_ops *ops,
		void *user, struct vm_device **device, struct vm_error *error);

/* Raises the block's interrupt (one edge). Any thread, while the VM runs; else nothing. */
void vm_device_interrupt(struct vm_device *device);

/* ---- a virtio device ---- */

/* One request of the driver: a readable part followed by a writable part. */
struct vm_request;

struct vm_virtio_ops {
	size_t size; /* VM_VIRTIO_OPS_INIT */
	/* the driver is ready, with these features; optional */
	void (*start)(void *user, uint64_t features);
	/* a request has arrived on @queue: complete it now or later with vm_request_complete() */
	void (*request)(void *user, unsigned int queue, struct vm_request *request);
	/* no requests any more: complete or forget all that are outstanding; after the return,
	 * their pointers are dead. optional if requests are completed inside request() */
	void (*stop)(void *user);
	/* device configuration space; optional when config_len is 0 */
	void (*config_read)(void *user, uint32_t offset, void *buf, uint32_t len);
	void (*config_write)(void *user, uint32_t offset, const void *buf, uint32_t len);
	void (*drop)(void *user); /* the device is gone; optional */
	/* no requests of @queue any more, as with stop(), while the other queues go on; requests
	 * come again when the driver has set the queue up anew. optional: with it the driver may
	 * reset single queues (VIRTIO_F_RING_RESET) and start them late */
	void (*queue_stop)(void *user, unsigned int queue);
};

#define VM_VIRTIO_OPS_INIT .size = sizeof(struct vm_virtio_ops)

struct vm_virtio_config {
	size_t size;	     /* VM_VIRTIO_CONFIG_INIT */
	const char *name;    /* for messages; required */
	uint16_t device_id;  /* virtio specification section 5, 1 to 63 */
	uint16_t n_queues;   /* 1 to 64 */
	uint16_t queue_size; /* power of two up to 32768; 0: 256 */
	uint32_t config_len; /* bytes of configuration space, up to 4096 */
	uint64_t features;   /* device features (bits 0 to 23 and 50 to 63) */
};

#define VM_VIRTIO_CONFIG_INIT                           \
	{                                               \
		.size = sizeof(struct vm_virtio_config) \
	}

/* Adds a virtio device behind virtio-pci. As vm_add_regs() otherwise. */
int vm_add_virtio(struct vm *vm, const struct vm_virtio_config *config,
		  const struct vm_virtio_ops *ops, void *user, struct vm_device **device,
		  struct vm_error *error);

/* Bytes of the request's readable and writable parts. */
uint64_t vm_request_readable(const struct vm_request *request);
uint64_t vm_request_writable(const struct vm_request *request);

/* Copy out of the readable part or into the writable one, from @offset of the part on; the number
 * of bytes copied, short at its end. Until the request is completed; any thread. */
size_t vm_request_read(const struct vm_request *request, uint64_t offset, void *buf, size_t len);
size_t vm_request_write(struct vm_request *request, uint64_t offset, const void *buf, size_t len);

/* The parts as iovecs for a system call such as readv(): guest memory, which the guest may change
 * at any time. The number filled, or -ENOBUFS when @max do not suffice. */
int vm_request_iov_readable(const struct vm_request *request, struct iovec *iov, int max);
int vm_request_iov_writable(struct vm_request *request, struct iovec *iov, int max);

/* Gives the request back to the driver with @written bytes of its writable part filled. Once. Any
 * thread; never later than the return of stop(), or of queue_stop() for its queue. */
void vm_request_complete(struct vm_request *request, uint32_t written);

/* Tells the driver that the configuration space has changed. Any thread. */
void vm_device_config_changed(struct vm_device *device);

/*
 * For a program that serves as its own device processes (device_program
 * "/proc/self/exe"): to be called first thing in main(), before any thread,
 * file or output. In a device process it runs the device and returns the exit
 * status, with which main() is to return; in any other it returns -1 at once.
 */
int vm_device_main(int argc, char **argv);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
