/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the disk keep what it is given? Random runs of sectors, cut into random
 * segments, several in flight, are written with bytes that name their sector and
 * generation, read back and compared against a table of generations.
 */
#include "blk.h"
#include "blk_rt.h"

#define QD	  8u
#define MAX_RUN	  64u /* sectors of one request */
#define MAX_BYTES (MAX_RUN * 512u)

struct range {
	uint64_t sector;
	uint32_t n;
	uint32_t flags;
};

struct verify {
	struct rt_blk disk;
	struct rt_rand rand;
	uint64_t span;	/* sectors tested */
	uint32_t *gens; /* generation of each sector, 0: zeroes */
	uint8_t *bufs[QD];
	struct range at[QD];
	uint32_t gen;
};

static uint64_t first_word(uint64_t sector, uint32_t gen)
{
	struct rt_rand r = { (sector + 1) * 0x9e3779b97f4a7c15ull ^ gen * 0xbf58476d1ce4e5b9ull };

	return rt_rand(&r);
}

static void fill(uint8_t *p, uint64_t sector, uint32_t gen)
{
	uint64_t first = first_word(sector, gen);
	uint64_t *w = (uint64_t *)p;

	for (unsigned int i = 0; i < 64; i++)
		w[i] = first + i;
}

static void compare(const uint8_t *p, uint64_t sector, uint32_t gen)
{
	const uint64_t *w = (const uint64_t *)p;
	uint64_t first = first_word(sector, gen);

	for (unsigned int i = 0; i < 64; i++) {
		if (w[i] != (gen ? first + i : 0))
			rt_fail("sector %lu generation %u word %u reads %lx", sector, gen, i, w[i]);
	}
}

/* Cut a buffer into 1 to 6 segments at odd places. */
static unsigned int cut(struct verify *t, uint8_t *p, uint32_t len, struct rt_seg *segs)
{
	unsigned int n = 0, want = 1 + rt_rand(&t->rand) % 6;

	while (n + 1 < want && len > 1) {
		uint32_t part = 1 + (uint32_t)(rt_rand(&t->rand) % (len - 1));

		segs[n++] = (struct rt_seg){ p, part };
		p += part;
		len -= part;
	}
	segs[n++] = (struct rt_seg){ p, len };
	return n;
}

/* A range that none of the requests before slot i touches. */
static struct range pick(struct verify *t, unsigned int i)
{
	struct range r;
	bool clash;

	do {
		r.n = 1 + (uint32_t)(rt_rand(&t->rand) % MAX_RUN);
		r.sector = rt_rand(&t->rand) % (t->span - r.n);
		clash = false;
		for (unsigned int k = 0; k < i; k++)
			clash |= r.sector < t->at[k].sector + t->at[k].n &&
				 t->at[k].sector < r.sector + r.n;
	} while (clash);
	r.flags = 0;
	return r;
}

static void wait_all(struct verify *t, uint32_t type)
{
	unsigned int left = QD, idle = 0;

	rt_vq_kick(&t->disk.q);
	while (left > 0) {
		int slot = rt_blk_poll(&t->disk);

		if (slot < 0) {
			/* each look at the status leaves the guest */
			if (++idle % 4096 == 0 && (rt_virtio_status(&t->disk.v) & VS_NEEDS_RESET))
				rt_fail("disk needs reset");
			continue;
		}
		if (t->disk.slots[slot].status != BLK_OK)
			rt_fail("type %u sector %lu: status %u", type, t->at[slot].sector,
				t->disk.slots[slot].status);
		left--;
	}
}

static void write_round(struct verify *t)
{
	struct rt_seg segs[BLK_MAX_SEGS];

	t->gen++;
	for (unsigned int i = 0; i < QD; i++) {
		t->at[i] = pick(t, i);
		for (uint32_t k = 0; k < t->at[i].n; k++) {
			fill(t->bufs[i] + 512 * k, t->at[i].sector + k, t->gen);
			t->gens[t->at[i].sector + k] = t->gen;
		}
		rt_blk_prepare(&t->disk, i, BLK_T_OUT, segs,
			       cut(t, t->bufs[i], t->at[i].n * 512, segs));
		rt_blk_add(&t->disk, i, t->at[i].sector);
	}
	wait_all(t, BLK_T_OUT);
}

static void read_round(struct verify *t)
{
	struct rt_seg segs[BLK_MAX_SEGS];

	for (unsigned int i = 0; i < QD; i++) {
		t->at[i] = pick(t, 0);
		memset(t->bufs[i], 0xa5, MAX_BYTES);
		rt_blk_prepare(&t->disk, i, BLK_T_IN, segs,
			       cut(t, t->bufs[i], t->at[i].n * 512, segs));
		rt_blk_add(&t->disk, i, t->at[i].sector);
	}
	wait_all(t, BLK_T_IN);
	for (unsigned int i = 0; i < QD; i++) {
		for (uint32_t k = 0; k < t->at[i].n; k++)
			compare(t->bufs[i] + 512 * k, t->at[i].sector + k,
				t->gens[t->at[i].sector + k]);
	}
}

/* Discarded sectors may read as anything: they are rewritten before they count. */
static void zero_round(struct verify *t, uint32_t type)
{
	struct range r = pick(t, 0);
	struct rt_seg seg = { &r, sizeof(r) };
	uint8_t status = rt_blk_do(&t->disk, type, 0, &seg, 1);

	if (status != BLK_OK)
		rt_fail("type %u sector %lu: status %u", type, r.sector, status);
	if (type == BLK_T_DISCARD) {
		seg = (struct rt_seg){ t->bufs[0], r.n * 512 };
		memset(seg.p, 0, seg.len);
		status = rt_blk_do(&t->disk, BLK_T_OUT, r.sector, &seg, 1);
		if (status != BLK_OK)
			rt_fail("rewrite of sector %lu: status %u", r.sector, status);
	}
	for (uint32_t k = 0; k < r.n; k++)
		t->gens[r.sector + k] = 0;
}

