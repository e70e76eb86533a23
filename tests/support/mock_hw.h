/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hypervisor's interrupts and doorbells for tests: remembers routes, irqfds
 * and ioevents, and complains about those that are taken away but were not there.
 */
#ifndef CV_TESTS_MOCK_HW_H
#define CV_TESTS_MOCK_HW_H

#include <errno.h>
#include <pthread.h>

#include "core/hw.h"
#include "must.h"
#include "sys/fd.h"

#define MOCK_MAX 512

struct mock_route {
	bool used;
	uint64_t addr;
	uint32_t data, devid;
	int fd; /* attached irqfd, -1: none */
};

struct mock_hw {
	struct cv_hw hw;
	pthread_mutex_t lock;
	struct mock_route routes[MOCK_MAX]; /* gsi - 1 */
	struct cv_ioevent events[MOCK_MAX];
	unsigned int n_routes, n_irqfds, n_events, n_route_calls;
	int fail_ioevent, fail_irqfd, fail_route; /* negative: what all such calls give */
};

static inline int mock_ioevent(struct cv_hw *hw, bool add, const struct cv_ioevent *ev)
{
	struct mock_hw *m = cv_container_of(hw, struct mock_hw, hw);
	unsigned int i = 0;

	if (add && m->fail_ioevent)
		return m->fail_ioevent;
	pthread_mutex_lock(&m->lock);
	while (i < m->n_events && m->events[i].addr != ev->addr)
		i++;
	if (add) {
		must(i == m->n_events && i < MOCK_MAX && ev->fd >= 0 && !ev->pio);
		m->events[m->n_events++] = *ev;
	} else {
		must(i < m->n_events && m->events[i].fd == ev->fd && m->events[i].len == ev->len);
		m->events[i] = m->events[--m->n_events];
	}
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static inline int mock_irqfd(struct cv_hw *hw, bool add, uint32_t gsi, int fd, int resample)
{
	struct mock_hw *m = cv_container_of(hw, struct mock_hw, hw);
	struct mock_route *r = &m->routes[gsi - 1];

	if (add && m->fail_irqfd)
		return m->fail_irqfd;
	pthread_mutex_lock(&m->lock);
	must(gsi > 0 && gsi <= MOCK_MAX && r->used && resample == -1);
	must(r->fd == (add ? -1 : fd));
	r->fd = add ? fd : -1;
	m->n_irqfds += add ? 1u : -1u;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static inline int mock_msi_route(struct cv_hw *hw, uint32_t *gsi, const struct cv_msi *msi)
{
	struct mock_hw *m = cv_container_of(hw, struct mock_hw, hw);

	if (m->fail_route)
		return m->fail_route;
	pthread_mutex_lock(&m->lock);
	for (uint32_t i = 0; *gsi == 0; i++) {
		must(i < MOCK_MAX);
		if (m->routes[i].used)
			continue;
		m->routes[i] = (struct mock_route){ .used = true, .fd = -1 };
		m->n_routes++;
		*gsi = i + 1;
	}
	must(m->routes[*gsi - 1].used);
	m->routes[*gsi - 1].addr = msi->addr;
	m->routes[*gsi - 1].data = msi->data;
	m->routes[*gsi - 1].devid = msi->devid;
	m->n_route_calls++;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static inline void mock_msi_free(struct cv_hw *hw, uint32_t gsi)
{
	struct mock_hw *m = cv_container_of(hw, struct mock_hw, hw);

	pthread_mutex_lock(&m->lock);
	must(gsi > 0 && m->routes[gsi - 1].used && m->routes[gsi - 1].fd == -1);
	m->routes[gsi - 1].used = false;
	m->n_routes--;
	pthread_mutex_unlock(&m->lock);
}

static inline void mock_hw_init(struct mock_hw *m)
{
	static const struct cv_hw_ops ops = { .ioevent = mock_ioevent,
					      .irqfd = mock_irqfd,
					      .msi_route = mock_msi_route,
					      .msi_free = mock_msi_free };

	*m = (struct mock_hw){ .hw = { .ops = &ops } };
	pthread_mutex_init(&m->lock, NULL);
}

/* Everything has been given back. */
static inline void mock_hw_fini(struct mock_hw *m)
{
	must(m->n_routes == 0 && m->n_irqfds == 0 && m->n_events == 0);
	pthread_mutex_destroy(&m->lock);
}

/* Whether a message (addr, data) has been delivered since the last look. */
static inline bool mock_delivered(struct mock_hw *m, uint64_t addr, uint32_t data)
{
	bool delivered = false;

	pthread_mutex_lock(&m->lock);
	for (unsigned int i = 0; i < MOCK_MAX; i++) {
		const struct mock_route *r = &m->routes[i];

		if (r->used && r->fd >= 0 && r->addr == addr && r->data == data)
			delivered |= cv_event_drain_shared(r->fd);
	}
	pthread_mutex_unlock(&m->lock);
	return delivered;
}

/* The eventfd that is attached for (addr, data) now, or -1. */
static inline int mock_attached(struct mock_hw *m, uint64_t addr, uint32_t data)
{
	int fd = -1;

	pthread_mutex_lock(&m->lock);
	for (unsigned int i = 0; i < MOCK_MAX; i++) {
		const struct mock_route *r = &m->routes[i];

		if (r->used && r->fd >= 0 && r->addr == addr && r->data == data)
			fd = r->fd;
	}
	pthread_mutex_unlock(&m->lock);
	return fd;
}

/* A guest write of any value to @addr; whether it was a doorbell. */
static inline bool mock_ring(struct mock_hw *m, uint64_t addr)
{
	bool rung = false;

	pthread_mutex_lock(&m->lock);
	for (unsigned int i = 0; i < m->n_events; i++) {
		if (m->events[i].addr == addr) {
			/* wakes who waits even where it is full, as KVM does */
			cv_event_signal_shared(m->events[i].fd);
			rung = true;
		}
	}
	pthread_mutex_unlock(&m->lock);
	return rung;
}

#endif
