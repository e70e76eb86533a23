/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The disk in a jail, killed with its whole queue in flight, and killed again
 * while its successor is at that: every request is answered once, with the right
 * content.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "support/check_main.h"
#include "support/child.h"
#include "support/must.h"
#include "support/vdev.h"
#include "sys/fd.h"
#include "sys/msg.h"

#define QUEUE	256u
#define PIECE	4096u		/* what a request is about */
#define MORE	(16u << 20)	/* what takes a read its time; all goes to one place … */
#define N_MORE	6u		/* … so many times over … */
#define N_SLOW	4u		/* … in the first reads, behind which the others wait */
#define CONTENT (QUEUE * PIECE) /* of the image; behind it is nothing but a hole */

enum { IN, OUT };

struct header {
	struct le32 type, reserved;
	struct le64 sector;
};

struct request {
	uint64_t data, status;
	int name; /* -1: answered */
	uint32_t type, n_more, more;
};

struct world {
	struct rig r;
	int disk;
	uint64_t trash;
	struct request requests[QUEUE];
	unsigned int n;	       /* of them */
	bool indirect, writes; /* one in four writes, which takes no time */
	bool light;	       /* no read takes more time than the others */
	unsigned int n_restarted, n_lost;
	unsigned int n_more; /* processes that are killed as soon as they are there */
	unsigned int n_kills;
	unsigned int most, later; /* chains in flight at one of the kills; … but the first */
};

static void pattern(uint8_t *data, uint32_t seed)
{
	for (size_t i = 0; i < PIECE; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (uint8_t)(seed >> 24);
	}
}

/* What request @i reads, or writes in a round. */
static uint32_t seed_of(unsigned int i, unsigned int round)
{
	return i * 2654435761u + round;
}

/* ---- the log of chains in flight, which the front end holds for its processes ---- */

