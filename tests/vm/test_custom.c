/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The embedder's own devices: register blocks, and virtio devices that a guest
 * program drives through virtio-pci with the rings of tests/support.
 */
#include "custom_driver.h"

/* ---- register blocks ---- */

/* One at a port, where the machine has those, and one in memory. */
#define BLOCK_AT  (T_PIO ? 0x520u : T_MMIO_FREE + 0x1000)
#define BLOCK_GPA T_MMIO_FREE
#define BLOCK_IRQ T_BLOCK_IRQ

struct block {
	uint64_t last_offset, last_value;
	unsigned int last_len, n_reads, n_writes, n_resets, n_drops;
	struct vm_device *device;
	struct vm *vm;
};

static uint64_t block_read(void *user, uint64_t offset, unsigned int len)
{
	struct block *b = user;

	b->n_reads++;
	return b->last_value + offset + len;
}

static void block_write(void *user, uint64_t offset, unsigned int len, uint64_t value)
{
	struct block *b = user;

	b->n_writes++;
	b->last_offset = offset;
	b->last_len = len;
	b->last_value = value;
	if (value == 0x1a)
		vm_device_interrupt(b->device);
}

static void block_reset(void *user)
{
	((struct block *)user)->n_resets++;
}

static void block_drop(void *user)
{
	((struct block *)user)->n_drops++;
}

static const struct vm_regs_ops block_ops = { VM_REGS_OPS_INIT, .read = block_read,
					      .write = block_write, .reset = block_reset,
					      .drop = block_drop };

static void block_guest(struct cv_vcpu *vcpu, void *arg)
{
	const struct block *first = arg, *second = first + 1;
	unsigned int n_writes = first->n_writes;

	vt_out(vcpu, BLOCK_AT + 1, 2, 0x1234);
	cv_fake_check(vcpu, first->last_offset == 1 && first->last_len == 2);
	cv_fake_check(vcpu, vt_in(vcpu, BLOCK_AT + 2, 1) == ((0x1234 + 3) & 0xff));
	vt_out(vcpu, BLOCK_AT + 4, 1, 9); /* behind it */
	cv_fake_check(vcpu, first->n_writes == n_writes + 1);
	cv_fake_write(vcpu, false, BLOCK_GPA + 8, 8, 0xfedcba9876543210);
	cv_fake_check(vcpu, second->last_value == 0xfedcba9876543210 && second->last_offset == 8);
	cv_fake_check(vcpu, cv_fake_read(vcpu, false, BLOCK_GPA, 4) == 0x76543214);
	vt_out(vcpu, BLOCK_AT, 1, 0x1a);
	cv_fake_wait(vcpu, BLOCK_IRQ, 1);
	if (first->n_writes < 5) /* two for each boot */
		vt_reset(vcpu);
	vt_power_off(vcpu);
}

static void add_block(struct vm_test *t, struct block *b, bool first)
{
	struct vm_regs_config config = VM_REGS_CONFIG_INIT;

	config.name = "counter";
	config.space = first && T_PIO ? VM_REGS_PIO : VM_REGS_MMIO;
	config.base = first ? BLOCK_AT : BLOCK_GPA;
	config.len = first ? 4 : 16;
	config.irq = first ? BLOCK_IRQ : 0;
	b->vm = t->vm;
	ck_assert_int_eq(vm_add_regs(t->vm, &config, &block_ops, b, &b->device, &t->e), 0);
}

START_TEST(register_blocks)
{
	struct block blocks[2] = { 0 };
	struct vm_test t;

	vt_init(&t);
	vt_program(&t, block_guest, blocks);
	t.config.reboot = true;
	vt_create(&t);
	add_block(&t, &blocks[0], true);
	add_block(&t, &blocks[1], false);
	vm_device_interrupt(blocks[0].device); /* nothing: there is no machine */
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	vm_device_interrupt(blocks[0].device);
	ck_assert_uint_eq(t.n_boots, 3);
	ck_assert_uint_eq(blocks[0].n_reads, 3);
	ck_assert_uint_eq(blocks[0].n_drops, 0);
	vt_fini(&t);
	ck_assert_uint_eq(blocks[0].n_drops, 1);
	ck_assert_uint_eq(blocks[1].n_drops, 1);
}
END_TEST

