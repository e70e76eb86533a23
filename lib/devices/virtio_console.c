/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtio console (virtio 1.2 section 5.3): a console on port 0, and with
 * more ports or names VIRTIO_CONSOLE_F_MULTIPORT: further ports are plain
 * byte streams that the guest finds by name.
 *
 * Messages to the driver are not queued but noted: one bit per port and kind,
 * sent as the driver provides buffers. So a driver that floods or starves the
 * control queues costs nothing. A chain that the host's side does not take at
 * once stays in the ring, and how much of it is written is remembered.
 *
 * The size in a RESIZE message has the specification's order, columns first;
 * Linux took the rows first for years. The configuration space, which a driver
 * without MULTIPORT reads, is not affected.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/endian.h"
#include "core/dev.h"
#include "tty/tty.h"
#include "virtio/virtio.h"
#include "virtio/vq.h"

#define MAX_PORTS 8

/* Feature bits, section 5.3.3. */
#define F_SIZE	      (1ull << 0)
#define F_MULTIPORT   (1ull << 1)
#define F_EMERG_WRITE (1ull << 2)

/* Queues, section 5.3.2: port 0 has the first two, port n the pair 2n + 2. */
enum { Q_CONTROL_RX = 2, Q_CONTROL_TX = 3, Q_SIZE = 256 };

/* Control messages, section 5.3.6.2. */
enum {
	DEVICE_READY = 0,
	PORT_ADD = 1,
	PORT_READY = 3,
	CONSOLE_PORT = 4,
	RESIZE = 5,
	PORT_OPEN = 6,
	PORT_NAME = 7,
};

/* Messages that a port waits to send, by event; the lowest goes first. */
#define WAITS(event) ((uint8_t)(1u << (event)))

struct control_message {
	struct le32 id;
	struct le16 event, value;
};
_Static_assert(sizeof(struct control_message) == 8, "section 5.3.6.2");

struct console_space {
	struct le16 cols, rows;
	struct le32 max_nr_ports, emerg_wr;
};
_Static_assert(sizeof(struct console_space) == 12, "section 5.3.4");

#define TURN_BYTES   262144u
#define COPY_BYTES   4096u
#define CHAIN_COST   64u /* what a chain costs of a turn's bytes beside its own */
#define NAME_MAX_LEN 56u

struct port_config {
	struct cv_opt_file in, out;
	char *name;
};

struct console_config {
	uint32_t n_ports, cols, rows;
	struct port_config ports[MAX_PORTS];
};

struct console;

struct port {
	struct console *c;
	unsigned int id;
	const char *name; /* NULL: none */
	struct cv_tty tty;
	bool more; /* the turn's bytes were used up */
	bool left; /* the host's side has gone, for good */
};

struct console {
	const struct cv_env *env;
	struct cv_vq *vqs;   /* NULL while stopped */
	struct cv_task task; /* the next turn of ports with more */
	unsigned int n_ports;
	bool multiport;	    /* offered */
	bool use_multiport; /* negotiated */
	uint16_t cols, rows;
	/* by port */
	bool ready[MAX_PORTS], guest_open[MAX_PORTS];
	uint8_t waiting[MAX_PORTS];  /* WAITS() bits */
	uint64_t written[MAX_PORTS]; /* of the first chain in the ring: what is out already */
	struct port ports[MAX_PORTS];
};

static struct cv_vq *rx_of(const struct port *p)
{
	return &p->c->vqs[p->id == 0 ? 0 : 2 * p->id + 2];
}

/* The port of a queue that is not for control. */
static unsigned int port_of(unsigned int index)
{
	return index < 2 ? 0 : index / 2 - 1;
}

static struct cv_vq *tx_of(const struct port *p)
{
	return rx_of(p) + 1;
}

/* ---- to the driver ---- */

static size_t build_message(const struct console *c, unsigned int id, unsigned int event,
			    uint8_t buf[sizeof(struct control_message) + NAME_MAX_LEN])
{
	bool on = event != PORT_OPEN || !c->ports[id].left;
	struct control_message m = { .id = le32(id),
				     .event = le16((uint16_t)event),
				     .value = le16(on) };
	struct le16 extent[2] = { le16(c->cols), le16(c->rows) };
	size_t len = 0;

	memcpy(buf, &m, sizeof(m));
	if (event == RESIZE) {
		len = sizeof(extent);
		memcpy(buf + sizeof(m), extent, len);
	} else if (event == PORT_NAME) {
		len = strlen(c->ports[id].name);
		memcpy(buf + sizeof(m), c->ports[id].name, len);
	}
	return sizeof(m) + len;
}

