/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio block device (virtio 1.2 section 5.2) over a disk: read, write,
 * flush, discard, write zeroes and get ID, on up to 16 queues. No secure erase,
 * no zones, no lifetime.
 *
 * A kick takes everything that is available, starts it as one batch and
 * interrupts once. What the page cache has is completed within the kick.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/endian.h"
#include "base/math.h"
#include "core/dev.h"
#include "disk/disk.h"
#include "virtio/virtio.h"
#include "virtio/vq.h"

#define SECTOR	   512u
#define MAX_QUEUES 16
#define QUEUE_SIZE 256
#define ID_LEN	   20
#define NAME_LEN   256 /* of the image in messages, cut off there */

/* Feature bits, section 5.2.3. */
#define F_SEG_MAX      (1ull << 2)
#define F_RO	       (1ull << 5)
#define F_BLK_SIZE     (1ull << 6)
#define F_FLUSH	       (1ull << 9)
#define F_TOPOLOGY     (1ull << 10)
#define F_CONFIG_WCE   (1ull << 11)
#define F_MQ	       (1ull << 12)
#define F_DISCARD      (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)

/* Request types and status bytes, section 5.2.6. */
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
#define RANGE_UNMAP 1u

/* Data segments of a request: with its two descriptors more it just fits the queue. */
#define SEG_MAX	   (QUEUE_SIZE - 2)
#define PAUSE_MS   2000u
#define MAX_RANGES 16
/* Zeroes may have to be written for real, and a stopping device waits for them: 32 MiB. */
#define MAX_ZEROES_SECTORS  65536u
#define MAX_DISCARD_SECTORS 4194303u
/* A request keeps few segments beside it and uses a page of its own for many. */
#define FEW_IOV	 8
#define MANY_IOV 256

struct blk_header {
	struct le32 type, reserved;
	struct le64 sector;
};
_Static_assert(sizeof(struct blk_header) == 16, "section 5.2.6");

struct blk_range {
	struct le64 sector;
	struct le32 n_sectors, flags;
};
_Static_assert(sizeof(struct blk_range) == 16, "section 5.2.6");

/* The configuration space, section 5.2.4, up to where what is not offered begins. */
struct blk_space {
	struct le64 capacity;
	struct le32 size_max, seg_max;
	struct le16 cylinders;
	uint8_t heads, sectors;
	struct le32 blk_size;
	uint8_t physical_block_exp, alignment_offset;
	struct le16 min_io_size;
	struct le32 opt_io_size;
	uint8_t writeback, unused0;
	struct le16 num_queues;
	struct le32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
	struct le32 max_write_zeroes_sectors, max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap, unused1[3];
};
_Static_assert(offsetof(struct blk_space, write_zeroes_may_unmap) == 56, "section 5.2.4");
#define SPACE_LEN	(offsetof(struct blk_space, unused1) + 3)
#define SPACE_WRITEBACK offsetof(struct blk_space, writeback)

struct blk_config {
	struct cv_opt_file path;
	bool ro, direct, discard;
	char *id;
	uint32_t queues, engine;
};

/* A request's large memory, touched only when it is needed. */
union blk_many {
	struct iovec iov[MANY_IOV];
	struct {
		uint64_t off, len;
		bool unmap;
	} ranges[MAX_RANGES];
};

struct blk;

struct blk_req {
	struct cv_disk_req disk; /* first */
	struct blk *b;
	struct cv_vq *vq;
	struct cv_chain *chain;
	union blk_many *many;
	unsigned int n_ranges, next_range;
	uint32_t written; /* bytes, if it succeeds */
	bool sync;	  /* a flush must follow */
	struct cv_list interrupted;
	struct iovec few[FEW_IOV];
};

struct blk {
	const struct cv_env *env;
	struct cv_disk *disk;
	uint32_t n_queues;
	bool discard;
	uint8_t id[ID_LEN];
	uint64_t features; /* negotiated, while running */
	bool writeback;	   /* the driver's choice with CONFIG_WCE */
	struct cv_vq *vqs; /* NULL: not running */
	/* while requests are interrupted, those that will begin again: all but one queue's */
	bool interrupting;
	const struct cv_vq *stopping;
	struct cv_list interrupted;
	/* n_queues * QUEUE_SIZE of each, by queue and chain slot; one mapping */
	struct blk_req *reqs;
	union blk_many *many;
	size_t bytes;
};

