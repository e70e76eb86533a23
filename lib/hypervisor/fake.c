/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake hypervisor's VM: doorbells, interrupts, and what it was told. */
#include <errno.h>
#include <string.h>

#include "hypervisor/fake_impl.h"
#include "sys/fd.h"

struct doorbell {
	struct cv_list node;
	struct cv_ioevent ev;
};

struct irqfd {
	struct cv_list node;
	uint32_t gsi;
	int fd, resample;
};

static struct cv_fake *of_hw(struct cv_hw *hw)
{
	return cv_container_of(hw, struct cv_fake, hv.hw);
}

int cv_fake_injected(struct cv_fake *f, const char *op)
{
	int err = 0;

	pthread_mutex_lock(&f->lock);
	if (f->fail_op && strcmp(f->fail_op, op) == 0) {
		err = f->fail_err;
		f->fail_op = NULL;
	}
	pthread_mutex_unlock(&f->lock);
	return err;
}

int cv_fake_told(struct cv_fake *f, const char *op, struct vm_error *e)
{
	int err = cv_fake_injected(f, op);

	return err ? cv_err(e, err, "fake: %s fails as it was told", op) : 0;
}

void cv_fake_fail(struct cv_hv *hv, const char *op, int err)
{
	struct cv_fake *f = cv_fake_of(hv);

	pthread_mutex_lock(&f->lock);
	f->fail_op = op;
	f->fail_err = err;
	pthread_mutex_unlock(&f->lock);
}

/* ---- doorbells ---- */

static bool same_event(const struct cv_ioevent *a, const struct cv_ioevent *b)
{
	return a->pio == b->pio && a->addr == b->addr && a->len == b->len && a->match == b->match &&
	       (!a->match || a->value == b->value);
}

static struct doorbell *find_doorbell(struct cv_fake *f, const struct cv_ioevent *ev)
{
	cv_list_for_each(node, &f->ioevents) {
		struct doorbell *d = cv_list_entry(node, struct doorbell, node);

		if (same_event(&d->ev, ev))
			return d;
	}
	return NULL;
}

static int add_doorbell(struct cv_fake *f, const struct cv_ioevent *ev)
{
	struct doorbell *d;

	if (find_doorbell(f, ev))
		return -EEXIST;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->ev = *ev;
	cv_list_add_tail(&f->ioevents, &d->node);
	return 0;
}

static int remove_doorbell(struct cv_fake *f, const struct cv_ioevent *ev)
{
	struct doorbell *d = find_doorbell(f, ev);

	if (!d || d->ev.fd != ev->fd)
		return -ENOENT;
	cv_list_remove(&d->node);
	free(d);
	return 0;
}

static int hw_ioevent(struct cv_hw *hw, bool add, const struct cv_ioevent *ev)
{
	struct cv_fake *f = of_hw(hw);
	int err = cv_fake_injected(f, "ioevent");

	if (err)
		return err;
	if (ev->len > 8 || (ev->len & (ev->len - 1)) != 0 || (ev->len == 0 && ev->match))
		return -EINVAL;
	pthread_mutex_lock(&f->lock);
	err = add ? add_doorbell(f, ev) : remove_doorbell(f, ev);
	pthread_mutex_unlock(&f->lock);
	return err;
}

bool cv_fake_ring(struct cv_fake *f, bool pio, uint64_t addr, uint32_t len, uint64_t val)
{
	bool rung = false;

	pthread_mutex_lock(&f->lock);
	cv_list_for_each(node, &f->ioevents) {
		const struct cv_ioevent *ev = &cv_list_entry(node, struct doorbell, node)->ev;

		if (ev->pio == pio && ev->addr == addr && (ev->len == 0 || ev->len == len) &&
		    (!ev->match || ev->value == val)) {
			/* wakes who waits even where it is full, as KVM does */
			cv_event_signal_shared(ev->fd);
			rung = true;
			break;
		}
	}
	pthread_mutex_unlock(&f->lock);
	return rung;
}

/* ---- interrupts ---- */

/* Takes what @fd has signalled as one interrupt, as KVM does. */
static void deliver(struct cv_fake *f, const struct irqfd *i)
{
	if (cv_event_drain(i->fd))
		f->interrupts[i->gsi]++;
}

