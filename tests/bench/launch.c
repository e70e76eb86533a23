/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starts a monitor and measures it from outside, by CLOCK_MONOTONIC:
 *
 *   launch first -- CMD...         microseconds from exec to the first byte on its
 *                                  standard output
 *   launch lines -- CMD...         every line it prints, behind microseconds from exec
 *   launch idle SECS MIB -- CMD... waits for the line "ready", then what the process
 *                                  tree holds and does: private and proportional KiB
 *                                  outside mappings of half the guest's RAM and more,
 *                                  threads, processes, context switches in SECS seconds
 *   launch tsc                     the time stamp counter's frequency in kHz
 *
 * The monitor's standard input is /dev/null. It is killed when it outlives the
 * measurement by TIMEOUT.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define TIMEOUT_MS 60000
#define MAX_TREE   64
#define LINE_LEN   4096

struct usage {
	uint64_t private_kib;
	uint64_t pss_kib;
	uint64_t switches;
	unsigned int threads;
	unsigned int processes;
};

struct monitor {
	pid_t pid;
	int out;
	const uint64_t *started; /* written by the child just before exec */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static _Noreturn void child(int out, uint64_t *started, char **argv)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	*started = now_ns();
	execvp(argv[0], argv);
	fprintf(stderr, "launch: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static struct monitor start(char **argv)
{
	uint64_t *started = mmap(NULL, sizeof(*started), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fds[2];
	struct monitor m;

	if (started == MAP_FAILED || pipe2(fds, O_CLOEXEC) < 0)
		die("pipe");
	m.pid = fork();
	if (m.pid < 0)
		die("fork");
	if (m.pid == 0)
		child(fds[1], started, argv);
	close(fds[1]);
	m.out = fds[0];
	m.started = started;
	return m;
}

/* Reads one byte: -1 at the end, -2 after the timeout. */
static int next_byte(const struct monitor *m, int timeout_ms)
{
	struct pollfd p = { .fd = m->out, .events = POLLIN };
	unsigned char c;

	if (poll(&p, 1, timeout_ms) <= 0)
		return -2;
	return read(m->out, &c, 1) == 1 ? c : -1;
}

static uint64_t micros(const struct monitor *m)
{
	return (now_ns() - *m->started) / 1000;
}

/* Let it end by itself, else end it. */
static void finish(const struct monitor *m, int patience_ms)
{
	for (int i = 0; i < patience_ms; i++) {
		if (waitpid(m->pid, NULL, WNOHANG) != 0)
			return;
		usleep(1000);
	}
	kill(m->pid, SIGTERM);
	for (int i = 0; i < 2000; i++) {
		if (waitpid(m->pid, NULL, WNOHANG) != 0)
			return;
		usleep(1000);
	}
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
}

static int cmd_first(char **argv)
{
	struct monitor m = start(argv);
	int first = next_byte(&m, TIMEOUT_MS), c = first;
	uint64_t us = micros(&m);

	while (c >= 0)
		c = next_byte(&m, 2000);
	finish(&m, 2000);
	if (first < 0 || c == -2) /* a monitor that dies at once is not quick */
		return 1;
	printf("%lu\n", (unsigned long)us);
	return 0;
}

/* False at the end of the output. */
static bool next_line(const struct monitor *m, char *line, uint64_t *us)
{
	size_t n = 0;
	int c = next_byte(m, TIMEOUT_MS);

	for (; c >= 0 && c != '\n'; c = next_byte(m, TIMEOUT_MS)) {
		if (c != '\r' && n < LINE_LEN - 1)
			line[n++] = (char)c;
	}
	*us = micros(m);
	line[n] = 0;
	return c >= 0 || n > 0;
}

static int cmd_lines(char **argv)
{
	struct monitor m = start(argv);
	static char line[LINE_LEN];
	uint64_t us;

	while (next_line(&m, line, &us))
		printf("%lu %s\n", (unsigned long)us, line);
	finish(&m, 2000);
	return 0;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[256];
	int ppid = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "PPid: %d", &ppid) == 1)
			break;
	}
	if (f)
		fclose(f);
	return ppid;
}

