/* SPDX-License-Identifier: BSD-3-Clause */
/* The balloon: what goes back to the host, statistics, and drivers that lie. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/endian.h"
#include "base/math.h"
#include "support/child.h"
#include "support/must.h"
#include "support/vdev.h"
#include "virtio/virtio.h"
#include "virtio/vslot_local.h"

extern const struct cv_class cv_class_balloon;

enum { Q_INFLATE, Q_DEFLATE, Q_STATS, Q_REPORT_LINUX, Q_REPORT_SPEC };
enum { F_STATS = 1 << 1, F_OOM = 1 << 2, F_POISON = 1 << 4, F_REPORTING = 1 << 5 };
enum { C_NUM_PAGES, C_ACTUAL = 4, C_HINT = 8, C_POISON = 12 };

#define PAGE 4096u

/* ---- help ---- */

/* @n pages full of a pattern. */
static uint64_t dirty_pages(struct rig *r, unsigned int n)
{
	uint64_t gpa = guest_alloc(&r->guest, (uint64_t)n * PAGE, PAGE);

	must(cv_mem_fill(&r->guest.mem, gpa, 0x5a, (uint64_t)n * PAGE) == 0);
	return gpa;
}

/* 0 or 0x5a when all of the page is that, else -1. */
static int page_byte(struct rig *r, uint64_t gpa)
{
	uint8_t page[PAGE];

	guest_get(&r->guest, gpa, page, sizeof(page));
	for (unsigned int i = 1; i < PAGE; i++)
		if (page[i] != page[0])
			return -1;
	return page[0];
}

static void send_pfns(struct rig *r, unsigned int queue, const uint32_t *pfns, unsigned int n)
{
	struct le32 list[512];

	must(n <= 512);
	for (unsigned int i = 0; i < n; i++)
		list[i] = le32(pfns[i]);
	ck_assert_int_eq(vdev_request(&r->dev, queue, list, n * 4, NULL, 0), 0);
}

static int report(struct rig *r, unsigned int queue, const struct drv_buf *bufs, unsigned int n)
{
	int name = drv_add(&r->dev.queues[queue], bufs, n);

	ck_assert_int_ge(name, 0);
	drv_kick(&r->dev.queues[queue]);
	return vdev_wait(&r->dev, queue, NULL) == name;
}

static int control(struct rig *r, const char *op, const char *args, char *reply, size_t size)
{
	return rig_control(r, op, args, reply, size, NULL);
}

static blkcnt_t blocks(struct rig *r)
{
	struct stat st;

	must(fstat(r->guest.mem.memfd_plus1 - 1, &st) == 0);
	return st.st_blocks;
}

static void open_rig(struct rig *r, const char *options, const struct vdev_options *o)
{
	rig_init(r, &cv_class_balloon, options, NULL);
	ck_assert_int_eq(vdev_start(&r->dev, o), 0);
}

/* ---- inflating ---- */

static void inflate_body(struct rig *r)
{
	uint64_t gpa = dirty_pages(r, 16);
	uint32_t first = (uint32_t)(gpa / PAGE);
	/* upwards, downwards, alone, the same once more */
	const uint32_t pfns[] = { first + 1, first + 2,	 first + 3, first + 8, first + 7,
				  first + 6, first + 11, first + 1, first + 14 };
	blkcnt_t before = blocks(r);

	send_pfns(r, Q_INFLATE, pfns, 9);
	/* eight pages of eight blocks went, that of the list may have come */
	ck_assert_int_le(blocks(r), before - 8 * 8 + 8);
	for (unsigned int i = 0; i < 16; i++)
		ck_assert_int_eq(page_byte(r, gpa + i * PAGE), 0x49ce >> i & 1 ? 0 : 0x5a);
	send_pfns(r, Q_DEFLATE, pfns, 9);
	ck_assert_int_eq(page_byte(r, gpa), 0x5a);
	guest_put32(&r->guest, gpa + PAGE, 7);
	ck_assert_uint_eq(guest_get32(&r->guest, gpa + PAGE), 7);
}

START_TEST(inflates_and_deflates)
{
	rig_each(&cv_class_balloon, "", inflate_body);
}
END_TEST