static int attach(struct cv_fake *f, uint32_t gsi, int fd, int resample)
{
	struct irqfd *i;

	cv_list_for_each(node, &f->irqfds)
		if (cv_list_entry(node, struct irqfd, node)->fd == fd)
			return -EBUSY;
	i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	i->gsi = gsi;
	i->fd = fd;
	i->resample = resample;
	cv_list_add_tail(&f->irqfds, &i->node);
	return 0;
}

static void detach(struct cv_fake *f, uint32_t gsi, int fd)
{
	cv_list_for_each_safe(node, tmp, &f->irqfds) {
		struct irqfd *i = cv_list_entry(node, struct irqfd, node);

		if (i->gsi != gsi || i->fd != fd)
			continue;
		deliver(f, i);
		cv_list_remove(node);
		free(i);
	}
}

static int hw_irqfd(struct cv_hw *hw, bool add, uint32_t gsi, int fd, int resample)
{
	struct cv_fake *f = of_hw(hw);
	int err = cv_fake_injected(f, "irqfd");

	if (err)
		return err;
	if (gsi >= FAKE_MAX_GSI || fd < 0)
		return -EINVAL;
	pthread_mutex_lock(&f->lock);
	if (add)
		err = attach(f, gsi, fd, resample);
	else
		detach(f, gsi, fd);
	pthread_mutex_unlock(&f->lock);
	return err;
}

static uint32_t free_route(const struct cv_fake *f)
{
	uint32_t gsi = FAKE_FIRST_MSI;

	while (gsi < FAKE_MAX_GSI && f->routes[gsi].used)
		gsi++;
	return gsi;
}

static int hw_msi_route(struct cv_hw *hw, uint32_t *gsi, const struct cv_msi *msi)
{
	struct cv_fake *f = of_hw(hw);
	int err = cv_fake_injected(f, "msi_route");
	uint32_t to;

	if (err)
		return err;
	pthread_mutex_lock(&f->lock);
	to = *gsi == 0 ? free_route(f) : *gsi;
	if (to >= FAKE_MAX_GSI)
		err = *gsi == 0 ? -ENOSPC : -EINVAL;
	else if (*gsi != 0 && !f->routes[to].used)
		err = -EINVAL;
	if (!err) {
		f->routes[to] = (struct cv_fake_route){ .used = true, .msi = *msi };
		*gsi = to;
	}
	pthread_mutex_unlock(&f->lock);
	return err;
}

static void hw_msi_free(struct cv_hw *hw, uint32_t gsi)
{
	struct cv_fake *f = of_hw(hw);

	pthread_mutex_lock(&f->lock);
	if (gsi < FAKE_MAX_GSI)
		f->routes[gsi].used = false;
	pthread_mutex_unlock(&f->lock);
}

static const struct cv_hw_ops hw_ops = {
	.ioevent = hw_ioevent,
	.irqfd = hw_irqfd,
	.msi_route = hw_msi_route,
	.msi_free = hw_msi_free,
};

/* ---- the test's view ---- */

const struct cv_rom *cv_fake_rom(struct cv_hv *hv)
{
	return &cv_fake_of(hv)->rom;
}

unsigned int cv_fake_interrupts(struct cv_hv *hv, uint32_t gsi)
{
	struct cv_fake *f = cv_fake_of(hv);
	unsigned int n = 0;

	if (gsi >= FAKE_MAX_GSI)
		return 0;
	pthread_mutex_lock(&f->lock);
	cv_list_for_each(node, &f->irqfds)
		if (cv_list_entry(node, struct irqfd, node)->gsi == gsi)
			deliver(f, cv_list_entry(node, struct irqfd, node));
	n = f->interrupts[gsi];
	pthread_mutex_unlock(&f->lock);
	return n;
}

uint32_t cv_fake_msi(struct cv_hv *hv, uint32_t data)
{
	struct cv_fake *f = cv_fake_of(hv);
	uint32_t gsi = 0;

	pthread_mutex_lock(&f->lock);
	for (uint32_t i = FAKE_FIRST_MSI; i < FAKE_MAX_GSI && gsi == 0; i++)
		if (f->routes[i].used && f->routes[i].msi.data == data)
			gsi = i;
	pthread_mutex_unlock(&f->lock);
	return gsi;
}

