/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices of a VM: described by type and text, configured once, given an
 * instance for every start of the guest.
 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "vm/vm.h"

static const char *const transports[] = { "pci", "mmio", NULL };
static const char *const sandbox_choices[] = { "default", "on", "off", NULL };

/* What is the transport's business, wherever the device is. */
#define TRANSPORT_ROWS                                            \
	{ .name = "transport",                                    \
	  .kind = CV_OPT_ENUM,                                    \
	  .off = offsetof(struct cv_virtio_common, transport),    \
	  .words = transports,                                    \
	  .help = "how the guest finds the device" },             \
	{                                                         \
		.name = "packed", .kind = CV_OPT_BOOL,            \
		.off = offsetof(struct cv_virtio_common, packed), \
		.help = "offer packed virtqueues"                 \
	}

static const struct cv_opt transport_opts[] = {
	TRANSPORT_ROWS,
	CV_OPT_END,
};

static const struct cv_opt virtio_opts[] = {
	TRANSPORT_ROWS,
	{ .name = "poll",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct cv_virtio_common, poll),
	  .dflt = true,
	  .help = "look at busy queues for a moment before sleeping" },
	{ .name = "sandbox",
	  .kind = CV_OPT_ENUM,
	  .off = offsetof(struct cv_virtio_common, sandbox),
	  .words = sandbox_choices,
	  .help = "run the device in a jailed process of its own" },
	{ .name = "restart",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct cv_virtio_common, restart),
	  .help = "replace the device's process when it dies" },
	CV_OPT_END,
};

/* Two processes take turns at each read of a device in one of its own: 11 to 15 us beside 0.03 us
 * here, on top of the exit's 8 to 36 us, and a serial port is read for each character. So only those
 * that ask for a process get one. tests/bench/bench_regs.c measures it. */
static const struct cv_opt regs_opts[] = {
	{ .name = "sandbox",
	  .kind = CV_OPT_ENUM,
	  .off = offsetof(struct cv_virtio_common, sandbox),
	  .words = sandbox_choices,
	  .help = "run the device in a jailed process of its own; default is off" },
	CV_OPT_END,
};

const struct cv_opt *cv_vm_common_opts(const struct cv_class *cls)
{
	if (cls->regs)
		return regs_opts;
	return cls == &cv_vhost_user_class ? transport_opts : virtio_opts;
}

int cv_vm_may_add(struct vm *vm, const char *what, struct vm_error *e)
{
	bool running;

	pthread_mutex_lock(&vm->lock);
	running = vm->state == CV_VM_STARTING || vm->state == CV_VM_RUNNING;
	pthread_mutex_unlock(&vm->lock);
	if (running)
		return cv_err(e, -EBUSY, "%s: the VM runs, add devices before it is started", what);
	return 0;
}

struct vm_device *cv_vm_device_new(struct vm *vm)
{
	struct vm_device *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->vm = vm;
	pthread_mutex_init(&d->instance_lock, NULL);
	cv_list_add_tail(&vm->devices, &d->node);
	return d;
}

int cv_vm_device_new_custom(struct vm *vm, const char *name, void *user, struct vm_device **device,
			    struct vm_error *e)
{
	CV_AUTO_FREE char *copy = strdup(name);
	struct vm_device *d = copy ? cv_vm_device_new(vm) : NULL;

	if (!d)
		return cv_err(e, -ENOMEM, "%s: out of memory", name);
	d->custom = true;
	d->user = user;
	d->name = cv_steal(copy);
	d->cls = &d->own_class;
	d->vm_self = d;
	d->config = &d->vm_self;
	*device = d;
	return 0;
}

void cv_vm_device_destroy(struct vm_device *d)
{
	cv_list_remove(&d->node);
	cv_vm_peer_destroy(d->peer);
	if (d->custom && d->regs_ops.drop)
		d->regs_ops.drop(d->user);
	if (d->custom && d->virtio_ops.drop)
		d->virtio_ops.drop(d->user);
	if (!d->custom && d->config)
		cv_class_config_destroy(d->cls, d->config);
	pthread_mutex_destroy(&d->instance_lock);
	free(d->name);
	free(d);
}

/* Whether the pair [start, end) of an option text has the key of one of these rows. */
static bool has_row(const struct cv_opt *opts, const char *start, const char *end)
{
	for (const struct cv_opt *o = opts; o->name; o++) {
		size_t len = strlen(o->name);

		if ((size_t)(end - start) >= len && memcmp(start, o->name, len) == 0 &&
		    (start + len == end || start[len] == '='))
			return true;
	}
	return false;
}

