/* SPDX-License-Identifier: BSD-3-Clause */
/* The texts of /proc, as recorded and as an enemy would have them. */
#include "sandbox/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/seccomp.h"
#include "sandbox/tracee.h"
#include "support/check_main.h"
#include "sys/fd.h"

#define NO_CAPS "CapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t0\nCapAmb:\t0\n"
#define STATUS(name, groups)                                                                 \
	"Name:\t" name "\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t15738\n"                 \
	"Uid:\t65534\t65533\t65532\t65531\nGid:\t4\t5\t6\t7\nFDSize:\t256\nGroups:\t" groups \
	"\nNStgid:\t15738\t1\nCapInh:\t0000000000000001\nCapPrm:\t0000000000000002\n"        \
	"CapEff:\t0000000000000003\nCapBnd:\t000001fffeffffff\nCapAmb:\t0000000000000004\n"  \
	"NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\nSpeculation_Store_Bypass:"        \
	"\tvulnerable\n"

START_TEST(ids_and_caps)
{
	struct vm_sandbox_process p = { 0 };

	ck_assert_int_eq(cv_proc_parse_status(STATUS("crosvm-device", "0 20 1000 "), &p), 0);
	ck_assert_uint_eq(p.uid[0], 65534);
	ck_assert_uint_eq(p.uid[3], 65531);
	ck_assert_uint_eq(p.gid[0], 4);
	ck_assert_uint_eq(p.gid[3], 7);
	ck_assert_uint_eq(p.n_groups, 3);
	ck_assert_uint_eq(p.groups[2], 1000);
	ck_assert_uint_eq(p.caps[VM_SANDBOX_CAP_INHERITABLE], 1);
	ck_assert_uint_eq(p.caps[VM_SANDBOX_CAP_BOUNDING], 0x1fffeffffff);
	ck_assert_uint_eq(p.caps[VM_SANDBOX_CAP_AMBIENT], 4);
	ck_assert_int_eq(p.no_new_privs, 1);
	ck_assert_int_eq(p.seccomp, 2);
	ck_assert_int_eq(p.n_filters, 1);
	ck_assert_int_eq(cv_proc_parse_status(STATUS("x", " "), &p), 0);
	ck_assert_uint_eq(p.n_groups, 0);
}
END_TEST

/* The kernel escapes what a process puts into its name. */
START_TEST(hostile_status)
{
	static const char short_uids[] = "Uid:\t1\t2\t3\nGid:\t1\t2\t3\t4\n" NO_CAPS;
	static const char *const rows[] = { "", "\n\n\n", short_uids, "Uid:\t-\nGid:\nGroups:\n",
					    "xUid:\t1\t2\t3\t4" };
	struct vm_sandbox_process p = { 0 };

	ck_assert_int_eq(cv_proc_parse_status(STATUS(") S \\nUid:\\t0\\nSeccomp:\t0", ""), &p), 0);
	ck_assert_uint_eq(p.uid[1], 65533);
	ck_assert_int_eq(p.seccomp, 2);
	for (size_t i = 0; i < CV_LEN(rows); i++)
		ck_assert_int_eq(cv_proc_parse_status(rows[i], &p), -EBADMSG);
}
END_TEST

START_TEST(old_status)
{
	struct vm_sandbox_process p = { 0 };
	char groups[301] = "", text[1024];

	for (unsigned int i = 0; i < 100; i++)
		memcpy(groups + 3 * i, "77 ", 4);
	snprintf(text, sizeof(text), "Uid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\nGroups:\t%s\n%s", groups,
		 NO_CAPS);
	ck_assert_int_eq(cv_proc_parse_status(text, &p), 0);
	ck_assert_int_eq(p.no_new_privs, -1);
	ck_assert_int_eq(p.seccomp, -1);
	ck_assert_uint_eq(p.n_groups, 100);
	ck_assert_uint_eq(p.groups[VM_SANDBOX_MAX_GROUPS - 1], 77);
}
END_TEST