static void send_messages(struct console *c)
{
	struct cv_vq *vq = &c->vqs[Q_CONTROL_RX];
	struct cv_chain *chain;
	uint8_t buf[sizeof(struct control_message) + NAME_MAX_LEN];

	for (unsigned int id = 0; id < c->n_ports; id++) {
		while (c->waiting[id] && (chain = cv_vq_pop(vq))) {
			unsigned int event = (unsigned int)__builtin_ctz(c->waiting[id]);
			size_t len = build_message(c, id, event, buf);

			cv_vq_push(vq, chain, (uint32_t)cv_chain_write(vq, chain, 0, buf, len));
			c->waiting[id] &= (uint8_t)~WAITS(event);
		}
	}
	cv_vq_notify(vq);
}

/* ---- the host's side ---- */

static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static bool nobody_there(const struct cv_tty *t)
{
	if (!t->in_ended)
		return false;
	return t->c.out_fd < 0 ? t->c.in_fd >= 0 : hung_up(t->c.out_fd);
}

/* Closes a port so that its reader in the guest sees the end; a console has none. */
static void look_for_host(struct port *p)
{
	struct console *c = p->c;

	if (p->id == 0 || p->left || !nobody_there(&p->tty))
		return;
	p->left = true;
	if (c->ready[p->id])
		c->waiting[p->id] |= WAITS(PORT_OPEN);
	if (c->use_multiport)
		send_messages(c);
}

static bool takes_input(const struct port *p)
{
	return p->c->vqs && (!p->c->use_multiport || p->c->guest_open[p->id]);
}

static void on_input(void *ctx)
{
	struct port *p = ctx;
	struct cv_chain *chain = takes_input(p) ? cv_vq_pop(rx_of(p)) : NULL;
	uint8_t buf[COPY_BYTES];
	size_t n;

	if (!chain) { /* until the driver kicks or opens the port */
		cv_tty_want_input(&p->tty, false);
		return;
	}
	n = cv_tty_read(&p->tty, buf, cv_min(chain->write_len, (uint64_t)sizeof(buf)));
	if (n == 0 && chain->write_len > 0) {
		cv_vq_unpop(rx_of(p), chain);
		look_for_host(p);
		return;
	}
	cv_vq_push(rx_of(p), chain, (uint32_t)cv_chain_write(rx_of(p), chain, 0, buf, n));
	cv_vq_notify(rx_of(p));
}

/* ---- from the driver ---- */

/* Writes on with a chain; whether all of it is out. */
static bool write_chain(struct port *p, const struct cv_chain *chain, uint32_t *budget)
{
	uint64_t *done = &p->c->written[p->id];
	uint8_t buf[COPY_BYTES];
	size_t n, taken;

	if (p->tty.c.out_fd < 0)
		return true;
	while (*budget > 0) {
		n = cv_chain_read(tx_of(p), chain, *done, buf, cv_min(*budget, COPY_BYTES));
		if (n == 0)
			return true;
		taken = cv_tty_write(&p->tty, buf, n);
		*done += taken;
		*budget -= (uint32_t)taken;
		if (taken < n)
			return false;
	}
	return false;
}

static void output_turn(struct port *p)
{
	uint32_t budget = TURN_BYTES;
	struct cv_vq *vq = tx_of(p);
	struct cv_chain *chain;

	while (budget > 0 && (chain = cv_vq_pop(vq))) {
		if (!write_chain(p, chain, &budget)) {
			cv_vq_unpop(vq, chain);
			break;
		}
		cv_vq_push(vq, chain, 0);
		p->c->written[p->id] = 0;
		budget -= cv_min(budget, CHAIN_COST);
	}
	cv_vq_notify(vq);
	if (p->tty.out_failing)
		look_for_host(p);
	p->more = budget == 0;
	if (p->more)
		cv_loop_post(p->c->env->loop, &p->c->task);
}

