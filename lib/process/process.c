/* SPDX-License-Identifier: BSD-3-Clause */
/* A device process from its parent's side: start, questions, watch, end. */
#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <crosvm/version.h>

#include "base/endian.h"
#include "process/protocol.h"
#include "sandbox/seccomp.h"
#include "virtio/vq.h"

#define DEFAULT_TIMEOUT_MS 5000u
/* How long a device may take to write out what it holds when it is told to end. */
/* Programs, libraries, stacks, rings. */
#define OTHER_SPACE (256ull << 20)
#define END_MS	    2000u
/* How long it may take from a closed socket to the end of its process. */
#define LAST_MS 500
/* Messages of a process that are passed on in a second. */
#define MAX_LOGS 16u
#define NS_PER_S 1000000000ull

struct cv_process {
	struct cv_process_config config;
	struct cv_jail jail;
	struct cv_child child;
	struct cv_fd control;
	struct cv_watch exit_watch, control_watch;
	uint64_t log_second; /* of the loop's clock */
	unsigned int n_logs; /* passed on in that second */
	bool killed;	     /* not worth a word at its end */
	/* the frame being received: its length, then its bytes */
	struct le32 prefix;
	size_t got, got_body;
	uint8_t *frame; /* CV_PROCESS_FRAME_MAX bytes */
};

static const char *name_of(const struct cv_process *c)
{
	return c->config.cls->name;
}

static unsigned int timeout_of(const struct cv_process_host *host)
{
	return host->timeout_ms ?: DEFAULT_TIMEOUT_MS;
}

static uint64_t deadline_of(const struct cv_process *c)
{
	return cv_msg_deadline(timeout_of(c->config.host));
}

/* ---- frames ---- */

static int send_frame(struct cv_process *c, struct cv_buf *b, const int *fds, unsigned int n_fds,
		      uint64_t deadline)
{
	int err = b->failed ? -ENOMEM : 0;

	if (!err && b->len > CV_PROCESS_FRAME_MAX)
		err = -EMSGSIZE;
	err = err
		      ?: cv_msg_send_frame(cv_fd_get(&c->control), b->data, (uint32_t)b->len, fds,
					   n_fds, deadline);
	cv_buf_fini(b);
	return err;
}

/* What a process says ends on terminals and in files: no line breaks, nothing that a terminal obeys. */
static void print_clean(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
	for (; *to; to++)
		if ((unsigned char)*to < ' ' || *to == 0x7f)
			*to = '?';
}

/* What the process has to say goes to the VM's log, but no flood of it. */
static void pass_log(struct cv_process *c, struct cv_frame *f)
{
	unsigned int level = cv_frame_u8(f);
	const char *text = cv_frame_get_text(f);
	uint64_t second = cv_loop_now(c->config.loop) / NS_PER_S;
	char clean[900];

	if (!cv_frame_ended(f) || level < VM_LOG_ERROR || level > VM_LOG_DEBUG)
		return;
	if (second != c->log_second) {
		c->log_second = second;
		c->n_logs = 0;
	}
	if (c->n_logs++ >= MAX_LOGS)
		return;
	print_clean(clean, sizeof(clean), text);
	cv_log(c->config.log, (enum vm_log_level)level, "%s", clean);
}

/* Takes what is there without waiting: 1 with a whole frame, 0 when more is to come, or -errno. */
static int next_frame(struct cv_process *c, struct cv_frame *f)
{
	int sock = cv_fd_get(&c->control), r = 1;
	uint32_t len;

	if (c->got < sizeof(c->prefix))
		r = cv_msg_recv_some(sock, &c->prefix, sizeof(c->prefix), &c->got, NULL);
	if (r != 1)
		return r;
	len = le32_get(c->prefix);
	if (len == 0 || len > CV_PROCESS_FRAME_MAX)
		return -EBADMSG;
	r = cv_msg_recv_some(sock, c->frame, len, &c->got_body, NULL);
	if (r != 1)
		return r;
	c->got = c->got_body = 0;
	*f = (struct cv_frame){ .data = c->frame, .len = len };
	return 1;
}

/* False at the deadline, also when input never ends. */
static bool wait_input(const struct cv_process *c, uint64_t deadline)
{
	struct pollfd p = { .fd = cv_fd_get(&c->control), .events = POLLIN };
	uint64_t now = cv_msg_deadline(0);

	if (now >= deadline)
		return false;
	poll(&p, 1, (int)cv_min((deadline - now) / 1000000 + 1, (uint64_t)INT32_MAX));
	return true;
}

