/* SPDX-License-Identifier: BSD-3-Clause */
/* From the public configuration to a struct vm: everything checked, copied and opened. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/math.h"
#include "base/str.h"
#include "vm/vm.h"

int cv_vm_take(void *to, const void *from, size_t known, const char *what, struct vm_error *e)
{
	const unsigned char *bytes = from;
	size_t size;

	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size))
		return cv_err(e, -EINVAL, "%s: its size field is not set, use the INIT macro",
			      what);
	memcpy(to, from, cv_min(size, known));
	for (size_t i = known; i < size; i++)
		if (bytes[i] != 0)
			return cv_err(e, -E2BIG,
				      "%s: it uses a field that this library (version %s) does not "
				      "know, install a newer one",
				      what, vm_version());
	return 0;
}

static int copy_string(char **to, const char *from, struct vm_error *e)
{
	*to = strdup(from ? from : "");
	return *to ? 0 : cv_err(e, -ENOMEM, "the VM: out of memory");
}

/* Opens for reading; a FIFO would block for ever, hence O_NONBLOCK. */
static int open_input(struct cv_vm_file *f, const char *what, const char *path, struct vm_error *e)
{
	struct stat st;
	int err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		err = -errno;
		return cv_err(e, err,
			      "%s %s: it cannot be opened: %s; name a file that can be read", what,
			      path, strerror(-err));
	}
	cv_fd_set(&f->fd, fd);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cv_err(e, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL,
			      "%s %s: this is %s, name a regular file", what, path,
			      S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
	if (st.st_size == 0)
		return cv_err(e, -EINVAL, "%s %s: the file is empty, get a whole copy of it", what,
			      path);
	if (asprintf(&f->name, "%s %s", what, path) < 0) {
		f->name = NULL;
		return cv_err(e, -ENOMEM, "the VM: out of memory");
	}
	return 0;
}

static int check_numbers(const struct vm_config *c, struct vm_error *e)
{
	uint64_t memory = c->memory ? c->memory : 256 * CV_MIB;

	if (memory < CV_MACHINE_MIN_MEMORY)
		return cv_err(e, -EINVAL, "memory: %llu bytes are too few, give at least 16 MiB",
			      (unsigned long long)memory);
	if (!cv_is_aligned(memory, CV_PAGE_SIZE))
		return cv_err(e, -EINVAL,
			      "memory: %llu bytes are not a multiple of 4096, give whole MiB",
			      (unsigned long long)memory);
	if (memory > 1ull << 45)
		return cv_err(
			e, -EINVAL,
			"memory: %llu bytes are more than a VM can address, give 32 TiB at most",
			(unsigned long long)memory);
	if (c->vcpus > CV_MACHINE_MAX_VCPUS)
		return cv_err(e, -EINVAL, "vcpus: %u are too many, give 1 to %d", c->vcpus,
			      CV_MACHINE_MAX_VCPUS);
	if ((unsigned int)c->boot_protocol > VM_BOOT_PVH)
		return cv_err(e, -EINVAL, "boot_protocol: %d is not known, give a VM_BOOT value",
			      (int)c->boot_protocol);
	return 0;
}

/* Either a kernel and what goes with it, or firmware, which finds its own. */
static int check_boot(const struct vm_config *c, struct vm_error *e)
{
	const struct {
		const char *what;
		bool given;
	} of_kernels[] = { { "a kernel", c->kernel },
			   { "an initrd", c->initrd },
			   { "a command line", c->cmdline && c->cmdline[0] },
			   { "a boot protocol", c->boot_protocol != VM_BOOT_AUTO } };

	if (!c->bios && (!c->kernel || c->kernel[0] == '\0'))
		return cv_err(e, -EINVAL, "kernel: none is given, name %s, or firmware as bios",
			      cv_machine_kernels());
	for (size_t i = 0; i < CV_LEN(of_kernels) && c->bios; i++)
		if (of_kernels[i].given)
			return cv_err(e, -EINVAL,
				      "bios: firmware boots what is on a disk and takes no kernel, "
				      "but %s is given too; leave one of them out",
				      of_kernels[i].what);
	if (c->bios && c->no_acpi)
		return cv_err(e, -EINVAL,
			      "bios: firmware tells the guest of the machine by ACPI alone, leave "
			      "no_acpi out");
	return 0;
}

static int load_firmware(struct vm *vm, const char *path, struct vm_error *e)
{
	struct cv_vm_file file = { 0 };
	struct cv_boot_file image;
	int err = open_input(&file, "bios", path, e);

	if (!err) {
		image = (struct cv_boot_file){ .fd = cv_fd_get(&file.fd), .name = file.name };
		err = cv_machine_firmware(&image, &vm->rom, e);
	}
	cv_vm_file_fini(&file);
	return err;
}

/* Opens what the guest boots from. */
static int open_boot(struct vm *vm, const struct vm_config *c, struct vm_error *e)
{
	int err;

	if (c->bios)
		return load_firmware(vm, c->bios, e);
	err = open_input(&vm->kernel, "kernel", c->kernel, e);
	return err || !c->initrd ? err : open_input(&vm->initrd, "initrd", c->initrd, e);
}

static int copy_affinity(struct vm *vm, const struct vm_config *c, struct vm_error *e)
{
	long n_host = sysconf(_SC_NPROCESSORS_CONF);

	if (!c->cpu_affinity || c->n_cpu_affinity == 0)
		return 0;
	for (size_t i = 0; i < c->n_cpu_affinity; i++)
		if (c->cpu_affinity[i] >= (unsigned long)n_host)
			return cv_err(e, -EINVAL,
				      "cpu_affinity: this host has no CPU %u, give 0 to %ld",
				      c->cpu_affinity[i], n_host - 1);
	vm->affinity = calloc(c->n_cpu_affinity, sizeof(*vm->affinity));
	if (!vm->affinity)
		return cv_err(e, -ENOMEM, "the VM: out of memory");
	memcpy(vm->affinity, c->cpu_affinity, c->n_cpu_affinity * sizeof(*vm->affinity));
	vm->n_affinity = c->n_cpu_affinity;
	return 0;
}

static enum cv_boot_protocol protocol(enum vm_boot_protocol p)
{
	switch (p) {
	case VM_BOOT_LINUX:
		return CV_BOOT_LINUX;
	case VM_BOOT_PVH:
		return CV_BOOT_PVH;
	case VM_BOOT_AUTO:
		break;
	}
	return CV_BOOT_AUTO;
}

int cv_vm_configure(struct vm *vm, const struct vm_config *config, struct vm_error *e)
{
	struct vm_config c = { 0 };
	int err = cv_vm_take(&c, config, sizeof(c), "the VM's configuration", e);

	if (err)
		return err;
	vm->log.sink = c.log;
	vm->log.user = c.log_user;
	vm->log.level = c.log_level;
	vm->memory = c.memory ? c.memory : 256 * CV_MIB;
	vm->n_vcpus = c.vcpus ? c.vcpus : 1;
	vm->protocol = protocol(c.boot_protocol);
	vm->reboot = c.reboot;
	vm->acpi = !c.no_acpi;
	err = check_numbers(&c, e) ?: check_boot(&c, e) ?: copy_affinity(vm, &c, e);
	err = err ?: copy_string(&vm->cmdline, c.cmdline, e) ?: cv_vm_configure_sandbox(vm, &c, e);
	return err ?: open_boot(vm, &c, e);
}
