/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machines of all architectures have in common: buses, register devices, PCI, virtio. */
#include "machine/machine_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/math.h"
#include "devices/fw_cfg.h"
#include "pci/virtio_pci.h"
#include "virtio/mmio.h"

int cv_machine_memory(uint64_t size, struct cv_mem *mem, struct vm_error *e)
{
	struct cv_mem_range ranges[2];

	return cv_mem_init(mem, ranges, cv_arch_ranges(size, ranges), e);
}

static void on_device_request(const struct cv_env *env, unsigned int what)
{
	struct cv_machine *m = env->ctx;

	m->config.request(m->config.ctx, (enum cv_vm_request)what);
}

struct cv_env cv_machine_env(struct cv_machine *m)
{
	return (struct cv_env){ .mem = m->config.mem,
				.memory = cv_mem_size(m->config.mem),
				.loop = m->config.loop,
				.log = m->config.log,
				.request = on_device_request,
				.ctx = m };
}

/* ---- register devices ---- */

static const struct cv_machine_row *find_place(const char *name)
{
	for (size_t i = 0; i < cv_arch_map.n_rows; i++)
		if (strcmp(cv_arch_map.rows[i].name, name) == 0)
			return &cv_arch_map.rows[i];
	return NULL;
}

const char *cv_machine_kernels(void)
{
	return cv_arch_map.kernels;
}

int cv_machine_takes(const struct cv_class *cls, struct vm_error *e)
{
	const struct cv_machine_row *p = find_place(cls->name);

	if (!p)
		return cv_err(e, -EINVAL, "%s: %s machines have no place for it, leave it out",
			      cls->name, cv_arch_map.name);
	if (p->fixed)
		return cv_err(e, -EINVAL, "%s: every machine has this device already, leave it out",
			      cls->name);
	return 0;
}

static int make_line(struct cv_machine *m, const struct cv_machine_row *place, struct cv_irq **irq,
		     struct vm_error *e)
{
	return place->irq ? cv_lines_add(&m->lines, place->irq, place->level, irq, e) : 0;
}

static int make_regs(struct cv_machine *m, const struct cv_class *cls,
		     const struct cv_machine_row *place, const void *config,
		     struct cv_rslot_local **slot, struct vm_error *e)
{
	struct cv_env env = cv_machine_env(m);
	struct cv_rslot *rslot;
	int err = make_line(m, place, &env.irq, e);

	err = err ?: cv_rslot_local_create(slot, cls, &env, config, e);
	if (err || place->base == 0)
		return err;
	rslot = cv_rslot_local_slot(*slot);
	err = cv_bus_add(m->regs, place->base, place->span ? place->span : rslot->span, rslot, 0,
			 e);
	if (err) {
		cv_rslot_local_destroy(*slot);
		*slot = NULL;
		return cv_err_prefix(e, err, "%s", cls->name);
	}
	return 0;
}

/* Whether this machine has the device always. */
static bool is_here(const struct cv_machine *m, const struct cv_machine_row *place)
{
	return place->fixed && (m->config.rom || !place->firmware);
}

static int configure_fixed(struct cv_machine *m, const struct cv_machine_row *place,
			   struct cv_machine_regs *regs, struct vm_error *e)
{
	char text[128] = "";
	struct cv_fw_cfg_config *fw;
	int err;

	cv_arch_fixed_options(m, place->name, text, sizeof(text));
	err = cv_class_configure(regs->cls, text, &regs->config, e);
	if (!err && strcmp(place->name, "fw-cfg") == 0) {
		fw = regs->config;
		fw->files = &m->fw;
	}
	return err;
}

static int add_fixed(struct cv_machine *m, const struct cv_machine_row *place, struct vm_error *e)
{
	struct cv_machine_regs *regs = &m->fixed[m->n_fixed];
	int err;

	regs->cls = cv_class_find(place->name);
	if (!regs->cls)
		return cv_err(e, -ENOENT, "%s: this build of the library lacks the device",
			      place->name);
	m->n_fixed++;
	err = configure_fixed(m, place, regs, e);
	err = err ?: make_regs(m, regs->cls, place, regs->config, &regs->slot, e);
	return err ?: cv_arch_fixed_added(m, place->name, regs->slot, e);
}

