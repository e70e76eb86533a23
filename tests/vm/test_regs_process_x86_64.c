/* SPDX-License-Identifier: BSD-3-Clause */
/* Serial ports and debug consoles in jailed processes of their own, used by a guest in C. */
#include <fcntl.h>
#include <signal.h>

#include "vm_test.h"

enum { COM1 = 0x3f8, LSR = COM1 + 5, DEBUGCON = 0xe9 };

struct rig {
	struct vm_test t;
	struct vm_device *serial;
	int in, out; /* the other ends of its pipes */
	atomic_bool up, lost;
	pid_t pid;
};

static int try_start(struct rig *r, void (*guest)(struct cv_vcpu *, void *), const char *mechanisms)
{
	char options[128];
	int in[2], out[2];

	memset(r, 0, sizeof(*r));
	vt_init(&r->t);
	r->t.config.reboot = true;
	r->t.config.sandbox_mechanisms = mechanisms;
	vt_program(&r->t, guest, r);
	vt_create(&r->t);
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	snprintf(options, sizeof(options),
		 "num=1,sandbox=on,in=/proc/self/fd/%d,out=/proc/self/fd/%d", in[0], out[1]);
	ck_assert_int_eq(vm_add_device(r->t.vm, "serial", options, &r->serial, &r->t.e), 0);
	snprintf(options, sizeof(options), "out=/proc/self/fd/%d,sandbox=on", out[1]);
	ck_assert_int_eq(vm_add_device(r->t.vm, "debugcon", options, NULL, &r->t.e), 0);
	close(in[0]);
	close(out[1]);
	r->in = in[1];
	r->out = out[0];
	return vm_start(r->t.vm, &r->t.e);
}

static void rig_fini(struct rig *r)
{
	close(r->in);
	vt_fini(&r->t);
	close(r->out);
}

/* Where no jail can be made, as in many a container, a process without one must do. */
static void rig_start(struct rig *r, void (*guest)(struct cv_vcpu *, void *))
{
	if (try_start(r, guest, NULL) == 0)
		return;
	printf("without a jail: %s\n", r->t.e.text);
	rig_fini(r);
	ck_assert_msg(try_start(r, guest, "none") == 0, "%s", r->t.e.text);
}

/* All that comes until the writers are gone or @len bytes are there. */
static void expect_out(struct rig *r, const char *text)
{
	size_t len = strlen(text), got = 0;
	char buf[256] = "";

	while (got < len) {
		struct pollfd p = { .fd = r->out, .events = POLLIN };
		ssize_t n;

		ck_assert_int_gt(poll(&p, 1, 20000), 0);
		n = read(r->out, buf + got, len - got);
		ck_assert_int_gt(n, 0);
		got += (size_t)n;
	}
	ck_assert_str_eq(buf, text);
}

static void print(struct cv_vcpu *vcpu, const char *text)
{
	for (; *text; text++) {
		while (!(vt_in(vcpu, LSR, 1) & 0x20))
			;
		vt_out(vcpu, COM1, 1, (uint8_t)*text);
	}
}

/* Types back what is typed, up to a full stop. */
static void echo_guest(struct cv_vcpu *vcpu, void *arg)
{
	char byte = 0;

	(void)arg;
	print(vcpu, "hello ");
	while (byte != '.') {
		while (!(vt_in(vcpu, LSR, 1) & 1))
			;
		byte = (char)vt_in(vcpu, COM1, 1);
		vt_out(vcpu, COM1, 1, (uint8_t)byte);
	}
	/* the last word is not lost, though nobody waits for it */
	for (const char *s = " goodbye"; *s; s++)
		vt_out(vcpu, COM1, 1, (uint8_t)*s);
	vt_power_off(vcpu);
}

START_TEST(print_and_type)
{
	struct rig r;

	rig_start(&r, echo_guest);
	expect_out(&r, "hello ");
	ck_assert_int_eq(write(r.in, "typed.", 6), 6);
	ck_assert_int_eq(vt_wait(&r.t), VM_EXIT_POWER_OFF);
	expect_out(&r, "typed. goodbye");
	ck_assert_int_eq(vt_event(&r.t), VM_EVENT_STOPPED);
	rig_fini(&r);
}
END_TEST

static void debugcon_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct rig *r = arg;

	must(vt_in(vcpu, DEBUGCON, 1) == 0xe9);
	for (const char *s = "debug"; *s; s++)
		vt_out(vcpu, DEBUGCON, 1, (uint8_t)*s);
	if (r->t.n_boots < 3)
		vt_reset(vcpu);
	vt_power_off(vcpu);
}

