/* SPDX-License-Identifier: BSD-3-Clause */
/* What vm_create() and the functions that add devices refuse, and how they say it. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "vm_test.h"

static int create(struct vm_test *t)
{
	struct vm *vm = NULL;
	int err = vm_create(&t->config, &vm, &t->e);

	ck_assert(!vm == !!err);
	vm_destroy(vm);
	return err;
}

START_TEST(the_smallest_configuration)
{
	struct usage before = usage_now();
	struct vm_config config = VM_CONFIG_INIT;
	struct vm_test t;
	struct vm *vm;

	vt_init(&t);
	config.kernel = t.kernel;
	ck_assert_int_eq(vm_create(&config, &vm, NULL), 0);
	ck_assert_uint_eq(vm_memory_size(vm), 256 << 20);
	vm_destroy(vm);
	vt_fini(&t);
	vt_same_usage(before);
}
END_TEST

START_TEST(numbers)
{
	struct vm_test t;

	vt_init(&t);
	t.config.memory = 4096;
	vt_sentence(&t, create(&t), -EINVAL, "memory: 4096 bytes are too few");
	t.config.memory = (16 << 20) + 512;
	vt_sentence(&t, create(&t), -EINVAL, "not a multiple of 4096");
	t.config.memory = 1ull << 46;
	vt_sentence(&t, create(&t), -EINVAL, "more than a VM can address");
	t.config.memory = 0;
	t.config.vcpus = 65;
	vt_sentence(&t, create(&t), -EINVAL, "vcpus: 65 are too many, give 1 to 64");
	t.config.vcpus = 64;
	ck_assert_int_eq(create(&t), 0);
	t.config.boot_protocol = (enum vm_boot_protocol)3;
	vt_sentence(&t, create(&t), -EINVAL, "boot_protocol: 3 is not known");
	t.config.boot_protocol = VM_BOOT_PVH;
	t.config.n_cpu_affinity = 2;
	t.config.cpu_affinity = (const uint32_t[]){ 0, 100000 };
	vt_sentence(&t, create(&t), -EINVAL, "cpu_affinity: this host has no CPU 100000");
	t.config.n_cpu_affinity = 1;
	ck_assert_int_eq(create(&t), 0);
	vt_fini(&t);
}
END_TEST

START_TEST(files)
{
	char dir[] = "/tmp/vm_config.XXXXXX", fifo[64];
	struct usage before = usage_now();
	struct vm_test t;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	vt_init(&t);
	for (int i = 0; i < 2; i++) {
		const char **path = i == 0 ? &t.config.kernel : &t.config.initrd;

		*path = dir;
		vt_sentence(&t, create(&t), -EISDIR, dir);
		*path = fifo;
		vt_sentence(&t, create(&t), -EINVAL, fifo);
		*path = "/no/such/file";
		vt_sentence(&t, create(&t), -ENOENT, "/no/such/file");
		*path = "/dev/null";
		vt_sentence(&t, create(&t), -EINVAL, "/dev/null");
		*path = t.kernel;
	}
	ck_assert_int_eq(create(&t), 0);
	t.config.kernel = NULL;
	vt_sentence(&t, create(&t), -EINVAL, "kernel: none is given");
	t.config.kernel = "";
	vt_sentence(&t, create(&t), -EINVAL, "kernel: none is given");
	vt_fini(&t);
	unlink(fifo);
	rmdir(dir);
	vt_same_usage(before);
}
END_TEST

/* An older caller's struct is shorter; a newer one's longer tail must be zero. */
START_TEST(sizes)
{
	struct {
		struct vm_config config;
		uint64_t newer;
	} c = { 0 };
	struct vm *vm = NULL;
	struct vm_test t;

	vt_init(&t);
	c.config = t.config;
	c.config.size = sizeof(c);
	ck_assert_int_eq(vm_create(&c.config, &vm, &t.e), 0);
	vm_destroy(vm);
	c.newer = 1ull << 63;
	vt_sentence(&t, vm_create(&c.config, &vm, &t.e), -E2BIG, "configuration");
	t.config.size = offsetof(struct vm_config, boot_protocol);
	t.config.boot_protocol = (enum vm_boot_protocol)77; /* not looked at */
	ck_assert_int_eq(create(&t), 0);
	t.config.size = 0;
	vt_sentence(&t, create(&t), -EINVAL, "INIT");
	vt_fini(&t);
}
END_TEST