/* The last page of one region and the first of the next are one range. */
START_TEST(inflates_across_regions)
{
	struct rig r;
	uint64_t border;

	open_rig(&r, "", NULL);
	border = r.guest.border;
	must(cv_mem_fill(&r.guest.mem, border - 2 * PAGE, 0x5a, 4 * PAGE) == 0);
	send_pfns(&r, Q_INFLATE,
		  (const uint32_t[]){ (uint32_t)(border / PAGE) - 1, (uint32_t)(border / PAGE) },
		  2);
	ck_assert_int_eq(page_byte(&r, border - 2 * PAGE), 0x5a);
	ck_assert_int_eq(page_byte(&r, border - PAGE), 0);
	ck_assert_int_eq(page_byte(&r, border), 0);
	ck_assert_int_eq(page_byte(&r, border + PAGE), 0x5a);
	rig_fini(&r);
}
END_TEST

/* Bad page numbers do not spoil their good neighbours. */
START_TEST(ignores_wild_pages)
{
	struct rig r;
	uint64_t last, high = GUEST_HIGH;
	uint32_t pfns[6];

	open_rig(&r, "", NULL);
	last = r.guest.border + GUEST_ABOVE - PAGE;
	must(cv_mem_fill(&r.guest.mem, last, 0x5a, PAGE) == 0);
	must(cv_mem_fill(&r.guest.mem, high, 0x5a, PAGE) == 0);
	pfns[0] = (uint32_t)(last / PAGE);
	pfns[1] = pfns[0] + 1;
	pfns[2] = UINT32_MAX;
	pfns[3] = 0;
	pfns[4] = (uint32_t)(high / PAGE) - 1;
	pfns[5] = (uint32_t)(high / PAGE);
	send_pfns(&r, Q_INFLATE, pfns, 6);
	ck_assert_int_eq(page_byte(&r, last), 0);
	ck_assert_int_eq(page_byte(&r, high), 0);
	ck_assert(!r.dev.ops->broken(&r.dev));
	rig_fini(&r);
}
END_TEST

START_TEST(ignores_odd_lists)
{
	struct rig r;
	struct le32 pfn;
	uint8_t bytes[7], in[8];
	uint64_t gpa;

	open_rig(&r, "", NULL);
	gpa = dirty_pages(&r, 1);
	pfn = le32((uint32_t)(gpa / PAGE));
	memcpy(bytes, &pfn, 4);
	memset(bytes + 4, 0xff, 3);
	ck_assert_int_eq(vdev_request(&r.dev, Q_INFLATE, bytes, 3, NULL, 0), 0);
	ck_assert_int_eq(page_byte(&r, gpa), 0x5a);
	ck_assert_int_eq(vdev_request(&r.dev, Q_INFLATE, NULL, 0, in, sizeof(in)), 0);
	ck_assert_int_eq(vdev_request(&r.dev, Q_INFLATE, bytes, 7, NULL, 0), 0);
	ck_assert_int_eq(page_byte(&r, gpa), 0);
	ck_assert(!r.dev.ops->broken(&r.dev));
	rig_fini(&r);
}
END_TEST

/* Page numbers of the whole memory, several times over, in one chain of 64 buffers. */
static int add_long_list(struct rig *r, uint64_t gpa, unsigned int n_pages)
{
	uint64_t list = guest_alloc(&r->guest, n_pages * 4, 4);
	struct drv_buf bufs[64];

	for (unsigned int i = 0; i < n_pages; i++)
		guest_put32(&r->guest, list + i * 4, (uint32_t)(gpa / PAGE) + (i * 2) % n_pages);
	for (unsigned int i = 0; i < 64; i++)
		bufs[i] = (struct drv_buf){ list, n_pages * 4, false };
	return drv_add_indirect(&r->dev.queues[Q_INFLATE], bufs, 64);
}

START_TEST(works_in_turns)
{
	struct rig r;
	uint64_t gpa;
	int name;

	open_rig(&r, "", NULL);
	gpa = dirty_pages(&r, 1024);
	name = add_long_list(&r, gpa, 1024);
	drv_kick(&r.dev.queues[Q_INFLATE]);
	ck_assert_int_eq(vdev_wait(&r.dev, Q_INFLATE, NULL), name);
	for (unsigned int i = 0; i < 1024; i++)
		ck_assert_int_eq(page_byte(&r, gpa + i * PAGE), i % 2 ? 0x5a : 0);
	rig_fini(&r);
}
END_TEST

