/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading /proc: files of one process by its directory, which stays that
 * process's, and the texts in them. The names there are anybody's.
 */
#ifndef CV_SANDBOX_PROC_H
#define CV_SANDBOX_PROC_H

#include <crosvm/sandbox.h>

#include "base/base.h"

/* The directory of the process, opened; or -errno, -ENOENT for none. */
int cv_proc_open(pid_t pid) CV_MUST_CHECK;

/* The whole file, at most 4 MiB, terminated, into *text, to be freed; *len may be NULL. 0 or -errno. */
int cv_proc_read(int dir, const char *name, char **text, size_t *len) CV_MUST_CHECK;

/* The target of the link, terminated, cut off at @size. 0 or -errno. */
int cv_proc_link(int dir, const char *name, char *buf, size_t size) CV_MUST_CHECK;

/* /proc/PID/status into the fields of VM_SANDBOX_STATUS. 0 or -EBADMSG. */
int cv_proc_parse_status(const char *text, struct vm_sandbox_process *p) CV_MUST_CHECK;

/* What @outside is within, by /proc/PID/uid_map; VM_SANDBOX_UNKNOWN_ID without a mapping. */
uint32_t cv_proc_map_id(const char *text, uint32_t outside);

/* /proc/PID/limits. 0 or -EBADMSG. */
int cv_proc_parse_limits(const char *text, struct vm_sandbox_process *p) CV_MUST_CHECK;

struct cv_proc_map {
	struct vm_sandbox_range range; /* name: of a memfd, else empty */
	bool writable_code;
};

/* The next line of /proc/PID/maps, which *text moves behind. False at the end. */
bool cv_proc_next_map(const char **text, struct cv_proc_map *map);

/* "Private_Clean" and "Private_Dirty" of /proc/PID/smaps_rollup in bytes. 0 or -EBADMSG. */
int cv_proc_parse_rollup(const char *text, uint64_t *bytes) CV_MUST_CHECK;

/* The number in "user:[4026531837]"; 0 for anything else. */
uint64_t cv_proc_ns_inode(const char *link);

/* What kind of thing the link in /proc/PID/fd names; NULL: a file, which its type tells. */
const char *cv_proc_fd_kind(const char *link);

/* Whether /proc/PID/fdinfo/N says that it can be written. */
bool cv_proc_fd_writable(const char *fdinfo);

/* The class's name, if /proc/PID/cmdline of @len bytes is a device process's: "PROGRAM", then
 * "ARG" with the name behind. False else. */
bool cv_proc_device(const char *cmdline, size_t len, const char *arg, char *cls, size_t size);

#endif
