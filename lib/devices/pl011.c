/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arm's PL011 serial port, revision r1p5 (DDI 0183, chapter 3), which has FIFOs of
 * 32 characters; the Generic UART of Arm's BSA (DEN0094, appendix B) is part of it.
 * Transmission takes no time unless the host's side does not accept more; then the
 * FIFO stays full and nothing is lost. The baud rate is remembered and has no
 * effect, nor has what enables the port: early consoles write to it without.
 * Infrared and DMA are not there.
 *
 * Input is taken from the host only while the driver shows interest (an interrupt
 * of the receiver on, or a loop that polls the flags): drivers empty the FIFO when
 * they open a port, and what was typed or piped in early is to survive.
 */
#include "core/dev.h"
#include "core/irq.h"
#include "core/primecell.h"
#include "tty/tty.h"
#include "tty/tty_opts.h"

#define ID	  0x00341011u
#define FIFO_SIZE 32u

enum {
	R_DR = 0x00,
	R_RSR_ECR = 0x04,
	R_FR = 0x18,
	R_ILPR = 0x20,
	R_IBRD = 0x24,
	R_FBRD = 0x28,
	R_LCR_H = 0x2c,
	R_CR = 0x30,
	R_IFLS = 0x34,
	R_IMSC = 0x38,
	R_RIS = 0x3c,
	R_MIS = 0x40,
	R_ICR = 0x44,
	R_DMACR = 0x48,
};

enum { DR_OE = 1 << 11, DR_MASK = DR_OE | 0xff };
enum { RSR_OE = 1 << 3 };
enum {
	FR_CTS = 1 << 0,
	FR_DSR = 1 << 1,
	FR_DCD = 1 << 2,
	FR_BUSY = 1 << 3,
	FR_RXFE = 1 << 4,
	FR_TXFF = 1 << 5,
	FR_RXFF = 1 << 6,
	FR_TXFE = 1 << 7,
	FR_RI = 1 << 8,
};
enum { LCR_FEN = 1 << 4 };
enum {
	CR_LBE = 1 << 7,
	CR_TXE = 1 << 8,
	CR_RXE = 1 << 9,
	CR_DTR = 1 << 10,
	CR_RTS = 1 << 11,
	CR_OUT1 = 1 << 12,
	CR_OUT2 = 1 << 13,
	CR_MASK = 0xff87,
};
enum { IFLS_RX_SHIFT = 3, IFLS_MASK = 0x3f, IFLS_HALVES = 0x12 };
enum { FBRD_MASK = 0x3f, DMACR_MASK = 7 };

/* Of the interrupt registers. */
enum {
	I_RI = 1 << 0,
	I_CTS = 1 << 1,
	I_DCD = 1 << 2,
	I_DSR = 1 << 3,
	I_RX = 1 << 4,
	I_TX = 1 << 5,
	I_RT = 1 << 6,
	I_OE = 1 << 10,
	I_MASK = 0x7ff,
};

/* A loop that reads the flags this often without touching another register waits for input. */
#define POLLS_THAT_COUNT 8

struct pl011_config {
	struct cv_tty_files files;
};

struct pl011 {
	const struct cv_env *env;
	struct cv_tty tty;
	uint16_t raised, enabled; /* interrupts: RIS, IMSC */
	uint16_t cr, ibrd;
	uint8_t lcr, ifls, ilpr, fbrd, dmacr, rsr, polls;
	bool overrun;		  /* characters were lost; the next one tells */
	bool stalled;		  /* the transmitter is full until the host's side takes more */
	uint16_t fifo[FIFO_SIZE]; /* as the data register gives them */
	uint8_t head, n;
};

static void update_irq(struct pl011 *p)
{
	if (p->env->irq)
		cv_irq_set(p->env->irq, p->raised & p->enabled);
}

/* ---- receiving ---- */

static uint8_t fifo_capacity(const struct pl011 *p)
{
	return p->lcr & LCR_FEN ? FIFO_SIZE : 1;
}