/* The answer of one of two types: 0 if @good, 1 if @bad; its messages meanwhile are passed on. */
static int recv_answer(struct cv_process *c, enum cv_process_frame good, enum cv_process_frame bad,
		       struct cv_frame *f, uint64_t deadline)
{
	for (;;) {
		int r = next_frame(c, f);
		uint8_t type = r == 1 ? cv_frame_u8(f) : 0;

		if (r < 0)
			return r;
		if (r == 1 && type != CV_PROCESS_LOG)
			return type == good ? 0 : type == bad ? 1 : -EBADMSG;
		if (r == 1)
			pass_log(c, f);
		if (!wait_input(c, deadline))
			return -ETIMEDOUT;
	}
}

/* ---- watching ---- */

static void describe_end(const struct cv_child_end *end, char *text, size_t size)
{
	if (end->signal == SIGSYS)
		snprintf(text, size,
			 "its seccomp policy killed it for a system call that it does not allow");
	else if (end->signal)
		snprintf(text, size, "it was killed by signal %d (%s)", end->signal,
			 strsignal(end->signal));
	else if (end->status >= 0)
		snprintf(text, size, "it exited with status %d", end->status);
	else
		snprintf(text, size, "it ended, and somebody else has taken its status");
}

/* Why it ended, perhaps. */
static void pass_last_words(struct cv_process *c)
{
	struct cv_frame f;

	for (unsigned int i = 0; i < MAX_LOGS && next_frame(c, &f) == 1; i++)
		if (cv_frame_u8(&f) == CV_PROCESS_LOG)
			pass_log(c, &f);
}

static void on_exit_event(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_process *c = cv_container_of(w, struct cv_process, exit_watch);
	struct cv_child_end end;
	char why[160];

	if (!cv_child_ended(&c->child, false, &end))
		return;
	cv_watch_remove(&c->exit_watch);
	cv_watch_remove(&c->control_watch);
	pass_last_words(c);
	describe_end(&end, why, sizeof(why));
	c->config.died(c->config.ctx, c->config.foreign && end.status == 0 ? NULL : why);
}

/* Only messages come unasked; a process that breaks the rules is ended. */
static void on_control_event(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct cv_process *c = cv_container_of(w, struct cv_process, control_watch);
	struct cv_frame f;
	int r = next_frame(c, &f);

	if (r == 0)
		return;
	if (r == 1 && cv_frame_u8(&f) == CV_PROCESS_LOG) {
		pass_log(c, &f);
		return;
	}
	cv_watch_remove(w);
	if (r == -ENODATA)
		return; /* it is about to end: the other watch tells */
	cv_log_warn(c->config.log, "%s: its process says what it may not, and is ended",
		    name_of(c));
	cv_child_kill(&c->child);
}

static int watch(struct cv_process *c)
{
	int err;

	c->exit_watch.fn = on_exit_event;
	c->control_watch.fn = on_control_event;
	err = cv_watch_add(c->config.loop, &c->exit_watch, cv_fd_get(&c->child.pidfd), EPOLLIN);
	return err
		       ?: cv_watch_add(c->config.loop, &c->control_watch, cv_fd_get(&c->control),
				       EPOLLIN);
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
		.cls = name_of(c),
		.packed = config->packed,
		.poll = config->poll,
		.foreign = config->foreign,
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
			      name_of(c), start.n_files, CV_PROCESS_MAX_FILES);
	start.options = options;
	for (unsigned int i = 0; i < start.n_files; i++) {
		start.files[i] = files[i];
		fds[1 + i] = files[i].fd;
	}
	cv_frame_put_start(&b, &start);
	err = send_frame(c, &b, fds, 1 + start.n_files, deadline_of(c));
	if (err == -EPIPE || err == -ECONNRESET)
		return 0; /* it has ended already; cv_process_ready() tells how */
	return err ? cv_err(e, err, "%s: its process cannot be told what to do: %s", name_of(c),
			    strerror(-err))
		   : 0;
}

static int open_program(const struct cv_process *c, struct vm_error *e)
{
	const char *path = c->config.host->program;
	int err, fd = open(path, O_PATH | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	err = -errno;
	if (err != -ENOENT)
		return cv_err_os(e, err,
				 "%s: the program of device processes, '%s', cannot be opened",
				 name_of(c), path);
	return cv_err(e, err,
		      "%s: the program of device processes, '%s', is not there; install it, or run "
		      "the device in this process (sandbox=off)",
		      name_of(c), path);
}

static int spawn(struct cv_process *c, int control, struct vm_error *e)
{
	char arg[64], name[] = "crosvm-device";
	char *const argv[] = { name, arg, NULL };
	const int fds[] = { -1, -1, -1, control };
	CV_AUTO_FD int program = open_program(c, e);
	const struct cv_spawn spawn = { .jail = &c->jail,
					.program_fd = program,
					.argv = argv,
					.fds = fds,
					.n_fds = CV_LEN(fds) };
	int err;

	if (program < 0)
		return program;
	snprintf(arg, sizeof(arg), CV_PROCESS_ARG "%s", name_of(c));
	err = cv_sandbox_spawn(&c->child, &spawn, e);
	return err ? cv_err_prefix(e, err, "%s", name_of(c)) : 0;
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
		return cv_err_os(e, err, "%s: a socket cannot be made", name_of(c));
	}
	cv_fd_set(&c->control, fds[0]);
	err = spawn(c, fds[1], e);
	close(fds[1]);
	return err;
}