static void on_room(void *ctx)
{
	struct port *p = ctx;

	if (p->c->vqs)
		output_turn(p);
}

static void on_task(struct cv_task *t)
{
	struct console *c = cv_container_of(t, struct console, task);

	for (unsigned int id = 0; id < c->n_ports; id++)
		if (c->ports[id].more)
			output_turn(&c->ports[id]);
}

static void device_ready(struct console *c)
{
	for (unsigned int id = 0; id < c->n_ports; id++)
		c->waiting[id] = WAITS(PORT_ADD);
}

static void port_ready(struct console *c, unsigned int id)
{
	c->ready[id] = true;
	c->waiting[id] |= WAITS(PORT_OPEN);
	if (c->ports[id].name)
		c->waiting[id] |= WAITS(PORT_NAME);
	if (id > 0)
		return;
	c->waiting[id] |= WAITS(CONSOLE_PORT);
	if (c->cols || c->rows)
		c->waiting[id] |= WAITS(RESIZE);
}

static void port_open(struct port *p, bool open)
{
	p->c->guest_open[p->id] = open;
	cv_tty_want_input(&p->tty, takes_input(p));
}

static void take_message(struct console *c, const struct control_message *m)
{
	uint32_t id = le32_get(m->id);
	uint16_t event = le16_get(m->event), value = le16_get(m->value);

	if (event == DEVICE_READY && value == 1)
		device_ready(c);
	if (id >= c->n_ports)
		return;
	if (event == PORT_READY && value == 1)
		port_ready(c, id);
	else if (event == PORT_OPEN)
		port_open(&c->ports[id], value == 1);
}

static void take_messages(struct console *c)
{
	struct cv_vq *vq = &c->vqs[Q_CONTROL_TX];
	struct control_message m;
	struct cv_chain *chain;

	while ((chain = cv_vq_pop(vq))) {
		if (cv_chain_read(vq, chain, 0, &m, sizeof(m)) == sizeof(m))
			take_message(c, &m);
		cv_vq_push(vq, chain, 0);
	}
	cv_vq_notify(vq);
	send_messages(c);
}

static void console_kick(void *self, struct cv_vq *vq, unsigned int index)
{
	struct console *c = self;
	struct port *p;

	(void)vq;
	if (index == Q_CONTROL_RX) {
		send_messages(c);
	} else if (index == Q_CONTROL_TX) {
		take_messages(c);
	} else {
		p = &c->ports[port_of(index)];
		if (index % 2)
			output_turn(p);
		else
			cv_tty_want_input(&p->tty, takes_input(p));
	}
}

/* ---- configuration ---- */

static void console_config_read(void *self, uint32_t off, uint8_t *buf, uint32_t len)
{
	const struct console *c = self;
	struct console_space space = { .cols = le16(c->cols),
				       .rows = le16(c->rows),
				       .max_nr_ports = le32(c->n_ports) };

	memcpy(buf, (const uint8_t *)&space + off, len);
}

/* The lowest byte of emerg_wr is a character for the console, at any time. */
static void console_config_write(void *self, uint32_t off, const uint8_t *buf, uint32_t len)
{
	const uint32_t at = offsetof(struct console_space, emerg_wr);
	struct console *c = self;

	if (off <= at && at - off < len)
		cv_tty_write(&c->ports[0].tty, buf + (at - off), 1);
}

static void console_shape(void *self, uint16_t *n_queues, uint64_t *features)
{
	const struct console *c = self;

	if (c->multiport) {
		*n_queues = (uint16_t)(2 * c->n_ports + 2);
		return;
	}
	*n_queues = 2;
	*features &= ~F_MULTIPORT;
}

/* ---- life ---- */

static int console_start(void *self, uint64_t features, struct cv_vq *vqs)
{
	struct console *c = self;

	c->vqs = vqs;
	c->use_multiport = features & F_MULTIPORT;
	if (c->use_multiport)
		send_messages(c);
	return 0;
}

static void console_stop(void *self)
{
	struct console *c = self;

	cv_task_cancel(&c->task);
	c->vqs = NULL;
	for (unsigned int id = 0; id < c->n_ports; id++) {
		c->ports[id].more = false;
		cv_tty_want_input(&c->ports[id].tty, false);
	}
}

