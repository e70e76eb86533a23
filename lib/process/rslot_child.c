/* SPDX-License-Identifier: BSD-3-Clause */
/* A register device in a process of its own: one slot around client, process and supervision. */
#include "process/rslot_child.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/regs_client.h"

struct cv_rslot_child {
	struct cv_rslot slot;
	struct cv_rslot_child_config config;
	struct cv_regs_client *client;
	struct cv_process *process;
	struct cv_task lost; /* a vCPU has lost the device */
	const char *why;     /* it was lost; written before the task is posted */
	bool finished;
};

static struct cv_rslot_child *from_slot(struct cv_rslot *slot)
{
	return cv_container_of(slot, struct cv_rslot_child, slot);
}

static const char *name_of(const struct cv_rslot_child *s)
{
	return s->config.cls->name;
}

/* ---- the slot ---- */

static uint64_t child_read(struct cv_rslot *slot, uint64_t off, unsigned int len)
{
	return cv_regs_client_read(from_slot(slot)->client, off, len);
}

static void child_write(struct cv_rslot *slot, uint64_t off, unsigned int len, uint64_t val)
{
	cv_regs_client_write(from_slot(slot)->client, off, len, val);
}

static void child_reset(struct cv_rslot *slot)
{
	cv_regs_client_reset(from_slot(slot)->client);
}

/* After what the guest has written until now. */
static int child_control(struct cv_rslot *slot, const char *op, const char *args, char *reply,
			 size_t size, struct vm_error *e)
{
	struct cv_rslot_child *s = from_slot(slot);
	const struct cv_control *control;
	void *parsed = NULL;
	int err = cv_class_control_parse(s->config.cls, op, args, &control, &parsed, e);

	if (err)
		return err;
	cv_control_args_destroy(control, parsed);
	cv_regs_client_sync(s->client);
	if (!s->process || !cv_regs_client_connected(s->client))
		return cv_err(e, -ENOTCONN, "%s: its process has died", name_of(s));
	return cv_process_control(s->process, op, args, reply, size, e);
}

static void child_destroy(struct cv_rslot *slot)
{
	cv_rslot_child_destroy(from_slot(slot));
}

static const struct cv_rslot_ops child_ops = {
	.read = child_read,
	.write = child_write,
	.control = child_control,
	.reset = child_reset,
	.destroy = child_destroy,
};

/* ---- the end of the process ---- */

static void on_died(void *ctx, const char *why)
{
	struct cv_rslot_child *s = ctx;

	cv_regs_client_give_up(s->client);
	cv_process_destroy(s->process);
	s->process = NULL;
	cv_log_warn(s->config.log,
		    "%s: its process has died, the guest has lost the device: %.200s", name_of(s),
		    why);
	s->config.died(s->config.ctx, why);
}

/* In a vCPU's thread. */
static void on_lost(void *ctx, const char *why)
{
	struct cv_rslot_child *s = ctx;

	s->why = why;
	cv_loop_post(s->config.loop, &s->lost);
}

static void on_lost_task(struct cv_task *t)
{
	struct cv_rslot_child *s = cv_container_of(t, struct cv_rslot_child, lost);

	if (s->process)
		cv_process_suspect(s->process, s->why);
}

/* ---- making and ending ---- */

static int start(struct cv_rslot_child *s, struct vm_error *e)
{
	const struct cv_process_config config = { .host = s->config.host,
						  .cls = s->config.cls,
						  .config = s->config.config,
						  .memory = s->config.memory,
						  .loop = s->config.loop,
						  .log = s->config.log,
						  .died = on_died,
						  .ctx = s };
	const struct cv_regs_client_config client = { .span = s->config.cls->regs->span,
						      .timeout_ms = s->config.timeout_ms,
						      .lost = on_lost,
						      .ctx = s };
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		err = -errno;
		return cv_err_os(e, err, "%s: a socket cannot be made", name_of(s));
	}
	err = cv_regs_client_create(&s->client, &client, fds[0], e)
		      ?: cv_process_start(&s->process, &config, fds[1], e);
	close(fds[1]);
	return err;
}

int cv_rslot_child_create(struct cv_rslot_child **child, const struct cv_rslot_child_config *config,
			  struct vm_error *e)
{
	struct cv_rslot_child *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return cv_err(e, -ENOMEM, "%s: out of memory", config->cls->name);
	s->slot = (struct cv_rslot){ .ops = &child_ops, .span = config->cls->regs->span };
	s->config = *config;
	s->lost.fn = on_lost_task;
	err = start(s, e);
	if (err) {
		cv_rslot_child_destroy(s);
		return err;
	}
	*child = s;
	return 0;
}

int cv_rslot_child_finish(struct cv_rslot_child *s, const struct cv_irq *irq,
			  struct cv_rslot **slot, struct vm_error *e)
{
	int err = cv_process_ready(s->process, e);

	if (!err && irq) {
		err = cv_regs_client_line(s->client, irq);
		if (err)
			cv_err(e, err, "%s: its process does not take the interrupt: %s",
			       name_of(s), strerror(-err));
	}
	if (err) {
		cv_rslot_child_destroy(s);
		return err;
	}
	s->finished = true;
	*slot = &s->slot;
	return 0;
}

/* What the guest has written arrives, and what the device holds goes out, before it ends. */
void cv_rslot_child_destroy(struct cv_rslot_child *s)
{
	if (!s)
		return;
	if (s->finished)
		cv_regs_client_sync(s->client);
	if (s->finished && s->process && !cv_regs_client_connected(s->client))
		cv_process_kill(s->process);
	cv_task_cancel(&s->lost);
	cv_process_destroy(s->process);
	cv_regs_client_destroy(s->client);
	free(s);
}

pid_t cv_rslot_child_pid(struct cv_rslot *slot)
{
	struct cv_rslot_child *s = from_slot(slot);

	return s->process ? cv_process_pid(s->process) : 0;
}
