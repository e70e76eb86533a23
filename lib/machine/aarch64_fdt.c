/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an aarch64 machine tells its guest: the device tree. The Devicetree
 * Specification 0.4 and Linux's Documentation/devicetree/bindings.
 */
#include <stdio.h>

#include "boot/fdt.h"
#include "machine/aarch64.h"

enum { PHANDLE_GIC = 1, PHANDLE_ITS, PHANDLE_CLOCK, PHANDLE_GPIO, PHANDLE_CPU };

enum { IRQ_SPI = 0, IRQ_PPI = 1 };
enum { IRQ_EDGE_RISING = 1, IRQ_LEVEL_HIGH = 4 };

/* PCI bus binding (IEEE 1275), phys.hi: which space an address is in. */
#define PCI_MEM32 0x02000000u
#define PCI_MEM64 0x43000000u /* prefetchable, as Linux wants what is larger than 4 GiB */

#define GPIO_POWER 3u
#define KEY_POWER  116u /* input-event-codes.h */

static void put_reg(struct cv_fdt *f, uint64_t gpa, uint64_t len)
{
	const uint32_t cells[] = { (uint32_t)(gpa >> 32), (uint32_t)gpa, (uint32_t)(len >> 32),
				   (uint32_t)len };

	cv_fdt_cells(f, "reg", cells, CV_LEN(cells));
}

static void put_spi(struct cv_fdt *f, uint32_t spi, uint32_t flags)
{
	const uint32_t cells[] = { IRQ_SPI, spi, flags };

	cv_fdt_cells(f, "interrupts", cells, CV_LEN(cells));
}

/* Of a PrimeCell: a device with an ID and the bus's clock. */
static void put_primecell(struct cv_fdt *f, const char *compatible, size_t len, uint64_t gpa,
			  uint32_t spi)
{
	cv_fdt_bytes(f, "compatible", compatible, len);
	put_reg(f, gpa, 0x1000);
	put_spi(f, spi, IRQ_LEVEL_HIGH);
	cv_fdt_u32(f, "clocks", PHANDLE_CLOCK);
	cv_fdt_string(f, "clock-names", "apb_pclk");
}

static void write_chosen(struct cv_fdt *f, const struct cv_machine *m,
			 const struct cv_arm_boot *boot)
{
	char path[32];

	cv_fdt_node(f, "chosen");
	cv_fdt_string(f, "bootargs", boot->cmdline);
	if (boot->initrd.len > 0) {
		cv_fdt_u64(f, "linux,initrd-start", boot->initrd.gpa);
		cv_fdt_u64(f, "linux,initrd-end", boot->initrd.gpa + boot->initrd.len);
	}
	cv_fdt_u64(f, "kaslr-seed", boot->kaslr_seed);
	cv_fdt_bytes(f, "rng-seed", boot->rng_seed, sizeof(boot->rng_seed));
	for (unsigned int num = 1; num <= CV_MACHINE_SERIALS; num++)
		if (m->serials[num - 1]) {
			snprintf(path, sizeof(path), "/serial@%llx",
				 (unsigned long long)cv_arch_serial_base(num));
			cv_fdt_string(f, "stdout-path", path);
			break;
		}
	cv_fdt_end(f);
}

static void write_memory(struct cv_fdt *f, const struct cv_arm_boot *boot)
{
	cv_fdt_node_at(f, "memory", CV_ARM_RAM_GPA);
	cv_fdt_string(f, "device_type", "memory");
	put_reg(f, CV_ARM_RAM_GPA, boot->ram_len);
	cv_fdt_end(f);
	if (boot->pvtime.len == 0)
		return;
	cv_fdt_node(f, "reserved-memory");
	cv_fdt_u32(f, "#address-cells", 2);
	cv_fdt_u32(f, "#size-cells", 2);
	cv_fdt_empty(f, "ranges");
	cv_fdt_node_at(f, "stolen-time", boot->pvtime.gpa);
	put_reg(f, boot->pvtime.gpa, boot->pvtime.len);
	cv_fdt_empty(f, "no-map");
	cv_fdt_end(f);
	cv_fdt_end(f);
}

/* One socket, and a core for each vCPU. */
static void write_cpu_map(struct cv_fdt *f, unsigned int n)
{
	char name[16];

	cv_fdt_node(f, "cpu-map");
	cv_fdt_node(f, "socket0");
	cv_fdt_node(f, "cluster0");
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "core%u", i);
		cv_fdt_node(f, name);
		cv_fdt_u32(f, "cpu", PHANDLE_CPU + i);
		cv_fdt_end(f);
	}
	cv_fdt_end(f);
	cv_fdt_end(f);
	cv_fdt_end(f);
}

