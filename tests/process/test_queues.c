/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each virtio class with as many queues as it can have, at their largest and all
 * full of long chains, in a jailed process: its bounds of memory and descriptors
 * leave room for that.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/endian.h"
#include "support/check_main.h"
#include "support/must.h"
#include "support/usage.h"
#include "support/vdev.h"
#include "sys/fd.h"

#define MEMORY (64ull << 20)
#define N_SEGS 128u

struct header {
	struct le32 type, reserved;
	struct le64 sector;
};

struct world {
	struct usage before;
	struct rig r;
	uint64_t buf, header;
};

/* What its chains are for. */
static const struct cls {
	const char *name, *options;
	uint16_t n_queues;
	uint64_t readable; /* queues that the device reads from */
	uint64_t done;	   /* those that it is done with at once */
	bool disk;	   /* chains have a header and a status */
} classes[] = {
	{ "block", "queues=16", 16, 0, 0xffff, true },
	{ "block", "queues=16,engine=pool", 16, 0, 0xffff, true },
	{ "console", "ports=8", 18, 0x2aaaa, 0x2aaaa, false },
	{ "rng", "", 1, 0, 1, false },
	{ "balloon", "", 5, 7, 3, false },
};

static void init(struct world *w, const struct cls *c)
{
	static const struct rig_options o = { .child = true, .mem = MEMORY };
	CV_AUTO_FD int disk = -1;
	char options[64];

	/* what all processes have in common is opened with the first one, and stays */
	rig_init(&w->r, cv_class_find("rng"), "", &o);
	rig_fini(&w->r);
	*w = (struct world){ .before = usage_now() };
	disk = memfd_create("disk", MFD_CLOEXEC);
	must(ftruncate(disk, 1 << 20) == 0);
	snprintf(options, sizeof(options), "fd=%d,%s", disk, c->options);
	rig_init(&w->r, cv_class_find(c->name), c->disk ? options : c->options, &o);
}

static void fini(struct world *w)
{
	struct usage after;

	rig_fini(&w->r);
	after = usage_now();
	ck_assert_uint_eq(after.fds, w->before.fds);
	ck_assert_uint_eq(after.threads, w->before.threads);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}

/* A sector in small pieces, to be read; or as many bytes one way. */
static int add_chain(struct world *w, const struct cls *c, unsigned int q)
{
	struct drv_buf bufs[N_SEGS + 2];
	unsigned int n = 0;

	if (c->disk)
		bufs[n++] = (struct drv_buf){ w->header, sizeof(struct header), false };
	for (unsigned int i = 0; i < N_SEGS; i++)
		bufs[n++] = (struct drv_buf){ w->buf + 4 * i, 4, !(c->readable >> q & 1) };
	if (c->disk)
		bufs[n++] = (struct drv_buf){ w->buf + 512, 1, true };
	return drv_add_indirect(&w->r.dev.queues[q], bufs, n);
}

static unsigned int fill(struct world *w, const struct cls *c, unsigned int q)
{
	unsigned int n = 0;

	while (n < w->r.dev.queues[q].size && add_chain(w, c, q) >= 0)
		n++;
	drv_kick(&w->r.dev.queues[q]);
	return n;
}

static void fill_all(const struct cls *c, bool packed)
{
	struct world w;
	pid_t pid;

	init(&w, c);
	pid = rig_pid(&w.r);
	ck_assert_uint_eq(w.r.slot->n_queues, c->n_queues);
	ck_assert_int_eq(vdev_start(&w.r.dev,
				    &(struct vdev_options){ .packed = packed,
							    .queue_size = w.r.slot->queue_max[0] }),
			 0);
	w.buf = guest_alloc(&w.r.guest, 4096, 4096);
	w.header = guest_alloc(&w.r.guest, sizeof(struct header), 16);
	for (unsigned int round = 0; round < 2; round++) {
		unsigned int n[CV_VIRTIO_MAX_QUEUES];

		for (unsigned int q = 0; q < c->n_queues; q++)
			n[q] = fill(&w, c, q);
		for (unsigned int q = 0; q < c->n_queues; q++) {
			ck_assert(round > 0 || n[q] == w.r.dev.queues[q].size);
			for (unsigned int i = 0; (c->done >> q & 1) && i < n[q]; i++)
				ck_assert_msg(vdev_wait(&w.r.dev, q, NULL) >= 0,
					      "%s: chain %u of %u in queue %u", c->name, i, n[q],
					      q);
		}
	}
	/* none that has died would have been left unnoticed */
	ck_assert_int_eq(rig_pid(&w.r), pid);
	ck_assert_uint_eq(w.r.dev.n_broken, 0);
	fini(&w);
}

START_TEST(split)
{
	for (size_t i = 0; i < CV_LEN(classes); i++)
		fill_all(&classes[i], false);
}

START_TEST(packed)
{
	for (size_t i = 0; i < CV_LEN(classes); i++)
		fill_all(&classes[i], true);
}

/* No class is forgotten, and these are the largest numbers of queues. */
START_TEST(all_classes)
{
	for (const struct cv_class *const *k = cv_classes; *k; k++) {
		uint16_t max = 0;

		if (!(*k)->virtio)
			continue;
		for (size_t i = 0; i < CV_LEN(classes); i++)
			if (strcmp(classes[i].name, (*k)->name) == 0)
				max = cv_max(max, classes[i].n_queues);
		ck_assert_msg(max == (*k)->virtio->n_queues, "%s: %u queues instead of %u",
			      (*k)->name, max, (*k)->virtio->n_queues);
	}
}

CHECK_MAIN("queues", split, packed, all_classes)
