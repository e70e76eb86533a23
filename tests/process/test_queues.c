/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each virtio class with as many queues as it can have, at their largest and all
 * full of long chains, in a jailed process: its bounds of memory and descriptors
 * leave room for that.
 */
#include "process/vslot_child.h"

#include <sys/mman.h>

#include "base/endian.h"
#include "process_test.h"
#include "support/need_jail.h"
#include "support/vdev.h"

#define MEMORY (64ull << 20)
#define N_SEGS 128u

struct header {
	struct le32 type, reserved;
	struct le64 sector;
};

struct world {
	struct usage before;
	struct guest g;
	struct cv_loop *loop;
	struct cv_log log;
	struct cv_process_host host;
	const struct cv_class *cls;
	void *config;
	struct cv_vslot *slot;
	struct vdev dev;
	unsigned int n_died;
	uint64_t buf, header;
	struct vm_error e;
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

static void on_log(void *user, enum vm_log_level level, const char *text)
{
	(void)user;
	(void)level;
	(void)text;
}

static void on_death(void *ctx, const char *why, bool restarted)
{
	struct world *w = ctx;

	(void)restarted;
	w->n_died++;
	printf("%s: %s\n", w->cls->name, why);
}

static void init(struct world *w, const struct cls *c)
{
	CV_AUTO_FD int disk = -1;
	char options[64];

	*w = (struct world){ .before = usage_now(), .log = { .sink = on_log, .level = 1 } };
	disk = memfd_create("disk", MFD_CLOEXEC);
	must(ftruncate(disk, 1 << 20) == 0);
	snprintf(options, sizeof(options), "fd=%d,%s", disk, c->options);
	w->cls = cv_class_find(c->name);
	ck_assert_msg(
		cv_class_configure(w->cls, c->disk ? options : c->options, &w->config, &w->e) == 0,
		"%s", w->e.text);
	w->host = (struct cv_process_host){ .program = CROSVM_DEVICE };
	if (can_jail())
		w->host.mechanisms = cv_jail_default() & CV_JAIL_POSSIBLE;
	guest_init(&w->g, MEMORY);
	must(cv_loop_create(&w->loop, NULL) == 0);
}

static void make_slot(struct world *w)
{
	const struct cv_vslot_child_config config = { .host = &w->host,
						      .cls = w->cls,
						      .config = w->config,
						      .packed = true,
						      .mem = &w->g.mem,
						      .loop = w->loop,
						      .log = &w->log,
						      .died = on_death,
						      .ctx = w };
	struct cv_vslot_child *child;
	int err = cv_vslot_child_create(&child, &config, &w->e);

	err = err ?: cv_vslot_child_finish(child, &w->slot, &w->e);
	ck_assert_msg(err == 0, "%s", w->e.text);
}

static void fini(struct world *w)
{
	struct usage after;

	vdev_detach(&w->dev);
	cv_vslot_destroy(w->slot);
	cv_class_config_destroy(w->cls, w->config);
	cv_process_host_fini(&w->host);
	cv_loop_destroy(w->loop);
	guest_fini(&w->g);
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
	return drv_add_indirect(&w->dev.queues[q], bufs, n);
}

static unsigned int fill(struct world *w, const struct cls *c, unsigned int q)
{
	unsigned int n = 0;

	while (n < w->dev.queues[q].size && add_chain(w, c, q) >= 0)
		n++;
	drv_kick(&w->dev.queues[q]);
	return n;
}

static void fill_all(const struct cls *c, bool packed)
{
	struct world w;
	pid_t pid;

	init(&w, c);
	make_slot(&w);
	pid = cv_vslot_child_pid(w.slot);
	ck_assert_uint_eq(w.slot->n_queues, c->n_queues);
	vdev_attach(&w.dev, &vdev_slot_ops, w.slot, &w.g, w.loop, false);
	ck_assert_int_eq(
		vdev_start(&w.dev, &(struct vdev_options){ .packed = packed,
							   .queue_size = w.slot->queue_max[0] }),
		0);
	w.buf = guest_alloc(&w.g, 4096, 4096);
	w.header = guest_alloc(&w.g, sizeof(struct header), 16);
	for (unsigned int round = 0; round < 2; round++) {
		unsigned int n[CV_VIRTIO_MAX_QUEUES];

		for (unsigned int q = 0; q < c->n_queues; q++)
			n[q] = fill(&w, c, q);
		for (unsigned int q = 0; q < c->n_queues; q++) {
			ck_assert(round > 0 || n[q] == w.dev.queues[q].size);
			for (unsigned int i = 0; (c->done >> q & 1) && i < n[q]; i++)
				ck_assert_msg(vdev_wait(&w.dev, q, NULL) >= 0,
					      "%s: chain %u of %u in queue %u", c->name, i, n[q],
					      q);
		}
	}
	ck_assert_uint_eq(w.n_died, 0);
	ck_assert_int_eq(cv_vslot_child_pid(w.slot), pid);
	ck_assert_uint_eq(w.dev.n_broken, 0);
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