/* Eighths of the FIFO; the last three are reserved. */
static uint8_t trigger_level(const struct pl011 *p)
{
	static const uint8_t levels[] = { 4, 8, 16, 24, 28, 28, 28, 28 };

	return p->lcr & LCR_FEN ? levels[p->ifls >> IFLS_RX_SHIFT] : 1;
}

static void want_input(struct pl011 *p)
{
	bool interest = (p->enabled & (I_RX | I_RT)) || p->polls >= POLLS_THAT_COUNT;

	cv_tty_want_input(&p->tty, interest && !(p->cr & CR_LBE) && p->n < fifo_capacity(p));
}

/* The time-out, 32 bits' time on a line, is over at once. */
static void receive(struct pl011 *p, uint8_t byte)
{
	if (p->n == fifo_capacity(p)) {
		p->overrun = true;
		p->rsr |= RSR_OE;
		p->raised |= I_OE;
		return;
	}
	p->fifo[(p->head + p->n++) % FIFO_SIZE] = (uint16_t)(byte | (p->overrun ? DR_OE : 0));
	p->overrun = false;
	p->raised |= I_RT;
	if (p->n >= trigger_level(p))
		p->raised |= I_RX;
}

static void on_input(void *ctx)
{
	struct pl011 *p = ctx;
	uint8_t bytes[FIFO_SIZE];
	size_t n = cv_tty_read(&p->tty, bytes, (size_t)(fifo_capacity(p) - p->n));

	for (size_t i = 0; i < n; i++)
		receive(p, bytes[i]);
	want_input(p);
	update_irq(p);
}

/* The receiver's interrupts end with what they told of. */
static void update_receiver(struct pl011 *p)
{
	if (p->n < trigger_level(p))
		p->raised &= (uint16_t)~I_RX;
	if (p->n == 0)
		p->raised &= (uint16_t)~I_RT;
}

static uint16_t read_data(struct pl011 *p)
{
	uint16_t val;

	if (p->n == 0)
		return 0;
	val = p->fifo[p->head];
	p->head = (uint8_t)((p->head + 1) % FIFO_SIZE);
	p->n--;
	update_receiver(p);
	/* not at every byte: starting the input again wakes another thread */
	if (p->n == 0)
		want_input(p);
	return val;
}

static void flush_fifo(struct pl011 *p)
{
	p->head = 0;
	p->n = 0;
	update_receiver(p);
	want_input(p);
}

/* ---- sending ---- */

/* A driver that was told that the FIFO drains writes half of one without looking again. */
static bool can_send(const struct pl011 *p)
{
	return cv_tty_room(&p->tty) >= FIFO_SIZE;
}

static void on_room(void *ctx)
{
	struct pl011 *p = ctx;

	if (!p->stalled || !can_send(p))
		return;
	p->stalled = false;
	p->raised |= I_TX;
	update_irq(p);
}

/* The FIFO fills and, unless the host's side is slow, drains past any trigger level. */
static void write_data(struct pl011 *p, uint8_t byte)
{
	if (p->cr & CR_LBE)
		receive(p, byte);
	else
		cv_tty_write(&p->tty, &byte, 1);
	p->stalled = !can_send(p);
	if (p->stalled)
		p->raised &= (uint16_t)~I_TX;
	else
		p->raised |= I_TX;
}

/* ---- modem lines ---- */

/* Nobody is at the line: the other side is always there. In loopback our own outputs are it. */
static uint16_t modem_lines(const struct pl011 *p)
{
	unsigned int lines = 0;

	if (!(p->cr & CR_LBE))
		return FR_CTS | FR_DSR | FR_DCD;
	lines |= p->cr & CR_RTS ? FR_CTS : 0;
	lines |= p->cr & CR_DTR ? FR_DSR : 0;
	lines |= p->cr & CR_OUT1 ? FR_DCD : 0;
	lines |= p->cr & CR_OUT2 ? FR_RI : 0;
	return (uint16_t)lines;
}

