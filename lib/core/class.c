/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Classes by name, and their configurations: options parsed, files opened and
 * disk images locked, all before a device exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "core/dev.h"
#include "sys/fd.h"

const struct cv_class *cv_class_find(const char *name)
{
	for (const struct cv_class *const *c = cv_classes; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

/* A FILE row being opened, and what messages call it. */
struct opening {
	const char *what; /* the class's name */
	const struct cv_opt *row;
	struct cv_opt_file *file;
	bool read_only;
	int given; /* an open descriptor of the caller's, or -1: the path is opened */
};

static const char *object(const struct opening *o, char *buf, size_t size)
{
	if (o->file->path)
		return o->file->path;
	snprintf(buf, size, "descriptor %d", o->given);
	return buf;
}

static int fail(const struct opening *o, int err, const char *fault, struct vm_error *e)
{
	char buf[32];

	return cv_err(e, err, "%s: option %s: %s %s", o->what, o->row->name,
		      object(o, buf, sizeof(buf)), fault);
}

static const char *fault_of(const struct opening *o, int err)
{
	switch (-err) {
	case ENOENT:
		return "does not exist, check the name";
	case EACCES:
	case EPERM:
		if (o->row->access == CV_OPT_IMAGE && !o->read_only)
			return "may not be written, change its permissions or add ro=true";
		return "may not be opened, change its permissions";
	case EROFS:
		return "is on a read-only file system, add ro=true or move it";
	case EISDIR:
		return "is a directory, give a file";
	case ENXIO:
		return "is a socket or a FIFO that nobody reads, start the other side first";
	case EBADF:
		return "is not open, pass a descriptor that is";
	default:
		return NULL;
	}
}

static int fail_system(const struct opening *o, int err, struct vm_error *e)
{
	const char *fault = fault_of(o, err);
	char buf[32];

	if (fault)
		return fail(o, err, fault, e);
	return cv_err(e, err, "%s: option %s: %s cannot be opened: %s", o->what, o->row->name,
		      object(o, buf, sizeof(buf)), strerror(-err));
}

/* The descriptor that a path stands for: /proc/self/fd/N, /dev/fd/N, /dev/stdin…; or -1. */
static int named_fd(const char *path)
{
	static const char *const prefixes[] = { "/proc/self/fd/", "/dev/fd/" };
	static const char *const std[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
	uint64_t fd;

	for (size_t i = 0; i < CV_LEN(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(path, prefixes[i], len) == 0 && cv_str_u64(path + len, &fd) == 0 &&
		    fd < INT32_MAX)
			return (int)fd;
	}
	for (size_t i = 0; i < CV_LEN(std); i++)
		if (strcmp(path, std[i]) == 0)
			return (int)i;
	return -1;
}

/* O_NONBLOCK: a FIFO must not stop us here, and streams are used without blocking. */
static int open_flags(const struct opening *o)
{
	const int common = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	switch (o->row->access) {
	case CV_OPT_READ:
		return common | O_RDONLY;
	case CV_OPT_READWRITE:
		return common | O_RDWR;
	case CV_OPT_CREATE_APPEND:
		return common | O_WRONLY | O_APPEND | O_CREAT;
	case CV_OPT_IMAGE:
		return common | (o->read_only ? O_RDONLY : O_RDWR);
	}
	return common;
}

static int open_path(const struct opening *o, struct vm_error *e)
{
	int err, fd = open(o->file->path, open_flags(o), 0666);
	struct stat st;

	if (fd < 0) {
		err = -errno;
		return fail_system(o, err, e);
	}
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && o->row->access == CV_OPT_READ) {
		/* one that we could write ourselves does not end when its first writer leaves */
		int both = open(o->file->path, (open_flags(o) & ~O_ACCMODE) | O_RDWR);

		if (both >= 0) {
			close(fd);
			fd = both;
		}
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		return fail_system(o, -EISDIR, e);
	}
	return fd;
}

/* A description of our own behind the caller's descriptor, with its access and what it promises of
 * writes; or -errno. */
static int reopen(int given, int flags)
{
	const int kept = flags & (O_ACCMODE | O_DIRECT | O_DSYNC | O_SYNC);
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", given);
	fd = open(path, kept | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/*
 * Whether a stream may be opened anew, which lets us read and write it without
 * blocking and without changing the flags that we share with the caller (and
 * its shell): pipes and terminals, but not a terminal's master side, which
 * would become another terminal, nor files, whose position would be lost.
 */
static bool stream_reopens(int given)
{
	struct stat st;
	unsigned int number;

	if (fstat(given, &st) < 0)
		return false;
	return S_ISFIFO(st.st_mode) ||
	       (S_ISCHR(st.st_mode) && isatty(given) && ioctl(given, TIOCGPTN, &number) < 0);
}

static int take_stream(const struct opening *o, int flags, struct vm_error *e)
{
	int fd = stream_reopens(o->given) ? reopen(o->given, flags) : -1;

	if (fd >= 0)
		return fd;
	fd = cv_fd_dup(o->given);
	return fd < 0 ? fail_system(o, fd, e) : fd;
}

static int check_access(const struct opening *o, int flags, struct vm_error *e)
{
	int mode = flags & O_ACCMODE;
	bool writes = o->row->access != CV_OPT_READ && !o->read_only;
	bool reads = o->row->access != CV_OPT_CREATE_APPEND;

	if (writes && mode == O_RDONLY)
		return fail(o, -EACCES,
			    o->row->access == CV_OPT_IMAGE
				    ? "is open for reading only, open it for both or add ro=true"
				    : "is open for reading only, open it for writing",
			    e);
	if (reads && mode == O_WRONLY)
		return fail(o, -EACCES, "is open for writing only, open it for reading", e);
	return 0;
}

/* ---- images ---- */

#define LOCK_MS	      300
#define LOCK_PAUSE_MS 10

static int check_image(const struct opening *o, int fd, struct vm_error *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_system(o, -errno, e);
	if (S_ISDIR(st.st_mode))
		return fail_system(o, -EISDIR, e);
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		return fail(o, -EINVAL, "is a FIFO or a socket, give a file or a block device", e);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail(o, -EINVAL, "is not a disk, give a file or a block device", e);
	return 0;
}

/* The processes of a VM that was killed have its images until they have ended too, a moment later:
 * whoever starts it again at once need not know. */
static int lock_image(const struct opening *o, int fd)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000 };
	int err = -EWOULDBLOCK;

	for (unsigned int i = 0; err == -EWOULDBLOCK && i <= LOCK_MS / LOCK_PAUSE_MS; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		do
			err = flock(fd, (o->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0 ? -errno
											  : 0;
		while (err == -EINTR);
	}
	return err;
}

static int fail_lock(const struct opening *o, int err, struct vm_error *e)
{
	char buf[32];

	if (err == -EWOULDBLOCK)
		return fail(
			o, -EBUSY,
			o->given < 0
				? "is the image of another VM too; stop that one or open both "
				  "read-only (ro=true)"
				: "is locked by another VM or by the caller; stop that VM, "
				  "open both read-only (ro=true) or pass an unlocked descriptor",
			e);
	return cv_err(e, err,
		      "%s: option %s: %s cannot be locked: %s; move it to a file system "
		      "with locks",
		      o->what, o->row->name, object(o, buf, sizeof(buf)), strerror(-err));
}

/* O_NONBLOCK has done its work in open(); it would make io_uring give up early. */
static int finish_image(const struct opening *o, int fd, struct vm_error *e)
{
	int err = check_image(o, fd, e);

	if (err)
		return err;
	err = cv_fd_set_nonblock(fd, false);
	return err ? fail_system(o, err, e) : 0;
}

static int open_image(const struct opening *o, struct vm_error *e)
{
	CV_AUTO_FD int fd = open_path(o, e);
	int err, ret;

	if (fd < 0)
		return fd;
	err = finish_image(o, fd, e);
	if (err)
		return err;
	err = lock_image(o, fd);
	if (err)
		return fail_lock(o, err, e);
	ret = fd;
	fd = -1;
	return ret;
}

/*
 * The lock belongs to the open file description: one of our own lets two VMs
 * of one process that were given the same descriptor notice each other, and
 * leaves a lock of the caller's alone. Only where nothing can be opened anew
 * (no /proc, no permission) the caller's description has to do.
 */
static int take_image(const struct opening *o, int flags, struct vm_error *e)
{
	CV_AUTO_FD int fd = -1;
	int ret, err = check_image(o, o->given, e);

	if (err)
		return err;
	fd = reopen(o->given, flags);
	if (fd >= 0)
		err = cv_fd_set_nonblock(fd, false);
	else
		fd = cv_fd_dup(o->given);
	if (fd < 0 || err)
		return fail_system(o, err ?: fd, e);
	err = lock_image(o, fd);
	if (err)
		return fail_lock(o, err, e);
	ret = fd;
	fd = -1;
	return ret;
}

/* ---- a class's files ---- */

static int take_given(const struct opening *o, struct vm_error *e)
{
	int flags = fcntl(o->given, F_GETFL), err;

	if (flags < 0) {
		err = -errno;
		return fail_system(o, err, e);
	}
	err = check_access(o, flags, e);
	if (err)
		return err;
	return o->row->access == CV_OPT_IMAGE ? take_image(o, flags, e) : take_stream(o, flags, e);
}

static int open_file(struct opening *o, struct vm_error *e)
{
	int fd;

	if (o->given >= 0)
		fd = take_given(o, e);
	else if (o->row->access == CV_OPT_IMAGE)
		fd = open_image(o, e);
	else
		fd = open_path(o, e);
	o->file->fd_plus1 = fd < 0 ? 0 : fd + 1;
	o->file->read_only = o->read_only;
	return fd < 0 ? fd : 0;
}

static struct cv_opt_file *file_of(const struct cv_opt *row, void *config)
{
	return (struct cv_opt_file *)(void *)((char *)config + row->off);
}

/* After a failure the rest of "fd=N" numbers are still the caller's. */
static int open_files(const struct cv_class *cls, void *config, struct vm_error *e)
{
	bool ro = cv_opt_flag(cls->opts, config, "ro");
	int err = 0;

	for (const struct cv_opt *row = cls->opts; row && row->name; row++) {
		struct opening o = { .what = cls->name, .row = row, .given = -1 };

		if (row->kind != CV_OPT_FILE)
			continue;
		o.file = file_of(row, config);
		o.read_only = row->access == CV_OPT_READ || (row->access == CV_OPT_IMAGE && ro);
		if (o.file->fd_plus1 > 0)
			o.given = o.file->fd_plus1 - 1;
		else if (o.file->path)
			o.given = named_fd(o.file->path);
		else
			continue;
		o.file->fd_plus1 = 0;
		err = err ?: open_file(&o, e);
	}
	return err;
}

int cv_class_configure(const struct cv_class *cls, const char *text, void **config,
		       struct vm_error *e)
{
	void *c = calloc(1, cls->config_size + 1);
	int err;

	if (!c)
		return cv_err(e, -ENOMEM, "%s: out of memory", cls->name);
	err = cv_opt_parse(cls->opts, cls->name, text, c, e);
	err = err ?: open_files(cls, c, e);
	if (err) {
		cv_class_config_destroy(cls, c);
		return err;
	}
	*config = c;
	return 0;
}

void cv_class_config_destroy(const struct cv_class *cls, void *config)
{
	if (!config)
		return;
	cv_opt_clear(cls->opts, config);
	free(config);
}

const struct cv_control *cv_class_control_find(const struct cv_class *cls, const char *op)
{
	for (const struct cv_control *c = cls->controls; c && c->name; c++)
		if (strcmp(c->name, op) == 0)
			return c;
	return NULL;
}

int cv_class_control_parse(const struct cv_class *cls, const char *op, const char *text,
			   const struct cv_control **control, void **args, struct vm_error *e)
{
	const struct cv_control *c = cv_class_control_find(cls, op);
	void *parsed;
	int err;

	if (!c)
		return cv_err(e, -ENOENT, "%s: there is no operation '%s'", cls->name, op);
	parsed = calloc(1, c->args_size + 1);
	if (!parsed)
		return cv_err(e, -ENOMEM, "%s: out of memory", cls->name);
	err = cv_opt_parse(c->args, op, text, parsed, e);
	if (err) {
		free(parsed);
		return err;
	}
	*control = c;
	*args = parsed;
	return 0;
}

void cv_control_args_destroy(const struct cv_control *control, void *args)
{
	cv_opt_clear(control->args, args);
	free(args);
}
