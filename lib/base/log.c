/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to the embedder's sink. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX 512

static bool wanted(const struct cv_log *log, enum vm_log_level level)
{
	enum vm_log_level most;

	if (!log || !log->sink)
		return false;
	most = log->level ? log->level : VM_LOG_WARN;
	return level <= most;
}

void cv_log(struct cv_log *log, enum vm_log_level level, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	if (!wanted(log, level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log->sink(log->user, level, text);
}

/* Lets one caller a second through; the second counts from 1 so that zero is "never". */
static bool once_a_second(struct cv_log *log)
{
	struct timespec ts;
	uint64_t now, last = atomic_load_explicit(&log->guest_second, memory_order_relaxed);

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = (uint64_t)ts.tv_sec + 1;
	return now != last && atomic_compare_exchange_strong(&log->guest_second, &last, now);
}

void cv_log_guest(struct cv_log *log, const char *fmt, ...)
{
	char text[TEXT_MAX];
	uint32_t dropped;
	size_t len;
	va_list ap;

	if (!wanted(log, VM_LOG_WARN))
		return;
	if (!once_a_second(log)) {
		atomic_fetch_add_explicit(&log->guest_dropped, 1, memory_order_relaxed);
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dropped = atomic_exchange(&log->guest_dropped, 0);
	len = strlen(text);
	if (dropped > 0)
		snprintf(text + len, sizeof(text) - len, " (%u more like this not shown)", dropped);
	log->sink(log->user, VM_LOG_WARN, text);
}