static void write_cpus(struct cv_fdt *f, const struct cv_machine *m)
{
	const struct cv_arm_machine *a = m->arch;
	unsigned int n = m->config.n_vcpus;

	cv_fdt_node(f, "cpus");
	cv_fdt_u32(f, "#address-cells", 2);
	cv_fdt_u32(f, "#size-cells", 0);
	for (unsigned int i = 0; i < n; i++) {
		cv_fdt_node_at(f, "cpu", a->cpus[i].mpidr);
		cv_fdt_string(f, "device_type", "cpu");
		cv_fdt_string(f, "compatible", "arm,armv8");
		cv_fdt_u64(f, "reg", a->cpus[i].mpidr);
		cv_fdt_string(f, "enable-method", "psci");
		cv_fdt_u32(f, "phandle", PHANDLE_CPU + i);
		cv_fdt_end(f);
	}
	write_cpu_map(f, n);
	cv_fdt_end(f);
}

/* PSCI 0.1's own numbers come along for who knows no later binding. */
static void write_psci(struct cv_fdt *f)
{
	cv_fdt_node(f, "psci");
	cv_fdt_strings(f, "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci");
	cv_fdt_string(f, "method", "hvc");
	cv_fdt_u32(f, "cpu_suspend", 0xc4000001);
	cv_fdt_u32(f, "cpu_off", 0x84000002);
	cv_fdt_u32(f, "cpu_on", 0xc4000003);
	cv_fdt_u32(f, "migrate", 0xc4000005);
	cv_fdt_end(f);
}

/* arm,gic.yaml: bits 8 to 15 of a private interrupt's flags say whose it is. */
static uint32_t ppi_flags(const struct cv_machine *m)
{
	const struct cv_arm_machine *a = m->arch;

	return a->gic.version == 2 ? IRQ_LEVEL_HIGH | ((1u << m->config.n_vcpus) - 1) << 8
				   : IRQ_LEVEL_HIGH;
}

static void write_timer(struct cv_fdt *f, const struct cv_machine *m)
{
	uint32_t flags = ppi_flags(m);
	const uint32_t cells[] = {
		IRQ_PPI, CV_ARM_PPI_TIMER_SECURE,  flags, IRQ_PPI, CV_ARM_PPI_TIMER,	 flags,
		IRQ_PPI, CV_ARM_PPI_TIMER_VIRTUAL, flags, IRQ_PPI, CV_ARM_PPI_TIMER_HYP, flags,
	};

	cv_fdt_node(f, "timer");
	cv_fdt_strings(f, "compatible", "arm,armv8-timer");
	cv_fdt_cells(f, "interrupts", cells, CV_LEN(cells));
	cv_fdt_empty(f, "always-on");
	cv_fdt_end(f);
}

static void write_pmu(struct cv_fdt *f, const struct cv_machine *m)
{
	const struct cv_arm_machine *a = m->arch;
	const uint32_t cells[] = { IRQ_PPI, CV_ARM_PPI_PMU, ppi_flags(m) };

	for (unsigned int i = 0; i < m->config.n_vcpus; i++)
		if (!a->cpus[i].pmu)
			return;
	cv_fdt_node(f, "pmu");
	cv_fdt_string(f, "compatible", "arm,armv8-pmuv3");
	cv_fdt_cells(f, "interrupts", cells, CV_LEN(cells));
	cv_fdt_end(f);
}

static void write_its(struct cv_fdt *f)
{
	cv_fdt_node_at(f, "msi-controller", CV_ARM_GIC_ITS_GPA);
	cv_fdt_string(f, "compatible", "arm,gic-v3-its");
	put_reg(f, CV_ARM_GIC_ITS_GPA, CV_ARM_ITS_LEN);
	cv_fdt_empty(f, "msi-controller");
	cv_fdt_u32(f, "#msi-cells", 1);
	cv_fdt_u32(f, "phandle", PHANDLE_ITS);
	cv_fdt_end(f);
}

