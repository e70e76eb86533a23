/* SPDX-License-Identifier: BSD-3-Clause */
/* Register slots in this process: access sizes, the device lock, where callbacks run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/slot.h"
#include "support/check_main.h"
#include "sys/loop.h"
#include "sys/thread.h"

struct dev_config {
	uint32_t fail;
};

struct dev {
	const struct cv_env *env;
	pthread_t init_thread, reset_thread;
	unsigned int n_reads, n_writes, last_len, n_resets;
	uint8_t bytes[8];
};

static unsigned int n_finis;

static bool is_locked(const struct dev *d)
{
	if (pthread_mutex_trylock(d->env->lock) != 0)
		return true;
	pthread_mutex_unlock(d->env->lock);
	return false;
}

static int dev_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	const struct dev_config *c = config;
	struct dev *d = self;

	d->env = env;
	d->init_thread = pthread_self();
	return c->fail ? cv_err(e, -ENOSPC, "dev: as told") : 0;
}

static void dev_fini(void *self)
{
	(void)self;
	n_finis++;
}

static void dev_reset(void *self)
{
	struct dev *d = self;

	d->reset_thread = pthread_self();
	d->n_resets++;
	ck_assert(is_locked(d));
}

static uint64_t dev_read(void *self, uint64_t off, unsigned int len)
{
	struct dev *d = self;
	uint64_t val = 0;

	ck_assert(is_locked(d));
	ck_assert_uint_le(off + len, sizeof(d->bytes));
	d->n_reads++;
	d->last_len = len;
	memcpy(&val, d->bytes + off, len);
	return val | 0xabull << 56; /* rubbish above the length is cut off */
}

static void dev_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct dev *d = self;

	ck_assert(is_locked(d));
	ck_assert_uint_le(off + len, sizeof(d->bytes));
	d->n_writes++;
	d->last_len = len;
	memcpy(d->bytes + off, &val, len);
}

struct add_args {
	uint32_t a, b;
};

static const struct cv_opt add_opts[] = {
	{ .name = "a", .kind = CV_OPT_U32, .off = offsetof(struct add_args, a), .required = true },
	{ .name = "b", .kind = CV_OPT_U32, .off = offsetof(struct add_args, b), .dflt = 1 },
	CV_OPT_END
};

static int dev_add(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	const struct add_args *a = args;

	ck_assert(is_locked(self));
	if (a->b == 0)
		return cv_err(e, -EDOM, "dev: nothing to add");
	snprintf(reply, size, "sum=%u", a->a + a->b);
	return 0;
}

static const struct cv_control dev_controls[] = {
	{ .name = "add", .args = add_opts, .args_size = sizeof(struct add_args), .run = dev_add },
	CV_CONTROL_END
};

static const struct cv_regs_ops narrow = {
	.span = 8, .min_len = 1, .max_len = 1, .read = dev_read, .write = dev_write
};
static const struct cv_regs_ops middle = {
	.span = 8, .min_len = 2, .max_len = 4, .read = dev_read, .write = dev_write
};

static struct cv_class make_class(const struct cv_regs_ops *regs)
{
	return (struct cv_class){ .name = "dev",
				  .size = sizeof(struct dev),
				  .controls = dev_controls,
				  .init = dev_init,
				  .fini = dev_fini,
				  .reset = dev_reset,
				  .regs = regs };
}

static struct cv_rslot_local *make(const struct cv_class *cls, struct cv_loop *loop)
{
	struct cv_env env = { .loop = loop };
	struct dev_config config = { 0 };
	struct cv_rslot_local *l;

	ck_assert_int_eq(cv_rslot_local_create(&l, cls, &env, &config, NULL), 0);
	return l;
}

static uint64_t rd(struct cv_rslot_local *l, uint64_t off, unsigned int len)
{
	struct cv_rslot *slot = cv_rslot_local_slot(l);

	return slot->ops->read(slot, off, len);
}

static void wr(struct cv_rslot_local *l, uint64_t off, unsigned int len, uint64_t val)
{
	struct cv_rslot *slot = cv_rslot_local_slot(l);

	slot->ops->write(slot, off, len, val);
}

START_TEST(wide_accesses_become_narrow)
{
	struct cv_class cls = make_class(&narrow);
	struct cv_rslot_local *l = make(&cls, NULL);
	struct dev *d = cv_rslot_local_self(l);

	wr(l, 2, 4, 0x44332211);
	ck_assert_uint_eq(d->n_writes, 4);
	ck_assert_uint_eq(d->last_len, 1);
	ck_assert_int_eq(memcmp(d->bytes, "\0\0\x11\x22\x33\x44\0\0", 8), 0);
	ck_assert_uint_eq(rd(l, 2, 4), 0x44332211);
	ck_assert_uint_eq(rd(l, 0, 8), 0x443322110000);
	ck_assert_uint_eq(d->n_reads, 12);
	cv_rslot_local_destroy(l);
}
END_TEST

