/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices of the library in jailed processes, for tests. */
#include "child.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "must.h"
#include "sys/msg.h"

bool child_wanted;

/* ---- the jail ---- */

static void probe_died(void *ctx CV_UNUSED, const char *why CV_UNUSED) {}

/* Whether a device lives in such a jail. */
static bool probe(uint32_t mechanisms, struct vm_error *e)
{
	struct cv_process_host host = { .program = CROSVM_DEVICE, .mechanisms = mechanisms };
	struct cv_log log = { 0 };
	struct cv_process_config config = { .host = &host,
					    .cls = cv_class_find("rng"),
					    .config = "",
					    .memory = 1 << 20,
					    .log = &log,
					    .died = probe_died };
	struct cv_process *process = NULL;
	int data[2], err;

	must(cv_loop_create(&config.loop, NULL) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data) == 0);
	err = cv_process_start(&process, &config, data[1], e) ?: cv_process_ready(process, e);
	cv_process_destroy(process);
	cv_process_host_fini(&host);
	cv_loop_destroy(config.loop);
	close(data[0]);
	close(data[1]);
	return !err;
}

/* As many as go together, in their order: what others need comes first. */
static uint32_t find_mechanisms(void)
{
	const uint32_t all = cv_jail_default() & CV_JAIL_POSSIBLE;
	struct vm_error e = { 0 }, ignored;
	uint32_t mask = 0;
	char names[160];

	if (probe(all, &e))
		return all;
	for (uint32_t bit = 1; bit <= all; bit <<= 1)
		if ((all & bit) && probe(mask | bit, &ignored))
			mask |= bit;
	cv_jail_format(all & ~mask, names, sizeof(names));
	printf("skip devices in a jail with %s: %s\n", names, e.text);
	fflush(stdout);
	return mask;
}

struct cv_process_host *child_host(void)
{
	static struct cv_process_host host;

	if (!host.program)
		host = (struct cv_process_host){ .program = CROSVM_DEVICE,
						 .mechanisms = find_mechanisms(),
						 .timeout_ms = 30000 };
	return &host;
}

/* ---- its rest ---- */

/* By proc(5), field 3 of stat. One that has gone meanwhile is at rest. */
static bool thread_rests(pid_t pid, const char *tid)
{
	char path[300], stat[512] = "";
	const char *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, tid);
	f = fopen(path, "r");
	if (!f)
		return true;
	if (!fgets(stat, sizeof(stat), f))
		stat[0] = '\0';
	fclose(f);
	end = strrchr(stat, ')');
	return !end || (end[2] != 'R' && end[2] != 'D');
}

static bool rests(pid_t pid)
{
	struct dirent *entry;
	bool all = true;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d && all && (entry = readdir(d)))
		all = entry->d_name[0] == '.' || thread_rests(pid, entry->d_name);
	if (d)
		closedir(d);
	return all;
}

void child_settle(pid_t pid)
{
	const struct timespec moment = { .tv_nsec = 20000 };
	uint64_t end = cv_msg_deadline(1000);

	while (!rests(pid) && cv_msg_deadline(0) < end)
		nanosleep(&moment, NULL);
}

/* ---- main ---- */

static void want_child(void)
{
	child_wanted = true;
}

static void do_not_want_child(void)
{
	child_wanted = false;
}

static void add_tests(TCase *tc, const TTest *const *tests)
{
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
}

int child_main(const char *name, const TTest *const *anywhere, const TTest *const *only_here)
{
	TCase *here = tcase_create("here"), *child = tcase_create("child");
	Suite *suite = suite_create(name);
	SRunner *runner = srunner_create(suite);
	int n_failed;

	add_tests(here, anywhere);
	add_tests(here, only_here);
	add_tests(child, anywhere);
	tcase_add_checked_fixture(child, want_child, do_not_want_child);
	tcase_set_timeout(here, 60);
	tcase_set_timeout(child, 60);
	suite_add_tcase(suite, here);
	suite_add_tcase(suite, child);
	child_host(); /* found out once, for all tests that are forked from here */
	srunner_run_all(runner, CK_ENV);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed > 0;
}
