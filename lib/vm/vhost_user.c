/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device type "vhost-user": a virtio device that another program serves at a
 * socket. It has options like any class but no instance in this process; its
 * slot is the front end of vhost/user_frontend.h and lives as long as the VM's
 * device, so that its back end sees one connection however often the guest
 * starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "base/str.h"
#include "sys/sock.h"
#include "sys/thread.h"
#include "vhost/user_frontend.h"
#include "virtio/virtio.h"
#include "vm/vm.h"

#define CONNECT_MS   2000u
#define RETRY_MS     2000u
#define FIRST_DELAY  50000000ull
#define LAST_DELAY   2000000000ull
#define MAX_TAG	     36u
#define MAX_ID	     63u
#define NET_REFUSED  (0xffull << 16 | 1 << 3 | 1 << 5) /* see the table */
#define FS_SPACE     40u
#define OFF_FS_COUNT 36u /* num_request_queues */

struct peer_config {
	char *type, *socket, *fd, *tag;
	uint32_t queues, queue_size, config_len;
	bool reconnect;
};

struct cv_vm_peer {
	struct vm_device *d;
	struct cv_vslot *slot;
	struct cv_timer retry;
	uint64_t delay;
	bool told; /* why a new back end does not do */
	/* one try, in a thread of its own: a back end may take its time, and the loop has none */
	bool trying;
	pthread_t thread;
	struct cv_task tried;
	pthread_mutex_t lock; /* of the two that follow */
	bool ending;
	int fd; /* of the try; borrowed; -1: none */
	int err;
	struct vm_error e;
	char name[48];
};

/* What the virtio specification says of a type, and how many queues its drivers want. */
struct kind {
	const char *name;
	uint16_t id, config_len, min_queues, max_queues;
	bool zero_space;  /* a back end without CONFIG gets by with zeros */
	uint64_t refused; /* features */
};

/*
 * A network's address, MTU and link state are for the front end to give, and its control queue
 * (with all that needs it) for the front end to serve: not offered.
 */
static const struct kind kinds[] = {
	{ "net", CV_VIRTIO_ID_NET, 24, 2, 2, true, NET_REFUSED },
	{ "block", CV_VIRTIO_ID_BLOCK, 60, 1, CV_VIRTIO_MAX_QUEUES, false, 0 },
	{ "console", CV_VIRTIO_ID_CONSOLE, 12, 2, CV_VIRTIO_MAX_QUEUES, true, 0 },
	{ "rng", CV_VIRTIO_ID_RNG, 0, 1, 1, false, 0 },
	{ "balloon", CV_VIRTIO_ID_BALLOON, 16, 2, 5, false, 0 },
	{ "scsi", 8, 36, 3, CV_VIRTIO_MAX_QUEUES, false, 0 },
	{ "gpu", 16, 16, 2, 2, false, 0 },
	{ "input", 18, 136, 2, 2, false, 0 },
	{ "vsock", 19, 8, 3, 3, false, 0 },
	{ "sound", 25, 12, 4, 4, false, 0 },
	{ "fs", CV_VIRTIO_ID_FS, FS_SPACE, 2, 2, false, 0 },
	{ "i2c", 34, 0, 1, 1, false, 0 },
	{ "gpio", 41, 8, 2, 2, false, 0 },
};