/* Stopping gives an unfinished chain back; it is worked on again after the next start. */
START_TEST(stops_in_the_middle)
{
	struct rig r;
	struct cv_vq_config configs[CV_VIRTIO_MAX_QUEUES] = { 0 };
	uint64_t gpa;
	int name;

	for (unsigned int packed = 0; packed < 2; packed++) {
		rig_init(&r, &cv_class_balloon, "", &(struct rig_options){ .threaded = true });
		ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .packed = packed }), 0);
		for (unsigned int i = 0; i < r.dev.n_queues; i++)
			drv_vq_config(&r.dev.queues[i], &configs[i]);
		gpa = dirty_pages(&r, 1024);
		name = add_long_list(&r, gpa, 1024);
		drv_kick(&r.dev.queues[Q_INFLATE]);
		for (unsigned int i = 0; i < 20; i++) {
			r.slot->ops->stop(r.slot, configs);
			ck_assert_int_eq(r.slot->ops->start(r.slot, r.dev.features, configs), 0);
		}
		ck_assert_int_eq(vdev_wait(&r.dev, Q_INFLATE, NULL), name);
		ck_assert_int_eq(page_byte(&r, gpa), 0);
		rig_fini(&r);
	}
}
END_TEST

START_TEST(respects_suppression)
{
	struct rig r;
	struct drv_vq *q;

	open_rig(&r, "", &(struct vdev_options){ .no_event_idx = true });
	q = &r.dev.queues[Q_INFLATE];
	drv_enable_calls(q, false);
	send_pfns(&r, Q_INFLATE, (const uint32_t[]){ 0 }, 1);
	ck_assert(!drv_called(q));
	drv_enable_calls(q, true);
	send_pfns(&r, Q_INFLATE, (const uint32_t[]){ 0 }, 1);
	ck_assert(drv_called(q));
	rig_fini(&r);
}
END_TEST

/* ---- configuration and control ---- */

static void target_body(struct rig *r)
{
	const struct le32 actual = le32(0x300);
	unsigned int before = atomic_load(&r->dev.n_config);
	char reply[100];

	ck_assert_uint_eq(vdev_config(&r->dev, C_NUM_PAGES, 4), 0);
	ck_assert_int_eq(control(r, "target", "bytes=4M", reply, sizeof(reply)), 0);
	vdev_pump(&r->dev);
	ck_assert_uint_eq(vdev_config(&r->dev, C_NUM_PAGES, 4), 1024);
	r->dev.ops->config_write(&r->dev, C_ACTUAL, &actual, sizeof(actual));
	ck_assert_int_eq(control(r, "status", NULL, reply, sizeof(reply)), 0);
	ck_assert_str_eq(reply, "target=4194304,actual=3145728");
	for (unsigned int i = 0; i < 5000 && atomic_load(&r->dev.n_config) == before; i++) {
		vdev_pump(&r->dev);
		poll(NULL, 0, i > 0);
	}
	if (r->dev.loop)
		ck_assert_uint_gt(atomic_load(&r->dev.n_config), before);
}

START_TEST(has_a_target)
{
	rig_each(&cv_class_balloon, "", target_body);
}
END_TEST

START_TEST(tells_only_changes)
{
	struct rig r;
	char reply[64];

	open_rig(&r, "target=1M", NULL);
	ck_assert_uint_eq(vdev_config(&r.dev, C_NUM_PAGES, 4), 256);
	ck_assert_int_eq(control(&r, "target", "bytes=1M", reply, sizeof(reply)), 0);
	ck_assert_uint_eq(atomic_load(&r.dev.n_config), 0);
	ck_assert_int_eq(control(&r, "target", "bytes=0", reply, sizeof(reply)), 0);
	ck_assert_uint_eq(atomic_load(&r.dev.n_config), 1);
	ck_assert_int_eq(control(&r, "target", "bytes=1G", reply, sizeof(reply)), -ERANGE);
	ck_assert_int_eq(control(&r, "target", "", reply, sizeof(reply)), -EINVAL);
	ck_assert_int_eq(control(&r, "burst", "", reply, sizeof(reply)), -ENOENT);
	ck_assert_uint_eq(vdev_config(&r.dev, C_NUM_PAGES, 4), 0);
	rig_fini(&r);
}
END_TEST

START_TEST(refuses_a_target_beyond_memory)
{
	struct rig r;
	struct vm_error e = { 0 };

	ck_assert_int_eq(rig_try_init(&r, &cv_class_balloon, "target=1G", NULL, &e), -ERANGE);
	ck_assert_ptr_nonnull(strstr(e.text, "balloon: "));
}
END_TEST

