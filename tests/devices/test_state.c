/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The saved state of every class of the build: save, load and save gives the
 * same bytes, every truncation is refused, and no damaged byte does harm: the
 * device refuses the state or lives with it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/rdev.h"
#include "support/vdev.h"
#include "virtio/vslot_local.h"

/* A device of any class. */
struct dev {
	const struct cv_class *cls;
	struct rdev regs;
	struct rig rig;
	void *self;
};

/* What a class cannot do without. */
static const char *options_of(const struct cv_class *cls)
{
	static char text[64];
	int fd;

	if (strcmp(cls->name, "console") == 0)
		return "ports=3,name1=one,name2=two";
	if (strcmp(cls->name, "block") != 0 && strcmp(cls->name, "cfi-flash") != 0)
		return "";
	fd = memfd_create("disk", 0);
	ck_assert_int_eq(ftruncate(fd, 256 << 10), 0);
	snprintf(text, sizeof(text), "path=/proc/self/fd/%d", fd);
	return text;
}

static void open_dev(struct dev *d, const struct cv_class *cls)
{
	d->cls = cls;
	if (cls->regs) {
		rdev_open(&d->regs, cls->name, options_of(cls));
		d->self = rdev_self(&d->regs);
	} else {
		rig_init(&d->rig, cls, options_of(cls),
			 &(struct rig_options){ .fake_clock = true, .mem = 1 << 20 });
		d->self = cv_vslot_local_self(d->rig.slot);
	}
}

static void close_dev(struct dev *d)
{
	if (d->cls->regs)
		rdev_close(&d->regs);
	else
		rig_fini(&d->rig);
}

/* A readable and a writable buffer in each queue. */
static void use_queues(struct rig *r)
{
	uint64_t gpa = guest_alloc(&r->guest, 64, 16);

	for (unsigned int i = 0; i < r->dev.n_queues; i++) {
		struct drv_vq *q = &r->dev.queues[i];

		drv_add(q, &(struct drv_buf){ gpa, 16, false }, 1);
		drv_add(q, &(struct drv_buf){ gpa + 16, 16, true }, 1);
		drv_kick(q);
		vdev_pump(&r->dev);
	}
}

/* Gives the device a past, or uses it whatever its state is. */
static void use_dev(struct dev *d, uint32_t seed, unsigned int n)
{
	uint64_t mark;

	if (d->cls->regs) {
		rdev_garbage(&d->regs, seed, n);
		return;
	}
	mark = guest_mark(&d->rig.guest);
	ck_assert_int_eq(vdev_start(&d->rig.dev, NULL), 0);
	use_queues(&d->rig);
	vdev_reset(&d->rig.dev);
	guest_rewind(&d->rig.guest, mark);
}

static struct cv_buf save(const struct dev *d)
{
	struct cv_buf buf = { 0 };

	cv_state_save(d->cls->state, d->cls->state_version, d->self, &buf);
	ck_assert(!buf.failed);
	return buf;
}

static int load(struct dev *d, const uint8_t *data, size_t len)
{
	uint16_t version = 0;
	size_t used = 0;
	int err = cv_state_load(d->cls->state, d->cls->state_version, d->self, data, len, &used,
				&version, NULL);

	if (err)
		return err;
	ck_assert_uint_le(used, len);
	ck_assert_uint_eq(version, d->cls->state_version);
	return d->cls->loaded ? d->cls->loaded(d->self, version) : 0;
}

static void check_round_trip(const struct cv_class *cls)
{
	struct dev from = { 0 }, to = { 0 };
	struct cv_buf a, b;

	open_dev(&from, cls);
	if (cls->regs)
		use_dev(&from, 77, 1000);
	a = save(&from);
	open_dev(&to, cls);
	ck_assert_msg(load(&to, a.data, a.len) == 0, "%s", cls->name);
	b = save(&to);
	ck_assert_msg(a.len == b.len && memcmp(a.data, b.data, a.len) == 0, "%s", cls->name);
	for (size_t len = 0; len < a.len; len++)
		ck_assert_msg(load(&to, a.data, len) == -EINVAL, "%s at %zu", cls->name, len);
	cv_buf_fini(&a);
	cv_buf_fini(&b);
	close_dev(&from);
	close_dev(&to);
}

static void check_damage(const struct cv_class *cls)
{
	struct dev d = { 0 };
	struct cv_buf good;

	open_dev(&d, cls);
	good = save(&d);
	for (size_t i = 0; i < good.len; i++) {
		for (unsigned int bit = 0; bit < 9; bit += 2) {
			uint8_t was = good.data[i];

			/* single bits, and all of them */
			good.data[i] = bit < 8 ? (uint8_t)(was ^ 1u << bit) : (uint8_t)~was;
			if (load(&d, good.data, good.len) == 0)
				use_dev(&d, (uint32_t)i, 30);
			good.data[i] = was;
		}
	}
	ck_assert_int_eq(load(&d, good.data, good.len), 0);
	cv_buf_fini(&good);
	close_dev(&d);
}

START_TEST(round_trips)
{
	unsigned int n = 0;

	for (const struct cv_class *const *c = cv_classes; *c; c++, n++)
		check_round_trip(*c);
	ck_assert_uint_ge(n, 10);
}
END_TEST

START_TEST(damage)
{
	for (const struct cv_class *const *c = cv_classes; *c; c++)
		check_damage(*c);
}
END_TEST

/* What every class of the build has, and exactly one of two faces. */
START_TEST(classes_are_whole)
{
	for (const struct cv_class *const *c = cv_classes; *c; c++) {
		ck_assert_ptr_nonnull((*c)->name);
		ck_assert_ptr_nonnull((*c)->help);
		ck_assert_ptr_nonnull((*c)->policy);
		ck_assert_ptr_nonnull((*c)->init);
		ck_assert_msg(!(*c)->regs != !(*c)->virtio, "%s", (*c)->name);
		ck_assert_uint_ge((*c)->state_version, 1);
		ck_assert_uint_gt((*c)->size, 0);
		for (const struct cv_opt *o = (*c)->opts; o && o->name; o++) {
			ck_assert_msg(o->help, "%s: %s", (*c)->name, o->name);
			ck_assert_uint_lt(o->off, (*c)->config_size);
		}
		for (const struct cv_control *r = (*c)->controls; r && r->name; r++)
			ck_assert_msg(r->help && r->run, "%s: %s", (*c)->name, r->name);
		for (const struct cv_class *const *d = cv_classes; *d != *c; d++)
			ck_assert_str_ne((*d)->name, (*c)->name);
	}
}
END_TEST

CHECK_MAIN("state", round_trips, damage, classes_are_whole)