START_TEST(id_maps)
{
	ck_assert_uint_eq(cv_proc_map_id("         0          0 4294967295\n", 65534), 65534);
	ck_assert_uint_eq(cv_proc_map_id("  65534       1000          1\n", 1000), 65534);
	ck_assert_uint_eq(cv_proc_map_id("  65534       1000          1\n", 1001), UINT32_MAX);
	ck_assert_uint_eq(cv_proc_map_id("0 1000 1\n1 100000 65536\n", 100009), 10);
	ck_assert_uint_eq(cv_proc_map_id("", 0), UINT32_MAX);
	ck_assert_uint_eq(cv_proc_map_id("junk\n0 0 1\n", 0), UINT32_MAX);
}
END_TEST

START_TEST(maps)
{
	const char *text =
		"7f616e126000-7f616e12a000 rw-s 10000000 00:10 5395915      anon_inode:[io_uring]\n"
		"7f616e12d000-7f616e12f000 rw-p 00000000 00:00 0 \n"
		"7ff1cc000000-7ff1d0000000 rw-s 00100000 00:01 172577       /memfd:crosvm_guest "
		"(deleted)\n"
		"7ff1d0000000-7ff1d0001000 r--s 00000000 00:01 172578       /memfd:a\\012b) "
		"(deleted)"
		" (deleted)\n"
		"7ff1e0000000-7ff1e0001000 rwxp 00000000 00:00 0\n"
		"junk\n";
	struct cv_proc_map m;

	ck_assert(cv_proc_next_map(&text, &m) && !m.range.name[0] && !m.writable_code);
	ck_assert(cv_proc_next_map(&text, &m) && !m.range.name[0]);
	ck_assert(cv_proc_next_map(&text, &m));
	ck_assert_str_eq(m.range.name, "crosvm_guest");
	ck_assert_str_eq(m.range.access, "rw-s");
	ck_assert_uint_eq(m.range.len, 0x4000000);
	ck_assert_uint_eq(m.range.offset, 0x100000);
	ck_assert_uint_eq(m.range.inode, 172577);
	ck_assert(cv_proc_next_map(&text, &m));
	ck_assert_str_eq(m.range.name, "a\\012b) (deleted)");
	ck_assert(cv_proc_next_map(&text, &m) && m.writable_code);
	ck_assert(!cv_proc_next_map(&text, &m));
	text = "";
	ck_assert(!cv_proc_next_map(&text, &m));
}
END_TEST

START_TEST(limits)
{
	static const char text[] =
		"Limit                     Soft Limit           Hard Limit           Units     \n"
		"Max cpu time              unlimited            unlimited            seconds   \n"
		"Max file size             unlimited            unlimited            bytes     \n"
		"Max data size             67108864             67108865             bytes     \n"
		"Max stack size            8388608              unlimited            bytes     \n"
		"Max core file size        0                    0                    bytes     \n"
		"Max resident set          unlimited            unlimited            bytes     \n"
		"Max processes             64                   64                   processes \n"
		"Max open files            256                  256                  files     \n"
		"Max locked memory         0                    0                    bytes     \n"
		"Max address space         unlimited            unlimited            bytes     \n"
		"Max file locks            unlimited            unlimited            locks     \n"
		"Max pending signals       64                   64                   signals   \n"
		"Max msgqueue size         0                    0                    bytes     \n"
		"Max nice priority         0                    0                    \n"
		"Max realtime priority     0                    0                    \n";
	struct vm_sandbox_process p = { 0 };

	ck_assert_int_eq(cv_proc_parse_limits(text, &p), 0);
	ck_assert_str_eq(p.limits[2].name, "data");
	ck_assert_uint_eq(p.limits[2].soft, 67108864);
	ck_assert_uint_eq(p.limits[2].hard, 67108865);
	ck_assert_uint_eq(p.limits[3].hard, VM_SANDBOX_LIMIT_INFINITE);
	ck_assert_ptr_null(p.limits[15].name);
	ck_assert_int_eq(cv_proc_parse_limits("Max cpu time", &p), -EBADMSG);
}
END_TEST

