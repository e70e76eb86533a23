/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations: what may be opened, how, and image locks. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/dev.h"
#include "support/check_main.h"

struct disk_config {
	struct cv_opt_file path;
	bool ro;
	char *id;
};

static const struct cv_opt disk_opts[] = {
	{ .name = "path",
	  .kind = CV_OPT_FILE,
	  .off = offsetof(struct disk_config, path),
	  .access = CV_OPT_IMAGE,
	  .required = true },
	{ .name = "ro", .kind = CV_OPT_BOOL, .off = offsetof(struct disk_config, ro) },
	{ .name = "id", .kind = CV_OPT_STR, .off = offsetof(struct disk_config, id) },
	CV_OPT_END
};

static const struct cv_class disk = { .name = "disk",
				      .config_size = sizeof(struct disk_config),
				      .opts = disk_opts };

struct port_config {
	struct cv_opt_file in, out, both;
};

static const struct cv_opt port_opts[] = { { .name = "in",
					     .kind = CV_OPT_FILE,
					     .off = offsetof(struct port_config, in),
					     .access = CV_OPT_READ },
					   { .name = "out",
					     .kind = CV_OPT_FILE,
					     .off = offsetof(struct port_config, out),
					     .access = CV_OPT_CREATE_APPEND },
					   { .name = "both",
					     .kind = CV_OPT_FILE,
					     .off = offsetof(struct port_config, both),
					     .access = CV_OPT_READWRITE },
					   CV_OPT_END };

static const struct cv_class port = { .name = "port",
				      .config_size = sizeof(struct port_config),
				      .opts = port_opts };

static char dir[] = "/tmp/crosvm-class-XXXXXX";

static void enter(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void leave(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(cmd), 0);
}