static void write_control(struct pl011 *p, uint16_t val)
{
	unsigned int changed = modem_lines(p), events = 0;

	p->cr = val & CR_MASK;
	changed ^= modem_lines(p);
	events |= changed & FR_CTS ? I_CTS : 0;
	events |= changed & FR_DSR ? I_DSR : 0;
	events |= changed & FR_DCD ? I_DCD : 0;
	events |= changed & FR_RI ? I_RI : 0;
	p->raised |= (uint16_t)events;
	want_input(p);
}

/* ---- the other registers ---- */

static uint16_t read_flags(struct pl011 *p)
{
	unsigned int flags = modem_lines(p);
	bool idle = p->n == 0 && can_send(p);

	flags |= p->n == 0 ? FR_RXFE : 0;
	flags |= p->n == fifo_capacity(p) ? FR_RXFF : 0;
	flags |= can_send(p) ? FR_TXFE : FR_TXFF | FR_BUSY;
	if (idle && p->polls < POLLS_THAT_COUNT && ++p->polls == POLLS_THAT_COUNT)
		want_input(p);
	return (uint16_t)flags;
}

static void write_line_control(struct pl011 *p, uint8_t val)
{
	bool switched = (val ^ p->lcr) & LCR_FEN;

	p->lcr = val;
	if (switched)
		flush_fifo(p);
}

static uint32_t read_reg(struct pl011 *p, uint64_t reg)
{
	switch (reg) {
	case R_DR:
		return read_data(p);
	case R_RSR_ECR:
		return p->rsr;
	case R_FR:
		return read_flags(p);
	case R_ILPR:
		return p->ilpr;
	case R_IBRD:
		return p->ibrd;
	case R_FBRD:
		return p->fbrd;
	case R_LCR_H:
		return p->lcr;
	case R_CR:
		return p->cr;
	case R_IFLS:
		return p->ifls;
	case R_IMSC:
		return p->enabled;
	case R_RIS:
		return p->raised;
	case R_MIS:
		return p->raised & p->enabled;
	case R_DMACR:
		return p->dmacr;
	default:
		return cv_primecell_id(ID, reg);
	}
}

static void write_reg(struct pl011 *p, uint64_t reg, uint32_t val)
{
	switch (reg) {
	case R_DR:
		write_data(p, (uint8_t)val);
		break;
	case R_RSR_ECR: /* whatever is written */
		p->rsr = 0;
		break;
	case R_ILPR:
		p->ilpr = (uint8_t)val;
		break;
	case R_IBRD:
		p->ibrd = (uint16_t)val;
		break;
	case R_FBRD:
		p->fbrd = val & FBRD_MASK;
		break;
	case R_LCR_H:
		write_line_control(p, (uint8_t)val);
		break;
	case R_CR:
		write_control(p, (uint16_t)val);
		break;
	case R_IFLS:
		p->ifls = val & IFLS_MASK;
		break;
	case R_IMSC:
		p->enabled = val & I_MASK;
		want_input(p);
		break;
	case R_ICR:
		p->raised &= (uint16_t)~val;
		break;
	case R_DMACR:
		p->dmacr = val & DMACR_MASK;
		break;
	}
}

static uint64_t pl011_read(void *self, uint64_t off, unsigned int len)
{
	struct pl011 *p = self;
	uint64_t reg = cv_primecell_reg(off);
	uint32_t val;

	(void)len;
	if (reg != R_FR && reg != R_DR)
		p->polls = 0;
	val = read_reg(p, reg);
	update_irq(p);
	return cv_primecell_lanes(val, off);
}

static void pl011_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct pl011 *p = self;

	(void)len;
	if (!cv_primecell_writes(off))
		return;
	p->polls = 0;
	write_reg(p, off, (uint32_t)val);
	update_irq(p);
}

/* ---- life ---- */

