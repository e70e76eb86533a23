/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes a device process's side of the control socket: START and what follows.
 *
 *	u8 how       bits 0-3: descriptors beside START; bit 4: it begins with
 *	             its type and the right version, which are not in the input
 *	u16 length   of the rest of START
 *	...          that rest, then frames as they are
 *
 * All but the jail, which a target cannot enter.
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

static void say_start(int sock, unsigned int how, const uint8_t *rest, size_t len)
{
	int fds[15];
	struct cv_buf b = { 0 };

	if (how & 16) {
		cv_frame_begin(&b, CV_PROCESS_START);
		cv_frame_text(&b, VM_VERSION_STRING);
	}
	cv_buf_put(&b, rest, len);
	for (unsigned int i = 0; i < (how & 15); i++)
		fds[i] = a_file();
	must(cv_msg_send_frame(sock, b.data, (uint32_t)b.len, fds, how & 15,
			       cv_msg_deadline(1000)) == 0);
	for (unsigned int i = 0; i < (how & 15); i++)
		close(fds[i]);
	cv_buf_fini(&b);
}

static int try_set_up(struct device *d, struct vm_error *e)
{
	int err = receive_start(d, e);

	if (err)
		return err;
	d->log = (struct cv_log){ .sink = log_to_parent,
				  .user = d,
				  .level = (enum vm_log_level)d->start.log_level };
	err = make_loop(d, e) ?: take_config(d, e) ?: make_device(d, e);
	return err ?: cv_vhost_backend_serve(d->backend, cv_msg_fds_take(&d->fds, 0), e);
}

static void run(int control)
{
	struct device d = { .control = control };
	struct vm_error e = { 0 };
	int err;

	pthread_mutex_init(&d.send_lock, NULL);
	d.frame = malloc(CV_PROCESS_FRAME_MAX);
	must(d.frame);
	err = try_set_up(&d, &e);
	if (err)
		must(e.code == -err && e.text[0]);
	else
		cv_loop_dispatch(d.loop); /* until it has read all, and the end */
	tear_down(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size >= 3 ? (size_t)(data[1] | data[2] << 8) : 0;
	int pair[2];

	if (size < 3 || len > size - 3 || size > 60000)
		return 0;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	say_start(pair[1], data[0], data + 3, len);
	if (size > 3 + len)
		must(send(pair[1], data + 3 + len, size - 3 - len, MSG_NOSIGNAL) > 0);
	shutdown(pair[1], SHUT_WR);
	run(pair[0]);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
