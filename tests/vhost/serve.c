/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Serves one device over vhost-user to one front end after another:
 *
 *   vhost-serve CLASS OPTIONS SOCKET
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/must.h"
#include "sys/fd.h"
#include "sys/loop.h"
#include "vhost/user_backend.h"
#include "virtio/vslot_local.h"

struct server {
	struct cv_log log;
	struct cv_loop *loop;
	struct cv_vhost_backend *b;
	struct cv_watch watch;
};

static void print(void *user, enum vm_log_level level, const char *message)
{
	(void)user;
	(void)level;
	fprintf(stderr, "%s\n", message);
}

static void on_connect(struct cv_watch *w, uint32_t events CV_UNUSED)
{
	struct server *s = cv_container_of(w, struct server, watch);
	struct vm_error e;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && cv_vhost_backend_serve(s->b, fd, &e))
		fprintf(stderr, "%s\n", e.text);
}

static void on_closed(void *ctx CV_UNUSED, const char *why)
{
	fprintf(stderr, "the front end has gone%s%s\n", why ? ": its message " : "", why ?: "");
}

static int listen_on(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	must(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path));
	must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 4) == 0);
	return fd;
}

int main(int argc, char **argv)
{
	const struct cv_vslot_local_config local = { .packed = true };
	struct server s = { .log = { .sink = print, .level = VM_LOG_INFO } };
	const struct cv_class *cls = argc == 4 ? cv_class_find(argv[1]) : NULL;
	struct cv_vslot *slot;
	struct vm_error e;
	void *config;

	if (!cls || !cls->virtio || cv_class_configure(cls, argv[2], &config, &e)) {
		fprintf(stderr, "vhost-serve CLASS OPTIONS SOCKET%s%s\n", cls ? ": " : "",
			cls ? e.text : "");
		return 2;
	}
	must(cv_loop_create(&s.loop, NULL) == 0);
	must(cv_vhost_backend_create(&s.b,
				     &(struct cv_vhost_backend_config){ .name = cls->name,
									.loop = s.loop,
									.log = &s.log,
									.closed = on_closed },
				     NULL) == 0);
	must(cv_vslot_local_create(&slot, cls,
				   &(struct cv_env){ .mem = cv_vhost_backend_mem(s.b),
						     .loop = s.loop,
						     .log = &s.log },
				   config, &local, NULL) == 0);
	cv_vhost_backend_set_slot(s.b, slot);
	s.watch.fn = on_connect;
	must(cv_watch_add(s.loop, &s.watch, listen_on(argv[3]), EPOLLIN) == 0);
	return cv_loop_run(s.loop) != 0;
}
