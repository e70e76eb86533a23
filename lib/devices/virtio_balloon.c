/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio memory balloon (virtio 1.2 section 5.5): inflate and deflate,
 * statistics, deflate on OOM, free page reporting with page poison. Pages that
 * the driver gives are returned to the host; it gets them back as zeroes by
 * touching them.
 *
 * Queues: Linux leaves no gaps for queues of features that it did not
 * negotiate, the specification's numbers do. So whatever comes behind the
 * statistics queue (if that was negotiated) is a reporting queue.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "core/dev.h"
#include "core/mem.h"
#include "sys/loop.h"
#include "virtio/virtio.h"
#include "virtio/vq.h"

/* Feature bits, section 5.5.3. */
#define F_STATS_VQ	 (1ull << 1)
#define F_DEFLATE_ON_OOM (1ull << 2)
#define F_PAGE_POISON	 (1ull << 4)
#define F_PAGE_REPORTING (1ull << 5)

enum { Q_INFLATE, Q_DEFLATE, Q_STATS_OR_REPORTING, N_QUEUES = 5 };

#define PFN_SHIFT	12
#define PFNS_AT_ONCE	256u
#define TURN_PFNS	8192u
#define TURN_COST_CHAIN 16u /* what a chain costs of a turn beside its pages */
#define MAX_STATS	64u /* entries of one buffer that are looked at */

struct balloon_space {
	struct le32 num_pages, actual, free_page_hint_cmd_id, poison_val;
};
_Static_assert(sizeof(struct balloon_space) == 16, "section 5.5.4");

/* Section 5.5.6.3; packed because the driver lays them out in a row. */
struct stat_entry {
	struct le16 tag;
	struct le64 val;
} __attribute__((packed));
_Static_assert(sizeof(struct stat_entry) == 10, "section 5.5.6.3");

static const char *const stat_names[] = {
	"swap_in", "swap_out",	"major_faults", "minor_faults",	       "free",
	"total",   "available", "disk_caches",	"hugetlb_allocations", "hugetlb_failures",
};

struct balloon_config {
	bool deflate_on_oom, page_reporting;
};

struct balloon {
	const struct cv_env *env;
	const struct balloon_config *config;
	struct cv_vq *vqs;	      /* NULL while stopped */
	struct cv_task task;	      /* goes on inflating */
	struct cv_chain *stats_chain; /* the driver's buffer, kept until statistics are wanted */
	uint64_t features;
	uint32_t num_pages, actual, poison;
	uint64_t inflated; /* bytes of the first chain in the inflate queue that are done */
	uint64_t stats[CV_LEN(stat_names)];
	bool stats_known[CV_LEN(stat_names)];
};

/* ---- inflating ---- */

/* A run of pages; the driver's pages often come in rows, upwards or downwards. */
struct run {
	uint64_t first, n;
};

static void discard_run(const struct balloon *b, struct run *run)
{
	int err = 0;

	if (run->n > 0)
		err = cv_mem_discard(b->env->mem, run->first << PFN_SHIFT, run->n << PFN_SHIFT);
	if (err)
		cv_log_guest(b->env->log, "balloon: pages at 0x%llx cannot be given back: %s",
			     (unsigned long long)run->first << PFN_SHIFT, strerror(-err));
	run->n = 0;
}

static void add_page(const struct balloon *b, struct run *run, uint32_t pfn)
{
	if (run->n > 0 && pfn == run->first + run->n) {
		run->n++;
	} else if (run->n > 0 && run->first > 0 && pfn == run->first - 1) {
		run->first--;
		run->n++;
	} else {
		discard_run(b, run);
		*run = (struct run){ .first = pfn, .n = 1 };
	}
}

/* Takes pages of a chain from where it was left; whether it is done. */
static bool inflate(struct balloon *b, const struct cv_chain *c, uint32_t *budget)
{
	const struct cv_vq *vq = &b->vqs[Q_INFLATE];
	struct le32 pfns[PFNS_AT_ONCE];
	struct run run = { 0 };
	size_t n = 0;

	while (*budget > 0) {
		n = cv_chain_read(vq, c, b->inflated, pfns, sizeof(pfns)) / sizeof(*pfns);
		for (size_t i = 0; i < n; i++)
			add_page(b, &run, le32_get(pfns[i]));
		b->inflated += n * sizeof(*pfns);
		*budget -= cv_min(*budget, (uint32_t)n);
		if (n < PFNS_AT_ONCE)
			break;
	}
	discard_run(b, &run);
	return n < PFNS_AT_ONCE;
}

static void inflate_turn(struct balloon *b)
{
	struct cv_vq *vq = &b->vqs[Q_INFLATE];
	uint32_t budget = TURN_PFNS;
	struct cv_chain *c;

	while (budget > 0 && (c = cv_vq_pop(vq))) {
		if (!inflate(b, c, &budget)) {
			cv_vq_unpop(vq, c);
			break;
		}
		cv_vq_push(vq, c, 0);
		b->inflated = 0;
		budget -= cv_min(budget, TURN_COST_CHAIN);
	}
	cv_vq_notify(vq);
	if (budget == 0)
		cv_loop_post(b->env->loop, &b->task);
}