/* ---- completion ---- */

static void notify_all(struct blk *b)
{
	for (unsigned int i = 0; b->vqs && i < b->n_queues; i++)
		if (b->vqs[i].ready)
			cv_vq_notify(&b->vqs[i]);
}

static void on_batch(void *ctx)
{
	notify_all(ctx);
}

static void finish(struct cv_vq *vq, struct cv_chain *c, uint8_t status, uint32_t written)
{
	/* the status is the last writable byte, whatever the descriptors; its place was checked */
	cv_chain_write(vq, c, c->write_len - 1, &status, sizeof(status));
	cv_vq_push(vq, c, written + 1);
}

static void next_range(struct blk_req *r)
{
	unsigned int i = r->next_range++;

	r->disk.off = r->many->ranges[i].off;
	r->disk.len = r->many->ranges[i].len;
	r->disk.may_unmap = r->many->ranges[i].unmap;
	cv_disk_submit(r->b->disk, &r->disk);
}

static void log_failure(const struct blk_req *r, int err)
{
	static const char *const names[] = { [CV_DISK_READ] = "read",
					     [CV_DISK_WRITE] = "write",
					     [CV_DISK_FLUSH] = "flush",
					     [CV_DISK_DISCARD] = "discard",
					     [CV_DISK_ZERO] = "write of zeroes" };

	cv_log_guest(r->b->env->log, "block: a %s of %llu bytes at 0x%llx failed: %s",
		     names[r->disk.op], (unsigned long long)r->disk.len,
		     (unsigned long long)r->disk.off, strerror(-err));
}

static void canceled(struct blk_req *r)
{
	struct blk *b = r->b;

	if (b->interrupting && r->vq != b->stopping)
		cv_list_add_tail(&b->interrupted, &r->interrupted);
	else if (!cv_vq_leave(r->vq, r->chain))
		finish(r->vq, r->chain, S_IOERR, 0);
}

static void disk_done(struct cv_disk_req *disk, int err)
{
	struct blk_req *r = cv_container_of(disk, struct blk_req, disk);

	if (err == -ECANCELED) {
		canceled(r);
	} else if (err) {
		log_failure(r, err);
		finish(r->vq, r->chain, S_IOERR, 0);
	} else if (r->next_range < r->n_ranges) {
		next_range(r);
	} else if (r->sync) {
		r->sync = false;
		r->disk.op = CV_DISK_FLUSH;
		cv_disk_submit(r->b->disk, &r->disk);
	} else {
		finish(r->vq, r->chain, S_OK, r->written);
	}
}

/* ---- requests; each returns a status, or -1 when the disk has it now ---- */

/* Without FLUSH the driver cannot ask for stability and is owed it, section 5.2.5.2. */
static bool is_writethrough(const struct blk *b)
{
	if (b->features & F_CONFIG_WCE)
		return !b->writeback;
	return !(b->features & F_FLUSH);
}

static struct blk_req *prepare(struct blk *b, struct cv_vq *vq, struct cv_chain *c,
			       enum cv_disk_op op)
{
	size_t i = (size_t)vq->index * QUEUE_SIZE + c->slot;
	struct blk_req *r = &b->reqs[i];

	r->disk.op = op;
	r->disk.iov = r->few;
	r->disk.n_iov = 0;
	r->disk.off = 0;
	r->disk.len = 0;
	r->disk.done = disk_done;
	r->b = b;
	r->vq = vq;
	r->chain = c;
	r->many = &b->many[i];
	r->n_ranges = 0;
	r->next_range = 0;
	r->written = 0;
	r->sync = op != CV_DISK_READ && op != CV_DISK_FLUSH && is_writethrough(b);
	return r;
}

static int data_iov(const struct blk_req *r, uint64_t len, struct iovec *iov, int max)
{
	if (r->disk.op == CV_DISK_READ)
		return cv_chain_iov_write(r->vq, r->chain, 0, len, iov, max);
	return cv_chain_iov_read(r->vq, r->chain, sizeof(struct blk_header), len, iov, max);
}

static bool is_in_disk(const struct blk *b, uint64_t sector, uint64_t n_sectors)
{
	return cv_in_range(sector, n_sectors, b->disk->size / SECTOR);
}

