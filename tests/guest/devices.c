/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Has the first entropy device, console, balloon and disk at work, and COM1, until
 * a letter typed on the console or COM1 says how to end: see rt.h.
 */
#include "blk_rt.h"

#define VIRTIO_CONSOLE 3
#define VIRTIO_RNG     4
#define VIRTIO_BALLOON 5

#define COM1	       0x3f8
#define COM1_LSR       (COM1 + 5)
#define LSR_DATA_READY 1

#define BALLOON_F_STATS	    (1ull << 1)
#define BALLOON_F_REPORTING (1ull << 5)
#define BALLOON_BATCH	    256u
#define BALLOON_PAGES	    0x1000000ull /* what the balloon takes begins here: free in 32 MiB */
#define STAT_FREE	    4
#define REPORT_LEN	    0x200000u

#define FLOOD_LEN 0x10000u

struct device {
	struct rt_virtio v;
	struct rt_vq q[4];
	bool there;
};

static struct rt_blk disk;
static bool disk_there;
static struct device rng, console, balloon;
static uint8_t *random, *typed, *flood_text, *pages;
static uint32_t *pfns;
static uint8_t *stats;
static uint32_t held; /* pages in the balloon */

static void open(struct device *d, uint32_t type, uint64_t features, unsigned int n_queues)
{
	d->there = rt_virtio_find(type, 0, &d->v);
	if (!d->there)
		return;
	rt_virtio_begin(&d->v, VIRTIO_F_EVENT_IDX | features);
	for (unsigned int i = 0; i < n_queues; i++)
		rt_vq_setup(&d->v, &d->q[i], (uint16_t)i, 64, VIRTIO_NO_VECTOR);
	rt_virtio_ready(&d->v);
}

/* The chain of one descriptor that is the queue's only one. */
static void give(struct rt_vq *q, void *p, uint32_t len, uint16_t flags)
{
	q->desc[0] = (struct rt_desc){ (uint64_t)p, len, flags, 0 };
	rt_barrier();
	rt_vq_add(q, 0);
	rt_vq_kick(q);
}

/* What the device wrote. */
static uint32_t transact(struct rt_vq *q, void *p, uint32_t len, uint16_t flags)
{
	struct rt_used_elem e;

	give(q, p, len, flags);
	while (!rt_vq_pop(q, &e))
		rt_pause();
	return e.len;
}

/* ---- entropy ---- */

static void draw(void)
{
	uint32_t n = rng.there ? transact(&rng.q[0], random, RT_PAGE, VQ_WRITE) : 0;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum |= random[i];
	if (rng.there && (n == 0 || sum == 0))
		rt_fail("no random numbers");
}

/* ---- console ---- */

static void say(const char *text)
{
	size_t len = strlen(text);

	rt_puts(text);
	if (!console.there)
		return;
	memcpy(flood_text, text, len);
	transact(&console.q[1], flood_text, (uint32_t)len, 0);
}

/* More than any pipe or terminal holds. */
static void flood(void)
{
	memset(flood_text, '.', FLOOD_LEN);
	for (unsigned int i = 0; console.there && i < 8; i++)
		transact(&console.q[1], flood_text, FLOOD_LEN, 0);
	say("\nflooded\n");
}

/* ---- balloon ---- */

static void move(struct rt_vq *q, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		pfns[i] = (uint32_t)(BALLOON_PAGES / RT_PAGE) + from + i;
	transact(q, pfns, n * 4, 0);
}

static void follow_target(void)
{
	uint32_t target = rt_r32(balloon.v.config);
	uint32_t n = target > held ? target - held : held - target;

	if (n == 0)
		return;
	n = n < BALLOON_BATCH ? n : BALLOON_BATCH;
	if (target > held) {
		move(&balloon.q[0], held, n);
		held += n;
	} else {
		held -= n;
		move(&balloon.q[1], held, n);
	}
	rt_w32(balloon.v.config + 4, held);
}

static void send_stats(void)
{
	uint64_t free = 12345678;

	stats[0] = STAT_FREE;
	memcpy(stats + 2, &free, sizeof(free));
	give(&balloon.q[2], stats, 10, 0);
}

static void keep_balloon(void)
{
	struct rt_used_elem e;

	if (!balloon.there)
		return;
	follow_target();
	if ((balloon.v.features & BALLOON_F_STATS) && rt_vq_pop(&balloon.q[2], &e))
		send_stats();
}

static void report_free(void)
{
	if (balloon.there && (balloon.v.features & BALLOON_F_REPORTING))
		transact(&balloon.q[3], pages, REPORT_LEN, VQ_WRITE);
}

/* ---- all of them ---- */

/* A letter, or 0. */
static uint8_t look_at_console(void)
{
	struct rt_used_elem e;
	uint8_t c;

	if (!console.there || !rt_vq_pop(&console.q[0], &e))
		return 0;
	c = e.len > 0 ? typed[0] : 0;
	give(&console.q[0], typed, 1, VQ_WRITE);
	return c;
}

static uint8_t look_at_serial(void)
{
	return rt_inb(COM1_LSR) & LSR_DATA_READY ? rt_inb(COM1) : 0;
}

static void work(void)
{
	draw();
	report_free();
	/* which takes a thread */
	if (disk_there && rt_blk_do(&disk, BLK_T_FLUSH, 0, NULL, 0) != BLK_OK)
		rt_fail("no flush");
}

static bool obey(uint8_t c)
{
	switch (c) {
	case 'f':
		flood();
		break;
	case 'p':
		rt_panic();
	case 'q':
		say("bye\n");
		return false;
	case 'r':
		rt_reset();
	case 't':
		rt_triple_fault();
	case 'x':
		rt_run_nowhere();
		break;
	case 'w':
		work();
		say("worked\n");
		break;
	default:
		break;
	}
	return true;
}

static void set_up(void)
{
	random = rt_alloc(RT_PAGE, RT_PAGE);
	typed = rt_alloc(RT_PAGE, RT_PAGE);
	flood_text = rt_alloc(FLOOD_LEN, RT_PAGE);
	pfns = rt_alloc(RT_PAGE, RT_PAGE);
	stats = rt_alloc(RT_PAGE, RT_PAGE);
	pages = rt_alloc(REPORT_LEN, REPORT_LEN);
	open(&rng, VIRTIO_RNG, 0, 1);
	open(&console, VIRTIO_CONSOLE, 0, 2);
	open(&balloon, VIRTIO_BALLOON, BALLOON_F_STATS | BALLOON_F_REPORTING, 4);
	disk_there = rt_virtio_find(VIRTIO_BLK, 0, &disk.v);
	if (disk_there)
		rt_blk_open(&disk, 0, 1, VIRTIO_F_EVENT_IDX | BLK_F_FLUSH, VIRTIO_NO_VECTOR);
	if (console.there)
		give(&console.q[0], typed, 1, VQ_WRITE);
	if (balloon.there && (balloon.v.features & BALLOON_F_STATS))
		send_stats();
}

void guest_main(void)
{
	bool on = true;

	set_up();
	work();
	say("ready\n");
	while (on) {
		keep_balloon();
		for (unsigned int i = 0; on && i < 16; i++) {
			on = obey(look_at_console()) && obey(look_at_serial());
			for (unsigned int k = 0; k < 20000; k++)
				rt_pause();
		}
	}
}