static void on_task(struct cv_task *t)
{
	inflate_turn(cv_container_of(t, struct balloon, task));
}

/* The driver may use its pages at once: MUST_TELL_HOST is not offered. */
static void deflate(struct cv_vq *vq)
{
	struct cv_chain *c;

	while ((c = cv_vq_pop(vq)))
		cv_vq_push(vq, c, 0);
	cv_vq_notify(vq);
}

/* ---- free page reporting ---- */

static void report_segment(const struct balloon *b, const struct cv_seg *s)
{
	uint64_t first = cv_align_up(s->gpa, CV_PAGE_SIZE);
	uint64_t end = cv_align_down(s->gpa + s->len, CV_PAGE_SIZE);

	if (first < end)
		cv_ignore(
			cv_mem_discard(b->env->mem, first, end - first)); /* a hint is no promise */
}

/* Discarded pages read as zeroes: with another poison value they must stay, section 5.5.6.7. */
static void report(const struct balloon *b, struct cv_vq *vq)
{
	bool keep = (b->features & F_PAGE_POISON) && b->poison != 0;
	struct cv_chain *c;

	while ((c = cv_vq_pop(vq))) {
		for (unsigned int i = 0; i < c->n_write && !keep; i++)
			report_segment(b, &c->segs[c->n_read + i]);
		cv_vq_push(vq, c, 0);
	}
	cv_vq_notify(vq);
}

/* ---- statistics ---- */

static void note_stats(struct balloon *b, const struct cv_vq *vq, const struct cv_chain *c)
{
	struct stat_entry entry;

	for (unsigned int i = 0; i < MAX_STATS; i++) {
		if (cv_chain_read(vq, c, i * sizeof(entry), &entry, sizeof(entry)) != sizeof(entry))
			return;
		if (le16_get(entry.tag) >= CV_LEN(b->stats))
			continue;
		b->stats[le16_get(entry.tag)] = le64_get(entry.val);
		b->stats_known[le16_get(entry.tag)] = true;
	}
}

/* The driver's only buffer is kept; it comes back refilled when it is asked for more. */
static void take_stats(struct balloon *b, struct cv_vq *vq)
{
	if (b->stats_chain)
		return;
	b->stats_chain = cv_vq_pop(vq);
	if (b->stats_chain)
		note_stats(b, vq, b->stats_chain);
}

static void ask_for_stats(struct balloon *b)
{
	struct cv_vq *vq;

	if (!b->stats_chain)
		return;
	vq = &b->vqs[Q_STATS_OR_REPORTING];
	cv_vq_push(vq, b->stats_chain, 0);
	b->stats_chain = NULL;
	cv_vq_notify(vq);
	take_stats(b, vq);
}

/* ---- the device ---- */

static void balloon_kick(void *self, struct cv_vq *vq, unsigned int index)
{
	struct balloon *b = self;

	if (index == Q_INFLATE)
		inflate_turn(b);
	else if (index == Q_DEFLATE)
		deflate(vq);
	else if (index == Q_STATS_OR_REPORTING && (b->features & F_STATS_VQ))
		take_stats(b, vq);
	else if (b->features & F_PAGE_REPORTING)
		report(b, vq);
}

static struct balloon_space space_of(const struct balloon *b)
{
	return (struct balloon_space){ .num_pages = le32(b->num_pages),
				       .actual = le32(b->actual),
				       .poison_val = le32(b->poison) };
}

static void balloon_config_read(void *self, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct balloon_space space = space_of(self);

	memcpy(buf, (const uint8_t *)&space + off, len);
}

/* The driver writes actual and poison_val; the rest of what it writes is dropped. */
static void balloon_config_write(void *self, uint32_t off, const uint8_t *buf, uint32_t len)
{
	struct balloon *b = self;
	struct balloon_space space = space_of(b);

	memcpy((uint8_t *)&space + off, buf, len);
	b->actual = le32_get(space.actual);
	b->poison = le32_get(space.poison_val);
}

static void balloon_shape(void *self, uint16_t *n_queues, uint64_t *features)
{
	const struct balloon *b = self;

	if (!b->config->deflate_on_oom)
		*features &= ~F_DEFLATE_ON_OOM;
	if (b->config->page_reporting)
		return;
	*features &= ~(F_PAGE_REPORTING | F_PAGE_POISON);
	*n_queues = Q_STATS_OR_REPORTING + 1;
}

static int balloon_start(void *self, uint64_t features, struct cv_vq *vqs)
{
	struct balloon *b = self;

	b->vqs = vqs;
	b->features = features;
	if (!vqs[Q_INFLATE].ready)
		b->inflated = 0;
	return 0;
}