static bool contains(const pid_t *tree, unsigned int n, pid_t pid)
{
	for (unsigned int i = 0; i < n; i++) {
		if (tree[i] == pid)
			return true;
	}
	return false;
}

/* The process and all its descendants. */
static unsigned int find_tree(pid_t root, pid_t *tree)
{
	unsigned int n = 1, before;
	struct dirent *e;
	DIR *d;

	tree[0] = root;
	do {
		before = n;
		d = opendir("/proc");
		while (d && (e = readdir(d))) {
			pid_t pid = atoi(e->d_name);

			if (pid > 0 && n < MAX_TREE && !contains(tree, n, pid) &&
			    contains(tree, n, parent_of(pid)))
				tree[n++] = pid;
		}
		if (d)
			closedir(d);
	} while (n != before);
	return n;
}

static void add_memory(struct usage *u, pid_t pid, uint64_t limit_kib)
{
	char path[64], line[LINE_LEN];
	unsigned long from, to, kib;
	bool counted = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			counted = (to - from) / 1024 < limit_kib;
		else if (counted && sscanf(line, "Private_%*[CleanDirty]: %lu", &kib) == 1)
			u->private_kib += kib;
		else if (counted && sscanf(line, "Pss: %lu", &kib) == 1)
			u->pss_kib += kib;
	}
	if (f)
		fclose(f);
}

static void add_thread(struct usage *u, pid_t pid, const char *tid)
{
	char path[320], line[256];
	unsigned long n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %lu", &n) == 1)
			u->switches += n;
	}
	if (f)
		fclose(f);
	u->threads++;
}

static void add_threads(struct usage *u, pid_t pid)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] != '.')
			add_thread(u, pid, e->d_name);
	}
	if (d)
		closedir(d);
}

static struct usage measure(pid_t pid, uint64_t limit_kib)
{
	struct usage u = { 0 };
	pid_t tree[MAX_TREE];

	u.processes = find_tree(pid, tree);
	for (unsigned int i = 0; i < u.processes; i++) {
		if (limit_kib)
			add_memory(&u, tree[i], limit_kib);
		add_threads(&u, tree[i]);
	}
	return u;
}

static int cmd_idle(unsigned int secs, uint64_t ram_mib, char **argv)
{
	struct monitor m = start(argv);
	static char line[LINE_LEN];
	struct usage u, a, b;
	uint64_t us;

	do {
		if (!next_line(&m, line, &us)) {
			finish(&m, 0);
			return 1;
		}
	} while (strcmp(line, "ready") != 0);
	sleep(1);
	u = measure(m.pid, ram_mib * 1024 / 2);
	a = measure(m.pid, 0);
	sleep(secs);
	b = measure(m.pid, 0);
	finish(&m, 0);
	printf("private_kib=%lu pss_kib=%lu threads=%u processes=%u switches=%lu\n",
	       (unsigned long)u.private_kib, (unsigned long)u.pss_kib, u.threads, u.processes,
	       (unsigned long)(b.switches - a.switches));
	return 0;
}

static int cmd_tsc(void)
{
	uint64_t ns = now_ns(), tsc = __rdtsc();

	usleep(100000);
	tsc = __rdtsc() - tsc;
	ns = now_ns() - ns;
	printf("%lu\n", (unsigned long)(tsc * 1000000 / ns));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "tsc") == 0)
		return cmd_tsc();
	if (argc > 3 && strcmp(argv[1], "first") == 0 && strcmp(argv[2], "--") == 0)
		return cmd_first(argv + 3);
	if (argc > 3 && strcmp(argv[1], "lines") == 0 && strcmp(argv[2], "--") == 0)
		return cmd_lines(argv + 3);
	if (argc > 5 && strcmp(argv[1], "idle") == 0 && strcmp(argv[4], "--") == 0)
		return cmd_idle((unsigned int)atoi(argv[2]), strtoull(argv[3], NULL, 10), argv + 5);
	fprintf(stderr, "usage: launch first|lines|idle SECS MIB -- CMD...; launch tsc\n");
	return 2;
}