START_TEST(device_types_and_options)
{
	static const struct {
		const char *type, *options, *words;
		int err;
	} cases[] = {
		{ NULL, NULL, "device type '' is not known", -EINVAL },
		{ "nope", NULL, "device type 'nope' is not known", -EINVAL },
		{ "pvpanic", NULL, "pvpanic: every machine has this device", -EINVAL },
		{ T_FOREIGN, NULL, T_FOREIGN ": ", -EINVAL },
		{ "rng", "bogus=1", "rng: option 'bogus' is not known", -EINVAL },
		{ "rng", "transport=usb", "rng: option transport: 'usb' is not known", -EINVAL },
		{ "rng", "packed=1,packed=0", "rng: option packed is given twice", -EINVAL },
		{ "rng", "packed=perhaps", "rng: option packed", -EINVAL },
		{ "rng", "packedness=1", "'packedness'", -EINVAL },
		{ "serial", "num=0", "serial: option num: 0 is out of range", -EINVAL },
		{ "serial", "num=5", "serial: option num: 5 is out of range", -EINVAL },
		{ "serial", "packed=true", "'packed' is not known", -EINVAL },
		{ "serial", "out=/no/such/dir/file", "/no/such/dir/file", -ENOENT },
		{ "block", NULL, "block: option path is missing", -EINVAL },
		{ "block", "path=/no/such", "/no/such", -ENOENT },
		{ "block", "path=/tmp", "/tmp is a directory", -EISDIR },
		{ "block", "path=/dev/null", "/dev/null is not a disk", -EINVAL },
		{ "block", "fd=1000", "1000", -EBADF },
	};
	struct usage before = usage_now();
	struct vm_device *d = NULL;
	struct vm_test t;

	vt_init(&t);
	vt_create(&t);
	for (size_t i = 0; i < CV_LEN(cases); i++) {
		vt_sentence(&t, vm_add_device(t.vm, cases[i].type, cases[i].options, &d, &t.e),
			    cases[i].err, cases[i].words);
		ck_assert_ptr_null(d);
	}
	ck_assert_int_eq(vm_add_device(t.vm, "rng", "", &d, &t.e), 0);
	ck_assert_ptr_nonnull(d);
	vt_start(&t);
	vt_sentence(&t, vm_add_device(t.vm, "rng", "", NULL, &t.e), -EBUSY, "rng: the VM runs");
	vt_fini(&t);
	vt_same_usage(before);
}
END_TEST

#define CHARS_19 "0123456789012345678"
#define CHARS_57 CHARS_19 CHARS_19 CHARS_19

/* What an instance would refuse is refused when the device is added, with the option's name. */
START_TEST(configurations_that_cannot_start)
{
	static const struct {
		const char *type, *options, *words;
		int err;
	} cases[] = {
		{ "block", "path=/proc/self/fd/99",
		  "block: option path: /proc/self/fd/99 is 1000 bytes", -EINVAL },
		{ "block", "fd=99", "block: option path: the image is 1000 bytes", -EINVAL },
		{ "block", "fd=99,id=" CHARS_57, "block: option id: '012", -EINVAL },
		{ "balloon", "target=17M", "balloon: option target: 17825792 bytes", -ERANGE },
		{ "console", "name=" CHARS_57, "console: option name: '012", -ENAMETOOLONG },
		{ "console", "name3=" CHARS_57, "console: option name3: '012", -ENAMETOOLONG },
	};
	int odd = memfd_create("odd", MFD_CLOEXEC);
	struct vm_test t;

	ck_assert_int_eq(ftruncate(odd, 1000), 0);
	ck_assert_int_eq(dup2(odd, 99), 99);
	vt_init(&t);
	vt_create(&t);
	for (size_t i = 0; i < CV_LEN(cases); i++)
		vt_sentence(&t, vm_add_device(t.vm, cases[i].type, cases[i].options, NULL, &t.e),
			    cases[i].err, cases[i].words);
	vt_fini(&t);
	close(odd);
	close(99);
}
END_TEST

