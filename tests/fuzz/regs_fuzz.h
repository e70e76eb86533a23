/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes a register device: accesses, time, resets, input and button presses from
 * the host, and damaged saved states. FUZZ_REGS("serial", "in=/proc/self/fd/%d")
 * makes the target; a %d in the options is a pipe that the script writes to.
 *
 * Each step is one byte: operation in the low 3 bits, length in the next 2;
 * accesses take an offset byte (two or four where a device has more registers)
 * and, to write, the value.
 */
#ifndef CV_TESTS_REGS_FUZZ_H
#define CV_TESTS_REGS_FUZZ_H

#include <fcntl.h>
#include <unistd.h>

#include "support/must.h"
#include "support/rdev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_MAX_STEPS 4096

/* The input; what is asked for beyond its end is zero. */
struct script {
	const uint8_t *data;
	size_t left;
};

/* A little-endian number of @len bytes. */
static inline uint64_t script_take(struct script *s, unsigned int len)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < len && s->left > 0; i++, s->left--)
		v |= (uint64_t)*s->data++ << (8 * i);
	return v;
}

static inline void script_bytes(struct script *s, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)script_take(s, 1);
}

enum {
	FUZZ_READ,
	FUZZ_WRITE,
	FUZZ_WRITE_TOO,
	FUZZ_WAIT,
	FUZZ_RESET,
	FUZZ_FEED,
	FUZZ_DISPATCH,
	FUZZ_LOAD
};

static inline void fuzz_load(struct rdev *d, struct script *s)
{
	uint64_t at = script_take(s, 2), with = script_take(s, 1);
	struct cv_buf buf = { 0 };
	uint16_t version;
	size_t used;

	cv_state_save(d->cls->state, d->cls->state_version, rdev_self(d), &buf);
	must(!buf.failed);
	buf.data[at % buf.len] ^= (uint8_t)with;
	if (cv_state_load(d->cls->state, d->cls->state_version, rdev_self(d), buf.data, buf.len,
			  &used, &version, NULL) == 0 &&
	    d->cls->loaded)
		must(d->cls->loaded(rdev_self(d), version) == 0);
	cv_buf_fini(&buf);
}

/* A control row without arguments, such as a button. */
static inline void fuzz_control(struct rdev *d)
{
	const struct cv_control *c = d->cls->controls;
	char reply[16];

	if (c && c->name && !c->args)
		must(cv_rslot_local_control(d->slot, c->name, NULL, reply, sizeof(reply), NULL) ==
		     0);
}

/* One past the end, too. */
static inline uint64_t fuzz_offset(const struct rdev *d, struct script *s)
{
	uint64_t span = d->cls->regs->span;

	return script_take(s, span > 65536 ? 4 : span > 256 ? 2 : 1) % (span + 1);
}

static inline void fuzz_step(struct rdev *d, struct script *s, int feed)
{
	unsigned int how = (unsigned int)script_take(s, 1), len = 1u << (how >> 3 & 3);
	uint8_t bytes[32];

	switch (how & 7) {
	case FUZZ_READ:
		rdev_read(d, fuzz_offset(d, s), len);
		break;
	case FUZZ_WRITE:
	case FUZZ_WRITE_TOO: {
		uint64_t off = fuzz_offset(d, s);

		rdev_write(d, off, len, script_take(s, len));
		break;
	}
	case FUZZ_WAIT:
		cv_loop_fake_advance(d->loop, script_take(s, 5));
		break;
	case FUZZ_RESET:
		cv_rslot_local_reset(d->slot);
		break;
	case FUZZ_FEED:
		fuzz_control(d);
		script_bytes(s, bytes, how >> 3);
		if (feed >= 0)
			cv_ignore(write(feed, bytes, how >> 3)); /* a full pipe takes no more */
		break;
	case FUZZ_DISPATCH:
		cv_loop_dispatch(d->loop);
		break;
	case FUZZ_LOAD:
		fuzz_load(d, s);
		break;
	}
}

static inline int fuzz_regs(const char *name, const char *options, const uint8_t *data, size_t size)
{
	struct script s = { data, size };
	char text[128], byte;
	struct rdev d;
	int fds[2];

	must(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), options, fds[0]);
#pragma GCC diagnostic pop
	rdev_open(&d, name, text);
	for (unsigned int i = 0; i < FUZZ_MAX_STEPS && s.left > 0; i++)
		fuzz_step(&d, &s, fds[1]);
	/* after a reset the first byte reads as some value of the device's, and nothing is stuck */
	cv_rslot_local_reset(d.slot);
	cv_loop_dispatch(d.loop);
	rdev_read(&d, 0, 1);
	rdev_close(&d);
	while (read(fds[0], &byte, 1) > 0)
		;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

#define FUZZ_REGS(name, options)                                     \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) \
	{                                                            \
		return fuzz_regs(name, options, data, size);         \
	}

#endif
