/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the library's messages go: to the embedder, never to a file of its own. */
#ifndef CROSVM_LOG_H
#define CROSVM_LOG_H

#ifdef __cplusplus
extern "C" {
#endif

/* How much a message matters, most important first. */
enum vm_log_level {
	VM_LOG_ERROR = 1, /* something the embedder asked for does not work */
	VM_LOG_WARN = 2,  /* the guest or the host misbehaves; the VM goes on */
	VM_LOG_INFO = 3,  /* a change of state worth knowing */
	VM_LOG_DEBUG = 4, /* for whoever debugs a device */
};

/*
 * A log sink: called with one line of text without a newline.
 *
 * @user: the pointer given with the sink
 * @text: valid during the call only
 *
 * Called from any thread of the VM, several at a time; must not call back into
 * the library. Messages that a guest can cause come at most once a second.
 */
typedef void (*vm_log_fn)(void *user, enum vm_log_level level, const char *text);

#ifdef __cplusplus
}
#endif

#endif
