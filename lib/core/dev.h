/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device class: the one symbol a device file exports, and what a device
 * sees of the world. A device knows neither time, nor threads, nor KVM.
 */
#ifndef CV_CORE_DEV_H
#define CV_CORE_DEV_H

#include <pthread.h>

#include "base/base.h"
#include "base/err.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/state.h"

struct cv_mem;
struct cv_loop;
struct cv_irq;
struct cv_vq;

/* All that a device is given; lives as long as the device. */
struct cv_env {
	const struct cv_mem *mem; /* NULL for register devices without DMA; in a process of the
				   * device's own it is empty until the driver starts the device */
	uint64_t memory;	  /* bytes that the guest has; 0: as many as there are in mem */
	/* this process may be killed and another one repeat what it has not completed: nothing may
	 * happen on behalf of it once it is dead */
	bool repeated;
	struct cv_loop *loop;
	struct cv_log *log;
	struct cv_irq *irq;    /* register devices; NULL when the device has no line */
	pthread_mutex_t *lock; /* held around every callback: name it in watches, timers, tasks */
	/* virtio devices: the configuration space has changed (any thread, never blocks) */
	void (*config_changed)(const struct cv_env *env);
	/* asks the VM to do something: a reset, a power-off, … (any thread, never blocks) */
	void (*request)(const struct cv_env *env, unsigned int what);
	void *ctx; /* the framework's */
};

/* What a device may ask of the VM, through cv_env.request. */
enum cv_vm_request {
	CV_REQUEST_RESET = 1,	/* a guest-initiated reset */
	CV_REQUEST_POWER_OFF,	/* a guest-initiated power-off */
	CV_REQUEST_PANICKED,	/* the guest has reported a panic (pvpanic) */
	CV_REQUEST_CRASH_LOADED /* the guest will handle its panic itself (pvpanic bit 1) */
};

struct cv_regs_ops {		  /* register-block device */
	uint64_t span;		  /* bytes */
	uint8_t min_len, max_len; /* other sizes never reach the device */
	uint64_t (*read)(void *self, uint64_t off, unsigned int len);
	void (*write)(void *self, uint64_t off, unsigned int len, uint64_t val);
};

/*
 * A virtio device. start, kick and stop run in the device's loop; config_read
 * and config_write in a vCPU thread; all under the device lock.
 */
struct cv_virtio_ops {
	uint16_t id; /* virtio device ID, section 5 of the specification */
	uint32_t config_len;
	uint16_t n_queues;	   /* at most CV_VIRTIO_MAX_QUEUES */
	const uint16_t *queue_max; /* n_queues entries, powers of two up to 32768 */
	uint64_t features; /* device features; the framework adds the ring and transport ones */
	/* optional: fewer queues or features than above, after init (from options, the backend) */
	void (*shape)(void *self, uint16_t *n_queues, uint64_t *features);
	void (*config_read)(void *self, uint32_t off, uint8_t *buf, uint32_t len);
	void (*config_write)(void *self, uint32_t off, const uint8_t *buf, uint32_t len);
	/* queues that the driver did not enable are not ready: see cv_vq.ready. 0 or -errno (the
	 * device then counts as broken) */
	int (*start)(void *self, uint64_t features, struct cv_vq *vqs);
	void (*kick)(void *self, struct cv_vq *vq, unsigned int index);
	void (*stop)(void *self); /* returns with nothing in flight */
	/* one queue is stopped, returns with nothing of it in flight and the others as they were; it
	 * may run again without start. Optional: without it queues stop and start only together, and
	 * RING_RESET is not offered */
	void (*queue_stop)(void *self, struct cv_vq *vq, unsigned int index);
};

#define CV_VIRTIO_MAX_QUEUES 64

/*
 * A request that only this class understands (resize a disk, set a balloon's
 * target): the API call, the CLI and the help come from this row. Runs in the
 * device's loop under the device lock.
 */
