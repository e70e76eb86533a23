/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PC/AT keyboard controller with nothing plugged in (IBM PS/2 Hardware
 * Interface Technical Reference, "Keyboard and Auxiliary Device Controller"):
 * guests find it, test it and reset the machine through it. There is no
 * auxiliary port. Whatever is sent to the keyboard comes back as a time-out at
 * once, so that no driver waits for one.
 *
 * One output byte; a command throws an unread one away. Ports 0x61 to 0x63 are
 * not this device's.
 */
#include "core/dev.h"
#include "core/irq.h"

enum { R_DATA = 0, R_COMMAND = 4, SPAN = 5 };

enum {
	STATUS_OUTPUT_FULL = 0x01,
	STATUS_SYSTEM = 0x04,
	STATUS_COMMAND = 0x08,
	STATUS_UNLOCKED = 0x10,
	STATUS_TIMEOUT = 0x40,
};

enum { CTR_KBD_INT = 0x01, CTR_SYSTEM = 0x04, CTR_KBD_DISABLED = 0x10, CTR_AUX_DISABLED = 0x20 };

enum {
	CMD_READ_RAM = 0x20,  /* to 0x3f */
	CMD_WRITE_RAM = 0x60, /* to 0x7f */
	CMD_AUX_TEST = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_KBD_TEST = 0xab,
	CMD_KBD_DISABLE = 0xad,
	CMD_KBD_ENABLE = 0xae,
	CMD_READ_INPUT = 0xc0,
	CMD_READ_OUTPUT = 0xd0,
	CMD_WRITE_OUTPUT = 0xd1,
	CMD_WRITE_KBD_BUFFER = 0xd2,
	CMD_AUX_LOOP = 0xd3,
	CMD_WRITE_AUX = 0xd4,
	CMD_PULSE = 0xf0, /* to 0xff: the low bits are lines to pull down */
};

enum {
	SELF_TEST_PASSED = 0x55,
	TEST_PASSED = 0x00,
	CLOCK_STUCK_LOW = 0x01,
	INPUT_UNLOCKED = 0x80,
	OUTPUT_LINES = 0xcf,
	OUTPUT_NOT_RESET = 0x01,
	KBD_TIMEOUT = 0xfe,
};

struct i8042 {
	const struct cv_env *env;
	uint8_t status, data;
	uint8_t ram[32]; /* byte 0 is the command byte, CTR */
	uint8_t command; /* the one whose argument port 0x60 waits for; 0: none */
};

static void update_irq(struct i8042 *k)
{
	if (k->env->irq)
		cv_irq_set(k->env->irq,
			   (k->status & STATUS_OUTPUT_FULL) && (k->ram[0] & CTR_KBD_INT));
}

static void answer(struct i8042 *k, uint8_t byte, uint8_t flags)
{
	k->data = byte;
	k->status |= (uint8_t)(STATUS_OUTPUT_FULL | flags);
}

static void forget_answer(struct i8042 *k)
{
	k->status &= (uint8_t) ~(STATUS_OUTPUT_FULL | STATUS_TIMEOUT);
	update_irq(k);
}

static void request_reset(const struct i8042 *k)
{
	k->env->request(k->env, CV_REQUEST_RESET);
}

static void self_test(struct i8042 *k)
{
	k->status |= STATUS_SYSTEM;
	k->ram[0] |= CTR_SYSTEM;
	answer(k, SELF_TEST_PASSED, 0);
}

