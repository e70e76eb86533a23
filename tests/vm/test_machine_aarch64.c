/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The aarch64 machine on the fake hypervisor: its GIC and vCPUs, where the first
 * one starts, what is refused, and its device tree, node by node against the
 * sources in golden/, which rules/devicetree has checked by dtc. With
 * CROSVM_GOLDEN=DIR in the environment they are written there instead.
 */
#include <ctype.h>
#include <libfdt.h>
#include <stdlib.h>

#include "hypervisor/aarch64.h"
#include "vm_test.h"

#define TREE_MAX 0x10000

static struct {
	uint8_t fdt[TREE_MAX];
	struct cv_arm_vcpu_state state;
	struct cv_arm_gic gic;
	bool off[4];
} seen;

static void look(struct cv_vcpu *vcpu, void *arg)
{
	struct cv_hv *hv = cv_fake_hv(vcpu);

	(void)arg;
	seen.state = *cv_fake_arm_state(hv, 0);
	seen.gic = *cv_fake_arm_gic(hv);
	for (unsigned int i = 0; i < 4; i++)
		seen.off[i] = cv_fake_arm_off(hv, i);
	cv_fake_check(vcpu, cv_mem_read(cv_fake_mem(vcpu), seen.state.x0, seen.fdt, TREE_MAX) == 0);
	vt_power_off(vcpu);
}

static int gic_version;

static int make_hv(void *arg, struct cv_hv **hv, const struct cv_hv_config *config,
		   struct cv_log *log, struct vm_error *e)
{
	int err = vt_make_hv(arg, hv, config, log, e);

	if (!err)
		cv_fake_arm_set_version(*hv, gic_version);
	return err;
}

static void create(struct vm_test *t)
{
	const struct cv_hv_factory hv = { .create = make_hv, .arg = t };

	ck_assert_msg(cv_vm_create(&t->config, &hv, &t->vm, &t->e) == 0, "%s", t->e.text);
}

static void add(struct vm_test *t, const char *type, const char *options)
{
	ck_assert_msg(vm_add_device(t->vm, type, options, NULL, &t->e) == 0, "%s", t->e.text);
}

static void boot(int version)
{
	struct vm_test t;

	gic_version = version;
	vt_init(&t);
	vt_program(&t, look, NULL);
	t.config.vcpus = 4;
	t.config.memory = 512 << 20;
	t.config.cmdline = "console=ttyS0 quiet";
	t.config.initrd = t.kernel;
	create(&t);
	add(&t, "serial", "");
	add(&t, "serial", "num=3");
	add(&t, "rng", "");
	add(&t, "rng", "transport=mmio");
	add(&t, "pl030", "");
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	vt_fini(&t);
}

/* ---- the tree as source ---- */

static bool is_text(const char *val, int len)
{
	if (len <= 1 || val[len - 1] != '\0' || val[0] == '\0')
		return false;
	for (int i = 0; i < len; i++)
		if (!isprint((unsigned char)val[i]) && (val[i] != '\0' || val[i - 1] == '\0'))
			return false;
	return true;
}

static void print_text(FILE *f, const char *val, int len)
{
	for (int i = 0; i < len; i += (int)strlen(val + i) + 1)
		fprintf(f, "%s\"%s\"", i == 0 ? "" : ", ", val + i);
}

static void print_cells(FILE *f, const char *val, int len)
{
	const fdt32_t *cells = (const void *)val;

	fputc('<', f);
	for (int i = 0; i < len / 4; i++)
		fprintf(f, "%s0x%x",
			i == 0	      ? ""
			: i % 10 == 0 ? "\n\t\t"
				      : " ",
			fdt32_to_cpu(cells[i]));
	fputc('>', f);
}

static void print_property(FILE *f, const char *indent, const char *name, const char *val, int len)
{
	fprintf(f, "%s\t%s", indent, name);
	if (strcmp(name, "kaslr-seed") == 0 || strcmp(name, "rng-seed") == 0) {
		fprintf(f, " = [00]"); /* never the same */
	} else if (len > 0) {
		fputs(" = ", f);
		if (is_text(val, len))
			print_text(f, val, len);
		else
			print_cells(f, val, len);
	}
	fputs(";\n", f);
}

static void print_node(FILE *f, int node, unsigned int depth)
{
	const char indent[] = "\t\t\t\t\t\t\t\t", *name = fdt_get_name(seen.fdt, node, NULL);
	const char *at = indent + sizeof(indent) - 1 - depth;
	int prop, child;

	fprintf(f, "%s%s {\n", at, depth == 0 ? "/" : name);
	fdt_for_each_property_offset(prop, seen.fdt, node)
	{
		int len;
		const char *val = fdt_getprop_by_offset(seen.fdt, prop, &name, &len);

		print_property(f, at, name, val, len);
	}
	fdt_for_each_subnode(child, seen.fdt, node) print_node(f, child, depth + 1);
	fprintf(f, "%s};\n", at);
}