START_TEST(memory)
{
	uint64_t bytes;

	ck_assert_int_eq(
		cv_proc_parse_rollup("Private_Clean:   24 kB\nPrivate_Dirty:  148 kB\n", &bytes),
		0);
	ck_assert_uint_eq(bytes, 172 * 1024);
	ck_assert_int_eq(cv_proc_parse_rollup("Private_Clean:   24 kB\n", &bytes), -EBADMSG);
}
END_TEST

START_TEST(links)
{
	ck_assert_uint_eq(cv_proc_ns_inode("user:[4026531837]"), 4026531837u);
	ck_assert_uint_eq(cv_proc_ns_inode("user:4026531837"), 0);
	ck_assert_uint_eq(cv_proc_ns_inode(""), 0);
	ck_assert_str_eq(cv_proc_fd_kind("socket:[12]"), "socket");
	ck_assert_str_eq(cv_proc_fd_kind("anon_inode:[eventfd]"), "eventfd");
	ck_assert_str_eq(cv_proc_fd_kind("anon_inode:kvm-vm"), "kvm-vm");
	ck_assert_str_eq(cv_proc_fd_kind("/memfd:crosvm_guest (deleted)"), "memfd");
	ck_assert_str_eq(cv_proc_fd_kind("strange"), "other");
	ck_assert_ptr_null(cv_proc_fd_kind("/home/socket:[12]\n"));
	ck_assert(cv_proc_fd_writable("pos:\t0\nflags:\t0100002\n"));
	ck_assert(cv_proc_fd_writable("flags:\t01\n"));
	ck_assert(!cv_proc_fd_writable("flags:\t02100000\n"));
	ck_assert(!cv_proc_fd_writable(""));
}
END_TEST

static bool device(const char *text, size_t len, char *cls)
{
	return cv_proc_device(text, len, "--crosvm-device=", cls, 8);
}

#define DEVICE(text) device(text, sizeof(text), cls)

START_TEST(command_lines)
{
	char cls[8];

	ck_assert(DEVICE("crosvm-device\0--crosvm-device=block"));
	ck_assert_str_eq(cls, "block");
	ck_assert(DEVICE("crosvm-device\0--crosvm-device=a-very-long-name"));
	ck_assert_str_eq(cls, "a-very-");
	ck_assert(!DEVICE("crosvm-device"));
	ck_assert(!DEVICE("crosvm-device\0--crosvm-device"));
	ck_assert(!DEVICE("crosvm-device\0--crosvm-devicf=block"));
	ck_assert(!DEVICE("sh\0-c\0crosvm-device\0--crosvm-device=block"));
	ck_assert(!device("", 0, cls));
}
END_TEST

/* One without a program, which goes on, and one that is gone. */
START_TEST(tracee)
{
	struct cv_seccomp s = { 0 };
	pid_t pid = fork();
	char why[96], *text;
	int dir, status;

	while (pid == 0)
		pause();
	dir = cv_proc_open(pid);
	ck_assert_int_ge(dir, 0);
	ck_assert_int_lt(cv_tracee_filter(pid, dir, &s, why, sizeof(why)), 0);
	ck_assert_uint_gt(strlen(why), 0);
	ck_assert_int_eq(cv_proc_read(dir, "status", &text, NULL), 0);
	ck_assert_ptr_nonnull(strstr(text, "TracerPid:\t0\n"));
	free(text);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_lt(cv_proc_read(dir, "status", &text, NULL), 0);
	ck_assert_int_lt(cv_tracee_filter(pid, dir, &s, why, sizeof(why)), 0);
	ck_assert_int_eq(cv_proc_open(pid), -ENOENT);
	close(dir);
	cv_seccomp_fini(&s);
}
END_TEST

CHECK_MAIN("proc", ids_and_caps, hostile_status, old_status, id_maps, maps, limits, memory, links,
	   command_lines, tracee)