/* The chain under way is lost; input finds no buffers and waits. */
static void console_queue_stop(void *self, struct cv_vq *vq, unsigned int index)
{
	struct console *c = self;

	(void)vq;
	if (index % 2 && index != Q_CONTROL_TX)
		c->written[port_of(index)] = 0;
}

static void console_reset(void *self)
{
	struct console *c = self;

	memset(c->ready, 0, sizeof(c->ready));
	memset(c->guest_open, 0, sizeof(c->guest_open));
	memset(c->waiting, 0, sizeof(c->waiting));
	memset(c->written, 0, sizeof(c->written));
}

static void init_port(struct console *c, unsigned int id, const struct port_config *config)
{
	struct port *p = &c->ports[id];

	p->c = c;
	p->id = id;
	p->name = config->name;
	cv_tty_init(&p->tty, &(struct cv_tty_config){ .loop = c->env->loop,
						      .lock = c->env->lock,
						      .log = c->env->log,
						      .name = "console",
						      .in_fd = config->in.fd_plus1 - 1,
						      .out_fd = config->out.fd_plus1 - 1,
						      .readable = on_input,
						      .writable = on_room,
						      .ctx = p });
}

static int console_check(const void *config, uint64_t memory, struct vm_error *e)
{
	const struct console_config *cc = config;

	(void)memory;
	for (unsigned int id = 0; id < MAX_PORTS; id++)
		if (cc->ports[id].name && strlen(cc->ports[id].name) > NAME_MAX_LEN)
			return cv_err(e, -ENAMETOOLONG,
				      /* port 0's option is "name", the next one's "name1" */
				      "console: option name%.0u: '%s' is longer than %u bytes, "
				      "shorten it",
				      id, cc->ports[id].name, NAME_MAX_LEN);
	return 0;
}

static bool is_used(const struct port_config *p)
{
	return p->in.fd_plus1 > 0 || p->out.fd_plus1 > 0 || p->name;
}

static int console_init(void *self, const struct cv_env *env, const void *config,
			struct vm_error *e)
{
	const struct console_config *cc = config;
	struct console *c = self;

	int err = console_check(config, 0, e);

	if (err)
		return err;
	c->env = env;
	c->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	c->cols = (uint16_t)cc->cols;
	c->rows = (uint16_t)cc->rows;
	c->n_ports = cc->n_ports;
	for (unsigned int id = 0; id < MAX_PORTS; id++)
		if (is_used(&cc->ports[id]) && c->n_ports <= id)
			c->n_ports = id + 1;
	c->multiport = c->n_ports > 1 || cc->ports[0].name;
	for (unsigned int id = 0; id < c->n_ports; id++)
		init_port(c, id, &cc->ports[id]);
	return 0;
}

static void console_fini(void *self)
{
	struct console *c = self;

	for (unsigned int id = 0; id < c->n_ports; id++)
		cv_tty_fini(&c->ports[id].tty);
}

/* Only what can be said of ports that exist is kept. */
static int console_loaded(void *self, uint16_t version)
{
	struct console *c = self;

	(void)version;
	for (unsigned int id = 0; id < MAX_PORTS; id++) {
		c->waiting[id] &= WAITS(PORT_ADD) | WAITS(CONSOLE_PORT) | WAITS(RESIZE) |
				  WAITS(PORT_OPEN) | WAITS(PORT_NAME);
		if (id >= c->n_ports)
			c->waiting[id] = 0;
		else if (!c->ports[id].name)
			c->waiting[id] &= (uint8_t)~WAITS(PORT_NAME);
	}
	return 0;
}

/* ---- control ---- */

struct resize_args {
	uint32_t cols, rows;
};

static int resize(void *self, const void *args, char *reply, size_t size, struct vm_error *e)
{
	const struct resize_args *a = args;
	struct console *c = self;

	(void)reply;
	(void)size;
	(void)e;
	c->cols = (uint16_t)a->cols;
	c->rows = (uint16_t)a->rows;
	if (c->ready[0])
		c->waiting[0] |= WAITS(RESIZE);
	if (c->vqs && c->use_multiport)
		send_messages(c);
	c->env->config_changed(c->env);
	return 0;
}

