/* SPDX-License-Identifier: BSD-3-Clause */
/* A device process from its parent's side, against programs that misbehave in every way there is. */
#include <sys/stat.h>

#include "process/protocol.h"
#include "process_test.h"

/* One sentence of the failed start, which names the device or is the program's own. */
static void fails(const char *mode, const char *program, int want, const char *words)
{
	struct process_test t;
	uint64_t begin;
	int err;

	pt_init(&t, mode, program);
	begin = pt_ms(&t);
	err = pt_start(&t);
	ck_assert_msg(err == want, "%s: %d instead of %d: %s", mode, err, want, t.e.text);
	ck_assert_msg(strstr(t.e.text, words), "%s: '%s' is not in '%s'", mode, words, t.e.text);
	ck_assert_msg(!strpbrk(t.e.text, "\n\x1b"), "%s", t.e.text);
	cv_process_destroy(t.process);
	t.process = NULL;
	/* the limit of the start, and that of the end */
	ck_assert_msg(pt_ms(&t) - begin < T_TIMEOUT_MS + 2000 + 1000, "%s: %llu ms", mode,
		      (unsigned long long)(pt_ms(&t) - begin));
	ck_assert_uint_eq(t.n_died, 0);
	pt_fini(&t);
}

START_TEST(no_such_program)
{
	fails("rng", "/nonexistent/crosvm-device", -ENOENT, "'/nonexistent/crosvm-device'");
	fails("rng", "/etc/passwd", -EACCES, "rng: ");
	fails("rng", "/etc", -EACCES, "rng: ");
}

START_TEST(another_program)
{
	fails("rng", "/bin/true", -ECHILD, "it exited with status 0");
	fails("rng", "/bin/false", -ECHILD, "it exited with status 1");
	fails("rng", "/bin/cat", -ECHILD, "it exited with status 1");
}

START_TEST(a_class_it_does_not_have)
{
	fails("toaster", CROSVM_DEVICE, -EINVAL, "toaster: ");
}

START_TEST(a_start_without_ready)
{
	fails("deaf", HOSTILE_DEVICE, -ETIMEDOUT, "deaf: its process is not ready after 400 ms");
	fails("hang", HOSTILE_DEVICE, -ETIMEDOUT, "not ready after 400 ms");
	fails("flood-first", HOSTILE_DEVICE, -ETIMEDOUT, "not ready after 400 ms");
	fails("truncated-hang", HOSTILE_DEVICE, -ETIMEDOUT, "not ready after 400 ms");
	fails("silent-close", HOSTILE_DEVICE, -ECHILD, "it closed its socket, and runs on");
	fails("close", HOSTILE_DEVICE, -ECHILD, "it closed its socket, and runs on");
}

START_TEST(a_start_that_ends)
{
	fails("early-exit", HOSTILE_DEVICE, -ECHILD, "it exited with status 7");
	fails("exit", HOSTILE_DEVICE, -ECHILD, "it exited with status 7");
	fails("kill", HOSTILE_DEVICE, -ECHILD, "it was killed by signal 9");
	fails("sigsys", HOSTILE_DEVICE, -ECHILD, "its seccomp policy killed it");
}

START_TEST(a_start_with_nonsense)
{
	static const char *const modes[] = { "truncated",    "half-length", "oversized",
					     "over-by-one",  "zero",	    "unknown",
					     "echo",	     "done-first",  "fds",
					     "many-fds",     "failed-cut",  "failed-mute",
					     "failed-well",  "sealed-bare", "sealed-many",
					     "sealed-twice", "alive-first" };

	for (size_t i = 0; i < CV_LEN(modes); i++)
		fails(modes[i], HOSTILE_DEVICE, -EPROTO, "does not speak as a device process");
}

START_TEST(its_own_refusal)
{
	fails("failed", HOSTILE_DEVICE, -ENOENT, "hostile: it will not");
	fails("failed-escape", HOSTILE_DEVICE, -ENOENT, "a??[2Jb");
}