static int transfer(struct blk_req *r, uint64_t sector, uint64_t len)
{
	struct blk *b = r->b;
	int n;

	if (len % SECTOR != 0 || !is_in_disk(b, sector, len / SECTOR) ||
	    !cv_is_aligned(sector * SECTOR | len, b->disk->block_size))
		return S_IOERR;
	n = data_iov(r, len, r->few, FEW_IOV);
	if (n == -ENOBUFS) {
		r->disk.iov = r->many->iov;
		n = data_iov(r, len, r->many->iov, MANY_IOV);
	}
	if (n < 0)
		return S_IOERR;
	r->disk.n_iov = (unsigned int)n;
	r->disk.off = sector * SECTOR;
	r->disk.len = len;
	cv_disk_submit(b->disk, &r->disk);
	return -1;
}

static int do_read(struct blk *b, struct cv_vq *vq, struct cv_chain *c, uint64_t sector)
{
	struct blk_req *r = prepare(b, vq, c, CV_DISK_READ);

	/* chains are at most 4 GiB long, and a used length has 32 bits */
	r->written = (uint32_t)(c->write_len - 1);
	return transfer(r, sector, c->write_len - 1);
}

static int do_write(struct blk *b, struct cv_vq *vq, struct cv_chain *c, uint64_t sector)
{
	if (b->disk->read_only)
		return S_IOERR;
	return transfer(prepare(b, vq, c, CV_DISK_WRITE), sector,
			c->read_len - sizeof(struct blk_header));
}

static int do_flush(struct blk *b, struct cv_vq *vq, struct cv_chain *c)
{
	cv_disk_submit(b->disk, &prepare(b, vq, c, CV_DISK_FLUSH)->disk);
	return -1;
}

static int get_id(const struct blk *b, struct cv_vq *vq, struct cv_chain *c, uint32_t *written)
{
	uint64_t room = c->write_len - 1;

	*written = (uint32_t)cv_min(room, (uint64_t)ID_LEN);
	cv_chain_write(vq, c, 0, b->id, *written);
	return S_OK;
}

/* Copies one range out of the chain and checks the copy; its status. */
static int take_range(struct blk_req *r, unsigned int i, uint32_t max_sectors)
{
	uint64_t at = sizeof(struct blk_header) + i * sizeof(struct blk_range);
	struct blk_range raw = { 0 };
	uint32_t n, flags;

	cv_chain_read(r->vq, r->chain, at, &raw, sizeof(raw));
	n = le32_get(raw.n_sectors);
	flags = le32_get(raw.flags);
	if (flags & ~(r->disk.op == CV_DISK_ZERO ? RANGE_UNMAP : 0))
		return S_UNSUPP;
	if (n > max_sectors || !is_in_disk(r->b, le64_get(raw.sector), n))
		return S_IOERR;
	r->many->ranges[i].off = le64_get(raw.sector) * SECTOR;
	r->many->ranges[i].len = (uint64_t)n * SECTOR;
	r->many->ranges[i].unmap = (flags & RANGE_UNMAP) && r->b->discard;
	if (!cv_is_aligned(r->many->ranges[i].off | r->many->ranges[i].len, r->b->disk->block_size))
		return S_IOERR;
	return S_OK;
}

/* Discard and write zeroes: nothing is done unless all ranges are good. */
static int do_ranges(struct blk_req *r, uint32_t max_sectors)
{
	uint64_t len = r->chain->read_len - sizeof(struct blk_header);
	int status = S_OK;

	if (len == 0 || len % sizeof(struct blk_range) != 0 ||
	    len / sizeof(struct blk_range) > MAX_RANGES)
		return S_IOERR;
	r->n_ranges = (unsigned int)(len / sizeof(struct blk_range));
	for (unsigned int i = 0; i < r->n_ranges && status == S_OK; i++)
		status = take_range(r, i, max_sectors);
	if (status != S_OK)
		return status;
	next_range(r);
	return -1;
}

