/* SPDX-License-Identifier: BSD-3-Clause */
/* Booting an aarch64 machine: kernel, initrd, device tree, and where the first vCPU starts. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "boot/arm64.h"
#include "boot/cmdline.h"
#include "machine/aarch64.h"

#define CMDLINE_LEN 4096u /* COMMAND_LINE_SIZE of arm64 is 2048 */

static struct cv_boot_arm64_host host(const struct cv_arm_cpu *cpu)
{
	return (struct cv_boot_arm64_host){ .page_4k = cpu->page_4k,
					    .page_16k = cpu->page_16k,
					    .page_64k = cpu->page_64k,
					    .big_endian = cpu->big_endian };
}

static int load_files(struct cv_machine *m, struct cv_arm_boot *boot, uint64_t fdt_gpa,
		      struct cv_boot_kernel *kernel, struct vm_error *e)
{
	const struct cv_arm_machine *a = m->arch;
	const struct cv_boot_arm64_host can = host(&a->cpus[0]);
	const struct cv_boot_space space = { .mem = m->config.mem,
					     .gpa = CV_ARM_RAM_GPA,
					     .len = fdt_gpa - CV_ARM_RAM_GPA };
	int err = cv_boot_load_arm64(&space, &m->config.kernel, &can, kernel, e);

	if (!err && m->config.initrd.fd >= 0)
		err = cv_boot_load_initrd(&space, &m->config.initrd, kernel, &boot->initrd, e);
	return err;
}

static int check_cmdline(const struct cv_boot_kernel *kernel, const struct cv_cmdline *c,
			 struct vm_error *e)
{
	if (c->len <= kernel->cmdline_max)
		return 0;
	return cv_err(e, -ENOSPC,
		      "kernel command line: %zu characters are too long, the kernel takes %u; "
		      "shorten the parameters",
		      c->len, kernel->cmdline_max);
}

static int fill_seeds(struct cv_arm_boot *boot, struct vm_error *e)
{
	if (getrandom(&boot->kaslr_seed, sizeof(boot->kaslr_seed), 0) == sizeof(boot->kaslr_seed) &&
	    getrandom(boot->rng_seed, sizeof(boot->rng_seed), 0) == sizeof(boot->rng_seed))
		return 0;
	return cv_err(e, -EIO, "the machine: the host gives no random numbers for the guest");
}

static int write_fdt(struct cv_machine *m, const struct cv_arm_boot *boot, uint64_t gpa,
		     struct vm_error *e)
{
	CV_AUTO_FREE void *fdt = calloc(1, CV_ARM_FDT_LEN);
	int err;

	if (!fdt)
		return cv_err(e, -ENOMEM, "the machine: out of memory");
	err = cv_arm_write_fdt(m, boot, fdt, CV_ARM_FDT_LEN, e);
	return err ?: cv_mem_write(m->config.mem, gpa, fdt, CV_ARM_FDT_LEN);
}

/* Each vCPU's stolen time is kept in a page that no driver of the guest's uses. */
static int set_pvtime(struct cv_machine *m, struct cv_arm_boot *boot, struct vm_error *e)
{
	const struct cv_arm_machine *a = m->arch;
	int err;

	for (unsigned int i = 0; i < m->config.n_vcpus; i++)
		if (!a->cpus[i].pvtime)
			return 0;
	boot->pvtime =
		(struct cv_mem_range){ .gpa = CV_ARM_RAM_GPA + boot->ram_len - CV_ARM_PVTIME_LEN,
				       .len = CV_ARM_PVTIME_LEN };
	err = cv_mem_fill(m->config.mem, boot->pvtime.gpa, 0, boot->pvtime.len);
	for (unsigned int i = 0; i < m->config.n_vcpus && !err; i++)
		err = m->hv->ops->arm_set_pvtime(m->vcpus[i],
						 boot->pvtime.gpa + i * CV_ARM_PVTIME_CPU, e);
	return err;
}

/* EDK2 wants RAM where other machines have it, and flash; this one has neither. */
int cv_machine_firmware(const struct cv_boot_file *file, struct cv_rom *rom CV_UNUSED,
			struct vm_error *e)
{
	return cv_err(e, -ENOTSUP, "%s: aarch64 machines boot kernels only, name one instead",
		      file->name);
}

int cv_machine_boot(struct cv_machine *m, struct vm_error *e)
{
	CV_AUTO_FREE char *text = malloc(CMDLINE_LEN);
	struct cv_arm_boot boot = { .cmdline = text, .ram_len = cv_mem_size(m->config.mem) };
	uint64_t fdt = CV_ARM_RAM_GPA + boot.ram_len - CV_ARM_PVTIME_LEN - CV_ARM_FDT_LEN;
	struct cv_boot_kernel kernel = { 0 };
	struct cv_cmdline cmdline;
	struct cv_arm_vcpu_state state;
	int err;

	if (!text)
		return cv_err(e, -ENOMEM, "the machine: out of memory");
	if (m->config.protocol != CV_BOOT_AUTO)
		return cv_err(e, -EINVAL,
			      "boot protocol: an arm64 Image is entered in one way only, leave the "
			      "protocol out");
	cv_cmdline_init(&cmdline, text, CMDLINE_LEN);
	err = cv_cmdline_append(&cmdline, m->config.cmdline, e) ?:
	      load_files(m, &boot, fdt, &kernel, e) ?:
	      check_cmdline(&kernel, &cmdline, e) ?:
	      set_pvtime(m, &boot, e) ?:
	      fill_seeds(&boot, e) ?:
	      write_fdt(m, &boot, fdt, e);
	state = (struct cv_arm_vcpu_state){ .pc = kernel.entry, .x0 = fdt };
	return err ?: m->hv->ops->arm_setup(m->vcpus[0], &state, e);
}
