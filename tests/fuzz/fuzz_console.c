/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the console with three ports, two of which have a host; see device_fuzz.h. */
#include <fcntl.h>
#include <unistd.h>

#include "device_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct cv_class cv_class_console;

enum { IN0, OUT0, IN1, OUT1, N_PIPES };

struct console_fuzz {
	struct device_fuzz f;
	int ends[N_PIPES]; /* ours */
};

static void fill_bytes(struct device_fuzz *f, struct script *s, uint64_t gpa, uint32_t len)
{
	for (uint32_t i = 0; i < len && i < 16 && s->left > 0; i++)
		guest_put(&f->rig.guest, gpa + i, &(uint8_t){ (uint8_t)take(s, 1) }, 1);
}

/* Types something, takes some output, or changes the size. */
static void host_step(struct device_fuzz *f, struct script *s)
{
	struct console_fuzz *c = cv_container_of(f, struct console_fuzz, f);
	uint32_t what = take(s, 1), len = what >> 3;
	char buf[4096] = { 0 };

	if (what % 8 < 4)
		cv_ignore(write(c->ends[what & 1 ? IN0 : IN1], buf, len)); /* it may be full */
	else if (what % 8 < 7)
		cv_ignore(read(c->ends[what & 1 ? OUT0 : OUT1], buf, sizeof(buf))); /* or empty */
	else
		must(f->rig.slot->ops->control(f->rig.slot, "resize", "cols=80,rows=25", buf,
					       sizeof(buf), NULL) == 0);
}

static void drain(struct console_fuzz *c, int fd)
{
	char buf[4096];

	for (unsigned int i = 0; i < 100; i++) {
		cv_ignore(read(fd, buf, sizeof(buf))); /* until nothing comes */
		vdev_pump(&c->f.rig.dev);
	}
}

/* A port that is asked for answers, and what is written to the console arrives. */
static void check_alive(struct console_fuzz *c)
{
	const struct {
		struct le32 id;
		struct le16 event, value;
	} ready = { le32(0), le16(0), le16(1) };
	struct rig *r = &c->f.rig;
	uint8_t in[64];
	char byte = 0;

	must(vdev_request(&r->dev, 3, &ready, sizeof(ready), NULL, 0) == 0);
	must(vdev_request(&r->dev, 2, NULL, 0, in, sizeof(in)) == 8 && in[4] == 1);
	drain(c, c->ends[OUT0]);
	must(vdev_request(&r->dev, 1, "x", 1, NULL, 0) == 0);
	must(read(c->ends[OUT0], &byte, 1) == 1 && byte == 'x');
	vdev_reset(&r->dev);
}

static void open_console(struct console_fuzz *c)
{
	char text[160];
	int in[2][2], out[2][2];

	for (unsigned int i = 0; i < 2; i++) {
		must(pipe2(in[i], O_CLOEXEC | O_NONBLOCK) == 0);
		must(pipe2(out[i], O_CLOEXEC | O_NONBLOCK) == 0);
		must(fcntl(out[i][1], F_SETPIPE_SZ, 4096) >= 4096);
		c->ends[2 * i] = in[i][1];
		c->ends[2 * i + 1] = out[i][0];
	}
	snprintf(text, sizeof(text),
		 "in=/dev/fd/%d,out=/dev/fd/%d,in1=/dev/fd/%d,out1=/dev/fd/%d,name2=void", in[0][0],
		 out[0][1], in[1][0], out[1][1]);
	rig_init(&c->f.rig, &cv_class_console, text, &(struct rig_options){ .mem = 4 * CV_MIB });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct console_fuzz c = { .f = { .fill = fill_bytes, .host_step = host_step } };
	struct script s = { .data = data, .left = size };

	if (!c.f.rig.cls)
		open_console(&c);
	run_script(&c.f, &s);
	check_alive(&c);
	return 0;
}
