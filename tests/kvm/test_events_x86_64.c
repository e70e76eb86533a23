/* SPDX-License-Identifier: BSD-3-Clause */
/* Kicks, doorbells and interrupts on KVM, with and against a running guest. */
#include <errno.h>
#include <stdatomic.h>

#include "kvm/bare.h"
#include "sys/fd.h"
#include "sys/thread.h"

#define VECTOR_MSI   0x40u
#define VECTOR_LEVEL 0x41u
#define VECTOR_EDGE  0x42u
#define GSI_LEVEL    20u
#define GSI_EDGE     5u
#define COUNTS	     0x40000u /* a counter per vector, from VECTOR_MSI on */

/* clang-format off */
#define IDLE "movl $0x30000, %esp\n sti\n 1: hlt\n jmp 1b\n"

CODE(spin32, ".code32", "1: incl 0x40000\n jmp 1b\n");

CODE(idle32, ".code32", "movb $1, %al\n outb %al, $0x80\n cli\n 1: hlt\n jmp 1b\n");

/* Doorbells in a loop: port 0x600 (2 bytes, value 1), then value 2, memory 0xd0001000 in three
 * sizes, and port 0x80 at the end of each round. */
CODE(bells32, ".code32",
     "1: movw $0x600, %dx\n movl $1, %eax\n outw %ax, %dx\n"
     "movl $2, %eax\n outw %ax, %dx\n"
     "movw %ax, 0xd0001000\n movl %eax, 0xd0001000\n movb %al, 0xd0001000\n"
     "outb %al, $0x80\n jmp 1b\n");

/* Handlers count, end the interrupt and idle themselves: some KVMs cannot IRET here. Main: masks the PICs, enables the APIC, sends IOAPIC pin 20 to vector 0x41
 * as a level, pin 5 to 0x42 as an edge, tells so, and idles. */
CODE(irq32, ".code32",
     "movb $0xff, %al\n outb %al, $0x21\n outb %al, $0xa1\n"
     "movl $0x1ff, 0xfee000f0\n"
     "movl $0x38, 0xfec00000\n movl $0x8041, 0xfec00010\n"
     "movl $0x39, 0xfec00000\n movl $0, 0xfec00010\n"
     "movl $0x1a, 0xfec00000\n movl $0x0042, 0xfec00010\n"
     "movl $0x1b, 0xfec00000\n movl $0, 0xfec00010\n"
     "movb $1, %al\n outb %al, $0x80\n" IDLE);
CODE(handler_msi, ".code32",
     "lock incl 0x40000\n movl $0, 0xfee000b0\n outb %al, $0x81\n" IDLE);
CODE(handler_level, ".code32",
     "lock incl 0x40004\n movl $0, 0xfee000b0\n outb %al, $0x81\n" IDLE);
CODE(handler_edge, ".code32",
     "lock incl 0x40008\n movl $0, 0xfee000b0\n outb %al, $0x81\n" IDLE);

/* The boot processor wakes processor 1 at 0x7000 and waits for its mark. */
CODE(wake32, ".code32",
     "movl $0x1ff, 0xfee000f0\n"
     "movl $0x01000000, 0xfee00310\n movl $0x4500, 0xfee00300\n"
     "movl $0x01000000, 0xfee00310\n movl $0x4607, 0xfee00300\n"
     "1: pause\n cmpl $0, 0x40000\n je 1b\n"
     "outb %al, $0x80\n 2: hlt\n jmp 2b\n");
CODE(woken16, ".code16",
     "movw $0x4000, %ax\n movw %ax, %ds\n movl $1, 0\n 1: hlt\n jmp 1b\n");
/* clang-format on */

struct kicker {
	struct cv_vcpu *vcpu;
	struct bare *moving; /* kick only once its counter has moved from @from */
	uint32_t from;
	atomic_bool stop;
	unsigned int n, pause_us;
};

static void *kicker_main(void *arg)
{
	struct kicker *k = arg;

	for (unsigned int i = 0; i < k->n && !atomic_load(&k->stop); i++) {
		do
			usleep(k->pause_us);
		while (k->moving && bare_get32(k->moving, BARE_DATA) == k->from);
		k->vcpu->ops->vcpu_kick(k->vcpu);
	}
	return NULL;
}

static void kick_after(struct bare *b, unsigned int us)
{
	struct kicker k = { .vcpu = b->vcpus[0], .n = 1, .pause_us = us };
	pthread_t thread;

	ck_assert_int_eq(cv_thread_create(&thread, "kicker", kicker_main, &k), 0);
	ck_assert_int_eq(bare_run(b), CV_EXIT_KICKED);
	pthread_join(thread, NULL);
}

