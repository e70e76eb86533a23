/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bank of parallel NOR flash with the Common Flash Interface (JEDEC JESD68.01)
 * and Intel's command set (CFI identifier 0001h, as in the StrataFlash P30 data
 * sheet): two 16-bit chips side by side, which make 32-bit words and do the same at
 * the same time, so one set of registers stands for both. What firmware's variable
 * store and Linux' MTD know from QEMU's machines.
 *
 * The array is a file of the host's. Programming and erasing take no time, so
 * nothing can be suspended. All is read through here, so nothing is executed from it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/math.h"
#include "core/dev.h"
#include "sys/fd.h"

#define MAX_SIZE   (64u << 20)
#define BLOCK	   (256u << 10) /* what is erased: 128 KiB of each chip */
#define MAX_BLOCKS (MAX_SIZE / BLOCK)
#define WORD	   4u /* bytes */
#define N_CHIPS	   2u
#define BUF_SHIFT  10 /* of the write buffer of one chip */
#define BUF	   (N_CHIPS << BUF_SHIFT)

enum {
	CMD_PROGRAM_2 = 0x10,
	CMD_ERASE = 0x20,
	CMD_PROGRAM = 0x40,
	CMD_CLEAR_STATUS = 0x50,
	CMD_LOCK_SETUP = 0x60,
	CMD_STATUS = 0x70,
	CMD_ID = 0x90,
	CMD_QUERY = 0x98,
	CMD_SUSPEND = 0xb0,
	CMD_CONFIRM = 0xd0, /* or resume */
	CMD_BUFFER = 0xe8,
};
enum { LOCK_LOCK = 0x01, LOCK_CONFIG = 0x03, LOCK_UNLOCK = 0xd0 };

/* What reads give. */
enum { MODE_ARRAY, MODE_STATUS, MODE_ID, MODE_QUERY, N_MODES };

/* What the next write is. */
enum {
	NEXT_COMMAND,
	NEXT_DATA,	   /* of a word */
	NEXT_ERASE,	   /* confirmation */
	NEXT_LOCK,	   /* which way */
	NEXT_COUNT,	   /* of the words for the buffer */
	NEXT_BUFFER_DATA,  /* a word for the buffer */
	NEXT_BUFFER_WRITE, /* confirmation */
	N_NEXTS,
};

enum {
	SR_PROTECTED = 1 << 1,
	SR_PROGRAM = 1 << 4,
	SR_ERASE = 1 << 5,
	SR_READY = 1 << 7,
	SR_SEQUENCE = SR_PROGRAM | SR_ERASE,
	SR_MASK = SR_PROTECTED | SR_SEQUENCE | SR_READY,
};

/* Word addresses of the identification; the third is one of each block. */
enum { ID_MAKER, ID_DEVICE, ID_LOCKED };
enum { MAKER_INTEL = 0x89, DEVICE = 0x18 };

#define QUERY_START 0x10u
#define QUERY_PRI   0x31u

struct flash_config {
	struct cv_opt_file path;
	bool ro;
};

struct flash {
	const struct cv_env *env;
	int fd; /* the configuration's */
	bool ro, dirty;
	uint32_t size;
	uint8_t query[0x40]; /* by word address */
	uint8_t mode, next, status;
	bool misplaced;		/* data for the buffer that do not belong there */
	uint16_t n_words, left; /* for the buffer */
	uint32_t at;		/* where the buffer goes */
	uint8_t buf[BUF];
	uint8_t locked[MAX_BLOCKS / 8];
};

/* ---- the array ---- */

static void tell(const struct flash *f, const char *what, int err)
{
	cv_log_guest(f->env->log, "cfi-flash: cannot %s the file: %s", what, strerror(-err));
}

static uint64_t read_array(const struct flash *f, uint64_t off, unsigned int len)
{
	struct le64 val = le64(UINT64_MAX);
	int err;

	if (off >= f->size)
		return UINT64_MAX;
	err = cv_pread_full(f->fd, &val, cv_min((uint64_t)len, f->size - off), off);
	if (err)
		tell(f, "read", err);
	return err ? UINT64_MAX : le64_get(val);
}

static bool is_locked(const struct flash *f, uint64_t off)
{
	uint64_t block = off / BLOCK;

	return f->locked[block / 8] >> (block % 8) & 1;
}