static void write_command(struct i8042 *k, uint8_t cmd)
{
	forget_answer(k);
	k->status |= STATUS_COMMAND;
	k->command = 0;
	switch (cmd) {
	case CMD_READ_RAM ... CMD_READ_RAM + 31:
		answer(k, k->ram[cmd - CMD_READ_RAM], 0);
		break;
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + 31:
	case CMD_WRITE_OUTPUT ... CMD_WRITE_AUX:
		k->command = cmd;
		break;
	case CMD_AUX_TEST:
		answer(k, CLOCK_STUCK_LOW, 0);
		break;
	case CMD_SELF_TEST:
		self_test(k);
		break;
	case CMD_KBD_TEST:
		answer(k, TEST_PASSED, 0);
		break;
	case CMD_KBD_DISABLE:
		k->ram[0] |= CTR_KBD_DISABLED;
		break;
	case CMD_KBD_ENABLE:
		k->ram[0] &= (uint8_t)~CTR_KBD_DISABLED;
		break;
	case CMD_READ_INPUT:
		answer(k, INPUT_UNLOCKED, 0);
		break;
	case CMD_READ_OUTPUT:
		answer(k, OUTPUT_LINES, 0);
		break;
	case CMD_PULSE ... CMD_PULSE + 15:
		if (!(cmd & OUTPUT_NOT_RESET))
			request_reset(k);
		break;
	default:
		break;
	}
}

static void write_argument(struct i8042 *k, uint8_t cmd, uint8_t val)
{
	switch (cmd) {
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + 31:
		k->ram[cmd - CMD_WRITE_RAM] = val;
		break;
	case CMD_WRITE_OUTPUT:
		if (!(val & OUTPUT_NOT_RESET))
			request_reset(k);
		break;
	case CMD_WRITE_KBD_BUFFER:
		answer(k, val, 0);
		break;
	case CMD_AUX_LOOP: /* without an auxiliary port, it looks like the keyboard's */
		answer(k, val, 0);
		break;
	default: /* CMD_WRITE_AUX: nobody is there */
		answer(k, KBD_TIMEOUT, STATUS_TIMEOUT);
		break;
	}
}

static void write_data(struct i8042 *k, uint8_t val)
{
	uint8_t cmd = k->command;

	forget_answer(k);
	k->status &= (uint8_t)~STATUS_COMMAND;
	k->command = 0;
	if (cmd)
		write_argument(k, cmd, val);
	else
		answer(k, KBD_TIMEOUT, STATUS_TIMEOUT);
}

static uint64_t i8042_read(void *self, uint64_t off, unsigned int len)
{
	struct i8042 *k = self;

	(void)len;
	switch (off) {
	case R_DATA:
		forget_answer(k);
		return k->data;
	case R_COMMAND:
		return k->status;
	default:
		return 0xff;
	}
}

static void i8042_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	struct i8042 *k = self;

	(void)len;
	if (off == R_DATA)
		write_data(k, (uint8_t)val);
	else if (off == R_COMMAND)
		write_command(k, (uint8_t)val);
	update_irq(k);
}

static void i8042_reset(void *self)
{
	struct i8042 *k = self;

	*k = (struct i8042){ .env = k->env,
			     .status = STATUS_UNLOCKED | STATUS_SYSTEM,
			     .ram = { CTR_SYSTEM | CTR_KBD_DISABLED | CTR_AUX_DISABLED } };
	update_irq(k);
}

static int i8042_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	struct i8042 *k = self;

	(void)config;
	(void)e;
	k->env = env;
	i8042_reset(k);
	return 0;
}

static int i8042_loaded(void *self, uint16_t version)
{
	(void)version;
	update_irq(self);
	return 0;
}

static const struct cv_field i8042_state[] = { { CV_FIELD(struct i8042, status) },
					       { CV_FIELD(struct i8042, data) },
					       { CV_FIELD_ARRAY(struct i8042, ram) },
					       { CV_FIELD(struct i8042, command) },
					       CV_FIELD_LAST };

static const struct cv_regs_ops i8042_regs = {
	.span = SPAN,
	.min_len = 1,
	.max_len = 1,
	.read = i8042_read,
	.write = i8042_write,
};

const struct cv_class cv_class_i8042 = {
	.name = "i8042",
	.help = "a PC keyboard controller without keyboard, for resets",
	.policy = "i8042",
	.size = sizeof(struct i8042),
	.state = i8042_state,
	.state_version = 1,
	.init = i8042_init,
	.reset = i8042_reset,
	.loaded = i8042_loaded,
	.regs = &i8042_regs,
};