static void write_gic(struct cv_fdt *f, const struct cv_machine *m)
{
	const struct cv_arm_machine *a = m->arch;
	bool v3 = a->gic.version == 3;
	struct cv_fdt_cells regs = { .n = 0 };

	cv_fdt_add64(&regs, CV_ARM_GIC_DIST_GPA);
	cv_fdt_add64(&regs, v3 ? CV_ARM_DIST_LEN : 0x1000);
	cv_fdt_add64(&regs, v3 ? CV_ARM_GIC_REDIST_GPA : CV_ARM_GIC_CPU_GPA);
	cv_fdt_add64(&regs, v3 ? (uint64_t)m->config.n_vcpus * CV_ARM_REDIST_LEN : CV_ARM_CPU_LEN);
	cv_fdt_node_at(f, "interrupt-controller", CV_ARM_GIC_DIST_GPA);
	cv_fdt_string(f, "compatible", v3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
	cv_fdt_list(f, "reg", &regs);
	cv_fdt_empty(f, "interrupt-controller");
	cv_fdt_u32(f, "#interrupt-cells", 3);
	cv_fdt_u32(f, "#address-cells", 2);
	cv_fdt_u32(f, "#size-cells", 2);
	cv_fdt_empty(f, "ranges");
	cv_fdt_u32(f, "phandle", PHANDLE_GIC);
	if (v3)
		write_its(f);
	cv_fdt_end(f);
}

static void write_clock(struct cv_fdt *f)
{
	cv_fdt_node(f, "clock-24000000");
	cv_fdt_string(f, "compatible", "fixed-clock");
	cv_fdt_u32(f, "clock-frequency", CV_ARM_APB_HZ);
	cv_fdt_u32(f, "#clock-cells", 0);
	cv_fdt_u32(f, "phandle", PHANDLE_CLOCK);
	cv_fdt_end(f);
}

static bool added(const struct cv_machine *m, uint64_t base)
{
	for (unsigned int i = 0; i < m->n_added; i++)
		if (m->added[i].base == base)
			return true;
	return false;
}

static void write_rtcs(struct cv_fdt *f, const struct cv_machine *m)
{
	static const char pl031[] = "arm,pl031\0arm,primecell",
			  pl030[] = "arm,pl030\0arm,primecell";

	cv_fdt_node_at(f, "rtc", CV_ARM_RTC_GPA);
	put_primecell(f, pl031, sizeof(pl031), CV_ARM_RTC_GPA, CV_ARM_SPI_RTC);
	cv_fdt_end(f);
	if (!added(m, CV_ARM_OLD_RTC_GPA))
		return;
	cv_fdt_node_at(f, "rtc", CV_ARM_OLD_RTC_GPA);
	put_primecell(f, pl030, sizeof(pl030), CV_ARM_OLD_RTC_GPA, CV_ARM_SPI_OLD_RTC);
	cv_fdt_u32(f, "arm,primecell-periphid", 0x00041030);
	cv_fdt_end(f);
}

/* The power button is one of its inputs. */
static void write_gpio(struct cv_fdt *f)
{
	static const char pl061[] = "arm,pl061\0arm,primecell";
	const uint32_t line[] = { PHANDLE_GPIO, GPIO_POWER, 0 };

	cv_fdt_node_at(f, "gpio", CV_ARM_GPIO_GPA);
	put_primecell(f, pl061, sizeof(pl061), CV_ARM_GPIO_GPA, CV_ARM_SPI_GPIO);
	cv_fdt_empty(f, "gpio-controller");
	cv_fdt_u32(f, "#gpio-cells", 2);
	cv_fdt_empty(f, "interrupt-controller");
	cv_fdt_u32(f, "#interrupt-cells", 2);
	cv_fdt_u32(f, "#address-cells", 0);
	cv_fdt_u32(f, "phandle", PHANDLE_GPIO);
	cv_fdt_end(f);
	cv_fdt_node(f, "gpio-keys");
	cv_fdt_string(f, "compatible", "gpio-keys");
	cv_fdt_node(f, "key-power");
	cv_fdt_string(f, "label", "Power button");
	cv_fdt_u32(f, "linux,code", KEY_POWER);
	cv_fdt_cells(f, "gpios", line, CV_LEN(line));
	cv_fdt_end(f);
	cv_fdt_end(f);
}

static void write_serials(struct cv_fdt *f, const struct cv_machine *m)
{
	for (unsigned int num = 1; num <= CV_MACHINE_SERIALS; num++) {
		if (!m->serials[num - 1])
			continue;
		cv_fdt_node_at(f, "serial", cv_arch_serial_base(num));
		cv_fdt_string(f, "compatible", "ns16550a");
		put_reg(f, cv_arch_serial_base(num), 8);
		put_spi(f, cv_arch_serial_irq(num), IRQ_EDGE_RISING);
		cv_fdt_u32(f, "clock-frequency", CV_ARM_SERIAL_HZ);
		cv_fdt_end(f);
	}
}

static void write_mmio(struct cv_fdt *f, const struct cv_machine *m)
{
	for (unsigned int i = 0; i < m->n_mmio; i++) {
		uint64_t gpa = CV_ARM_MMIO_GPA + i * CV_ARM_MMIO_STEP;

		cv_fdt_node_at(f, "virtio_mmio", gpa);
		cv_fdt_string(f, "compatible", "virtio,mmio");
		put_reg(f, gpa, CV_ARM_MMIO_STEP);
		put_spi(f, cv_arch_mmio_gsi(i), IRQ_LEVEL_HIGH);
		cv_fdt_empty(f, "dma-coherent");
		cv_fdt_end(f);
	}
}

static void put_pci_range(struct cv_fdt_cells *c, uint32_t space, uint64_t gpa, uint64_t len)
{
	if (len == 0)
		return;
	cv_fdt_add(c, space);
	cv_fdt_add64(c, gpa);
	cv_fdt_add64(c, gpa);
	cv_fdt_add64(c, len);
}

/* The one pin that functions here have, for each slot. */
static void put_pci_interrupts(struct cv_fdt *f)
{
	static const uint32_t mask[] = { 0xf800, 0, 0, 7 };
	struct cv_fdt_cells c = { .n = 0 };

	for (unsigned int slot = 1; slot < CV_PCI_SLOTS; slot++) {
		cv_fdt_add(&c, slot << 11);
		cv_fdt_add64(&c, 0);
		cv_fdt_add(&c, 1);
		cv_fdt_add(&c, PHANDLE_GIC);
		cv_fdt_add64(&c, 0);
		cv_fdt_add(&c, IRQ_SPI);
		cv_fdt_add(&c, cv_arch_pci_gsi(slot, 0));
		cv_fdt_add(&c, IRQ_LEVEL_HIGH);
	}
	cv_fdt_u32(f, "#interrupt-cells", 1);
	cv_fdt_list(f, "interrupt-map", &c);
	cv_fdt_cells(f, "interrupt-map-mask", mask, CV_LEN(mask));
}

static void write_pci(struct cv_fdt *f, const struct cv_machine *m)
{
	static const uint32_t buses[] = { 0, 0 }, msis[] = { 0, PHANDLE_ITS, 0, 0x10000 };
	const struct cv_arm_machine *a = m->arch;
	struct cv_fdt_cells ranges = { .n = 0 };
	struct cv_pci_windows w = cv_arch_map.windows;

	cv_arch_pci_windows(m, &w);
	put_pci_range(&ranges, PCI_MEM32, w.mem32_base, w.mem32_len);
	put_pci_range(&ranges, PCI_MEM64, w.mem64_base, w.mem64_len);
	cv_fdt_node_at(f, "pcie", CV_ARM_ECAM_GPA);
	cv_fdt_string(f, "compatible", "pci-host-ecam-generic");
	cv_fdt_string(f, "device_type", "pci");
	put_reg(f, CV_ARM_ECAM_GPA, CV_PCI_ECAM_BUS);
	cv_fdt_cells(f, "bus-range", buses, CV_LEN(buses));
	cv_fdt_u32(f, "#address-cells", 3);
	cv_fdt_u32(f, "#size-cells", 2);
	cv_fdt_list(f, "ranges", &ranges);
	put_pci_interrupts(f);
	if (a->gic.version == 3)
		cv_fdt_cells(f, "msi-map", msis, CV_LEN(msis));
	cv_fdt_empty(f, "dma-coherent");
	cv_fdt_end(f);
}

int cv_arm_write_fdt(const struct cv_machine *m, const struct cv_arm_boot *boot, void *buf,
		     size_t size, struct vm_error *e)
{
	struct cv_fdt f;

	cv_fdt_begin(&f, buf, size);
	cv_fdt_string(&f, "compatible", "linux,dummy-virt");
	cv_fdt_string(&f, "model", "crosvm");
	cv_fdt_u32(&f, "#address-cells", 2);
	cv_fdt_u32(&f, "#size-cells", 2);
	cv_fdt_u32(&f, "interrupt-parent", PHANDLE_GIC);
	write_chosen(&f, m, boot);
	write_memory(&f, boot);
	write_cpus(&f, m);
	write_psci(&f);
	write_timer(&f, m);
	write_pmu(&f, m);
	write_gic(&f, m);
	write_clock(&f);
	write_rtcs(&f, m);
	write_gpio(&f);
	write_serials(&f, m);
	write_mmio(&f, m);
	write_pci(&f, m);
	return cv_fdt_finish(&f, e);
}