/* Only actual and poison_val are the driver's, byte by byte if it likes. */
START_TEST(protects_its_configuration)
{
	struct rig r;
	uint8_t ones[16];

	memset(ones, 0xff, sizeof(ones));
	open_rig(&r, "", NULL);
	r.dev.ops->config_write(&r.dev, C_ACTUAL + 1, ones, 1);
	r.dev.ops->config_write(&r.dev, C_POISON + 2, ones, 2);
	r.dev.ops->config_write(&r.dev, C_NUM_PAGES, ones, 4);
	r.dev.ops->config_write(&r.dev, C_HINT, ones, 4);
	ck_assert_uint_eq(vdev_config(&r.dev, C_NUM_PAGES, 4), 0);
	ck_assert_uint_eq(vdev_config(&r.dev, C_ACTUAL, 4), 0xff00);
	ck_assert_uint_eq(vdev_config(&r.dev, C_HINT, 4), 0);
	ck_assert_uint_eq(vdev_config(&r.dev, C_POISON, 4), 0xffff0000);
	vdev_reset(&r.dev);
	ck_assert_uint_eq(vdev_config(&r.dev, C_ACTUAL, 4), 0);
	ck_assert_uint_eq(vdev_config(&r.dev, C_POISON, 4), 0);
	rig_fini(&r);
}
END_TEST

START_TEST(offers_what_the_options_say)
{
	const uint64_t all = F_STATS | F_OOM | F_POISON | F_REPORTING;
	struct rig r;

	open_rig(&r, "", NULL);
	ck_assert_uint_eq(r.dev.features & 0xffffff, all);
	rig_fini(&r);
	open_rig(&r, "deflate_on_oom=false,reporting=off", NULL);
	ck_assert_uint_eq(r.dev.features & 0xffffff, F_STATS);
	rig_fini(&r);
}
END_TEST

/* ---- statistics ---- */

struct wire_stat {
	struct le16 tag;
	struct le64 val;
} __attribute__((packed));

/* The driver's one buffer; what it holds. */
static uint64_t put_stats(struct rig *r, const struct wire_stat *stats, uint32_t n)
{
	uint64_t gpa = guest_dup(&r->guest, stats, n * sizeof(*stats));
	struct drv_vq *q = &r->dev.queues[Q_STATS];

	ck_assert_int_ge(
		drv_add(q, &(struct drv_buf){ gpa, n * (uint32_t)sizeof(*stats), false }, 1), 0);
	drv_kick(q);
	vdev_pump(&r->dev);
	return gpa;
}

START_TEST(gives_statistics)
{
	const struct wire_stat first[] = { { le16(4), le64(1000) },
					   { le16(77), le64(1) },
					   { le16(0), le64(UINT64_MAX) } };
	const struct wire_stat second[] = { { le16(5), le64(2000) } };
	char reply[512];
	struct rig r;

	for (unsigned int packed = 0; packed < 2; packed++) {
		open_rig(&r, "", &(struct vdev_options){ .packed = packed });
		ck_assert_int_eq(control(&r, "stats", NULL, reply, sizeof(reply)), 0);
		ck_assert_str_eq(reply, "updates=0");
		put_stats(&r, first, 3);
		/* the buffer stays until somebody asks */
		ck_assert(!drv_has_used(&r.dev.queues[Q_STATS]));
		ck_assert_int_eq(control(&r, "stats", NULL, reply, sizeof(reply)), 0);
		ck_assert_str_eq(reply, "updates=1,swap_in=18446744073709551615,free=1000");
		ck_assert_int_ge(vdev_wait(&r.dev, Q_STATS, NULL), 0);
		put_stats(&r, second, 1);
		ck_assert_int_eq(control(&r, "stats", NULL, reply, sizeof(reply)), 0);
		ck_assert_str_eq(reply, "updates=2,total=2000");
		ck_assert_int_eq(control(&r, "stats", NULL, reply, 12), -ENOSPC);
		rig_fini(&r);
	}
}
END_TEST

