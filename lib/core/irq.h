/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An interrupt line as a device sees it: two eventfds, the same object in
 * every process. The trigger is an irqfd; for a level line the hypervisor
 * signals the resample eventfd on EOI, and whoever watches it calls
 * cv_irq_resampled(), which triggers again while the line is still asserted.
 */
#ifndef CV_CORE_IRQ_H
#define CV_CORE_IRQ_H

#include <stdatomic.h>

#include "sys/fd.h"

struct cv_irq {
	int trigger, resample; /* borrowed eventfds; resample -1 for an edge line */
	bool level;
	atomic_bool asserted;
	atomic_bool disabled; /* held back, see cv_irq_disable() */
};

/* Sets the line; a rising edge triggers. Any thread, never blocks. */
static inline void cv_irq_set(struct cv_irq *irq, bool on)
{
	if (!atomic_exchange(&irq->asserted, on) && on && !atomic_load(&irq->disabled))
		cv_event_signal(irq->trigger);
}

/* An edge interrupt, whatever the line was. */
static inline void cv_irq_pulse(struct cv_irq *irq)
{
	if (!atomic_load(&irq->disabled))
		cv_event_signal(irq->trigger);
}

/* The guest has ended the interrupt: triggers again if the line is still asserted. */
static inline void cv_irq_resampled(struct cv_irq *irq)
{
	if (atomic_load(&irq->asserted) && !atomic_load(&irq->disabled))
		cv_event_signal(irq->trigger);
}

/* Holds a line back (PCI's interrupt disable); one that is asserted triggers when let go. */
static inline void cv_irq_disable(struct cv_irq *irq, bool on)
{
	if (atomic_exchange(&irq->disabled, on) && !on && atomic_load(&irq->asserted))
		cv_event_signal(irq->trigger);
}

#endif