static void set_locked(struct flash *f, uint64_t off, bool on)
{
	uint64_t block = off / BLOCK;
	uint8_t bit = (uint8_t)(1u << (block % 8));

	if (on)
		f->locked[block / 8] |= bit;
	else
		f->locked[block / 8] &= (uint8_t)~bit;
}

/* Whether the range may be changed; if not, the status says so with @error. */
static bool may_change(struct flash *f, uint64_t off, uint64_t len, uint8_t error)
{
	if (!cv_in_range(off, len, f->size)) {
		f->status |= error;
		return false;
	}
	if (f->ro || is_locked(f, off) || is_locked(f, off + len - 1)) {
		f->status |= error | SR_PROTECTED;
		return false;
	}
	return true;
}

/* Programming clears bits; only erasing sets them. @len is at most BUF. */
static void program(struct flash *f, uint64_t off, const uint8_t *data, size_t len)
{
	uint8_t bytes[BUF];
	int err;

	if (!may_change(f, off, len, SR_PROGRAM))
		return;
	f->dirty = true;
	err = cv_pread_full(f->fd, bytes, len, off);
	for (size_t i = 0; i < len && !err; i++)
		bytes[i] &= data[i];
	err = err ?: cv_pwrite_full(f->fd, bytes, len, off);
	if (!err)
		return;
	f->status |= SR_PROGRAM;
	tell(f, "write", err);
}

static void erase(struct flash *f, uint64_t off)
{
	uint8_t bytes[4096];
	int err = 0;

	off = cv_align_down(off, BLOCK);
	if (!may_change(f, off, BLOCK, SR_ERASE))
		return;
	f->dirty = true;
	memset(bytes, 0xff, sizeof(bytes));
	for (uint64_t i = 0; i < BLOCK && !err; i += sizeof(bytes))
		err = cv_pwrite_full(f->fd, bytes, sizeof(bytes), off + i);
	if (!err)
		return;
	f->status |= SR_ERASE;
	tell(f, "write", err);
}

/* ---- commands ---- */

static void start(struct flash *f, unsigned int mode, unsigned int next)
{
	f->mode = (uint8_t)mode;
	f->next = (uint8_t)next;
}

static void command(struct flash *f, uint8_t cmd)
{
	switch (cmd) {
	case CMD_PROGRAM:
	case CMD_PROGRAM_2:
		start(f, MODE_STATUS, NEXT_DATA);
		break;
	case CMD_ERASE:
		start(f, MODE_STATUS, NEXT_ERASE);
		break;
	case CMD_LOCK_SETUP:
		start(f, MODE_STATUS, NEXT_LOCK);
		break;
	case CMD_BUFFER:
		start(f, MODE_STATUS, NEXT_COUNT);
		break;
	case CMD_STATUS:
	case CMD_SUSPEND: /* of what is over */
	case CMD_CONFIRM:
		f->mode = MODE_STATUS;
		break;
	case CMD_ID:
		f->mode = MODE_ID;
		break;
	case CMD_QUERY:
		f->mode = MODE_QUERY;
		break;
	case CMD_CLEAR_STATUS: /* EDK II goes on to read the array after it */
		f->status = SR_READY;
		f->mode = MODE_ARRAY;
		break;
	default: /* FFh, and other makers' commands, which drivers probe with */
		f->mode = MODE_ARRAY;
		break;
	}
}

static void set_count(struct flash *f, uint32_t count)
{
	if (count >= BUF / WORD) {
		f->status |= SR_SEQUENCE;
		return;
	}
	f->n_words = f->left = (uint16_t)(count + 1);
	f->misplaced = false;
	memset(f->buf, 0xff, sizeof(f->buf));
	f->next = NEXT_BUFFER_DATA;
}

/* All the words lie where the buffer, at an address that is a multiple of its size, has them. */
static void put_buffer(struct flash *f, uint64_t off, const uint8_t *data, unsigned int len)
{
	if (f->left == f->n_words)
		f->at = (uint32_t)cv_align_down(off, BUF);
	if (off >= f->at && cv_in_range(off - f->at, len, BUF))
		memcpy(f->buf + (off - f->at), data, len);
	else
		f->misplaced = true;
	f->left--;
	f->next = f->left > 0 ? NEXT_BUFFER_DATA : NEXT_BUFFER_WRITE;
}

