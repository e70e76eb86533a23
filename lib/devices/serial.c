/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A 16550A serial port (National Semiconductor PC16550D data sheet, section 8),
 * with its edge interrupt. Transmission takes no time unless the host's side
 * does not accept more; then THRE stays clear and nothing is lost. The baud
 * rate is remembered and has no effect.
 *
 * Input is taken from the host only while the driver shows interest (received
 * data interrupt on, or a loop that polls LSR): drivers throw the FIFO away
 * when they open a port, and what was typed or piped in early is to survive.
 */
#include "core/dev.h"
#include "core/irq.h"
#include "tty/tty.h"
#include "tty/tty_opts.h"

#define FIFO_SIZE 16u

enum { R_DATA, R_IER, R_IIR_FCR, R_LCR, R_MCR, R_LSR, R_MSR, R_SCR, N_REGS };

enum { IER_RDI = 1, IER_THRI = 2, IER_RLSI = 4, IER_MSI = 8, IER_MASK = 0x0f };
enum {
	IIR_MSI = 0x00,
	IIR_NONE = 0x01,
	IIR_THRI = 0x02,
	IIR_RDI = 0x04,
	IIR_RLSI = 0x06,
	IIR_TIMEOUT = 0x0c,
	IIR_FIFO = 0xc0
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_TRIGGER_SHIFT = 6, FCR_KEPT = 0xc9 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10, MCR_MASK = 0x1f };
enum { LSR_DR = 1, LSR_OE = 2, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
enum {
	MSR_DELTAS = 0x0f,
	MSR_TERI = 0x04,
	MSR_CTS = 0x10,
	MSR_DSR = 0x20,
	MSR_RI = 0x40,
	MSR_DCD = 0x80
};

#define DIVISOR_9600 12

/* A loop that reads LSR this often without touching another register waits for input. */
#define POLLS_THAT_COUNT 8

struct serial_config {
	uint32_t num;
	struct cv_tty_files files;
};

struct serial {
	const struct cv_env *env;
	struct cv_tty tty;
	uint8_t ier, fcr, lcr, mcr, msr, scr, polls;
	uint16_t divisor;
	bool overrun;
	bool thr_pending; /* the transmitter's interrupt is due */
	bool stalled;	  /* THRE is clear until the host's side takes more */
	uint8_t fifo[FIFO_SIZE], head, n;
};

/* ---- interrupts ---- */

static uint8_t fifo_capacity(const struct serial *s)
{
	return s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static uint8_t trigger_level(const struct serial *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return s->fcr & FCR_ENABLE ? levels[s->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The pending interrupt of the highest priority. Below the trigger level the time-out, four
 * character times on a line, is over at once. */
static uint8_t interrupt_id(const struct serial *s)
{
	if ((s->ier & IER_RLSI) && s->overrun)
		return IIR_RLSI;
	if ((s->ier & IER_RDI) && s->n > 0)
		return s->n >= trigger_level(s) ? IIR_RDI : IIR_TIMEOUT;
	if ((s->ier & IER_THRI) && s->thr_pending)
		return IIR_THRI;
	if ((s->ier & IER_MSI) && (s->msr & MSR_DELTAS))
		return IIR_MSI;
	return IIR_NONE;
}

static void update_irq(struct serial *s)
{
	if (s->env->irq)
		cv_irq_set(s->env->irq, interrupt_id(s) != IIR_NONE);
}

/* ---- receiving ---- */

static void want_input(struct serial *s)
{
	bool interest = (s->ier & IER_RDI) || s->polls >= POLLS_THAT_COUNT;

	cv_tty_want_input(&s->tty, interest && !(s->mcr & MCR_LOOP) && s->n < fifo_capacity(s));
}

static void receive(struct serial *s, uint8_t byte)
{
	if (s->n == fifo_capacity(s)) {
		s->overrun = true;
		return;
	}
	s->fifo[(s->head + s->n++) % FIFO_SIZE] = byte;
}

static void on_input(void *ctx)
{
	struct serial *s = ctx;
	uint8_t bytes[FIFO_SIZE];
	size_t n = cv_tty_read(&s->tty, bytes, (size_t)(fifo_capacity(s) - s->n));

	for (size_t i = 0; i < n; i++)
		receive(s, bytes[i]);
	want_input(s);
	update_irq(s);
}

static uint8_t read_data(struct serial *s)
{
	uint8_t byte;

	if (s->n == 0)
		return 0;
	byte = s->fifo[s->head];
	s->head = (uint8_t)((s->head + 1) % FIFO_SIZE);
	s->n--;
	/* not at every byte: starting the input again wakes another thread */
	if (s->n == 0)
		want_input(s);
	return byte;
}

/* ---- sending ---- */

/* A driver that has seen THRE writes a FIFO's worth without looking again. */
static bool can_send(const struct serial *s)
{
	return cv_tty_room(&s->tty) >= FIFO_SIZE;
}

static void on_room(void *ctx)
{
	struct serial *s = ctx;

	if (!s->stalled || !can_send(s))
		return;
	s->stalled = false;
	s->thr_pending = true;
	update_irq(s);
}

static void write_data(struct serial *s, uint8_t byte)
{
	/* the holding register is full for a moment: the line falls, and rises again below */
	s->thr_pending = false;
	update_irq(s);
	if (s->mcr & MCR_LOOP)
		receive(s, byte);
	else
		cv_tty_write(&s->tty, &byte, 1);
	s->stalled = !can_send(s);
	s->thr_pending = !s->stalled;
}

/* ---- the other registers ---- */

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	if (id == IIR_THRI)
		s->thr_pending = false;
	return (uint8_t)(id | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0));
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr = 0;

	lsr |= s->n > 0 ? LSR_DR : 0;
	lsr |= s->overrun ? LSR_OE : 0;
	lsr |= can_send(s) ? LSR_THRE | LSR_TEMT : 0;
	s->overrun = false;
	if (lsr == (LSR_THRE | LSR_TEMT) && s->polls < POLLS_THAT_COUNT &&
	    ++s->polls == POLLS_THAT_COUNT)
		want_input(s);
	return lsr;
}

static uint8_t read_msr(struct serial *s)
{
	uint8_t msr = s->msr;

	s->msr &= (uint8_t)~MSR_DELTAS;
	return msr;
}

/* Nobody is at the line: the other side is always there. In loopback our own outputs are it. */
static uint8_t modem_lines(const struct serial *s)
{
	uint8_t lines = 0;

	if (!(s->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	lines |= s->mcr & MCR_RTS ? MSR_CTS : 0;
	lines |= s->mcr & MCR_DTR ? MSR_DSR : 0;
	lines |= s->mcr & MCR_OUT1 ? MSR_RI : 0;
	lines |= s->mcr & MCR_OUT2 ? MSR_DCD : 0;
	return lines;
}

static void update_modem_lines(struct serial *s)
{
	uint8_t lines = modem_lines(s), old = s->msr & (uint8_t)~MSR_DELTAS;
	uint8_t deltas = (uint8_t)((lines ^ old) >> 4);

	/* the ring indicator reports its falling edge only */
	if (lines & MSR_RI)
		deltas &= (uint8_t)~MSR_TERI;
	s->msr = (uint8_t)(lines | (s->msr & MSR_DELTAS) | deltas);
}

static void write_ier(struct serial *s, uint8_t val)
{
	uint8_t enabled = val & (uint8_t)~s->ier;

	s->ier = val & IER_MASK;
	if ((enabled & IER_THRI) && can_send(s))
		s->thr_pending = true;
	want_input(s);
}

static void write_fcr(struct serial *s, uint8_t val)
{
	bool switched = (val ^ s->fcr) & FCR_ENABLE;

	/* the other bits are not looked at while the FIFOs are off, section 8.4 */
	s->fcr = val & FCR_ENABLE ? val & FCR_KEPT : 0;
	if (switched || ((val & FCR_ENABLE) && (val & FCR_CLEAR_RX))) {
		s->n = 0;
		s->head = 0;
	}
	want_input(s);
}

static void write_mcr(struct serial *s, uint8_t val)
{
	s->mcr = val & MCR_MASK;
	update_modem_lines(s);
	want_input(s);
}

static uint8_t read_reg(struct serial *s, uint64_t off)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (off) {
	case R_DATA:
		return dlab ? (uint8_t)s->divisor : read_data(s);
	case R_IER:
		return dlab ? (uint8_t)(s->divisor >> 8) : s->ier;
	case R_IIR_FCR:
		return read_iir(s);
	case R_LCR:
		return s->lcr;
	case R_MCR:
		return s->mcr;
	case R_LSR:
		return read_lsr(s);
	case R_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void write_reg(struct serial *s, uint64_t off, uint8_t val)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (off) {
	case R_DATA:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff00) | val);
		else
			write_data(s, val);
		break;
	case R_IER:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff) | val << 8);
		else
			write_ier(s, val);
		break;
	case R_IIR_FCR:
		write_fcr(s, val);
		break;
	case R_LCR:
		s->lcr = val;
		break;
	case R_MCR:
		write_mcr(s, val);
		break;
	case R_SCR:
		s->scr = val;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

static uint64_t serial_read(void *self, uint64_t off, unsigned int len)
{
	struct serial *s = self;
	uint8_t val;

	(void)len;
	if (off != R_LSR && off != R_DATA)
		s->polls = 0;
	val = read_reg(s, off);
	update_irq(s);
	return val;
}

static void serial_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct serial *s = self;

	(void)len;
	s->polls = 0;
	write_reg(s, off, (uint8_t)val);
	update_irq(s);
}

/* ---- life ---- */

static void serial_reset(void *self)
{
	struct serial *s = self;

	s->ier = 0;
	s->fcr = 0;
	s->lcr = 3; /* 8N1 */
	s->mcr = MCR_OUT2;
	s->scr = 0;
	s->polls = 0;
	s->divisor = DIVISOR_9600;
	s->overrun = false;
	s->thr_pending = false;
	s->stalled = false;
	s->head = 0;
	s->n = 0;
	s->msr = modem_lines(s);
	want_input(s);
	update_irq(s);
}

static int serial_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	const struct serial_config *c = config;
	struct serial *s = self;