static int log_fd(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *entry;
	char target[64];
	int fd = -1;

	ck_assert_ptr_nonnull(d);
	while (fd < 0 && (entry = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);

		target[cv_max(n, (ssize_t)0)] = '\0';
		if (strncmp(target, "/memfd:crosvm_inflight", 22) == 0)
			fd = atoi(entry->d_name);
	}
	closedir(d);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* vhost-user.rst, "Inflight I/O tracking": each entry begins with whether it is in flight. */
static unsigned int n_in_flight(const struct world *w)
{
	bool packed = w->r.dev.queues[0].packed;
	size_t first = packed ? 32 : 16, each = packed ? 32 : 16, len = first + QUEUE * each;
	unsigned int n = 0;
	const uint8_t *log = mmap(NULL, len, PROT_READ, MAP_SHARED, log_fd(), 0);

	ck_assert_ptr_ne(log, MAP_FAILED);
	for (unsigned int i = 0; i < QUEUE; i++)
		n += log[first + i * each] == 1;
	munmap((void *)(uintptr_t)log, len);
	return n;
}

/* ---- life ---- */

/* The kernel is done with it afterwards, and nothing is written any more. */
static void kill_now(struct world *w)
{
	pid_t pid = rig_pid(&w->r);
	siginfo_t info;

	ck_assert_int_gt(pid, 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	w->most = cv_max(w->most, n_in_flight(w));
	if (w->n_kills++ > 0)
		w->later = cv_max(w->later, n_in_flight(w));
}

static void on_died(struct rig *r, const char *why, bool restarted)
{
	struct world *w = cv_container_of(r, struct world, r);

	/* whom nobody waited for may be given up before the kernel says that */
	ck_assert_msg(w->light || strstr(why, "killed by signal 9"), "%s", why);
	*(restarted ? &w->n_restarted : &w->n_lost) += 1;
	if (w->n_more > 0) {
		w->n_more--;
		usleep(500);
		kill_now(w);
	}
}

static void init(struct world *w, const char *more, bool packed, bool indirect)
{
	static const struct rig_options ro = {
		.child = true, .restart = true, .died = on_died, .mem = 64 << 20
	};
	uint8_t data[PIECE];
	char text[64];

	*w = (struct world){ .indirect = indirect };
	w->disk = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(w->disk, CONTENT + MORE * N_MORE), 0);
	for (unsigned int i = 0; i < QUEUE; i++) {
		pattern(data, seed_of(i, 0));
		ck_assert_int_eq(cv_pwrite_full(w->disk, data, PIECE, i * PIECE), 0);
	}
	snprintf(text, sizeof(text), "fd=%d%s", w->disk, more);
	rig_init(&w->r, cv_class_find("block"), text, &ro);
	ck_assert_int_eq(vdev_start(&w->r.dev, &(struct vdev_options){ .packed = packed,
								       .queue_size = QUEUE }),
			 0);
	w->trash = guest_alloc(&w->r.guest, MORE, 4096);
}

static void fini(struct world *w)
{
	rig_fini(&w->r);
	close(w->disk);
}

/* ---- requests ---- */

/* The read of one piece, and of much behind it; or the write of one. False: the ring is full. */
static bool add(struct world *w, unsigned int i, unsigned int round)
{
	struct request *q = &w->requests[i];
	struct drv_vq *vq = &w->r.dev.queues[0];
	struct guest *g = &w->r.guest;
	struct header h = { .sector = le64(i * (PIECE / 512)) };
	struct drv_buf bufs[3 + N_MORE];
	uint8_t data[PIECE] = { 0 };
	bool slow = i < N_SLOW && !w->light;
	unsigned int n = 0;

	q->type = w->writes && i % 4 == 3 ? OUT : IN;
	q->n_more = q->type == OUT ? 0 : slow ? N_MORE : 1;
	q->more = slow ? MORE : MORE / 16;
	h.type = le32(q->type);
	if (q->type == OUT)
		pattern(data, seed_of(i, round));
	q->data = guest_dup(g, data, PIECE);
	q->status = guest_dup(g, &(uint8_t){ 0xee }, 1);
	bufs[n++] = (struct drv_buf){ guest_dup(g, &h, sizeof(h)), sizeof(h), false };
	bufs[n++] = (struct drv_buf){ q->data, PIECE, q->type == IN };
	for (unsigned int k = 0; k < q->n_more; k++)
		bufs[n++] = (struct drv_buf){ w->trash, q->more, true };
	bufs[n++] = (struct drv_buf){ q->status, 1, true };
	q->name = w->indirect ? drv_add_indirect(vq, bufs, n) : drv_add(vq, bufs, n);
	return q->name >= 0;
}

static void add_all(struct world *w, unsigned int round)
{
	for (w->n = 0; w->n < QUEUE && add(w, w->n, round); w->n++)
		;
	drv_kick(&w->r.dev.queues[0]);
}

static void check(struct world *w, struct request *q, uint32_t len, unsigned int round)
{
	unsigned int i = (unsigned int)(q - w->requests);
	uint8_t want[PIECE], got[PIECE], status;

	guest_get(&w->r.guest, q->status, &status, 1);
	ck_assert_uint_eq(status, 0);
	ck_assert_uint_eq(len, q->type == IN ? PIECE + q->n_more * q->more + 1 : 1);
	if (q->type == IN)
		guest_get(&w->r.guest, q->data, got, PIECE);
	else
		ck_assert_int_eq(cv_pread_full(w->disk, got, PIECE, i * PIECE), 0);
	pattern(want, seed_of(i, q->type == IN ? 0 : round));
	ck_assert_mem_eq(got, want, PIECE);
}

static void take_all(struct world *w, unsigned int round)
{
	uint32_t len = 0;

	for (unsigned int k = 0; k < w->n; k++) {
		int name = vdev_wait(&w->r.dev, 0, &len);
		unsigned int i = 0;

		ck_assert_int_ge(name, 0);
		while (i < w->n && w->requests[i].name != name)
			i++;
		ck_assert_uint_lt(i, w->n);
		check(w, &w->requests[i], len, round);
		w->requests[i].name = -1;
	}
	ck_assert(!drv_has_used(&w->r.dev.queues[0]));
}

/* How many requests take their time: those that only read. */
static unsigned int n_slow(const struct world *w)
{
	return w->writes ? w->n - w->n / 4 : w->n;
}

/* By its status byte, which comes before the chain is used. */
static bool is_answered(struct world *w, unsigned int i)
{
	uint8_t status;

	guest_get(&w->r.guest, w->requests[i].status, &status, 1);
	return status != 0xee;
}

/* Kills the process as soon as all of them are in flight, or too late. */
static void kill_busy(struct world *w)
{
	uint64_t end = cv_msg_deadline(5000);

	while (n_in_flight(w) < n_slow(w) && !is_answered(w, 0) && cv_msg_deadline(0) < end)
		usleep(20);
	kill_now(w);
}

/* ---- tests ---- */

/* Each of the variants with split and packed rings, direct and indirect chains; half of them writes. */
static void init_variant(struct world *w, const char *more, unsigned int i)
{
	init(w, more, i & 1, i & 2);
	w->writes = (i & 1) == i >> 1;
}

/* One kill after the other, on the same rings; how many chains were in flight at one of them. */
static unsigned int goes_on(const char *more, unsigned int variant, bool *all)
{
	struct world w;

	init_variant(&w, more, variant);
	for (unsigned int round = 1; round <= 2; round++) {
		add_all(&w, round);
		ck_assert_uint_eq(w.n == QUEUE, w.indirect);
		kill_busy(&w);
		take_all(&w, round);
		ck_assert_uint_eq(w.n_restarted, round);
	}
	ck_assert_uint_eq(w.n_lost, 0);
	*all = w.most >= n_slow(&w);
	fini(&w);
	return w.most;
}

/* Those that take it up are killed while they are at it, as often as may be; how many chains one of
 * them had in flight. */
static unsigned int is_taken_up(unsigned int variant)
{
	struct world w;

	init_variant(&w, "", variant);
	add_all(&w, 1);
	w.n_more = 4;
	kill_busy(&w);
	take_all(&w, 1);
	ck_assert_uint_eq(w.n_restarted, 5);
	ck_assert_uint_eq(w.n_lost, 0);
	fini(&w);
	return w.later;
}

/* On a busy host the first kill may come late: some tries, for some time. */
static bool try_again(uint64_t begin, unsigned int n)
{
	return n < 20 && cv_msg_deadline(0) - begin < 15000000000ull;
}

static unsigned int enough(int variant)
{
	return variant & 2 ? 64 : 16;
}

static void goes_on_from_all(const char *more, int variant)
{
	uint64_t begin = cv_msg_deadline(0);
	unsigned int n = 0, best = 0;
	bool all = false;

	while (!all && try_again(begin, n++))
		best = cv_max(best, goes_on(more, (unsigned int)variant, &all));
	ck_assert_uint_gt(best, enough(variant));
}

START_TEST(a_whole_queue)
{
	goes_on_from_all("", _i);
}

START_TEST(a_whole_queue_of_the_pool)
{
	goes_on_from_all(",engine=pool", _i);
}

START_TEST(again_and_again)
{
	uint64_t begin = cv_msg_deadline(0);
	unsigned int n = 0, best = 0;

	while (best <= enough(_i) && try_again(begin, n++))
		best = cv_max(best, is_taken_up((unsigned int)_i));
	ck_assert_uint_gt(best, enough(_i));
}

/* ---- while it starts ---- */

struct killer {
	pthread_t thread;
	char children[64]; /* of the thread that makes them */
	pid_t old;
	unsigned int us;
};

/* The first child but the old one; 0: none yet. */
static pid_t find_child(const struct killer *k)
{
	FILE *f = fopen(k->children, "r");
	int pid = 0;

	must(f);
	while (fscanf(f, "%d", &pid) == 1 && pid == k->old)
		pid = 0;
	fclose(f);
	return pid;
}

static void *kill_next(void *arg)
{
	struct killer *k = arg;
	pid_t pid;

	do
		pid = find_child(k);
	while (pid <= 0);
	usleep(k->us);
	kill(pid, SIGKILL);
	return NULL;
}

/* Its successor dies at any time between its birth and its first request; that is one try of five. */
static void dies_at_birth(unsigned int variant, unsigned int us)
{
	struct killer k = { .us = us };
	struct world w;

	init_variant(&w, "", variant);
	w.light = true;
	snprintf(k.children, sizeof(k.children), "/proc/self/task/%d/children", (int)gettid());
	add_all(&w, 1);
	k.old = rig_pid(&w.r);
	must(pthread_create(&k.thread, NULL, kill_next, &k) == 0);
	usleep(200);
	kill_now(&w);
	cv_loop_dispatch(w.r.loop);
	must(pthread_join(k.thread, NULL) == 0);
	take_all(&w, 1);
	ck_assert_uint_eq(w.n_lost, 0);
	ck_assert_uint_ge(w.n_restarted, 1);
	fini(&w);
}

START_TEST(while_it_starts)
{
	static const unsigned int us[] = { 0, 500, 1500, 2500, 4000, 6000 };

	if (access("/proc/thread-self/children", F_OK) < 0) /* CONFIG_PROC_CHILDREN */
		return;
	for (size_t i = 0; i < CV_LEN(us); i++)
		dies_at_birth((unsigned int)_i, us[i]);
}

CHECK_MAIN_AFTER(child_host(), 4, "recovery", a_whole_queue, a_whole_queue_of_the_pool,
		 again_and_again, while_it_starts)
