/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedder's own register blocks: a class made at run time around the callbacks. */
#include <errno.h>
#include <string.h>

#include "core/irq.h"
#include "vm/vm.h"

struct block {
	struct vm_device *d;
};

static int block_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct vm_device *const *d = config;

	(void)env;
	(void)e;
	((struct block *)self)->d = *d;
	return 0;
}

static void block_reset(void *self)
{
	struct vm_device *d = ((struct block *)self)->d;

	if (d->regs_ops.reset)
		d->regs_ops.reset(d->user);
}

static uint64_t block_read(void *self, uint64_t off, unsigned int len)
{
	struct vm_device *d = ((struct block *)self)->d;

	return d->regs_ops.read ? d->regs_ops.read(d->user, off, len) : UINT64_MAX;
}

static void block_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct vm_device *d = ((struct block *)self)->d;

	if (d->regs_ops.write)
		d->regs_ops.write(d->user, off, len, val);
}

static int check(const struct vm_regs_config *c, const struct vm_regs_ops *ops, struct vm_error *e)
{
	if (!c->name || c->name[0] == '\0')
		return cv_err(e, -EINVAL, "register block: it has no name");
	if (c->space != VM_REGS_PIO && c->space != VM_REGS_MMIO)
		return cv_err(e, -EINVAL, "%s: its space is neither PIO nor MMIO", c->name);
	if (c->len == 0 || c->base + c->len < c->base)
		return cv_err(e, -EINVAL, "%s: its range is empty or wraps", c->name);
	if (!ops->read && !ops->write)
		return cv_err(e, -EINVAL, "%s: it has neither a read nor a write callback",
			      c->name);
	return cv_machine_irq_fits(c->irq, c->name, e);
}

static void fill_class(struct vm_device *d, const struct vm_regs_config *c)
{
	d->place = (struct cv_vm_place){
		.pio = c->space == VM_REGS_PIO, .base = c->base, .len = c->len, .irq = c->irq
	};
	d->own_regs = (struct cv_regs_ops){
		.span = c->len, .min_len = 1, .max_len = 8, .read = block_read, .write = block_write
	};
	d->own_class = (struct cv_class){ .name = d->name,
					  .help = "",
					  .size = sizeof(struct block),
					  .init = block_init,
					  .reset = block_reset,
					  .regs = &d->own_regs };
}

int vm_add_regs(struct vm *vm, const struct vm_regs_config *config, const struct vm_regs_ops *ops,
		void *user, struct vm_device **device, struct vm_error *error)
{
	struct vm_regs_config c = { 0 };
	struct vm_regs_ops o = { 0 };
	struct vm_device *d = NULL;
	int err = cv_vm_take(&o, ops, sizeof(o), "vm_regs_ops", error);

	err = err ?: cv_vm_take(&c, config, sizeof(c), "vm_regs_config", error);
	err = err ?: check(&c, &o, error) ?: cv_vm_may_add(vm, c.name, error);
	err = err ?: cv_vm_device_new_custom(vm, c.name, user, &d, error);
	if (err) {
		if (o.drop)
			o.drop(user);
		return err;
	}
	d->regs_ops = o;
	fill_class(d, &c);
	if (device)
		*device = d;
	return 0;
}

void vm_device_interrupt(struct vm_device *device)
{
	pthread_mutex_lock(&device->instance_lock);
	if (device->irq)
		cv_irq_pulse(device->irq);
	pthread_mutex_unlock(&device->instance_lock);
}
