/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's end of a character device, over every kind of descriptor. */
#include "tty/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "support/check_main.h"

/* A device that takes @room bytes of input and counts its callbacks. */
struct dev {
	struct cv_tty tty;
	struct cv_loop *loop;
	pthread_mutex_t lock;
	struct cv_log log;
	char got[65536];
	size_t n_got, room;
	unsigned int n_writable, n_warnings;
};

static void sink(void *user, enum vm_log_level level, const char *text)
{
	struct dev *d = user;

	(void)level;
	(void)text;
	d->n_warnings++;
}

static void readable(void *ctx)
{
	struct dev *d = ctx;
	size_t n = cv_tty_read(&d->tty, d->got + d->n_got, cv_min(d->room, (size_t)7));

	d->n_got += n;
	d->room -= n;
	if (d->room == 0)
		cv_tty_want_input(&d->tty, false);
}

static void writable(void *ctx)
{
	struct dev *d = ctx;

	d->n_writable++;
}

static void open_dev(struct dev *d, int in, int out)
{
	memset(d, 0, sizeof(*d));
	pthread_mutex_init(&d->lock, NULL);
	d->log = (struct cv_log){ .sink = sink, .user = d };
	ck_assert_int_eq(cv_loop_create_fake(&d->loop, NULL), 0);
	cv_tty_init(&d->tty, &(struct cv_tty_config){ .loop = d->loop,
						      .lock = &d->lock,
						      .log = &d->log,
						      .name = "dev",
						      .in_fd = in,
						      .out_fd = out,
						      .readable = readable,
						      .writable = writable,
						      .ctx = d });
}

static void close_dev(struct dev *d)
{
	cv_tty_fini(&d->tty);
	cv_loop_destroy(d->loop);
}

/* Input from @in, fed through @feed: nothing before it is wanted, no more than there is room. */
static void check_input(int in, int feed)
{
	static struct dev d;

	open_dev(&d, in, -1);
	ck_assert_int_eq(write(feed, "0123456789abcdefghij\n", 21), 21);
	ck_assert_uint_eq(cv_loop_dispatch(d.loop), 0);
	d.room = 10;
	cv_tty_want_input(&d.tty, true);
	cv_loop_dispatch(d.loop);
	ck_assert_uint_eq(d.n_got, 10);
	ck_assert_uint_eq(cv_loop_dispatch(d.loop), 0);
	d.room = 100;
	cv_tty_want_input(&d.tty, true);
	cv_loop_dispatch(d.loop);
	ck_assert_uint_eq(d.n_got, 21);
	ck_assert_int_eq(memcmp(d.got, "0123456789abcdefghij\n", 21), 0);
	ck_assert_uint_eq(cv_loop_dispatch(d.loop), 0);
	close(feed);
	cv_loop_dispatch(d.loop);
	ck_assert_uint_eq(cv_loop_dispatch(d.loop), 0); /* the end does not spin */
	ck_assert_uint_eq(cv_tty_read(&d.tty, d.got, 1), 0);
	close_dev(&d);
	ck_assert_int_ge(fcntl(in, F_GETFD), 0);
}

