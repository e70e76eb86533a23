/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's own floor: the least a monitor can do to run a bare guest by the Linux
 * 64-bit boot protocol. No devices but a port that prints and one that ends.
 *
 *   floor KERNEL.elf [MIB [CMDLINE]]
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PML4	    0x9000u
#define PDPT	    0xa000u
#define PD	    0xb000u
#define BOOT_PARAMS 0x7000u
#define CMDLINE	    0x20000u
#define SERIAL	    0x3f8
#define SERIAL_LSR  0x3fd
#define PM1A_CNT    0x604
#define MAX_CPUID   256

static uint8_t *ram;
static uint64_t ram_len;

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static int call(int fd, unsigned long nr, const void *arg, const char *what)
{
	int n = ioctl(fd, nr, arg);

	if (n < 0)
		die(what);
	return n;
}

static uint64_t load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
		die(path);
	for (unsigned int i = 0; i < eh.e_phnum; i++) {
		off_t at = (off_t)(eh.e_phoff + i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != sizeof(ph))
			die(path);
		if (ph.p_type != PT_LOAD)
			continue;
		if (ph.p_paddr > ram_len || ph.p_memsz > ram_len - ph.p_paddr)
			die("segment");
		if (pread(fd, ram + ph.p_paddr, ph.p_filesz, (off_t)ph.p_offset) < 0)
			die(path);
	}
	close(fd);
	return eh.e_entry;
}

static void put64(uint64_t at, uint64_t v)
{
	memcpy(ram + at, &v, sizeof(v));
}

static void put32(uint64_t at, uint32_t v)
{
	memcpy(ram + at, &v, sizeof(v));
}

static void zero_page(const char *cmdline)
{
	snprintf((char *)ram + CMDLINE, 4096, "%s", cmdline);
	put32(BOOT_PARAMS + 0x228, CMDLINE);
	ram[BOOT_PARAMS + 0x1e8] = 1;
	put64(BOOT_PARAMS + 0x2d0, 0);
	put64(BOOT_PARAMS + 0x2d8, ram_len);
	put32(BOOT_PARAMS + 0x2e0, 1);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = type == 11,
		.db = type != 11,
	};
}

static void cpu_setup(int kvm, int cpu, uint64_t entry)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(struct kvm_cpuid_entry2));
	struct kvm_regs regs = { .rip = entry, .rsi = BOOT_PARAMS, .rsp = 0x8000, .rflags = 2 };
	struct kvm_sregs s;

	if (!cpuid)
		die("cpuid");
	cpuid->nent = MAX_CPUID;
	call(kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	call(cpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
	call(cpu, KVM_GET_SREGS, &s, "KVM_GET_SREGS");
	put64(PML4, PDPT | 3);
	put64(PDPT, PD | 3);
	for (uint64_t i = 0; i < 512; i++)
		put64(PD + 8 * i, i << 21 | 0x83);
	s.cr3 = PML4;
	s.cr4 = 0x20;
	s.cr0 = 0x80000011;
	s.efer = 0x500;
	s.cs = segment(0x10, 11);
	s.ds = s.es = s.fs = s.gs = s.ss = segment(0x18, 3);
	call(cpu, KVM_SET_SREGS, &s, "KVM_SET_SREGS");
	call(cpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

/* False when the guest ended the machine. */
static int port(const struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)(uintptr_t)run + run->io.data_offset;
	size_t len = (size_t)run->io.size * run->io.count;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, run->io.port == SERIAL_LSR ? 0x60 : 0xff, len);
		return 1;
	}
	if (run->io.port == SERIAL && write(1, data, len) < 0)
		return 0;
	return run->io.port != PM1A_CNT;
}

static int run_guest(int cpu, struct kvm_run *run)
{
	for (;;) {
		call(cpu, KVM_RUN, NULL, "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_IO && !port(run))
			return 0;
		if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		if (run->exit_reason != KVM_EXIT_IO && run->exit_reason != KVM_EXIT_MMIO) {
			fprintf(stderr, "floor: exit reason %u\n", run->exit_reason);
			return 3;
		}
	}
}

int main(int argc, char **argv)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, cpu, size;
	struct kvm_userspace_memory_region slot = { 0 };
	struct kvm_run *run;
	uint64_t entry;

	if (argc < 2 || kvm < 0)
		die("usage: floor KERNEL.elf [MIB [CMDLINE]]");
	ram_len = (argc > 2 ? strtoull(argv[2], NULL, 10) : 256) << 20;
	ram = mmap(NULL, ram_len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED)
		die("guest memory");
	vm = call(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	call(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	slot.memory_size = ram_len;
	slot.userspace_addr = (uint64_t)(uintptr_t)ram;
	call(vm, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION");
	cpu = call(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	size = call(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
	if (run == MAP_FAILED)
		die("vCPU");
	entry = load(argv[1]);
	zero_page(argc > 3 ? argv[3] : "");
	cpu_setup(kvm, cpu, entry);
	return run_guest(cpu, run);
}
