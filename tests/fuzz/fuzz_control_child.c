/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes a device process's side of the control socket: START and what follows.
 *
 *	u8 how       bits 0-3: descriptors beside START; bit 4: it begins with
 *	             its type and the right version, which are not in the input;
 *	             bit 5: all of it is made of the fields below; bit 6: a filter
 *	             with a listener is sealed
 *	u16 length   of the rest of START
 *	...          that rest, then frames as they are
 *
 * The fields: u8 packed, poll, foreign, repeated (bits 0-3); u8 log level; class
 * and options, each ended by a 0; then for each file its row, and bit 7 for read-only.
 *
 * All but the jail, which a target cannot enter. What the process says must be
 * what its parent understands.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/device_main.c"
#include "support/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int a_file(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, 65536) == 0);
	return fd;
}

static void put_fields(struct cv_buf *b, const uint8_t *rest, size_t len)
{
	struct cv_frame f = { .data = rest, .len = len };
	unsigned int flags = cv_frame_u8(&f);
	struct cv_start_frame start = { .version = VM_VERSION_STRING,
					.packed = flags & 1,
					.poll = flags & 2,
					.foreign = flags & 4,
					.repeated = flags & 8,
					.memory = 1 << 20 };

	start.log_level = cv_frame_u8(&f);
	start.cls = cv_frame_get_text(&f);
	start.options = cv_frame_get_text(&f);
	while (!f.bad && f.at < f.len && start.n_files < CV_PROCESS_MAX_FILES) {
		uint8_t file = cv_frame_u8(&f);

		start.files[start.n_files].row = file & 127;
		start.files[start.n_files++].read_only = file >> 7;
	}
	cv_frame_put_start(b, &start);
}

/* @data: the device's socket, the first descriptor. */
static void say_start(int sock, int data, unsigned int how, const uint8_t *rest, size_t len)
{
	int fds[15] = { data };
	struct cv_buf b = { 0 };

	if (how & 32) {
		put_fields(&b, rest, len);
	} else if (how & 16) {
		cv_frame_begin(&b, CV_PROCESS_START);
		cv_frame_text(&b, VM_VERSION_STRING);
	}
	if (!(how & 32))
		cv_buf_put(&b, rest, len);
	for (unsigned int i = 1; i < (how & 15); i++)
		fds[i] = a_file();
	must(cv_msg_send_frame(sock, b.data, (uint32_t)b.len, fds, how & 15,
			       cv_msg_deadline(1000)) == 0);
	for (unsigned int i = 1; i < (how & 15); i++)
		close(fds[i]);
	cv_buf_fini(&b);
}

/* All that it has said, until it has closed its socket. */
static void hear(int sock, unsigned int how)
{
	static uint8_t data[CV_PROCESS_FRAME_MAX];
	struct cv_msg_fds fds = { 0 };
	struct cv_frame f = { .data = data };

	while (cv_msg_recv_frame(sock, data, sizeof(data), &f.len, &fds, cv_msg_deadline(1000)) ==
	       0) {
		uint8_t type;

		f.at = 0;
		type = cv_frame_u8(&f);
		must(fds.n == (type == CV_PROCESS_SEALED ? 1 : 0));
		cv_msg_fds_close(&fds);
		switch (type) {
		case CV_PROCESS_SEALED:
			must(how & 64);
			break;
		case CV_PROCESS_ALIVE:
			break;
		case CV_PROCESS_DONE:
			must((int)cv_frame_u32(&f) >= -4095);
			cv_frame_get_text(&f);
			break;
		case CV_PROCESS_LOG:
			must(cv_frame_u8(&f) <= VM_LOG_DEBUG);
			must(cv_frame_get_text(&f)[0]);
			break;
		default:
			must(!"a type that the parent knows");
		}
		must(cv_frame_ended(&f));
	}
}

static int try_set_up(struct device *d, unsigned int how, struct vm_error *e)
{
	int err = receive_start(d, e);

	if (err)
		return err;
	d->log = (struct cv_log){ .sink = log_to_parent,
				  .user = d,
				  .level = (enum vm_log_level)d->start.log_level };
	err = make_loop(d, e) ?: take_config(d, e) ?: make_device(d, e);
	if (!err && (how & 64))
		err = send_listener(d, a_file());
	return err ?: serve(d, e);
}

static void run(int control, unsigned int how)
{
	struct device d = { .control = control };
	struct vm_error e = { 0 };
	int err;

	pthread_mutex_init(&d.send_lock, NULL);
	d.frame = malloc(CV_PROCESS_FRAME_MAX);
	must(d.frame);
	err = try_set_up(&d, how, &e);
	if (err)
		must(e.code == -err && e.text[0]);
	else
		must(cv_loop_run(d.loop) == 0); /* until it is told to end, or has read all */
	tear_down(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size >= 3 ? (size_t)(data[1] | data[2] << 8) : 0;
	int pair[2], device[2];

	if (size < 3 || len > size - 3 || size > 60000)
		return 0;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, device) == 0);
	say_start(pair[1], device[0], data[0], data + 3, len);
	close(device[0]);
	if (size > 3 + len)
		must(send(pair[1], data + 3 + len, size - 3 - len, MSG_NOSIGNAL) > 0);
	shutdown(pair[1], SHUT_WR);
	run(pair[0], data[0]);
	close(pair[0]);
	hear(pair[1], data[0]);
	close(pair[1]);
	close(device[1]);
	return 0;
}