static void flush(struct verify *t)
{
	uint8_t status = rt_blk_do(&t->disk, BLK_T_FLUSH, 0, NULL, 0);

	if ((t->disk.v.features & BLK_F_FLUSH) && status != BLK_OK)
		rt_fail("flush: status %u", status);
}

static void get_id(struct verify *t)
{
	char id[21] = "";
	struct rt_seg seg = { id, 20 };
	uint8_t status = rt_blk_do(&t->disk, BLK_T_GET_ID, 0, &seg, 1);

	rt_printf("id %s status %u\n", id, status);
}

/* Requests that must fail, and must leave the disk usable. */
static void refusals(struct verify *t)
{
	struct rt_seg seg = { t->bufs[0], 1024 };
	static const uint32_t types[] = { BLK_T_IN, BLK_T_OUT };

	for (unsigned int i = 0; i < RT_ARRAY(types); i++) {
		if (rt_blk_do(&t->disk, types[i], t->disk.sectors - 1, &seg, 1) == BLK_OK)
			rt_fail("type %u beyond the end succeeded", types[i]);
		if (rt_blk_do(&t->disk, types[i], ~0ull, &seg, 1) == BLK_OK)
			rt_fail("type %u at sector 2^64-1 succeeded", types[i]);
	}
	if (rt_blk_do(&t->disk, 0x7777, 0, &seg, 1) != BLK_UNSUPP)
		rt_fail("an unknown request type was not refused");
}

static void read_only(struct verify *t)
{
	struct rt_seg seg = { t->bufs[0], 512 };

	if (rt_blk_do(&t->disk, BLK_T_IN, 0, &seg, 1) != BLK_OK)
		rt_fail("a read-only disk does not read");
	if (rt_blk_do(&t->disk, BLK_T_OUT, 0, &seg, 1) == BLK_OK)
		rt_fail("a read-only disk was written");
	rt_puts("verify ok read-only\n");
}

static void setup(struct verify *t)
{
	rt_blk_open(&t->disk, (unsigned int)rt_arg("disk", 0), QD,
		    VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_IDX | BLK_F_RO | BLK_F_FLUSH |
			    BLK_F_DISCARD | BLK_F_WRITE_ZEROES,
		    VIRTIO_NO_VECTOR);
	t->rand.s = rt_arg("seed", 1) ?: 1;
	t->span = rt_arg("span", 4) << 11;
	if (t->span > t->disk.sectors)
		t->span = t->disk.sectors;
	if (t->span < 16 * MAX_RUN)
		rt_fail("disk of %lu sectors is too small", t->disk.sectors);
	t->gens = rt_alloc(t->span * sizeof(*t->gens), RT_PAGE);
	for (unsigned int i = 0; i < QD; i++)
		t->bufs[i] = rt_alloc(MAX_BYTES, RT_PAGE);
}

/* Give every sector a known content. */
static void cover(struct verify *t)
{
	struct rt_seg seg = { t->bufs[0], 512 };

	for (uint64_t s = 0; s < t->span; s += seg.len / 512) {
		seg.len = t->span - s < MAX_RUN ? (uint32_t)(t->span - s) * 512 : MAX_BYTES;
		for (uint32_t k = 0; k < seg.len / 512; k++) {
			fill(t->bufs[0] + 512 * k, s + k, 1);
			t->gens[s + k] = 1;
		}
		if (rt_blk_do(&t->disk, BLK_T_OUT, s, &seg, 1) != BLK_OK)
			rt_fail("write of sector %lu failed", s);
	}
	t->gen = 1;
}

enum { COM1_IER = 0x3f9, COM1_LSR = 0x3fd };

/* The first serial port takes input for those who want an interrupt, which is masked here. */
static void listen(void)
{
	rt_outb(COM1_IER, 1);
}

/* Somebody has pressed a key. */
static bool called(void)
{
	return rt_inb(COM1_LSR) & 1;
}

static void round(struct verify *t, uint64_t i)
{
	write_round(t);
	if (i % 8 == 0 && (t->disk.v.features & BLK_F_WRITE_ZEROES))
		zero_round(t, BLK_T_WRITE_ZEROES);
	if (i % 8 == 4 && (t->disk.v.features & BLK_F_DISCARD))
		zero_round(t, BLK_T_DISCARD);
	read_round(t);
	if (i % 16 == 0)
		flush(t);
}

/* n=ROUNDS, or step=ROUNDS, each of which is told, until a key is pressed. */
void blk_verify(void)
{
	static struct verify t;
	uint64_t step = rt_arg("step", 0), rounds = rt_arg("n", step ? ~0ull : 100), i;

	setup(&t);
	get_id(&t);
	if (t.disk.v.features & BLK_F_RO) {
		read_only(&t);
		return;
	}
	cover(&t);
	refusals(&t);
	listen();
	for (i = 0; i < rounds; i++) {
		if (step && i % step == 0) {
			rt_printf("verify at %lu\n", i);
			if (called())
				break;
		}
		round(&t, i);
	}
	rt_printf("verify ok rounds=%lu features=%lx\n", i, t.disk.v.features);
}
