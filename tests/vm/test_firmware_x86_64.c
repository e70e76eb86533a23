/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine that starts with firmware: where it is, what it is told, its reset, and bad images. */
#include "hypervisor/x86_64.h"
#include "support/fw_script.h"
#include "vm_test.h"

#define ROM_LEN	 0x40000u
#define SHADOW	 0xe0000u
#define SELECTOR 0x510u
#define DATA	 0x511u
#define DMA	 0x514u

struct firmware {
	struct vm_test t;
	int fd;
	char path[32];
	unsigned int boots;
	uint32_t memory_mib; /* what e820 is to say */
};

/* An image whose every page tells its number. */
static int make_image(size_t len)
{
	int fd = memfd_create("firmware", MFD_CLOEXEC);
	uint8_t page[4096];

	must(fd >= 0);
	for (size_t at = 0; at < len; at += sizeof(page)) {
		memset(page, (int)(at / sizeof(page)), sizeof(page));
		must(write(fd, page, cv_min(len - at, sizeof(page))) > 0);
	}
	return fd;
}

static void init(struct firmware *f, size_t len)
{
	memset(f, 0, sizeof(*f));
	vt_init(&f->t);
	f->fd = make_image(len);
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	f->t.config.kernel = NULL;
	f->t.config.bios = f->path;
}

static void fini(struct firmware *f)
{
	vt_fini(&f->t);
	close(f->fd);
}

/* ---- what a guest does ---- */

static void read_item(struct cv_vcpu *vcpu, uint16_t key, void *buf, size_t len)
{
	uint8_t *bytes = buf;

	vt_out(vcpu, SELECTOR, 2, key);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)vt_in(vcpu, DATA, 1);
}

/* By DMA, for which the guest has a place at T_SCRATCH. */
static void read_file(struct cv_vcpu *vcpu, uint16_t key, void *buf, size_t len)
{
	const struct be32 head[] = { be32((uint32_t)key << 16 | 8 | 2), be32((uint32_t)len) };
	const struct be64 to = be64(T_SCRATCH + 16);
	const struct cv_mem *mem = cv_fake_mem(vcpu);
	uint32_t result = 0;

	must(cv_mem_write(mem, T_SCRATCH, head, 8) == 0);
	must(cv_mem_write(mem, T_SCRATCH + 8, &to, 8) == 0);
	vt_out(vcpu, DMA, 4, 0);
	vt_out(vcpu, DMA + 4, 4, htobe32((uint32_t)T_SCRATCH));
	must(cv_mem_load32(mem, T_SCRATCH, &result) == 0 && result == 0);
	must(cv_mem_read(mem, T_SCRATCH + 16, buf, len) == 0);
}

/* Everything in the directory. */
static void read_files(struct cv_vcpu *vcpu, struct cv_fw_files *files)
{
	static uint8_t buf[0x20000];
	struct cv_fw_entry entries[CV_FW_MAX_ITEMS];
	struct be32 n;

	read_item(vcpu, CV_FW_KEY_DIR, &n, sizeof(n));
	must(be32_get(n) > 0 && be32_get(n) <= CV_FW_MAX_ITEMS);
	for (uint32_t i = 0; i < be32_get(n); i++)
		for (size_t k = 0; k < sizeof(entries[i]); k++)
			((uint8_t *)&entries[i])[k] = (uint8_t)vt_in(vcpu, DATA, 1);
	for (uint32_t i = 0; i < be32_get(n); i++) {
		must(be32_get(entries[i].len) <= sizeof(buf));
		read_file(vcpu, be16_get(entries[i].key), buf, be32_get(entries[i].len));
		must(cv_fw_add_file(files, entries[i].name, buf, be32_get(entries[i].len), NULL) ==
		     0);
	}
}

static uint64_t number(const struct cv_fw_files *files, const char *name)
{
	uint64_t val = 0;
	size_t len;
	const void *data = cv_fw_find_file(files, name, &len);

	must(data && len <= sizeof(val));
	memcpy(&val, data, len);
	return val;
}

/* Whether a range is in the table as that kind. */
static bool in_e820(const struct cv_fw_files *files, uint64_t gpa, uint64_t len, uint32_t kind)
{
	size_t size;
	const uint8_t *row = cv_fw_find_file(files, "etc/e820", &size);

	must(row && size % 20 == 0);
	for (; size > 0; row += 20, size -= 20)
		if (memcmp(row, &gpa, 8) == 0 && memcmp(row + 8, &len, 8) == 0 &&
		    fw_le32(row + 16) == kind)
			return true;
	return false;
}

/* The tables hold together wherever the guest puts them. */
static void check_tables(struct cv_vcpu *vcpu, const struct cv_fw_files *files)
{
	struct fw_script script = {
		.files = files, .mem = cv_fake_mem(vcpu), .fseg = 0xf0000, .high = 0xa00000
	};
	uint64_t rsdp = fw_script_run(&script), xsdt = 0;
	char text[8];

	must(rsdp >= 0xf0000 && rsdp < 0x100000);
	must(cv_mem_read(script.mem, rsdp, text, 8) == 0 && memcmp(text, "RSD PTR ", 8) == 0);
	must(cv_mem_read(script.mem, rsdp + 24, &xsdt, 8) == 0 && xsdt > 0xa00000);
	must(cv_mem_read(script.mem, xsdt, text, 4) == 0 && memcmp(text, "XSDT", 4) == 0);
}

