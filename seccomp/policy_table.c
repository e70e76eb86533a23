/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on the machine that builds: compiles policies into the library's table.
 *
 *	policy-table ARCH OUT.c NAME.policy...
 */
#include <stdio.h>
#include <string.h>

#include "sandbox/seccomp.h"

static void write_program(FILE *out, const char *name, const struct cv_seccomp *s)
{
	fprintf(out, "static const struct sock_filter %s_policy[] = {\n", name);
	for (unsigned int i = 0; i < s->n; i++)
		fprintf(out, "\t{ 0x%02x, %u, %u, 0x%08x },\n", s->insns[i].code, s->insns[i].jt,
			s->insns[i].jf, s->insns[i].k);
	fprintf(out, "};\n\n");
}

/* NAME of .../NAME.policy; a C identifier by the build's choice. */
static void name_of(const char *path, char *name, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(name, size, "%s", slash ? slash + 1 : path);
	name[strcspn(name, ".")] = '\0';
}

static int compile(FILE *out, enum cv_arch arch, const char *path)
{
	static struct cv_policy policy;
	struct cv_seccomp s = { 0 };
	struct vm_error e;
	char name[64];
	int err = cv_policy_read(&policy, arch, path, &e);

	err = err ?: cv_seccomp_compile(&s, &policy, &e);
	if (err) {
		fprintf(stderr, "%s\n", e.text);
		return err;
	}
	name_of(path, name, sizeof(name));
	write_program(out, name, &s);
	cv_seccomp_fini(&s);
	return 0;
}

static int write_table(FILE *out, enum cv_arch arch, char **paths)
{
	char name[64];

	fprintf(out,
		"/* Generated from seccomp/%s. */\n#include \"base/base.h\"\n"
		"#include \"sandbox/seccomp.h\"\n\n",
		cv_arch_name(arch));
	for (char **p = paths; *p; p++) {
		int err = compile(out, arch, *p);

		if (err)
			return err;
	}
	fprintf(out, "const struct cv_seccomp_builtin cv_seccomp_builtins[] = {\n");
	for (char **p = paths; *p; p++) {
		name_of(*p, name, sizeof(name));
		fprintf(out, "\t{ \"%s\", %s_policy, CV_LEN(%s_policy) },\n", name, name, name);
	}
	fprintf(out, "\t{ .name = NULL },\n};\n");
	return 0;
}

int main(int argc, char **argv)
{
	enum cv_arch arch;
	FILE *out;
	int err;

	if (argc < 3) {
		fprintf(stderr, "usage: %s ARCH OUT.c NAME.policy...\n", argv[0]);
		return 2;
	}
	arch = strcmp(argv[1], "x86_64") == 0 ? CV_ARCH_X86_64 : CV_ARCH_AARCH64;
	out = fopen(argv[2], "w");
	if (!out) {
		perror(argv[2]);
		return 1;
	}
	err = write_table(out, arch, argv + 3);
	if (fclose(out) != 0 || err) {
		remove(argv[2]);
		return 1;
	}
	return 0;
}