/* A program of another build says so itself. */
START_TEST(another_version)
{
	struct cv_start_frame start = { .version = "0.0.0-other", .cls = "rng" };
	struct cv_child child = { 0 };
	struct cv_jail jail = { 0 };
	char name[] = "crosvm-device", arg[] = CV_PROCESS_ARG "rng", *argv[] = { name, arg, NULL };
	int program = open(CROSVM_DEVICE, O_PATH | O_CLOEXEC), pair[2], data[2];
	int fds[] = { -1, -1, -1, -1 };
	uint8_t answer[4096];
	size_t len = 0;
	struct cv_buf b = { 0 };
	struct cv_frame f = { .data = answer };
	struct vm_error e;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data) == 0);
	fds[3] = pair[1];
	ck_assert_msg(cv_sandbox_spawn(&child,
				       &(struct cv_spawn){ .jail = &jail,
							   .program_fd = program,
							   .argv = argv,
							   .fds = fds,
							   .n_fds = 4 },
				       &e) == 0,
		      "%s", e.text);
	close(program);
	close(pair[1]);
	cv_frame_put_start(&b, &start);
	must(!b.failed);
	must(cv_msg_send_frame(pair[0], b.data, (uint32_t)b.len, &data[1], 1,
			       cv_msg_deadline(5000)) == 0);
	cv_buf_fini(&b);
	must(cv_msg_recv_frame(pair[0], answer, sizeof(answer), &len, NULL,
			       cv_msg_deadline(5000)) == 0);
	f.len = len;
	ck_assert_uint_eq(cv_frame_u8(&f), CV_PROCESS_FAILED);
	ck_assert_int_eq((int)cv_frame_u32(&f), -EPROTO);
	ck_assert_ptr_nonnull(strstr(cv_frame_get_text(&f), "cannot serve version 0.0.0-other"));
	cv_child_fini(&child);
	close(pair[0]);
	close(data[0]);
	close(data[1]);
}

/* ---- after the start ---- */

static void make(struct process_test *t, const char *mode)
{
	pt_init(t, mode, HOSTILE_DEVICE);
	ck_assert_msg(pt_start(t) == 0, "%s: %s", mode, t->e.text);
}

/* It dies once, for that reason. */
static void dies(const char *mode, const char *words)
{
	struct process_test t;

	make(&t, mode);
	pt_turn(&t, 3000);
	ck_assert_msg(t.n_died == 1, "%s does not die", mode);
	ck_assert_msg(strstr(t.why, words), "%s: '%s' is not in '%s'", mode, words, t.why);
	cv_loop_dispatch(t.loop);
	ck_assert_uint_eq(t.n_died, 1);
	pt_fini(&t);
}

START_TEST(a_death_is_told)
{
	dies("then-exit", "it exited with status 7");
	dies("then-sigsys", "its seccomp policy killed it for a system call");
}

START_TEST(a_kill_is_told)
{
	struct process_test t;

	make(&t, "good");
	kill(cv_process_pid(t.process), SIGKILL);
	pt_turn(&t, 3000);
	ck_assert_uint_eq(t.n_died, 1);
	ck_assert_ptr_nonnull(strstr(t.why, "it was killed by signal 9 (Killed)"));
	pt_fini(&t);
}

START_TEST(last_words_are_told)
{
	struct process_test t;

	make(&t, "then-last-words");
	pt_turn(&t, 3000);
	ck_assert_uint_eq(t.n_died, 1);
	ck_assert_str_eq(t.last_log, "hostile: ?[2Jmy last words");
	pt_fini(&t);
}

START_TEST(what_it_may_not_say)
{
	static const char *const modes[] = {
		"then-done", "then-ready",  "then-zero",  "then-oversized",
		"then-fds",  "then-sealed", "then-alive",
	};

	for (size_t i = 0; i < CV_LEN(modes); i++)
		dies(modes[i], "it said what it may not, and was ended");
}