static void *interrupt_main(void *arg)
{
	struct block *b = arg;
	struct vm_event ev = VM_EVENT_INIT;

	while (vm_next_event(b->vm, &ev) == 0 || ev.kind != VM_EVENT_STOPPED)
		vm_device_interrupt(b->device);
	return NULL;
}

static void rebooting_guest(struct cv_vcpu *vcpu, void *arg)
{
	if (*(atomic_uint *)arg < 30)
		vt_reset(vcpu);
	vt_power_off(vcpu);
}

/* Interrupts from another thread, whatever the VM is doing. */
START_TEST(interrupts_at_any_time)
{
	struct block block = { 0 };
	pthread_t thread;
	struct vm_test t;

	vt_init(&t);
	vt_program(&t, rebooting_guest, &t.n_boots);
	t.config.reboot = true;
	vt_create(&t);
	add_block(&t, &block, VM_REGS_PIO);
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_main, &block), 0);
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	pthread_join(thread, NULL);
	vt_fini(&t);
}
END_TEST

/* ---- an echo device that completes in every way ---- */

#define N_REQUESTS 50u

enum manner { INSIDE, ELSEWHERE, FORGET, TWICE };

struct echo {
	enum manner manner;
	struct vm_device *device;
	struct vm_test *t;
	atomic_uint n_starts, n_stops, n_requests, n_drops;
	uint8_t config[8];
	/* ELSEWHERE: a thread completes */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct vm_request *waiting[QUEUE_SIZE];
	unsigned int n_waiting;
	bool quit;
};

/* Gives back the readable part and its length, through copies and iovecs. */
static void answer(struct vm_request *r)
{
	uint8_t buf[256];
	struct iovec iov[8];
	size_t n = vm_request_read(r, 0, buf, sizeof(buf));

	ck_assert_uint_eq(n, vm_request_readable(r));
	ck_assert_uint_eq(vm_request_read(r, n, buf, 1), 0);
	ck_assert_int_ge(vm_request_iov_readable(r, iov, 8), 1);
	ck_assert_uint_eq(iov[0].iov_len, n);
	ck_assert_int_ge(vm_request_iov_writable(r, iov, 8), 1);
	ck_assert_uint_eq(iov[0].iov_len, vm_request_writable(r));
	n = vm_request_write(r, 0, buf, n);
	vm_request_complete(r, (uint32_t)n);
}

static void *echo_main(void *arg)
{
	struct echo *x = arg;

	pthread_mutex_lock(&x->lock);
	while (!x->quit) {
		if (x->n_waiting > 0)
			answer(x->waiting[--x->n_waiting]);
		else
			pthread_cond_wait(&x->changed, &x->lock);
	}
	pthread_mutex_unlock(&x->lock);
	return NULL;
}

static void echo_start(void *user, uint64_t features)
{
	struct echo *x = user;

	ck_assert(features & CV_VIRTIO_F_VERSION_1);
	ck_assert(features & 1u << 5);
	atomic_fetch_add(&x->n_starts, 1);
}

static void echo_request(void *user, unsigned int queue, struct vm_request *r)
{
	struct echo *x = user;

	ck_assert_uint_eq(queue, 0);
	atomic_fetch_add(&x->n_requests, 1);
	switch (x->manner) {
	case INSIDE:
		answer(r);
		return;
	case TWICE:
		answer(r);
		vm_request_complete(r, 1);
		return;
	case FORGET:
		return;
	case ELSEWHERE:
		pthread_mutex_lock(&x->lock);
		x->waiting[x->n_waiting++] = r;
		pthread_cond_signal(&x->changed);
		pthread_mutex_unlock(&x->lock);
		return;
	}
}