static char *print_tree(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	must(f);
	fputs("/dts-v1/;\n", f);
	print_node(f, 0, 0);
	fclose(f);
	return text;
}

static char *golden_text(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "r");

	ck_assert_msg(f, "%s: %m", path);
	must(getdelim(&text, &size, EOF, f) > 0);
	fclose(f);
	return text;
}

/* The first line in which they differ says most. */
static void compare(const char *got, const char *want)
{
	unsigned int line = 1;
	size_t i = 0, start = 0;

	for (; got[i] && got[i] == want[i]; i++)
		if (got[i] == '\n') {
			line++;
			start = i + 1;
		}
	ck_assert_msg(got[i] == want[i], "line %u: '%.60s' instead of '%.60s'", line, got + start,
		      want + start);
}

static void check_tree(const char *name)
{
	const char *dir = getenv("CROSVM_GOLDEN");
	char path[512], *got = print_tree(), *want;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.dts", dir ? dir : GOLDEN_DIR, name);
	if (dir) {
		f = fopen(path, "w");
		must(f && fputs(got, f) >= 0 && fclose(f) == 0);
	} else {
		want = golden_text(path);
		compare(got, want);
		free(want);
	}
	free(got);
}

static const void *property(const char *node, const char *name, int want)
{
	int len = 0, at = fdt_path_offset(seen.fdt, node);
	const void *val = fdt_getprop(seen.fdt, at, name, &len);

	ck_assert_msg(val && len == want, "%s %s: %d bytes", node, name, len);
	return val;
}

static uint64_t number(const char *node, const char *name)
{
	const fdt64_t *val = property(node, name, 8);

	return fdt64_ld(val);
}

START_TEST(gicv3)
{
	uint64_t seed;

	boot(3);
	check_tree("aarch64-gicv3");
	ck_assert_int_eq(fdt_check_full(seen.fdt, TREE_MAX), 0);
	ck_assert_uint_eq(seen.gic.version, 3);
	ck_assert(!seen.off[0] && seen.off[1] && seen.off[2] && seen.off[3]);
	ck_assert_uint_eq(seen.state.pc, T_RAM);
	ck_assert_uint_eq(seen.state.x0 % 8, 0);
	ck_assert_uint_eq(number("/chosen", "linux,initrd-end") -
				  number("/chosen", "linux,initrd-start"),
			  4096);
	seed = number("/chosen", "kaslr-seed");
	boot(3);
	ck_assert_uint_ne(number("/chosen", "kaslr-seed"), seed);
	ck_assert_ptr_nonnull(property("/chosen", "rng-seed", 64));
}
END_TEST

START_TEST(gicv2)
{
	boot(2);
	check_tree("aarch64-gicv2");
	ck_assert_uint_eq(seen.gic.version, 2);
}
END_TEST

static void refused(struct vm_test *t, int want, const char *words)
{
	create(t);
	vt_sentence(t, vm_start(t->vm, &t->e), want, words);
	vm_destroy(t->vm);
	t->vm = NULL;
}

START_TEST(what_is_refused)
{
	struct vm_test t;

	vt_init(&t);
	gic_version = 2;
	t.config.vcpus = 9;
	refused(&t, -EINVAL, "vcpus: this host's interrupt controller (GICv2) serves at most 8");
	gic_version = 3;
	t.fail_op = "arm_gic_version";
	t.fail_at = t.n_boots + 1;
	t.fail_err = -ENOTSUP;
	refused(&t, -ENOTSUP, "arm_gic_version");
	t.config.vcpus = 64;
	t.config.boot_protocol = VM_BOOT_PVH;
	refused(&t, -EINVAL, "boot protocol");
	t.config.boot_protocol = VM_BOOT_AUTO;
	t.config.memory = 1ull << 41;
	refused(&t, -EINVAL, "address bits");
	vt_fini(&t);
}
END_TEST

/* All vCPUs and a device in each place: the tree has room for it. */
START_TEST(as_large_as_can_be)
{
	struct vm_test t;

	vt_init(&t);
	gic_version = 3;
	t.config.vcpus = 64;
	vt_program(&t, look, NULL);
	create(&t);
	for (int i = 0; i < T_MAX_PCI; i++)
		add(&t, "rng", "");
	for (int i = 0; i < T_MAX_MMIO; i++)
		add(&t, "rng", "transport=mmio");
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	ck_assert_int_eq(fdt_check_full(seen.fdt, TREE_MAX), 0);
	vt_fini(&t);
}
END_TEST

CHECK_MAIN("machine_aarch64", gicv3, gicv2, what_is_refused, as_large_as_can_be)