static void check_files(struct firmware *f, struct cv_vcpu *vcpu)
{
	struct cv_fw_files files = { 0 };
	uint8_t text[8];
	size_t len;

	read_item(vcpu, 0, text, 4);
	must(memcmp(text, "QEMU", 4) == 0);
	read_item(vcpu, 5, text, 2);
	must(text[0] == 2 && text[1] == 0);
	read_item(vcpu, 0x0e, text, 2);
	must(text[0] == 0 && text[1] == 0);
	read_files(vcpu, &files);
	must(number(&files, "etc/sercon-port") == 0x2f8);
	must(number(&files, "etc/boot-fail-wait") == UINT32_MAX);
	must(cv_fw_find_file(&files, "etc/smbios/smbios-anchor", &len) && len == 24);
	must(in_e820(&files, 0, (uint64_t)f->memory_mib << 20, 1));
	must(in_e820(&files, CV_X86_ECAM_GPA, 1 << 20, 2));
	must(in_e820(&files, CV_X86_KVM_GPA, CV_X86_KVM_LEN, 2));
	check_tables(vcpu, &files);
	cv_fw_files_fini(&files);
}

static uint32_t pci_read(struct cv_vcpu *vcpu, unsigned int slot, unsigned int reg)
{
	vt_out(vcpu, 0xcf8, 4, 0x80000000u | slot << 11 | reg);
	return (uint32_t)vt_in(vcpu, 0xcfc, 4);
}

static void pci_write(struct cv_vcpu *vcpu, unsigned int slot, unsigned int reg, uint32_t val)
{
	vt_out(vcpu, 0xcf8, 4, 0x80000000u | slot << 11 | reg);
	vt_out(vcpu, 0xcfc, 4, val);
}

/* Where SeaBIOS and EDK2 put BARs, they answer; not where something else is. */
static void check_bars(struct cv_vcpu *vcpu)
{
	static const uint32_t good[] = { 0xfebf8000, 0x80000000, 0xf1000000, 0x01000000 };
	static const uint32_t bad[] = { 0xfec00000, 0xfffc0000, 0xfeffc000, 0xf0000000,
					0x00800000 };

	must(pci_read(vcpu, 1, 0) == 0x10441af4);
	for (size_t i = 0; i < CV_LEN(good); i++) {
		pci_write(vcpu, 1, 0x10, good[i]);
		must(cv_fake_read(vcpu, false, good[i] + 0x12, 2) < 0xffff); /* num_queues */
	}
	for (size_t i = 0; i < CV_LEN(bad); i++) {
		pci_write(vcpu, 1, 0x10, bad[i]);
		must(cv_fake_read(vcpu, false, bad[i] + 0x12, 2) == 0xffff);
	}
}

static void check_places(struct cv_vcpu *vcpu)
{
	const struct cv_rom *rom = cv_fake_rom(cv_fake_hv(vcpu));
	uint8_t byte = 0;

	must(rom->gpa == 0x100000000ull - ROM_LEN && rom->len == ROM_LEN);
	must(rom->host[0] == 0 && rom->host[ROM_LEN - 1] == 0x3f);
	for (uint32_t at = 0; at < 0x20000; at += 4096) {
		must(cv_mem_read(cv_fake_mem(vcpu), SHADOW + at, &byte, 1) == 0);
		must(byte == 0x20 + at / 4096);
	}
	for (unsigned int i = 0; i < 2; i++)
		must(cv_fake_x86_state(cv_fake_hv(vcpu), i)->mode == CV_X86_RESET_VECTOR);
	vt_out(vcpu, 0x70, 1, 0x5f);
	must(vt_in(vcpu, 0x71, 1) == 1);
}

static void guest(struct cv_vcpu *vcpu, void *arg)
{
	struct firmware *f = arg;

	check_places(vcpu);
	check_files(f, vcpu);
	check_bars(vcpu);
	/* what it scribbles is not there the next time */
	must(cv_mem_fill(cv_fake_mem(vcpu), SHADOW, 0xee, 0x20000) == 0);
	if (f->boots++ == 0)
		vt_reset(vcpu);
	vt_power_off(vcpu);
}

START_TEST(starts_twice)
{
	struct usage before = usage_now();
	struct firmware f;

	init(&f, ROM_LEN);
	f.memory_mib = 16;
	f.t.config.reboot = true;
	f.t.config.vcpus = 2;
	vt_program(&f.t, guest, &f);
	vt_create(&f.t);
	ck_assert_int_eq(vm_add_device(f.t.vm, "rng", "", NULL, NULL), 0);
	ck_assert_int_eq(vm_add_device(f.t.vm, "serial", "num=2", NULL, NULL), 0);
	ck_assert_int_eq(vt_run(&f.t), VM_EXIT_POWER_OFF);
	ck_assert_uint_eq(f.boots, 2);
	fini(&f);
	vt_same_usage(before);
}
END_TEST

