/* SPDX-License-Identifier: BSD-3-Clause */
/* A device of a class in this process, with guest memory and a loop, for tests. */
#include <errno.h>

#include "base/math.h"
#include "must.h"
#include "vdev.h"
#include "vdev_pci.h"
#include "virtio/vslot_local.h"

static void rig_request(const struct cv_env *env, unsigned int what)
{
	struct rig *r = env->ctx;

	atomic_fetch_or(&r->requests, 1u << what);
}

static void *run_loop(void *arg)
{
	must(cv_loop_run(arg) == 0);
	return NULL;
}

static int make_slot(struct rig *r, const char *options, struct vm_error *e)
{
	const struct cv_vslot_local_config local = { .packed = true, .poll = r->o.poll };
	const struct cv_env env = { .mem = &r->guest.mem,
				    .loop = r->loop,
				    .log = &r->log,
				    .request = rig_request,
				    .ctx = r };
	int err = cv_class_configure(r->cls, options, &r->config, e);

	return err ?: cv_vslot_local_create(&r->slot, r->cls, &env, r->config, &local, e);
}

int rig_try_init(struct rig *r, const struct cv_class *cls, const char *options,
		 const struct rig_options *o, struct vm_error *e)
{
	int err;

	*r = (struct rig){ .cls = cls };
	if (o)
		r->o = *o;
	must(!r->o.threaded || !r->o.fake_clock);
	guest_init(&r->guest, r->o.mem ?: 8 * CV_MIB);
	must((r->o.fake_clock ? cv_loop_create_fake : cv_loop_create)(&r->loop, NULL) == 0);
	if (r->o.threaded)
		must(pthread_create(&r->thread, NULL, run_loop, r->loop) == 0);
	err = make_slot(r, options, e);
	if (err)
		rig_fini(r);
	else
		vdev_attach(&r->dev, r->o.ops ?: &vdev_slot_ops, r->slot, &r->guest, r->loop,
			    r->o.threaded);
	return err;
}

void rig_init(struct rig *r, const struct cv_class *cls, const char *options,
	      const struct rig_options *o)
{
	struct vm_error e = { 0 };
	int err = rig_try_init(r, cls, options, o, &e);

	if (err)
		fprintf(stderr, "rig: %s\n", e.text);
	must(err == 0);
}

void rig_fini(struct rig *r)
{
	vdev_detach(&r->dev);
	cv_vslot_destroy(r->slot);
	if (r->config)
		cv_class_config_destroy(r->cls, r->config);
	if (r->o.threaded) {
		cv_loop_stop(r->loop);
		must(pthread_join(r->thread, NULL) == 0);
	}
	cv_loop_destroy(r->loop);
	guest_fini(&r->guest);
	*r = (struct rig){ 0 };
}

void rig_each(const struct cv_class *cls, const char *options, void (*body)(struct rig *r))
{
	static const struct vdev_ops *const ops[] = { &vdev_slot_ops, &vdev_mmio_ops,
						      &vdev_pci_ops };
	struct rig r;

	for (unsigned int i = 0; i < 8 * CV_LEN(ops); i++) {
		const struct rig_options ro = { .ops = ops[i / 8], .threaded = i & 4 };
		const struct vdev_options vo = { .packed = i & 1, .no_event_idx = i & 2 };

		rig_init(&r, cls, options, &ro);
		must(vdev_start(&r.dev, &vo) == 0);
		body(&r);
		rig_fini(&r);
	}
}
