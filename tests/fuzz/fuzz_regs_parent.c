/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the asking side of a register device's process boundary with what its
 * peer sends ahead of the questions. A step is a byte: the operation in its low 3
 * bits, a length in the rest.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/math.h"
#include "process/regs_client.h"
#include "process/regs_message.h"
#include "support/must.h"
#include "sys/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_STEPS 64

enum { READ, WRITE, RESET, HONEST, BYTES, DESCRIPTORS, CLOSE, DRAIN };

struct peer {
	const uint8_t *data;
	size_t left;
	int sock;
	uint32_t tag; /* of the last honest answer */
	unsigned int n_lost;
	struct cv_regs_client *client;
};

static uint64_t take(struct peer *p, unsigned int len)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < len && p->left > 0; i++, p->left--)
		v |= (uint64_t)*p->data++ << (8 * i);
	return v;
}

static void on_lost(void *ctx, const char *why)
{
	struct peer *p = ctx;

	must(why && p->n_lost++ == 0);
}

static void talk(struct peer *p, unsigned int len, bool with_fd)
{
	uint8_t bytes[32];
	struct iovec iov = { .iov_base = bytes, .iov_len = len };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (unsigned int i = 0; i < len; i++)
		bytes[i] = (uint8_t)take(p, 1);
	cv_ignore(cv_msg_send(p->sock, &iov, 1, &null, with_fd, cv_msg_deadline(0)));
	close(null);
}

static void honest(struct peer *p)
{
	struct cv_regs_reply r = { .tag = le32(++p->tag), .val = le64(take(p, 8)) };

	cv_ignore(send(p->sock, &r, sizeof(r), MSG_NOSIGNAL | MSG_DONTWAIT));
}

static void check_read(struct peer *p, uint64_t off, unsigned int len)
{
	bool lost = p->n_lost > 0;
	uint64_t val = cv_regs_client_read(p->client, off, len);

	must(len > 8 || val <= cv_ones(len));
	must(!lost || val == cv_ones(len));
	must(cv_regs_client_connected(p->client) == (p->n_lost == 0));
}

static void step(struct peer *p)
{
	unsigned int how = (unsigned int)take(p, 1), len = how >> 3;
	char bytes[4096];

	switch (how & 7) {
	case READ:
		check_read(p, take(p, 1), len);
		break;
	case WRITE:
		cv_regs_client_write(p->client, take(p, 1), len, take(p, 4));
		break;
	case RESET:
		cv_regs_client_reset(p->client);
		break;
	case HONEST:
		honest(p);
		break;
	case BYTES:
		talk(p, len, false);
		break;
	case DESCRIPTORS:
		talk(p, len, true);
		break;
	case CLOSE:
		shutdown(p->sock, SHUT_WR);
		break;
	case DRAIN:
		while (recv(p->sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer p = { .data = data, .left = size };
	const struct cv_regs_client_config config = {
		.span = 64, .timeout_ms = 1, .lost = on_lost, .ctx = &p
	};
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	p.sock = fds[1];
	must(cv_regs_client_create(&p.client, &config, fds[0], NULL) == 0);
	for (unsigned int i = 0; i < MAX_STEPS && p.left > 0; i++)
		step(&p);
	close(p.sock);
	cv_regs_client_sync(p.client);
	must(p.n_lost == 1);
	check_read(&p, 0, 4);
	cv_regs_client_destroy(p.client);
	return 0;
}