START_TEST(running_guest_is_kicked)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_PROTECTED, spin32, spin32_end);
	for (int i = 0; i < 20; i++) {
		struct kicker k = { .vcpu = b.vcpus[0], .moving = &b, .n = 1, .pause_us = 500 };
		pthread_t thread;

		k.from = bare_get32(&b, BARE_DATA);
		ck_assert_int_eq(cv_thread_create(&thread, "kicker", kicker_main, &k), 0);
		ck_assert_int_eq(bare_run(&b), CV_EXIT_KICKED);
		pthread_join(thread, NULL);
	}
	bare_fini(&b);
}
END_TEST

START_TEST(halted_guest_is_kicked)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_PROTECTED, idle32, idle32_end);
	bare_expect_out(&b, 0x80, 1, 1);
	for (int i = 0; i < 20; i++)
		kick_after(&b, 1000);
	bare_fini(&b);
}
END_TEST

/* Kicks before the run are not lost, many are one, and none is left over afterwards. */
START_TEST(kicks_before_the_run)
{
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_PROTECTED, idle32, idle32_end);
	for (int i = 0; i < 1000; i++)
		b.vcpus[0]->ops->vcpu_kick(b.vcpus[0]);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_KICKED);
	ck_assert_uint_eq(bare_get32(&b, BARE_DATA), 0);
	bare_expect_out(&b, 0x80, 1, 1);
	bare_fini(&b);
}
END_TEST

/* One thread kicks as fast as it can; each kick is answered, none breaks the guest. */
START_TEST(storm_of_kicks)
{
	struct kicker k = { .n = 20000 };
	pthread_t thread;
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_PROTECTED, idle32, idle32_end);
	k.vcpu = b.vcpus[0];
	ck_assert_int_eq(cv_thread_create(&thread, "kicker", kicker_main, &k), 0);
	for (unsigned int kicked = 0; kicked < 100;)
		kicked += bare_run(&b) == CV_EXIT_KICKED;
	atomic_store(&k.stop, true);
	pthread_join(thread, NULL);
	b.vcpus[0]->ops->vcpu_kick(b.vcpus[0]);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_KICKED);
	bare_fini(&b);
}
END_TEST

/* A processor that waits for its start-up interrupt is kicked like any other. */
START_TEST(waiting_processor_is_kicked)
{
	const struct cv_x86_vcpu_state state = { .mode = CV_X86_WAIT_FOR_SIPI };
	struct kicker k = { .n = 1, .pause_us = 2000 };
	struct cv_exit exit;
	pthread_t thread;
	struct bare b;

	NEED_KVM();
	bare_init(&b, 2, true);
	k.vcpu = b.vcpus[1];
	ck_assert_int_eq(k.vcpu->ops->x86_setup(k.vcpu, &state, NULL), 0);
	ck_assert_int_eq(k.vcpu->ops->vcpu_enter(k.vcpu, NULL), 0);
	ck_assert_int_eq(cv_thread_create(&thread, "kicker", kicker_main, &k), 0);
	k.vcpu->ops->vcpu_run(k.vcpu, &exit);
	ck_assert_int_eq(exit.kind, CV_EXIT_KICKED);
	pthread_join(thread, NULL);
	bare_fini(&b);
}
END_TEST

struct second {
	struct cv_vcpu *vcpu;
	atomic_bool entered, quit;
	struct cv_exit exit;
};

static void *second_main(void *arg)
{
	struct second *s = arg;

	if (s->vcpu->ops->vcpu_enter(s->vcpu, NULL))
		return NULL;
	atomic_store(&s->entered, true);
	do {
		s->vcpu->ops->vcpu_run(s->vcpu, &s->exit);
	} while (s->exit.kind == CV_EXIT_KICKED && !atomic_load(&s->quit));
	return NULL;
}

START_TEST(second_processor_starts)
{
	const struct cv_x86_vcpu_state state = { .mode = CV_X86_WAIT_FOR_SIPI };
	struct second s = { 0 };
	pthread_t thread;
	struct bare b;

	NEED_KVM();
	bare_init(&b, 2, true);
	s.vcpu = b.vcpus[1];
	bare_put(&b, 0x7000, woken16, (size_t)(woken16_end - woken16));
	bare_start(&b, CV_X86_PROTECTED, wake32, wake32_end);
	ck_assert_int_eq(s.vcpu->ops->x86_setup(s.vcpu, &state, NULL), 0);
	ck_assert_int_eq(cv_thread_create(&thread, "vcpu1", second_main, &s), 0);
	while (!atomic_load(&s.entered))
		usleep(100);
	ck_assert_int_eq(bare_run(&b), CV_EXIT_IO);
	ck_assert_uint_eq(b.exit.addr, 0x80);
	atomic_store(&s.quit, true);
	s.vcpu->ops->vcpu_kick(s.vcpu);
	pthread_join(thread, NULL);
	ck_assert_int_eq(s.exit.kind, CV_EXIT_KICKED);
	bare_fini(&b);
}
END_TEST

