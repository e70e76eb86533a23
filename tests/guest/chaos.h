/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile guest, repeatable by its seed. It aims only at the monitor: what would
 * hit the guest itself (its image as a DMA target, an INIT or SMI by MSI, the ports
 * that end the machine) is left out by construction.
 */
#ifndef GUEST_CHAOS_H
#define GUEST_CHAOS_H

#include "virtio.h"

#define CHAOS_ARENA	  (4u << 20)
#define CHAOS_MAX_DEVS	  32u
#define CHAOS_MAX_VIRTIO  32u
#define CHAOS_CONFIG_REGS 16u

struct chaos_bar {
	uint64_t addr;
	uint64_t len;
};

struct chaos_fn {
	struct rt_pci pci;
	uint32_t saved[CHAOS_CONFIG_REGS];
	struct chaos_bar bars[6];
	unsigned int n_bars;
	uint64_t msix; /* the table, 0: none */
	uint64_t msix_len;
};

struct chaos {
	struct rt_rand rand;
	uint8_t *arena; /* all that devices may be pointed at */
	uint64_t ram_end;
	bool high; /* addresses above 4 GiB are mapped */
	struct chaos_fn fns[CHAOS_MAX_DEVS];
	unsigned int n_fns;
	struct rt_virtio devs[CHAOS_MAX_VIRTIO];
	unsigned int n_devs;
};

static inline uint64_t chaos_below(struct chaos *c, uint64_t n)
{
	return (rt_rand(&c->rand) >> 16) % n;
}

/* A guest address for a device: in the arena, at its edges, or in no RAM at all. */
uint64_t chaos_address(struct chaos *c);
/* A register value: small, a power of two, all ones, random, an address. */
uint64_t chaos_value(struct chaos *c);
/* One access of 1 to 8 bytes at a device address. */
void chaos_access(struct chaos *c, uint64_t addr, unsigned int len, uint64_t value, bool write);

/* One operation of each area. */
void chaos_port(struct chaos *c);
void chaos_config(struct chaos *c);
void chaos_bar(struct chaos *c);
void chaos_memory(struct chaos *c);
void chaos_virtio(struct chaos *c);

/* Put the configuration space back as it was found. */
void chaos_restore(struct chaos *c);
void chaos_find(struct chaos *c);

#endif
