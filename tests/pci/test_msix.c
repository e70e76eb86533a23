/* SPDX-License-Identifier: BSD-3-Clause */
/* MSI-X: capability, table, pending bits, masks, routes and irqfds. */
#include "pci/msix.h"
#include "pci_rig.h"
#include "support/check_main.h"
#include "support/mock_hw.h"

#define N_VECTORS 70
#define ENABLE	  0x8000
#define MASK_ALL  0x4000
#define ADDR	  0xfee01000u

struct bed {
	struct pci_rig rig;
	struct mock_hw hw;
	struct toy toy;
	struct cv_msix x;
};

static struct cv_msix *msix_of(struct cv_pci_dev *d)
{
	return &cv_container_of(d, struct bed, toy.dev)->x;
}

static void written(struct cv_pci_dev *d, uint32_t off, unsigned int len)
{
	ck_assert_uint_le(off + len, CV_PCI_CFG_SIZE);
	cv_msix_control_written(msix_of(d));
}

static void bed_init(struct bed *b)
{
	static const struct cv_pci_dev_ops ops = { .cfg_written = written };

	pci_rig_init(&b->rig);
	mock_hw_init(&b->hw);
	toy_init(&b->toy);
	b->toy.dev.ops = &ops;
	ck_assert_int_eq(cv_msix_init(&b->x, &b->toy.dev, &b->hw.hw, N_VECTORS, 4, 0x2000, 0x3000,
				      NULL, NULL),
			 0);
	ck_assert_int_eq(cv_pci_root_add(b->rig.root, &b->toy.dev, 1, NULL), 0);
	ecam_w(&b->rig, 1, 4, 2, 4); /* bus mastering */
}

static void bed_fini(struct bed *b)
{
	cv_pci_root_remove(b->rig.root, &b->toy.dev);
	cv_msix_fini(&b->x);
	mock_hw_fini(&b->hw);
	pci_rig_fini(&b->rig);
}

static void control(struct bed *b, uint16_t val)
{
	ecam_w(&b->rig, 1, b->x.cap + 2u, 2, val);
}

/* As a driver sets a vector up. */
static void set_vector(struct bed *b, unsigned int i, uint32_t data, bool masked)
{
	cv_msix_table_write(&b->x, 16 * i, 4, ADDR);
	cv_msix_table_write(&b->x, 16 * i + 4, 4, 0);
	cv_msix_table_write(&b->x, 16 * i + 8, 4, data);
	cv_msix_table_write(&b->x, 16 * i + 12, 4, masked);
}

static void raise(struct bed *b, uint16_t i)
{
	int fd = cv_msix_fd(&b->x, i);

	ck_assert_int_ge(fd, 0);
	cv_event_signal(fd);
}

START_TEST(capability)
{
	struct bed b;

	bed_init(&b);
	ck_assert_uint_eq(ecam_r(&b.rig, 1, b.x.cap, 1), 0x11);
	ck_assert_uint_eq(ecam_r(&b.rig, 1, b.x.cap + 2u, 2), N_VECTORS - 1);
	ck_assert_uint_eq(ecam_r(&b.rig, 1, b.x.cap + 4u, 4), 0x2004);
	ck_assert_uint_eq(ecam_r(&b.rig, 1, b.x.cap + 8u, 4), 0x3004);
	control(&b, 0xffff);
	ck_assert_uint_eq(ecam_r(&b.rig, 1, b.x.cap + 2u, 2), 0xc000 | (N_VECTORS - 1));
	bed_fini(&b);
}
END_TEST

START_TEST(bad_arguments)
{
	struct vm_error e = { 0 };
	struct cv_msix x;
	struct toy t;

	toy_init(&t);
	ck_assert_int_eq(cv_msix_init(&x, &t.dev, NULL, 0, 0, 0, 0x800, NULL, &e), -EINVAL);
	ck_assert_int_eq(cv_msix_init(&x, &t.dev, NULL, 2049, 0, 0, 0x800, NULL, &e), -EINVAL);
	ck_assert_int_eq(cv_msix_init(&x, &t.dev, NULL, 1, 0, 4, 0x800, NULL, &e), -EINVAL);
	ck_assert_int_eq(cv_msix_init(&x, &t.dev, NULL, 1, 6, 0, 0x800, NULL, &e), -EINVAL);
	t.dev.cap_end = 0xf8;
	ck_assert_int_eq(cv_msix_init(&x, &t.dev, NULL, 1, 0, 0, 0x800, NULL, &e), -ENOSPC);
	cv_msix_fini(&x);
}
END_TEST

