/* SPDX-License-Identifier: BSD-3-Clause */
/* Single queues of an embedder's virtio device: reset, set up anew, started late. */
#include "custom_driver.h"

#define N_HELD 3u

/* Queue 0 answers at once; queue 1 as well, or it keeps what it is given. */
struct keeper {
	atomic_bool keep;
	atomic_uint n_kept, n_starts, n_stops, n_queue_stops;
	struct vm_request *kept[N_HELD];
};

static void keeper_start(void *user, uint64_t features)
{
	(void)features;
	atomic_fetch_add(&((struct keeper *)user)->n_starts, 1);
}

static void keeper_request(void *user, unsigned int queue, struct vm_request *r)
{
	struct keeper *k = user;
	unsigned int n = atomic_load(&k->n_kept);
	uint64_t val = 0;

	if (queue == 1 && atomic_load(&k->keep)) {
		must(n < N_HELD);
		k->kept[n] = r;
		atomic_store(&k->n_kept, n + 1);
		return;
	}
	must(vm_request_read(r, 0, &val, sizeof(val)) == sizeof(val));
	vm_request_complete(r, (uint32_t)vm_request_write(r, 0, &val, sizeof(val)));
}

static void keeper_stop(void *user)
{
	atomic_fetch_add(&((struct keeper *)user)->n_stops, 1);
}

/* One is completed, the others are forgotten. */
static void keeper_queue_stop(void *user, unsigned int queue)
{
	struct keeper *k = user;

	must(queue == 1);
	if (atomic_exchange(&k->n_kept, 0) > 0)
		vm_request_complete(k->kept[1], 1);
	atomic_fetch_add(&k->n_queue_stops, 1);
}

static const struct vm_virtio_ops keeper_ops = { VM_VIRTIO_OPS_INIT, .start = keeper_start,
						 .request = keeper_request, .stop = keeper_stop,
						 .queue_stop = keeper_queue_stop };

static void add_keeper(struct vm_test *t, struct keeper *k, size_t ops_size)
{
	const struct vm_virtio_config config = {
		.size = sizeof(config), .name = "keeper", .device_id = 42, .n_queues = 2
	};
	struct vm_virtio_ops ops = keeper_ops;

	ops.size = ops_size;
	ck_assert_int_eq(vm_add_virtio(t->vm, &config, &ops, k, NULL, &t->e), 0);
}

/* Queue 1 from its beginning. */
static void set_up(struct driver *d, struct drv_vq *q, uint16_t size)
{
	drv_vq_init(q, &d->g, size, d->features);
	q->notify = notify;
	q->ctx = d;
	q->index = 1;
	set(d, SELECT, 2, 1);
	set(d, SIZE, 2, size);
	set(d, DESC, 8, q->desc);
	set(d, DRIVER, 8, q->driver);
	set(d, DEVICE, 8, q->device);
	set(d, ENABLE, 2, 1);
}

static void reset_queue(struct driver *d, struct drv_vq *q)
{
	set(d, SELECT, 2, 1);
	set(d, RESET_QUEUE, 2, 1);
	cv_fake_check(d->vcpu, get(d, RESET_QUEUE, 2) == 0 && get(d, ENABLE, 2) == 0);
	drv_vq_fini(q);
}

static void send(struct drv_vq *q, uint64_t mem)
{
	const struct drv_buf bufs[] = { { mem, 8, false }, { mem + 8, 8, true } };

	must(drv_add(q, bufs, 2) >= 0);
	drv_kick(q);
}

static void echoes(struct driver *d, struct drv_vq *q, uint64_t mem, unsigned int n)
{
	for (uint64_t i = 1; i <= n; i++) {
		uint32_t len = 0;

		guest_put64(&d->g, mem, i);
		send(q, mem);
		while (drv_used(q, &len) < 0)
			cv_fake_relax(d->vcpu);
		cv_fake_check(d->vcpu, len == 8 && guest_get64(&d->g, mem + 8) == i);
	}
}

static void resetting_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct keeper *k = arg;
	struct driver d;
	struct drv_vq q;
	uint64_t mem;

	driver_start(&d, vcpu);
	cv_fake_check(vcpu, d.features & CV_VIRTIO_F_RING_RESET);
	mem = guest_alloc(&d.g, 16, 8);
	for (uint16_t size = 16; size <= 256; size *= 4) {
		set_up(&d, &q, size);
		echoes(&d, &q, mem, 2u * size);
		atomic_store(&k->keep, true);
		for (unsigned int i = 0; i < N_HELD; i++)
			send(&q, mem);
		while (atomic_load(&k->n_kept) < N_HELD)
			cv_fake_relax(vcpu);
		atomic_store(&k->keep, false);
		reset_queue(&d, &q);
		cv_fake_check(vcpu, atomic_load(&k->n_kept) == 0);
		echoes(&d, &d.q, mem, 3);
	}
	cv_fake_check(vcpu, atomic_load(&k->n_starts) == 1 && atomic_load(&k->n_stops) == 0);
	set_up(&d, &q, 8); /* running at the end */
	echoes(&d, &q, mem, 20);
	set(&d, STATUS, 1, 0);
	drv_vq_fini(&q);
	driver_end(&d);
	vt_power_off(vcpu);
}

START_TEST(queues_are_reset)
{
	struct usage before = usage_now();
	struct keeper k = { 0 };
	struct vm_test t;

	vt_make(&t, resetting_guest, &k);
	add_keeper(&t, &k, sizeof(struct vm_virtio_ops));
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	ck_assert_uint_eq(k.n_queue_stops, 3);
	ck_assert_uint_eq(k.n_stops, 1);
	vt_fini(&t);
	vt_same_usage(before);
}
END_TEST

static void plain_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct driver d;

	(void)arg;
	driver_start(&d, vcpu);
	cv_fake_check(vcpu, !(d.features & CV_VIRTIO_F_RING_RESET));
	echoes(&d, &d.q, guest_alloc(&d.g, 16, 8), 40);
	set(&d, SELECT, 2, 0);
	set(&d, RESET_QUEUE, 2, 1); /* which is not there */
	cv_fake_check(vcpu, get(&d, ENABLE, 2) == 1);
	echoes(&d, &d.q, guest_alloc(&d.g, 16, 8), 40);
	driver_end(&d);
	vt_power_off(vcpu);
}

/* An embedder that was built before the callback existed. */
START_TEST(without_the_callback)
{
	struct keeper k = { 0 };
	struct vm_test t;

	vt_make(&t, plain_guest, NULL);
	add_keeper(&t, &k, offsetof(struct vm_virtio_ops, queue_stop));
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	ck_assert_uint_eq(k.n_queue_stops, 0);
	vt_fini(&t);
}
END_TEST

CHECK_MAIN("custom queues", queues_are_reset, without_the_callback)
