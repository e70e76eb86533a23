/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of unpack_lz4.c in a build without liblz4. */
#include "boot/unpack.h"

const struct cv_unpack_ops cv_unpack_lz4 = { .create = NULL };
const struct cv_unpack_ops cv_unpack_lz4_legacy = { .create = NULL };