START_TEST(table_accesses)
{
	struct bed b;

	bed_init(&b);
	for (unsigned int i = 0; i < N_VECTORS; i++)
		ck_assert_uint_eq(cv_msix_table_read(&b.x, 16 * i + 12, 4), 1);
	cv_msix_table_write(&b.x, 16, 8, 0x11223344fee00003);
	ck_assert_uint_eq(cv_msix_table_read(&b.x, 16, 4), 0xfee00000);
	ck_assert_uint_eq(cv_msix_table_read(&b.x, 20, 4), 0x11223344);
	cv_msix_table_write(&b.x, 24, 8, 0xfffffffe00004321);
	ck_assert_uint_eq(cv_msix_table_read(&b.x, 24, 8), 0x4321);
	cv_msix_table_write(&b.x, 20, 4, 0);
	ck_assert_uint_eq(cv_msix_table_read(&b.x, 16, 8), 0xfee00000);
	/* narrow, unaligned and beyond the end */
	cv_msix_table_write(&b.x, 16, 1, 0xff);
	cv_msix_table_write(&b.x, 16, 2, 0xffff);
	cv_msix_table_write(&b.x, 18, 4, 0xffff);
	cv_msix_table_write(&b.x, 20, 8, 0xffff);
	cv_msix_table_write(&b.x, 16 * N_VECTORS, 4, 1);
	cv_msix_table_write(&b.x, UINT64_MAX - 3, 4, 1);
	ck_assert_uint_eq(cv_msix_table_read(&b.x, 16, 8), 0xfee00000);
	ck_assert_uint_eq(cv_msix_table_read(&b.x, 16, 2), 0);
	ck_assert_uint_eq(cv_msix_table_read(&b.x, 16 * N_VECTORS, 8), 0);
	ck_assert_uint_eq(cv_msix_table_read(&b.x, UINT64_MAX - 7, 8), 0);
	bed_fini(&b);
}
END_TEST

START_TEST(delivery)
{
	struct bed b;

	bed_init(&b);
	ck_assert_int_eq(cv_msix_fd(&b.x, 0), -1); /* off */
	set_vector(&b, 3, 0x33, false);
	ck_assert_uint_eq(b.hw.n_irqfds, 0);
	control(&b, ENABLE | MASK_ALL);
	ck_assert_uint_eq(b.hw.n_irqfds, 0);
	control(&b, ENABLE);
	ck_assert_uint_eq(b.hw.n_irqfds, 1);
	ck_assert_uint_eq(b.hw.routes[0].devid, 1 << 3); /* bus 0, slot 1, function 0 */
	ck_assert_int_eq(cv_msix_fd(&b.x, N_VECTORS), -1);
	ck_assert(!mock_delivered(&b.hw, ADDR, 0x33));
	raise(&b, 3);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 0, 8), 0); /* on its way, not pending */
	ck_assert(mock_delivered(&b.hw, ADDR, 0x33));
	control(&b, 0);
	ck_assert_uint_eq(b.hw.n_irqfds, 0);
	ck_assert_int_eq(cv_msix_fd(&b.x, 3), -1);
	bed_fini(&b);
}
END_TEST

START_TEST(pending_while_masked)
{
	struct bed b;

	bed_init(&b);
	control(&b, ENABLE);
	set_vector(&b, 1, 0x11, true);
	set_vector(&b, 65, 0x65, false);
	raise(&b, 1);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 0, 8), 2);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 0, 4), 2);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 4, 4), 0);
	cv_msix_table_write(&b.x, 16 + 12, 4, 0);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 0, 8), 0);
	ck_assert(mock_delivered(&b.hw, ADDR, 0x11));
	/* the function mask does the same to all */
	control(&b, ENABLE | MASK_ALL);
	ck_assert_uint_eq(b.hw.n_irqfds, 0);
	raise(&b, 65);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 8, 8), 2);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 8, 4), 2);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 16, 4), 0);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 8, 2), 0);
	control(&b, ENABLE);
	ck_assert(mock_delivered(&b.hw, ADDR, 0x65));
	ck_assert_uint_eq(b.hw.n_irqfds, 2);
	bed_fini(&b);
}
END_TEST

