/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program at a vhost-user socket that is not what it should be:
 *
 *   vhost-nonsense MODE SOCKET
 *
 * One connection, then it ends. As a back end: "refuses" (bound, but nobody
 * listens), "hangs" (never accepts), "silent" (reads and says nothing), "closes"
 * (at once), "noise" (answers with another protocol). As a front end: "speaks"
 * another protocol and waits until the other end has gone.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "support/must.h"

#define FIRST_MESSAGE 12u /* bytes of a request without payload */

static const char noise[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

static bool is(const char *mode, const char *name)
{
	return strcmp(mode, name) == 0;
}

static void make_noise(int fd)
{
	for (unsigned int i = 0; i < 8; i++)
		cv_ignore(send(fd, noise, sizeof(noise) - 1, MSG_NOSIGNAL)); /* it may have gone */
}

static void wait_for_end(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static void answer(const char *mode, int fd)
{
	char buf[FIRST_MESSAGE];

	if (is(mode, "closes"))
		return;
	must(recv(fd, buf, sizeof(buf), MSG_WAITALL) == (ssize_t)sizeof(buf));
	if (is(mode, "noise"))
		make_noise(fd);
	else
		wait_for_end(fd);
}

static int serve(const char *mode, int fd, const struct sockaddr_un *a)
{
	must(bind(fd, (const struct sockaddr *)a, sizeof(*a)) == 0);
	if (!is(mode, "refuses"))
		must(listen(fd, 1) == 0);
	if (is(mode, "refuses") || is(mode, "hangs"))
		pause(); /* until a signal */
	answer(mode, accept(fd, NULL, NULL));
	return 0;
}

static int speak(int fd, const struct sockaddr_un *a)
{
	must(connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0);
	make_noise(fd);
	wait_for_end(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(argc == 3 && strlen(argv[2]) < sizeof(a.sun_path) && fd >= 0);
	alarm(60);
	memcpy(a.sun_path, argv[2], strlen(argv[2]));
	return is(argv[1], "speaks") ? speak(fd, &a) : serve(argv[1], fd, &a);
}
