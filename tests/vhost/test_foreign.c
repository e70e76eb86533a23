/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front end with back ends of others: QEMU's storage daemon, which is killed
 * and restarted, and its virtiofsd. Skipped where they are not
 * installed.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/endian.h"
#include "peer.h"
#include "support/vdev.h"
#include "vhost/user_frontend.h"
#include "virtio/virtio.h"

#define STORAGE_DAEMON "/usr/bin/qemu-storage-daemon"
#define VIRTIOFSD      "/usr/lib/qemu/virtiofsd"
#define SECTORS	       1024u

static char dir[64];

static const char *in_dir(const char *name)
{
	static char text[4][128];
	static unsigned int i;

	snprintf(text[++i % 4], sizeof(text[0]), "%s/%s", dir, name);
	return text[i % 4];
}

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/cv-foreign-XXXXXX");
	must(mkdtemp(dir) != NULL);
}

static pid_t run(const char *const *argv)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

static int try_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int reach(const char *path)
{
	int fd = -1;

	for (unsigned int i = 0; i < 1000 && fd < 0; i++) {
		fd = try_connect(path);
		cv_ignore(poll(NULL, 0, fd < 0 ? 10 : 0));
	}
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void end(pid_t pid, int signal)
{
	kill(pid, signal);
	must(waitpid(pid, NULL, 0) == pid);
}

/* ---- a disk ---- */

struct disk {
	struct guest g;
	struct cv_log log;
	struct cv_loop *loop;
	struct cv_vslot *slot;
	struct vdev dev;
	pid_t daemon;
	unsigned int n_lost;
};

static pid_t serve_disk(void)
{
	char node[160], export[200];

	snprintf(node, sizeof(node), "driver=file,node-name=disk,filename=%s", in_dir("disk"));
	snprintf(export, sizeof(export),
		 "type=vhost-user-blk,id=e,node-name=disk,writable=on,addr.type=unix,addr.path=%s",
		 in_dir("sock"));
	unlink(in_dir("sock"));
	return run((const char *const[]){ STORAGE_DAEMON, "--blockdev", node, "--export", export,
					  NULL });
}

static void on_lost(void *ctx, struct cv_vslot *slot CV_UNUSED, const char *why CV_UNUSED)
{
	((struct disk *)ctx)->n_lost++;
}

static void disk_init(struct disk *d)
{
	struct vm_error e = { 0 };
	int fd;

	*d = (struct disk){ 0 };
	make_dir();
	fd = open(in_dir("disk"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(fd >= 0 && ftruncate(fd, SECTORS * 512) == 0);
	close(fd);
	d->daemon = serve_disk();
	guest_init(&d->g, 8 << 20);
	must(cv_loop_create(&d->loop, NULL) == 0);
	ck_assert_msg(cv_vhost_frontend_create(
			      &d->slot,
			      &(struct cv_vhost_frontend_config){ .name = "disk",
								  .id = CV_VIRTIO_ID_BLOCK,
								  .config_len = 60,
								  .min_queues = 1,
								  .max_queues = 1,
								  .mem = &d->g.mem,
								  .loop = d->loop,
								  .log = &d->log,
								  .lost = on_lost,
								  .ctx = d },
			      reach(in_dir("sock")), &e) == 0,
		      "%s", e.text);
	vdev_attach(&d->dev, &vdev_slot_ops, d->slot, &d->g, d->loop, false);
}

static void disk_fini(struct disk *d)
{
	vdev_detach(&d->dev);
	cv_vslot_destroy(d->slot);
	cv_loop_destroy(d->loop);
	guest_fini(&d->g);
	end(d->daemon, SIGTERM);
	unlink(in_dir("disk"));
	unlink(in_dir("sock"));
	rmdir(dir);
}

struct request {
	struct le32 type, reserved;
	struct le64 sector;
};

static void add(struct disk *d, uint32_t type, uint32_t sector, uint64_t data, uint64_t status)
{
	struct request h = { le32(type), le32(0), le64(sector) };
	struct drv_buf bufs[] = { { guest_dup(&d->g, &h, sizeof(h)), sizeof(h), false },
				  { data, 512, type == 0 },
				  { status, 1, true } };

	if (type == 4)
		bufs[1] = bufs[2];
	ck_assert_int_ge(drv_add(&d->dev.queues[0], bufs, type == 4 ? 2 : 3), 0);
}

static uint8_t finish(struct disk *d, uint64_t status)
{
	uint8_t s = 0xff;

	drv_kick(&d->dev.queues[0]);
	ck_assert_int_ge(vdev_wait(&d->dev, 0, NULL), 0);
	guest_get(&d->g, status, &s, 1);
	return s;
}

static void check_pattern(struct disk *d, uint32_t sector, uint8_t byte)
{
	uint64_t mark = guest_mark(&d->g), data = guest_alloc(&d->g, 512, 512);
	uint64_t status = guest_alloc(&d->g, 1, 1);
	uint8_t got[512], want[512];

	add(d, 0, sector, data, status);
	ck_assert_uint_eq(finish(d, status), 0);
	guest_get(&d->g, data, got, 512);
	memset(want, byte, 512);
	ck_assert_mem_eq(got, want, 512);
	guest_rewind(&d->g, mark);
}

static void write_pattern(struct disk *d, uint32_t sector, uint8_t byte)
{
	uint64_t mark = guest_mark(&d->g), data = guest_alloc(&d->g, 512, 512);
	uint64_t status = guest_alloc(&d->g, 1, 1);

	must(cv_mem_fill(&d->g.mem, data, byte, 512) == 0);
	add(d, 1, sector, data, status);
	ck_assert_uint_eq(finish(d, status), 0);
	add(d, 4, 0, 0, status);
	ck_assert_uint_eq(finish(d, status), 0);
	guest_rewind(&d->g, mark);
}

/*
 * A burst that finds the daemon dead; all of it must be done in the end. This
 * daemon has no log of chains in flight, so none may be: it completes out of order.
 */
static void burst(struct disk *d, uint8_t byte)
{
	uint64_t mark = guest_mark(&d->g), data = guest_alloc(&d->g, 512, 512);
	uint64_t status = guest_alloc(&d->g, 64, 1);
	struct vm_error e = { 0 };

	must(cv_mem_fill(&d->g.mem, data, byte, 512) == 0);
	for (uint32_t i = 0; i < 20; i++)
		add(d, 1, i, data, status + i);
	end(d->daemon, SIGKILL);
	drv_kick(&d->dev.queues[0]);
	for (unsigned int i = 0; i < 5000 && d->n_lost == 0; i++) {
		cv_loop_dispatch(d->loop);
		cv_ignore(poll(NULL, 0, 1));
	}
	ck_assert_uint_eq(d->n_lost, 1);
	d->n_lost = 0;
	d->daemon = serve_disk();
	ck_assert_msg(cv_vhost_frontend_reconnect(d->slot, reach(in_dir("sock")), &e) == 0, "%s",
		      e.text);
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_int_ge(vdev_wait(&d->dev, 0, NULL), 0);
	guest_rewind(&d->g, mark);
	for (uint32_t i = 0; i < 20; i++)
		check_pattern(d, i, byte);
}

START_TEST(storage_daemon)
{
	struct vdev_options o = { .no_event_idx = _i & 1 };
	struct disk d;

	if (access(STORAGE_DAEMON, X_OK) != 0)
		return;
	disk_init(&d);
	ck_assert_uint_eq(vdev_config(&d.dev, 0, 8), SECTORS);
	ck_assert_int_eq(vdev_start(&d.dev, &o), 0);
	for (uint32_t i = 0; i < 50; i++)
		write_pattern(&d, i * 20, (uint8_t)(i + 1));
	for (uint32_t i = 0; i < 50; i++)
		check_pattern(&d, i * 20, (uint8_t)(i + 1));
	/* a reset and a new start keep nothing but the disk */
	vdev_reset(&d.dev);
	ck_assert_int_eq(vdev_start(&d.dev, &o), 0);
	check_pattern(&d, 980, 50);
	for (uint8_t i = 0; i < 5; i++)
		burst(&d, (uint8_t)(0xa0 + i));
	ck_assert(!d.dev.ops->broken(&d.dev));
	disk_fini(&d);
}
END_TEST

/* ---- files ---- */

START_TEST(virtiofsd)
{
	static const uint16_t queue_max[] = { 128, 128 };
	uint8_t space[40] = "files", tag[5];
	char source[160], path[160];
	struct vm_error e = { 0 };
	struct cv_log log = { 0 };
	struct cv_loop *loop;
	struct cv_vslot *slot;
	struct guest g;
	struct vdev dev;
	pid_t daemon;

	if (access(VIRTIOFSD, X_OK) != 0 || geteuid() != 0)
		return;
	make_dir();
	snprintf(source, sizeof(source), "source=%s", dir);
	snprintf(path, sizeof(path), "--socket-path=%s", in_dir("sock"));
	daemon = run((const char *const[]){ VIRTIOFSD, path, "-o", source, "-o", "sandbox=chroot",
					    NULL });
	guest_init(&g, 8 << 20);
	must(cv_loop_create(&loop, NULL) == 0);
	ck_assert_msg(cv_vhost_frontend_create(
			      &slot,
			      &(struct cv_vhost_frontend_config){ .name = "fs",
								  .id = 26,
								  .config_len = sizeof(space),
								  .config_space = space,
								  .min_queues = 2,
								  .max_queues = 2,
								  .queue_max = queue_max,
								  .mem = &g.mem,
								  .loop = loop,
								  .log = &log },
			      reach(in_dir("sock")), &e) == 0,
		      "%s", e.text);
	vdev_attach(&dev, &vdev_slot_ops, slot, &g, loop, false);
	ck_assert_int_eq(vdev_start(&dev, NULL), 0);
	dev.ops->config_read(&dev, 0, tag, sizeof(tag));
	ck_assert_mem_eq(tag, "files", sizeof(tag));
	{
		/* FUSE_INIT 7.31: header of 40 bytes, then four words; the answer has 16 + 64 */
		uint32_t ask[14] = { 56, 26, 1, 0, [10] = 7, [11] = 31, [12] = 65536 };
		uint32_t answer[20] = { 0 };

		ck_assert_int_eq(vdev_request(&dev, 1, ask, sizeof(ask), answer, sizeof(answer)),
				 sizeof(answer));
		ck_assert_uint_eq(answer[0], 80);
		ck_assert_uint_eq(answer[1], 0);
		ck_assert_uint_eq(answer[4], 7);
	}
	vdev_detach(&dev);
	cv_vslot_destroy(slot);
	cv_loop_destroy(loop);
	guest_fini(&g);
	end(daemon, SIGKILL);
	unlink(in_dir("sock"));
	rmdir(dir);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("foreign");
	TCase *tc = tcase_create("foreign");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, storage_daemon, 0, 2);
	tcase_add_test(tc, virtiofsd);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed > 0;
}
