/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The constants that policies may name. All have the same value on every
 * architecture we know; those of open(2) that do not are left out on purpose.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "sandbox/policy.h"

struct constant {
	const char *name;
	uint64_t value;
};

#define C(name)                         \
	{                               \
#name, (uint64_t)(name) \
	}

static const struct constant constants[] = {
	C(AT_EMPTY_PATH),
	C(AF_INET),
	C(AF_INET6),
	C(AF_NETLINK),
	C(AF_UNIX),
	C(AF_UNSPEC),
	C(AF_VSOCK),
	C(BLKDISCARD),
	C(BLKFLSBUF),
	C(BLKGETSIZE64),
	C(BLKPBSZGET),
	C(BLKSSZGET),
	C(BLKZEROOUT),
	C(CLONE_CHILD_CLEARTID),
	C(CLONE_CHILD_SETTID),
	C(CLONE_FILES),
	C(CLONE_FS),
	C(CLONE_NEWNS),
	C(CLONE_NEWUSER),
	C(CLONE_PARENT_SETTID),
	C(CLONE_SETTLS),
	C(CLONE_SIGHAND),
	C(CLONE_SYSVSEM),
	C(CLONE_THREAD),
	C(CLONE_VFORK),
	C(CLONE_VM),
	C(EFD_CLOEXEC),
	C(EFD_NONBLOCK),
	C(EPOLL_CTL_ADD),
	C(EPOLL_CTL_DEL),
	C(EPOLL_CTL_MOD),
	C(FALLOC_FL_KEEP_SIZE),
	C(FALLOC_FL_PUNCH_HOLE),
	C(FALLOC_FL_ZERO_RANGE),
	C(FD_CLOEXEC),
	C(FIOCLEX),
	C(FIONBIO),
	C(FIONREAD),
	C(FUTEX_CLOCK_REALTIME),
	C(FUTEX_CMP_REQUEUE),
	C(FUTEX_PRIVATE_FLAG),
	C(FUTEX_REQUEUE),
	C(FUTEX_WAIT),
	C(FUTEX_WAIT_BITSET),
	C(FUTEX_WAKE),
	C(FUTEX_WAKE_BITSET),
	C(F_ADD_SEALS),
	C(F_DUPFD),
	C(F_DUPFD_CLOEXEC),
	C(F_GETFD),
	C(F_GETFL),
	C(F_GET_SEALS),
	C(F_SETFD),
	C(F_SETFL),
	C(KVM_GET_REGS),
	C(KVM_IOEVENTFD),
	C(KVM_IRQFD),
	C(KVM_RUN),
	C(KVM_SET_GSI_ROUTING),
	C(KVM_SET_SIGNAL_MASK),
	C(MADV_DONTDUMP),
	C(MADV_DONTNEED),
	C(MADV_FREE),
	C(MADV_HUGEPAGE),
	C(MADV_NORMAL),
	C(MADV_NOHUGEPAGE),
	C(MADV_REMOVE),
	C(MAP_ANONYMOUS),
	C(MAP_FIXED),
	C(MAP_FIXED_NOREPLACE),
	C(MAP_NORESERVE),
	C(MAP_POPULATE),
	C(MAP_PRIVATE),
	C(MAP_SHARED),
	C(MAP_STACK),
	C(MFD_ALLOW_SEALING),
	C(MFD_CLOEXEC),
	C(MREMAP_MAYMOVE),
	C(MSG_CMSG_CLOEXEC),
	C(MSG_DONTWAIT),
	C(MSG_NOSIGNAL),
	C(P_PIDFD),
	C(PROT_EXEC),
	C(PROT_NONE),
	C(PROT_READ),
	C(PROT_WRITE),
	C(PR_GET_NAME),
	C(PR_SET_NAME),
	C(PR_SET_VMA),
	C(RUSAGE_SELF),
	C(RUSAGE_THREAD),
	C(RWF_NOWAIT),
	C(SECCOMP_IOCTL_NOTIF_RECV),
	{ "SELF", CV_POLICY_SELF },
	C(SHUT_RDWR),
	C(SIGABRT),
	C(SIGKILL),
	C(SIG_BLOCK),
	C(SIG_SETMASK),
	C(SIG_UNBLOCK),
	C(SOCK_CLOEXEC),
	C(SOCK_DGRAM),
	C(SOCK_NONBLOCK),
	C(SOCK_SEQPACKET),
	C(SOCK_STREAM),
	C(TCGETS),
	C(TCSETS),
	C(TIOCGPTN),
	C(TIOCGWINSZ),
};

static const struct constant errnos[] = {
	C(EACCES),     C(EAGAIN), C(EBADF),   C(EBUSY),	 C(ECONNREFUSED), C(EEXIST), C(EFAULT),
	C(EFBIG),      C(EINTR),  C(EINVAL),  C(EIO),	 C(EISDIR),	  C(EMFILE), C(ENFILE),
	C(ENODEV),     C(ENOENT), C(ENOEXEC), C(ENOMEM), C(ENOSPC),	  C(ENOSYS), C(ENOTDIR),
	C(ENOTSOCK),   C(ENOTTY), C(ENXIO),   C(EPERM),	 C(EPIPE),	  C(ERANGE), C(EROFS),
	C(EOPNOTSUPP), C(ESRCH),  C(ETXTBSY), C(EXDEV),	 C(EAFNOSUPPORT),
};

bool cv_policy_constant(const char *name, size_t len, bool is_errno, uint64_t *value)
{
	const struct constant *table = is_errno ? errnos : constants;
	size_t n = is_errno ? CV_LEN(errnos) : CV_LEN(constants);

	for (size_t i = 0; i < n; i++)
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
			*value = table[i].value;
			return true;
		}
	return false;
}