/* The end of the pair at @s: the next single comma or the terminator. */
static const char *pair_end(const char *s)
{
	for (; *s; s++) {
		if (*s == ',' && s[1] != ',')
			return s;
		if (*s == ',')
			s++;
	}
	return s;
}

static void add_pair(struct cv_buf *b, const char *start, const char *end)
{
	if (b->len > 0)
		cv_buf_u8(b, ',');
	cv_buf_put(b, start, (size_t)(end - start));
}

/* Splits the text into the pairs for the framework and those for the class. */
static int split_options(const struct cv_vm_text *t, struct cv_buf *common, struct cv_buf *own,
			 struct vm_error *e)
{
	const char *text = t->options;

	while (text && *text) {
		const char *end = pair_end(text);
		bool is_common = has_row(t->common_opts, text, end);

		if (!is_common && t->vm_opts && has_row(t->vm_opts, text, end))
			return cv_err(e, -EINVAL,
				      "%s: option '%.*s' is for a device of a VM, leave it out",
				      t->cls->name, (int)strcspn(text, "=,"), text);
		add_pair(is_common ? common : own, text, end);
		text = *end ? end + 1 : end;
	}
	cv_buf_u8(common, 0);
	cv_buf_u8(own, 0);
	if (common->failed || own->failed)
		return cv_err(e, -ENOMEM, "%s: out of memory for its options", t->cls->name);
	return 0;
}

int cv_vm_configure_text(const struct cv_vm_text *t, struct cv_virtio_common *common, void **config,
			 struct vm_error *e)
{
	struct cv_buf framework = { 0 }, own = { 0 };
	int err = split_options(t, &framework, &own, e);

	err = err ?: cv_opt_parse(t->common_opts, t->cls->name, (char *)framework.data, common, e);
	err = err ?: cv_class_configure(t->cls, (char *)own.data, config, e);
	cv_buf_fini(&framework);
	cv_buf_fini(&own);
	return err;
}

static int configure_both(struct vm_device *d, const char *options, struct vm_error *e)
{
	const struct cv_vm_text text = { .cls = d->cls,
					 .common_opts = cv_vm_common_opts(d->cls),
					 .options = options };

	return cv_vm_configure_text(&text, &d->common, &d->config, e);
}

static int check_type(const char *type, const struct cv_class **cls, struct vm_error *e)
{
	*cls = type ? cv_vm_class_find(type) : NULL;
	if (!*cls)
		return cv_err(
			e, -EINVAL,
			"device type '%s' is not known, see 'crosvm devices' for those that are",
			type ? type : "");
	return (*cls)->regs ? cv_machine_takes(*cls, e) : 0;
}

static unsigned int count_others(const struct vm_device *d)
{
	unsigned int n = 0;

	cv_list_for_each(node, &d->vm->devices) {
		const struct vm_device *o = cv_list_entry(node, struct vm_device, node);

		n += o != d && o->cls->virtio && o->common.transport == d->common.transport;
	}
	return n;
}

int cv_vm_device_fits(const struct vm_device *d, struct vm_error *e)
{
	int err = 0;

	if (d->cls->virtio)
		return cv_machine_virtio_fits((enum cv_transport_kind)d->common.transport,
					      count_others(d), d->cls->name, e);
	cv_list_for_each(node, &d->vm->devices) {
		const struct vm_device *o = cv_list_entry(node, struct vm_device, node);

		if (o != d && o->cls == d->cls && !err)
			err = cv_machine_both_fit(d->cls, d->config, o->config, e);
	}
	return err;
}

static int configure(struct vm_device *d, const char *options, struct vm_error *e)
{
	int err = configure_both(d, options, e);

	if (!err && d->cls->check)
		err = d->cls->check(d->config, d->vm->memory, e);
	if (!err && d->common.restart && !cv_vm_device_wants_process(d))
		err = cv_err(e, -EINVAL,
			     "%s: option restart: only a process of its own can be replaced; leave "
			     "it out, or give sandbox=on as well",
			     d->cls->name);
	err = err ?: cv_vm_device_fits(d, e);
	if (!err && d->cls == &cv_vhost_user_class)
		err = cv_vm_peer_create(d, e);
	return err;
}

int vm_add_device(struct vm *vm, const char *type, const char *options, struct vm_device **device,
		  struct vm_error *error)
{
	const struct cv_class *cls;
	struct vm_device *d;
	int err = check_type(type, &cls, error) ?: cv_vm_may_add(vm, type, error);

	if (err)
		return err;
	d = cv_vm_device_new(vm);
	if (!d)
		return cv_err(error, -ENOMEM, "%s: out of memory", type);
	d->cls = cls;
	err = configure(d, options, error);
	if (err) {
		cv_vm_device_destroy(d);
		return err;
	}
	if (device)
		*device = d;
	return 0;
}
