/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors: ownership, whole transfers, events, sizes. */
#include "sys/fd.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/overfill.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(zeroed_owns_nothing)
{
	struct cv_fd f = { 0 };

	ck_assert_int_eq(cv_fd_get(&f), -1);
	cv_fd_close(&f);
	ck_assert(is_open(0));
	ck_assert_int_eq(cv_fd_take(&f), -1);
}
END_TEST

START_TEST(close_and_take)
{
	struct cv_fd f = { 0 };
	int fd = cv_event_create();

	cv_fd_set(&f, fd);
	ck_assert_int_eq(cv_fd_get(&f), fd);
	ck_assert_int_eq(cv_fd_take(&f), fd);
	ck_assert(is_open(fd));
	cv_fd_set(&f, fd);
	cv_fd_close(&f);
	ck_assert(!is_open(fd));
	ck_assert_int_eq(cv_fd_get(&f), -1);
}
END_TEST

START_TEST(local_fd_closes_itself)
{
	int fd;
	{
		CV_AUTO_FD int local = cv_event_create();

		fd = local;
		ck_assert(is_open(fd));
	}
	ck_assert(!is_open(fd));
}
END_TEST

START_TEST(duplicates_are_cloexec)
{
	int fd = cv_event_create();
	int copy = cv_fd_dup(fd);

	ck_assert_int_ge(copy, 0);
	ck_assert_int_eq(fcntl(copy, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	close(copy);
	ck_assert_int_eq(cv_fd_dup(copy), -EBADF);
}
END_TEST

START_TEST(nonblock)
{
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(cv_fd_set_nonblock(p[0], true), 0);
	ck_assert(fcntl(p[0], F_GETFL) & O_NONBLOCK);
	ck_assert_int_eq(cv_fd_set_nonblock(p[0], false), 0);
	ck_assert(!(fcntl(p[0], F_GETFL) & O_NONBLOCK));
	close(p[0]);
	close(p[1]);
	ck_assert_int_eq(cv_fd_set_nonblock(p[0], true), -EBADF);
}
END_TEST

START_TEST(whole_transfers)
{
	char buf[8];
	int fd = memfd_create("t", MFD_CLOEXEC);

	ck_assert_int_eq(cv_write_full(fd, "01234567", 8), 0);
	ck_assert_int_eq(cv_pwrite_full(fd, "ab", 2, 2), 0);
	ck_assert_int_eq(cv_pread_full(fd, buf, 6, 1), 0);
	ck_assert_mem_eq(buf, "1ab456", 6);
	ck_assert_int_eq(cv_pread_full(fd, buf, 8, 1), -ENODATA);
	ck_assert_int_eq(cv_read_full(fd, buf, 1), -ENODATA);
	ck_assert_int_eq(cv_read_full(fd, buf, 0), 0);
	lseek(fd, 0, SEEK_SET);
	ck_assert_int_eq(cv_read_full(fd, buf, 8), 0);
	ck_assert_mem_eq(buf, "01ab4567", 8);
	close(fd);
	ck_assert_int_eq(cv_read_full(fd, buf, 1), -EBADF);
	ck_assert_int_eq(cv_write_full(fd, buf, 1), -EBADF);
}
END_TEST

/* A pipe gives its bytes in pieces as the child writes them. */
START_TEST(pieces_are_joined)
{
	char buf[4];
	int p[2];
	pid_t pid;

	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 4; i++) {
			usleep(2000);
			cv_ignore(cv_write_full(p[1], &"wxyz"[i], 1)); /* the reader tells */
		}
		_exit(0);
	}
	ck_assert_int_eq(cv_read_full(p[0], buf, 4), 0);
	ck_assert_mem_eq(buf, "wxyz", 4);
	waitpid(pid, NULL, 0);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(sizes)
{
	uint64_t size = 0;
	int p[2], fd = memfd_create("t", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, 5000000000), 0);
	ck_assert_int_eq(cv_fd_size(fd, &size), 0);
	ck_assert_uint_eq(size, 5000000000);
	close(fd);
	ck_assert_int_eq(cv_fd_size(fd, &size), -EBADF);
	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(cv_fd_size(p[0], &size), -EINVAL);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(events)
{
	int fd = cv_event_create();

	ck_assert(!cv_event_drain(fd));
	errno = 77;
	cv_event_signal(fd);
	cv_event_signal(fd);
	ck_assert_int_eq(errno, 77);
	ck_assert(cv_event_drain(fd));
	ck_assert(!cv_event_drain(fd));
	close(fd);
}
END_TEST

/* Somebody else has it and may do with it what he wants. */
START_TEST(shared_events)
{
	int fd = cv_event_create(), pipe_fds[2];

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(cv_fd_set_nonblock(fd, false), 0);
	alarm(10);
	ck_assert(!cv_event_drain_shared(fd));
	cv_event_signal(fd);
	cv_event_signal(fd);
	ck_assert(cv_event_drain_shared(fd));
	ck_assert(!cv_event_drain_shared(fd));
	close(fd);
	/* nor does anything else wait */
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	ck_assert(!cv_event_drain_shared(pipe_fds[0]));
	ck_assert(!cv_event_drain_shared(-1));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	alarm(0);
}
END_TEST

/* A full counter must neither block nor be lost. */
START_TEST(full_event_does_not_block)
{
	uint64_t full = UINT64_MAX - 1;
	int fd = cv_event_create();

	ck_assert_int_eq(cv_write_full(fd, &full, sizeof(full)), 0);
	cv_event_signal(fd);
	ck_assert(cv_event_drain(fd));
	cv_event_signal_shared(fd);
	ck_assert(cv_event_drain(fd));
	for (int more = 0; more < 2; more++) {
		ck_assert_int_eq(cv_fd_set_nonblock(fd, true), 0);
		overfill_write(fd);
		if (more)
			overfill_signal(fd);
		ck_assert_int_eq(cv_fd_set_nonblock(fd, false), 0);
		alarm(10);
		cv_event_signal_shared(fd);
		ck_assert(cv_event_drain_shared(fd));
		alarm(0);
	}
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fd");
	TCase *tc = tcase_create("fd");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(tc, zeroed_owns_nothing);
	tcase_add_test(tc, close_and_take);
	tcase_add_test(tc, local_fd_closes_itself);
	tcase_add_test(tc, duplicates_are_cloexec);
	tcase_add_test(tc, nonblock);
	tcase_add_test(tc, whole_transfers);
	tcase_add_test(tc, pieces_are_joined);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, events);
	tcase_add_test(tc, shared_events);
	tcase_add_test(tc, full_event_does_not_block);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