START_TEST(an_image_belongs_to_one_vm)
{
	char path[] = "/tmp/vm_config.XXXXXX", options[64];
	int fd = mkstemp(path);
	struct vm_test a, b;

	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	snprintf(options, sizeof(options), "path=%s", path);
	vt_init(&a);
	vt_create(&a);
	vt_init(&b);
	vt_create(&b);
	ck_assert_int_eq(vm_add_device(a.vm, "block", options, NULL, &a.e), 0);
	vt_sentence(&b, vm_add_device(b.vm, "block", options, NULL, &b.e), -EBUSY, "another VM");
	vt_fini(&a);
	ck_assert_int_eq(vm_add_device(b.vm, "block", options, NULL, &b.e), 0);
	vt_fini(&b);
	close(fd);
	unlink(path);
}
END_TEST

/* ---- the embedder's devices ---- */

static unsigned int n_drops;

static void count_drop(void *user)
{
	ck_assert_ptr_eq(user, &n_drops);
	n_drops++;
}

static uint64_t regs_read(void *user, uint64_t offset, unsigned int len)
{
	(void)user;
	(void)offset;
	(void)len;
	return 0;
}

static const struct vm_regs_ops regs_ops = { VM_REGS_OPS_INIT, .read = regs_read,
					     .drop = count_drop };

static int add_regs(struct vm_test *t, struct vm_regs_config config)
{
	config.size = sizeof(config);
	n_drops = 0;
	return vm_add_regs(t->vm, &config, &regs_ops, &n_drops, NULL, &t->e);
}

#define REGS(...) ((struct vm_regs_config){ __VA_ARGS__ })

/* Whatever happens, the drop callback is called once. */
START_TEST(register_blocks)
{
	static const struct vm_regs_ops nothing = { VM_REGS_OPS_INIT, .drop = count_drop };
	struct vm_regs_config good = REGS(.size = sizeof(good), .name = "mine",
					  .space = VM_REGS_MMIO, .base = T_MMIO_FREE, .len = 4);
	struct vm_regs_config c = good;
	struct {
		struct vm_regs_config config;
		uint64_t newer;
	} large = { .config = good, .newer = 1 };
	struct vm_test t;

	large.config.size = sizeof(large);
	vt_init(&t);
	vt_create(&t);
	c.name = NULL;
	vt_sentence(&t, add_regs(&t, c), -EINVAL, "no name");
	ck_assert_uint_eq(n_drops, 1);
	c = good, c.space = 3;
	vt_sentence(&t, add_regs(&t, c), -EINVAL, "mine: its space");
	c = good, c.len = 0;
	vt_sentence(&t, add_regs(&t, c), -EINVAL, "mine: its range");
	c = good, c.base = UINT64_MAX;
	vt_sentence(&t, add_regs(&t, c), -EINVAL, "mine: its range");
	ck_assert_uint_eq(n_drops, 1);
	for (int i = 0; i < 3; i++) {
		c = good, c.irq = (const uint32_t[]){ 1, 2, T_NO_IRQ }[i];
		vt_sentence(&t, add_regs(&t, c), -EINVAL, "mine: irq");
	}
	n_drops = 0;
	vt_sentence(&t, vm_add_regs(t.vm, &good, &nothing, &n_drops, NULL, &t.e), -EINVAL,
		    "neither a read nor a write");
	ck_assert_uint_eq(n_drops, 1);
	n_drops = 0;
	vt_sentence(&t, vm_add_regs(t.vm, &large.config, &regs_ops, &n_drops, NULL, &t.e), -E2BIG,
		    "vm_regs_config");
	ck_assert_uint_eq(n_drops, 1);
	large.newer = 0;
	ck_assert_int_eq(vm_add_regs(t.vm, &large.config, &regs_ops, &n_drops, NULL, &t.e), 0);
	c = good, c.base += 4;
	ck_assert_int_eq(add_regs(&t, c), 0);
	ck_assert_uint_eq(n_drops, 0);
	vt_start(&t);
	vt_sentence(&t, add_regs(&t, good), -EBUSY, "mine: the VM runs");
	ck_assert_uint_eq(n_drops, 1);
	vt_fini(&t);
	ck_assert_uint_eq(n_drops, 3);
}
END_TEST