static void write_buffer(struct flash *f, uint8_t cmd)
{
	if (cmd != CMD_CONFIRM || f->misplaced)
		f->status |= SR_SEQUENCE;
	else
		program(f, f->at, f->buf, BUF);
}

static void lock(struct flash *f, uint64_t off, uint8_t how)
{
	switch (how) {
	case LOCK_LOCK:
	case LOCK_UNLOCK:
		set_locked(f, off, how == LOCK_LOCK);
		break;
	case LOCK_CONFIG: /* of synchronous reads, which there are none of */
		break;
	default:
		f->status |= SR_SEQUENCE;
		break;
	}
}

static void write_word(struct flash *f, uint64_t off, uint32_t val, unsigned int len)
{
	const struct le32 data = le32(val);
	uint8_t next = f->next, cmd = (uint8_t)val;

	f->next = NEXT_COMMAND;
	switch (next) {
	case NEXT_DATA:
		program(f, off, (const uint8_t *)&data, len);
		break;
	case NEXT_ERASE:
		if (cmd == CMD_CONFIRM)
			erase(f, off);
		else
			f->status |= SR_SEQUENCE;
		break;
	case NEXT_LOCK:
		lock(f, off, cmd);
		break;
	case NEXT_COUNT:
		set_count(f, val & 0xffff);
		break;
	case NEXT_BUFFER_DATA:
		put_buffer(f, off, (const uint8_t *)&data, len);
		break;
	case NEXT_BUFFER_WRITE:
		write_buffer(f, cmd);
		break;
	default:
		command(f, cmd);
		break;
	}
}

/* ---- accesses ---- */

static uint16_t read_id(const struct flash *f, uint64_t off)
{
	switch (off % BLOCK / WORD) {
	case ID_MAKER:
		return MAKER_INTEL;
	case ID_DEVICE:
		return DEVICE;
	case ID_LOCKED:
		return is_locked(f, off);
	default:
		return 0;
	}
}

static uint16_t read_query(const struct flash *f, uint64_t off)
{
	return off / WORD < sizeof(f->query) ? f->query[off / WORD] : 0;
}

static uint16_t read_chip(const struct flash *f, uint64_t off)
{
	if (f->mode == MODE_ID)
		return read_id(f, off);
	return f->mode == MODE_QUERY ? read_query(f, off) : f->status;
}

static uint64_t flash_read(void *self, uint64_t off, unsigned int len)
{
	const struct flash *f = self;
	uint32_t chip;

	if (f->mode == MODE_ARRAY)
		return read_array(f, off, len);
	chip = read_chip(f, off);
	return (chip | chip << 16) >> (8 * (off % WORD));
}

static void flash_write(void *self, uint64_t off, unsigned int len, uint64_t val)
{
	write_word(self, off, (uint32_t)val, len);
}

/* ---- life ---- */

static void put16(uint8_t *at, uint32_t val)
{
	at[0] = (uint8_t)val;
	at[1] = (uint8_t)(val >> 8);
}

/* Of one chip. Times are typical ones, as powers of two, and what to multiply them with at most. */
static void fill_query(struct flash *f)
{
	uint8_t *q = f->query;

	memcpy(q + QUERY_START, "QRY", 3);
	put16(q + 0x13, 0x0001);
	put16(q + 0x15, QUERY_PRI);
	q[0x1b] = 0x17; /* 1.7 to 2.0 V, and nothing for programming */
	q[0x1c] = 0x20;
	q[0x1f] = 7;  /* us: a word */
	q[0x20] = 7;  /* us: the buffer */
	q[0x21] = 10; /* ms: a block */
	q[0x23] = q[0x24] = q[0x25] = 4;
	q[0x27] = (uint8_t)__builtin_ctzll(cv_pow2_ceil(f->size / N_CHIPS));
	put16(q + 0x28, 0x0001); /* 16 bits, asynchronous */
	put16(q + 0x2a, BUF_SHIFT);
	q[0x2c] = 1; /* kind of blocks */
	put16(q + 0x2d, f->size / BLOCK - 1);
	put16(q + 0x2f, BLOCK / N_CHIPS >> 8);
	memcpy(q + QUERY_PRI, "PRI10", 5);
	put16(q + QUERY_PRI + 5, 1u << 5);  /* each block is locked for itself, at once */
	put16(q + QUERY_PRI + 10, 1u << 0); /* and its lock can be read */
	q[QUERY_PRI + 12] = 0x18;
}

