/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of struct vm, shared by the files of this floor.
 *
 * Threads: the embedder's, one loop thread (devices, control, the end of a run)
 * and one per vCPU. The lock is a leaf: nothing is called under it but the
 * hypervisor's kick.
 */
#ifndef CV_VM_VM_H
#define CV_VM_VM_H

#include <pthread.h>
#include <stdatomic.h>

#include <crosvm/device.h>
#include <crosvm/memory.h>
#include <crosvm/version.h>
#include <crosvm/vm.h>

#include "machine/machine.h"
#include "process/rslot_child.h"
#include "process/vslot_child.h"
#include "sys/fd.h"
#include "virtio/vslot_local.h"

struct cv_vm_file {
	struct cv_fd fd;
	char *name; /* for messages: "kernel FILE"; owned */
};

/* What the device processes of a VM or a back end have in common. */
struct cv_vm_host {
	struct cv_process_host process;
	char *program, *policy_dir; /* what it points to; owned */
};

/* Options that every virtio device takes beside its class's own; of a register device: sandbox. */
struct cv_virtio_common {
	uint32_t transport; /* enum cv_transport_kind */
	uint32_t sandbox;   /* enum cv_sandbox_choice */
	bool packed, poll, restart;
};

enum cv_sandbox_choice {
	CV_SANDBOX_CHOICE_DEFAULT, /* what the VM says; register devices: off */
	CV_SANDBOX_CHOICE_ON,
	CV_SANDBOX_CHOICE_OFF
};

/* Where an embedder's register block is. */
struct cv_vm_place {
	bool pio;
	uint64_t base, len;
	uint32_t irq;
};

struct vm_device {
	struct cv_list node;
	struct vm *vm;
	const struct cv_class *cls;
	void *config; /* of the class: owned, or this struct for an embedder's device */
	struct cv_virtio_common common;
	/* the instance, while a machine exists; in the loop's thread */
	struct cv_vslot_child *starting;      /* its process is not ready yet */
	struct cv_rslot_child *starting_regs; /* the same of a register device */
	struct cv_vslot *vslot;
	struct cv_vm_peer *peer; /* type vhost-user: lives as long as this struct */
	struct cv_rslot *rslot;
	bool was_built;	  /* an instance has been before: reset what the embedder keeps */
	bool rslot_owned; /* by this struct, not by the machine */
	/* an embedder's device */
	bool custom;
	struct cv_class own_class;
	struct cv_regs_ops own_regs;
	struct cv_virtio_ops own_virtio;
	uint16_t queue_max[CV_VIRTIO_MAX_QUEUES];
	struct vm_regs_ops regs_ops;
	struct vm_virtio_ops virtio_ops;
	struct cv_vm_place place;
	struct cv_irq *irq;	   /* the line of a register block, while a machine exists */
	struct vm_device *vm_self; /* what config points to */
	void *instance;		   /* the running virtio instance, see custom_virtio.c */
	pthread_mutex_t instance_lock;
	void *user;
	char *name;
};

struct cv_vm_vcpu {
	struct vm *vm;
	unsigned int index;
	pthread_t thread;
	bool started;
	bool entered; /* may be kicked; under the lock */
};

enum cv_vm_state {
	CV_VM_IDLE, /* never started */
	CV_VM_STARTING,
	CV_VM_RUNNING,
	CV_VM_ENDED,
};

/* The first build of a run, which vm_start() waits for. */
struct cv_vm_start {
	struct vm_error *e; /* the starter's */
	int result;
	bool done; /* under the lock */
};

#define CV_VM_EVENTS 64 /* a guest that resets for ever fills no memory: the oldest go first */

struct vm {
	/* constant after vm_create() */
	uint64_t memory;
	unsigned int n_vcpus;
	struct cv_vm_file kernel, initrd;
	struct cv_rom rom; /* firmware; empty: a kernel boots */
	char *cmdline;
	enum cv_boot_protocol protocol;
	bool reboot, acpi;
	bool sandbox; /* devices run in processes of their own unless they say otherwise */
	bool stop_on_device_death;
	enum vm_jail_main jail_choice;
	bool jail_main;			/* decided at the start … */
	struct cv_seccomp jail_program; /* … with this, if so */
	struct cv_vm_host child_host;
	uint32_t *affinity;
	size_t n_affinity;
	struct cv_log log;
	struct cv_hv_factory hv;
	struct cv_loop *loop;
	struct cv_fd event_fd;

	struct cv_list devices; /* constant while running */

	struct cv_mem mem;	    /* made by the first start */
	struct cv_machine *machine; /* the loop's thread, or nobody's */
	pthread_t loop_thread;
	struct cv_vm_start start;
	bool joined; /* the loop's thread of an ended run has been joined; under the lock */
	struct cv_task finish;
	atomic_uint n_running; /* vCPU threads, and the starter */
	atomic_bool quit;      /* vCPU threads are to leave */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum cv_vm_state state;
	bool stop_wanted;     /* vm_stop(): do not reboot */
	bool ending;	      /* exit is set */
	bool kickable;	      /* the machine's vCPUs exist */
	unsigned int n_begun; /* vCPU threads that have done what they do only once */
	struct vm_exit exit;
	struct cv_vm_vcpu vcpus[CV_MACHINE_MAX_VCPUS];
	bool has_memory;		      /* the first start has succeeded: mem is constant */
	struct vm_event events[CV_VM_EVENTS]; /* a ring */
	unsigned int first_event, n_events;
};

/* ---- vm.c ---- */
void cv_vm_file_fini(struct cv_vm_file *f);

/* ---- config.c ---- */
int cv_vm_configure(struct vm *vm, const struct vm_config *config,
		    struct vm_error *e) CV_MUST_CHECK;