static void balloon_stop(void *self)
{
	struct balloon *b = self;

	cv_task_cancel(&b->task);
	if (b->stats_chain)
		cv_vq_unpop(&b->vqs[Q_STATS_OR_REPORTING], b->stats_chain);
	b->stats_chain = NULL;
	b->vqs = NULL;
}

static void balloon_reset(void *self)
{
	struct balloon *b = self;

	b->actual = 0;
	b->poison = 0;
	b->inflated = 0;
	memset(b->stats_known, 0, sizeof(b->stats_known));
}

static int balloon_init(void *self, const struct cv_env *env, const void *config,
			struct vm_error *e)
{
	struct balloon *b = self;

	(void)e;
	b->env = env;
	b->config = config;
	b->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	return 0;
}

/* ---- control ---- */

struct target_args {
	uint64_t size;
};

static int set_target(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	uint64_t bytes = ((const struct target_args *)args)->size;
	struct balloon *b = self;

	(void)reply;
	(void)size;
	if (bytes > cv_mem_size(b->env->mem))
		return cv_err(
			e, -ERANGE, "balloon: %llu bytes are more than the guest's %llu, give less",
			(unsigned long long)bytes, (unsigned long long)cv_mem_size(b->env->mem));
	b->num_pages = (uint32_t)cv_min(bytes >> PFN_SHIFT, (uint64_t)UINT32_MAX);
	b->env->config_changed(b->env);
	return 0;
}

static int get_status(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	const struct balloon *b = self;

	(void)args;
	(void)e;
	snprintf(reply, size, "target=%llu,actual=%llu",
		 (unsigned long long)b->num_pages << PFN_SHIFT,
		 (unsigned long long)b->actual << PFN_SHIFT);
	return 0;
}

static int get_stats(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	struct balloon *b = self;
	size_t len = 0;

	(void)args;
	for (size_t i = 0; i < CV_LEN(b->stats); i++) {
		int n = 0;

		if (b->stats_known[i])
			n = snprintf(reply + len, size - len, "%s%s=%llu", len > 0 ? "," : "",
				     stat_names[i], (unsigned long long)b->stats[i]);
		if ((size_t)n >= size - len)
			return cv_err(e, -ENOSPC, "balloon: no room for all statistics");
		len += (size_t)n;
	}
	ask_for_stats(b);
	return 0;
}

static const struct cv_opt target_args[] = { { .name = "size",
					       .kind = CV_OPT_SIZE,
					       .off = offsetof(struct target_args, size),
					       .required = true,
					       .help = "bytes to take from the guest" },
					     CV_OPT_END };

static const struct cv_control balloon_controls[] = {
	{ .name = "target",
	  .help = "sets how much memory the guest is to give back",
	  .args = target_args,
	  .args_size = sizeof(struct target_args),
	  .run = set_target },
	{ .name = "status",
	  .help = "shows how much is asked for and how much the guest has given, bytes",
	  .run = get_status },
	{ .name = "stats",
	  .help = "shows the statistics that the guest sent last, and asks for new ones",
	  .run = get_stats },
	CV_CONTROL_END
};

/* ---- the class ---- */

static const struct cv_opt balloon_opts[] = {
	{ .name = "deflate_on_oom",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct balloon_config, deflate_on_oom),
	  .dflt = true,
	  .help = "the guest may take memory back before it kills processes" },
	{ .name = "page_reporting",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct balloon_config, page_reporting),
	  .dflt = true,
	  .help = "the guest tells of pages that it does not use, which the host then frees" },
	CV_OPT_END
};

static const struct cv_field balloon_state[] = { { CV_FIELD(struct balloon, num_pages) },
						 { CV_FIELD(struct balloon, actual) },
						 { CV_FIELD(struct balloon, poison) },
						 { CV_FIELD(struct balloon, inflated) },
						 { CV_FIELD_ARRAY(struct balloon, stats) },
						 { CV_FIELD_ARRAY(struct balloon, stats_known) },
						 CV_FIELD_LAST };

static const uint16_t balloon_queues[N_QUEUES] = { 128, 128, 64, 64, 64 };

static const struct cv_virtio_ops balloon_ops = {
	.id = CV_VIRTIO_ID_BALLOON,
	.config_len = sizeof(struct balloon_space),
	.n_queues = N_QUEUES,
	.queue_max = balloon_queues,
	.features = F_STATS_VQ | F_DEFLATE_ON_OOM | F_PAGE_POISON | F_PAGE_REPORTING,
	.shape = balloon_shape,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.start = balloon_start,
	.kick = balloon_kick,
	.stop = balloon_stop,
};

const struct cv_class cv_class_balloon = {
	.name = "balloon",
	.help = "a memory balloon, with statistics and free page reporting",
	.policy = "balloon",
	.size = sizeof(struct balloon),
	.config_size = sizeof(struct balloon_config),
	.opts = balloon_opts,
	.state = balloon_state,
	.state_version = 1,
	.controls = balloon_controls,
	.init = balloon_init,
	.reset = balloon_reset,
	.virtio = &balloon_ops,
};