static void echo_stop(void *user)
{
	struct echo *x = user;

	pthread_mutex_lock(&x->lock); /* waits for a completion under way; forgets the others */
	x->n_waiting = 0;
	pthread_mutex_unlock(&x->lock);
	atomic_fetch_add(&x->n_stops, 1);
}

static void echo_config_read(void *user, uint32_t offset, void *buf, uint32_t len)
{
	memcpy(buf, ((struct echo *)user)->config + offset, len);
}

static void echo_config_write(void *user, uint32_t offset, const void *buf, uint32_t len)
{
	struct echo *x = user;

	memcpy(x->config + offset, buf, len);
	vm_device_config_changed(x->device);
}

static void echo_drop(void *user)
{
	atomic_fetch_add(&((struct echo *)user)->n_drops, 1);
}

static const struct vm_virtio_ops echo_ops = { VM_VIRTIO_OPS_INIT,
					       .start = echo_start,
					       .request = echo_request,
					       .stop = echo_stop,
					       .config_read = echo_config_read,
					       .config_write = echo_config_write,
					       .drop = echo_drop };

static void echo_init(struct echo *x, struct vm_test *t, enum manner manner)
{
	struct vm_virtio_config config = VM_VIRTIO_CONFIG_INIT;

	*x = (struct echo){ .manner = manner, .t = t, .config = "config." };
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->changed, NULL);
	config.name = "echo";
	config.device_id = 42;
	config.n_queues = 1;
	config.config_len = sizeof(x->config);
	config.features = 1u << 5;
	ck_assert_int_eq(vm_add_virtio(t->vm, &config, &echo_ops, x, &x->device, &t->e), 0);
	if (manner == ELSEWHERE)
		ck_assert_int_eq(pthread_create(&x->thread, NULL, echo_main, x), 0);
}

static void echo_fini(struct echo *x)
{
	if (x->manner == ELSEWHERE) {
		pthread_mutex_lock(&x->lock);
		x->quit = true;
		pthread_cond_signal(&x->changed);
		pthread_mutex_unlock(&x->lock);
		pthread_join(x->thread, NULL);
	}
	pthread_cond_destroy(&x->changed);
	pthread_mutex_destroy(&x->lock);
}

/* Requests one after another, each echoed. */
static void one_by_one(struct driver *d)
{
	uint64_t out = guest_alloc(&d->g, 64, 8), in = guest_alloc(&d->g, 64, 8);

	for (uint64_t i = 0; i < N_REQUESTS; i++) {
		uint32_t len = 0;
		int name;

		guest_put64(&d->g, out, i * 0x0101010101010101);
		name = add(d, out, 8, in, 64);
		drv_kick(&d->q);
		cv_fake_check(d->vcpu, wait_used(d, &len) == name && len == 8);
		cv_fake_check(d->vcpu, guest_get64(&d->g, in) == i * 0x0101010101010101);
	}
}

/* As many as the ring holds, in whatever order they come back. */
static void all_at_once(struct driver *d)
{
	uint64_t out = guest_alloc(&d->g, 64, 8), in = guest_alloc(&d->g, 64 * QUEUE_SIZE, 8);
	unsigned int n = 0;

	while (add(d, out, 64, in + 64 * n, 64) >= 0)
		n++;
	cv_fake_check(d->vcpu, n == QUEUE_SIZE / 2);
	drv_kick(&d->q);
	while (n-- > 0) {
		uint32_t len = 0;

		wait_used(d, &len);
		cv_fake_check(d->vcpu, len == 64);
	}
}

