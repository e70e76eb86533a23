/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine's interrupt lines. */
#include "machine/lines.h"

#include <errno.h>
#include <string.h>

struct line {
	struct cv_list node;
	struct cv_irq irq;
	struct cv_fd trigger, resample;
	struct cv_watch watch;
	uint32_t gsi;
	bool attached;
};

void cv_lines_init(struct cv_lines *l, struct cv_hw *hw, struct cv_loop *loop)
{
	l->hw = hw;
	l->loop = loop;
	cv_list_init(&l->lines);
}

static void on_resample(struct cv_watch *w, uint32_t events)
{
	struct line *line = cv_container_of(w, struct line, watch);

	(void)events;
	cv_event_drain(cv_fd_get(&line->resample));
	cv_irq_resampled(&line->irq);
}

static void line_destroy(struct cv_lines *l, struct line *line)
{
	cv_list_remove(&line->node);
	if (line->attached)
		cv_ignore(l->hw->ops->irqfd(l->hw, false, line->gsi, line->irq.trigger,
					    line->irq.resample)); /* the VM goes away anyway */
	cv_watch_remove(&line->watch);
	cv_fd_close(&line->trigger);
	cv_fd_close(&line->resample);
	free(line);
}

static int line_events(struct line *line, bool level)
{
	int fd = cv_event_create();

	if (fd < 0)
		return fd;
	cv_fd_set(&line->trigger, fd);
	line->irq.trigger = fd;
	line->irq.resample = -1;
	line->irq.level = level;
	if (!level)
		return 0;
	fd = cv_event_create();
	if (fd < 0)
		return fd;
	cv_fd_set(&line->resample, fd);
	line->irq.resample = fd;
	return 0;
}

static int line_attach(struct cv_lines *l, struct line *line)
{
	int err = 0;

	if (line->irq.level) {
		line->watch.fn = on_resample;
		err = cv_watch_add(l->loop, &line->watch, line->irq.resample, EPOLLIN);
	}
	if (err)
		return err;
	err = l->hw->ops->irqfd(l->hw, true, line->gsi, line->irq.trigger, line->irq.resample);
	line->attached = !err;
	return err;
}

int cv_lines_add(struct cv_lines *l, uint32_t gsi, bool level, struct cv_irq **irq,
		 struct vm_error *e)
{
	struct line *line = calloc(1, sizeof(*line));
	int err;

	if (!line)
		return cv_err(e, -ENOMEM, "interrupt %u: out of memory", gsi);
	cv_list_add_tail(&l->lines, &line->node);
	line->gsi = gsi;
	err = line_events(line, level) ?: line_attach(l, line);
	if (err) {
		line_destroy(l, line);
		return cv_err_os(e, err, "interrupt %u: its eventfds cannot be set up", gsi);
	}
	*irq = &line->irq;
	return 0;
}

void cv_lines_hand_over(struct cv_irq *irq)
{
	cv_watch_remove(&cv_container_of(irq, struct line, irq)->watch);
}

void cv_lines_fini(struct cv_lines *l)
{
	while (!cv_list_empty(&l->lines))
		line_destroy(l, cv_list_entry(l->lines.next, struct line, node));
}