static void make_file(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void *configure(const struct cv_class *cls, const char *text)
{
	struct vm_error e = { 0 };
	void *config = NULL;

	ck_assert_msg(cv_class_configure(cls, text, &config, &e) == 0, "%s", e.text);
	return config;
}

/* Expects the failure @code and @part in its sentence. */
static void refuses(const struct cv_class *cls, const char *text, int code, const char *part)
{
	struct vm_error e = { 0 };
	void *config = NULL;

	ck_assert_int_eq(cv_class_configure(cls, text, &config, &e), code);
	ck_assert_ptr_null(config);
	ck_assert_int_eq(e.code, -code);
	ck_assert_msg(strstr(e.text, part), "'%s' lacks '%s'", e.text, part);
	ck_assert_msg(strncmp(e.text, cls->name, strlen(cls->name)) == 0, "%s", e.text);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int fd_of(const struct cv_opt_file *f)
{
	return f->fd_plus1 - 1;
}

START_TEST(image_opens_and_locks)
{
	struct disk_config *a, *b;
	int before;

	enter();
	make_file("a.img", "disk");
	before = count_fds();
	a = configure(&disk, "path=a.img,id=x");
	ck_assert_int_eq(fcntl(fd_of(&a->path), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
	ck_assert_int_eq(fcntl(fd_of(&a->path), F_GETFD), FD_CLOEXEC);
	ck_assert(!a->path.read_only);
	refuses(&disk, "path=a.img", -EBUSY, "another VM");
	refuses(&disk, "path=a.img,ro=true", -EBUSY, "read-only");
	cv_class_config_destroy(&disk, a);
	a = configure(&disk, "path=a.img,ro");
	b = configure(&disk, "path=a.img,ro=true");
	ck_assert(b->path.read_only);
	ck_assert_int_eq(fcntl(fd_of(&b->path), F_GETFL) & O_ACCMODE, O_RDONLY);
	refuses(&disk, "path=a.img", -EBUSY, "another VM");
	cv_class_config_destroy(&disk, a);
	cv_class_config_destroy(&disk, b);
	ck_assert_int_eq(count_fds(), before);
	leave();
}
END_TEST

START_TEST(what_is_no_image)
{
	int before;

	enter();
	ck_assert_int_eq(mkdir("d", 0755), 0);
	ck_assert_int_eq(mkfifo("fifo", 0644), 0);
	before = count_fds();
	refuses(&disk, "path=d", -EISDIR, "d is a directory");
	refuses(&disk, "path=d,ro", -EISDIR, "d is a directory");
	refuses(&disk, "path=fifo", -EINVAL, "is a FIFO");
	refuses(&disk, "path=fifo,ro", -EINVAL, "is a FIFO");
	refuses(&disk, "path=/dev/null", -EINVAL, "is not a disk");
	refuses(&disk, "path=none", -ENOENT, "none does not exist");
	refuses(&disk, "path=d/e/f", -ENOENT, "does not exist");
	refuses(&disk, "", -EINVAL, "path is missing");
	ck_assert_int_eq(count_fds(), before);
	leave();
}
END_TEST

START_TEST(image_without_permission)
{
	enter();
	make_file("a.img", "disk");
	ck_assert_int_eq(chmod("a.img", 0444), 0);
	ck_assert_int_eq(chmod(".", 0755), 0);
	if (geteuid() != 0 || seteuid(65534) == 0) {
		refuses(&disk, "path=a.img", -EACCES, "ro=true");
		cv_class_config_destroy(&disk, configure(&disk, "path=a.img,ro=true"));
		ck_assert_int_eq(geteuid() == 65534 ? seteuid(0) : 0, 0);
	}
	leave();
}
END_TEST

START_TEST(image_by_descriptor)
{
	struct disk_config *a;
	char text[64];
	int fd, other;

	enter();
	make_file("a.img", "disk");
	fd = open("a.img", O_RDWR);
	for (unsigned int i = 0; i < 3; i++) {
		const char *const ways[] = { "fd=%d", "path=/proc/self/fd/%d", "path=/dev/fd/%d" };

		snprintf(text, sizeof(text), ways[i], fd);
		a = configure(&disk, text);
		ck_assert_int_ne(fd_of(&a->path), fd);
		ck_assert_int_eq(fcntl(fd_of(&a->path), F_GETFD), FD_CLOEXEC);
		ck_assert_int_eq(fcntl(fd_of(&a->path), F_GETFL) & O_NONBLOCK, 0);
		/* the same descriptor for a second VM */
		refuses(&disk, text, -EBUSY, "another VM");
		cv_class_config_destroy(&disk, a);
	}
	/* the caller's own lock would let two VMs share it, and is not ours to change */
	other = open("a.img", O_RDWR);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	refuses(&disk, text, -EBUSY, "unlocked descriptor");
	snprintf(text, sizeof(text), "fd=%d,ro", fd);
	refuses(&disk, text, -EBUSY, "by the caller");
	ck_assert_int_eq(flock(other, LOCK_SH | LOCK_NB), -1);
	ck_assert_int_eq(flock(fd, LOCK_UN), 0);
	snprintf(text, sizeof(text), "fd=%d", fd);
	a = configure(&disk, text);
	cv_class_config_destroy(&disk, a);
	/* nothing of it stays behind */
	ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
	refuses(&disk, text, -EBUSY, "another VM");
	close(other);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0); /* still the caller's */
	close(fd);
	leave();
}
END_TEST

/* What the caller's descriptor promises of writes holds for ours. */
START_TEST(image_descriptor_keeps_its_manners)
{
	static const int manners[] = { O_DSYNC, O_SYNC, O_DIRECT };
	struct disk_config *a;
	char text[64];

	enter();
	make_file("a.img", "disk");
	for (size_t i = 0; i < CV_LEN(manners); i++) {
		int fd = open("a.img", O_RDWR | manners[i]);

		if (fd < 0) /* not every file system has O_DIRECT */
			continue;
		snprintf(text, sizeof(text), "fd=%d", fd);
		a = configure(&disk, text);
		ck_assert_int_eq(fcntl(fd_of(&a->path), F_GETFL) & (O_SYNC | O_DIRECT), manners[i]);
		cv_class_config_destroy(&disk, a);
		close(fd);
	}
	leave();
}
END_TEST

START_TEST(image_descriptor_of_the_wrong_kind)
{
	char text[64];
	int fd, pipes[2];

	enter();
	make_file("a.img", "disk");
	refuses(&disk, "fd=250", -EBADF, "descriptor 250 is not open");
	refuses(&disk, "fd=99999999999", -EINVAL, "fd");
	fd = open("a.img", O_RDONLY);
	snprintf(text, sizeof(text), "fd=%d", fd);
	refuses(&disk, text, -EACCES, "reading only");
	snprintf(text, sizeof(text), "fd=%d,ro", fd);
	cv_class_config_destroy(&disk, configure(&disk, text));
	close(fd);
	fd = open("a.img", O_WRONLY);
	snprintf(text, sizeof(text), "fd=%d", fd);
	refuses(&disk, text, -EACCES, "writing only");
	close(fd);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	snprintf(text, sizeof(text), "fd=%d,ro", fd);
	refuses(&disk, text, -EISDIR, "directory");
	close(fd);
	ck_assert_int_eq(pipe(pipes), 0);
	snprintf(text, sizeof(text), "fd=%d,ro", pipes[0]);
	refuses(&disk, text, -EINVAL, "FIFO");
	close(pipes[0]);
	close(pipes[1]);
	leave();
}
END_TEST

START_TEST(memfd_is_an_image)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	char text[32];

	snprintf(text, sizeof(text), "fd=%d", fd);
	cv_class_config_destroy(&disk, configure(&disk, text));
	close(fd);
}
END_TEST

START_TEST(failure_leaves_other_descriptors_alone)
{
	int fd = open("/dev/null", O_RDWR), before = count_fds();
	char text[64];

	snprintf(text, sizeof(text), "in=/nonexistent,out=/dev/fd/%d", fd);
	refuses(&port, text, -ENOENT, "option in: /nonexistent");
	snprintf(text, sizeof(text), "fd=%d,out=/nonexistent/x", fd);
	refuses(&port, text, -ENOENT, "option out");
	ck_assert_int_eq(count_fds(), before);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	close(fd);
}
END_TEST

START_TEST(streams)
{
	struct port_config *c;
	char buf[16];

	enter();
	make_file("in.txt", "hello");
	make_file("out.txt", "old ");
	c = configure(&port, "in=in.txt,out=out.txt");
	ck_assert_int_eq(read(fd_of(&c->in), buf, sizeof(buf)), 5);
	ck_assert(c->in.read_only);
	ck_assert_int_eq(write(fd_of(&c->out), "new", 3), 3);
	ck_assert_int_eq(c->both.fd_plus1, 0);
	cv_class_config_destroy(&port, c);
	c = configure(&port, "in=out.txt,out=made.txt");
	ck_assert_int_eq(read(fd_of(&c->in), buf, sizeof(buf)), 7);
	ck_assert_int_eq(memcmp(buf, "old new", 7), 0);
	cv_class_config_destroy(&port, c);
	ck_assert_int_eq(access("made.txt", F_OK), 0);
	refuses(&port, "out=.", -EISDIR, "directory");
	refuses(&port, "both=none", -ENOENT, "does not exist");
	leave();
}
END_TEST

START_TEST(fifos)
{
	struct port_config *c;
	char buf[8];
	int fd;

	enter();
	ck_assert_int_eq(mkfifo("in", 0600) | mkfifo("out", 0600), 0);
	refuses(&port, "out=out", -ENXIO, "nobody reads");
	c = configure(&port, "in=in"); /* does not wait for a writer */
	for (unsigned int i = 0; i < 2; i++) {
		fd = open("in", O_WRONLY | O_NONBLOCK);
		ck_assert_int_eq(write(fd, "abc", 3), 3);
		close(fd);
		ck_assert_int_eq(read(fd_of(&c->in), buf, sizeof(buf)), 3);
		/* not the end: another writer may come */
		ck_assert_int_eq(read(fd_of(&c->in), buf, sizeof(buf)), -1);
		ck_assert_int_eq(errno, EAGAIN);
	}
	cv_class_config_destroy(&port, c);
	leave();
}
END_TEST

static struct port_config *by_fd(const char *key, int fd)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=/proc/self/fd/%d", key, fd);
	return configure(&port, text);
}

/* The flags of a pipe or terminal are shared with whoever gave it: they stay as they are. */
START_TEST(shared_streams_stay_blocking)
{
	struct port_config *c;
	int master, slave, pipes[2], socks[2];
	char buf[8];

	ck_assert_int_eq(pipe(pipes), 0);
	c = by_fd("in", pipes[0]);
	ck_assert(fcntl(fd_of(&c->in), F_GETFL) & O_NONBLOCK);
	ck_assert_int_eq(fcntl(pipes[0], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
	ck_assert_int_eq(read(fd_of(&c->in), buf, sizeof(buf)), 1);
	cv_class_config_destroy(&port, c);
	c = by_fd("out", pipes[1]);
	ck_assert_int_eq(fcntl(pipes[1], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(write(fd_of(&c->out), "y", 1), 1);
	ck_assert_int_eq(read(pipes[0], buf, sizeof(buf)), 1);
	cv_class_config_destroy(&port, c);

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	c = by_fd("out", slave);
	ck_assert_int_eq(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(write(fd_of(&c->out), "z", 1), 1);
	ck_assert_int_eq(read(master, buf, sizeof(buf)), 1);
	cv_class_config_destroy(&port, c);
	/* the master opened anew would be another terminal */
	c = by_fd("out", master);
	ck_assert_int_eq(write(fd_of(&c->out), "w\n", 2), 2);
	ck_assert_int_eq(read(slave, buf, sizeof(buf)), 2);
	cv_class_config_destroy(&port, c);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	c = by_fd("both", socks[0]);
	ck_assert_int_eq(write(fd_of(&c->both), "s", 1), 1);
	ck_assert_int_eq(read(socks[1], buf, sizeof(buf)), 1);
	cv_class_config_destroy(&port, c);
}
END_TEST

START_TEST(classes_by_name)
{
	ck_assert_ptr_eq(cv_class_find("no such"), NULL);
	for (const struct cv_class *const *c = cv_classes; *c; c++)
		ck_assert_ptr_eq(cv_class_find((*c)->name), *c);
	cv_class_config_destroy(&disk, NULL);
}
END_TEST

CHECK_MAIN("class", image_opens_and_locks, what_is_no_image, image_without_permission,
	   image_by_descriptor, image_descriptor_keeps_its_manners,
	   image_descriptor_of_the_wrong_kind, memfd_is_an_image,
	   failure_leaves_other_descriptors_alone, streams, fifos, shared_streams_stay_blocking,
	   classes_by_name)