struct cv_control {
	const char *name, *help;
	const struct cv_opt *args; /* NULL: none */
	size_t args_size;	   /* of the struct the rows describe */
	/* writes a reply of key=value text, possibly empty; 0 or -errno with a sentence */
	int (*run)(void *self, const void *args, char *reply, size_t size, struct vm_error *e);
};

struct cv_class {
	const char *name, *help, *policy; /* CLI name, one line, seccomp policy */
	size_t size, config_size;
	const struct cv_opt *opts;
	const struct cv_field *state;
	uint16_t state_version;		   /* from 1 */
	const struct cv_control *controls; /* ended by a row without name; NULL: none */
	/* what makes init fail and can be told before there is an instance, of a configuration
	 * whose files are open, for a guest with @memory bytes; 0 or -errno with a sentence that
	 * names the option. NULL: nothing */
	int (*check)(const void *config, uint64_t memory, struct vm_error *e);
	/* @self is zeroed, @config stays alive as long as the device; may take fds out of it only by
	 * duplicating them. On failure fini is called */
	int (*init)(void *self, const struct cv_env *env, const void *config, struct vm_error *e);
	void (*fini)(void *self); /* accepts a half-initialised, zeroed self; NULL: nothing to do */
	void (*reset)(void *self); /* to the state after init; NULL: nothing to do */
	int (*loaded)(void *self,
		      uint16_t version); /* validate, rebuild derived values; NULL: none */
	const struct cv_regs_ops *regs;
	const struct cv_virtio_ops *virtio; /* exactly one of the two */
};

#define CV_CONTROL_END       \
	{                    \
		.name = NULL \
	}

/* All classes of this build, ended by NULL; generated from lib/devices/CMakeLists.txt. */
extern const struct cv_class *const cv_classes[];

/* The class of that name, or NULL. */
const struct cv_class *cv_class_find(const char *name);

/*
 * Parses @text into a new configuration and opens its files, taking the image
 * lock where the row asks for it. 0 with *config (released with
 * cv_class_config_destroy), or -errno with a sentence starting with the class's name.
 */
int cv_class_configure(const struct cv_class *cls, const char *text, void **config,
		       struct vm_error *e) CV_MUST_CHECK;
void cv_class_config_destroy(const struct cv_class *cls, void *config);

/* An open file of a configuration on its way to another process. */
struct cv_class_file {
	int fd;	     /* borrowed from the configuration when packed; owned by it when unpacked */
	uint8_t row; /* of the class's option table */
	bool read_only;
};

#define CV_CLASS_MAX_FILES 64 /* rows of an option table */

/*
 * Takes a configuration apart for the process that is to run the device: its
 * text (owned by the caller) and its open files. 0 with the number of files in
 * *n, or -ENOMEM.
 */
int cv_class_config_pack(const struct cv_class *cls, const void *config, char **text,
			 struct cv_class_file files[CV_CLASS_MAX_FILES], unsigned int *n,
			 struct vm_error *e) CV_MUST_CHECK;

/*
 * The other side: nothing is opened or locked, the files are those given. They
 * belong to the configuration if this succeeds and stay the caller's if not.
 * -EINVAL for text or rows that the class does not have.
 */
int cv_class_config_unpack(const struct cv_class *cls, const char *text,
			   const struct cv_class_file *files, unsigned int n, void **config,
			   struct vm_error *e) CV_MUST_CHECK;

/* The control row of that name, or NULL. */
const struct cv_control *cv_class_control_find(const struct cv_class *cls, const char *op);

/*
 * Finds the row @op and parses @text for it: what a slot does before it runs the
 * row in the device's loop. 0 with *args (released with
 * cv_control_args_destroy); -ENOENT without such a row; -EINVAL or -ENOMEM.
 */
int cv_class_control_parse(const struct cv_class *cls, const char *op, const char *text,
			   const struct cv_control **control, void **args,
			   struct vm_error *e) CV_MUST_CHECK;
void cv_control_args_destroy(const struct cv_control *control, void *args);

#endif