static int start_request(struct blk *b, struct cv_vq *vq, struct cv_chain *c,
			 const struct blk_header *h, uint32_t *written)
{
	uint64_t sector = le64_get(h->sector);

	switch (le32_get(h->type)) {
	case T_IN:
		return do_read(b, vq, c, sector);
	case T_OUT:
		return do_write(b, vq, c, sector);
	case T_FLUSH:
		return do_flush(b, vq, c);
	case T_GET_ID:
		return get_id(b, vq, c, written);
	case T_DISCARD:
		if (!(b->features & F_DISCARD))
			return S_UNSUPP;
		return do_ranges(prepare(b, vq, c, CV_DISK_DISCARD), MAX_DISCARD_SECTORS);
	case T_WRITE_ZEROES:
		if (!(b->features & F_WRITE_ZEROES))
			return S_UNSUPP;
		return do_ranges(prepare(b, vq, c, CV_DISK_ZERO), MAX_ZEROES_SECTORS);
	default:
		return S_UNSUPP;
	}
}

static void take(struct blk *b, struct cv_vq *vq, struct cv_chain *c)
{
	struct blk_header h;
	uint32_t written = 0;
	int status;

	if (c->write_len == 0 || cv_chain_read(vq, c, 0, &h, sizeof(h)) != sizeof(h)) {
		cv_vq_break(vq, "a request has no room for its header or its status");
		cv_vq_push(vq, c, 0);
		return;
	}
	status = start_request(b, vq, c, &h, &written);
	if (status >= 0)
		finish(vq, c, (uint8_t)status, written);
}

/* ---- the virtio operations ---- */

static void blk_kick(void *self, struct cv_vq *vq, unsigned int index)
{
	struct blk *b = self;

	(void)index;
	do {
		struct cv_chain *c;

		cv_ignore(cv_vq_enable_kicks(vq, false)); /* only enabling can find work */
		for (c = cv_vq_pop(vq); c; c = cv_vq_pop(vq))
			take(b, vq, c);
		cv_disk_start(b->disk);
	} while (cv_vq_enable_kicks(vq, true));
	notify_all(b);
}

static int blk_start(void *self, uint64_t features, struct cv_vq *vqs)
{
	struct blk *b = self;

	b->features = features;
	b->vqs = vqs;
	/* section 5.2.5.2: it cannot flush, so it does not begin with a cache that needs it */
	if ((features & F_CONFIG_WCE) && !(features & F_FLUSH))
		b->writeback = false;
	return 0;
}

/* A guest can queue work for hours; who waits for a queue that pauses does so for a moment only. */
static void cancel(struct blk *b, const struct cv_vq *stopping)
{
	cv_disk_cancel(b->disk, stopping && cv_vq_wants_finish(stopping) ? PAUSE_MS : 0);
}

/* Requests of @stopping fail or are left, those of the other queues are put aside and begin again with
 * resume(). */
static void interrupt(struct blk *b, const struct cv_vq *stopping)
{
	b->interrupting = true;
	b->stopping = stopping;
	cancel(b, stopping);
	b->interrupting = false;
}

static void resume(struct blk *b)
{
	struct cv_list *node;

	for (node = cv_list_pop(&b->interrupted); node; node = cv_list_pop(&b->interrupted)) {
		struct blk_req *r = cv_list_entry(node, struct blk_req, interrupted);

		take(b, r->vq, r->chain);
	}
	cv_disk_start(b->disk);
	notify_all(b);
}

static void blk_queue_stop(void *self, struct cv_vq *vq, unsigned int index)
{
	struct blk *b = self;

	(void)index;
	interrupt(b, vq);
	resume(b);
}

static void blk_stop(void *self)
{
	struct blk *b = self;

	cancel(b, &b->vqs[0]); /* all pause, or none */
	notify_all(b);
	b->vqs = NULL;
	b->features = 0;
}

static void blk_shape(void *self, uint16_t *n_queues, uint64_t *features)
{
	const struct blk *b = self;

	*n_queues = (uint16_t)b->n_queues;
	if (b->n_queues == 1)
		*features &= ~F_MQ;
	if (b->disk->read_only)
		*features &= ~(F_DISCARD | F_WRITE_ZEROES | F_CONFIG_WCE);
	else
		*features &= ~F_RO;
	if (!b->discard)
		*features &= ~F_DISCARD;
}

static void fill_space(const struct blk *b, struct blk_space *s)
{
	const struct cv_disk *d = b->disk;

	*s = (struct blk_space){
		.capacity = le64(d->size / SECTOR),
		.seg_max = le32(SEG_MAX),
		.blk_size = le32(d->block_size),
		.physical_block_exp = (uint8_t)__builtin_ctz(d->physical_size / d->block_size),
		.writeback = b->writeback,
		.num_queues = le16((uint16_t)b->n_queues),
	};
	if (d->read_only)
		return;
	s->max_write_zeroes_sectors = le32(MAX_ZEROES_SECTORS);
	s->max_write_zeroes_seg = le32(MAX_RANGES);
	s->write_zeroes_may_unmap = b->discard;
	if (!b->discard)
		return;
	s->max_discard_sectors = le32(MAX_DISCARD_SECTORS);
	s->max_discard_seg = le32(MAX_RANGES);
	s->discard_sector_alignment = le32(d->discard_alignment / SECTOR);
}

