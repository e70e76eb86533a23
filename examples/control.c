/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM that is told what to do while it runs: takes commands on standard input,
 * one a line, and answers each with one line on standard output, which begins
 * with "ok" or "failed".
 *
 *	control MEMORY-MIB KERNEL INITRD COMMAND-LINE [TYPE[,KEY=VALUE]...]...
 *
 * INITRD may be "". Every further argument is a device, in the library's words. With
 *
 *	control 512 vmlinuz initrd.img console=ttyS0 serial,out=/dev/fd/2 balloon
 *
 * the guest's console is on standard error, and these are commands:
 *
 *	balloon target bytes=128M	one of a device's control operations
 *	balloon status
 *	help				which operations the devices have
 *	power				press the power button
 *	stop				end without asking the guest
 *
 * A second device of a type is called by its number: console.2, console.3, ….
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <crosvm/crosvm.h>

#define MAX_DEVICES 16

struct device {
	char type[32], name[48];
	struct vm_device *handle;
};

struct session {
	struct vm *vm;
	struct device devices[MAX_DEVICES];
	int n_devices;
};

/* Adds the device that @text describes, under a name of its own. */
static int add_device(struct session *s, const char *text, struct vm_error *error)
{
	struct device *d = &s->devices[s->n_devices];
	int len = (int)strcspn(text, ","), same = 1;

	snprintf(d->type, sizeof(d->type), "%.*s", len, text);
	for (int i = 0; i < s->n_devices; i++)
		same += strcmp(s->devices[i].type, d->type) == 0;
	snprintf(d->name, sizeof(d->name), same > 1 ? "%s.%d" : "%s", d->type, same);
	s->n_devices++;
	return vm_add_device(s->vm, d->type, text[len] ? text + len + 1 : NULL, &d->handle, error);
}

static struct device *find_device(struct session *s, const char *name)
{
	for (int i = 0; i < s->n_devices; i++)
		if (strcmp(s->devices[i].name, name) == 0)
			return &s->devices[i];
	return NULL;
}

static void answer(int err, const char *text, const struct vm_error *error)
{
	if (err)
		printf("failed %s\n", error->text);
	else
		printf("ok%s%s\n", *text ? " " : "", text);
}

static void help(const struct session *s)
{
	struct vm_control_info info = { .size = sizeof(info) };

	printf("ok power, stop");
	for (int i = 0; i < s->n_devices; i++)
		for (size_t n = 0; vm_device_control_info(s->devices[i].type, n, &info) == 0; n++)
			printf(", %s %s", s->devices[i].name, info.name);
	printf("\n");
}

/* "DEVICE OPERATION [ARGUMENTS]" */
static void operate(struct session *s, char *line)
{
	const char *name = strtok(line, " "), *operation = strtok(NULL, " ");
	const char *args = strtok(NULL, "");
	struct vm_error error;
	char reply[1024] = "";
	struct device *d = find_device(s, name);
	int err;

	if (!d || !operation) {
		printf("failed no device '%s', or no operation; try help\n", name);
		return;
	}
	err = vm_device_control(d->handle, operation, args, reply, sizeof(reply), &error);
	answer(err, reply, &error);
}

static void obey(struct session *s, char *line)
{
	struct vm_error error;

	line[strcspn(line, "\r\n")] = '\0';
	if (strcmp(line, "power") == 0) {
		answer(vm_power_button(s->vm, &error), "pressed", &error);
	} else if (strcmp(line, "stop") == 0) {
		vm_stop(s->vm);
		printf("ok stopped\n");
	} else if (strcmp(line, "help") == 0) {
		help(s);
	} else if (line[strspn(line, " ")]) {
		operate(s, line);
	}
}

/* Whether the VM has ended, and how. */
static int ended(struct vm *vm, struct vm_exit *exit)
{
	struct vm_event event = VM_EVENT_INIT;

	while (vm_next_event(vm, &event) > 0) {
		if (event.kind == VM_EVENT_STOPPED) {
			*exit = event.exit;
			return 1;
		}
	}
	return 0;
}

/* Serves both sides until the VM ends; nobody who commands any more does not end it. */
static int serve(struct session *s, struct vm_exit *exit, struct vm_error *error)
{
	struct pollfd fds[] = { { .fd = vm_fd(s->vm), .events = POLLIN },
				{ .fd = STDIN_FILENO, .events = POLLIN } };
	char line[1024];
	int err = vm_start(s->vm, error);

	while (!err && poll(fds, 2, -1) > 0) {
		if (fds[0].revents && ended(s->vm, exit))
			break;
		if (!fds[1].revents)
			continue;
		if (fgets(line, sizeof(line), stdin))
			obey(s, line);
		else
			fds[1].fd = -1;
	}
	return err;
}

static int create(struct session *s, char **argv, struct vm_error *error)
{
	struct vm_config config = VM_CONFIG_INIT;
	int err;

	config.memory = strtoull(argv[0], NULL, 10) << 20;
	config.kernel = argv[1];
	config.initrd = argv[2][0] ? argv[2] : NULL;
	config.cmdline = argv[3];
	config.jail_main = VM_JAIL_MAIN_AUTO; /* this program does nothing else */
	err = vm_create(&config, &s->vm, error);
	for (char **text = argv + 4; !err && *text; text++)
		err = add_device(s, *text, error);
	return err;
}

int main(int argc, char **argv)
{
	struct vm_exit exit = VM_EXIT_INIT;
	struct session s = { 0 };
	struct vm_error error;
	int err;

	if (argc < 5 || argc > 5 + MAX_DEVICES) {
		fprintf(stderr, "usage: %s MEMORY-MIB KERNEL INITRD COMMAND-LINE [DEVICE]...\n",
			argv[0]);
		return 2;
	}
	/* an answer is out when it is complete, and no command hides in a buffer from poll() */
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	setvbuf(stdin, NULL, _IONBF, 0);
	err = create(&s, argv + 1, &error);
	if (!err)
		err = serve(&s, &exit, &error);
	if (err)
		fprintf(stderr, "%s: %s\n", argv[0], error.text);
	else
		printf("the VM ended: %s\n", exit.text);
	vm_destroy(s.vm);
	return err || exit.reason == VM_EXIT_CRASHED || exit.reason == VM_EXIT_FAILED;
}
