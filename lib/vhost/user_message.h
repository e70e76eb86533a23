/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user protocol's wire: QEMU's docs/interop/vhost-user.rst. A message
 * is a header of three words and a payload; numbers are in the host's byte
 * order. What each request may carry is one table, checked in both directions.
 */
#ifndef CV_VHOST_USER_MESSAGE_H
#define CV_VHOST_USER_MESSAGE_H

#include "core/mem.h"
#include "sys/msg.h"

/* Requests of the front end. */
enum cv_vhost_request {
	CV_VHOST_GET_FEATURES = 1,
	CV_VHOST_SET_FEATURES = 2,
	CV_VHOST_SET_OWNER = 3,
	CV_VHOST_RESET_OWNER = 4,
	CV_VHOST_SET_MEM_TABLE = 5,
	CV_VHOST_SET_VRING_NUM = 8,
	CV_VHOST_SET_VRING_ADDR = 9,
	CV_VHOST_SET_VRING_BASE = 10,
	CV_VHOST_GET_VRING_BASE = 11,
	CV_VHOST_SET_VRING_KICK = 12,
	CV_VHOST_SET_VRING_CALL = 13,
	CV_VHOST_SET_VRING_ERR = 14,
	CV_VHOST_GET_PROTOCOL_FEATURES = 15,
	CV_VHOST_SET_PROTOCOL_FEATURES = 16,
	CV_VHOST_GET_QUEUE_NUM = 17,
	CV_VHOST_SET_VRING_ENABLE = 18,
	CV_VHOST_SET_BACKEND_REQ_FD = 21,
	CV_VHOST_GET_CONFIG = 24,
	CV_VHOST_SET_CONFIG = 25,
	CV_VHOST_GET_INFLIGHT_FD = 31,
	CV_VHOST_SET_INFLIGHT_FD = 32,
	CV_VHOST_RESET_DEVICE = 34,
	CV_VHOST_GET_MAX_MEM_SLOTS = 36,
	CV_VHOST_ADD_MEM_REG = 37,
	CV_VHOST_REM_MEM_REG = 38,
	CV_VHOST_SET_STATUS = 39,
	CV_VHOST_GET_STATUS = 40,
	CV_VHOST_SET_DEVICE_STATE_FD = 42,
	CV_VHOST_CHECK_DEVICE_STATE = 43,
};

/* Requests of the back end, on the channel of SET_BACKEND_REQ_FD. */
enum { CV_VHOST_BACKEND_CONFIG_CHANGE = 2 };

/* The feature bit that belongs to this protocol instead of the device. */
#define CV_VHOST_F_PROTOCOL_FEATURES (1ull << 30)

#define CV_VHOST_PF_MQ		   (1ull << 0)
#define CV_VHOST_PF_REPLY_ACK	   (1ull << 3)
#define CV_VHOST_PF_BACKEND_REQ	   (1ull << 5)
#define CV_VHOST_PF_CONFIG	   (1ull << 9)
#define CV_VHOST_PF_INFLIGHT_SHMFD (1ull << 12)
#define CV_VHOST_PF_RESET_DEVICE   (1ull << 13)
#define CV_VHOST_PF_MEM_SLOTS	   (1ull << 15)
#define CV_VHOST_PF_STATUS	   (1ull << 16)
#define CV_VHOST_PF_DEVICE_STATE   (1ull << 19)
#define CV_VHOST_PF_BASE_INFLIGHT \
	(1ull << 20) /* GET_VRING_BASE leaves chains in flight in their log */

#define CV_VHOST_VERSION      1u
#define CV_VHOST_VERSION_MASK 3u
#define CV_VHOST_REPLY	      (1u << 2)
#define CV_VHOST_NEED_REPLY   (1u << 3)

/* SET_VRING_KICK, _CALL, _ERR and the answer to SET_DEVICE_STATE_FD: the index (or result), and
 * that no descriptor comes with it. */
#define CV_VHOST_INDEX_MASK 0xffu
#define CV_VHOST_NO_FD	    0x100u