static void blk_config_read(void *self, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct blk_space s;

	fill_space(self, &s);
	memcpy(buf, (uint8_t *)&s + off, len);
}

/* The write cache's mode is all that a driver may write; it counts once CONFIG_WCE is negotiated. */
static void blk_config_write(void *self, uint32_t off, const uint8_t *buf, uint32_t len)
{
	struct blk *b = self;

	if (off <= SPACE_WRITEBACK && SPACE_WRITEBACK - off < len && !b->disk->read_only)
		b->writeback = buf[SPACE_WRITEBACK - off] & 1;
}

/* ---- the class ---- */

static void blk_reset(void *self)
{
	struct blk *b = self;

	b->writeback = true;
}

static struct cv_disk_config disk_config(const struct blk_config *c, char *name, size_t size)
{
	snprintf(name, size, "block: option path: %s", c->path.path ?: "the image");
	return (struct cv_disk_config){
		.name = name, .fd = c->path.fd_plus1 - 1, .read_only = c->ro, .direct = c->direct
	};
}

static int check_id(const struct blk_config *c, struct vm_error *e)
{
	if (!c->id || strlen(c->id) <= ID_LEN)
		return 0;
	return cv_err(e, -EINVAL, "block: option id: '%s' is longer than %d bytes, shorten it",
		      c->id, ID_LEN);
}

static int blk_check(const void *config, uint64_t memory, struct vm_error *e)
{
	char name[NAME_LEN];
	const struct cv_disk_config disk = disk_config(config, name, sizeof(name));

	(void)memory;
	return check_id(config, e) ?: cv_disk_raw_check(&disk, e);
}

/*
 * A process that is killed leaves the ring's direct transfers to the kernel, which does not wait for
 * them: after another process has repeated and completed one, the late one would still read or write the
 * guest's buffer, which is used for something else by then. A thread of the pool ends after its transfer.
 */
static int choose_engine(const struct blk *b, const struct blk_config *c, enum cv_io_engine *engine,
			 struct vm_error *e)
{
	*engine = (enum cv_io_engine)c->engine;
	if (!c->direct || !b->env->repeated)
		return 0;
	if (*engine == CV_IO_URING)
		return cv_err(
			e, -EINVAL,
			"block: direct=on with engine=uring: transfers of a process that dies may "
			"end after another one has repeated them; use engine=pool, or in a VM "
			"restart=off");
	*engine = CV_IO_POOL;
	return 0;
}

static int open_disk(struct blk *b, const struct blk_config *c, struct vm_error *e)
{
	char name[NAME_LEN];
	struct cv_disk_config disk = disk_config(c, name, sizeof(name));
	int err = choose_engine(b, c, &disk.engine, e);

	if (err)
		return err;
	disk.loop = b->env->loop;
	disk.lock = b->env->lock;
	disk.depth = cv_min(c->queues * QUEUE_SIZE, 4096u);
	disk.on_batch = on_batch;
	disk.ctx = b;
	return cv_disk_raw_open(&b->disk, &disk, e);
}

static int allocate(struct blk *b, struct vm_error *e)
{
	size_t n = (size_t)b->n_queues * QUEUE_SIZE;
	uint8_t *p;

	b->bytes = n * (sizeof(*b->many) + sizeof(*b->reqs));
	/* pages that are never touched cost nothing */
	p = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return cv_err(e, -ENOMEM, "block: out of memory for %u queues", b->n_queues);
	b->many = (void *)p;
	b->reqs = (void *)(p + n * sizeof(*b->many));
	return 0;
}

static int blk_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	const struct blk_config *c = config;
	struct blk *b = self;
	int err = check_id(c, e);

	b->env = env;
	b->n_queues = c->queues;
	b->discard = c->discard;
	b->writeback = true;
	cv_list_init(&b->interrupted);
	if (err)
		return err;
	if (c->id)
		memcpy(b->id, c->id, strlen(c->id));
	return open_disk(b, c, e) ?: allocate(b, e);
}