START_TEST(messages_without_sense_are_nothing)
{
	struct process_test t;

	make(&t, "then-nonsense-log");
	pt_turn(&t, 100);
	ck_assert_uint_eq(t.n_died, 0);
	ck_assert_uint_eq(t.n_logs, 1);
	ck_assert_str_eq(t.last_log, "hostile: still here");
	pt_fini(&t);
}

struct ticks {
	struct cv_timer timer;
	unsigned int n;
};

static void on_tick(struct cv_timer *t)
{
	struct ticks *ticks = cv_container_of(t, struct ticks, timer);

	if (++ticks->n == 100)
		cv_loop_stop(t->loop);
	else
		cv_timer_set(t->loop, t, cv_loop_now(t->loop) + 2000000);
}

/* A flood is thinned out, and the loop has time for others. */
START_TEST(a_flood_of_messages)
{
	struct ticks ticks = { .timer = { .fn = on_tick } };
	struct process_test t;
	uint64_t begin;

	make(&t, "flood");
	begin = pt_ms(&t);
	cv_timer_set(t.loop, &ticks.timer, cv_loop_now(t.loop));
	ck_assert_int_eq(cv_loop_run(t.loop), 0);
	ck_assert_uint_lt(pt_ms(&t) - begin, 5000);
	ck_assert_uint_gt(t.n_logs, 0);
	ck_assert_uint_le(t.n_logs, 16 * ((pt_ms(&t) - begin) / 1000 + 2));
	ck_assert_uint_eq(t.n_died, 0);
	pt_fini(&t);
}

/* ---- questions ---- */

static void asks(const char *mode, int want, const char *words, bool lives)
{
	char reply[64] = "";
	struct process_test t;
	uint64_t begin;
	int got;

	make(&t, mode);
	begin = pt_ms(&t);
	got = cv_process_control(t.process, "op", "a=b", reply, sizeof(reply), &t.e);
	ck_assert_msg(got == want, "%s: %d instead of %d: %s", mode, got, want, t.e.text);
	ck_assert_uint_lt(pt_ms(&t) - begin, T_TIMEOUT_MS + 1000);
	if (words)
		ck_assert_msg(strstr(t.e.text, words), "%s: '%s' is not in '%s'", mode, words,
			      t.e.text);
	else
		ck_assert_str_eq(reply, "ok");
	ck_assert(!strchr(t.e.text, '\n'));
	pt_turn(&t, lives ? 100 : 3000);
	ck_assert_msg((t.n_died == 0) == lives, "%s", mode);
	/* asking once more is harmless */
	got = cv_process_control(t.process, "op", "", reply, sizeof(reply), &t.e);
	ck_assert(lives ? got == want : got < 0);
	pt_fini(&t);
}

START_TEST(questions)
{
	asks("good", 0, NULL, true);
	asks("answer-refuses", -EIO, "hostile: ?no", true);
	asks("answer-never", -ETIMEDOUT, "does not answer in time to 'op', and is ended", false);
	asks("answer-flood", -ETIMEDOUT, "does not answer in time", false);
	asks("answer-late", -ETIMEDOUT, "does not answer in time", false);
	asks("answer-exit", -ENODATA, "gives no answer to 'op'", false);
	asks("answer-cut", -EPROTO, "answers nonsense to 'op'", false);
	asks("answer-short", -EPROTO, "answers nonsense", false);
	asks("answer-range", -EPROTO, "answers nonsense", false);
	asks("answer-mute", -EPROTO, "answers nonsense", false);
	asks("answer-type", -EBADMSG, "gives an answer that cannot be", false);
	asks("answer-fds", -EBADMSG, "gives an answer that cannot be", false);
	asks("answer-twice", 0, NULL, false);
}

