/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PC's real-time clock and CMOS memory: Motorola MC146818, with the century
 * and memory size bytes that firmware and old kernels look for.
 *
 * The guest's clock is the host's (UTC) plus an offset that changes when the
 * guest sets it; there is no tick. Flags are brought up to date when register C
 * is read, and a timer runs only for an interrupt that is enabled and whose
 * flag is not set yet, so an idle guest wakes nobody.
 */
#include <string.h>

#include "base/math.h"
#include "core/dev.h"
#include "core/irq.h"
#include "sys/loop.h"

enum { PORT_INDEX, PORT_DATA, SPAN };

enum {
	R_SECONDS = 0x00,
	R_SECONDS_ALARM,
	R_MINUTES,
	R_MINUTES_ALARM,
	R_HOURS,
	R_HOURS_ALARM,
	R_WEEKDAY,
	R_DAY,
	R_MONTH,
	R_YEAR,
	R_A,
	R_B,
	R_C,
	R_D,
	R_EQUIPMENT = 0x14,
	R_BASE_KIB = 0x15,
	R_EXTENDED_KIB = 0x17,
	R_EXTENDED_KIB_2 = 0x30,
	R_CENTURY = 0x32,
	R_ABOVE_16M = 0x34, /* in 64 KiB */
	R_ABOVE_4G = 0x5b,  /* in 64 KiB, three bytes */
	R_MORE_CPUS = 0x5f, /* than one: SeaBIOS waits for so many */
	N_BYTES = 128,
};

enum { A_RATE = 0x0f, A_DIVIDER = 0x70, A_DIVIDER_RESET = 0x60, A_UIP = 0x80 };
enum {
	B_24H = 0x02,
	B_BINARY = 0x04,
	B_SQWE = 0x08,
	B_UIE = 0x10,
	B_AIE = 0x20,
	B_PIE = 0x40,
	B_SET = 0x80
};
enum { C_UF = 0x10, C_AF = 0x20, C_PF = 0x40, C_IRQF = 0x80, C_FLAGS = 0x70 };
enum { D_VALID = 0x80 };
enum { HOURS_PM = 0x80, ALARM_ANY = 0xc0, EQUIPMENT_FPU = 0x02 };

#define A_NORMAL   0x26 /* 32768 Hz crystal, 1024 Hz periodic rate */
#define NS_PER_S   1000000000ull
#define DAY_S	   86400
#define UIP_NS	   244141u /* how long before an update UIP warns of it */
#define CRYSTAL_HZ 32768u
#define NEVER	   UINT64_MAX

struct cmos_config {
	uint64_t mem_below_4g, mem_above_4g;
	uint32_t cpus;
};

struct cmos {
	const struct cv_env *env;
	uint8_t index;
	uint8_t ram[N_BYTES]; /* while the clock stands still, its time; see clock_stands() */
	uint64_t offset_s;    /* guest's time minus host's, whole seconds, modulo 2^64 */
	uint64_t phase_ns;    /* and the rest, below a second */
	/* up to where the flags of register C are worked out */
	uint64_t seen_s, seen_period;
	struct cv_timer timer; /* to the next interrupt */
	struct cv_task task;   /* sets it, from vCPU threads */
};

/* ---- time ---- */

/* The time within which the guest's seconds and fractions are counted, before the offset. */
static uint64_t base_ns(const struct cmos *c)
{
	return cv_loop_wall(c->env->loop) + c->phase_ns;
}

static int64_t guest_s(const struct cmos *c)
{
	return (int64_t)(base_ns(c) / NS_PER_S + c->offset_s);
}

