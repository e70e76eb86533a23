/* SPDX-License-Identifier: BSD-3-Clause */
/* A device process from its parent's side: start, questions, end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <crosvm/version.h>

#include "process/process_impl.h"
#include "sandbox/bpf.h"
#include "sandbox/seccomp.h"
#include "virtio/vq.h"

#define DEFAULT_TIMEOUT_MS 5000u
/* Programs, libraries, stacks, rings. */
#define OTHER_SPACE (256ull << 20)
/* How long a device may take to write out what it holds when it is told to end. */
#define END_MS 2000u
/* How long it may take from a closed socket to the end of its process. */
#define LAST_MS 500

unsigned int cv_process_timeout(const struct cv_process *c)
{
	return c->config.host->timeout_ms ?: DEFAULT_TIMEOUT_MS;
}

static uint64_t deadline_of(const struct cv_process *c)
{
	return cv_msg_deadline(cv_process_timeout(c));
}

/* ---- start ---- */

static int send_start(struct cv_process *c, const struct cv_seccomp *filter, int data,
		      struct vm_error *e)
{
	const struct cv_process_config *config = &c->config;
	struct cv_class_file files[CV_CLASS_MAX_FILES];
	CV_AUTO_FREE char *options = NULL;
	struct cv_start_frame start = {
		.version = VM_VERSION_STRING,
		.cls = cv_process_name(c),
		.packed = config->packed,
		.poll = config->poll,
		.foreign = config->foreign,
		.repeated = config->repeated,
		.memory = config->memory,
		.log_level = (uint8_t)config->log->level,
		.jail = c->jail,
		.n_filter = filter->n,
		.filter = (const uint8_t *)filter->insns,
	};
	int fds[CV_MSG_MAX_FDS] = { data };
	struct cv_buf b = { 0 };
	int err = cv_class_config_pack(config->cls, config->config, &options, files, &start.n_files,
				       e);

	if (err)
		return err;
	if (start.n_files > CV_PROCESS_MAX_FILES)
		return cv_err(e, -E2BIG,
			      "%s: it has %u open files, a device process takes %u; use fewer or "
			      "sandbox=off",
			      cv_process_name(c), start.n_files, CV_PROCESS_MAX_FILES);
	start.options = options;
	for (unsigned int i = 0; i < start.n_files; i++) {
		start.files[i] = files[i];
		fds[1 + i] = files[i].fd;
	}
	cv_frame_put_start(&b, &start);
	err = cv_process_send(c, &b, fds, 1 + start.n_files, deadline_of(c));
	if (err == -EPIPE || err == -ECONNRESET)
		return 0; /* it has ended already; cv_process_ready() tells how */
	return err ? cv_err(e, err, "%s: its process cannot be told what to do: %s",
			    cv_process_name(c), strerror(-err))
		   : 0;
}

/* Once: a process that is started again is of the same program, whatever has become of the file. */
static int open_program(struct cv_process *c, struct vm_error *e)
{
	struct cv_process_host *host = c->config.host;
	const char *path = host->program;
	int err, fd = cv_fd_get(&host->opened);

	if (fd >= 0)
		return 0;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd >= 0) {
		cv_fd_set(&host->opened, fd);
		return 0;
	}
	err = -errno;
	if (err == -ENOENT)
		return cv_err(e, err,
			      "%s: the program of device processes, '%s', cannot be opened: %s; "
			      "install it, or run the device in this process (sandbox=off)",
			      cv_process_name(c), path, strerror(-err));
	return cv_err_os(e, err, "%s: the program of device processes, '%s', cannot be opened",
			 cv_process_name(c), path);
}

static int spawn(struct cv_process *c, int control, struct vm_error *e)
{
	char arg[64], name[] = "crosvm-device";
	char *const argv[] = { name, arg, NULL };
	const int fds[] = { -1, -1, -1, control };
	const struct cv_spawn spawn = { .jail = &c->jail,
					.program_fd = cv_fd_get(&c->config.host->opened),
					.argv = argv,
					.fds = fds,
					.n_fds = CV_LEN(fds) };
	int err;

	snprintf(arg, sizeof(arg), CV_PROCESS_ARG "%s", cv_process_name(c));
	err = cv_sandbox_spawn(&c->child, &spawn, e);
	return err ? cv_err_prefix(e, err, "%s", cv_process_name(c)) : 0;
}

/* Room for the chains of all queues at their largest, which is reserved and seldom used. */
static uint64_t queue_room(const struct cv_class *cls)
{
	uint64_t room = 0;

	for (unsigned int i = 0; cls->virtio && i < cls->virtio->n_queues; i++)
		room += (uint64_t)cls->virtio->queue_max[i] * CV_CHAIN_MAX_SEGS *
			sizeof(struct cv_seg);
	return room;
}

/* Memory that is shared counts as address space only. How much a foreign guest has is not known. */
static void bound_memory(struct cv_process *c)
{
	c->jail.max_data += queue_room(c->config.cls);
	if (c->config.memory > 0)
		c->jail.max_space = c->config.memory + c->jail.max_data + OTHER_SPACE;
}