/* Copies a caller's struct, which starts with its size, into ours of @known bytes: a shorter one
 * leaves the rest as it is, a longer one's tail must be zero (-E2BIG; what is known is copied). */
int cv_vm_take(void *to, const void *from, size_t known, const char *what,
	       struct vm_error *e) CV_MUST_CHECK;

/* Creates a VM on another hypervisor than KVM: for tests. */
int cv_vm_create(const struct vm_config *config, const struct cv_hv_factory *hv, struct vm **vm,
		 struct vm_error *e) CV_MUST_CHECK;

/* ---- events.c ---- */
/* Queues an event; @exit for STOPPED. Any thread. */
void cv_vm_event(struct vm *vm, enum vm_event_kind kind, const struct vm_exit *exit);

/* The process of a device has died: @text says which and how. */
void cv_vm_device_event(struct vm_device *d, const char *text, bool restarted);

/* ---- sandbox.c ---- */
/* The part of the configuration that is about device processes. */
int cv_vm_configure_sandbox(struct vm *vm, const struct vm_config *config,
			    struct vm_error *e) CV_MUST_CHECK;

/* The part of it that a back end without a VM has too; complaints name the fields of @config. */
int cv_vm_host_init(struct cv_vm_host *host, const struct vm_config *config, struct cv_log *log,
		    struct vm_error *e) CV_MUST_CHECK;
void cv_vm_host_fini(struct cv_vm_host *host);

/* ---- jail.c ---- */
/* Decides whether this process is to be jailed at this start: -EINVAL if that is asked for and
 * cannot be. */
int cv_vm_jail_decide(struct vm *vm, struct vm_error *e) CV_MUST_CHECK;
/* Jails it: the calling thread, the loop's and the vCPUs', in which no other work is done. */
int cv_vm_jail(struct vm *vm, struct vm_error *e) CV_MUST_CHECK;

/* ---- instances.c ---- */
/* Whether the device's instance is in a process of its own. */
bool cv_vm_device_wants_process(const struct vm_device *d);
/* Makes the instances of all devices on the VM's new machine, and undoes it. */
int cv_vm_devices_build(struct vm *vm, struct vm_error *e) CV_MUST_CHECK;
void cv_vm_devices_unbuild(struct vm *vm);
/* Who serves a device has gone, @why says how, and whether another one goes on in its place. */
void cv_vm_device_died(struct vm_device *d, const char *why, bool restarted);
/* Embedder's calls from any thread find no instances any more; before the transports go. */
void cv_vm_devices_detach(struct vm *vm);
/* Frees what the machine's bus still referred to while it was there. */
void cv_vm_devices_free_blocks(struct vm *vm);

/* ---- devices.c ---- */
void cv_vm_device_destroy(struct vm_device *d);
/* A new device in the VM's list; NULL when out of memory. */
struct vm_device *cv_vm_device_new(struct vm *vm);
/* The same for an embedder's device, with its name, its user pointer and itself as configuration. */
int cv_vm_device_new_custom(struct vm *vm, const char *name, void *user, struct vm_device **device,
			    struct vm_error *e) CV_MUST_CHECK;
/* Whether the machine will have a place for it beside the others: 0 or -errno with a sentence. */
int cv_vm_device_fits(const struct vm_device *d, struct vm_error *e) CV_MUST_CHECK;
/* Whether devices may be added now: -EBUSY with a sentence while the VM runs. */
int cv_vm_may_add(struct vm *vm, const char *what, struct vm_error *e) CV_MUST_CHECK;

/* The class of that name that may be added to a VM or described, or NULL; the @index-th of all. */
const struct cv_class *cv_vm_class_find(const char *name);
const struct cv_class *cv_vm_class_at(size_t index);
/* The rows that a class takes beside its own. */
const struct cv_opt *cv_vm_common_opts(const struct cv_class *cls);

/* The text of a device's options, and the rows that are not its class's. */
struct cv_vm_text {
	const struct cv_class *cls;
	const struct cv_opt *common_opts; /* of struct cv_virtio_common */
	const struct cv_opt *vm_opts;	  /* rows that only a VM's devices have; NULL: none */
	const char *options;
};
int cv_vm_configure_text(const struct cv_vm_text *text, struct cv_virtio_common *common,
			 void **config, struct vm_error *e) CV_MUST_CHECK;

/* ---- vhost_user.c ---- */
extern const struct cv_class cv_vhost_user_class;

/* Connects a device of that class, which gets its peer. What is made is the device's, on failure
 * too. */
int cv_vm_peer_create(struct vm_device *d, struct vm_error *e) CV_MUST_CHECK;
struct cv_vslot *cv_vm_peer_slot(struct cv_vm_peer *p);
void cv_vm_peer_destroy(struct cv_vm_peer *p); /* NULL is fine */

/* ---- vcpu.c ---- */
/* Starts the vCPU threads; on failure the run ends by itself. */
int cv_vm_vcpus_start(struct vm *vm, struct vm_error *e) CV_MUST_CHECK;
/* Waits until all of them, successfully started, do what they will do from then on. */
void cv_vm_vcpus_await(struct vm *vm);
void cv_vm_vcpus_join(struct vm *vm);

/* ---- run.c ---- */
/* Ends the run: the first reason counts. Any thread. */
void cv_vm_end(struct vm *vm, enum vm_exit_reason reason, int vcpu, const char *text);
/* A vCPU thread (or the starter) is done. */
void cv_vm_leave(struct vm *vm);
/* Waits for the end, if it runs or starts, and joins the loop's thread. */
void cv_vm_join(struct vm *vm);
/* Frees what an ended run has left: machine and instances. */
void cv_vm_reap(struct vm *vm);

#endif