START_TEST(turning_off_forgets_what_is_pending)
{
	struct bed b;

	bed_init(&b);
	control(&b, ENABLE);
	set_vector(&b, 2, 0x22, true);
	raise(&b, 2);
	control(&b, 0);
	control(&b, ENABLE);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 0, 8), 0);
	cv_msix_table_write(&b.x, 32 + 12, 4, 0);
	ck_assert(!mock_delivered(&b.hw, ADDR, 0x22));
	bed_fini(&b);
}
END_TEST

/* A back end has the events too, and may have made them blocking. */
START_TEST(turning_off_does_not_wait)
{
	struct bed b;

	bed_init(&b);
	control(&b, ENABLE);
	set_vector(&b, 0, 0x30, true);
	raise(&b, 0);
	for (uint16_t i = 0; i < N_VECTORS; i++)
		ck_assert_int_eq(cv_fd_set_nonblock(cv_msix_fd(&b.x, i), false), 0);
	control(&b, 0);
	control(&b, ENABLE);
	ck_assert_uint_eq(cv_msix_pba_read(&b.x, 0, 8), 0);
	bed_fini(&b);
}
END_TEST

START_TEST(routes_follow_the_message)
{
	struct bed b;

	bed_init(&b);
	control(&b, ENABLE);
	set_vector(&b, 0, 0x10, false);
	ck_assert_uint_eq(b.hw.n_route_calls, 1);
	/* masking alone keeps the route */
	cv_msix_table_write(&b.x, 12, 4, 1);
	cv_msix_table_write(&b.x, 12, 4, 0);
	ck_assert_uint_eq(b.hw.n_route_calls, 1);
	/* moved under mask, as Linux does to change the affinity */
	cv_msix_table_write(&b.x, 12, 4, 1);
	set_vector(&b, 0, 0x20, false);
	ck_assert_uint_eq(b.hw.n_route_calls, 2);
	raise(&b, 0);
	ck_assert(mock_delivered(&b.hw, ADDR, 0x20));
	/* moved without mask */
	cv_msix_table_write(&b.x, 8, 4, 0x30);
	raise(&b, 0);
	ck_assert(mock_delivered(&b.hw, ADDR, 0x30));
	ck_assert_uint_eq(b.hw.n_routes, 1);
	bed_fini(&b);
}
END_TEST

START_TEST(hypervisor_errors)
{
	struct bed b;

	bed_init(&b);
	control(&b, ENABLE);
	b.hw.fail_route = -EINVAL;
	set_vector(&b, 0, 1, false);
	ck_assert_uint_eq(b.hw.n_irqfds, 0);
	raise(&b, 0);
	b.hw.fail_route = 0;
	b.hw.fail_irqfd = -ENOSPC;
	cv_msix_table_write(&b.x, 12, 4, 0);
	ck_assert_uint_eq(b.hw.n_irqfds, 0);
	b.hw.fail_irqfd = 0;
	cv_msix_table_write(&b.x, 12, 4, 0); /* nothing is lost when it works again */
	ck_assert(mock_delivered(&b.hw, ADDR, 1));
	b.hw.fail_route = -EINVAL;
	cv_msix_table_write(&b.x, 8, 4, 2); /* not delivered to the old place */
	ck_assert_uint_eq(b.hw.n_irqfds, 0);
	b.hw.fail_route = 0;
	bed_fini(&b);
}
END_TEST

START_TEST(intx_is_silent)
{
	struct cv_irq irq = { .trigger = cv_event_create(), .resample = -1, .level = true };
	struct bed b;

	bed_init(&b);
	b.toy.dev.intx = &irq;
	control(&b, ENABLE);
	/* the line is silent while MSI-X is on */
	cv_pci_dev_intx(&b.toy.dev, true);
	ck_assert(!cv_event_drain(irq.trigger));
	ck_assert_uint_eq(ecam_r(&b.rig, 1, 6, 1) & 8, 0);
	control(&b, 0);
	ck_assert(cv_event_drain(irq.trigger));
	ck_assert_uint_eq(ecam_r(&b.rig, 1, 6, 1) & 8, 8);
	bed_fini(&b);
	cv_fd_close(&(struct cv_fd){ irq.trigger + 1 });
}
END_TEST

CHECK_MAIN("msix", capability, bad_arguments, table_accesses, delivery, pending_while_masked,
	   turning_off_forgets_what_is_pending, turning_off_does_not_wait,
	   routes_follow_the_message, hypervisor_errors, intx_is_silent)