static void pl011_reset(void *self)
{
	struct pl011 *p = self;

	p->raised = p->enabled = 0;
	p->cr = CR_TXE | CR_RXE;
	p->ifls = IFLS_HALVES;
	p->ibrd = 0;
	p->lcr = p->ilpr = p->fbrd = p->dmacr = p->rsr = p->polls = 0;
	p->overrun = p->stalled = false;
	flush_fifo(p);
	update_irq(p);
}

static int pl011_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	const struct pl011_config *c = config;
	struct pl011 *p = self;

	(void)e;
	p->env = env;
	cv_tty_init(&p->tty, &(struct cv_tty_config){ .loop = env->loop,
						      .lock = env->lock,
						      .log = env->log,
						      .name = "pl011",
						      .in_fd = c->files.in.fd_plus1 - 1,
						      .out_fd = c->files.out.fd_plus1 - 1,
						      .readable = on_input,
						      .writable = on_room,
						      .ctx = p });
	pl011_reset(p);
	return 0;
}

static void pl011_fini(void *self)
{
	struct pl011 *p = self;

	cv_tty_fini(&p->tty);
}

/* The output that was stalled stays behind, so the transmitter is empty here. */
static int pl011_loaded(void *self, uint16_t version)
{
	struct pl011 *p = self;

	(void)version;
	p->raised &= I_MASK;
	p->enabled &= I_MASK;
	p->cr &= CR_MASK;
	p->ifls &= IFLS_MASK;
	p->fbrd &= FBRD_MASK;
	p->dmacr &= DMACR_MASK;
	p->rsr &= RSR_OE;
	if (p->polls > POLLS_THAT_COUNT)
		p->polls = POLLS_THAT_COUNT;
	p->head %= FIFO_SIZE;
	if (p->n > fifo_capacity(p))
		p->n = fifo_capacity(p);
	for (unsigned int i = 0; i < FIFO_SIZE; i++)
		p->fifo[i] &= DR_MASK;
	if (p->stalled)
		p->raised |= I_TX;
	p->stalled = false;
	update_receiver(p);
	want_input(p);
	update_irq(p);
	return 0;
}

static const struct cv_opt pl011_opts[] = { { CV_TTY_OPT_IN(struct pl011_config, files) },
					    { CV_TTY_OPT_OUT(struct pl011_config, files) },
					    CV_OPT_END };

static const struct cv_field pl011_state[] = { { CV_FIELD(struct pl011, raised) },
					       { CV_FIELD(struct pl011, enabled) },
					       { CV_FIELD(struct pl011, cr) },
					       { CV_FIELD(struct pl011, ibrd) },
					       { CV_FIELD(struct pl011, lcr) },
					       { CV_FIELD(struct pl011, ifls) },
					       { CV_FIELD(struct pl011, ilpr) },
					       { CV_FIELD(struct pl011, fbrd) },
					       { CV_FIELD(struct pl011, dmacr) },
					       { CV_FIELD(struct pl011, rsr) },
					       { CV_FIELD(struct pl011, polls) },
					       { CV_FIELD(struct pl011, overrun) },
					       { CV_FIELD(struct pl011, stalled) },
					       { CV_FIELD_ARRAY(struct pl011, fifo) },
					       { CV_FIELD(struct pl011, head) },
					       { CV_FIELD(struct pl011, n) },
					       CV_FIELD_LAST };

static const struct cv_regs_ops pl011_regs = {
	.span = CV_PRIMECELL_SPAN,
	.min_len = 1,
	.max_len = 4,
	.read = pl011_read,
	.write = pl011_write,
};

const struct cv_class cv_class_pl011 = {
	.name = "pl011",
	.help = "Arm's serial port",
	.policy = "serial",
	.size = sizeof(struct pl011),
	.config_size = sizeof(struct pl011_config),
	.opts = pl011_opts,
	.state = pl011_state,
	.state_version = 1,
	.init = pl011_init,
	.fini = pl011_fini,
	.reset = pl011_reset,
	.loaded = pl011_loaded,
	.regs = &pl011_regs,
};
