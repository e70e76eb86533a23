/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The traditional memory balloon: virtio 1.2 section 5.5. Pages that the driver
 * puts into the balloon, or reports as free, go back to the host; when the guest
 * touches them again they are new and zero, so deflating needs no work here.
 *
 * The host's target outlives a reset of the device: it is the host's wish, not
 * the driver's state. Free page hinting (for migration) is not offered.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "base/math.h"
#include "core/dev.h"
#include "core/mem.h"
#include "sys/loop.h"
#include "virtio/virtio.h"
#include "virtio/vq.h"

#define PAGE_SHIFT 12u
#define QUEUE_SIZE 128

/*
 * Where the reporting queue is depends on whom one asks: section 5.5.2 numbers it
 * 4, drivers that count only the queues they use (Linux) take the next number
 * after the statistics or the deflate queue. Both find it: whatever queue beyond
 * those the driver enables is one.
 */
enum { Q_INFLATE, Q_DEFLATE, Q_STATS, N_QUEUES = 5 };

/* Features, section 5.5.3. */
#define F_STATS_VQ	 (1ull << 1)
#define F_DEFLATE_ON_OOM (1ull << 2)
#define F_PAGE_POISON	 (1ull << 4)
#define F_REPORTING	 (1ull << 5)

/* Work in one turn of the loop, in pages discarded one by one; a piece of a longer range is
 * cheaper than its pages. */
#define TURN	   1024u
#define PIECE	   (2 * CV_MIB)
#define PIECE_COST 32u

#define PFNS_AT_ONCE 256u
#define STATS_MAX    64u /* entries of the driver's buffer that are looked at */

static const char *const stat_names[] = {
	"swap_in",	  "swap_out",	   "major_faults",   "minor_faults",
	"free",		  "total",	   "available",	     "disk_caches",
	"hugetlb_allocs", "hugetlb_fails", "oom_kills",	     "alloc_stalls",
	"async_scans",	  "direct_scans",  "async_reclaims", "direct_reclaims",
};

#define N_STATS CV_LEN(stat_names)

struct balloon_space { /* section 5.5.4 */
	struct le32 num_pages, actual, free_page_hint_cmd_id, poison_val;
};
_Static_assert(sizeof(struct balloon_space) == 16, "section 5.5.4");

/* Section 5.5.6.3; packed because the driver lays them out in a row. */
struct stat_entry {
	struct le16 tag;
	struct le64 val;
} __attribute__((packed));
_Static_assert(sizeof(struct stat_entry) == 10, "section 5.5.6.3");

struct balloon_config {
	uint64_t target;
	bool deflate_on_oom, reporting;
};

/* A chain being worked on, and how far that is. */
struct job {
	struct cv_chain *chain; /* NULL: none */
	uint16_t seg;		/* reporting: the segment … */
	uint64_t off;		/* … and bytes into it; inflating: bytes into the list */
};

struct balloon {
	const struct cv_env *env;
	const struct balloon_config *config;
	struct cv_vq *vqs; /* NULL: stopped */
	uint64_t features;
	struct job jobs[N_QUEUES]; /* the statistics buffer stays here until it is asked for */
	struct cv_task task;	   /* goes on with what did not fit into a turn */
	uint32_t num_pages, actual, poison_val;
	uint32_t stats_known; /* bit mask of tags */
	uint64_t stats[N_STATS], stats_updates;
};

/* ---- giving pages back ---- */

struct range {
	uint64_t gpa, len;
};

/* Memory that cannot be given back stays the guest's; only the host's footprint suffers. */
static void discard(const struct balloon *b, uint64_t gpa, uint64_t len)
{
	int err = len > 0 ? cv_mem_discard(b->env->mem, gpa, len) : 0;

	if (err)
		cv_log_guest(b->env->log,
			     "balloon: 0x%" PRIx64 " bytes at 0x%" PRIx64 " are not given back: %s",
			     len, gpa, strerror(-err));
}

/* Adds a page to a range that grows at either end, or starts a new one. */
static void inflate_page(const struct balloon *b, struct range *r, uint32_t pfn)
{
	uint64_t gpa = (uint64_t)pfn << PAGE_SHIFT;

	if (!cv_mem_valid(b->env->mem, gpa, CV_PAGE_SIZE)) {
		cv_log_guest(b->env->log, "balloon: page 0x%" PRIx32 " is not memory", pfn);
		return;
	}
	if (r->len > 0 && gpa == r->gpa + r->len) {
		r->len += CV_PAGE_SIZE;
	} else if (r->len > 0 && gpa + CV_PAGE_SIZE == r->gpa) {
		r->gpa = gpa;
		r->len += CV_PAGE_SIZE;
	} else {
		discard(b, r->gpa, r->len);
		*r = (struct range){ gpa, CV_PAGE_SIZE };
	}
}

