/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors as values: a number and one sentence. */
#ifndef CROSVM_ERROR_H
#define CROSVM_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What went wrong, filled by the last parameter of every fallible call when
 * that call returns a negative number. The sentence names the object, the
 * fault and the remedy; it is always terminated and needs no release. The
 * caller owns the struct; the library never keeps a pointer to it.
 */
struct vm_error {
	int code;	/* the positive errno, 0 while nothing has failed */
	char text[508]; /* one sentence in English, without a newline */
};

#ifdef __cplusplus
}
#endif

#endif