START_TEST(needs_a_driver_for_statistics)
{
	struct rig r;
	char reply[64];

	rig_init(&r, &cv_class_balloon, "", NULL);
	ck_assert_int_eq(control(&r, "stats", NULL, reply, sizeof(reply)), -ENODEV);
	ck_assert_int_eq(vdev_start(&r.dev, &(struct vdev_options){ .refuse = F_STATS }), 0);
	ck_assert_int_eq(control(&r, "stats", NULL, reply, sizeof(reply)), -ENODEV);
	rig_fini(&r);
}
END_TEST

/* More buffers than one, more entries than there are, none at all. */
START_TEST(survives_wild_statistics)
{
	struct wire_stat many[200];
	char reply[1024];
	struct rig r;

	for (unsigned int i = 0; i < 200; i++)
		many[i] = (struct wire_stat){ le16((uint16_t)i), le64(i) };
	open_rig(&r, "", NULL);
	for (unsigned int i = 0; i < 3; i++)
		put_stats(&r, many, 200);
	for (unsigned int i = 1; i <= 3; i++) {
		ck_assert_int_eq(control(&r, "stats", NULL, reply, sizeof(reply)), 0);
		ck_assert_ptr_nonnull(strstr(reply, "direct_reclaims=15"));
		ck_assert_int_ge(vdev_wait(&r.dev, Q_STATS, NULL), 0);
	}
	/* a queue that is reset takes its buffer with it */
	put_stats(&r, many, 1);
	r.slot->ops->queue_stop(r.slot, Q_STATS, NULL);
	ck_assert_int_eq(control(&r, "stats", NULL, reply, sizeof(reply)), 0);
	ck_assert(!r.dev.ops->broken(&r.dev));
	rig_fini(&r);
}
END_TEST

/* ---- free page reporting ---- */

static void report_body(struct rig *r)
{
	uint64_t gpa = dirty_pages(r, 8);
	/* a whole page, one cut at both ends, less than a page, two at an odd place */
	const struct drv_buf bufs[] = { { gpa, PAGE, true },
					{ gpa + PAGE + 1, 3 * PAGE - 2, true },
					{ gpa + 4 * PAGE + 8, 100, true },
					{ gpa + 5 * PAGE, 2 * PAGE + 1, true } };

	ck_assert(report(r, Q_REPORT_LINUX, bufs, 4));
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_int_eq(page_byte(r, gpa + i * PAGE), 0x65 >> i & 1 ? 0 : 0x5a);
	must(cv_mem_fill(&r->guest.mem, gpa, 0x5a, PAGE) == 0);
	ck_assert(report(r, Q_REPORT_SPEC, bufs, 1));
	ck_assert_int_eq(page_byte(r, gpa), 0);
}

START_TEST(takes_reported_pages)
{
	rig_each(&cv_class_balloon, "", report_body);
}
END_TEST

/* A driver that uses no statistics and counts its queues has the reports on number 2. */
START_TEST(finds_the_reporting_queue)
{
	struct rig r;
	uint64_t gpa;

	open_rig(&r, "", &(struct vdev_options){ .refuse = F_STATS, .queues = 7 });
	gpa = dirty_pages(&r, 1);
	ck_assert(report(&r, Q_STATS, &(struct drv_buf){ gpa, PAGE, true }, 1));
	ck_assert_int_eq(page_byte(&r, gpa), 0);
	rig_fini(&r);
	open_rig(&r, "", &(struct vdev_options){ .refuse = F_REPORTING });
	gpa = dirty_pages(&r, 1);
	ck_assert(report(&r, Q_REPORT_SPEC, &(struct drv_buf){ gpa, PAGE, true }, 1));
	ck_assert_int_eq(page_byte(&r, gpa), 0x5a);
	rig_fini(&r);
}
END_TEST

/* Section 5.5.6.6: pages that are to hold a pattern are left alone. */
START_TEST(keeps_poisoned_pages)
{
	const struct le32 pattern = le32(0x5a5a5a5a);
	struct rig r;
	uint64_t gpa;

	open_rig(&r, "", NULL);
	r.dev.ops->config_write(&r.dev, C_POISON, &pattern, 4);
	gpa = dirty_pages(&r, 1);
	ck_assert(report(&r, Q_REPORT_LINUX, &(struct drv_buf){ gpa, PAGE, true }, 1));
	ck_assert_int_eq(page_byte(&r, gpa), 0x5a);
	rig_fini(&r);
	/* without the feature the field means nothing */
	open_rig(&r, "", &(struct vdev_options){ .refuse = F_POISON });
	r.dev.ops->config_write(&r.dev, C_POISON, &pattern, 4);
	gpa = dirty_pages(&r, 1);
	ck_assert(report(&r, Q_REPORT_LINUX, &(struct drv_buf){ gpa, PAGE, true }, 1));
	ck_assert_int_eq(page_byte(&r, gpa), 0);
	rig_fini(&r);
}
END_TEST