static int make_process(struct cv_process *c, struct vm_error *e)
{
	int fds[2], err;

	cv_jail_init(&c->jail, c->config.host->mechanisms & CV_JAIL_POSSIBLE);
	bound_memory(c);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		err = -errno;
		return cv_err_os(e, err, "%s: a socket cannot be made", cv_process_name(c));
	}
	cv_fd_set(&c->control, fds[0]);
	err = spawn(c, fds[1], e);
	close(fds[1]);
	return err;
}

/* What forbids even this would leave the process waiting for a judge that it cannot call. */
static int check_filter(const struct cv_process_host *host, const struct cv_seccomp *filter,
			const char *policy, struct vm_error *e)
{
	const char *dir = host->policy_dir;
	const struct seccomp_data call = { .nr = SYS_sendmsg,
					   .arch = CV_SECCOMP_ARCH,
					   .args[2] = MSG_NOSIGNAL | MSG_DONTWAIT };
	uint32_t outcomes = 0;
	int err = cv_bpf_run(filter->insns, filter->n, &call, sizeof(call), &outcomes, NULL);

	if (err || outcomes == CV_BPF_REFUSE)
		return cv_err(
			e, -EINVAL,
			"%s%s%s%s.policy does not allow sendmsg, without which a device process "
			"cannot speak to its parent; add 'sendmsg: 1'",
			dir ? "seccomp_policy_dir: " : "", dir ? dir : "", dir ? "/" : "", policy);
	return 0;
}

static int make_filter(struct cv_process_host *host, struct cv_seccomp *filter, const char *policy,
		       struct vm_error *e)
{
	int err = cv_seccomp_get(filter, host->policy_dir, policy, e);

	if (err)
		return err;
	if (host->log_failures)
		cv_seccomp_log_failures(filter);
	else
		err = check_filter(host, filter, policy, e);
	if (err)
		cv_seccomp_fini(filter);
	return err;
}

/* Compiled once, for all processes with that policy. */
static int find_filter(struct cv_process *c, const struct cv_seccomp **filter, struct vm_error *e)
{
	static const struct cv_seccomp none;
	struct cv_process_host *host = c->config.host;
	const char *policy = c->config.cls->policy;
	unsigned int i = 0;
	int err;

	*filter = &none;
	if (!(host->mechanisms & CV_JAIL_SECCOMP))
		return 0;
	while (i < host->n_filters && strcmp(host->filters[i].policy, policy) != 0)
		i++;
	if (i == CV_LEN(host->filters))
		return cv_err(e, -E2BIG, "%s: there are more than %u policies", cv_process_name(c),
			      i);
	if (i == host->n_filters) {
		err = make_filter(host, &host->filters[i].filter, policy, e);
		if (err)
			return err;
		host->filters[i].policy = policy;
		host->n_filters++;
	}
	*filter = &host->filters[i].filter;
	return 0;
}

void cv_process_host_fini(struct cv_process_host *host)
{
	while (host->n_filters > 0)
		cv_seccomp_fini(&host->filters[--host->n_filters].filter);
	cv_fd_close(&host->opened);
}

static int start(struct cv_process *c, int data, struct vm_error *e)
{
	const struct cv_seccomp *filter;
	int err;

	c->frame = malloc(CV_PROCESS_FRAME_MAX);
	if (!c->frame)
		return cv_err(e, -ENOMEM, "%s: out of memory", cv_process_name(c));
	err = find_filter(c, &filter, e) ?: open_program(c, e);
	return err ?: make_process(c, e) ?: send_start(c, filter, data, e);
}

int cv_process_start(struct cv_process **child, const struct cv_process_config *config, int data,
		     struct vm_error *e)
{
	struct cv_process *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return cv_err(e, -ENOMEM, "%s: out of memory", config->cls->name);
	c->config = *config;
	err = start(c, data, e);
	if (err) {
		cv_process_destroy(c);
		return err;
	}
	*child = c;
	return 0;
}

/* How it ended, as well as can be told. */
static int tell_end(struct cv_process *c, struct vm_error *e)
{
	struct cv_child_end end;
	char why[480];

	if (c->condemned)
		snprintf(why, sizeof(why), "%s", c->why);
	else if (cv_child_ended(&c->child, false, &end))
		cv_process_describe_end(&end, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "it closed its socket, and runs on");
	if (c->condemned && c->config.host->policy_dir)
		return cv_err(e, -ECHILD,
			      "%s: its process ended before it was ready: %s; allow that in "
			      "%s/%s.policy, or give no policies of your own",
			      cv_process_name(c), why, c->config.host->policy_dir,
			      c->config.cls->policy);
	return cv_err(e, -ECHILD,
		      "%s: its process ended before it was ready: %s; is '%s' the crosvm-device of "
		      "this build?",
		      cv_process_name(c), why, c->config.host->program);
}

int cv_process_explain(struct cv_process *c, int err, struct vm_error *e)
{
	return cv_process_ended(c, LAST_MS) ? tell_end(c, e) : err;
}

