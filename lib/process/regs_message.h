/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What crosses the process boundary of a register device: requests of one size
 * downwards over a connected stream socket, in order, and a reply upwards to
 * those that ask for one. Nothing else comes upwards: the interrupt is eventfds
 * that the first request carries.
 *
 *	LINE    descriptors: trigger, and for a level line resample; first, or not at all
 *	READ    off, len -> val
 *	WRITE   off, len, val; no reply: the device has it before whatever is asked next
 *	RESET   -> 0
 *	SYNC    -> 0, once all before is done
 *
 * A write costs the vCPU 1.2 us this way, and would cost as much as a read, 11 us and
 * more, if it waited (tests/bench/bench_regs.c). It is posted, as on PCI: a driver
 * that must know that it has arrived reads. When the socket is full, a write waits.
 *
 * Integers are little-endian.
 */
#ifndef CV_PROCESS_REGS_MESSAGE_H
#define CV_PROCESS_REGS_MESSAGE_H

#include "base/endian.h"

enum cv_regs_op {
	CV_REGS_LINE = 1,
	CV_REGS_READ,
	CV_REGS_WRITE,
	CV_REGS_RESET,
	CV_REGS_SYNC,
};

struct cv_regs_request {
	uint8_t op;
	uint8_t len; /* of the access: 1, 2, 4 or 8 */
	struct le16 zero;
	struct le32
		tag; /* comes back in the reply, so that one that nobody asked for is found out */
	struct le64 off;
	struct le64 val;
};
_Static_assert(sizeof(struct cv_regs_request) == 24, "as it is sent");

struct cv_regs_reply {
	struct le32 tag;
	struct le32 zero;
	struct le64 val;
};
_Static_assert(sizeof(struct cv_regs_reply) == 16, "as it is sent");

#endif