/*
 * A step takes at least one off *left and says whether the chain is done.
 * Bytes after the last whole page number are ignored.
 */
static bool inflate_step(const struct balloon *b, const struct cv_vq *vq, struct job *j,
			 uint32_t *left)
{
	struct le32 pfns[PFNS_AT_ONCE];
	size_t max = cv_min(*left, PFNS_AT_ONCE);
	size_t n = cv_chain_read(vq, j->chain, j->off, pfns, max * sizeof(*pfns)) / sizeof(*pfns);
	struct range r = { 0 };

	for (size_t i = 0; i < n; i++)
		inflate_page(b, &r, le32_get(pfns[i]));
	discard(b, r.gpa, r.len);
	j->off += n * sizeof(*pfns);
	*left -= n > 0 ? (uint32_t)n : 1;
	return n < max;
}

/* With PAGE_POISON the driver finds its pattern in the pages it takes back, section 5.5.6.7:
 * zeroes are all that discarding gives. */
static bool may_discard_reports(const struct balloon *b)
{
	return !(b->features & F_PAGE_POISON) || b->poison_val == 0;
}

static bool report_step(const struct balloon *b, const struct cv_vq *vq, struct job *j,
			uint32_t *left)
{
	const struct cv_chain *c = j->chain;
	const struct cv_seg *s = &c->segs[c->n_read + j->seg];
	uint64_t start, end, len;

	(void)vq;
	*left -= cv_min(*left, PIECE_COST);
	if (j->seg >= c->n_write || !may_discard_reports(b))
		return true;
	/* segments are in memory, so nothing wraps; only whole pages are given back */
	start = cv_align_up(s->gpa, CV_PAGE_SIZE) + j->off;
	end = cv_align_down(s->gpa + s->len, CV_PAGE_SIZE);
	len = start < end ? cv_min(end - start, PIECE) : 0;
	discard(b, start, len);
	j->off += len;
	if (start + len >= end) {
		j->off = 0;
		j->seg++;
	}
	return j->seg == c->n_write;
}

/* What is deflated comes back when it is touched. */
static bool deflate_step(const struct balloon *b, const struct cv_vq *vq, struct job *j,
			 uint32_t *left)
{
	(void)b;
	(void)vq;
	(void)j;
	*left -= 1;
	return true;
}

/* ---- statistics ---- */

static bool is_stats(const struct balloon *b, unsigned int index)
{
	return index == Q_STATS && (b->features & F_STATS_VQ);
}

static void take_stat(struct balloon *b, const struct stat_entry *s)
{
	uint16_t tag = le16_get(s->tag);

	if (tag >= N_STATS)
		return;
	b->stats[tag] = le64_get(s->val);
	b->stats_known |= 1u << tag;
}

/* The driver refills the one buffer of this queue when it gets it back, so it is kept. */
static void take_stats(struct balloon *b)
{
	struct cv_vq *vq = &b->vqs[Q_STATS];
	struct job *j = &b->jobs[Q_STATS];
	struct stat_entry entries[STATS_MAX];
	size_t n;

	if (j->chain)
		return;
	j->chain = cv_vq_pop(vq);
	if (!j->chain)
		return;
	n = cv_chain_read(vq, j->chain, 0, entries, sizeof(entries)) / sizeof(*entries);
	b->stats_known = 0;
	for (size_t i = 0; i < n; i++)
		take_stat(b, &entries[i]);
	b->stats_updates++;
}

static void ask_for_stats(struct balloon *b)
{
	struct cv_vq *vq = &b->vqs[Q_STATS];
	struct job *j = &b->jobs[Q_STATS];

	if (!j->chain)
		return;
	cv_vq_push(vq, j->chain, 0);
	j->chain = NULL;
	cv_vq_notify(vq);
	take_stats(b);
}

/* ---- queues ---- */

typedef bool step_fn(const struct balloon *b, const struct cv_vq *vq, struct job *j,
		     uint32_t *left);

static step_fn *step_of(const struct balloon *b, unsigned int index)
{
	if (index == Q_INFLATE)
		return inflate_step;
	if (index == Q_DEFLATE || !(b->features & F_REPORTING))
		return deflate_step;
	return report_step;
}

