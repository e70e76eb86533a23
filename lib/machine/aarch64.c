/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The aarch64 machine: KVM has the interrupt controller, the timer and PSCI;
 * here is where everything else goes.
 */
#include "machine/aarch64.h"

#include <errno.h>
#include <string.h>

static const struct cv_machine_row rows[] = {
	{ .name = "pl031",
	  .fixed = true,
	  .base = CV_ARM_RTC_GPA,
	  .irq = CV_ARM_SPI_RTC,
	  .level = true },
	{ .name = "pl061",
	  .fixed = true,
	  .base = CV_ARM_GPIO_GPA,
	  .irq = CV_ARM_SPI_GPIO,
	  .level = true },
	{ .name = "pvpanic", .fixed = true },
	{ .name = "pl030", .base = CV_ARM_OLD_RTC_GPA, .irq = CV_ARM_SPI_OLD_RTC, .level = true },
	{ .name = "serial", .by = "num" },
};

const struct cv_machine_map cv_arch_map = {
	.name = "aarch64",
	.kernels = "an arm64 Image",
	.windows = { .mem32_base = CV_ARM_PCI32_GPA, .mem32_len = CV_ARM_PCI32_LEN },
	/* a generic bridge for ECAM, as QEMU has it */
	.bridge = { .vendor = 0x1b36, .device = 0x0008, .class_code = 0x06 },
	.max_pci = CV_ARM_PVPANIC_SLOT - 1,
	.ecam_gpa = CV_ARM_ECAM_GPA,
	.mmio_gpa = CV_ARM_MMIO_GPA,
	.mmio_step = CV_ARM_MMIO_STEP,
	.max_mmio = CV_ARM_MAX_MMIO,
	.block_irqs = { .first = CV_ARM_SPI_FREE, .last = CV_ARM_N_SPIS - 1 },
	.rows = rows,
	.n_rows = CV_LEN(rows),
};

unsigned int cv_arch_ranges(uint64_t size, struct cv_mem_range *ranges)
{
	ranges[0] = (struct cv_mem_range){ .gpa = CV_ARM_RAM_GPA, .len = size };
	return 1;
}

uint64_t cv_arch_serial_base(unsigned int num)
{
	return CV_ARM_SERIAL_GPA + (num - 1) * CV_ARM_SERIAL_STEP;
}

uint32_t cv_arch_serial_irq(unsigned int num)
{
	return CV_ARM_SPI_SERIAL + num - 1;
}

uint32_t cv_arch_mmio_gsi(unsigned int index)
{
	return CV_ARM_SPI_MMIO + index;
}

uint32_t cv_arch_pci_gsi(unsigned int slot, unsigned int pin)
{
	return CV_ARM_SPI_PCI + (slot + pin) % CV_ARM_N_SPI_PCI;
}

/* The 64-bit one is as long as it may be below the end of the guest's addresses. */
void cv_arch_pci_windows(const struct cv_machine *m, struct cv_pci_windows *w)
{
	uint64_t end = CV_ARM_RAM_GPA + cv_mem_size(m->config.mem);
	uint64_t limit = 1ull << m->hv->phys_bits;

	w->mem64_base = cv_align_up(end, 8 * CV_GIB);
	w->mem64_len = w->mem64_base < limit ? cv_min(CV_ARM_PCI64_LEN, limit - w->mem64_base) : 0;
}

/* ---- vCPUs and GIC ---- */

static int choose_gic(struct cv_machine *m, struct cv_arm_gic *gic, struct vm_error *e)
{
	int version = m->hv->ops->arm_gic_version(m->hv, e);

	if (version < 0)
		return version;
	if (version == 2 && m->config.n_vcpus > CV_ARM_V2_MAX_CPUS)
		return cv_err(e, -EINVAL,
			      "vcpus: this host's interrupt controller (GICv2) serves at most %u, "
			      "%u are too many",
			      CV_ARM_V2_MAX_CPUS, m->config.n_vcpus);
	*gic = (struct cv_arm_gic){ .version = (unsigned int)version,
				    .n_spis = CV_ARM_N_SPIS,
				    .dist_gpa = CV_ARM_GIC_DIST_GPA,
				    .redist_gpa = CV_ARM_GIC_REDIST_GPA,
				    .its_gpa = CV_ARM_GIC_ITS_GPA,
				    .cpu_gpa = CV_ARM_GIC_CPU_GPA };
	return 0;
}