START_TEST(input_of_all_kinds)
{
	int fds[2], master;

	ck_assert_int_eq(pipe(fds), 0);
	check_input(fds[0], fds[1]);
	ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	check_input(fds[0], fds[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_input(fds[0], fds[1]);
	ck_assert_int_eq(openpty(&master, &fds[0], NULL, NULL, NULL), 0);
	check_input(fds[0], master);
}
END_TEST

START_TEST(input_from_a_file)
{
	static struct dev d;
	FILE *f = tmpfile();

	fputs("a file cannot be watched", f);
	fflush(f);
	rewind(f);
	open_dev(&d, fileno(f), -1);
	d.room = 6;
	cv_tty_want_input(&d.tty, true);
	cv_loop_dispatch(d.loop);
	ck_assert_uint_eq(d.n_got, 6);
	d.room = 100;
	cv_tty_want_input(&d.tty, true);
	cv_loop_dispatch(d.loop);
	ck_assert_uint_eq(d.n_got, 24);
	ck_assert_uint_eq(cv_loop_dispatch(d.loop), 0);
	close_dev(&d);
	fclose(f);
}
END_TEST

/* Fills the output until it takes no more; how many bytes it took. */
static size_t fill(struct dev *d)
{
	static uint8_t next;
	uint8_t piece[61];
	size_t total = 0, n;

	do {
		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = (uint8_t)(next + i);
		n = cv_tty_write(&d->tty, piece, sizeof(piece));
		next = (uint8_t)(next + n);
		total += n;
	} while (n == sizeof(piece));
	next = 0;
	return total;
}

/* A slow reader at @tap: nothing is lost, nothing blocks, and room is told. */
static void check_output(int out, int tap)
{
	static struct dev d;
	uint8_t byte = 0, buf[512];
	size_t total, seen = 0;
	ssize_t n;

	open_dev(&d, -1, out);
	ck_assert_int_eq(fcntl(tap, F_SETFL, O_NONBLOCK), 0);
	total = fill(&d);
	ck_assert_uint_gt(total, CV_TTY_BUF);
	ck_assert_uint_eq(cv_tty_room(&d.tty), 0);
	for (unsigned int idle = 0; idle < 3; idle++) {
		cv_loop_dispatch(d.loop);
		while ((n = read(tap, buf, sizeof(buf))) > 0) {
			for (ssize_t i = 0; i < n; i++)
				ck_assert_uint_eq(buf[i], byte++);
			seen += (size_t)n;
			idle = 0;
			cv_loop_dispatch(d.loop);
		}
	}
	ck_assert_uint_eq(seen, total);
	ck_assert_uint_gt(d.n_writable, 0);
	ck_assert_uint_eq(cv_tty_room(&d.tty), CV_TTY_BUF);
	ck_assert_uint_eq(cv_loop_dispatch(d.loop), 0);
	close_dev(&d);
	close(out);
	close(tap);
}

START_TEST(output_of_all_kinds)
{
	struct termios raw;
	int fds[2];

	for (unsigned int flags = 0; flags < 2; flags++) {
		ck_assert_int_eq(pipe2(fds, flags ? O_NONBLOCK : 0), 0);
		check_output(fds[1], fds[0]);
		ck_assert_int_eq(
			socketpair(AF_UNIX, SOCK_STREAM | (flags ? SOCK_NONBLOCK : 0), 0, fds), 0);
		check_output(fds[1], fds[0]);
		ck_assert_int_eq(openpty(&fds[0], &fds[1], NULL, NULL, NULL), 0);
		tcgetattr(fds[1], &raw);
		cfmakeraw(&raw);
		tcsetattr(fds[1], TCSANOW, &raw);
		if (flags)
			ck_assert_int_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
		check_output(fds[1], fds[0]);
	}
}
END_TEST

static int open_raw_pty(int *master)
{
	struct termios raw;
	int slave;

	ck_assert_int_eq(openpty(master, &slave, NULL, NULL, NULL), 0);
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	return slave;
}

/* A terminal is ready for writing long before it has room for all of a piece. */
START_TEST(a_terminal_does_not_block)
{
	static struct dev d;
	static char text[100000];
	int master, slave = open_raw_pty(&master);

	alarm(10);
	open_dev(&d, -1, slave);
	ck_assert_uint_lt(cv_tty_write(&d.tty, text, sizeof(text)), sizeof(text));
	cv_loop_dispatch(d.loop);
	ck_assert_uint_eq(cv_tty_room(&d.tty), 0);
	close_dev(&d);
	alarm(0);
	close(slave);
	close(master);
}
END_TEST

/* Nobody at the other end of a terminal is not the end. */
START_TEST(input_comes_back)
{
	static struct dev d;
	int master, slave = open_raw_pty(&master);
	char name[64];

	ck_assert_int_eq(ttyname_r(slave, name, sizeof(name)), 0);
	close(slave);
	open_dev(&d, master, -1);
	d.room = 100;
	cv_tty_want_input(&d.tty, true);
	cv_loop_dispatch(d.loop);
	ck_assert_uint_eq(cv_loop_dispatch(d.loop), 0); /* no spinning */
	slave = open(name, O_RDWR | O_NOCTTY);
	ck_assert_int_eq(write(slave, "back", 4), 4);
	cv_loop_fake_advance(d.loop, 999999999);
	ck_assert_uint_eq(d.n_got, 0);
	cv_loop_fake_advance(d.loop, 1);
	ck_assert_uint_eq(d.n_got, 4);
	close_dev(&d);
	close(slave);
	close(master);
}
END_TEST

/* The output cannot be watched any more: it is lost, and the device is told to go on. */
START_TEST(lost_output_makes_room)
{
	static struct dev d;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	open_dev(&d, -1, fds[1]);
	fill(&d);
	ck_assert_uint_eq(cv_tty_room(&d.tty), 0);
	close(fds[1]);
	cv_loop_dispatch(d.loop);
	ck_assert_uint_eq(cv_tty_room(&d.tty), CV_TTY_BUF);
	ck_assert_uint_eq(d.n_writable, 1);
	close_dev(&d);
	close(fds[0]);
}
END_TEST

START_TEST(no_output_takes_everything)
{
	static struct dev d;

	open_dev(&d, -1, -1);
	ck_assert_uint_eq(cv_tty_write(&d.tty, d.got, sizeof(d.got)), sizeof(d.got));
	ck_assert_uint_eq(cv_tty_room(&d.tty), CV_TTY_BUF);
	cv_tty_want_input(&d.tty, true);
	ck_assert_uint_eq(cv_loop_dispatch(d.loop), 0);
	close_dev(&d);
}
END_TEST

/* Whoever listened has gone: no signal, one message, and the guest goes on. */
static void check_broken(int out, int tap)
{
	static struct dev d;
	sigset_t pending;

	open_dev(&d, -1, out);
	close(tap);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_uint_eq(cv_tty_write(&d.tty, "x", 1), 1);
	ck_assert_uint_eq(d.n_warnings, 1);
	sigpending(&pending);
	ck_assert(!sigismember(&pending, SIGPIPE));
	close_dev(&d);
	close(out);
}

START_TEST(broken_output)
{
	int fds[2];

	ck_assert_ptr_ne(signal(SIGPIPE, SIG_DFL), SIG_ERR);
	ck_assert_int_eq(pipe(fds), 0);
	check_broken(fds[1], fds[0]);
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	check_broken(fds[1], fds[0]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_broken(fds[1], fds[0]);
	fds[1] = open("/dev/full", O_WRONLY);
	fds[0] = open("/dev/null", O_RDONLY);
	check_broken(fds[1], fds[0]);
}
END_TEST

static void *drain_slowly(void *arg)
{
	char buf[4096];
	int fd = *(int *)arg;
	size_t *n = calloc(1, sizeof(*n));
	ssize_t got;

	while ((got = read(fd, buf, sizeof(buf))) > 0) {
		*n += (size_t)got;
		usleep(500);
	}
	return n;
}

static void *drain_late(void *arg)
{
	usleep(50000);
	return drain_slowly(arg);
}

START_TEST(last_words_are_kept)
{
	static struct dev d;
	size_t total, *seen;
	pthread_t t;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	open_dev(&d, -1, fds[1]);
	total = fill(&d);
	pthread_create(&t, NULL, drain_slowly, &fds[0]);
	close_dev(&d);
	close(fds[1]);
	pthread_join(t, (void **)&seen);
	ck_assert_uint_eq(*seen, total);
	free(seen);
	cv_tty_fini(&(struct cv_tty){ 0 });
	cv_tty_fini(NULL);
}
END_TEST

static void nothing(int sig)
{
	(void)sig;
}

START_TEST(last_words_despite_signals)
{
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };
	struct sigaction on_alarm = { .sa_handler = nothing };
	static struct dev d;
	size_t total, *seen;
	sigset_t set;
	pthread_t t;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	open_dev(&d, -1, fds[1]);
	total = fill(&d);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&t, NULL, drain_late, &fds[0]);
	sigaction(SIGALRM, &on_alarm, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	close_dev(&d);
	setitimer(ITIMER_REAL, &never, NULL);
	close(fds[1]);
	pthread_join(t, (void **)&seen);
	ck_assert_uint_eq(*seen, total);
	free(seen);
}
END_TEST

CHECK_MAIN("tty", input_of_all_kinds, input_from_a_file, output_of_all_kinds,
	   no_output_takes_everything, broken_output, last_words_are_kept,
	   a_terminal_does_not_block, input_comes_back, lost_output_makes_room,
	   last_words_despite_signals)