static void echo_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct driver d;

	(void)arg;
	driver_start(&d, vcpu);
	cv_fake_check(vcpu, d.gsi != 0);
	cv_fake_check(vcpu, cv_fake_read(vcpu, false, d.device + 4, 4) == 0x002e6769);
	one_by_one(&d);
	all_at_once(&d);
	cv_fake_check(vcpu, cv_fake_interrupts(cv_fake_hv(vcpu), d.gsi) > 0);
	set(&d, STATUS, 1, 0);
	driver_end(&d);
	vt_power_off(vcpu);
}

static void echo(enum manner manner)
{
	struct usage before = usage_now();
	struct vm_test t;
	struct echo x;

	vt_make(&t, echo_guest, NULL);
	echo_init(&x, &t, manner);
	for (unsigned int i = 1; i <= 2; i++) {
		ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
		ck_assert_uint_eq(x.n_starts, i);
		ck_assert_uint_eq(x.n_stops, i);
		ck_assert_uint_eq(x.n_requests, i * (N_REQUESTS + QUEUE_SIZE / 2));
	}
	ck_assert_uint_eq(x.n_drops, 0);
	vt_fini(&t);
	ck_assert_uint_eq(x.n_drops, 1);
	echo_fini(&x);
	vt_same_usage(before);
}

START_TEST(completed_inside)
{
	echo(INSIDE);
}
END_TEST

START_TEST(completed_by_another_thread)
{
	echo(ELSEWHERE);
}
END_TEST

START_TEST(completed_twice)
{
	echo(TWICE);
}
END_TEST

/* Requests that nobody completes are given back when the driver resets the device, and die with
 * the machine when it does not. */
static void forgetting_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct echo *x = arg;
	struct driver d;
	uint64_t mem;

	driver_start(&d, vcpu);
	mem = guest_alloc(&d.g, 128, 8);
	for (int i = 0; i < 5; i++)
		add(&d, mem, 8, mem + 64, 8);
	drv_kick(&d.q);
	while (x->n_requests % 5 != 0 || x->n_requests == 0)
		cv_fake_relax(vcpu);
	cv_fake_check(vcpu, !drv_has_used(&d.q));
	if (x->n_starts == 1) {
		set(&d, STATUS, 1, 0);
		cv_fake_check(vcpu, get(&d, STATUS, 1) == 0);
		cv_fake_check(vcpu, x->n_stops == 1);
	}
	driver_end(&d);
	vt_power_off(vcpu);
}

START_TEST(requests_forgotten)
{
	struct vm_test t;
	struct echo x;

	vt_init(&t);
	vt_program(&t, forgetting_guest, &x);
	vt_create(&t);
	echo_init(&x, &t, FORGET);
	for (unsigned int i = 1; i <= 3; i++) {
		ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
		ck_assert_uint_eq(x.n_stops, i);
	}
	vt_fini(&t);
	ck_assert_uint_eq(x.n_stops, 3);
	echo_fini(&x);
}
END_TEST

/* Never stops asking; the test stops the VM in the middle. */
static void flooding_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct driver *d = arg;
	uint64_t mem;

	driver_start(d, vcpu);
	mem = guest_alloc(&d->g, 128, 8);
	drv_raw_desc(&d->q, 0, mem, 8, DRV_F_NEXT, 1);
	drv_raw_desc(&d->q, 1, mem + 64, 8, DRV_F_WRITE, 0);
	for (uint16_t i = 0;; i++) {
		drv_raw_avail(&d->q, i, 0);
		drv_raw_avail_idx(&d->q, (uint16_t)(i + 1));
		notify(&d->q);
		do
			cv_fake_relax(vcpu);
		while ((uint16_t)(i - drv_raw_used_idx(&d->q)) >= QUEUE_SIZE / 2);
	}
}

static void flood(enum manner manner)
{
	struct driver d = { 0 };
	struct vm_test t;
	struct echo x;

	vt_make(&t, flooding_guest, &d);
	echo_init(&x, &t, manner);
	for (unsigned int i = 1; i <= 10; i++) {
		unsigned int seen = x.n_requests;

		vt_start(&t);
		while (x.n_requests == seen)
			usleep(100);
		vm_stop(t.vm);
		ck_assert_int_eq(vt_wait(&t), VM_EXIT_STOPPED);
		ck_assert_uint_eq(x.n_stops, i);
		driver_end(&d); /* the guest stands still for ever */
	}
	vt_fini(&t);
	echo_fini(&x);
}

