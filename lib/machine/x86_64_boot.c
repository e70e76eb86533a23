/* SPDX-License-Identifier: BSD-3-Clause */
/* Booting an x86_64 machine: kernel, tables, page tables, and where each vCPU starts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "boot/boot.h"
#include "boot/cmdline.h"
#include "hypervisor/cpuid_x86_64.h"
#include "machine/x86_64.h"

#define PAGE_PRESENT_WRITE 0x03u
#define PAGE_LARGE	   0x80u
#define ENTRIES		   512u
#define DIRECTORIES	   4u /* one per GiB: the low 4 GiB are identity mapped */

/* PML4, PDPT and four page directories of 2 MiB pages, from CV_X86_PAGES_GPA on. */
static int write_page_tables(const struct cv_mem *mem)
{
	uint64_t pml4 = CV_X86_PAGES_GPA, pdpt = pml4 + CV_PAGE_SIZE, dirs = pdpt + CV_PAGE_SIZE;
	struct le64 table[ENTRIES] = { 0 };
	int err;

	table[0] = le64(pdpt | PAGE_PRESENT_WRITE);
	err = cv_mem_write(mem, pml4, table, sizeof(table));
	for (unsigned int i = 0; i < DIRECTORIES; i++)
		table[i] = le64((dirs + i * CV_PAGE_SIZE) | PAGE_PRESENT_WRITE);
	err = err ?: cv_mem_write(mem, pdpt, table, sizeof(table));
	for (uint64_t d = 0; d < DIRECTORIES && !err; d++) {
		for (uint64_t i = 0; i < ENTRIES; i++)
			table[i] = le64((d * CV_GIB + i * 2 * CV_MIB) | PAGE_PRESENT_WRITE |
					PAGE_LARGE);
		err = cv_mem_write(mem, dirs + d * CV_PAGE_SIZE, table, sizeof(table));
	}
	return err;
}

/* Null, null, code at 0x10, data at 0x18, TSS at 0x20: the selectors of the boot protocols. */
static int write_gdt(const struct cv_mem *mem, bool long_mode)
{
	const struct le64 gdt[] = {
		le64(0),
		le64(0),
		le64(long_mode ? 0x00af9b000000ffff : 0x00cf9b000000ffff),
		le64(0x00cf93000000ffff),
		le64(0x00008b0000000067),
	};
	const struct le64 idt = le64(0);

	return cv_mem_write(mem, CV_X86_GDT_GPA, gdt, sizeof(gdt))
		       ?: cv_mem_write(mem, CV_X86_IDT_GPA, &idt, sizeof(idt));
}

/* The memory map: RAM around the legacy hole, and what is not to be touched. */
static unsigned int memory_map(const struct cv_mem *mem, struct cv_boot_range *r)
{
	unsigned int n = 0;

	r[n++] = (struct cv_boot_range){ 0, CV_X86_EBDA_GPA, CV_BOOT_RAM };
	r[n++] = (struct cv_boot_range){ CV_X86_EBDA_GPA, CV_X86_LOW_END - CV_X86_EBDA_GPA,
					 CV_BOOT_RESERVED };
	r[n++] = (struct cv_boot_range){ CV_X86_ACPI_GPA, CV_X86_HIGH_GPA - CV_X86_ACPI_GPA,
					 CV_BOOT_RESERVED };
	r[n++] = (struct cv_boot_range){ CV_X86_HIGH_GPA, mem->regions[0].len - CV_X86_HIGH_GPA,
					 CV_BOOT_RAM };
	r[n++] = (struct cv_boot_range){ CV_X86_ECAM_GPA, CV_PCI_ECAM_BUS, CV_BOOT_RESERVED };
	for (unsigned int i = 1; i < mem->n_regions; i++)
		r[n++] = (struct cv_boot_range){ mem->regions[i].gpa, mem->regions[i].len,
						 CV_BOOT_RAM };
	return n;
}

static int load_files(struct cv_machine *m, struct cv_boot_kernel *kernel,
		      struct cv_mem_range *initrd, struct vm_error *e)
{
	const struct cv_mem *mem = m->config.mem;
	const struct cv_boot_space space = { .mem = mem,
					     .gpa = CV_X86_HIGH_GPA,
					     .len = mem->regions[0].len - CV_X86_HIGH_GPA };
	int err = cv_boot_load_kernel(&space, &m->config.kernel, m->config.protocol, kernel, e);

	if (!err && m->config.initrd.fd >= 0)
		err = cv_boot_load_initrd(&space, &m->config.initrd, kernel, initrd, e);
	return err;
}