static int make_vcpu(struct cv_machine *m, unsigned int index, struct vm_error *e)
{
	const struct cv_hv_ops *ops = m->hv->ops;
	int err = ops->vcpu_create(m->hv, index, &m->vcpus[index], e);

	return err ?: ops->arm_init(m->vcpus[index], index > 0, e);
}

static int finish_vcpu(struct cv_machine *m, unsigned int index, struct cv_arm_cpu *cpu,
		       struct vm_error *e)
{
	const struct cv_hv_ops *ops = m->hv->ops;
	int err = ops->arm_describe(m->vcpus[index], cpu, e);

	if (!err && cpu->pmu)
		err = ops->arm_set_pmu(m->vcpus[index], CV_ARM_PPI_PMU, e);
	return err;
}

static int make_cpus(struct cv_machine *m, struct cv_arm_machine *a, struct vm_error *e)
{
	int err = choose_gic(m, &a->gic, e);

	for (unsigned int i = 0; i < m->config.n_vcpus && !err; i++)
		err = make_vcpu(m, i, e);
	err = err ?: m->hv->ops->arm_make_gic(m->hv, &a->gic, e);
	for (unsigned int i = 0; i < m->config.n_vcpus && !err; i++)
		err = finish_vcpu(m, i, &a->cpus[i], e);
	return err;
}

static int check_memory(const struct cv_machine *m, struct vm_error *e)
{
	uint64_t size = cv_mem_size(m->config.mem);

	if (cv_in_range(CV_ARM_RAM_GPA, size, 1ull << m->hv->phys_bits))
		return 0;
	return cv_err(e, -EINVAL,
		      "memory: %llu MiB do not fit into the %u address bits that this host gives a "
		      "guest; ask for less",
		      (unsigned long long)(size >> 20), m->hv->phys_bits);
}

int cv_arch_create(struct cv_machine *m, struct vm_error *e)
{
	struct cv_arm_machine *a = calloc(1, sizeof(*a));

	if (!a)
		return cv_err(e, -ENOMEM, "the machine: out of memory");
	m->arch = a;
	m->regs = m->mmio;
	return check_memory(m, e) ?: make_cpus(m, a, e);
}

int cv_arch_pci_created(struct cv_machine *m CV_UNUSED, struct vm_error *e CV_UNUSED)
{
	return 0;
}

void cv_arch_fixed_options(const struct cv_machine *m CV_UNUSED, const char *name CV_UNUSED,
			   char *text CV_UNUSED, size_t size CV_UNUSED)
{
}

/* QEMU's docs/specs/pvpanic.rst: the ports' one register in a BAR. */
static int add_pvpanic(struct cv_machine *m, struct cv_rslot_local *slot, struct vm_error *e)
{
	static const struct cv_pci_ids ids = { .vendor = 0x1b36,
					       .device = 0x0011,
					       .subsys_vendor = 0x1af4,
					       .subsys = 0x1100,
					       .class_code = 0x08,
					       .subclass = 0x80 };

	return cv_pci_regs_create(&m->pvpanic, m->pci, &ids, cv_rslot_local_slot(slot),
				  CV_ARM_PVPANIC_SLOT, e);
}

int cv_arch_fixed_added(struct cv_machine *m, const char *name, struct cv_rslot_local *slot,
			struct vm_error *e)
{
	if (strcmp(name, "pl061") == 0)
		m->button = slot;
	return strcmp(name, "pvpanic") == 0 ? add_pvpanic(m, slot, e) : 0;
}