static const struct cv_opt resize_args[] = { { .name = "cols",
					       .kind = CV_OPT_U32,
					       .off = offsetof(struct resize_args, cols),
					       .max = 0xffff,
					       .required = true,
					       .help = "columns" },
					     { .name = "rows",
					       .kind = CV_OPT_U32,
					       .off = offsetof(struct resize_args, rows),
					       .max = 0xffff,
					       .required = true,
					       .help = "rows" },
					     CV_OPT_END };

static const struct cv_control console_controls[] = {
	{ .name = "resize",
	  .help = "tells the guest the console's size",
	  .args = resize_args,
	  .args_size = sizeof(struct resize_args),
	  .run = resize },
	CV_CONTROL_END
};

/* ---- the class ---- */

#define PORT_ROWS(id, suffix)                                            \
	{ .name = "in" suffix,                                           \
	  .kind = CV_OPT_FILE,                                           \
	  .off = offsetof(struct console_config, ports[id].in),          \
	  .access = CV_OPT_READ,                                         \
	  .help = "where input of port " #id " comes from" },            \
		{ .name = "out" suffix,                                  \
		  .kind = CV_OPT_FILE,                                   \
		  .off = offsetof(struct console_config, ports[id].out), \
		  .access = CV_OPT_CREATE_APPEND,                        \
		  .help = "where output of port " #id " goes" },         \
	{                                                                \
		.name = "name" suffix, .kind = CV_OPT_STR,               \
		.off = offsetof(struct console_config, ports[id].name),  \
		.help = "the name by which the guest finds port " #id    \
	}

static const struct cv_opt console_opts[] = {
	PORT_ROWS(0, ""),
	{ .name = "ports",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct console_config, n_ports),
	  .dflt = 1,
	  .min = 1,
	  .max = MAX_PORTS,
	  .help = "how many ports there are, at least as many as are described" },
	{ .name = "cols",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct console_config, cols),
	  .max = 0xffff,
	  .help = "columns of the console, 0 if not known" },
	{ .name = "rows",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct console_config, rows),
	  .max = 0xffff,
	  .help = "rows of the console, 0 if not known" },
	PORT_ROWS(1, "1"),
	PORT_ROWS(2, "2"),
	PORT_ROWS(3, "3"),
	PORT_ROWS(4, "4"),
	PORT_ROWS(5, "5"),
	PORT_ROWS(6, "6"),
	PORT_ROWS(7, "7"),
	CV_OPT_END
};

static const struct cv_field console_state[] = { { CV_FIELD(struct console, cols) },
						 { CV_FIELD(struct console, rows) },
						 { CV_FIELD_ARRAY(struct console, ready) },
						 { CV_FIELD_ARRAY(struct console, guest_open) },
						 { CV_FIELD_ARRAY(struct console, waiting) },
						 { CV_FIELD_ARRAY(struct console, written) },
						 CV_FIELD_LAST };

static const uint16_t console_queues[2 * MAX_PORTS + 2] = { [0 ... 2 * MAX_PORTS + 1] = Q_SIZE };

static const struct cv_virtio_ops console_ops = {
	.id = CV_VIRTIO_ID_CONSOLE,
	.config_len = sizeof(struct console_space),
	.n_queues = CV_LEN(console_queues),
	.queue_max = console_queues,
	.features = F_SIZE | F_MULTIPORT | F_EMERG_WRITE,
	.shape = console_shape,
	.config_read = console_config_read,
	.config_write = console_config_write,
	.start = console_start,
	.kick = console_kick,
	.stop = console_stop,
	.queue_stop = console_queue_stop,
};

const struct cv_class cv_class_console = {
	.name = "console",
	.help = "a virtio console with up to 8 ports",
	.policy = "console",
	.size = sizeof(struct console),
	.config_size = sizeof(struct console_config),
	.opts = console_opts,
	.state = console_state,
	.state_version = 1,
	.controls = console_controls,
	.check = console_check,
	.init = console_init,
	.fini = console_fini,
	.reset = console_reset,
	.loaded = console_loaded,
	.virtio = &console_ops,
};