#define CV_VHOST_MAX_CONFIG  256
#define CV_VHOST_MAX_REGIONS 32

struct cv_vhost_header {
	uint32_t request, flags, size;
};
_Static_assert(sizeof(struct cv_vhost_header) == 12, "the header has three words");

struct cv_vhost_vring_state {
	uint32_t index, num;
};
_Static_assert(sizeof(struct cv_vhost_vring_state) == 8, "vring state description");

struct cv_vhost_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log; /* user addresses */
};
_Static_assert(sizeof(struct cv_vhost_vring_addr) == 40, "vring address description");

struct cv_vhost_region {
	uint64_t gpa, len, user, fd_off;
};
_Static_assert(sizeof(struct cv_vhost_region) == 32, "memory region description");

struct cv_vhost_mem_table {
	uint32_t n_regions, padding;
	struct cv_vhost_region regions[CV_VHOST_MAX_REGIONS];
};
_Static_assert(offsetof(struct cv_vhost_mem_table, regions) == 8, "memory regions description");

struct cv_vhost_one_region {
	uint64_t padding;
	struct cv_vhost_region region;
};
_Static_assert(sizeof(struct cv_vhost_one_region) == 40, "single memory region description");

struct cv_vhost_config_space {
	uint32_t off, len, flags;
	uint8_t data[CV_VHOST_MAX_CONFIG];
};
_Static_assert(offsetof(struct cv_vhost_config_space, data) == 12, "device config space");

/* On the wire with or without the padding at its end: implementations differ. */
struct cv_vhost_inflight {
	uint64_t len, off;
	uint16_t n_queues, queue_size;
	uint32_t padding;
};
_Static_assert(sizeof(struct cv_vhost_inflight) == 24, "inflight description");
#define CV_VHOST_INFLIGHT_MIN 20

enum { CV_VHOST_STATE_SAVE = 0, CV_VHOST_STATE_LOAD = 1 };

struct cv_vhost_state_transfer {
	uint32_t direction, phase;
};
_Static_assert(sizeof(struct cv_vhost_state_transfer) == 8, "device state transfer parameters");

union cv_vhost_payload {
	uint64_t u64;
	struct cv_vhost_vring_state state;
	struct cv_vhost_vring_addr addr;
	struct cv_vhost_mem_table table;
	struct cv_vhost_one_region region;
	struct cv_vhost_config_space config;
	struct cv_vhost_inflight inflight;
	struct cv_vhost_state_transfer transfer;
};

/* One message in either direction. */
struct cv_vhost_msg {
	struct cv_vhost_header h;
	union cv_vhost_payload p;
	struct cv_msg_fds fds; /* received ones; owned */
};

/* "GET_FEATURES", or "an unknown request". */
const char *cv_vhost_request_name(uint32_t request);

/* Whether the request has an answer of its own, not counting REPLY_ACK. */
bool cv_vhost_request_answered(uint32_t request);

/* What is wrong with a front end's request as such (header, size, number of descriptors), or
 * NULL. Values are the receiver's to check. */
const char *cv_vhost_request_fault(const struct cv_vhost_msg *m);

/* The same for the answer to @request. */
const char *cv_vhost_reply_fault(const struct cv_vhost_msg *m, uint32_t request);

/* Sends header and m->h.size bytes of payload; results as cv_msg_send(). */
int cv_vhost_send(int sock, struct cv_vhost_msg *m, const int *fds, unsigned int n_fds,
		  uint64_t deadline) CV_MUST_CHECK;

/* Receives a message of at most the payload's size; -EMSGSIZE for more, others as cv_msg_recv(). */
int cv_vhost_recv(int sock, struct cv_vhost_msg *m, uint64_t deadline) CV_MUST_CHECK;

/* The same in steps, without waiting: *got starts at 0. 1 when complete, 0 when more is to come. */
int cv_vhost_recv_some(int sock, struct cv_vhost_msg *m, size_t *got) CV_MUST_CHECK;

#endif