/* The value of the configuration's row that decides on the place. */
static unsigned int place_number(const struct cv_machine_row *place, const struct cv_class *cls,
				 const void *config)
{
	const struct cv_opt *o = cv_opt_find(cls->opts, place->by);
	uint32_t num = 1;

	if (o)
		memcpy(&num, (const char *)config + o->off, sizeof(num));
	return num;
}

static int fail_taken(const struct cv_machine_row *place, unsigned int num, struct vm_error *e)
{
	return cv_err(e, -EEXIST, "%s: option %s: port %u is taken already, give another",
		      place->name, place->by, num);
}

int cv_machine_both_fit(const struct cv_class *cls, const void *config, const void *other,
			struct vm_error *e)
{
	const struct cv_machine_row *place = find_place(cls->name);
	unsigned int num;

	if (!place->by)
		return cv_err(e, -EEXIST, "%s: there is one already, leave this one out",
			      cls->name);
	num = place_number(place, cls, config);
	return num == place_number(place, cls, other) ? fail_taken(place, num, e) : 0;
}

static int serial_place(struct cv_machine *m, unsigned int num, struct cv_machine_row *place,
			struct vm_error *e)
{
	if (num < 1 || num > CV_MACHINE_SERIALS)
		return cv_err(e, -EINVAL, "serial: there is no port %u, give num=1 to 4", num);
	if (m->serials[num - 1])
		return fail_taken(place, num, e);
	place->base = cv_arch_serial_base(num);
	place->irq = cv_arch_serial_irq(num);
	m->serials[num - 1] = true;
	return 0;
}

/* Serial ports have numbers, other devices say where they are. */
static int place_by_number(struct cv_machine *m, unsigned int num, struct cv_machine_row *place,
			   struct vm_error *e)
{
	if (strcmp(place->by, "num") == 0)
		return serial_place(m, num, place, e);
	place->base = num;
	return 0;
}

int cv_machine_place_class(struct cv_machine *m, const struct cv_class *cls, const void *config,
			   struct cv_machine_place *out, struct vm_error *e)
{
	const struct cv_machine_row *known = find_place(cls->name);
	struct cv_machine_row place;
	int err = 0;

	if (!known || known->fixed)
		return cv_err(e, -EINVAL, "%s: a machine has this device already", cls->name);
	if (m->n_added == CV_MACHINE_ADDED)
		return cv_err(e, -ENOSPC, "%s: at most %d register devices fit", cls->name,
			      CV_MACHINE_ADDED);
	place = *known;
	if (place.by)
		err = place_by_number(m, place_number(&place, cls, config), &place, e);
	*out = (struct cv_machine_place){ .base = place.base };
	return err ?: make_line(m, &place, &out->irq, e);
}

int cv_machine_add_regs(struct cv_machine *m, const struct cv_machine_place *place,
			struct cv_rslot *slot, struct vm_error *e)
{
	int err = cv_bus_add(m->regs, place->base, slot->span, slot, 0, e);

	if (!err)
		m->added[m->n_added++] =
			(struct cv_machine_added){ .slot = slot, .base = place->base };
	return err;
}

static bool overlaps_ram(const struct cv_mem *mem, uint64_t base, uint64_t len)
{
	for (unsigned int i = 0; i < mem->n_regions; i++)
		if (cv_ranges_overlap(base, len, mem->regions[i].gpa, mem->regions[i].len))
			return true;
	return false;
}

int cv_machine_irq_fits(uint32_t irq, const char *name, struct vm_error *e)
{
	uint32_t first = cv_arch_map.block_irqs.first, last = cv_arch_map.block_irqs.last;

	if (irq == 0 || (irq >= first && irq <= last))
		return 0;
	return cv_err(e, -EINVAL, "%s: irq %u cannot be used, give %u to %u", name, irq, first,
		      last);
}

int cv_machine_add_block(struct cv_machine *m, bool pio, uint64_t base, uint64_t len,
			 struct cv_rslot *slot, uint32_t gsi, struct cv_irq **irq,
			 struct vm_error *e)
{
	int err = 0;

	if (pio && !m->pio)
		return cv_err(e, -EINVAL,
			      "this machine has no I/O ports, place the registers in "
			      "memory");
	if (pio && !cv_in_range(base, len, 0x10000))
		return cv_err(e, -EINVAL, "ports 0x%llx and on lie beyond the last, 0xffff",
			      (unsigned long long)base);
	if (!pio && overlaps_ram(m->config.mem, base, len))
		return cv_err(e, -EINVAL, "registers at 0x%llx lie in RAM, choose another place",
			      (unsigned long long)base);
	if (gsi)
		err = cv_lines_add(&m->lines, gsi, false, irq, e);
	return err ?: cv_bus_add(pio ? m->pio : m->mmio, base, len, slot, 0, e);
}