START_TEST(a_reply_is_cut_to_the_room)
{
	struct process_test t;
	char reply[2];

	make(&t, "good");
	ck_assert_int_eq(cv_process_control(t.process, "op", NULL, reply, sizeof(reply), &t.e), 0);
	ck_assert_str_eq(reply, "o");
	pt_fini(&t);
}

/* ---- signs of life ---- */

/* Asked for one, it dies for that reason; NULL: it lives. */
static void lives(const char *mode, const char *words)
{
	struct process_test t;
	uint64_t begin;

	make(&t, mode);
	begin = pt_ms(&t);
	for (unsigned int i = 0; i < 3 && t.n_died == 0; i++) {
		cv_process_check(t.process);
		cv_process_check(t.process); /* which is none while one is awaited */
		pt_turn(&t, T_TIMEOUT_MS + 300);
		ck_assert_uint_eq(t.n_alive, words ? 0 : i + 1);
	}
	ck_assert_msg((t.n_died == 0) == !words, "%s: %s", mode, t.why);
	if (words)
		ck_assert_msg(strstr(t.why, words), "%s: '%s' is not in '%s'", mode, words, t.why);
	ck_assert_uint_lt(pt_ms(&t) - begin, 3 * (T_TIMEOUT_MS + 300) + 500);
	pt_fini(&t);
}

START_TEST(signs_of_life)
{
	lives("good", NULL);
	lives("ping-never", "it has hung for 400 ms, and was ended");
	lives("ping-long", "it said what it may not");
}

START_TEST(one_sign_too_many)
{
	struct process_test t;

	make(&t, "ping-twice");
	cv_process_check(t.process);
	pt_turn(&t, 3000);
	ck_assert_uint_eq(t.n_alive, 1);
	ck_assert_uint_eq(t.n_died, 1);
	pt_fini(&t);
}

/* The answer has come, but the loop had no time for it: that is not the process's fault. */
START_TEST(a_sign_that_nobody_read)
{
	struct process_test t;

	make(&t, "good");
	cv_process_check(t.process);
	usleep((T_TIMEOUT_MS + 50) * 1000);
	pt_turn(&t, 100);
	ck_assert_uint_eq(t.n_alive, 1);
	ck_assert_uint_eq(t.n_died, 0);
	pt_fini(&t);
}

/* ---- the end ---- */

static void ends(const char *mode, unsigned int at_least, unsigned int at_most)
{
	struct process_test t;
	uint64_t begin, took;

	make(&t, mode);
	usleep(20000);
	begin = pt_ms(&t);
	cv_process_destroy(t.process);
	took = pt_ms(&t) - begin;
	t.process = NULL;
	ck_assert_msg(took >= at_least && took <= at_most, "%s: %llu ms", mode,
		      (unsigned long long)took);
	cv_loop_dispatch(t.loop);
	ck_assert_uint_eq(t.n_died, 0);
	pt_fini(&t);
}

START_TEST(the_end_has_a_limit)
{
	ends("good", 0, 1500);
	ends("then-exit", 0, 1500);
	ends("then-close", 0, 1500);
	ends("ignore-stop", 1900, 3500);
	ends("flood-stop", 1900, 3500);
	ends("then-partial", 0, 3500);
}

START_TEST(a_stopped_process_is_killed_at_once)
{
	struct process_test t;
	uint64_t begin;

	make(&t, "good");
	kill(cv_process_pid(t.process), SIGSTOP);
	begin = pt_ms(&t);
	cv_process_kill(t.process);
	cv_process_destroy(t.process);
	t.process = NULL;
	ck_assert_uint_lt(pt_ms(&t) - begin, 1000);
	pt_fini(&t);
}

/* ---- policies ---- */

/* The policies of the source tree, without one call, in a directory of their own; its path. */
static void write_policies(char *dir, const char *without)
{
	char command[512];

	must(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "cp " POLICY_DIR "/%s/*.policy '%s' && sed -i '/^%s:/d' '%s'/*.policy",
		 cv_arch_name(cv_arch_native()), dir, without, dir);
	must(system(command) == 0);
}

