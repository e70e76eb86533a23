/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of unpack_gzip.c in a build without zlib. */
#include "boot/unpack.h"

const struct cv_unpack_ops cv_unpack_gzip = { .create = NULL };