static int start(struct cv_process *c, int data, struct vm_error *e)
{
	const struct cv_process_host *host = c->config.host;
	struct cv_seccomp filter = { 0 };
	int err = 0;

	c->frame = malloc(CV_PROCESS_FRAME_MAX);
	if (!c->frame)
		return cv_err(e, -ENOMEM, "%s: out of memory", name_of(c));
	if (host->mechanisms & CV_JAIL_SECCOMP)
		err = cv_seccomp_get(&filter, host->policy_dir, c->config.cls->policy, e);
	if (!err && host->log_failures)
		cv_seccomp_log_failures(&filter);
	err = err ?: make_process(c, e) ?: send_start(c, &filter, data, e);
	cv_seccomp_fini(&filter);
	return err;
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

/* What the process itself said, or how it ended without a word. */
static int fail_start(struct cv_process *c, int got, struct cv_frame *f, struct vm_error *e)
{
	struct cv_child_end end;
	char why[480] = "";
	int code;

	if (got == 1) {
		code = (int)cv_frame_u32(f);
		print_clean(why, sizeof(why), cv_frame_get_text(f));
		if (cv_frame_ended(f) && why[0] && code < 0 && code > -4096)
			return cv_err(e, code, "%s", why);
		got = -EBADMSG;
	}
	if (got == -ETIMEDOUT)
		return cv_err(e, got,
			      "%s: its process is not ready after %u ms; is the host overloaded?",
			      name_of(c), timeout_of(c->config.host));
	if (got != -ENODATA && got != -ECONNRESET)
		return cv_err(e, -EPROTO,
			      "%s: '%s' does not speak as a device process of crosvm %s; name its "
			      "crosvm-device",
			      name_of(c), c->config.host->program, VM_VERSION_STRING);
	/* it has closed its socket at least */
	poll(&(struct pollfd){ .fd = cv_fd_get(&c->child.pidfd), .events = POLLIN }, 1, LAST_MS);
	if (cv_child_ended(&c->child, false, &end))
		describe_end(&end, why, sizeof(why));
	else
		snprintf(why, sizeof(why), "it closed its socket, and runs on");
	return cv_err(e, -ECHILD, "%s: its process ended before it was ready: %s", name_of(c), why);
}

int cv_process_ready(struct cv_process *c, struct vm_error *e)
{
	struct cv_frame f;
	int err = recv_answer(c, CV_PROCESS_READY, CV_PROCESS_FAILED, &f, deadline_of(c));

	if (err) {
		c->killed = true;
		return fail_start(c, err, &f, e);
	}
	err = watch(c);
	return err ? cv_err(e, err, "%s: its process cannot be watched: %s", name_of(c),
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
	cv_frame_text(&b, op);
	cv_frame_text(&b, args);
	err = send_frame(c, &b, NULL, 0, deadline_of(c));
	err = err ?: recv_answer(c, CV_PROCESS_DONE, CV_PROCESS_DONE, &f, deadline_of(c));
	if (err) {
		/* a late answer would be taken for the next one's */
		cv_child_kill(&c->child);
		return cv_err(e, err, "%s: its process %s to '%s', and is ended", name_of(c),
			      err == -ETIMEDOUT ? "does not answer in time"
			      : err == -EBADMSG ? "gives an answer that cannot be"
						: "gives no answer",
			      op);
	}
	result = (int)cv_frame_u32(&f);
	text = cv_frame_get_text(&f);
	if (!cv_frame_ended(&f) || result < -4095 || (result < 0 && !text[0])) {
		cv_child_kill(&c->child);
		return cv_err(e, -EPROTO, "%s: its process answers nonsense to '%s', and is ended",
			      name_of(c), op);
	}
	print_clean(clean, sizeof(clean), text);
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
	if (send_frame(c, &b, NULL, 0, deadline) == 0)
		cv_ignore(recv_answer(c, CV_PROCESS_DONE, CV_PROCESS_DONE, &f, deadline));
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
	cv_watch_remove(&c->exit_watch);
	cv_watch_remove(&c->control_watch);
	if (c->child.pid > 0 && !c->killed)
		end_politely(c);
	cv_child_fini(&c->child);
	cv_fd_close(&c->control);
	free(c->frame);
	free(c);
}