void cv_fake_eoi(struct cv_hv *hv, uint32_t gsi)
{
	struct cv_fake *f = cv_fake_of(hv);

	pthread_mutex_lock(&f->lock);
	cv_list_for_each(node, &f->irqfds) {
		const struct irqfd *i = cv_list_entry(node, struct irqfd, node);

		if (i->gsi == gsi && i->resample >= 0)
			cv_event_signal(i->resample);
	}
	pthread_mutex_unlock(&f->lock);
}

unsigned int cv_fake_attached(struct cv_hv *hv)
{
	struct cv_fake *f = cv_fake_of(hv);
	unsigned int n = 0;

	pthread_mutex_lock(&f->lock);
	cv_list_for_each(node, &f->ioevents)
		n++;
	cv_list_for_each(node, &f->irqfds)
		n++;
	for (uint32_t i = 0; i < FAKE_MAX_GSI; i++)
		n += f->routes[i].used;
	pthread_mutex_unlock(&f->lock);
	return n;
}

void cv_fake_note_failure(struct cv_fake *f, unsigned int step)
{
	pthread_mutex_lock(&f->lock);
	if (f->n_failures++ == 0)
		f->first_failure = step;
	pthread_mutex_unlock(&f->lock);
}

unsigned int cv_fake_failures(struct cv_hv *hv, unsigned int *first)
{
	struct cv_fake *f = cv_fake_of(hv);
	unsigned int n;

	pthread_mutex_lock(&f->lock);
	n = f->n_failures;
	if (first)
		*first = f->first_failure;
	pthread_mutex_unlock(&f->lock);
	return n;
}

/* ---- operations ---- */

static int set_memory(struct cv_hv *hv, const struct cv_mem *mem, const struct cv_rom *rom,
		      struct vm_error *e)
{
	struct cv_fake *f = cv_fake_of(hv);
	int err = cv_fake_told(f, "set_memory", e);

	if (!err)
		f->mem = mem;
	if (!err && rom)
		f->rom = *rom;
	return err;
}

int cv_fake_keep(void **slot, const void *what, size_t len)
{
	if (!*slot)
		*slot = malloc(len);
	if (!*slot)
		return -ENOMEM;
	memcpy(*slot, what, len);
	return 0;
}

static void destroy(struct cv_hv *hv)
{
	struct cv_fake *f = cv_fake_of(hv);

	while (!cv_list_empty(&f->ioevents))
		free(cv_list_entry(cv_list_pop(&f->ioevents), struct doorbell, node));
	while (!cv_list_empty(&f->irqfds))
		free(cv_list_entry(cv_list_pop(&f->irqfds), struct irqfd, node));
	for (unsigned int i = 0; i < CV_FAKE_MAX_VCPUS; i++) {
		free(f->states[i]);
		free(f->cpus[i]);
	}
	free(f->machine);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static const struct cv_hv_ops ops = {
	.destroy = destroy,
	.set_memory = set_memory,
	.vcpu_create = cv_fake_vcpu_create,
	.vcpu_destroy = cv_fake_vcpu_destroy,
	.vcpu_enter = cv_fake_vcpu_enter,
	.vcpu_run = cv_fake_vcpu_run,
	.vcpu_kick = cv_fake_vcpu_kick,
};

int cv_hv_fake_create(struct cv_hv **hv, const struct cv_hv_config *config,
		      const struct cv_fake_script *scripts, unsigned int n_scripts,
		      struct vm_error *e)
{
	struct cv_fake *f;

	if (config->n_vcpus > CV_FAKE_MAX_VCPUS)
		return cv_err(e, -EINVAL, "fake: %u vCPUs asked for, at most %d are possible",
			      config->n_vcpus, CV_FAKE_MAX_VCPUS);
	f = calloc(1, sizeof(*f));
	if (!f)
		return cv_err(e, -ENOMEM, "fake: out of memory");
	f->ops = ops;
	cv_fake_arch_init(f);
	f->hv.ops = &f->ops;
	f->hv.hw.ops = &hw_ops;
	f->scripts = scripts;
	f->n_scripts = n_scripts;
	pthread_mutex_init(&f->lock, NULL);
	cv_list_init(&f->ioevents);
	cv_list_init(&f->irqfds);
	*hv = &f->hv;
	return 0;
}