/* The user's words; without ACPI, then those that tell of the virtio-mmio blocks. */
static int fill_cmdline(const struct cv_machine *m, struct cv_cmdline *c, struct vm_error *e)
{
	char value[48];
	int err = cv_cmdline_append(c, m->config.cmdline, e);

	for (unsigned int i = 0; i < m->n_mmio && !m->config.acpi && !err; i++) {
		snprintf(value, sizeof(value), "4K@0x%x:%u", CV_X86_MMIO_GPA + i * CV_X86_MMIO_STEP,
			 cv_arch_mmio_gsi(i));
		err = cv_cmdline_insert(c, "virtio_mmio.device", value, e);
	}
	return err;
}

static int write_boot(struct cv_machine *m, struct cv_boot_kernel *kernel, struct vm_error *e)
{
	const struct cv_mem *mem = m->config.mem;
	CV_AUTO_FREE char *text = malloc(CV_X86_CMDLINE_LEN);
	struct cv_cmdline cmdline;
	struct cv_boot_range ranges[CV_MEM_MAX_REGIONS + 8];
	struct cv_boot_params params = {
		.kernel = kernel,
		.area = { .gpa = CV_X86_PARAMS_GPA, .len = CV_PAGE_SIZE },
		.cmdline_area = { .gpa = CV_X86_CMDLINE_GPA, .len = CV_X86_CMDLINE_LEN },
		.cmdline = text,
		.ranges = ranges,
		.n_ranges = memory_map(mem, ranges),
	};
	int err;

	if (!text)
		return cv_err(e, -ENOMEM, "the machine: out of memory");
	cv_cmdline_init(&cmdline, text, CV_X86_CMDLINE_LEN);
	err = fill_cmdline(m, &cmdline, e) ?: load_files(m, kernel, &params.initrd, e);
	err = err ?: cv_x86_write_tables(m, &params.rsdp, e);
	if (err)
		return err;
	err = kernel->protocol == CV_BOOT_PVH ? cv_boot_write_pvh(mem, &params, e)
					      : cv_boot_write_linux(mem, &params, e);
	if (err)
		return err;
	err = write_page_tables(mem) ?: write_gdt(mem, kernel->entry_64);
	return err ? cv_err(e, err, "the machine: its boot structures do not fit in RAM") : 0;
}

static struct cv_x86_vcpu_state boot_state(const struct cv_boot_kernel *kernel)
{
	return (struct cv_x86_vcpu_state){
		.mode = kernel->entry_64 ? CV_X86_LONG : CV_X86_PROTECTED,
		.rip = kernel->entry,
		.rsp = CV_X86_STACK_GPA,
		.rsi = kernel->entry_64 ? CV_X86_PARAMS_GPA : 0,
		.rbx = kernel->entry_64 ? 0 : CV_X86_PARAMS_GPA,
		.cr3 = CV_X86_PAGES_GPA,
		.gdt_base = CV_X86_GDT_GPA,
		.gdt_limit = 5 * 8 - 1,
		.idt_base = CV_X86_IDT_GPA,
		.idt_limit = 8 - 1,
	};
}

static int make_vcpu(struct cv_machine *m, unsigned int index, const struct cv_x86_cpuid *supported,
		     const struct cv_x86_vcpu_state *boot, struct vm_error *e)
{
	struct cv_x86_vcpu_state state = *boot;
	struct cv_x86_cpuid cpuid;
	int err = m->hv->ops->vcpu_create(m->hv, index, &m->vcpus[index], e);

	if (err)
		return err;
	if (index > 0 && state.mode != CV_X86_RESET_VECTOR)
		state.mode = CV_X86_WAIT_FOR_SIPI;
	cv_x86_cpuid_build(supported, index, m->config.n_vcpus, &cpuid);
	return m->hv->ops->x86_set_cpuid(m->vcpus[index], &cpuid, e)
		       ?: m->hv->ops->x86_setup(m->vcpus[index], &state, e);
}

/* Whatever the guest starts with, and how the boot processor starts. */
static int load(struct cv_machine *m, struct cv_x86_vcpu_state *state, struct vm_error *e)
{
	struct cv_boot_kernel kernel = { 0 };
	int err;

	if (m->config.rom) {
		*state = (struct cv_x86_vcpu_state){ .mode = CV_X86_RESET_VECTOR };
		return cv_x86_prepare_firmware(m, e);
	}
	err = write_boot(m, &kernel, e);
	*state = boot_state(&kernel);
	return err;
}

int cv_machine_boot(struct cv_machine *m, struct vm_error *e)
{
	struct cv_x86_vcpu_state state;
	CV_AUTO_FREE struct cv_x86_cpuid *supported = calloc(1, sizeof(*supported));
	int err;

	if (!supported)
		return cv_err(e, -ENOMEM, "the machine: out of memory");
	err = load(m, &state, e) ?: m->hv->ops->x86_cpuid(m->hv, supported, e);
	for (unsigned int i = 0; i < m->config.n_vcpus && !err; i++)
		err = make_vcpu(m, i, supported, &state, e);
	return err;
}
