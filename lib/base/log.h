/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to the embedder's sink. Lower case, object first, no newline, no trailing dot. */
#ifndef CV_BASE_LOG_H
#define CV_BASE_LOG_H

#include <stdatomic.h>

#include <crosvm/log.h>

#include "base/base.h"

/* Set up before the first thread and constant from then on, but for the rate limit. */
struct cv_log {
	vm_log_fn sink; /* NULL: messages are dropped */
	void *user;
	enum vm_log_level level; /* messages less important than this are dropped; 0: VM_LOG_WARN */
	_Atomic uint64_t guest_second; /* when the last guest-caused message was let through */
	_Atomic uint32_t guest_dropped;
};

/* @log may be NULL. */
void cv_log(struct cv_log *log, enum vm_log_level level, const char *fmt, ...) CV_PRINTF(3, 4);

/*
 * A message that a guest or a peer process can cause: at most one a second per
 * log, with the number of those suppressed in between.
 */
void cv_log_guest(struct cv_log *log, const char *fmt, ...) CV_PRINTF(2, 3);

#define cv_log_error(log, ...) cv_log(log, VM_LOG_ERROR, __VA_ARGS__)
#define cv_log_warn(log, ...)  cv_log(log, VM_LOG_WARN, __VA_ARGS__)
#define cv_log_info(log, ...)  cv_log(log, VM_LOG_INFO, __VA_ARGS__)
#define cv_log_debug(log, ...) cv_log(log, VM_LOG_DEBUG, __VA_ARGS__)

#endif