static const struct cv_opt opts[] = {
	{ .name = "type",
	  .kind = CV_OPT_STR,
	  .off = offsetof(struct peer_config, type),
	  .required = true,
	  .help = "block, net, fs, console, rng, vsock, input, gpu, ... or a virtio device ID" },
	{ .name = "socket",
	  .kind = CV_OPT_STR,
	  .off = offsetof(struct peer_config, socket),
	  .help = "where the back end listens" },
	{ .name = "fd",
	  .kind = CV_OPT_STR,
	  .off = offsetof(struct peer_config, fd),
	  .help = "instead of that, the number of an open descriptor that is connected to it" },
	{ .name = "reconnect",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct peer_config, reconnect),
	  .dflt = true,
	  .help = "when the back end goes away, wait for another one at the socket" },
	{ .name = "queues",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct peer_config, queues),
	  .max = CV_VIRTIO_MAX_QUEUES,
	  .help = "how many queues; 0: as many as the type and the back end have" },
	{ .name = "queue_size",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct peer_config, queue_size),
	  .dflt = 256,
	  .min = 2,
	  .max = 32768,
	  .help = "entries of a queue, a power of two" },
	{ .name = "config_len",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct peer_config, config_len),
	  .max = 256,
	  .help = "bytes of configuration space; 0: as the type has" },
	{ .name = "tag",
	  .kind = CV_OPT_STR,
	  .off = offsetof(struct peer_config, tag),
	  .help = "type=fs: the name to mount, when the back end does not tell it" },
	CV_OPT_END,
};

static int find_kind(const struct peer_config *c, struct kind *kind, struct vm_error *e)
{
	char names[160] = "";
	size_t len = 0;
	uint64_t id;

	for (size_t i = 0; i < CV_LEN(kinds); i++) {
		*kind = kinds[i];
		if (strcmp(c->type, kind->name) == 0)
			return 0;
		len += (size_t)snprintf(names + len, sizeof(names) - len, " %s", kind->name);
	}
	if (cv_str_u64(c->type, &id) || id == 0 || id > MAX_ID)
		return cv_err(e, -EINVAL,
			      "vhost-user: option type: '%s' is not known, give a device ID (1 to "
			      "%u) or one of%s",
			      c->type, MAX_ID, names);
	for (size_t i = 0; i < CV_LEN(kinds); i++) {
		*kind = kinds[i];
		if (id == kind->id)
			return 0;
	}
	*kind = (struct kind){ .name = c->type,
			       .id = (uint16_t)id,
			       .min_queues = 1,
			       .max_queues = CV_VIRTIO_MAX_QUEUES };
	return 0;
}

static int check_fd(const struct peer_config *c, struct vm_error *e)
{
	uint64_t fd;

	if (c->fd && (cv_str_u64(c->fd, &fd) || fd >= INT32_MAX))
		return cv_err(e, -EINVAL,
			      "vhost-user: option fd: '%s' is not the number of an open file",
			      c->fd);
	return 0;
}

static int check(const void *config, uint64_t memory CV_UNUSED, struct vm_error *e)
{
	const struct peer_config *c = config;
	struct kind kind;
	int err = find_kind(c, &kind, e) ?: check_fd(c, e);

	if (err)
		return err;
	if (!c->socket == !c->fd)
		return cv_err(e, -EINVAL,
			      "vhost-user: option socket %s, give socket=PATH or fd=NUMBER",
			      c->fd ? "and fd are both given" : "is missing");
	if (!cv_is_pow2(c->queue_size))
		return cv_err(e, -EINVAL,
			      "vhost-user: option queue_size: %u is not a power of two, give 128, "
			      "256, ...",
			      c->queue_size);
	if (c->tag && (strcmp(kind.name, "fs") != 0 || strlen(c->tag) - 1 >= MAX_TAG))
		return cv_err(e, -EINVAL,
			      "vhost-user: option tag: it is for type=fs and has 1 to %u bytes",
			      MAX_TAG);
	return 0;
}

/* What makes it a virtio device for those who ask; nothing else of it is ever used. */
static const struct cv_virtio_ops no_ops = { .n_queues = 0 };

const struct cv_class cv_vhost_user_class = {
	.name = "vhost-user",
	.help = "a virtio device of another program, reached by vhost-user",
	.config_size = sizeof(struct peer_config),
	.opts = opts,
	.check = check,
	.virtio = &no_ops,
};

/* ---- the connection ---- */

static const struct peer_config *config_of(const struct cv_vm_peer *p)
{
	return p->d->config;
}