START_TEST(sizes_out_of_range)
{
	struct cv_class cls = make_class(&middle);
	struct cv_rslot_local *l = make(&cls, NULL);
	struct dev *d = cv_rslot_local_self(l);

	ck_assert_uint_eq(rd(l, 0, 1), 0xff);
	wr(l, 0, 1, 1);
	ck_assert_uint_eq(rd(l, 6, 4), 0xffffffff);
	ck_assert_uint_eq(rd(l, UINT64_MAX, 2), 0xffff);
	ck_assert_uint_eq(rd(l, 0, 3), 0xffffff);
	wr(l, 8, 4, 1);
	wr(l, 0, 16, 1);
	ck_assert_uint_eq(d->n_reads + d->n_writes, 0);
	wr(l, 0, 8, 0x8877665544332211);
	ck_assert_uint_eq(d->n_writes, 2);
	ck_assert_uint_eq(d->last_len, 4);
	ck_assert_uint_eq(rd(l, 1, 2), 0x3322);
	ck_assert_uint_eq(rd(l, 0, 8), 0x8877665544332211);
	cv_rslot_local_destroy(l);
}
END_TEST

START_TEST(failed_init_is_undone)
{
	struct cv_class cls = make_class(&narrow);
	struct dev_config config = { .fail = 1 };
	struct cv_env env = { 0 };
	struct cv_rslot_local *l;
	struct vm_error e;
	unsigned int before = n_finis;

	ck_assert_int_eq(cv_rslot_local_create(&l, &cls, &env, &config, &e), -ENOSPC);
	ck_assert_str_eq(e.text, "dev: as told");
	ck_assert_uint_eq(n_finis, before + 1);
	cv_rslot_local_destroy(NULL);
}
END_TEST

START_TEST(controls)
{
	struct cv_class cls = make_class(&narrow);
	struct cv_rslot_local *l = make(&cls, NULL);
	struct vm_error e;
	char reply[32];

	ck_assert_int_eq(cv_rslot_local_control(l, "add", "a=2,b=3", reply, 32, NULL), 0);
	ck_assert_str_eq(reply, "sum=5");
	ck_assert_int_eq(cv_rslot_local_control(l, "add", "a=2", reply, 32, NULL), 0);
	ck_assert_str_eq(reply, "sum=3");
	ck_assert_int_eq(cv_rslot_local_control(l, "add", "", reply, 32, &e), -EINVAL);
	ck_assert_ptr_nonnull(strstr(e.text, "add: option a is missing"));
	ck_assert_int_eq(cv_rslot_local_control(l, "add", "a=1,b=0", reply, 32, &e), -EDOM);
	ck_assert_str_eq(e.text, "dev: nothing to add");
	ck_assert_int_eq(cv_rslot_local_control(l, "sub", "a=1", reply, 32, &e), -ENOENT);
	cv_rslot_local_destroy(l);
}
END_TEST

static void *run_loop(void *arg)
{
	ck_assert_int_eq(cv_loop_run(arg), 0);
	return NULL;
}

static void note_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
}

/* A call made before the thread has taken the loop runs in the caller's. */
static void wait_for_owner(struct cv_loop *loop, pthread_t t)
{
	pthread_t in = pthread_self();

	while (!pthread_equal(in, t))
		cv_loop_call(loop, note_thread, &in);
}

START_TEST(callbacks_run_in_the_loop)
{
	struct cv_class cls = make_class(&narrow);
	struct cv_rslot_local *l;
	struct cv_loop *loop;
	struct dev *d;
	pthread_t t;

	ck_assert_int_eq(cv_loop_create(&loop, NULL), 0);
	ck_assert_int_eq(cv_thread_create(&t, "loop", run_loop, loop), 0);
	wait_for_owner(loop, t);
	l = make(&cls, loop);
	d = cv_rslot_local_self(l);
	cv_rslot_local_reset(l);
	ck_assert_uint_eq(d->n_resets, 1);
	ck_assert(pthread_equal(d->reset_thread, t));
	wr(l, 0, 1, 7);
	ck_assert_uint_eq(rd(l, 0, 1), 7);
	cv_rslot_local_destroy(l);
	cv_loop_stop(loop);
	pthread_join(t, NULL);
	cv_loop_destroy(loop);
}
END_TEST

CHECK_MAIN("rslot_local", wide_accesses_become_narrow, sizes_out_of_range, failed_init_is_undone,
	   controls, callbacks_run_in_the_loop)
