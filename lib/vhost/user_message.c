/* SPDX-License-Identifier: BSD-3-Clause */
/* The vhost-user protocol's wire: names, sizes and numbers of descriptors. */
#include "vhost/user_message.h"

#include <errno.h>
#include <string.h>

#include "base/math.h"

#define U64    sizeof(uint64_t)
#define STATE  sizeof(struct cv_vhost_vring_state)
#define ADDR   sizeof(struct cv_vhost_vring_addr)
#define REGION sizeof(struct cv_vhost_one_region)
#define HEAD   offsetof(struct cv_vhost_config_space, data)
#define CONFIG (HEAD + CV_VHOST_MAX_CONFIG)
#define TABLE  sizeof(struct cv_vhost_mem_table)

/* How many bytes and descriptors; an answer_max of 0 means that there is no answer. */
struct shape {
	const char *name;
	uint16_t min, max;
	uint8_t fds_min, fds_max;
	uint16_t answer_min, answer_max;
	uint8_t answer_fds; /* at most */
};

static const struct shape shapes[] = {
	[CV_VHOST_GET_FEATURES] = { "GET_FEATURES", 0, 0, 0, 0, U64, U64, 0 },
	[CV_VHOST_SET_FEATURES] = { "SET_FEATURES", U64, U64, 0, 0, 0, 0, 0 },
	[CV_VHOST_SET_OWNER] = { "SET_OWNER", 0, 0, 0, 0, 0, 0, 0 },
	[CV_VHOST_RESET_OWNER] = { "RESET_OWNER", 0, 0, 0, 0, 0, 0, 0 },
	[CV_VHOST_SET_MEM_TABLE] = { "SET_MEM_TABLE", 8, TABLE, 0, CV_VHOST_MAX_REGIONS, 0, 0, 0 },
	[CV_VHOST_SET_VRING_NUM] = { "SET_VRING_NUM", STATE, STATE, 0, 0, 0, 0, 0 },
	[CV_VHOST_SET_VRING_ADDR] = { "SET_VRING_ADDR", ADDR, ADDR, 0, 0, 0, 0, 0 },
	[CV_VHOST_SET_VRING_BASE] = { "SET_VRING_BASE", STATE, STATE, 0, 0, 0, 0, 0 },
	[CV_VHOST_GET_VRING_BASE] = { "GET_VRING_BASE", STATE, STATE, 0, 0, STATE, STATE, 0 },
	[CV_VHOST_SET_VRING_KICK] = { "SET_VRING_KICK", U64, U64, 0, 1, 0, 0, 0 },
	[CV_VHOST_SET_VRING_CALL] = { "SET_VRING_CALL", U64, U64, 0, 1, 0, 0, 0 },
	[CV_VHOST_SET_VRING_ERR] = { "SET_VRING_ERR", U64, U64, 0, 1, 0, 0, 0 },
	[CV_VHOST_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", 0, 0, 0, 0, U64, U64, 0 },
	[CV_VHOST_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", U64, U64, 0, 0, 0, 0, 0 },
	[CV_VHOST_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", 0, 0, 0, 0, U64, U64, 0 },
	[CV_VHOST_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", STATE, STATE, 0, 0, 0, 0, 0 },
	[CV_VHOST_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", 0, 0, 1, 1, 0, 0, 0 },
	/* an empty answer tells of an error */
	[CV_VHOST_GET_CONFIG] = { "GET_CONFIG", HEAD, CONFIG, 0, 0, 0, CONFIG, 0 },
	[CV_VHOST_SET_CONFIG] = { "SET_CONFIG", HEAD, CONFIG, 0, 0, 0, 0, 0 },
	[CV_VHOST_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD", CV_VHOST_INFLIGHT_MIN,
				       sizeof(struct cv_vhost_inflight), 0, 0,
				       CV_VHOST_INFLIGHT_MIN, sizeof(struct cv_vhost_inflight), 1 },
	[CV_VHOST_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD", CV_VHOST_INFLIGHT_MIN,
				       sizeof(struct cv_vhost_inflight), 1, 1, 0, 0, 0 },
	[CV_VHOST_RESET_DEVICE] = { "RESET_DEVICE", 0, 0, 0, 0, 0, 0, 0 },
	[CV_VHOST_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", 0, 0, 0, 0, U64, U64, 0 },
	[CV_VHOST_ADD_MEM_REG] = { "ADD_MEM_REG", REGION, REGION, 1, 1, 0, 0, 0 },
	/* a descriptor is of no use here, but some front ends send one */
	[CV_VHOST_REM_MEM_REG] = { "REM_MEM_REG", REGION, REGION, 0, 1, 0, 0, 0 },
	[CV_VHOST_SET_STATUS] = { "SET_STATUS", U64, U64, 0, 0, 0, 0, 0 },
	[CV_VHOST_GET_STATUS] = { "GET_STATUS", 0, 0, 0, 0, U64, U64, 0 },
	[CV_VHOST_SET_DEVICE_STATE_FD] = { "SET_DEVICE_STATE_FD", STATE, STATE, 1, 1, U64, U64, 1 },
	[CV_VHOST_CHECK_DEVICE_STATE] = { "CHECK_DEVICE_STATE", 0, 0, 0, 0, U64, U64, 0 },
};

static const struct shape *shape_of(uint32_t request)
{
	return request < CV_LEN(shapes) && shapes[request].name ? &shapes[request] : NULL;
}

const char *cv_vhost_request_name(uint32_t request)
{
	const struct shape *s = shape_of(request);

	return s ? s->name : "an unknown request";
}

bool cv_vhost_request_answered(uint32_t request)
{
	const struct shape *s = shape_of(request);

	return s && s->answer_max > 0;
}

const char *cv_vhost_request_fault(const struct cv_vhost_msg *m)
{
	const struct shape *s = shape_of(m->h.request);

	if ((m->h.flags & ~CV_VHOST_NEED_REPLY) != CV_VHOST_VERSION)
		return "has wrong flags";
	if (!s)
		return NULL;
	if (m->h.size < s->min || m->h.size > s->max)
		return "has a wrong size";
	if (m->fds.n < s->fds_min || m->fds.n > s->fds_max)
		return "has a wrong number of descriptors";
	return NULL;
}

const char *cv_vhost_reply_fault(const struct cv_vhost_msg *m, uint32_t request)
{
	const struct shape *s = shape_of(request);
	bool own = s && s->answer_max > 0;
	uint32_t min = own ? s->answer_min : U64, max = own ? s->answer_max : U64;

	if (m->h.request != request)
		return "is to another request";
	if ((m->h.flags & (CV_VHOST_VERSION_MASK | CV_VHOST_REPLY)) !=
	    (CV_VHOST_VERSION | CV_VHOST_REPLY))
		return "has wrong flags";
	if (m->h.size < min || m->h.size > max)
		return "has a wrong size";
	if (m->fds.n > (own ? s->answer_fds : 0u))
		return "has a wrong number of descriptors";
	return NULL;
}

int cv_vhost_send(int sock, struct cv_vhost_msg *m, const int *fds, unsigned int n_fds,
		  uint64_t deadline)
{
	struct iovec iov[] = {
		{ .iov_base = &m->h, .iov_len = sizeof(m->h) },
		{ .iov_base = &m->p, .iov_len = m->h.size },
	};

	return cv_msg_send(sock, iov, CV_LEN(iov), fds, n_fds, deadline);
}

int cv_vhost_recv(int sock, struct cv_vhost_msg *m, uint64_t deadline)
{
	int err;

	m->fds.n = 0;
	err = cv_msg_recv(sock, &m->h, sizeof(m->h), &m->fds, deadline);
	if (err)
		return err;
	err = m->h.size > sizeof(m->p) ? -EMSGSIZE : 0;
	/* shorter payloads than a struct leave zeroes behind */
	memset(&m->p, 0, sizeof(m->p));
	if (!err && m->h.size > 0)
		err = cv_msg_recv(sock, &m->p, m->h.size, NULL, deadline);
	if (err)
		cv_msg_fds_close(&m->fds);
	return err == -ENODATA ? -EBADMSG : err;
}

int cv_vhost_recv_some(int sock, struct cv_vhost_msg *m, size_t *got)
{
	size_t body = *got > sizeof(m->h) ? *got - sizeof(m->h) : 0;
	int err;

	if (*got < sizeof(m->h)) {
		err = cv_msg_recv_some(sock, &m->h, sizeof(m->h), got, &m->fds);
		if (err <= 0)
			return err;
		memset(&m->p, 0, sizeof(m->p));
	}
	err = m->h.size > sizeof(m->p) ? -EMSGSIZE : 1;
	if (err > 0 && m->h.size > 0)
		err = cv_msg_recv_some(sock, &m->p, m->h.size, &body, NULL);
	err = err == -ENODATA ? -EBADMSG : err;
	*got = sizeof(m->h) + body;
	if (err < 0)
		cv_msg_fds_close(&m->fds);
	return err;
}
