/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An empty read-only root, without a directory of the host's: a new tmpfs is
 * mounted over the old root and then takes its place. The kernel's first root
 * (an initramfs) cannot be replaced: there the process only goes into the new
 * one, which it cannot leave again without CAP_SYS_CHROOT.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/impl.h"

/* A detached mount, or -errno. */
static int make_tmpfs(void)
{
	CV_AUTO_FD int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mnt = fsmount(fs, FSMOUNT_CLOEXEC,
		      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mnt < 0 ? -errno : mnt;
}

/* The mount in the working directory becomes the root. */
static int change_root(void)
{
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		/* the old one lies on top of the new one now */
		return umount2(".", MNT_DETACH) < 0 ? -errno : 0;
	if (errno != EINVAL)
		return -errno;
	return chroot(".") < 0 ? -errno : 0;
}

static int replace_root(void)
{
	CV_AUTO_FD int mnt = make_tmpfs();
	int err;

	if (mnt < 0)
		return mnt;
	/* private: without a user namespace the host would see what happens here */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    move_mount(mnt, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(mnt) < 0)
		return -errno;
	err = change_root();
	if (err)
		return err;
	return syscall(SYS_chdir, "/") < 0 ? -errno : 0;
}

int cv_jail_enter_root(struct vm_error *e)
{
	int err = replace_root();

	if (err)
		return cv_err(
			e, err,
			"sandbox: the root cannot be replaced by an empty one: %s; some security "
			"policy of this host may forbid it (AppArmor: sysctl "
			"kernel.apparmor_restrict_unprivileged_userns=0), or leave 'mount' out "
			"of the sandbox",
			strerror(-err));
	return 0;
}