/* All of the free memory in every buffer of a long chain; readable ones are not reports. */
START_TEST(survives_wild_reports)
{
	struct rig r;
	uint64_t gpa;
	struct drv_buf bufs[64];
	int name;

	open_rig(&r, "", NULL);
	gpa = dirty_pages(&r, 1200);
	for (unsigned int i = 0; i < 64; i++)
		bufs[i] = (struct drv_buf){ gpa + i, 1200 * PAGE - i, i > 0 };
	bufs[0].len = 64;
	name = drv_add_indirect(&r.dev.queues[Q_REPORT_LINUX], bufs, 64);
	drv_kick(&r.dev.queues[Q_REPORT_LINUX]);
	ck_assert_int_eq(vdev_wait(&r.dev, Q_REPORT_LINUX, NULL), name);
	ck_assert_int_eq(page_byte(&r, gpa), 0x5a);
	for (unsigned int i = 1; i < 1200; i++)
		ck_assert_int_eq(page_byte(&r, gpa + i * PAGE), 0);
	ck_assert(report(&r, Q_REPORT_LINUX, &(struct drv_buf){ gpa, PAGE, false }, 1));
	ck_assert_int_eq(page_byte(&r, gpa), 0x5a);
	rig_fini(&r);
}
END_TEST

START_TEST(breaks_on_a_bad_descriptor)
{
	struct rig r;

	for (unsigned int queue = 0; queue < 5; queue++) {
		open_rig(&r, "", NULL);
		drv_raw_desc(&r.dev.queues[queue], 0, GUEST_HOLE, 8, 0, 0);
		drv_raw_offer(&r.dev.queues[queue], 0);
		drv_notify(&r.dev.queues[queue]);
		ck_assert(vdev_wait_broken(&r.dev));
		vdev_reset(&r.dev);
		ck_assert_int_eq(vdev_start(&r.dev, NULL), 0);
		send_pfns(&r, Q_INFLATE, (const uint32_t[]){ 0 }, 1);
		rig_fini(&r);
	}
}
END_TEST

/* ---- state ---- */

START_TEST(saves_its_state)
{
	const struct wire_stat stats[] = { { le16(4), le64(1000) } };
	struct cv_buf buf = { 0 };
	struct rig a, b;
	char reply[128];
	uint16_t version;
	size_t used;

	open_rig(&a, "target=2M", NULL);
	put_stats(&a, stats, 1);
	cv_state_save(cv_class_balloon.state, 1, cv_vslot_local_self(a.slot), &buf);
	rig_init(&b, &cv_class_balloon, "", NULL);
	ck_assert_int_eq(cv_state_load(cv_class_balloon.state, 1, cv_vslot_local_self(b.slot),
				       buf.data, buf.len, &used, &version, NULL),
			 0);
	ck_assert_int_eq(cv_class_balloon.loaded(cv_vslot_local_self(b.slot), version), 0);
	ck_assert_int_eq(vdev_start(&b.dev, NULL), 0);
	ck_assert_uint_eq(vdev_config(&b.dev, C_NUM_PAGES, 4), 512);
	ck_assert_int_eq(control(&b, "stats", NULL, reply, sizeof(reply)), 0);
	ck_assert_str_eq(reply, "updates=1,free=1000");
	cv_buf_fini(&buf);
	rig_fini(&a);
	rig_fini(&b);
}
END_TEST

/* One that looks into the device. */
CHECK_MAIN_CHILD("virtio_balloon",
		 ANYWHERE(inflates_and_deflates, inflates_across_regions, ignores_wild_pages,
			  ignores_odd_lists, works_in_turns, stops_in_the_middle,
			  respects_suppression, has_a_target, tells_only_changes,
			  refuses_a_target_beyond_memory, protects_its_configuration,
			  offers_what_the_options_say, gives_statistics,
			  needs_a_driver_for_statistics, survives_wild_statistics,
			  takes_reported_pages, finds_the_reporting_queue, keeps_poisoned_pages,
			  survives_wild_reports, breaks_on_a_bad_descriptor),
		 ONLY_HERE(saves_its_state))
