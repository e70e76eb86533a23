/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a guest's I/O stands still when the process of its disk is killed and
 * restarted: the longest time without a completed request, one at a time.
 *
 *	bench_restart CROSVM-DEVICE [MECHANISMS]
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process/vslot_child.h"
#include "support/must.h"
#include "support/vdev.h"

#define ROUNDS 4
#define KILLS  4 /* in each; a device may have five in ten seconds */

static unsigned int n_restarted;

static void died(void *ctx CV_UNUSED, const char *why CV_UNUSED, bool restarted)
{
	must(restarted);
	n_restarted++;
}

static uint64_t read_one(struct vdev *d, struct cv_loop *loop)
{
	static const uint8_t header[16]; /* a read of sector 0 */
	uint8_t in[4096 + 1];
	uint64_t begin = cv_loop_now(loop);

	must(vdev_request(d, 0, header, sizeof(header), in, sizeof(in)) == sizeof(in));
	return cv_loop_now(loop) - begin;
}

/* The longest request from a kill on; *usual: the longest before it. */
static uint64_t stall(struct vdev *d, struct cv_vslot *slot, struct cv_loop *loop, uint64_t *usual)
{
	unsigned int wanted = n_restarted + 1;
	uint64_t longest = 0;

	*usual = 0;
	for (unsigned int i = 0; i < 200; i++)
		*usual = cv_max(*usual, read_one(d, loop));
	kill(cv_vslot_child_pid(slot), SIGKILL);
	for (unsigned int i = 0; i < 200 || n_restarted < wanted; i++)
		longest = cv_max(longest, read_one(d, loop));
	return longest;
}

static void run(struct cv_process_host *host, unsigned int round)
{
	const struct cv_class *cls = cv_class_find("block");
	struct cv_log log = { 0 };
	struct cv_vslot_child *child;
	struct cv_vslot *slot;
	struct cv_loop *loop;
	struct guest g;
	struct vdev d;
	char text[64];
	void *config;
	int fd = memfd_create("disk", MFD_CLOEXEC);

	guest_init(&g, 64 << 20);
	must(fd >= 0 && ftruncate(fd, 1 << 20) == 0 && cv_loop_create(&loop, NULL) == 0);
	snprintf(text, sizeof(text), "fd=%d", fd);
	must(cv_class_configure(cls, text, &config, NULL) == 0);
	must(cv_vslot_child_create(&child,
				   &(struct cv_vslot_child_config){ .host = host,
								    .cls = cls,
								    .config = config,
								    .restart = true,
								    .mem = &g.mem,
								    .loop = loop,
								    .log = &log,
								    .died = died },
				   NULL) == 0);
	must(cv_vslot_child_finish(child, &slot, NULL) == 0);
	vdev_attach(&d, &vdev_slot_ops, slot, &g, loop, false);
	must(vdev_start(&d, NULL) == 0);
	for (unsigned int i = 0; i < KILLS; i++) {
		uint64_t usual, longest = stall(&d, slot, loop, &usual);

		printf("restart %u: %.2f ms without I/O (before: at most %.2f ms)\n",
		       round * KILLS + i, (double)longest / 1e6, (double)usual / 1e6);
	}
	vdev_detach(&d);
	cv_vslot_destroy(slot);
	cv_class_config_destroy(cls, config);
	cv_loop_destroy(loop);
	guest_fini(&g);
	close(fd);
}

int main(int argc, char **argv)
{
	struct cv_process_host host = { .program = argv[1] };

	must(argc == 2 || argc == 3);
	must(cv_jail_parse(argc == 3 ? argv[2] : "default", &host.mechanisms, NULL) == 0);
	for (unsigned int i = 0; i < ROUNDS; i++)
		run(&host, i);
	return 0;
}