	(void)e;
	s->env = env;
	cv_tty_init(&s->tty, &(struct cv_tty_config){ .loop = env->loop,
						      .lock = env->lock,
						      .log = env->log,
						      .name = "serial",
						      .in_fd = c->files.in.fd_plus1 - 1,
						      .out_fd = c->files.out.fd_plus1 - 1,
						      .readable = on_input,
						      .writable = on_room,
						      .ctx = s });
	serial_reset(s);
	return 0;
}

static void serial_fini(void *self)
{
	struct serial *s = self;

	cv_tty_fini(&s->tty);
}

/* The output that was stalled stays behind, so the transmitter is empty here. */
static int serial_loaded(void *self, uint16_t version)
{
	struct serial *s = self;

	(void)version;
	s->ier &= IER_MASK;
	s->mcr &= MCR_MASK;
	s->fcr &= FCR_KEPT;
	if (s->polls > POLLS_THAT_COUNT)
		s->polls = POLLS_THAT_COUNT;
	s->head %= FIFO_SIZE;
	if (s->n > fifo_capacity(s))
		s->n = fifo_capacity(s);
	s->thr_pending = s->thr_pending || s->stalled;
	s->stalled = false;
	want_input(s);
	update_irq(s);
	return 0;
}

static const struct cv_opt serial_opts[] = { { .name = "num",
					       .kind = CV_OPT_U32,
					       .off = offsetof(struct serial_config, num),
					       .dflt = 1,
					       .min = 1,
					       .max = 4,
					       .help = "which port: 1 is COM1 (ttyS0)" },
					     { CV_TTY_OPT_IN(struct serial_config, files) },
					     { CV_TTY_OPT_OUT(struct serial_config, files) },
					     CV_OPT_END };

