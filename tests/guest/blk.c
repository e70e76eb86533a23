/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Load on virtio-blk by polling. The caller's clock is the trusted one: "begin"
 * and "end" enclose exactly the counted requests.
 */
#include "blk.h"
#include "blk_rt.h"

#define ENDLESS (~0ull)
#define VECTOR	0x41

struct load {
	struct rt_blk disk;
	struct rt_rand rand;
	unsigned int qd;
	uint32_t bs;
	uint64_t blocks;
	uint64_t next; /* block of a sequential load */
	bool random;
};

static void submit(struct load *l, unsigned int slot)
{
	uint64_t block = l->random ? rt_rand(&l->rand) % l->blocks : l->next;

	l->next = l->next + 1 < l->blocks ? l->next + 1 : 0;
	rt_blk_add(&l->disk, slot, block * (l->bs / 512));
}

/* Keep qd requests in flight until n are done or the time is up: how many were. */
static uint64_t run(struct load *l, uint64_t n, uint64_t deadline)
{
	uint64_t started = 0, done = 0;
	int slot;

	for (unsigned int i = 0; i < l->qd && started < n; i++, started++)
		submit(l, i);
	while (done < started) {
		rt_vq_kick(&l->disk.q);
		if (n == ENDLESS && rt_rdtsc() >= deadline)
			n = started;
		slot = rt_blk_poll(&l->disk);
		if (slot < 0)
			rt_pause();
		for (; slot >= 0; slot = rt_blk_poll(&l->disk)) {
			if (l->disk.slots[slot].status != BLK_OK)
				rt_fail("request %lu: status %u", done, l->disk.slots[slot].status);
			done++;
			if (started < n) {
				submit(l, (unsigned int)slot);
				started++;
			}
		}
	}
	return done;
}

/* The queue's vector: polling goes on, but the device interrupts as it would a driver that waits. */
static uint16_t interrupts(struct load *l)
{
	uint64_t entry, pba;

	if (!rt_word("irq"))
		return VIRTIO_NO_VECTOR;
	if (!rt_virtio_find(VIRTIO_BLK, (unsigned int)rt_arg("disk", 0), &l->disk.v))
		rt_fail("no virtio-blk device");
	rt_pci_msix(&l->disk.v.pci, VECTOR, &entry, &pba);
	rt_lapic_on();
	rt_irq_on();
	return 0;
}

/* FLUSH is taken so that the disk may keep writes in its cache (5.2.6.2). */
static void setup(struct load *l)
{
	uint32_t type = rt_arg_is("rw", "w") ? BLK_T_OUT : BLK_T_IN;

	l->qd = (unsigned int)rt_arg("qd", 1);
	l->bs = (uint32_t)rt_arg("bs", 4096);
	l->random = !rt_arg_is("mode", "seq");
	l->rand.s = rt_arg("seed", 1);
	rt_blk_open(&l->disk, (unsigned int)rt_arg("disk", 0), l->qd,
		    VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_IDX | BLK_F_FLUSH, interrupts(l));
	l->blocks = l->disk.sectors / (l->bs / 512);
	if (l->blocks == 0)
		rt_fail("disk of %lu sectors is too small", l->disk.sectors);
	for (unsigned int i = 0; i < l->qd; i++) {
		struct rt_seg seg = { rt_alloc(l->bs, RT_PAGE), l->bs };

		memset(seg.p, (int)i + 1, seg.len);
		rt_blk_prepare(&l->disk, i, type, &seg, 1);
	}
}

static void report(const struct load *l, uint64_t done, uint64_t cycles)
{
	uint64_t khz = rt_tsc_khz();
	uint64_t usec = khz ? cycles / ((khz + 999) / 1000) : 0;

	rt_printf("end n=%lu bytes=%lu cycles=%lu\n", done, done * l->bs, cycles);
	if (rt_word("irq"))
		rt_printf("irqs=%lu\n", rt_irqs[VECTOR]);
	if (usec)
		rt_printf("iops=%lu mibs=%lu\n", done * 1000000 / usec,
			  done * (l->bs / 512) * 1000000 / usec / 2048);
}

void guest_main(void)
{
	static struct load l;
	uint64_t n = rt_arg("n", 0), msecs = rt_arg("msecs", 1000 * rt_arg("secs", 0)),
		 khz = rt_tsc_khz();
	uint64_t start;

	if (rt_arg_is("mode", "verify")) {
		blk_verify();
		return;
	}
	if (n == 0 && (msecs == 0 || khz == 0))
		rt_fail("give n=, or secs= or msecs= where the TSC's frequency is known "
			"(tsc_khz=)");
	setup(&l);
	run(&l, rt_arg("warm", 4 * l.qd), 0);
	rt_puts("begin\n");
	start = rt_rdtsc();
	n = run(&l, n ?: ENDLESS, start + msecs * khz);
	report(&l, n, rt_rdtsc() - start);
}