static int get_size(const struct flash_config *c, uint64_t *size, struct vm_error *e)
{
	int err = cv_fd_size(c->path.fd_plus1 - 1, size);

	if (err)
		return cv_err(e, err,
			      "cfi-flash: option path: this is neither a file nor a block "
			      "device");
	if (*size == 0 || *size > MAX_SIZE || *size % BLOCK != 0)
		return cv_err(e, -EINVAL,
			      "cfi-flash: option path: the file has %llu bytes, make it a "
			      "multiple of 256 KiB, at most 64 MiB",
			      (unsigned long long)*size);
	return 0;
}

static int flash_check(const void *config, uint64_t memory, struct vm_error *e)
{
	uint64_t size;

	(void)memory;
	return get_size(config, &size, e);
}

static void flash_reset(void *self)
{
	struct flash *f = self;

	start(f, MODE_ARRAY, NEXT_COMMAND);
	f->status = SR_READY;
	memset(f->locked, 0, sizeof(f->locked));
}

static int flash_init(void *self, const struct cv_env *env, const void *config, struct vm_error *e)
{
	const struct flash_config *c = config;
	struct flash *f = self;
	uint64_t size;
	int err = get_size(c, &size, e);

	if (err)
		return err;
	f->env = env;
	f->fd = c->path.fd_plus1 - 1;
	f->ro = c->ro || c->path.read_only;
	f->size = (uint32_t)size;
	fill_query(f);
	flash_reset(f);
	return 0;
}

static void flash_fini(void *self)
{
	struct flash *f = self;

	if (f->dirty)
		cv_ignore(fdatasync(f->fd)); /* nobody is there to be told */
}

static int flash_loaded(void *self, uint16_t version)
{
	struct flash *f = self;

	(void)version;
	f->mode %= N_MODES;
	f->status = (uint8_t)((f->status & SR_MASK) | SR_READY);
	if (f->next >= N_NEXTS || f->left > f->n_words || f->n_words > BUF / WORD ||
	    (f->next == NEXT_BUFFER_DATA && f->left == 0))
		f->next = NEXT_COMMAND;
	f->at = (uint32_t)cv_align_down(f->at, BUF);
	return 0;
}

static const struct cv_opt flash_opts[] = {
	{ .name = "path",
	  .kind = CV_OPT_FILE,
	  .off = offsetof(struct flash_config, path),
	  .required = true,
	  .access = CV_OPT_IMAGE,
	  .help = "what it holds: a multiple of 256 KiB, at most 64 MiB" },
	{ .name = "ro",
	  .kind = CV_OPT_BOOL,
	  .off = offsetof(struct flash_config, ro),
	  .help = "the guest may only read; several VMs may share the file" },
	CV_OPT_END
};

static const struct cv_field flash_state[] = {
	{ CV_FIELD(struct flash, mode) },	  { CV_FIELD(struct flash, next) },
	{ CV_FIELD(struct flash, status) },	  { CV_FIELD(struct flash, misplaced) },
	{ CV_FIELD(struct flash, n_words) },	  { CV_FIELD(struct flash, left) },
	{ CV_FIELD(struct flash, at) },		  { CV_FIELD_ARRAY(struct flash, buf) },
	{ CV_FIELD_ARRAY(struct flash, locked) }, CV_FIELD_LAST
};

static const struct cv_regs_ops flash_regs = {
	.span = MAX_SIZE,
	.min_len = 1,
	.max_len = 4,
	.read = flash_read,
	.write = flash_write,
};

const struct cv_class cv_class_cfi_flash = {
	.name = "cfi-flash",
	.help = "parallel NOR flash, for firmware's variables",
	.policy = "cfi_flash",
	.size = sizeof(struct flash),
	.config_size = sizeof(struct flash_config),
	.opts = flash_opts,
	.state = flash_state,
	.state_version = 1,
	.check = flash_check,
	.init = flash_init,
	.fini = flash_fini,
	.reset = flash_reset,
	.loaded = flash_loaded,
	.regs = &flash_regs,
};
