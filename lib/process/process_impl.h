/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the parent's side share: process.c has the life of a process,
 * process_talk.c the frames, process_watch.c the supervision. */
#ifndef CV_PROCESS_PROCESS_IMPL_H
#define CV_PROCESS_PROCESS_IMPL_H

#include "base/endian.h"
#include "process/process.h"
#include "process/protocol.h"

struct cv_process {
	struct cv_process_config config;
	struct cv_jail jail;
	struct cv_child child;
	struct cv_fd control;
	struct cv_fd listener; /* of its seccomp filter; none: what is forbidden kills */
	struct cv_watch exit_watch, control_watch, listener_watch;
	struct cv_timer life;  /* the sign of life that was asked for is late */
	struct cv_timer grace; /* it should have ended by now */
	bool asked;	       /* for a sign of life */
	bool condemned;	       /* killed for what .why says */
	bool killed;	       /* not worth a word at its end */
	char why[160];	       /* it is suspected or condemned */
	uint64_t log_second;   /* of the loop's clock */
	unsigned int n_logs;   /* passed on in that second */
	/* the frame being received: its length, then its bytes; descriptors only before READY */
	struct le32 prefix;
	size_t got, got_body;
	struct cv_msg_fds fds;
	bool ready;
	uint8_t *frame; /* CV_PROCESS_FRAME_MAX bytes */
};

static inline const char *cv_process_name(const struct cv_process *c)
{
	return c->config.cls->name;
}

/* ms, for a start, an answer, a sign of life */
unsigned int cv_process_timeout(const struct cv_process *c);

/* ---- process_talk.c ---- */

/* Sends what is in @b, and frees that. */
int cv_process_send(struct cv_process *c, struct cv_buf *b, const int *fds, unsigned int n_fds,
		    uint64_t deadline) CV_MUST_CHECK;

/* Takes what is there without waiting: the type of a frame that the caller has to judge, or 0 when
 * there is none (yet), or -errno. What comes unasked has been dealt with. */
int cv_process_next(struct cv_process *c, struct cv_frame *f) CV_MUST_CHECK;

/* Waits for the answer of one of two types: 0 if it is @good, 1 if @bad; -ETIMEDOUT and others. */
int cv_process_answer(struct cv_process *c, enum cv_process_frame good, enum cv_process_frame bad,
		      struct cv_frame *f, uint64_t deadline) CV_MUST_CHECK;

/* What a process says ends on terminals and in files: no line breaks, nothing that a terminal obeys. */
void cv_process_print(char *to, size_t size, const char *from);

/* ---- process_watch.c ---- */

/* From READY on. 0 or -errno. */
int cv_process_watch(struct cv_process *c) CV_MUST_CHECK;
void cv_process_unwatch(struct cv_process *c);

/* Kills it for @why, which its death will be told with. */
void cv_process_condemn(struct cv_process *c, const char *fmt, ...) CV_PRINTF(2, 3);

/* It gave the sign of life that it was asked for. False: it was not asked. */
bool cv_process_alive(struct cv_process *c);

/* Whether its filter holds back a call that it may not make: it is condemned then. */
bool cv_process_forbidden(struct cv_process *c);

/* Whether it has ended by itself or has to, as far as can be told within @ms. */
bool cv_process_ended(struct cv_process *c, int ms);

void cv_process_describe_end(const struct cv_child_end *end, char *text, size_t size);

#endif