static void on_lost(void *ctx, struct cv_vslot *slot, const char *why)
{
	struct cv_vm_peer *p = ctx;
	struct cv_loop *loop = p->d->vm->loop;
	char text[200];

	if (!config_of(p)->reconnect || !config_of(p)->socket) {
		snprintf(text, sizeof(text), "its back end %s", why);
		cv_vhost_frontend_give_up(slot);
		cv_vm_device_died(p->d, text, false);
		return;
	}
	cv_log_warn(&p->d->vm->log, "%s: waiting for another back end at %s", p->name,
		    config_of(p)->socket);
	p->told = false;
	p->delay = FIRST_DELAY;
	cv_timer_set(loop, &p->retry, cv_loop_now(loop) + p->delay);
}

/* Which connection a try has, so that the end of the device ends the try. */
static int note_try(struct cv_vm_peer *p, int fd)
{
	int err;

	pthread_mutex_lock(&p->lock);
	err = p->ending ? -ECANCELED : 0;
	p->fd = fd;
	pthread_mutex_unlock(&p->lock);
	return err;
}

static int reconnect(struct cv_vm_peer *p, struct vm_error *e)
{
	int err, fd = cv_sock_connect(config_of(p)->socket, RETRY_MS, e), own;

	if (fd < 0)
		return fd;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0) {
		err = -errno;
		close(fd);
		return cv_err_os(e, err, "%s: a socket cannot be duplicated", p->name);
	}
	err = note_try(p, own);
	if (err)
		close(fd);
	else
		err = cv_vhost_frontend_reconnect(p->slot, fd, e);
	cv_ignore(note_try(p, -1));
	close(own);
	return err;
}

static void *try_once(void *arg)
{
	struct cv_vm_peer *p = arg;

	p->e.text[0] = '\0';
	p->err = reconnect(p, &p->e);
	cv_loop_post(p->d->vm->loop, &p->tried);
	return NULL;
}

static void try_again(struct cv_vm_peer *p)
{
	struct cv_loop *loop = p->d->vm->loop;

	p->delay = cv_min(p->delay * 2, LAST_DELAY);
	cv_timer_set(loop, &p->retry, cv_loop_now(loop) + p->delay);
}

static void on_retry(struct cv_timer *t)
{
	struct cv_vm_peer *p = cv_container_of(t, struct cv_vm_peer, retry);

	/* the last one was lost again before its thread had ended */
	if (p->trying) {
		try_again(p);
		return;
	}
	p->trying = cv_thread_create(&p->thread, "vm-reconnect", try_once, p) == 0;
	if (!p->trying)
		try_again(p);
}

static void on_tried(struct cv_task *t)
{
	struct cv_vm_peer *p = cv_container_of(t, struct cv_vm_peer, tried);

	pthread_join(p->thread, NULL);
	p->trying = false;
	if (!p->err) {
		cv_log_warn(&p->d->vm->log, "%s: another back end goes on", p->name);
		cv_vm_device_died(p->d, "its back end has gone, and another one goes on", true);
		return;
	}
	/* that there is none yet is no news */
	if (!p->told && p->err != -ENOENT && p->err != -ECONNREFUSED) {
		cv_log_warn(&p->d->vm->log, "%s: the back end at %s does not do: %.200s", p->name,
			    config_of(p)->socket, p->e.text);
		p->told = true;
	}
	try_again(p);
}

/* A try that is under way fails at its next answer. */
static void stop_trying(struct cv_vm_peer *p)
{
	cv_timer_cancel(&p->retry);
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	if (p->fd >= 0)
		shutdown(p->fd, SHUT_RDWR);
	pthread_mutex_unlock(&p->lock);
	if (p->trying)
		pthread_join(p->thread, NULL);
	p->trying = false;
	cv_task_cancel(&p->tried);
}

static int open_connection(const struct peer_config *c, struct vm_error *e)
{
	bool listening = false;
	uint64_t number = 0;
	int fd;

	if (c->socket) {
		fd = cv_sock_connect(c->socket, CONNECT_MS, e);
		return fd < 0 ? cv_err_prefix(e, fd, "vhost-user: option socket") : fd;
	}
	cv_ignore(cv_str_u64(c->fd, &number)); /* checked already */
	fd = cv_sock_take((int)number, &listening, e);
	if (fd >= 0 && listening) {
		close(fd);
		fd = cv_err(e, -EINVAL, "descriptor %d listens, pass one that is connected",
			    (int)number);
	}
	return fd < 0 ? cv_err_prefix(e, fd, "vhost-user: option fd") : fd;
}