/* The exits of one round of bells32 that are no doorbells, as bits: 0 port value 1, 1 port value
 * 2, 2 to 4 memory of 2, 4 and 1 bytes. */
static unsigned int bell_round(struct bare *b)
{
	unsigned int seen = 0;

	for (;;) {
		enum cv_exit_kind kind = bare_run(b);

		ck_assert(kind == CV_EXIT_IO || kind == CV_EXIT_MMIO);
		if (kind == CV_EXIT_IO && b->exit.addr == 0x80)
			return seen;
		ck_assert(b->exit.addr == 0x600 || b->exit.addr == 0xd0001000);
		if (kind == CV_EXIT_IO)
			seen |= b->exit.data[0] == 1 ? 1 : 2;
		else
			seen |= b->exit.len == 2 ? 4 : b->exit.len == 4 ? 8 : 16;
	}
}

START_TEST(doorbells)
{
	CV_AUTO_FD int port = cv_event_create();
	CV_AUTO_FD int memory = cv_event_create();
	struct cv_ioevent p = {
		.pio = true, .addr = 0x600, .len = 2, .match = true, .value = 1, .fd = port
	};
	struct cv_ioevent m = { .addr = 0xd0001000, .fd = memory };
	const struct cv_hw_ops *ops;
	struct cv_hw *hw;
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	bare_start(&b, CV_X86_PROTECTED, bells32, bells32_end);
	hw = &b.hv->hw;
	ops = hw->ops;
	ck_assert_uint_eq(bell_round(&b), 31);
	ck_assert_int_eq(ops->ioevent(hw, true, &p), 0);
	ck_assert_int_eq(ops->ioevent(hw, true, &p), -EEXIST);
	ck_assert_uint_eq(bell_round(&b), 30);
	ck_assert(cv_event_drain(port));
	ck_assert_int_eq(ops->ioevent(hw, true, &m), 0);
	ck_assert_uint_eq(bell_round(&b), 2);
	ck_assert(cv_event_drain(port) && cv_event_drain(memory));
	ck_assert_int_eq(ops->ioevent(hw, false, &m), 0);
	ck_assert_uint_eq(bell_round(&b), 30);
	ck_assert_int_eq(ops->ioevent(hw, false, &p), 0);
	ck_assert_int_eq(ops->ioevent(hw, false, &p), -ENOENT);
	ck_assert_uint_eq(bell_round(&b), 31);
	ck_assert(!cv_event_drain(memory));
	m.len = 4; /* one size only */
	ck_assert_int_eq(ops->ioevent(hw, true, &m), 0);
	ck_assert_uint_eq(bell_round(&b), 31 - 8);
	m.len = 3;
	ck_assert_int_eq(ops->ioevent(hw, true, &m), -EINVAL);
	bare_fini(&b);
}
END_TEST

static void put_handler(struct bare *b, unsigned int vector, const uint8_t *code,
			const uint8_t *end)
{
	uint64_t gpa = BARE_CODE + 0x100 * (vector - VECTOR_MSI + 1);

	bare_put(b, gpa, code, (size_t)(end - code));
	bare_put64(b, BARE_IDT + 8 * vector,
		   (gpa & 0xffff) | (uint64_t)CV_X86_SEL_CODE << 16 | 0x8eull << 40 |
			   (gpa >> 16) << 48);
}

static void start_irq_guest(struct bare *b)
{
	bare_init(b, 1, true);
	put_handler(b, VECTOR_MSI, handler_msi, handler_msi_end);
	put_handler(b, VECTOR_LEVEL, handler_level, handler_level_end);
	put_handler(b, VECTOR_EDGE, handler_edge, handler_edge_end);
	bare_start(b, CV_X86_PROTECTED, irq32, irq32_end);
	bare_expect_out(b, 0x80, 1, 1);
}

/* Runs until the next handler reports; then each vector has been taken so often. */
static void expect_interrupt(struct bare *b, uint32_t msi, uint32_t level, uint32_t edge)
{
	ck_assert_int_eq(bare_run(b), CV_EXIT_IO);
	ck_assert_uint_eq(b->exit.addr, 0x81);
	ck_assert_uint_eq(bare_get32(b, COUNTS), msi);
	ck_assert_uint_eq(bare_get32(b, COUNTS + 4), level);
	ck_assert_uint_eq(bare_get32(b, COUNTS + 8), edge);
}