/* Each boot has new processes, and what was written before it is not lost. */
START_TEST(debug_console_and_reboots)
{
	struct rig r;

	rig_start(&r, debugcon_guest);
	ck_assert_int_eq(vt_wait(&r.t), VM_EXIT_POWER_OFF);
	expect_out(&r, "debugdebugdebug");
	rig_fini(&r);
}
END_TEST

static void scratch_guest(struct cv_vcpu *vcpu, void *arg)
{
	struct rig *r = arg;

	vt_out(vcpu, T_SERIAL + 7, 1, 0x5a);
	atomic_store(&r->up, vt_in(vcpu, T_SERIAL + 7, 1) == 0x5a);
	while (vt_in(vcpu, T_SERIAL + 7, 1) == 0x5a)
		;
	/* dropped; and the other device is as it was */
	vt_out(vcpu, T_SERIAL + 7, 1, 0x5a);
	atomic_store(&r->lost, vt_in(vcpu, T_SERIAL + 7, 1) == 0xff &&
				       vt_in(vcpu, LSR, 1) == 0xff &&
				       vt_in(vcpu, DEBUGCON, 1) == 0xe9);
	for (;;)
		cv_fake_relax(vcpu);
}

static void ask_pid(void *arg)
{
	struct rig *r = arg;

	r->pid = cv_rslot_child_pid(r->serial->rslot);
}

static pid_t serial_pid(struct rig *r)
{
	cv_loop_call(r->t.vm->loop, ask_pid, r);
	return r->pid;
}

/* The guest is left with all-ones, the embedder is told once, and the VM goes on. */
static void process_ends_by(int sig, const char *words)
{
	struct vm_event ev = VM_EVENT_INIT;
	struct pollfd p;
	struct rig r;

	rig_start(&r, scratch_guest);
	while (!atomic_load(&r.up))
		usleep(1000);
	ck_assert_int_gt(serial_pid(&r), 0);
	ck_assert_int_eq(kill(r.pid, sig), 0);
	p = (struct pollfd){ .fd = vm_fd(r.t.vm), .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, 20000), 1);
	ck_assert_int_eq(vm_next_event(r.t.vm, &ev), 1);
	ck_assert_int_eq(ev.kind, VM_EVENT_DEVICE_DIED);
	ck_assert_ptr_eq(ev.device, r.serial);
	ck_assert_msg(strstr(ev.text, words), "'%s' is not in '%s'", words, ev.text);
	for (unsigned int i = 0; i < 5000 && !atomic_load(&r.lost); i++)
		usleep(1000);
	ck_assert(atomic_load(&r.lost));
	ck_assert_msg(strstr(r.t.log, "the guest has lost the device"), "%s", r.t.log);
	ck_assert_int_eq(serial_pid(&r), 0);
	vm_stop(r.t.vm);
	ck_assert_int_eq(vt_event(&r.t), VM_EVENT_STOPPED);
	rig_fini(&r);
}

START_TEST(killed)
{
	process_ends_by(SIGKILL, "killed by signal 9");
}
END_TEST

START_TEST(hung)
{
	process_ends_by(SIGSTOP, "it does not answer in time");
}
END_TEST

START_TEST(options)
{
	struct vm_option_info info = { .size = sizeof(info) };
	bool found = false;
	struct vm_test t;

	vt_init(&t);
	vt_create(&t);
	vt_sentence(&t, vm_add_device(t.vm, "serial", "sandbox=maybe", NULL, &t.e), -EINVAL,
		    "sandbox");
	vt_sentence(&t, vm_add_device(t.vm, "serial", "restart=on", NULL, &t.e), -EINVAL,
		    "restart");
	ck_assert_int_eq(vm_add_device(t.vm, "serial", "num=2,sandbox=off", NULL, &t.e), 0);
	ck_assert_int_eq(vm_add_device(t.vm, "serial", "sandbox=default,num=3", NULL, &t.e), 0);
	for (size_t i = 0; vm_device_option("serial", i, &info) == 0; i++)
		found = found || strcmp(info.name, "sandbox") == 0;
	ck_assert(found);
	vt_fini(&t);
}
END_TEST

CHECK_MAIN("regs_process", print_and_type, debug_console_and_reboots, killed, hung, options)