/* The space that a back end does not show: whether there is one. */
static bool fill_space(const struct peer_config *c, const struct kind *kind, uint8_t *space)
{
	struct le32 n_requests = le32((c->queues ?: kind->max_queues) - 1u);

	memset(space, 0, 256);
	if (!c->tag)
		return kind->zero_space;
	memcpy(space, c->tag, strlen(c->tag));
	memcpy(space + OFF_FS_COUNT, &n_requests, sizeof(n_requests));
	return true;
}

/* The front end's sentence about its back end, and what is to be done. */
static int fail_handshake(const struct cv_vm_peer *p, const struct kind *kind, int err,
			  struct vm_error *e)
{
	const struct peer_config *c = config_of(p);
	size_t skip = strncmp(e->text, p->name, strlen(p->name)) == 0 ? strlen(p->name) + 2 : 0;
	bool no_tag = kind->id == CV_VIRTIO_ID_FS && !c->tag;
	char fault[256];

	snprintf(fault, sizeof(fault), "%.250s", e->text + skip);
	return cv_err(e, err,
		      "vhost-user: option %s: %.120s: %s; name a vhost-user back end of type %s%s",
		      c->socket ? "socket" : "fd", c->socket ?: c->fd, fault, c->type,
		      no_tag ? ", and tag=NAME if it does not tell one" : "");
}

static int handshake(struct cv_vm_peer *p, const struct kind *kind, struct vm_error *e)
{
	const struct peer_config *c = config_of(p);
	uint16_t queue_max[CV_VIRTIO_MAX_QUEUES];
	uint8_t space[256];
	bool has_space = fill_space(c, kind, space);
	struct cv_vhost_frontend_config config = {
		.name = p->name,
		.id = kind->id,
		.config_len = c->config_len ?: kind->config_len,
		.config_space = has_space ? space : NULL,
		.min_queues = (uint16_t)(c->queues ?: kind->min_queues),
		.max_queues = (uint16_t)(c->queues ?: kind->max_queues),
		.queue_max = queue_max,
		.refuse = kind->refused | (p->d->common.packed ? 0 : CV_VIRTIO_F_RING_PACKED),
		.mem = &p->d->vm->mem,
		.loop = p->d->vm->loop,
		.log = &p->d->vm->log,
		.lost = on_lost,
		.ctx = p,
	};
	int err, fd = open_connection(c, e);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < CV_LEN(queue_max); i++)
		queue_max[i] = (uint16_t)c->queue_size;
	err = cv_vhost_frontend_create(&p->slot, &config, fd, e);
	return err ? fail_handshake(p, kind, err, e) : 0;
}

int cv_vm_peer_create(struct vm_device *d, struct vm_error *e)
{
	struct cv_vm_peer *p = calloc(1, sizeof(*p));
	struct vm_error own;
	struct kind kind;
	int err;

	e = e ?: &own;
	if (!p)
		return cv_err(e, -ENOMEM, "vhost-user: out of memory");
	p->d = d;
	p->retry.fn = on_retry;
	p->tried.fn = on_tried;
	p->fd = -1;
	pthread_mutex_init(&p->lock, NULL);
	d->peer = p;
	snprintf(p->name, sizeof(p->name), "vhost-user %.30s", config_of(p)->type);
	err = find_kind(config_of(p), &kind, e);
	return err ?: handshake(p, &kind, e);
}

struct cv_vslot *cv_vm_peer_slot(struct cv_vm_peer *p)
{
	return p->slot;
}

void cv_vm_peer_destroy(struct cv_vm_peer *p)
{
	if (!p)
		return;
	stop_trying(p);
	cv_vslot_destroy(p->slot);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