START_TEST(interrupts)
{
	CV_AUTO_FD int msi = cv_event_create();
	CV_AUTO_FD int level = cv_event_create();
	CV_AUTO_FD int resample = cv_event_create();
	CV_AUTO_FD int edge = cv_event_create();
	const struct cv_hw_ops *ops;
	uint32_t gsi = 0, other = 0;
	struct cv_hw *hw;
	struct bare b;

	NEED_KVM();
	start_irq_guest(&b);
	hw = &b.hv->hw;
	ops = hw->ops;
	ck_assert_int_eq(ops->irqfd(hw, true, GSI_LEVEL, level, resample), 0);
	ck_assert_int_eq(ops->irqfd(hw, true, GSI_EDGE, edge, -1), 0);
	cv_event_signal(edge);
	expect_interrupt(&b, 0, 0, 1);
	/* a table with MSI routes keeps the others */
	ck_assert_int_eq(ops->msi_route(hw, &gsi, &(struct cv_msi){ 0xfee00000, VECTOR_MSI, 0 }),
			 0);
	ck_assert_uint_ge(gsi, 24);
	cv_event_signal(msi); /* before it is attached: delivered at once */
	ck_assert_int_eq(ops->irqfd(hw, true, gsi, msi, -1), 0);
	expect_interrupt(&b, 1, 0, 1);
	cv_event_signal(level);
	expect_interrupt(&b, 1, 1, 1);
	ck_assert(cv_event_drain(resample)); /* the handler has ended it */
	cv_event_signal(edge);
	expect_interrupt(&b, 1, 1, 2);
	/* pointed elsewhere, the same eventfd raises another vector */
	ck_assert_int_eq(ops->msi_route(hw, &gsi, &(struct cv_msi){ 0xfee00000, VECTOR_EDGE, 0 }),
			 0);
	cv_event_signal(msi);
	expect_interrupt(&b, 1, 1, 3);
	ck_assert_int_eq(ops->irqfd(hw, false, gsi, msi, -1), 0);
	ops->msi_free(hw, gsi);
	ck_assert_int_eq(ops->msi_route(hw, &other, &(struct cv_msi){ 0xfee00000, VECTOR_MSI, 0 }),
			 0);
	ck_assert_uint_eq(other, gsi); /* used again */
	cv_event_signal(msi);
	kick_after(&b, 5000); /* detached: nothing arrives */
	ck_assert_int_eq(ops->irqfd(hw, false, GSI_LEVEL, level, resample), 0);
	ck_assert_int_eq(ops->irqfd(hw, true, GSI_LEVEL, level, resample), 0);
	cv_event_signal(level);
	expect_interrupt(&b, 1, 2, 3);
	bare_fini(&b);
}
END_TEST

/* As many routes as there are, by one past them; bad numbers; all of it again after freeing. */
START_TEST(routes_run_out)
{
	uint32_t gsi, n = 0, bad;
	struct cv_hw *hw;
	struct bare b;

	NEED_KVM();
	bare_init(&b, 1, true);
	hw = &b.hv->hw;
	for (gsi = 0; hw->ops->msi_route(hw, &gsi, &(struct cv_msi){ 0xfee00000, n, 0 }) == 0;
	     gsi = 0)
		ck_assert_uint_eq(gsi, 24 + n++);
	ck_assert_uint_ge(n, 900);
	ck_assert_int_eq(hw->ops->msi_route(hw, &gsi, &(struct cv_msi){ 0xfee00000, 0, 0 }),
			 -ENOSPC);
	ck_assert_uint_eq(gsi, 0);
	hw->ops->msi_free(hw, 24 + 7);
	hw->ops->msi_free(hw, UINT32_MAX);
	hw->ops->msi_free(hw, 3);
	bad = 24 + 7;
	ck_assert_int_eq(hw->ops->msi_route(hw, &bad, &(struct cv_msi){ 0, 0, 0 }), -EINVAL);
	bad = 3;
	ck_assert_int_eq(hw->ops->msi_route(hw, &bad, &(struct cv_msi){ 0, 0, 0 }), -EINVAL);
	ck_assert_int_eq(hw->ops->msi_route(hw, &gsi, &(struct cv_msi){ 0xfee00000, 0, 0 }), 0);
	ck_assert_uint_eq(gsi, 24 + 7);
	bare_fini(&b);
}
END_TEST

CHECK_MAIN("events", running_guest_is_kicked, halted_guest_is_kicked, kicks_before_the_run,
	   storm_of_kicks, waiting_processor_is_kicked, second_processor_starts, doorbells,
	   interrupts, routes_run_out)
