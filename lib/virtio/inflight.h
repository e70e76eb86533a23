/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which chains of a queue are popped and not yet pushed, noted in memory that
 * outlives the process: vhost-user.rst, "Inflight I/O tracking", the layouts of
 * split and packed queues. A queue that starts with notes of a predecessor that
 * died gives the chains again that were in flight, in order, before any new one.
 *
 * While a queue runs its notes are only written. What is read from them at the
 * start comes from whoever holds the memory and is checked.
 */
#ifndef CV_VIRTIO_INFLIGHT_H
#define CV_VIRTIO_INFLIGHT_H

#include "virtio/vq.h"

/* The bytes that the notes of a queue of @size entries take; a multiple of 64. */
size_t cv_inflight_len(uint16_t size, bool packed);

/* Makes the next start take the ring positions it is given: the queue was stopped in order. Keeps
 * notes of chains that were in flight before and that nobody has popped since; whether there are
 * any. */
bool cv_inflight_settle(void *inflight, uint16_t size, bool packed);

/* Forgets everything: the ring is a new one. */
void cv_inflight_clear(void *inflight);

/* ---- for the queue ---- */

/*
 * Begins or takes up the notes of a queue whose size, areas and positions are set;
 * corrects the positions. What is wrong with the notes, or NULL.
 */
const char *cv_inflight_start(struct cv_vq *vq, void *inflight);

/* Fills @c with the next chain to be given again; there is one. What is wrong, or NULL. */
const char *cv_inflight_again(struct cv_vq *vq, struct cv_chain *c);

/* A chain was taken, given back, or is about to be and has been used. */
void cv_inflight_take(struct cv_vq *vq, struct cv_chain *c);
void cv_inflight_untake(struct cv_vq *vq, const struct cv_chain *c);
void cv_inflight_using(struct cv_vq *vq, const struct cv_chain *c);
void cv_inflight_used(struct cv_vq *vq, const struct cv_chain *c);

#endif