static bool divider_stands(const struct cmos *c)
{
	return (c->ram[R_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

/* Set by hand, or the divider chain held in reset: registers keep what was written. */
static bool clock_stands(const struct cmos *c)
{
	return (c->ram[R_B] & B_SET) || divider_stands(c);
}

static uint8_t encode(const struct cmos *c, unsigned int val)
{
	if (c->ram[R_B] & B_BINARY)
		return (uint8_t)val;
	return (uint8_t)(val / 10 << 4 | val % 10);
}

static unsigned int decode(const struct cmos *c, uint8_t val)
{
	return c->ram[R_B] & B_BINARY ? val : (val >> 4) * 10u + (val & 15u);
}

static uint8_t encode_hours(const struct cmos *c, unsigned int hours)
{
	if (c->ram[R_B] & B_24H)
		return encode(c, hours);
	return (uint8_t)(encode(c, (hours + 11) % 12 + 1) | (hours >= 12 ? HOURS_PM : 0));
}

static unsigned int decode_hours(const struct cmos *c, uint8_t val)
{
	if (c->ram[R_B] & B_24H)
		return decode(c, val);
	return decode(c, val & (uint8_t)~HOURS_PM) % 12 + (val & HOURS_PM ? 12 : 0);
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar; any values are fine. */
static int64_t days_from_date(int64_t year, unsigned int month, unsigned int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t shifted = (month + 9) % 12;
	int64_t day_of_year = (153 * shifted + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void date_from_days(int64_t days, unsigned int *year, unsigned int *month, unsigned int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
	int64_t shifted = (5 * of_year + 2) / 153;

	*day = (unsigned int)(of_year - (153 * shifted + 2) / 5 + 1);
	*month = (unsigned int)(shifted < 10 ? shifted + 3 : shifted - 9);
	y += era * 400 + (*month <= 2);
	*year = (unsigned int)cv_min(cv_max(y, (int64_t)0), (int64_t)9999);
}

/* Writes the running clock into its registers. */
static void refresh_time(struct cmos *c)
{
	int64_t now = guest_s(c), days = now / DAY_S - (now % DAY_S < 0);
	unsigned int s = (unsigned int)(now - days * DAY_S);
	unsigned int year, month, day;

	date_from_days(days, &year, &month, &day);
	c->ram[R_SECONDS] = encode(c, s % 60);
	c->ram[R_MINUTES] = encode(c, s / 60 % 60);
	c->ram[R_HOURS] = encode_hours(c, s / 3600);
	c->ram[R_WEEKDAY] = encode(c, (unsigned int)(((days + 4) % 7 + 7) % 7 + 1));
	c->ram[R_DAY] = encode(c, day);
	c->ram[R_MONTH] = encode(c, month);
	c->ram[R_YEAR] = encode(c, year % 100);
	c->ram[R_CENTURY] = (uint8_t)(year / 1000 << 4 | year / 100 % 10);
}

/* Makes the clock go on from what its registers say. */
static void adopt_time(struct cmos *c)
{
	uint8_t century = c->ram[R_CENTURY];
	int64_t year = decode(c, c->ram[R_YEAR]) + ((century >> 4) * 10u + (century & 15u)) * 100u;
	int64_t s = days_from_date(year, decode(c, c->ram[R_MONTH]), decode(c, c->ram[R_DAY]));

	s = s * DAY_S + decode_hours(c, c->ram[R_HOURS]) * 3600 +
	    decode(c, c->ram[R_MINUTES]) * 60 + decode(c, c->ram[R_SECONDS]);
	c->offset_s = (uint64_t)s - base_ns(c) / NS_PER_S;
	c->seen_s = (uint64_t)s;
}

/* The first update comes half a second after the divider's release. */
static void restart_divider(struct cmos *c)
{
	uint64_t rest = cv_loop_wall(c->env->loop) % NS_PER_S;

	c->phase_ns = (NS_PER_S + NS_PER_S / 2 - rest) % NS_PER_S;
}

/* ---- interrupts ---- */

/* In ticks of the crystal; 0: off. Rates 1 and 2 repeat 8 and 9. */
static uint64_t period_ticks(const struct cmos *c)
{
	unsigned int rate = c->ram[R_A] & A_RATE;

	if (rate == 0)
		return 0;
	return 1ull << ((rate <= 2 ? rate + 7 : rate) - 1);
}

static uint64_t crystal_ticks(uint64_t ns)
{
	return ns / NS_PER_S * CRYSTAL_HZ + ns % NS_PER_S * CRYSTAL_HZ / NS_PER_S;
}

/* Which period it is; 0 while there are none. */
static uint64_t period_number(const struct cmos *c)
{
	uint64_t period = period_ticks(c);

	return period ? crystal_ticks(base_ns(c)) / period : 0;
}

struct alarm {
	unsigned int h, m, s; /* ANY_TIME: every one */
};

#define ANY_TIME 255u

static unsigned int alarm_part(const struct cmos *c, uint8_t reg)
{
	uint8_t val = c->ram[reg];

	if ((val & ALARM_ANY) == ALARM_ANY)
		return ANY_TIME;
	return reg == R_HOURS_ALARM ? decode_hours(c, val) : decode(c, val);
}

static bool matches(unsigned int part, unsigned int val)
{
	return part == ANY_TIME || part == val;
}

/* Whether there is an alarm at all: the bytes may hold anything. */
static bool get_alarm(const struct cmos *c, struct alarm *a)
{
	a->h = alarm_part(c, R_HOURS_ALARM);
	a->m = alarm_part(c, R_MINUTES_ALARM);
	a->s = alarm_part(c, R_SECONDS_ALARM);
	return (a->h < 24 || a->h == ANY_TIME) && (a->m < 60 || a->m == ANY_TIME) &&
	       (a->s < 60 || a->s == ANY_TIME);
}

/* Seconds from the guest's time @now, exclusive, to the next alarm; NEVER if there is none.
 * Leaps over the hours, minutes and seconds that do not match: 200 steps at most. */
static uint64_t alarm_distance(const struct cmos *c, int64_t now)
{
	unsigned int s = (unsigned int)((now % DAY_S + DAY_S) % DAY_S), d = 1;
	struct alarm a;

	if (!get_alarm(c, &a))
		return NEVER;
	while (d <= DAY_S) {
		unsigned int at = (s + d) % DAY_S;

		if (!matches(a.h, at / 3600))
			d += 3600 - at % 3600;
		else if (!matches(a.m, at / 60 % 60))
			d += 60 - at % 60;
		else if (!matches(a.s, at % 60))
			d += (a.s + 60 - at % 60) % 60;
		else
			return d;
	}
	return NEVER;
}

/* Sets the flags of all that has happened since the last call. */
static void update_flags(struct cmos *c)
{
	int64_t now = guest_s(c), seen = (int64_t)c->seen_s;
	uint64_t at = period_number(c);

	if (!divider_stands(c) && at != c->seen_period)
		c->ram[R_C] |= C_PF;
	c->seen_period = at;
	if (clock_stands(c))
		return;
	c->seen_s = (uint64_t)now;
	if (now <= seen)
		return;
	c->ram[R_C] |= C_UF;
	if (alarm_distance(c, seen) <= (uint64_t)now - (uint64_t)seen)
		c->ram[R_C] |= C_AF;
}

static void update_irq(struct cmos *c)
{
	bool on = c->ram[R_C] & c->ram[R_B] & C_FLAGS; /* enables and flags have the same bits */

	c->ram[R_C] = (uint8_t)((c->ram[R_C] & C_FLAGS) | (on ? C_IRQF : 0));
	if (c->env->irq)
		cv_irq_set(c->env->irq, on);
}

/* Nanoseconds to the next event that is to interrupt and has not; NEVER if there is none. */
static uint64_t next_interrupt(const struct cmos *c)
{
	uint8_t waits = c->ram[R_B] & (uint8_t)~c->ram[R_C];
	uint64_t ns = base_ns(c), period = period_ticks(c), next = NEVER;
	uint64_t to_second = NS_PER_S - ns % NS_PER_S;

	if ((waits & B_UIE) && !clock_stands(c))
		next = to_second;
	if ((waits & B_AIE) && !clock_stands(c)) {
		uint64_t d = alarm_distance(c, guest_s(c));

		if (d != NEVER)
			next = cv_min(next, to_second + (d - 1) * NS_PER_S);
	}
	if ((waits & B_PIE) && period && !divider_stands(c)) {
		uint64_t left = period - crystal_ticks(ns) % period;

		next = cv_min(next, left * NS_PER_S / CRYSTAL_HZ + 1);
	}
	return next;
}

static void rearm(struct cmos *c)
{
	uint64_t next;

	update_flags(c);
	update_irq(c);
	next = next_interrupt(c);
	if (next == NEVER)
		cv_timer_cancel(&c->timer);
	else
		cv_timer_set(c->env->loop, &c->timer, cv_loop_now(c->env->loop) + next);
}

static void on_timer(struct cv_timer *t)
{
	rearm(cv_container_of(t, struct cmos, timer));
}

static void on_task(struct cv_task *t)
{
	rearm(cv_container_of(t, struct cmos, task));
}

/* Something that decides on the timer has changed. */
static void changed(struct cmos *c, uint8_t old_b)
{
	update_irq(c);
	if ((old_b | c->ram[R_B]) & (B_UIE | B_AIE | B_PIE))
		cv_loop_post(c->env->loop, &c->task);
}

/* ---- registers ---- */

static bool is_time(uint8_t index)
{
	return index == R_SECONDS || index == R_MINUTES || index == R_HOURS ||
	       (index >= R_WEEKDAY && index <= R_YEAR) || index == R_CENTURY;
}

static uint8_t read_a(const struct cmos *c)
{
	bool updating = !clock_stands(c) && base_ns(c) % NS_PER_S >= NS_PER_S - UIP_NS;

	return (uint8_t)(c->ram[R_A] | (updating ? A_UIP : 0));
}

static uint8_t read_c(struct cmos *c)
{
	uint8_t val;

	update_flags(c);
	update_irq(c);
	val = c->ram[R_C];
	c->ram[R_C] = 0;
	if (val)
		changed(c, c->ram[R_B]);
	return val;
}

static uint8_t read_data(struct cmos *c)
{
	switch (c->index) {
	case R_A:
		return read_a(c);
	case R_C:
		return read_c(c);
	case R_D:
		return D_VALID;
	default:
		if (is_time(c->index) && !clock_stands(c))
			refresh_time(c);
		return c->ram[c->index];
	}
}

/* Registers A and B: the clock may be stopped by them or go on. */
static void write_control(struct cmos *c, uint8_t val)
{
	bool stood = clock_stands(c);
	bool divider_stood = divider_stands(c);

	update_flags(c);
	if (!stood)
		refresh_time(c);
	c->ram[c->index] = val;
	if (divider_stood && !divider_stands(c))
		restart_divider(c);
	if (stood && !clock_stands(c))
		adopt_time(c);
	c->seen_period = period_number(c);
}

static void write_time(struct cmos *c, uint8_t val)
{
	if (clock_stands(c)) {
		c->ram[c->index] = val;
		return;
	}
	update_flags(c);
	refresh_time(c);
	c->ram[c->index] = val;
	adopt_time(c);
}

static void write_data(struct cmos *c, uint8_t val)
{
	uint8_t old_b = c->ram[R_B];

	switch (c->index) {
	case R_A:
		write_control(c, val & (uint8_t)~A_UIP);
		break;
	case R_B: /* setting the time takes the update interrupt's enable away, section "UIE" */
		write_control(c, val & B_SET ? val & (uint8_t)~B_UIE : val);
		break;
	case R_C:
	case R_D:
		return;
	case R_SECONDS_ALARM:
	case R_MINUTES_ALARM:
	case R_HOURS_ALARM:
		update_flags(c);
		c->ram[c->index] = val;
		break;
	default:
		if (!is_time(c->index)) {
			c->ram[c->index] = val;
			return;
		}
		write_time(c, val);
		break;
	}
	changed(c, old_b);
}

static uint64_t cmos_read(void *self, uint64_t off, unsigned int len)
{
	(void)len;
	return off == PORT_DATA ? read_data(self) : 0xff; /* the index cannot be read */
}

/* Bit 7 of the index masks NMIs, of which there are none here. */
static void cmos_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct cmos *c = self;

	(void)len;
	if (off == PORT_INDEX)
		c->index = (uint8_t)(val % N_BYTES);
	else
		write_data(c, (uint8_t)val);
}

/* ---- life ---- */

static void put_size(struct cmos *c, uint8_t reg, uint64_t val, unsigned int n_bytes)
{
	uint64_t max = (1ull << (8 * n_bytes)) - 1;

	val = cv_min(val, max);
	for (unsigned int i = 0; i < n_bytes; i++)
		c->ram[reg + i] = (uint8_t)(val >> (8 * i));
}

static void put_memory_sizes(struct cmos *c, const struct cmos_config *config)
{
	uint64_t low = config->mem_below_4g;
	uint64_t extended = low > CV_MIB ? (low - CV_MIB) / CV_KIB : 0;

	put_size(c, R_BASE_KIB, 640, 2);
	put_size(c, R_EXTENDED_KIB, extended, 2);
	put_size(c, R_EXTENDED_KIB_2, extended, 2);
	put_size(c, R_ABOVE_16M, low > 16 * CV_MIB ? (low - 16 * CV_MIB) >> 16 : 0, 2);
	put_size(c, R_ABOVE_4G, config->mem_above_4g >> 16, 3);
}

/* Time and memory have a battery. */
static void cmos_reset(void *self)
{
	struct cmos *c = self;
	bool stood = clock_stands(c);

	c->index = 0;
	c->ram[R_A] = A_NORMAL;
	c->ram[R_B] &= B_24H | B_BINARY;
	c->ram[R_C] = 0;
	if (stood)
		adopt_time(c);
	c->seen_s = (uint64_t)guest_s(c);
	c->seen_period = period_number(c);
	cv_timer_cancel(&c->timer);
	update_irq(c);
}

static int cmos_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct cmos *c = self;

	(void)e;
	c->env = env;
	c->timer = (struct cv_timer){ .fn = on_timer, .lock = env->lock };
	c->task = (struct cv_task){ .fn = on_task, .lock = env->lock };
	c->ram[R_B] = B_24H;
	c->ram[R_EQUIPMENT] = EQUIPMENT_FPU;
	put_memory_sizes(c, config);
	c->ram[R_MORE_CPUS] = (uint8_t)(((const struct cmos_config *)config)->cpus - 1);
	cmos_reset(c);
	return 0;
}

static void cmos_fini(void *self)
{
	struct cmos *c = self;

	cv_task_cancel(&c->task);
	cv_timer_cancel(&c->timer);
}

static int cmos_loaded(void *self, uint16_t version)
{
	struct cmos *c = self;

	(void)version;
	c->index %= N_BYTES;
	c->phase_ns %= NS_PER_S;
	update_irq(c);
	cv_loop_post(c->env->loop, &c->task);
	return 0;
}

static const struct cv_opt cmos_opts[] = {
	{ .name = "mem_below_4g",
	  .kind = CV_OPT_SIZE,
	  .off = offsetof(struct cmos_config, mem_below_4g),
	  .help = "bytes of memory below 4 GiB, as the guest is told" },
	{ .name = "mem_above_4g",
	  .kind = CV_OPT_SIZE,
	  .off = offsetof(struct cmos_config, mem_above_4g),
	  .help = "bytes of memory above 4 GiB, as the guest is told" },
	{ .name = "cpus",
	  .kind = CV_OPT_U32,
	  .off = offsetof(struct cmos_config, cpus),
	  .dflt = 1,
	  .min = 1,
	  .max = 256,
	  .help = "processors, as firmware is told" },
	CV_OPT_END
};

static const struct cv_field cmos_state[] = { { CV_FIELD(struct cmos, index) },
					      { CV_FIELD_ARRAY(struct cmos, ram) },
					      { CV_FIELD(struct cmos, offset_s) },
					      { CV_FIELD(struct cmos, phase_ns) },
					      { CV_FIELD(struct cmos, seen_s) },
					      { CV_FIELD(struct cmos, seen_period) },
					      CV_FIELD_LAST };

static const struct cv_regs_ops cmos_regs = {
	.span = SPAN,
	.min_len = 1,
	.max_len = 1,
	.read = cmos_read,
	.write = cmos_write,
};

const struct cv_class cv_class_cmos = {
	.name = "cmos",
	.help = "a PC's real-time clock and CMOS memory",
	.policy = "cmos",
	.size = sizeof(struct cmos),
	.config_size = sizeof(struct cmos_config),
	.opts = cmos_opts,
	.state = cmos_state,
	.state_version = 1,
	.init = cmos_init,
	.fini = cmos_fini,
	.reset = cmos_reset,
	.loaded = cmos_loaded,
	.regs = &cmos_regs,
};
