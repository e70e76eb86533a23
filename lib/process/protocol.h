/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device's process and its parent say to each other on the control
 * socket: frames (sys/msg.h) of a type byte and fields. The virtio device
 * itself is reached by vhost-user on a socket of its own.
 *
 *   parent -> child   START with the device's files, CONTROL, PING, STOP
 *                     (CONTROL: the room for the reply, the operation, its arguments)
 *   child -> parent   SEALED with the listener of its seccomp filter, if it has one;
 *                     READY or FAILED; DONE after a CONTROL, ALIVE after a PING;
 *                     LOG at any time
 *
 * Both ends come from one build: START carries its version, nothing else is
 * negotiated. Neither end trusts the other's frames.
 */
#ifndef CV_PROCESS_PROTOCOL_H
#define CV_PROCESS_PROTOCOL_H

#include "base/buf.h"
#include "base/err.h"
#include "core/dev.h"
#include "sandbox/sandbox.h"
#include "sys/msg.h"

#define CV_PROCESS_ARG	      "--crosvm-device=" /* argv[1] of the program, the class's name behind */
#define CV_PROCESS_CONTROL_FD 3
#define CV_PROCESS_FRAME_MAX  65536u
#define CV_PROCESS_MAX_FILTER 4096u		   /* instructions: BPF_MAXINSNS */
#define CV_PROCESS_MAX_FILES  (CV_MSG_MAX_FDS - 1) /* beside the data socket */
#define CV_PROCESS_REPLY_MAX  4096u

enum cv_process_frame {
	CV_PROCESS_START = 1,
	CV_PROCESS_CONTROL,
	CV_PROCESS_STOP,
	CV_PROCESS_READY,
	CV_PROCESS_FAILED,
	CV_PROCESS_DONE,
	CV_PROCESS_LOG,
	CV_PROCESS_SEALED,
	CV_PROCESS_PING,
	CV_PROCESS_ALIVE,
};

/* All that a device's process is told. */
struct cv_start_frame {
	const char *version; /* of the library */
	const char *cls, *options;
	bool packed, poll, foreign, repeated;
	uint64_t memory;     /* bytes that the guest has */
	struct cv_jail jail; /* to be entered */
	uint8_t log_level;
	unsigned int n_files;
	struct cv_class_file files[CV_PROCESS_MAX_FILES]; /* fd: once received */
	uint32_t n_filter;				  /* instructions of the seccomp program */
	const uint8_t *filter;				  /* n_filter * 8 bytes, host byte order */
};

/* ---- fields ---- */

/* A frame being read; ends with .bad once something did not fit. */
struct cv_frame {
	const uint8_t *data;
	size_t len, at;
	bool bad;
};

void cv_frame_begin(struct cv_buf *b, enum cv_process_frame type);
void cv_frame_text(struct cv_buf *b, const char *s); /* NULL is "" */

uint8_t cv_frame_u8(struct cv_frame *f);
uint32_t cv_frame_u32(struct cv_frame *f);
uint64_t cv_frame_u64(struct cv_frame *f);
/* Terminated, within the frame. "" when bad. */
const char *cv_frame_get_text(struct cv_frame *f);
const uint8_t *cv_frame_bytes(struct cv_frame *f, size_t len); /* NULL when bad */
/* Whether all was there and nothing is left. */
bool cv_frame_ended(const struct cv_frame *f);

/* ---- frames of more than a field or two ---- */

void cv_frame_put_start(struct cv_buf *b, const struct cv_start_frame *s);
/* Points into the frame. 0 or -EBADMSG. */
int cv_frame_get_start(struct cv_frame *f, struct cv_start_frame *s) CV_MUST_CHECK;

/* FAILED and DONE: a result, and its text (a sentence, or a reply). */
void cv_frame_put_result(struct cv_buf *b, enum cv_process_frame type, int result,
			 const char *text);

#endif
