/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling struct vm_error. */
#ifndef CV_BASE_ERR_H
#define CV_BASE_ERR_H

#include <crosvm/error.h>

#include "base/base.h"

/*
 * Sets the error to @code (a negative errno) and a sentence, and returns @code.
 * @e may be NULL. The sentence names the object, the fault and the remedy.
 */
int cv_err(struct vm_error *e, int code, const char *fmt, ...) CV_PRINTF(3, 4);

/*
 * The same for what the host's kernel has refused: its reason for @code follows the
 * sentence, and the remedy if descriptors have run out.
 */
int cv_err_os(struct vm_error *e, int code, const char *fmt, ...) CV_PRINTF(3, 4);

/*
 * Puts "fmt: " in front of the sentence already there (the caller knows the
 * object, the callee the fault) and returns @code.
 */
int cv_err_prefix(struct vm_error *e, int code, const char *fmt, ...) CV_PRINTF(3, 4);

#endif