/* ---- virtio ---- */

int cv_machine_virtio_fits(enum cv_transport_kind transport, unsigned int n_others,
			   const char *name, struct vm_error *e)
{
	switch (transport) {
	case CV_TRANSPORT_PCI:
		if (n_others < cv_arch_map.max_pci)
			return 0;
		return cv_err(
			e, -ENOSPC,
			"%s: PCI bus 0 is full, at most %u devices fit; leave some out or use "
			"transport=mmio",
			name, cv_arch_map.max_pci);
	case CV_TRANSPORT_MMIO:
		if (n_others < cv_arch_map.max_mmio)
			return 0;
		return cv_err(e, -ENOSPC,
			      "%s: at most %u virtio-mmio devices fit, use transport=pci", name,
			      cv_arch_map.max_mmio);
	}
	return -EINVAL;
}

static int add_virtio_pci(struct cv_machine *m, struct cv_machine_virtio *v, struct vm_error *e)
{
	unsigned int slot = m->n_pci_functions + 1;
	uint32_t gsi = cv_arch_pci_gsi(slot, 0);
	struct cv_irq *irq;
	int err;

	err = cv_lines_add(&m->lines, gsi, true, &irq, e)
		      ?: cv_virtio_pci_create(&v->pci, v->vslot, &m->hv->hw, m->config.loop,
					      m->config.log, e);
	if (err)
		return err;
	cv_pci_dev_set_intx(cv_virtio_pci_dev(v->pci), irq, 1, (uint8_t)gsi);
	err = cv_pci_root_add(m->pci, cv_virtio_pci_dev(v->pci), (int)slot, e);
	if (err) {
		cv_virtio_pci_destroy(v->pci);
		v->pci = NULL;
		return err;
	}
	m->n_pci_functions++;
	return 0;
}

static int add_virtio_mmio(struct cv_machine *m, struct cv_machine_virtio *v, struct vm_error *e)
{
	uint64_t gpa = cv_arch_map.mmio_gpa + (uint64_t)m->n_mmio * cv_arch_map.mmio_step;
	struct cv_irq *irq;
	int err;

	err = cv_lines_add(&m->lines, cv_arch_mmio_gsi(m->n_mmio), true, &irq, e)
		      ?: cv_virtio_mmio_create(&v->mmio, v->vslot, &m->hv->hw, gpa, irq,
					       m->config.loop, m->config.log, e);
	if (err)
		return err;
	err = cv_bus_add(m->mmio, gpa, CV_VIRTIO_MMIO_SPAN, cv_virtio_mmio_slot(v->mmio), 0, e);
	if (err) {
		cv_virtio_mmio_destroy(v->mmio);
		v->mmio = NULL;
		return err;
	}
	m->n_mmio++;
	return 0;
}

int cv_machine_add_virtio(struct cv_machine *m, struct cv_vslot *vslot,
			  enum cv_transport_kind transport, struct vm_error *e)
{
	bool pci = transport == CV_TRANSPORT_PCI;
	int err = cv_machine_virtio_fits(transport, pci ? m->n_pci_functions : m->n_mmio,
					 vslot->name, e);
	struct cv_machine_virtio *v = &m->virtio[m->n_virtio];

	if (err)
		return err;
	v->vslot = vslot;
	err = pci ? add_virtio_pci(m, v, e) : add_virtio_mmio(m, v, e);
	if (!err)
		m->n_virtio++;
	return err;
}

/* ---- life ---- */

static int create_pci(struct cv_machine *m, struct vm_error *e)
{
	struct cv_pci_windows w = cv_arch_map.windows;

	cv_arch_pci_windows(m, &w);
	return cv_pci_root_create(&m->pci, m->mmio, m->pio, &w, m->config.log, e) ?:
	       cv_pci_bridge_create(&m->bridge, m->pci, &cv_arch_map.bridge, e) ?:
	       cv_bus_add(m->mmio, cv_arch_map.ecam_gpa, CV_PCI_ECAM_BUS, cv_pci_root_ecam(m->pci), 0, e) ?:
	       cv_arch_pci_created(m, e);
}