static void small_guest(struct cv_vcpu *vcpu, void *arg)
{
	uint8_t bytes[2] = { 0 };

	(void)arg;
	must(cv_mem_read(cv_fake_mem(vcpu), 0xff000, bytes, 1) == 0);
	must(cv_mem_read(cv_fake_mem(vcpu), 0xeffff, bytes + 1, 1) == 0);
	must(bytes[0] == 15 && bytes[1] == 0);
	must(cv_fake_rom(cv_fake_hv(vcpu))->gpa == 0xffff0000);
	vt_power_off(vcpu);
}

/* Less than the shadow has room for ends there all the same. */
START_TEST(small_image)
{
	struct firmware f;

	init(&f, 0x10000);
	vt_program(&f.t, small_guest, NULL);
	vt_create(&f.t);
	ck_assert_int_eq(vt_run(&f.t), VM_EXIT_POWER_OFF);
	fini(&f);
}
END_TEST

static void kernel_guest(struct cv_vcpu *vcpu, void *arg)
{
	(void)arg;
	must(cv_fake_rom(cv_fake_hv(vcpu))->len == 0);
	must(vt_in(vcpu, DATA, 1) == 0xff);
	pci_write(vcpu, 1, 0x10, 0xfebf8000);
	must(cv_fake_read(vcpu, false, 0xfebf8012, 2) == 0xffff);
	vt_power_off(vcpu);
}

/* A kernel's machine has nothing of all this. */
START_TEST(not_with_a_kernel)
{
	struct vm_test t;

	vt_make(&t, kernel_guest, NULL);
	ck_assert_int_eq(vm_add_device(t.vm, "rng", "", NULL, NULL), 0);
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	vt_fini(&t);
}
END_TEST

static int create(struct firmware *f)
{
	struct vm *vm = NULL;
	int err = vm_create(&f->t.config, &vm, &f->t.e);

	ck_assert(!vm == !!err);
	vm_destroy(vm);
	return err;
}

START_TEST(bad_images)
{
	static const struct {
		size_t len;
		int err;
		const char *words;
	} rows[] = {
		{ 0, -EINVAL, "the file is empty" },
		{ 1, -EINVAL, "1 bytes are not a multiple of 4096" },
		{ 0x40001, -EINVAL, "262145 bytes are not a multiple of 4096" },
		{ 0x1001000, -EINVAL, "too large for firmware, which has at most 16 MiB" },
		{ 0x1000, 0, "" },
		{ 0x1000000, 0, "" },
	};
	struct usage before = usage_now();

	for (size_t i = 0; i < CV_LEN(rows); i++) {
		struct firmware f;
		int err;

		init(&f, rows[i].len);
		err = create(&f);
		if (rows[i].err) {
			ck_assert_int_eq(strncmp(f.t.e.text, "bios /proc/self/fd/", 19), 0);
			vt_sentence(&f.t, err, rows[i].err, rows[i].words);
		} else {
			ck_assert_msg(err == 0, "%s", f.t.e.text);
		}
		fini(&f);
	}
	vt_same_usage(before);
}
END_TEST

START_TEST(what_does_not_go_together)
{
	struct firmware f;

	init(&f, ROM_LEN);
	f.t.config.kernel = f.t.kernel;
	vt_sentence(&f.t, create(&f), -EINVAL,
		    "bios: firmware boots what is on a disk and takes no kernel, but a kernel");
	f.t.config.kernel = NULL;
	f.t.config.initrd = f.t.kernel;
	vt_sentence(&f.t, create(&f), -EINVAL, "but an initrd is given too");
	f.t.config.initrd = NULL;
	f.t.config.cmdline = "quiet";
	vt_sentence(&f.t, create(&f), -EINVAL, "but a command line is given too");
	f.t.config.cmdline = "";
	f.t.config.boot_protocol = VM_BOOT_PVH;
	vt_sentence(&f.t, create(&f), -EINVAL, "but a boot protocol is given too");
	f.t.config.boot_protocol = VM_BOOT_AUTO;
	f.t.config.no_acpi = true;
	vt_sentence(&f.t, create(&f), -EINVAL, "bios: firmware tells the guest");
	f.t.config.no_acpi = false;
	f.t.config.bios = "/no/such/file";
	vt_sentence(&f.t, create(&f), -ENOENT, "bios /no/such/file: it cannot be opened");
	f.t.config.bios = "/tmp";
	vt_sentence(&f.t, create(&f), -EISDIR, "bios /tmp: this is a directory");
	f.t.config.bios = "";
	vt_sentence(&f.t, create(&f), -ENOENT, "bios");
	f.t.config.bios = NULL;
	vt_sentence(&f.t, create(&f), -EINVAL, "kernel: none is given");
	fini(&f);
}
END_TEST

CHECK_MAIN("firmware", starts_twice, small_image, not_with_a_kernel, bad_images,
	   what_does_not_go_together)