START_TEST(stopped_in_the_flood)
{
	flood(INSIDE);
	flood(ELSEWHERE);
	flood(FORGET);
}
END_TEST

/* ---- configuration space ---- */

static void config_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct driver d;
	unsigned int before;
	uint64_t generation;

	(void)arg;
	driver_start(&d, vcpu);
	generation = get(&d, STATUS + 1, 1);
	before = cv_fake_interrupts(cv_fake_hv(vcpu), d.gsi);
	cv_fake_write(vcpu, false, d.device, 1, 'C'); /* which the device calls a change */
	cv_fake_wait(vcpu, d.gsi, before + 1);
	cv_fake_check(vcpu, get(&d, STATUS + 1, 1) != generation);
	cv_fake_check(vcpu, cv_fake_read(vcpu, false, d.device, 4) == 0x666e6f43);
	driver_end(&d);
	vt_power_off(vcpu);
}

START_TEST(configuration_changes)
{
	struct vm_test t;
	struct echo x;

	vt_make(&t, config_guest, NULL);
	echo_init(&x, &t, INSIDE);
	vm_device_config_changed(x.device); /* nothing: there is no machine */
	ck_assert_int_eq(vt_run(&t), VM_EXIT_POWER_OFF);
	vm_device_config_changed(x.device);
	ck_assert_str_eq((char *)x.config, "Config.");
	vt_fini(&t);
	echo_fini(&x);
}
END_TEST

/* ---- control ---- */

static void idle_guest(struct cv_vcpu *vcpu, void *arg)
{
	(void)arg;
	for (;;)
		cv_fake_relax(vcpu);
}

START_TEST(control_operations)
{
	struct vm_device *balloon, *serial;
	char reply[256] = "old";
	struct vm_test t;

	vt_make(&t, idle_guest, NULL);
	ck_assert_int_eq(vm_add_device(t.vm, "balloon", NULL, &balloon, &t.e), 0);
	ck_assert_int_eq(vm_add_device(t.vm, "serial", NULL, &serial, &t.e), 0);
	vt_sentence(&t, vm_device_control(balloon, "status", NULL, reply, sizeof(reply), &t.e),
		    -ENOTCONN, "balloon: the VM does not run");
	vt_start(&t);
	ck_assert_int_eq(vm_device_control(balloon, "target", "bytes=1M", NULL, 0, &t.e), 0);
	ck_assert_int_eq(vm_device_control(balloon, "status", NULL, reply, sizeof(reply), &t.e), 0);
	ck_assert_msg(strstr(reply, "1048576"), "%s", reply);
	ck_assert_int_eq(vm_device_control(balloon, "status", "", reply, 3, &t.e), 0);
	ck_assert_uint_eq(strlen(reply), 2);
	vt_sentence(&t, vm_device_control(balloon, "nope", NULL, NULL, 0, &t.e), -ENOENT, "'nope'");
	vt_sentence(&t, vm_device_control(balloon, "target", "bites=1", NULL, 0, &t.e), -EINVAL,
		    "'bites' is not known");
	vt_sentence(&t, vm_device_control(serial, "nope", NULL, NULL, 0, &t.e), -ENOENT, "'nope'");
	vm_stop(t.vm);
	ck_assert_int_eq(vm_device_control(balloon, "status", NULL, NULL, 0, NULL), -ENOTCONN);
	vt_fini(&t);
}
END_TEST

CHECK_MAIN("custom", register_blocks, interrupts_at_any_time, completed_inside,
	   completed_by_another_thread, completed_twice, requests_forgotten, stopped_in_the_flood,
	   configuration_changes, control_operations)