static void blk_fini(void *self)
{
	struct blk *b = self;

	cv_disk_destroy(b->disk);
	if (b->many)
		munmap(b->many, b->bytes);
}

struct resize_args {
	uint64_t size;
};

static int run_resize(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	const struct resize_args *a = args;
	struct blk *b = self;
	int err;

	interrupt(b, NULL);
	err = cv_disk_resize(b->disk, a->size, e);
	resume(b);
	if (err)
		return cv_err_prefix(e, err, "block: resize");
	b->env->config_changed(b->env);
	snprintf(reply, size, "size=%llu", (unsigned long long)b->disk->size);
	return 0;
}

static const struct cv_opt resize_opts[] = {
	{ .name = "size",
	  .kind = CV_OPT_SIZE,
	  .off = offsetof(struct resize_args, size),
	  .help = "the new size; without it the file's present one" },
	CV_OPT_END,
};

static const struct cv_control blk_controls[] = {
	{ .name = "resize",
	  .help = "change the size of the disk",
	  .args = resize_opts,
	  .args_size = sizeof(struct resize_args),
	  .run = run_resize },
	CV_CONTROL_END,
};

static const char *const engines[] = { "auto", "uring", "pool", NULL };
_Static_assert(CV_IO_AUTO == 0 && CV_IO_URING == 1 && CV_IO_POOL == 2, "the order of engines[]");

#define OPT_OFF(m) (uint32_t) offsetof(struct blk_config, m)

static const struct cv_opt blk_opts[] = {
	{ .name = "path",
	  .kind = CV_OPT_FILE,
	  .off = OPT_OFF(path),
	  .required = true,
	  .access = CV_OPT_IMAGE,
	  .help = "raw disk image or block device" },
	{ .name = "ro",
	  .kind = CV_OPT_BOOL,
	  .off = OPT_OFF(ro),
	  .help = "the guest may only read; several VMs may share the image" },
	{ .name = "direct",
	  .kind = CV_OPT_BOOL,
	  .off = OPT_OFF(direct),
	  .help = "bypass the host's page cache (O_DIRECT)" },
	{ .name = "discard",
	  .kind = CV_OPT_BOOL,
	  .off = OPT_OFF(discard),
	  .dflt = 1,
	  .help = "give the space of discarded blocks back to the host" },
	{ .name = "id",
	  .kind = CV_OPT_STR,
	  .off = OPT_OFF(id),
	  .help = "serial number, at most 20 bytes" },
	{ .name = "queues",
	  .kind = CV_OPT_U32,
	  .off = OPT_OFF(queues),
	  .dflt = 1,
	  .min = 1,
	  .max = MAX_QUEUES,
	  .help = "number of request queues" },
	{ .name = "engine",
	  .kind = CV_OPT_ENUM,
	  .off = OPT_OFF(engine),
	  .words = engines,
	  .help = "how the host does the I/O; auto is uring where the host has it, but pool with "
		  "direct=on where another process may take over" },
	CV_OPT_END,
};

static const struct cv_field blk_state[] = {
	{ CV_FIELD(struct blk, writeback) },
	CV_FIELD_LAST,
};

static const uint16_t queue_max[MAX_QUEUES] = {
	QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE,
	QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE,
	QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE,
};

static const struct cv_virtio_ops blk_virtio = {
	.id = CV_VIRTIO_ID_BLOCK,
	.config_len = SPACE_LEN,
	.n_queues = MAX_QUEUES,
	.queue_max = queue_max,
	.features = F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE | F_MQ |
		    F_DISCARD | F_WRITE_ZEROES,
	.shape = blk_shape,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.start = blk_start,
	.kick = blk_kick,
	.stop = blk_stop,
	.queue_stop = blk_queue_stop,
};

const struct cv_class cv_class_block = {
	.name = "block",
	.help = "virtio disk on a raw image or a block device",
	.policy = "block",
	.size = sizeof(struct blk),
	.config_size = sizeof(struct blk_config),
	.opts = blk_opts,
	.state = blk_state,
	.state_version = 1,
	.controls = blk_controls,
	.check = blk_check,
	.init = blk_init,
	.fini = blk_fini,
	.reset = blk_reset,
	.virtio = &blk_virtio,
};