/* What a block's place makes impossible is told by the start, with the block's name. */
START_TEST(places_that_are_taken)
{
	static const struct {
		enum vm_regs_space space;
		uint64_t base, len;
		const char *words;
		int err;
	} cases[] = {
		T_TAKEN{ VM_REGS_MMIO, T_RAM + 0x1000, 4096, "lie in RAM", -EINVAL },
	};

	for (size_t i = 0; i < CV_LEN(cases); i++) {
		struct vm_test t;

		vt_init(&t);
		vt_create(&t);
		ck_assert_int_eq(vm_add_device(t.vm, "serial", "", NULL, &t.e), 0);
		ck_assert_int_eq(add_regs(&t, REGS(.name = "mine", .space = cases[i].space,
						   .base = cases[i].base, .len = cases[i].len)),
				 0);
		vt_sentence(&t, vm_start(t.vm, &t.e), cases[i].err, cases[i].words);
		ck_assert_uint_eq(n_drops, 0);
		vt_fini(&t);
		ck_assert_uint_eq(n_drops, 1);
	}
}
END_TEST

static void request(void *user, unsigned int queue, struct vm_request *r)
{
	(void)user;
	(void)queue;
	vm_request_complete(r, 0);
}

static const struct vm_virtio_ops virtio_ops = { VM_VIRTIO_OPS_INIT, .request = request,
						 .drop = count_drop };

static void refused(struct vm_test *t, const struct vm_virtio_config *config, const char *words)
{
	n_drops = 0;
	vt_sentence(t, vm_add_virtio(t->vm, config, &virtio_ops, &n_drops, NULL, &t->e), -EINVAL,
		    words);
	ck_assert_uint_eq(n_drops, 1);
}

START_TEST(virtio_devices)
{
	static const struct vm_virtio_ops nothing = { VM_VIRTIO_OPS_INIT, .drop = count_drop };
	struct vm_virtio_config good = VM_VIRTIO_CONFIG_INIT, c;
	struct vm_test t;

	good.name = "mine";
	good.device_id = 42;
	good.n_queues = 64;
	good.queue_size = 32768;
	good.config_len = 4096;
	vt_init(&t);
	vt_create(&t);
	c = good, c.name = "";
	refused(&t, &c, "no name");
	c = good, c.device_id = 64;
	refused(&t, &c, "mine: device_id 64");
	c = good, c.device_id = 0;
	refused(&t, &c, "mine: device_id 0");
	c = good, c.n_queues = 65;
	refused(&t, &c, "mine: 65 queues");
	c = good, c.n_queues = 0;
	refused(&t, &c, "mine: 0 queues");
	c = good, c.queue_size = 3;
	refused(&t, &c, "mine: queue_size 3");
	c = good, c.config_len = 4097;
	refused(&t, &c, "mine: 4097 bytes");
	c = good, c.features = 1ull << 32;
	refused(&t, &c, "mine: features 0x100000000");
	n_drops = 0;
	ck_assert_int_eq(vm_add_virtio(t.vm, &good, &nothing, &n_drops, NULL, NULL), -EINVAL);
	ck_assert_uint_eq(n_drops, 1);
	ck_assert_int_eq(vm_add_virtio(t.vm, &good, &virtio_ops, &n_drops, NULL, &t.e), 0);
	vt_start(&t);
	vt_fini(&t);
	ck_assert_uint_eq(n_drops, 2);
}
END_TEST

CHECK_MAIN("config", the_smallest_configuration, numbers, files, sizes, device_types_and_options,
	   configurations_that_cannot_start, an_image_belongs_to_one_vm, register_blocks,
	   places_that_are_taken, virtio_devices)