/* Works on a queue's chains until there are none or the turn is over. */
static void work(struct balloon *b, unsigned int index, uint32_t *left)
{
	struct cv_vq *vq = &b->vqs[index];
	step_fn *step = step_of(b, index);
	struct job *j = &b->jobs[index];

	while (*left > 0) {
		if (!j->chain)
			*j = (struct job){ .chain = cv_vq_pop(vq) };
		if (!j->chain)
			break;
		if (!step(b, vq, j, left))
			continue;
		cv_vq_push(vq, j->chain, 0);
		j->chain = NULL;
	}
	cv_vq_notify(vq);
}

static void turn(struct balloon *b, unsigned int first, unsigned int last)
{
	uint32_t left = TURN;

	for (unsigned int i = first; i <= last; i++)
		if (!is_stats(b, i))
			work(b, i, &left);
	if (left == 0)
		cv_loop_post(b->env->loop, &b->task);
}

static void on_task(struct cv_task *t)
{
	turn(cv_container_of(t, struct balloon, task), 0, N_QUEUES - 1);
}

static void balloon_kick(void *self, struct cv_vq *vq, unsigned int index)
{
	struct balloon *b = self;

	(void)vq;
	if (is_stats(b, index))
		take_stats(b);
	else
		turn(b, index, index);
}

static int balloon_start(void *self, uint64_t features, struct cv_vq *vqs)
{
	struct balloon *b = self;

	b->features = features;
	b->vqs = vqs;
	return 0;
}

/* Gives the chain back unused: discarding its pages once more does no harm, because the driver
 * still waits for all of them. */
static void balloon_queue_stop(void *self, struct cv_vq *vq, unsigned int index)
{
	struct balloon *b = self;

	if (b->jobs[index].chain)
		cv_vq_unpop(vq, b->jobs[index].chain);
	b->jobs[index].chain = NULL;
}

static void balloon_stop(void *self)
{
	struct balloon *b = self;

	cv_task_cancel(&b->task);
	for (unsigned int i = 0; i < N_QUEUES; i++)
		balloon_queue_stop(b, &b->vqs[i], i);
	b->vqs = NULL;
}

static void balloon_shape(void *self, uint16_t *n_queues, uint64_t *features)
{
	const struct balloon *b = self;

	if (!b->config->deflate_on_oom)
		*features &= ~F_DEFLATE_ON_OOM;
	if (b->config->reporting)
		return;
	*features &= ~(F_REPORTING | F_PAGE_POISON);
	*n_queues = Q_STATS + 1;
}

/* ---- configuration space ---- */

static struct balloon_space space_of(const struct balloon *b)
{
	return (struct balloon_space){ .num_pages = le32(b->num_pages),
				       .actual = le32(b->actual),
				       .poison_val = le32(b->poison_val) };
}

static void balloon_config_read(void *self, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct balloon_space space = space_of(self);

	memcpy(buf, (const uint8_t *)&space + off, len);
}

/* The other fields are read-only for the driver. */
static void balloon_config_write(void *self, uint32_t off, const uint8_t *buf, uint32_t len)
{
	struct balloon *b = self;
	struct balloon_space space = space_of(b);

	memcpy((uint8_t *)&space + off, buf, len);
	b->actual = le32_get(space.actual);
	b->poison_val = le32_get(space.poison_val);
}

/* ---- control ---- */

struct target_args {
	uint64_t bytes;
};

/* @option: of the device or of the operation */
static int check_target(const char *option, uint64_t bytes, uint64_t memory, struct vm_error *e)
{
	if (bytes <= memory && bytes >> PAGE_SHIFT <= UINT32_MAX)
		return 0;
	return cv_err(e, -ERANGE,
		      "balloon: option %s: %" PRIu64 " bytes are more than the guest's %" PRIu64
		      ", give less",
		      option, bytes, memory);
}

/* What is not known (a guest of another VMM's, not yet started) bounds nothing. */
static uint64_t memory_of(const struct cv_env *env)
{
	return env->memory ?: cv_mem_size(env->mem) ?: UINT64_MAX;
}

static int set_target(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	uint64_t bytes = ((const struct target_args *)args)->bytes;
	struct balloon *b = self;
	int err = check_target("bytes", bytes, memory_of(b->env), e);

	(void)reply;
	(void)size;
	if (err || bytes >> PAGE_SHIFT == b->num_pages)
		return err;
	b->num_pages = (uint32_t)(bytes >> PAGE_SHIFT);
	b->env->config_changed(b->env);
	return 0;
}

