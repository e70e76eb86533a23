/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the answering side of a register device's process boundary. A step is a
 * byte: what in its low 2 bits, a number in the next 4, and in the highest 2 how
 * many descriptors come with it.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "process/regs_message.h"
#include "process/regs_server.h"
#include "support/must.h"
#include "sys/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_STEPS 256
#define SCRATCH	  7

enum { REQUEST, BYTES, EOI, CLOSE };

struct script {
	const uint8_t *data;
	size_t left;
	int sock;
	int fds[3]; /* trigger, resample and one too many */
};

static uint64_t take(struct script *s, unsigned int len)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < len && s->left > 0; i++, s->left--)
		v |= (uint64_t)*s->data++ << (8 * i);
	return v;
}

static void talk(struct script *s, void *data, size_t len, unsigned int n_fds)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };

	cv_ignore(cv_msg_send(s->sock, &iov, 1, s->fds, n_fds, cv_msg_deadline(0)));
}

static void request(struct script *s, unsigned int op, unsigned int n_fds)
{
	struct cv_regs_request q = { .op = (uint8_t)op, .tag = le32(op) };

	q.len = (uint8_t)take(s, 1);
	q.off = le64(take(s, 1));
	q.val = le64(take(s, 4));
	talk(s, &q, sizeof(q), n_fds);
}

static void step(struct script *s)
{
	unsigned int how = (unsigned int)take(s, 1), n = how >> 2 & 15;
	uint8_t bytes[4096];

	switch (how & 3) {
	case REQUEST:
		request(s, n, how >> 6);
		break;
	case BYTES:
		for (unsigned int i = 0; i < n; i++)
			bytes[i] = (uint8_t)take(s, 1);
		talk(s, bytes, n, how >> 6);
		break;
	case EOI:
		cv_event_signal(s->fds[1]);
		break;
	case CLOSE:
		shutdown(s->sock, n & 1 ? SHUT_WR : SHUT_RD);
		break;
	}
	while (recv(s->sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void check_alive(struct cv_regs_server *server)
{
	struct cv_rslot *slot = cv_regs_server_slot(server);

	slot->ops->reset(slot);
	slot->ops->write(slot, SCRATCH, 1, 0x5a);
	must(slot->ops->read(slot, SCRATCH, 1) == 0x5a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { .data = data, .left = size };
	struct cv_log log = { 0 };
	struct cv_regs_server_config config = { .cls = cv_class_find("serial"), .log = &log };
	struct cv_regs_server *server;
	struct vm_error e;
	void *options;
	int fds[2];

	must(config.cls && cv_class_configure(config.cls, "", &options, &e) == 0);
	must(cv_loop_create_fake(&config.loop, NULL) == 0);
	config.config = options;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	s.sock = fds[1];
	for (size_t i = 0; i < CV_LEN(s.fds); i++)
		s.fds[i] = cv_event_create();
	must(cv_regs_server_create(&server, &config, &e) == 0);
	must(cv_regs_server_serve(server, fds[0], &e) == 0);
	for (unsigned int i = 0; i < MAX_STEPS && s.left > 0; i++) {
		step(&s);
		cv_loop_dispatch(config.loop);
	}
	close(s.sock);
	cv_regs_server_close(server);
	check_alive(server);
	cv_regs_server_destroy(server);
	cv_class_config_destroy(config.cls, options);
	cv_loop_destroy(config.loop);
	for (size_t i = 0; i < CV_LEN(s.fds); i++)
		close(s.fds[i]);
	return 0;
}