static const struct cv_field serial_state[] = { { CV_FIELD(struct serial, ier) },
						{ CV_FIELD(struct serial, fcr) },
						{ CV_FIELD(struct serial, lcr) },
						{ CV_FIELD(struct serial, mcr) },
						{ CV_FIELD(struct serial, msr) },
						{ CV_FIELD(struct serial, scr) },
						{ CV_FIELD(struct serial, polls) },
						{ CV_FIELD(struct serial, divisor) },
						{ CV_FIELD(struct serial, overrun) },
						{ CV_FIELD(struct serial, thr_pending) },
						{ CV_FIELD(struct serial, stalled) },
						{ CV_FIELD_ARRAY(struct serial, fifo) },
						{ CV_FIELD(struct serial, head) },
						{ CV_FIELD(struct serial, n) },
						CV_FIELD_LAST };

static const struct cv_regs_ops serial_regs = {
	.span = N_REGS,
	.min_len = 1,
	.max_len = 1,
	.read = serial_read,
	.write = serial_write,
};

const struct cv_class cv_class_serial = {
	.name = "serial",
	.help = "a 16550A serial port",
	.policy = "serial",
	.size = sizeof(struct serial),
	.config_size = sizeof(struct serial_config),
	.opts = serial_opts,
	.state = serial_state,
	.state_version = 1,
	.init = serial_init,
	.fini = serial_fini,
	.reset = serial_reset,
	.loaded = serial_loaded,
	.regs = &serial_regs,
};