/* What the process itself said, or how it ended without a word. */
static int fail_start(struct cv_process *c, int got, struct cv_frame *f, struct vm_error *e)
{
	char why[480] = "";
	int code;

	if (got == 1) {
		code = (int)cv_frame_u32(f);
		cv_process_print(why, sizeof(why), cv_frame_get_text(f));
		if (cv_frame_ended(f) && why[0] && code < 0 && code > -4096)
			return cv_err(e, code, "%s", why);
		got = -EBADMSG;
	}
	if (got == -ETIMEDOUT && !c->condemned)
		return cv_err(e, got,
			      "%s: its process is not ready after %u ms; is the host overloaded?",
			      cv_process_name(c), cv_process_timeout(c));
	if (got == -EMFILE)
		return cv_err_os(e, got, "%s: what its process sends cannot be taken",
				 cv_process_name(c));
	if (got != -ENODATA && got != -ECONNRESET && !c->condemned)
		return cv_err(e, -EPROTO,
			      "%s: '%s' does not speak as a device process of crosvm %s; name its "
			      "crosvm-device",
			      cv_process_name(c), c->config.host->program, VM_VERSION_STRING);
	/* it has closed its socket at least */
	cv_ignore(cv_process_ended(c, LAST_MS)); /* what counts is what can be said of its end */
	return tell_end(c, e);
}

int cv_process_ready(struct cv_process *c, struct vm_error *e)
{
	struct cv_frame f;
	int err = cv_process_answer(c, CV_PROCESS_READY, CV_PROCESS_FAILED, &f, deadline_of(c));

	if (err) {
		c->killed = true;
		return fail_start(c, err, &f, e);
	}
	c->ready = true;
	err = cv_process_watch(c);
	return err ? cv_err(e, err, "%s: its process cannot be watched: %s", cv_process_name(c),
			    strerror(-err))
		   : 0;
}

/* ---- afterwards ---- */

int cv_process_control(struct cv_process *c, const char *op, const char *args, char *reply,
		       size_t size, struct vm_error *e)
{
	struct cv_buf b = { 0 };
	char clean[CV_PROCESS_REPLY_MAX];
	struct cv_frame f;
	const char *text;
	int err, result;

	cv_frame_begin(&b, CV_PROCESS_CONTROL);
	cv_buf_le32(&b, (uint32_t)cv_min(size ?: 1, (size_t)CV_PROCESS_REPLY_MAX));
	cv_frame_text(&b, op);
	cv_frame_text(&b, args);
	err = cv_process_send(c, &b, NULL, 0, deadline_of(c));
	err = err ?: cv_process_answer(c, CV_PROCESS_DONE, CV_PROCESS_DONE, &f, deadline_of(c));
	if (err) {
		/* a late answer would be taken for the next one's */
		cv_process_condemn(c, "it did not answer to '%s', and was ended", op);
		return cv_err(e, err, "%s: its process %s to '%s', and is ended",
			      cv_process_name(c),
			      err == -ETIMEDOUT ? "does not answer in time"
			      : err == -EBADMSG ? "gives an answer that cannot be"
						: "gives no answer",
			      op);
	}
	result = (int)cv_frame_u32(&f);
	text = cv_frame_get_text(&f);
	if (!cv_frame_ended(&f) || result < -4095 || (result < 0 && !text[0])) {
		cv_process_condemn(c, "it answered nonsense to '%s', and was ended", op);
		return cv_err(e, -EPROTO, "%s: its process answers nonsense to '%s', and is ended",
			      cv_process_name(c), op);
	}
	cv_process_print(clean, sizeof(clean), text);
	if (result < 0)
		return cv_err(e, result, "%.480s", clean);
	snprintf(reply, size, "%s", clean);
	return result;
}

pid_t cv_process_pid(const struct cv_process *c)
{
	return c->child.pid;
}

/* Its messages are passed on until it closes its socket, which is all it has to answer. */
static void end_politely(struct cv_process *c)
{
	uint64_t deadline = cv_msg_deadline(END_MS);
	struct cv_buf b = { 0 };
	struct cv_frame f;

	cv_frame_begin(&b, CV_PROCESS_STOP);
	if (cv_process_send(c, &b, NULL, 0, deadline) == 0)
		cv_ignore(cv_process_answer(c, CV_PROCESS_DONE, CV_PROCESS_DONE, &f, deadline));
}

void cv_process_kill(struct cv_process *c)
{
	if (c->child.pid > 0)
		cv_child_kill(&c->child);
	c->killed = true;
}

void cv_process_destroy(struct cv_process *c)
{
	if (!c)
		return;
	cv_process_unwatch(c);
	c->config.alive = NULL;
	if (c->child.pid > 0 && !c->killed && !c->condemned)
		end_politely(c);
	cv_process_unwatch(c); /* it may have been condemned meanwhile */
	cv_child_fini(&c->child);
	cv_msg_fds_close(&c->fds);
	cv_fd_close(&c->listener);
	cv_fd_close(&c->control);
	free(c->frame);
	free(c);
}
