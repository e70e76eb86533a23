/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine's interrupt lines: eventfds attached to GSIs, level lines re-triggered on EOI. */
#ifndef CV_MACHINE_LINES_H
#define CV_MACHINE_LINES_H

#include "base/err.h"
#include "base/list.h"
#include "core/hw.h"
#include "core/irq.h"
#include "sys/loop.h"

struct cv_lines {
	struct cv_hw *hw;
	struct cv_loop *loop;
	struct cv_list lines;
};

void cv_lines_init(struct cv_lines *l, struct cv_hw *hw, struct cv_loop *loop);

/* A new line on @gsi; several level lines may share one. *irq belongs to @l. */
int cv_lines_add(struct cv_lines *l, uint32_t gsi, bool level, struct cv_irq **irq,
		 struct vm_error *e) CV_MUST_CHECK;

/* From now on somebody else watches the line's resample eventfd and triggers again: the device's own
 * process, which alone knows whether the line is asserted. */
void cv_lines_hand_over(struct cv_irq *irq);

/* Detaches and frees all lines; nobody uses them any more. Zeroed is fine. */
void cv_lines_fini(struct cv_lines *l);

#endif