static void remove_policies(const char *dir)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	must(system(command) == 0);
}

/* What is not allowed is told by its name, before and after the start. */
START_TEST(forbidden_calls)
{
	char early[] = "/tmp/policies-XXXXXX", late[] = "/tmp/policies-XXXXXX",
	     mute[] = "/tmp/policies-XXXXXX", reply[16];
	struct process_test t;

	if (!(CV_JAIL_POSSIBLE & CV_JAIL_SECCOMP))
		return;
	write_policies(early, "epoll_ctl");
	write_policies(late, "epoll_pwait2");
	write_policies(mute, "sendmsg");
	pt_init(&t, "rng", CROSVM_DEVICE);
	t.host.mechanisms = CV_JAIL_NO_NEW_PRIVS | CV_JAIL_SECCOMP;
	t.host.policy_dir = early;
	ck_assert_int_eq(pt_start(&t), -ECHILD);
	ck_assert_msg(strstr(t.e.text, "does not allow the system call 'epoll_ctl', and ended it"),
		      "%s", t.e.text);
	cv_process_destroy(t.process);
	t.process = NULL;
	cv_process_host_fini(&t.host);
	t.host.policy_dir = mute;
	ck_assert_int_eq(pt_start(&t), -EINVAL);
	ck_assert_ptr_nonnull(strstr(t.e.text, mute));
	ck_assert_ptr_nonnull(strstr(t.e.text, "/rng.policy does not allow sendmsg"));
	t.host.policy_dir = late;
	ck_assert_msg(pt_start(&t) == 0, "%s", t.e.text);
	pt_turn(&t, 3000);
	ck_assert_uint_eq(t.n_died, 1);
	ck_assert_msg(strstr(t.why, "the system call 'epoll_pwait2', and ended it"), "%s", t.why);
	ck_assert_int_lt(cv_process_control(t.process, "op", "", reply, sizeof(reply), &t.e), 0);
	pt_fini(&t);
	remove_policies(early);
	remove_policies(late);
	remove_policies(mute);
}

static void bad_policy(const char *dir, int want, const char *words)
{
	struct process_test t;

	pt_init(&t, "rng", HOSTILE_DEVICE);
	t.host.mechanisms = CV_JAIL_NO_NEW_PRIVS | CV_JAIL_SECCOMP;
	t.host.policy_dir = dir;
	ck_assert_int_eq(pt_start(&t), want);
	ck_assert_msg(strstr(t.e.text, words), "'%s' is not in '%s'", words, t.e.text);
	ck_assert(!strchr(t.e.text, '\n'));
	pt_fini(&t);
}

START_TEST(policies)
{
	char dir[] = "/tmp/policies-XXXXXX", path[64];
	FILE *f;

	must(mkdtemp(dir));
	bad_policy("/nonexistent", -ENOENT, "/nonexistent");
	bad_policy(dir, -ENOENT, "rng.policy");
	snprintf(path, sizeof(path), "%s/rng.policy", dir);
	f = fopen(path, "w");
	must(f && fputs("read: 1\nwrite: 1\nfrobnicate: 1\n", f) >= 0 && fclose(f) == 0);
	bad_policy(dir, -EINVAL, "rng.policy:3");
	must(unlink(path) == 0 && rmdir(dir) == 0);
}

CHECK_MAIN("process", no_such_program, another_program, a_class_it_does_not_have,
	   a_start_without_ready, a_start_that_ends, a_start_with_nonsense, its_own_refusal,
	   another_version, a_death_is_told, a_kill_is_told, last_words_are_told,
	   what_it_may_not_say, messages_without_sense_are_nothing, a_flood_of_messages, questions,
	   a_reply_is_cut_to_the_room, signs_of_life, one_sign_too_many, a_sign_that_nobody_read,
	   forbidden_calls, the_end_has_a_limit, a_stopped_process_is_killed_at_once, policies)
