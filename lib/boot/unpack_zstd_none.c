/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of unpack_zstd.c in a build without libzstd. */
#include "boot/unpack.h"

const struct cv_unpack_ops cv_unpack_zstd = { .create = NULL };