static int get_status(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	const struct balloon *b = self;

	(void)args;
	(void)e;
	snprintf(reply, size, "target=%" PRIu64 ",actual=%" PRIu64,
		 (uint64_t)b->num_pages << PAGE_SHIFT, (uint64_t)b->actual << PAGE_SHIFT);
	return 0;
}

static int print_stats(const struct balloon *b, char *reply, size_t size)
{
	size_t n = (size_t)snprintf(reply, size, "updates=%" PRIu64, b->stats_updates);

	for (size_t i = 0; i < N_STATS && n < size; i++)
		if (b->stats_known >> i & 1)
			n += (size_t)snprintf(reply + n, size - n, ",%s=%" PRIu64, stat_names[i],
					      b->stats[i]);
	return n < size ? 0 : -ENOSPC;
}

static int get_stats(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	struct balloon *b = self;

	(void)args;
	if (!b->vqs || !is_stats(b, Q_STATS))
		return cv_err(e, -ENODEV,
			      "balloon: the guest gives no statistics, load its balloon driver");
	if (print_stats(b, reply, size))
		return cv_err(e, -ENOSPC, "balloon: no room for all statistics, give more");
	ask_for_stats(b);
	return 0;
}

static const struct cv_opt target_args[] = { { .name = "bytes",
					       .kind = CV_OPT_SIZE,
					       .off = offsetof(struct target_args, bytes),
					       .required = true,
					       .help = "how much memory the guest is to give "
						       "back" },
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

/* ---- life ---- */

static void balloon_reset(void *self)
{
	struct balloon *b = self;

	b->actual = 0;
	b->poison_val = 0;
	b->stats_known = 0;
	b->stats_updates = 0;
	memset(b->stats, 0, sizeof(b->stats));
}

static int balloon_check(const void *config, uint64_t memory, struct vm_error *e)
{
	return check_target("target", ((const struct balloon_config *)config)->target, memory, e);
}

static int balloon_init(void *self, const struct cv_env *env, const void *config,
			struct vm_error *e)
{
	struct balloon *b = self;
	int err;

	b->env = env;
	b->config = config;
	b->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	err = balloon_check(config, memory_of(env), e);
	if (!err)
		b->num_pages = (uint32_t)(b->config->target >> PAGE_SHIFT);
	return err;
}

static int balloon_loaded(void *self, uint16_t version)
{
	struct balloon *b = self;

	(void)version;
	b->stats_known &= (1u << N_STATS) - 1;
	return check_target("target", (uint64_t)b->num_pages << PAGE_SHIFT, memory_of(b->env),
			    NULL);
}

static const struct cv_opt balloon_opts[] = {
	{ .name = "target",
	  .kind = CV_OPT_SIZE,
	  .off = offsetof(struct balloon_config, target),
	  .help = "bytes that the guest is to give back from the start" },
	{ .name = "deflate_on_oom",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct balloon_config, deflate_on_oom),
	  .dflt = true,
	  .help = "the guest may take memory back before it kills processes" },
	{ .name = "reporting",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct balloon_config, reporting),
	  .dflt = true,
	  .help = "the guest tells of pages that it does not use, which the host then frees" },
	CV_OPT_END
};

static const struct cv_field balloon_state[] = { { CV_FIELD(struct balloon, num_pages) },
						 { CV_FIELD(struct balloon, actual) },
						 { CV_FIELD(struct balloon, poison_val) },
						 { CV_FIELD(struct balloon, stats_known) },
						 { CV_FIELD_ARRAY(struct balloon, stats) },
						 { CV_FIELD(struct balloon, stats_updates) },
						 CV_FIELD_LAST };

static const uint16_t balloon_queues[N_QUEUES] = { [0 ... N_QUEUES - 1] = QUEUE_SIZE };

static const struct cv_virtio_ops balloon_ops = {
	.id = CV_VIRTIO_ID_BALLOON,
	.config_len = sizeof(struct balloon_space),
	.n_queues = N_QUEUES,
	.queue_max = balloon_queues,
	.features = F_STATS_VQ | F_DEFLATE_ON_OOM | F_PAGE_POISON | F_REPORTING,
	.shape = balloon_shape,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.start = balloon_start,
	.kick = balloon_kick,
	.stop = balloon_stop,
	.queue_stop = balloon_queue_stop,
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
	.check = balloon_check,
	.init = balloon_init,
	.reset = balloon_reset,
	.loaded = balloon_loaded,
	.virtio = &balloon_ops,
};