int cv_machine_create(struct cv_machine **out, const struct cv_machine_config *config,
		      struct vm_error *e)
{
	const struct cv_hv_config hv = { .irqchip = true, .n_vcpus = config->n_vcpus };
	struct cv_machine *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return cv_err(e, -ENOMEM, "the machine: out of memory");
	m->config = *config;
	err = config->hv.create(config->hv.arg, &m->hv, &hv, config->log, e) ?:
	      m->hv->ops->set_memory(m->hv, config->mem, config->rom, e) ?:
	      cv_bus_create(&m->mmio, "mmio", e) ?:
	      cv_arch_create(m, e);
	if (m->hv)
		cv_lines_init(&m->lines, &m->hv->hw, config->loop);
	err = err ?: create_pci(m, e);
	for (size_t i = 0; i < cv_arch_map.n_rows && !err; i++)
		if (is_here(m, &cv_arch_map.rows[i]))
			err = add_fixed(m, &cv_arch_map.rows[i], e);
	if (err) {
		cv_machine_destroy(m);
		return err;
	}
	*out = m;
	return 0;
}

static void destroy_virtio(struct cv_machine *m)
{
	while (m->n_virtio > 0) {
		struct cv_machine_virtio *v = &m->virtio[--m->n_virtio];

		if (v->pci)
			cv_pci_root_remove(m->pci, cv_virtio_pci_dev(v->pci));
		cv_virtio_pci_destroy(v->pci);
		cv_virtio_mmio_destroy(v->mmio);
	}
}

static void destroy_regs(struct cv_machine_regs *regs, unsigned int n)
{
	while (n-- > 0) {
		cv_rslot_local_destroy(regs[n].slot);
		if (regs[n].config)
			cv_class_config_destroy(regs[n].cls, regs[n].config);
	}
}

static void destroy_added(struct cv_machine *m)
{
	while (m->n_added > 0) {
		struct cv_machine_added *a = &m->added[--m->n_added];

		cv_bus_remove(m->regs, a->base);
		cv_bus_drain(m->regs, a->slot);
		cv_rslot_destroy(a->slot);
	}
}

void cv_machine_quiesce(struct cv_machine *m)
{
	destroy_virtio(m);
	destroy_added(m);
}

void cv_machine_destroy(struct cv_machine *m)
{
	if (!m)
		return;
	for (unsigned int i = m->config.n_vcpus; i-- > 0;)
		if (m->vcpus[i])
			m->hv->ops->vcpu_destroy(m->vcpus[i]);
	cv_machine_quiesce(m);
	cv_pci_regs_destroy(m->pvpanic);
	destroy_regs(m->fixed, m->n_fixed);
	cv_fw_files_fini(&m->fw);
	cv_pci_bridge_destroy(m->bridge);
	cv_pci_root_destroy(m->pci);
	cv_bus_destroy(m->mmio);
	cv_bus_destroy(m->pio);
	cv_lines_fini(&m->lines);
	cv_hv_destroy(m->hv);
	free(m->arch);
	free(m);
}

struct cv_vcpu *cv_machine_vcpu(struct cv_machine *m, unsigned int index)
{
	return m->vcpus[index];
}

int cv_machine_power_button(struct cv_machine *m, struct vm_error *e)
{
	char reply[16];

	return cv_rslot_local_control(m->button, "power-button", NULL, reply, sizeof(reply), e);
}

/* A value of guest byte order (little-endian) in @len bytes. */
static uint64_t load_data(const uint8_t *data, unsigned int len)
{
	uint64_t val = 0;

	for (unsigned int i = 0; i < len; i++)
		val |= (uint64_t)data[i] << (8 * i);
	return val;
}

static void store_data(uint8_t *data, unsigned int len, uint64_t val)
{
	for (unsigned int i = 0; i < len; i++)
		data[i] = (uint8_t)(val >> (8 * i));
}

void cv_machine_access(struct cv_machine *m, struct cv_exit *exit)
{
	struct cv_bus *bus = exit->kind == CV_EXIT_IO ? m->pio : m->mmio;
	uint32_t count = exit->kind == CV_EXIT_IO ? exit->count : 1;
	uint8_t *data = exit->data;

	for (uint32_t i = 0; i < count; i++, data += exit->len) {
		if (exit->write)
			cv_bus_write(bus, exit->addr, exit->len, load_data(data, exit->len));
		else
			store_data(data, exit->len, cv_bus_read(bus, exit->addr, exit->len));
	}
}
